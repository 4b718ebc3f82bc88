//! `who-can` and `can`: what RBAC allows whom, and by which bindings.

use std::io::{self, Write};

use serde::Serialize;

use super::{FINISHED, Failure, INCOMPLETE, audit, say, subject};
use crate::audit::rbac::{
    Aggregation, Decision, Grant, Identity, Index, Name, Place, Request, Scope, describe, group_of, within_a_namespace,
};
use crate::cli::{ActionArgs, CanArgs, WhoCanArgs};
use crate::evidence::objects::{ClusterEvidence, Meta, Subject};
use crate::evidence::{Evidence, Gap, Reason};
use crate::render::escape::visible;

/// Someone and what allows it.
#[derive(Serialize)]
struct Holder {
    subject: OfSubject,
    via: Vec<Via>,
}

#[derive(Serialize, PartialEq, Clone)]
struct OfSubject {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Serialize, PartialEq)]
struct Via {
    binding: String,
    role: String,
    rule: String,
}

#[derive(Serialize)]
struct Answer {
    allowed: bool,
    via: Vec<Via>,
}

pub(crate) fn who_can(args: &WhoCanArgs) -> Result<u8, Failure> {
    let question = Question::new(&args.resource, args.name.as_deref(), args.action.namespace.as_deref())?;
    let cluster = cluster(&args.action)?;
    let index = index(&cluster);
    let mut holders: Vec<Holder> = Vec::new();
    for grant in index.who_can(&question.request(&args.verb)) {
        let found = of_subject(grant.subject);
        let via = via(&grant);
        match holders.iter_mut().find(|holder| holder.subject == found) {
            Some(holder) if holder.via.contains(&via) => {}
            Some(holder) => holder.via.push(via),
            None => holders.push(Holder { subject: found, via: vec![via] }),
        }
    }
    if args.action.format == "json" {
        print_json(&holders)?;
    } else {
        let mut out = io::stdout().lock();
        for holder in &holders {
            let OfSubject { kind, name, namespace } = holder.subject.clone();
            writeln!(out, "{}", visible(&describe::subject(&Subject { kind, name, namespace })))?;
            lines(&mut out, &holder.via)?;
        }
        match holders.len() {
            0 => writeln!(out, "No binding allows this; group:system:masters is allowed everything without one.")?,
            _ => writeln!(out, "And group:system:masters, which is allowed everything without a binding.")?,
        }
    }
    Ok(seen(&cluster))
}

pub(crate) fn can(args: &CanArgs) -> Result<u8, Failure> {
    let identity = identity(&args.subject, &args.group)?;
    let cluster = cluster(&args.action)?;
    let index = index(&cluster);
    let json = args.action.format == "json";
    let namespace = args.action.namespace.as_deref();
    let mut out = io::stdout().lock();
    if let (Some(verb), Some(resource)) = (&args.verb, &args.resource) {
        let question = Question::new(resource, args.name.as_deref(), namespace)?;
        let decision = index.decide(&identity, &question.request(verb));
        let allowed = decision.is_allowed();
        let via = match &decision {
            Decision::Allowed(grants) => unique(grants.iter().map(via)),
            _ => Vec::new(),
        };
        if json {
            print_json(&Answer { allowed, via })?;
        } else {
            match decision {
                Decision::Superuser => writeln!(out, "yes: group:system:masters is allowed everything")?,
                Decision::Allowed(_) => writeln!(out, "yes")?,
                Decision::NoOpinion => writeln!(out, "no: RBAC has nothing that allows it")?,
            }
            lines(&mut out, &via)?;
        }
        return Ok(seen(&cluster));
    }
    let mut grants = index.can(&identity);
    if let Some(namespace) = namespace {
        grants.retain(|grant| grant.scope == Scope::Cluster || grant.scope == Scope::Namespace(namespace));
    }
    // what a binding within a namespace cannot give is left out
    let given = grants.iter().filter_map(|grant| match grant.scope {
        Scope::Cluster => Some(via(grant)),
        Scope::Namespace(_) => {
            within_a_namespace(grant.rule).map(|rule| Via { rule: describe::rule(&rule), ..via(grant) })
        }
    });
    let holder = Holder { subject: of_identity(&args.subject), via: unique(given) };
    if json {
        print_json(&[holder])?;
    } else {
        if identity.is_superuser() {
            writeln!(out, "everything, as a member of group:system:masters")?;
        } else if holder.via.is_empty() {
            writeln!(out, "nothing: no binding names {} or its groups", visible(&args.subject))?;
        }
        lines(&mut out, &holder.via)?;
    }
    Ok(seen(&cluster))
}

/// What is asked, taken apart.
struct Question<'a> {
    group: &'a str,
    resource: &'a str,
    subresource: &'a str,
    name: Option<&'a str>,
    namespace: Option<&'a str>,
}

