//! The recorded cluster that ships with the program: host trees of a real control-plane node and a worker.

use std::path::PathBuf;

use super::Failure;

/// Host trees, packed: name, archive.
const RECORDED: [(&str, &[u8]); 2] = [
    ("cp1", include_bytes!("../../tests/data/recorded/cp1.tar.zst")),
    ("w1", include_bytes!("../../tests/data/recorded/w1.tar.zst")),
];

/// The trees, unpacked below a temporary directory that goes away with this value.
pub(crate) struct Example {
    _directory: tempfile::TempDir,
    /// Roots of the hosts.
    pub(crate) roots: Vec<PathBuf>,
}

/// Unpacks the recorded hosts.
pub(crate) fn unpack() -> Result<Example, Failure> {
    let failed = |error: std::io::Error| {
        Failure::usage(format!("cannot unpack the example into {}: {error}", std::env::temp_dir().display()))
    };
    let directory = tempfile::Builder::new().prefix("kube-assay-example-").tempdir().map_err(failed)?;
    let mut roots = Vec::new();
    for (name, archive) in RECORDED {
        let root = directory.path().join(name);
        std::fs::create_dir(&root).map_err(failed)?;
        let mut archive = tar::Archive::new(zstd::Decoder::new(archive).map_err(failed)?);
        archive.set_preserve_permissions(true);
        archive.set_preserve_mtime(true);
        archive.set_preserve_ownerships(nix::unistd::geteuid().is_root());
        archive.unpack(&root).map_err(failed)?;
        roots.push(root);
    }
    Ok(Example { _directory: directory, roots })
}
