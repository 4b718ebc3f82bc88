//! The tokens that hold text: scalars, tags, directives. Rules: go.yaml.in/yaml/v2 2.4, scannerc.go.

use super::YamlError;
use super::scanner::{Scanner, Token};
use super::source::{is_blank, is_blank_or_end, is_break, is_break_or_end, is_word};

impl Scanner<'_> {
    fn blanks(&mut self) -> Result<(), YamlError> {
        self.source.need(1)?;
        while is_blank(self.source.peek(0)) {
            self.source.skip();
            self.source.need(1)?;
        }
        Ok(())
    }

    /// The rest of a line that may hold a comment only.
    fn rest_of_line(&mut self) -> Result<(), YamlError> {
        self.blanks()?;
        self.comment()?;
        if !is_break_or_end(self.source.peek(0)) {
            return self.error();
        }
        self.source.need(2)?;
        self.source.skip_line();
        Ok(())
    }

    /// `%YAML 1.1` or `%TAG !a! prefix`.
    pub(super) fn directive(&mut self) -> Result<Token, YamlError> {
        self.source.skip();
        let mut name = String::new();
        self.source.need(1)?;
        while is_word(self.source.peek(0)) {
            self.source.read(&mut name);
            self.source.need(1)?;
        }
        if name.is_empty() || !is_blank_or_end(self.source.peek(0)) {
            return self.error();
        }
        self.blanks()?;
        let token = match name.as_str() {
            "YAML" => {
                let major = self.version_number()?;
                if self.source.peek(0) != '.' {
                    return self.error();
                }
                self.source.skip();
                Token::Version { major, minor: self.version_number()? }
            }
            "TAG" => {
                let handle = self.tag_handle()?;
                if handle != "!" && !handle.ends_with('!') {
                    return self.error();
                }
                self.source.need(1)?;
                if !is_blank(self.source.peek(0)) {
                    return self.error();
                }
                self.blanks()?;
                let prefix = self.tag_uri("")?;
                self.source.need(1)?;
                if !is_blank_or_end(self.source.peek(0)) {
                    return self.error();
                }
                Token::TagDirective { handle, prefix }
            }
            _ => return self.error(),
        };
        self.rest_of_line()?;
        Ok(token)
    }

    fn version_number(&mut self) -> Result<u32, YamlError> {
        let mut digits = String::new();
        self.source.need(1)?;
        while self.source.peek(0).is_ascii_digit() {
            self.source.read(&mut digits);
            if digits.len() > 2 {
                return self.error();
            }
            self.source.need(1)?;
        }
        digits.parse().map_err(|_| self.source.error())
    }

    /// `!<uri>`, `!suffix`, `!handle!suffix`, `!`.
    pub(super) fn tag(&mut self) -> Result<Token, YamlError> {
        self.source.need(2)?;
        let (mut handle, mut suffix);
        if self.source.peek(1) == '<' {
            self.source.skip();
            self.source.skip();
            handle = String::new();
            suffix = self.tag_uri("")?;
            if self.source.peek(0) != '>' {
                return self.error();
            }
            self.source.skip();
        } else {
            handle = self.tag_handle()?;
            if handle.len() > 1 && handle.ends_with('!') {
                suffix = self.tag_uri("")?;
            } else {
                suffix = self.tag_uri(&handle)?;
                handle = "!".to_owned();
                if suffix.is_empty() {
                    std::mem::swap(&mut handle, &mut suffix);
                }
            }
        }
        self.source.need(1)?;
        if !is_blank_or_end(self.source.peek(0)) {
            return self.error();
        }
        Ok(Token::Tag { handle, suffix })
    }

    fn tag_handle(&mut self) -> Result<String, YamlError> {
        self.source.need(1)?;
        if self.source.peek(0) != '!' {
            return self.error();
        }
        let mut handle = String::new();
        self.source.read(&mut handle);
        self.source.need(1)?;
        while is_word(self.source.peek(0)) {
            self.source.read(&mut handle);
            self.source.need(1)?;
        }
        if self.source.peek(0) == '!' {
            self.source.read(&mut handle);
        }
        Ok(handle)
    }

    /// What follows a handle; `head` is what was taken for one, whose `!` is not part of it.
    fn tag_uri(&mut self, head: &str) -> Result<String, YamlError> {
        let mut bytes: Vec<u8> = head.bytes().skip(1).collect();
        let mut found = !head.is_empty();
        self.source.need(1)?;
        while is_word(self.source.peek(0)) || ";/?:@&=+$,.!~*'()[]%".contains(self.source.peek(0)) {
            if self.source.peek(0) == '%' {
                self.uri_escape(&mut bytes)?;
            } else {
                bytes.push(u8::try_from(self.source.peek(0)).unwrap_or(b'?'));
                self.source.skip();
            }
            self.source.need(1)?;
            found = true;
        }
        if !found {
            return self.error();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One character as `%41` or, with several octets, `%C3%A9`.
    fn uri_escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), YamlError> {
        let mut left = None;
        loop {
            self.source.need(3)?;
            let digits: Option<u32> = self
                .source
                .peek(1)
                .to_digit(16)
                .zip(self.source.peek(2).to_digit(16))
                .map(|(high, low)| high << 4 | low);
            let Some(octet) = digits.filter(|_| self.source.peek(0) == '%').and_then(|octet| u8::try_from(octet).ok())
            else {
                return self.error();
            };
            left = Some(match (left, octet) {
                (None, 0x00..=0x7f) => 0,
                (None, 0xc0..=0xdf) => 1,
                (None, 0xe0..=0xef) => 2,
                (None, 0xf0..=0xf7) => 3,
                (Some(left), 0x80..=0xbf) => left - 1,
                _ => return self.error(),
            });
            bytes.push(octet);
            (0..3).for_each(|_| self.source.skip());
            if left == Some(0) {
                return Ok(());
            }
        }
    }

    /// A literal or folded scalar.
    pub(super) fn block_scalar(&mut self, literal: bool) -> Result<String, YamlError> {
        self.source.skip();
        let (mut keeps, mut strips, mut increment) = (false, false, 0);
        // chomping and indentation in either order
        for _ in 0..2 {
            self.source.need(1)?;
            match self.source.peek(0) {
                '+' if !keeps && !strips => keeps = true,
                '-' if !keeps && !strips => strips = true,
                '0' if increment == 0 => return self.error(),
                digit @ '1'..='9' if increment == 0 => increment = digit.to_digit(10).unwrap_or_default() as usize,
                _ => break,
            }
            self.source.skip();
        }
        self.rest_of_line()?;
        let open = usize::try_from(self.indent).unwrap_or_default();
        let mut indent = if increment > 0 { open + increment } else { 0 };
        let (mut text, mut leading_break, mut trailing_breaks) = (String::new(), String::new(), String::new());
        self.block_scalar_breaks(&mut indent, &mut trailing_breaks)?;
        self.source.need(1)?;
        let mut leading_blank = false;
        while self.source.mark.column == indent && self.source.peek(0) != '\0' {
            let trailing_blank = is_blank(self.source.peek(0));
            if !literal && !leading_blank && !trailing_blank && leading_break.starts_with('\n') {
                if trailing_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(&leading_break);
            }
            leading_break.clear();
            text.push_str(&trailing_breaks);
            trailing_breaks.clear();
            leading_blank = is_blank(self.source.peek(0));
            while !is_break_or_end(self.source.peek(0)) {
                self.source.read(&mut text);
                self.source.need(1)?;
            }
            self.source.need(2)?;
            self.source.read_line(&mut leading_break);
            self.block_scalar_breaks(&mut indent, &mut trailing_breaks)?;
        }
        if !strips {
            text.push_str(&leading_break);
        }
        if keeps {
            text.push_str(&trailing_breaks);
        }
        Ok(text)
    }

    /// Indentation and empty lines; the first line with something on it says how deep the scalar is, when nothing else did.
    fn block_scalar_breaks(&mut self, indent: &mut usize, breaks: &mut String) -> Result<(), YamlError> {
        let mut deepest = 0;
        loop {
            self.source.need(1)?;
            while (*indent == 0 || self.source.mark.column < *indent) && self.source.peek(0) == ' ' {
                self.source.skip();
                self.source.need(1)?;
            }
            deepest = deepest.max(self.source.mark.column);
            if (*indent == 0 || self.source.mark.column < *indent) && self.source.peek(0) == '\t' {
                return self.error();
            }
            if !is_break(self.source.peek(0)) {
                break;
            }
            self.source.need(2)?;
            self.source.read_line(breaks);
        }
        if *indent == 0 {
            *indent = deepest.max(usize::try_from(self.indent + 1).unwrap_or_default()).max(1);
        }
        Ok(())
    }

    /// A scalar in quotes.
    pub(super) fn quoted(&mut self, single: bool) -> Result<String, YamlError> {
        let quote = if single { '\'' } else { '"' };
        self.source.skip();
        let mut text = String::new();
        loop {
            self.source.need(4)?;
            if (self.source.mark.column == 0 && self.is_document_indicator()) || self.source.peek(0) == '\0' {
                return self.error();
            }
            let mut breaks = Breaks::default();
            while !is_blank_or_end(self.source.peek(0)) {
                let (first, second) = (self.source.peek(0), self.source.peek(1));
                if single && first == '\'' && second == '\'' {
                    text.push('\'');
                    self.source.skip();
                    self.source.skip();
                } else if first == quote {
                    break;
                } else if !single && first == '\\' && is_break(second) {
                    self.source.need(3)?;
                    self.source.skip();
                    self.source.skip_line();
                    breaks.seen = true;
                    break;
                } else if !single && first == '\\' {
                    self.escape(&mut text)?;
                } else {
                    self.source.read(&mut text);
                }
                self.source.need(2)?;
            }
            self.source.need(1)?;
            if self.source.peek(0) == quote {
                self.source.skip();
                return Ok(text);
            }
            self.blanks_and_breaks(&mut breaks, None)?;
            breaks.join(&mut text);
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), YamlError> {
        let length = match self.source.peek(1) {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            simple => {
                text.push(match simple {
                    '0' => '\0',
                    'a' => '\u{7}',
                    'b' => '\u{8}',
                    't' | '\t' => '\t',
                    'n' => '\n',
                    'v' => '\u{b}',
                    'f' => '\u{c}',
                    'r' => '\r',
                    'e' => '\u{1b}',
                    ' ' | '"' | '\'' | '\\' => simple,
                    'N' => '\u{85}',
                    '_' => '\u{a0}',
                    'L' => '\u{2028}',
                    'P' => '\u{2029}',
                    _ => return self.error(),
                });
                0
            }
        };
        self.source.skip();
        self.source.skip();
        if length > 0 {
            self.source.need(length)?;
            let mut code: u32 = 0;
            for place in 0..length {
                let Some(digit) = self.source.peek(place).to_digit(16) else { return self.error() };
                code = code << 4 | digit;
            }
            let Some(character) = char::from_u32(code) else { return self.error() };
            text.push(character);
            (0..length).for_each(|_| self.source.skip());
        }
        Ok(())
    }

    /// A scalar without quotes.
    pub(super) fn plain(&mut self) -> Result<String, YamlError> {
        let mut text = String::new();
        let mut breaks = Breaks::default();
        let indent = usize::try_from(self.indent + 1).unwrap_or_default();
        loop {
            self.source.need(4)?;
            if (self.source.mark.column == 0 && self.is_document_indicator()) || self.source.peek(0) == '#' {
                break;
            }
            while !is_blank_or_end(self.source.peek(0)) {
                let (first, second) = (self.source.peek(0), self.source.peek(1));
                if (first == ':' && is_blank_or_end(second)) || (self.flow_level > 0 && ",?[]{}".contains(first)) {
                    break;
                }
                breaks.join(&mut text);
                self.source.read(&mut text);
                self.source.need(2)?;
            }
            if !(is_blank(self.source.peek(0)) || is_break(self.source.peek(0))) {
                break;
            }
            self.source.need(1)?;
            self.blanks_and_breaks(&mut breaks, Some(indent))?;
            if self.flow_level == 0 && self.source.mark.column < indent {
                break;
            }
        }
        if breaks.seen {
            self.key_allowed = true;
        }
        Ok(text)
    }

    /// Blanks and line breaks within a scalar; in a plain one a tab may not stand where its indentation is.
    fn blanks_and_breaks(&mut self, breaks: &mut Breaks, indent: Option<usize>) -> Result<(), YamlError> {
        loop {
            let next = self.source.peek(0);
            if is_blank(next) {
                if breaks.seen && next == '\t' && indent.is_some_and(|indent| self.source.mark.column < indent) {
                    return self.error();
                }
                if breaks.seen {
                    self.source.skip();
                } else {
                    self.source.read(&mut breaks.blanks);
                }
            } else if is_break(next) {
                self.source.need(2)?;
                if breaks.seen {
                    self.source.read_line(&mut breaks.more);
                } else {
                    breaks.blanks.clear();
                    self.source.read_line(&mut breaks.first);
                    breaks.seen = true;
                }
            } else {
                return Ok(());
            }
            self.source.need(1)?;
        }
    }
}

/// What stands between two pieces of a scalar.
#[derive(Default)]
struct Breaks {
    seen: bool,
    blanks: String,
    first: String,
    more: String,
}

impl Breaks {
    /// Folds it into the text and forgets it.
    fn join(&mut self, text: &mut String) {
        if self.seen {
            if !self.first.starts_with('\n') {
                text.push_str(&self.first);
                text.push_str(&self.more);
            } else if self.more.is_empty() {
                text.push(' ');
            } else {
                text.push_str(&self.more);
            }
        } else {
            text.push_str(&self.blanks);
        }
        *self = Self::default();
    }
}
