//! The graph of subjects and what they gain, and the shortest way from each to a target.

use std::collections::{HashMap, VecDeque};

use super::Target;
use super::edges::Graph;
use super::holdings::{Held, Holdings, Where, Who, implied};
use super::path::{Path, trace};
use super::power::Powers;
use super::world::{Surroundings, World};
use crate::audit::rbac::identity::{Principal, principal, service_account};
use crate::audit::rbac::index::Index;
use crate::evidence::objects::Subject;

/// A subject, or something that it gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Node<'a> {
    User(&'a str),
    Group(&'a str),
    /// What a role gives whoever binds it to himself.
    Bound(u32, Where<'a>),
    /// Every service account there.
    Accounts(Where<'a>),
    /// The service account of this name in every namespace.
    AccountsNamed(&'a str),
    /// Makes pods there.
    RunPods(Where<'a>),
    /// Runs something in the pods that are there.
    Pods(Where<'a>),
    /// Runs something in the pods of a node.
    PodsOf(&'a str),
    /// Root on this node.
    Root(&'a str),
    /// Root on whichever node one likes.
    RootAnywhere,
    /// Everything within namespaces.
    NamespaceAdmin(Where<'a>),
    /// Any role of a namespace.
    Roles(Where<'a>),
    /// Any user, but for nodes and service accounts.
    AnyUser,
    AnyGroup,
    /// A certificate with any name.
    Certified,
    Target(Target),
}

/// Why an edge holds.
#[derive(Debug, Clone)]
pub(super) enum How<'a> {
    /// Powers that are needed together; the first `shown` are named in the text.
    Powers { held: Vec<Held<'a>>, shown: usize, place: Option<Where<'a>> },
    /// What needs no right.
    Words(&'static str),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub from: u32,
    pub to: u32,
    /// Number of its reason; `SILENT` where the nodes say enough.
    pub how: u32,
}

pub(super) const SILENT: u32 = u32::MAX;
const NONE: u32 = u32::MAX;

/// Numbers of nodes.
#[derive(Default)]
pub(super) struct Numbers<'a> {
    pub users: HashMap<&'a str, u32>,
    pub groups: HashMap<&'a str, u32>,
    pub gains: HashMap<Node<'a>, u32>,
}

impl Numbers<'_> {
    fn of(&self, who: Who<'_>) -> Option<u32> {
        match who {
            Who::User(name) => self.users.get(name).copied(),
            Who::Group(name) => self.groups.get(name).copied(),
        }
    }
}

/// The subject that a node is.
fn subject_of(node: &Node<'_>) -> Option<Subject> {
    let (kind, name, namespace) = match node {
        Node::User(name) => match service_account(name) {
            Some((namespace, name)) => ("ServiceAccount", name, namespace),
            None => ("User", *name, ""),
        },
        Node::Group(name) => ("Group", *name, ""),
        _ => return None,
    };
    Some(Subject { kind: kind.to_owned(), name: name.to_owned(), namespace: namespace.to_owned() })
}

/// Where everyone's rights lead.
pub struct Escalation<'a> {
    pub(super) index: &'a Index<'a>,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) edges: Vec<Edge>,
    pub(super) hows: Vec<How<'a>>,
    numbers: Numbers<'a>,
    /// By target and node: the edge that comes next on the shortest way.
    next: [Vec<u32>; Target::ALL.len()],
}

impl<'a> Escalation<'a> {
    /// Follows the rights of an index through a world. The cost is linear in bindings, rules, accounts and pods.
    pub fn new(index: &'a Index<'a>, world: World<'a>) -> Self {
        let holdings = Holdings::new(index, &Powers::new(world.version));
        let surroundings = Surroundings::new(world);
        let mut graph = Graph::new(index, &holdings, &surroundings);
        graph.grow();
        let Graph { nodes, numbers, edges, hows, .. } = graph;
        let mut all = Self { index, nodes, edges, hows, numbers, next: Default::default() };
        let into = all.edges_into();
        all.next = Target::ALL.map(|target| all.search(target, &into));
        all
    }

    /// The shortest way of a subject to a target; `None` when none is known. Whoever is bound to nothing still has the rights of
    /// the groups to which it belongs.
    pub fn path(&self, subject: &Subject, target: Target) -> Option<Path<'a>> {
        let principal = principal(subject, "")?;
        let who = match &principal {
            Principal::User(name) => Who::User(name),
            Principal::Group(name) => Who::Group(name),
        };
        let leads = |number: &u32| self.next[target as usize].get(*number as usize).is_some_and(|next| *next != NONE);
        if let Some(number) = self.numbers.of(who).filter(leads) {
            return Some(trace(self, subject, None, number, target));
        }
        let groups = implied(who);
        let known = groups.iter().filter_map(|group| self.numbers.groups.get(group.as_ref())).copied().filter(leads);
        let ways = known.map(|number| trace(self, subject, Some(number), number, target));
        ways.min_by_key(|way| way.steps.len())
    }

    /// Every subject of a binding from which a way leads to the target, sorted.
    pub fn reaching(&self, target: Target) -> Vec<Subject> {
        let next = &self.next[target as usize];
        let found = self.nodes.iter().zip(next).filter(|(_, next)| **next != NONE);
        let mut subjects: Vec<Subject> = found.filter_map(|(node, _)| subject_of(node)).collect();
        subjects.sort();
        subjects
    }

    /// Nodes and edges of the graph.
    pub fn size(&self) -> (usize, usize) {
        (self.nodes.len(), self.edges.len())
    }

    pub(super) fn next(&self, target: Target, node: u32) -> Option<&Edge> {
        let edge = *self.next[target as usize].get(node as usize)?;
        self.edges.get(edge as usize)
    }

    /// Edges by the node that they lead to: where each node's run begins, and the edges in that order.
    fn edges_into(&self) -> (Vec<u32>, Vec<u32>) {
        let mut starts = vec![0_u32; self.nodes.len() + 1];
        for edge in &self.edges {
            starts[edge.to as usize + 1] += 1;
        }
        for node in 0..self.nodes.len() {
            starts[node + 1] += starts[node];
        }
        let mut filled = starts.clone();
        let mut sorted = vec![0_u32; self.edges.len()];
        for (number, edge) in (0..).zip(&self.edges) {
            let slot = &mut filled[edge.to as usize];
            sorted[*slot as usize] = number;
            *slot += 1;
        }
        (starts, sorted)
    }

    /// Backwards from the target, so that one search finds the way of every node. Silent edges cost nothing.
    fn search(&self, target: Target, (starts, sorted): &(Vec<u32>, Vec<u32>)) -> Vec<u32> {
        let mut next = vec![NONE; self.nodes.len()];
        let Some(goal) = self.numbers.gains.get(&Node::Target(target)).copied() else { return next };
        let mut distance = vec![u32::MAX; self.nodes.len()];
        distance[goal as usize] = 0;
        let mut open = VecDeque::from([(goal, 0)]);
        while let Some((node, at)) = open.pop_front() {
            if at > distance[node as usize] {
                continue;
            }
            let run = starts[node as usize] as usize..starts[node as usize + 1] as usize;
            for number in &sorted[run] {
                let edge = self.edges[*number as usize];
                let cost = at + u32::from(edge.how != SILENT);
                if cost < distance[edge.from as usize] {
                    distance[edge.from as usize] = cost;
                    next[edge.from as usize] = *number;
                    if cost == at {
                        open.push_front((edge.from, cost));
                    } else {
                        open.push_back((edge.from, cost));
                    }
                }
            }
        }
        next
    }
}
