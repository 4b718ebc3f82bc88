//! `/flagz` of the API server: its flags as it parsed them, without a look at its node. Served by 1.36 and later unless turned
//! off, by 1.32 to 1.35 where somebody asked for it.
//!
//! Source: staging/src/k8s.io/apiserver/pkg/server/flagz and component-base/zpages/flagz, 1.32 to 1.37. The structured form is asked
//! for where the version has it. The text form draws its separator by lot so that nobody reads it by machine; it is read all the
//! same, of versions whose flags the tables know, and only when every line is one of theirs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ask::{Asker, Refused};
use crate::evidence::components::{ComponentTable, FlagSpec};
use crate::evidence::flags::{self, REFUSED};
use crate::evidence::{Component, Gap, Instance, Observed, Origin, Ownership, Reason, Tables, Value, Version};

const WHAT: &str = "/flagz";
/// Flags that the API server fills in itself before it tells them: what was given cannot be told.
///
/// Source: cmd/kube-apiserver/app/options/completion.go and pkg/controlplane/apiserver/options (`Complete`), 1.36.
const COMPLETED: [&str; 3] = ["advertise-address", "external-hostname", "watch-cache-sizes"];
/// Between name and value of a line.
const SEPARATORS: [&str; 4] = [": ", ":", "=", " "];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Flagz {
    flags: BTreeMap<String, String>,
}

/// The API server that answers, as its flags show it; `seen_in` is what the origin of each is called.
///
/// # Errors
/// Why it does not tell them.
pub(super) async fn collect(
    asker: &Asker,
    tables: &Tables,
    version: Option<Version>,
    seen_in: &str,
) -> Result<Instance, Gap> {
    let table = tables.of(Component::KubeApiserver);
    let structured = match version {
        Some(version) if version >= Version::kubernetes(36) => Some("v1beta1"),
        Some(version) if version == Version::kubernetes(35) => Some("v1alpha1"),
        _ => None,
    };
    let mut told = None;
    if let Some(form) = structured {
        let accept = format!("application/json;v={form};g=config.k8s.io;as=Flagz");
        match asker.bytes(WHAT, &accept, WHAT).await {
            Ok(bytes) => told = serde_json::from_slice::<Flagz>(&bytes).ok().map(|flagz| flagz.flags),
            Err(refused @ (Refused::NotServed | Refused::Unauthenticated)) => return Err(refused.into_gap(WHAT)),
            Err(Refused::Gap(gap)) if gap.reason == Reason::Denied => {
                return Err(Gap::new(Reason::Denied, "needs get on the path /flagz"));
            }
            Err(_) => {}
        }
    }
    let flags = match (told.filter(|flags| !flags.is_empty()), version.filter(|version| version.is_known())) {
        (Some(flags), _) => flags,
        (None, Some(_)) => {
            let text = asker.bytes(WHAT, "text/plain", WHAT).await.map_err(|refused| refused.into_gap(WHAT))?;
            of_text(table, &String::from_utf8_lossy(&text))
                .ok_or_else(|| Gap::new(Reason::Malformed, format!("{WHAT}: not the flags of an API server")))?
        }
        (None, None) => return Err(Gap::new(Reason::Unsupported, format!("{WHAT}: of a version that is not known"))),
    };
    let words: Vec<String> = flags.iter().flat_map(|(name, text)| words(table, name, text, version)).collect();
    let words = flags::parse(table, &words).redacted;
    let origin = || Origin::Api { what: seen_in.to_owned() };
    Ok(Instance {
        component: Component::KubeApiserver,
        pid: None,
        ownership: Ownership::Own,
        pod: None,
        executable: Observed::unknown(Reason::NotAsked, "flagz does not tell it"),
        arguments: Observed::seen(words, origin()),
        environment: Observed::unknown(Reason::NotAsked, "flagz does not tell variables"),
        versions: version.map_or_else(Version::known, |version| vec![version]),
        version_from: "what the API server says of itself".to_owned(),
        started_at: None,
        manifest: None,
        manifest_differs: None,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: Some(seen_in.to_owned()),
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    })
}

/// The flags of the text form; `None` when a line is none of them.
fn of_text(table: &ComponentTable, text: &str) -> Option<BTreeMap<String, String>> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    // a title, and a warning that this is not meant for machines
    let lines = lines.iter().skip_while(|line| !line.starts_with("Warning:")).skip(1);
    let name_of = |line: &str| line.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)));
    let cut: Option<Vec<(&str, &str)>> = lines.map(|line| Some(line.split_at(name_of(line)?))).collect();
    let cut = cut.filter(|cut| cut.iter().any(|(name, _)| table.flags.contains_key(*name)))?;
    let separator = SEPARATORS.into_iter().find(|separator| cut.iter().all(|(_, rest)| rest.starts_with(separator)))?;
    Some(cut.into_iter().map(|(name, rest)| (name.to_owned(), rest[separator.len()..].to_owned())).collect())
}

