//! Words of this format for what the report holds as enums and keys.

use crate::audit::report::Counts;
use crate::audit::verdict::{Severity, Verdict};
use crate::evidence::{Ownership, Reason};

/// The class that carries a verdict's colour and symbol; the word itself is always text.
pub(super) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "fail",
        Verdict::Unknown => "unknown",
        Verdict::Review => "review",
        Verdict::Pass => "pass",
        Verdict::NotApplicable => "na",
    }
}

/// What a verdict means, for the page's own explanation.
pub(super) const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "Evidence shows that the requirement is violated.",
        Verdict::Unknown => {
            "The evidence could not be read, and the reason is given. It never counts as a pass and never as a failure; it lowers \
             the scores, because nothing was shown."
        }
        Verdict::Review => {
            "The evidence is here, but it needs a person’s judgement. It counts as not passed until then."
        }
        Verdict::Pass => "Positive and complete evidence that the requirement holds.",
        Verdict::NotApplicable => "What the control is about does not exist here, and its absence is proven.",
    }
}

/// Severity as a word; also the class.
pub(super) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
    }
}

/// Whose a running component is.
pub(super) const fn ownership(ownership: Ownership) -> &'static str {
    match ownership {
        Ownership::Own => "the node’s own: judged",
        Ownership::Undetermined => "cannot be told: judged",
        Ownership::Tenant => "a tenant’s: listed, not judged",
    }
}

/// A catalogue of references.
pub(super) fn catalogue(key: &str) -> &str {
    match key {
        "nist-800-53" => "NIST 800-53",
        "disa-stig" => "DISA STIG",
        other => other,
    }
}

/// A platform of the remediation.
pub(super) fn platform(key: &str) -> &str {
    match key {
        "rke2" => "RKE2",
        "other" => "Other platforms",
        known => known,
    }
}

/// Counts in words, worst first: `9 fail, 2 unknown, 1 review, 46 pass, 3 not applicable`.
pub(super) fn counts(counts: &Counts) -> String {
    let some: Vec<String> = Verdict::ALL
        .into_iter()
        .filter(|verdict| counts.of(*verdict) > 0)
        .map(|verdict| format!("{} {verdict}", counts.of(verdict)))
        .collect();
    some.join(", ")
}

/// How to see what could not be looked at; empty where there is no general answer.
pub(super) const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::NotAsked => "Name the missing source among the subjects of the audit.",
        Reason::NeedsApi => "Let the audit ask the cluster’s API.",
        Reason::Denied => "Give the collector the right to read it, then audit again.",
        Reason::NotFound => "A process in force names it: find out why it is not there.",
        Reason::Malformed => "Its own reader would refuse it as well: correct it.",
        Reason::ChangedSinceStart => "Restart the component, so that what is written is what is in force.",
        Reason::ViewIncomplete => "Let the collector see every process of the host.",
        Reason::OtherRoot => "Let the collector enter the containers of the components.",
        Reason::NotRunning => "Start the component, or remove what says that it belongs here.",
        Reason::DependsOnVersion => "Tell the audit which version runs.",
        Reason::IncompleteList => "Let the audit read the whole list.",
        Reason::Raced | Reason::TimedOut | Reason::Io => "Audit again.",
        _ => "",
    }
}
