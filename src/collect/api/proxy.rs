//! Whether a proxy stands between here and the API server: what the kubeconfig names, else the environment as Go reads it
//! (golang.org/x/net/http/httpproxy), since that is what people have configured for kubectl.

use std::net::IpAddr;

use http::Uri;

/// The proxy variables of the environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) http: Option<String>,
    pub(super) https: Option<String>,
    pub(super) none_for: Option<String>,
}

impl Environment {
    pub(super) fn read() -> Self {
        let variable = |upper: &str, lower: &str| {
            [upper, lower].iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        };
        Self {
            http: variable("HTTP_PROXY", "http_proxy"),
            https: variable("HTTPS_PROXY", "https_proxy"),
            none_for: variable("NO_PROXY", "no_proxy"),
        }
    }

    /// The proxy for a server; an error is the variable that cannot be read as a URL.
    pub(super) fn proxy(&self, server: &Uri) -> Result<Option<Uri>, &'static str> {
        let (name, value) = match server.scheme_str() {
            Some("http") => ("HTTP_PROXY", &self.http),
            _ => ("HTTPS_PROXY", &self.https),
        };
        let Some(value) = value else { return Ok(None) };
        if !self.concerns(server) {
            return Ok(None);
        }
        let with_scheme = if value.contains("://") { value.clone() } else { format!("http://{value}") };
        with_scheme.parse().map(Some).map_err(|_| name)
    }

    /// False for this machine itself, and for what `NO_PROXY` names.
    fn concerns(&self, server: &Uri) -> bool {
        let Some(host) = server.host() else { return true };
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return false;
        }
        let port = server.port_u16().unwrap_or(if server.scheme_str() == Some("http") { 80 } else { 443 });
        let named = self.none_for.iter().flat_map(|list| list.split(','));
        !named
            .map(|entry| entry.trim().to_ascii_lowercase())
            .filter(|entry| !entry.is_empty())
            .any(|entry| names(&entry, &host, address, port))
    }
}

/// One entry of `NO_PROXY`: `*`, an address, a network, or a name that stands for its subdomains too.
fn names(entry: &str, host: &str, address: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, bits)) = entry.split_once('/') {
        let network = network.parse::<IpAddr>().ok();
        return network.zip(bits.parse().ok()).zip(address).is_some_and(|((net, bits), ip)| within(ip, net, bits));
    }
    let (name, of_port) = match entry.rsplit_once(':') {
        // a colon may belong to an IPv6 address
        Some((name, number)) if !name.contains(':') || name.ends_with(']') => match number.parse::<u16>() {
            Ok(number) => (name, Some(number)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    };
    if of_port.is_some_and(|number| number != port) {
        return false;
    }
    if let Ok(named) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return address == Some(named);
    }
    match name.strip_prefix("*.").or_else(|| name.strip_prefix('.')) {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or_default();
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where its world cannot be made")]
mod tests {
    use super::*;

    fn goes_through(server: &str, none_for: &str) -> bool {
        let environment = Environment {
            http: Some("plain.example:3128".to_owned()),
            https: Some("https://secure.example".to_owned()),
            none_for: Some(none_for.to_owned()),
        };
        environment.proxy(&server.parse().unwrap()).unwrap().is_some()
    }

    #[test]
    fn no_proxy_is_read_as_go_reads_it() {
        for (server, none_for, through) in [
            ("https://api.example.com:6443", "", true),
            ("https://api.example.com:6443", "*", false),
            ("https://api.example.com:6443", "example.com", false),
            ("https://api.example.com:6443", ".example.com", false),
            ("https://example.com", ".example.com", true),
            ("https://badexample.com", "example.com", true),
            ("https://api.example.com:6443", "example.com:443", true),
            ("https://api.example.com:6443", "other, api.example.com:6443", false),
            ("https://10.1.2.3:6443", "10.0.0.0/8", false),
            ("https://11.1.2.3:6443", "10.0.0.0/8", true),
            ("https://10.1.2.3:6443", "10.1.2.3", false),
            ("https://10.1.2.3:6443", "0.0.0.0/0", false),
            ("https://[fd00::1]:6443", "fd00::/8", false),
            ("https://[fd00::1]:6443", "[fd00::1]:6443", false),
            ("https://[fd00::1]:6443", "fd00::1", false),
            ("https://127.0.0.1:6443", "", false),
            ("http://localhost:8080", "", false),
        ] {
            assert_eq!(goes_through(server, none_for), through, "{server} with NO_PROXY={none_for}");
        }
    }

    #[test]
    fn the_scheme_chooses_the_variable() {
        let environment = Environment {
            http: Some("plain.example:3128".to_owned()),
            https: Some("exa mple".to_owned()),
            none_for: None,
        };
        let through = environment.proxy(&Uri::from_static("http://api.example:80")).unwrap();
        assert_eq!(through, Some(Uri::from_static("http://plain.example:3128")));
        assert_eq!(environment.proxy(&Uri::from_static("https://api.example")), Err("HTTPS_PROXY"));
    }
}
