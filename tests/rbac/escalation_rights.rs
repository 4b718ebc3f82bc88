//! Where rights lead: through accounts, secrets, roles, certificates and admission.

use kube_assay::audit::rbac::escalation::Target;
use kube_assay::evidence::Version;

use crate::jane::{jane, leads, leads_nowhere, with_deployer};
use crate::make::{binding, named, pod, role, rule};

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";

#[test]
fn tokens_and_impersonation_of_accounts() {
    for (verb, resource) in [("create", "serviceaccounts/token"), ("impersonate", "serviceaccounts")] {
        let all = rule(verb, "core", resource);
        let way = |by: &str| format!("user:jane -> {by} -> sa:ci/deployer -> everything -> cluster-admin");
        let small = with_deployer(jane(vec![all.clone()], Some("ci")));
        leads(&small, Target::ClusterAdmin, &way(&format!("{verb} {resource} in ci")));
        let small = with_deployer(jane(vec![all.clone()], None));
        leads(&small, Target::ClusterAdmin, &way(&format!("{verb} {resource} in every namespace")));
        leads_nowhere(&with_deployer(jane(vec![all.clone()], Some("kube-system"))));
        let small = with_deployer(jane(vec![named(all.clone(), "deployer")], Some("ci")));
        leads(&small, Target::ClusterAdmin, &way(&format!("{verb} {resource} named deployer in ci")));
        leads_nowhere(&with_deployer(jane(vec![named(all.clone(), "default")], Some("ci"))));
        let small = with_deployer(jane(vec![named(all, "deployer")], None));
        leads(&small, Target::ClusterAdmin, &way(&format!("{verb} {resource} named deployer in every namespace")));
    }
}

#[test]
fn secrets_give_tokens_when_one_may_make_and_read_them() {
    let both = vec![rule("create", "core", "secrets"), rule("get", "core", "secrets")];
    let small = with_deployer(jane(both, Some("ci")));
    let way = "user:jane -> create secrets and get secrets in ci -> sa:ci/deployer -> everything \
               -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    leads_nowhere(&with_deployer(jane(vec![rule("get", "core", "secrets")], Some("ci"))));
    leads_nowhere(&with_deployer(jane(vec![rule("create", "core", "secrets")], None)));
}

#[test]
fn every_secret_needs_every_namespace() {
    for verb in ["get", "list", "watch"] {
        let small = jane(vec![rule(verb, "core", "secrets")], None);
        leads(&small, Target::EverySecret, &format!("user:jane -> {verb} secrets in every namespace -> every secret"));
        leads_nowhere(&jane(vec![rule(verb, "core", "secrets")], Some("ci")));
        leads_nowhere(&jane(vec![named(rule(verb, "core", "secrets"), "x")], None));
    }
    // a pod mounts the secrets of its namespace
    let small = jane(vec![rule("create", "core", "pods")], None);
    leads(&small, Target::EverySecret, "user:jane -> create pods in every namespace -> every secret");
    let hook = rule("patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations");
    let small = jane(vec![hook], None);
    leads(&small, Target::EverySecret, "user:jane -> patch validatingwebhookconfigurations -> every secret");
}

#[test]
fn users_and_groups_are_impersonated() {
    let users = rule("impersonate", "core", "users");
    let groups = rule("impersonate", "core", "groups");
    let small = jane(vec![users.clone()], None);
    leads(&small, Target::AnyIdentity, "user:jane -> impersonate users -> any identity");
    assert_eq!(small.way("user:jane", Target::ClusterAdmin), None);
    let mut admin = jane(vec![users.clone()], None);
    admin.bindings.push(binding("joe", "ClusterRole/cluster-admin", &["user:joe"]));
    let way = "user:jane -> impersonate users -> user:joe -> everything -> cluster-admin";
    leads(&admin, Target::ClusterAdmin, way);
    // accounts and groups are not users
    let mut others = with_deployer(jane(vec![users.clone()], None));
    others.bindings.push(binding("ops", "ClusterRole/cluster-admin", &["group:ops"]));
    assert_eq!(others.way("user:jane", Target::ClusterAdmin), None);
    // system:masters among them
    let small = jane(vec![users.clone(), groups.clone()], None);
    leads(&small, Target::ClusterAdmin, "user:jane -> impersonate groups -> cluster-admin");
    // no group without a user
    leads_nowhere(&jane(vec![groups.clone()], None));
    let small = jane(vec![named(users.clone(), "bob"), named(groups.clone(), "dev,system:masters")], None);
    leads(&small, Target::ClusterAdmin, "user:jane -> impersonate groups named dev,system:masters -> cluster-admin");
    leads_nowhere(&jane(vec![named(users.clone(), "bob"), named(groups.clone(), "dev")], None));
    // within a namespace there are no users
    leads_nowhere(&jane(vec![users, groups], Some("ci")));
}

