//! Which right leads to what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Target;
use super::graph::{Edge, How, Node, Numbers, SILENT};
use super::holdings::{Held, Holdings, Where, Who, implied};
use super::power::Mode;
use super::world::{Inside, Surroundings};
use crate::audit::rbac::identity::{MASTERS, service_account, user_of};
use crate::audit::rbac::index::Index;

/// The graph while it grows: nodes that were met and not looked into yet wait in `open`.
pub(super) struct Graph<'g, 'a> {
    pub nodes: Vec<Node<'a>>,
    pub numbers: Numbers<'a>,
    pub edges: Vec<Edge>,
    pub hows: Vec<How<'a>>,
    open: Vec<u32>,
    pub(super) index: &'a Index<'a>,
    pub(super) holdings: &'g Holdings<'a>,
    pub(super) around: &'g Surroundings<'a>,
    /// Accounts with rights of their own, as far as they exist: user names by namespace, and by name.
    accounts_in: BTreeMap<&'a str, Vec<&'a str>>,
    accounts_named: HashMap<&'a str, Vec<&'a str>>,
    admits_anywhere: Option<bool>,
}

impl<'g, 'a> Graph<'g, 'a> {
    pub fn new(index: &'a Index<'a>, holdings: &'g Holdings<'a>, around: &'g Surroundings<'a>) -> Self {
        let mut accounts_in: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut accounts_named: HashMap<&str, Vec<&str>> = HashMap::new();
        for user in holdings.of_user.keys() {
            if let Some((namespace, name)) = service_account(user)
                && around.exists((namespace, name))
            {
                accounts_in.entry(namespace).or_default().push(user);
                accounts_named.entry(name).or_default().push(user);
            }
        }
        Self {
            nodes: Vec::new(),
            numbers: Numbers::default(),
            edges: Vec::new(),
            hows: Vec::new(),
            open: Vec::new(),
            index,
            holdings,
            around,
            accounts_in,
            accounts_named,
            admits_anywhere: None,
        }
    }

    /// Begins with everyone who has a power, and looks into whatever is met.
    pub fn grow(&mut self) {
        for target in Target::ALL {
            self.node(Node::Target(target));
        }
        let holdings = self.holdings;
        for user in holdings.of_user.keys() {
            self.user(user);
        }
        for group in holdings.of_group.keys() {
            self.group(group);
        }
        while let Some(number) = self.open.pop() {
            self.look_into(number, self.nodes[number as usize]);
        }
    }

    fn add(&mut self, node: Node<'a>) -> u32 {
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(node);
        self.open.push(number);
        number
    }

    pub(super) fn node(&mut self, node: Node<'a>) -> u32 {
        if let Some(number) = self.numbers.gains.get(&node) {
            return *number;
        }
        let number = self.add(node);
        self.numbers.gains.insert(node, number);
        number
    }

    fn user(&mut self, name: &'a str) -> u32 {
        if let Some(number) = self.numbers.users.get(name) {
            return *number;
        }
        let number = self.add(Node::User(name));
        self.numbers.users.insert(name, number);
        number
    }

    fn group(&mut self, name: &'a str) -> u32 {
        if let Some(number) = self.numbers.groups.get(name) {
            return *number;
        }
        let number = self.add(Node::Group(name));
        self.numbers.groups.insert(name, number);
        number
    }

    pub(super) fn edge(&mut self, from: u32, to: u32, how: Option<How<'a>>) {
        if from == to {
            return;
        }
        let how = how.map_or(SILENT, |how| {
            self.hows.push(how);
            u32::try_from(self.hows.len() - 1).unwrap_or(SILENT)
        });
        self.edges.push(Edge { from, to, how });
    }

    /// Rights lead to something that one gains.
    pub(super) fn gain(
        &mut self,
        from: u32,
        to: Node<'a>,
        held: Vec<Held<'a>>,
        shown: usize,
        place: Option<Where<'a>>,
    ) {
        let to = self.node(to);
        self.edge(from, to, Some(How::Powers { held, shown, place }));
    }

    pub(super) fn silent(&mut self, from: u32, to: Node<'a>) {
        let to = self.node(to);
        self.edge(from, to, None);
    }

    /// One becomes someone: that one if it has rights of its own, else what its groups have.
    pub(super) fn become_someone(&mut self, from: u32, who: Who<'_>, how: Option<&How<'a>>) {
        let known = match who {
            Who::Group(MASTERS) => Some(self.node(Node::Target(Target::ClusterAdmin))),
            Who::User(name) => {
                self.holdings.of_user.get_key_value(name).map(|(name, _)| *name).map(|name| self.user(name))
            }
            Who::Group(name) => {
                self.holdings.of_group.get_key_value(name).map(|(name, _)| *name).map(|name| self.group(name))
            }
        };
        match known {
            Some(to) => self.edge(from, to, how.cloned()),
            None => self.join_groups(from, who, how),
        }
    }

    /// To the groups to which someone surely belongs.
    fn join_groups(&mut self, from: u32, who: Who<'_>, how: Option<&How<'a>>) {
        for group in implied(who) {
            if let Some((group, _)) = self.holdings.of_group.get_key_value(group.as_ref()) {
                let to = self.group(group);
                self.edge(from, to, how.cloned());
            }
        }
    }

