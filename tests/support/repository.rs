//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below a directory of the repository, without what is built or fetched.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    const OUTSIDE: [&str; 6] = [".git", "target", "node_modules", "out", "__pycache__", ".venv"];
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && !OUTSIDE.contains(&entry.file_name().to_str().unwrap()) {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}
