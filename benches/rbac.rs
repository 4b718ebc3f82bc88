//! What RBAC costs an object, at sizes from a small cluster's to a large one's: `cargo bench --bench rbac`.
//!
//! The cost of a question must not grow with the cluster, that of arranging and of following rights in proportion to it.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin has nothing to measure")]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Bootstrap, Identity, Index, Name, Place, Request};
use kube_assay::benchmark::bootstrap::{self, StockPolicy};
use kube_assay::evidence::Version;
use kube_assay::evidence::objects::{
    Binding, Listing, Meta, Namespace, Pod, PolicyRule, Role, RoleRef, ServiceAccount, Source, Subject, Volume,
};

/// Roles and bindings together.
const SIZES: [usize; 3] = [1_000, 5_000, 20_000];

/// A cluster of tenants: each namespace has roles, bindings, accounts and pods; one binding in twenty counts over the cluster.
struct Cluster {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
    namespaces: Vec<Namespace>,
    accounts: Listing<ServiceAccount>,
    pods: Vec<Pod>,
}

fn meta(namespace: &str, name: String) -> Meta {
    Meta { namespace: namespace.into(), name, ..Meta::default() }
}

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> PolicyRule {
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
    PolicyRule {
        verbs: words(verbs),
        api_groups: vec![group.to_owned()],
        resources: words(resources),
        ..PolicyRule::default()
    }
}

fn rules(number: usize) -> Vec<PolicyRule> {
    let mut rules = vec![
        rule(&["get", "list", "watch"], "", &["pods", "services", "configmaps", "pods/log"]),
        rule(
            &["get", "list", "watch", "update", "patch"],
            "apps",
            &["deployments", "statefulsets", "deployments/scale"],
        ),
    ];
    match number % 8 {
        0 => rules.push(rule(&["create"], "", &["pods"])),
        1 => rules.push(rule(&["create"], "", &["serviceaccounts/token"])),
        2 => rules.push(rule(&["get", "list"], "", &["secrets"])),
        3 => rules.push(rule(&["bind", "create"], "rbac.authorization.k8s.io", &["clusterroles", "rolebindings"])),
        _ => {}
    }
    rules
}

fn cluster(size: usize, stock: &StockPolicy) -> Cluster {
    let stock_roles = stock.roles.iter().map(|role| Role {
        metadata: meta(&role.namespace, role.name.clone()),
        rules: role.rules.iter().map(|rule| rule.part.clone()).collect(),
        aggregation_rule: role.aggregation_rule.clone(),
    });
    let mut all = Cluster {
        roles: stock_roles.collect(),
        bindings: Vec::new(),
        namespaces: Vec::new(),
        accounts: Listing { items: Vec::new(), gap: None },
        pods: Vec::new(),
    };
    let namespaces = size / 4;
    for number in 0..namespaces {
        let namespace = format!("tenant-{number}");
        let account = |name: &str| ServiceAccount { metadata: meta(&namespace, name.to_owned()), ..Default::default() };
        all.accounts.items.extend(["default", "app", "builder"].map(account));
        let mut pod = Pod { metadata: meta(&namespace, "app-0".to_owned()), ..Pod::default() };
        pod.spec.service_account_name = "app".into();
        pod.spec.node_name = format!("node-{}", number % 100).into();
        pod.spec.volumes = vec![Volume { name: "token".to_owned(), token: true, ..Volume::default() }].into();
        all.pods.push(pod);
        for (name, kind) in [("own", "Role"), ("edit", "ClusterRole")] {
            if kind == "Role" {
                let role = Role {
                    metadata: meta(&namespace, name.to_owned()),
                    rules: rules(number).into(),
                    aggregation_rule: None,
                };
                all.roles.push(role);
            }
            let subject = |kind: &str, name: String, namespace: &str| Subject {
                kind: kind.to_owned(),
                name,
                namespace: namespace.to_owned(),
            };
            let subjects = vec![
                subject("ServiceAccount", "app".to_owned(), &namespace),
                subject("Group", format!("team-{}", number % 50), ""),
            ];
            let role_ref = RoleRef { kind: kind.to_owned(), name: name.to_owned() };
            all.bindings.push(Binding {
                metadata: meta(&namespace, name.to_owned()),
                role_ref: role_ref.into(),
                subjects: subjects.into(),
            });
        }
        let role = format!("operator-{number}");
        if number % 5 == 0 {
            all.roles.push(Role {
                metadata: meta("", role.clone()),
                rules: rules(number).into(),
                aggregation_rule: None,
            });
        }
        let subjects = vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: "builder".to_owned(),
            namespace: namespace.clone(),
        }];
        let role_ref = RoleRef { kind: "ClusterRole".to_owned(), name: format!("operator-{}", number - number % 5) };
        let place = if number % 5 == 0 { "" } else { namespace.as_str() };
        all.bindings.push(Binding {
            metadata: meta(place, role),
            role_ref: role_ref.into(),
            subjects: subjects.into(),
        });
        all.namespaces.push(Namespace { metadata: meta("", namespace.clone()) });
    }
    all
}

