//! The cluster's API: every list that a fact needs, page by page, straight into narrow types. GET only.

mod ask;
mod collectors;
mod configuration;
mod configz;
mod connection;
mod discovery;
mod flagz;
mod kube_proxy;
mod kubelets;
mod list;
mod metrics;
mod mirror_pods;
mod pace;
mod page;
mod proxy;
mod resources;
mod reviews;
pub mod rights;
mod servers;
mod sharing;
pub(super) mod views;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use kube::Config;
use serde::Deserialize;

use crate::evidence::objects::{ClusterEvidence, Source};
use crate::evidence::{Gap, Listing, Observed, Origin, Reason, Tables, Version};
use ask::{Asker, Refused};
pub use collectors::{Collected, CollectorOptions, Written};
use configuration::{client, configuration, has_kubeconfig, shown};

pub use configz::Kubelets;
pub use connection::{Connection, Look, OfNode};

/// How the API is asked.
#[derive(Debug, Clone, Default)]
pub struct ApiOptions {
    /// Kubeconfig; the usual places without it.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// Context of the kubeconfig; its current one without it.
    pub context: Option<String>,
    /// Requests in flight at once.
    pub concurrency: usize,
    /// Requests a second; as kubectl, six times as many may come at once.
    pub per_second: u32,
    /// Bound on the whole collection.
    pub timeout: Duration,
    /// Ask what the API shows of each node's components, too.
    pub node_views: bool,
    /// Ask each kubelet itself, not through the API server.
    pub kubelet_direct: bool,
    /// Read the metadata of Secrets, for which the right to read them in full is needed.
    pub with_secrets: bool,
}

/// Why the API could not be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No usable configuration.
    #[error("no usable cluster configuration: {0}; name one with --kubeconfig FILE or --context NAME")]
    Configuration(String),
    /// The API server does not accept the identity.
    #[error("the API server at {server} does not accept this identity (401): check the credentials of the context")]
    Unauthenticated {
        /// Where.
        server: String,
    },
    /// The API server cannot be reached.
    #[error("the API server at {server} cannot be asked: {why}")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        why: String,
    },
}

/// True when a cluster is configured here: a kubeconfig in the usual places, or a pod's service account.
pub fn is_configured() -> bool {
    has_kubeconfig() || Config::incluster().is_ok()
}

/// Why a request could not be made, or its answer not be read: by its class, never with what a credential holds.
pub fn why(error: &kube::Error) -> String {
    configuration::request_error(error)
}

/// Collects the cluster's objects.
///
/// # Errors
/// Only when nothing at all can be asked; a list that is refused becomes a gap of the evidence.
pub fn collect_cluster(options: &ApiOptions, tables: &Tables, now: &str) -> Result<ClusterEvidence, ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApiError::Configuration(error.to_string()))?;
    let collected = runtime.block_on(collect(options, tables, now));
    // a credential plugin that hangs is not waited for
    runtime.shutdown_background();
    collected
}

/// Collects the cluster's objects and, meanwhile, the evidence of its nodes from the collectors' logs.
///
/// # Errors
/// As [`collect_cluster`]: a node that does not answer is one of those that are not seen.
pub fn collect_with_nodes(
    options: &ApiOptions,
    collectors: &CollectorOptions,
    tables: &Tables,
    now: &str,
) -> Result<(ClusterEvidence, Collected), ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApiError::Configuration(error.to_string()))?;
    let collected = runtime.block_on(async {
        let (config, _) = configuration(options).await?;
        let client = client(config, options.timeout).await?;
        // what was begun before the deadline may end after it
        let deadline = Instant::now() + collectors.deadline + Duration::from_secs(30);
        let asker = Asker::new(client, options.concurrency, options.per_second, deadline);
        let (cluster, nodes) = tokio::join!(collect(options, tables, now), collectors::collect(&asker, collectors));
        Ok((cluster?, nodes))
    });
    runtime.shutdown_background();
    collected
}

