//! Waivers on the first screen: those that need a look first, then what is accepted.

use chrono::{DateTime, NaiveDate};
use serde::Serialize;

use super::super::controls::{LINES, More};
use super::super::text::{self, NAME, SENTENCE, short};
use super::{Range, ranges};
use crate::audit::report::{Report, Waived, WaiverState};

/// Waivers that are named at once.
const SHOWN: usize = 8;
/// A waiver that ends within so many days is told to.
const SOON: i64 = 30;

/// A waiver and what became of it.
#[derive(Serialize)]
pub(super) struct WaiverView {
    id: String,
    /// Until when, or what became of it.
    state: String,
    /// It needs a look: it accepts nothing any more, or soon.
    loud: bool,
    text: String,
    controls: Vec<Range>,
}

/// The waivers of a report, and those beyond the last one as lines.
pub(super) fn waivers(report: &Report, anchors: &[String]) -> (Vec<WaiverView>, Option<More>) {
    let left = |waiver: &Waived| days_left(report, waiver);
    let soon = |waiver: &Waived| waiver.state == WaiverState::Valid && left(waiver).is_some_and(|days| days <= SOON);
    let mut all: Vec<&Waived> = report.waivers.iter().collect();
    all.sort_by_key(|waiver| (waiver.state != WaiverState::Expired, !soon(waiver), waiver.state, &waiver.until));
    let shown = if all.len() > SHOWN + 1 { SHOWN } else { all.len() };
    let views = all[..shown].iter().map(|waiver| WaiverView {
        id: short(&waiver.id, NAME),
        state: match (waiver.state, left(waiver)) {
            (WaiverState::Expired, _) => format!("expired {}", short(&waiver.until, 40)),
            (WaiverState::Unused, _) => "accepts nothing that is here".to_owned(),
            (WaiverState::Valid, Some(days)) if days <= SOON => {
                format!(
                    "until {}, {} left",
                    short(&waiver.until, 40),
                    text::counted(days.unsigned_abs() as usize, "day", "days")
                )
            }
            (WaiverState::Valid, _) => format!("until {}", short(&waiver.until, 40)),
        },
        loud: waiver.state == WaiverState::Expired || soon(waiver),
        text: short(&format!("Accepted by {}: {}", waiver.accepted_by, waiver.reason), SENTENCE),
        controls: ranges(report, anchors, &waiver.controls),
    });
    let line = |waiver: &&Waived| {
        short(&format!("{} ({}): {}", waiver.id, waiver.state.word(), waiver.controls.join(", ")), NAME)
    };
    let more = (shown < all.len()).then(|| More {
        summary: format!("{} more", text::count(all.len() - shown)),
        lines: text::lines(all[shown..].iter().map(line), LINES),
    });
    (views.collect(), more)
}

fn days_left(report: &Report, waiver: &Waived) -> Option<i64> {
    let day = DateTime::parse_from_rfc3339(&report.run.collected_at).ok()?.to_utc().date_naive();
    let until: NaiveDate = waiver.until.parse().ok()?;
    Some((until - day).num_days())
}
