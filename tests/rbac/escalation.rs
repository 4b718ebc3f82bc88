//! Where rights lead: each edge, what it needs, and that it is not there without.

use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Bootstrap, Index};
use kube_assay::evidence::Version;
use kube_assay::evidence::objects::{Binding, Listing, PolicyRule, Source};

use crate::make::{Recorded, Small, binding, named, pod, privileged, role, rule, stock, subject};

const RBAC: &str = "rbac.authorization.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";

/// A cluster in which `user:jane` holds these rules, over the cluster or in `ci`.
fn jane(rules: Vec<PolicyRule>, namespace: Option<&str>) -> Small {
    let place = namespace.map_or("jane".to_owned(), |namespace| format!("{namespace}/jane"));
    Small {
        roles: vec![role("jane", rules), role("cluster-admin", [rule("*", "*", "*")])],
        bindings: vec![binding(&place, "ClusterRole/jane", &["user:jane"])],
        namespaces: vec!["ci", "kube-system"],
        accounts: vec!["ci/default", "ci/deployer", "kube-system/default", "kube-system/root"],
        ..Small::default()
    }
}

/// The same with `sa:ci/deployer` bound to everything.
fn with_deployer(mut small: Small) -> Small {
    small.bindings.push(binding("deployer", "ClusterRole/cluster-admin", &["sa:ci/deployer"]));
    small
}

#[track_caller]
fn leads(small: &Small, target: Target, way: &str) {
    assert_eq!(small.way("user:jane", target).as_deref(), Some(way));
}

#[track_caller]
fn leads_nowhere(small: &Small) {
    for target in Target::ALL {
        assert_eq!(small.way("user:jane", target), None);
    }
}

#[test]
fn everything_is_cluster_admin() {
    let small = jane(vec![rule("*", "*", "*")], None);
    leads(&small, Target::ClusterAdmin, "user:jane -> everything -> cluster-admin");
    for target in Target::ALL {
        assert!(small.way("user:jane", target).is_some(), "{target}");
    }
    leads_nowhere(&jane(vec![rule("*", "core,apps", "configmaps,*/scale")], Some("ci")));
    let of_one_name = jane(vec![named(rule("*", "*", "*"), "x")], None);
    assert_eq!(of_one_name.way("user:jane", Target::ClusterAdmin), None);
    assert_eq!(small.way("user:other", Target::ClusterAdmin), None);
}

#[test]
fn masters_are_cluster_admin_without_a_binding() {
    let mut small = jane(Vec::new(), None);
    small.bindings.push(binding("ci/m", "ClusterRole/cluster-admin", &["group:system:masters"]));
    let way = small.way("group:system:masters", Target::ClusterAdmin);
    assert_eq!(way.as_deref(), Some("group:system:masters -> cluster-admin"));
}

#[test]
fn whoever_makes_pods_has_every_account_of_the_namespace() {
    let pods = || vec![rule("create", "core", "pods")];
    let small = with_deployer(jane(pods(), Some("ci")));
    leads(
        &small,
        Target::ClusterAdmin,
        "user:jane -> create pods in ci -> sa:ci/deployer -> everything -> cluster-admin",
    );
    // in another namespace than the account's
    leads_nowhere(&with_deployer(jane(pods(), Some("kube-system"))));
    // an account that does not exist runs nothing
    let mut gone = with_deployer(jane(pods(), Some("ci")));
    gone.accounts.retain(|account| *account != "ci/deployer");
    leads_nowhere(&gone);
    // unless that is not known
    gone.accounts_unread = true;
    assert!(gone.way("user:jane", Target::ClusterAdmin).is_some());
}