async fn collect(options: &ApiOptions, tables: &Tables, now: &str) -> Result<ClusterEvidence, ApiError> {
    let deadline = Instant::now() + options.timeout;
    let (config, name) = configuration(options).await?;
    let server = shown(&config.cluster_url);
    let direct = config.clone();
    let client = client(config, options.timeout).await?;
    let asker = Asker::new(client, options.concurrency, options.per_second, deadline);
    let version = match asker.get::<VersionInfo>("/version").await {
        Ok(version) => Some(version),
        Err(Refused::Unauthenticated) => return Err(ApiError::Unauthenticated { server }),
        Err(Refused::Gap(gap)) if gap.reason == Reason::Denied => None,
        Err(refused) => return Err(ApiError::Unreachable { server, why: refused.into_gap("/version").detail }),
    };
    let number = version.as_ref().and_then(|version| {
        format!("{}.{}", version.major, version.minor.trim_end_matches('+')).parse::<Version>().ok()
    });
    let mut evidence = ClusterEvidence {
        name,
        source: Source::Api,
        collected_at: now.to_owned(),
        version: number,
        namespaces: Listing::unread(Gap::new(Reason::NotAsked, "")),
        nodes: Listing::unread(Gap::new(Reason::NotAsked, "")),
        pods: Listing::unread(Gap::new(Reason::NotAsked, "")),
        workloads: Listing::unread(Gap::new(Reason::NotAsked, "")),
        service_accounts: Listing::unread(Gap::new(Reason::NotAsked, "")),
        roles: Listing::unread(Gap::new(Reason::NotAsked, "")),
        bindings: Listing::unread(Gap::new(Reason::NotAsked, "")),
        network_policies: Listing::unread(Gap::new(Reason::NotAsked, "")),
        named: BTreeMap::new(),
        complete: true,
        server_version: version.map(|version| version.git_version).unwrap_or_default(),
        api_server: Observed::default(),
        metrics: Observed::default(),
        server_count: None,
        servers: Vec::new(),
        views: Vec::new(),
    };
    match resources::collect(&asker, &mut evidence).await {
        Ok(()) => {}
        Err(Refused::Unauthenticated) => return Err(ApiError::Unauthenticated { server }),
        Err(refused) => return Err(ApiError::Unreachable { server, why: refused.into_gap("the API").detail }),
    }
    if options.node_views {
        let answers = |what: &str| Origin::Api { what: what.to_owned() };
        evidence.api_server = match flagz::collect(&asker, tables, evidence.version, "flagz").await {
            Ok(instance) => Observed::seen(Box::new(instance), answers("flagz")),
            Err(gap) => Observed::Unknown(gap),
        };
        evidence.metrics = match metrics::collect(&asker, tables).await {
            Ok(told) => Observed::seen(told, answers("metrics")),
            Err(gap) => Observed::Unknown(gap),
        };
        (evidence.server_count, evidence.servers) = servers::collect(&asker, &direct, tables, evidence.version).await;
    }
    if options.with_secrets {
        evidence.named.insert("Secret".to_owned(), resources::secrets(&asker).await);
    }
    let kubelets = if options.node_views && options.kubelet_direct {
        kubelets::directly(&direct, tables, &evidence.nodes.items).await
    } else if options.node_views {
        configz::through_the_api(&asker, tables, &evidence.nodes.items).await
    } else {
        Kubelets::unasked(Gap::new(Reason::NotAsked, "kubelets were not asked"))
    };
    let kube_proxy = if options.node_views { kube_proxy::collect(&asker, tables, &evidence).await } else { None };
    views::attach(tables, &mut evidence, kubelets, kube_proxy);
    Ok(evidence)
}

#[derive(Deserialize)]
struct VersionInfo {
    major: String,
    minor: String,
    #[serde(default, rename = "gitVersion")]
    git_version: String,
}