impl<'a> Question<'a> {
    /// `RESOURCE[.GROUP][/SUBRESOURCE]`, or a path that starts with `/`. A resource of Kubernetes' own needs no group.
    fn new(resource: &'a str, name: Option<&'a str>, namespace: Option<&'a str>) -> Result<Self, Failure> {
        if resource.starts_with('/') {
            return Ok(Self { group: "", resource, subresource: "", name: None, namespace: None });
        }
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let (resource, group) = match resource.split_once('.') {
            Some(named) => named,
            None if resource == "*" => (resource, ""),
            None => (resource, group_of(resource).ok_or_else(|| unknown(resource))?),
        };
        // a namespace is asked for within itself (k8s.io/apiserver pkg/endpoints/request)
        let namespace = match (group, resource, name) {
            ("", "namespaces", Some(name)) => {
                if let Some(other) = namespace.filter(|namespace| *namespace != name) {
                    return Err(Failure::usage(format!(
                        "a namespace is asked for within itself: {name} is not in {other}"
                    )));
                }
                Some(name)
            }
            _ => namespace,
        };
        Ok(Self { group, resource, subresource, name, namespace })
    }

    fn request(&self, verb: &'a str) -> Request<'a> {
        if self.resource.starts_with('/') {
            return Request::path(verb, self.resource);
        }
        Request::resource(verb, self.group, self.resource)
            .subresource(self.subresource)
            .named(self.name.map_or(Name::Unnamed, Name::Exact))
            .within(self.namespace.map_or(Place::Cluster, Place::Namespace))
    }
}

fn unknown(resource: &str) -> Failure {
    Failure::usage(format!(
        "Kubernetes itself has no resource {resource}: write the plural, and the group of another's, such as certificates.cert-manager.io"
    ))
}

fn subject_of(text: &str) -> Option<Subject> {
    let of = |kind: &str, namespace: &str, name: &str| Subject {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    };
    if let Some(name) = text.strip_prefix("group:") {
        return Some(of("Group", "", name));
    }
    if let Some(account) = text.strip_prefix("sa:").or_else(|| text.strip_prefix("serviceaccount:")) {
        let (namespace, name) = account.split_once(['/', ':'])?;
        return Some(of("ServiceAccount", namespace, name));
    }
    let name = text.strip_prefix("user:").unwrap_or(text);
    Some(match crate::audit::rbac::service_account(name) {
        Some((namespace, name)) => of("ServiceAccount", namespace, name),
        None => of("User", "", name),
    })
}

fn identity(text: &str, groups: &[String]) -> Result<Identity, Failure> {
    let subject = subject_of(text)
        .filter(|subject| !subject.name.is_empty())
        .ok_or_else(|| Failure::usage(format!("{text}: a subject is user:NAME, group:NAME or sa:NAMESPACE/NAME")))?;
    let mut identity = Identity::of(&subject);
    identity.groups.extend(groups.iter().cloned());
    Ok(identity)
}

fn of_identity(text: &str) -> OfSubject {
    of_subject(&subject_of(text).unwrap_or_default())
}

fn of_subject(subject: &Subject) -> OfSubject {
    OfSubject { kind: subject.kind.clone(), name: subject.name.clone(), namespace: subject.namespace.clone() }
}

fn via(grant: &Grant<'_>) -> Via {
    let full = |meta: &Meta, kind: &str| match meta.namespace.as_str() {
        "" => format!("Cluster{kind} {}", meta.name),
        namespace => format!("{namespace}/{kind} {}", meta.name),
    };
    Via {
        binding: full(&grant.binding.metadata, "RoleBinding"),
        role: full(&grant.role.metadata, "Role"),
        rule: describe::rule(grant.rule),
    }
}

fn unique(all: impl Iterator<Item = Via>) -> Vec<Via> {
    let mut found: Vec<Via> = Vec::new();
    for via in all {
        if !found.contains(&via) {
            found.push(via);
        }
    }
    found
}

fn lines(out: &mut impl Write, via: &[Via]) -> io::Result<()> {
    via.iter().try_for_each(|Via { binding, role, rule }| {
        writeln!(out, "  {} by {}, {}", visible(rule), visible(binding), visible(role))
    })
}

/// The objects that the arguments name.
pub(crate) fn cluster(args: &ActionArgs) -> Result<ClusterEvidence, Failure> {
    let Some(path) = &args.evidence else {
        return subject::cluster(&args.cluster, &crate::benchmark::tables()?, &audit::now(), None);
    };
    let mut evidence = Evidence::default();
    audit::read_evidence(path, &mut evidence)?;
    evidence.cluster.ok_or_else(|| Failure::incomplete(format!("{} holds no objects of a cluster", path.display())))
}

fn index(cluster: &ClusterEvidence) -> Index<'_> {
    Index::new(&cluster.roles.items, &cluster.bindings.items, Aggregation::of(cluster))
}

/// Says what could not be read, for an answer rests on it.
fn seen(cluster: &ClusterEvidence) -> u8 {
    incomplete([("roles", &cluster.roles.gap), ("bindings", &cluster.bindings.gap)])
}

/// Names the lists that an answer rests on and that are not whole. That manifests are a part of a cluster is their giver's
/// choice: the answer is about them.
pub(crate) fn incomplete(lists: [(&str, &Option<Gap>); 2]) -> u8 {
    let mut code = FINISHED;
    for (what, gap) in lists {
        if let Some(gap) = gap.as_ref().filter(|gap| gap.reason != Reason::IncompleteList) {
            say(&format!("kube-assay: the answer is incomplete; {what}: {gap}"));
            code = INCOMPLETE;
        }
    }
    code
}

pub(crate) fn print_json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| Failure::internal(error.to_string()))?;
    text.push('\n');
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}