/// The words that give a flag the value that it prints as; none for its default, or for a flag that the table does not know.
fn words(table: &ComponentTable, name: &str, text: &str, version: Option<Version>) -> Vec<String> {
    let Some((name, spec)) = table.flag(name) else { return Vec::new() };
    if text == "CLASSIFIED" || COMPLETED.contains(&name) {
        return vec![format!("--{name}={REFUSED}")];
    }
    let given = as_given(spec, text);
    let mut value: Option<Value> = None;
    for one in &given {
        value = flags::parse_value(&spec.kind, one, value.as_ref());
    }
    let default = version.and_then(|version| spec.default.at(version));
    let default = default.and_then(|default| flags::parse_value(&spec.kind, &default.to_string(), None));
    if given.is_empty() || value.is_some() && value == default {
        return Vec::new();
    }
    given.into_iter().map(|one| format!("--{name}={one}")).collect()
}

/// What a person would have given for a printed value: pflag prints lists in brackets, and multimaps with a colon before what
/// names no component.
fn as_given(spec: &FlagSpec, text: &str) -> Vec<String> {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (spec.kind.as_str(), inside) {
        ("stringSlice" | "intSlice" | "int32Slice" | "int64Slice", Some("")) => Vec::new(),
        ("stringSlice" | "intSlice" | "int32Slice" | "int64Slice", Some(inside)) => vec![inside.to_owned()],
        ("stringArray", Some("")) => Vec::new(),
        ("stringArray", Some(inside)) => {
            crate::evidence::golang::parse_csv_record(inside).unwrap_or_else(|| vec![inside.to_owned()])
        }
        (_, Some("")) => Vec::new(),
        (kind, _) if kind.to_ascii_lowercase().contains("map") => {
            let text: Vec<&str> = text.split(',').map(|pair| pair.strip_prefix(':').unwrap_or(pair)).collect();
            let text = text.join(",");
            if text.is_empty() { Vec::new() } else { vec![text] }
        }
        _ => vec![text.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ComponentTable {
        let told = serde_json::from_value(serde_json::json!({
            "component": "kube-apiserver", "syntax": "pflag", "measured": ["1.36"],
            "flags": {
                "profiling": {"type": "bool", "default": {"1.29": true}},
                "authorization-mode": {"type": "stringSlice", "default": {"1.29": []}},
                "service-account-issuer": {"type": "stringArray", "default": {"1.29": []}},
                "feature-gates": {"type": "colonSeparatedMultimapStringString"},
                "audit-log-path": {"type": "string", "default": {"1.29": ""}},
                "qps": {"type": "float32", "default": {"1.29": 10}},
                "external-hostname": {"type": "string"},
            },
        }));
        told.unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn the_text_form_is_read_whatever_its_separator() {
        for separator in SEPARATORS {
            let text = format!(
                "\napiserver flagz\nWarning: not for machines.\nprofiling{separator}false\naudit-log-path{separator}\nauthorization-mode{separator}[Node,RBAC]\n"
            );
            let flags = of_text(&table(), &text).unwrap_or_default();
            assert_eq!(flags.get("profiling").map(String::as_str), Some("false"), "{separator:?}");
            assert_eq!(flags.get("audit-log-path").map(String::as_str), Some(""), "{separator:?}");
            assert_eq!(flags.get("authorization-mode").map(String::as_str), Some("[Node,RBAC]"), "{separator:?}");
        }
        for text in ["", "<html>", "Warning:\n", "Warning:\nprofiling", "Warning:\nprofiling: a\naudit-log-path=b\n"] {
            assert!(of_text(&table(), text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn printed_values_become_words() {
        let version = Some(Version::kubernetes(36));
        for (name, text, expected) in [
            ("profiling", "true", vec![]),
            ("profiling", "false", vec!["--profiling=false".to_owned()]),
            ("authorization-mode", "[Node,RBAC]", vec!["--authorization-mode=Node,RBAC".to_owned()]),
            ("authorization-mode", "[]", vec![]),
            (
                "service-account-issuer",
                "[\"a,b\",c]",
                vec!["--service-account-issuer=a,b".to_owned(), "--service-account-issuer=c".to_owned()],
            ),
            (
                "feature-gates",
                ":AllAlpha=true,kube:X=false",
                vec!["--feature-gates=AllAlpha=true,kube:X=false".to_owned()],
            ),
            ("feature-gates", "", vec![]),
            ("qps", "10", vec![]),
            ("audit-log-path", "CLASSIFIED", vec![format!("--audit-log-path={REFUSED}")]),
            ("external-hostname", "10.0.0.1", vec![format!("--external-hostname={REFUSED}")]),
            ("no-such-flag", "secret", vec![]),
        ] {
            assert_eq!(words(&table(), name, text, version), expected, "{name} {text}");
        }
    }
}
