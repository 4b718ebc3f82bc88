//! Versions of Kubernetes and etcd, as far as defaults depend on them: major and minor.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A minor version such as `1.34`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Always 1 for Kubernetes, 3 for etcd.
    pub major: u16,
    /// The minor number.
    pub minor: u16,
}

/// Kubernetes versions that the tables know.
pub const KNOWN: std::ops::RangeInclusive<u16> = 29..=37;

impl Version {
    /// Kubernetes 1.MINOR.
    pub const fn kubernetes(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// Every Kubernetes version that the tables know, oldest first.
    pub fn known() -> Vec<Self> {
        KNOWN.map(Self::kubernetes).collect()
    }

    /// True when the tables know this Kubernetes version.
    pub fn is_known(self) -> bool {
        self.major == 1 && KNOWN.contains(&self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// The text is no version.
#[derive(Debug, thiserror::Error)]
#[error("not a version such as 1.34: {0:?}")]
pub struct NotAVersion(pub String);

impl FromStr for Version {
    type Err = NotAVersion;

    /// Reads `1.34`, `v1.34`, `1.34.4`, `v1.34.4-gke.1`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let mut parts = bare.splitn(3, '.');
        let major = parts.next().and_then(|part| part.parse().ok());
        let minor = parts.next().and_then(|part| {
            let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
            part[..digits].parse().ok()
        });
        match (major, minor) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(NotAVersion(text.to_owned())),
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
