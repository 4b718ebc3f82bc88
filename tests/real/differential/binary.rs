//! Runs the real binaries: an empty environment, a directory of their own, an end after a time limit.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kube_assay::evidence::Version;

/// None of them works for longer than a second; one that does has begun to serve, which no case may make it do.
const LIMIT: Duration = Duration::from_secs(20);

/// What a binary printed, standard output and standard error together.
pub struct Printed {
    /// The text.
    pub text: String,
    /// It did not end by itself and was killed.
    pub cut_off: bool,
}

/// A real binary.
pub struct Binary {
    /// Its path.
    pub path: PathBuf,
}

impl Binary {
    /// The binary of that name in the folder.
    pub fn of(folder: &Path, name: &str) -> Self {
        let path = if name == "etcd" { folder.join("etcd/etcd") } else { folder.join(name) };
        assert!(
            path.is_file(),
            "no {name} at {}: --binaries names the folder that tests/real/build prints",
            path.display()
        );
        Self { path }
    }

    /// Runs it in `directory`.
    pub fn run(&self, directory: &Path, words: &[String]) -> Printed {
        let mut child = Command::new(&self.path)
            .args(words)
            .env_clear()
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        let (done, parts) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for mut stream in streams {
            let done = done.clone();
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stream.read_to_end(&mut bytes);
                let _ = done.send(bytes);
            });
        }
        let mut text = String::new();
        let mut cut_off = false;
        for _ in 0..2 {
            let bytes = parts.recv_timeout(LIMIT).unwrap_or_else(|_| {
                cut_off = true;
                let _ = child.kill();
                parts.recv().unwrap_or_default()
            });
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        let _ = child.wait();
        Printed { text, cut_off }
    }

    /// The version that it tells, whole and as far as the tables know it.
    pub fn version(&self, directory: &Path) -> (String, Version) {
        let printed = self.run(directory, &["--version".to_owned()]).text;
        let word = printed
            .split_whitespace()
            .find(|word| word.trim_start_matches('v').starts_with(|first: char| first.is_ascii_digit()));
        let word = word.unwrap_or_else(|| panic!("{} tells no version: {printed}", self.path.display()));
        let version = word.parse().unwrap_or_else(|error| panic!("{error}"));
        (word.trim_start_matches('v').to_owned(), version)
    }
}

/// Runs `work` over the cases on two threads, each with a directory of its own, and hands on the results in order.
pub fn in_parallel<R: Send>(cases: &[u64], work: impl Fn(u64, &Path) -> R + Sync, mut take: impl FnMut(u64, R)) {
    const THREADS: usize = 2;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                // a few results wait at most: whatever is found is shown while the rest still runs
                let (done, results) = mpsc::sync_channel(64);
                let work = &work;
                scope.spawn(move || {
                    let directory = tempfile::tempdir().unwrap();
                    for case in cases.iter().skip(thread).step_by(THREADS) {
                        if done.send(work(*case, directory.path())).is_err() {
                            return;
                        }
                    }
                });
                results
            })
            .collect();
        for (index, case) in cases.iter().enumerate() {
            take(*case, workers[index % THREADS].recv().expect("a worker panicked"));
        }
    });
}
