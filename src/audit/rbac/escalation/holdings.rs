//! Who holds which powers, and where.

use std::collections::HashMap;

use super::power::{Given, Mode, POWERS, Power, Powers};
use crate::audit::rbac::identity::{
    ANONYMOUS, AUTHENTICATED, Principal, SERVICE_ACCOUNTS, UNAUTHENTICATED, principal, service_account,
};
use crate::audit::rbac::index::Index;

/// Where a power counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Where<'a> {
    /// Everywhere, cluster-scoped objects too.
    Cluster,
    /// In each namespace, not for cluster-scoped objects.
    Everywhere,
    /// In this one.
    Namespace(&'a str),
}

impl Where<'_> {
    /// The namespaces of it.
    pub const fn namespaces(self) -> Self {
        match self {
            Self::Cluster => Self::Everywhere,
            other => other,
        }
    }
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

impl<'a> Held<'a> {
    pub fn power(&self) -> Power {
        self.given.power()
    }

    /// All objects, not only named ones.
    pub fn is_whole(&self) -> bool {
        self.given.names.is_empty()
    }
}

/// Powers of everyone whom a binding gives some.
pub(super) struct Holdings<'a> {
    /// Powers by principal and place.
    pub of: HashMap<Principal<'a>, HashMap<Where<'a>, Vec<Held<'a>>>>,
    /// Powers by role.
    pub of_role: Vec<Vec<Given<'a>>>,
    /// Which powers some service account, and some user or group, holds: what acting as one can be good for.
    accounts: Bits<'a>,
    users: Bits<'a>,
}

/// Powers as bits, by place.
type Bits<'a> = HashMap<Where<'a>, u64>;

impl<'a> Holdings<'a> {
    pub fn new(index: &'a Index<'a>, powers: &Powers) -> Self {
        let of_role: Vec<Vec<Given<'a>>> = index.roles.iter().map(|role| powers.of(&role.rules)).collect();
        let mut all = Self { of: HashMap::new(), of_role, accounts: Bits::new(), users: Bits::new() };
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
                let Some(principal) = principal(subject.as_ref(), "") else { continue };
                let held = all.of.entry(principal).or_default().entry(place).or_default();
                for given in given {
                    // cluster-scoped objects are never asked for within a namespace
                    if place != Where::Cluster && given.ask().cluster_scoped {
                        continue;
                    }
                    let known = |one: &Held<'_>| {
                        one.power() == given.power() && one.given.mode == given.mode && one.is_whole()
                    };
                    if !held.iter().any(known) {
                        held.push(Held { given: *given, binding: Some(number), role });
                    }
                }
            }
        }
        for (principal, places) in &all.of {
            let is_account = matches!(principal, Principal::User(name) if service_account(name).is_some());
            let bits = if is_account { &mut all.accounts } else { &mut all.users };
            for (place, held) in places {
                let plain = held.iter().filter(|held| held.given.mode == Mode::Plain);
                *bits.entry(*place).or_default() |= plain.fold(0, |bits, held| bits | bit(held.power()));
            }
        }
        all
    }

    /// True when someone whom the mode lets one act as holds the power here. Who that is is not asked.
    pub fn held_by_some(&self, mode: Mode, power: Power, place: Where<'a>) -> bool {
        let bits = match mode {
            Mode::Plain => return true,
            Mode::Account => &self.accounts,
            Mode::User => &self.users,
        };
        let at = |place| bits.get(&place).is_some_and(|bits| bits & (bit(power) | bit(Power::Everything)) != 0);
        at(place) || at(Where::Cluster)
    }

    /// The powers of a principal in a place: its own there and over the cluster, and those of its groups.
    pub fn effective(&self, principal: &Principal<'a>, place: Where<'a>) -> Effective<'a> {
        let mut effective = Effective::default();
        let mut add = |principal: &Principal<'a>, place: Where<'a>, fresh: bool| {
            let held = self.of.get(principal).and_then(|places| places.get(&place));
            held.into_iter().flatten().for_each(|held| effective.add(*held, fresh));
        };
        add(principal, place, true);
        add(principal, Where::Cluster, false);
        for group in implied(principal) {
            let group = Principal::Group(group);
            add(&group, place, false);
            add(&group, Where::Cluster, false);
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

/// The groups to which a principal surely belongs, known ones alone.
pub(super) fn implied<'p>(principal: &'p Principal<'_>) -> Vec<&'p str> {
    match principal {
        Principal::User(name) if name == ANONYMOUS => vec![UNAUTHENTICATED],
        Principal::User(name) => match service_account(name) {
            // the group of the namespace is the part of the name that both spell alike
            Some(_) => vec![SERVICE_ACCOUNTS, AUTHENTICATED],
            None => vec![AUTHENTICATED],
        },
        Principal::Group(UNAUTHENTICATED | AUTHENTICATED) => Vec::new(),
        Principal::Group(name) if name.starts_with("system:serviceaccounts:") => vec![SERVICE_ACCOUNTS, AUTHENTICATED],
        Principal::Group(_) => vec![AUTHENTICATED],
    }
}

/// Powers that are held together.
#[derive(Default)]
pub(super) struct Effective<'a> {
    whole: Vec<(Held<'a>, bool)>,
    named: Vec<Held<'a>>,
    has: u64,
}

impl<'a> Effective<'a> {
    fn add(&mut self, held: Held<'a>, fresh: bool) {
        if !held.is_whole() {
            // names beside others' powers: kept only where they are new, else each place would say them again
            if fresh {
                self.named.push(held);
            }
        } else if held.given.mode != Mode::Plain || self.has & bit(held.power()) == 0 {
            if held.given.mode == Mode::Plain {
                self.has |= bit(held.power());
            }
            self.whole.push((held, fresh));
        }
    }

    /// The powers, all of them, when one is new here.
    pub fn all<const N: usize>(&self, powers: [Power; N]) -> Option<[Held<'a>; N]> {
        let mut fresh = false;
        let mut found = [None; N];
        for (slot, power) in found.iter_mut().zip(powers) {
            let (held, is_fresh) = self.plain(power)?;
            fresh |= is_fresh;
            *slot = Some(held);
        }
        if !fresh {
            return None;
        }
        let mut all = found.into_iter().flatten();
        let first = all.next()?;
        let mut held = [first; N];
        for (slot, one) in held.iter_mut().skip(1).zip(all) {
            *slot = one;
        }
        Some(held)
    }

    /// A power over all objects, with whether it is new here.
    pub fn plain(&self, power: Power) -> Option<(Held<'a>, bool)> {
        if self.has & bit(power) == 0 {
            return None;
        }
        self.whole.iter().find(|(held, _)| held.power() == power && held.given.mode == Mode::Plain).copied()
    }

    /// Powers over named objects alone.
    pub fn named(&self, power: Power) -> impl Iterator<Item = Held<'a>> {
        self.named.iter().copied().filter(move |held| held.power() == power && held.given.mode == Mode::Plain)
    }

    /// Powers while acting as someone else.
    pub fn acting(&self, mode: Mode) -> impl Iterator<Item = Held<'a>> {
        self.whole.iter().filter(move |(held, _)| held.given.mode == mode).map(|(held, _)| *held)
    }

    /// True when nothing at all is held.
    pub fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.named.is_empty()
    }
}

const fn bit(power: Power) -> u64 {
    1 << power as u64
}

const _: () = assert!(POWERS <= 64, "a power is a bit of 64");
