//! Facts of the cluster as a whole, from its API's objects.

mod admission;
mod agents;
mod default_namespace;
mod engines;
mod inventory;
mod isolation;
mod kubelets;
pub mod namespaces;
mod network_plugin;
mod pod_security;
pub mod pods;
mod reaching;
mod rights;

use std::collections::HashMap;

use super::Fact;
use crate::audit::rbac::escalation::Escalation;
use crate::audit::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Listing, Source};
use crate::evidence::{Evidence, Gap, Observed, Origin, Reason, Value};
pub use inventory::Inventory;
use inventory::Unit;
pub use kubelets::confine_by_default;
pub use pod_security::PodSecurity;
use pods::{Belonging, QUESTIONS, Question};
pub use rights::Rights;

/// What the facts of a cluster are established from.
#[derive(Clone, Copy)]
pub struct ClusterContext<'a> {
    /// The cluster's objects.
    pub cluster: &'a ClusterEvidence,
    /// Everything, for what the nodes say of the API server.
    pub evidence: &'a Evidence,
    /// Its objects, arranged.
    pub inventory: &'a Inventory<'a>,
    /// Its roles and bindings, arranged.
    pub rights: &'a Rights<'a>,
    /// Where rights lead.
    pub escalation: &'a Escalation<'a>,
}

impl ClusterContext<'_> {
    fn origin(&self) -> Origin {
        match self.cluster.source {
            Source::Api => Origin::Derived { rule: "the cluster's API".to_owned() },
            Source::Manifests => Origin::File { path: self.cluster.name.clone() },
        }
    }

    /// Findings over lists: what offends decides at once, nothing offending only when the lists are complete.
    fn findings(&self, offenders: Vec<Offender>, gaps: &[Option<&Gap>]) -> Fact {
        match gaps.iter().flatten().next() {
            Some(gap) if offenders.is_empty() => Fact::Findings(Observed::Unknown((*gap).clone()), None),
            _ => Fact::Findings(Observed::seen(offenders, self.origin()), None),
        }
    }
}

/// What is exempt, as a remark beside what was found.
fn with_exemptions(fact: Fact, exempt: &[&str]) -> Fact {
    const SHOWN: usize = 6;
    match fact {
        Fact::Findings(seen @ Observed::Seen { .. }, None) if !exempt.is_empty() => {
            let mut names = exempt.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
            if exempt.len() > SHOWN {
                names.push_str(&format!(" and {} more", exempt.len() - SHOWN));
            }
            Fact::Findings(seen, Some(format!("Kubernetes' own by name and content, exempt: {names}")))
        }
        other => other,
    }
}

/// What nothing offends in, with what was taken for granted.
fn assuming(fact: Fact, context: &ClusterContext<'_>) -> Fact {
    match fact {
        Fact::Findings(seen @ Observed::Seen { .. }, None) if seen.value().is_some_and(Vec::is_empty) => {
            Fact::Findings(seen, context.inventory.security.assumed())
        }
        other => other,
    }
}

fn gap<T>(listing: &Listing<T>) -> Option<&Gap> {
    listing.gap.as_ref()
}

/// Establishes a fact of the cluster.
pub fn establish(name: &str, context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    if let Some((part, question)) = name.split_once('.') {
        let known = QUESTIONS.iter().find(|known| known.name == question);
        match (part, known) {
            ("rights", _) => return rights::holders(question, false, context),
            ("broad", _) => return rights::holders(question, true, context),
            ("reaching", _) => return reaching::specific(question, context),
            ("pods", Some(question)) => return of_pods(question, context, false),
            ("agents", Some(question)) => return of_pods(question, context, true),
            ("admitting", Some(question)) => {
                let open = context.findings(namespaces::open(question, context), &[gap(&cluster.namespaces)]);
                return assuming(open, context);
            }
            _ => {}
        }
    }
    match name {
        "namespaces.without-pod-security" | "namespaces.empty-without-pod-security" => {
            let found = namespaces::without_policy(context, name == "namespaces.without-pod-security");
            assuming(context.findings(found, &[gap(&cluster.namespaces), gap(&cluster.pods)]), context)
        }
        "namespaces.without-network-policy" | "namespaces.with-open-pods" => {
            let found = isolation::isolation(context);
            let open = name == "namespaces.without-network-policy";
            // where policies could not be listed, none that is missing is proven to be
            let unread = cluster.network_policies.gap.is_some();
            let offenders = match (unread, open) {
                (true, _) => Vec::new(),
                (false, true) => found.open,
                (false, false) => found.doubtful,
            };
            let gaps = [gap(&cluster.namespaces), gap(&cluster.network_policies), gap(&cluster.pods)];
            match context.findings(offenders, &gaps) {
                Fact::Findings(seen, _) if !open => Fact::Findings(seen, Some(found.summary)),
                other => other,
            }
        }
        "namespaces.objects-in-default" => default_namespace::objects(context),
        "namespaces.all" => {
            let names = cluster.namespaces.items.iter().map(|namespace| namespace.metadata.name.clone());
            Fact::Value(listed(Value::texts(names), gap(&cluster.namespaces), context), None)
        }
        "accounts.default-in-use" => admission::default_accounts(context),
        "nodes.windows" => {
            let windows = cluster.nodes.items.iter().filter(|node| node.status.info.operating_system == "windows");
            let found = windows
                .map(|node| Offender {
                    what: format!("node {}", node.metadata.name),
                    found: "windows".to_owned(),
                    own: false,
                })
                .collect::<Vec<_>>();
            // a dump without any node was made without nodes; a cluster without any has none of Windows
            let none = Gap::new(Reason::IncompleteList, "no node was listed");
            let dumped = cluster.source == Source::Manifests && cluster.nodes.items.is_empty();
            context.findings(found, &[gap(&cluster.nodes), dumped.then_some(&none)])
        }
        "network.plugin" => Fact::Value(network_plugin::network_plugin(context), None),
        "secrets.external-stores" => Fact::Value(admission::external_stores(context), None),
        "images.verifiers" => Fact::Value(admission::image_verifiers(context), None),
        "people.certificates" => Fact::Value(rights::people(context), None),
        "people.tokens" => secrets_of(context, "kubernetes.io/service-account.name"),
        "people.bootstrap-tokens" => secrets_of(context, ""),
        other => Fact::Value(Observed::unknown(Reason::Unsupported, format!("fact {other} has no source")), None),
    }
}

