//! Facts of the cluster as a whole, from its API's objects.

mod admission;
pub mod namespaces;
pub mod pods;
mod rights;

use super::Fact;
use crate::audit::pss::Owners;
use crate::audit::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Listing, Source};
use crate::evidence::{Evidence, Gap, Observed, Origin, Reason, Value};
use pods::{Belonging, Level, QUESTIONS, Question};
pub use rights::Rights;

/// What the facts of a cluster are established from.
#[derive(Clone, Copy)]
pub struct ClusterContext<'a> {
    /// The cluster's objects.
    pub cluster: &'a ClusterEvidence,
    /// Everything, for what the nodes say of the API server.
    pub evidence: &'a Evidence,
    /// Its roles and bindings, arranged.
    pub rights: &'a Rights<'a>,
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
            Some(gap) if offenders.is_empty() => Fact::Findings(Observed::Unknown((*gap).clone())),
            _ => Fact::Findings(Observed::seen(offenders, self.origin())),
        }
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
            ("pods", Some(question)) => return of_pods(question, context, false),
            ("agents", Some(question)) => return of_pods(question, context, true),
            ("admitting", Some(question)) => {
                let level = question.refused_by.unwrap_or(Level::Privileged);
                let open = namespaces::open(cluster, level, admission::default_level(context));
                return context.findings(open, &[gap(&cluster.namespaces)]);
            }
            _ => {}
        }
    }
    match name {
        "namespaces.without-pod-security" => admission::without_policy(context, true),
        "namespaces.empty-without-pod-security" => admission::without_policy(context, false),
        "namespaces.without-network-policy" => {
            let found = namespaces::isolation(cluster);
            context
                .findings(found.open, &[gap(&cluster.namespaces), gap(&cluster.network_policies), gap(&cluster.pods)])
        }
        "namespaces.with-open-pods" => {
            let found = namespaces::isolation(cluster);
            context.findings(
                found.doubtful,
                &[gap(&cluster.namespaces), gap(&cluster.network_policies), gap(&cluster.pods)],
            )
        }
        "namespaces.objects-in-default" => admission::in_default(context),
        "namespaces.all" => {
            let names = cluster.namespaces.items.iter().map(|namespace| namespace.metadata.name.clone());
            Fact::Value(listed(Value::texts(names), gap(&cluster.namespaces), context), None)
        }
        "accounts.default-in-use" => admission::default_accounts(context),
        "nodes.windows" => {
            let windows = cluster.nodes.items.iter().filter(|node| node.status.info.operating_system == "windows");
            let found = windows
                .map(|node| Offender { what: format!("node {}", node.metadata.name), found: "windows".to_owned() })
                .collect::<Vec<_>>();
            // without any node nothing is proven about them
            let none = Gap::new(Reason::IncompleteList, "no node was listed");
            context.findings(found, &[gap(&cluster.nodes), cluster.nodes.items.is_empty().then_some(&none)])
        }
        "network.plugin" => Fact::Value(admission::network_plugin(context), None),
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
    let note = (context.cluster.source == Source::Api)
        .then(|| "Secrets are not read: RBAC cannot grant their names without their content".to_owned());
    Fact::Value(listed(names, None, context), note)
}

fn listed(value: Value, gap: Option<&Gap>, context: &ClusterContext<'_>) -> Observed<Value> {
    match gap {
        Some(gap) => Observed::Unknown(gap.clone()),
        None => Observed::seen(value, context.origin()),
    }
}

/// Pods that offend in a question: ordinary ones, or known agents of system namespaces.
fn of_pods(question: &Question, context: &ClusterContext<'_>, agents: bool) -> Fact {
    let cluster = context.cluster;
    let mut offenders: Vec<Offender> = Vec::new();
    let mut add = |found: Vec<Offender>| {
        for offender in found {
            // 500 pods of one Deployment are one finding
            if !offenders.contains(&offender) {
                offenders.push(offender);
            }
        }
    };
    for pod in &cluster.pods.items {
        if matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
            continue;
        }
        let wanted = match pods::belonging(pod) {
            Belonging::Stock => false,
            Belonging::Agent(_) => agents,
            Belonging::Ordinary => !agents,
        };
        if !wanted {
            continue;
        }
        let fields = match question.name {
            "mounted-token" => admission::mounted_token(pod, cluster),
            _ => (question.ask)(&pod.spec),
        };
        add(pods::offenders(pod, fields));
    }
    if cluster.source == Source::Manifests {
        // manifests hold templates in place of the pods that they will make
        let owners = Owners::new(&cluster.workloads.items);
        for workload in cluster.workloads.items.iter().filter(|workload| !owners.is_owned(workload)) {
            let Some(pod) = pods::of_template(workload) else { continue };
            if pods::belonging(&pod) == Belonging::Stock
                || matches!(pods::belonging(&pod), Belonging::Agent(_)) != agents
            {
                continue;
            }
            let fields = (question.ask)(&pod.spec);
            let owner = format!("{}/{} {}", workload.metadata.namespace, workload.kind, workload.metadata.name);
            add(fields
                .into_iter()
                .map(|(field, found)| Offender { what: format!("{owner}: {field}"), found })
                .collect());
        }
    }
    context.findings(offenders, &[gap(&cluster.pods)])
}
