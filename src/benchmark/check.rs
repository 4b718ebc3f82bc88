//! A check: which facts it names and what they must be. Typed completely at load time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::error::{At, LoadError};
use crate::evidence::facts::{self, FactKind, FactOwner, FactRef};
use crate::evidence::{Component, Tables, Value, golang};

/// How much a failing control matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Nodes that run the control plane.
    ControlPlane,
    /// Every node.
    Node,
    /// Members of etcd.
    EtcdMember,
    /// The cluster as a whole.
    Cluster,
}

impl Scope {
    /// As reports write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Node => "node",
            Self::EtcdMember => "etcd-member",
            Self::Cluster => "cluster",
        }
    }
}

/// Whose instances a check judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Every own instance of a component.
    Component(Component),
    /// The files of a node.
    Node,
    /// The cluster, through its API.
    Cluster,
}

/// What to do on one platform.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remedy {
    /// In words.
    pub text: String,
    /// To paste.
    #[serde(default)]
    pub patch: Option<String>,
}

/// A check.
#[derive(Debug, Clone)]
pub struct Check {
    /// Stable name.
    pub id: String,
    /// The good state, in one line.
    pub title: String,
    /// Why it matters.
    pub reason: String,
    /// How much a failure matters.
    pub severity: Severity,
    /// What it is about.
    pub scope: Scope,
    /// Whose instances it judges.
    pub subject: Subject,
    /// Must hold for a pass; empty where a person decides in any case, or the evidence source does not exist yet.
    pub pass: Vec<Predicate>,
    /// A person decides when these hold and the pass does not.
    pub review: Vec<Predicate>,
    /// Not applicable when these hold.
    pub not_applicable_when: Vec<Predicate>,
    /// The convention that the verdict rests on.
    pub note: Option<String>,
    /// What not-applicable means here.
    pub not_applicable: String,
    /// What to do, by platform.
    pub remediation: BTreeMap<String, Remedy>,
    /// References by catalogue.
    pub references: BTreeMap<String, Vec<String>>,
}

/// What must be true.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// All of these.
    All(Vec<Predicate>),
    /// At least one of these.
    Any(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// A fact passes a test.
    Fact(FactRef, Test),
}

/// A test of one fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Equal to this value.
    Is(Value),
    /// One of these texts.
    OneOf(Vec<String>),
    /// Not empty (`true`), or empty (`false`).
    Set(bool),
    /// At least this number, or this many nanoseconds.
    AtLeast(i64),
    /// At most this number, or this many nanoseconds.
    AtMost(i64),
    /// More than this number, or this many nanoseconds.
    GreaterThan(i64),
    /// At least the default of the version.
    AtLeastDefault,
    /// Holds this text.
    Contains(String),
    /// Does not hold this text.
    Lacks(String),
    /// Holds nothing but these texts.
    SubsetOf(Vec<String>),
    /// Holds nothing (`true`), or something (`false`).
    Empty(bool),
    /// Permission bits within these (octal).
    ModeWithin(u32),
    /// Owned by this user and group.
    Owner(String, String),
    /// Nothing offends.
    None,
    /// Set by somebody (`true`), or left to a default (`false`).
    Explicit(bool),
}

