//! The requests that change a cluster: create, change one's own service account, delete with the object's UID as precondition.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::InstallError;
use super::object::{MARK, Object};

/// Bound on one request.
const REQUEST: Duration = Duration::from_secs(30);
/// Bound on an answer, in bytes.
const ANSWER: usize = 4 << 20;
/// How often a request is made that the server could not answer.
const ATTEMPTS: u32 = 5;
/// Who owns the fields of the service account that every namespace has.
const MANAGER: &str = "kube-assay";

/// What is there under an object's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    /// Its UID.
    pub(super) uid: String,
    /// The run that it bears the mark of.
    pub(super) run: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Answer {
    metadata: Metadata,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    uid: String,
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// What is there under the object's name, if anything.
pub(super) async fn look_up(client: &Client, object: &Object) -> Result<Option<There>, InstallError> {
    let (status, answer) =
        ask(client, Method::GET, &object.path(), None).await.map_err(|why| failed("look for", object, why))?;
    match status {
        StatusCode::OK => {
            let run = answer.metadata.labels.unwrap_or_default().remove(MARK);
            Ok(Some(There { uid: answer.metadata.uid, run }))
        }
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(refused("look for", object, status, answer)),
    }
}

/// Creates the object. One of that name that is not of this run is an error, and is left as it is.
pub(super) async fn create(client: &Client, object: &Object, run: &str) -> Result<(), InstallError> {
    let body = (kind_of(object), object.value.clone());
    let uri = if object.is_there_by_itself() {
        format!("{}?fieldManager={MANAGER}&force=true", object.path())
    } else {
        format!("{}?fieldManager={MANAGER}", object.collection())
    };
    let method = if object.is_there_by_itself() { Method::PATCH } else { Method::POST };
    let (status, answer) = ask(client, method, &uri, Some(body)).await.map_err(|why| failed("create", object, why))?;
    match status {
        StatusCode::CREATED | StatusCode::OK => Ok(()),
        // an earlier attempt whose answer was lost may have made it
        StatusCode::CONFLICT if !object.is_there_by_itself() => match look_up(client, object).await? {
            Some(There { run: Some(found), .. }) if found == run => Ok(()),
            _ => Err(InstallError::There(vec![object.to_string()])),
        },
        status => Err(refused("create", object, status, answer)),
    }
}

fn kind_of(object: &Object) -> &'static str {
    if object.is_there_by_itself() { "application/apply-patch+yaml" } else { "application/json" }
}

/// Deletes the object with that UID, and no other of its name.
pub(super) async fn delete(client: &Client, object: &Object, uid: &str) -> Result<(), InstallError> {
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": {"uid": uid}});
    let body = Some(("application/json", options));
    let (status, answer) =
        ask(client, Method::DELETE, &object.path(), body).await.map_err(|why| failed("delete", object, why))?;
    match status {
        // gone, or another by now
        StatusCode::NOT_FOUND | StatusCode::CONFLICT => Ok(()),
        status if status.is_success() => Ok(()),
        status => Err(refused("delete", object, status, answer)),
    }
}

/// One request, made again when the server was in trouble.
async fn ask(
    client: &Client,
    method: Method,
    uri: &str,
    body: Option<(&str, Value)>,
) -> Result<(StatusCode, Answer), String> {
    let mut attempt = 1;
    loop {
        let answered = timeout(REQUEST, once(client, method.clone(), uri, body.as_ref())).await;
        match answered.unwrap_or_else(|_| Err("no answer in time".to_owned())) {
            Ok((status, answer)) if attempt == ATTEMPTS || !is_trouble(status) => return Ok((status, answer)),
            Err(why) if attempt == ATTEMPTS => return Err(why),
            _ => {}
        }
        sleep(Duration::from_millis(250 << attempt)).await;
        attempt += 1;
    }
}

fn is_trouble(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

async fn once(
    client: &Client,
    method: Method,
    uri: &str,
    body: Option<&(&str, Value)>,
) -> Result<(StatusCode, Answer), String> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some((kind, _)) = body {
        request = request.header(http::header::CONTENT_TYPE, *kind);
    }
    let bytes = body.map_or_else(Vec::new, |(_, value)| value.to_string().into_bytes());
    let request = request.body(Body::from(bytes)).map_err(|error| error.to_string())?;
    let answer = client.send(request).await.map_err(|error| crate::collect::api::why(&error))?;
    let status = answer.status();
    let body =
        Limited::new(answer.into_body(), ANSWER).collect().await.map_err(|_| "the answer broke off".to_owned())?;
    Ok((status, serde_json::from_slice(&body.to_bytes()).unwrap_or_default()))
}

fn failed(what: &'static str, object: &Object, why: String) -> InstallError {
    InstallError::Failed { what, object: object.to_string(), why }
}

fn refused(what: &'static str, object: &Object, status: StatusCode, answer: Answer) -> InstallError {
    let why =
        if answer.message.is_empty() { format!("the server answers {}", status.as_u16()) } else { answer.message };
    InstallError::Failed { what, object: object.to_string(), why }
}
