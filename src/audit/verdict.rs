//! Verdicts and how they add up.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::benchmark::Severity;

/// The verdict on a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The requirement is violated.
    Fail,
    /// The evidence could not be read.
    Unknown,
    /// A person must decide; the evidence is laid out.
    Review,
    /// Positive, complete evidence that the requirement holds.
    Pass,
    /// What the control is about does not exist here; proven.
    NotApplicable,
}

impl Verdict {
    /// All, worst first: the order in which they add up.
    pub const ALL: [Self; 5] = [Self::Fail, Self::Unknown, Self::Review, Self::Pass, Self::NotApplicable];

    /// The verdict over several: fail if any fails; else unknown if any is unknown; else review; else pass if any passes;
    /// not-applicable only if all are. Nothing at all is `None`.
    pub fn over(verdicts: impl IntoIterator<Item = Self>) -> Option<Self> {
        verdicts.into_iter().min()
    }

    /// As reports write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Review => "review",
            Self::Pass => "pass",
            Self::NotApplicable => "not applicable",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Fail, NotApplicable, Pass, Review, Unknown};

    #[test]
    fn verdicts_add_up() {
        assert_eq!(Verdict::over([Pass, NotApplicable]), Some(Pass));
        assert_eq!(Verdict::over([NotApplicable, NotApplicable]), Some(NotApplicable));
        assert_eq!(Verdict::over([Pass, Review]), Some(Review));
        assert_eq!(Verdict::over([Review, Unknown, Pass]), Some(Unknown));
        assert_eq!(Verdict::over([Unknown, Fail]), Some(Fail));
        assert_eq!(Verdict::over([]), None);
    }
}
