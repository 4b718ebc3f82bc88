//! Floor 2: evidence, a benchmark and options become a report. Pure.

mod control_plane;
pub mod drift;
pub mod facts;
mod grouping;
pub mod history;
mod judge;
mod own;
pub mod pools;
pub mod predicate;
pub mod pss;
pub mod rbac;
pub mod report;
mod score;
pub mod verdict;
mod waivers;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::benchmark::{Check, Index, IndexLine, Library, StockPolicy, Subject, Waiver};
use crate::evidence::{Component, Evidence, NodeEvidence, NodeState, Ownership, Reason, Tables, Unseen};
use facts::cluster::{ClusterContext, Inventory, PodSecurity, Rights, confine_by_default};
use grouping::Findings;
use judge::{Judgement, Node};
use rbac::escalation::{Escalation, World};
use report::{BenchmarkName, Control, Counts, Remedy, Report, Run, Section, Tool};
use verdict::Verdict;
use waivers::Waivers;

/// What a report is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The evidence.
    pub evidence: &'a Evidence,
    /// The checks.
    pub library: &'a Library,
    /// The benchmark.
    pub index: &'a Index,
    /// Tables of the components.
    pub tables: &'a Tables,
    /// Kubernetes' own roles and bindings, then kubeadm's.
    pub stock: &'a [StockPolicy],
    /// Findings that somebody accepted.
    pub waivers: &'a [Waiver],
    /// What was audited, one line each.
    pub subjects: &'a [String],
    /// Why this benchmark was chosen.
    pub chosen: &'a str,
    /// Profile level that counts: 1, or 2 for both.
    pub level: u8,
    /// The tool's version.
    pub version: &'a str,
}

/// Makes the report.
pub fn evaluate(input: &Input<'_>) -> Report {
    let mut merged = judge::Merged::new();
    let cluster = input.evidence.cluster.as_ref();
    let rights = cluster.map(|cluster| Rights::new(cluster, input.stock));
    let inventory = cluster.map(|cluster| {
        let serves = |node: &&NodeEvidence| node.own(Component::KubeApiserver).next().is_some();
        let servers = input.evidence.nodes.iter().filter(serves);
        let servers: Vec<Node<'_>> = servers.map(|node| Node::new(node, input.tables, &mut merged)).collect();
        let security = PodSecurity::new(&servers, input.tables, cluster.version);
        let by_default =
            confine_by_default(cluster, &input.evidence.nodes, |node| Node::new(node, input.tables, &mut merged));
        Inventory::new(cluster, security, by_default)
    });
    let admits = |namespace: &str| {
        let inventory = inventory.as_ref();
        inventory.is_none_or(|all| all.security.admits_node_takers(all.namespaces.get(namespace)))
    };
    let escalation = rights
        .as_ref()
        .zip(cluster)
        .map(|(rights, cluster)| Escalation::new(&rights.index, World::of(cluster, &admits)));
    let parts = cluster.zip(inventory.as_ref()).zip(rights.as_ref()).zip(escalation.as_ref());
    let cluster = parts.map(|(((cluster, inventory), rights), escalation)| ClusterContext {
        cluster,
        evidence: input.evidence,
        inventory,
        rights,
        escalation,
    });
    let run = run(input);
    let waivers = Waivers::on(input.waivers, &run.collected_at);
    let lines = input.index.controls.iter().map(|line| (&input.library.checks[&line.check], Some(line)));
    let own = input.library.own.iter().map(|id| (&input.library.checks[id], None));
    let checks: Vec<(&Check, Option<&IndexLine>)> = lines.chain(own).collect();
    let findings = findings(&checks, cluster, &waivers, &mut merged, input);
    let mut controls: Vec<Control> =
        checks.iter().zip(findings).map(|((check, line), findings)| control(check, *line, findings)).collect();
    let own_checks = controls.split_off(input.index.controls.len());
    let sections = input.index.sections.iter().map(|(id, title)| section(id, title, &controls)).collect();
    let nodes = report_nodes(input.evidence);
    let waivers = waivers.told(controls.iter().chain(&own_checks), &nodes);
    Report {
        schema: report::SCHEMA.to_owned(),
        minor: report::MINOR,
        run,
        scores: score::scores(&controls, input.level, input.evidence.nodes.iter().any(|node| !node.is_api_view())),
        coverage: score::coverage(&controls, input),
        nodes,
        sections,
        controls,
        own_checks,
        waivers,
        history: None,
    }
}

