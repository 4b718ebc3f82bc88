//! Where a container's variables come from. Literal values of ordinary pods are nobody's business here: what a collector does
//! not ask for right after decoding is dropped.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::volume::RawRef;
use super::{list, null_is_default};

/// A variable that comes from a secret, and while collecting also one that etcd may read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvSource {
    /// Name of the variable; empty for `envFrom`.
    #[serde(deserialize_with = "null_is_default")]
    pub variable: String,
    /// Name of the secret; empty for what comes from elsewhere.
    #[serde(deserialize_with = "null_is_default")]
    pub secret: String,
    /// Its literal value, while collecting only.
    #[serde(skip)]
    pub value: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawEnv {
    #[serde(deserialize_with = "null_is_default")]
    name: String,
    #[serde(deserialize_with = "text")]
    value: Option<String>,
    value_from: Option<RawValueFrom>,
    // the form of evidence files
    variable: Option<String>,
    secret: Option<String>,
}

/// A text; anything else is none, for nobody judges the variables of most pods.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    })
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawValueFrom {
    secret_key_ref: Option<RawRef>,
}

pub(super) fn env_sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EnvSource>, D::Error> {
    let all: Vec<RawEnv> = list(deserializer)?;
    let sources = all.into_iter().filter_map(|raw| match (raw.secret, raw.value_from) {
        (Some(secret), _) => Some(EnvSource { variable: raw.variable.unwrap_or_default(), secret, value: None }),
        (None, Some(RawValueFrom { secret_key_ref: Some(reference) })) => {
            Some(EnvSource { variable: raw.name, secret: reference.name, value: None })
        }
        // of all others only those that one of the judged components reads by itself
        (None, from) if raw.name.starts_with("ETCD_") => Some(EnvSource {
            variable: raw.name,
            secret: String::new(),
            value: if from.is_some() { None } else { Some(raw.value.unwrap_or_default()) },
        }),
        (None, _) => None,
    });
    let mut sources: Vec<EnvSource> = sources.collect();
    // it was collected in the place of all variables
    sources.shrink_to_fit();
    Ok(sources)
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawEnvFrom {
    secret_ref: Option<RawRef>,
    secret: Option<String>,
    config_map_ref: Option<IgnoredAny>,
}

pub(super) fn env_from_sources<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EnvSource>, D::Error> {
    let all: Vec<RawEnvFrom> = list(deserializer)?;
    let named = |raw: RawEnvFrom| {
        let secret = raw.secret.or(raw.secret_ref.map(|reference| reference.name));
        secret.or(raw.config_map_ref.map(|_| String::new()))
    };
    let source = |secret| EnvSource { variable: String::new(), secret, value: None };
    Ok(all.into_iter().filter_map(named).map(source).collect())
}
