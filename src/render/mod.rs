//! Floor 3: a report becomes bytes. One format, one file; no I/O but the writer that is handed in.

pub mod escape;
mod html;
mod json;
mod prometheus;
mod summary;
mod text;
pub(crate) mod trend;

use std::io::{self, Write};

use crate::audit::report::Report;

/// Why a report could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The writer refused.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A template is wrong: a defect of this program.
    #[error("template: {0}")]
    Template(#[from] tera::Error),
    /// A value cannot be written in this format: a defect of this program.
    #[error("encoding: {0}")]
    Encoding(#[from] serde_json::Error),
}

/// How text is laid out; other formats do not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Columns.
    pub width: usize,
    /// Colours may be used.
    pub colour: bool,
    /// Passing and not-applicable controls too.
    pub verbose: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { width: 100, colour: false, verbose: false }
    }
}

type Renderer = fn(&Report, &Layout, &mut dyn Write) -> Result<(), RenderError>;

/// A format.
pub struct Format {
    /// As `--format` names it.
    pub name: &'static str,
    /// Extension of its files.
    pub extension: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    render: Renderer,
}

impl Format {
    /// Renders a report.
    ///
    /// # Errors
    /// Those of the writer; see [`RenderError`].
    pub fn render(&self, report: &Report, layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
        (self.render)(report, layout, out)
    }
}

/// Every format. A new one is one file and one line here.
pub const FORMATS: [Format; 5] = [
    Format { name: "text", extension: "txt", about: "summary for a terminal", render: text::render },
    Format {
        name: "json",
        extension: "json",
        about: "everything, for programs (schema kube-assay.report/v1)",
        render: json::render,
    },
    Format {
        name: "summary",
        extension: "jsonl",
        about: "one line of JSON, for scripts and logs",
        render: summary::render,
    },
    Format {
        name: "prometheus",
        extension: "prom",
        about: "figures for monitoring (OpenMetrics text)",
        render: prometheus::render,
    },
    Format { name: "html", extension: "html", about: "one self-contained page", render: html::render },
];

/// The format of that name.
pub fn format(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// The verdict of a report in one sentence.
pub fn sentence(report: &Report) -> String {
    text::sentence(report)
}
