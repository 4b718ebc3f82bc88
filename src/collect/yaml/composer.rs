//! Tokens become the nodes of the first document. Rules: go.yaml.in/yaml/v2 2.4, parserc.go and decode.go.

use std::collections::BTreeMap;

use super::scanner::{Scanner, Token};
use super::{MAX_DEPTH, MAX_NODES, YamlError};

/// One node of a document; others are named by their number.
#[derive(Debug)]
pub(super) enum Node {
    Scalar { value: String, tag: Option<String>, plain: bool },
    Alias(usize),
    List(Vec<usize>),
    Map(Vec<(usize, usize)>),
}

/// The first document of a stream.
pub(super) struct Document {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Option<usize>,
}

/// Reads the first document.
pub(super) fn compose(bytes: &[u8]) -> Result<Document, YamlError> {
    let mut composer = Composer {
        scanner: Scanner::new(bytes),
        nodes: Vec::new(),
        anchors: BTreeMap::new(),
        handles: BTreeMap::new(),
    };
    let root = composer.document()?;
    Ok(Document { nodes: composer.nodes, root })
}

struct Composer<'a> {
    scanner: Scanner<'a>,
    nodes: Vec<Node>,
    anchors: BTreeMap<String, usize>,
    handles: BTreeMap<String, String>,
}

type Composed = Result<usize, YamlError>;

