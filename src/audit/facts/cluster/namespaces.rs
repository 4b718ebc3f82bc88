//! Namespaces: what admission refuses there.

use super::pods::Question;
use super::{ClusterContext, engines};
use crate::audit::pss::Level;
use crate::audit::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Named, Source};
use crate::evidence::{Gap, Reason};

/// Namespaces that Kubernetes itself makes for its own components.
pub fn is_system(name: &str) -> bool {
    matches!(name, "kube-system" | "kube-public" | "kube-node-lease")
}

/// Objects of a kind; empty where none was found.
pub fn named<'a>(cluster: &'a ClusterEvidence, kind: &str) -> &'a [Named] {
    cluster.named.get(kind).map(|listing| listing.items.as_slice()).unwrap_or_default()
}

/// Why there may be more objects of a kind than were found.
pub fn named_gap(cluster: &ClusterEvidence, kind: &str) -> Option<Gap> {
    match cluster.named.get(kind) {
        Some(listing) => listing.gap.clone(),
        // over the API every kind that is asked for has its list, an empty one too
        None if cluster.complete && cluster.source == Source::Manifests => None,
        None => Some(Gap::new(Reason::IncompleteList, format!("{kind} may exist beside what was given"))),
    }
}

/// User namespaces where admission does not refuse what a question is about, and who is let through everywhere.
pub(super) fn open(question: &Question, context: &ClusterContext<'_>) -> Vec<Offender> {
    let (inventory, security) = (context.inventory, &context.inventory.security);
    let level = question.refused_by.unwrap_or(Level::Privileged);
    let mut open = Vec::new();
    for (name, namespace) in inventory.namespaces.iter().filter(|(name, _)| !is_system(name)) {
        let asked = security.asked(namespace);
        if !security.refuses(&asked, question) {
            let found = format!("{}; {}", asked.words, security.raised(level, name, inventory));
            open.push(Offender { what: format!("namespace {name}"), found, own: false });
        }
    }
    open.extend(exempt(context));
    open
}

/// Who is or may be let through in every namespace, where there is one.
fn exempt(context: &ClusterContext<'_>) -> Vec<Offender> {
    if context.inventory.namespaces.is_empty() { Vec::new() } else { context.inventory.security.exempt() }
}

/// User namespaces without an enforced level: those that run pods, or those that do not (and those that an engine may cover) and who is
/// let through whatever is enforced.
pub(super) fn without_policy(context: &ClusterContext<'_>, with_pods: bool) -> Vec<Offender> {
    let (inventory, security) = (context.inventory, &context.inventory.security);
    let engines = engines::enforcing(context.cluster);
    // an engine that could not be listed may be there
    let unlisted = engines::unread(context.cluster).filter(|_| engines.is_empty());
    let no_engine = engines.is_empty() && unlisted.is_none();
    let mut offenders = Vec::new();
    for (name, namespace) in inventory.namespaces.iter().filter(|(name, _)| !is_system(name)) {
        let asked = security.asked(namespace);
        if asked.policy.enforce.level > Level::Privileged {
            continue;
        }
        let pods = inventory.pods(name).len();
        let unread = security.unread().filter(|_| !asked.settled);
        if (pods > 0 && no_engine && unread.is_none()) != with_pods {
            continue;
        }
        let mut found = format!("{}, {pods} pods", asked.words);
        for level in [Level::Baseline, Level::Restricted] {
            found.push_str(&format!("; {}", security.raised(level, name, inventory)));
        }
        if !engines.is_empty() {
            found.push_str(&format!("; a policy engine is installed: {}", engines.join(", ")));
        }
        if let Some(gap) = &unlisted {
            found.push_str(&format!("; whether a policy engine is installed is not known: {}", gap.detail));
        }
        if let Some(unread) = unread {
            found.push_str(&format!("; what the API server asks by its own configuration is not known: {unread}"));
        }
        offenders.push(Offender { what: format!("namespace {name}"), found, own: false });
    }
    if !with_pods {
        offenders.extend(exempt(context));
    }
    offenders
}
