//! Which lists are read: one line each.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::list::Asker;
use crate::evidence::Listing;
use crate::evidence::objects::{ClusterEvidence, Meta, Named, Pod, Role, Workload};

/// Controllers: path, kind.
const WORKLOADS: [(&str, &str); 7] = [
    ("/apis/apps/v1/deployments", "Deployment"),
    ("/apis/apps/v1/daemonsets", "DaemonSet"),
    ("/apis/apps/v1/statefulsets", "StatefulSet"),
    ("/apis/apps/v1/replicasets", "ReplicaSet"),
    ("/api/v1/replicationcontrollers", "ReplicationController"),
    ("/apis/batch/v1/jobs", "Job"),
    ("/apis/batch/v1/cronjobs", "CronJob"),
];

/// Objects of which only the metadata matters: path, group, kind. Asked for as metadata alone; a group that is not served
/// has none.
const NAMED: [(&str, &str, &str); 26] = [
    ("/api/v1/namespaces/default/services", "", "Service"),
    ("/api/v1/namespaces/default/configmaps", "", "ConfigMap"),
    // kubeadm's own says that kubeadm set the cluster up
    ("/api/v1/namespaces/kube-system/configmaps", "", "ConfigMap"),
    ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", "networking.k8s.io", "Ingress"),
    (
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
    (
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ),
    (
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
    ),
    (
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
    ),
    ("/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies", "policy.networking.k8s.io", "AdminNetworkPolicy"),
    (
        "/apis/policy.networking.k8s.io/v1alpha1/baselineadminnetworkpolicies",
        "policy.networking.k8s.io",
        "BaselineAdminNetworkPolicy",
    ),
    ("/apis/cilium.io/v2/ciliumnetworkpolicies", "cilium.io", "CiliumNetworkPolicy"),
    ("/apis/cilium.io/v2/ciliumclusterwidenetworkpolicies", "cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("/apis/crd.projectcalico.org/v1/globalnetworkpolicies", "crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("/apis/crd.projectcalico.org/v1/networkpolicies", "crd.projectcalico.org", "NetworkPolicy"),
    ("/apis/crd.antrea.io/v1beta1/clusternetworkpolicies", "crd.antrea.io", "ClusterNetworkPolicy"),
    ("/apis/kyverno.io/v1/clusterpolicies", "kyverno.io", "ClusterPolicy"),
    ("/apis/policies.kyverno.io/v1/validatingpolicies", "policies.kyverno.io", "ValidatingPolicy"),
    ("/apis/templates.gatekeeper.sh/v1/constrainttemplates", "templates.gatekeeper.sh", "ConstraintTemplate"),
    ("/apis/policies.kubewarden.io/v1/clusteradmissionpolicies", "policies.kubewarden.io", "ClusterAdmissionPolicy"),
    ("/apis/policy.sigstore.dev/v1beta1/clusterimagepolicies", "policy.sigstore.dev", "ClusterImagePolicy"),
    ("/apis/external-secrets.io/v1/secretstores", "external-secrets.io", "SecretStore"),
    ("/apis/external-secrets.io/v1/clustersecretstores", "external-secrets.io", "ClusterSecretStore"),
    ("/apis/external-secrets.io/v1/externalsecrets", "external-secrets.io", "ExternalSecret"),
    ("/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses", "secrets-store.csi.x-k8s.io", "SecretProviderClass"),
    ("/apis/secrets.hashicorp.com/v1beta1/vaultauths", "secrets.hashicorp.com", "VaultAuth"),
    ("/apis/bitnami.com/v1alpha1/sealedsecrets", "bitnami.com", "SealedSecret"),
];

/// An object's metadata alone.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Partial {
    metadata: Meta,
}

/// Reads every list. Several are on their way at once; the asker bounds how many.
pub(super) async fn collect(asker: &Asker, evidence: &mut ClusterEvidence) {
    let names = async {
        let mut found: BTreeMap<String, Listing<Named>> = BTreeMap::new();
        for (path, group, kind) in NAMED {
            let key = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
            let listed = named(asker, path, group, kind, &key).await;
            match found.get_mut(&key) {
                Some(all) => merge(all, listed),
                None => drop(found.insert(key, listed)),
            }
        }
        found
    };
    let workloads = async {
        let mut all = Listing { items: Vec::new(), gap: None };
        for (path, kind) in WORKLOADS {
            let what = path.rsplit('/').next().unwrap_or(path);
            let mut found: Listing<Workload> = asker.list(path, what, false).await;
            for workload in &mut found.items {
                workload.kind = kind.to_owned();
                workload.drop_words();
            }
            merge(&mut all, found);
        }
        all
    };
    let pods = async {
        let mut found: Listing<Pod> = asker.list("/api/v1/pods", "pods", false).await;
        found.items.iter_mut().for_each(Pod::drop_words);
        found
    };
    let roles = async {
        let mut all: Listing<Role> =
            asker.list("/apis/rbac.authorization.k8s.io/v1/clusterroles", "clusterroles", false).await;
        merge(&mut all, asker.list("/apis/rbac.authorization.k8s.io/v1/roles", "roles", false).await);
        all
    };
    let bindings = async {
        let mut all =
            asker.list("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "clusterrolebindings", false).await;
        merge(&mut all, asker.list("/apis/rbac.authorization.k8s.io/v1/rolebindings", "rolebindings", false).await);
        all
    };
    let found = tokio::join!(
        asker.list("/api/v1/namespaces", "namespaces", false),
        asker.list("/api/v1/nodes", "nodes", false),
        asker.list("/api/v1/serviceaccounts", "serviceaccounts", false),
        asker.list("/apis/networking.k8s.io/v1/networkpolicies", "networkpolicies", false),
        pods,
        workloads,
        roles,
        bindings,
        names,
    );
    (evidence.namespaces, evidence.nodes, evidence.service_accounts, evidence.network_policies) =
        (found.0, found.1, found.2, found.3);
    (evidence.pods, evidence.workloads, evidence.roles, evidence.bindings, evidence.named) =
        (found.4, found.5, found.6, found.7, found.8);
}

/// The metadata of every Secret; their data is not asked for.
pub(super) async fn secrets(asker: &Asker) -> Listing<Named> {
    named(asker, "/api/v1/secrets", "", "Secret", "secrets").await
}

async fn named(asker: &Asker, path: &str, group: &str, kind: &str, what: &str) -> Listing<Named> {
    let found: Listing<Partial> = asker.list(path, what, true).await;
    let items = found.items.into_iter().map(|item| Named {
        group: group.to_owned(),
        kind: kind.to_owned(),
        metadata: item.metadata,
        ..Named::default()
    });
    Listing { items: items.collect(), gap: found.gap }
}

fn merge<T>(all: &mut Listing<T>, more: Listing<T>) {
    all.items.extend(more.items);
    all.gap = all.gap.take().or(more.gap);
}