#[test]
fn controllers_make_pods_too() {
    for (verbs, group, resource) in [
        ("create", "apps", "deployments"),
        ("patch", "apps", "daemonsets"),
        ("update", "apps", "statefulsets"),
        ("create", "apps", "replicasets"),
        ("create", "core", "replicationcontrollers"),
        ("create", "batch", "jobs"),
        ("patch", "batch", "cronjobs"),
        ("create", "*", "*"),
    ] {
        let small = with_deployer(jane(vec![rule(verbs, group, resource)], Some("ci")));
        assert!(small.way("user:jane", Target::ClusterAdmin).is_some(), "{verbs} {resource}");
    }
    for (verbs, group, resource) in [
        ("patch", "batch", "jobs"),
        ("get", "apps", "deployments"),
        ("patch", "apps", "deployments/scale"),
        ("create", "core", "deployments"),
    ] {
        leads_nowhere(&with_deployer(jane(vec![rule(verbs, group, resource)], Some("ci"))));
    }
    // an object that exists is named, one that is made has no name
    let named_patch = vec![named(rule("patch", "apps", "deployments"), "web")];
    assert!(with_deployer(jane(named_patch, Some("ci"))).way("user:jane", Target::ClusterAdmin).is_some());
    leads_nowhere(&with_deployer(jane(vec![named(rule("create", "apps", "deployments"), "web")], Some("ci"))));
}

#[test]
fn pods_take_their_node_where_admission_lets_them() {
    let mut small = jane(vec![rule("create", "core", "pods")], Some("ci"));
    leads_nowhere(&small);
    small.lax = vec!["kube-system"];
    leads_nowhere(&small);
    small.lax = vec!["ci"];
    leads(&small, Target::NodeRoot, "user:jane -> create pods in ci -> root on a node");
    // on a node there are the tokens of its pods, and of the control plane the keys
    small.pods = vec![pod("kube-system/x", "root", "w1")];
    small.bindings.push(binding("root", "ClusterRole/cluster-admin", &["sa:kube-system/root"]));
    let way = "user:jane -> create pods in ci -> root on a node -> sa:kube-system/root -> everything \
               -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    small.control_plane = vec!["cp1"];
    let way = "user:jane -> create pods in ci -> root on a node of the control plane -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
}

#[test]
fn whoever_labels_the_namespace_sets_what_is_admitted() {
    let both = vec![rule("create", "core", "pods"), rule("patch", "core", "namespaces")];
    leads(
        &jane(both.clone(), Some("ci")),
        Target::NodeRoot,
        "user:jane -> create pods and patch namespaces in ci -> root on a node",
    );
    assert!(jane(both, None).way("user:jane", Target::NodeRoot).is_some());
    leads_nowhere(&jane(vec![rule("patch", "core", "namespaces")], None));
    let other = vec![rule("create", "core", "pods"), named(rule("patch", "core", "namespaces"), "dev")];
    leads_nowhere(&jane(other, Some("ci")));
}

#[test]
fn a_host_path_comes_through_a_volume() {
    let volume = rule("create", "core", "persistentvolumes");
    let claim_and_pod = rule("create", "core", "persistentvolumeclaims,pods");
    let mut small = jane(vec![volume.clone()], None);
    leads_nowhere(&small);
    small.roles.push(role("claims", [claim_and_pod]));
    small.bindings.push(binding("ci/claims", "ClusterRole/claims", &["user:jane"]));
    let way = "user:jane -> create persistentvolumes and create persistentvolumeclaims and create pods in ci \
               -> root on a node";
    leads(&small, Target::NodeRoot, way);
    // within a namespace a grant of volumes, which have none, is void
    leads_nowhere(&jane(vec![volume, rule("create", "core", "persistentvolumeclaims,pods")], Some("ci")));
}

#[test]
fn whoever_enters_pods_has_their_accounts_and_nodes() {
    for (verbs, resource) in
        [("create", "pods/exec"), ("create", "pods/attach"), ("patch", "pods/ephemeralcontainers"), ("update", "pods")]
    {
        let mut small = with_deployer(jane(vec![rule(verbs, "core", resource)], Some("ci")));
        // the account is there, and no pod that runs as it
        leads_nowhere(&small);
        small.pods = vec![pod("ci/web", "deployer", "w1")];
        let way = format!("user:jane -> {verbs} {resource} in ci -> sa:ci/deployer -> everything -> cluster-admin");
        leads(&small, Target::ClusterAdmin, &way);
        small.pods[0].spec.volumes.clear();
        leads_nowhere(&small);
        small.pods = vec![privileged(small.pods.remove(0))];
        leads(&small, Target::NodeRoot, &format!("user:jane -> {verbs} {resource} in ci -> root on a node"));
        small.pods[0].status.phase = "Succeeded".to_owned();
        leads_nowhere(&small);
    }
}

