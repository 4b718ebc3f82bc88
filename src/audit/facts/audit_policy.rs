//! The audit policy, applied to requests as the API server applies it.
//!
//! Source: k8s.io/apiserver/pkg/audit/policy/checker.go (ruleMatches, ruleMatchesResource): the first matching rule decides,
//! no match is None; users and userGroups and verbs must all match where given; resources and non-resource URLs exclude each other.

use super::Context;
use super::api_server::document;
pub use super::audit_requests::probes;
use super::audit_requests::{self, Should, Target};
use crate::audit::report::Offender;
use crate::evidence::{AuditCounts, DocumentRole, Gap, Observed, Origin, Reason, Value};

/// How much of a request is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what, when.
    Metadata,
    /// The request's body as well.
    Request,
    /// Both bodies.
    RequestResponse,
}

impl Level {
    pub(super) fn of(rule: &Value) -> Self {
        match rule.at("level").and_then(Value::as_text) {
            Some("Metadata") => Self::Metadata,
            Some("Request") => Self::Request,
            Some("RequestResponse") => Self::RequestResponse,
            _ => Self::None,
        }
    }

    /// As policies spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// A request for a resource, as far as audit policies look at it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Name of the user.
    pub user: &'a str,
    /// Groups of the user.
    pub groups: &'a [&'a str],
    /// Verb of the API.
    pub verb: &'a str,
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Subresource; empty for none.
    pub subresource: &'a str,
    /// Namespace; empty for cluster-scoped.
    pub namespace: &'a str,
    /// Name of the object; empty for none.
    pub name: &'a str,
    /// Path of a request that is not for a resource; empty for one that is.
    pub path: &'a str,
}

pub(super) fn texts<'a>(rule: &'a Value, key: &str) -> Vec<&'a str> {
    rule.at(key).and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_text).collect()
}

/// What a policy says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision<'a> {
    /// How much is recorded.
    pub level: Level,
    /// The deciding rule, from 0; `None` where no rule matches.
    pub rule: Option<usize>,
    /// Stages at which nothing is recorded: the policy's and the rule's, sorted, each once.
    pub omitted: Vec<&'a str>,
}

/// Plays a request through a policy (`EvaluatePolicyRule`, `unionStages`).
pub fn decide<'a>(policy: &'a Value, request: &Request<'_>) -> Decision<'a> {
    let rules = policy.at("rules").and_then(Value::as_list).unwrap_or_default();
    let mut omitted = texts(policy, "omitStages");
    let rule = rules.iter().position(|rule| matches(rule, request));
    let mut level = Level::None;
    if let Some(rule) = rule.map(|index| &rules[index]) {
        omitted.extend(texts(rule, "omitStages"));
        level = Level::of(rule);
    }
    omitted.sort_unstable();
    omitted.dedup();
    Decision { level, rule, omitted }
}

/// The level at which a request is recorded, and the index of the deciding rule.
pub fn level(policy: &Value, request: &Request<'_>) -> (Level, Option<usize>) {
    let Decision { level, rule, omitted } = decide(policy, request);
    // without both of these stages an ordinary request leaves no event
    let silent = ["RequestReceived", "ResponseComplete"].iter().all(|stage| omitted.contains(stage));
    (if silent { Level::None } else { level }, rule)
}

fn matches(rule: &Value, request: &Request<'_>) -> bool {
    let users = texts(rule, "users");
    let groups = texts(rule, "userGroups");
    let verbs = texts(rule, "verbs");
    if !users.is_empty() && !users.contains(&request.user) {
        return false;
    }
    if !groups.is_empty() && !request.groups.iter().any(|group| groups.contains(group)) {
        return false;
    }
    if !verbs.is_empty() && !verbs.contains(&request.verb) {
        return false;
    }
    let namespaces = texts(rule, "namespaces");
    let resources = rule.at("resources").and_then(Value::as_list).unwrap_or_default();
    if namespaces.is_empty() && resources.is_empty() {
        let urls = texts(rule, "nonResourceURLs");
        return urls.is_empty() || (!request.path.is_empty() && urls.iter().any(|url| url_covers(url, request.path)));
    }
    if !request.path.is_empty() {
        return false;
    }
    if !namespaces.is_empty() && !namespaces.contains(&request.namespace) {
        return false;
    }
    resources.is_empty() || resources.iter().any(|entry| matches_resource(entry, request))
}

fn matches_resource(entry: &Value, request: &Request<'_>) -> bool {
    let group = entry.at("group").and_then(Value::as_text).unwrap_or_default();
    if group != request.group && group != "*" {
        return false;
    }
    let combined = if request.subresource.is_empty() {
        request.resource.to_owned()
    } else {
        format!("{}/{}", request.resource, request.subresource)
    };
    let resources = texts(entry, "resources");
    let names = texts(entry, "resourceNames");
    if resources.is_empty() {
        return true;
    }
    let named = names.is_empty() || names.contains(&request.name);
    resources.iter().any(|resource| {
        named
            && (*resource == combined
                || *resource == "*"
                || (!request.subresource.is_empty() && resource.strip_prefix("*/") == Some(request.subresource))
                || resource.strip_suffix("/*") == Some(request.resource))
    })
}

