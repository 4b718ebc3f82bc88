//! The objects of a cluster, arranged once for every fact: pods by namespace, equal pods of one owner together, accounts by name.
//!
//! A cluster of 150,000 pods has a few thousand that differ: questions are asked of those. Each pass is linear in the objects.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};

use super::pod_security::PodSecurity;
use super::pods::{Belonging, belonging, of_template};
use crate::audit::pss::{Equal, Owner, Owners};
use crate::evidence::objects::{ClusterEvidence, Namespace, NetworkPolicy, Pod, PodSpec, Source, Workload};

/// Equal pods of one owner, or a template that makes some.
pub struct Unit<'a> {
    /// Who makes them.
    pub owner: Owner,
    /// One of them, or the pod that the template will make.
    pub pod: Cow<'a, Pod>,
    /// How many exist.
    pub pods: usize,
    /// Whether they belong to Kubernetes itself.
    pub belonging: Belonging,
}

impl Unit<'_> {
    /// `shop/Deployment web`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.pod.metadata.namespace, self.owner)
    }

    /// Their namespace.
    pub fn namespace(&self) -> &str {
        &self.pod.metadata.namespace
    }

    /// As the Pod Security Standards take them.
    pub fn equal(&self) -> Equal<'_> {
        let Pod { metadata: meta, spec, .. } = self.pod.as_ref();
        Equal { namespace: &meta.namespace, owner: self.owner.clone(), meta, spec, pods: self.pods }
    }
}

/// The objects, arranged.
pub struct Inventory<'a> {
    /// Namespaces by name.
    pub namespaces: BTreeMap<&'a str, &'a Namespace>,
    /// Pods that run, by what differs in them, and the templates of workloads that have none right now (a CronJob between two runs, a
    /// Deployment without replicas, manifests that were never applied): what they say is what will run.
    pub units: Vec<Unit<'a>>,
    /// Network policies of the core API by namespace.
    pub policies: HashMap<&'a str, Vec<&'a NetworkPolicy>>,
    /// What admission asks of pods.
    pub security: PodSecurity,
    /// Every kubelet confines what names no seccomp profile.
    pub confined_by_default: bool,
    pods: HashMap<&'a str, Vec<&'a Pod>>,
    /// By namespace: templates among the units that stand for pods, because manifests hold none of those that they will make.
    templates: HashMap<String, Vec<usize>>,
    accounts: HashMap<(&'a str, &'a str), Option<bool>>,
}

/// True for a pod that is still there to be protected.
fn is_live(pod: &Pod) -> bool {
    !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Who makes a pod. Where its ReplicaSet is not known, the hash in that one's name tells its Deployment.
pub(super) fn made_by(pod: &Pod, owners: &Owners<'_>) -> Owner {
    let owner = owners.of_pod(pod);
    let hash = pod.metadata.labels.get("pod-template-hash").filter(|_| owner.kind == "ReplicaSet");
    let deployment = hash.and_then(|hash| owner.name.strip_suffix(hash.as_str())?.strip_suffix('-'));
    match deployment.filter(|_| !owners.knows(&pod.metadata.namespace, &owner)) {
        Some(name) => Owner { kind: "Deployment".to_owned(), name: name.to_owned() },
        None => owner,
    }
}

impl<'a> Inventory<'a> {
    /// Arranges the objects of a cluster.
    pub fn new(cluster: &'a ClusterEvidence, security: PodSecurity, confined_by_default: bool) -> Self {
        let mut pods: HashMap<&str, Vec<&Pod>> = HashMap::new();
        let mut grouping = Grouping::default();
        let owners = Owners::new(&cluster.workloads.items);
        for pod in &cluster.pods.items {
            let owner = made_by(pod, &owners);
            if is_live(pod) {
                pods.entry(&pod.metadata.namespace).or_default().push(pod);
                grouping.add(pod, owner);
            } else if owner.kind == "Job" && pod.status.phase == "Succeeded" {
                // a Job that is done makes no more, also where its status is not told; one that failed may try again
                grouping.owned.insert((&pod.metadata.namespace, owner));
            }
        }
        let mut units = std::mem::take(&mut grouping.units);
        let mut templates: HashMap<String, Vec<usize>> = HashMap::new();
        let makes = |workload: &&Workload| !owners.is_owned(workload) && !workload.done;
        for workload in cluster.workloads.items.iter().filter(makes) {
            let owner = owners.of_workload(workload);
            if grouping.has(&workload.metadata.namespace, &owner) {
                continue;
            }
            if let Some(pod) = of_template(workload) {
                if cluster.source == Source::Manifests {
                    templates.entry(pod.metadata.namespace.to_string()).or_default().push(units.len());
                }
                units.push(Unit { owner, belonging: belonging(&pod), pod: Cow::Owned(pod), pods: 0 });
            }
        }
        let mut policies: HashMap<&str, Vec<&NetworkPolicy>> = HashMap::new();
        for policy in &cluster.network_policies.items {
            policies.entry(&policy.metadata.namespace).or_default().push(policy);
        }
        let named = |namespace: &'a Namespace| (namespace.metadata.name.as_str(), namespace);
        let account = |account: &'a crate::evidence::objects::ServiceAccount| {
            let meta = &account.metadata;
            ((meta.namespace.as_str(), meta.name.as_str()), account.automount_service_account_token)
        };
        Self {
            namespaces: cluster.namespaces.items.iter().map(named).collect(),
            units,
            policies,
            security,
            confined_by_default,
            pods,
            templates,
            accounts: cluster.service_accounts.items.iter().map(account).collect(),
        }
    }

    /// Pods of a namespace that run, and those that manifests will make, each template as one.
    pub fn pods(&self, namespace: &str) -> Vec<&Pod> {
        let made = self.templates.get(namespace).into_iter().flatten().map(|number| self.units[*number].pod.as_ref());
        self.pods.get(namespace).into_iter().flatten().copied().chain(made).collect()
    }

    /// What a service account says about the mounting of its token.
    pub fn automount(&self, namespace: &str, account: &str) -> Option<bool> {
        self.accounts.get(&(namespace, account)).copied().flatten()
    }
}

