//! Frames: bytes as lines of a log, so that they come through where only text does, between lines of others.
//!
//! A stream is a header (one line of JSON), a line feed and a zstd-compressed body; it is cut into frames of one line each:
//!
//! ```text
//! kube-assay/frame/1 STREAM NUMBER/TOTAL CHECKSUM BASE64
//! ```
//!
//! STREAM is the SHA-256 of all bytes of the stream (its first 32 hexadecimal digits), so that frames of two streams never mix;
//! NUMBER counts from 1; CHECKSUM is the SHA-256 of the rest of the line (8 digits). They find damage, not forgery: who may write to
//! a log may write frames, and whose log it is must be known from elsewhere. Tried and left: one long line, which runtimes cut
//! (containerd at 16 KiB); a sum at the end only, which tells of damage and not where.

use std::collections::BTreeMap;
use std::io::{self, Read as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::sha256;

/// What every frame begins with; a version follows.
const MARK: &str = "kube-assay/frame/";
/// The version of the line's form.
const VERSION: &str = "1";
/// Bytes of a stream in one frame: the line stays below 8 KiB.
const PIECE: usize = 6000;
/// Longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 16 << 10;
/// Streams that are put together at once: a log full of beginnings holds no more than these.
const MOST_STREAMS: usize = 8;

/// True for a line that begins like a frame, whole or not.
pub fn is_frame(line: &str) -> bool {
    line.starts_with(MARK)
}

/// What a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// An evidence file of one node.
    Evidence,
    /// A report or another file, by its name.
    File,
}

/// What stands before the body of a stream. What a reader does not know it skips.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// What the body is.
    pub content: Content,
    /// Name of the file; of evidence, nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// UID of the pod that wrote it, as the pod was told; a claim, to be held against the API.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// When it was written, by the writer's clock, RFC 3339, UTC.
    pub at: String,
    /// How the body is encrypted: reserved. A reader that does not know the scheme refuses the stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
}

/// A stream that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Its header.
    pub header: Header,
    /// Its body, still compressed.
    pub body: Vec<u8>,
}

/// Bounds on what a reader takes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one stream, compressed.
    pub stream: usize,
    /// Streams that are kept whole; of more, the last ones.
    pub kept: usize,
}

/// Limits for one node's log: evidence is about 64 KiB compressed.
pub const OF_A_NODE: Limits = Limits { stream: 1 << 20, kept: 2 };
/// Limits for the log of an auditor with its reports.
pub const OF_REPORTS: Limits = Limits { stream: 64 << 20, kept: 64 };

/// What is wrong with the frames of a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Frames of a stream are missing.
    #[error("stream {stream} is cut: {found} of {total} frames (a log that was rotated, or is still being written)")]
    Truncated {
        /// The stream.
        stream: String,
        /// Frames that are there.
        found: usize,
        /// Frames that belong to it.
        total: usize,
    },
    /// Lines that begin like a frame and are none.
    #[error("{lines} lines begin like a frame and are damaged")]
    Damaged {
        /// How many.
        lines: usize,
    },
    /// Two different frames claim the same place of a stream, or its frames together are not what its name says.
    #[error("stream {stream} is mixed: its frames contradict each other")]
    Mixed {
        /// The stream.
        stream: String,
    },
    /// Larger than the bound.
    #[error("stream {stream} is larger than {limit} bytes")]
    TooBig {
        /// The stream.
        stream: String,
        /// The bound.
        limit: usize,
    },
    /// Beginnings of more streams than are put together at once.
    #[error("{streams} streams were begun and left behind by later ones")]
    TooMany {
        /// How many were dropped.
        streams: usize,
    },
    /// A form of a later version, or an encrypted stream.
    #[error("{what}, which this version does not read")]
    Unsupported {
        /// What it is.
        what: String,
    },
}

/// The frames of a stream, each a line without its end.
///
/// ```
/// use kube_assay::evidence::frames::{self, Content, Header};
/// let header = Header { content: Content::File, name: "a.txt".into(), pod: String::new(), at: String::new(), encryption: None };
/// let body = frames::compressed(b"text").unwrap();
/// let mut reader = frames::Reader::new(frames::OF_REPORTS);
/// frames::frames(&header, &body).unwrap().iter().for_each(|line| reader.line(line));
/// let (streams, errors) = reader.finish();
/// assert_eq!(frames::inflated(&streams[0].body, 100).unwrap(), b"text");
/// assert!(errors.is_empty());
/// ```
///
/// # Errors
/// When the header cannot be written as JSON, which does not happen for a header of text.
pub fn frames(header: &Header, body: &[u8]) -> io::Result<Vec<String>> {
    let mut bytes = serde_json::to_vec(header)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(body);
    let stream = digest(&bytes, 32);
    let total = bytes.len().div_ceil(PIECE);
    let lines = bytes.chunks(PIECE).enumerate().map(|(index, piece)| {
        let rest = format!("{stream} {}/{total} ", index + 1);
        let data = STANDARD.encode(piece);
        format!("{MARK}{VERSION} {rest}{} {data}", checksum(&rest, &data))
    });
    Ok(lines.collect())
}

/// Compressed as bodies are.
///
/// # Errors
/// Those of the compressor.
pub fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 9)?;
    // what a reader may have to hold for it
    encoder.window_log(20)?;
    io::Write::write_all(&mut encoder, bytes)?;
    encoder.finish()
}

/// The content of a body, of at most `limit` bytes.
///
/// # Errors
/// When it is no zstd, or larger.
pub fn inflated(body: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut decoder = zstd::Decoder::new(body)?;
    decoder.window_log_max(23)?;
    let mut bytes = Vec::new();
    decoder.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {limit} bytes when decompressed")));
    }
    Ok(bytes)
}

