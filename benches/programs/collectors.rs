//! The collectors of a fleet, for `synthetic_cluster`: a DaemonSet, a pod and a lease for every node, and logs with the frames that a real
//! collector prints of it.
//!
//! Two recorded nodes are told again under each node's own name, machine id, process ids and pod ids; the first three nodes are of the
//! control plane. A log is made when it is asked for.

use std::io;
use std::path::Path;

use kube_assay::evidence::frames::{self, Content, Header};
use kube_assay::evidence::{Evidence, NodeEvidence, file};

use crate::uid;

/// Where the collectors are, as `kube-assay manifests job` puts them.
pub const NAMESPACE: &str = "kube-assay";
const IMAGE: &str = "registry.example/kube-assay:0.1.0";

/// What the nodes say of themselves.
pub struct Fleet {
    control_plane: Recorded,
    worker: Recorded,
    /// When all was collected, RFC 3339, UTC.
    now: String,
}

/// Evidence of one node as JSON, with what differs on others.
struct Recorded {
    text: String,
    name: String,
    machine: String,
}

impl Recorded {
    fn read(path: &Path) -> io::Result<Self> {
        let mut evidence = Evidence::default();
        file::read(io::BufReader::new(std::fs::File::open(path)?), &mut evidence).map_err(io::Error::other)?;
        let node = evidence.nodes.pop().ok_or_else(|| io::Error::other("no node in the evidence"))?;
        let machine = node.host.machine_id.clone().unwrap_or_default();
        Ok(Self { text: serde_json::to_string(&node)?, name: node.name, machine })
    }

    fn of(&self, number: usize, now: &str) -> io::Result<NodeEvidence> {
        let text = self.text.replace(&self.name, &node_name(number));
        let mut node: NodeEvidence = serde_json::from_str(&text)?;
        if !self.machine.is_empty() {
            node.host.machine_id = Some(machine_id(number));
        }
        now.clone_into(&mut node.collected_at);
        for (place, instance) in (0_u32..).zip(&mut node.instances) {
            instance.pid = instance.pid.map(|pid| pid + 10 * u32::try_from(number % 3000).unwrap_or_default() + place);
            instance.pod = instance.pod.take().map(|_| uid(20, 10 * number + place as usize));
        }
        Ok(node)
    }
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The name of a node.
pub fn node_name(number: usize) -> String {
    format!("node-{number:05}")
}

/// The machine id of a node.
pub fn machine_id(number: usize) -> String {
    format!("{:032x}", number + 1)
}

impl Fleet {
    /// From the evidence files of a node of the control plane and of a worker.
    pub fn read(control_plane: &Path, worker: &Path) -> io::Result<Self> {
        Ok(Self { control_plane: Recorded::read(control_plane)?, worker: Recorded::read(worker)?, now: now() })
    }

    /// The DaemonSet.
    pub fn daemonset() -> String {
        format!(
            r#"{{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{{"name":"kube-assay-collector","namespace":"{NAMESPACE}","uid":"{}"}},"spec":{{"selector":{{"matchLabels":{{"app":"collector"}}}},"template":{{"spec":{{"containers":[{{"name":"collector","image":"{IMAGE}"}}]}}}}}}}}"#,
            uid(21, 0)
        )
    }

    /// The pod of a node's collector.
    pub fn pod(&self, number: usize) -> String {
        format!(
            r#"{{"metadata":{{"name":"kube-assay-collector-{number:05}","namespace":"{NAMESPACE}","uid":"{}","creationTimestamp":"{now}","labels":{{"app":"collector"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"DaemonSet","name":"kube-assay-collector","uid":"{}","controller":true}}]}},"spec":{{"nodeName":"{}","containers":[{{"name":"collector","image":"{IMAGE}"}}]}},"status":{{"phase":"Running","containerStatuses":[{{"name":"collector","restartCount":0,"imageID":"{IMAGE}","state":{{"running":{{"startedAt":"{now}"}}}}}}]}}}}"#,
            uid(22, number),
            uid(21, 0),
            node_name(number),
            now = self.now
        )
    }

    /// The lease of a node, renewed right now as by a kubelet whose clock is right.
    pub fn lease(number: usize) -> String {
        format!(
            r#"{{"metadata":{{"name":"{}","namespace":"kube-node-lease"}},"spec":{{"renewTime":"{}"}}}}"#,
            node_name(number),
            now()
        )
    }

    /// What a node's collector printed.
    pub fn log(&self, number: usize) -> io::Result<String> {
        let recorded = if number < 3 { &self.control_plane } else { &self.worker };
        let evidence = Evidence { nodes: vec![recorded.of(number, &self.now)?], ..Evidence::default() };
        let mut body = Vec::new();
        file::write(&evidence, "0.1.0", &mut body)?;
        let header = Header {
            content: Content::Evidence,
            name: String::new(),
            pod: uid(22, number),
            at: self.now.clone(),
            encryption: None,
        };
        Ok(frames::frames(&header, &body)?.join("\n") + "\n")
    }
}
