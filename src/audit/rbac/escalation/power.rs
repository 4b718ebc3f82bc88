//! Rights that lead to more, and the rules that give them.

use std::collections::HashMap;
use std::fmt;

use crate::audit::rbac::request::{Name, Request, allows};
use crate::evidence::Version;
use crate::evidence::objects::PolicyRule;

/// A right that leads to more, alone or with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Power {
    /// Every verb on every resource.
    Everything,
    /// Makes pods, or has a controller make them.
    RunPods,
    /// Runs something inside of pods that exist.
    EnterPods,
    /// The kubelet's whole API, on nodes.
    NodesProxy,
    MintTokens,
    ReadSecrets,
    CreateSecrets,
    ImpersonateUsers,
    ImpersonateGroups,
    ImpersonateAccounts,
    /// Constrained impersonation: what may be done then is said by `impersonate-on` rules.
    ActAsUsers,
    ActAsGroups,
    ActAsAccounts,
    BindClusterRoles,
    BindRoles,
    EscalateClusterRoles,
    EscalateRoles,
    ChangeClusterRoles,
    ChangeRoles,
    CreateRoles,
    WriteClusterRoleBindings,
    WriteRoleBindings,
    RequestCertificates,
    ApproveRequests,
    /// For clients of the API server: any user, any group but `system:masters`.
    ApproveClients,
    /// For kubelets: a node's user.
    ApproveKubelets,
    CreateVolumes,
    CreateClaims,
    WriteMutatingWebhooks,
    WriteMutatingPolicies,
    WriteMutatingPolicyBindings,
    WriteValidatingWebhooks,
    /// Changes the labels by which Pod Security admission is set.
    LabelNamespaces,
}

/// How many there are.
pub(super) const POWERS: usize = Power::LabelNamespaces as usize + 1;

/// A request whose right is a power.
#[derive(Debug)]
pub(super) struct Ask {
    pub power: Power,
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    names: Names,
    /// The resource has no namespace: a grant within one means nothing.
    pub cluster_scoped: bool,
    /// The minors of Kubernetes 1 in which it is a power.
    minors: std::ops::RangeInclusive<u16>,
}

/// What a rule's `resourceNames` mean for a power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Such a request carries no name, or one object is not enough: a rule with names is no power.
    Refused,
    /// A rule with names is the power over these objects.
    Kept,
    /// A rule with names is the whole power when one of these is among them.
    Among(&'static [&'static str]),
    /// A rule with names is the whole power: whoever wrote it meant an object that matters.
    Whatever,
}

const fn ask(power: Power, verb: &'static str, group: &'static str, resource: &'static str) -> Ask {
    Ask {
        power,
        verb,
        group,
        resource,
        subresource: "",
        names: Names::Refused,
        cluster_scoped: false,
        minors: 0..=u16::MAX,
    }
}

