//! Equal findings on several nodes become one group; what differs only by a node's own name or a process id is equal.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::judge::{Judgement, Node};
use super::report::{Group, Offender, Subjects};
use crate::evidence::NodeEvidence;

/// Groups judgements, worst verdict first, then the largest group first; `total` counts the nodes that were not seen, too.
/// `accepted` makes the parts of a finding of a node, or of the cluster as a whole, that waivers accept, and the rest.
pub fn group(
    judged: Vec<(usize, Judgement)>,
    nodes: &[Node<'_>],
    total: usize,
    accepted: impl Fn(Option<&str>, Group) -> Vec<Group>,
) -> Vec<Group> {
    let mut groups: Vec<(Group, Vec<usize>, Own)> = Vec::new();
    // which groups may be equal: thousands of nodes with findings of their own would else be held against each other
    let mut known: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, judgement) in judged {
        let node = nodes.get(index);
        let pid = judgement.instance.and_then(|at| node.and_then(|node| node.evidence.instances[at].pid));
        let neutral = |text: &str| neutral(text, node.map(|node| node.evidence), pid, total > 1);
        let offenders: Vec<Offender> = judgement
            .offenders
            .iter()
            .map(|offender| Offender { what: neutral(&offender.what), found: neutral(&offender.found), own: false })
            .collect();
        let candidate = Group {
            verdict: judgement.verdict,
            required: judgement.required,
            found: neutral(&judgement.found),
            origins: judgement.origins.iter().map(|origin| neutral(origin)).collect(),
            gap: judgement.gap.as_ref().map(|gap| gap.reason),
            offenders,
            waiver: None,
            subjects: Subjects::default(),
            instances: Vec::new(),
            count: 0,
        };
        let instance = judgement.instance.and_then(|at| {
            node.and_then(|node| instance_name(&node.evidence.instances[at], &node.evidence.name, total > 1))
        });
        let pod = judgement.instance.and_then(|at| node.and_then(|node| node.evidence.instances[at].pod.clone()));
        let own = Own { pid: pid.map(|pid| pid.to_string()), pod };
        // what is said of the cluster as a whole is no node's
        let cluster = index == usize::MAX;
        for mut part in accepted(node.map(|node| node.evidence.name.as_str()), candidate) {
            let alike = known.entry(digest(cluster, &part)).or_default();
            let position = alike.iter().copied().find(|at| {
                let (known, members, _) = &groups[*at];
                (members[0] == usize::MAX) == cluster && same(known, &part)
            });
            let instance = instance.clone();
            match position {
                Some(at) => {
                    let (known, members, known_own) = &mut groups[at];
                    known.instances.extend(instance);
                    // nodes come in order
                    if members.last() != Some(&index) {
                        members.push(index);
                    }
                    if *known_own != own {
                        *known_own = Own::default();
                    }
                }
                None => {
                    alike.push(groups.len());
                    part.instances.extend(instance);
                    groups.push((part, vec![index], own.clone()));
                }
            }
        }
    }
    let mut finished: Vec<Group> =
        groups.into_iter().map(|(group, members, own)| finish(group, members, &own, total)).collect();
    finished.sort_by(|one, other| {
        (one.verdict, one.waiver.is_some(), std::cmp::Reverse(one.count)).cmp(&(
            other.verdict,
            other.waiver.is_some(),
            std::cmp::Reverse(other.count),
        ))
    });
    finished
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
