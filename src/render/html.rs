use super::{Layout, RenderError};
use crate::audit::report::Report;
use std::io::Write;
pub(super) fn render(_r: &Report, _l: &Layout, _o: &mut dyn Write) -> Result<(), RenderError> {
    Ok(())
}