/// The four platforms that every check must speak to.
pub const PLATFORMS: [&str; 4] = ["kubeadm", "k3s", "rke2", "other"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawCheck {
    id: Spanned<String>,
    title: Spanned<String>,
    reason: String,
    severity: Severity,
    scope: Scope,
    subject: Spanned<String>,
    #[serde(default)]
    needs: Option<Spanned<String>>,
    #[serde(default)]
    pass: Vec<RawPredicate>,
    #[serde(default)]
    review: Vec<RawPredicate>,
    #[serde(default)]
    not_applicable_when: Vec<RawPredicate>,
    #[serde(default)]
    note: Option<String>,
    not_applicable: String,
    remediation: Spanned<BTreeMap<String, Remedy>>,
    #[serde(default)]
    references: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawPredicate {
    #[serde(default)]
    fact: Option<Spanned<String>>,
    #[serde(default)]
    all: Option<Vec<RawPredicate>>,
    #[serde(default)]
    any: Option<Vec<RawPredicate>>,
    #[serde(default)]
    not: Option<Box<RawPredicate>>,
    #[serde(default)]
    is: Option<Spanned<Value>>,
    #[serde(default)]
    one_of: Option<Spanned<Value>>,
    #[serde(default)]
    set: Option<Spanned<Value>>,
    #[serde(default)]
    at_least: Option<Spanned<Value>>,
    #[serde(default)]
    at_most: Option<Spanned<Value>>,
    #[serde(default)]
    greater_than: Option<Spanned<Value>>,
    #[serde(default)]
    at_least_default: Option<Spanned<Value>>,
    #[serde(default)]
    contains: Option<Spanned<Value>>,
    #[serde(default)]
    lacks: Option<Spanned<Value>>,
    #[serde(default)]
    subset_of: Option<Spanned<Value>>,
    #[serde(default)]
    empty: Option<Spanned<Value>>,
    #[serde(default)]
    mode_within: Option<Spanned<Value>>,
    #[serde(default)]
    owner: Option<Spanned<Value>>,
    #[serde(default)]
    none: Option<Spanned<Value>>,
    #[serde(default)]
    explicit: Option<Spanned<Value>>,
}

/// Reads a file of checks.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn read(file: &str, text: &str, tables: &Tables) -> Result<Vec<(Check, At)>, LoadError> {
    typed(file, super::error::parse(file, text)?, tables)
}

/// Types checks that were decoded already.
pub(super) fn typed(file: &str, raw: Vec<RawCheck>, tables: &Tables) -> Result<Vec<(Check, At)>, LoadError> {
    typed_each(file, raw, tables).into_iter().collect()
}

/// Types each check by itself: what is wrong with one says nothing of the others.
pub(super) fn typed_each(file: &str, raw: Vec<RawCheck>, tables: &Tables) -> Vec<Result<(Check, At), LoadError>> {
    let loader = Loader { file, tables };
    raw.into_iter().map(|check| loader.check(check)).collect()
}

struct Loader<'a> {
    file: &'a str,
    tables: &'a Tables,
}

fn place<T>(spanned: &Spanned<T>) -> At {
    At::from(spanned.referenced)
}

