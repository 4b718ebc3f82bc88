//! Who holds a right that few should: by the rules that bindings really grant, Kubernetes' own objects exempt by content.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{ClusterContext, gap, listed, reaching, with_exemptions};
use crate::audit::facts::Fact;
use crate::audit::rbac::{
    ANONYMOUS, AUTHENTICATED, Aggregation, Bootstrap, Index, MASTERS, Name, Place, Request, SERVICE_ACCOUNTS,
    UNAUTHENTICATED, allows, describe, service_account,
};
use crate::audit::report::Offender;
use crate::benchmark::StockPolicy;
use crate::evidence::objects::{Binding, ClusterEvidence, PolicyRule, RUNS_PODS, Role, Source, Subject};
use crate::evidence::{Observed, Value};

/// Rights of a cluster, arranged once for all questions.
pub struct Rights<'a> {
    /// What RBAC grants.
    pub index: Index<'a>,
    stock: Bootstrap,
    roles: HashMap<(&'a str, &'a str), &'a Role>,
    /// Manifests seldom hold the roles that every cluster has by itself.
    implies_stock: bool,
}

impl<'a> Rights<'a> {
    /// Arranges roles and bindings. kubeadm's own objects are exempt where its ConfigMap shows that it set the cluster up.
    pub fn new(cluster: &'a ClusterEvidence, stock: &[StockPolicy]) -> Self {
        let aggregation = Aggregation::of(cluster);
        let kubeadm = super::namespaces::named(cluster, "ConfigMap")
            .iter()
            .any(|map| map.metadata.name == "kubeadm-config" && map.metadata.namespace == "kube-system");
        // the first policy is Kubernetes' own, what follows is kubeadm's
        let makers = stock.iter().take(if kubeadm { stock.len() } else { 1 });
        let roles = cluster.roles.items.iter();
        Self {
            index: Index::new(&cluster.roles.items, &cluster.bindings.items, aggregation),
            stock: Bootstrap::new(makers, cluster.version),
            implies_stock: cluster.source == Source::Manifests,
            roles: roles.map(|role| ((role.metadata.namespace.as_str(), role.metadata.name.as_str()), role)).collect(),
        }
    }

    /// The rules that a binding gives; none when its role does not exist. A role that every cluster has need not be among manifests.
    pub(super) fn rules_of(&self, binding: &Binding) -> Cow<'_, [&PolicyRule]> {
        let (namespace, name) = role_of(binding);
        match self.index.rules(namespace, name) {
            Some(rules) => Cow::Borrowed(rules),
            None if self.implies_stock => Cow::Owned(self.stock.rules(namespace, name).iter().collect()),
            None => Cow::Borrowed(&[]),
        }
    }

    /// True when a binding of a role gives more than Kubernetes' own does; a role that is not there is Kubernetes' own.
    pub(super) fn is_foreign(&self, binding: &Binding, role: Option<&Role>) -> bool {
        self.stock.binding(binding).widens() || role.is_some_and(|role| self.stock.role(role).widens())
    }
}

/// Namespace and name of the role that a binding names; the namespace is empty for a cluster role.
fn role_of(binding: &Binding) -> (&str, &str) {
    let namespace = if binding.role_ref.kind == "Role" { binding.metadata.namespace.as_str() } else { "" };
    (namespace, binding.role_ref.name.as_str())
}

/// The subjects of a binding, service accounts with their namespace.
pub(super) fn subjects_of(binding: &Binding) -> impl Iterator<Item = Subject> {
    binding.subjects.iter().map(|subject| {
        let mut subject = subject.clone();
        match subject.kind.as_str() {
            "ServiceAccount" if subject.namespace.is_empty() => {
                subject.namespace.clone_from(&binding.metadata.namespace);
            }
            "ServiceAccount" => {}
            // users and groups have no namespace; one that is written means nothing
            _ => subject.namespace.clear(),
        }
        match service_account(&subject.name).filter(|_| subject.kind == "User") {
            Some((namespace, name)) => {
                Subject { kind: "ServiceAccount".to_owned(), name: name.to_owned(), namespace: namespace.to_owned() }
            }
            None => subject,
        }
    })
}

/// What a question asks of a rule.
pub(super) struct Question {
    pub(super) name: &'static str,
    /// What a grant within one namespace must allow; none where the objects have no namespace, so that such a grant means nothing.
    within: Option<fn(&PolicyRule) -> bool>,
    pub(super) asks: fn(&PolicyRule) -> bool,
}