#[test]
fn constrained_impersonation_gives_what_its_rules_say() {
    let act = rule("impersonate:serviceaccount", "authentication.k8s.io", "serviceaccounts");
    let token = rule("impersonate-on:serviceaccount:create", "core", "serviceaccounts/token");
    let mut small = with_deployer(jane(vec![act.clone(), token.clone()], Some("ci")));
    // nobody whom one may act as has that right there
    small.bindings.pop();
    leads_nowhere(&small);
    small.bindings.push(binding("minter", "ClusterRole/minter", &["sa:ci/default"]));
    small.roles.push(role("minter", [rule("create", "core", "serviceaccounts/token")]));
    small.bindings.push(binding("deployer", "ClusterRole/cluster-admin", &["sa:ci/deployer"]));
    let way = "user:jane -> impersonate-on:serviceaccount:create serviceaccounts/token in ci -> sa:ci/deployer \
               -> everything -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    // one half alone is nothing, a star after the prefix is a verb like any other, and it begins with 1.36
    small.roles[0].rules = vec![token.clone()].into();
    leads_nowhere(&small);
    small.roles[0].rules = vec![act.clone()].into();
    leads_nowhere(&small);
    small.roles[0].rules = vec![act.clone(), rule("impersonate-on:serviceaccount:*", "*", "*")].into();
    leads_nowhere(&small);
    small.roles[0].rules = vec![act, token].into();
    small.version = Some(Version::kubernetes(35));
    leads_nowhere(&small);
}

#[test]
fn roles_are_bound_by_whoever_may_bind_and_write() {
    let bind = rule("bind", RBAC, "clusterroles");
    let of_cluster = rule("create", RBAC, "clusterrolebindings");
    let of_namespace = rule("create", RBAC, "rolebindings");
    let small = jane(vec![bind.clone(), of_cluster.clone()], None);
    leads(&small, Target::ClusterAdmin, "user:jane -> bind clusterroles -> cluster-admin");
    leads_nowhere(&jane(vec![bind.clone()], None));
    leads_nowhere(&jane(vec![of_cluster.clone()], None));
    leads_nowhere(&jane(vec![bind.clone(), of_cluster.clone()], Some("ci")));
    // within a namespace: all of it
    let small = with_deployer(jane(vec![bind.clone(), of_namespace.clone()], Some("ci")));
    let way = "user:jane -> bind clusterroles in ci -> sa:ci/deployer -> everything -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    // a role by name gives what that role gives
    let mut small = jane(vec![named(bind.clone(), "reader"), of_cluster], None);
    leads_nowhere(&small);
    small.roles.push(role("reader", [rule("list", "core", "secrets")]));
    let way =
        "user:jane -> bind clusterroles named reader -> role reader -> list secrets in every namespace -> every secret";
    leads(&small, Target::EverySecret, way);
    let mut small = with_deployer(jane(vec![named(bind, "runner"), of_namespace.clone()], Some("ci")));
    small.roles.push(role("runner", [rule("create", "core", "pods")]));
    assert!(small.way("user:jane", Target::ClusterAdmin).is_some());
    // a Role of the namespace
    let mut small = with_deployer(jane(vec![rule("bind", RBAC, "roles"), of_namespace], Some("ci")));
    leads_nowhere(&small);
    small.roles.push(role("ci/runner", [rule("create", "core", "pods")]));
    let way = "user:jane -> bind roles in ci -> role runner in ci -> create pods in ci -> sa:ci/deployer \
               -> everything -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
}

