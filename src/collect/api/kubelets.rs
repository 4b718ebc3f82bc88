//! Kubelets asked themselves, without the API server between: since 1.33 that takes `nodes/configz` alone, not `nodes/proxy`.
//!
//! A kubelet must show a certificate of the cluster's authority for the address that is called before anything is sent to it: a
//! token that went to somebody else would be theirs. Stock kubeadm's kubelets sign their own certificates and are not asked.

use std::net::IpAddr;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::client::Body;
use kube::{Client, Config};

use super::configz::{Configz, Kubelets, every};
use crate::evidence::objects::ApiNode;
use crate::evidence::{Gap, Reason, Tables};

/// A configuration of a kubelet takes about 5 KiB.
const LARGEST: usize = 1 << 20;

/// Asks every node's kubelet at its own address.
pub(super) async fn directly(config: &Config, tables: &Tables, nodes: &[ApiNode]) -> Kubelets {
    if config.root_cert.as_ref().is_none_or(Vec::is_empty) {
        return Kubelets::unasked(Gap::new(
            Reason::Unsupported,
            "kubelets are asked directly only where the kubeconfig names the cluster's certificate authority: their certificates could not be verified",
        ));
    }
    // whatever holds for the API server, a kubelet is verified, under its own address
    let mut config = config.clone();
    (config.accept_invalid_certs, config.proxy_url, config.tls_server_name) = (false, None, None);
    every(nodes, tables, |node| {
        let (mut config, url) = (config.clone(), address(node));
        async move {
            config.cluster_url = url?;
            ask(config).await
        }
    })
    .await
}

fn address(node: &ApiNode) -> Result<http::Uri, Gap> {
    let gap = || Gap::new(Reason::NotFound, "the node tells no internal address with a port of its kubelet");
    let internal = node.status.addresses.iter().find(|address| address.kind == "InternalIP");
    let address = internal.and_then(|address| address.address.parse::<IpAddr>().ok()).ok_or_else(gap)?;
    let port = node.status.daemon_endpoints.kubelet_endpoint.port;
    if port == 0 {
        return Err(gap());
    }
    let host = if address.is_ipv6() { format!("[{address}]") } else { address.to_string() };
    format!("https://{host}:{port}").parse().map_err(|_| gap())
}

async fn ask(config: Config) -> Result<Configz, Gap> {
    let unusable = |_| Gap::new(Reason::Io, "no client for its kubelet could be made");
    let client = Client::try_from(config).map_err(unusable)?;
    let request = Request::get("/configz").header("Accept", "application/json").body(Body::empty());
    let request = request.map_err(|_| Gap::new(Reason::Io, "not a request"))?;
    let answer = client.send(request).await.map_err(|error| refused(&error))?;
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Gap::new(
                Reason::Denied,
                "the kubelet needs get on nodes/configz (before 1.33 on nodes/proxy)",
            ));
        }
        status => return Err(Gap::new(Reason::Io, format!("the kubelet answers {}", status.as_u16()))),
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    let bytes = body.map_err(|_| Gap::new(Reason::Io, "the kubelet's answer broke off"))?.to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|_| Gap::new(Reason::Malformed, "configz: the answer is no configuration of a kubelet"))
}

/// Why nothing was answered; a certificate that is not the cluster's is told apart, for then nothing was sent.
fn refused(error: &kube::Error) -> Gap {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(one) = cause {
        if one.to_string().contains("certificate") {
            let text =
                "the kubelet shows no certificate of the cluster's authority for its address: nothing was sent to it";
            return Gap::new(Reason::Unsupported, text);
        }
        cause = one.source();
    }
    Gap::new(Reason::Io, "the kubelet does not answer at its own address")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_called() {
        let node = |address: &str, port: u16| -> ApiNode {
            let told = serde_json::json!({"status": {
                "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": address}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
            serde_json::from_value(told).unwrap_or_default()
        };
        let url = |address: &str, port| super::address(&node(address, port)).ok().map(|url| url.to_string());
        assert_eq!(url("10.0.0.1", 10250).as_deref(), Some("https://10.0.0.1:10250/"));
        assert_eq!(url("fd00::1", 10250).as_deref(), Some("https://[fd00::1]:10250/"));
        for (address, port) in [("evil.example", 10250), ("10.0.0.1@evil.example", 10250), ("10.0.0.1", 0), ("", 10250)]
        {
            assert_eq!(url(address, port), None, "{address}:{port}");
        }
    }
}
