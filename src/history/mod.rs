//! Floor 1: where runs are kept, and what an audit wrote earlier.
//!
//! A run is its files below `runs/RUN/` and, written last and never over another, its entry `index/RUN.json`: without the entry there
//! is no run, so a writer that dies halfway changes nothing. Names begin with the time and end with a random number: they sort by time,
//! and two writers never meet. What was pruned is noted below `pruned/`. What else lies there is somebody's: it is named, and left alone.
//!
//! Rejected: one index file that each run rewrites (two writers lose a run), and a database (an object store has none).

mod entry;
#[cfg(feature = "object-stores")]
mod http;
#[cfg(feature = "object-stores")]
mod remote;
mod store;

use std::hash::{BuildHasher, Hasher};

pub use entry::{ChangeCounts, Entry, Figures, Kept, KeptReport, Pruned, PrunedRun, Verdicts, is_run_name};
pub use store::{Listing, Location, Store, StoreError};

use crate::evidence::sha256;

/// An entry or a note is smaller than this, in bytes.
const LARGEST_ENTRY: u64 = 1 << 20;
/// A report or evidence is smaller than this, in bytes.
const LARGEST_FILE: u64 = 512 << 20;
/// Name of a run's evidence file.
const EVIDENCE: &str = "evidence.zst";

/// Runs of audits in a store.
pub struct History {
    store: Store,
}

/// The runs of a history.
#[derive(Debug, Default)]
pub struct Runs {
    /// Entries that could be read, in the order of time.
    pub entries: Vec<Entry>,
    /// What lies among them and is no entry, or none that can be read: where, and what is wrong with it.
    pub skipped: Vec<String>,
}

/// A report that is about to be kept.
pub struct NewReport {
    /// Id of its benchmark.
    pub benchmark: String,
    /// Its JSON form.
    pub json: Vec<u8>,
    /// What a table of runs shows of it.
    pub figures: Figures,
    /// What changed since the run before it.
    pub change: Option<ChangeCounts>,
}

/// A run that is about to be kept.
pub struct NewRun<'a> {
    /// Now, RFC 3339, UTC, with milliseconds.
    pub now: &'a str,
    /// This program's version.
    pub tool: &'a str,
    /// What was audited, by an id that stays the same.
    pub cluster: &'a str,
    /// What was audited, for people.
    pub name: &'a str,
    /// The evidence file.
    pub evidence: &'a [u8],
    /// One report a benchmark.
    pub reports: Vec<NewReport>,
}

impl History {
    /// Opens a history to write to; a directory is made.
    ///
    /// # Errors
    /// Those of [`Store::make`].
    pub fn make(location: &Location) -> Result<Self, StoreError> {
        Ok(Self { store: Store::make(location)? })
    }