fn run(input: &Input<'_>) -> Run {
    let mut versions: Vec<_> = input
        .evidence
        .nodes
        .iter()
        .flat_map(|node| &node.instances)
        .filter(|instance| {
            instance.component != Component::Etcd
                && instance.ownership != Ownership::Tenant
                && instance.versions.len() == 1
        })
        .flat_map(|instance| instance.versions.iter().copied())
        .collect();
    versions.sort_unstable();
    versions.dedup();
    let times = input.evidence.nodes.iter().map(|node| node.collected_at.clone());
    let times = times.chain(input.evidence.cluster.iter().map(|cluster| cluster.collected_at.clone()));
    Run {
        tool: Tool { name: "kube-assay".to_owned(), version: input.version.to_owned() },
        benchmark: BenchmarkName {
            id: input.index.id.clone(),
            title: input.index.title.clone(),
            version: input.index.version.clone(),
            sha256: input.index.sha256.clone(),
            provisional: input.index.provisional.clone(),
        },
        checks_sha256: input.library.sha256.clone(),
        evidence_sha256: input.evidence.sha256.clone(),
        subjects: input.subjects.to_vec(),
        kubernetes: versions.iter().map(ToString::to_string).collect(),
        collected_at: times.max().unwrap_or_default(),
        level: input.level,
        chosen: input.chosen.to_owned(),
    }
}

/// What is found for each check. Node by node, since what a node's components work with is much more than what is found of it.
fn findings(
    checks: &[(&Check, Option<&IndexLine>)],
    cluster: Option<ClusterContext<'_>>,
    waivers: &Waivers<'_>,
    merged: &mut judge::Merged,
    input: &Input<'_>,
) -> Vec<Findings> {
    let evidence = input.evidence;
    let unseen = evidence.unseen_places();
    let unseen_at: HashSet<usize> = unseen.iter().map(|(place, _)| *place).collect();
    let total = evidence.node_count();
    let mut all: Vec<Findings> = checks.iter().map(|_| Findings::new(total)).collect();
    let of_nodes = |check: &Check| check.subject != Subject::Cluster;
    let add = |findings: &mut Findings, check: &Check, index, judgement: Judgement, node: Option<&NodeEvidence>| {
        findings.add(index, judgement, node, |node, mut group, mut beside| {
            if node.is_none() {
                own::mark(&mut group.offenders, evidence);
                own::mark(&mut beside.unlisted, evidence);
            }
            waivers.split(&check.id, node, group, beside)
        });
    };
    for (index, node) in evidence.nodes.iter().enumerate() {
        if control_plane::is_provider_s(node, evidence) {
            continue;
        }
        let judged = Node::new(node, input.tables, merged);
        let concerned = |check: &Check| of_nodes(check) && control_plane::concerns(check, node, evidence);
        for ((check, _), findings) in checks.iter().zip(&mut all).filter(|((check, _), _)| concerned(check)) {
            for judgement in judge::judge(check, &judged, input.tables) {
                // what the API does not show of a node that was not seen is told by that it was not seen
                if !(judgement.verdict == Verdict::Unknown && unseen_at.contains(&index)) {
                    add(findings, check, index, judgement, Some(node));
                }
            }
        }
    }
    for ((check, _), findings) in checks.iter().zip(&mut all) {
        if !of_nodes(check) {
            add(findings, check, usize::MAX, judge::judge_cluster(check, cluster, input.tables), None);
            continue;
        }
        if let Some(judgement) = control_plane::unseen(check, evidence) {
            add(findings, check, usize::MAX, judgement, None);
        }
        for (place, node) in &unseen {
            add(findings, check, *place, judge::unseen(node), evidence.nodes.get(*place));
        }
        if findings.is_empty() {
            add(findings, check, usize::MAX, judge::unasked(Reason::NotAsked), None);
        }
    }
    all
}

fn control(check: &Check, line: Option<&IndexLine>, findings: Findings) -> Control {
    let (verdict, seen_verdict) = (findings.verdict(false), findings.verdict(true));
    let groups = findings.groups();
    let remediation = check.remediation.iter().map(|(platform, remedy)| {
        (platform.clone(), Remedy { text: remedy.text.trim().to_owned(), patch: remedy.patch.clone() })
    });
    Control {
        id: line.map_or_else(|| check.id.clone(), |line| line.id.clone()),
        slug: check.id.clone(),
        title: check.title.clone(),
        verdict,
        seen_verdict,
        waived: waivers::is_waived(verdict, &groups),
        severity: check.severity,
        level: line.map_or(1, |line| line.level),
        status: line.map_or("own", |line| if line.automated { "automated" } else { "manual" }).to_owned(),
        section: line.map_or_else(|| "own".to_owned(), |line| line.section.clone()),
        scope: check.scope.name().to_owned(),
        reason: check.reason.trim().to_owned(),
        note: check.note.as_ref().map(|note| note.trim().to_owned()),
        groups,
        remediation: remediation.collect::<BTreeMap<_, _>>(),
        references: check.references.clone(),
    }
}

