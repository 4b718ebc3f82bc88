//! Nodes that should be alike, and those that are not: pools and their outliers.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::report::{Control, Counts, Node, Report};
use super::verdict::Verdict;
use crate::evidence::NodeState;
use crate::evidence::objects::ApiNode;

/// Labels by which those who make nodes name the pool that a node is of.
const LABELS: [&str; 12] = [
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "kubernetes.azure.com/agentpool",
    "worker.gardener.cloud/pool",
    "kops.k8s.io/instancegroup",
    "alibabacloud.com/nodepool-id",
    "ibm-cloud.kubernetes.io/worker-pool-name",
    "doks.digitalocean.com/node-pool",
    "k8s.scaleway.com/pool-name",
    "lke.linode.com/pool-id",
];

/// Fewer nodes than this have no usual verdict.
const USUAL: usize = 3;

/// The pool that a node's labels name.
pub(super) fn named(node: &ApiNode) -> Option<&str> {
    LABELS.iter().find_map(|label| node.metadata.labels.get(*label)).map(String::as_str).filter(|pool| !pool.is_empty())
}

/// Nodes that should be alike: of one pool, or else with the same roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The pool's name, or the roles.
    pub name: String,
    /// Its nodes, as indexes into the report's.
    pub nodes: Vec<usize>,
    /// The verdicts that are usual for a node here, by control.
    pub usual: Counts,
    /// Nodes that differ from the usual, those that differ alike together, the most first.
    pub outliers: Vec<Outliers>,
}

/// Nodes of a pool that differ from it in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliers {
    /// Indexes into the report's nodes.
    pub nodes: Vec<usize>,
    /// Controls with another verdict than is usual, worst verdict first.
    pub differs: Vec<Deviation>,
}

/// A control whose verdict on a node is not that of its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deviation {
    /// The verdict on the node; `None` where the control does not concern it.
    pub verdict: Option<Verdict>,
    /// The verdict that is usual.
    pub usual: Option<Verdict>,
    /// Index into the report's controls, the user's own behind them.
    pub control: usize,
}

/// The pools of a report, the largest first. Nodes that were not seen are in them, and are no outliers.
pub fn pools(report: &Report) -> Vec<Pool> {
    let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, node) in report.nodes.iter().enumerate() {
        by_name.entry(name(node)).or_default().push(at);
    }
    let mut pools: Vec<Pool> = by_name
        .into_iter()
        .map(|(name, nodes)| Pool { name, nodes, usual: Counts::default(), outliers: Vec::new() })
        .collect();
    let mut deviations: Vec<Vec<Deviation>> = vec![Vec::new(); report.nodes.len()];
    for (at, control) in report.controls.iter().chain(&report.own_checks).enumerate() {
        if control.scope == "cluster" {
            continue;
        }
        let verdicts = by_node(control, report.nodes.len());
        for pool in &mut pools {
            let usual = usual(&pool.nodes, report, &verdicts);
            usual.into_iter().for_each(|verdict| pool.usual.add(verdict));
            for node in seen(&pool.nodes, report).filter(|node| verdicts[*node] != usual) {
                deviations[node].push(Deviation { verdict: verdicts[node], usual, control: at });
            }
        }
    }
    for pool in &mut pools {
        if seen(&pool.nodes, report).count() >= USUAL {
            pool.outliers = outliers(&pool.nodes, &mut deviations);
        }
    }
    pools.sort_by_key(|pool| Reverse(pool.nodes.len()));
    pools
}

/// Each node's verdict of a control: the worst where several of its processes are judged.
pub fn by_node(control: &Control, nodes: usize) -> Vec<Option<Verdict>> {
    let mut verdicts: Vec<Option<Verdict>> = vec![None; nodes];
    for group in control.groups.iter().filter(|group| !group.subjects.cluster) {
        for at in group.subjects.members(nodes) {
            verdicts[at] = Verdict::over(verdicts[at].into_iter().chain([group.verdict]));
        }
    }
    verdicts
}

fn name(node: &Node) -> String {
    let roles = || if node.roles.is_empty() { "no component seen".to_owned() } else { node.roles.join(", ") };
    match &node.pool {
        // what really runs there decides, whatever pool it is of
        Some(pool) if !node.roles.iter().any(|role| role == "control-plane" || role == "etcd") => pool.clone(),
        _ => roles(),
    }
}

fn seen<'a>(nodes: &'a [usize], report: &'a Report) -> impl Iterator<Item = usize> + 'a {
    nodes.iter().copied().filter(|at| report.nodes[*at].state == NodeState::Seen)
}

