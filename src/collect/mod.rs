//! Floor 1: the world becomes evidence. All I/O on hosts lives here.
//!
//! The files tell the story in this order: a root is opened, processes are found in it, a reader follows their words to
//! documents and certificates, named sets of files are looked at, and all of it becomes one node's evidence.

pub mod api;
mod certificates;
mod distribution;
mod documents;
mod encryption;
mod etcd_proof;
mod file_sets;
mod host;
mod instances;
mod manifests;
mod objects;
mod processes;
mod reader;
mod root;
mod systemd;
mod versions;
pub mod yaml;

pub use documents::audit_policy;
pub use etcd_proof::prove_etcd;
pub use objects::{ManifestError, collect_manifests};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::evidence::effective::effective;
use crate::evidence::{Component, Gap, Instance, NodeEvidence, Ownership, Tables, Trace, Version};
use manifests::Manifest;
use reader::Reader;
use root::Root;

/// A host that cannot be looked at, at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the host root {path}: {why}; name a directory that holds /etc, /proc and /var of the host", path = path.display())]
pub struct CannotOpen {
    /// The directory.
    pub path: PathBuf,
    /// The operating system's reason.
    pub why: String,
}

/// Collects the evidence of the host below `path`.
///
/// `now` is the time of the collection, RFC 3339, UTC.
///
/// # Errors
/// Only when the root itself cannot be opened: everything else becomes a state of the evidence.
pub fn collect_node(path: &Path, tables: &Tables, now: &str) -> Result<NodeEvidence, CannotOpen> {
    let root = Root::open(path).map_err(|errno| CannotOpen { path: path.to_owned(), why: errno.desc().to_owned() })?;
    let mut table = processes::scan(&root);
    let (name, host) = host::facts(&root);
    let distributions = distribution::find(&root, &table);

    // the kubelet first: it says where static pods are, and those say what the others see of the host
    let (kubelets, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut table.processes).into_iter().partition(|process| process.component == Component::Kubelet);
    let own = kubelets.iter().find(|process| process.ownership == Ownership::Own);
    let unit_name = own.and_then(|process| process.unit.clone()).unwrap_or_else(|| "kubelet.service".to_owned());
    let mut instances: Vec<Instance> =
        kubelets.into_iter().map(|process| instances::of_process(&root, tables, process, None)).collect();
    let (manifest_directory, directory_gap) = file_sets::manifest_directory(tables, &instances);
    let (manifests, listing_gap) = manifests::find(&root, &manifest_directory);
    for process in others {
        let is_static = process.pod.as_ref().is_some_and(|pod| pod.is_static) || process.pod.is_none();
        let manifest = manifests.iter().find(|manifest| {
            is_static && process.ownership == Ownership::Own && manifest.component == process.component
        });
        instances.push(instances::of_process(&root, tables, process, manifest));
    }
    let idle: Vec<Instance> = manifests
        .iter()
        .filter(|manifest| !runs(manifest, &instances))
        .map(|manifest| instances::of_manifest(&root, tables, manifest))
        .collect();
    instances.extend(idle);
    instances.sort_by_key(|instance| (instance.component, instance.pid.is_none(), instance.pid));
    versions::assign(&root, tables, &manifests, &mut instances);

    let readers = readers(&root, &instances, &manifests);
    let unit = systemd::find(&root, &unit_name);
    let kubelet_unit = systemd::read(&root, &unit);
    let manifest_gap: Option<Gap> = directory_gap.or(listing_gap);
    let newest = Version::kubernetes(*crate::evidence::KNOWN.end());
    let files = file_sets::collect(file_sets::Sources {
        host: &root,
        instances: &instances,
        merged: instances.iter().map(|instance| effective(tables, instance, newest)).collect(),
        readers: &readers,
        manifests: &manifests,
        manifest_directory: &manifest_directory,
        manifest_gap: &manifest_gap,
        unit,
    });
    let accounts = host::accounts(&root, files.values());
    Ok(NodeEvidence {
        name,
        collected_at: now.to_owned(),
        host,
        process_table: table.gap.clone(),
        distributions,
        traces: traces(&root, &table),
        instances,
        files,
        accounts,
        kubelet_unit,
        differences: Vec::new(),
        collector: host::rights(),
    })
}

/// The machine id of the host below `path`, without a look at anything else of it.
pub fn machine_id(path: &Path) -> Option<String> {
    host::machine_id(&Root::open(path).ok()?)
}

fn runs(manifest: &Manifest, instances: &[Instance]) -> bool {
    instances.iter().any(|instance| {
        instance.component == manifest.component && instance.ownership == Ownership::Own && instance.pid.is_some()
    })
}

fn readers<'a>(root: &'a Root, instances: &[Instance], manifests: &[Manifest]) -> BTreeMap<u32, Reader<'a>> {
    let mut readers = BTreeMap::new();
    for instance in instances.iter().filter(|instance| instance.ownership != Ownership::Tenant) {
        let Some(pid) = instance.pid else { continue };
        let volumes = manifests
            .iter()
            .find(|manifest| Some(&manifest.path) == instance.manifest.as_ref())
            .map(|manifest| manifest.volumes.clone());
        readers.insert(
            pid,
            Reader::new(root, pid, instance.ownership, instance.pod.as_deref(), volumes.unwrap_or_default()),
        );
    }
    readers
}

/// What says that a component belongs here, whether or not it runs.
fn traces(root: &Root, table: &processes::ProcessTable) -> Vec<Trace> {
    let mut traces = systemd::traces(root);
    for (component, path) in [(Component::Kubelet, "/var/lib/kubelet"), (Component::Etcd, "/var/lib/etcd/member")] {
        if root.facts(std::ffi::OsStr::new(path)).is_ok() {
            traces.push(Trace { component, what: path.to_owned() });
        }
    }
    traces.extend(table.pretenders.iter().map(|(pid, component)| Trace {
        component: *component,
        what: format!("pid {pid} calls itself {component}, its executable is another"),
    }));
    traces
}
