//! One list: paged, retried within bounds, restarted when its pages expire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::evidence::objects::null_is_default;
use crate::evidence::{Gap, Listing, Reason};

/// Objects of a page.
const PAGE: u32 = 500;
/// Attempts of one request.
const ATTEMPTS: u32 = 5;
/// Restarts of one list whose pages expired.
const RESTARTS: u32 = 3;
/// Bound on one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Asks the API server, a bounded number of requests at a time.
#[derive(Clone)]
pub(super) struct Asker {
    client: Client,
    in_flight: Arc<Semaphore>,
    deadline: Instant,
}

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server does not know who asks.
    Unauthenticated,
    /// The kind is not served.
    NotServed,
    /// The pages of this list expired.
    Expired,
    /// Any other obstacle.
    Gap(Gap),
}

impl Refused {
    pub(super) fn into_gap(self, what: &str) -> Gap {
        match self {
            Self::Unauthenticated => {
                Gap::new(Reason::Denied, format!("{what}: the server does not accept this identity"))
            }
            Self::NotServed => Gap::new(Reason::Unsupported, format!("{what} is not served")),
            Self::Expired => Gap::new(Reason::Raced, format!("the pages of {what} expired {RESTARTS} times")),
            Self::Gap(gap) => gap,
        }
    }
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<T>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PageMeta {
    #[serde(rename = "continue", deserialize_with = "null_is_default")]
    next: String,
}

impl Asker {
    pub(super) fn new(client: Client, concurrency: usize, timeout: Duration) -> Self {
        Self { client, in_flight: Arc::new(Semaphore::new(concurrency)), deadline: Instant::now() + timeout }
    }

    /// The client itself, for a request of another kind.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// One object.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        self.ask(path, "application/json", path).await
    }

