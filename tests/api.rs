//! The API as a source: what is asked, and what becomes of an audit when the server misbehaves. The program itself runs, against a
//! server on loopback that fails the suite when it is asked to change something.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::api_server::{ApiServer, Fault, at, kubeconfig};
use support::binary::{Ran, command};
use support::small_cluster::{objects, pod, privileged_pod};

const PODS: &str = "/api/v1/pods";

/// An audit of the server, as JSON.
struct Audit {
    ran: Ran,
    report: Value,
}

fn audit_as(server: &ApiServer, user: &Value, more: &[&str]) -> Audit {
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), server, user);
    let mut command = command();
    command.arg("audit").arg("--kubeconfig").arg(config).args(["--benchmark", "cis-2.0", "--format", "json"]);
    let ran = Ran::of(command.args(more));
    let report = serde_json::from_str(&ran.out).unwrap_or_default();
    Audit { ran, report }
}

fn audit(server: &ApiServer, more: &[&str]) -> Audit {
    audit_as(server, &json!({}), more)
}

impl Audit {
    fn verdicts(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let controls = self.report["controls"].as_array().unwrap_or_else(|| panic!("{:?}", self.ran));
        controls.iter().map(|control| (text(&control["id"]), text(&control["verdict"]))).collect()
    }

    #[track_caller]
    fn gives(&self, id: &str, verdict: &str) {
        let control = self.report["controls"].as_array().unwrap().iter().find(|control| control["id"] == id).unwrap();
        assert_eq!(control["verdict"], verdict, "{id}: {control:#}");
    }

    /// What coverage says is missing: gaps of controls, and lists beside them.
    #[track_caller]
    fn misses(&self, text: &str) {
        let coverage = &self.report["coverage"];
        assert!(coverage.to_string().contains(text), "{text:?} is not in {coverage:#}");
    }
}

/// Names of the pods that an evidence file holds.
fn collected_pods(server: &ApiServer) -> Vec<String> {
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), server, &json!({}));
    let file = scratch.path().join("evidence");
    Ran::of(command().arg("collect").arg("--kubeconfig").arg(config).arg("-o").arg(&file)).exits(0);
    let mut evidence = kube_assay::evidence::Evidence::default();
    kube_assay::evidence::file::read(std::fs::read(file).unwrap().as_slice(), &mut evidence).unwrap();
    let pods = evidence.cluster.unwrap().pods;
    assert_eq!(pods.gap, None);
    pods.items.into_iter().map(|pod| pod.metadata.name.to_string()).collect()
}

#[test]
fn a_cluster_is_read_page_by_page_and_nothing_is_asked_per_object() {
    let server = ApiServer::start(objects());
    let audit = audit(&server, &[]);
    audit.gives("5.2.2", "pass");
    assert_eq!(audit.ran.code, Some(0));
    assert_eq!(server.count(PODS), 3);
    let asked = server.asked();
    assert!(asked.len() < 40, "{} requests", asked.len());
    // what is asked beside the lists: questions about oneself, and single objects and paths that show a component
    let lists = asked.iter().filter(|asked| asked.path.starts_with("/api/") || asked.path.starts_with("/apis/"));
    let lists = lists.filter(|asked| !asked.path.contains("/selfsubject") && !asked.path.contains("/kube-proxy"));
    assert!(lists.clone().all(|asked| asked.query.get("limit").is_some_and(|limit| limit == "500")));
    // Secrets are never asked for, and of config maps nothing but their names
    assert!(!asked.iter().any(|asked| asked.path.contains("secrets") && !asked.path.contains("external-secrets.io")));
    for asked in lists.filter(|asked| asked.path.contains("configmaps")) {
        assert!(asked.headers["accept"].contains("as=PartialObjectMetadataList"));
    }
}