/// A policy is loaded and records something.
pub(super) fn records(context: &Context<'_>) -> Observed<Value> {
    match document(context, "audit-policy-file", DocumentRole::AuditPolicy) {
        // events that were made prove a policy that records, whatever hides it
        Err(gap) => match counts(context).filter(|counts| counts.events > 0) {
            Some(_) => Observed::seen(Value::Bool(true), Origin::Api { what: "metrics".to_owned() }),
            None => Observed::Unknown(with_counts(gap, context)),
        },
        Ok(None) => context.setting("audit-policy-file").map(|_| Value::Bool(false)),
        Ok(Some((file, policy))) => match backend(context) {
            Observed::Seen { value: Value::Bool(true), .. } => match audit_requests::records_anything(policy) {
                Some(anything) => Observed::seen(Value::Bool(anything), Origin::File { path: file.path.clone() }),
                None => too_much(&file.path),
            },
            none_or_unknown => none_or_unknown,
        },
    }
}

/// Whether events go anywhere: without a log and a webhook none is made.
///
/// Source: k8s.io/apiserver/pkg/server/options/audit.go (`AuditOptions.ApplyTo`): without a backend auditing is off.
fn backend(context: &Context<'_>) -> Observed<Value> {
    let mut last = None;
    for setting in ["audit-log-path", "audit-webhook-config-file"] {
        match context.setting(setting) {
            Observed::Seen { value, origin, .. } if value.as_text().is_some_and(|path| !path.is_empty()) => {
                return Observed::seen(Value::Bool(true), origin);
            }
            Observed::Unknown(gap) => last = Some(Observed::Unknown(gap)),
            other => drop(last.get_or_insert_with(|| other.map(|_| Value::Bool(false)))),
        }
    }
    last.unwrap_or_else(|| Observed::seen(Value::Bool(false), Origin::Host))
}

/// What the API server counted, where it is known that it was this one.
fn counts<'a>(context: &Context<'a>) -> Option<&'a AuditCounts> {
    context.instance?.0.own_metrics()?.audit.as_ref()
}

/// What was audited, by the API server's own counters.
pub(super) fn counted(context: &Context<'_>) -> Option<String> {
    let counts = counts(context)?;
    let mut words = format!("metrics: {} audit events since the API server started", counts.events);
    for (count, what) in [(counts.errors, "of them failed to be written"), (counts.rejected, "requests refused for it")]
    {
        if count > 0 {
            words.push_str(&format!(", {count} {what}"));
        }
    }
    Some(words)
}

fn too_much<T>(path: &str) -> Observed<T> {
    Observed::unknown(Reason::TooBig, format!("{path} names too many users and objects to try"))
}

/// What is not known of a policy, with what was counted.
fn with_counts(gap: Gap, context: &Context<'_>) -> Gap {
    match counted(context) {
        Some(counted) => Gap::new(gap.reason, format!("{}; {counted}", gap.detail)),
        None => gap,
    }
}

/// Requests that the policy does not treat as it should: one line a resource and fault.
pub(super) fn gaps(context: &Context<'_>) -> Observed<Vec<Offender>> {
    let everything = |why: &str| {
        let found = format!("{why}: nothing is recorded");
        vec![Offender { what: "every request".to_owned(), found, own: false }]
    };
    let (file, policy) = match document(context, "audit-policy-file", DocumentRole::AuditPolicy) {
        Err(gap) => return Observed::Unknown(with_counts(gap, context)),
        Ok(None) => return context.setting("audit-policy-file").map(|_| everything("no policy is loaded")),
        Ok(Some(found)) => found,
    };
    match backend(context) {
        Observed::Unknown(gap) => return Observed::Unknown(gap),
        Observed::Seen { value: Value::Bool(true), .. } => {}
        none => return none.map(|_| everything("neither a log nor a webhook is configured")),
    }
    let Some(targets) = Target::all(policy) else {
        return too_much(&file.path);
    };
    let mut offenders: Vec<Offender> = Vec::new();
    for (request, by_whom, should) in audit_requests::judged(&targets) {
        let (level, rule) = level(policy, &request);
        let fault = match should {
            Should::RecordBare { excepted: true } if level == Level::None => continue,
            _ if level == Level::None => "not recorded",
            Should::RecordBare { .. } if level > Level::Metadata => "recorded with its body",
            _ => continue,
        };
        let Request { verb, group, resource, subresource, .. } = request;
        let full = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
        let full = if group.is_empty() { full } else { format!("{full}.{group}") };
        let by = rule.map_or("no rule matches".to_owned(), |rule| format!("rule {}", rule + 1));
        let found = format!("{fault} ({} by {by})", level.name());
        offenders.push(Offender { what: format!("{verb} {full} by {by_whom}"), found, own: false });
    }
    Observed::seen(merged(offenders), Origin::File { path: file.path.clone() })
}

