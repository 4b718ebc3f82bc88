//! Tests of facts, with three outcomes: it holds, it does not, it cannot be told. Each says what was required and what was found.

use super::facts::{Context, Fact, FilesFound, establish};
use super::report::Offender;
use crate::benchmark::{Predicate, Test};
use crate::evidence::facts::FactRef;
use crate::evidence::{FileEntry, Gap, Observed, Origin, Overridden, Reason, Value, golang};

/// Offenders of one finding that are kept; the rest is counted.
pub const MOST_OFFENDERS: usize = 200;

/// The outcome of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be told.
    Unknown(Gap),
    /// What it is about does not exist here, and why that is proven.
    NotApplicable(String),
}

/// What a predicate came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Whether it holds.
    pub truth: Truth,
    /// What must be, for people.
    pub required: Vec<String>,
    /// What was found, for people.
    pub found: Vec<String>,
    /// Where that comes from.
    pub origins: Vec<String>,
    /// Single things that offend, as many as a report lists.
    pub offenders: Vec<Offender>,
    /// What makes it beside those.
    pub beside: Beside,
}

/// What makes a finding beside the offenders that it lists: who accepts those has not accepted it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// Offenders beyond those that are listed.
    pub unlisted: Vec<Offender>,
    /// True when something that must hold does not and names no offender.
    pub nameless: bool,
}

impl Outcome {
    fn new(truth: Truth, required: String) -> Self {
        Self {
            truth,
            required: vec![required],
            found: Vec::new(),
            origins: Vec::new(),
            offenders: Vec::new(),
            beside: Beside::default(),
        }
    }

    /// Lists the offenders, as many as are listed.
    fn offend(&mut self, mut offenders: Vec<Offender>) {
        self.beside.unlisted = offenders.split_off(offenders.len().min(MOST_OFFENDERS));
        self.offenders = offenders;
    }
}

/// All of several predicates.
pub fn all(predicates: &[Predicate], context: &Context<'_>) -> Outcome {
    join(predicates.iter().map(|predicate| evaluate(predicate, context)), false)
}

fn evaluate(predicate: &Predicate, context: &Context<'_>) -> Outcome {
    match predicate {
        Predicate::All(inner) => all(inner, context),
        Predicate::Any(inner) => join(inner.iter().map(|predicate| evaluate(predicate, context)), true),
        Predicate::Not(inner) => {
            let mut outcome = evaluate(inner, context);
            outcome.truth = match outcome.truth {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                other => other,
            };
            outcome.beside.nameless = outcome.truth == Truth::False;
            outcome.required = vec![format!("not: {}", outcome.required.join("; "))];
            outcome
        }
        Predicate::Fact(fact, test) => of_fact(fact, test, context),
    }
}

/// `any`: true if one is; else unknown if one is; else false. Otherwise: false if one is; else unknown; else true.
fn join(outcomes: impl Iterator<Item = Outcome>, any: bool) -> Outcome {
    let (decides, otherwise) = if any { (Truth::True, Truth::False) } else { (Truth::False, Truth::True) };
    let mut joined = Outcome {
        truth: otherwise.clone(),
        required: Vec::new(),
        found: Vec::new(),
        origins: Vec::new(),
        offenders: Vec::new(),
        beside: Beside::default(),
    };
    // of several that would do, one whose offenders are accepted is enough; of several that must hold, none may be left
    let mut named = false;
    for outcome in outcomes {
        if outcome.truth == Truth::False {
            joined.beside.nameless |= outcome.beside.nameless;
            named |= !outcome.beside.nameless;
        }
        joined.truth = match (joined.truth, outcome.truth) {
            (old, _) if old == decides => old,
            (_, new) if new == decides => new,
            (Truth::Unknown(gap), _) | (_, Truth::Unknown(gap)) => Truth::Unknown(gap),
            (Truth::NotApplicable(why), _) | (_, Truth::NotApplicable(why)) => Truth::NotApplicable(why),
            _ => otherwise.clone(),
        };
        for (into, from) in [
            (&mut joined.required, outcome.required),
            (&mut joined.found, outcome.found),
            (&mut joined.origins, outcome.origins),
        ] {
            for text in from {
                if !into.contains(&text) {
                    into.push(text);
                }
            }
        }
        joined.offenders.extend(outcome.offenders);
        joined.beside.unlisted.extend(outcome.beside.unlisted);
    }
    joined.beside.nameless &= joined.truth == Truth::False && !(any && named);
    if any && joined.required.len() > 1 {
        joined.required = vec![joined.required.join(", or ")];
    }
    joined
}