pub(super) const QUESTIONS: [Question; 10] = [
    Question { name: "cluster-admin", within: Some(everything), asks: everything },
    Question { name: "read-secrets", within: Some(reads_secrets), asks: reads_secrets },
    Question { name: "create-pods", within: Some(creates_pods), asks: creates_pods },
    Question { name: "escalate", within: Some(escalates_within), asks: escalates },
    Question { name: "create-volumes", within: None, asks: |rule| unnamed(rule, "create", "", "persistentvolumes") },
    Question { name: "proxy-nodes", within: None, asks: proxies },
    Question { name: "read-nodes", within: None, asks: proxies },
    Question {
        name: "approve-certificates",
        within: None,
        asks: |rule| any(rule, &["update", "patch"], "certificates.k8s.io", "certificatesigningrequests", "approval"),
    },
    Question { name: "change-webhooks", within: None, asks: changes_webhooks },
    Question { name: "mint-tokens", within: Some(mints_tokens), asks: mints_tokens },
];

fn any(rule: &PolicyRule, verbs: &[&str], group: &str, resource: &str, subresource: &str) -> bool {
    verbs.iter().any(|verb| {
        let request = Request::resource(verb, group, resource).subresource(subresource);
        allows(rule, &request.named(Name::Any).within(Place::Anywhere))
    })
}

/// A request without a name, such as a create: a rule with names never allows it.
fn unnamed(rule: &PolicyRule, verb: &str, group: &str, resource: &str) -> bool {
    allows(rule, &Request::resource(verb, group, resource).within(Place::Anywhere))
}

fn everything(rule: &PolicyRule) -> bool {
    let all = |list: &[String]| list.iter().any(|item| item == "*");
    all(&rule.verbs) && all(&rule.api_groups) && all(&rule.resources) && rule.resource_names.is_empty()
}

fn reads_secrets(rule: &PolicyRule) -> bool {
    any(rule, &["get", "list", "watch"], "", "secrets", "")
}

fn mints_tokens(rule: &PolicyRule) -> bool {
    any(rule, &["create"], "", "serviceaccounts", "token")
}

/// Pods, or a controller that makes them.
fn creates_pods(rule: &PolicyRule) -> bool {
    RUNS_PODS.iter().any(|(group, resource)| unnamed(rule, "create", group, resource))
}

const RBAC: &str = "rbac.authorization.k8s.io";

/// What a grant within a namespace is good for: cluster roles can be bound there, service accounts of it impersonated. Users, groups,
/// their ids and extra fields, and the rules of cluster roles, have no namespace.
fn escalates_within(rule: &PolicyRule) -> bool {
    let hands_out =
        any(rule, &["bind"], RBAC, "clusterroles", "") || any(rule, &["bind", "escalate"], RBAC, "roles", "");
    // constrained impersonation of accounts (`impersonate:serviceaccount`) is asked where they are
    let constrained = rule.verbs.iter().any(|verb| verb == "impersonate:serviceaccount")
        && rule.resources.iter().any(|resource| resource == "*" || resource == "serviceaccounts");
    hands_out || any(rule, &["impersonate"], "", "serviceaccounts", "") || constrained
}

fn escalates(rule: &PolicyRule) -> bool {
    let hands_out =
        ["roles", "clusterroles"].iter().any(|resource| any(rule, &["bind", "escalate"], RBAC, resource, ""));
    let becomes =
        ["users", "groups", "serviceaccounts"].iter().any(|resource| any(rule, &["impersonate"], "", resource, ""));
    let identity = any(rule, &["impersonate"], "authentication.k8s.io", "uids", "");
    // extra fields are subresources of any name; constrained impersonation (1.35) has verbs of its own
    let verb = rule.verbs.iter().any(|verb| {
        verb == "impersonate" || verb == "*" || verb.starts_with("impersonate:") || verb.starts_with("impersonate-on:")
    });
    let group = rule.api_groups.iter().any(|group| group == "authentication.k8s.io" || group == "*");
    let extra = rule.resources.iter().any(|resource| resource.starts_with("userextras") || resource == "*");
    let constrained = rule.verbs.iter().any(|verb| verb.starts_with("impersonate:"));
    hands_out || becomes || identity || (verb && group && extra) || constrained
}

/// Any verb reaches the kubelet: a GET can open a websocket that executes.
fn proxies(rule: &PolicyRule) -> bool {
    any(rule, &["get", "create", "update", "patch", "delete"], "", "nodes", "proxy")
}

fn changes_webhooks(rule: &PolicyRule) -> bool {
    const VERBS: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
    const KINDS: [&str; 6] = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ];
    KINDS.iter().any(|resource| any(rule, &VERBS, "admissionregistration.k8s.io", resource, ""))
}

/// Groups that everybody is in, and nobody in particular.
pub(super) fn is_broad(subject: &Subject) -> bool {
    match subject.kind.as_str() {
        "Group" => [AUTHENTICATED, UNAUTHENTICATED, SERVICE_ACCOUNTS].contains(&subject.name.as_str()),
        "User" => subject.name == ANONYMOUS,
        _ => false,
    }
}

