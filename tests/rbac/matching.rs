//! One rule and one request: `pkg/apis/rbac/v1/evaluation_helpers.go` of k8s.io/kubernetes, line by line.

use kube_assay::audit::rbac::{Name, Request, allows};
use kube_assay::evidence::objects::PolicyRule;

use crate::make::{named, paths, rule};

/// `verb group resource[/subresource] [name]`; the core group is `core`.
fn request(text: &str) -> Request<'_> {
    let mut words = text.split(' ');
    let mut word = || words.next().unwrap();
    let (verb, group, target) = (word(), word(), word());
    let (resource, subresource) = target.split_once('/').unwrap_or((target, ""));
    let request = Request::resource(verb, if group == "core" { "" } else { group }, resource).subresource(subresource);
    request.named(words.next().map_or(Name::Unnamed, Name::Exact))
}

#[track_caller]
fn yes(rule: &PolicyRule, text: &str) {
    assert!(allows(rule, &request(text)), "{rule:?} should allow {text}");
}

#[track_caller]
fn no(rule: &PolicyRule, text: &str) {
    assert!(!allows(rule, &request(text)), "{rule:?} should not allow {text}");
}

#[test]
fn verbs_are_equal_or_a_star() {
    yes(&rule("get,list", "core", "pods"), "list core pods");
    no(&rule("get,list", "core", "pods"), "watch core pods");
    yes(&rule("*", "core", "pods"), "deletecollection core pods");
    // asked literally, `*` is the right to every verb
    yes(&rule("*", "core", "pods"), "* core pods");
    no(&rule("get,list,watch,create,update,patch,delete,deletecollection", "core", "pods"), "* core pods");
    no(&rule("get*", "core", "pods"), "get core pods");
    no(&rule("Get", "core", "pods"), "get core pods");
}

#[test]
fn groups_are_equal_or_a_star() {
    yes(&rule("get", "core,apps", "deployments"), "get apps deployments");
    no(&rule("get", "core", "deployments"), "get apps deployments");
    yes(&rule("get", "*", "deployments"), "get apps deployments");
    yes(&rule("get", "*", "pods"), "get core pods");
    no(&rule("get", "*.k8s.io", "roles"), "get rbac.authorization.k8s.io roles");
    no(&PolicyRule { api_groups: Vec::new(), ..rule("get", "core", "pods") }, "get core pods");
}

#[test]
fn a_resource_does_not_cover_its_subresources() {
    yes(&rule("create", "core", "pods"), "create core pods");
    no(&rule("create", "core", "pods"), "create core pods/exec");
    yes(&rule("create", "core", "pods/exec"), "create core pods/exec");
    no(&rule("create", "core", "pods/exec"), "create core pods");
    no(&rule("create", "core", "pods/exec"), "create core pods/attach");
    no(&rule("create", "core", "pods/*"), "create core pods/exec");
    no(&rule("create", "core", "pods/*"), "create core pods");
}

#[test]
fn a_star_covers_every_resource_and_subresource() {
    yes(&rule("get", "core", "*"), "get core nodes/proxy");
    yes(&rule("get", "core", "*"), "get core nodes");
    yes(&rule("get", "core", "*"), "get core *");
    no(&rule("get", "core", "pods"), "get core *");
}

#[test]
fn a_star_before_a_subresource_covers_every_resource() {
    yes(&rule("update", "*", "*/scale"), "update apps deployments/scale");
    no(&rule("update", "*", "*/scale"), "update apps deployments");
    no(&rule("update", "*", "*/scale"), "update apps deployments/status");
    no(&rule("update", "*", "*/scale"), "update apps deployments/autoscale");
    no(&rule("update", "*", "*scale"), "update apps deployments/scale");
    no(&rule("update", "*", "*/*"), "update apps deployments/scale");
}

#[test]
fn names_limit_a_rule_to_requests_that_carry_one() {
    let some = named(rule("get,list,create,delete", "core", "secrets"), "a,b");
    yes(&some, "get core secrets b");
    no(&some, "get core secrets c");
    no(&some, "get core secrets *");
    // a create carries no name, and a list none without a field selector
    no(&some, "create core secrets");
    no(&some, "list core secrets");
    yes(&some, "list core secrets a");
    no(&named(rule("get", "core", "secrets"), "*"), "get core secrets a");
    yes(&rule("get", "core", "secrets"), "get core secrets a");
    // compared as it is: an empty name is that of a request without one
    yes(&named(rule("list", "core", "secrets"), ""), "list core secrets");
    assert!(allows(&some, &request("create core secrets").named(Name::Any)));
}

#[test]
fn paths_are_equal_or_a_prefix() {
    let allowed = |of_rule: &str, path: &str| allows(&paths("get", of_rule), &Request::path("get", path));
    assert!(allowed("/healthz", "/healthz"));
    assert!(!allowed("/healthz", "/healthz/etcd"));
    assert!(allowed("/healthz/*", "/healthz/etcd"));
    assert!(!allowed("/healthz/*", "/healthz"));
    assert!(allowed("/healthz*", "/healthz"));
    assert!(allowed("*", "/anything"));
    // every star at the end is cut off, one in the middle is none
    assert!(allowed("/api/**", "/api/v1"));
    assert!(!allowed("/api/*/x", "/api/v1/x"));
    assert!(!allows(&paths("get", "/healthz"), &Request::path("post", "/healthz")));
}

#[test]
fn paths_and_resources_are_apart() {
    let everything = rule("*", "*", "*");
    assert!(!allows(&everything, &Request::path("get", "/metrics")));
    no(&paths("*", "*"), "get core pods");
}