fn of_fact(fact: &FactRef, test: &Test, context: &Context<'_>) -> Outcome {
    let required = describe(&fact.short_name(), test);
    match establish(fact, context) {
        Fact::Value(value, note) => of_value(fact, test, value, note, required, context),
        Fact::Files(found) => of_files(test, found, required, context),
        Fact::Findings(found, note) => of_findings(&fact.short_name(), found, note, required),
    }
}

/// What a test asks for, for people.
pub fn describe(name: &str, test: &Test) -> String {
    let list = |items: &[String]| items.join(", ");
    match test {
        Test::Is(value) => format!("{name} = {value}"),
        Test::OneOf(items) => format!("{name} is one of {}", list(items)),
        Test::Set(true) => format!("{name} is set"),
        Test::Set(false) => format!("{name} is not set"),
        Test::AtLeast(number) => format!("{name} is at least {}", number_text(name, *number)),
        Test::AtMost(number) => format!("{name} is at most {}", number_text(name, *number)),
        Test::GreaterThan(number) => format!("{name} is more than {}", number_text(name, *number)),
        Test::AtLeastDefault => format!("{name} is at least its default"),
        Test::Contains(item) => format!("{name} contain {item}"),
        Test::Lacks(item) => format!("{name} lack {item}"),
        Test::SubsetOf(items) if items.len() > 4 => format!("{name} are among the {} accepted ones", items.len()),
        Test::SubsetOf(items) => format!("{name} are among {}", list(items)),
        Test::Empty(true) => format!("{name} is empty"),
        Test::Empty(false) => format!("{name} is not empty"),
        Test::ModeWithin(mode) => format!("mode {mode:04o} or stricter"),
        Test::Owner(user, group) => format!("owner {user}:{group}"),
        Test::None => format!("no {name}"),
        Test::Explicit(true) => format!("{name} is set by somebody"),
        Test::Explicit(false) => format!("{name} is left to its default"),
    }
}

/// Numbers of the size of nanoseconds are durations.
fn number_text(name: &str, number: i64) -> String {
    let is_duration = name.to_ascii_lowercase().contains("timeout") || name.to_ascii_lowercase().contains("period");
    if is_duration { golang::format_duration(number) } else { number.to_string() }
}

fn origin_text(origin: &Origin, overridden: &[Overridden]) -> String {
    match overridden.first() {
        None => origin.to_string(),
        Some(first) => format!("{origin}, over {} ({})", first.value, first.origin),
    }
}

fn of_value(
    fact: &FactRef,
    test: &Test,
    value: Observed<Value>,
    note: Option<String>,
    required: String,
    context: &Context<'_>,
) -> Outcome {
    let mut outcome = Outcome::new(Truth::False, required);
    let name = fact.short_name();
    match value {
        Observed::Unknown(gap) => {
            outcome.found.push(format!("{name} cannot be told: {gap}"));
            outcome.truth = Truth::Unknown(gap);
        }
        Observed::Absent { looked_at } => {
            // a flag that this version does not have is set by nobody
            outcome.truth = match test {
                Test::Set(wanted) => truth(!wanted),
                Test::Empty(wanted) => truth(*wanted),
                Test::Lacks(_) => Truth::True,
                Test::Explicit(wanted) => truth(!wanted),
                _ if matches!(fact, FactRef::Computed(_)) => {
                    Truth::NotApplicable(format!("nothing at {}", looked_at.join(", ")))
                }
                _ => Truth::False,
            };
            outcome.found.push(format!("{name} does not exist at {}", context.version));
        }
        Observed::Seen { value, origin, overridden } => {
            let (holds, offenders) = passes(test, &value, &origin, fact, context);
            outcome.truth = holds;
            outcome.offenders = offenders;
            let found = summary(test, &value);
            let is_empty = value.as_list().is_some_and(<[Value]>::is_empty);
            outcome.found.push(match note {
                // nothing says little without why
                Some(note) if is_empty => format!("{name}: {note}"),
                Some(note) => format!("{name}{found} ({note})"),
                None if is_empty => format!("{name}: none"),
                None => format!("{name}{found}"),
            });
            outcome.origins.push(origin_text(&origin, &overridden));
        }
    }
    outcome.beside.nameless = outcome.truth == Truth::False && outcome.offenders.is_empty();
    outcome
}

