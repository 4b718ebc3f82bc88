//! One request to the API server: bounded in time and size, repeated where that can help, never anything but GET.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::configuration::request_error;
use super::pace::{Pace, backoff};
use crate::evidence::{Gap, Reason};

/// What a request may cost before it is given up: a failure is one, a silent server two.
const PATIENCE: u32 = 4;
/// Requests given up one after the other after which the next ones are tried once only: the server is in trouble.
const TROUBLED: u32 = 3;
/// A server that sends nothing for so long is not waited for. The API server itself ends requests after 60 seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Bound on one request, however steadily it trickles.
const REQUEST: Duration = Duration::from_secs(120);
/// Longest wait that a server may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Longest time for which one refusal holds back every other request too.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Bound on an answer that is kept whole.
const LARGEST_ANSWER: usize = 32 << 20;

/// Asks the API server, a bounded number of requests at a time and in a second.
#[derive(Clone)]
pub(super) struct Asker {
    client: Client,
    in_flight: Arc<Semaphore>,
    concurrency: usize,
    pace: Arc<Pace>,
    given_up: Arc<AtomicU32>,
    deadline: Instant,
    silence: Duration,
    request: Duration,
}

/// Why a request brought nothing.
#[derive(Debug)]
pub(super) enum Refused {
    /// The server does not know who asks.
    Unauthenticated,
    /// What was asked for is not served.
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
                Gap::new(Reason::Denied, format!("{what}: the server does not accept this identity (401)"))
            }
            Self::NotServed => Gap::new(Reason::Unsupported, format!("{what}: not served here")),
            Self::Expired => Gap::new(Reason::Raced, format!("{what}: the pages expired while they were read")),
            Self::Gap(gap) => gap,
        }
    }
}

/// What takes an answer in while it arrives.
pub(super) trait Taker {
    type Answer;
    /// A new attempt begins: what an earlier one brought is void.
    fn begin(&mut self);
    fn take(&mut self, chunk: &[u8]) -> Result<(), Gap>;
    /// The answer came to its end.
    fn end(&mut self) -> Result<Self::Answer, Gap>;
}

/// Keeps an answer whole.
struct Whole<'a> {
    what: &'a str,
    bytes: Vec<u8>,
}