impl Ask {
    const fn sub(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    const fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    const fn cluster(mut self) -> Self {
        self.cluster_scoped = true;
        self
    }

    const fn since(mut self, minor: u16) -> Self {
        self.minors = minor..=u16::MAX;
        self
    }

    const fn until(mut self, minor: u16) -> Self {
        self.minors = 0..=minor;
        self
    }

    fn in_version(&self, version: Option<Version>) -> bool {
        version.is_none_or(|version| self.minors.contains(&version.minor))
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.power == Power::Everything {
            return out.write_str("everything");
        }
        write!(out, "{} {}", self.verb, self.resource)?;
        if !self.subresource.is_empty() {
            write!(out, "/{}", self.subresource)?;
        }
        Ok(())
    }
}

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Every request whose right is a power. A subresource's request carries the name of its object, `create` of an object none.
///
/// Sources, k8s.io/kubernetes 1.36: `pkg/registry/rbac/escalation_check.go` (bind, escalate), k8s.io/apiserver
/// `endpoints/filters/impersonation` (impersonate; verbs with a mode since 1.36 by default), `plugin/pkg/admission/certificates`
/// (approve), `pkg/registry/core/pod/rest/subresources.go` (from 1.35 a websocket's `get` needs `create` as well),
/// `pkg/controller/serviceaccount/tokens_controller.go` (tokens in secrets).
pub(super) static ASKS: &[Ask] = &[
    ask(Power::Everything, "*", "*", "*"),
    ask(Power::RunPods, "create", "", "pods"),
    ask(Power::RunPods, "create", "", "replicationcontrollers"),
    ask(Power::RunPods, "update", "", "replicationcontrollers").names(Names::Whatever),
    ask(Power::RunPods, "patch", "", "replicationcontrollers").names(Names::Whatever),
    ask(Power::RunPods, "create", "apps", "deployments"),
    ask(Power::RunPods, "update", "apps", "deployments").names(Names::Whatever),
    ask(Power::RunPods, "patch", "apps", "deployments").names(Names::Whatever),
    ask(Power::RunPods, "create", "apps", "daemonsets"),
    ask(Power::RunPods, "update", "apps", "daemonsets").names(Names::Whatever),
    ask(Power::RunPods, "patch", "apps", "daemonsets").names(Names::Whatever),
    ask(Power::RunPods, "create", "apps", "statefulsets"),
    ask(Power::RunPods, "update", "apps", "statefulsets").names(Names::Whatever),
    ask(Power::RunPods, "patch", "apps", "statefulsets").names(Names::Whatever),
    ask(Power::RunPods, "create", "apps", "replicasets"),
    ask(Power::RunPods, "update", "apps", "replicasets").names(Names::Whatever),
    ask(Power::RunPods, "patch", "apps", "replicasets").names(Names::Whatever),
    ask(Power::RunPods, "create", "batch", "jobs"),
    ask(Power::RunPods, "create", "batch", "cronjobs"),
    ask(Power::RunPods, "update", "batch", "cronjobs").names(Names::Whatever),
    ask(Power::RunPods, "patch", "batch", "cronjobs").names(Names::Whatever),
    ask(Power::EnterPods, "create", "", "pods").sub("exec").names(Names::Kept),
    ask(Power::EnterPods, "get", "", "pods").sub("exec").names(Names::Kept).until(34),
    ask(Power::EnterPods, "create", "", "pods").sub("attach").names(Names::Kept),
    ask(Power::EnterPods, "get", "", "pods").sub("attach").names(Names::Kept).until(34),
    ask(Power::EnterPods, "update", "", "pods").sub("ephemeralcontainers").names(Names::Kept),
    ask(Power::EnterPods, "patch", "", "pods").sub("ephemeralcontainers").names(Names::Kept),
    // the image of a running pod's container may be changed
    ask(Power::EnterPods, "update", "", "pods").names(Names::Kept),
    ask(Power::EnterPods, "patch", "", "pods").names(Names::Kept),
    // the kubelet runs commands for a websocket's GET too
    ask(Power::NodesProxy, "get", "", "nodes").sub("proxy").names(Names::Kept).cluster(),
    ask(Power::NodesProxy, "create", "", "nodes").sub("proxy").names(Names::Kept).cluster(),
    ask(Power::MintTokens, "create", "", "serviceaccounts").sub("token").names(Names::Kept),
    ask(Power::ReadSecrets, "get", "", "secrets"),
    ask(Power::ReadSecrets, "list", "", "secrets"),
    ask(Power::ReadSecrets, "watch", "", "secrets"),
    ask(Power::CreateSecrets, "create", "", "secrets"),
    ask(Power::ImpersonateUsers, "impersonate", "", "users").names(Names::Kept).cluster(),
    ask(Power::ImpersonateGroups, "impersonate", "", "groups").names(Names::Kept).cluster(),
    ask(Power::ImpersonateAccounts, "impersonate", "", "serviceaccounts").names(Names::Kept),
    ask(Power::ActAsUsers, "impersonate:user-info", AUTHENTICATION, "users").names(Names::Kept).cluster().since(36),
    ask(Power::ActAsGroups, "impersonate:user-info", AUTHENTICATION, "groups").names(Names::Kept).cluster().since(36),
    ask(Power::ActAsAccounts, "impersonate:serviceaccount", AUTHENTICATION, "serviceaccounts")
        .names(Names::Kept)
        .since(36),
    ask(Power::BindClusterRoles, "bind", RBAC, "clusterroles").names(Names::Kept),
    ask(Power::BindRoles, "bind", RBAC, "roles").names(Names::Kept),
    ask(Power::EscalateClusterRoles, "escalate", RBAC, "clusterroles").names(Names::Kept).cluster(),
    ask(Power::EscalateRoles, "escalate", RBAC, "roles").names(Names::Kept),
    ask(Power::ChangeClusterRoles, "update", RBAC, "clusterroles").names(Names::Kept).cluster(),
    ask(Power::ChangeClusterRoles, "patch", RBAC, "clusterroles").names(Names::Kept).cluster(),
    ask(Power::ChangeRoles, "update", RBAC, "roles").names(Names::Kept),
    ask(Power::ChangeRoles, "patch", RBAC, "roles").names(Names::Kept),
    ask(Power::CreateRoles, "create", RBAC, "roles"),
    ask(Power::WriteClusterRoleBindings, "create", RBAC, "clusterrolebindings").cluster(),
    ask(Power::WriteClusterRoleBindings, "update", RBAC, "clusterrolebindings").cluster(),
    ask(Power::WriteClusterRoleBindings, "patch", RBAC, "clusterrolebindings").cluster(),
    ask(Power::WriteRoleBindings, "create", RBAC, "rolebindings"),
    ask(Power::RequestCertificates, "create", CERTIFICATES, "certificatesigningrequests").cluster(),
    ask(Power::ApproveRequests, "update", CERTIFICATES, "certificatesigningrequests").sub("approval").cluster(),
    ask(Power::ApproveRequests, "patch", CERTIFICATES, "certificatesigningrequests").sub("approval").cluster(),
    ask(Power::ApproveClients, "approve", CERTIFICATES, "signers")
        .names(Names::Among(&["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"]))
        .cluster(),
    ask(Power::ApproveKubelets, "approve", CERTIFICATES, "signers")
        .names(Names::Among(&["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/*"]))
        .cluster(),
    ask(Power::CreateVolumes, "create", "", "persistentvolumes").cluster(),
    ask(Power::CreateClaims, "create", "", "persistentvolumeclaims"),
    ask(Power::WriteMutatingWebhooks, "create", ADMISSION, "mutatingwebhookconfigurations").cluster(),
    ask(Power::WriteMutatingWebhooks, "update", ADMISSION, "mutatingwebhookconfigurations")
        .names(Names::Whatever)
        .cluster(),
    ask(Power::WriteMutatingWebhooks, "patch", ADMISSION, "mutatingwebhookconfigurations")
        .names(Names::Whatever)
        .cluster(),
    ask(Power::WriteMutatingPolicies, "create", ADMISSION, "mutatingadmissionpolicies").cluster().since(34),
    ask(Power::WriteMutatingPolicies, "update", ADMISSION, "mutatingadmissionpolicies").cluster().since(34),
    ask(Power::WriteMutatingPolicies, "patch", ADMISSION, "mutatingadmissionpolicies").cluster().since(34),
    ask(Power::WriteMutatingPolicyBindings, "create", ADMISSION, "mutatingadmissionpolicybindings").cluster().since(34),
    ask(Power::WriteValidatingWebhooks, "create", ADMISSION, "validatingwebhookconfigurations").cluster(),
    ask(Power::WriteValidatingWebhooks, "update", ADMISSION, "validatingwebhookconfigurations")
        .names(Names::Whatever)
        .cluster(),
    ask(Power::WriteValidatingWebhooks, "patch", ADMISSION, "validatingwebhookconfigurations")
        .names(Names::Whatever)
        .cluster(),
    // a request for a namespace carries it as its own: a role binding in it counts
    ask(Power::LabelNamespaces, "update", "", "namespaces").names(Names::Kept),
    ask(Power::LabelNamespaces, "patch", "", "namespaces").names(Names::Kept),
];

/// What someone must be let do while acting as someone else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As oneself, or with the whole rights of whom one becomes.
    Plain,
    /// As a service account.
    Account,
    /// As a user that is neither a node nor a service account.
    User,
}

