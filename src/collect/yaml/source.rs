//! The characters of a document as go-yaml sees them: UTF-8, or UTF-16 with its mark, decoded a piece at a time.
//!
//! A piece that is not needed is not looked at, so a broken character after the first document is no error where Go does not
//! come to it either. Rules: go.yaml.in/yaml/v2 2.4, readerc.go.

use super::YamlError;

/// Bytes that are decoded at once.
const PIECE: usize = 512;

#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16 { big: bool },
}

/// A place in a document, counted in characters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) index: usize,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The characters from where the scanner stands.
pub(super) struct Source<'a> {
    raw: &'a [u8],
    raw_at: usize,
    piece_end: usize,
    encoding: Encoding,
    ended: bool,
    characters: Vec<char>,
    /// What stands at the beginning of Go's buffer: it looks for a byte order mark there, wherever it is itself.
    buffer_start: usize,
    unread: usize,
    pub(super) mark: Mark,
}

impl<'a> Source<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        let (encoding, raw_at) = match raw {
            [0xff, 0xfe, ..] => (Encoding::Utf16 { big: false }, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16 { big: true }, 2),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Utf8, 3),
            _ => (Encoding::Utf8, 0),
        };
        Self {
            raw,
            raw_at,
            piece_end: PIECE.min(raw.len()),
            encoding,
            ended: false,
            characters: Vec::new(),
            buffer_start: 0,
            unread: 0,
            mark: Mark::default(),
        }
    }

    pub(super) fn error(&self) -> YamlError {
        YamlError::Syntax { line: self.mark.line as u64 + 1, column: self.mark.column as u64 + 1 }
    }

    /// Makes sure that so many characters can be looked at; behind the end there are NULs.
    pub(super) fn need(&mut self, count: usize) -> Result<(), YamlError> {
        if self.unread >= count {
            return Ok(());
        }
        self.buffer_start = self.mark.index;
        let mut first = true;
        while self.unread < count {
            if !first || self.raw_at == self.piece_end {
                if self.piece_end == self.raw.len() {
                    self.ended = true;
                }
                self.piece_end = (self.raw_at + PIECE).min(self.raw.len());
            }
            first = false;
            while self.raw_at < self.piece_end {
                let Some(character) = self.decode()? else { break };
                self.characters.push(character);
                self.unread += 1;
            }
            if self.ended {
                self.unread += 1;
                break;
            }
        }
        Ok(())
    }

    /// The next character; `None` when its bytes go on in the next piece.
    fn decode(&mut self) -> Result<Option<char>, YamlError> {
        let rest = &self.raw[self.raw_at..self.piece_end];
        let (width, character) = match self.encoding {
            Encoding::Utf8 => {
                let width = match rest[0] {
                    0x00..=0x7f => 1,
                    0xc0..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf7 => 4,
                    _ => return Err(self.error()),
                };
                if width > rest.len() {
                    return self.incomplete();
                }
                let text = std::str::from_utf8(&rest[..width]).map_err(|_| self.error())?;
                (width, text.chars().next().ok_or_else(|| self.error())?)
            }
            Encoding::Utf16 { big } => {
                let unit = |at: usize| {
                    let pair = [rest[at], rest[at + 1]];
                    if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
                };
                if rest.len() < 2 {
                    return self.incomplete();
                }
                let units = if unit(0) & 0xfc00 == 0xd800 {
                    if rest.len() < 4 {
                        return self.incomplete();
                    }
                    vec![unit(0), unit(2)]
                } else {
                    vec![unit(0)]
                };
                let width = units.len() * 2;
                let character = char::decode_utf16(units).next().and_then(Result::ok).ok_or_else(|| self.error())?;
                (width, character)
            }
        };
        let allowed =
            matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
        if !allowed {
            return Err(self.error());
        }
        self.raw_at += width;
        Ok(Some(character))
    }

    fn incomplete(&self) -> Result<Option<char>, YamlError> {
        if self.ended { Err(self.error()) } else { Ok(None) }
    }

    /// The character so many places ahead; NUL behind the end.
    pub(super) fn peek(&self, ahead: usize) -> char {
        self.characters.get(self.mark.index + ahead).copied().unwrap_or('\0')
    }

    /// True where Go takes the next character of a line for a byte order mark.
    pub(super) fn is_marked(&self) -> bool {
        self.mark.column == 0 && self.characters.get(self.buffer_start) == Some(&'\u{feff}')
    }

    /// Goes on by one character that is no line break.
    pub(super) fn skip(&mut self) {
        self.mark.index += 1;
        self.mark.column += 1;
        self.unread = self.unread.saturating_sub(1);
    }

    /// Goes on by one character and keeps it.
    pub(super) fn read(&mut self, into: &mut String) {
        into.push(self.peek(0));
        self.skip();
    }

    /// Goes on by a line break.
    pub(super) fn skip_line(&mut self) {
        if !is_break(self.peek(0)) {
            return;
        }
        if self.peek(0) == '\r' && self.peek(1) == '\n' {
            self.skip();
        }
        self.skip();
        self.mark.column = 0;
        self.mark.line += 1;
    }

    /// Goes on by a line break and keeps it: all but two kinds become a line feed.
    pub(super) fn read_line(&mut self, into: &mut String) {
        match self.peek(0) {
            '\r' | '\n' | '\u{85}' => into.push('\n'),
            other @ ('\u{2028}' | '\u{2029}') => into.push(other),
            _ => return,
        }
        self.skip_line();
    }
}

pub(super) fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

pub(super) fn is_break_or_end(character: char) -> bool {
    is_break(character) || character == '\0'
}

pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

pub(super) fn is_blank_or_end(character: char) -> bool {
    is_blank(character) || is_break_or_end(character)
}

/// What names of anchors and handles of tags are made of.
pub(super) fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}
