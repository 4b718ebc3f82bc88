//! Roles, bindings and worlds in few words.

use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Index};
use kube_assay::benchmark::bootstrap::{self, StockPolicy};
use kube_assay::evidence::objects::{
    ApiNode, Binding, Container, ContainerSecurityContext, Listing, Meta, Namespace, Pod, PolicyRule, Role, RoleRef,
    ServiceAccount, Source, Subject, Volume,
};
use kube_assay::evidence::{Gap, Reason, Version};
use serde::Deserialize;

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|word| if word == "core" { String::new() } else { word.to_owned() }).collect()
}

/// A rule: verbs, groups (`core` for the core group) and resources, each separated by commas.
pub fn rule(verbs: &str, groups: &str, resources: &str) -> PolicyRule {
    PolicyRule { verbs: words(verbs), api_groups: words(groups), resources: words(resources), ..PolicyRule::default() }
}

/// The same for some names only.
pub fn named(rule: PolicyRule, names: &str) -> PolicyRule {
    PolicyRule { resource_names: names.split(',').map(str::to_owned).collect(), ..rule }
}

/// A rule for paths.
pub fn paths(verbs: &str, paths: &str) -> PolicyRule {
    PolicyRule { verbs: words(verbs), non_resource_urls: words(paths), ..PolicyRule::default() }
}

/// `namespace/name`, or a name without a namespace.
pub fn meta(place: &str) -> Meta {
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    Meta { namespace: namespace.into(), name: name.to_owned(), ..Meta::default() }
}

/// A role at `namespace/name`, or a cluster role.
pub fn role(place: &str, rules: impl IntoIterator<Item = PolicyRule>) -> Role {
    Role { metadata: meta(place), rules: rules.into_iter().collect(), aggregation_rule: None }
}

/// `user:jane`, `group:dev`, `sa:ci/deployer`; an account without a namespace is `sa:deployer`.
pub fn subject(text: &str) -> Subject {
    let (kind, name) = text.split_once(':').unwrap();
    let of = |kind: &str, namespace: &str, name: &str| Subject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    match (kind, name.split_once('/')) {
        ("sa", Some((namespace, name))) => of("ServiceAccount", namespace, name),
        ("sa", None) => of("ServiceAccount", "", name),
        ("group", _) => of("Group", "", name),
        ("user", _) => of("User", "", name),
        _ => panic!("what is {text}?"),
    }
}

/// A binding at `namespace/name` (or of the cluster) of `Role/name` or `ClusterRole/name`.
pub fn binding(place: &str, role: &str, subjects: &[&str]) -> Binding {
    let (kind, name) = role.split_once('/').unwrap();
    Binding {
        metadata: meta(place),
        role_ref: RoleRef { kind: kind.to_owned(), name: name.to_owned() }.into(),
        subjects: subjects.iter().map(|text| subject(text)).collect(),
    }
}

/// A running pod of an account, with its token.
pub fn pod(place: &str, account: &str, node: &str) -> Pod {
    let mut pod = Pod { metadata: meta(place), ..Pod::default() };
    pod.spec.service_account_name = account.into();
    pod.spec.node_name = node.into();
    pod.spec.containers = vec![Container { name: "main".to_owned(), ..Container::default() }].into();
    pod.spec.volumes = vec![Volume { name: "token".to_owned(), token: true, ..Volume::default() }].into();
    pod
}

/// The same with a privileged container.
pub fn privileged(mut pod: Pod) -> Pod {
    let context = ContainerSecurityContext { privileged: Some(true), ..ContainerSecurityContext::default() };
    pod.spec.containers[0].security_context = Some(context);
    pod
}

/// A cluster small enough to be written down.
#[derive(Default)]
pub struct Small {
    pub roles: Vec<Role>,
    pub bindings: Vec<Binding>,
    pub namespaces: Vec<&'static str>,
    pub accounts: Vec<&'static str>,
    pub pods: Vec<Pod>,
    pub control_plane: Vec<&'static str>,
    /// Namespaces that admit pods which take their node.
    pub lax: Vec<&'static str>,
    pub version: Option<Version>,
    /// Whether more accounts may exist than are listed.
    pub accounts_unread: bool,
}

impl Small {
    /// The way of a subject to a target, as text.
    pub fn way(&self, subject: &str, target: Target) -> Option<String> {
        let namespaces: Vec<Namespace> =
            self.namespaces.iter().map(|name| Namespace { metadata: meta(name) }).collect();
        let account = |place: &&str| ServiceAccount { metadata: meta(place), ..ServiceAccount::default() };
        let accounts = Listing {
            items: self.accounts.iter().map(account).collect(),
            gap: self.accounts_unread.then(|| Gap::new(Reason::Denied, "not let")),
        };
        let node = |name: &&str| {
            let mut node = ApiNode { metadata: meta(name), ..ApiNode::default() };
            node.metadata.labels.insert("node-role.kubernetes.io/control-plane".to_owned(), String::new());
            node
        };
        let nodes: Vec<ApiNode> = self.control_plane.iter().map(node).collect();
        let admits = |namespace: &str| self.lax.contains(&namespace);
        let world = World {
            namespaces: &namespaces,
            service_accounts: &accounts,
            pods: &self.pods,
            nodes: &nodes,
            source: Source::Api,
            version: self.version,
            admits: &admits,
        };
        let index = Index::new(&self.roles, &self.bindings, Aggregation::Stored);
        let escalation = Escalation::new(&index, world);
        escalation.path(&self::subject(subject), target).map(|path| path.to_string())
    }
}

/// A stock kubeadm cluster of 1.36 as its API gave it.
#[derive(Deserialize)]
pub struct Recorded {
    clusterroles: Vec<Role>,
    roles: Vec<Role>,
    clusterrolebindings: Vec<Binding>,
    rolebindings: Vec<Binding>,
    pub serviceaccounts: Vec<ServiceAccount>,
    pub pods: Vec<Pod>,
    pub nodes: Vec<ApiNode>,
    pub namespaces: Vec<Namespace>,
}

impl Recorded {
    pub fn read() -> Self {
        const DATA: &[u8] = include_bytes!("../data/recorded/cluster-rbac-1.36.json.zst");
        serde_json::from_slice(&zstd::decode_all(DATA).unwrap()).unwrap()
    }

    pub fn all_roles(&self) -> Vec<Role> {
        [self.clusterroles.as_slice(), &self.roles].concat()
    }

    pub fn all_bindings(&self) -> Vec<Binding> {
        [self.clusterrolebindings.as_slice(), &self.rolebindings].concat()
    }
}

/// Kubernetes' and kubeadm's objects.
pub fn stock() -> [StockPolicy; 2] {
    [bootstrap::kubernetes().unwrap(), bootstrap::kubeadm().unwrap()]
}
