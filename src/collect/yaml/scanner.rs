//! Characters become tokens, by the rules of YAML 1.1 as go-yaml has them.
//!
//! The scanner follows libyaml's (MIT) in its port to Go: go.yaml.in/yaml/v2 2.4, scannerc.go. Where that differs from newer ones it is
//! on purpose: no `\/` in double quotes, `?` and `[` end a plain scalar in flow context and `:` does not, `,` may stand in a tag.

use std::collections::{BTreeMap, VecDeque};

use super::source::{Mark, Source, is_blank, is_blank_or_end, is_break, is_break_or_end, is_word};
use super::{MAX_DEPTH, YamlError};

/// One token.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    StreamStart,
    StreamEnd,
    Version { major: u32, minor: u32 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockListStart,
    BlockMapStart,
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, plain: bool },
}

/// A place where a key without `?` may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    mark: Mark,
}

/// Reads tokens from characters.
pub(super) struct Scanner<'a> {
    pub(super) source: Source<'a>,
    tokens: VecDeque<Token>,
    taken: usize,
    started: bool,
    ended: bool,
    pub(super) flow_level: usize,
    /// Column of the block collection that is open, or -1.
    pub(super) indent: isize,
    indents: Vec<isize>,
    pub(super) key_allowed: bool,
    keys: Vec<SimpleKey>,
    keys_by_token: BTreeMap<usize, usize>,
}

