//! What a kubelet tells at `/configz`: its configuration with everything merged, as it works with it.
//!
//! Source: cmd/kubelet/app/server.go and staging/src/k8s.io/component-base/configz, 1.36: the object is written as `v1beta1`, which
//! leaves out zero values of most fields. Defaults were applied before, so what is left out is zero.

use super::{Effective, zero};
use crate::evidence::components::ComponentTable;
use crate::evidence::{Document, Gap, Observed, Origin, Reason, Value, Version};

/// The effective settings, with `configz` as the origin of each.
pub(super) fn settings(table: &ComponentTable, version: Version, document: &Document) -> Effective {
    let mut merged = Effective::default();
    let content = match &document.content {
        Observed::Seen { value, .. } => value,
        Observed::Absent { .. } => return super::blind(table, &Gap::new(Reason::NotFound, document.path.clone())),
        Observed::Unknown(gap) => return super::blind(table, gap),
    };
    let origin = || Origin::Api { what: "configz".to_owned() };
    let here = |since: Option<Version>, until: Option<Version>| {
        since.is_none_or(|since| since <= version) && until.is_none_or(|until| version <= until)
    };
    for (path, field) in table.fields.iter().filter(|(_, field)| here(field.since, field.until)) {
        let value = match content.at(path) {
            None | Some(Value::Null) => zero(&field.kind),
            Some(value) => value.clone(),
        };
        merged.settings.insert(path.clone(), not_told(path, &value).unwrap_or_else(|| Observed::seen(value, origin())));
    }
    for (name, _) in table.flags.iter().filter(|(_, spec)| here(spec.since, spec.until)) {
        let gap = || Observed::unknown(Reason::NotAsked, "configz does not tell flags that are no configuration");
        merged.settings.entry(table.setting_of(name).to_owned()).or_insert_with(gap);
    }
    if let Some(Value::Map(gates)) = content.at("featureGates") {
        let gates = gates.iter().filter_map(|(gate, on)| Some((gate.clone(), (on.as_bool()?, origin()))));
        merged.gates.extend(gates);
    }
    merged.settings.remove("seccomp-default");
    merged
}

/// Fields of which configz does not tell what is in force.
fn not_told(path: &str, value: &Value) -> Option<Observed<Value>> {
    let why = match path {
        // without configured ones they are those of the pair that the kubelet signs itself
        "tlsCertFile" | "tlsPrivateKeyFile" => "configz does not tell a configured pair from the kubelet's own",
        // --seccomp-default turns it on as well, and is no part of the object
        "seccompDefault" if *value != Value::Bool(true) => "configz does not tell whether --seccomp-default is given",
        _ => return None,
    };
    Some(Observed::unknown(Reason::NotAsked, why))
}
