//! Turns the data in `benchmarks/` into JSON inside the binary: parsing the YAML at every start would cost more than the audit.
//!
//! Nothing is judged here. The same strict types read the JSON at run time and users' YAML, and a test holds both forms of
//! the shipped data against each other.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() {
    println!("cargo::rerun-if-changed=benchmarks");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("benchmarks");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("shipped.rs");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    let mut code =
        String::from("/// Path, content as JSON, SHA-256 of the YAML.\nstatic SHIPPED: &[(&str, &str, &str)] = &[\n");
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let value: serde_json::Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let digest = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        let name = file.strip_prefix(&root).expect("found below it").to_string_lossy().into_owned();
        let _ = writeln!(code, "    ({name:?}, {:?}, {digest:?}),", value.to_string());
    }
    code.push_str("];\n");
    fs::write(&out, code).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display())) {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
}