/// The same fault of the same resource once, with the first verb and user as its example.
fn merged(offenders: Vec<Offender>) -> Vec<Offender> {
    let mut kept: Vec<(String, Offender, usize)> = Vec::new();
    for offender in offenders {
        let resource = offender.what.split(' ').nth(1).unwrap_or_default();
        let key = format!("{resource} {}", offender.found);
        match kept.iter_mut().find(|(known, ..)| *known == key) {
            Some((.., count)) => *count += 1,
            None => kept.push((key, offender, 0)),
        }
    }
    let described = kept.into_iter().map(|(_, mut offender, more)| {
        if more > 0 {
            offender.what = format!("{} and {more} more like it", offender.what);
        }
        offender
    });
    described.collect()
}

/// Rules that no request can reach because one earlier rule takes all of theirs: (rule, by which), from 0.
pub fn unreachable(policy: &Value) -> Vec<(usize, usize)> {
    let rules = policy.at("rules").and_then(Value::as_list).unwrap_or_default();
    let shadowed = rules.iter().enumerate().filter_map(|(index, rule)| {
        rules[..index].iter().position(|earlier| covers(earlier, rule)).map(|earlier| (index, earlier))
    });
    shadowed.collect()
}

/// The same as a remark, where there are any.
pub(super) fn unreachable_note(context: &Context<'_>) -> Option<String> {
    /// Each rule is held against all before it.
    const RULES: usize = 1000;
    let (_, policy) = document(context, "audit-policy-file", DocumentRole::AuditPolicy).ok()??;
    if policy.at("rules").and_then(Value::as_list).is_some_and(|rules| rules.len() > RULES) {
        return None;
    }
    let found = unreachable(policy);
    let one = |(rule, by): &(usize, usize)| format!("rule {} (rule {} takes all of its requests)", rule + 1, by + 1);
    (!found.is_empty()).then(|| format!("never reached: {}", found.iter().map(one).collect::<Vec<_>>().join(", ")))
}

/// True when every request that `later` matches is matched by `earlier`.
fn covers(earlier: &Value, later: &Value) -> bool {
    let within = |key: &str| {
        let (of_earlier, of_later) = (texts(earlier, key), texts(later, key));
        of_earlier.is_empty() || (!of_later.is_empty() && of_later.iter().all(|text| of_earlier.contains(text)))
    };
    if !(within("users") && within("userGroups") && within("verbs")) {
        return false;
    }
    let entries =
        |rule: &'_ Value| rule.at("resources").and_then(Value::as_list).map(<[Value]>::to_vec).unwrap_or_default();
    let for_resources = |rule: &Value| !texts(rule, "namespaces").is_empty() || !entries(rule).is_empty();
    let urls = texts(earlier, "nonResourceURLs");
    if for_resources(earlier) {
        let (of_earlier, of_later) = (entries(earlier), entries(later));
        let resources = of_earlier.is_empty()
            || (!of_later.is_empty() && of_later.iter().all(|entry| covers_entry(&of_earlier, entry)));
        return for_resources(later) && within("namespaces") && resources;
    }
    if urls.is_empty() {
        return true;
    }
    let of_later = texts(later, "nonResourceURLs");
    let covered = |url: &&str| urls.iter().any(|known| url_covers(known, url));
    !for_resources(later) && !of_later.is_empty() && of_later.iter().all(covered)
}

/// `*` alone, or a prefix that ends in `*` (checker.go, pathMatches).
fn url_covers(known: &str, url: &str) -> bool {
    known == "*" || known == url || (known.ends_with('*') && url.starts_with(known.trim_end_matches('*')))
}

/// True when an entry's resources are all among those of the others.
fn covers_entry(others: &[Value], entry: &Value) -> bool {
    let group = |entry: &Value| entry.at("group").and_then(Value::as_text).unwrap_or_default().to_owned();
    let (own_group, names) = (group(entry), texts(entry, "resourceNames"));
    let same_group = |other: &&Value| group(other) == own_group || group(other) == "*";
    let covered = |resource: Option<&str>| {
        others.iter().filter(same_group).any(|other| {
            let (resources, other_names) = (texts(other, "resources"), texts(other, "resourceNames"));
            // without resources names are not looked at
            if resources.is_empty() {
                return true;
            }
            let named =
                other_names.is_empty() || (!names.is_empty() && names.iter().all(|name| other_names.contains(name)));
            let Some(resource) = resource else { return named && resources.contains(&"*") };
            let one = |known: &&str| {
                let below = resource.split_once('/');
                *known == "*"
                    || *known == resource
                    || below.is_some_and(|(_, sub)| sub != "*" && known.strip_prefix("*/") == Some(sub))
                    || known
                        .strip_suffix("/*")
                        .is_some_and(|main| resource == main || below.is_some_and(|(of, _)| of == main))
            };
            named && resources.iter().any(one)
        })
    };
    let resources = texts(entry, "resources");
    if resources.is_empty() { covered(None) } else { resources.iter().all(|resource| covered(Some(resource))) }
}