impl Mode {
    /// What a verb begins with when it is meant for this mode.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Account => "impersonate-on:serviceaccount:",
            Self::User => "impersonate-on:user-info:",
        }
    }
}

/// A power that a rule gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    /// The request, a number in [`ASKS`].
    pub ask: u8,
    /// The mode in which it counts.
    pub mode: Mode,
    /// The mode for which the rule writes it.
    pub shown_mode: Mode,
    pub rule: &'a PolicyRule,
    /// Only these objects; empty for all.
    pub names: &'a [String],
}

impl Given<'_> {
    pub fn ask(&self) -> &'static Ask {
        &ASKS[usize::from(self.ask)]
    }

    pub fn power(&self) -> Power {
        self.ask().power
    }
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.shown_mode.prefix(), self.ask())
    }
}

/// Finds the powers of rules.
#[derive(Debug)]
pub(super) struct Powers {
    /// Numbers in [`ASKS`] by a resource as a rule may write it.
    by_resource: HashMap<String, Vec<u8>>,
}

impl Powers {
    /// Those of a version; of every one where it is unknown.
    pub fn new(version: Option<Version>) -> Self {
        let mut by_resource: HashMap<String, Vec<u8>> = HashMap::new();
        let mut add = |pattern: String, number| by_resource.entry(pattern).or_default().push(number);
        for (number, ask) in (0..).zip(ASKS).filter(|(_, ask)| ask.in_version(version)) {
            add("*".to_owned(), number);
            if ask.subresource.is_empty() {
                if ask.resource != "*" {
                    add(ask.resource.to_owned(), number);
                }
            } else {
                add(format!("{}/{}", ask.resource, ask.subresource), number);
                add(format!("*/{}", ask.subresource), number);
            }
        }
        Self { by_resource }
    }

