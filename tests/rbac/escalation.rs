//! Where rights lead: through pods and nodes, and as a whole. Each edge, what it needs, and that it is not there without.

use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Bootstrap, Index};
use kube_assay::evidence::objects::{Listing, Source};
use kube_assay::evidence::{Gap, Reason, Version};

use crate::jane::{jane, leads, leads_nowhere, with_deployer};
use crate::make::{Recorded, binding, named, pod, privileged, role, rule, stock, subject};

const RBAC: &str = "rbac.authorization.k8s.io";

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
        small.pods[0].spec.volumes = Default::default();
        leads_nowhere(&small);
        small.pods = vec![privileged(small.pods.remove(0))];
        leads(&small, Target::NodeRoot, &format!("user:jane -> {verbs} {resource} in ci -> root on a node"));
        small.pods[0].status.phase = "Succeeded".into();
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
    small.pods[1].spec.service_account_name = "deployer".into();
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
    small.roles[0].rules = vec![named(rule("get", "core", "nodes/proxy"), "w2")].into();
    assert_eq!(small.way("user:jane", Target::ClusterAdmin), None);
    leads(&small, Target::NodeRoot, "user:jane -> get nodes/proxy named w2 -> root on a node");
    small.bindings[0] = binding("ci/jane", "ClusterRole/jane", &["user:jane"]);
    leads_nowhere(&small);
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
    let accounts = Listing { items: Vec::new(), gap: Some(Gap::new(Reason::Denied, "")) };
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
    let (nodes, edges) = escalation.size();
    assert!(nodes < 1000 && edges < 5000, "{nodes} {edges}");
}
