//! A way, as text and with what gives each step.

use std::fmt;

use super::Target;
use super::graph::{Escalation, How, Node};
use super::holdings::{Held, Where};
use crate::audit::rbac::describe;
use crate::evidence::objects::{Binding, PolicyRule, Role, Subject};

/// A way of a subject to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path<'i> {
    /// Whose way it is.
    pub subject: Subject,
    /// Where it leads.
    pub target: Target,
    /// What is done one after the other; the last one is the target.
    pub steps: Vec<Step<'i>>,
}

/// One step: a right that is used, someone whom one has become, or the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'i> {
    /// Such as `create pods in ci`, `sa:ci/deployer`.
    pub text: String,
    /// What gives the rights of this step; empty for what one has become.
    pub by: Vec<Cause<'i>>,
}

/// What gives a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'i> {
    /// The binding; `None` for what the subject would bind to itself.
    pub binding: Option<&'i Binding>,
    /// Its role.
    pub role: &'i Role,
    /// The rule.
    pub rule: &'i PolicyRule,
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&describe::subject(&self.subject))?;
        for step in &self.steps {
            write!(out, " -> {}", step.text)?;
        }
        Ok(())
    }
}

/// Follows the next edges from a node to the target. `as_group` is the node when it is not the subject but a group of it.
pub(super) fn trace<'a>(
    graph: &Escalation<'a>,
    subject: &Subject,
    as_group: Option<u32>,
    from: u32,
    target: Target,
) -> Path<'a> {
    let mut steps: Vec<Step<'a>> = Vec::new();
    let plain = |text: String| Step { text, by: Vec::new() };
    steps.extend(as_group.and_then(|group| become_text(graph, &graph.nodes[group as usize])).map(plain));
    let mut node = from;
    while let Some(edge) = graph.next(target, node) {
        match graph.hows.get(edge.how as usize) {
            Some(How::Powers { held, shown, place }) => {
                let by = held.iter().map(|held| cause(graph, held)).collect();
                steps.push(Step { text: rights(&held[..(*shown).min(held.len())], *place), by });
            }
            Some(How::Words(words)) => steps.push(plain((*words).to_owned())),
            None => {}
        }
        steps.extend(become_text(graph, &graph.nodes[edge.to as usize]).map(plain));
        node = edge.to;
    }
    Path { subject: subject.clone(), target, steps }
}

fn cause<'a>(graph: &Escalation<'a>, held: &Held<'a>) -> Cause<'a> {
    Cause {
        binding: held.binding.map(|number| graph.index.bindings[number as usize].binding),
        role: graph.index.roles[held.role as usize].role,
        rule: held.given.rule,
    }
}

/// Rights that are used together: `create pods in ci`, `bind clusterroles named edit`.
fn rights(held: &[Held<'_>], place: Option<Where<'_>>) -> String {
    const SHOWN: usize = 3;
    let one = |held: &Held<'_>| match held.given.names {
        [] => held.given.to_string(),
        names if names.len() > SHOWN => {
            format!("{} named {} and {} more", held.given, names[..SHOWN].join(","), names.len() - SHOWN)
        }
        names => format!("{} named {}", held.given, names.join(",")),
    };
    let mut text = held.iter().map(one).collect::<Vec<_>>().join(" and ");
    match place {
        Some(Where::Namespace(namespace)) => {
            text.push_str(" in ");
            text.push_str(namespace);
        }
        Some(Where::Cluster | Where::Everywhere) if !held.iter().all(|held| held.given.ask().cluster_scoped) => {
            text.push_str(" in every namespace");
        }
        _ => {}
    }
    text
}

/// What one has become or reached; nothing for what the step before says already.
fn become_text(graph: &Escalation<'_>, node: &Node<'_>) -> Option<String> {
    match node {
        Node::User(name) => Some(describe::user(name)),
        Node::Group(name) => Some(format!("group:{name}")),
        Node::Bound(role, place) => {
            let name = &graph.index.roles[*role as usize].role.metadata.name;
            Some(match place {
                Where::Namespace(namespace) => format!("role {name} in {namespace}"),
                Where::Everywhere => format!("role {name} in every namespace"),
                Where::Cluster => format!("role {name}"),
            })
        }
        Node::Target(target) => Some(target.words().to_owned()),
        _ => None,
    }
}