/// Holders of a right: broad ones, or specific ones.
pub(super) fn holders(question: &str, broad: bool, context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let gaps = [gap(&cluster.roles), gap(&cluster.bindings)];
    match question {
        "wildcards" => {
            return context.findings(if broad { Vec::new() } else { wildcards(context) }, &[gap(&cluster.roles)]);
        }
        "masters" => {
            return context.findings(if broad { Vec::new() } else { masters(context) }, &[gap(&cluster.bindings)]);
        }
        _ => {}
    }
    let Some(known) = QUESTIONS.iter().find(|known| known.name == question) else {
        return context.findings(Vec::new(), &gaps);
    };
    let mut offenders = Vec::new();
    let mut own = Vec::new();
    for binding in &cluster.bindings.items {
        let rule = match granted(binding, known, context) {
            Some((rule, true)) => rule,
            Some((_, false)) => {
                own.push(binding.metadata.name.as_str());
                continue;
            }
            None => continue,
        };
        let place = match binding.metadata.namespace.as_str() {
            "" => "everywhere".to_owned(),
            namespace => format!("in {namespace}"),
        };
        let wanted = subjects_of(binding)
            .filter(|subject| is_broad(subject) == broad && !(subject.kind == "Group" && subject.name == MASTERS));
        for subject in wanted {
            let mut found = format!(
                "{place}, by binding {} of {} {}: {rule}",
                binding.metadata.name, binding.role_ref.kind, binding.role_ref.name
            );
            if let Some(way) = reaching::worst(&subject, context) {
                found.push_str("; leads on: ");
                found.push_str(&way);
            }
            offenders.push(Offender { what: describe::subject(&subject), found, own: false });
        }
    }
    if broad {
        offenders.extend(reaching::indirect(question, true, context));
    }
    with_exemptions(context.findings(offenders, &gaps), if broad { &[] } else { &own })
}

/// The first rule by which a binding grants what is asked, and whether it is more than Kubernetes' own.
fn granted(binding: &Binding, question: &Question, context: &ClusterContext<'_>) -> Option<(String, bool)> {
    let rights = context.rights;
    let asks = if binding.metadata.namespace.is_empty() { question.asks } else { question.within? };
    let rules = rights.rules_of(binding);
    let rule = rules.iter().find(|rule| asks(rule))?;
    let role = rights.roles.get(&role_of(binding)).copied();
    Some((describe::rule(rule), rights.is_foreign(binding, role)))
}

/// Roles with a wildcard that are not Kubernetes' own, bound or not: the next binding gives it away.
fn wildcards(context: &ClusterContext<'_>) -> Vec<Offender> {
    let mut offenders = Vec::new();
    for role in &context.cluster.roles.items {
        let star = |list: &[String]| list.iter().any(|item| item == "*");
        let Some(rule) =
            role.rules.iter().find(|rule| star(&rule.verbs) || star(&rule.api_groups) || star(&rule.resources))
        else {
            continue;
        };
        if context.rights.stock.role(role).widens() {
            let what = if role.metadata.namespace.is_empty() {
                format!("ClusterRole {}", role.metadata.name)
            } else {
                format!("{}/Role {}", role.metadata.namespace, role.metadata.name)
            };
            offenders.push(Offender { what, found: describe::rule(rule), own: false });
        }
    }
    offenders
}

/// Bindings of the group system:masters beside Kubernetes' own.
fn masters(context: &ClusterContext<'_>) -> Vec<Offender> {
    let names =
        |binding: &&Binding| binding.subjects.iter().any(|subject| subject.kind == "Group" && subject.name == MASTERS);
    let bindings = context
        .cluster
        .bindings
        .items
        .iter()
        .filter(names)
        .filter(|binding| context.rights.stock.binding(binding).widens());
    let found = |binding: &Binding| Offender {
        what: format!("binding {}", binding.metadata.name),
        found: format!("binds the group to {} {}", binding.role_ref.kind, binding.role_ref.name),
        own: false,
    };
    bindings.map(found).collect()
}

/// Users in bindings that are nobody's service account and not Kubernetes' own: people who may come by client certificate.
pub(super) fn people(context: &ClusterContext<'_>) -> Observed<Value> {
    let subjects = context.cluster.bindings.items.iter().flat_map(|binding| binding.subjects.iter());
    let mut names: Vec<&str> = subjects
        .filter(|subject| subject.kind == "User" && !subject.name.starts_with("system:"))
        .map(|subject| subject.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    listed(Value::texts(names.into_iter().take(50)), gap(&context.cluster.bindings), context)
}
