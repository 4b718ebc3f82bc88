//! The evidence file: JSON Lines, zstd-compressed, versioned. One header, one record per subject, one end.

use std::io::{self, BufRead, BufReader, Read, Write};

use serde::{Deserialize, Serialize};

use super::objects::ClusterEvidence;
use super::{Evidence, NodeEvidence, OwnCollectors, Unseen};

/// Major version: a reader refuses any other.
pub const MAJOR: u32 = 1;
/// Minor version: grows when record kinds or fields are added.
pub const MINOR: u32 = 5;

/// More than this, decompressed, is no evidence of ours.
const LIMIT: u64 = 512 << 20;

/// Why an evidence file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The bytes cannot be read or decompressed.
    #[error("cannot be read or decompressed: {0}")]
    Io(#[from] io::Error),
    /// The first line is no header of an evidence file.
    #[error("is no evidence file of kube-assay (its first line is no header)")]
    NoHeader,
    /// Written by an incompatible version.
    #[error(
        "has evidence format {found}, this version reads {MAJOR}.x: use the kube-assay that wrote it, or collect again"
    )]
    Major {
        /// The major version found.
        found: u32,
    },
    /// A record that cannot be decoded.
    #[error("record in line {line} cannot be decoded: {error}")]
    Record {
        /// Line, 1-based.
        line: usize,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The end record is missing or counts differently: the file was cut.
    #[error("is incomplete: {found} of {expected} records (cut while it was written or copied?)")]
    Truncated {
        /// Records found.
        found: usize,
        /// Records that the end record announces, as text.
        expected: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    #[serde(rename = "kube-assay-evidence")]
    version: (u32, u32),
    tool: String,
}

#[derive(Serialize, Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Serialize, Deserialize)]
struct NodeRecord {
    kind: String,
    node: NodeEvidence,
}

#[derive(Serialize, Deserialize)]
struct UnseenRecord {
    kind: String,
    node: Unseen,
}

#[derive(Serialize, Deserialize)]
struct NoteRecord {
    kind: String,
    note: String,
}

#[derive(Serialize, Deserialize)]
struct ClusterRecord {
    kind: String,
    cluster: ClusterEvidence,
}

#[derive(Serialize, Deserialize)]
struct OwnRecord {
    kind: String,
    own: OwnCollectors,
}

#[derive(Serialize, Deserialize)]
struct EndRecord {
    kind: String,
    records: usize,
}

/// Writes evidence.
///
/// # Errors
/// Those of the writer.
pub fn write(evidence: &Evidence, tool: &str, out: impl Write) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(out, 3)?;
    // a window of half a MiB: the default one costs more memory than the whole collection
    encoder.window_log(19)?;
    line(&mut encoder, &Header { version: (MAJOR, MINOR), tool: tool.to_owned() })?;
    for node in &evidence.nodes {
        line(&mut encoder, &NodeRecord { kind: "node".to_owned(), node: node.clone() })?;
    }
    for node in &evidence.unseen {
        line(&mut encoder, &UnseenRecord { kind: "unseen".to_owned(), node: node.clone() })?;
    }
    for note in &evidence.skipped {
        line(&mut encoder, &NoteRecord { kind: "note".to_owned(), note: note.clone() })?;
    }
    if let Some(cluster) = &evidence.cluster {
        line(&mut encoder, &ClusterRecord { kind: "cluster".to_owned(), cluster: cluster.clone() })?;
    }
    if let Some(own) = &evidence.own {
        line(&mut encoder, &OwnRecord { kind: "own".to_owned(), own: own.clone() })?;
    }
    let single = usize::from(evidence.cluster.is_some()) + usize::from(evidence.own.is_some());
    let others = evidence.unseen.len() + evidence.skipped.len() + single;
    let records = evidence.nodes.len() + others;
    line(&mut encoder, &EndRecord { kind: "end".to_owned(), records })?;
    encoder.finish()?.flush()
}

fn line(out: &mut impl Write, record: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")
}

/// Reads evidence and adds it to `evidence`.
///
/// # Errors
/// What keeps the file from being read whole; see [`EvidenceError`].
pub fn read(input: impl Read, evidence: &mut Evidence) -> Result<(), EvidenceError> {
    read_bounded(input, LIMIT, evidence)
}

/// As [`read`], from somebody who may mean harm: at most `limit` bytes when decompressed, and little memory for that.
///
/// # Errors
/// As [`read`]; what is cut by the bound is incomplete.
pub fn read_bounded(input: impl Read, limit: u64, evidence: &mut Evidence) -> Result<(), EvidenceError> {
    let mut decoder = zstd::Decoder::new(input)?;
    decoder.window_log_max(if limit < LIMIT { 23 } else { 27 })?;
    let lines = BufReader::new(decoder.take(limit)).lines();
    let (mut records, mut ended, mut header) = (0usize, None, false);
    for (index, text) in lines.enumerate() {
        let text = text?;
        let wrong = |error| EvidenceError::Record { line: index + 1, error };
        if !header {
            let found: Header = serde_json::from_str(&text).map_err(|_| EvidenceError::NoHeader)?;
            if found.version.0 != MAJOR {
                return Err(EvidenceError::Major { found: found.version.0 });
            }
            header = true;
            continue;
        }
        let Kind { kind } = serde_json::from_str(&text).map_err(wrong)?;
        match kind.as_str() {
            "node" => {
                let record: NodeRecord = serde_json::from_str(&text).map_err(wrong)?;
                evidence.nodes.push(record.node);
                records += 1;
            }
            "unseen" => {
                let record: UnseenRecord = serde_json::from_str(&text).map_err(wrong)?;
                evidence.unseen.push(record.node);
                records += 1;
            }
            "note" => {
                let record: NoteRecord = serde_json::from_str(&text).map_err(wrong)?;
                evidence.skipped.push(record.note);
                records += 1;
            }
            "cluster" => {
                let record: ClusterRecord = serde_json::from_str(&text).map_err(wrong)?;
                // one audit has one cluster: a second one would be judged as the first
                match evidence.cluster {
                    Some(_) => {
                        evidence.skipped.push(format!("a second cluster, {}: audit it by itself", record.cluster.name))
                    }
                    None => evidence.cluster = Some(record.cluster),
                }
                records += 1;
            }
            "own" => {
                let record: OwnRecord = serde_json::from_str(&text).map_err(wrong)?;
                evidence.own = Some(record.own);
                records += 1;
            }
            "end" => {
                let record: EndRecord = serde_json::from_str(&text).map_err(wrong)?;
                ended = Some(record.records);
                break;
            }
            other => {
                evidence.skipped.push(format!("records of kind {other}, which this version does not know"));
                records += 1;
            }
        }
    }
    if !header {
        return Err(EvidenceError::NoHeader);
    }
    match ended {
        Some(expected) if expected == records => Ok(()),
        Some(expected) => Err(EvidenceError::Truncated { found: records, expected: expected.to_string() }),
        None => Err(EvidenceError::Truncated { found: records, expected: "an unknown number of".to_owned() }),
    }
}
