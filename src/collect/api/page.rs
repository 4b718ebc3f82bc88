//! A page of a list, taken apart while it arrives: each object is decoded as soon as its last brace is here, so that the page
//! itself never exists. A page of 500 pods is some 3 MiB of text, and its narrow objects are a fraction of that.
//!
//! The cutter follows strings and brackets only; what stands between them is left to the decoder. What is not an object of the
//! list (`kind`, `metadata`) is kept as the envelope, which must be a list's: anything else is an answer that was not asked for.

use serde::{Deserialize, Deserializer};

/// An object of more than this cannot be in etcd, whose requests end at 1.5 MiB unless an administrator raised it.
const LARGEST_OBJECT: usize = 16 << 20;
/// A list's own metadata is a few hundred bytes.
const LARGEST_ENVELOPE: usize = 256 << 10;
/// Kubernetes' own objects nest about ten levels deep.
const DEEPEST: u32 = 128;

/// Why a page is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is no JSON, or not to its end.
    Syntax,
    /// It is JSON, and no list of objects.
    NoList,
    /// One object, or what surrounds them, is larger than a cluster can hold.
    TooBig,
}

/// What surrounds the objects.
#[derive(Debug, Deserialize)]
struct Envelope {
    kind: String,
    metadata: Metadata,
    // the list must be there, even if it says null; its objects were cut out
    #[serde(rename = "items", deserialize_with = "emptied")]
    _items: (),
}

fn emptied<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    Option::<[(); 0]>::deserialize(deserializer).map(drop)
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// Where the cutter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside of the list.
    Envelope,
    /// In the list, where an object may begin; `comma` is needed before it.
    Between { comma: bool, may_end: bool },
    /// In an object.
    Object,
}

