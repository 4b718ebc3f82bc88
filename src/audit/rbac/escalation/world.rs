//! What surrounds roles and bindings: accounts, pods, nodes, and whether admission lets a pod take its node.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::evidence::Version;
use crate::evidence::objects::{ApiNode, ClusterEvidence, Container, Listing, Namespace, Pod, ServiceAccount, Source};

/// The objects that ways lead through.
#[derive(Clone, Copy)]
pub struct World<'w> {
    /// Namespaces.
    pub namespaces: &'w [Namespace],
    /// Service accounts. While the list is not complete, those that bindings name are taken to exist.
    pub service_accounts: &'w Listing<ServiceAccount>,
    /// Pods.
    pub pods: &'w [Pod],
    /// Nodes.
    pub nodes: &'w [ApiNode],
    /// In a cluster's own pods a token that is mounted is a volume; manifests leave that to the API server.
    pub source: Source,
    /// Version of the API server; every one where it is unknown.
    pub version: Option<Version>,
    /// Whether a pod that takes its node (privileged, or with the host's paths) is admitted to a namespace.
    pub admits: &'w dyn Fn(&str) -> bool,
}

impl<'w> World<'w> {
    /// The world of a cluster.
    pub fn of(cluster: &'w ClusterEvidence, admits: &'w dyn Fn(&str) -> bool) -> Self {
        Self {
            namespaces: &cluster.namespaces.items,
            service_accounts: &cluster.service_accounts,
            pods: &cluster.pods.items,
            nodes: &cluster.nodes.items,
            source: cluster.source,
            version: cluster.version,
            admits,
        }
    }
}

/// Namespace and name of a service account.
pub(super) type Account<'w> = (&'w str, &'w str);

/// What entering pods gives.
#[derive(Debug, Default)]
pub(super) struct Inside<'w> {
    /// Accounts whose tokens are in there.
    pub accounts: BTreeSet<Account<'w>>,
    /// Nodes that a pod there holds already.
    pub nodes: BTreeSet<&'w str>,
    /// The pods.
    pods: Vec<&'w Pod>,
}

/// The world, arranged.
pub(super) struct Surroundings<'w> {
    pub world: World<'w>,
    pub of_namespace: BTreeMap<&'w str, Inside<'w>>,
    pub of_node: HashMap<&'w str, Inside<'w>>,
    /// Nodes that run the control plane: root there has its keys.
    pub control_plane: HashSet<&'w str>,
    existing: HashMap<Account<'w>, Option<bool>>,
}

impl<'w> Surroundings<'w> {
    pub fn new(world: World<'w>) -> Self {
        let accounts = world.service_accounts.items.iter();
        let mut all = Self {
            world,
            of_namespace: BTreeMap::new(),
            of_node: HashMap::new(),
            control_plane: world.nodes.iter().filter(|node| is_control_plane(node)).map(name).collect(),
            existing: accounts
                .map(|account| {
                    let meta = &account.metadata;
                    ((meta.namespace.as_str(), meta.name.as_str()), account.automount_service_account_token)
                })
                .collect(),
        };
        for pod in world.pods.iter().filter(|pod| is_enterable(pod)) {
            let token = all.token(pod);
            let node = Some(pod.spec.node_name.as_str()).filter(|node| !node.is_empty());
            let held = node.filter(|_| holds_node(pod));
            let inside = |inside: &mut Inside<'w>| {
                inside.accounts.extend(token);
                inside.nodes.extend(held);
                inside.pods.push(pod);
            };
            inside(all.of_namespace.entry(&pod.metadata.namespace).or_default());
            if let Some(node) = node {
                inside(all.of_node.entry(node).or_default());
            }
        }
        all
    }

    /// True when the account exists, or may.
    pub fn exists(&self, account: Account<'_>) -> bool {
        self.world.service_accounts.gap.is_some() || self.existing.contains_key(&account)
    }

    /// What entering these pods of a namespace gives.
    pub fn inside_of(&self, namespace: &str, names: &[String]) -> Inside<'w> {
        let mut inside = Inside::default();
        let all = self.of_namespace.get(namespace).into_iter().flat_map(|all| &all.pods);
        for pod in all.filter(|pod| names.contains(&pod.metadata.name)) {
            inside.accounts.extend(self.token(pod));
            let node = pod.spec.node_name.as_str();
            inside.nodes.extend(Some(node).filter(|node| holds_node(pod) && !node.is_empty()));
        }
        inside
    }

    /// Every namespace that is known to exist.
    pub fn namespaces(&self) -> impl Iterator<Item = &'w str> {
        self.world.namespaces.iter().map(|namespace| namespace.metadata.name.as_str())
    }

    /// The account whose token is in a pod. Admission mounts it as a projected volume unless the pod, or else the account, says no
    /// (k8s.io/kubernetes 1.36 `plugin/pkg/admission/serviceaccount`).
    fn token(&self, pod: &'w Pod) -> Option<Account<'w>> {
        let account = (pod.metadata.namespace.as_str(), pod.account()?);
        let by_default = || {
            let of_account = self.existing.get(&account).copied().flatten();
            pod.spec.automount_service_account_token.or(of_account).unwrap_or(true)
        };
        let mounted = pod.spec.volumes.iter().any(|volume| volume.token && !volume.other_audience);
        (mounted || (self.world.source == Source::Manifests && by_default())).then_some(account)
    }
}

fn name(node: &ApiNode) -> &str {
    &node.metadata.name
}

fn is_control_plane(node: &ApiNode) -> bool {
    node.metadata.labels.contains_key("node-role.kubernetes.io/control-plane")
}

fn is_enterable(pod: &Pod) -> bool {
    !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// A pod that has its node already: a privileged container, or the socket of the container runtime.
fn holds_node(pod: &Pod) -> bool {
    const SOCKETS: [&str; 4] = ["containerd.sock", "crio.sock", "docker.sock", "cri-dockerd.sock"];
    let privileged =
        |container: &Container| container.security_context.as_ref().and_then(|of| of.privileged) == Some(true);
    pod.spec.all_containers().any(|(_, container)| privileged(container))
        || pod.spec.volumes.iter().any(|volume| SOCKETS.iter().any(|socket| volume.host_path.ends_with(socket)))
}
