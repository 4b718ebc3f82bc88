//! Who holds which powers, and where.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::power::{Given, Mode, POWERS, Power, Powers};
use crate::audit::rbac::identity::{
    ANONYMOUS, AUTHENTICATED, Principal, SERVICE_ACCOUNTS, UNAUTHENTICATED, group_of_namespace, principal,
    service_account,
};
use crate::audit::rbac::index::Index;

/// Where a power counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Where<'a> {
    /// Everywhere, for cluster-scoped objects too.
    Cluster,
    /// In each namespace, not for cluster-scoped objects.
    Everywhere,
    /// In this one.
    Namespace(&'a str),
}

impl Where<'_> {
    /// Its namespaces, without the cluster-scoped objects.
    pub const fn namespaces(self) -> Self {
        match self {
            Self::Cluster => Self::Everywhere,
            other => other,
        }
    }
}

/// Someone whom a binding may name; a service account is its user name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who<'a> {
    User(&'a str),
    Group(&'a str),
}

/// A power with the binding that brings it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<'a> {
    pub given: Given<'a>,
    /// Number of the binding; `None` in what a role gives whoever binds it.
    pub binding: Option<u32>,
    /// Number of the role.
    pub role: u32,
}

impl Held<'_> {
    pub fn power(&self) -> Power {
        self.given.power()
    }

    /// Over all objects, not only named ones.
    fn is_whole(&self) -> bool {
        self.given.names.is_empty()
    }

    fn same_power(&self, given: &Given<'_>) -> bool {
        self.power() == given.power() && self.given.mode == given.mode
    }
}

/// Powers by place.
pub(super) type Places<'a> = BTreeMap<Where<'a>, Vec<Held<'a>>>;

/// Powers of everyone to whom a binding gives some. Sorted, so that of several ways equally short the same one is found each time.
pub(super) struct Holdings<'a> {
    pub of_user: BTreeMap<&'a str, Places<'a>>,
    pub of_group: BTreeMap<&'a str, Places<'a>>,
    /// Powers by role.
    of_role: Vec<Vec<Given<'a>>>,
    /// Which powers some service account, and some user or group, holds: what acting as one can be good for.
    some_account: BTreeMap<Where<'a>, u64>,
    some_user: BTreeMap<Where<'a>, u64>,
}

impl<'a> Holdings<'a> {
    pub fn new(index: &'a Index<'a>, powers: &Powers) -> Self {
        let mut all = Self {
            of_user: BTreeMap::new(),
            of_group: BTreeMap::new(),
            of_role: index.roles.iter().map(|role| powers.of(&role.rules)).collect(),
            some_account: BTreeMap::new(),
            some_user: BTreeMap::new(),
        };
        for (number, bound) in (0..).zip(&index.bindings) {
            let Some(role) = bound.role else { continue };
            let given = &all.of_role[role as usize];
            if given.is_empty() {
                continue;
            }
            let place = match bound.binding.metadata.namespace.as_str() {
                "" => Where::Cluster,
                namespace => Where::Namespace(namespace),
            };
            for subject in &bound.subjects {
                let places = match principal(subject.as_ref(), "") {
                    Some(Principal::User(name)) => match index.of_user.get_key_value(&name) {
                        Some((name, _)) => all.of_user.entry(name.as_ref()).or_default(),
                        None => continue,
                    },
                    Some(Principal::Group(name)) => all.of_group.entry(name).or_default(),
                    None => continue,
                };
                let held = places.entry(place).or_default();
                for given in given {
                    // cluster-scoped objects are never asked for within a namespace
                    let void = place != Where::Cluster && given.ask().cluster_scoped;
                    if !void && !held.iter().any(|one| one.is_whole() && one.same_power(given)) {
                        held.push(Held { given: *given, binding: Some(number), role });
                    }
                }
            }
        }
        all.note_somes();
        all
    }

    fn note_somes(&mut self) {
        let users = self.of_user.iter().map(|(name, places)| (service_account(name).is_some(), places));
        let groups = self.of_group.values().map(|places| (false, places));
        for (is_account, places) in users.chain(groups) {
            let some = if is_account { &mut self.some_account } else { &mut self.some_user };
            for (place, held) in places {
                let plain = held.iter().filter(|held| held.given.mode == Mode::Plain);
                *some.entry(*place).or_default() |= plain.fold(0, |bits, held| bits | bit(held.power()));
            }
        }
    }

    /// True when someone whom the mode lets one act as holds the power here. Who that is is not asked.
    pub fn held_by_some(&self, mode: Mode, power: Power, place: Where<'a>) -> bool {
        let some = match mode {
            Mode::Plain => return true,
            Mode::Account => &self.some_account,
            Mode::User => &self.some_user,
        };
        let at = |place| some.get(&place).is_some_and(|bits| bits & (bit(power) | bit(Power::Everything)) != 0);
        at(place) || at(Where::Cluster)
    }

