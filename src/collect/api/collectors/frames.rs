//! One log: the frames in it, and whether they are evidence of this pod's node, and of now.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Unread;
use super::clocks::Clock;
use super::cluster::{ApiPod, Node};
use crate::evidence::frames::{Content, FrameError, OF_A_NODE, Reader, Stream};
use crate::evidence::{Evidence, NodeEvidence, NodeState, file};

/// Evidence of one node is far smaller than this when decompressed.
const LARGEST: u64 = 32 << 20;
/// A container's start is told in whole seconds, and a clock may be set back a little.
const SLACK: TimeDelta = TimeDelta::seconds(5);
/// Two clocks that differ by less are not worth a word: the lease itself is up to ten seconds old.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// The newest evidence in a log that counts for the node, with remarks on it.
pub(super) fn evidence(
    log: &[u8],
    pod: &ApiPod,
    node: &Node,
    clock: Option<&Clock>,
    max_age: Duration,
) -> Result<(NodeEvidence, Vec<String>), Unread> {
    let mut reader = Reader::new(OF_A_NODE);
    String::from_utf8_lossy(log).lines().for_each(|line| reader.line(line));
    let (streams, errors) = reader.finish();
    let mut refused: Vec<String> = errors.iter().map(FrameError::to_string).collect();
    let mut state = (NodeState::Missing, None);
    for stream in streams.iter().rev() {
        match judge(stream, pod, node, clock, max_age) {
            Ok((evidence, mut remarks)) => {
                if pod.restarts() > 0 {
                    remarks.push(format!("its collector was restarted {} times", pod.restarts()));
                }
                // what stands before the newest evidence may have been cut by a rotation: nothing is lost by that
                let odd = errors.iter().filter(|error| !matches!(error, FrameError::Truncated { .. }));
                remarks.extend(odd.map(|error| format!("in its collector's log: {error}")));
                return Ok((evidence, remarks));
            }
            Err((found, why)) => {
                state = (found, Some(why.clone()));
                refused.push(why);
            }
        }
    }
    let why = match (state.1, errors.first()) {
        (Some(why), _) => why,
        (None, Some(error)) => format!("its collector's log holds no whole evidence: {}", kind(error)),
        (None, None) => match ended_early(&String::from_utf8_lossy(log)) {
            Some(why) => why.to_owned(),
            None => "its collector's log holds no evidence".to_owned(),
        },
    };
    Err(Unread { state: state.0, why, refused: (!refused.is_empty()).then(|| refused.join("; ")) })
}

/// What a collector says of a collection that brought nothing (`run/frames.rs`, `stay`); the words are ours, not the log's.
fn ended_early(log: &str) -> Option<&'static str> {
    let said = log.lines().rev().find(|line| line.starts_with("kube-assay: the collection "))?;
    Some(match said {
        said if said.ends_with("(out of memory?)") => {
            "its collection was killed: out of memory, raise the limit of the collectors"
        }
        _ => "its collection ended early: its log says why",
    })
}

/// Without the names of streams, which differ from node to node.
fn kind(error: &FrameError) -> &'static str {
    match error {
        FrameError::Truncated { .. } => "frames are cut",
        FrameError::Damaged { .. } => "frames are damaged",
        FrameError::Mixed { .. } => "frames are mixed",
        FrameError::TooBig { .. } => "more than a node's evidence can be",
        FrameError::TooMany { .. } => "many streams were begun",
        FrameError::Unsupported { .. } => "frames of a form that this version does not read",
    }
}

fn judge(
    stream: &Stream,
    pod: &ApiPod,
    node: &Node,
    clock: Option<&Clock>,
    max_age: Duration,
) -> Result<(NodeEvidence, Vec<String>), (NodeState, String)> {
    let wrong = |why: String| (NodeState::Missing, why);
    if stream.header.content != Content::Evidence {
        return Err(wrong("its collector's log holds frames of something else than evidence".to_owned()));
    }
    if stream.header.pod != pod.metadata.uid {
        return Err(wrong("its collector's log holds frames of another pod (replayed)".to_owned()));
    }
    let mut evidence = Evidence::default();
    file::read_bounded(stream.body.as_slice(), LARGEST, &mut evidence)
        .map_err(|error| wrong(format!("its evidence {error}")))?;
    let (one, None, true) = (evidence.nodes.pop(), evidence.cluster, evidence.nodes.is_empty()) else {
        return Err(wrong("its evidence is not that of one node".to_owned()));
    };
    let Some(one) = one else { return Err(wrong("its evidence holds no node".to_owned())) };
    let known = &node.status.node_info.machine_id;
    if one.host.machine_id.as_ref().is_some_and(|id| !known.is_empty() && id != known) {
        return Err(wrong("its evidence is of another machine (machine-id differs from the node's)".to_owned()));
    }
    let Ok(at) = DateTime::parse_from_rfc3339(&one.collected_at) else {
        return Err(wrong("its evidence bears no time".to_owned()));
    };
    let at = at.to_utc();
    if pod.started_at().is_some_and(|started| at < started - SLACK) {
        return Err((NodeState::Stale, "its evidence is older than its collector (replayed)".to_owned()));
    }
    let mut remarks = evidence.skipped;
    let now = node_time(clock, at, &mut remarks);
    let age = now - at;
    if age > TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX) {
        let hours = age.num_minutes().div_euclid(60);
        return Err((NodeState::Stale, format!("its evidence is {hours} h {} min old", age.num_minutes() % 60)));
    }
    if age < -TimeDelta::seconds(60) {
        return Err(wrong("its evidence bears a time to come".to_owned()));
    }
    Ok((one, remarks))
}

/// Now by the node's own clock, which dates its evidence: its lease says so, to ten seconds.
fn node_time(clock: Option<&Clock>, at: DateTime<Utc>, remarks: &mut Vec<String>) -> DateTime<Utc> {
    let now = Utc::now();
    let Some(Clock { skew }) = clock else {
        remarks.push(
            "its clock could not be compared (its lease cannot be read): the age of its evidence rests on it"
                .to_owned(),
        );
        return now;
    };
    let there = now + *skew;
    // a lease that is older than the evidence is no clock that is behind: the node stopped reporting
    if skew.abs() < SKEW || (*skew < TimeDelta::zero() && at > there + SKEW) {
        return now;
    }
    let (seconds, way) = (skew.num_seconds().abs(), if *skew > TimeDelta::zero() { "ahead of" } else { "behind" });
    remarks.push(format!(
        "its clock is about {seconds} s {way} the auditor's; the age of its evidence was taken by its own clock"
    ));
    there
}
