//! Accepted findings: marked, never hidden. A waiver changes no verdict and no score; what it accepts stands in a group of its own.

use chrono::{DateTime, NaiveDate};

use super::predicate::{Beside, MOST_OFFENDERS};
use super::report::{Control, Group, Node, Offender, Waived, WaiverState};
use super::verdict::Verdict;
use crate::benchmark::Waiver;

/// The waivers of a run, on the day of its evidence.
pub(super) struct Waivers<'a> {
    all: &'a [Waiver],
    day: Option<NaiveDate>,
}

impl<'a> Waivers<'a> {
    /// Waivers as they are on the day of a time in RFC 3339; without a day none holds.
    pub(super) fn on(all: &'a [Waiver], time: &str) -> Self {
        Self { all, day: DateTime::parse_from_rfc3339(time).ok().map(|time| time.to_utc().date_naive()) }
    }

    fn holds(&self, waiver: &Waiver) -> bool {
        self.day.is_some_and(|day| day <= waiver.until)
    }

    /// The group in parts: what each waiver accepts of it, and the rest. `node` is none for the cluster as a whole; `beside` is what
    /// makes the group's verdict and no waiver of objects can name, or what stands behind the listed offenders.
    pub(super) fn split(&self, check: &str, node: Option<&str>, mut group: Group, mut beside: Beside) -> Vec<Group> {
        if !matches!(group.verdict, Verdict::Fail | Verdict::Review) {
            return vec![group];
        }
        let mut parts = Vec::new();
        for waiver in self.all.iter().filter(|waiver| self.holds(waiver) && concerns(waiver, check, node)) {
            if is_whole(waiver) {
                group.waiver = Some(waiver.id.clone());
                break;
            }
            let (accepted, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut group.offenders).into_iter().partition(|offender| accepts(waiver, offender));
            group.offenders = rest;
            beside.unlisted.retain(|offender| !accepts(waiver, offender));
            if !accepted.is_empty() {
                parts.push(Group { waiver: Some(waiver.id.clone()), offenders: accepted, ..group.clone() });
                if group.offenders.is_empty() && beside == Beside::default() {
                    return parts;
                }
            }
        }
        if group.offenders.is_empty() {
            beside.unlisted.truncate(MOST_OFFENDERS);
            group.offenders = beside.unlisted;
        }
        parts.push(group);
        parts
    }

    /// What became of each waiver. One that no longer holds is named with the controls that it would be about.
    pub(super) fn told<'c>(&self, controls: impl Iterator<Item = &'c Control> + Clone, nodes: &[Node]) -> Vec<Waived> {
        let about = |waiver: &Waiver| -> Vec<String> {
            let open = |group: &&Group| matches!(group.verdict, Verdict::Fail | Verdict::Review);
            let on = |group: &Group| {
                let members = || group.subjects.members(nodes.len());
                let there = waiver.nodes.is_empty() || members().into_iter().any(|at| is_on(waiver, &nodes[at].name));
                let objects = is_whole(waiver) || group.offenders.iter().any(|offender| accepts(waiver, offender));
                there && objects
            };
            let named = controls.clone().filter(|control| waiver.checks.contains(&control.slug));
            let found = named.filter(|control| control.groups.iter().filter(open).any(on));
            found.map(|control| control.id.clone()).collect()
        };
        self.all
            .iter()
            .map(|waiver| {
                let controls = about(waiver);
                Waived {
                    id: waiver.id.clone(),
                    accepted_by: waiver.accepted_by.clone(),
                    reason: waiver.reason.clone(),
                    until: waiver.until.to_string(),
                    state: match (self.holds(waiver), controls.is_empty()) {
                        (false, _) => WaiverState::Expired,
                        (true, true) => WaiverState::Unused,
                        (true, false) => WaiverState::Valid,
                    },
                    controls,
                }
            })
            .collect()
    }
}

/// True when everything that makes up the control's verdict is accepted.
pub(super) fn is_waived(verdict: Verdict, groups: &[Group]) -> bool {
    let mut making = groups.iter().filter(|group| group.verdict == verdict).peekable();
    matches!(verdict, Verdict::Fail | Verdict::Review)
        && making.peek().is_some()
        && making.all(|group| group.waiver.is_some())
}

/// True when it is about whole findings, whatever they name.
fn is_whole(waiver: &Waiver) -> bool {
    waiver.objects.is_empty() && !waiver.own_collectors
}

fn accepts(waiver: &Waiver, offender: &Offender) -> bool {
    (waiver.own_collectors && offender.own) || waiver.objects.iter().any(|pattern| matches(pattern, &offender.what))
}

fn concerns(waiver: &Waiver, check: &str, node: Option<&str>) -> bool {
    waiver.checks.iter().any(|known| known == check)
        && (waiver.nodes.is_empty() || node.is_some_and(|node| is_on(waiver, node)))
}

fn is_on(waiver: &Waiver, node: &str) -> bool {
    waiver.nodes.iter().any(|pattern| matches(pattern, node))
}

