//! The report as JSON: its types as they are, two spaces of indentation, one newline at the end.

use std::io::Write;

use super::{Layout, RenderError};
use crate::audit::report::Report;

pub(super) fn render(report: &Report, _layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    let mut bytes = serde_json::to_vec_pretty(report)?;
    bytes.push(b'\n');
    out.write_all(&bytes)?;
    Ok(())
}
