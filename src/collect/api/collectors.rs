//! Evidence of every node through the logs of the collectors' pods.
//!
//! What a log says is a claim of its node. Which node it is, that comes from the API: a log counts only when the API says that our
//! DaemonSet, by its UID, controls the pod, and it counts for the node that the API says the pod runs on. So root on a node, and
//! whoever may create pods in our namespace, can lie about that node and about no other.

mod clocks;
mod cluster;
mod frames;
#[cfg(test)]
mod tests;
mod written;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use super::ask::{Asker, Refused};
use crate::evidence::{NodeEvidence, NodeState, OwnCollectors, Unseen};
use clocks::Clock;
use cluster::DaemonSet;
pub(super) use cluster::{AUDITOR, ApiPod, Node};
pub use written::Written;

/// Wait between two looks at the pods: at first, and at most.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
/// Bound on one log request, and what it has however near the deadline is.
const LOG_TIME: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(2)];
/// Bytes of a log that are looked at: several times what a node's evidence may be.
const LOG_BYTES: usize = 4 << 20;

/// Where the collectors are, and how long they are waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorOptions {
    /// Namespace of the DaemonSet.
    pub namespace: String,
    /// Name of the DaemonSet.
    pub daemonset: String,
    /// How long nodes are waited for.
    pub deadline: Duration,
    /// Evidence that is older does not count.
    pub max_age: Duration,
    /// What the collectors' pods are by `manifests`.
    pub written: Written,
}

/// What came from the collectors.
#[derive(Debug, Default)]
pub struct Collected {
    /// Evidence of nodes, by name.
    pub nodes: Vec<NodeEvidence>,
    /// Nodes that exist and are not in it.
    pub unseen: Vec<Unseen>,
    /// The collectors, where they are what they should be.
    pub own: Option<OwnCollectors>,
    /// Logs that were refused and other remarks, one line each.
    pub notes: Vec<String>,
}

/// One node while it is waited for.
struct Awaited {
    node: Node,
    why: (NodeState, String),
    evidence: Option<NodeEvidence>,
    /// Digest of the collector's image, as the node says.
    image: String,
    /// Log requests that brought nothing; the next one waits longer.
    attempts: u32,
    next: Instant,
    settled: bool,
}

