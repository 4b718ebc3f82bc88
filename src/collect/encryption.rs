//! EncryptionConfiguration: which resources, which providers in which order, and how many keys; never a key.
//!
//! Source: k8s.io/apiserver 0.36 pkg/apis/apiserver/validation/validation_encryption.go, pkg/server/options/encryptionconfig: an API server
//! does not start with a file that is refused there, so that such a file is not what runs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::documents::{changed_since, list, map, text, texts};
use crate::evidence::{Document, Gap, Reason, Value};

/// An API server looks for a change every minute (options/encryptionconfig/controller); loading takes no other one.
const RELOADED_AFTER: i64 = 120;

const PROVIDERS: [&str; 5] = ["identity", "aescbc", "aesgcm", "secretbox", "kms"];

/// What is kept of it; `None` for one that the API server refuses.
pub fn encryption(value: &Value) -> Option<Value> {
    // names of the entries before
    let mut earlier: Vec<(String, String)> = Vec::new();
    let entries = list(value, "resources")?.iter().map(|entry| {
        let resources = texts(entry, "resources")?;
        let names: Vec<&str> = resources.as_list()?.iter().filter_map(Value::as_text).collect();
        if names.is_empty() || !names.iter().all(|name| is_accepted(name)) || overlap(&names) {
            return None;
        }
        for name in names {
            let (resource, group) = group_resource(name);
            // what an earlier wildcard takes already (options/encryptionconfig, getTransformerOverridesAndKMSPluginProbes)
            if earlier.iter().any(|(before, of)| before == "*" && (of == group || of == "*")) {
                return None;
            }
            earlier.push((resource.to_owned(), group.to_owned()));
        }
        let providers: Vec<Value> = list(entry, "providers")?.iter().map(provider).collect::<Option<_>>()?;
        if providers.is_empty() {
            return None;
        }
        Some(map([("resources", resources), ("providers", Value::List(providers))]))
    });
    let entries: Vec<Value> = entries.collect::<Option<_>>()?;
    if entries.is_empty() { None } else { Some(map([("resources", Value::List(entries))])) }
}

/// Why an API server that started at `started_at` may work with another content than the file's, by the host's clock: `reloads` is
/// whether it reads the file again by itself.
///
/// It keeps what it has when the new content does not load, and a file alone does not say that it did where a KMS plugin must answer
/// first or a key is none.
pub fn pending(document: &Document, started_at: Option<i64>, clock: Option<i64>, reloads: bool) -> Option<Gap> {
    let modified = document.file.value()?.modified;
    if !changed_since(modified, started_at) {
        return None;
    }
    let path = &document.path;
    let why = if !reloads {
        format!("{path} changed after the process started; it works with the earlier content")
    } else if clock.is_none_or(|clock| clock < modified + RELOADED_AFTER) {
        format!("{path} changed after the process started, which reads it again within a minute or two")
    } else if !document.content.value().is_some_and(loads_by_itself) {
        format!("{path} changed after the process started; only the API server's metrics tell whether it could load it")
    } else {
        return None;
    };
    Some(Gap::new(Reason::ChangedSinceStart, why))
}

/// True when nothing but the file decides whether it is loaded.
fn loads_by_itself(kept: &Value) -> bool {
    let entries = kept.at("resources").and_then(Value::as_list).unwrap_or_default();
    let mut providers = entries.iter().filter_map(|entry| entry.at("providers").and_then(Value::as_list)).flatten();
    providers.all(|provider| provider.at("loads-by-itself") == Some(&Value::Bool(true)))
}

