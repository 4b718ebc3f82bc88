//! Which lists are read: one line each.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::ask::{Asker, Refused};
use super::discovery::{Served, discover};
use super::list::{Policy, Request};
use super::sharing::Sharing;
use crate::collect::objects::{action, sees_workloads};
use crate::evidence::objects::{Binding, ClusterEvidence, Listing, Named, Pod, Role, ServiceAccount, Workload};
use crate::evidence::{Gap, Reason, Value};

/// Controllers: path, resource, kind.
const WORKLOADS: [(&str, &str, &str); 8] = [
    ("/apis/apps/v1/deployments", "deployments.apps", "Deployment"),
    ("/apis/apps/v1/daemonsets", "daemonsets.apps", "DaemonSet"),
    ("/apis/apps/v1/statefulsets", "statefulsets.apps", "StatefulSet"),
    ("/apis/apps/v1/replicasets", "replicasets.apps", "ReplicaSet"),
    ("/api/v1/replicationcontrollers", "replicationcontrollers", "ReplicationController"),
    ("/api/v1/podtemplates", "podtemplates", "PodTemplate"),
    ("/apis/batch/v1/jobs", "jobs.batch", "Job"),
    ("/apis/batch/v1/cronjobs", "cronjobs.batch", "CronJob"),
];

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

/// A kind of which only the metadata matters. Asked for as metadata alone; a kind that is not served has no objects.
struct Kind {
    group: &'static str,
    /// The version to try where the server does not say what it serves.
    version: &'static str,
    /// The one namespace that matters; every one where it is empty.
    namespace: &'static str,
    plural: &'static str,
    kind: &'static str,
    /// What it does with what it finds matters too: whole objects are asked for.
    acts: bool,
}

