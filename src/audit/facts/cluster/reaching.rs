//! Who gets somewhere without having been given it: the ways that rights open, shortest first.

use std::collections::HashSet;

use super::rights::{QUESTIONS, is_broad, subjects_of};
use super::{ClusterContext, gap};
use crate::audit::facts::Fact;
use crate::audit::rbac::escalation::{Path, Target};
use crate::audit::rbac::{MASTERS, describe};
use crate::audit::report::Offender;
use crate::evidence::objects::Subject;

/// Where the holders of a right are.
fn target(question: &str) -> Option<Target> {
    match question {
        "cluster-admin" => Some(Target::ClusterAdmin),
        "read-secrets" => Some(Target::EverySecret),
        _ => None,
    }
}

/// Specific subjects that reach what a question asks for by steps of their own, outside of Kubernetes' own set.
pub(super) fn specific(question: &str, context: &ClusterContext<'_>) -> Fact {
    let gaps = [gap(&context.cluster.roles), gap(&context.cluster.bindings)];
    context.findings(indirect(question, false, context), &gaps)
}

/// Subjects that reach it without holding it: `broad` ones, or specific ones. With the shortest way of each.
pub(super) fn indirect(question: &str, broad: bool, context: &ClusterContext<'_>) -> Vec<Offender> {
    let Some(target) = target(question) else { return Vec::new() };
    let direct = holders(question, context);
    let reaching = context.escalation.reaching(target).into_iter();
    let wanted = reaching.filter(|subject| {
        is_broad(subject) == broad && !(subject.kind == "Group" && subject.name == MASTERS) && !direct.contains(subject)
    });
    let ways = wanted.filter_map(|subject| context.escalation.path(&subject, target));
    let mut ways: Vec<Path<'_>> = ways.filter(|way| begins_outside(way, context)).collect();
    ways.sort_by(|one, other| (one.steps.len(), &one.subject).cmp(&(other.steps.len(), &other.subject)));
    let offender =
        |way: Path<'_>| Offender { what: describe::subject(&way.subject), found: way.to_string(), own: false };
    ways.into_iter().map(offender).collect()
}

/// The way of a subject to the worst that it reaches; nothing when that needs no step.
pub(super) fn worst(subject: &Subject, context: &ClusterContext<'_>) -> Option<String> {
    let ways = Target::ALL.into_iter().find_map(|target| context.escalation.path(subject, target));
    ways.filter(|way| way.steps.len() > 2).map(|way| way.to_string())
}

/// Everyone whom a binding gives it, Kubernetes' own objects included.
fn holders(question: &str, context: &ClusterContext<'_>) -> HashSet<Subject> {
    let Some(known) = QUESTIONS.iter().find(|known| known.name == question) else { return HashSet::new() };
    let bindings = context.cluster.bindings.items.iter();
    let granting = bindings.filter(|binding| {
        let rules = context.rights.rules_of(binding);
        binding.metadata.namespace.is_empty() && rules.iter().any(|rule| (known.asks)(rule))
    });
    granting.flat_map(subjects_of).collect()
}

/// True when the first right that is used comes from an object that is not Kubernetes' own.
fn begins_outside(way: &Path<'_>, context: &ClusterContext<'_>) -> bool {
    let first = way.steps.iter().find(|step| !step.by.is_empty());
    first.is_some_and(|step| {
        step.by.iter().any(|cause| {
            let foreign = cause.binding.is_none_or(|binding| context.rights.is_foreign(binding, Some(cause.role)));
            cause.binding.is_some() && foreign
        })
    })
}