type Scanned = Result<(), YamlError>;

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            source: Source::new(bytes),
            tokens: VecDeque::new(),
            taken: 0,
            started: false,
            ended: false,
            flow_level: 0,
            indent: -1,
            indents: Vec::new(),
            key_allowed: false,
            keys: Vec::new(),
            keys_by_token: BTreeMap::new(),
        }
    }

    /// The next token, which stays.
    pub(super) fn peek(&mut self) -> Result<&Token, YamlError> {
        loop {
            if !self.tokens.is_empty() {
                // a key may turn out to begin at the first token: then more must be known
                let Some(key) = self.keys_by_token.get(&self.taken).copied() else { break };
                if !self.is_valid(key)? {
                    break;
                }
            }
            if self.ended {
                break;
            }
            self.fetch()?;
        }
        self.tokens.front().ok_or_else(|| self.source.error())
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Result<Token, YamlError> {
        self.peek()?;
        self.taken += 1;
        self.tokens.pop_front().ok_or_else(|| self.source.error())
    }

    pub(super) fn error<T>(&self) -> Result<T, YamlError> {
        Err(self.source.error())
    }

    fn fetch(&mut self) -> Scanned {
        self.source.need(1)?;
        if !self.started {
            self.started = true;
            self.keys.push(SimpleKey::default());
            self.key_allowed = true;
            self.tokens.push_back(Token::StreamStart);
            return Ok(());
        }
        self.skip_to_token()?;
        self.unroll(isize::try_from(self.source.mark.column).unwrap_or(isize::MAX));
        self.source.need(4)?;
        let (first, second) = (self.source.peek(0), self.source.peek(1));
        let at_line_start = self.source.mark.column == 0;
        if first == '\0' {
            return self.end_stream();
        }
        if at_line_start && first == '%' {
            self.unroll(-1);
            self.remove_key()?;
            self.key_allowed = false;
            let token = self.directive()?;
            self.tokens.push_back(token);
            return Ok(());
        }
        if at_line_start && self.is_document_indicator() {
            self.unroll(-1);
            self.remove_key()?;
            self.key_allowed = false;
            (0..3).for_each(|_| self.source.skip());
            self.tokens.push_back(if first == '-' { Token::DocumentStart } else { Token::DocumentEnd });
            return Ok(());
        }
        match first {
            '[' => self.open_flow(Token::FlowListStart),
            '{' => self.open_flow(Token::FlowMapStart),
            ']' => self.close_flow(Token::FlowListEnd),
            '}' => self.close_flow(Token::FlowMapEnd),
            ',' => {
                self.remove_key()?;
                self.key_allowed = true;
                self.one(Token::FlowEntry)
            }
            '-' if is_blank_or_end(second) => self.block_entry(),
            '?' if self.flow_level > 0 || is_blank_or_end(second) => self.key(),
            ':' if self.flow_level > 0 || is_blank_or_end(second) => self.value(),
            '*' | '&' | '!' => {
                self.save_key()?;
                self.key_allowed = false;
                let token = match first {
                    '!' => self.tag()?,
                    _ => self.anchor(first == '*')?,
                };
                self.tokens.push_back(token);
                Ok(())
            }
            '|' | '>' if self.flow_level == 0 => {
                self.remove_key()?;
                self.key_allowed = true;
                let text = self.block_scalar(first == '|')?;
                self.tokens.push_back(Token::Scalar { text, plain: false });
                Ok(())
            }
            '\'' | '"' => {
                self.save_key()?;
                self.key_allowed = false;
                let text = self.quoted(first == '\'')?;
                self.tokens.push_back(Token::Scalar { text, plain: false });
                Ok(())
            }
            _ if self.may_be_plain(first, second) => {
                self.save_key()?;
                self.key_allowed = false;
                let text = self.plain()?;
                self.tokens.push_back(Token::Scalar { text, plain: true });
                Ok(())
            }
            _ => self.error(),
        }
    }

    fn may_be_plain(&self, first: char, second: char) -> bool {
        let indicator = is_blank_or_end(first) || "-?:,[]{}#&*!|>'\"%@`".contains(first);
        !indicator
            || (first == '-' && !is_blank(second))
            || (self.flow_level == 0 && matches!(first, '?' | ':') && !is_blank_or_end(second))
    }

    /// `---` or `...` with a blank behind it.
    pub(super) fn is_document_indicator(&self) -> bool {
        let first = self.source.peek(0);
        matches!(first, '-' | '.')
            && self.source.peek(1) == first
            && self.source.peek(2) == first
            && is_blank_or_end(self.source.peek(3))
    }

    fn one(&mut self, token: Token) -> Scanned {
        self.source.skip();
        self.tokens.push_back(token);
        Ok(())
    }

    /// Blanks, comments and line breaks up to the next token.
    fn skip_to_token(&mut self) -> Scanned {
        loop {
            self.source.need(1)?;
            if self.source.is_marked() {
                self.source.skip();
            }
            self.source.need(1)?;
            while self.source.peek(0) == ' '
                || (self.source.peek(0) == '\t' && (self.flow_level > 0 || !self.key_allowed))
            {
                self.source.skip();
                self.source.need(1)?;
            }
            self.comment()?;
            if !is_break(self.source.peek(0)) {
                return Ok(());
            }
            self.source.need(2)?;
            self.source.skip_line();
            if self.flow_level == 0 {
                self.key_allowed = true;
            }
        }
    }

    /// A comment, if one begins here, without its line break.
    pub(super) fn comment(&mut self) -> Scanned {
        if self.source.peek(0) == '#' {
            while !is_break_or_end(self.source.peek(0)) {
                self.source.skip();
                self.source.need(1)?;
            }
        }
        Ok(())
    }

    fn is_valid(&mut self, key: usize) -> Result<bool, YamlError> {
        let Some(found) = self.keys.get(key).copied() else { return Ok(false) };
        if !found.possible {
            return Ok(false);
        }
        // a key without `?` stands on one line and is 1,024 characters long at most
        if found.mark.line < self.source.mark.line || found.mark.index + 1024 < self.source.mark.index {
            if found.required {
                return self.error();
            }
            self.keys[key].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_key(&mut self) -> Scanned {
        let column = isize::try_from(self.source.mark.column).unwrap_or(isize::MAX);
        let required = self.flow_level == 0 && self.indent == column;
        if self.key_allowed {
            let token = self.taken + self.tokens.len();
            self.remove_key()?;
            let last = self.keys.len() - 1;
            self.keys[last] = SimpleKey { possible: true, required, token, mark: self.source.mark };
            self.keys_by_token.insert(token, last);
        }
        Ok(())
    }

    fn remove_key(&mut self) -> Scanned {
        let last = self.keys.len() - 1;
        if self.keys[last].possible {
            if self.keys[last].required {
                return self.error();
            }
            self.keys[last].possible = false;
            self.keys_by_token.remove(&self.keys[last].token);
        }
        Ok(())
    }

    /// Opens a block collection where the column says so; its token goes before the token of that number.
    fn roll(&mut self, column: usize, before: Option<usize>, token: Token) -> Scanned {
        let column = isize::try_from(column).unwrap_or(isize::MAX);
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > 2 * MAX_DEPTH {
            return Err(YamlError::TooMuch);
        }
        self.insert(before, token);
        Ok(())
    }

    fn insert(&mut self, before: Option<usize>, token: Token) {
        match before {
            Some(number) => self.tokens.insert(number.saturating_sub(self.taken).min(self.tokens.len()), token),
            None => self.tokens.push_back(token),
        }
    }

    fn unroll(&mut self, column: isize) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.tokens.push_back(Token::BlockEnd);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn end_stream(&mut self) -> Scanned {
        if self.source.mark.column != 0 {
            self.source.mark.column = 0;
            self.source.mark.line += 1;
        }
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.tokens.push_back(Token::StreamEnd);
        self.ended = true;
        Ok(())
    }

    fn open_flow(&mut self, token: Token) -> Scanned {
        self.save_key()?;
        let number = self.taken + self.tokens.len();
        self.keys.push(SimpleKey { token: number, mark: self.source.mark, ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level > 2 * MAX_DEPTH {
            return Err(YamlError::TooMuch);
        }
        self.key_allowed = true;
        self.one(token)
    }

    fn close_flow(&mut self, token: Token) -> Scanned {
        self.remove_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(key) = self.keys.pop() {
                self.keys_by_token.remove(&key.token);
            }
        }
        self.key_allowed = false;
        self.one(token)
    }

    fn block_entry(&mut self) -> Scanned {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return self.error();
            }
            self.roll(self.source.mark.column, None, Token::BlockListStart)?;
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.one(Token::BlockEntry)
    }

    fn key(&mut self) -> Scanned {
        if self.flow_level == 0 {
            if !self.key_allowed {
                return self.error();
            }
            self.roll(self.source.mark.column, None, Token::BlockMapStart)?;
        }
        self.remove_key()?;
        self.key_allowed = self.flow_level == 0;
        self.one(Token::Key)
    }

    fn value(&mut self) -> Scanned {
        let last = self.keys.len() - 1;
        if self.is_valid(last)? {
            let key = self.keys[last];
            self.insert(Some(key.token), Token::Key);
            self.roll(key.mark.column, Some(key.token), Token::BlockMapStart)?;
            self.keys[last].possible = false;
            self.keys_by_token.remove(&key.token);
            self.key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.key_allowed {
                    return self.error();
                }
                self.roll(self.source.mark.column, None, Token::BlockMapStart)?;
            }
            self.key_allowed = self.flow_level == 0;
        }
        self.one(Token::Value)
    }

    fn anchor(&mut self, alias: bool) -> Result<Token, YamlError> {
        self.source.skip();
        let mut name = String::new();
        self.source.need(1)?;
        while is_word(self.source.peek(0)) {
            self.source.read(&mut name);
            self.source.need(1)?;
        }
        let next = self.source.peek(0);
        if name.is_empty() || !(is_blank_or_end(next) || "?:,]}%@`".contains(next)) {
            return self.error();
        }
        Ok(if alias { Token::Alias(name) } else { Token::Anchor(name) })
    }
}
