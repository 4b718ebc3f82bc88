//! Turns the data in `benchmarks/` into JSON inside the binary: parsing the YAML at every start would cost more than the audit.
//!
//! Nothing is judged here. The same strict types read the JSON at run time and users' YAML, and a test holds both forms of
//! the shipped data against each other.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=benchmarks");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets it")?).join("benchmarks");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets it")?).join("shipped.rs");
    let mut files = Vec::new();
    find(&root, &mut files)?;
    files.sort();
    let mut code =
        String::from("/// Path, content as JSON, SHA-256 of the YAML.\nstatic SHIPPED: &[(&str, &str, &str)] = &[\n");
    for file in files {
        let named = |error: &dyn Error| format!("{}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(|error| named(&error))?;
        let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| named(&error))?;
        let mut digest = String::new();
        for byte in Sha256::digest(text.as_bytes()) {
            write!(digest, "{byte:02x}")?;
        }
        let name = file.strip_prefix(&root)?.to_string_lossy().into_owned();
        writeln!(code, "    ({name:?}, {:?}, {digest:?}),", value.to_string())?;
    }
    code.push_str("];\n");
    fs::write(&out, code)?;
    Ok(())
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