#[test]
fn every_list_that_is_denied_leaves_what_rests_on_it_unknown_and_nothing_else() {
    let whole = audit(&ApiServer::start(objects()), &[]).verdicts();
    for (path, what) in [
        ("/api/v1/namespaces", "namespaces"),
        ("/api/v1/nodes", "nodes"),
        (PODS, "pods"),
        ("/api/v1/serviceaccounts", "serviceaccounts"),
        ("/api/v1/replicationcontrollers", "replicationcontrollers"),
        ("/api/v1/namespaces/default/services", "services"),
        ("/api/v1/namespaces/kube-system/configmaps", "configmaps"),
        ("/apis/apps/v1/deployments", "deployments.apps"),
        ("/apis/apps/v1/daemonsets", "daemonsets.apps"),
        ("/apis/batch/v1/cronjobs", "cronjobs.batch"),
        ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "clusterroles.rbac.authorization.k8s.io"),
        ("/apis/rbac.authorization.k8s.io/v1/rolebindings", "rolebindings.rbac.authorization.k8s.io"),
        ("/apis/external-secrets.io/v1/externalsecrets", "externalsecrets.external-secrets.io"),
        ("/apis/networking.k8s.io/v1/networkpolicies", "networkpolicies.networking.k8s.io"),
        ("/apis/kyverno.io/v1/clusterpolicies", "clusterpolicies.kyverno.io"),
    ] {
        let server = ApiServer::start(objects()).breaks(at(path, Fault::Status(403, &[])));
        let audit = audit(&server, &[]);
        assert_eq!(audit.ran.code, Some(0), "{what}: {:?}", audit.ran);
        audit.misses(&format!("needs list on {what}"));
        assert_eq!(server.count(path), 1, "{what}: a denial is final");
        for (id, verdict) in audit.verdicts() {
            let before = &whole[&id];
            // without Windows nodes it does not apply; where nobody knows of nodes it holds, since every namespace refuses such pods
            if (what, id.as_str()) == ("nodes", "5.2.10") {
                assert_eq!(verdict, "pass");
                continue;
            }
            assert!(verdict == *before || verdict == "unknown", "{id} without {what}: {before} became {verdict}");
        }
    }
}

#[test]
fn what_could_not_be_listed_is_not_proven_missing() {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut open = objects();
    let cilium = json!({"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p", "namespace": "team"}});
    open.extend([namespace("open"), pod("open", "app"), cilium]);
    // the account, whose word counts where the pod says nothing
    let mut silent = pod("team", "silent");
    silent["spec"].as_object_mut().unwrap().remove("automountServiceAccountToken");
    open.push(silent);
    let denied = |path: &str| audit(&ApiServer::start(open.clone()).breaks(at(path, Fault::Status(403, &[]))), &[]);
    let all = audit(&ApiServer::start(open.clone()), &[]);
    // an engine that could not be listed may be there, and then a namespace without labels is no finding
    all.gives("5.2.1", "review");
    denied("/apis/kyverno.io/v1/clusterpolicies").gives("5.2.1", "review");
    // policies of another kind may isolate the namespace
    all.gives("5.3.2", "fail");
    denied("/apis/cilium.io/v2/ciliumnetworkpolicies").gives("5.3.2", "review");
    denied("/apis/networking.k8s.io/v1/networkpolicies").gives("5.3.2", "unknown");
    all.gives("5.1.6", "pass");
    denied("/api/v1/serviceaccounts").gives("5.1.6", "unknown");
}

#[test]
fn what_answers_with_a_part_of_a_cluster_proves_no_absence() {
    // a proxy that filters lists by who asks, and says that they are whole
    let part = |hidden: &str| -> Vec<Value> {
        objects().into_iter().filter(|object| object["metadata"]["name"] != hidden).collect()
    };
    let whole = audit(&ApiServer::start(objects()), &[]).verdicts();
    for hidden in ["kube-system", "default"] {
        let audit = audit(&ApiServer::start(part(hidden)), &[]);
        audit.misses(&format!("namespace {hidden}, which every cluster has"));
        let verdicts = audit.verdicts();
        for id in ["5.1.1", "5.1.3", "5.1.7", "5.2.2", "5.2.11", "5.6.4"] {
            assert_eq!(verdicts[id], "unknown", "{id} without namespace {hidden}, {} with it", whole[id]);
        }
    }
    // an identity that may list nothing learns nothing
    let nothing = ApiServer::start(objects()).breaks(at("/api/v1/namespaces", Fault::Status(403, &[])));
    assert_eq!(audit(&nothing, &[]).verdicts()["3.1.2"], "unknown");
}