fn section(id: &str, title: &str, controls: &[Control]) -> Section {
    let mut counts = Counts::default();
    let prefix = format!("{id}.");
    for control in controls.iter().filter(|control| control.section == id || control.section.starts_with(&prefix)) {
        counts.add(control.verdict);
    }
    Section { id: id.to_owned(), title: title.to_owned(), counts }
}

fn report_nodes(evidence: &Evidence) -> Vec<report::Node> {
    let mut nodes: Vec<report::Node> = evidence.nodes.iter().map(node).collect();
    for (place, not_seen) in evidence.unseen_places() {
        match nodes.get_mut(place) {
            Some(known) => (known.state, known.why) = (not_seen.state, Some(not_seen.why.clone())),
            None => nodes.push(unseen(not_seen)),
        }
    }
    let pools: HashMap<&str, &str> = evidence
        .cluster
        .iter()
        .flat_map(|cluster| &cluster.nodes.items)
        .filter_map(|node| Some((node.metadata.name.as_str(), pools::named(node)?)))
        .collect();
    for node in &mut nodes {
        node.pool = pools.get(node.name.as_str()).map(|pool| (*pool).to_owned());
    }
    nodes
}

/// A node of which no more is known than that it exists.
fn unseen(node: &Unseen) -> report::Node {
    report::Node {
        name: node.name.clone(),
        state: node.state,
        why: Some(node.why.clone()),
        roles: Vec::new(),
        pool: None,
        os: node.os.clone(),
        kernel: None,
        kind: String::new(),
        collected_at: String::new(),
        distributions: Vec::new(),
        collector: String::new(),
        instances: Vec::new(),
        notes: Vec::new(),
    }
}

fn node(evidence: &NodeEvidence) -> report::Node {
    let runs = |component: Component| {
        evidence.instances.iter().any(|instance| {
            instance.component == component && instance.ownership != Ownership::Tenant && instance.runs()
        })
    };
    let mut roles = Vec::new();
    if runs(Component::KubeApiserver) {
        roles.push("control-plane".to_owned());
    }
    if runs(Component::Etcd) {
        roles.push("etcd".to_owned());
    }
    if runs(Component::Kubelet) && roles.is_empty() {
        roles.push("worker".to_owned());
    }
    let instances = evidence.instances.iter().map(|instance| report::Instance {
        component: instance.component,
        pid: instance.pid,
        pod: instance.pod.clone(),
        ownership: instance.ownership,
        versions: instance.versions.iter().map(ToString::to_string).collect(),
        version_from: instance.version_from.clone(),
        seen_in: instance.seen_in.clone(),
    });
    let mut notes: Vec<String> =
        evidence.instances.iter().filter_map(|instance| instance.manifest_differs.clone()).collect();
    notes.extend(evidence.differences.iter().cloned());
    notes.extend(
        evidence
            .process_table
            .iter()
            .filter(|_| !evidence.is_api_view())
            .map(|gap| format!("Absence of a component cannot be proven here: {gap}")),
    );
    let rights = &evidence.collector;
    let capabilities = if rights.capabilities.is_empty() {
        "without SYS_PTRACE and DAC_READ_SEARCH".to_owned()
    } else {
        format!("with {}", rights.capabilities.join(", "))
    };
    report::Node {
        name: evidence.name.clone(),
        state: NodeState::Seen,
        why: None,
        roles,
        pool: None,
        os: evidence.host.os.clone(),
        kernel: evidence.host.kernel.clone(),
        kind: evidence.host.kind.clone(),
        collected_at: evidence.collected_at.clone(),
        distributions: evidence.distributions.iter().map(|found| format!("{} ({})", found.name, found.trace)).collect(),
        collector: if evidence.is_api_view() {
            "none: what the API shows of this node".to_owned()
        } else {
            format!("uid {}, {capabilities}", rights.uid)
        },
        instances: instances.collect(),
        notes,
    }
}
