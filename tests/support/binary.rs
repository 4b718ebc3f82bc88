//! The built program, run as a user runs it.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program; nothing of this process' environment changes what it says.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kube-assay"));
    command.env_remove("SOURCE_DATE_EPOCH").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Ran {
    Ran::of(command().args(arguments))
}

/// Runs it to its end as another user. Only root can; the program is copied to where that user may read it.
pub fn run_as<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(user: u32, scratch: &Path, arguments: I) -> Ran {
    let program = readable_copy(scratch);
    let mut command = Command::new(program);
    command.env_remove("SOURCE_DATE_EPOCH").env("NO_COLOR", "1").stdin(Stdio::null()).args(arguments);
    Ran::of(command.uid(user).gid(user))
}

/// Runs it to its end as uid 0 without any capability, as a collector in a cluster is. Only root can.
pub fn run_without_capabilities<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(scratch: &Path, arguments: I) -> Ran {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(readable_copy(scratch));
    Ran::of(command.env_remove("SOURCE_DATE_EPOCH").env("NO_COLOR", "1").stdin(Stdio::null()).args(arguments))
}

/// A place of the program that every user can reach; the build directory may be closed to others.
fn readable_copy(scratch: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let place = scratch.join("kube-assay");
    if !place.exists() {
        // not by this process: what another test starts meanwhile would hold the file open for writing, and then it cannot be run
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_kube-assay")).arg(&place).status().unwrap();
        assert!(copied.success(), "cp ended with {copied}");
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(scratch, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    place
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub raw: Vec<u8>,
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self {
            code: status.code(),
            out: String::from_utf8_lossy(&stdout).into_owned(),
            err: String::from_utf8_lossy(&stderr).into_owned(),
            raw: stdout,
        }
    }

    /// Ends the test unless the run ended with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Ends the test unless standard error holds every one of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.err.contains(text), "{text:?} is not in: {}", self.err);
        }
        self
    }
}