#[test]
fn an_identity_that_is_not_accepted_ends_the_audit_with_the_reason() {
    let server = ApiServer::start(objects()).needs("Bearer right");
    let audit = audit_as(&server, &json!({"token": "wrong-token-text"}), &[]);
    audit.ran.exits(3).says(&["does not accept this identity (401)"]);
    // a credential that expires meanwhile
    let server = ApiServer::start(objects()).breaks(at(PODS, Fault::Status(401, &[])).on_page(1));
    self::audit(&server, &[]).ran.exits(3).says(&["does not accept this identity (401)"]);
}

#[test]
fn pages_that_expire_are_read_again_and_no_object_is_lost_or_doubled() {
    let later: Vec<Value> = (100..1300).map(|number| pod("team", &format!("app-{number:04}"))).collect();
    let names: Vec<String> = (100..1300).map(|number| format!("app-{number:04}")).collect();
    for page in [1, 2] {
        let expire = at(PODS, Fault::Expire(later.clone())).on_page(page).times(1);
        let server = ApiServer::start(objects()).breaks(expire);
        assert_eq!(collected_pods(&server), names);
    }
    // and when they always expire, that is what is said
    let server = ApiServer::start(objects()).breaks(at(PODS, Fault::Status(410, &[])).on_page(1));
    let audit = audit(&server, &[]);
    audit.gives("5.2.2", "unknown");
    audit.misses("pods: the pages expired while they were read");
}

#[test]
fn what_passes_is_tried_again() {
    let names: Vec<String> = (0..1200).map(|number| format!("app-{number:04}")).collect();
    for fault in [
        Fault::Status(429, &[("Retry-After", "1")]),
        Fault::Status(503, &[("Retry-After", "0")]),
        Fault::Status(500, &[]),
        Fault::Reset,
        Fault::Half,
        Fault::Body("text/html", "<html>please log in</html>".to_owned()),
        Fault::Body("application/json", "{\"kind\":".to_owned()),
        Fault::Body("application/json", json!({"kind": "Status", "apiVersion": "v1"}).to_string()),
    ] {
        let told = format!("{fault:?}");
        let server = ApiServer::start(objects()).breaks(at(PODS, fault).on_page(1).times(2));
        assert_eq!(collected_pods(&server), names, "{told}");
        assert_eq!(server.count(PODS), 5, "{told}");
    }
}

/// Faults that stay: pods are unknown, all else is judged, and the audit ends in time.
#[test]
fn what_does_not_pass_is_given_up_in_time_and_the_rest_goes_on() {
    let whole = audit(&ApiServer::start(objects()), &[]).verdicts();
    for (fault, page, said) in [
        (Fault::Status(429, &[("Retry-After", "99999999")]), Some(1), "pods: the server answers 429"),
        (Fault::Status(429, &[("Retry-After", "99999999999999999999999")]), Some(1), "pods: the server answers 429"),
        (Fault::Status(503, &[]), Some(0), "pods: the server answers 503"),
        (Fault::Status(404, &[]), Some(0), "pods: not served here"),
        (Fault::Status(404, &[]), Some(1), "pods: no longer served while it was read"),
        (Fault::Status(302, &[("Location", "http://127.0.0.1:1/")]), Some(1), "which is not followed"),
        (Fault::Status(400, &[]), Some(1), "pods: the server answers 400"),
        (Fault::Reset, Some(1), "pods: "),
        (Fault::Half, Some(1), "pods: the answer is no JSON, or not all of it"),
        (Fault::Body("text/html", "<html>".to_owned()), Some(1), "pods: the answer is not JSON"),
        (Fault::Body("application/json", "{}".to_owned()), Some(1), "pods: the answer is no list of objects"),
        (
            Fault::Body("application/json", "{\"kind\": \"PodList\", \"metadata\": {}}".to_owned()),
            Some(0),
            "pods: the answer is no list",
        ),
        (Fault::Stall, Some(0), "pods: no answer in time"),
        (Fault::Trickle, Some(0), "pods: "),
        (Fault::Endless, Some(1), "pods: its pages repeat without end"),
        (Fault::SameToken, Some(1), "pods: its pages repeat without end"),
        (Fault::Empty, None, "pods: its pages repeat without end"),
        (Fault::Flood, Some(1), "pods: an object of more than a cluster can hold"),
    ] {
        let told = format!("{fault:?} on page {page:?}");
        let rule = at(PODS, fault);
        let server = ApiServer::start(objects()).breaks(match page {
            Some(page) => rule.on_page(page),
            None => rule,
        });
        let began = Instant::now();
        let audit = audit(&server, &["--timeout", "6"]);
        support::say(format!(
            "{told}: {:.1} s, {} requests for pods",
            began.elapsed().as_secs_f64(),
            server.count(PODS)
        ));
        assert!(began.elapsed() < Duration::from_secs(15), "{told}");
        assert_eq!(audit.ran.code, Some(0), "{told}: {:?}", audit.ran.err);
        audit.gives("5.2.2", "unknown");
        audit.misses(said);
        for (id, verdict) in audit.verdicts() {
            assert!(verdict == whole[&id] || verdict == "unknown", "{told}: {id}: {} became {verdict}", whole[&id]);
        }
        assert_eq!(audit.verdicts()["5.1.3"], whole["5.1.3"], "{told}: roles do not rest on pods");
    }
}

