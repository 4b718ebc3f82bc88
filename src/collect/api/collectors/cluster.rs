//! What the API says of nodes and of the collectors' pods, cut down to what tells where evidence is and why it is not.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::super::list::Object;
use super::written::Written;
use crate::evidence::NodeState;
use crate::evidence::objects::null_is_default;

/// Name of the collector's container.
pub(in super::super) const CONTAINER: &str = "collector";
/// Name of the auditor's container.
pub(in super::super) const AUDITOR: &str = "auditor";

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct Metadata {
    pub(in super::super) name: String,
    pub(in super::super) uid: String,
    #[serde(deserialize_with = "null_is_default")]
    pub(in super::super) labels: BTreeMap<String, String>,
    pub(in super::super) creation_timestamp: Option<String>,
    pub(in super::super) deletion_timestamp: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    owner_references: Vec<Owner>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
    uid: String,
    #[serde(deserialize_with = "null_is_default")]
    controller: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct DaemonSet {
    pub(in super::super) metadata: Metadata,
    spec: DaemonSetSpec,
}

impl DaemonSet {
    /// What its pods are.
    pub(in super::super) fn written(&self) -> Written {
        self.spec.template.spec.written
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct DaemonSetSpec {
    selector: Selector,
    template: Template,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: PodSpec,
}

/// The words of a container: what makes it a collector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    image: String,
    #[serde(deserialize_with = "null_is_default")]
    command: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    args: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    security_context: SecurityContext,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct SecurityContext {
    #[serde(deserialize_with = "null_is_default")]
    capabilities: Capabilities,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Capabilities {
    #[serde(deserialize_with = "null_is_default")]
    add: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    #[serde(deserialize_with = "null_is_default")]
    match_labels: BTreeMap<String, String>,
}

// ---------------------------------------------------------------- nodes

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct Node {
    pub(in super::super) metadata: Metadata,
    spec: NodeSpec,
    pub(in super::super) status: NodeStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    #[serde(deserialize_with = "null_is_default")]
    taints: Vec<Taint>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Taint {
    key: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct NodeStatus {
    pub(in super::super) node_info: NodeInfo,
    #[serde(deserialize_with = "null_is_default")]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in super::super) struct NodeInfo {
    #[serde(rename = "machineID")]
    pub(in super::super) machine_id: String,
    operating_system: String,
    pub(in super::super) os_image: String,
    kubelet_version: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    r#type: String,
    status: String,
    reason: String,
    message: String,
}

impl Node {
    /// A node that no collector can look at.
    pub(in super::super) fn excluded(&self) -> Option<(NodeState, String)> {
        let os = &self.status.node_info.operating_system;
        if !os.is_empty() && os != "linux" {
            return Some((NodeState::Unsupported, format!("runs {os}: collectors are for Linux")));
        }
        let label = |name: &str, value: &str| self.metadata.labels.get(name).is_some_and(|found| found == value);
        let fargate = label("eks.amazonaws.com/compute-type", "fargate");
        let tainted = self.spec.taints.iter().any(|taint| taint.key == "virtual-kubelet.io/provider");
        // virtual-kubelet puts its own version behind the Kubernetes version that it speaks
        let version = self.status.node_info.kubelet_version.contains("-vk-");
        let virtual_kubelet = label("type", "virtual-kubelet") && (tainted || version);
        let what = if fargate { "Fargate" } else { "virtual-kubelet" };
        (fargate || virtual_kubelet)
            .then(|| (NodeState::Virtual, format!("{what}: no machine of its own, what runs there is the provider's")))
    }

    fn not_ready(&self) -> Option<String> {
        let ready = self.status.conditions.iter().find(|condition| condition.r#type == "Ready");
        match ready {
            None => Some("the node has never reported".to_owned()),
            Some(ready) if ready.status == "True" => None,
            Some(ready) if ready.status == "Unknown" => {
                Some("the node is not ready: its kubelet does not report any more".to_owned())
            }
            Some(ready) => Some(format!("the node is not ready: {}", said(&ready.reason, &ready.message))),
        }
    }

    /// Why the node has no collector pod.
    pub(in super::super) fn no_pod(&self) -> String {
        self.with_readiness(
            "no collector pod: the DaemonSet's node selector or affinity leaves it out, or a quota or an admission policy refused the pod".to_owned(),
        )
    }

    /// The reason, behind the larger one that the node is not ready.
    pub(in super::super) fn with_readiness(&self, why: String) -> String {
        match self.not_ready() {
            Some(not_ready) => format!("{not_ready}; {why}"),
            None => why,
        }
    }

    /// A server's words without the names that differ from node to node, cut to one line.
    pub(in super::super) fn neutral(&self, text: &str, pod: &ApiPod) -> String {
        let text = text.replace(&pod.metadata.name, "{pod}").replace(&self.metadata.name, "{node}");
        let text = without_addresses(&text);
        cut(&text, 300)
    }
}

/// Addresses replaced: equal reasons of several nodes must be equal.
fn without_addresses(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let letters = |letter: char| letter.is_ascii_digit() || matches!(letter, '.' | ':');
        let numeric = word.trim_end_matches(':');
        let address = numeric.len() > 6 && numeric.matches('.').count() == 3 && numeric.chars().all(letters);
        if address {
            word.replace(numeric, "{address}")
        } else if let Some(rest) = word.trim_start_matches('"').strip_prefix("https://") {
            // the kubelet's own address with a path
            format!("https://{{address}}/{}", rest.split_once('/').map_or("", |(_, path)| path))
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() > most { line.chars().take(most).chain("...".chars()).collect() } else { line.to_owned() }
}

// ---------------------------------------------------------------- pods

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in super::super) struct ApiPod {
    pub(in super::super) metadata: Metadata,
    spec: PodSpec,
    status: PodStatus,
}

#[derive(Debug, Clone, Default)]
struct PodSpec {
    /// What the whole of it is.
    written: Written,
    fields: SpecFields,
}

impl<'de> Deserialize<'de> for PodSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (written, fields) = Written::with(deserializer)?;
        Ok(Self { written, fields })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SpecFields {
    #[serde(deserialize_with = "null_is_default")]
    containers: Vec<Container>,
    node_name: String,
    affinity: Option<Affinity>,
}

// a DaemonSet's pod that waits for its node names it in its affinity (pkg/controller/daemon/util/daemonset_util.go,
// ReplaceDaemonSetPodNodeNameNodeAffinity)
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Affinity {
    node_affinity: Option<NodeAffinity>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<Terms>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terms {
    node_selector_terms: Vec<Term>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Term {
    #[serde(deserialize_with = "null_is_default")]
    match_fields: Vec<Requirement>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Requirement {
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodStatus {
    phase: String,
    reason: String,
    message: String,
    #[serde(deserialize_with = "null_is_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "null_is_default")]
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    restart_count: u32,
    #[serde(rename = "imageID")]
    image_id: String,
    state: State,
    last_state: State,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Detail>,
    running: Option<Running>,
    terminated: Option<Detail>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    started_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Detail {
    reason: String,
    message: String,
    exit_code: i32,
}

impl ApiPod {
    pub(in super::super) fn is_controlled_by(&self, uid: &str) -> bool {
        self.metadata.owner_references.iter().any(|owner| owner.controller && owner.uid == uid)
    }

    /// True when it runs what the DaemonSet says. A pod with the collectors' labels is adopted by the DaemonSet's controller,
    /// whoever made it, and an admission plugin may change one: either is worth a word.
    pub(in super::super) fn is_as_written(&self, daemonset: &DaemonSet) -> bool {
        let own = |containers: &[Container]| containers.iter().find(|one| one.name == CONTAINER).cloned();
        let (pod, template) = (&self.spec, &daemonset.spec.template.spec);
        pod.written == template.written && own(&pod.fields.containers) == own(&template.fields.containers)
    }

    /// True when it says that a DaemonSet of that name owns it, whoever does.
    pub(in super::super) fn claims(&self, daemonset: &DaemonSet) -> bool {
        let owners = &self.metadata.owner_references;
        owners.iter().any(|owner| owner.kind == "DaemonSet" && owner.name == daemonset.metadata.name)
    }

    /// True when it bears the labels or the name of the collectors.
    pub(in super::super) fn looks_like(&self, daemonset: &DaemonSet) -> bool {
        let wanted = &daemonset.spec.selector.match_labels;
        let labelled = !wanted.is_empty()
            && wanted.iter().all(|(name, value)| self.metadata.labels.get(name).is_some_and(|found| found == value));
        let named = self.metadata.name.strip_prefix(daemonset.metadata.name.as_str());
        labelled || named.is_some_and(|rest| rest.starts_with('-'))
    }

    /// The node that it runs on or waits for.
    pub(in super::super) fn node(&self) -> &str {
        if !self.spec.fields.node_name.is_empty() {
            return &self.spec.fields.node_name;
        }
        let terms = self.spec.fields.affinity.as_ref().and_then(|affinity| {
            affinity.node_affinity.as_ref()?.required_during_scheduling_ignored_during_execution.as_ref()
        });
        let mut fields =
            terms.into_iter().flat_map(|terms| &terms.node_selector_terms).flat_map(|term| &term.match_fields);
        fields
            .find(|field| field.key == "metadata.name")
            .and_then(|field| field.values.first())
            .map_or("", String::as_str)
    }

    fn container(&self) -> Option<&ContainerStatus> {
        self.status.container_statuses.iter().find(|status| matches!(status.name.as_str(), CONTAINER | AUDITOR))
    }

    /// The exit code of its container, when it ended.
    pub(in super::super) fn exit_code(&self) -> Option<i32> {
        Some(self.container()?.state.terminated.as_ref()?.exit_code)
    }

    /// True when it is the auditor's, by its label: for people who watch, never for evidence.
    pub(in super::super) fn is_auditor(&self) -> bool {
        self.metadata.labels.get("app.kubernetes.io/component").is_some_and(|found| found == AUDITOR)
    }

    /// True when its container runs.
    pub(in super::super) fn is_running(&self) -> bool {
        self.container().is_some_and(|container| container.state.running.is_some())
    }

    /// When its container was started, by the clock of its node.
    pub(in super::super) fn started_at(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        self.container()?.state.running.as_ref()?.started_at
    }

    /// Digest of the image that runs, as the node says.
    pub(in super::super) fn image_id(&self) -> &str {
        self.container().map_or("", |container| container.image_id.as_str())
    }

    /// How often its container was started again.
    pub(in super::super) fn restarts(&self) -> u32 {
        self.container().map_or(0, |container| container.restart_count)
    }

    /// Why its log can hold nothing yet.
    pub(in super::super) fn obstacle(&self) -> Option<String> {
        self.obstacle_of("its collector")
    }

    /// Why the container of a pod does not run, in words about `who`.
    pub(in super::super) fn obstacle_of(&self, who: &str) -> Option<String> {
        let status = &self.status;
        if status.phase == "Failed" {
            return Some(format!("{who}'s pod failed: {}", said(&status.reason, &status.message)));
        }
        let Some(container) = self.container() else {
            let unscheduled =
                status.conditions.iter().find(|one| one.r#type == "PodScheduled" && one.status == "False");
            return Some(match unscheduled {
                Some(condition) => {
                    format!("{who}'s pod is pending: {}", said(&condition.reason, &condition.message))
                }
                None => format!("{who}'s pod is pending: not started by the node's kubelet"),
            });
        };
        let ended = container.last_state.terminated.as_ref().or(container.state.terminated.as_ref());
        if let Some(waiting) = &container.state.waiting {
            let last = ended.map_or(String::new(), |ended| format!(" (it last ended with {})", ended.ending()));
            let words = match waiting.reason.as_str() {
                // these messages name the image and the registry's answer
                "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                    format!("{who}'s image cannot be had ({})", waiting.reason)
                }
                _ => format!("{who} waits: {}", said(&waiting.reason, "")),
            };
            return Some(words + &last);
        }
        container.state.terminated.as_ref().map(|ended| format!("{who} ended with {}", ended.ending()))
    }
}

impl Detail {
    fn ending(&self) -> String {
        match self.reason.as_str() {
            "OOMKilled" => "OOMKilled: out of memory, raise the limit of the collectors".to_owned(),
            "" => format!("exit code {}", self.exit_code),
            reason => format!("{}, exit code {}", cut(reason, 60), self.exit_code),
        }
    }
}

fn said(reason: &str, message: &str) -> String {
    match (reason, message) {
        ("", "") => "no reason is given".to_owned(),
        (reason, "") => cut(reason, 60),
        ("", message) => cut(message, 200),
        (reason, message) => format!("{}: {}", cut(reason, 60), cut(message, 200)),
    }
}

impl Object for Node {
    fn key(&self) -> (&str, &str) {
        ("", &self.metadata.name)
    }
}

impl Object for ApiPod {
    fn key(&self) -> (&str, &str) {
        ("", &self.metadata.name)
    }
}
