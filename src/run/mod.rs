//! Floor 4: wiring. The only place that sees every floor; user files, clock, environment and exit codes are its business.

mod audit;
mod diff;
mod effective;
mod example;
mod explain;
mod frames;
mod history;
mod kustomize;
mod manifests;
mod one_off;
mod output;
mod permissions;
mod progress;
mod pss;
mod rights;
mod subject;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::cli::{Cli, Command};

/// Finished.
pub const FINISHED: u8 = 0;
/// A control of at least the severity of `--fail-on` fails.
pub const FINDINGS: u8 = 1;
/// Usage or configuration error; a report or a history that could not be written.
pub const USAGE: u8 = 2;
/// Coverage below `--min-coverage`, or nothing could be read.
pub const INCOMPLETE: u8 = 3;
/// A defect of this program.
pub const INTERNAL: u8 = 4;

/// Why a command did not finish.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    pub(crate) fn incomplete(message: impl Into<String>) -> Self {
        Self { code: INCOMPLETE, message: message.into() }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: INTERNAL, message: message.into() }
    }

    /// Says it on standard error.
    pub(crate) fn tell(&self) {
        if !self.message.is_empty() {
            say(&format!("kube-assay: {}", self.message));
        }
    }
}

/// A closed pipe is the reader's choice: nothing is said, and the run counts as finished.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: FINISHED, message: String::new() };
        }
        Self::usage(format!("standard output: {error}"))
    }
}

impl From<crate::benchmark::LoadError> for Failure {
    fn from(error: crate::benchmark::LoadError) -> Self {
        Self::usage(error.to_string())
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match parsed() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { FINISHED };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let done = std::panic::catch_unwind(|| dispatch(cli));
    let code = match done {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => {
            failure.tell();
            failure.code
        }
        Err(_) => {
            say(
                "kube-assay: this is a defect of kube-assay, not of your cluster; please report it with the lines above",
            );
            INTERNAL
        }
    };
    ExitCode::from(code)
}

/// The command line; as a plugin of kubectl the program is called `kubectl assay`.
fn parsed() -> Result<Cli, clap::Error> {
    let own = std::env::args_os().next().unwrap_or_default();
    let is_plugin = Path::new(&own).file_stem().is_some_and(|name| name == "kubectl-assay" || name == "kubectl_assay");
    let command = if is_plugin { Cli::command().bin_name("kubectl assay") } else { Cli::command() };
    Cli::from_arg_matches(&command.try_get_matches()?)
}

/// A line on standard error; control characters are shown, not sent.
pub(crate) fn say(message: &str) {
    for line in message.lines() {
        let _ = writeln!(io::stderr(), "{}", crate::render::escape::visible(line));
    }
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        Command::Audit(args) => audit::audit(&args),
        Command::Collect(args) if args.stay => frames::stay(args.every),
        Command::Collect(args) => audit::collect(&args),
        Command::Evaluate(args) => audit::evaluate(&args),
        Command::Render(args) => audit::render(&args),
        Command::Manifests(args) => manifests::manifests(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Run(args) => one_off::run(&args),
        Command::History(args) => history::history(&args),
        Command::Unpack(args) => frames::unpack(&args),
        Command::Benchmarks(args) => explain::benchmarks(&args),
        Command::Explain(args) => explain::explain(&args),
        Command::Effective(args) => effective::effective(&args),
        Command::WhoCan(args) => rights::who_can(&args),
        Command::Can(args) => rights::can(&args),
        Command::Pss(args) => pss::pss(&args),
        Command::Lint(args) => explain::lint(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kube-assay", &mut script);
            io::stdout().write_all(&script)?;
            Ok(FINISHED)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            io::stdout().write_all(&page)?;
            Ok(FINISHED)
        }
        Command::Schema => {
            let schema = schemars::schema_for!(crate::audit::report::Report);
            let mut text =
                serde_json::to_string_pretty(&schema).map_err(|error| Failure::internal(error.to_string()))?;
            text.push('\n');
            io::stdout().write_all(text.as_bytes())?;
            Ok(FINISHED)
        }
    }
}