/// A value as the sentence about its test needs it: a long list by what matters in it.
fn summary(test: &Test, value: &Value) -> String {
    let Some(items) = value.as_list().filter(|items| items.len() > 6) else { return format!(" = {value}") };
    let has = |item: &String| items.iter().any(|found| found.as_text() == Some(item));
    match test {
        Test::Contains(item) | Test::Lacks(item) if has(item) => format!(" ({}) have {item}", items.len()),
        Test::Contains(item) | Test::Lacks(item) => format!(" ({}) lack {item}", items.len()),
        Test::SubsetOf(allowed) => {
            let others = items
                .iter()
                .filter(|found| !found.as_text().is_some_and(|text| allowed.iter().any(|item| item == text)));
            match others.count() {
                0 => format!(": all {} are accepted", items.len()),
                others => format!(": {others} of {} are not accepted", items.len()),
            }
        }
        _ => format!(" = {}, ... ({} in all)", Value::List(items[..6].to_vec()), items.len()),
    }
}

fn truth(holds: bool) -> Truth {
    if holds { Truth::True } else { Truth::False }
}

fn passes(
    test: &Test,
    value: &Value,
    origin: &Origin,
    fact: &FactRef,
    context: &Context<'_>,
) -> (Truth, Vec<Offender>) {
    let number = || match value {
        Value::Int(number) => Some(*number),
        Value::Text(text) => golang::parse_duration(text),
        _ => None,
    };
    let compare = |holds: &dyn Fn(i64) -> bool| match number() {
        Some(number) => truth(holds(number)),
        None => Truth::Unknown(Gap::new(Reason::Malformed, format!("{value} is no number"))),
    };
    let items = || value.as_list().unwrap_or_default();
    let holds = match test {
        Test::Is(wanted) => truth(value == wanted),
        Test::OneOf(wanted) => truth(value.as_text().is_some_and(|text| wanted.iter().any(|item| item == text))),
        Test::Set(wanted) => truth(value.as_text().is_some_and(|text| !text.is_empty()) == *wanted),
        Test::AtLeast(bound) => compare(&|number| number >= *bound),
        Test::AtMost(bound) => compare(&|number| number <= *bound),
        Test::GreaterThan(bound) => compare(&|number| number > *bound),
        Test::AtLeastDefault => match default_of(fact, context) {
            Some(bound) => compare(&|number| number >= bound),
            None => Truth::Unknown(Gap::new(Reason::Unsupported, "its default is not known")),
        },
        Test::Contains(item) => truth(items().iter().any(|found| found.as_text() == Some(item))),
        Test::Lacks(item) => truth(!items().iter().any(|found| found.as_text() == Some(item))),
        // `--flag=` gives a list of one empty text
        Test::Empty(wanted) => truth(items().iter().all(|item| item.as_text() == Some("")) == *wanted),
        Test::Explicit(wanted) => truth(!matches!(origin, Origin::Default { .. } | Origin::Derived { .. }) == *wanted),
        Test::SubsetOf(allowed) => {
            let others = items()
                .iter()
                .filter(|found| !found.as_text().is_some_and(|text| allowed.iter().any(|item| item == text)));
            let offenders: Vec<Offender> = others
                .map(|found| Offender { what: found.to_string(), found: "not accepted".to_owned(), own: false })
                .collect();
            return (truth(offenders.is_empty()), offenders);
        }
        // the loader lets these stand with files and findings only
        Test::ModeWithin(_) | Test::Owner(..) | Test::None => {
            Truth::Unknown(Gap::new(Reason::Unsupported, "not a test of values"))
        }
    };
    (holds, Vec::new())
}

/// The default of a setting at the version, as a number.
fn default_of(fact: &FactRef, context: &Context<'_>) -> Option<i64> {
    let FactRef::Setting { component, name } = fact else { return None };
    let table = context.tables.of(*component);
    let series = table
        .fields
        .get(name)
        .map(|field| &field.default)
        .or_else(|| table.flags.get(name).map(|flag| &flag.default))?;
    series.at(context.version).and_then(Value::as_int)
}

fn of_findings(name: &str, found: Observed<Vec<Offender>>, note: Option<String>, required: String) -> Outcome {
    let mut outcome = Outcome::new(Truth::True, required);
    match found {
        Observed::Unknown(gap) => {
            outcome.found.push(gap.to_string());
            outcome.truth = Truth::Unknown(gap);
        }
        Observed::Absent { .. } => outcome.found.push(format!("no {name}")),
        Observed::Seen { value, origin, .. } => {
            outcome.origins.push(origin.to_string());
            outcome.found.push(match value.len() {
                0 => format!("no {name}"),
                count if count > MOST_OFFENDERS => format!("{name}: {count}, the first {MOST_OFFENDERS} are listed"),
                count => format!("{name}: {count}"),
            });
            outcome.found.extend(note);
            outcome.truth = truth(value.is_empty());
            outcome.offend(value);
        }
    }
    outcome
}