#[test]
fn what_was_read_before_a_fault_still_convicts() {
    let mut all = objects();
    all.insert(0, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "open"}}));
    all.push(privileged_pod("open", "app"));
    // the privileged one is on the first page: it sorts before the others
    let first = all.pop().unwrap();
    let at_first_pod = all.iter().position(|object| object["kind"] == "Pod").unwrap();
    all.insert(at_first_pod, first);
    let server = ApiServer::start(all).breaks(at(PODS, Fault::Status(403, &[])).on_page(1));
    let audit = audit(&server, &[]);
    audit.gives("5.2.2", "fail");
}

#[test]
fn a_server_without_version_or_with_nothing_but_errors_is_said_to_be_that() {
    let server = ApiServer::start(objects()).breaks(at("/version", Fault::Body("text/html", "<html>".to_owned())));
    audit(&server, &["--timeout", "20"]).ran.exits(3).says(&["something else than an API server answers there"]);
    let server = ApiServer::start(objects()).breaks(at("/version", Fault::Stall));
    let began = Instant::now();
    audit(&server, &["--timeout", "3"]).ran.exits(3).says(&["cannot be asked", "no answer in time"]);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[test]
fn kinds_are_asked_for_at_the_version_that_is_served() {
    let mut all = objects();
    all.push(json!({"apiVersion": "policy.networking.k8s.io/v9", "kind": "AdminNetworkPolicy", "metadata": {"name": "wide"}}));
    let server = ApiServer::start(all);
    audit(&server, &[]);
    // what a policy does with what it finds stands in its spec
    let whole = |asked: &support::api_server::Asked| !asked.headers["accept"].contains("PartialObjectMetadata");
    assert!(server.asked().iter().any(|asked| asked.path.ends_with("/clusterpolicies") && whole(asked)));
    let asked = |path: &str| server.count(path);
    assert_eq!(asked("/apis/policy.networking.k8s.io/v9/adminnetworkpolicies"), 1);
    assert_eq!(asked("/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies"), 0);
    assert_eq!(asked("/apis/cilium.io/v2/ciliumnetworkpolicies"), 0);
    // without discovery each is tried
    let server = ApiServer::start(objects()).breaks(at("/apis", Fault::Status(403, &[])));
    audit(&server, &[]).gives("5.2.2", "pass");
    assert_eq!(server.count("/apis/cilium.io/v2/ciliumnetworkpolicies"), 1);
}

#[test]
fn no_more_requests_are_in_flight_than_asked_for_and_the_rate_holds() {
    let server = ApiServer::start(objects());
    audit(&server, &["--concurrency", "1"]).gives("5.2.2", "pass");
    assert_eq!(server.most_in_flight(), 1);
    // six at once, then one a second: of about thirty requests four more are made in as many seconds
    let server = ApiServer::start(objects());
    audit(&server, &["--qps", "1", "--timeout", "4"]).misses("--timeout gives more");
    assert!(server.asked().len() <= 11, "{} requests", server.asked().len());
}

#[test]
fn names_of_a_hostile_cluster_are_shown_escaped() {
    let mut all = objects();
    all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x\u{1b}[2J\u{202e}<script>alert(1)</script>\r\n"}}));
    all.push(privileged_pod("x\u{1b}[2J\u{202e}<script>alert(1)</script>\r\n", "p\u{1b}]0;title\u{7}\n"));
    let server = ApiServer::start(all);
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), &server, &json!({}));
    let out = scratch.path().join("out/");
    let mut command = command();
    command.arg("audit").arg("--kubeconfig").arg(config).args(["--format", "text,json,html", "-o"]).arg(&out);
    let ran = Ran::of(&mut command).exits(0);
    let mut shown = vec![ran.out, ran.err];
    for file in std::fs::read_dir(&out).unwrap() {
        shown.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
    }
    assert_eq!(shown.len(), 5);
    for text in &shown {
        // what turns the direction of text is data in JSON, and shown nowhere
        let hostile = if text.starts_with('{') { "\u{1b}\u{7}\r" } else { "\u{1b}\u{202e}\u{7}\r" };
        assert_eq!(text.chars().find(|letter| hostile.contains(*letter)), None, "{text}");
    }
    assert!(shown.iter().any(|text| text.contains("\\u{1b}[2J")));
    assert!(!shown.iter().any(|text| text.contains("<script>alert(1)") && text.contains("<html")));
}

