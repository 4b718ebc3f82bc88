//! The format of a case: `tests/cases/README.md` documents its keys.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use kube_assay::audit::verdict::Verdict;
use serde::Deserialize;

/// One small world, and the verdicts that controls must get in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Stem of its file.
    #[serde(skip)]
    pub name: String,
    pub control: String,
    pub benchmark: String,
    pub kubernetes: String,
    pub title: String,
    pub expect: Expected,
    pub why: String,
    #[serde(default)]
    pub host: Option<Host>,
    /// Objects of the API, and kinds that may not be listed: cluster cases.
    #[serde(default)]
    pub objects: Option<String>,
    #[serde(default)]
    pub denied: Vec<String>,
    /// Verdicts of other controls in the same world.
    #[serde(default)]
    pub also: BTreeMap<String, Expected>,
    /// A text that the control's findings hold.
    #[serde(default)]
    pub says: Option<String>,
    /// User id that audits.
    #[serde(default)]
    pub run_as: Option<u32>,
}

/// One verdict, or those that are defensible.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "OneOrMany")]
pub struct Expected(pub Vec<Verdict>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Verdict),
    Many(Vec<Verdict>),
}

impl From<OneOrMany> for Expected {
    fn from(given: OneOrMany) -> Self {
        match given {
            OneOrMany::One(verdict) => Self(vec![verdict]),
            OneOrMany::Many(verdicts) => Self(verdicts),
        }
    }
}

/// What is on the host.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Host {
    #[serde(default)]
    pub processes: Vec<Process>,
    #[serde(default)]
    pub files: Vec<File>,
    #[serde(default)]
    pub proc: Proc,
}

/// What `/proc` is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proc {
    /// The host's own: PID 1 and a kernel thread are there.
    #[default]
    Whole,
    /// There is none.
    Missing,
    /// A file of that name.
    File,
    /// PID 1 is not in it.
    NoInit,
    /// Of a container: PID 1 is no init of a host, and there is no kernel thread.
    Container,
    /// Mounted with hidepid: other users' processes are directories that may not be entered.
    HidePid,
}

/// A running process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Process {
    #[serde(default)]
    pub pid: Option<u32>,
    #[serde(default)]
    pub exe: Option<String>,
    pub argv: Vec<String>,
    /// In place of `argv`: the bytes of cmdline, hexadecimal.
    #[serde(default)]
    pub cmdline_hex: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub root: BTreeMap<String, String>,
    #[serde(default)]
    pub cgroup: Option<String>,
    #[serde(default)]
    pub hidden: Vec<String>,
    /// The network namespace: `host`, or any other name for one of its own.
    #[serde(default)]
    pub network: Option<String>,
    /// Every entry vanishes but these: the process ends while it is looked at.
    #[serde(default)]
    pub only: Vec<String>,
}

/// A file, directory, link or special file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    pub path: String,
    #[serde(default)]
    pub mode: Option<String>,
    #[serde(default)]
    pub uid: Option<u32>,
    #[serde(default)]
    pub gid: Option<u32>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub dir: bool,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub fifo: bool,
    #[serde(default)]
    pub socket: bool,
    /// A character device with the numbers of /dev/zero.
    #[serde(default)]
    pub device: bool,
    /// Its bytes, hexadecimal.
    #[serde(default)]
    pub hex: Option<String>,
    /// Filled up with NULs to this many bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Texts to repeat, one behind the other.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Changed after every process had started.
    #[serde(default)]
    pub changed: bool,
}

/// A text, several times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub text: String,
    pub times: usize,
}

impl Case {
    /// Why it cannot run without root.
    pub fn skipped(&self, root: bool) -> Option<&'static str> {
        let files = self.host.iter().flat_map(|host| &host.files);
        if root {
            None
        } else if self.run_as.is_some() {
            Some("to become another user")
        } else if files.clone().any(|file| file.uid.is_some() || file.gid.is_some()) {
            Some("to set owners")
        } else if files.clone().any(|file| file.device) {
            Some("to make a device")
        } else {
            None
        }
    }

    /// Every expectation: control, verdicts.
    pub fn expectations(&self) -> impl Iterator<Item = (&str, &Expected)> {
        let also = self.also.iter().map(|(control, expected)| (control.as_str(), expected));
        std::iter::once((self.control.as_str(), &self.expect)).chain(also)
    }
}

/// Where the cases are.
pub fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Every case below a directory, by path.
pub fn all(name: &str) -> Vec<Case> {
    let mut paths = Vec::new();
    find(&directory(name), &mut paths);
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

/// One case.
pub fn load(path: &Path) -> Case {
    let text = fs::read_to_string(path).unwrap();
    let mut case: Case = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    case.name = path.file_stem().unwrap().to_string_lossy().into_owned();
    assert!(
        case.name.starts_with(&format!("{}-", case.control)),
        "{}: the name does not begin with the control",
        path.display()
    );
    assert!(case.host.is_some() != case.objects.is_some(), "{}: a host or objects", path.display());
    case
}

fn find(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            paths.push(path);
        }
    }
}
