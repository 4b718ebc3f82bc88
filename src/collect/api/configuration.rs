//! Which API server, as whom, and through what: kubeconfig, else the pod's service account.
//!
//! What goes wrong with credentials is said by its class. The errors of what reads them may quote them: a line of a key, the
//! output of a credential plugin, a proxy's password.

use std::error::Error as _;
use std::time::Duration;

use http::Uri;
use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::proxy::Environment;
use super::{ApiError, ApiOptions};

/// A connection that does not come about in this time will not.
const CONNECT: Duration = Duration::from_secs(15);

/// True when somebody put a kubeconfig where it is looked for: it is what they mean, readable or not.
pub(super) fn has_kubeconfig() -> bool {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|paths| !paths.is_empty());
    named || std::env::home_dir().is_some_and(|home| home.join(".kube/config").exists())
}

/// The configuration and the name by which people know the cluster.
pub(super) async fn configuration(options: &ApiOptions) -> Result<(Config, String), ApiError> {
    let wrong = |error: &KubeconfigError| ApiError::Configuration(kubeconfig_error(error));
    let read = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(|error| wrong(&error)).map(Some)?,
        None if has_kubeconfig() => Kubeconfig::read().map_err(|error| wrong(&error)).map(Some)?,
        None => None,
    };
    let (mut config, name, proxy) = match read {
        Some(kubeconfig) => {
            let context = options.context.clone().or_else(|| kubeconfig.current_context.clone());
            let name = context.clone().unwrap_or_else(|| "cluster".to_owned());
            let proxy = named_proxy(&kubeconfig, context.as_deref());
            let chosen = KubeConfigOptions { context, ..KubeConfigOptions::default() };
            let config = Config::from_custom_kubeconfig(kubeconfig, &chosen).await.map_err(|error| wrong(&error))?;
            (config, name, proxy)
        }
        None => {
            let nowhere = |_| {
                ApiError::Configuration(
                    "there is no kubeconfig in the usual places ($KUBECONFIG, ~/.kube/config), and no service account of a pod"
                        .to_owned(),
                )
            };
            let config = Config::incluster().map_err(nowhere)?;
            (config, "this cluster".to_owned(), None)
        }
    };
    config.proxy_url = match proxy {
        Some(url) => {
            let url = url.parse().map_err(|_| ApiError::Configuration("its proxy-url is no URL".to_owned()))?;
            Some(url)
        }
        None => {
            let found = Environment::read().proxy(&config.cluster_url);
            found.map_err(|name| ApiError::Configuration(format!("the variable {name} is no URL")))?
        }
    };
    config.connect_timeout = Some(CONNECT.min(options.timeout));
    // repeating requests is done in one place, with its bounds
    config.default_retry = false;
    Ok((config, name))
}

/// The proxy that the context's cluster names.
fn named_proxy(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let context = kubeconfig.contexts.iter().find(|known| Some(known.name.as_str()) == context)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = kubeconfig.clusters.iter().find(|known| known.name == *cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|url| !url.is_empty())
}

/// The client. A credential plugin may run as long as the whole collection may, and no longer.
pub(super) async fn client(config: Config, timeout: Duration) -> Result<Client, ApiError> {
    let made = tokio::task::spawn_blocking(move || Client::try_from(config));
    match tokio::time::timeout(timeout, made).await {
        Ok(Ok(Ok(client))) => Ok(client),
        Ok(Ok(Err(error))) => Err(ApiError::Configuration(request_error(&error))),
        Ok(Err(_)) => Err(ApiError::Configuration("its credentials cannot be used".to_owned())),
        Err(_) => Err(ApiError::Configuration("its credential plugin did not answer in time".to_owned())),
    }
}

/// Where the server is, without a password that its URL may hold.
pub(super) fn shown(server: &Uri) -> String {
    let text = server.to_string();
    let Some(authority) = server.authority().map(http::uri::Authority::as_str) else { return text };
    match authority.rsplit_once('@') {
        Some((_, host)) => text.replacen(authority, host, 1),
        None => text,
    }
}

fn kubeconfig_error(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(error, path) => format!("{} cannot be read: {error}", path.display()),
        KubeconfigError::Parse(_) => "the kubeconfig cannot be decoded".to_owned(),
        KubeconfigError::LoadCertificateAuthority(_) => "its certificate-authority cannot be read".to_owned(),
        KubeconfigError::ParseCertificates(_) => "its certificate-authority is no PEM certificate".to_owned(),
        KubeconfigError::LoadClientCertificate(_) => "its client-certificate cannot be read".to_owned(),
        KubeconfigError::LoadClientKey(_) => "its client-key cannot be read".to_owned(),
        KubeconfigError::ParseClusterUrl(_) => "the server of its cluster is no URL".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => "its proxy-url, or HTTPS_PROXY, is no URL".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context {name}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster {name}, which its context names"),
        KubeconfigError::CurrentContextNotSet => "it has no current-context".to_owned(),
        KubeconfigError::MissingClusterUrl => "its cluster names no server".to_owned(),
        _ => "its context cannot be used".to_owned(),
    }
}

/// Why a request could not be made, or its answer not be read.
pub(super) fn request_error(error: &kube::Error) -> String {
    match error {
        kube::Error::Auth(error) => auth_error(error),
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "the proxy has a protocol that is not supported (http, https and socks5 are)".to_owned()
        }
        kube::Error::RustlsTls(_) => "its certificates or keys cannot be used".to_owned(),
        kube::Error::HyperError(_) | kube::Error::Service(_) => transport_error(error),
        _ => "the request cannot be made".to_owned(),
    }
}

/// The innermost cause of a failed exchange: refused, reset, an unknown issuer.
fn transport_error(error: &kube::Error) -> String {
    let mut cause = error.source();
    let mut innermost = None;
    while let Some(inner) = cause {
        if let Some(auth) = inner.downcast_ref::<AuthError>() {
            return auth_error(auth);
        }
        innermost = Some(inner);
        cause = inner.source();
    }
    innermost.map_or_else(|| "the connection failed".to_owned(), ToString::to_string)
}

fn auth_error(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecStart(error) => format!("its credential plugin cannot be started: {error}"),
        AuthError::AuthExecRun { out, .. } => format!("its credential plugin failed: {}", out.status),
        AuthError::AuthExecParse(_) => "the answer of its credential plugin cannot be decoded".to_owned(),
        AuthError::ExecPluginFailed => "its credential plugin answered without credentials".to_owned(),
        AuthError::MissingCommand => "its credential plugin has no command".to_owned(),
        AuthError::ReadTokenFile(error, path) => format!("its token file {} cannot be read: {error}", path.display()),
        AuthError::Oidc(_) => "its OIDC token cannot be refreshed".to_owned(),
        _ => "its credentials cannot be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_the_url_is_not_shown() {
        let server = Uri::from_static("https://me:secret@api.example:6443/k8s/clusters/c-1");
        assert_eq!(shown(&server), "https://api.example:6443/k8s/clusters/c-1");
        assert_eq!(shown(&Uri::from_static("https://api.example:6443")), "https://api.example:6443/");
    }
}