/// A CronJob of kube-system whose last run is over.
fn nightly(phase: &str) -> Vec<Value> {
    let spec = json!({"serviceAccountName": "default", "automountServiceAccountToken": true,
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        "containers": [{"name": "c", "image": "registry.example/backup:1", "securityContext": {"privileged": true},
            "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}]});
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true, "uid": name}]);
    let template = json!({"spec": spec});
    vec![
        json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "kube-system"},
            "spec": {"jobTemplate": {"spec": {"template": template}}}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template},
            "metadata": {"name": "nightly-1", "namespace": "kube-system", "ownerReferences": owner("CronJob", "nightly")},
            "status": {"conditions": [{"type": "Complete", "status": "True"}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "spec": spec, "status": {"phase": phase},
            "metadata": {"name": "nightly-1-x", "namespace": "kube-system", "ownerReferences": owner("Job", "nightly-1")}}),
    ]
}

#[test]
fn what_a_cron_job_will_run_is_judged_between_two_runs_as_during_one() {
    const JUDGED: [&str; 6] = ["5.1.5", "5.2.2", "5.2.11", "5.4.1", "5.6.2", "5.2.7"];
    let server = |phase: &str| ApiServer::start(objects().into_iter().chain(nightly(phase)).collect());
    let of_template = audit(&server("Succeeded"), &[]);
    for id in JUDGED {
        of_template.gives(id, "fail");
    }
    // no volume tells of the token of a pod that is yet to be made
    of_template.gives("5.1.6", "review");
    let of_pod = audit(&server("Running"), &[]);
    for id in JUDGED {
        of_pod.gives(id, "fail");
    }
    let denied = server("Succeeded").breaks(at("/apis/batch/v1/cronjobs", Fault::Status(403, &[])));
    let denied = denied.breaks(at("/apis/batch/v1/jobs", Fault::Status(403, &[])));
    audit(&denied, &[]).gives("5.4.1", "unknown");
}

#[test]
fn a_pod_without_a_seccomp_profile_is_confined_where_every_kubelet_does_it() {
    let mut silent = pod("team", "silent");
    silent["spec"]["containers"][0]["securityContext"].as_object_mut().unwrap().remove("seccompProfile");
    let with = |more: Vec<Value>| ApiServer::start(objects().into_iter().chain([silent.clone()]).chain(more).collect());
    let told = |confines: bool, more: Vec<Value>| {
        let configuration = json!({"kubeletconfig": {"authentication": {}, "authorization": {}, "syncFrequency": "1m0s",
            "seccompDefault": confines}});
        let answer = Fault::Body("application/json", configuration.to_string());
        let allowed = Fault::Body("application/json", json!({"status": {"allowed": true}}).to_string());
        with(more)
            .breaks(at("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", allowed))
            .breaks(at("/api/v1/nodes/w1/proxy/configz", answer))
    };
    audit(&told(true, vec![]), &[]).gives("5.6.2", "pass");
    audit(&told(false, vec![]), &[]).gives("5.6.2", "fail");
    audit(&with(vec![]), &[]).gives("5.6.2", "fail");
    // one node of which nobody knows
    let other = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "w2"}});
    audit(&told(true, vec![other]), &[]).gives("5.6.2", "fail");
}
