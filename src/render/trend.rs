//! A score over several runs, as a line of text.

use crate::audit::history::TrendPoint;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a trend shows: the CIS score where each point has one, else the full score. Percent, oldest first.
pub(crate) fn series(trend: &[TrendPoint]) -> Option<(&'static str, Vec<f64>)> {
    let of = |value: fn(&TrendPoint) -> Option<f64>| trend.iter().map(value).collect::<Option<Vec<f64>>>();
    of(|point| point.cis)
        .map(|values| ("CIS score", values))
        .or_else(|| of(|point| point.full).map(|values| ("Full score", values)))
}

/// `CIS score ▁▂█ 48.2 to 50.1 % over 3 runs`, with at most so many bars; nothing for fewer than two runs.
///
/// The lowest bar is the lowest score, not 0: what is looked for is whether it changed.
pub(crate) fn sparkline(trend: &[TrendPoint], most: usize) -> Option<String> {
    let (name, values) = series(trend)?;
    let shown = &values[values.len().saturating_sub(most)..];
    let [first, .., last] = shown else { return None };
    let (low, high) = shown.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
    let bar = |value: &f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.5 };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        BARS[((share * 7.0).round() as usize).min(7)]
    };
    let bars: String = shown.iter().map(bar).collect();
    Some(format!("{name} {bars} {first:.1} to {last:.1} % over {} runs", shown.len()))
}

#[cfg(test)]
mod tests {
    use super::{TrendPoint, sparkline};

    fn trend(scores: &[f64]) -> Vec<TrendPoint> {
        let point =
            |score: &f64| TrendPoint { at: String::new(), cis: Some(*score), full: None, coverage: None, fails: 0 };
        scores.iter().map(point).collect()
    }

    #[test]
    fn a_line_of_bars() {
        assert_eq!(
            sparkline(&trend(&[10.0, 20.0, 15.0]), 60).as_deref(),
            Some("CIS score ▁█▅ 10.0 to 15.0 % over 3 runs")
        );
        assert_eq!(
            sparkline(&trend(&[10.0, 20.0, 20.0]), 2).as_deref(),
            Some("CIS score ▅▅ 20.0 to 20.0 % over 2 runs")
        );
        assert_eq!(sparkline(&trend(&[10.0]), 60), None);
    }
}