impl Loader<'_> {
    fn wrong(&self, at: At, message: impl Into<String>) -> LoadError {
        LoadError::at(self.file, at, message)
    }

    fn check(&self, raw: RawCheck) -> Result<(Check, At), LoadError> {
        let at = place(&raw.id);
        let slug = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !raw.id.value.split('/').all(slug) || raw.id.value.split('/').count() > 2 {
            return Err(self.wrong(
                at,
                format!(
                    "`{}` is no id: lower-case words and dashes, with `prefix/` before a check of your own",
                    raw.id.value
                ),
            ));
        }
        if raw.title.value.is_empty() || raw.title.value.chars().count() > 90 {
            return Err(self.wrong(place(&raw.title), "a title has 1 to 90 characters"));
        }
        let subject = self.subject(&raw.subject)?;
        if let Some(needs) = raw.needs.as_ref().filter(|needs| needs.value != "cluster-api") {
            return Err(self
                .wrong(place(needs), format!("unknown need `{}`", needs.value))
                .did_you_mean(&needs.value, ["cluster-api"]));
        }
        if (raw.pass.is_empty() && raw.review.is_empty()) == raw.needs.is_none() {
            return Err(self.wrong(at, "a check has `pass`, or `review` alone where a person decides, or `needs`"));
        }
        if let Some(platform) = raw.remediation.value.keys().find(|platform| !PLATFORMS.contains(&platform.as_str())) {
            let wrong = self.wrong(place(&raw.remediation), format!("unknown platform `{platform}`"));
            return Err(wrong.did_you_mean(platform, PLATFORMS));
        }
        if let Some(missing) = PLATFORMS.iter().find(|platform| !raw.remediation.value.contains_key(**platform)) {
            return Err(self.wrong(place(&raw.remediation), format!("no remediation for `{missing}`")));
        }
        let check = Check {
            pass: self.predicates(raw.pass, subject)?,
            review: self.predicates(raw.review, subject)?,
            not_applicable_when: self.predicates(raw.not_applicable_when, subject)?,
            id: raw.id.value,
            title: raw.title.value,
            reason: raw.reason,
            severity: raw.severity,
            scope: raw.scope,
            subject,
            note: raw.note,
            not_applicable: raw.not_applicable,
            remediation: raw.remediation.value,
            references: raw.references,
        };
        Ok((check, at))
    }

    fn subject(&self, raw: &Spanned<String>) -> Result<Subject, LoadError> {
        match raw.value.as_str() {
            "node" => Ok(Subject::Node),
            "cluster" => Ok(Subject::Cluster),
            name => Component::named(name).map(Subject::Component).ok_or_else(|| {
                let known = Component::ALL.iter().map(|component| component.name()).chain(["node", "cluster"]);
                self.wrong(place(raw), format!("unknown subject `{name}`")).did_you_mean(name, known)
            }),
        }
    }

    fn predicates(&self, raw: Vec<RawPredicate>, subject: Subject) -> Result<Vec<Predicate>, LoadError> {
        raw.into_iter().map(|predicate| self.predicate(predicate, subject)).collect()
    }

    fn predicate(&self, mut raw: RawPredicate, subject: Subject) -> Result<Predicate, LoadError> {
        let (all, any, not) = (raw.all.take(), raw.any.take(), raw.not.take());
        let operators = operators(&raw);
        let at = raw
            .fact
            .as_ref()
            .map(place)
            .or_else(|| operators.first().map(|(_, given)| place(given)))
            .unwrap_or_default();
        let combinators = usize::from(all.is_some()) + usize::from(any.is_some()) + usize::from(not.is_some());
        if combinators + usize::from(raw.fact.is_some()) != 1 || (combinators == 1 && !operators.is_empty()) {
            return Err(self.wrong(at, "a predicate is one of `fact` with its operator, `all`, `any`, `not`"));
        }
        if let Some(inner) = all {
            return self.predicates(inner, subject).map(Predicate::All);
        }
        if let Some(inner) = any {
            return self.predicates(inner, subject).map(Predicate::Any);
        }
        if let Some(inner) = not {
            return self.predicate(*inner, subject).map(|inner| Predicate::Not(Box::new(inner)));
        }
        let Some(name) = &raw.fact else { return Err(self.wrong(at, "no fact")) };
        let Some((fact, kind)) = facts::find(self.tables, &name.value) else {
            let known = facts::names(self.tables);
            return Err(self
                .wrong(at, format!("unknown fact `{}`", name.value))
                .did_you_mean(&name.value, known.iter().map(String::as_str)));
        };
        let fits = match (fact.owner(), subject) {
            (FactOwner::Component(component), Subject::Component(of)) => component == of,
            (FactOwner::Node, Subject::Node) | (FactOwner::Cluster, Subject::Cluster) => true,
            _ => false,
        };
        if !fits {
            return Err(self.wrong(at, format!("fact `{}` does not belong to the check's subject", name.value)));
        }
        let [(operator, given)] = operators[..] else {
            return Err(self.wrong(at, format!("fact `{}` needs exactly one operator", name.value)));
        };
        let test = test(operator, &given.value, kind).map_err(|message| {
            self.wrong(place(given), format!("`{}` is of type {}: {message}", name.value, kind.name()))
        })?;
        Ok(Predicate::Fact(fact, test))
    }
}