    /// The beginning of an answer that is no object, such as a log: at most `limit` bytes, whoever sends more. One attempt.
    pub(super) async fn text(&self, uri: &str, limit: usize, time: Duration) -> Result<Vec<u8>, (StatusCode, String)> {
        let failed = |error: &dyn std::fmt::Display| (StatusCode::SERVICE_UNAVAILABLE, error.to_string());
        let Ok(_permit) = self.in_flight.acquire().await else { return Err(failed(&"ended")) };
        let request = Request::get(uri).body(Body::empty()).map_err(|error| failed(&error))?;
        let left = self.deadline.saturating_duration_since(Instant::now()).min(time);
        let answered = tokio::time::timeout(left, async {
            let answer = self.client.send(request).await.map_err(|error| failed(&error))?;
            let (head, mut body) = answer.into_parts();
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| failed(&error))?;
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(&data[..data.len().min(limit - bytes.len())]);
                }
                if bytes.len() == limit {
                    break;
                }
            }
            Ok((head.status, bytes))
        });
        match answered.await {
            Err(_) => Err(failed(&"no answer in time")),
            Ok(Err(error)) => Err(error),
            Ok(Ok((StatusCode::OK, bytes))) => Ok(bytes),
            Ok(Ok((status, bytes))) => {
                let said: Said = serde_json::from_slice(&bytes).unwrap_or_default();
                Err((status, said.message))
            }
        }
    }

    /// An answer as it comes.
    pub(super) async fn bytes(&self, path: &str, accept: &str, what: &str) -> Result<Vec<u8>, Refused> {
        self.ask_by(path, accept, what, |bytes| Some(bytes.to_vec())).await
    }

    /// A whole list. A kind that is not served has no objects.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str, what: &str, metadata_only: bool) -> Listing<T> {
        let accept = if metadata_only {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        } else {
            "application/json"
        };
        for _ in 0..RESTARTS {
            match self.pages(path, accept, what).await {
                Ok(items) => return Listing { items, gap: None },
                Err((_, Refused::NotServed)) => return Listing { items: Vec::new(), gap: None },
                // what was read so far belongs to another moment: begin again, so that nothing is missed or counted twice
                Err((_, Refused::Expired)) => {}
                Err((items, refused)) => return Listing { items, gap: Some(refused.into_gap(what)) },
            }
        }
        Listing::unread(Refused::Expired.into_gap(what))
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        accept: &str,
        what: &str,
    ) -> Result<Vec<T>, (Vec<T>, Refused)> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut uri = format!("{path}{separator}limit={PAGE}");
            if !next.is_empty() {
                uri.push_str("&continue=");
                uri.extend(next.bytes().map(encoded));
            }
            match self.ask::<Page<T>>(&uri, accept, what).await {
                Ok(page) => {
                    items.extend(page.items);
                    next = page.metadata.next;
                    if next.is_empty() {
                        return Ok(items);
                    }
                }
                Err(refused) => return Err((items, refused)),
            }
        }
    }

    async fn ask<T: DeserializeOwned>(&self, uri: &str, accept: &str, what: &str) -> Result<T, Refused> {
        self.ask_by(uri, accept, what, |bytes| serde_json::from_slice(bytes).ok()).await
    }

    async fn ask_by<T>(
        &self,
        uri: &str,
        accept: &str,
        what: &str,
        decode: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Refused> {
        let mut last = Gap::new(Reason::TimedOut, what.to_owned());
        for attempt in 0..ATTEMPTS {
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::Gap(Gap::new(
                    Reason::TimedOut,
                    format!("{what}: the time for the whole collection ran out"),
                )));
            }
            let wait = match self.once(uri, accept, what, left.min(REQUEST_LIMIT), &decode).await {
                Ok(value) => return Ok(value),
                Err(Again::Never(refused)) => return Err(refused),
                Err(Again::Later(gap, wait)) => {
                    last = gap;
                    wait
                }
            };
            let own = Duration::from_millis(200 * 2u64.pow(attempt)) + jitter(attempt);
            tokio::time::sleep(wait.unwrap_or(own).min(LONGEST_WAIT).min(left)).await;
        }
        Err(Refused::Gap(last))
    }

    async fn once<T>(
        &self,
        uri: &str,
        accept: &str,
        what: &str,
        limit: Duration,
        decode: &impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Again> {
        let gap = |reason, text: String| Gap::new(reason, format!("{what}: {text}"));
        let Ok(_permit) = self.in_flight.acquire().await else { return Err(Again::Never(Refused::Expired)) };
        let request = Request::get(uri).header("Accept", accept).body(Body::empty());
        let request = request.map_err(|error| Again::Never(Refused::Gap(gap(Reason::Io, error.to_string()))))?;
        let answered = tokio::time::timeout(limit, async {
            let answer = self.client.send(request).await?;
            let (head, body) = answer.into_parts();
            Ok::<_, kube::Error>((head, body.collect_bytes().await?))
        });
        let (head, bytes) = match answered.await {
            Err(_) => return Err(Again::Later(gap(Reason::TimedOut, "no answer in time".to_owned()), None)),
            // an error of the connection may name addresses, never credentials
            Ok(Err(error)) => return Err(Again::Later(gap(Reason::Io, error.to_string()), None)),
            Ok(Ok(answer)) => answer,
        };
        let asked_wait = head
            .headers
            .get("Retry-After")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        match head.status {
            StatusCode::OK => decode(&bytes)
                .ok_or_else(|| Again::Later(gap(Reason::Malformed, "the answer cannot be decoded".to_owned()), None)),
            StatusCode::UNAUTHORIZED => Err(Again::Never(Refused::Unauthenticated)),
            StatusCode::FORBIDDEN => {
                Err(Again::Never(Refused::Gap(Gap::new(Reason::Denied, format!("needs list on {what}")))))
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(Again::Never(Refused::NotServed)),
            StatusCode::GONE => Err(Again::Never(Refused::Expired)),
            status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                Err(Again::Later(gap(Reason::Io, format!("the server answers {status}")), asked_wait))
            }
            status => Err(Again::Never(Refused::Gap(gap(Reason::Io, format!("the server answers {status}"))))),
        }
    }
}

/// What a server says when it refuses.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    message: String,
}

enum Again {
    Never(Refused),
    Later(Gap, Option<Duration>),
}

/// Spreads retries of several requests; the clock's lowest digits are random enough for that.
fn jitter(attempt: u32) -> Duration {
    let nanoseconds =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    Duration::from_millis(u64::from(nanoseconds % 100) * u64::from(attempt + 1))
}

/// Percent-encoding of what a continue token may hold.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
