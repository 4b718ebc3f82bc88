//! What is admitted, mounted and verified: facts that take several kinds of objects.

use std::collections::HashSet;

use super::inventory::Unit;
use super::namespaces::{named, named_gap};
use super::pods::Belonging;
use super::{ClusterContext, engines, gap, listed};
use crate::audit::facts::Fact;
use crate::audit::report::Offender;
use crate::evidence::{Gap, Observed, Value};

/// Objects in the namespace `default` that users put there.
pub(super) fn in_default(context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let mut offenders = Vec::new();
    let mut add = |kind: &str, name: &str| {
        offenders.push(Offender {
            what: format!("default/{kind} {name}"),
            found: "in the namespace default".to_owned(),
            own: false,
        })
    };
    for pod in cluster
        .pods
        .items
        .iter()
        .filter(|pod| pod.metadata.namespace == "default" && pod.metadata.owner_references.is_empty())
    {
        add("Pod", &pod.metadata.name);
    }
    for workload in
        cluster.workloads.items.iter().filter(|workload| {
            workload.metadata.namespace == "default" && workload.metadata.owner_references.is_empty()
        })
    {
        add(&workload.kind, &workload.metadata.name);
    }
    for (kind, stock) in [
        ("Service", "kubernetes"),
        ("ConfigMap", "kube-root-ca.crt"),
        ("Ingress.networking.k8s.io", ""),
        ("Secret", ""),
    ] {
        for object in named(cluster, kind)
            .iter()
            .filter(|object| object.metadata.namespace == "default" && object.metadata.name != stock)
        {
            add(&object.kind, &object.metadata.name);
        }
    }
    for account in cluster
        .service_accounts
        .items
        .iter()
        .filter(|account| account.metadata.namespace == "default" && account.metadata.name != "default")
    {
        add("ServiceAccount", &account.metadata.name);
    }
    context.findings(offenders, &[gap(&cluster.pods), gap(&cluster.workloads), gap(&cluster.service_accounts)])
}

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
        if matches!(unit.pod.spec.service_account_name.as_str(), "" | "default") {
            offenders.push(Offender {
                what: unit.name(),
                found: "runs under the default account".to_owned(),
                own: false,
            });
        }
    }
    let mut seen = HashSet::new();
    offenders.retain(|offender| seen.insert(offender.clone()));
    context.findings(offenders, &[gap(&cluster.service_accounts), gap(&cluster.bindings), gap(&cluster.pods)])
}

/// The pod's own field wins over its account's; unset means mounted. A projected token is mounted in any case.
pub(super) fn mounted_token(unit: &Unit<'_>, context: &ClusterContext<'_>) -> Vec<(String, String)> {
    let spec = &unit.pod.spec;
    let kubelets_own = |name: &str| name.starts_with("kube-api-access-");
    let projected = spec.volumes.iter().filter(|volume| volume.token && !kubelets_own(&volume.name));
    let mut found: Vec<(String, String)> = projected
        .map(|volume| (format!("spec.volumes[{}]", volume.name), "a projected service account token".to_owned()))
        .collect();
    let account = if spec.service_account_name.is_empty() { "default" } else { spec.service_account_name.as_str() };
    let of_account = context.inventory.automount(unit.namespace(), account);
    // an account that could not be listed may say no
    let unread = context.cluster.service_accounts.gap.is_some();
    let silent = spec.automount_service_account_token.is_none() && of_account.is_none();
    if silent && unread {
        return found;
    }
    if spec.automount_service_account_token.or(of_account).unwrap_or(true) {
        let by = match (spec.automount_service_account_token, of_account) {
            (Some(_), _) => "the pod says so",
            (None, Some(_)) => "its account says so",
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