impl Composer<'_> {
    fn error<T>(&self) -> Result<T, YamlError> {
        self.scanner.error()
    }

    fn document(&mut self) -> Result<Option<usize>, YamlError> {
        self.scanner.next()?; // the start of the stream
        let explicit = match self.scanner.peek()? {
            Token::StreamEnd => return Ok(None),
            Token::Version { .. } | Token::TagDirective { .. } | Token::DocumentStart => true,
            _ => false,
        };
        self.directives()?;
        let root = if explicit {
            if self.scanner.next()? != Token::DocumentStart {
                return self.error();
            }
            match self.scanner.peek()? {
                Token::Version { .. }
                | Token::TagDirective { .. }
                | Token::DocumentStart
                | Token::DocumentEnd
                | Token::StreamEnd => self.empty()?,
                _ => self.node(true, false, 0)?,
            }
        } else {
            self.node(true, false, 0)?
        };
        // what follows must be a token, whichever
        self.scanner.peek()?;
        Ok(Some(root))
    }

    fn directives(&mut self) -> Result<(), YamlError> {
        let mut versions = 0;
        loop {
            match self.scanner.peek()? {
                Token::Version { major: 1, minor: 1 } if versions == 0 => versions += 1,
                Token::Version { .. } => return self.error(),
                Token::TagDirective { handle, prefix } => {
                    let (handle, prefix) = (handle.clone(), prefix.clone());
                    if self.handles.insert(handle, prefix).is_some() {
                        return self.error();
                    }
                }
                _ => break,
            }
            self.scanner.next()?;
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            self.handles.entry(handle.to_owned()).or_insert_with(|| prefix.to_owned());
        }
        Ok(())
    }

    fn add(&mut self, node: Node) -> Composed {
        if self.nodes.len() >= MAX_NODES {
            return Err(YamlError::TooMuch);
        }
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    fn empty(&mut self) -> Composed {
        self.add(Node::Scalar { value: String::new(), tag: None, plain: true })
    }

    /// A node with its anchor and tag. `indentless`: a list may begin at the column of the key before it.
    fn node(&mut self, block: bool, indentless: bool, depth: usize) -> Composed {
        if depth > MAX_DEPTH {
            return Err(YamlError::TooMuch);
        }
        if let Token::Alias(name) = self.scanner.peek()? {
            let target = self.anchors.get(name).copied().ok_or(YamlError::Alias)?;
            self.scanner.next()?;
            return self.add(Node::Alias(target));
        }
        let (mut anchor, mut tag) = (None, None);
        // one of each, in either order
        for _ in 0..2 {
            match self.scanner.peek()? {
                Token::Anchor(_) if anchor.is_none() => {
                    if let Token::Anchor(name) = self.scanner.next()? {
                        anchor = Some(name);
                    }
                }
                Token::Tag { .. } if tag.is_none() => {
                    if let Token::Tag { handle, suffix } = self.scanner.next()? {
                        tag = Some((handle, suffix));
                    }
                }
                _ => break,
            }
        }
        let tag = match tag {
            None => None,
            Some((handle, suffix)) if handle.is_empty() => Some(suffix),
            Some((handle, suffix)) => {
                let prefix = self.handles.get(&handle);
                let whole = prefix.map(|prefix| format!("{prefix}{suffix}")).filter(|tag| !tag.is_empty());
                Some(whole.ok_or_else(|| self.scanner.source.error())?)
            }
        };
        let tag = tag.filter(|tag| !tag.is_empty());
        match self.scanner.peek()? {
            Token::BlockEntry if indentless => {
                let list = self.named(anchor, Node::List(Vec::new()))?;
                self.indentless_list(list, depth)
            }
            Token::Scalar { .. } => {
                let Token::Scalar { text, plain } = self.scanner.next()? else { return self.error() };
                let plain = (tag.is_none() && plain) || tag.as_deref() == Some("!");
                self.named(anchor, Node::Scalar { value: text, tag, plain })
            }
            Token::FlowListStart => {
                let list = self.named(anchor, Node::List(Vec::new()))?;
                self.flow_list(list, depth)
            }
            Token::FlowMapStart => {
                let map = self.named(anchor, Node::Map(Vec::new()))?;
                self.flow_map(map, depth)
            }
            Token::BlockListStart if block => {
                let list = self.named(anchor, Node::List(Vec::new()))?;
                self.block_list(list, depth)
            }
            Token::BlockMapStart if block => {
                let map = self.named(anchor, Node::Map(Vec::new()))?;
                self.block_map(map, depth)
            }
            _ if anchor.is_some() || tag.is_some() => {
                let plain = tag.is_none();
                self.named(anchor, Node::Scalar { value: String::new(), tag, plain })
            }
            _ => self.error(),
        }
    }

    /// Adds a node; its anchor is known from here on, within the node itself too.
    fn named(&mut self, anchor: Option<String>, node: Node) -> Composed {
        let id = self.add(node)?;
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }

    fn push(&mut self, list: usize, item: usize) {
        if let Node::List(items) = &mut self.nodes[list] {
            items.push(item);
        }
    }

    fn enter(&mut self, map: usize, key: usize, value: usize) {
        if let Node::Map(entries) = &mut self.nodes[map] {
            entries.push((key, value));
        }
    }

    fn block_list(&mut self, list: usize, depth: usize) -> Composed {
        self.scanner.next()?;
        loop {
            match self.scanner.next()? {
                Token::BlockEntry => {}
                Token::BlockEnd => return Ok(list),
                _ => return self.error(),
            }
            let item = match self.scanner.peek()? {
                Token::BlockEntry | Token::BlockEnd => self.empty()?,
                _ => self.node(true, false, depth + 1)?,
            };
            self.push(list, item);
        }
    }

    fn indentless_list(&mut self, list: usize, depth: usize) -> Composed {
        while *self.scanner.peek()? == Token::BlockEntry {
            self.scanner.next()?;
            let item = match self.scanner.peek()? {
                Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd => self.empty()?,
                _ => self.node(true, false, depth + 1)?,
            };
            self.push(list, item);
        }
        Ok(list)
    }

    fn block_map(&mut self, map: usize, depth: usize) -> Composed {
        self.scanner.next()?;
        loop {
            match self.scanner.next()? {
                Token::Key => {}
                Token::BlockEnd => return Ok(map),
                _ => return self.error(),
            }
            let key = self.block_map_node(depth)?;
            let value = if *self.scanner.peek()? == Token::Value {
                self.scanner.next()?;
                self.block_map_node(depth)?
            } else {
                self.empty()?
            };
            self.enter(map, key, value);
        }
    }

    fn block_map_node(&mut self, depth: usize) -> Composed {
        match self.scanner.peek()? {
            Token::Key | Token::Value | Token::BlockEnd => self.empty(),
            _ => self.node(true, true, depth + 1),
        }
    }

    fn flow_list(&mut self, list: usize, depth: usize) -> Composed {
        self.scanner.next()?;
        let mut first = true;
        loop {
            if !first && *self.scanner.peek()? != Token::FlowListEnd && self.scanner.next()? != Token::FlowEntry {
                return self.error();
            }
            first = false;
            let item = match self.scanner.peek()? {
                Token::FlowListEnd => {
                    self.scanner.next()?;
                    return Ok(list);
                }
                Token::Key => self.single_pair(depth + 1)?,
                _ => self.node(false, false, depth + 1)?,
            };
            self.push(list, item);
        }
    }

    /// `[key: value]`: a map of one entry without braces.
    fn single_pair(&mut self, depth: usize) -> Composed {
        self.scanner.next()?;
        let map = self.add(Node::Map(Vec::new()))?;
        let key = match self.scanner.peek()? {
            // go-yaml takes the token with it
            Token::Value | Token::FlowEntry | Token::FlowListEnd => {
                self.scanner.next()?;
                self.empty()?
            }
            _ => self.node(false, false, depth + 1)?,
        };
        let value = if *self.scanner.peek()? == Token::Value {
            self.scanner.next()?;
            match self.scanner.peek()? {
                Token::FlowEntry | Token::FlowListEnd => self.empty()?,
                _ => self.node(false, false, depth + 1)?,
            }
        } else {
            self.empty()?
        };
        self.enter(map, key, value);
        Ok(map)
    }

    fn flow_map(&mut self, map: usize, depth: usize) -> Composed {
        self.scanner.next()?;
        let mut first = true;
        loop {
            if !first && *self.scanner.peek()? != Token::FlowMapEnd && self.scanner.next()? != Token::FlowEntry {
                return self.error();
            }
            first = false;
            match self.scanner.peek()? {
                Token::FlowMapEnd => {
                    self.scanner.next()?;
                    return Ok(map);
                }
                Token::Key => {
                    self.scanner.next()?;
                    let key = match self.scanner.peek()? {
                        Token::Value | Token::FlowEntry | Token::FlowMapEnd => self.empty()?,
                        _ => self.node(false, false, depth + 1)?,
                    };
                    let value = if *self.scanner.peek()? == Token::Value {
                        self.scanner.next()?;
                        match self.scanner.peek()? {
                            Token::FlowEntry | Token::FlowMapEnd => self.empty()?,
                            _ => self.node(false, false, depth + 1)?,
                        }
                    } else {
                        self.empty()?
                    };
                    self.enter(map, key, value);
                }
                _ => {
                    let key = self.node(false, false, depth + 1)?;
                    let value = self.empty()?;
                    self.enter(map, key, value);
                }
            }
        }
    }
}
