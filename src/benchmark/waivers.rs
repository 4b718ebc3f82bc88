//! Waivers: findings that somebody accepted, with the reason and until when. Read strictly, since a typo would accept nothing.

use chrono::NaiveDate;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::error::{At, parse};
use super::{Library, LoadError};

/// A finding that somebody accepted. It changes no verdict and no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Its name, such as a ticket's.
    pub id: String,
    /// Names of the checks that it is about.
    pub checks: Vec<String>,
    /// Names of nodes, `*` for any letters; empty for all nodes and the cluster as a whole.
    pub nodes: Vec<String>,
    /// What the accepted findings are about (`what` of an offender), `*` for any letters; empty for the whole finding.
    pub objects: Vec<String>,
    /// Accepts what kube-assay's own collectors change in a report, by their mark and never by a name.
    pub own_collectors: bool,
    /// Why it is accepted.
    pub reason: String,
    /// Who accepted it.
    pub accepted_by: String,
    /// The last day on which it holds.
    pub until: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    waivers: Vec<Spanned<Raw>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    id: Spanned<String>,
    checks: Vec<Spanned<String>>,
    #[serde(default)]
    nodes: Vec<Spanned<String>>,
    #[serde(default)]
    objects: Vec<Spanned<String>>,
    #[serde(default)]
    own_collectors: bool,
    reason: Spanned<String>,
    accepted_by: Spanned<String>,
    until: Spanned<String>,
}

/// Adds the waivers of a file.
///
/// # Errors
/// The first thing that is wrong: an unknown key or check, an id that stands twice, a text that is empty, no date.
pub fn add_waivers(waivers: &mut Vec<Waiver>, path: &str, text: &str, library: &Library) -> Result<(), LoadError> {
    let file: File = parse(path, text)?;
    for raw in file.waivers {
        let raw = raw.value;
        let at = |spanned: &Spanned<String>| At::from(spanned.referenced);
        let wrong = |spanned: &Spanned<String>, message: String| LoadError::at(path, at(spanned), message);
        let words = [&raw.id, &raw.reason, &raw.accepted_by].into_iter();
        for word in words.chain(&raw.checks).chain(&raw.nodes).chain(&raw.objects) {
            if word.value.trim().is_empty() {
                return Err(wrong(word, "is empty".to_owned()));
            }
        }
        if waivers.iter().any(|known| known.id == raw.id.value) {
            return Err(wrong(&raw.id, format!("waiver `{}` stands twice", raw.id.value)));
        }
        if raw.checks.is_empty() {
            return Err(wrong(&raw.id, format!("waiver `{}` names no check", raw.id.value)));
        }
        for check in &raw.checks {
            if !library.checks.contains_key(&check.value) {
                let message = format!("`{}` is the name of no check (see `kube-assay explain ID`)", check.value);
                let known = library.checks.keys().map(String::as_str);
                return Err(wrong(check, message).did_you_mean(&check.value, known));
            }
        }
        let until = raw
            .until
            .value
            .parse()
            .map_err(|_| wrong(&raw.until, format!("`{}` is no date, such as 2027-01-31", raw.until.value)))?;
        let values = |words: Vec<Spanned<String>>| words.into_iter().map(|word| word.value).collect();
        waivers.push(Waiver {
            id: raw.id.value,
            checks: values(raw.checks),
            nodes: values(raw.nodes),
            objects: values(raw.objects),
            own_collectors: raw.own_collectors,
            reason: raw.reason.value.trim().to_owned(),
            accepted_by: raw.accepted_by.value,
            until,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "waivers:\n- id: SEC-1\n  checks: [kubelet-x]\n  reason: r\n  accepted_by: a\n  until: 2027-01-31\n";

    fn add(text: &str) -> Result<Vec<Waiver>, String> {
        let mut waivers = Vec::new();
        add_waivers(&mut waivers, "w.yaml", text, &Library::default()).map_err(|error| error.to_string())?;
        Ok(waivers)
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |text: &str| add(text).err().unwrap_or_default();
        assert!(wrong(GOOD).starts_with("w.yaml:3:12: `kubelet-x` is the name of no check"), "{}", wrong(GOOD));
        assert!(wrong(&GOOD.replace("reason: r", "reason: ''")).contains("w.yaml:4:"), "an empty reason");
        assert!(wrong(&GOOD.replace("[kubelet-x]", "[]")).contains("names no check"));
        assert!(wrong(&GOOD.replace("  accepted_by: a\n", "")).contains("missing key `accepted_by`"));
        assert!(wrong(&GOOD.replace("until", "untill")).contains("unknown key `untill`"));
    }
}
