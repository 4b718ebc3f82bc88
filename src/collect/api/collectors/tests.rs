//! What a log is worth: whose frames count, for which node, at which time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot set up its world ends, with the place")]

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Unread;
use super::clocks::Clock;
use super::cluster::{ApiPod, DaemonSet, Node};
use super::frames::evidence;
use crate::evidence::frames::{Content, Header, frames};
use crate::evidence::{Evidence, HostFacts, NodeEvidence, NodeState, file};

const HOUR: Duration = Duration::from_secs(3600);
const UID: &str = "11111111-aaaa";

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn pod(started: DateTime<Utc>) -> ApiPod {
    serde_json::from_value(json!({
        "metadata": {"name": "collector-x", "uid": UID, "ownerReferences": [{"uid": "ds", "controller": true}]},
        "spec": {"nodeName": "w1"},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "collector", "restartCount": 0, "imageID": "sha256:1", "state": {"running": {"startedAt": time(started)}}}]}
    }))
    .unwrap()
}

fn node(more: &Value) -> Node {
    let mut value = json!({
        "metadata": {"name": "w1"},
        "status": {"nodeInfo": {"machineID": "m1", "operatingSystem": "linux"},
                   "conditions": [{"type": "Ready", "status": "True"}]}
    });
    for (key, part) in more.as_object().unwrap() {
        value[key] = part.clone();
    }
    serde_json::from_value(value).unwrap()
}

/// The clock of a node whose lease was renewed at that time, listed now.
fn lease(at: DateTime<Utc>) -> Clock {
    Clock { skew: at - Utc::now() }
}

/// A collector's log.
fn log(uid: &str, machine: &str, at: DateTime<Utc>) -> String {
    let host = HostFacts { machine_id: Some(machine.to_owned()), ..HostFacts::default() };
    let node = NodeEvidence { name: "liar".to_owned(), collected_at: time(at), host, ..NodeEvidence::default() };
    let mut body = Vec::new();
    file::write(&Evidence { nodes: vec![node], ..Evidence::default() }, "test", &mut body).unwrap();
    let header =
        Header { content: Content::Evidence, name: String::new(), pod: uid.to_owned(), at: time(at), encryption: None };
    frames(&header, &body).unwrap().join("\n") + "\n"
}

fn read(
    log: &str,
    started: DateTime<Utc>,
    lease: Option<&Clock>,
) -> Result<(NodeEvidence, Vec<String>), (NodeState, String)> {
    evidence(log.as_bytes(), &pod(started), &node(&json!({})), lease, HOUR)
        .map_err(|Unread { state, why, .. }| (state, why))
}

#[test]
fn evidence_of_the_pod_counts() {
    let now = Utc::now();
    let (found, remarks) = read(&log(UID, "m1", now), now, Some(&lease(now))).unwrap();
    assert_eq!((found.host.machine_id.as_deref(), remarks), (Some("m1"), vec![]));
}

#[test]
fn what_does_not_count_is_named() {
    let now = Utc::now();
    let ago = |hours| now - TimeDelta::hours(hours);
    let told = |log: &str, started| read(log, started, Some(&lease(now))).unwrap_err();
    let another = told(&log("22222222-bbbb", "m1", now), now);
    assert!(another.1.contains("frames of another pod"), "{another:?}");
    let machine = told(&log(UID, "m2", now), now);
    assert!(machine.1.contains("of another machine"), "{machine:?}");
    let before = told(&log(UID, "m1", ago(1)), now);
    assert!(before.0 == NodeState::Stale && before.1.contains("older than its collector"), "{before:?}");
    let old = told(&log(UID, "m1", ago(3)), ago(5));
    assert_eq!(old, (NodeState::Stale, "its evidence is 3 h 0 min old".to_owned()));
    let early = told(&log(UID, "m1", ago(-2)), now);
    assert!(early.1.contains("a time to come"), "{early:?}");
    let cut = told(&log(UID, "m1", now).replace("1/1", "1/2"), now);
    assert!(cut.1.contains("frames are damaged"), "{cut:?}");
    assert_eq!(told("something else\n", now).1, "its collector's log holds no evidence");
    let killed = told("kube-assay: the collection ended early: killed (out of memory?)\n", now);
    assert!(killed.1.contains("was killed: out of memory"), "{killed:?}");
    let other = told("kube-assay: the collection ended early: exit code 4\n", now);
    assert!(other.1.contains("ended early"), "{other:?}");
}

/// The newest that counts, whatever stands before and behind it.
#[test]
fn a_replayed_frame_takes_nothing_away() {
    let now = Utc::now();
    let all = log(UID, "m1", now) + &log("22222222-bbbb", "m1", now) + "noise\n";
    let (_, remarks) = read(&all, now, Some(&lease(now))).unwrap();
    assert!(remarks.is_empty(), "{remarks:?}");
}

