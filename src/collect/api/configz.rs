//! The configuration that kubelets work with, as each of them tells it at `/configz`, without a look at their nodes.
//!
//! Through the API server that needs `nodes/proxy`, which is close to root on every node: it is used where this identity holds it
//! anyway, and nothing here asks for it. What `/configz` leaves out or does not tell stands in `evidence/effective/kubelet.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ask::Asker;
use super::reviews;
use crate::collect::documents::{self, Shape};
use crate::evidence::objects::ApiNode;
use crate::evidence::{Component, Gap, Reason, Tables, Value};

/// Kubelets that are asked at once.
const AT_ONCE: usize = 8;
/// A node whose kubelet hangs is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What kubelets told of themselves.
#[derive(Debug, Default)]
pub struct Kubelets {
    told: BTreeMap<String, Result<Value, Gap>>,
    unasked: Option<Gap>,
}

impl Kubelets {
    /// No kubelet was asked, for a reason.
    pub fn unasked(gap: Gap) -> Self {
        Self { told: BTreeMap::new(), unasked: Some(gap) }
    }

    /// What the kubelet of a node told.
    ///
    /// # Errors
    /// Why it did not tell.
    pub fn of(&mut self, node: &str) -> Result<Value, Gap> {
        self.told.remove(node).unwrap_or_else(|| {
            Err(self.unasked.clone().unwrap_or_else(|| Gap::new(Reason::NotAsked, "its kubelet was not asked")))
        })
    }
}

/// What a kubelet answers.
#[derive(Deserialize)]
pub(super) struct Configz {
    kubeletconfig: serde_json::Value,
}

/// Asks every node's kubelet through the API server, where this identity may.
pub(super) async fn through_the_api(asker: &Asker, tables: &Tables, nodes: &[ApiNode]) -> Kubelets {
    match reviews::may_get_of_nodes(asker, "proxy").await {
        Ok(true) => {}
        Ok(false) => {
            return Kubelets::unasked(Gap::new(
                Reason::Denied,
                "asking kubelets through the API server takes get on nodes/proxy, which is close to root on every node; it is used where it is held, and not worth granting for this",
            ));
        }
        Err(gap) => return Kubelets::unasked(gap),
    }
    let asker = asker.clone();
    every(nodes, tables, move |node| {
        let asker = asker.clone();
        let path = format!("/api/v1/nodes/{}/proxy/configz", node.metadata.name);
        async move { asker.get::<Configz>(&path).await.map_err(|refused| refused.into_gap("nodes/proxy")) }
    })
    .await
}

/// Asks every node's kubelet by `ask`, a few at a time, each within its own limit.
pub(super) async fn every<F, A>(nodes: &[ApiNode], tables: &Tables, ask: F) -> Kubelets
where
    F: Fn(&ApiNode) -> A,
    A: Future<Output = Result<Configz, Gap>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    // what stands in a path is a name as the API gives names, or nothing
    let named = |node: &&ApiNode| {
        let name = &node.metadata.name;
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    };
    for node in nodes.iter().filter(named) {
        let (places, name, answer) = (Arc::clone(&places), node.metadata.name.clone(), ask(node));
        asked.spawn(async move {
            let Ok(_place) = places.acquire_owned().await else {
                return (name, Err(Gap::new(Reason::TimedOut, "its kubelet was not asked")));
            };
            let late =
                |_| Gap::new(Reason::TimedOut, format!("the kubelet did not answer in {} s", PATIENCE.as_secs()));
            let answer = timeout(PATIENCE, answer).await.map_err(late).and_then(|answer| answer);
            (name, answer)
        });
    }
    let mut told = BTreeMap::new();
    while let Some(one) = asked.join_next().await {
        let Ok((name, answer)) = one else { continue };
        told.insert(name, answer.and_then(|configz| decoded(configz, tables)));
    }
    Kubelets { told, unasked: None }
}

/// Fields that every kubelet tells, whatever they are: in what has none of them, what is left out is not zero but unknown.
const ALWAYS_TOLD: [&str; 3] = ["authentication", "authorization", "syncFrequency"];

/// The part of an answer that the kubelet's table knows.
///
/// Up to 1.35 the object does not say its kind (`setConfigz` of cmd/kubelet/app/server.go).
fn decoded(mut answer: Configz, tables: &Tables) -> Result<Value, Gap> {
    let wrong = |why: String| Gap::new(Reason::Malformed, format!("configz: {why}"));
    let told =
        answer.kubeletconfig.as_object_mut().filter(|told| ALWAYS_TOLD.iter().all(|name| told.contains_key(*name)));
    let told = told.ok_or_else(|| wrong("the answer is no configuration of a kubelet".to_owned()))?;
    if !told.contains_key("kind") && !told.contains_key("apiVersion") {
        told.insert("kind".to_owned(), "KubeletConfiguration".into());
        told.insert("apiVersion".to_owned(), "kubelet.config.k8s.io/v1beta1".into());
    }
    let shape = Shape::Fields("KubeletConfiguration", &tables.of(Component::Kubelet).fields);
    documents::decode(answer.kubeletconfig.to_string().as_bytes(), &shape).map_err(wrong)
}
