//! Whether a pod is what its DaemonSet says, and the DaemonSet what `manifests` prints: by a digest of the whole pod specification
//! but for what the API server, the DaemonSet's controller and the user's own sizing put into it.
//!
//! What is left out: where pods may run (node selector, tolerations, affinity, priority), how much they may take (resources), how often
//! collectors collect (`--every`), and the capabilities that `manifests` can add. The image is compared apart: its name is the user's.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Digest of a pod specification without what may differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written([u8; 32]);

/// What may differ wherever it stands in the specification of a pod.
const OF_POD: [&str; 8] = [
    "nodeName",
    "nodeSelector",
    "tolerations",
    "affinity",
    "priority",
    "priorityClassName",
    "preemptionPolicy",
    // another name of serviceAccountName, which is compared
    "serviceAccount",
];
/// What the API server fills in (pkg/apis/core/v1/defaults.go), by the place below the specification.
const DEFAULTS: [(&str, &str); 3] =
    [("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst"), ("schedulerName", "default-scheduler")];
const DEFAULTS_OF_CONTAINER: [(&str, &str); 2] =
    [("terminationMessagePath", "/dev/termination-log"), ("terminationMessagePolicy", "File")];
/// Capabilities that `manifests` can add.
const CAPABILITIES: [&str; 2] = ["SYS_PTRACE", "DAC_READ_SEARCH"];

impl Written {
    /// Of a pod's specification, as the API has it or as it was written.
    pub fn of(spec: &Value) -> Self {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            OF_POD.iter().for_each(|name| drop(fields.remove(*name)));
            defaults(fields, &DEFAULTS);
            if let Some(Value::Array(containers)) = fields.get_mut("containers") {
                containers.iter_mut().filter_map(Value::as_object_mut).for_each(container);
            }
        }
        Self(Sha256::digest(sorted(spec).to_string()).into())
    }

    /// Decodes a specification into its digest and what else of it is read.
    pub(super) fn with<'de, D: Deserializer<'de>, T: for<'a> Deserialize<'a>>(from: D) -> Result<(Self, T), D::Error> {
        let spec = Value::deserialize(from)?;
        let written = Self::of(&spec);
        Ok((written, serde_json::from_value(spec).map_err(serde::de::Error::custom)?))
    }
}

fn defaults(fields: &mut Map<String, Value>, defaults: &[(&str, &str)]) {
    for (name, value) in defaults {
        if fields.get(*name).is_some_and(|found| found == value) {
            fields.remove(*name);
        }
    }
}

fn container(fields: &mut Map<String, Value>) {
    fields.remove("resources");
    fields.remove("image");
    defaults(fields, &DEFAULTS_OF_CONTAINER);
    if let Some(Value::Array(words)) = fields.get_mut("args") {
        words.retain(|word| !word.as_str().is_some_and(is_interval));
    }
    let added = fields.get_mut("securityContext").and_then(|context| context.get_mut("capabilities"));
    if let Some(capabilities) = added.and_then(Value::as_object_mut) {
        let known = |word: &Value| word.as_str().is_some_and(|word| CAPABILITIES.contains(&word));
        let all_known = capabilities.get("add").and_then(Value::as_array).is_some_and(|words| words.iter().all(known));
        if all_known {
            capabilities.remove("add");
        }
    }
    for variable in fields.get_mut("env").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef").and_then(Value::as_object_mut) {
            defaults(field, &[("apiVersion", "v1")]);
        }
    }
}

fn is_interval(word: &str) -> bool {
    let seconds = word.strip_prefix("--every=").unwrap_or_default();
    !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit())
}

/// In one order of names, however maps are kept; nulls are fields left out.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().map(|(name, value)| (name, sorted(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
