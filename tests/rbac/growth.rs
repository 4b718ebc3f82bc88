//! Cost grows with the cluster and not faster: counted in nodes and edges, which no busy machine changes.

use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Index, Name, Place, Request};
use kube_assay::evidence::objects::{Binding, Listing, Namespace, Pod, Role, ServiceAccount, Source};

use crate::make::{binding, meta, named, pod, role, rule};

const RBAC: &str = "rbac.authorization.k8s.io";

/// What one object of a cluster costs: namespaces with roles, bindings, accounts and pods, and rights of every kind over all of it.
struct Large {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
    namespaces: Vec<Namespace>,
    accounts: Listing<ServiceAccount>,
    pods: Vec<Pod>,
}

fn large(count: usize) -> Large {
    let mut all = Large {
        roles: vec![
            role("edit", [rule("*", "core,apps", "*")]),
            role("binder", [rule("bind,escalate,create,update", RBAC, "roles,clusterroles,rolebindings")]),
            role("minter", [named(rule("create", "core", "serviceaccounts/token"), "app")]),
            role("enter", [rule("create", "core", "pods/exec"), rule("get", "core", "nodes/proxy")]),
            role("act", [rule("impersonate", "core", "users,groups,serviceaccounts")]),
        ],
        bindings: Vec::new(),
        namespaces: Vec::new(),
        accounts: Listing { items: Vec::new(), gap: None },
        pods: Vec::new(),
    };
    for number in 0..count {
        let namespace = format!("n{number}");
        let account = format!("sa:{namespace}/app");
        let everywhere = format!("user:everywhere-{number}");
        all.roles.push(role(
            &format!("{namespace}/own"),
            [rule("escalate,update", RBAC, "roles"), rule("create", "core", "pods")],
        ));
        all.bindings.push(binding(&format!("{namespace}/own"), "Role/own", &[&account, "group:all"]));
        for name in ["edit", "binder", "minter"] {
            all.bindings.push(binding(
                &format!("{namespace}/{name}"),
                &format!("ClusterRole/{name}"),
                &[&account, "group:all"],
            ));
        }
        for name in ["binder", "minter", "enter", "act"] {
            all.bindings.push(binding(&format!("{name}-{number}"), &format!("ClusterRole/{name}"), &[&everywhere]));
        }
        for name in ["default", "app"] {
            let metadata = meta(&format!("{namespace}/{name}"));
            all.accounts.items.push(ServiceAccount { metadata, ..ServiceAccount::default() });
        }
        all.pods.push(pod(&format!("{namespace}/web"), "app", &format!("node-{}", number % 10)));
        all.namespaces.push(Namespace { metadata: meta(&namespace) });
    }
    all
}

fn size(count: usize) -> (usize, usize) {
    let large = large(count);
    let index = Index::new(&large.roles, &large.bindings, Aggregation::Stored);
    let world = World {
        namespaces: &large.namespaces,
        service_accounts: &large.accounts,
        pods: &large.pods,
        nodes: &[],
        source: Source::Api,
        version: None,
        admits: &|_| true,
    };
    let escalation = Escalation::new(&index, world);
    assert_eq!(escalation.reaching(Target::NodeRoot).len(), 2 * count + 1);
    escalation.size()
}

#[test]
fn the_graph_grows_with_the_cluster() {
    let (small, four_times) = (size(100), size(400));
    assert!(four_times.0 < small.0 * 9 / 2, "nodes: {small:?}, {four_times:?}");
    assert!(four_times.1 < small.1 * 9 / 2, "edges: {small:?}, {four_times:?}");
}

#[test]
fn an_answer_holds_what_was_asked_for_alone() {
    let large = large(300);
    let index = Index::new(&large.roles, &large.bindings, Aggregation::Stored);
    let token = Request::resource("create", "", "serviceaccounts").subresource("token");
    // the account and the group by `edit` and `minter` of its namespace, and everyone with `minter` over the cluster
    let asked = index.who_can(&token.named(Name::Exact("app")).within(Place::Namespace("n7")));
    assert_eq!(asked.len(), 300 + 4);
    let other = index.who_can(&token.named(Name::Exact("other")).within(Place::Namespace("n7")));
    assert_eq!(other.len(), 2);
}
