//! Frames on standard output and back from a log: how evidence leaves a collector, and reports leave an auditor, where nothing
//! but a log does.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::output::write_file;
use super::{FINISHED, Failure, INCOMPLETE, audit, say};
use crate::cli::UnpackArgs;
use crate::evidence::frames::{self, Content, Header, OF_REPORTS, Reader};

/// Tells a collector the UID of its pod.
const POD_UID: &str = "KUBE_ASSAY_POD_UID";
/// Seconds after which a collector that stays says it again: a log may be rotated away before it is read.
const AGAIN: [u64; 4] = [30, 120, 600, 1800];
/// A file of a report is no larger than this.
const LARGEST_FILE: u64 = 256 << 20;
/// Longest line of a log that is looked at.
const LONGEST_LINE: u64 = 1 << 20;

/// Prints a stream; `body` is compressed already.
pub(super) fn write(content: Content, name: &str, body: &[u8]) -> Result<(), Failure> {
    let header = Header {
        content,
        name: name.to_owned(),
        pod: std::env::var(POD_UID).unwrap_or_default(),
        at: audit::now(),
        encryption: None,
    };
    let mut out = io::stdout().lock();
    for line in frames::frames(&header, body)? {
        writeln!(out, "{line}")?;
    }
    out.flush()?;
    Ok(())
}

/// Has a child process collect and print, and waits meanwhile: what a collection held is the system's again when it ended, the
/// host is closed, and what stays is a process that sleeps. Ends only when it is ended.
pub(super) fn stay(every: Option<u64>) -> Result<u8, Failure> {
    let own =
        std::env::current_exe().map_err(|error| Failure::internal(format!("cannot find this program: {error}")))?;
    let mut words = std::env::args_os().skip(1).peekable();
    let mut arguments = Vec::new();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--every" {
            words.next();
        } else if text != "--stay" && !text.starts_with("--every=") {
            arguments.push(word);
        }
    }
    let mut again = AGAIN.into_iter();
    loop {
        let ended = Command::new(&own).args(&arguments).stdin(Stdio::null()).status();
        match ended {
            Ok(status) if status.success() || status.code() == Some(i32::from(INCOMPLETE)) => {}
            Ok(status) => say(&format!("kube-assay: the collection ended early: {}", how(status))),
            Err(error) => say(&format!("kube-assay: the collection could not be started: {error}")),
        }
        match again.next().filter(|first| every.is_none_or(|every| *first < every)).or(every) {
            Some(seconds) => std::thread::sleep(Duration::from_secs(seconds)),
            None => loop {
                std::thread::park();
            },
        }
    }
}

fn how(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(9)) => "killed (out of memory?)".to_owned(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

/// Writes what an auditor left in its log.
pub(super) fn unpack(args: &UnpackArgs) -> Result<u8, Failure> {
    let from_stdin = args.log == Path::new("-");
    let log = if from_stdin { "standard input".to_owned() } else { args.log.display().to_string() };
    let failed = |error: io::Error| Failure::usage(format!("cannot read {log}: {error}"));
    let mut reader = Reader::new(OF_REPORTS);
    if from_stdin {
        lines(io::stdin().lock(), &mut reader).map_err(failed)?;
    } else {
        lines(BufReader::new(File::open(&args.log).map_err(failed)?), &mut reader).map_err(failed)?;
    }
    directory(&args.output)?;
    write_reports(reader, &log, &args.output)
}

/// Makes sure that a directory is there.
pub(super) fn directory(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path)
        .map_err(|error| Failure::usage(format!("cannot make the directory {}: {error}", path.display())))
}

/// Writes the files that stand in a log which was read.
pub(super) fn write_reports(reader: Reader, log: &str, output: &Path) -> Result<u8, Failure> {
    let (streams, errors) = reader.finish();
    for error in &errors {
        say(&format!("kube-assay: {log}: {error}"));
    }
    let mut written = 0;
    for stream in streams.iter().filter(|stream| stream.header.content == Content::File) {
        let name = &stream.header.name;
        if !is_file_name(name) {
            say(&format!("kube-assay: a file called {name:?} is not written: letters, digits, - and . are names here"));
            continue;
        }
        let bytes = frames::inflated(&stream.body, LARGEST_FILE)
            .map_err(|error| Failure::usage(format!("{name} cannot be decompressed: {error}")))?;
        let path = output.join(name);
        let size = write_file(&path, |out| Ok(out.write_all(&bytes)?))?;
        say(&format!("wrote {} ({} KiB)", path.display(), size.div_ceil(1024)));
        written += 1;
    }
    if written == 0 {
        return Err(Failure::incomplete(format!(
            "{log} holds no whole report: is it the log of an auditor that finished, and all of it?"
        )));
    }
    Ok(if errors.is_empty() { FINISHED } else { INCOMPLETE })
}

/// What of an auditor's log is for people: what is no frame.
pub(super) fn split(log: &[u8]) -> (String, Reader) {
    let mut reader = Reader::new(OF_REPORTS);
    let mut text = String::new();
    for line in String::from_utf8_lossy(log).lines() {
        if frames::is_frame(line) {
            reader.line(line);
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    (text, reader)
}

/// A name that stays in its directory and hides nothing.
fn is_file_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    !name.is_empty() && name.len() <= 100 && name.chars().all(plain) && !name.starts_with('.')
}

/// Hands over every line; longer ones than any frame are cut and so come out as damaged.
fn lines(mut input: impl BufRead, reader: &mut Reader) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        reader.line(&String::from_utf8_lossy(&line));
    }
}
