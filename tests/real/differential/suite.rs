//! What every suite has: options, the count of what was compared, and how a difference is shown.

use std::path::PathBuf;
use std::time::Instant;

/// How many differences are cut down and shown; all are counted.
const SHOWN: usize = 20;

/// The words of the command line.
pub struct Options {
    /// Which suite.
    pub suite: String,
    /// How many cases.
    pub count: u64,
    /// What the cases follow from.
    pub seed: u64,
    /// Only this case, and what was made for it.
    pub case: Option<u64>,
    /// The folder of the real binaries.
    pub binaries: PathBuf,
    /// The oracle's program.
    pub oracle: PathBuf,
}

impl Options {
    /// Reads the words after the program's name.
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            suite: String::new(),
            count: 500,
            seed: 1,
            case: None,
            binaries: std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from).unwrap_or_default(),
            oracle: PathBuf::new(),
        };
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text} is no number"));
            match word.as_str() {
                "--count" => options.count = number(value()?)?,
                "--seed" => options.seed = number(value()?)?,
                "--case" => options.case = Some(number(value()?)?),
                "--binaries" => options.binaries = value()?.into(),
                "--oracle" => options.oracle = value()?.into(),
                _ if options.suite.is_empty() && !word.starts_with('-') => options.suite = word,
                _ => return Err(format!("what is {word}?")),
            }
        }
        if options.suite.is_empty() {
            return Err("name a suite: yaml, flags, kubelet, etcd, etcd-tls, pss or audit-policy".to_owned());
        }
        Ok(options)
    }

    /// The numbers of the cases to run.
    pub fn cases(&self) -> Vec<u64> {
        self.case.map_or_else(|| (0..self.count).collect(), |case| vec![case])
    }
}

/// One difference, cut down.
pub struct Difference {
    /// The case's number.
    pub case: u64,
    /// What both were given.
    pub input: String,
    /// What Kubernetes makes of it.
    pub theirs: String,
    /// What we make of it.
    pub ours: String,
}

/// What a suite has found so far.
pub struct Tally<'a> {
    options: &'a Options,
    title: String,
    started: Instant,
    compared: u64,
    notes: Vec<String>,
    different: u64,
}

impl<'a> Tally<'a> {
    /// Starts to count; `version` is that of what is compared with.
    pub fn new(options: &'a Options, version: &str) -> Self {
        let title = format!("{} {version}", options.suite);
        Self { options, title, started: Instant::now(), compared: 0, notes: Vec::new(), different: 0 }
    }

    /// One more case was compared.
    pub fn compared(&mut self) {
        self.compared += 1;
    }

    /// A case differs. `cut_down` makes what is shown of it, and is not called when enough was shown.
    pub fn differs(&mut self, cut_down: impl FnOnce() -> Difference) {
        self.different += 1;
        if self.different as usize > SHOWN {
            return;
        }
        let Difference { case, input, theirs, ours } = cut_down();
        let seed = self.options.seed;
        println!("DIFFERENT {} --seed {seed} --case {case}", self.title);
        for (name, text) in [("input", input), ("theirs", theirs), ("ours", ours)] {
            println!("  {name:<7}{}", text.replace('\n', "\n         "));
        }
    }

    /// A line about the cases themselves, shown with the result.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// Prints the result; true when nothing differs and something was compared.
    pub fn end(self) -> bool {
        let Self { options, title, started, compared, notes, different } = self;
        let notes: String = notes.iter().map(|note| format!("; {note}")).collect();
        println!(
            "{title}: {compared} compared, {different} differ (seed {}, {:.1} s{notes})",
            options.seed,
            started.elapsed().as_secs_f64()
        );
        different == 0 && compared > 0
    }
}
