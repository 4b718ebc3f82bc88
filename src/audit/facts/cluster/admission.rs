//! What is admitted, mounted and verified: facts that take several kinds of objects.

use std::collections::HashSet;

use super::inventory::Unit;
use super::namespaces::{named, named_gap};
use super::pods::Belonging;
use super::{ClusterContext, engines, gap, listed};
use crate::audit::facts::Fact;
use crate::audit::report::Offender;
use crate::evidence::objects::Source;
use crate::evidence::{Gap, Observed, Value};

/// Default service accounts that mount their token, are bound to a role, or run a pod.
pub(super) fn default_accounts(context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let mut offenders = Vec::new();
    for account in cluster.service_accounts.items.iter().filter(|account| account.metadata.name == "default") {
        if account.automount_service_account_token != Some(false) {
            offenders.push(Offender {
                what: format!("{}/ServiceAccount default", account.metadata.namespace),
                found: "its token is mounted (automountServiceAccountToken is not false)".to_owned(),
                own: false,
            });
        }
    }
    for binding in &cluster.bindings.items {
        for subject in binding.subjects.iter() {
            let account = match subject.kind.as_str() {
                "ServiceAccount" if subject.name == "default" => Some(subject.namespace.clone()),
                "User" => subject
                    .name
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.strip_suffix(":default"))
                    .map(str::to_owned),
                _ => None,
            };
            if let Some(namespace) = account {
                offenders.push(Offender {
                    what: format!("{namespace}/ServiceAccount default"),
                    found: format!(
                        "bound to {} {} by {}",
                        binding.role_ref.kind, binding.role_ref.name, binding.metadata.name
                    ),
                    own: false,
                });
            }
        }
    }
    for unit in context.inventory.units.iter().filter(|unit| unit.belonging != Belonging::Stock) {
        if unit.pod.account() == Some("default") {
            offenders.push(Offender {
                what: unit.name(),
                found: "runs under the default account".to_owned(),
                own: false,
            });
        }
    }
    let mut seen = HashSet::new();
    offenders.retain(|offender| seen.insert(offender.clone()));
    let gaps = [gap(&cluster.service_accounts), gap(&cluster.bindings), gap(&cluster.pods), gap(&cluster.workloads)];
    context.findings(offenders, &gaps)
}

/// The token that admission mounts, and those that the pod asks for itself. In a pod that the API shows the volume is the fact, whatever
/// its account says by now; what a template or a manifest will become is told by the pod's own field, else its account's, and unset
/// means mounted.
pub(super) fn mounted_token(unit: &Unit<'_>, context: &ClusterContext<'_>) -> Vec<(String, String)> {
    let pod = unit.pod.as_ref();
    let Some(account) = pod.account() else { return Vec::new() };
    let (admissions, own): (Vec<_>, Vec<_>) =
        pod.spec.volumes.iter().filter(|volume| volume.token).partition(|volume| pod.is_admissions_token(volume));
    let mut found: Vec<(String, String)> = own
        .iter()
        .map(|volume| (format!("spec.volumes[{}]", volume.name), "a projected service account token".to_owned()))
        .collect();
    let said = pod.spec.automount_service_account_token;
    let of_account = context.inventory.automount(unit.namespace(), account);
    let exists = context.cluster.source == Source::Api && unit.pods > 0;
    // an account that could not be listed may say no
    let unread = context.cluster.service_accounts.gap.is_some() && said.is_none() && of_account.is_none();
    let expected = !exists && !unread && said.or(of_account).unwrap_or(true);
    if expected || !admissions.is_empty() {
        let by = match (said, of_account) {
            (Some(_), _) => "the pod says so",
            (None, Some(true)) => "its account says so",
            (None, Some(false)) => "its account says no, but did not when the pod was made",
            (None, None) if unread => "neither the pod nor, when it was made, its account said no",
            (None, None) => "neither pod nor account says no",
        };
        found.push((
            "spec.automountServiceAccountToken".to_owned(),
            format!("the token of account {account} is mounted: {by}"),
        ));
    }
    found
}

/// External secret stores whose kinds have objects here.
pub(super) fn external_stores(context: &ClusterContext<'_>) -> Observed<Value> {
    const KINDS: [&str; 6] = [
        "SecretStore.external-secrets.io",
        "ClusterSecretStore.external-secrets.io",
        "ExternalSecret.external-secrets.io",
        "SecretProviderClass.secrets-store.csi.x-k8s.io",
        "VaultAuth.secrets.hashicorp.com",
        "SealedSecret.bitnami.com",
    ];
    let cluster = context.cluster;
    let found: Vec<String> = KINDS
        .iter()
        .filter(|kind| !named(cluster, kind).is_empty())
        .map(|kind| format!("{} {kind}", named(cluster, kind).len()))
        .collect();
    let gap = first_gap(context, &KINDS).filter(|_| found.is_empty());
    listed(Value::texts(found), gap.as_ref(), context)
}

fn first_gap(context: &ClusterContext<'_>, kinds: &[&str]) -> Option<Gap> {
    kinds.iter().find_map(|kind| named_gap(context.cluster, kind))
}

/// What could verify images before they run: the API server's plugin, policies, webhooks.
pub(super) fn image_verifiers(context: &ClusterContext<'_>) -> Observed<Value> {
    let mut found = engines::verifying(context.cluster);
    let plugin = context.inventory.security.runs("ImagePolicyWebhook");
    if plugin == Ok(true) {
        found.push("ImagePolicyWebhook of the API server".to_owned());
    }
    let gap = first_gap(context, &engines::verifiers()).or(plugin.err()).filter(|_| found.is_empty());
    listed(Value::texts(found), gap.as_ref(), context)
}