    /// Powers of a principal by place, without those of its groups.
    pub fn places(&self, who: Who<'_>) -> Option<&Places<'a>> {
        match who {
            Who::User(name) => self.of_user.get(name),
            Who::Group(name) => self.of_group.get(name),
        }
    }

    /// The powers of a principal in a place: its own there and over the cluster, and those of its groups.
    pub fn effective(&self, who: Who<'_>, place: Where<'a>) -> Effective<'a> {
        let mut effective = Effective::default();
        let mut add = |places: Option<&Places<'a>>, own: bool| {
            let Some(places) = places else { return };
            for held in places.get(&place).into_iter().flatten() {
                effective.add(*held, own);
            }
            if place != Where::Cluster {
                for held in places.get(&Where::Cluster).into_iter().flatten() {
                    effective.add(*held, false);
                }
            }
        };
        add(self.places(who), true);
        for group in implied(who) {
            add(self.of_group.get(group.as_ref()), false);
        }
        effective
    }

    /// The powers that a role gives whoever binds it in a place.
    pub fn of_bound(&self, role: u32, place: Where<'_>) -> Effective<'a> {
        let mut effective = Effective::default();
        for given in &self.of_role[role as usize] {
            if place == Where::Cluster || !given.ask().cluster_scoped {
                effective.add(Held { given: *given, binding: None, role }, true);
            }
        }
        effective
    }
}

/// The groups to which a principal surely belongs, itself left out.
pub(super) fn implied(who: Who<'_>) -> Vec<Cow<'static, str>> {
    let all = Cow::Borrowed(AUTHENTICATED);
    let accounts = Cow::Borrowed(SERVICE_ACCOUNTS);
    match who {
        Who::User(ANONYMOUS) => vec![Cow::Borrowed(UNAUTHENTICATED)],
        Who::User(name) => match service_account(name) {
            Some((namespace, _)) => vec![Cow::Owned(group_of_namespace(namespace)), accounts, all],
            None => vec![all],
        },
        Who::Group(UNAUTHENTICATED | AUTHENTICATED) => Vec::new(),
        Who::Group(name) if name.starts_with("system:serviceaccounts:") => vec![accounts, all],
        Who::Group(_) => vec![all],
    }
}

/// Powers that are held together, each with whether it is new here: what a wider place gives already is an edge from there.
#[derive(Default)]
pub(super) struct Effective<'a> {
    whole: Vec<(Held<'a>, bool)>,
    named: Vec<(Held<'a>, bool)>,
}

impl<'a> Effective<'a> {
    fn add(&mut self, held: Held<'a>, new: bool) {
        if !held.is_whole() {
            self.named.push((held, new));
        } else if !self.whole.iter().any(|(known, _)| known.same_power(&held.given)) {
            self.whole.push((held, new));
        }
    }

    /// A power over all objects.
    pub fn whole(&self, power: Power) -> Option<(Held<'a>, bool)> {
        self.whole.iter().find(|(held, _)| held.power() == power && held.given.mode == Mode::Plain).copied()
    }

    /// These powers, all of them, if one is new here.
    pub fn all(&self, powers: &[Power]) -> Option<Vec<Held<'a>>> {
        let found: Option<Vec<(Held<'a>, bool)>> = powers.iter().map(|power| self.whole(*power)).collect();
        let found = found?;
        found.iter().any(|(_, new)| *new).then(|| found.into_iter().map(|(held, _)| held).collect())
    }

    /// A power over named objects alone.
    pub fn named(&self, power: Power) -> impl Iterator<Item = (Held<'a>, bool)> {
        self.named.iter().copied().filter(move |(held, _)| held.power() == power && held.given.mode == Mode::Plain)
    }

    /// Powers that count while one acts as someone else.
    pub fn acting(&self, mode: Mode) -> impl Iterator<Item = (Held<'a>, bool)> {
        self.whole.iter().copied().filter(move |(held, _)| held.given.mode == mode)
    }

    /// The same with the powers that acting as someone else brings.
    pub fn with(&self, more: impl IntoIterator<Item = Held<'a>>) -> Self {
        let mut all = Self { whole: self.whole.iter().map(|(held, _)| (*held, false)).collect(), named: Vec::new() };
        for held in more {
            if all.whole(held.power()).is_none() {
                let given = Given { shown_mode: held.given.mode, mode: Mode::Plain, ..held.given };
                all.whole.push((Held { given, ..held }, true));
            }
        }
        all
    }
}

const fn bit(power: Power) -> u64 {
    1 << power as u64
}

const _: () = assert!(POWERS <= 64, "a power is a bit of 64");
