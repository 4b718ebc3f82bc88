//! Facts of the kubelet that take more than one value.

use super::{Context, Fact};
use crate::evidence::{Observed, Origin, Reason, Value};

/// Where the serving certificate comes from: the configuration says, or else the certificate itself.
pub(super) fn serving_certificate(context: &Context<'_>) -> Fact {
    let bootstrap = context.setting("serverTLSBootstrap");
    let (certificate, key) = (context.setting("tlsCertFile"), context.setting("tlsPrivateKeyFile"));
    let set = |value: &Observed<Value>| value.value().and_then(Value::as_text).is_some_and(|path| !path.is_empty());
    if bootstrap.value() == Some(&Value::Bool(true)) {
        return Fact::Value(bootstrap.map(|_| Value::from("bootstrapped")), None);
    }
    if set(&certificate) && set(&key) {
        return Fact::Value(certificate.map(|_| Value::from("configured")), None);
    }
    for setting in [&bootstrap, &certificate, &key] {
        if let Observed::Unknown(gap) = setting {
            return Fact::Value(Observed::Unknown(gap.clone()), None);
        }
    }
    let Some((instance, _)) = context.instance else {
        return Fact::Value(Observed::unknown(Reason::NotAsked, "no instance"), None);
    };
    let authority = instance.certificates.get("authentication.x509.clientCAFile").and_then(Observed::value);
    match instance.certificates.get("kubelet.crt") {
        Some(Observed::Seen { value: chain, origin, .. }) => {
            let issuer = chain.first().map(|certificate| certificate.issuer.clone()).unwrap_or_default();
            let issued = authority.is_some_and(|roots| roots.iter().any(|root| root.subject == issuer));
            let value = Value::from(if issued { "issued" } else { "self-signed" });
            let note = if is_of_its_own(&issuer) {
                "the kubelet made the certificate itself".to_owned()
            } else {
                format!("the certificate was issued by {issuer}")
            };
            Fact::Value(Observed::seen(value, origin.clone()), Some(note))
        }
        Some(Observed::Unknown(gap)) => Fact::Value(Observed::Unknown(gap.clone()), None),
        _ => {
            let rule = "nothing is configured: the kubelet makes a certificate of its own".to_owned();
            Fact::Value(Observed::seen(Value::from("self-signed"), Origin::Derived { rule }), None)
        }
    }
}

/// Whether an issuer is the authority that a kubelet makes for its own certificate and names by itself and by the second: told as it is,
/// no two nodes would have the same finding.
///
/// Source: k8s.io/client-go/util/cert, `GenerateSelfSignedCertKeyWithFixtures`.
fn is_of_its_own(issuer: &str) -> bool {
    let time = issuer.strip_prefix("CN=").and_then(|name| name.rsplit_once("-ca@")).map(|(_, time)| time);
    time.is_some_and(|time| !time.is_empty() && time.bytes().all(|letter| letter.is_ascii_digit()))
}

/// systemd's address filter on the kubelet's unit; absent when the kubelet has no unit.
pub(super) fn unit_denies_addresses(context: &Context<'_>) -> Fact {
    if context.node.is_api_view() {
        return Fact::Value(Observed::unknown(Reason::NotAsked, "the API does not show units of nodes"), None);
    }
    let Some(unit) = &context.node.kubelet_unit else {
        return Fact::Value(Observed::Absent { looked_at: vec!["systemd unit kubelet.service".to_owned()] }, None);
    };
    if let Some(gap) = &unit.gap {
        return Fact::Value(Observed::Unknown(gap.clone()), None);
    }
    let denies = unit.ip_address_deny.iter().any(|entry| entry == "any");
    let note = if unit.ip_address_deny.is_empty() {
        "IPAddressDeny is not set".to_owned()
    } else {
        format!("IPAddressDeny={}", unit.ip_address_deny.join(" "))
    };
    Fact::Value(Observed::seen(Value::Bool(denies), Origin::File { path: unit.files.join(", ") }), Some(note))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_authority_of_the_kubelet_is_told_from_others() {
        assert!(super::is_of_its_own("CN=worker-1.example-ca@1795499782"));
        for other in ["CN=kubernetes", "CN=worker-ca@", "CN=worker-ca@17x", "O=a, CN=worker-ca@1795499782, C=b"] {
            assert!(!super::is_of_its_own(other), "{other}");
        }
    }
}
