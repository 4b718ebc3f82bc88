//! What is asked of a history of runs: where it is kept, how much of it, and what is compared.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::SeverityArg;
use crate::history::Location;

/// Where runs are kept, and with what a run is compared.
#[derive(Debug, Args)]
#[command(next_help_heading = "History")]
pub struct HistoryArgs {
    /// Keep this run (evidence, report) there, and report what changed since the run before: a directory, file://, s3://BUCKET/PREFIX,
    /// gs:// or az://; credentials come from the environment
    #[arg(long, value_name = "DIR|URL", value_parser = parse_place)]
    pub history: Option<Location>,
    /// Keep so many runs of this cluster, and prune older ones
    #[arg(long, value_name = "NUMBER", requires = "history", value_parser = clap::value_parser!(u32).range(1..))]
    pub history_keep: Option<u32>,
    /// Prune runs of this cluster that are older: 90d, 12w, 36h
    #[arg(long, value_name = "AGE", requires = "history", value_parser = parse_age)]
    pub history_max_age: Option<chrono::Duration>,
    /// Report what changed since this JSON report, or run of the history, too; the run is never pruned by this audit
    #[arg(long, value_name = "FILE|RUN")]
    pub baseline: Option<String>,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Where the runs are kept: a directory, file://, s3://, gs:// or az://
    #[arg(value_name = "DIR|URL", value_parser = parse_place)]
    pub history: Location,
    /// Runs of this cluster or host alone
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Reports against this benchmark alone
    #[arg(long, value_name = "ID")]
    pub benchmark: Option<String>,
    /// The newest so many
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    pub last: usize,
    /// Format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(["text", "json"]))]
    pub format: String,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier JSON report; with --history a run: its name or the beginning of it, latest, previous
    #[arg(value_name = "OLD")]
    pub before: PathBuf,
    /// The later JSON report, or run
    #[arg(value_name = "NEW")]
    pub after: PathBuf,
    /// Take OLD and NEW for runs of this history where no file has that name
    #[arg(long, value_name = "DIR|URL", value_parser = parse_place)]
    pub history: Option<Location>,
    /// Which report of a run that has several
    #[arg(long, value_name = "ID", requires = "history")]
    pub benchmark: Option<String>,
    /// Exit with 1 when a control of at least this severity fails on a subject on which it did not
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityArg>,
    /// Format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(["text", "json"]))]
    pub format: String,
}

fn parse_place(text: &str) -> Result<Location, String> {
    text.parse::<Location>().and_then(Location::within_reach).map_err(|error| error.to_string())
}

fn parse_age(text: &str) -> Result<chrono::Duration, String> {
    let wrong = || format!("{text} is no age: a number and h, d or w, such as 90d");
    let (number, unit) = text.split_at(text.len() - text.chars().next_back().map_or(0, char::len_utf8));
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let hours = match unit {
        "h" => 1,
        "d" => 24,
        "w" => 24 * 7,
        _ => return Err(wrong()),
    };
    Ok(chrono::Duration::hours(i64::from(number) * hours))
}

#[cfg(test)]
mod tests {
    use super::parse_age;

    #[test]
    fn ages() {
        assert_eq!(parse_age("90d").ok(), Some(chrono::Duration::days(90)));
        assert_eq!(parse_age("2w").ok(), parse_age("336h").ok());
        for text in ["", "d", "-1d", "1.5d", "90", "90dd", "9ß"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
