//! A connection for whoever puts an audit into the cluster: who is asked, and how far the pods of its namespace are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::Client;

use super::ask::Asker;
use super::collectors::{AUDITOR, ApiPod, Node};
use super::configuration::{client, configuration, shown};
use super::{ApiError, ApiOptions};

/// Largest log of an auditor: its frames hold every report.
const LARGEST_LOG: usize = 256 << 20;
/// Bound on reading it.
const LOG_TIME: Duration = Duration::from_secs(120);
/// How often it is asked for.
const LOG_ATTEMPTS: u32 = 4;

/// An API server that can be asked.
pub struct Connection {
    /// The name by which people know the cluster: that of the context.
    pub cluster: String,
    /// URL of the API server.
    pub server: String,
    client: Client,
    asker: Asker,
}

/// How far the collector of a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OfNode {
    /// Its collector runs.
    Running,
    /// It does not, and why.
    Waiting(String),
    /// No collector can look at it, and why.
    Excluded(String),
}

/// One look at a one-off audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// By name of the node.
    pub nodes: BTreeMap<String, OfNode>,
    /// Name of the auditor's pod, where there is one.
    pub auditor: Option<String>,
    /// Why the auditor does not run.
    pub auditor_waits: Option<String>,
    /// The auditor's exit code, when it ended.
    pub ended: Option<i32>,
}

impl Connection {
    /// Opens a connection; nothing is asked yet.
    ///
    /// # Errors
    /// When there is no usable configuration.
    pub async fn open(options: &ApiOptions) -> Result<Self, ApiError> {
        let (config, cluster) = configuration(options).await?;
        let server = shown(&config.cluster_url);
        let client = client(config, options.timeout).await?;
        let deadline = Instant::now() + options.timeout;
        let asker = Asker::new(client.clone(), options.concurrency, options.per_second, deadline);
        Ok(Self { cluster, server, client, asker })
    }

    /// The client itself, for requests that are no questions.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// How far the pods of a one-off audit are.
    ///
    /// # Errors
    /// Why that cannot be told.
    pub async fn look(&self, namespace: &str) -> Result<Look, String> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let (pods, nodes) = tokio::join!(
            self.asker.objects::<ApiPod>(&path, "pods"),
            self.asker.objects::<Node>("/api/v1/nodes", "nodes")
        );
        if let Some(gap) = pods.gap.or(nodes.gap) {
            return Err(gap.to_string());
        }
        let mut look = Look::default();
        for node in &nodes.items {
            let collector = pods.items.iter().find(|pod| !pod.is_auditor() && pod.node() == node.metadata.name);
            let state = match (node.excluded(), collector) {
                (Some((_, why)), _) => OfNode::Excluded(why),
                (None, Some(pod)) if pod.is_running() => OfNode::Running,
                (None, Some(pod)) => OfNode::Waiting(
                    node.with_readiness(pod.obstacle().unwrap_or_else(|| "its collector's pod is starting".to_owned())),
                ),
                (None, None) => OfNode::Waiting(node.with_readiness("no collector pod yet".to_owned())),
            };
            look.nodes.insert(node.metadata.name.clone(), state);
        }
        if let Some(auditor) = pods.items.iter().find(|pod| pod.is_auditor()) {
            look.auditor = Some(auditor.metadata.name.clone());
            look.ended = auditor.exit_code();
            look.auditor_waits = auditor.obstacle_of("the auditor").filter(|_| look.ended.is_none());
        }
        Ok(look)
    }

    /// The log of an auditor.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub async fn log(&self, namespace: &str, pod: &str) -> Result<Vec<u8>, String> {
        let uri = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={AUDITOR}");
        let mut attempt = 0;
        loop {
            match self.asker.text(&uri, LARGEST_LOG, LOG_TIME).await {
                Ok(log) => return Ok(log),
                Err((status, said)) if status.is_client_error() || attempt == LOG_ATTEMPTS => return Err(said),
                Err(_) => tokio::time::sleep(Duration::from_secs(1 << attempt)).await,
            }
            attempt += 1;
        }
    }
}
