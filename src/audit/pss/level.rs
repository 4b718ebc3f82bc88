//! Levels and policy versions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::evidence::Version;

/// Minor number of the newest policy version whose checks are known.
pub const NEWEST: u64 = 37;

/// A level of the Pod Security Standards, from the least to the most strict (`CompareLevels` of api/helpers.go).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Everything is allowed.
    Privileged,
    /// Known privilege escalations are refused.
    Baseline,
    /// Hardening is demanded.
    Restricted,
}

/// The text is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be one of privileged, baseline, restricted")]
pub struct NotALevel;

impl FromStr for Level {
    type Err = NotALevel;

    /// Source: `ParseLevel` (api/helpers.go): the exact words only.
    fn from_str(text: &str) -> Result<Self, NotALevel> {
        match text {
            "privileged" => Ok(Self::Privileged),
            "baseline" => Ok(Self::Baseline),
            "restricted" => Ok(Self::Restricted),
            _ => Err(NotALevel),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// A version of the policy: as the standards were at that version of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyVersion {
    /// `v1.N`.
    Minor(u64),
    /// `latest`: newer than any.
    Latest,
}

impl PolicyVersion {
    /// The minor number; the greatest there is for `latest`.
    pub(crate) fn minor(self) -> u64 {
        match self {
            Self::Minor(minor) => minor,
            Self::Latest => u64::MAX,
        }
    }
}

/// The text is no policy version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be \"latest\" or \"v1.x\"")]
pub struct NotAPolicyVersion;

impl FromStr for PolicyVersion {
    type Err = NotAPolicyVersion;

    /// Source: `ParseVersion` (api/helpers.go): `latest`, or `v1.` and a number of 63 bits without leading zeros.
    fn from_str(text: &str) -> Result<Self, NotAPolicyVersion> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let digits = text.strip_prefix("v1.").ok_or(NotAPolicyVersion)?;
        let plain = digits.bytes().all(|digit| digit.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        let minor = digits.parse::<i64>().ok().and_then(|minor| u64::try_from(minor).ok());
        minor.filter(|_| plain).map(Self::Minor).ok_or(NotAPolicyVersion)
    }
}

impl fmt::Display for PolicyVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor(minor) => write!(out, "v1.{minor}"),
            Self::Latest => out.write_str("latest"),
        }
    }
}

impl Serialize for PolicyVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PolicyVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A level at a version: what one mode of a namespace asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LevelVersion {
    /// How strict.
    pub level: Level,
    /// As of which version.
    pub version: PolicyVersion,
}

impl LevelVersion {
    /// A level at a version.
    pub const fn new(level: Level, version: PolicyVersion) -> Self {
        Self { level, version }
    }

    /// The policy that an API server of this version really applies: `latest` and everything newer is its own version.
    ///
    /// Source: `checkRegistry.EvaluatePod` (policy/registry.go): a server knows no check newer than itself, and one that
    /// emulates an older version asks none newer than that.
    pub fn on(self, server: Version) -> Self {
        let own = u64::from(server.minor);
        Self { version: PolicyVersion::Minor(self.version.minor().min(own)), ..self }
    }
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.level, self.version)
    }
}
