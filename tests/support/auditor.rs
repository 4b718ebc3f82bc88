//! The library, called as the command line calls it.

use std::path::Path;

use kube_assay::audit::report::{Control, Report};
use kube_assay::audit::{self, Input};
use kube_assay::benchmark::{self, Library, StockPolicy, bootstrap};
use kube_assay::collect;
use kube_assay::evidence::{Component, Evidence, NodeEvidence, Tables, Version};

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

    /// The report on evidence; `kubernetes` is the version that a user gives.
    pub fn evaluate(&self, nodes: Vec<NodeEvidence>, id: &str, kubernetes: Option<&str>) -> Report {
        let mut evidence = Evidence { nodes, ..Evidence::default() };
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
            subjects: &["a host".to_owned()],
            chosen: "by the test",
            level: 2,
            version: "0.0.0",
        })
    }
}

/// What `--kubernetes-version` does: every component but etcd is of this version, or of any when it is not known.
fn given(evidence: &mut Evidence, version: Version) {
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
