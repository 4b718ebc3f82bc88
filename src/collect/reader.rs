//! Where a path in a process's words leads: through its own root, then through its pod's volumes, and to the host's tree only
//! for a process that lives there. A tenant's words lead nowhere.

use std::ffi::OsStr;

use super::manifests::Volume;
use super::root::{Root, Trouble};
use crate::evidence::{FileFacts, Gap, Ownership, Reason};

/// Reads files for one process.
pub struct Reader<'a> {
    host: &'a Root,
    pid: u32,
    inside: Inside,
    volumes: Vec<Volume>,
    pod_directory: Option<String>,
}

enum Inside {
    /// The process lives in the host's tree.
    Host,
    /// The process has a tree of its own.
    Own(Root),
    /// Its tree could not be entered.
    Closed(Gap),
    /// Its words lead nowhere.
    Nowhere,
}

/// What was read, and where it is for people: the path on the host when that is known.
pub struct Place<T> {
    /// What was read.
    pub found: Result<T, Trouble>,
    /// Where.
    pub shown: String,
}

impl<'a> Reader<'a> {
    /// The host's tree.
    pub const fn host(&self) -> &Root {
        self.host
    }

    /// For a process, with the volumes of its static pod and the id of its pod.
    pub fn new(host: &'a Root, pid: u32, ownership: Ownership, pod: Option<&str>, volumes: Vec<Volume>) -> Self {
        let inside = if ownership == Ownership::Tenant {
            Inside::Nowhere
        } else {
            match host.enter(&format!("proc/{pid}/root")) {
                Ok(own) if own.is_same(host) && pod.is_none() => Inside::Host,
                Ok(own) if own.is_same(host) => {
                    Inside::Closed(Gap::new(Reason::OtherRoot, format!("the root of pid {pid}")))
                }
                Ok(own) => Inside::Own(own),
                // outside of pods a process lives in the host's tree
                Err(_) if pod.is_none() && ownership == Ownership::Own => Inside::Host,
                Err(trouble) => Inside::Closed(Gap::new(
                    Reason::OtherRoot,
                    format!("the root of pid {pid}: {}", trouble.into_gap("not there").reason),
                )),
            }
        };
        let pod_directory = pod.map(|id| format!("/var/lib/kubelet/pods/{id}/volumes"));
        Self { host, pid, inside, volumes, pod_directory }
    }

    /// For a static pod without its process: only its volumes lead anywhere.
    pub fn of_manifest(host: &'a Root, volumes: Vec<Volume>) -> Self {
        let gap = Gap::new(Reason::NotRunning, "its container does not run");
        Self { host, pid: 0, inside: Inside::Closed(gap), volumes, pod_directory: None }
    }

    /// Applies `look` at the place of `path`.
    pub fn at<T>(&self, path: &str, look: impl Fn(&Root, &OsStr) -> Result<T, Trouble>) -> Place<T> {
        if !path.starts_with('/') {
            let gap =
                Gap::new(Reason::Unsupported, format!("{path}: relative to the working directory of pid {}", self.pid));
            return Place { found: Err(Trouble::Gap(gap)), shown: path.to_owned() };
        }
        let on_host = |place: String| Place { found: look(self.host, OsStr::new(&place)), shown: place };
        match &self.inside {
            Inside::Host => on_host(path.to_owned()),
            Inside::Nowhere => {
                let gap = Gap::new(Reason::NotAsked, format!("{path}: a tenant's process directs nothing on the host"));
                Place { found: Err(Trouble::Gap(gap)), shown: path.to_owned() }
            }
            Inside::Own(root) => match look(root, OsStr::new(path)) {
                Err(Trouble::Absent) => match self.through_volumes(path) {
                    Some(place) => on_host(place),
                    None => Place { found: Err(Trouble::Absent), shown: self.inside_name(path) },
                },
                found => Place { found, shown: self.through_volumes(path).unwrap_or_else(|| self.inside_name(path)) },
            },
            Inside::Closed(gap) => match self.through_volumes(path) {
                Some(place) => on_host(place),
                None => Place {
                    found: Err(Trouble::Gap(Gap::new(gap.reason, format!("{path}: {}", gap.detail)))),
                    shown: path.to_owned(),
                },
            },
        }
    }

    /// Mode, owner and kind of what a path leads to.
    pub fn facts(&self, path: &str) -> Place<FileFacts> {
        self.at(path, |root, path| root.facts(path))
    }

    /// Where the path leads on the host by the pod's volumes, when that is another file than the one that the process sees: a
    /// file mounted by itself stays the old one inside when it is replaced on the host.
    pub fn replaced(&self, path: &str) -> Option<(String, FileFacts)> {
        let Inside::Own(root) = &self.inside else { return None };
        let inside = root.identity(OsStr::new(path))?;
        let place = self.through_volumes(path)?;
        let outside = self.host.identity(OsStr::new(&place))?;
        let facts = self.host.facts(OsStr::new(&place)).ok()?;
        (inside != outside).then_some((place, facts))
    }

    /// How a path inside the process's own tree is named.
    pub fn inside_name(&self, path: &str) -> String {
        format!("{path} (inside pid {})", self.pid)
    }

    /// The host's path behind a path of the container: by the manifest's host paths, or by the volumes that the kubelet made.
    fn through_volumes(&self, path: &str) -> Option<String> {
        let mounted = self
            .volumes
            .iter()
            .filter(|volume| below(path, &volume.mounted_at))
            .max_by_key(|volume| volume.mounted_at.len());
        if let Some(volume) = mounted {
            let rest = &path[volume.mounted_at.trim_end_matches('/').len()..];
            return Some(format!("{}{rest}", volume.host_path.trim_end_matches('/')));
        }
        let directory = self.pod_directory.as_ref()?;
        let name = path.rsplit('/').next()?;
        let mut found: Vec<String> = Vec::new();
        for kind in ["kubernetes.io~configmap", "kubernetes.io~projected", "kubernetes.io~secret"] {
            let kind = format!("{directory}/{kind}");
            for entry in self.host.list(OsStr::new(&kind)).unwrap_or_default() {
                let place = format!("{kind}/{}/{name}", entry.name.to_string_lossy());
                if self.host.facts(OsStr::new(&place)).is_ok() {
                    found.push(place);
                }
            }
        }
        // two volumes with a file of that name: which one is mounted there cannot be told
        if found.len() == 1 { found.pop() } else { None }
    }
}

fn below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
