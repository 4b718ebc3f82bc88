//! Equal findings on several nodes become one group; what differs only by a node's own name or a process id is equal.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::judge::Judgement;
use super::predicate::Beside;
use super::report::{Group, Offender, Subjects};
use super::verdict::Verdict;
use crate::evidence::NodeEvidence;

/// Instances of one finding that are named; of more, the nodes say it.
const MOST_INSTANCES: usize = 200;

/// The findings of one check so far: of 5,000 nodes there is one judgement at a time, and what was equal in them.
pub struct Findings {
    groups: Vec<(Group, Vec<usize>, Own)>,
    /// Which groups may be equal: thousands of nodes with findings of their own would else be held against each other.
    known: HashMap<u64, Vec<usize>>,
    /// Verdicts that occur, each with whether the node was looked at.
    verdicts: BTreeSet<(Verdict, bool)>,
    total: usize,
}

impl Findings {
    /// None yet; `total` counts the nodes that were not seen, too.
    pub fn new(total: usize) -> Self {
        Self { groups: Vec::new(), known: HashMap::new(), verdicts: BTreeSet::new(), total }
    }

    /// Adds a judgement; `index` is the node's place in the report, `usize::MAX` for what is said of the cluster as a whole. Nodes come in
    /// order. `accepted` makes the parts of the finding that waivers accept, and the rest.
    pub fn add(
        &mut self,
        index: usize,
        judgement: Judgement,
        node: Option<&NodeEvidence>,
        accepted: impl FnOnce(Option<&str>, Group, Beside) -> Vec<Group>,
    ) {
        self.verdicts.insert((judgement.verdict, !judgement.is_of_unseen()));
        let several = self.total > 1;
        let instance = judgement.instance.zip(node).map(|(at, node)| &node.instances[at]);
        let pid = instance.and_then(|instance| instance.pid);
        let neutral = |text: &str| neutral(text, node, pid, several);
        let neutral_one = |offender: &Offender| Offender {
            what: neutral(&offender.what),
            found: neutral(&offender.found),
            own: false,
        };
        let all_neutral = |offenders: &[Offender]| offenders.iter().map(neutral_one).collect();
        let candidate = Group {
            verdict: judgement.verdict,
            required: judgement.required,
            found: neutral(&judgement.found),
            origins: judgement.origins.iter().map(|origin| neutral(origin)).collect(),
            gap: judgement.gap.as_ref().map(|gap| gap.reason),
            offenders: all_neutral(&judgement.offenders),
            waiver: None,
            subjects: Subjects::default(),
            instances: Vec::new(),
            count: 0,
        };
        let beside = Beside { unlisted: all_neutral(&judgement.beside.unlisted), ..judgement.beside };
        let called = instance.zip(node).and_then(|(instance, node)| instance_name(instance, &node.name, several));
        let own = Own { pid: pid.map(|pid| pid.to_string()), pod: instance.and_then(|instance| instance.pod.clone()) };
        for part in accepted(node.map(|node| node.name.as_str()), candidate, beside) {
            self.put(index, part, called.clone(), own.clone());
        }
    }

    fn put(&mut self, index: usize, mut part: Group, called: Option<String>, own: Own) {
        let cluster = index == usize::MAX;
        let alike = self.known.entry(digest(cluster, &part)).or_default();
        let position = alike.iter().copied().find(|at| {
            let (known, members, _) = &self.groups[*at];
            (members[0] == usize::MAX) == cluster && same(known, &part)
        });
        match position {
            Some(at) => {
                let (known, members, known_own) = &mut self.groups[at];
                // one more than are named tells that there are more
                if known.instances.len() <= MOST_INSTANCES {
                    known.instances.extend(called);
                }
                if members.last() != Some(&index) {
                    members.push(index);
                }
                if *known_own != own {
                    *known_own = Own::default();
                }
            }
            None => {
                alike.push(self.groups.len());
                part.instances.extend(called);
                self.groups.push((part, vec![index], own));
            }
        }
    }