/// Secrets that are somebody's long-lived token: with an annotation, or by the name that bootstrap tokens must have.
fn secrets_of(context: &ClusterContext<'_>, annotation: &str) -> Fact {
    let secrets = namespaces::named(context.cluster, "Secret").iter();
    let wanted = secrets.filter(|secret| match annotation {
        "" => secret.metadata.namespace == "kube-system" && secret.metadata.name.starts_with("bootstrap-token-"),
        annotation => secret.metadata.annotations.contains_key(annotation),
    });
    let names = Value::texts(wanted.map(|secret| format!("{}/{}", secret.metadata.namespace, secret.metadata.name)));
    let cluster = context.cluster;
    if cluster.source == Source::Api && !cluster.named.contains_key("Secret") {
        let why =
            "Secrets were not listed: RBAC cannot grant their names without their content; --with-secrets lists them";
        return Fact::Value(Observed::unknown(Reason::NotAsked, why), None);
    }
    let none = names.as_list().is_none_or(<[Value]>::is_empty);
    let gap = namespaces::named_gap(cluster, "Secret").filter(|_| none);
    Fact::Value(listed(names, gap.as_ref(), context), None)
}

fn listed(value: Value, gap: Option<&Gap>, context: &ClusterContext<'_>) -> Observed<Value> {
    match gap {
        Some(gap) => Observed::Unknown(gap.clone()),
        None => Observed::seen(value, context.origin()),
    }
}

/// True for pods whose users are none of the node's, root among them. The Pod Security Standards let such pods run as root from 1.35 on.
/// API servers before 1.33 drop the field, so an older manifest does not count.
///
/// Source: `relaxPolicyForUserNamespacePod` (k8s.io/pod-security-admission 0.37 policy/helpers.go); UserNamespacesSupport is on by default
/// since 1.33.
fn has_users_of_its_own(unit: &Unit<'_>, cluster: &ClusterEvidence) -> bool {
    let served = cluster.source == Source::Api || cluster.version.is_some_and(|version| version.minor >= 33);
    unit.pod.spec.host_users == Some(false) && served
}

/// Pods that offend in a question: ordinary ones, or known agents of system namespaces. Under the name of what owns them, with how
/// many they are: 500 pods of one Deployment are one finding.
fn of_pods(question: &Question, context: &ClusterContext<'_>, agents: bool) -> Fact {
    let mut found: Vec<(Offender, usize)> = Vec::new();
    let mut known: HashMap<Offender, usize> = HashMap::new();
    let mut exempt: Vec<String> = Vec::new();
    for unit in &context.inventory.units {
        let wanted = match unit.belonging {
            Belonging::Agent(_) => agents,
            Belonging::Stock | Belonging::Ordinary => !agents,
        };
        if !wanted {
            continue;
        }
        let fields = match question.name {
            "mounted-token" => admission::mounted_token(unit, context),
            "root" if has_users_of_its_own(unit, context.cluster) => Vec::new(),
            "unconfined-seccomp" => pods::unconfined_seccomp(&unit.pod.spec, context.inventory.confined_by_default),
            _ => (question.ask)(&unit.pod.spec),
        };
        if unit.belonging == Belonging::Stock {
            if !fields.is_empty() {
                exempt.push(unit.name());
            }
            continue;
        }
        for (field, text) in fields {
            let offender = Offender { what: format!("{}: {field}", unit.name()), found: text, own: false };
            match known.get(&offender) {
                Some(number) => found[*number].1 += unit.pods,
                None => {
                    known.insert(offender.clone(), found.len());
                    found.push((offender, unit.pods));
                }
            }
        }
    }
    let offenders = found.into_iter().map(|(mut offender, pods)| {
        if pods > 1 {
            offender.found.push_str(&format!(" ({pods} pods)"));
        }
        offender
    });
    exempt.sort_unstable();
    exempt.dedup();
    let exempt: Vec<&str> = exempt.iter().map(String::as_str).collect();
    let of_accounts = gap(&context.cluster.service_accounts).filter(|_| question.name == "mounted-token");
    let gaps = [gap(&context.cluster.pods), gap(&context.cluster.workloads), of_accounts];
    with_exemptions(context.findings(offenders.collect(), &gaps), &exempt)
}