impl Taker for Whole<'_> {
    type Answer = Vec<u8>;

    fn begin(&mut self) {
        self.bytes.clear();
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Gap> {
        if self.bytes.len() + chunk.len() > LARGEST_ANSWER {
            return Err(Gap::new(Reason::TooBig, format!("{}: more than {} MiB", self.what, LARGEST_ANSWER >> 20)));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    fn end(&mut self) -> Result<Vec<u8>, Gap> {
        Ok(std::mem::take(&mut self.bytes))
    }
}

/// What a server says when it refuses.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    message: String,
}

/// How an attempt failed.
enum Failed {
    /// Another attempt would bring the same.
    Finally(Refused),
    /// Another may help, after the wait that the server asked for.
    Perhaps { gap: Gap, cost: u32, wait: Option<Duration> },
}

impl Asker {
    pub(super) fn new(client: Client, concurrency: usize, per_second: u32, deadline: Instant) -> Self {
        // a short --timeout leaves less time for each request: one that hangs must not take it all
        let whole = deadline.saturating_duration_since(Instant::now());
        Self {
            client,
            in_flight: Arc::new(Semaphore::new(concurrency.max(1))),
            concurrency: concurrency.max(1),
            pace: Arc::new(Pace::new(per_second)),
            given_up: Arc::default(),
            deadline,
            silence: SILENCE.min(whole / 5),
            request: REQUEST.min(whole / 2),
        }
    }

    /// How many requests may be in flight at once.
    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// The client itself, for a request of another kind.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The beginning of an answer that is no object, such as a log: at most `limit` bytes, whoever sends more. One attempt of `time` at
    /// most, and others within that time while the server has too many requests.
    pub(super) async fn text(&self, uri: &str, limit: usize, time: Duration) -> Result<Vec<u8>, (StatusCode, String)> {
        let (begun, mut attempt) = (Instant::now(), 1);
        loop {
            match self.text_once(uri, limit, time).await {
                Err((StatusCode::TOO_MANY_REQUESTS, _)) if attempt < PATIENCE && begun.elapsed() < time => attempt += 1,
                other => return other,
            }
        }
    }

    async fn text_once(&self, uri: &str, limit: usize, time: Duration) -> Result<Vec<u8>, (StatusCode, String)> {
        let failed = |said: String| (StatusCode::SERVICE_UNAVAILABLE, said);
        sleep(self.pace.wait(Instant::now())).await;
        let Ok(_permit) = self.in_flight.acquire().await else { return Err(failed("ended".to_owned())) };
        let request = Request::get(uri).body(Body::empty()).map_err(|error| failed(error.to_string()))?;
        let left = self.deadline.saturating_duration_since(Instant::now()).min(time);
        let answered = timeout(left, async {
            let answer = self.client.send(request).await.map_err(|error| failed(request_error(&error)))?;
            let (head, mut body) = answer.into_parts();
            let mut bytes = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| failed(request_error(&error)))?;
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(&data[..data.len().min(limit - bytes.len())]);
                }
                if bytes.len() == limit {
                    break;
                }
            }
            Ok((head, bytes))
        });
        let (head, bytes) = answered.await.map_err(|_| failed("no answer in time".to_owned()))??;
        self.paced(head.status, &head.headers);
        if head.status == StatusCode::OK {
            return Ok(bytes);
        }
        let Said { message } = serde_json::from_slice(&bytes).unwrap_or_default();
        let nothing = || format!("the server answers {}", head.status.as_u16());
        Err((head.status, if message.is_empty() { nothing() } else { message }))
    }

    /// A server that has too many requests is asked less often, by everybody here.
    fn paced(&self, status: StatusCode, headers: &HeaderMap) {
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = retry_after(headers).unwrap_or(Duration::from_secs(1));
            self.pace.refused(Instant::now(), wait.min(LONGEST_PAUSE));
        } else if status == StatusCode::OK {
            self.pace.answered();
        }
    }

    /// One object.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Refused> {
        let bytes = self.bytes(path, "application/json", path).await?;
        let wrong = |_| Gap::new(Reason::Malformed, format!("{path}: the answer is not what was asked for"));
        serde_json::from_slice(&bytes).map_err(wrong).map_err(Refused::Gap)
    }

    /// An answer as it comes. An answer that is asked for as JSON must say that it is.
    pub(super) async fn bytes(&self, path: &str, accept: &str, what: &str) -> Result<Vec<u8>, Refused> {
        self.ask(path, accept, what, &mut Whole { what, bytes: Vec::new() }).await
    }

    /// Asks until there is an answer, or another attempt is not worth it.
    pub(super) async fn ask<T: Taker>(
        &self,
        uri: &str,
        accept: &str,
        what: &str,
        taker: &mut T,
    ) -> Result<T::Answer, Refused> {
        let troubled = self.given_up.load(Ordering::Relaxed) >= TROUBLED;
        let mut patience = if troubled { 1 } else { PATIENCE };
        let mut attempt = 0;
        loop {
            taker.begin();
            let left = self.deadline.saturating_duration_since(Instant::now());
            let failed = match timeout(left, self.once(uri, accept, what, taker)).await {
                Ok(Ok(answer)) => {
                    self.given_up.store(0, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Err(failed)) => failed,
                Err(_) => return Err(Refused::Gap(self.out_of_time(what))),
            };
            let (gap, cost, wait) = match failed {
                Failed::Finally(refused) => return Err(refused),
                Failed::Perhaps { gap, cost, wait } => (gap, cost, wait),
            };
            patience = patience.saturating_sub(cost);
            let wait = wait.map_or_else(|| backoff(attempt), |asked| asked.min(LONGEST_WAIT) + backoff(0));
            let left = self.deadline.saturating_duration_since(Instant::now());
            if patience == 0 || wait >= left {
                self.given_up.fetch_add(1, Ordering::Relaxed);
                return Err(Refused::Gap(gap));
            }
            attempt += 1;
            sleep(wait).await;
        }
    }

    fn out_of_time(&self, what: &str) -> Gap {
        Gap::new(Reason::TimedOut, format!("{what}: the time for asking the API ran out (--timeout gives more)"))
    }

    async fn once<T: Taker>(&self, uri: &str, accept: &str, what: &str, taker: &mut T) -> Result<T::Answer, Failed> {
        let gap = |reason, text: &str| Gap::new(reason, format!("{what}: {text}"));
        let perhaps = |gap| Failed::Perhaps { gap, cost: 1, wait: None };
        let silent = || Failed::Perhaps { gap: gap(Reason::TimedOut, "no answer in time"), cost: 2, wait: None };
        sleep(self.pace.wait(Instant::now())).await;
        let Ok(_permit) = self.in_flight.acquire().await else { return Err(silent()) };
        let request = Request::get(uri).header(ACCEPT, accept).body(Body::empty());
        let request = request.map_err(|_| Failed::Finally(Refused::Gap(gap(Reason::Io, "not a path of the API"))))?;
        let exchange = async {
            let answer = match timeout(self.silence, self.client.send(request)).await {
                Err(_) => return Err(silent()),
                Ok(Err(error)) => return Err(perhaps(gap(Reason::Io, &request_error(&error)))),
                Ok(Ok(answer)) => answer,
            };
            let (head, mut body) = answer.into_parts();
            self.paced(head.status, &head.headers);
            expected(head.status, &head.headers, accept, what)?;
            loop {
                match timeout(self.silence, body.frame()).await {
                    Err(_) => return Err(silent()),
                    Ok(None) => return taker.end().map_err(perhaps),
                    Ok(Some(Err(error))) => return Err(perhaps(gap(Reason::Io, &request_error(&error)))),
                    Ok(Some(Ok(frame))) => {
                        if let Some(chunk) = frame.data_ref() {
                            taker.take(chunk).map_err(|gap| match gap.reason {
                                // it would be as big the next time
                                Reason::TooBig => Failed::Finally(Refused::Gap(gap)),
                                _ => perhaps(gap),
                            })?;
                        }
                    }
                }
            }
        };
        timeout(self.request, exchange).await.unwrap_or_else(|_| Err(silent()))
    }
}

