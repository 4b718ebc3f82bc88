//! The floor under an audit: opens the files and directories that an audit opened, each once, looks at their mode and owner,
//! reads what was read, and does nothing with it. `benches/whole-process` compares both.
//!
//! `floor PLAN`, a line each: `facts PATH`, `read PATH`, `list PATH` or `link PATH`. Prints how many of each there were.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let plan = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: floor PLAN"))?;
    let plan = fs::read_to_string(plan)?;
    let mut buffer = Vec::new();
    let (mut files, mut bytes, mut entries, mut links) = (0, 0, 0, 0);
    for line in plan.lines() {
        let Some((what, path)) = line.split_once(' ') else { continue };
        let path = Path::new(path);
        match what {
            "facts" => {
                fs::metadata(path)?;
                files += 1;
            }
            "read" => {
                let mut file = File::open(path)?;
                file.metadata()?;
                buffer.clear();
                bytes += file.read_to_end(&mut buffer)?;
                files += 1;
            }
            "list" => entries += fs::read_dir(path)?.count(),
            "link" => {
                fs::read_link(path)?;
                links += 1;
            }
            other => return Err(io::Error::other(format!("{other} is not facts, read, list or link"))),
        }
    }
    writeln!(io::stdout(), "{files} files, {bytes} bytes, {entries} directory entries, {links} links")
}