    /// Opens a history that is there.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        Ok(Self { store: Store::open(location)? })
    }

    /// Every run.
    ///
    /// # Errors
    /// When the index cannot be listed. An entry that cannot be read is no error: it is named among the skipped ones.
    pub fn runs(&self) -> Result<Runs, StoreError> {
        let listing = self.store.list("index")?;
        let mut runs = Runs::default();
        let skipped = |name: &str, why: &str| format!("{}: {why}", self.store.place(&format!("index/{name}")));
        runs.skipped.extend(listing.others.iter().map(|(name, why)| skipped(name, why)));
        let is_entry = |name: &&String| name.strip_suffix(".json").is_some_and(is_run_name);
        let (ours, others): (Vec<&String>, Vec<&String>) = listing.files.iter().partition(is_entry);
        runs.skipped.extend(others.iter().map(|name| skipped(name, "is no entry of a run")));
        let names: Vec<String> = ours.iter().map(|name| format!("index/{name}")).collect();
        for (name, read) in ours.into_iter().zip(self.store.read_all(&names, LARGEST_ENTRY)) {
            match read {
                Ok(bytes) => match Entry::read(&bytes, name.trim_end_matches(".json")) {
                    Ok(entry) => runs.entries.push(entry),
                    Err(why) => runs.skipped.push(skipped(name, &why)),
                },
                // pruned between the list and now
                Err(StoreError::Missing { .. }) => {}
                Err(error) => runs.skipped.push(error.to_string()),
            }
        }
        Ok(runs)
    }

    /// Runs whose files are there without an entry: being written at this moment, or cut short.
    ///
    /// # Errors
    /// When the runs cannot be listed.
    pub fn unfinished(&self, runs: &Runs) -> Result<Vec<String>, StoreError> {
        let known = |name: &String| runs.entries.iter().any(|entry| entry.run == *name);
        let mut found = self.store.directories("runs")?;
        found.retain(|name| is_run_name(name) && !known(name));
        Ok(found)
    }

    /// A report of a run, in its JSON form, checked against the entry's digest.
    ///
    /// # Errors
    /// A line for people: where it is, and what is wrong with it.
    pub fn report(&self, entry: &Entry, report: &KeptReport) -> Result<Vec<u8>, String> {
        let name = format!("runs/{}/{}", entry.run, report.file.name);
        let bytes = self.store.read(&name, LARGEST_FILE).map_err(|error| error.to_string())?;
        if sha256(&bytes) == report.file.sha256 {
            Ok(bytes)
        } else {
            Err(format!("{} is not what the run's entry says: another SHA-256", self.store.place(&name)))
        }
    }

    /// Keeps a run; returns its name.
    ///
    /// # Errors
    /// When the store refuses; then there is no run, whatever was written of it.
    pub fn add(&self, run: &NewRun<'_>) -> Result<String, StoreError> {
        // the first file claims the name
        let (name, evidence) = loop {
            let name = run_name(run.now);
            match self.keep(&name, EVIDENCE, run.evidence) {
                Ok(kept) => break (name, kept),
                Err(StoreError::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        };
        let mut reports = Vec::new();
        for report in &run.reports {
            let file = self.keep(&name, &format!("report-{}.json", report.benchmark), &report.json)?;
            let (figures, change) = (report.figures.clone(), report.change.clone());
            reports.push(KeptReport { benchmark: report.benchmark.clone(), file, figures, change });
        }
        let entry = Entry::new(&name, run, evidence, reports);
        self.store.create(&format!("index/{name}.json"), &entry.bytes())?;
        Ok(name)
    }

    /// Removes whole runs, after a note of them is written: the entry first, so that none is ever there by half.
    ///
    /// # Errors
    /// When the store refuses; what is not removed yet stays whole, or is no run any more.
    pub fn prune(&self, runs: &[&Entry], why: &str, now: &str) -> Result<(), StoreError> {
        if runs.is_empty() {
            return Ok(());
        }
        let note = Pruned::new(runs, why, now);
        self.store.create(&format!("pruned/{}.json", run_name(now)), &note.bytes())?;
        for entry in runs {
            self.store.remove(&format!("index/{}.json", entry.run))?;
            let files = entry.reports.iter().map(|report| &report.file).chain([&entry.evidence]);
            for file in files {
                self.store.remove(&format!("runs/{}/{}", entry.run, file.name))?;
            }
        }
        Ok(())
    }

    /// How many runs were pruned, by the notes that can be read.
    ///
    /// # Errors
    /// When the notes cannot be listed.
    pub fn pruned(&self) -> Result<Vec<Pruned>, StoreError> {
        let files = self.store.list("pruned")?.files;
        let names: Vec<String> = files.iter().map(|name| format!("pruned/{name}")).collect();
        let read = self.store.read_all(&names, LARGEST_ENTRY).into_iter().flatten();
        Ok(read.filter_map(|bytes| Pruned::read(&bytes)).collect())
    }

    fn keep(&self, run: &str, file: &str, bytes: &[u8]) -> Result<Kept, StoreError> {
        self.store.create(&format!("runs/{run}/{file}"), bytes)?;
        Ok(Kept { name: file.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) })
    }
}

/// `20261124T031700.123Z-` and a random number. Of the standard library's own seed: nothing secret rests on it.
fn run_name(now: &str) -> String {
    let time: String = now.chars().filter(|letter| *letter != '-' && *letter != ':').collect();
    let mut random = std::collections::hash_map::RandomState::new().build_hasher();
    random.write_u32(std::process::id());
    format!("{time}-{:016x}", random.finish())
}