/// Takes a page apart.
#[derive(Debug)]
pub(super) struct Cutter {
    place: Place,
    depth: u32,
    in_string: bool,
    escaped: bool,
    envelope: Vec<u8>,
    /// The begun object, as far as it came in earlier chunks.
    object: Vec<u8>,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Envelope,
            depth: 0,
            in_string: false,
            escaped: false,
            envelope: Vec::new(),
            object: Vec::new(),
        }
    }

    /// Hands over each object that ends in this chunk.
    pub(super) fn feed(
        &mut self,
        chunk: &[u8],
        mut object: impl FnMut(&[u8]) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let mut begun = 0;
        for (at, byte) in chunk.iter().copied().enumerate() {
            if self.in_string {
                match (self.escaped, byte) {
                    (true, _) => self.escaped = false,
                    (false, b'\\') => self.escaped = true,
                    (false, b'"') => self.in_string = false,
                    _ => {}
                }
                if self.place == Place::Envelope {
                    self.envelope.push(byte);
                }
                continue;
            }
            match self.place {
                Place::Object => match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.deeper()?,
                    b'}' | b']' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 2 {
                            let end = &chunk[begun..=at];
                            if self.object.is_empty() {
                                object(end)?;
                            } else {
                                self.object.extend_from_slice(end);
                                object(&self.object)?;
                                self.object.clear();
                            }
                            self.place = Place::Between { comma: true, may_end: true };
                        }
                    }
                    _ => {}
                },
                Place::Between { comma, may_end } => match byte {
                    b' ' | b'\t' | b'\n' | b'\r' => {}
                    b',' if comma => self.place = Place::Between { comma: false, may_end: false },
                    b'{' if !comma => {
                        self.deeper()?;
                        begun = at;
                        self.place = Place::Object;
                    }
                    b']' if may_end => {
                        self.depth = 1;
                        self.envelope.push(byte);
                        self.place = Place::Envelope;
                    }
                    _ => return Err(Wrong::Syntax),
                },
                Place::Envelope => {
                    let list = byte == b'[' && self.depth == 1 && self.ends_with_items();
                    match byte {
                        b'"' => self.in_string = true,
                        b'{' | b'[' => self.deeper()?,
                        b'}' | b']' => self.depth = self.depth.checked_sub(1).ok_or(Wrong::Syntax)?,
                        _ => {}
                    }
                    self.envelope.push(byte);
                    if list {
                        self.place = Place::Between { comma: false, may_end: true };
                    }
                }
            }
        }
        if self.place == Place::Object {
            self.object.extend_from_slice(&chunk[begun..]);
        }
        if self.object.len() > LARGEST_OBJECT || self.envelope.len() > LARGEST_ENVELOPE {
            return Err(Wrong::TooBig);
        }
        Ok(())
    }

    /// The token of the next page; empty after the last one.
    pub(super) fn finish(self) -> Result<String, Wrong> {
        if self.depth != 0 || self.place != Place::Envelope {
            return Err(Wrong::Syntax);
        }
        let envelope: Envelope = serde_json::from_slice(&self.envelope).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Wrong::NoList,
            _ => Wrong::Syntax,
        })?;
        let Envelope { kind, metadata, .. } = envelope;
        if kind.ends_with("List") { Ok(metadata.next.unwrap_or_default()) } else { Err(Wrong::NoList) }
    }

    fn deeper(&mut self) -> Result<(), Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(Wrong::Syntax) } else { Ok(()) }
    }

    /// True right behind `"items":`.
    fn ends_with_items(&self) -> bool {
        let text = self.envelope.trim_ascii_end();
        text.strip_suffix(b":").is_some_and(|text| text.trim_ascii_end().ends_with(b"\"items\""))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where its world cannot be made")]
mod tests {
    use super::*;

    /// The objects and the next token, however the text is cut into chunks.
    fn cut(text: &str, size: usize) -> Result<(Vec<String>, String), Wrong> {
        let (mut cutter, mut objects) = (Cutter::new(), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            cutter.feed(chunk, |object| {
                objects.push(String::from_utf8_lossy(object).into_owned());
                Ok(())
            })?;
        }
        Ok((objects, cutter.finish()?))
    }

    #[test]
    fn objects_are_cut_out_wherever_chunks_end() {
        let text = r#" {"kind":"PodList","items" : [ {"a":"}]\"{"} , {"b":[{"items":[1]}]}
            ],"metadata":{"continue":"x\"y","remainingItemCount":3}} "#;
        for size in 1..text.len() {
            let (objects, next) = cut(text, size).unwrap();
            assert_eq!(objects, [r#"{"a":"}]\"{"}"#, r#"{"b":[{"items":[1]}]}"#], "chunks of {size}");
            assert_eq!(next, "x\"y");
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        for items in ["[]", "[ ]", "null"] {
            let text = format!(r#"{{"metadata":{{}},"items":{items},"kind":"ConfigMapList"}}"#);
            assert_eq!(cut(&text, 7), Ok((Vec::new(), String::new())));
        }
    }

    #[test]
    fn what_is_no_list_is_told() {
        for (text, wrong) in [
            (r#"{"kind":"Status","metadata":{},"items":[]}"#, Wrong::NoList),
            (r#"{"kind":"PodList","metadata":{}}"#, Wrong::NoList),
            (r#"{"kind":"PodList","items":[]}"#, Wrong::NoList),
            (r#"{"kind":"PodList","metadata":{},"items":[1]}"#, Wrong::Syntax),
            (r#"{"kind":"PodList","metadata":{},"items":[null]}"#, Wrong::Syntax),
            (r#"{"kind":"PodList","metadata":{},"items":[{},]}"#, Wrong::Syntax),
            (r#"{"kind":"PodList","metadata":{},"items":[{}{}]}"#, Wrong::Syntax),
            (r#"{"kind":"PodList","metadata":{},"items":[{}"#, Wrong::Syntax),
            (r#"{"kind":"PodList","metadata":{},"items":[{"#, Wrong::Syntax),
            ("<html></html>", Wrong::Syntax),
            ("", Wrong::Syntax),
            ("{}", Wrong::NoList),
            ("]", Wrong::Syntax),
        ] {
            assert_eq!(cut(text, 5), Err(wrong), "{text}");
        }
    }

    #[test]
    fn depth_and_size_are_bounded() {
        let deep = format!(r#"{{"kind":"PodList","metadata":{{}},"items":[{}"#, r#"{"a":"#.repeat(200));
        assert_eq!(cut(&deep, 100), Err(Wrong::Syntax));
        let large = format!(r#"{{"kind":"{}"}}"#, "x".repeat(LARGEST_ENVELOPE));
        assert_eq!(cut(&large, 1000), Err(Wrong::TooBig));
    }
}