impl Cluster {
    fn objects(&self) -> u64 {
        (self.roles.len() + self.bindings.len()) as u64
    }

    fn index(&self) -> Index<'_> {
        Index::new(&self.roles, &self.bindings, Aggregation::Stored)
    }

    fn world(&self) -> World<'_> {
        World {
            namespaces: &self.namespaces,
            service_accounts: &self.accounts,
            pods: &self.pods,
            nodes: &[],
            source: Source::Api,
            version: Some(Version::kubernetes(36)),
            admits: &|namespace| namespace.ends_with('7'),
        }
    }
}

fn arranging(criterion: &mut Criterion, clusters: &[(usize, Cluster)], stock: &[StockPolicy]) {
    let mut group = criterion.benchmark_group("arrange");
    for (size, cluster) in clusters {
        group.throughput(Throughput::Elements(cluster.objects()));
        group.bench_function(BenchmarkId::new("index", size), |bench| {
            bench.iter_batched(|| (), |()| cluster.index(), BatchSize::PerIteration);
        });
        let index = cluster.index();
        group.bench_function(BenchmarkId::new("escalation", size), |bench| {
            bench.iter_batched(|| (), |()| Escalation::new(&index, cluster.world()), BatchSize::PerIteration);
        });
        let bootstrap = Bootstrap::new(stock, Some(Version::kubernetes(36)));
        group.bench_function(BenchmarkId::new("stock or not", size), |bench| {
            bench.iter(|| {
                let roles = cluster.roles.iter().filter(|role| bootstrap.role(role).is_stock()).count();
                roles + cluster.bindings.iter().filter(|binding| bootstrap.binding(binding).is_stock()).count()
            });
        });
    }
    group.finish();
}

fn asking(criterion: &mut Criterion, clusters: &[(usize, Cluster)]) {
    let mut group = criterion.benchmark_group("ask");
    let pods = Request::resource("list", "", "pods");
    let secret = Request::resource("get", "", "secrets").named(Name::Exact("x"));
    for (size, cluster) in clusters {
        let index = cluster.index();
        group.bench_function(BenchmarkId::new("who can get a secret in a namespace", size), |bench| {
            bench.iter(|| index.who_can(black_box(&secret.within(Place::Namespace("tenant-42")))));
        });
        group.bench_function(BenchmarkId::new("who can list pods in a namespace", size), |bench| {
            bench.iter(|| index.who_can(black_box(&pods.within(Place::Namespace("tenant-42")))));
        });
        group.bench_function(BenchmarkId::new("who can escalate over the cluster", size), |bench| {
            let request = Request::resource("escalate", "rbac.authorization.k8s.io", "clusterroles");
            bench.iter(|| index.who_can(black_box(&request)));
        });
        let account = Identity::service_account("tenant-42", "app");
        group.bench_function(BenchmarkId::new("may an account", size), |bench| {
            bench.iter(|| index.decide(black_box(&account), &pods.within(Place::Namespace("tenant-42"))));
        });
        group.bench_function(BenchmarkId::new("what can an account", size), |bench| {
            bench.iter(|| index.can(black_box(&account)));
        });
        let escalation = Escalation::new(&index, cluster.world());
        let subject =
            Subject { kind: "ServiceAccount".to_owned(), name: "app".to_owned(), namespace: "tenant-40".to_owned() };
        group.bench_function(BenchmarkId::new("an account's way to root", size), |bench| {
            bench.iter(|| escalation.path(black_box(&subject), Target::NodeRoot));
        });
    }
    group.finish();
}

fn main() {
    let stock = [bootstrap::kubernetes().expect("it ships"), bootstrap::kubeadm().expect("it ships")];
    let clusters: Vec<(usize, Cluster)> = SIZES.map(|size| (size, cluster(size, &stock[0]))).into();
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    arranging(&mut criterion, &clusters, &stock);
    asking(&mut criterion, &clusters);
    criterion.final_summary();
}
