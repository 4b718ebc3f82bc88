//! What is asked of the authorizer, and whether a rule allows it.
//!
//! Source: k8s.io/kubernetes 1.36 `pkg/apis/rbac/v1/evaluation_helpers.go` and `plugin/pkg/auth/authorizer/rbac/rbac.go`
//! (`RuleAllows`); unchanged since 1.24.

use crate::evidence::objects::PolicyRule;

/// A request, or a set of requests that a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'q> {
    /// The verb: `get`, `create`, `bind` ... A rule's `*` covers it; `*` itself asks for the right to every verb.
    pub verb: &'q str,
    /// On what.
    pub target: Target<'q>,
}

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'q> {
    /// Objects of the API.
    Resource(Resource<'q>),
    /// A path outside of resources, such as `/metrics`. Such a request has no namespace.
    Path(&'q str),
}

/// Objects of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource<'q> {
    /// API group; empty for the core group.
    pub group: &'q str,
    /// Plural name, such as `pods`.
    pub resource: &'q str,
    /// Such as `exec`; empty for the resource itself.
    pub subresource: &'q str,
    /// Which object.
    pub name: Name<'q>,
    /// Where.
    pub place: Place<'q>,
}

/// The object that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name<'q> {
    /// None, as in `create`, and in `list` without a field selector on `metadata.name`: a rule with names never matches.
    Unnamed,
    /// This one.
    Exact(&'q str),
    /// At least one, whichever: for questions, no request is like this.
    Any,
}

/// The namespace of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'q> {
    /// None: cluster-scoped objects, or a list over all namespaces. Only cluster role bindings count.
    Cluster,
    /// This one. A request for a namespace object carries that namespace as its own.
    Namespace(&'q str),
    /// At least one, or all: for questions, no request is like this.
    Anywhere,
}

impl<'q> Request<'q> {
    /// A request for a resource, without a name, over the cluster.
    pub const fn resource(verb: &'q str, group: &'q str, resource: &'q str) -> Self {
        let target = Resource { group, resource, subresource: "", name: Name::Unnamed, place: Place::Cluster };
        Self { verb, target: Target::Resource(target) }
    }

    /// A request for a path outside of resources.
    pub const fn path(verb: &'q str, path: &'q str) -> Self {
        Self { verb, target: Target::Path(path) }
    }

    /// The same for a subresource.
    #[must_use]
    pub const fn subresource(mut self, subresource: &'q str) -> Self {
        if let Target::Resource(resource) = &mut self.target {
            resource.subresource = subresource;
        }
        self
    }

    /// The same for an object of this name.
    #[must_use]
    pub const fn named(mut self, name: Name<'q>) -> Self {
        if let Target::Resource(resource) = &mut self.target {
            resource.name = name;
        }
        self
    }

    /// The same in this place.
    #[must_use]
    pub const fn within(mut self, place: Place<'q>) -> Self {
        if let Target::Resource(resource) = &mut self.target {
            resource.place = place;
        }
        self
    }

    /// The place; a path has none.
    pub const fn place(&self) -> Place<'q> {
        match self.target {
            Target::Resource(resource) => resource.place,
            Target::Path(_) => Place::Cluster,
        }
    }
}

/// True when the rule allows the request. Where the rule counts is not asked here: that is its binding's to say.
pub fn allows(rule: &PolicyRule, request: &Request<'_>) -> bool {
    covers(&rule.verbs, request.verb)
        && match request.target {
            Target::Resource(target) => {
                covers(&rule.api_groups, target.group)
                    && rule.resources.iter().any(|of_rule| resource_covers(of_rule, &target))
                    && name_covers(&rule.resource_names, target.name)
            }
            Target::Path(path) => rule.non_resource_urls.iter().any(|of_rule| path_covers(of_rule, path)),
        }
}

/// `*` or equal (`VerbMatches`, `APIGroupMatches`).
fn covers(of_rule: &[String], asked: &str) -> bool {
    of_rule.iter().any(|one| one == "*" || one == asked)
}

/// `*` covers subresources too; `pods` does not cover `pods/exec`; `*/exec` covers any resource's; `pods/*` is no pattern
/// (`ResourceMatches`).
fn resource_covers(of_rule: &str, asked: &Resource<'_>) -> bool {
    if of_rule == "*" {
        return true;
    }
    if asked.subresource.is_empty() {
        return of_rule == asked.resource;
    }
    let Some(before) = of_rule.strip_suffix(asked.subresource).and_then(|rest| rest.strip_suffix('/')) else {
        return false;
    };
    before == asked.resource || before == "*"
}

/// No names: every object. Else the request must name one of them (`ResourceNameMatches`).
fn name_covers(of_rule: &[String], asked: Name<'_>) -> bool {
    of_rule.is_empty()
        || match asked {
            // names are compared as they are: an empty one in a rule is the name of a request without any
            Name::Unnamed => of_rule.iter().any(String::is_empty),
            Name::Exact(asked) => of_rule.iter().any(|name| name == asked),
            Name::Any => true,
        }
}

/// `*`, equal, or a prefix that ends in `*` (`NonResourceURLMatches`).
pub(super) fn path_covers(of_rule: &str, asked: &str) -> bool {
    of_rule == asked || (of_rule.ends_with('*') && asked.starts_with(of_rule.trim_end_matches('*')))
}
