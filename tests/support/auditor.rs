//! The library, called as the command line calls it.

use std::path::Path;

use kube_assay::audit::report::{Control, Report};
use kube_assay::audit::{self, Input};
use kube_assay::benchmark::{self, Library, StockPolicy, bootstrap};
use kube_assay::collect;
use kube_assay::evidence::objects::ClusterEvidence;
use kube_assay::evidence::{Component, Evidence, Gap, Listing, NodeEvidence, Reason, Tables, Version, file};

/// Tables, checks and stock policy, loaded once.
pub struct Auditor {
    pub tables: Tables,
    pub library: Library,
    pub stock: [StockPolicy; 2],
}

/// When evidence is collected here.
pub const NOW: &str = "2026-01-02T03:04:05Z";

impl Auditor {
    pub fn new() -> Self {
        let tables = benchmark::tables().unwrap();
        let library = benchmark::library(&tables).unwrap();
        let stock = [bootstrap::kubernetes().unwrap(), bootstrap::kubeadm().unwrap()];
        Self { tables, library, stock }
    }

    /// Evidence of the host below a directory.
    pub fn collect(&self, root: &Path) -> NodeEvidence {
        collect::collect_node(root, &self.tables, NOW).unwrap()
    }

    /// Evidence of the host below a directory, written to an evidence file and read again.
    pub fn evidence_of_host(&self, root: &Path) -> Evidence {
        read_again(Evidence { nodes: vec![self.collect(root)], ..Evidence::default() })
    }

    /// Evidence of a cluster that holds these objects and no others; `denied` are resources that may not be listed.
    pub fn evidence_of_objects(&self, objects: &Path, denied: &[String]) -> Evidence {
        let mut cluster = collect::collect_manifests(objects, true, &self.tables, NOW).unwrap();
        for resource in denied {
            deny(&mut cluster, resource);
        }
        read_again(Evidence { cluster: Some(cluster), ..Evidence::default() })
    }

    /// The report on evidence; `kubernetes` is the version that a user gives.
    pub fn evaluate(&self, mut evidence: Evidence, id: &str, kubernetes: Option<&str>) -> Report {
        evidence.join_views(&self.tables);
        if let Some(version) = kubernetes {
            given(&mut evidence, version.parse().unwrap());
        }
        let index = benchmark::benchmark(id, &self.library).unwrap();
        audit::evaluate(&Input {
            evidence: &evidence,
            library: &self.library,
            index: &index,
            tables: &self.tables,
            stock: &self.stock,
            waivers: &[],
            subjects: &["a host".to_owned()],
            chosen: "by the test",
            level: 2,
            version: "0.0.0",
        })
    }
}

/// What stays of a cluster's evidence when a resource may not be listed.
fn deny(cluster: &mut ClusterEvidence, resource: &str) {
    let gap = Gap::new(Reason::Denied, resource);
    match resource {
        "namespaces" => cluster.namespaces = Listing::unread(gap),
        "nodes" => cluster.nodes = Listing::unread(gap),
        "pods" => cluster.pods = Listing::unread(gap),
        "workloads" => cluster.workloads = Listing::unread(gap),
        "serviceaccounts" => cluster.service_accounts = Listing::unread(gap),
        "networkpolicies" => cluster.network_policies = Listing::unread(gap),
        "roles" | "clusterroles" => {
            cluster.roles.items.retain(|role| role.metadata.namespace.is_empty() == (resource == "roles"));
            cluster.roles.gap = Some(gap);
        }
        "rolebindings" | "clusterrolebindings" => {
            let of_namespaces = resource == "clusterrolebindings";
            cluster.bindings.items.retain(|binding| binding.metadata.namespace.is_empty() != of_namespaces);
            cluster.bindings.gap = Some(gap);
        }
        "others" => {
            cluster.named.clear();
            cluster.complete = false;
        }
        other => panic!("no list is called {other}"),
    }
}

/// What an evidence file of this evidence holds: the same, or the test ends.
fn read_again(written: Evidence) -> Evidence {
    let mut bytes = Vec::new();
    file::write(&written, "0.0.0", &mut bytes).unwrap();
    let mut read = Evidence::default();
    file::read(bytes.as_slice(), &mut read).unwrap();
    assert!(read == written, "evidence differs when it is read again");
    read
}

/// What `--kubernetes-version` does: every component but etcd is of this version, or of any when it is not known.
fn given(evidence: &mut Evidence, version: Version) {
    if let Some(cluster) = &mut evidence.cluster {
        cluster.version = Some(version);
    }
    let instances = evidence.nodes.iter_mut().flat_map(|node| &mut node.instances);
    for instance in instances.filter(|instance| instance.component != Component::Etcd) {
        instance.versions = if version.is_known() { vec![version] } else { Version::known() };
    }
}

/// A control of a report.
pub fn control<'a>(report: &'a Report, id: &str) -> Option<&'a Control> {
    report.controls.iter().find(|control| control.id == id)
}

/// Everything that a control says of what was found.
pub fn words(control: &Control) -> String {
    let groups = control.groups.iter().flat_map(|group| {
        let offenders = group.offenders.iter().map(|offender| format!("{}: {}", offender.what, offender.found));
        [group.found.clone()].into_iter().chain(group.origins.clone()).chain(offenders)
    });
    groups.collect::<Vec<_>>().join("; ")
}