/// `*` stands for any letters, also for none; everything else for itself.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::super::report::Subjects;
    use super::*;

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*", "", true),
            ("*b", "ab", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abde", false),
            ("ab*ba", "aba", false),
            ("a**b", "ab", true),
            ("*.*", "a/b", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    fn waiver(nodes: &[&str], objects: &[&str]) -> Waiver {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Waiver {
            id: "W".to_owned(),
            checks: vec!["x".to_owned()],
            nodes: words(nodes),
            objects: words(objects),
            own_collectors: false,
            reason: "r".to_owned(),
            accepted_by: "a".to_owned(),
            until: NaiveDate::default(),
        }
    }

    fn group(verdict: Verdict, offenders: &[&str]) -> Group {
        let offender = |what: &&str| Offender { what: (*what).to_owned(), found: "y".to_owned(), own: false };
        Group {
            verdict,
            required: String::new(),
            found: "f".to_owned(),
            origins: Vec::new(),
            gap: None,
            offenders: offenders.iter().map(offender).collect(),
            waiver: None,
            subjects: Subjects::default(),
            instances: Vec::new(),
            count: 1,
        }
    }

    /// Waiver and number of offenders of each part.
    fn parts(waiver: Waiver, time: &str, node: Option<&str>, group: Group) -> Vec<(Option<String>, usize)> {
        let all = [waiver];
        let parts = Waivers::on(&all, time).split("x", node, group, Beside::default());
        parts.into_iter().map(|part| (part.waiver, part.offenders.len())).collect()
    }

    const DAY: &str = "1970-01-01T23:59:59Z";

    #[test]
    fn what_is_accepted_stands_apart() {
        let w = || Some("W".to_owned());
        let fail = |offenders: &[&str]| group(Verdict::Fail, offenders);
        assert_eq!(parts(waiver(&[], &[]), DAY, None, fail(&["a", "b"])), [(w(), 2)]);
        assert_eq!(parts(waiver(&[], &["a"]), DAY, None, fail(&["a", "b"])), [(w(), 1), (None, 1)]);
        assert_eq!(parts(waiver(&[], &["a", "b*"]), DAY, None, fail(&["a", "bb"])), [(w(), 2)]);
        // an object that is not there accepts nothing, not the finding as a whole either
        assert_eq!(parts(waiver(&[], &["a"]), DAY, None, fail(&[])), [(None, 0)]);
        assert_eq!(parts(waiver(&["n*"], &[]), DAY, Some("n1"), fail(&[])), [(w(), 0)]);
        assert_eq!(parts(waiver(&["n*"], &[]), DAY, Some("m1"), fail(&[])), [(None, 0)]);
        assert_eq!(parts(waiver(&["n*"], &[]), DAY, None, fail(&[])), [(None, 0)]);
    }

    #[test]
    fn what_no_object_names_is_not_accepted_by_objects() {
        let all = [waiver(&[], &["a*"])];
        let open = |beside: Beside| -> Vec<(bool, Vec<String>)> {
            let parts = Waivers::on(&all, DAY).split("x", None, group(Verdict::Fail, &["a1", "a2"]), beside);
            let named = |part: &Group| part.offenders.iter().map(|one| one.what.clone()).collect();
            parts.iter().map(|part| (part.waiver.is_some(), named(part))).collect()
        };
        let unlisted = |names: &[&str]| Beside { unlisted: group(Verdict::Fail, names).offenders, ..Beside::default() };
        let accepted = || (true, vec!["a1".to_owned(), "a2".to_owned()]);
        assert_eq!(open(Beside { nameless: true, ..Beside::default() }), [accepted(), (false, Vec::new())]);
        assert_eq!(open(unlisted(&["a3", "b"])), [accepted(), (false, vec!["b".to_owned()])]);
        assert_eq!(open(unlisted(&["a3"])), [accepted()]);
    }

    #[test]
    fn own_collectors_are_known_by_their_mark() {
        let own = Waiver { own_collectors: true, ..waiver(&[], &[]) };
        let mut group =
            group(Verdict::Fail, &["kube-assay/DaemonSet collector", "kube-assay/DaemonSet collector: spec"]);
        group.offenders[0].own = true;
        assert_eq!(parts(own, DAY, None, group), [(Some("W".to_owned()), 1), (None, 1)]);
    }

    #[test]
    fn nothing_else_is_accepted() {
        assert_eq!(parts(waiver(&[], &[]), "1970-01-02T00:00:00Z", None, group(Verdict::Fail, &[])), [(None, 0)]);
        assert_eq!(parts(waiver(&[], &[]), "", None, group(Verdict::Fail, &[])), [(None, 0)]);
        for verdict in [Verdict::Unknown, Verdict::Pass, Verdict::NotApplicable] {
            assert_eq!(parts(waiver(&[], &[]), DAY, None, group(verdict, &[])), [(None, 0)]);
        }
        assert!(!is_waived(Verdict::Fail, &[group(Verdict::Fail, &[])]));
        assert!(!is_waived(Verdict::Pass, &[Group { waiver: Some("W".to_owned()), ..group(Verdict::Pass, &[]) }]));
        let waived = Group { waiver: Some("W".to_owned()), ..group(Verdict::Fail, &[]) };
        assert!(is_waived(Verdict::Fail, std::slice::from_ref(&waived)));
        assert!(!is_waived(Verdict::Fail, &[waived, group(Verdict::Fail, &[])]));
    }
}
