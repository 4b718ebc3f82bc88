//! Documents from fields by dotted path: block YAML or one line of JSON. A field that is set twice stands twice.

use std::fmt::Write as _;

/// The fields of a document, in the order in which they were set.
#[derive(Default)]
pub struct Tree(Vec<(String, Node)>);

impl Tree {
    /// Sets a field to a value that fits on its line.
    pub fn set(&mut self, path: &str, text: &str) {
        insert(&mut self.0, &path.split('.').collect::<Vec<_>>(), text);
    }

    /// As block YAML.
    pub fn yaml(&self) -> String {
        let mut text = String::new();
        for (key, node) in &self.0 {
            node.yaml(key, 0, &mut text);
        }
        text
    }

    /// As the entries of a JSON object.
    pub fn json_entries(&self) -> Vec<String> {
        self.0.iter().map(|(key, node)| format!("\"{key}\": {}", node.json())).collect()
    }
}

enum Node {
    Text(String),
    Map(Vec<(String, Node)>),
}

fn insert(entries: &mut Vec<(String, Node)>, path: &[&str], text: &str) {
    let (key, rest) = (path[0].to_owned(), &path[1..]);
    if rest.is_empty() {
        entries.push((key, Node::Text(text.to_owned())));
        return;
    }
    let known = entries.iter_mut().find_map(|(name, node)| match node {
        Node::Map(inner) if *name == key => Some(inner),
        _ => None,
    });
    match known {
        Some(inner) => insert(inner, rest, text),
        None => {
            let mut inner = Vec::new();
            insert(&mut inner, rest, text);
            entries.push((key, Node::Map(inner)));
        }
    }
}

impl Node {
    fn yaml(&self, key: &str, indent: usize, out: &mut String) {
        let space = " ".repeat(indent);
        match self {
            Self::Text(text) => {
                let _ = writeln!(out, "{space}{key}: {text}");
            }
            Self::Map(inner) => {
                let _ = writeln!(out, "{space}{key}:");
                for (key, node) in inner {
                    node.yaml(key, indent + 2, out);
                }
            }
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Map(inner) => {
                let entries: Vec<String> =
                    inner.iter().map(|(key, node)| format!("\"{key}\": {}", node.json())).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}
