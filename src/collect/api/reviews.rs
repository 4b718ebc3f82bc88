//! What this identity may do, asked of the API server before something is tried: the only requests that are no GET.

use std::time::Duration;

use http::Request;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::ask::Asker;
use crate::evidence::{Gap, Reason};

const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const WHAT: &str = "selfsubjectaccessreviews.authorization.k8s.io";
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Review {
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    allowed: bool,
}

/// Whether this identity may get a subresource of every node.
///
/// # Errors
/// Why the API server did not say.
pub(super) async fn may_get_of_nodes(asker: &Asker, subresource: &str) -> Result<bool, Gap> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "version": "v1", "resource": "nodes", "subresource": subresource}},
    });
    let gap = |reason, why: &str| Gap::new(reason, format!("{WHAT}: {why}"));
    let request = Request::post(PATH).header("Accept", "application/json").header("Content-Type", "application/json");
    let request = request.body(review.to_string().into_bytes()).map_err(|_| gap(Reason::Io, "not a request"))?;
    let answered = timeout(PATIENCE, asker.client().request::<Review>(request)).await;
    match answered {
        Err(_) => Err(gap(Reason::TimedOut, "no answer in time")),
        Ok(Err(kube::Error::Api(status))) => Err(gap(Reason::Denied, &format!("the server answers {}", status.code))),
        Ok(Err(_)) => Err(gap(Reason::Io, "no answer")),
        Ok(Ok(review)) => Ok(review.status.allowed),
    }
}
