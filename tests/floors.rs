//! A floor of `src/` imports lower floors only, and no file grows beyond what a person reads at once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeSet;
use std::fs;

use support::repository::{files, root};

/// The floor of each module; a floor imports only lower ones. Floor 4 is wiring and sees all.
const FLOORS: [(&str, u8); 9] = [
    ("evidence", 0),
    ("collect", 1),
    ("benchmark", 1),
    ("history", 1),
    ("audit", 2),
    ("install", 2),
    ("render", 3),
    ("cli", 4),
    ("run", 4),
];

fn floor(module: &str) -> u8 {
    let known = FLOORS.iter().find(|(name, _)| *name == module);
    known.unwrap_or_else(|| panic!("src/{module} has no floor: name it in FLOORS")).1
}

/// The modules that a source file names with `crate::`, or with enough `super::`.
fn imports(text: &str, depth: usize) -> BTreeSet<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect();
    let climbing = format!("{}::", vec!["super"; depth].join("::"));
    let mut found = BTreeSet::new();
    for start in ["crate::", climbing.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            found.extend(first_names(&code[at + start.len()..]));
        }
    }
    found
}

/// The first parts of the paths behind `crate::`: one, or those of a group in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
    };
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut depth, mut item) = (Vec::new(), 0, String::new());
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                item.push(letter);
            }
        }
    }
    names.push(name(&item));
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn floors_import_downwards_only() {
    let source = root().join("src");
    let mut wrong = Vec::new();
    for file in files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        let module = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        // src/a/b.rs is one `super` below the crate for a, two for b
        let inside = path.components().count() - usize::from(path.ends_with("mod.rs"));
        for other in imports(&fs::read_to_string(&file).unwrap(), inside) {
            // an item of the crate root is no module
            let is_module = source.join(&other).is_dir() || source.join(format!("{other}.rs")).is_file();
            if other == module || !is_module {
                continue;
            }
            let (own, below) = (floor(module), floor(&other));
            if own < 4 && below >= own {
                wrong.push(format!("{} (floor {own}) imports {other} (floor {below})", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_are_found() {
    let text = "use crate::{audit::{self, x}, run::y};\n// use crate::cli;\nlet a = crate::render::b;\nuse super::super::collect::z;";
    let found: Vec<String> = imports(text, 2).into_iter().collect();
    assert_eq!(found, ["audit", "collect", "render", "run"]);
}

#[test]
fn source_files_are_short() {
    let long: Vec<String> = files(&root().join("src"))
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (fs::read_to_string(&file).unwrap().lines().count(), file))
        .filter(|(lines, _)| *lines >= 500)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "split at 500 lines: {long:?}");
}