    /// True without any judgement.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// The verdict over all of them, or over those of nodes that were looked at.
    pub fn verdict(&self, seen: bool) -> Verdict {
        let counted = self.verdicts.iter().filter(|(_, looked_at)| *looked_at || !seen);
        Verdict::over(counted.map(|(verdict, _)| *verdict)).unwrap_or(Verdict::Unknown)
    }

    /// Equal findings together, worst verdict first, what is not waived before what is, then the largest group first.
    pub fn groups(self) -> Vec<Group> {
        let total = self.total;
        let mut finished: Vec<Group> =
            self.groups.into_iter().map(|(group, members, own)| finish(group, members, &own, total)).collect();
        finished.sort_by_key(|group| (group.verdict, group.waiver.is_some(), Reverse(group.count)));
        finished
    }
}

/// Equal for groups that are the same.
fn digest(cluster: bool, group: &Group) -> u64 {
    let mut hasher = DefaultHasher::new();
    (cluster, group.verdict, &group.required, &group.found, &group.origins, group.gap, &group.offenders, &group.waiver)
        .hash(&mut hasher);
    hasher.finish()
}

fn same(one: &Group, other: &Group) -> bool {
    (one.verdict, &one.required, &one.found, &one.origins, one.gap, &one.offenders, &one.waiver)
        == (other.verdict, &other.required, &other.found, &other.origins, other.gap, &other.offenders, &other.waiver)
}

/// An instance beside others of its node; what a node has once needs no name but the node's.
fn instance_name(instance: &crate::evidence::Instance, node: &str, several: bool) -> Option<String> {
    let process = match (instance.pid, &instance.seen_in, &instance.pod) {
        (Some(pid), ..) => format!("{}, pid {pid}", instance.component),
        (None, Some(_), None) => return None,
        (None, Some(object), Some(_)) => format!("{}, {object}", instance.component),
        (None, None, _) => format!("{}, not running", instance.component),
    };
    Some(if several { format!("{node}: {process}") } else { process })
}

/// The node's own name, the ids of its pods and the process id replaced, so that equal findings are equal.
fn neutral(text: &str, node: Option<&NodeEvidence>, pid: Option<u32>, several: bool) -> String {
    let mut text = text.to_owned();
    if let Some(pid) = pid {
        text = replace_word(&text, &format!("pid {pid}"), "pid {pid}");
    }
    let Some(node) = node.filter(|_| several) else { return text };
    for pod in node.instances.iter().filter_map(|instance| instance.pod.as_deref()) {
        text = replace_word(&text, pod, "{pod}");
    }
    if node.name.len() > 1 { replace_word(&text, &node.name, "{node}") } else { text }
}

/// Replaces whole words only: a node called `a1` is not in `data1`.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let inside = |neighbour: Option<char>| {
            neighbour.is_some_and(|letter| letter.is_alphanumeric() || letter == '-' || letter == '_')
        };
        replaced.push_str(before);
        replaced.push_str(if inside(before.chars().next_back()) || inside(after.chars().next()) { word } else { by });
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// What one process alone is called by, put back where a group is about that process alone.
#[derive(Clone, Default, PartialEq)]
struct Own {
    pid: Option<String>,
    pod: Option<String>,
}

impl Own {
    fn put_back(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Some(pid) = &self.pid {
            text = text.replace("pid {pid}", &format!("pid {pid}"));
        }
        if let Some(pod) = &self.pod {
            text = text.replace("{pod}", pod);
        }
        text
    }
}

fn finish(mut group: Group, members: Vec<usize>, own: &Own, total: usize) -> Group {
    if group.instances.len() > MOST_INSTANCES {
        group.instances = Vec::new();
    }
    group.found = own.put_back(&group.found);
    group.origins = group.origins.iter().map(|origin| own.put_back(origin)).collect();
    for offender in &mut group.offenders {
        offender.what = own.put_back(&offender.what);
    }
    if members == [usize::MAX] {
        group.subjects.cluster = true;
        group.count = 1;
        return group;
    }
    group.count = members.len();
    group.subjects = Subjects::of(members, total);
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_as_words() {
        assert_eq!(replace_word("cp1: data-cp1 /cp1/x cp11", "cp1", "{node}"), "{node}: data-cp1 /{node}/x cp11");
    }
}