/// Every file must pass: fail if any fails; else unknown if any is unknown or missing from the list.
fn of_files(test: &Test, found: FilesFound, required: String, context: &Context<'_>) -> Outcome {
    let mut outcome = Outcome::new(Truth::True, required);
    let (files, gap) = match found {
        FilesFound::None(why) => {
            outcome.found.push(why.clone());
            outcome.truth = Truth::NotApplicable(why);
            return outcome;
        }
        FilesFound::Unknown(gap) => {
            outcome.found.push(gap.to_string());
            outcome.truth = Truth::Unknown(gap);
            return outcome;
        }
        FilesFound::Some { files, gap } => (files, gap),
    };
    let mut unknown = gap.clone();
    let mut offenders = Vec::new();
    for file in &files {
        match of_file(test, file, context) {
            Truth::False => {
                offenders.push(Offender { what: file.path.clone(), found: shown(test, file, context), own: false })
            }
            Truth::Unknown(gap) => {
                unknown.get_or_insert(gap);
            }
            Truth::True | Truth::NotApplicable(_) => {}
        }
    }
    let total = files.len();
    if let Some(named) = files.iter().find_map(|file| file.named_by.clone()).filter(|_| total == 1) {
        outcome.origins.push(named);
    }
    let offending = offenders.len();
    if offending > 0 {
        outcome.truth = Truth::False;
        outcome.found.push(if total == 1 {
            format!("{}: {}", offenders[0].what, offenders[0].found)
        } else {
            format!("{offending} of {total} files offend")
        });
        outcome.offend(offenders);
    } else if let Some(gap) = unknown {
        outcome.found.push(gap.to_string());
        outcome.truth = Truth::Unknown(gap);
    } else {
        outcome.found.push(match files.first() {
            Some(file) if total == 1 => format!("{}: {}", file.path, shown(test, file, context)),
            _ => format!("all {total} files"),
        });
    }
    outcome
}

fn of_file(test: &Test, file: &FileEntry, context: &Context<'_>) -> Truth {
    let facts = match &file.facts {
        Observed::Seen { value, .. } => value,
        Observed::Absent { looked_at } => return Truth::Unknown(Gap::new(Reason::NotFound, looked_at.join(", "))),
        Observed::Unknown(gap) => return Truth::Unknown(gap.clone()),
    };
    match test {
        // setuid, setgid and sticky grant nobody access to the content
        Test::ModeWithin(allowed) => truth(facts.mode & 0o777 & !allowed == 0),
        Test::Owner(user, group) => {
            let id = |name: &str, users: bool| -> Result<Option<u32>, Gap> {
                if name == "root" {
                    return Ok(Some(0));
                }
                match &context.node.accounts {
                    Observed::Seen { value, .. } => {
                        Ok(if users { value.users.get(name) } else { value.groups.get(name) }.copied())
                    }
                    Observed::Absent { .. } => Ok(None),
                    Observed::Unknown(gap) => Err(gap.clone()),
                }
            };
            match (id(user, true), id(group, false)) {
                (Ok(user), Ok(group)) => truth(user == Some(facts.uid) && group == Some(facts.gid)),
                (Err(gap), _) | (_, Err(gap)) => Truth::Unknown(gap),
            }
        }
        _ => Truth::Unknown(Gap::new(Reason::Unsupported, "not a test of files")),
    }
}

fn shown(test: &Test, file: &FileEntry, context: &Context<'_>) -> String {
    let Some(facts) = file.facts.value() else { return String::new() };
    let link = facts.link.as_ref().map_or(String::new(), |target| format!(", behind a link to {target}"));
    match test {
        Test::Owner(..) => {
            let accounts = context.node.accounts.value();
            let name = |id: u32, users: bool| {
                let names = accounts.map(|accounts| if users { &accounts.users } else { &accounts.groups });
                names
                    .and_then(|names| names.iter().find(|(_, known)| **known == id).map(|(name, _)| name.clone()))
                    .unwrap_or_else(|| id.to_string())
            };
            format!("owner {}:{}{link}", name(facts.uid, true), name(facts.gid, false))
        }
        _ => {
            let special = if facts.mode & 0o7000 == 0 { "" } else { " (with a setuid, setgid or sticky bit)" };
            format!("mode {:04o}{special}{link}", facts.mode)
        }
    }
}
