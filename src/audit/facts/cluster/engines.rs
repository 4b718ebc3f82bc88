//! Engines beside the API server's own plugins that can refuse pods: which are here, and whether they refuse or only watch.

use super::namespaces::{named, named_gap};
use crate::evidence::Gap;
use crate::evidence::objects::{ClusterEvidence, Named};

/// Kinds whose objects refuse pods; whether they cover a namespace takes a person.
const POLICIES: [&str; 7] = [
    "ClusterPolicy.kyverno.io",
    "Policy.kyverno.io",
    "ValidatingPolicy.policies.kyverno.io",
    "ConstraintTemplate.templates.gatekeeper.sh",
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "ClusterAdmissionPolicy.policies.kubewarden.io",
    "AdmissionPolicy.policies.kubewarden.io",
];

/// Kinds by which images can be verified before they run.
const VERIFIERS: [&str; 9] = [
    "ClusterImagePolicy.policy.sigstore.dev",
    "ClusterPolicy.kyverno.io",
    "Policy.kyverno.io",
    "ImageValidatingPolicy.policies.kyverno.io",
    "ConstraintTemplate.templates.gatekeeper.sh",
    "ClusterAdmissionPolicy.policies.kubewarden.io",
    "AdmissionPolicy.policies.kubewarden.io",
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
    "MutatingWebhookConfiguration.admissionregistration.k8s.io",
];

/// True for an object that surely refuses nothing: it audits, warns, or is a trial.
///
/// Source: Kyverno's API reference (kyverno.io/v1, `validationFailureAction`): what says nothing audits.
fn only_watches(object: &Named) -> bool {
    if object.action.is_empty() && object.group == "kyverno.io" {
        return true;
    }
    const WATCHING: [&str; 5] = ["audit", "warn", "dryrun", "monitor", "ignore"];
    !object.action.is_empty()
        && object.action.split(',').all(|action| WATCHING.contains(&action.trim().to_ascii_lowercase().as_str()))
}

fn described(cluster: &ClusterEvidence, kinds: &[&str], wanted: impl Fn(&Named) -> bool) -> Vec<String> {
    const SHOWN: usize = 3;
    let mut found = Vec::new();
    for kind in kinds {
        let objects: Vec<&Named> = named(cluster, kind).iter().filter(|object| wanted(object)).collect();
        if objects.is_empty() {
            continue;
        }
        let mut shown: Vec<String> = objects
            .iter()
            .take(SHOWN)
            .map(|object| match object.action.as_str() {
                "" => object.metadata.name.clone(),
                action => format!("{}: {action}", object.metadata.name),
            })
            .collect();
        if objects.len() > SHOWN {
            shown.push(format!("{} more", objects.len() - SHOWN));
        }
        let short = kind.split('.').next().unwrap_or(kind);
        found.push(format!("{} {short} ({})", objects.len(), shown.join(", ")));
    }
    found
}

/// Engines that may refuse pods.
pub(super) fn enforcing(cluster: &ClusterEvidence) -> Vec<String> {
    described(cluster, &POLICIES, |object| !only_watches(object))
}

/// Why it is not known which engines may refuse pods: one of their lists could not be read.
pub(super) fn unread(cluster: &ClusterEvidence) -> Option<Gap> {
    POLICIES.iter().find_map(|kind| named_gap(cluster, kind))
}

/// What could verify images.
pub(super) fn verifying(cluster: &ClusterEvidence) -> Vec<String> {
    described(cluster, &VERIFIERS, |object| object.sees_workloads != Some(false))
}

/// The kinds that [`verifying`] looks at.
pub(super) const fn verifiers() -> [&'static str; 9] {
    VERIFIERS
}
