//! Where reports go: written beside their place and then renamed, so that a good one is never replaced by half of one.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::{Failure, say};
use crate::audit::report::Report;
use crate::cli::OutputArgs;
use crate::evidence::frames::{self, Content};
use crate::history::{Location, Store};
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
    /// The same in an object store; or one file, where it has a name.
    Store(Box<Store>, Option<String>),
}

/// What was asked for, checked before any work is done.
pub(crate) struct Plan {
    formats: Vec<&'static Format>,
    targets: Vec<Target>,
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
    let text = args.output.to_string_lossy();
    if text.contains("://") {
        return match text.parse::<Location>().map_err(|error| Failure::usage(error.to_string()))? {
            Location::Directory(path) => {
                let slash = if text.ends_with('/') { "/" } else { "" };
                plan(&OutputArgs { output: format!("{}{slash}", path.display()).into(), ..args.clone() }, reports)
            }
            Location::Url(url) => {
                let mut targets = vec![in_store(&url, several || text.ends_with('/'))?];
                if args.frames {
                    targets.push(Target::Frames);
                }
                let layout = Layout { verbose: args.verbose, ..Layout::default() };
                Ok(Plan { formats, targets, quiet: args.quiet, layout })
            }
        };
    }
    if args.frames && args.output != Path::new("-") {
        return Err(Failure::usage("--frames go to standard output: beside them --output takes a URL alone"));
    }
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
    Ok(Plan { formats, targets: vec![target], quiet: args.quiet, layout })
}

/// A place in an object store: `several` files below it, or one file.
fn in_store(url: &str, several: bool) -> Result<Target, Failure> {
    let (place, name) = match url.rsplit_once('/') {
        Some((place, name)) if !several && !place.ends_with('/') => (place, Some(name.to_owned())),
        _ => (url, None),
    };
    let opened = place.parse().and_then(|location| Store::make(&location));
    Ok(Target::Store(Box::new(opened.map_err(|error| Failure::usage(error.to_string()))?), name))
}

impl Plan {
    /// True when a person reads the summary on standard output.
    pub(crate) fn shows_text(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Stdout | Target::Frames))
            && self.formats.iter().any(|format| format.name == "text")
    }

    /// Writes one report; `several` puts the benchmark into the names of files.
    ///
    /// A store that refuses costs nobody the report: it is printed then.
    ///
    /// # Errors
    /// When something could not be written; everything that could be is.
    pub(crate) fn write(&self, report: &Report, several: bool) -> Result<(), Failure> {
        // standard output first: what else fails is told behind it
        let (stores, others): (Vec<&Target>, Vec<&Target>) =
            self.targets.iter().partition(|target| matches!(target, Target::Store(..)));
        let written = others.into_iter().try_for_each(|target| self.write_to(target, report, several));
        let stored = stores.into_iter().try_for_each(|target| self.write_to(target, report, several));
        if stored.is_err() && !self.shows_text() {
            let mut bytes = Vec::new();
            if let Some(text) = render::format("text") {
                rendered(text.render(report, &self.layout, &mut bytes), Path::new("standard output"))?;
            }
            io::stdout().write_all(&bytes)?;
        }
        written.and(stored)
    }

    fn write_to(&self, target: &Target, report: &Report, several: bool) -> Result<(), Failure> {
        for format in &self.formats {
            match target {
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
                Target::Store(store, name) => {
                    let name = name.clone().unwrap_or_else(|| file_name(format, report, several));
                    let mut bytes = Vec::new();
                    rendered(format.render(report, &self.layout, &mut bytes), Path::new("memory"))?;
                    store.write(&name, &bytes).map_err(|error| Failure::usage(error.to_string()))?;
                    if !self.quiet {
                        say(&format!("wrote {} ({} KiB)", store.place(&name), bytes.len().div_ceil(1024)));
                    }
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
