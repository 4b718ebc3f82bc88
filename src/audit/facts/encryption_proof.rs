//! What an API server's own counters prove of encryption, beside what its configuration says.

use super::{Context, Fact};
use crate::evidence::{DocumentRole, Gap, Observed, ServerMetrics, Transformation, Value};

/// A fact about the encryption of Secrets with what the metrics show, whatever the configuration says or hides.
pub(super) fn with_proof(configured: Observed<Value>, note: Option<String>, context: &Context<'_>) -> Fact {
    let shown = context.instance.and_then(|(instance, _)| instance.metrics.as_ref()).map(|metrics| match metrics {
        Observed::Seen { value, .. } => shown(value),
        Observed::Unknown(gap) => format!("no proof from metrics: {gap}"),
        Observed::Absent { .. } => "no proof from metrics".to_owned(),
    });
    match (configured, shown) {
        (Observed::Unknown(gap), Some(shown)) => {
            Fact::Value(Observed::Unknown(Gap::new(gap.reason, format!("{}; {shown}", gap.detail))), None)
        }
        (configured, shown) => {
            let loaded = is_loaded(context).then(|| "metrics tell that this content is loaded".to_owned());
            let notes: Vec<String> = note.into_iter().chain(loaded).chain(shown).collect();
            Fact::Value(configured, (!notes.is_empty()).then(|| notes.join("; ")))
        }
    }
}

/// True when the API server tells the digest of the very file that is there.
fn is_loaded(context: &Context<'_>) -> bool {
    let Some((instance, _)) = context.instance else { return false };
    let told = instance.own_metrics().and_then(|told| told.loaded.get(&DocumentRole::Encryption));
    let mut digests =
        instance.documents.iter().filter(|one| one.role == DocumentRole::Encryption).map(|one| &one.digest);
    told.is_some_and(|told| digests.any(|digest| digest.as_ref() == Some(told)))
}

/// The counters of Secrets in words.
fn shown(proof: &ServerMetrics) -> String {
    let from = match proof.servers {
        0 | 1 => "metrics".to_owned(),
        servers => format!("metrics of 1 of {servers} API servers"),
    };
    if proof.transformations.is_empty() {
        return format!("{from}: nothing is encrypted or decrypted, no resource at all");
    }
    let of_secrets = || proof.transformations.iter().filter(|one| one.resource == "secrets");
    let counted = |one: &Transformation| {
        let way = if one.writes { "written" } else { "read" };
        let failed = if one.failed > 0 { format!(", {} failed", one.failed) } else { String::new() };
        format!("{} {way} by {}{failed}", one.done, one.transformer)
    };
    let mut words: Vec<String> = of_secrets().map(counted).collect();
    if words.is_empty() {
        words.push("none went through a transformer".to_owned());
    }
    if of_secrets().any(|one| !one.writes && one.transformer == "identity" && one.done > 0) {
        words.push("plain-text Secrets are left in etcd".to_owned());
    }
    if proof.failed_reloads > 0 {
        words.push(format!("{} reloads of the configuration failed", proof.failed_reloads));
    }
    format!("{from}, Secrets: {}", words.join(", "))
}
