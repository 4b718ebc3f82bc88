//! What stands in the index of a history: an entry of each run, and notes of those that were pruned.
//!
//! Fields that a reader does not know are passed over, so that an older version reads what a newer one wrote.

use serde::{Deserialize, Serialize};

use super::NewRun;

/// Name and major version of an entry's form.
const ENTRY: &str = "kube-assay.run/v1";
/// Name and major version of a note's form.
const PRUNED: &str = "kube-assay.pruned/v1";

/// A run of an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    schema: String,
    /// Its name: the time when it was written, and a random number.
    pub run: String,
    /// When it was written, RFC 3339, UTC.
    pub written_at: String,
    /// Version of the program that wrote it.
    pub tool: String,
    /// What was audited, by an id that stays the same.
    pub cluster: String,
    /// What was audited, for people.
    pub name: String,
    /// The evidence.
    pub evidence: Kept,
    /// One report a benchmark.
    pub reports: Vec<KeptReport>,
}

/// A file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its name below the run's directory.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

/// A report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptReport {
    /// Id of its benchmark.
    pub benchmark: String,
    /// The report in its JSON form.
    pub file: Kept,
    /// What a table shows of it.
    pub figures: Figures,
    /// What changed since the run before it, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeCounts>,
}

/// Figures of a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// When its evidence was collected, RFC 3339, UTC.
    pub collected_at: String,
    /// CIS score, percent.
    pub cis: Option<f64>,
    /// Full score, percent.
    pub full: Option<f64>,
    /// Coverage, percent.
    pub coverage: Option<f64>,
    /// Nodes whose evidence is there.
    pub nodes_seen: usize,
    /// Nodes that exist, when the API was asked.
    pub nodes_expected: Option<usize>,
    /// Controls by verdict.
    pub verdicts: Verdicts,
}

/// How many controls have each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Verdicts {
    pub pass: usize,
    pub fail: usize,
    pub review: usize,
    pub unknown: usize,
    pub not_applicable: usize,
}

/// How much changed since another run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// The other run.
    pub since: String,
    /// Controls that fail and did not.
    pub new_failures: usize,
    /// Controls that failed and do not.
    pub fixed: usize,
    /// Other changes of a verdict, those by nodes that came or went too.
    pub other: usize,
    /// Controls with the verdict that they had, on other evidence.
    pub evidence: usize,
    /// Nodes that came.
    pub nodes_new: usize,
    /// Nodes that went.
    pub nodes_gone: usize,
}

impl Entry {
    pub(super) fn new(name: &str, run: &NewRun<'_>, evidence: Kept, reports: Vec<KeptReport>) -> Self {
        Self {
            schema: ENTRY.to_owned(),
            run: name.to_owned(),
            written_at: run.now.to_owned(),
            tool: run.tool.to_owned(),
            cluster: run.cluster.to_owned(),
            name: run.name.to_owned(),
            evidence,
            reports,
        }
    }

    /// Reads the entry of a run; what is wrong with it otherwise.
    pub(super) fn read(bytes: &[u8], run: &str) -> Result<Self, String> {
        let entry: Self = serde_json::from_slice(bytes).map_err(|error| {
            // the place, not the text: it is somebody's
            format!("is no entry of the form {ENTRY} (line {}, column {})", error.line(), error.column())
        })?;
        if entry.schema != ENTRY {
            return Err(format!("is of another form than {ENTRY}"));
        }
        if entry.run != run {
            return Err("is the entry of another run".to_owned());
        }
        // names of an entry lead nowhere but to the run's own directory
        let is_plain = |file: &Kept| !file.name.is_empty() && !file.name.contains('/') && !file.name.starts_with('.');
        let plain = is_plain(&entry.evidence) && entry.reports.iter().all(|report| is_plain(&report.file));
        if entry.reports.is_empty() || !plain {
            return Err("names files that no run has".to_owned());
        }
        Ok(entry)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        json(self)
    }

    /// The report of a benchmark; without one of it the first, since changes are told by check and not by a benchmark's number.
    pub fn report(&self, benchmark: &str) -> Option<&KeptReport> {
        self.reports.iter().find(|report| report.benchmark == benchmark).or(self.reports.first())
    }
}

/// A note of runs that were pruned together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pruned {
    schema: String,
    /// When, RFC 3339, UTC.
    pub at: String,
    /// The rule by which.
    pub why: String,
    /// Which.
    pub runs: Vec<PrunedRun>,
}

/// A run that was pruned, with what is remembered of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrunedRun {
    /// Its name.
    pub run: String,
    /// What was audited, by an id that stays the same.
    pub cluster: String,
    /// What was audited, for people.
    pub name: String,
    /// Figures of its reports, by benchmark.
    pub figures: Vec<(String, Figures)>,
}

impl Pruned {
    pub(super) fn new(runs: &[&Entry], why: &str, now: &str) -> Self {
        let runs = runs.iter().map(|entry| PrunedRun {
            run: entry.run.clone(),
            cluster: entry.cluster.clone(),
            name: entry.name.clone(),
            figures: entry.reports.iter().map(|report| (report.benchmark.clone(), report.figures.clone())).collect(),
        });
        Self { schema: PRUNED.to_owned(), at: now.to_owned(), why: why.to_owned(), runs: runs.collect() }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|note: &Self| note.schema == PRUNED)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        json(self)
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // these types hold strings, numbers and lists: there is nothing that JSON cannot say
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// True for the name of a run: `20261124T031700.123Z-0123456789abcdef`.
pub fn is_run_name(text: &str) -> bool {
    let shape = "00000000T000000.000Z-xxxxxxxxxxxxxxxx";
    text.len() == shape.len()
        && shape.bytes().zip(text.bytes()).all(|(shape, byte)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'x' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::is_run_name;

    #[test]
    fn names_of_runs() {
        assert!(is_run_name("20261124T031700.123Z-0123456789abcdef"));
        for text in [
            "20261124T031700.123Z",
            "20261124T031700.123Z-0123456789ABCDEF",
            "../0261124T031700.123Z-0123456789abcdef",
            "",
        ] {
            assert!(!is_run_name(text), "{text}");
        }
    }
}