/// The wait that a server asks for.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Whether the head of an answer promises what was asked for.
fn expected(status: StatusCode, headers: &HeaderMap, accept: &str, what: &str) -> Result<(), Failed> {
    let gap = |reason, text: String| Gap::new(reason, format!("{what}: {text}"));
    let finally = |refused| Err(Failed::Finally(refused));
    match status {
        StatusCode::OK => {
            let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if accept.starts_with("application/json") && !kind.starts_with("application/json") {
                // whatever stands between here and the API server may have answered in its place
                let text = "the answer is not JSON: something else than an API server answers there".to_owned();
                return Err(Failed::Perhaps { gap: gap(Reason::Malformed, text), cost: 1, wait: None });
            }
            Ok(())
        }
        StatusCode::UNAUTHORIZED => finally(Refused::Unauthenticated),
        StatusCode::FORBIDDEN => finally(Refused::Gap(Gap::new(Reason::Denied, format!("needs list on {what}")))),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => finally(Refused::NotServed),
        StatusCode::GONE => finally(Refused::Expired),
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            let gap = gap(Reason::Io, format!("the server answers {}", status.as_u16()));
            Err(Failed::Perhaps { gap, cost: 1, wait: retry_after(headers) })
        }
        // a credential must not follow to where an answer points
        status if status.is_redirection() => {
            let text = format!("the server answers {} with another place, which is not followed", status.as_u16());
            finally(Refused::Gap(gap(Reason::Io, text)))
        }
        status => finally(Refused::Gap(gap(Reason::Io, format!("the server answers {}", status.as_u16())))),
    }
}
