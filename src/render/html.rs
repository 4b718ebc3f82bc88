//! The report as one HTML page: a single file that asks for nothing, readable without JavaScript, printable, hashable.
//!
//! What a reader sees is computed here into narrow view structs; the templates only place it. Evidence is hostile text: every
//! value passes one escape function, which also makes control and direction characters visible, so no template can forget
//! it. The page's own policy allows exactly its one style sheet and its one script, by their digests, and nothing else.
//!
//! Rejected: a data block that a script turns into the page (nothing to read without JavaScript, nothing to print), and a
//! row per node (76 s to open at 5,000 nodes).

use std::io::Write;

use sha2::{Digest, Sha256};
use tera::{Context, Tera};

use super::{Layout, RenderError};
use crate::audit::report::Report;

mod change;
mod controls;
mod data;
mod nodes;
mod page;
mod sections;
mod summary;
mod text;
mod words;

const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/report.js");
const TEMPLATES: [(&str, &str); 6] = [
    ("report.html", include_str!("../../templates/report.html")),
    ("summary.html", include_str!("../../templates/summary.html")),
    ("change.html", include_str!("../../templates/change.html")),
    ("sections.html", include_str!("../../templates/sections.html")),
    ("nodes.html", include_str!("../../templates/nodes.html")),
    ("method.html", include_str!("../../templates/method.html")),
];

/// Writes the report as one HTML page. Equal reports give equal bytes.
///
/// # Errors
/// When the writer fails. A template that does not fit the view is an error too, and a mistake of this format.
pub(super) fn render(report: &Report, _layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    let mut tera = Tera::default();
    // Every name ends with the empty suffix: escaping is on, whatever a template is called.
    tera.autoescape_on([""]);
    tera.set_escape_fn(text::escape);
    tera.add_raw_templates(TEMPLATES)?;
    let context = Context::from_serialize(&page::Page::of(report, STYLE, SCRIPT, &policy()))?;
    // Into memory first: a failing writer is then an error of the writer, not of the template.
    let page = tera.render("report.html", &context)?;
    out.write_all(page.as_bytes())?;
    Ok(())
}

/// The page's content security policy.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; img-src data:; base-uri 'none'; form-action 'none'",
        source_hash(STYLE),
        source_hash(SCRIPT)
    )
}

/// The digest of an inline block, as a policy names it.
fn source_hash(block: &str) -> String {
    format!("sha256-{}", text::base64(&Sha256::digest(block.as_bytes())))
}

#[cfg(test)]
mod tests;