fn operators(raw: &RawPredicate) -> Vec<(&'static str, &Spanned<Value>)> {
    let all: [(&'static str, &Option<Spanned<Value>>); 15] = [
        ("is", &raw.is),
        ("one-of", &raw.one_of),
        ("set", &raw.set),
        ("at-least", &raw.at_least),
        ("at-most", &raw.at_most),
        ("greater-than", &raw.greater_than),
        ("at-least-default", &raw.at_least_default),
        ("contains", &raw.contains),
        ("lacks", &raw.lacks),
        ("subset-of", &raw.subset_of),
        ("empty", &raw.empty),
        ("mode-within", &raw.mode_within),
        ("owner", &raw.owner),
        ("none", &raw.none),
        ("explicit", &raw.explicit),
    ];
    all.into_iter().filter_map(|(name, given)| given.as_ref().map(|given| (name, given))).collect()
}

fn test(operator: &str, given: &Value, kind: FactKind) -> Result<Test, String> {
    let truth = || given.as_bool().ok_or_else(|| format!("`{operator}` takes true or false"));
    let text = || given.as_text().map(str::to_owned).ok_or_else(|| format!("`{operator}` takes a text"));
    let texts = || {
        let items = given
            .as_list()
            .and_then(|items| items.iter().map(|item| item.as_text().map(str::to_owned)).collect::<Option<Vec<_>>>());
        items.filter(|items| !items.is_empty()).ok_or_else(|| format!("`{operator}` takes a list of texts"))
    };
    let number = || match kind {
        FactKind::Duration => given
            .as_text()
            .and_then(golang::parse_duration)
            .ok_or_else(|| format!("`{operator}` takes a duration such as 5m")),
        _ => given.as_int().ok_or_else(|| format!("`{operator}` takes a whole number")),
    };
    Ok(match (operator, kind) {
        ("is", FactKind::Bool) => Test::Is(Value::Bool(truth()?)),
        ("is", FactKind::Text) => Test::Is(Value::Text(text()?)),
        ("is", FactKind::Number) => Test::Is(Value::Int(number()?)),
        ("is", FactKind::Duration) => Test::Is(Value::Text(golang::format_duration(number()?))),
        ("one-of", FactKind::Text) => Test::OneOf(texts()?),
        ("set", FactKind::Text) => Test::Set(truth()?),
        ("at-least", FactKind::Number | FactKind::Duration) => Test::AtLeast(number()?),
        ("at-most", FactKind::Number | FactKind::Duration) => Test::AtMost(number()?),
        ("greater-than", FactKind::Number | FactKind::Duration) => Test::GreaterThan(number()?),
        ("at-least-default", FactKind::Number) if truth()? => Test::AtLeastDefault,
        ("contains", FactKind::List) => Test::Contains(text()?),
        ("lacks", FactKind::List) => Test::Lacks(text()?),
        ("subset-of", FactKind::List) => Test::SubsetOf(texts()?),
        ("empty", FactKind::List) => Test::Empty(truth()?),
        ("mode-within", FactKind::Files) => Test::ModeWithin(octal(&text()?)?),
        ("owner", FactKind::Files) => match text()?.split_once(':') {
            Some((user, group)) if !user.is_empty() && !group.is_empty() => {
                Test::Owner(user.to_owned(), group.to_owned())
            }
            _ => return Err("`owner` takes user:group".to_owned()),
        },
        ("none", FactKind::Findings) if truth()? => Test::None,
        (
            "explicit",
            FactKind::Bool | FactKind::Text | FactKind::Number | FactKind::Duration | FactKind::List | FactKind::Map,
        ) => Test::Explicit(truth()?),
        ("at-least-default" | "none", _) if given.as_bool() == Some(false) => {
            return Err(format!("`{operator}` takes true only"));
        }
        _ => return Err(format!("`{operator}` does not fit it")),
    })
}

fn octal(text: &str) -> Result<u32, String> {
    let fits = text.len() == 4 && text.starts_with('0') && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    fits.then(|| u32::from_str_radix(text, 8).ok())
        .flatten()
        .ok_or_else(|| format!("`{text}` is no mode: four octal digits such as \"0600\""))
}
