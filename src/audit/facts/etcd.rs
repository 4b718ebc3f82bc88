//! Facts of etcd that take more than one value.

use super::{Context, is_loopback};
use crate::audit::report::Offender;
use crate::evidence::{Component, Gap, Observed, Origin, Ownership, Reason, Value};

/// Settings that open listeners for clients.
pub(super) const CLIENTS: [&str; 2] = ["listen-client-urls", HTTP_ALONE];

/// Settings that open listeners for peers.
pub(super) const PEERS: [&str; 1] = ["listen-peer-urls"];

const HTTP_ALONE: &str = "listen-client-http-urls";

/// Listeners that speak plain http; with `open`, only those beyond loopback.
///
/// Certificates and client authentication mean nothing on such a listener: etcd ignores them and says so in its log
/// (server/embed/etcd.go, configurePeerListeners and configureClientListeners, 3.6).
pub(super) fn plain_listeners(context: &Context<'_>, settings: &[&str], open: bool) -> Observed<Vec<Offender>> {
    let mut offenders = Vec::new();
    let mut origin = None;
    for setting in settings.iter().copied() {
        match context.setting(setting) {
            // a second listener for HTTP alone, off unless somebody asks for it: a hidden environment that could ask for it
            // does not outweigh client URLs that the command line decides
            Observed::Unknown(_) if setting == HTTP_ALONE => {}
            Observed::Unknown(gap) => return Observed::Unknown(gap),
            Observed::Absent { .. } => {}
            Observed::Seen { value, origin: from, .. } => {
                for url in value.as_text().unwrap_or_default().split(',').map(str::trim) {
                    let Some((scheme, rest)) = url.split_once("://") else { continue };
                    if !scheme.eq_ignore_ascii_case("http") {
                        continue;
                    }
                    let address = rest.split('/').next().unwrap_or_default();
                    if !open || !is_loopback(address) {
                        offenders.push(Offender { what: setting.to_owned(), found: url.to_owned(), own: false });
                    }
                }
                origin.get_or_insert(from);
            }
        }
    }
    Observed::seen(offenders, origin.unwrap_or(Origin::Host))
}

/// Proven to have no peers: one initial member, no discovery, and no peer could reach it.
pub(super) fn single_member(context: &Context<'_>) -> Observed<Value> {
    for setting in ["discovery", "discovery-srv", "discovery-endpoints"] {
        match context.setting(setting) {
            Observed::Unknown(gap) => return Observed::Unknown(gap),
            Observed::Seen { value, origin, .. } if value.as_text().is_some_and(|text| !text.is_empty()) => {
                return Observed::seen(Value::Bool(false), origin);
            }
            _ => {}
        }
    }
    let (members, listeners) = (context.setting("initial-cluster"), context.setting("listen-peer-urls"));
    match (members, listeners) {
        (Observed::Unknown(gap), _) | (_, Observed::Unknown(gap)) => Observed::Unknown(gap),
        (Observed::Seen { value: members, origin, .. }, Observed::Seen { value: listeners, .. }) => {
            let one =
                members.as_text().unwrap_or_default().split(',').filter(|member| !member.trim().is_empty()).count()
                    <= 1;
            // members can be added later; a listener that peers cannot reach proves that none was
            let unreachable = listeners.as_text().unwrap_or_default().split(',').all(|url| {
                let address = url.split("://").nth(1).unwrap_or_default();
                is_loopback(address.split('/').next().unwrap_or_default())
            });
            Observed::seen(Value::Bool(one && unreachable), origin)
        }
        _ => Observed::unknown(Reason::Unsupported, "etcd's members are not known"),
    }
}

/// etcd's certificate authority is not the one whose client certificates the API server accepts: by public key, not by path.
pub(super) fn own_authority(context: &Context<'_>) -> Observed<Value> {
    let Some((instance, effective)) = context.instance else {
        return Observed::unknown(Reason::NotAsked, "no instance");
    };
    let etcd = match instance.certificates.get("trusted-ca-file") {
        Some(Observed::Seen { value, .. }) => value,
        Some(Observed::Unknown(gap)) => return Observed::Unknown(gap.clone()),
        _ => {
            return match effective.get("trusted-ca-file") {
                Observed::Unknown(gap) => Observed::Unknown(gap),
                Observed::Seen { value, .. }
                    if context.node.is_api_view() && value.as_text().is_some_and(|path| !path.is_empty()) =>
                {
                    Observed::unknown(Reason::NotAsked, "the API does not show certificates of nodes")
                }
                other => other.map(|_| Value::Bool(false)),
            };
        }
    };
    let servers = context
        .node
        .instances
        .iter()
        .filter(|other| other.component == Component::KubeApiserver && other.ownership != Ownership::Tenant);
    let mut compared = 0;
    for server in servers {
        match server.certificates.get("client-ca-file") {
            Some(Observed::Seen { value: cluster, origin, .. }) => {
                compared += 1;
                if cluster.iter().any(|one| etcd.iter().any(|other| one.key_sha256 == other.key_sha256)) {
                    return Observed::seen(Value::Bool(false), origin.clone());
                }
            }
            Some(Observed::Unknown(gap)) => return Observed::Unknown(gap.clone()),
            _ => {}
        }
    }
    if compared == 0 {
        return Observed::Unknown(Gap::new(
            Reason::NotAsked,
            "no API server with a client CA on this node to compare with",
        ));
    }
    let subjects: Vec<&str> = etcd.iter().map(|certificate| certificate.subject.as_str()).collect();
    Observed::seen(
        Value::Bool(true),
        Origin::Derived { rule: format!("public keys compared; etcd trusts {}", subjects.join(", ")) },
    )
}
