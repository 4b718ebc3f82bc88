//! A node's files and what its kubelet tells of itself, brought together: where they differ nobody knows what is in force.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends, with the place")]

mod support;

use std::path::Path;

use serde_json::{Value, json};
use support::api_server::{ApiServer, Fault, at, kubeconfig};
use support::binary::run;
use support::repository::root;
use support::small_cluster::objects;

/// Evidence of the cluster whose node w1 has a kubelet that tells this of itself.
fn of_the_api(scratch: &Path, anonymous: bool) -> String {
    let answer = |value: Value| Fault::Body("application/json", value.to_string());
    let told = json!({"kubeletconfig": {"authentication": {"anonymous": {"enabled": anonymous}, "webhook": {"enabled": true}},
        "authorization": {"mode": "Webhook"}, "syncFrequency": "1m0s"}});
    let server = ApiServer::start(objects())
        .breaks(at(
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            answer(json!({"status": {"allowed": true}})),
        ))
        .breaks(at("/api/v1/nodes/w1/proxy/configz", answer(told)));
    let config = kubeconfig(scratch, &server, &json!({}));
    let file = scratch.join(format!("api-{anonymous}"));
    run(["collect", "--kubeconfig", config.to_str().unwrap(), "--output", file.to_str().unwrap()]).exits(0);
    file.to_str().unwrap().to_owned()
}

/// A file can be put there after the kubelet read another, with the time of before.
#[test]
fn a_kubelet_that_tells_otherwise_than_its_file_is_not_decided_by_the_file() {
    let scratch = tempfile::tempdir().unwrap();
    let host = scratch.path().join("w1");
    let packed = std::fs::File::open(root().join("tests/data/recorded/w1.tar.zst")).unwrap();
    std::fs::create_dir(&host).unwrap();
    tar::Archive::new(zstd::Decoder::new(packed).unwrap()).unpack(&host).unwrap();
    let file = scratch.path().join("host");
    run(["collect", "--host-root", host.to_str().unwrap(), "--output", file.to_str().unwrap()]).exits(0);
    for (anonymous, verdict, said) in [(false, "pass", "config.yaml"), (true, "unknown", "true as it tells itself")] {
        let api = of_the_api(scratch.path(), anonymous);
        let words = ["evaluate", file.to_str().unwrap(), &api, "--benchmark=cis-2.0", "--format=json"];
        let report: Value = serde_json::from_str(&run(words).exits(0).out).unwrap();
        let control = report["controls"].as_array().unwrap().iter().find(|one| one["id"] == "4.2.1").unwrap();
        let of_node = |group: &&Value| group["subjects"]["nodes"].as_array().is_some_and(|nodes| !nodes.is_empty());
        let groups: Vec<&Value> = control["groups"].as_array().unwrap().iter().filter(of_node).collect();
        let found = groups.iter().find(|group| group.to_string().contains(said));
        assert_eq!(found.map(|group| group["verdict"].as_str().unwrap()), Some(verdict), "{said}: {control:#}");
        let notes = report["nodes"].to_string();
        assert_eq!(notes.contains("authentication.anonymous.enabled"), anonymous, "{notes}");
        assert!(notes.contains("otherwise than the host: what is in force is not known"), "{notes}");
        // what both say alike is as before
        let port = report["controls"].as_array().unwrap().iter().find(|one| one["id"] == "4.2.2").unwrap();
        assert!(port["groups"].to_string().contains("config.yaml"), "{port:#}");
    }
}