/// Waits for every node's evidence until the deadline.
pub(super) async fn collect(asker: &Asker, options: &CollectorOptions) -> Collected {
    let deadline = Instant::now() + options.deadline;
    let mut awaited: BTreeMap<String, Awaited> = BTreeMap::new();
    let mut notes: Vec<String> = Vec::new();
    let mut verified = None;
    let mut wait = WAITS[0];
    loop {
        let daemonset = found(asker, options).await;
        let nodes = asker.objects::<Node>("/api/v1/nodes", "nodes").await;
        if let Some(gap) = &nodes.gap {
            note(&mut notes, format!("the list of nodes is not complete: {gap}"));
        } else {
            // a node that was removed meanwhile is none that is missing
            let existing: HashSet<&str> = nodes.items.iter().map(|node| node.metadata.name.as_str()).collect();
            awaited.retain(|name, _| existing.contains(name.as_str()));
        }
        for node in nodes.items {
            match awaited.get_mut(&node.metadata.name) {
                Some(known) => known.node = node,
                None => drop(awaited.insert(node.metadata.name.clone(), Awaited::new(node))),
            }
        }
        match &daemonset {
            Ok(daemonset) => verified = look(asker, options, daemonset, deadline, &mut awaited, &mut notes).await,
            Err(why) => {
                awaited.values_mut().filter(|node| !node.settled).for_each(|node| node.missing(why.clone()));
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || (!awaited.is_empty() && awaited.values().all(|node| node.settled)) {
            return Collected { own: verified, ..finished(awaited, notes) };
        }
        tokio::time::sleep(wait.min(left)).await;
        wait = (wait * 2).min(WAITS[1]);
    }
}

fn note(notes: &mut Vec<String>, text: String) {
    if notes.len() < 200 && !notes.contains(&text) {
        notes.push(text);
    }
}

async fn found(asker: &Asker, options: &CollectorOptions) -> Result<DaemonSet, String> {
    let CollectorOptions { namespace, daemonset, .. } = options;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{daemonset}");
    asker.get(&path).await.map_err(|refused| match refused {
        Refused::NotServed => format!("there is no DaemonSet {namespace}/{daemonset}"),
        other => format!("the DaemonSet {namespace}/{daemonset} cannot be read: {}", other.into_gap("get").detail),
    })
}

/// One look: which pods there are, and the logs of those that can have said something.
async fn look(
    asker: &Asker,
    options: &CollectorOptions,
    daemonset: &DaemonSet,
    deadline: Instant,
    awaited: &mut BTreeMap<String, Awaited>,
    notes: &mut Vec<String>,
) -> Option<OwnCollectors> {
    let path = format!("/api/v1/namespaces/{}/pods", options.namespace);
    let pods = asker.objects::<ApiPod>(&path, "pods").await;
    let (own, others): (Vec<ApiPod>, Vec<ApiPod>) =
        pods.items.into_iter().partition(|pod| pod.is_controlled_by(&daemonset.metadata.uid));
    for pod in others.iter().filter(|pod| pod.looks_like(daemonset)) {
        note(
            notes,
            format!(
                "pod {} calls itself a collector and is not controlled by the DaemonSet (UID {}): its log was not read",
                pod.metadata.name, daemonset.metadata.uid
            ),
        );
    }
    for pod in own.iter().filter(|pod| !pod.is_as_written(daemonset)) {
        note(
            notes,
            format!(
                "pod {} on node {} does not run what the DaemonSet says (adopted, or changed by an admission plugin): what it says of that node rests on whoever made it",
                pod.metadata.name,
                pod.node()
            ),
        );
    }
    let verified = own_collectors(options, daemonset, &own, &others, pods.gap.is_none(), notes);
    let mut by_node: HashMap<&str, Vec<&ApiPod>> = HashMap::new();
    own.iter().for_each(|pod| by_node.entry(pod.node()).or_default().push(pod));
    let mut readable = Vec::new();
    for (name, node) in awaited.iter_mut().filter(|(_, node)| !node.settled) {
        if let Some((state, why)) = node.node.excluded() {
            node.why = (state, why);
            node.settled = true;
            continue;
        }
        // an old pod of the node may still be ending: the newest counts
        let of_node = by_node.get(name.as_str()).into_iter().flatten();
        let newest =
            of_node.max_by_key(|pod| (pod.metadata.deletion_timestamp.is_none(), &pod.metadata.creation_timestamp));
        match (newest, &pods.gap) {
            (None, Some(gap)) => node.missing(format!("the collectors' pods cannot be listed: {gap}")),
            (None, None) => node.missing(node.node.no_pod()),
            (Some(pod), _) => match pod.obstacle() {
                Some(obstacle) => node.missing(node.node.with_readiness(obstacle)),
                None if node.next <= Instant::now() => readable.push((name.clone(), *pod)),
                None => {}
            },
        }
    }
    if readable.is_empty() {
        return verified;
    }
    let clocks = clocks::of_all(asker).await;
    // as many readers as requests may be in flight: each log that waited would be looked at whenever any of them moves
    let (waiting, done) = (RefCell::new(readable.into_iter()), RefCell::new(Vec::new()));
    let reader = async || {
        loop {
            let Some((name, pod)) = waiting.borrow_mut().next() else { return };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let why = "its collector's log was not read before the deadline (--deadline and --qps change that)";
                let late = Unread { state: NodeState::Missing, why: why.to_owned(), refused: None };
                done.borrow_mut().push((name, pod, Err(late)));
                continue;
            }
            let read = read(asker, options, pod, left, &awaited[&name].node, clocks.get(&name)).await;
            done.borrow_mut().push((name, pod, read));
        }
    };
    joined((0..asker.concurrency()).map(|_| reader()).collect()).await;
    let mut done = done.into_inner();
    done.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    for (name, pod, read) in done {
        let Some(node) = awaited.get_mut(&name) else { continue };
        match read {
            Ok((mut evidence, remarks)) => {
                evidence.name.clone_from(&name);
                remarks.into_iter().for_each(|remark| note(notes, format!("node {name}: {remark}")));
                node.evidence = Some(evidence);
                pod.image_id().clone_into(&mut node.image);
                node.settled = true;
            }
            Err(Unread { state, why, refused }) => {
                if let Some(refused) = refused {
                    note(notes, format!("node {name}, pod {}: {refused}", pod.metadata.name));
                }
                node.why = (state, node.node.with_readiness(why));
                node.attempts += 1;
                node.next = Instant::now() + Duration::from_secs(1 << node.attempts.min(4));
            }
        }
    }
    verified
}

/// The collectors, when they are what `manifests` prints: the DaemonSet, every pod of it, and no other that passes itself off as one.
fn own_collectors(
    options: &CollectorOptions,
    daemonset: &DaemonSet,
    own: &[ApiPod],
    others: &[ApiPod],
    all_seen: bool,
    notes: &mut Vec<String>,
) -> Option<OwnCollectors> {
    let CollectorOptions { namespace, daemonset: name, .. } = options;
    if daemonset.written() != options.written {
        let text = format!(
            "the DaemonSet {namespace}/{name} is not as this version's `kube-assay manifests` prints it: what it changes in this report is not marked as kube-assay's own"
        );
        note(notes, text);
        return None;
    }
    let all = all_seen
        && own.iter().all(|pod| pod.is_as_written(daemonset))
        && !others.iter().any(|pod| pod.looks_like(daemonset) || pod.claims(daemonset));
    all.then(|| OwnCollectors {
        namespace: namespace.clone(),
        daemonset: name.clone(),
        uid: daemonset.metadata.uid.clone(),
        pods: own.iter().map(|pod| pod.metadata.uid.clone()).collect(),
    })
}

/// Why a log gave no evidence.
struct Unread {
    state: NodeState,
    why: String,
    /// What was wrong with frames that were there.
    refused: Option<String>,
}

async fn read(
    asker: &Asker,
    options: &CollectorOptions,
    pod: &ApiPod,
    left: Duration,
    node: &Node,
    clock: Option<&Clock>,
) -> Result<(NodeEvidence, Vec<String>), Unread> {
    let uri = format!(
        "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines=1000&limitBytes={LOG_BYTES}",
        options.namespace,
        pod.metadata.name,
        cluster::CONTAINER
    );
    let log =
        asker.text(&uri, LOG_BYTES, LOG_TIME[0].min(left.max(LOG_TIME[1]))).await.map_err(|(status, said)| Unread {
            state: NodeState::Missing,
            why: match status.as_u16() {
                403 => {
                    "its collector's log cannot be read: needs get on pods/log in the collectors' namespace".to_owned()
                }
                _ => format!("its collector's log cannot be read: {}", node.neutral(&said, pod)),
            },
            refused: None,
        })?;
    frames::evidence(&log, pod, node, clock, options.max_age)
}

/// Until all of them are done.
async fn joined(futures: Vec<impl Future<Output = ()>>) {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn finished(awaited: BTreeMap<String, Awaited>, mut notes: Vec<String>) -> Collected {
    let mut collected = Collected::default();
    if awaited.is_empty() {
        note(&mut notes, "no node is known: the list of nodes is empty or cannot be read".to_owned());
    }
    let mut images: Vec<String> = awaited.values().map(|node| node.image.clone()).filter(|id| !id.is_empty()).collect();
    images.sort_unstable();
    images.dedup();
    if images.len() > 1 {
        note(&mut notes, format!("the collectors run {} different images: {}", images.len(), images.join(", ")));
    }
    for (name, node) in awaited {
        match node.evidence {
            Some(evidence) => collected.nodes.push(evidence),
            None => collected.unseen.push(Unseen {
                name,
                state: node.why.0,
                why: node.why.1,
                os: Some(node.node.status.node_info.os_image).filter(|os| !os.is_empty()),
            }),
        }
    }
    collected.notes = notes;
    collected
}

impl Awaited {
    fn new(node: Node) -> Self {
        let why = (NodeState::Missing, "not looked at before the deadline".to_owned());
        Self { node, why, evidence: None, image: String::new(), attempts: 0, next: Instant::now(), settled: false }
    }

    fn missing(&mut self, why: String) {
        self.why = (NodeState::Missing, why);
    }
}