#[test]
fn entering_by_get_ended_with_1_35() {
    let mut small = with_deployer(jane(vec![rule("get", "core", "pods/exec")], Some("ci")));
    small.pods = vec![pod("ci/web", "deployer", "w1")];
    assert!(small.way("user:jane", Target::ClusterAdmin).is_some());
    small.version = Some(Version::kubernetes(34));
    assert!(small.way("user:jane", Target::ClusterAdmin).is_some());
    small.version = Some(Version::kubernetes(35));
    leads_nowhere(&small);
}

#[test]
fn a_named_pod_is_entered_alone() {
    let mut small = with_deployer(jane(vec![named(rule("create", "core", "pods/exec"), "web")], Some("ci")));
    small.pods = vec![pod("ci/other", "deployer", "w1"), pod("ci/web", "default", "w1")];
    leads_nowhere(&small);
    small.pods[1].spec.service_account_name = "deployer".to_owned();
    assert!(small.way("user:jane", Target::ClusterAdmin).is_some());
}

#[test]
fn the_kubelets_api_enters_every_pod() {
    let mut small = with_deployer(jane(vec![rule("get", "core", "nodes/proxy")], None));
    small.pods = vec![pod("ci/web", "deployer", "w1"), privileged(pod("kube-system/proxy", "default", "w2"))];
    let way = "user:jane -> get nodes/proxy -> sa:ci/deployer -> everything -> cluster-admin";
    leads(&small, Target::ClusterAdmin, way);
    leads(&small, Target::NodeRoot, "user:jane -> get nodes/proxy -> root on a node");
    // of one node only its pods
    small.roles[0].rules = vec![named(rule("get", "core", "nodes/proxy"), "w2")];
    assert_eq!(small.way("user:jane", Target::ClusterAdmin), None);
    leads(&small, Target::NodeRoot, "user:jane -> get nodes/proxy named w2 -> root on a node");
    small.bindings[0] = binding("ci/jane", "ClusterRole/jane", &["user:jane"]);
    leads_nowhere(&small);
}

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
        leads_nowhere(&with_deployer(jane(vec![named(all, "default")], Some("ci"))));
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
    small.roles[0].rules = vec![token.clone()];
    leads_nowhere(&small);
    small.roles[0].rules = vec![act.clone()];
    leads_nowhere(&small);
    small.roles[0].rules = vec![act.clone(), rule("impersonate-on:serviceaccount:*", "*", "*")];
    leads_nowhere(&small);
    small.roles[0].rules = vec![act, token];
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
    let way = format!("user:jane -> {by} -> any identity -> group:ops -> everything -> cluster-admin");
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

#[test]
fn rights_of_ones_groups_count_together_with_ones_own() {
    let mut small = jane(vec![rule("bind", RBAC, "clusterroles")], None);
    small.roles.push(role("writers", [rule("create", RBAC, "clusterrolebindings")]));
    small.bindings.push(binding("writers", "ClusterRole/writers", &["group:system:authenticated"]));
    leads(&small, Target::ClusterAdmin, "user:jane -> bind clusterroles -> cluster-admin");
    // whoever is bound to nothing still belongs to groups
    small.bindings.push(binding("all", "ClusterRole/cluster-admin", &["group:system:serviceaccounts:ci"]));
    let way = small.way("sa:ci/whoever", Target::ClusterAdmin);
    assert_eq!(way.as_deref(), Some("sa:ci/whoever -> group:system:serviceaccounts:ci -> everything -> cluster-admin"));
    assert_eq!(small.way("sa:dev/whoever", Target::ClusterAdmin), None);
}

