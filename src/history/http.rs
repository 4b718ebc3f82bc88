//! HTTP for object stores, on the client and the TLS that the API is asked with.
//!
//! Rejected: `object_store`'s own client (reqwest), which brings a second client and a second provider of cryptography.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};

/// Longest wait for an answer to begin, the request's body included; a report of the largest cluster is 7 MiB.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest wait for a connection.
const CONNECTION: Duration = Duration::from_secs(10);
/// The same where a machine's own credentials are asked for: no such service answers on most machines.
const LINK_LOCAL: Duration = Duration::from_secs(1);

/// Makes the clients of a store: one for its objects, one for the credentials of the machine that it runs on.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let value = |key| options.get_config_value(&key).unwrap_or_default();
        let quick = value(ClientConfigKey::ConnectTimeout) == "1s";
        let wait = if quick { LINK_LOCAL } else { CONNECTION };
        let in_clear = value(ClientConfigKey::AllowHttp) == "true";
        let service = Service::new(wait, in_clear);
        let service =
            service.map_err(|source| object_store::Error::Generic { store: "HTTP", source: source.into() })?;
        Ok(HttpClient::new(service))
    }
}

type Direct = Client<HttpsConnector<Tcp>, HttpRequestBody>;
type Tunnelled = Client<HttpsConnector<Tunnel<Tcp>>, HttpRequestBody>;

/// Sends a request, directly or through the proxy that the environment names for its host.
#[derive(Debug)]
struct Service {
    tls: rustls::ClientConfig,
    tcp: Tcp,
    direct: Direct,
    proxies: Matcher,
    /// Without TLS too.
    in_clear: bool,
}

impl Service {
    fn new(wait: Duration, in_clear: bool) -> Result<Self, io::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        // a machine without any authority trusts nobody, which matters where there is TLS alone
        let tls = match tls.clone().with_native_roots() {
            Ok(trusting) => trusting.with_no_client_auth(),
            Err(_) => tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
        };
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(wait));
        let https = HttpsConnectorBuilder::new().with_tls_config(tls.clone()).https_or_http().enable_http1();
        let direct = Client::builder(TokioExecutor::new()).build(https.wrap_connector(tcp.clone()));
        Ok(Self { tls, tcp, direct, proxies: Matcher::from_env(), in_clear })
    }

    /// A client through a proxy; made for each request, since a run makes a handful of them.
    fn through(&self, proxy: &Intercept) -> Tunnelled {
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(login) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(login.clone());
        }
        let https = HttpsConnectorBuilder::new().with_tls_config(self.tls.clone()).https_or_http().enable_http1();
        Client::builder(TokioExecutor::new()).build(https.wrap_connector(tunnel))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let secure = request.uri().scheme() == Some(&Scheme::HTTPS);
        if !secure && !self.in_clear {
            let refused = "the endpoint is http:// and AWS_ALLOW_HTTP (AZURE_, GOOGLE_) is not true";
            return Err(HttpError::new(HttpErrorKind::Unknown, io::Error::other(refused)));
        }
        let proxy = self.proxies.intercept(request.uri()).filter(|_| secure);
        let sent = match proxy {
            Some(proxy) => self.through(&proxy).request(request),
            None => self.direct.request(request),
        };
        let answer = tokio::time::timeout(ANSWER, sent).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let (head, body) = answer.map_err(failed)?.into_parts();
        let body = http_body_util::BodyExt::map_err(body, |error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// What went wrong, as far as it decides whether it is tried again.
fn failed(error: Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Interrupted };
    HttpError::new(kind, Told(said(&error)))
}

/// An error with the errors below it: the outermost one of the client says only that it failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

fn said(error: &dyn std::error::Error) -> String {
    let mut parts = vec![error.to_string()];
    let mut below = error.source();
    while let Some(error) = below {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        below = error.source();
    }
    parts.join(": ")
}