/// Evidence is dated by its node's clock, and so is its lease: a clock that is off by an hour ages nothing.
#[test]
fn a_clock_that_is_off_is_named_and_ages_nothing() {
    let now = Utc::now();
    for (hours, way) in [(2, "ahead of"), (-2, "behind")] {
        let there = now + TimeDelta::hours(hours);
        let (_, remarks) = read(&log(UID, "m1", there), there, Some(&lease(there))).unwrap();
        assert!(remarks.len() == 1 && remarks[0].contains(way), "{remarks:?}");
    }
    // without a lease nothing is known of its clock, and that is said
    let (_, remarks) = read(&log(UID, "m1", now), now, None).unwrap();
    assert!(remarks[0].contains("could not be compared"), "{remarks:?}");
    // a lease that was not renewed is no clock that is behind
    let (_, remarks) = read(&log(UID, "m1", now), now, Some(&lease(now - TimeDelta::hours(1)))).unwrap();
    assert!(remarks.is_empty(), "{remarks:?}");
}

#[test]
fn nodes_without_a_machine_of_linux_are_told_apart() {
    let state = |more: &Value| node(more).excluded().map(|(state, _)| state);
    assert_eq!(state(&json!({})), None);
    assert_eq!(state(&json!({"status": {"nodeInfo": {"operatingSystem": "windows"}}})), Some(NodeState::Unsupported));
    let fargate = json!({"metadata": {"name": "w1", "labels": {"eks.amazonaws.com/compute-type": "fargate"}}});
    assert_eq!(state(&fargate), Some(NodeState::Virtual));
    // a label that anyone can set is not enough
    let labelled = json!({"metadata": {"name": "w1", "labels": {"type": "virtual-kubelet"}}});
    assert_eq!(state(&labelled), None);
    let mut tainted = labelled;
    tainted["spec"] = json!({"taints": [{"key": "virtual-kubelet.io/provider"}]});
    assert_eq!(state(&tainted), Some(NodeState::Virtual));
}

#[test]
fn reasons_are_told_from_the_pod() {
    let told = |status: Value| {
        let pod: ApiPod =
            serde_json::from_value(json!({"metadata": {"name": "collector-x"}, "status": status})).unwrap();
        pod.obstacle().unwrap_or_default()
    };
    let container = |state: Value, last: Value| json!({"phase": "Running", "containerStatuses": [{"name": "collector", "state": state, "lastState": last}]});
    let unschedulable = json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
    assert_eq!(told(unschedulable), "its collector's pod is pending: Unschedulable: 0/3 nodes are available");
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    assert!(told(evicted).contains("failed: Evicted: The node was low"));
    let pull = container(json!({"waiting": {"reason": "ImagePullBackOff", "message": "x"}}), json!({}));
    assert_eq!(told(pull), "its collector's image cannot be had (ImagePullBackOff)");
    let killed = json!({"terminated": {"reason": "OOMKilled", "exitCode": 137}});
    let backoff = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), killed);
    assert!(told(backoff).contains("OOMKilled: out of memory"));
    assert_eq!(told(container(json!({"running": {}}), json!({}))), "");
}

/// A pod with the labels of the collectors is one only when the API says that the DaemonSet controls it.
#[test]
fn a_name_makes_no_collector() {
    let daemonset: DaemonSet = serde_json::from_value(json!({
        "metadata": {"name": "collector", "uid": "ds"},
        "spec": {"selector": {"matchLabels": {"a": "b"}},
                 "template": {"spec": {"containers": [{"name": "collector", "image": "i", "args": ["collect"]}]}}}
    }))
    .unwrap();
    let pod = |more: Value| -> ApiPod { serde_json::from_value(more).unwrap() };
    let named = pod(json!({"metadata": {"name": "collector-x"}}));
    let labelled = pod(
        json!({"metadata": {"name": "y", "labels": {"a": "b"}, "ownerReferences": [{"uid": "other", "controller": true}]}}),
    );
    let owned = pod(json!({"metadata": {"name": "y", "ownerReferences": [{"uid": "ds", "controller": true}]},
                           "spec": {"containers": [{"name": "collector", "image": "evil", "args": ["collect"]}]}}));
    assert!(named.looks_like(&daemonset) && labelled.looks_like(&daemonset) && !owned.looks_like(&daemonset));
    // anybody may name an owner; who controls a pod is held by the API server's admission
    let only_owned = pod(json!({"metadata": {"name": "z", "ownerReferences": [{"uid": "ds"}]}}));
    assert!(!only_owned.is_controlled_by("ds"));
    assert!(!named.is_controlled_by("ds") && !labelled.is_controlled_by("ds") && owned.is_controlled_by("ds"));
    assert!(!owned.is_as_written(&daemonset));
    // one that waits for its node names it in its affinity
    let waiting = pod(json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
        {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w2"]}]}]}}}}}));
    assert_eq!(waiting.node(), "w2");
}

#[test]
fn a_servers_words_are_equal_on_equal_nodes() {
    let said = "Get \"https://10.0.0.7:10250/containerLogs/kube-assay/collector-x/collector\": dial tcp 10.0.0.7:10250: connect: no route to host";
    let told = node(&json!({})).neutral(said, &pod(Utc::now()));
    assert!(!told.contains("10.0.0.7") && !told.contains("collector-x") && told.contains("no route to host"), "{told}");
}
