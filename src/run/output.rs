//! Where reports go: written beside their place and then renamed, so that a good one is never replaced by half of one.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::{Failure, say};
use crate::audit::report::Report;
use crate::cli::OutputArgs;
use crate::evidence::frames::{self, Content};
use crate::render::{self, Format, Layout, RenderError};

/// Where the reports of a run go.
pub(crate) enum Target {
    /// Standard output.
    Stdout,
    /// One file.
    File(PathBuf),
    /// Standard output, everything but text as frames.
    Frames,
    /// One file a format and benchmark.
    Directory(PathBuf),
}

/// What was asked for, checked before any work is done.
pub(crate) struct Plan {
    pub(crate) formats: Vec<&'static Format>,
    pub(crate) target: Target,
    pub(crate) quiet: bool,
    layout: Layout,
}

/// Checks the arguments; `reports` is how many reports there will be.
pub(crate) fn plan(args: &OutputArgs, reports: usize) -> Result<Plan, Failure> {
    let mut names: Vec<&str> = args.format.iter().map(String::as_str).collect();
    names.dedup();
    let by_name = args.output.extension().and_then(|extension| extension.to_str());
    if names.is_empty() {
        let format =
            render::FORMATS.iter().find(|format| by_name == Some(format.extension) && args.output != Path::new("-"));
        names.push(format.map_or("text", |format| format.name));
    }
    let formats: Vec<&'static Format> = names.iter().filter_map(|name| render::format(name)).collect();
    let several = formats.len() * reports > 1;
    let directory = args.output.is_dir() || args.output.as_os_str().to_string_lossy().ends_with('/');
    let target = if args.frames {
        Target::Frames
    } else if args.output == Path::new("-") {
        if several && !formats.iter().all(|format| format.name == "text") {
            return Err(Failure::usage(
                "several reports do not fit standard output: name a directory with --output DIR",
            ));
        }
        Target::Stdout
    } else if directory || several {
        if args.output.is_file() {
            return Err(Failure::usage(format!(
                "{} is a file, and several reports need a directory",
                args.output.display()
            )));
        }
        fs::create_dir_all(&args.output)
            .map_err(|error| Failure::usage(format!("cannot make the directory {}: {error}", args.output.display())))?;
        Target::Directory(args.output.clone())
    } else {
        Target::File(args.output.clone())
    };
    let stdout = io::stdout();
    let to_terminal = matches!(target, Target::Stdout) && stdout.is_terminal();
    let width = terminal_size::terminal_size().filter(|_| to_terminal).map_or(100, |(width, _)| usize::from(width.0));
    let colour = to_terminal
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let layout = Layout { width: width.clamp(40, 160), colour, verbose: args.verbose };
    Ok(Plan { formats, target, quiet: args.quiet, layout })
}

impl Plan {
    /// True when a person reads the summary on standard output.
    pub(crate) fn shows_text(&self) -> bool {
        matches!(self.target, Target::Stdout | Target::Frames)
            && self.formats.iter().any(|format| format.name == "text")
    }

    /// Writes one report; `several` puts the benchmark into the names of files.
    pub(crate) fn write(&self, report: &Report, several: bool) -> Result<(), Failure> {
        for format in &self.formats {
            match &self.target {
                Target::Stdout => {
                    let mut bytes = Vec::new();
                    rendered(format.render(report, &self.layout, &mut bytes), Path::new("standard output"))?;
                    let mut stdout = io::stdout().lock();
                    stdout.write_all(&bytes)?;
                    if several {
                        stdout.write_all(b"\n")?;
                    }
                    stdout.flush()?;
                }
                Target::Frames => {
                    let mut bytes = Vec::new();
                    rendered(format.render(report, &self.layout, &mut bytes), Path::new("standard output"))?;
                    if matches!(format.name, "text" | "summary") {
                        io::stdout().write_all(&bytes)?;
                    } else {
                        let body = frames::compressed(&bytes)?;
                        super::frames::write(Content::File, &file_name(format, report, several), &body)?;
                    }
                }
                Target::File(path) => self.to_file(format, report, path)?,
                Target::Directory(directory) => {
                    self.to_file(format, report, &directory.join(file_name(format, report, several)))?;
                }
            }
        }
        Ok(())
    }

    fn to_file(&self, format: &Format, report: &Report, path: &Path) -> Result<(), Failure> {
        let size = write_file(path, |out| format.render(report, &self.layout, out))?;
        if !self.quiet {
            say(&format!("wrote {} ({} KiB)", path.display(), size.div_ceil(1024)));
        }
        Ok(())
    }
}

fn file_name(format: &Format, report: &Report, several: bool) -> String {
    if several {
        format!("report-{}.{}", report.run.benchmark.id, format.extension)
    } else {
        format!("report.{}", format.extension)
    }
}

fn rendered(result: Result<(), RenderError>, path: &Path) -> Result<(), Failure> {
    result.map_err(|error| match error {
        RenderError::Io(error) => Failure::usage(format!("cannot write {}: {error}", path.display())),
        other => Failure::internal(format!("cannot render: {other}")),
    })
}

/// Writes a file whole or not at all; returns its size in bytes.
pub(crate) fn write_file(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), RenderError>,
) -> Result<u64, Failure> {
    let refused = |error: &io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    // a pipe or a device is written as it is; there is nothing to rename
    if let Ok(known) = fs::metadata(path)
        && !known.is_file()
    {
        if known.is_dir() {
            return Err(Failure::usage(format!("cannot write {}: it is a directory", path.display())));
        }
        let mut file = fs::OpenOptions::new().write(true).open(path).map_err(|error| refused(&error))?;
        rendered(write(&mut file), path)?;
        return Ok(0);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file =
        tempfile::Builder::new().prefix(".kube-assay-").tempfile_in(directory).map_err(|error| refused(&error))?;
    let mut out = io::BufWriter::new(file);
    rendered(write(&mut out), path)?;
    let file = out.into_inner().map_err(|error| refused(error.error()))?;
    let size = file.as_file().metadata().map(|facts| facts.len()).unwrap_or_default();
    file.as_file().sync_data().map_err(|error| refused(&error))?;
    file.persist(path).map_err(|error| refused(&error.error))?;
    Ok(size)
}