#[test]
fn each_step_names_what_gives_it() {
    let small = with_deployer(jane(vec![rule("create", "core", "pods")], Some("ci")));
    let index = Index::new(&small.roles, &small.bindings, Aggregation::Stored);
    let accounts = Listing {
        items: Vec::new(),
        gap: Some(kube_assay::evidence::Gap::new(kube_assay::evidence::Reason::Denied, "")),
    };
    let world = World {
        namespaces: &[],
        service_accounts: &accounts,
        pods: &[],
        nodes: &[],
        source: Source::Api,
        version: None,
        admits: &|_| false,
    };
    let escalation = Escalation::new(&index, world);
    let path = escalation.path(&subject("user:jane"), Target::ClusterAdmin).unwrap();
    let first = &path.steps[0].by[0];
    assert_eq!(first.binding.unwrap().metadata.name, "jane");
    assert_eq!(first.role.metadata.name, "jane");
    assert_eq!(first.rule, &small.roles[0].rules[0]);
    assert_eq!(path.steps.last().unwrap().text, "cluster-admin");
    let reaching = escalation.reaching(Target::ClusterAdmin);
    assert_eq!(reaching, [subject("sa:ci/deployer"), subject("user:jane")]);
}

#[test]
fn in_a_stock_cluster_only_stock_subjects_lead_anywhere() {
    let recorded = Recorded::read();
    let (roles, mut bindings) = (recorded.all_roles(), recorded.all_bindings());
    let bootstrap = Bootstrap::new(&stock(), Some(Version::kubernetes(36)));
    assert!(bindings.iter().all(|binding| bootstrap.binding(binding).is_stock()));
    bindings.push(binding("team", "ClusterRole/view", &["group:team"]));
    bindings.push(binding("default/team", "ClusterRole/edit", &["group:editors"]));
    bindings.push(binding("kube-system/team", "ClusterRole/edit", &["group:system-editors"]));
    let index = Index::new(&roles, &bindings, Aggregation::Stored);
    let accounts = Listing { items: recorded.serviceaccounts.clone(), gap: None };
    let world = World {
        namespaces: &recorded.namespaces,
        service_accounts: &accounts,
        pods: &recorded.pods,
        nodes: &recorded.nodes,
        source: Source::Api,
        version: Some(Version::kubernetes(36)),
        admits: &|_| true,
    };
    let escalation = Escalation::new(&index, world);
    let way = |text: &str, target| escalation.path(&subject(text), target).map(|path| path.to_string());
    for target in Target::ALL {
        assert_eq!(way("group:team", target), None);
        assert_eq!(way("group:system:authenticated", target), None);
        assert_eq!(way("user:system:anonymous", target), None);
        assert_eq!(way("sa:default/default", target), None);
    }
    let editors = way("group:editors", Target::ClusterAdmin).unwrap();
    assert_eq!(
        editors,
        "group:editors -> create pods in default -> root on a node of the control plane -> cluster-admin"
    );
    let editors = way("group:system-editors", Target::EverySecret).unwrap();
    assert!(editors.starts_with("group:system-editors -> "), "{editors}");
    for (stock, target) in [
        ("group:system:masters", Target::ClusterAdmin),
        ("group:kubeadm:cluster-admins", Target::ClusterAdmin),
        ("sa:kube-system/clusterrole-aggregation-controller", Target::ClusterAdmin),
        ("user:kube-apiserver-kubelet-client", Target::NodeRoot),
        ("user:system:kube-controller-manager", Target::EverySecret),
    ] {
        assert!(way(stock, target).is_some(), "{stock} -> {target}");
    }
    let all: Vec<&Binding> = bindings.iter().collect();
    assert!(all.len() > 70);
    let (nodes, edges) = escalation.size();
    assert!(nodes < 1000 && edges < 5000, "{nodes} {edges}");
}
