//! Several API servers: each is asked at its own address, so that what is said of one is not taken for what holds for all.
//!
//! An API server writes its address into the EndpointSlices of the Service `kubernetes` (pkg/controlplane/reconcilers, 1.36). It must
//! show a certificate of the cluster's authority before anything is sent to it. Addresses that are not within reach from here cost a
//! second and a half altogether, and nothing else of the audit.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use kube::{Client, Config};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ask::Asker;
use super::configuration::client;
use super::{flagz, metrics};
use crate::evidence::objects::{ApiServerTold, null_is_default};
use crate::evidence::{Gap, Observed, Origin, Reason, ServerMetrics, Tables, Version};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?limit=500&labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes";
/// Names in the certificate of every API server that pods can talk to.
const NAME: &str = "kubernetes.default.svc";
/// An address that takes no connection in this time is not within reach.
const CONNECT: Duration = Duration::from_millis(1500);
/// What one API server may take for all that it is asked.
const PATIENCE: Duration = Duration::from_secs(8);
/// More than any cluster has.
const MOST: usize = 16;

#[derive(Deserialize)]
struct Slices {
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<Slice>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Slice {
    #[serde(deserialize_with = "null_is_default")]
    endpoints: Vec<Endpoint>,
    #[serde(deserialize_with = "null_is_default")]
    ports: Vec<Port>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Endpoint {
    #[serde(deserialize_with = "null_is_default")]
    addresses: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Port {
    #[serde(deserialize_with = "null_is_default")]
    name: String,
    #[serde(deserialize_with = "null_is_default")]
    port: u16,
}

/// How many API servers there are, where that is told, and what each of several tells of itself.
pub(super) async fn collect(
    asker: &Asker,
    config: &Config,
    tables: &Tables,
    version: Option<Version>,
) -> (Option<usize>, Vec<ApiServerTold>) {
    let Ok(slices) = asker.get::<Slices>(SLICES).await else { return (None, Vec::new()) };
    let addresses = addresses(&slices);
    let count = (!addresses.is_empty()).then_some(addresses.len());
    if addresses.len() < 2 {
        return (count, Vec::new());
    }
    if let Err(gap) = may_be_asked(config) {
        return (count, addresses.into_iter().map(|address| silent(address, &gap)).collect());
    }
    let reached = reached(&addresses).await;
    let mut told = Vec::new();
    for address in addresses {
        told.push(if reached.contains(&address) {
            match client_of(config, address).await {
                Ok(client) => ask(client, address, tables, version).await,
                Err(gap) => silent(address, &gap),
            }
        } else {
            silent(address, &Gap::new(Reason::TimedOut, "its address is not within reach from here"))
        });
    }
    (count, told)
}

fn addresses(slices: &Slices) -> BTreeSet<SocketAddr> {
    let of_slice = |slice: &Slice| -> Vec<SocketAddr> {
        let Some(port) = slice.ports.iter().find(|port| port.name == "https" && port.port != 0) else {
            return Vec::new();
        };
        let texts = slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses);
        let parsed = texts.filter_map(|text| text.parse::<IpAddr>().ok());
        parsed.map(|address| SocketAddr::new(address, port.port)).collect()
    };
    slices.items.iter().flat_map(of_slice).take(MOST).collect()
}

/// Whether a credential may go to an address that the cluster names.
fn may_be_asked(config: &Config) -> Result<(), Gap> {
    let why = if config.accept_invalid_certs {
        "the kubeconfig asks for no verification of certificates"
    } else if config.root_cert.as_ref().is_none_or(Vec::is_empty) {
        "the kubeconfig names no certificate authority by which its certificate could be verified"
    } else if config.proxy_url.is_some() {
        "the API is reached through a proxy"
    } else if config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some() {
        "a credential plugin is run once, for the API server of the kubeconfig"
    } else {
        return Ok(());
    };
    Err(Gap::new(Reason::Unsupported, why))
}

/// The addresses that take a connection.
async fn reached(addresses: &BTreeSet<SocketAddr>) -> BTreeSet<SocketAddr> {
    let mut tried = JoinSet::new();
    for address in addresses.iter().copied() {
        tried.spawn(async move { (address, timeout(CONNECT, TcpStream::connect(address)).await) });
    }
    let mut found = BTreeSet::new();
    while let Some(one) = tried.join_next().await {
        if let Ok((address, Ok(Ok(_)))) = one {
            found.insert(address);
        }
    }
    found
}

async fn client_of(config: &Config, address: SocketAddr) -> Result<Client, Gap> {
    let unusable = || Gap::new(Reason::Io, "no client for its address could be made");
    let mut config = config.clone();
    config.cluster_url = format!("https://{address}").parse().map_err(|_| unusable())?;
    config.tls_server_name = config.tls_server_name.or_else(|| Some(NAME.to_owned()));
    client(config, PATIENCE).await.map_err(|_| unusable())
}

async fn ask(client: Client, address: SocketAddr, tables: &Tables, version: Option<Version>) -> ApiServerTold {
    let asker = Asker::new(client, 1, 50, Instant::now() + PATIENCE);
    if let Err((_, why)) = asker.text("/version", 4096, PATIENCE).await {
        let said = if why.contains("certificate") {
            "it shows no certificate of the cluster's authority for its name: nothing was sent to it".to_owned()
        } else {
            format!("it does not answer: {why}")
        };
        return silent(address, &Gap::new(Reason::Io, said));
    }
    let origin = |what: &str| Origin::Api { what: format!("{what} of {address}") };
    let flags = flagz::collect(&asker, tables, version, &format!("flagz of {address}")).await;
    let metrics = metrics::collect(&asker, tables).await;
    ApiServerTold {
        address,
        flags: flags.map_or_else(Observed::Unknown, |told| Observed::seen(Box::new(told), origin("flagz"))),
        metrics: metrics.map_or_else(Observed::Unknown, |told| {
            Observed::seen(ServerMetrics { servers: 1, ..told }, origin("metrics"))
        }),
    }
}

fn silent(address: SocketAddr, gap: &Gap) -> ApiServerTold {
    ApiServerTold { address, flags: Observed::Unknown(gap.clone()), metrics: Observed::Unknown(gap.clone()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_taken() {
        let slice = serde_json::json!({
            "ports": [{"name": "metrics", "port": 1}, {"name": "https", "port": 6443}],
            "endpoints": [{"addresses": ["10.0.0.2", "10.0.0.1"]}, {"addresses": ["evil.example", "10.0.0.1", "10.0.0.3@evil.example"]}, {}],
        });
        let other = serde_json::json!({"ports": null, "endpoints": [{"addresses": ["10.0.0.9"]}]});
        let slices: Slices = serde_json::from_value(serde_json::json!({"items": [slice, other]}))
            .unwrap_or_else(|error| unreachable!("{error}"));
        let found: Vec<String> = addresses(&slices).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.0.0.1:6443", "10.0.0.2:6443"]);
    }
}
