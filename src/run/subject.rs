//! What is audited: the subjects that the arguments name, and the evidence of them.

use std::path::Path;
use std::time::Duration;

use super::example::{self, Example};
use super::progress::Progress;
use super::{Failure, audit};
use crate::cli::{ClusterArgs, CollectorsOf, HostArgs, VersionOf};
use crate::collect;
use crate::collect::api::{self, ApiError, ApiOptions, CollectorOptions};
use crate::evidence::objects::{ApiNode, ClusterEvidence};
use crate::evidence::{Component, Evidence, NodeEvidence, Ownership, Tables, Version};

/// Evidence with a line on each of its subjects.
pub(crate) struct Subjects {
    pub(crate) evidence: Evidence,
    pub(crate) lines: Vec<String>,
}

/// Collects what the arguments name.
pub(crate) fn collect(args: &HostArgs, tables: &Tables, quiet: bool) -> Result<Subjects, Failure> {
    let now = audit::now();
    let _progress = Progress::new("reading the host", quiet);
    if args.example {
        let Example { hosts, .. } = &example::unpack()?;
        let mut evidence = Evidence::default();
        for host in hosts {
            let mut recorded = node(&host.root, tables, &now)?;
            host.restore_owners(&mut recorded);
            evidence.nodes.push(recorded);
        }
        let lines = evidence.nodes.iter().map(|node| format!("example: recorded node {}", node.name)).collect();
        return Ok(Subjects { evidence, lines });
    }
    if let Some(collectors) = &args.collectors {
        return of_collectors(args, collectors, tables, &now);
    }
    let of_cluster = &args.cluster;
    if let Some(path) = &of_cluster.manifests {
        let whole = if of_cluster.complete { ", a whole cluster" } else { "" };
        let line = format!("manifests {}{whole}", path.display());
        let evidence =
            Evidence { cluster: Some(cluster(of_cluster, tables, &now, Some(args))?), ..Evidence::default() };
        return Ok(Subjects { evidence, lines: vec![line] });
    }
    let asks_api = of_cluster.kubeconfig.is_some() || of_cluster.context.is_some() || args.node;
    if asks_api || (args.host_root.is_none() && api::is_configured()) {
        return of_api(args, tables, &now);
    }
    let root = args.host_root.as_deref().unwrap_or(Path::new("/"));
    let mut node = node(root, tables, &now)?;
    if args.etcd_proof {
        collect::prove_etcd(root, &mut node).map_err(|error| Failure::usage(error.to_string()))?;
    }
    let line = match &args.host_root {
        Some(root) => format!("host {} below {}", node.name, root.display()),
        None => format!("this host, {}", node.name),
    };
    Ok(Subjects { evidence: Evidence { nodes: vec![node], ..Evidence::default() }, lines: vec![line] })
}

/// The objects of the cluster that the arguments name: manifests, else the API.
///
/// `more` asks the API what it shows of each node's components, too, and what else those arguments want.
pub(crate) fn cluster(
    args: &ClusterArgs,
    tables: &Tables,
    now: &str,
    more: Option<&HostArgs>,
) -> Result<ClusterEvidence, Failure> {
    if let Some(path) = &args.manifests {
        return collect::collect_manifests(path, args.complete, tables, now)
            .map_err(|error| Failure::usage(error.to_string()));
    }
    api::collect_cluster(&api_options(args, more), tables, now).map_err(|error| refused(&error))
}

fn api_options(args: &ClusterArgs, more: Option<&HostArgs>) -> ApiOptions {
    ApiOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        concurrency: usize::from(args.concurrency),
        per_second: args.qps,
        timeout: Duration::from_secs(args.timeout),
        node_views: more.is_some(),
        kubelet_direct: more.is_some_and(|more| more.kubelet_direct),
        with_secrets: more.is_some_and(|more| more.with_secrets),
    }
}

fn refused(error: &ApiError) -> Failure {
    match error {
        ApiError::Configuration(_) => Failure::usage(error.to_string()),
        _ => Failure::incomplete(error.to_string()),
    }
}

/// The API, and every node through its collector.
fn of_collectors(args: &HostArgs, of: &CollectorsOf, tables: &Tables, now: &str) -> Result<Subjects, Failure> {
    let options = CollectorOptions {
        namespace: of.namespace.clone(),
        daemonset: of.daemonset.clone(),
        deadline: Duration::from_secs(args.deadline),
        max_age: Duration::from_secs(args.max_age),
        written: super::manifests::collectors(&of.namespace)?,
    };
    let (cluster, collected) = api::collect_with_nodes(&api_options(&args.cluster, Some(args)), &options, tables, now)
        .map_err(|error| refused(&error))?;
    let (seen, all) = (collected.nodes.len(), collected.nodes.len() + collected.unseen.len());
    let lines = vec![
        format!("the API of cluster {}", cluster.name),
        format!(
            "{seen} of {all} nodes, through the collectors of {}/{}, which are themselves part of what is audited",
            of.namespace, of.daemonset
        ),
    ];
    let evidence = Evidence {
        nodes: collected.nodes,
        unseen: collected.unseen,
        cluster: Some(cluster),
        skipped: collected.notes,
        own: collected.own,
        ..Evidence::default()
    };
    Ok(Subjects { evidence, lines })
}