    /// The powers that a role's rules give: of each the first without names, and every one with names.
    pub fn of<'a>(&self, rules: &[&'a PolicyRule]) -> Vec<Given<'a>> {
        let mut given = Vec::new();
        for rule in rules {
            self.add(rule, rule, Mode::Plain, &mut given);
            for mode in [Mode::Account, Mode::User] {
                if let Some(meant) = meant_for(rule, mode) {
                    self.add(rule, &meant, mode, &mut given);
                }
            }
        }
        given
    }

    /// `meant` is the rule without the prefix of its verbs.
    fn add<'a>(&self, rule: &'a PolicyRule, meant: &PolicyRule, mode: Mode, given: &mut Vec<Given<'a>>) {
        let mut numbers: Vec<u8> =
            rule.resources.iter().filter_map(|text| self.by_resource.get(text)).flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let ask = &ASKS[usize::from(number)];
            let request = Request::resource(ask.verb, ask.group, ask.resource).subresource(ask.subresource);
            if !allows(meant, &request.named(Name::Any)) {
                continue;
            }
            let names = match ask.names {
                _ if rule.resource_names.is_empty() => &[],
                Names::Refused => continue,
                Names::Among(these) if !rule.resource_names.iter().any(|name| these.contains(&name.as_str())) => {
                    continue;
                }
                Names::Among(_) | Names::Whatever => &[],
                Names::Kept => rule.resource_names.as_slice(),
            };
            let known = |one: &Given<'_>| one.power() == ask.power && one.mode == mode && one.names.is_empty();
            if !given.iter().any(known) {
                given.push(Given { ask: number, mode, shown_mode: mode, rule, names });
            }
        }
    }
}

/// The rule as far as it is meant for a mode, with plain verbs. `*` alone covers these verbs too and needs no mode; after a prefix
/// it is a verb like any other.
fn meant_for(rule: &PolicyRule, mode: Mode) -> Option<PolicyRule> {
    let meant = rule.verbs.iter().filter_map(|verb| verb.strip_prefix(mode.prefix())).filter(|verb| *verb != "*");
    let verbs: Vec<String> = meant.map(str::to_owned).collect();
    (!verbs.is_empty()).then(|| PolicyRule { verbs, ..rule.clone() })
}
