//! The recorded cluster that ships with the program: host trees of a real control-plane node and a worker.

use std::collections::HashMap;
use std::path::PathBuf;

use super::Failure;
use crate::evidence::{FileFacts, NodeEvidence, Observed};

/// Host trees, packed: name, archive.
const RECORDED: [(&str, &[u8]); 2] = [
    ("cp1", include_bytes!("../../tests/data/recorded/cp1.tar.zst")),
    ("w1", include_bytes!("../../tests/data/recorded/w1.tar.zst")),
];

/// The trees, unpacked below a temporary directory that goes away with this value.
pub(crate) struct Example {
    _directory: tempfile::TempDir,
    /// The hosts.
    pub(crate) hosts: Vec<RecordedHost>,
}

/// A recorded host.
pub(crate) struct RecordedHost {
    /// Its root.
    pub(crate) root: PathBuf,
    /// User and group of each path, as recorded: only root can give them to the unpacked files.
    owners: HashMap<String, (u32, u32)>,
}

impl RecordedHost {
    /// Puts the recorded owners in place of those of the unpacked files.
    pub(crate) fn restore_owners(&self, node: &mut NodeEvidence) {
        let restore = |path: &str, facts: &mut Observed<FileFacts>| {
            let inside = path.strip_suffix(')').and_then(|path| path.split_once(" (inside pid "));
            let path = inside.map_or(path.to_owned(), |(path, pid)| format!("/proc/{pid}/root{path}"));
            if let (Observed::Seen { value, .. }, Some((uid, gid))) = (facts, self.owners.get(&path)) {
                (value.uid, value.gid) = (*uid, *gid);
            }
        };
        for entry in node.files.values_mut().flat_map(|set| &mut set.files) {
            restore(&entry.path, &mut entry.facts);
        }
    }
}

/// Unpacks the recorded hosts.
pub(crate) fn unpack() -> Result<Example, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("cannot unpack the example into {}: {error}", std::env::temp_dir().display()))
    };
    let directory = tempfile::Builder::new().prefix("kube-assay-example-").tempdir().map_err(failed)?;
    let mut hosts = Vec::new();
    for (name, archive) in RECORDED {
        let root = directory.path().join(name);
        std::fs::create_dir(&root).map_err(failed)?;
        let owners = owners(archive).map_err(failed)?;
        let mut archive = tar::Archive::new(zstd::Decoder::new(archive).map_err(failed)?);
        archive.set_preserve_permissions(true);
        archive.set_preserve_mtime(true);
        archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
        archive.unpack(&root).map_err(failed)?;
        hosts.push(RecordedHost { root, owners });
    }
    Ok(Example { _directory: directory, hosts })
}

/// Owners by absolute path; none for root, whose unpacked files have them.
fn owners(archive: &[u8]) -> std::io::Result<HashMap<String, (u32, u32)>> {
    let mut found = HashMap::new();
    if nix::unistd::geteuid().is_root() {
        return Ok(found);
    }
    for entry in tar::Archive::new(zstd::Decoder::new(archive)?).entries()? {
        let entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let id = |id: std::io::Result<u64>| id.map(|id| u32::try_from(id).unwrap_or(u32::MAX));
        let path = format!("/{}", path.trim_start_matches("./").trim_matches('/'));
        found.insert(path, (id(entry.header().uid())?, id(entry.header().gid())?));
    }
    Ok(found)
}
