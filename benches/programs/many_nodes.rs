//! Makes the evidence of a large cluster's nodes for `tests/html/run` and for measuring: `many_nodes FILE [NODES]`.
//!
//! Three control-plane nodes and three pools of workers are copies of the recorded nodes, of which one in a hundred differs at each
//! setting and file; eight were not seen. Equal numbers give equal bytes, but for the time that the copies were collected at.
#![expect(clippy::expect_used, reason = "a benchmark that cannot begin has nothing to measure")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use kube_assay::benchmark;
use kube_assay::collect::collect_node;
use kube_assay::evidence::objects::{ApiNode, ClusterEvidence, Listing, Meta, Source};
use kube_assay::evidence::{
    Evidence, Gap, Instance, NodeEvidence, NodeState, Observed, Reason, Tables, Unseen, Value, file,
};

const CONTROL_PLANE: &[u8] = include_bytes!("../../tests/data/recorded/cp1.tar.zst");
const WORKER: &[u8] = include_bytes!("../../tests/data/recorded/w1.tar.zst");
const NOW: &str = "2026-01-01T00:00:00Z";
const POOLS: [&str; 3] = ["general", "memory", "gpu"];

fn main() -> io::Result<()> {
    let mut words = std::env::args().skip(1);
    let usage = || io::Error::other("usage: many_nodes FILE [NODES]");
    let path = words.next().ok_or_else(usage)?;
    let nodes: usize = words.next().map_or(Some(5_000), |word| word.parse().ok()).ok_or_else(usage)?;
    let tables = benchmark::tables().expect("they ship");
    let mut chance = Chance(1);
    let (control_plane, worker) = (recorded(CONTROL_PLANE, &tables)?, recorded(WORKER, &tables)?);

    let mut evidence = Evidence::default();
    let mut listed = Vec::new();
    for at in 0..nodes {
        let (kind, pool) = if at < 3 { (&control_plane, None) } else { (&worker, Some(POOLS[at % 7 % 3])) };
        let name = match pool {
            None => format!("control-{at}"),
            Some(pool) => format!("ip-10-{}-{}-{}.{pool}.internal", at / 62_500, at / 250 % 250, at % 250),
        };
        let mut api = ApiNode { metadata: Meta { name: name.clone(), ..Meta::default() }, ..ApiNode::default() };
        if let Some(pool) = pool {
            api.metadata.labels.insert("karpenter.sh/nodepool".into(), pool.into());
        }
        listed.push(api);
        if at >= 3 && at % (nodes / 8).max(9) == 8 {
            let why = "no collector pod: its pod is pending (Unschedulable: Insufficient memory)".to_owned();
            evidence.unseen.push(Unseen { name, state: NodeState::Missing, why, os: None });
            continue;
        }
        let mut node = NodeEvidence { name, ..kind.clone() };
        vary(&mut node, &mut chance);
        evidence.nodes.push(node);
    }
    evidence.nodes.sort_by(|one, other| one.name.cmp(&other.name));
    evidence.cluster = Some(cluster(listed));
    file::write(&evidence, "0.0.0", File::create(path)?)
}

fn recorded(archive: &[u8], tables: &Tables) -> io::Result<NodeEvidence> {
    let directory = tempfile::tempdir()?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(archive)?);
    archive.set_preserve_permissions(true);
    archive.unpack(directory.path())?;
    let host: &Path = directory.path();
    Ok(collect_node(host, tables, NOW).expect("it is a host"))
}

/// One node in a hundred differs at each setting and file.
fn vary(node: &mut NodeEvidence, chance: &mut Chance) {
    for instance in &mut node.instances {
        settings(instance, chance);
    }
    for entry in node.files.values_mut().flat_map(|set| &mut set.files) {
        if let Observed::Seen { value, .. } = &mut entry.facts {
            if chance.once_in(100) {
                value.mode |= 0o022;
            }
            if chance.once_in(100) {
                value.uid = 1_000;
            }
        }
    }
}

fn settings(instance: &mut Instance, chance: &mut Chance) {
    let changes: [(&str, Value); 6] = [
        ("authentication.anonymous.enabled", true.into()),
        ("authorization.mode", "AlwaysAllow".into()),
        ("readOnlyPort", 10_255.into()),
        ("makeIPTablesUtilChains", false.into()),
        ("rotateCertificates", false.into()),
        ("eventRecordQPS", 0.into()),
    ];
    for document in &mut instance.documents {
        let Observed::Seen { value: content, .. } = &mut document.content else { continue };
        if content.at("authentication").is_none() {
            continue;
        }
        for (path, value) in &changes {
            if chance.once_in(100) {
                *place(content, path) = value.clone();
            }
        }
    }
}

/// Where a dotted path leads.
fn place<'a>(content: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.').fold(content, |value, key| {
        if !matches!(value, Value::Map(_)) {
            *value = Value::Map(BTreeMap::new());
        }
        let Value::Map(entries) = value else { unreachable!("it became a map") };
        entries.entry(key.to_owned()).or_insert(Value::Null)
    })
}

/// The list of nodes, and nothing else.
fn cluster(nodes: Vec<ApiNode>) -> ClusterEvidence {
    fn unread<T>() -> Listing<T> {
        Listing::unread(Gap::new(Reason::NotAsked, "this cluster has nodes alone"))
    }
    ClusterEvidence {
        name: "synthetic".into(),
        source: Source::Api,
        collected_at: NOW.into(),
        version: None,
        namespaces: unread(),
        nodes: Listing { items: nodes, gap: None },
        pods: unread(),
        workloads: unread(),
        service_accounts: unread(),
        roles: unread(),
        bindings: unread(),
        network_policies: unread(),
        named: BTreeMap::new(),
        complete: false,
        server_version: String::new(),
        api_server: Observed::default(),
        metrics: Observed::default(),
        server_count: None,
        servers: Vec::new(),
        views: Vec::new(),
    }
}

/// The same numbers each time.
struct Chance(u64);

impl Chance {
    fn once_in(&mut self, many: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(many)
    }
}