/// Pods that were met, by what differs in them.
#[derive(Default)]
struct Grouping<'a> {
    units: Vec<Unit<'a>>,
    /// By hash: numbers of the units. Whether a pod is equal is looked at: a hash can be met on purpose.
    known: HashMap<u64, Vec<usize>>,
    owned: std::collections::HashSet<(&'a str, Owner)>,
}

impl<'a> Grouping<'a> {
    fn add(&mut self, pod: &'a Pod, owner: Owner) {
        let namespace = pod.metadata.namespace.as_str();
        let mut hasher = DefaultHasher::new();
        (namespace, &owner).hash(&mut hasher);
        runs(pod).hash(&mut hasher);
        let numbers = self.known.entry(hasher.finish()).or_default();
        let equal = |unit: &Unit<'_>| unit.owner == owner && unit.namespace() == namespace && alike(&unit.pod, pod);
        match numbers.iter().find(|number| equal(&self.units[**number])) {
            Some(number) => self.units[*number].pods += 1,
            None => {
                numbers.push(self.units.len());
                self.owned.insert((namespace, owner.clone()));
                self.units.push(Unit { owner, belonging: belonging(pod), pod: Cow::Borrowed(pod), pods: 1 });
            }
        }
    }

    fn has(&self, namespace: &'a str, owner: &Owner) -> bool {
        self.owned.contains(&(namespace, owner.clone()))
    }
}

/// The kubelet's own token volume has a random name in each pod.
fn volume_name(name: &str) -> &str {
    if name.starts_with("kube-api-access-") { "kube-api-access-" } else { name }
}

fn alike(one: &Pod, other: &Pod) -> bool {
    runs(one) == runs(other)
}

/// What a pod runs, without where, and without what admission gave it at random.
fn runs(pod: &Pod) -> impl Hash + PartialEq + '_ {
    let PodSpec {
        containers,
        init_containers,
        ephemeral_containers,
        volumes,
        service_account_name,
        automount_service_account_token,
        node_name: _,
        host_network,
        host_pid,
        host_ipc,
        host_users,
        os,
        security_context,
        runtime_class_name,
    } = &pod.spec;
    let volumes: Vec<_> = volumes
        .iter()
        .map(|volume| (volume_name(&volume.name), volume.source, &volume.host_path, &volume.secrets, volume.token))
        .collect();
    (
        (containers, init_containers, ephemeral_containers, volumes),
        (service_account_name, automount_service_account_token, os, security_context, runtime_class_name),
        (host_network, host_pid, host_ipc, host_users),
        &pod.metadata.annotations,
    )
}