/// What most nodes have; of equally many the worse.
fn usual(nodes: &[usize], report: &Report, verdicts: &[Option<Verdict>]) -> Option<Verdict> {
    let mut counts: BTreeMap<Option<Verdict>, usize> = BTreeMap::new();
    for node in seen(nodes, report) {
        *counts.entry(verdicts[node]).or_default() += 1;
    }
    counts.into_iter().min_by_key(|(verdict, count)| (Reverse(*count), *verdict)).and_then(|(verdict, _)| verdict)
}

fn outliers(nodes: &[usize], deviations: &mut [Vec<Deviation>]) -> Vec<Outliers> {
    let mut alike: BTreeMap<Vec<Deviation>, Vec<usize>> = BTreeMap::new();
    for node in nodes {
        let mut differs = std::mem::take(&mut deviations[*node]);
        if !differs.is_empty() {
            differs.sort_by_key(|deviation| (deviation.verdict.is_none(), *deviation));
            alike.entry(differs).or_default().push(*node);
        }
    }
    let mut outliers: Vec<Outliers> = alike.into_iter().map(|(differs, nodes)| Outliers { nodes, differs }).collect();
    outliers.sort_by_key(|one| (Reverse(one.nodes.len()), one.nodes[0]));
    outliers
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, pool: &str, roles: &[&str]) -> Value {
        json!({"name": name, "pool": pool, "roles": roles, "os": null, "kernel": null, "kind": "live", "collected_at": "",
            "collector": "", "instances": []})
    }

    /// Eight nodes: one of the control plane, four workers of pool a, three of pool b; the last was not seen.
    fn report() -> Result<Report, serde_json::Error> {
        let mut nodes = vec![node("cp", "a", &["control-plane"])];
        nodes.extend((0..4).map(|at| node(&format!("a{at}"), "a", &["worker"])));
        nodes.extend((0..3).map(|at| node(&format!("b{at}"), "b", &["worker"])));
        nodes[7]["state"] = json!("missing");
        let group = |verdict: &str, nodes: &[usize]| json!({"verdict": verdict, "required": "", "found": "", "origins": [], "subjects": {"nodes": nodes}, "count": nodes.len()});
        let control = |id: &str, groups: Vec<Value>| {
            json!({"id": id, "slug": id, "title": "", "verdict": "fail", "seen_verdict": "fail", "severity": "low", "level": 1,
                "status": "automated", "section": "4", "scope": "node", "reason": "", "groups": groups, "remediation": {}, "references": {}})
        };
        let score = json!({"numerator": 0, "denominator": 0, "percent": null, "formula": ""});
        serde_json::from_value(json!({
            "schema": super::super::report::SCHEMA,
            "run": {"tool": {"name": "", "version": ""}, "benchmark": {"id": "", "title": "", "version": "", "sha256": ""},
                "checks_sha256": "", "evidence_sha256": [], "subjects": [], "kubernetes": [], "collected_at": "", "level": 2, "chosen": ""},
            "scores": {"cis": score, "full": score},
            "coverage": {"covered": 0, "applicable": 0, "percent": null, "nodes_seen": 7, "nodes_expected": 8, "gaps": []},
            "nodes": nodes, "sections": [],
            "controls": [
                control("4.1", vec![group("fail", &[2, 6]), group("pass", &[0, 1, 3, 4, 5]), group("unknown", &[7])]),
                // of two findings on one node the worse counts
                control("4.2", vec![group("fail", &[2]), group("pass", &[1, 2, 3, 4, 5, 6]), group("unknown", &[7])]),
            ],
        }))
    }

    #[test]
    fn outliers_differ_from_what_is_usual_in_their_pool() -> Result<(), serde_json::Error> {
        let pools = pools(&report()?);
        let names: Vec<(&str, usize)> = pools.iter().map(|pool| (pool.name.as_str(), pool.nodes.len())).collect();
        assert_eq!(names, [("a", 4), ("b", 3), ("control-plane", 1)]);
        let differs = |control| Deviation { verdict: Some(Verdict::Fail), usual: Some(Verdict::Pass), control };
        assert_eq!(pools[0].outliers, [Outliers { nodes: vec![2], differs: vec![differs(0), differs(1)] }]);
        assert_eq!(pools[0].usual.pass, 2);
        // two seen nodes: which of them is the odd one cannot be told
        assert_eq!(pools[1].outliers, []);
        Ok(())
    }
}