/// `resource` or `resource.group`, as it is read.
fn group_resource(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

fn is_accepted(name: &str) -> bool {
    const WITHOUT_API: [&str; 3] = ["apiserveripinfo", "serviceipallocations", "servicenodeportallocations"];
    let (resource, group) = group_resource(name);
    !name.chars().any(char::is_uppercase)
        && name != "*"
        && !WITHOUT_API.contains(&name)
        && !matches!(group, "events.k8s.io" | "extensions")
        && (group != "*" || resource == "*")
}

/// True when one name of a list is there twice, or hides another.
fn overlap(names: &[&str]) -> bool {
    let all: Vec<(&str, &str)> = names.iter().map(|name| group_resource(name)).collect();
    all.iter().enumerate().any(|(index, one)| {
        all.iter().enumerate().any(|(other_index, other)| {
            index != other_index
                && (one == other || *one == ("*", "*") || (one.1 == other.1 && (one.0 == "*" || other.0 == "*")))
        })
    })
}

fn provider(provider: &Value) -> Option<Value> {
    let mut named = provider.as_map()?.iter().filter(|(_, settings)| !matches!(settings, Value::Null));
    let (name, settings) = named.next()?;
    if named.next().is_some() || !PROVIDERS.contains(&name.as_str()) || !matches!(settings, Value::Map(_)) {
        return None;
    }
    let keys = list(settings, "keys")?;
    let version = match name.as_str() {
        "kms" => kms_version(settings)?,
        "identity" => "",
        // their content is not looked at: in what is recorded of a host it may be gone
        _ if keys.is_empty() => return None,
        _ => "",
    };
    let lengths: &[usize] = match name.as_str() {
        "secretbox" => &[32],
        _ => &[16, 24, 32],
    };
    let loads = name != "kms" && keys.iter().all(|key| is_key(key, lengths));
    let count = i64::try_from(keys.len()).ok()?;
    Some(map([
        ("name", Value::from(name.as_str())),
        ("version", Value::from(version)),
        ("keys", Value::Int(count)),
        ("loads-by-itself", Value::Bool(loads)),
    ]))
}

/// True for a key with a name and as many bytes as its provider takes (`validateKeys`).
fn is_key(key: &Value, lengths: &[usize]) -> bool {
    let told = |name: &str| key.at(name).and_then(Value::as_text).unwrap_or_default();
    let bytes = STANDARD.decode(told("secret"));
    !told("name").is_empty() && bytes.is_ok_and(|bytes| lengths.contains(&bytes.len()))
}

fn kms_version(settings: &Value) -> Option<&'static str> {
    let (name, endpoint) = (text(settings, "name")?, text(settings, "endpoint")?);
    let named = name.as_text().is_some_and(|name| !name.is_empty() && !name.contains(':'));
    if !named || !endpoint.as_text()?.starts_with("unix:") {
        return None;
    }
    match text(settings, "apiVersion")?.as_text()? {
        "" | "v1" => Some("v1"),
        "v2" => Some("v2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(entries: &str) -> bool {
        let text = entries.replace("KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
        let value: Result<Value, _> = serde_json::from_str(&format!(r#"{{"resources": [{text}]}}"#));
        value.is_ok_and(|value| encryption(&value).is_some())
    }

    #[test]
    fn what_an_earlier_wildcard_takes() {
        let two = |first: &str, second: &str| {
            let entry = |name: &str| format!(r#"{{"resources": ["{name}"], "providers": [{{"identity": {{}}}}]}}"#);
            kept(&format!("{}, {}", entry(first), entry(second)))
        };
        assert!(two("secrets", "*.") && two("*.", "*.*") && two("*.apps", "secrets") && two("secrets", "secrets"));
        assert!(
            !two("*.", "secrets") && !two("*.*", "secrets") && !two("*.*", "*.") && !two("*.apps", "deployments.apps")
        );
    }

    #[test]
    fn what_the_api_server_refuses() {
        const KEYS: &str = r#"{"keys": [{"name": "a", "secret": "KEY"}]}"#;
        let with =
            |resources: &str| kept(&format!(r#"{{"resources": {resources}, "providers": [{{"aescbc": {KEYS}}}]}}"#));
        for fine in [r#"["secrets"]"#, r#"["*."]"#, r#"["*.*"]"#, r#"["*.apps", "secrets"]"#, r#"["secrets."]"#] {
            assert!(with(fine), "{fine}");
        }
        for bad in [
            "[]",
            r#"["*"]"#,
            r#"["Secrets"]"#,
            r#"["secrets", "secrets"]"#,
            r#"["secrets", "*."]"#,
            r#"["*.*", "pods"]"#,
            r#"["deployments.*"]"#,
            r#"["x.extensions"]"#,
            r#"["events.events.k8s.io"]"#,
        ] {
            assert!(!with(bad), "{bad}");
        }
        let by = |provider: &str| kept(&format!(r#"{{"resources": ["secrets"], "providers": [{provider}]}}"#));
        assert!(by(r#"{"kms": {"name": "a", "endpoint": "unix:///s", "apiVersion": "v2"}}"#));
        assert!(by(r#"{"identity": {}}"#));
        for bad in [
            r#"{"kms": {"name": "a:b", "endpoint": "unix:///s"}}"#,
            r#"{"kms": {"name": "a", "endpoint": "http://s"}}"#,
            r#"{"kms": {"name": "a", "endpoint": "unix:///s", "apiVersion": "v3"}}"#,
            r#"{"aesgcm": {"keys": []}}"#,
            r#"{"identity": {}, "aescbc": {}}"#,
            "{}",
        ] {
            assert!(!by(bad), "{bad}");
        }
    }
}
