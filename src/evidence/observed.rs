//! What was seen, what was proven absent, and what could not be looked at: three different things.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that was looked for.
///
/// `Absent` claims that a complete view held nothing; when the view was not complete the state is `Unknown`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Observed<T> {
    /// It is there.
    Seen {
        /// What was seen.
        value: T,
        /// Where the value comes from.
        origin: Origin,
        /// What this origin overrode, strongest first.
        #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
        overridden: Vec<Overridden>,
    },
    /// It is not there, and the view was complete.
    Absent {
        /// The places that were looked at.
        looked_at: Vec<String>,
    },
    /// It could not be looked at.
    Unknown(Gap),
}

/// A value that something stronger replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overridden {
    /// The replaced value, as people read it.
    pub value: String,
    /// Where it was.
    pub origin: Origin,
}

/// Why something could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The class of the obstacle.
    pub reason: Reason,
    /// One line for people: what and where; never a piece of the content.
    pub detail: String,
}

impl Gap {
    /// A gap of a class with its explanation.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            write!(out, "{}", self.reason)
        } else {
            write!(out, "{}: {}", self.reason, self.detail)
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// The closed list of reasons for not knowing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Reason { $($(#[doc = $doc])+ $name,)+ }

        impl fmt::Display for Reason {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(match self { $(Self::$name => $text,)+ })
            }
        }
    };
}

reasons! {
    /// The audit's subjects do not include the source that would tell.
    NotAsked => "not asked",
    /// The cluster's API would tell, and was not asked.
    NeedsApi => "needs the cluster's API",
    /// Permission denied.
    Denied => "permission denied",
    /// Named by a process in force, but not there.
    NotFound => "named but not found",
    /// It cannot be decoded as its reader would.
    Malformed => "cannot be decoded",
    /// Larger than the bound on what is read.
    TooBig => "too big",
    /// It changed or vanished while it was read.
    Raced => "changed while it was read",
    /// Changed after the process that reads it started: what is in force was read before.
    ChangedSinceStart => "changed after the process started",
    /// Kept back on purpose (redacted).
    Withheld => "withheld",
    /// A list that was read in part.
    IncompleteList => "incomplete list",
    /// A FIFO, a socket, a device, a directory where a file is meant.
    WrongKind => "not a regular file",
    /// A chain of links that does not end.
    LinkLoop => "link loop",
    /// FUSE or a network file system: not entered.
    Remote => "on a remote or user-space file system",
    /// The path means something else inside the process's container, which could not be entered.
    OtherRoot => "inside a container that could not be entered",
    /// Part of a distribution that embeds it and is not supported yet.
    Embedded => "embedded in a distribution",
    /// Not supported on this kind of host.
    Unsupported => "not supported here",
    /// It took too long.
    TimedOut => "timed out",
    /// The process table is not complete.
    ViewIncomplete => "the process table is not complete",
    /// A node that exists and whose evidence did not come.
    NodeUnseen => "node not seen",
    /// No process, only its manifest: what runs is not known.
    NotRunning => "not running",
    /// The verdict differs between the versions that it could be.
    DependsOnVersion => "depends on the version",
    /// An error of the operating system.
    Io => "i/o error",
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// The component's own default.
    Default {
        /// Version whose default it is, such as `1.34`.
        version: String,
        /// Read from source code, not measured on the binary.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        from_source: bool,
    },
    /// A command line argument.
    Argv {
        /// Process id.
        pid: u32,
    },
    /// An environment variable.
    Environment {
        /// Process id.
        pid: u32,
        /// Name of the variable.
        variable: String,
    },
    /// A file.
    File {
        /// Its path, as its reader names it.
        path: String,
    },
    /// A drop-in of a configuration directory.
    DropIn {
        /// Its path, as its reader names it.
        path: String,
    },
    /// A static pod manifest without its process.
    Manifest {
        /// Its path on the host.
        path: String,
    },
    /// The component itself derives it from other settings.
    Derived {
        /// The rule, in one phrase.
        rule: String,
    },
    /// Something that the cluster's API shows.
    Api {
        /// What, such as `command of mirror pod kube-system/etcd-cp1`.
        what: String,
    },
    /// The state of the host.
    Host,
    /// Given by the user.
    Given,
}

impl Origin {
    /// True when nobody set the value: the component's own default.
    pub fn is_default(&self) -> bool {
        matches!(self, Self::Default { .. })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { version, from_source: false } => write!(out, "default of {version}"),
            Self::Default { version, from_source: true } => write!(out, "default of {version}, read from source"),
            Self::Argv { pid } => write!(out, "argv of pid {pid}"),
            Self::Environment { pid, variable } => write!(out, "{variable} of pid {pid}"),
            Self::File { path } => write!(out, "{path}"),
            Self::DropIn { path } => write!(out, "drop-in {path}"),
            Self::Manifest { path } => write!(out, "manifest {path}, not running"),
            Self::Derived { rule } => write!(out, "{rule}"),
            Self::Api { what } => write!(out, "{what}"),
            Self::Host => write!(out, "this host"),
            Self::Given => write!(out, "given by the user"),
        }
    }
}

/// Nobody looked.
impl<T> Default for Observed<T> {
    fn default() -> Self {
        Self::unknown(Reason::NotAsked, "")
    }
}

impl<T> Observed<T> {
    /// Seen, with nothing overridden.
    pub fn seen(value: T, origin: Origin) -> Self {
        Self::Seen { value, origin, overridden: Vec::new() }
    }

    /// Could not be looked at.
    pub fn unknown(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Unknown(Gap::new(reason, detail))
    }

    /// The value, when seen.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Seen { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The gap, when unknown.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Unknown(gap) => Some(gap),
            _ => None,
        }
    }

    /// Another value of the same state and origin.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Seen { value, origin, overridden } => Observed::Seen { value: change(value), origin, overridden },
            Self::Absent { looked_at } => Observed::Absent { looked_at },
            Self::Unknown(gap) => Observed::Unknown(gap),
        }
    }
}
