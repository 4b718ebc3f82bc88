//! What each right, alone or with others, leads to.

use super::Target;
use super::edges::Graph;
use super::graph::{How, Node};
use super::holdings::{Effective, Held, Where, Who, implied};
use super::power::{Mode, Power};
use crate::audit::rbac::identity::user_of;

impl<'a> Graph<'_, 'a> {
    /// Adds what the powers lead to. `who` holds them; `None` for what a role would give whoever binds it.
    pub(super) fn rights(&mut self, from: u32, who: Option<Who<'a>>, place: Where<'a>, held: &Effective<'a>) {
        let within = place.namespaces();
        let cluster = place == Where::Cluster;
        if let Some(all) = held.all(&[Power::Everything]) {
            let to = if cluster { Node::Target(Target::ClusterAdmin) } else { Node::NamespaceAdmin(within) };
            self.gain(from, to, all, 1, Some(place).filter(|_| !cluster));
        }
        self.pods(from, place, held);
        self.accounts_and_secrets(from, place, held);
        self.bind(from, place, held);
        self.escalate(from, who, place, held);
        if cluster {
            self.impersonate(from, held);
            self.cluster_scoped(from, held);
        }
    }

    fn pods(&mut self, from: u32, place: Where<'a>, held: &Effective<'a>) {
        let within = place.namespaces();
        if let Some(all) = held.all(&[Power::RunPods]) {
            self.gain(from, Node::RunPods(within), all, 1, Some(place));
        }
        if let Some(all) = held.all(&[Power::EnterPods]) {
            self.gain(from, Node::Pods(within), all, 1, Some(place));
        }
        for (one, new) in held.named(Power::EnterPods) {
            if let Where::Namespace(namespace) = place
                && new
            {
                let inside = self.around.inside_of(namespace, one.given.names);
                self.enter(from, Some(&inside), Some(&alone(one, place)));
            }
        }
        // whoever sets the labels of a namespace says what Pod Security admission lets in
        if let Some(all) = held.all(&[Power::RunPods, Power::LabelNamespaces]) {
            self.gain(from, Node::RootAnywhere, all, 2, Some(place));
        }
        for (label, label_is_new) in held.named(Power::LabelNamespaces) {
            if let Some((run, run_is_new)) = held.whole(Power::RunPods)
                && (label_is_new || run_is_new)
                && match place {
                    Where::Namespace(namespace) => label.given.names.iter().any(|name| name == namespace),
                    Where::Cluster | Where::Everywhere => true,
                }
            {
                self.gain(from, Node::RootAnywhere, vec![run, label], 2, Some(place));
            }
        }
        // a volume of a host's path is no volume of the pod: Pod Security admission does not see it
        if let Some(all) = held.all(&[Power::CreateVolumes, Power::CreateClaims, Power::RunPods]) {
            self.gain(from, Node::RootAnywhere, all, 3, Some(place));
        }
    }

    fn accounts_and_secrets(&mut self, from: u32, place: Where<'a>, held: &Effective<'a>) {
        let within = place.namespaces();
        for power in [Power::MintTokens, Power::ImpersonateAccounts] {
            if let Some(all) = held.all(&[power]) {
                self.gain(from, Node::Accounts(within), all, 1, Some(place));
            }
            for (one, _) in held.named(power).filter(|(_, new)| *new) {
                let how = alone(one, place);
                for name in one.given.names {
                    match place {
                        Where::Namespace(namespace) if self.around.exists((namespace, name)) => {
                            self.become_someone(from, Who::User(&user_of(namespace, name)), Some(&how));
                        }
                        Where::Namespace(_) => {}
                        Where::Cluster | Where::Everywhere => {
                            let to = self.node(Node::AccountsNamed(name));
                            self.edge(from, to, Some(how.clone()));
                        }
                    }
                }
            }
        }
        // a controller fills a secret of type kubernetes.io/service-account-token with a token of the account that it names
        if let Some(all) = held.all(&[Power::CreateSecrets, Power::ReadSecrets]) {
            self.gain(from, Node::Accounts(within), all, 2, Some(place));
        }
        if !matches!(place, Where::Namespace(_))
            && let Some(all) = held.all(&[Power::ReadSecrets])
        {
            self.gain(from, Node::Target(Target::EverySecret), all, 1, Some(place));
        }
    }

    fn bind(&mut self, from: u32, place: Where<'a>, held: &Effective<'a>) {
        let within = place.namespaces();
        if place == Where::Cluster {
            if let Some(all) = held.all(&[Power::BindClusterRoles, Power::WriteClusterRoleBindings]) {
                self.gain(from, Node::Target(Target::ClusterAdmin), all, 1, None);
            }
            self.bind_named(from, Power::BindClusterRoles, Power::WriteClusterRoleBindings, place, held);
        }
        if let Some(all) = held.all(&[Power::BindClusterRoles, Power::WriteRoleBindings]) {
            self.gain(from, Node::NamespaceAdmin(within), all, 1, Some(place));
        }
        self.bind_named(from, Power::BindClusterRoles, Power::WriteRoleBindings, within, held);
        if let Some(all) = held.all(&[Power::BindRoles, Power::WriteRoleBindings]) {
            self.gain(from, Node::Roles(within), all, 1, Some(place));
        }
        self.bind_named(from, Power::BindRoles, Power::WriteRoleBindings, within, held);
    }

    /// Binds the roles that are named, in a place.
    fn bind_named(&mut self, from: u32, bind: Power, write: Power, place: Where<'a>, held: &Effective<'a>) {
        let Some((write, write_is_new)) = held.whole(write) else { return };
        for (bind, bind_is_new) in held.named(bind) {
            if !bind_is_new && !write_is_new {
                continue;
            }
            let of = match (bind.power(), place) {
                (Power::BindClusterRoles, _) => "",
                (_, Where::Namespace(namespace)) => namespace,
                // a Role of that name may be anywhere, and each counts in its own namespace
                _ => continue,
            };
            for role in bind.given.names.iter().filter_map(|name| self.index.number(of, name)) {
                let shown = Some(place).filter(|place| *place != Where::Cluster);
                self.gain(from, Node::Bound(role, place), vec![bind, write], 1, shown);
            }
        }
    }

    /// Writes into a role what one does not hold; the role must be one's own for that to help.
    fn escalate(&mut self, from: u32, who: Option<Who<'a>>, place: Where<'a>, held: &Effective<'a>) {
        let within = place.namespaces();
        if place == Where::Cluster {
            // the role that gives this right is bound over the cluster, and may be written
            if let Some(all) = held.all(&[Power::EscalateClusterRoles, Power::ChangeClusterRoles]) {
                self.gain(from, Node::Target(Target::ClusterAdmin), all, 1, None);
            }
            for pair in named_pairs(held, Power::EscalateClusterRoles, Power::ChangeClusterRoles) {
                if self.owns_one(who, "", &pair) {
                    self.gain(from, Node::Target(Target::ClusterAdmin), pair.held, 1, None);
                }
            }
        }
        if let Some(all) = held.all(&[Power::EscalateRoles, Power::ChangeRoles]) {
            for namespace in self.namespaces_of_own_roles(who, place) {
                let to = Node::NamespaceAdmin(Where::Namespace(namespace));
                self.gain(from, to, all.clone(), 1, Some(Where::Namespace(namespace)));
            }
        }
        if let Where::Namespace(namespace) = place {
            for pair in named_pairs(held, Power::EscalateRoles, Power::ChangeRoles) {
                if self.owns_one(who, namespace, &pair) {
                    self.gain(from, Node::NamespaceAdmin(within), pair.held, 1, Some(place));
                }
            }
        }
        let all = [Power::EscalateRoles, Power::CreateRoles, Power::BindRoles, Power::WriteRoleBindings];
        if let Some(all) = held.all(&all) {
            self.gain(from, Node::NamespaceAdmin(within), all, 1, Some(place));
        }
    }

    /// True when one of the roles that the pair names is bound to the subject where it counts.
    fn owns_one(&self, who: Option<Who<'a>>, namespace: &str, pair: &NamedPair<'a>) -> bool {
        let Some(who) = who else { return false };
        let lists = self.bindings_of(who);
        let mut numbers = pair.names.iter().filter_map(|name| self.index.number(namespace, name));
        numbers.any(|role| {
            let here = self.index.bindings_within(&self.index.roles[role as usize].bindings, namespace);
            here.iter().any(|binding| lists.iter().any(|list| list.binary_search(binding).is_ok()))
        })
    }

    /// Namespaces of a place in which a Role is bound to the subject.
    fn namespaces_of_own_roles(&self, who: Option<Who<'a>>, place: Where<'a>) -> Vec<&'a str> {
        let Some(who) = who else { return Vec::new() };
        let index = self.index;
        let is_role = |number: &u32| index.bindings[*number as usize].binding.role_ref.kind == "Role";
        let lists = self.bindings_of(who);
        if let Where::Namespace(namespace) = place {
            let mut here = lists.iter().flat_map(|list| index.bindings_within(list, namespace));
            return if here.any(is_role) { vec![namespace] } else { Vec::new() };
        }
        let all = lists.into_iter().flatten().filter(|number| is_role(number));
        let mut found: Vec<&str> =
            all.map(|number| index.bindings[*number as usize].binding.metadata.namespace.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Sorted bindings of someone, and of each group to which he surely belongs.
    fn bindings_of(&self, who: Who<'_>) -> Vec<&'a [u32]> {
        let index = self.index;
        let own = match who {
            Who::User(name) => index.of_user.get(name),
            Who::Group(name) => index.of_group.get(name),
        };
        let groups = implied(who);
        let of_groups = groups.iter().filter_map(|group| index.of_group.get(group.as_ref()));
        own.into_iter().chain(of_groups).map(Vec::as_slice).collect()
    }

    fn impersonate(&mut self, from: u32, held: &Effective<'a>) {
        let some_user = held.whole(Power::ImpersonateUsers).or_else(|| held.whole(Power::ImpersonateAccounts));
        let some_user = some_user.or_else(|| held.named(Power::ImpersonateUsers).next());
        let some_user = some_user.or_else(|| held.named(Power::ImpersonateAccounts).next());
        if let Some(all) = held.all(&[Power::ImpersonateUsers]) {
            self.gain(from, Node::AnyUser, all.clone(), 1, None);
            self.gain(from, Node::Target(Target::AnyIdentity), all, 1, None);
        }
        for (one, _) in held.named(Power::ImpersonateUsers).filter(|(_, new)| *new) {
            for name in one.given.names {
                self.become_someone(from, Who::User(name), Some(&alone(one, Where::Cluster)));
            }
        }
        // groups can only be taken with a user's name
        let Some((user, user_is_new)) = some_user else { return };
        if let Some((groups, groups_are_new)) = held.whole(Power::ImpersonateGroups)
            && (user_is_new || groups_are_new)
        {
            self.gain(from, Node::AnyGroup, vec![groups, user], 1, None);
        }
        for (groups, groups_are_new) in held.named(Power::ImpersonateGroups) {
            if user_is_new || groups_are_new {
                let how = How::Powers { held: vec![groups, user], shown: 1, place: None };
                for name in groups.given.names {
                    self.become_someone(from, Who::Group(name), Some(&how));
                }
            }
        }
    }

    fn cluster_scoped(&mut self, from: u32, held: &Effective<'a>) {
        let everywhere = Where::Everywhere;
        let target = Node::Target;
        let certificates = [Power::RequestCertificates, Power::ApproveRequests];
        let leads = [
            (vec![Power::NodesProxy], Node::Pods(everywhere)),
            ([&certificates[..], &[Power::ApproveClients]].concat(), Node::Certified),
            // a node may have tokens of the accounts whose pods it runs
            ([&certificates[..], &[Power::ApproveKubelets]].concat(), Node::Pods(everywhere)),
            // whoever rewrites pods on their way in has them run as he likes
            (vec![Power::WriteMutatingWebhooks], Node::RunPods(everywhere)),
            (vec![Power::WriteMutatingPolicies, Power::WriteMutatingPolicyBindings], Node::RunPods(everywhere)),
            // a webhook is shown each secret that is written
            (vec![Power::WriteValidatingWebhooks], target(Target::EverySecret)),
        ];
        for (powers, to) in leads {
            if let Some(all) = held.all(&powers) {
                let shown = all.len();
                self.gain(from, to, all, shown, None);
            }
        }
        for (one, _) in held.named(Power::NodesProxy).filter(|(_, new)| *new) {
            for node in one.given.names {
                self.gain(from, Node::PodsOf(node), vec![one], 1, None);
            }
        }
    }

    /// Constrained impersonation (since 1.36): some verbs on some resources, as someone who has that right. Whether that one has
    /// it is not followed further than whether anyone of his kind does.
    pub(super) fn act_as(
        &mut self,
        from: u32,
        who: Option<Who<'a>>,
        place: Where<'a>,
        held: &Effective<'a>,
        mode: Mode,
    ) {
        let power = if mode == Mode::Account { Power::ActAsAccounts } else { Power::ActAsUsers };
        if held.whole(power).or_else(|| held.named(power).next()).is_none() {
            return;
        }
        let holdings = self.holdings;
        let useful = |one: &Held<'a>| holdings.held_by_some(mode, one.power(), place);
        let more: Vec<Held<'a>> = held.acting(mode).map(|(one, _)| one).filter(useful).collect();
        if !more.is_empty() {
            self.rights(from, who, place, &held.with(more));
        }
    }
}

/// One right that is enough.
fn alone<'a>(held: Held<'a>, place: Where<'a>) -> How<'a> {
    How::Powers { held: vec![held], shown: 1, place: Some(place) }
}

/// Two rights over roles of which at least one is limited to names.
struct NamedPair<'a> {
    held: Vec<Held<'a>>,
    /// The names that both are good for.
    names: Vec<&'a str>,
}

fn named_pairs<'a>(held: &Effective<'a>, one: Power, other: Power) -> Vec<NamedPair<'a>> {
    let of = |power| held.whole(power).into_iter().chain(held.named(power)).collect::<Vec<_>>();
    let mut pairs = Vec::new();
    for (first, first_is_new) in of(one) {
        for (second, second_is_new) in of(other) {
            let names: Vec<&str> = match (first.given.names, second.given.names) {
                ([], []) => continue,
                ([], names) | (names, []) => names.iter().map(String::as_str).collect(),
                (names, others) => names.iter().filter(|name| others.contains(name)).map(String::as_str).collect(),
            };
            if (first_is_new || second_is_new) && !names.is_empty() {
                pairs.push(NamedPair { held: vec![first, second], names });
            }
        }
    }
    pairs
}