fn digest(bytes: &[u8], digits: usize) -> String {
    let mut text = sha256(bytes);
    text.truncate(digits);
    text
}

fn checksum(rest: &str, data: &str) -> String {
    digest(format!("{rest}{data}").as_bytes(), 8)
}

/// Puts streams together from the lines of a log, in whatever order and company they come.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// Streams that are not whole yet, the one that was touched last at the end.
    open: Vec<(String, Partial)>,
    whole: Vec<(String, Stream)>,
    errors: Vec<FrameError>,
    damaged: usize,
    left_behind: usize,
}

#[derive(Debug)]
struct Partial {
    total: usize,
    pieces: BTreeMap<usize, Vec<u8>>,
    refused: bool,
}

struct Frame<'a> {
    stream: &'a str,
    number: usize,
    total: usize,
    data: Vec<u8>,
}

impl Reader {
    /// A reader with its bounds.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: Vec::new(), whole: Vec::new(), errors: Vec::new(), damaged: 0, left_behind: 0 }
    }

    /// Takes a line; one that holds no frame is somebody else's. A frame may stand behind a prefix, such as a time.
    pub fn line(&mut self, line: &str) {
        let Some(at) = line.find(MARK) else { return };
        let rest = &line[at + MARK.len()..];
        let Some((version, rest)) = rest.split_once(' ').filter(|_| line.len() <= LONGEST_LINE) else {
            self.damaged += 1;
            return;
        };
        if version != VERSION {
            if version.len() <= 4 && version.bytes().all(|byte| byte.is_ascii_digit()) {
                self.note(FrameError::Unsupported { what: format!("a frame of form {version}") });
            } else {
                self.damaged += 1;
            }
            return;
        }
        match parse(rest) {
            Some(frame) => self.frame(frame),
            None => self.damaged += 1,
        }
    }

    fn note(&mut self, error: FrameError) {
        // a log of a million wrong lines is told in a few words
        if self.errors.len() < 64 && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn frame(&mut self, frame: Frame<'_>) {
        if self.whole.iter().any(|(id, _)| id == frame.stream) {
            return;
        }
        let most = self.limits.stream.div_ceil(PIECE);
        let known = self.open.iter().position(|(id, _)| id == frame.stream);
        let (id, mut partial) = match known {
            Some(at) => self.open.remove(at),
            None => {
                if self.open.len() == MOST_STREAMS {
                    self.open.remove(0);
                    self.left_behind += 1;
                }
                let partial = Partial { total: frame.total, pieces: BTreeMap::new(), refused: false };
                (frame.stream.to_owned(), partial)
            }
        };
        if !partial.refused {
            let differs = partial.pieces.get(&frame.number).is_some_and(|piece| *piece != frame.data);
            if partial.total > most {
                partial.refused = true;
                self.note(FrameError::TooBig { stream: id.clone(), limit: self.limits.stream });
            } else if partial.total != frame.total || differs {
                partial.refused = true;
                self.note(FrameError::Mixed { stream: id.clone() });
            }
            if partial.refused {
                partial.pieces.clear();
            } else {
                partial.pieces.insert(frame.number, frame.data);
            }
        }
        if partial.pieces.len() < partial.total || partial.refused {
            self.open.push((id, partial));
            return;
        }
        match put_together(&id, partial) {
            Ok(stream) => {
                if self.whole.len() == self.limits.kept {
                    self.whole.remove(0);
                }
                self.whole.push((id, stream));
            }
            Err(error) => self.note(error),
        }
    }

    /// The streams that are whole, in the order in which they became so, and what is wrong with the rest.
    pub fn finish(mut self) -> (Vec<Stream>, Vec<FrameError>) {
        for (stream, partial) in std::mem::take(&mut self.open) {
            if !partial.refused {
                self.errors.push(FrameError::Truncated { stream, found: partial.pieces.len(), total: partial.total });
            }
        }
        if self.damaged > 0 {
            self.errors.push(FrameError::Damaged { lines: self.damaged });
        }
        if self.left_behind > 0 {
            self.errors.push(FrameError::TooMany { streams: self.left_behind });
        }
        (self.whole.into_iter().map(|(_, stream)| stream).collect(), self.errors)
    }
}

fn parse(rest: &str) -> Option<Frame<'_>> {
    let mut words = rest.trim_end().split(' ');
    let (stream, place, sum, data) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (number, total) = place.split_once('/')?;
    let (number, total): (usize, usize) = (number.parse().ok()?, total.parse().ok()?);
    let named = stream.len() == 32 && stream.bytes().all(|byte| byte.is_ascii_hexdigit());
    let placed = (1..=total).contains(&number) && total <= 1 << 20;
    if words.next().is_some() || !named || !placed || checksum(&format!("{stream} {place} "), data) != sum {
        return None;
    }
    let data = STANDARD.decode(data).ok()?;
    // every frame but the last is full: what claims to be many frames is as large as it says
    let full = data.len() <= PIECE && (number == total || data.len() == PIECE);
    full.then_some(Frame { stream, number, total, data })
}

fn put_together(id: &str, partial: Partial) -> Result<Stream, FrameError> {
    let bytes: Vec<u8> = partial.pieces.into_values().flatten().collect();
    let mixed = || FrameError::Mixed { stream: id.to_owned() };
    if digest(&bytes, 32) != id {
        return Err(mixed());
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or_else(mixed)?;
    let header: Header = serde_json::from_slice(&bytes[..end])
        .map_err(|_| FrameError::Unsupported { what: format!("stream {id} with a header of another form") })?;
    if header.encryption.is_some() {
        return Err(FrameError::Unsupported { what: format!("stream {id} is encrypted") });
    }
    Ok(Stream { header, body: bytes[end + 1..].to_vec() })
}
