//! The report as JSON: its types as they are, two spaces of indentation, one newline at the end. Written while it is made: at 5,000 nodes
//! it is several megabytes, which nobody needs at once.

use std::io::Write;

use super::{Layout, RenderError};
use crate::audit::report::Report;

pub(super) fn render(report: &Report, _layout: &Layout, out: &mut dyn Write) -> Result<(), RenderError> {
    serde_json::to_writer_pretty(&mut *out, report).map_err(|error| match error.io_error_kind() {
        Some(_) => RenderError::Io(error.into()),
        None => RenderError::Encoding(error),
    })?;
    out.write_all(b"\n")?;
    Ok(())
}