/// The API, and this node where that was asked for or the API knows it by its machine id.
fn of_api(args: &HostArgs, tables: &Tables, now: &str) -> Result<Subjects, Failure> {
    let cluster = cluster(&args.cluster, tables, now, Some(args))?;
    let mut lines = vec![format!("the API of cluster {}", cluster.name)];
    let mut evidence = Evidence::default();
    let known = known_here(&cluster).map(|node| node.metadata.name.clone());
    if args.node || known.is_some() {
        let mut here = node(Path::new("/"), tables, now)?;
        if args.etcd_proof {
            collect::prove_etcd(Path::new("/"), &mut here).map_err(|error| Failure::usage(error.to_string()))?;
        }
        if let Some(known) = known {
            here.name = known;
        }
        lines.push(format!("this node, {}", here.name));
        evidence.nodes.push(here);
    }
    evidence.cluster = Some(cluster);
    Ok(Subjects { evidence, lines })
}

/// The node that this host is: the one with its machine id. Of cloned machines, which share one, none is it for certain.
fn known_here(cluster: &ClusterEvidence) -> Option<&ApiNode> {
    let id = collect::machine_id(Path::new("/"))?;
    let mut with_it = cluster.nodes.items.iter().filter(|node| node.status.info.machine_id == id);
    with_it.next().filter(|_| with_it.next().is_none())
}

fn node(root: &Path, tables: &Tables, now: &str) -> Result<NodeEvidence, Failure> {
    collect::collect_node(root, tables, now).map_err(|error| Failure::usage(error.to_string()))
}

/// True when nothing of Kubernetes was found on any of the hosts.
pub(crate) fn nothing_found(evidence: &Evidence) -> bool {
    evidence.cluster.is_none()
        && evidence.nodes.iter().all(|node| {
            let own = node.instances.iter().any(|instance| instance.ownership != Ownership::Tenant);
            !own && node.distributions.is_empty()
                && node.traces.is_empty()
                && node.files.values().all(|set| set.files.is_empty())
        })
}

/// Narrows versions that are not known by what the cluster's API server allows: kubelet and kube-proxy are at most three
/// minors older (Kubernetes' version skew policy), the other components at most one.
pub(crate) fn narrow_by_skew(evidence: &mut Evidence) {
    let servers = evidence.nodes.iter().flat_map(|node| &node.instances);
    let known =
        servers.filter(|instance| instance.component == Component::KubeApiserver && instance.versions.len() == 1);
    let Some(newest) = known.filter_map(|instance| instance.versions.first().copied()).max() else { return };
    for instance in evidence.nodes.iter_mut().flat_map(|node| &mut node.instances) {
        if instance.component == Component::Etcd || instance.versions.len() < Version::known().len() {
            continue;
        }
        let skew = if matches!(instance.component, Component::Kubelet | Component::KubeProxy) { 3 } else { 1 };
        let oldest = Version::kubernetes(newest.minor.saturating_sub(skew));
        // an API server beyond the tables tells nothing about the others
        if !instance.versions.iter().any(|version| (oldest..=newest).contains(version)) {
            continue;
        }
        instance.versions.retain(|version| (oldest..=newest).contains(version));
        instance.version_from = format!("skew that the API server's {newest} allows");
    }
}

/// Puts the versions that the user gives in place of what was found.
pub(crate) fn given_versions(evidence: &mut Evidence, given: &[VersionOf]) {
    for instance in evidence.nodes.iter_mut().flat_map(|node| &mut node.instances) {
        let own = given.iter().rev().find(|version| version.component == Some(instance.component));
        let general =
            given.iter().rev().find(|version| version.component.is_none() && instance.component != Component::Etcd);
        if let Some(version) = own.or(general) {
            instance.versions = vec![version.version];
            instance.version_from = "given by the user".to_owned();
        }
    }
    let of_the_api = |version: &&VersionOf| matches!(version.component, None | Some(Component::KubeApiserver));
    if let Some((cluster, version)) = evidence.cluster.as_mut().zip(given.iter().rev().find(of_the_api)) {
        cluster.version = Some(version.version);
    }
    // a version that the tables do not know: every known one is tried, and only what all agree on is decided
    for instance in evidence.nodes.iter_mut().flat_map(|node| &mut node.instances) {
        let unknown =
            instance.component != Component::Etcd && instance.versions.iter().any(|version| !version.is_known());
        if unknown {
            let oldest = Version::kubernetes(*crate::evidence::KNOWN.start());
            let older = instance.versions.iter().all(|version| *version < oldest);
            let which = if older { "older" } else { "newer" };
            instance.version_from = format!("{}, which is {which} than the tables know", instance.version_from);
            instance.versions = Version::known();
        }
    }
}

/// The version by which the benchmark is chosen: the API server's, else the kubelet's, else any component's; without a node what the
/// API says.
pub(crate) fn cluster_version(evidence: &Evidence, given: &[VersionOf]) -> Option<Version> {
    if let Some(version) = given.iter().rev().find(|version| version.component.is_none()) {
        return Some(version.version);
    }
    let mut of = [
        Component::KubeApiserver,
        Component::KubeControllerManager,
        Component::KubeScheduler,
        Component::Kubelet,
        Component::KubeProxy,
    ]
    .into_iter();
    let of_nodes = of.find_map(|component| {
        let instances = evidence
            .nodes
            .iter()
            .flat_map(|node| &node.instances)
            .filter(|instance| instance.component == component && instance.ownership != Ownership::Tenant);
        let decided = instances.filter(|instance| instance.versions.len() < Version::known().len());
        decided.filter_map(|instance| instance.versions.last().copied()).max()
    });
    of_nodes.or_else(|| evidence.cluster.as_ref()?.version)
}
