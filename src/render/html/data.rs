//! What the filters ask of many nodes, as one block of JSON for the script: names once, sets of nodes as short texts.
//!
//! A set of 5,000 nodes takes from one character to 836: its runs, the runs of the others, or a bitmap, whichever is shortest.

use std::fmt::Write as _;

use serde::Serialize;

use super::nodes::ALONE;
use super::text::{self, short};
use super::words;
use crate::audit::pools::by_node;
use crate::audit::report::Report;
use crate::audit::verdict::Verdict;

/// Longest name that the API gives a node.
const NAME: usize = 253;

/// Sets that rows of the page name by their place.
pub(super) struct Sets {
    texts: Vec<String>,
    total: usize,
}

impl Sets {
    /// None yet.
    pub(super) fn of(report: &Report) -> Self {
        Self { texts: Vec::new(), total: report.nodes.len() }
    }

    /// The place of a set whose row names some of its nodes only; empty where the page has few nodes.
    pub(super) fn place(&mut self, nodes: &[usize]) -> String {
        if self.total <= ALONE {
            return String::new();
        }
        self.texts.push(encode(nodes, self.total));
        (self.texts.len() - 1).to_string()
    }
}

#[derive(Serialize)]
struct Block<'a> {
    /// Names, a line each: the number of letters that it shares with the one before, in base 36, then the rest.
    names: String,
    sets: &'a [String],
    /// By control: its anchor, then class of verdict and set.
    verdicts: Vec<(&'a str, Vec<(&'static str, String)>)>,
}

/// The block, so that no text in it can end it; `anchors` are those of the controls, the user's own behind them.
pub(super) fn block(report: &Report, anchors: &[&str], sets: &Sets) -> Option<String> {
    let total = report.nodes.len();
    if total <= ALONE {
        return None;
    }
    let controls = report.controls.iter().chain(&report.own_checks).zip(anchors);
    let verdicts = controls
        .filter(|(control, _)| control.scope != "cluster")
        .map(|(control, anchor)| {
            let by_node = by_node(control, total);
            let with = |verdict: Verdict| (0..total).filter(|at| by_node[*at] == Some(verdict)).collect::<Vec<_>>();
            let sets = Verdict::ALL.into_iter().map(|verdict| (verdict, with(verdict)));
            let sets = sets.filter(|(_, nodes)| !nodes.is_empty());
            (*anchor, sets.map(|(verdict, nodes)| (words::class(verdict), encode(&nodes, total))).collect())
        })
        .collect();
    let names = report.nodes.iter().map(|node| text::visible(&short(&node.name, NAME)).replace('\n', " "));
    let block = Block { names: front_coded(names), sets: &sets.texts, verdicts };
    let json = serde_json::to_string(&block).ok()?;
    Some(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
}

fn front_coded(names: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    let mut before = String::new();
    for name in names {
        let shared = before.chars().zip(name.chars()).take_while(|(one, other)| one == other).take(35).count();
        let rest = name.chars().skip(shared);
        let _ = write!(text, "{}{}", base36(shared), rest.collect::<String>());
        text.push('\n');
        before = name;
    }
    text.pop();
    text
}

/// A set of nodes, in order, of so many.
fn encode(members: &[usize], total: usize) -> String {
    let mut is_in = vec![false; total];
    members.iter().for_each(|at| is_in[*at] = true);
    let others: Vec<usize> = (0..total).filter(|at| !is_in[*at]).collect();
    let bitmap = || {
        let bytes = is_in
            .chunks(8)
            .map(|bits| bits.iter().enumerate().fold(0_u8, |byte, (at, is_in)| byte | u8::from(*is_in) << at));
        format!("*{}", text::base64(&bytes.collect::<Vec<_>>()))
    };
    [runs(members), format!("!{}", runs(&others)), bitmap()].into_iter().min_by_key(String::len).unwrap_or_default()
}

/// Runs of neighbours: how far from the end of the one before, and how long where that is not 1.
fn runs(members: &[usize]) -> String {
    let mut text = String::new();
    let mut end = 0;
    for run in members.chunk_by(|one, next| one + 1 == *next) {
        let separator = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{separator}{}", base36(run[0] - end));
        if run.len() > 1 {
            let _ = write!(text, ".{}", base36(run.len()));
        }
        end = run[0] + run.len();
    }
    text
}

fn base36(mut number: usize) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[number % 36]));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_take_the_shortest_form() {
        let all: Vec<usize> = (0..5_000).collect();
        assert_eq!(encode(&all, 5_000), "!");
        assert_eq!(encode(&[], 5_000), "");
        assert_eq!(encode(&[0, 1, 2, 40], 5_000), "0.3,11");
        assert_eq!(encode(&all[1..], 5_000), "!0");
        assert_eq!(encode(&all[4_990..], 5_000), "3um.a");
        let odd: Vec<usize> = (0..5_000).filter(|at| at % 2 == 1).collect();
        let bitmap = encode(&odd, 5_000);
        assert!(bitmap.starts_with("*qqqq") && bitmap.len() == 837, "{bitmap}");
    }

    #[test]
    fn names_share_what_they_begin_with() {
        let names = ["node-1", "node-12", "other"].map(str::to_owned);
        assert_eq!(front_coded(names.into_iter()), "0node-1\n62\n0other");
    }
}