const fn of(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Kind {
    Kind { group, version, namespace: "", plural, kind, acts: false }
}

const fn core(namespace: &'static str, plural: &'static str, kind: &'static str) -> Kind {
    Kind { group: "", version: "v1", namespace, plural, kind, acts: false }
}

const NAMED: [Kind; 33] = [
    core("default", "services", "Service"),
    core("default", "configmaps", "ConfigMap"),
    // kubeadm's own says that kubeadm set the cluster up
    core("kube-system", "configmaps", "ConfigMap"),
    Kind { namespace: "default", ..of("networking.k8s.io", "v1", "ingresses", "Ingress") },
    Kind { acts: true, ..of(ADMISSION, "v1", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration") },
    Kind { acts: true, ..of(ADMISSION, "v1", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration") },
    of(ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy"),
    Kind { acts: true, ..of(ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding") },
    of("policy.networking.k8s.io", "v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy"),
    of("policy.networking.k8s.io", "v1alpha1", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy"),
    of("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy"),
    of("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
    of("cilium.io", "v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy"),
    of("crd.projectcalico.org", "v1", "globalnetworkpolicies", "GlobalNetworkPolicy"),
    of("crd.projectcalico.org", "v1", "networkpolicies", "NetworkPolicy"),
    of("projectcalico.org", "v3", "globalnetworkpolicies", "GlobalNetworkPolicy"),
    of("projectcalico.org", "v3", "networkpolicies", "NetworkPolicy"),
    of("crd.antrea.io", "v1beta1", "clusternetworkpolicies", "ClusterNetworkPolicy"),
    of("crd.antrea.io", "v1beta1", "networkpolicies", "NetworkPolicy"),
    Kind { acts: true, ..of("kyverno.io", "v1", "clusterpolicies", "ClusterPolicy") },
    Kind { acts: true, ..of("kyverno.io", "v1", "policies", "Policy") },
    Kind { acts: true, ..of("policies.kyverno.io", "v1", "validatingpolicies", "ValidatingPolicy") },
    Kind { acts: true, ..of("policies.kyverno.io", "v1", "imagevalidatingpolicies", "ImageValidatingPolicy") },
    of("templates.gatekeeper.sh", "v1", "constrainttemplates", "ConstraintTemplate"),
    Kind { acts: true, ..of("policies.kubewarden.io", "v1", "clusteradmissionpolicies", "ClusterAdmissionPolicy") },
    Kind { acts: true, ..of("policies.kubewarden.io", "v1", "admissionpolicies", "AdmissionPolicy") },
    of("policy.sigstore.dev", "v1beta1", "clusterimagepolicies", "ClusterImagePolicy"),
    of("external-secrets.io", "v1", "secretstores", "SecretStore"),
    of("external-secrets.io", "v1", "clustersecretstores", "ClusterSecretStore"),
    of("external-secrets.io", "v1", "externalsecrets", "ExternalSecret"),
    of("secrets-store.csi.x-k8s.io", "v1", "secretproviderclasses", "SecretProviderClass"),
    of("secrets.hashicorp.com", "v1beta1", "vaultauths", "VaultAuth"),
    of("bitnami.com", "v1alpha1", "sealedsecrets", "SealedSecret"),
];

/// Reads every list. Several are on their way at once; the asker bounds how many.
///
/// # Errors
/// Only when the server does not accept the identity: an audit by nobody is none.
pub(super) async fn collect(asker: &Asker, evidence: &mut ClusterEvidence) -> Result<(), Refused> {
    let sharing = RefCell::new(Sharing::default());
    let each_pod = |pod: &mut Pod| {
        pod.drop_words();
        sharing.borrow_mut().pod(pod);
    };
    let names = async {
        let served = discover(asker).await?;
        let mut found: BTreeMap<String, Listing<Named>> = BTreeMap::new();
        for kind in NAMED {
            let listed = named(asker, &kind, served.as_ref()).await?;
            let key =
                if kind.group.is_empty() { kind.kind.to_owned() } else { format!("{}.{}", kind.kind, kind.group) };
            match found.get_mut(&key) {
                Some(all) => merge(all, listed),
                None => drop(found.insert(key, listed)),
            }
        }
        Ok(found)
    };
    let workloads = async {
        let mut all = Listing { items: Vec::new(), gap: None };
        for (path, what, kind) in WORKLOADS {
            let each = |workload: &mut Workload| {
                workload.kind = kind.into();
                workload.drop_words();
                sharing.borrow_mut().workload(workload);
            };
            merge(&mut all, asker.list(Request::built_in(path, what), each).await?);
        }
        Ok(all)
    };
    let roles = async {
        let each = |role: &mut Role| sharing.borrow_mut().role(role);
        let mut all = asker.list(rbac("clusterroles").get(), each).await?;
        merge(&mut all, asker.list(rbac("roles").get(), each).await?);
        Ok(all)
    };
    let bindings = async {
        let each = |binding: &mut Binding| sharing.borrow_mut().binding(binding);
        let mut all = asker.list(rbac("clusterrolebindings").get(), each).await?;
        merge(&mut all, asker.list(rbac("rolebindings").get(), each).await?);
        Ok(all)
    };
    let each_account = |account: &mut ServiceAccount| sharing.borrow_mut().meta(&mut account.metadata);
    let policies = Request::built_in("/apis/networking.k8s.io/v1/networkpolicies", "networkpolicies.networking.k8s.io");
    let found = tokio::try_join!(
        asker.list(Request::built_in("/api/v1/namespaces", "namespaces"), |_| {}),
        asker.list(Request::built_in("/api/v1/nodes", "nodes"), |_| {}),
        asker.list(Request::built_in("/api/v1/serviceaccounts", "serviceaccounts"), each_account),
        asker.list(policies, |_| {}),
        asker.list(Request::built_in("/api/v1/pods", "pods"), each_pod),
        workloads,
        roles,
        bindings,
        names,
    )?;
    (evidence.namespaces, evidence.nodes, evidence.service_accounts, evidence.network_policies) =
        (found.0, found.1, found.2, found.3);
    (evidence.pods, evidence.workloads, evidence.roles, evidence.bindings, evidence.named) =
        (found.4, found.5, found.6, found.7, found.8);
    mark_partial_view(evidence);
    Ok(())
}

/// Namespaces that every API server makes and nobody can delete.
///
/// Source: pkg/controlplane/controller/systemnamespaces and plugin/pkg/admission/namespace/lifecycle (`immortalNamespaces`), 1.36.
const ALWAYS_THERE: [&str; 2] = ["default", "kube-system"];

/// A proxy in front of an API server may leave out what its caller shall not see and call the rest a whole list. Then nothing rests on
/// absence: a list without what is in every cluster marks all of them.
fn mark_partial_view(evidence: &mut ClusterEvidence) {
    let namespaces = &evidence.namespaces;
    let listed = |name: &&str| namespaces.items.iter().any(|namespace| namespace.metadata.name == **name);
    let Some(missing) = ALWAYS_THERE.iter().find(|name| !listed(name)).filter(|_| namespaces.gap.is_none()) else {
        return;
    };
    let gap = Gap::new(
        Reason::IncompleteList,
        format!("namespace {missing}, which every cluster has, is not shown to this identity: a part of the cluster"),
    );
    let ClusterEvidence {
        namespaces,
        nodes,
        pods,
        workloads,
        service_accounts,
        roles,
        bindings,
        network_policies,
        named,
        ..
    } = evidence;
    let gaps = [
        &mut namespaces.gap,
        &mut nodes.gap,
        &mut pods.gap,
        &mut workloads.gap,
        &mut service_accounts.gap,
        &mut roles.gap,
        &mut bindings.gap,
        &mut network_policies.gap,
    ];
    for known in gaps.into_iter().chain(named.values_mut().map(|listing| &mut listing.gap)) {
        known.get_or_insert_with(|| gap.clone());
    }
}

/// Path and full name of a resource of RBAC.
struct Rbac {
    path: String,
    what: String,
}

fn rbac(plural: &str) -> Rbac {
    Rbac { path: format!("/apis/{RBAC}/v1/{plural}"), what: format!("{plural}.{RBAC}") }
}

impl Rbac {
    fn get(&self) -> Request<'_> {
        Request::built_in(&self.path, &self.what)
    }
}

/// The metadata of every Secret; their data is not asked for.
pub(super) async fn secrets(asker: &Asker) -> Listing<Named> {
    let listed = named(asker, &core("", "secrets", "Secret"), None).await;
    listed.unwrap_or_else(|refused| Listing::unread(refused.into_gap("secrets")))
}

/// Names of one kind's objects, at the first version that is served.
async fn named(asker: &Asker, kind: &Kind, served: Option<&Served>) -> Result<Listing<Named>, Refused> {
    let Kind { group, version, namespace, plural, .. } = *kind;
    let versions = match served {
        Some(served) if !group.is_empty() => served.versions(group, plural),
        _ => vec![version],
    };
    let what = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    let mut all = Listing { items: Vec::new(), gap: None };
    for version in versions {
        let base = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let within = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        let path = format!("{base}{within}/{plural}");
        let request = Request { path: &path, what: &what, metadata_only: !kind.acts, always_served: group.is_empty() };
        let found: Listing<Policy> = match asker.list(request, |_| {}).await {
            // an aggregated server may know other identities than the API server
            Err(Refused::Unauthenticated) if !group.is_empty() => {
                Listing::unread(Refused::Unauthenticated.into_gap(&what))
            }
            other => other?,
        };
        let items = found.items.into_iter().map(|item| Named {
            group: group.to_owned(),
            kind: kind.kind.to_owned(),
            metadata: item.metadata,
            sees_workloads: item.webhooks.map(|webhooks| sees_workloads(Some(&webhooks))),
            action: item.spec.map(|spec| action(&Value::Map([("spec".to_owned(), spec)].into()))).unwrap_or_default(),
        });
        all = Listing { items: items.collect(), gap: found.gap };
        if !all.items.is_empty() || all.gap.is_some() {
            break;
        }
    }
    Ok(all)
}

fn merge<T>(all: &mut Listing<T>, more: Listing<T>) {
    all.items.extend(more.items);
    all.gap = all.gap.take().or(more.gap);
}

#[cfg(test)]
mod tests {
    use super::super::rights::RIGHTS;
    use super::{NAMED, WORKLOADS};

    /// What is asked for is granted by the manifests: a list that no rule names would be refused in every cluster.
    #[test]
    fn every_list_has_its_right() {
        let named = NAMED.iter().map(|kind| (kind.namespace, kind.group, kind.plural));
        let workloads = WORKLOADS.iter().map(|(_, what, _)| {
            let (plural, group) = what.split_once('.').unwrap_or((what, ""));
            ("", group, plural)
        });
        for (namespace, group, plural) in named.chain(workloads) {
            let granted = RIGHTS.iter().any(|right| {
                right.namespace.is_none_or(|only| only == namespace)
                    && right.groups.contains(&group)
                    && right.resources.contains(&plural)
                    && right.verbs.contains(&"list")
            });
            assert!(granted, "{plural}.{group} in {namespace:?}");
        }
    }
}