    fn look_into(&mut self, number: u32, node: Node<'a>) {
        match node {
            Node::User(name) => self.look_into_someone(number, Who::User(name)),
            Node::Group(name) => self.look_into_someone(number, Who::Group(name)),
            Node::Bound(role, place) => {
                let effective = self.holdings.of_bound(role, place);
                self.rights(number, None, place, &effective);
            }
            Node::Accounts(Where::Namespace(namespace)) => self.accounts(number, namespace),
            Node::Accounts(_) => {
                let all: BTreeSet<&'a str> = self.around.namespaces().chain(self.accounts_in.keys().copied()).collect();
                for namespace in all {
                    self.silent(number, Node::Accounts(Where::Namespace(namespace)));
                }
            }
            Node::AccountsNamed(name) => {
                for user in self.accounts_named.get(name).cloned().unwrap_or_default() {
                    let to = self.user(user);
                    self.edge(number, to, None);
                }
            }
            Node::RunPods(place) => {
                self.silent(number, Node::Accounts(place));
                if let Where::Namespace(namespace) = place {
                    if (self.around.world.admits)(namespace) {
                        self.silent(number, Node::RootAnywhere);
                    }
                } else {
                    // a pod may mount any secret of its namespace
                    self.silent(number, Node::Target(Target::EverySecret));
                    if self.admits_anywhere() {
                        self.silent(number, Node::RootAnywhere);
                    }
                }
            }
            Node::Pods(Where::Namespace(namespace)) => {
                self.enter(number, self.around.of_namespace.get(namespace), None)
            }
            Node::Pods(_) => {
                let namespaces: Vec<&'a str> = self.around.of_namespace.keys().copied().collect();
                for namespace in namespaces {
                    self.silent(number, Node::Pods(Where::Namespace(namespace)));
                }
            }
            Node::PodsOf(node) => self.enter(number, self.around.of_node.get(node), None),
            Node::Root(node) => {
                self.silent(number, Node::Target(Target::NodeRoot));
                let pods = self.node(Node::PodsOf(node));
                self.edge(number, pods, Some(How::Words("root on a node")));
                if self.around.control_plane.contains(node) {
                    self.keys_of_control_plane(number);
                }
            }
            Node::RootAnywhere => {
                self.silent(number, Node::Target(Target::NodeRoot));
                let pods = self.node(Node::Pods(Where::Everywhere));
                self.edge(number, pods, Some(How::Words("root on a node")));
                if !self.around.control_plane.is_empty() {
                    self.keys_of_control_plane(number);
                }
            }
            Node::NamespaceAdmin(place) => {
                self.silent(number, Node::RunPods(place));
                self.silent(number, Node::Accounts(place));
            }
            Node::Roles(place) => self.roles_of(number, place),
            Node::AnyUser => {
                let holdings = self.holdings;
                for user in holdings.of_user.keys().filter(|name| service_account(name).is_none()) {
                    let to = self.user(user);
                    self.edge(number, to, None);
                }
            }
            Node::AnyGroup => {
                self.silent(number, Node::Target(Target::ClusterAdmin));
                self.every_group(number);
            }
            Node::Certified => {
                self.silent(number, Node::Target(Target::AnyIdentity));
                self.silent(number, Node::AnyUser);
                self.silent(number, Node::Accounts(Where::Everywhere));
                self.every_group(number);
            }
            Node::Target(Target::ClusterAdmin) => {
                for target in [Target::EverySecret, Target::NodeRoot, Target::AnyIdentity] {
                    self.silent(number, Node::Target(target));
                }
            }
            Node::Target(Target::EverySecret | Target::NodeRoot | Target::AnyIdentity) => {}
        }
    }

    /// Every group but `system:masters`, for which no certificate is signed.
    fn every_group(&mut self, from: u32) {
        let holdings = self.holdings;
        for group in holdings.of_group.keys().filter(|name| **name != MASTERS) {
            let to = self.group(group);
            self.edge(from, to, None);
        }
    }

    /// A node of the control plane holds the keys of the cluster's certificate authority.
    fn keys_of_control_plane(&mut self, from: u32) {
        let to = self.node(Node::Target(Target::ClusterAdmin));
        self.edge(from, to, Some(How::Words("root on a node of the control plane")));
    }

    pub(super) fn admits_anywhere(&mut self) -> bool {
        let around = self.around;
        *self
            .admits_anywhere
            .get_or_insert_with(|| around.namespaces().any(|namespace| (around.world.admits)(namespace)))
    }

    fn accounts(&mut self, from: u32, namespace: &'a str) {
        for account in self.accounts_in.get(namespace).cloned().unwrap_or_default() {
            let to = self.user(account);
            self.edge(from, to, None);
        }
        // every namespace has an account, and be it `default`
        self.join_groups(from, Who::User(&user_of(namespace, "default")), None);
    }

    pub(super) fn enter(&mut self, from: u32, inside: Option<&Inside<'a>>, how: Option<&How<'a>>) {
        for (namespace, name) in inside.iter().flat_map(|inside| &inside.accounts) {
            self.become_someone(from, Who::User(&user_of(namespace, name)), how);
        }
        for node in inside.iter().flat_map(|inside| &inside.nodes) {
            let to = self.node(Node::Root(node));
            self.edge(from, to, how.cloned());
        }
    }

    fn roles_of(&mut self, from: u32, place: Where<'a>) {
        let Where::Namespace(namespace) = place else {
            for namespace in self.index.namespaces_of_roles() {
                self.silent(from, Node::Roles(Where::Namespace(namespace)));
            }
            return;
        };
        for role in self.index.roles_in(namespace) {
            self.silent(from, Node::Bound(role, place));
        }
    }

    fn look_into_someone(&mut self, number: u32, who: Who<'a>) {
        if who == Who::Group(MASTERS) {
            self.silent(number, Node::Target(Target::ClusterAdmin));
        }
        self.join_groups(number, who, None);
        let holdings = self.holdings;
        for place in holdings.places(who).into_iter().flat_map(BTreeMap::keys) {
            let effective = holdings.effective(who, *place);
            self.rights(number, Some(who), *place, &effective);
            for mode in [Mode::Account, Mode::User] {
                self.act_as(number, Some(who), *place, &effective, mode);
            }
        }
    }
}