#[test]
fn ones_own_role_is_extended_by_whoever_may_escalate_and_write() {
    let escalate = rule("escalate", RBAC, "clusterroles");
    let write = rule("patch", RBAC, "clusterroles");
    let small = jane(vec![escalate.clone(), write.clone()], None);
    leads(&small, Target::ClusterAdmin, "user:jane -> escalate clusterroles -> cluster-admin");
    leads_nowhere(&jane(vec![escalate.clone()], None));
    leads_nowhere(&jane(vec![write.clone()], None));
    leads_nowhere(&jane(vec![escalate.clone(), write.clone()], Some("ci")));
    // of named roles one must be one's own
    let own = jane(vec![named(escalate.clone(), "jane"), write.clone()], None);
    assert!(own.way("user:jane", Target::ClusterAdmin).is_some());
    leads_nowhere(&jane(vec![named(escalate.clone(), "cluster-admin"), write.clone()], None));
    leads_nowhere(&jane(vec![named(escalate, "jane"), named(write, "other")], None));
    // a Role of a namespace
    let both = vec![rule("escalate", RBAC, "roles"), rule("update", RBAC, "roles")];
    let mut small = with_deployer(jane(both.clone(), Some("ci")));
    leads_nowhere(&small);
    small.roles.push(role("ci/own", both));
    small.bindings.push(binding("ci/own", "Role/own", &["user:jane"]));
    let way = "user:jane -> escalate roles in ci -> sa:ci/deployer -> everything -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    // or one makes a role, and binds it
    let four = vec![rule("escalate,bind,create", RBAC, "roles"), rule("create", RBAC, "rolebindings")];
    assert!(with_deployer(jane(four, Some("ci"))).way("user:jane", Target::ClusterAdmin).is_some());
}

#[test]
fn certificates_are_minted_by_whoever_requests_and_approves() {
    let request = rule("create", CERTIFICATES, "certificatesigningrequests");
    let approve = rule("update", CERTIFICATES, "certificatesigningrequests/approval");
    let signer = |name: &str| named(rule("approve", CERTIFICATES, "signers"), name);
    let clients = "kubernetes.io/kube-apiserver-client";
    let mut small = jane(vec![request.clone(), approve.clone(), signer(clients)], None);
    let by = "create certificatesigningrequests and update certificatesigningrequests/approval and approve signers";
    leads(&small, Target::AnyIdentity, &format!("user:jane -> {by} -> any identity"));
    // a certificate of system:masters is refused, one of another group of administrators is not
    assert_eq!(small.way("user:jane", Target::ClusterAdmin), None);
    small.bindings.push(binding("ops", "ClusterRole/cluster-admin", &["group:ops"]));
    let way = format!("user:jane -> {by} -> group:ops -> everything -> cluster-admin");
    leads(&small, Target::ClusterAdmin, &way);
    assert!(
        jane(vec![request.clone(), approve.clone(), signer("kubernetes.io/*")], None)
            .way("user:jane", Target::AnyIdentity)
            .is_some()
    );
    leads_nowhere(&jane(vec![request.clone(), approve.clone(), signer("example.com/x")], None));
    leads_nowhere(&jane(vec![request.clone(), approve.clone()], None));
    leads_nowhere(&jane(vec![approve.clone(), signer(clients)], None));
    // a node's user has the accounts of the pods on it
    let mut small =
        with_deployer(jane(vec![request, approve, signer("kubernetes.io/kube-apiserver-client-kubelet")], None));
    small.pods = vec![pod("ci/web", "deployer", "w1")];
    let way = format!("user:jane -> {by} -> sa:ci/deployer -> everything -> cluster-admin");
    leads(&small, Target::ClusterAdmin, &way);
}

#[test]
fn whoever_mutates_admission_rewrites_pods() {
    let group = "admissionregistration.k8s.io";
    let small = with_deployer(jane(vec![rule("update", group, "mutatingwebhookconfigurations")], None));
    let way = "user:jane -> update mutatingwebhookconfigurations -> sa:ci/deployer -> everything \
               -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    let named_one = vec![named(rule("patch", group, "mutatingwebhookconfigurations"), "injector")];
    assert!(with_deployer(jane(named_one, None)).way("user:jane", Target::ClusterAdmin).is_some());
    let policies = rule("create", group, "mutatingadmissionpolicies,mutatingadmissionpolicybindings");
    assert!(with_deployer(jane(vec![policies], None)).way("user:jane", Target::ClusterAdmin).is_some());
    leads_nowhere(&with_deployer(jane(vec![rule("create", group, "mutatingadmissionpolicies")], None)));
    leads_nowhere(&with_deployer(jane(vec![rule("get", group, "mutatingwebhookconfigurations")], None)));
}
