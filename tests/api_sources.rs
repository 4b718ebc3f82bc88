//! What the API shows of components beside its objects: `/configz` of kubelets, through the API server and directly, `/flagz`,
//! `/metrics`, kube-proxy's ConfigMap, and several API servers. Each as it should be, refused, missing, silent, and hostile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::api_server::{ApiServer, Fault, Rule, at, kubeconfig};
use support::binary::{Ran, command};
use support::certificates::Authority;
use support::small_cluster::objects;

const CONFIGZ: &str = "/api/v1/nodes/w1/proxy/configz";
const REVIEW: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const TOKEN: &str = "S3CR3T-c4n4ry";
/// Every name that a server of these tests has.
const NAMES: [&str; 4] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "kubernetes.default.svc"];

fn audit(server: &ApiServer, user: &Value, more: &[&str]) -> Value {
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), server, user);
    audit_with(&config, more)
}

fn audit_with(config: &std::path::Path, more: &[&str]) -> Value {
    let mut command = command();
    command.arg("audit").arg("--kubeconfig").arg(config).args(["--benchmark", "cis-2.0", "--format", "json"]);
    let began = Instant::now();
    let limit: &[&str] = if more.contains(&"--timeout") { &[] } else { &["--timeout", "60"] };
    let ran = Ran::of(command.args(limit).args(more));
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.out.contains(TOKEN) && !ran.err.contains(TOKEN));
    // what is hostile is escaped in JSON, too
    assert!(!ran.out.contains('\u{1b}'));
    serde_json::from_str(&ran.out).unwrap()
}

#[track_caller]
fn gives(report: &Value, id: &str, verdict: &str, said: &str) {
    let control = report["controls"].as_array().unwrap().iter().find(|control| control["id"] == id).unwrap();
    assert_eq!(control["verdict"], verdict, "{id}: {control:#}");
    assert!(control.to_string().contains(said), "{said:?} is not in {control:#}");
}

/// Each on a thread of its own: most of them wait.
fn at_once<T: Send>(cases: Vec<T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        cases.into_iter().for_each(|case| drop(scope.spawn(|| check(case))));
    });
}

fn body(kind: &'static str, value: impl ToString) -> Fault {
    Fault::Body(kind, value.to_string())
}

fn as_json(value: &Value) -> Fault {
    body("application/json", value)
}

/// A kubelet's answer with anonymous requests let in or not. Those before 1.36 do not say what it is.
fn configuration(anonymous: bool) -> Value {
    json!({"kubeletconfig": {"authentication": {"anonymous": {"enabled": anonymous}, "webhook": {"enabled": true}},
        "authorization": {"mode": "Webhook"}, "readOnlyPort": 0, "syncFrequency": "1m0s"}})
}

fn of_another_kind(kind: &str) -> Value {
    let mut told = configuration(false);
    told["kubeletconfig"]["apiVersion"] = json!("kubelet.config.k8s.io/v1beta1");
    told["kubeletconfig"]["kind"] = json!(kind);
    told
}

/// Answers that are none: what is wrong, and a part of what is said.
fn wrong_answers() -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::Status(403, &[]), "needs"),
        (Fault::Status(404, &[]), ""),
        (Fault::Status(302, &[("Location", "http://127.0.0.1:1/")]), ""),
        (Fault::Status(500, &[]), ""),
        (Fault::Reset, ""),
        (Fault::Half, ""),
        (Fault::Flood, ""),
        (body("text/html", "<html>please log in</html>"), ""),
        (as_json(&json!({})), ""),
        (as_json(&json!([])), ""),
        (as_json(&json!({"kubeletconfig": {}})), "no configuration of a kubelet"),
        (as_json(&of_another_kind("KubeProxyConfiguration")), "not an object of kind"),
        (as_json(&json!({"kubeletconfig": "\u{1b}[2J"})), ""),
        (as_json(&json!({"kubeletconfig": {"authentication": 7, "authorization": {}, "syncFrequency": "1m0s"}})), ""),
        (
            as_json(
                &json!({"kubeletconfig": {"authentication": {"anonymous": {"enabled": "\u{1b}[2J"}}, "authorization": {},
                "syncFrequency": "1m0s"}}),
            ),
            "",
        ),
        (Fault::Stall, "did not answer in 10 s"),
    ]
}

#[test]
fn kubelets_through_the_api_server() {
    let allowed = |yes: bool| at(REVIEW, as_json(&json!({"status": {"allowed": yes}})));
    let asked = |answer: Fault| ApiServer::start(objects()).breaks(allowed(true)).breaks(at(CONFIGZ, answer));
    let none = &json!({});
    gives(&audit(&asked(as_json(&configuration(false))), none, &[]), "4.2.1", "pass", "configz");
    gives(&audit(&asked(as_json(&configuration(true))), none, &[]), "4.2.1", "fail", "configz");
    gives(&audit(&asked(as_json(&of_another_kind("KubeletConfiguration"))), none, &[]), "4.2.1", "pass", "configz");
    at_once(wrong_answers(), |(fault, said)| {
        support::say(format!("{fault:?}"));
        let report = audit(&asked(fault), none, &[]);
        gives(&report, "4.2.1", "unknown", said);
        gives(&report, "5.1.3", "pass", "");
    });
    // who does not hold the right is not sent there
    for review in [allowed(false), at(REVIEW, Fault::Status(403, &[])), at(REVIEW, body("text/html", "<html>"))] {
        let server = ApiServer::start(objects()).breaks(review).breaks(at(CONFIGZ, as_json(&configuration(false))));
        gives(&audit(&server, none, &[]), "4.2.1", "unknown", "");
        assert_eq!(server.count(CONFIGZ), 0);
    }
}

/// The small cluster, its node at an address of loopback.
fn with_kubelet(kubelet: &ApiServer) -> Vec<Value> {
    let mut all = objects();
    let node = all.iter_mut().find(|object| object["kind"] == "Node").unwrap();
    node["status"]["addresses"] = json!([{"type": "InternalIP", "address": kubelet.address.ip().to_string()}]);
    node["status"]["daemonEndpoints"] = json!({"kubeletEndpoint": {"Port": kubelet.address.port()}});
    all
}

#[test]
fn kubelets_at_their_own_addresses() {
    let (ours, other) = (Authority::new("cluster"), Authority::new("kubelet itself"));
    let user = &json!({"token": TOKEN});
    let of = |kubelet: &ApiServer| {
        let server = ApiServer::start_at("127.0.0.1", Some(&ours.signs(&NAMES)), with_kubelet(kubelet));
        audit(&server, user, &["--kubelet-direct"])
    };
    let answering = |answer: Fault| {
        ApiServer::start_at("127.0.0.1", Some(&ours.signs(&NAMES)), Vec::new())
            .needs(&format!("Bearer {TOKEN}"))
            .breaks(at("/configz", answer))
    };
    for (anonymous, verdict) in [(false, "pass"), (true, "fail")] {
        let kubelet = answering(as_json(&configuration(anonymous)));
        gives(&of(&kubelet), "4.2.1", verdict, "configz");
        assert_eq!(kubelet.asked().len(), 1);
        assert_eq!(kubelet.asked()[0].headers["authorization"], format!("Bearer {TOKEN}"));
    }
    // nothing is sent to one that does not prove itself
    for identity in [Some(other.signs(&NAMES)), Some(ours.signs(&["10.0.0.1", "w1"])), None] {
        let kubelet = ApiServer::start_at("127.0.0.1", identity.as_ref(), Vec::new())
            .breaks(at("/configz", as_json(&configuration(false))));
        let said = if identity.is_some() { "nothing was sent to it" } else { "" };
        gives(&of(&kubelet), "4.2.1", "unknown", said);
        assert!(kubelet.asked().is_empty(), "{:?}", kubelet.asked());
    }
    at_once(wrong_answers(), |(fault, said)| {
        support::say(format!("{fault:?}"));
        gives(&of(&answering(fault)), "4.2.1", "unknown", said);
    });
    let refused = answering(as_json(&configuration(false))).needs("Bearer of somebody else");
    gives(&of(&refused), "4.2.1", "unknown", "nodes/configz");
    // without an authority there is nothing to verify by
    let kubelet = answering(as_json(&configuration(false)));
    let plain = ApiServer::start(with_kubelet(&kubelet));
    gives(&audit(&plain, user, &["--kubelet-direct"]), "4.2.1", "unknown", "could not be verified");
    assert!(kubelet.asked().is_empty());
}

/// A control plane's flags, in the structured form.
fn flags(profiling: &str) -> Value {
    json!({"kind": "Flagz", "apiVersion": "config.k8s.io/v1beta1", "metadata": {"name": "kube-apiserver"},
        "flags": {"profiling": profiling, "authorization-mode": "[Node,RBAC]", "audit-policy-file": "/etc/kubernetes/policy.yaml",
            "made-up": "\u{1b}[2J", "etcd-servers": "[https://me:S3CR3T-c4n4ry@127.0.0.1:2379]"}})
}

fn as_flagz(value: &Value) -> Rule {
    at("/flagz", as_json(value)).accepting("as=Flagz")
}

#[test]
fn flags_of_the_api_server() {
    let none = &json!({});
    let server = |rule: Rule| ApiServer::start(objects()).breaks(rule);
    gives(&audit(&server(as_flagz(&flags("false"))), none, &[]), "1.2.15", "pass", "flagz");
    gives(&audit(&server(as_flagz(&flags("true"))), none, &[]), "1.2.15", "fail", "1.36");
    let text = |separator: &str| {
        let line = |name: &str, value: &str| format!("{name}{separator}{value}\n");
        let lines = [line("profiling", "false"), line("authorization-mode", "[Node,RBAC]")].concat();
        body("text/plain", format!("\nkube-apiserver flagz\nWarning: this is not for machines.\n\n{lines}"))
    };
    for separator in [": ", ":", "=", " "] {
        let one =
            server(at("/flagz", Fault::Status(406, &[])).accepting("as=Flagz")).breaks(at("/flagz", text(separator)));
        gives(&audit(&one, none, &[]), "1.2.15", "pass", "flagz");
    }
    let faults = vec![
        (Fault::Status(403, &[]), ""),
        (Fault::Status(404, &[]), ""),
        (Fault::Status(500, &[]), ""),
        (Fault::Half, ""),
        (Fault::Flood, ""),
        (Fault::Stall, ""),
        (body("text/html", "<html>please log in</html>"), ""),
        (as_json(&json!({"flags": {}})), ""),
        (as_json(&json!({"flags": {"profiling": 7}})), ""),
        (body("text/plain", "profiling=false\nWarning: \u{1b}[2J\nnot a flag"), ""),
    ];
    at_once(faults, |(fault, said)| {
        support::say(format!("{fault:?}"));
        let report = audit(&server(at("/flagz", fault)), none, &["--timeout", "8"]);
        gives(&report, "1.2.15", "unknown", said);
        gives(&report, "5.1.3", "pass", "");
    });
}

fn metrics(lines: &str) -> Fault {
    body("text/plain", format!("# HELP apiserver_request_total\napiserver_request_total{{code=\"200\"}} 7\n{lines}"))
}

fn slice(server: &ApiServer) -> Value {
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "kubernetes", "namespace": "default"},
        "ports": [{"name": "https", "port": server.address.port()}], "endpoints": [{"addresses": [server.address.ip().to_string()]}]})
}

#[test]
fn counters_of_the_api_server() {
    let none = &json!({});
    // one API server, as the cluster tells it; which port it has matters only where there are several
    let slice = slice(&ApiServer::start(Vec::new()));
    let server = |answer: Fault| {
        let all = objects().into_iter().chain([slice.clone()]).collect();
        ApiServer::start(all).breaks(as_flagz(&flags("false"))).breaks(at("/metrics", answer))
    };
    let audits = "apiserver_audit_event_total 12\napiserver_audit_error_total{plugin=\"log\"} 2\n";
    gives(
        &audit(&server(metrics(audits)), none, &[]),
        "3.2.1",
        "pass",
        "12 audit events since the API server started, 2 of them",
    );
    gives(&audit(&server(metrics("apiserver_audit_event_total 0\n")), none, &[]), "3.2.1", "unknown", "0 audit events");
    let writes = "apiserver_storage_transformation_operations_total{resource=\"secrets\",status=\"OK\",transformation_type=\"to_storage\",transformer_prefix=\"k8s:enc:aescbc:v1:\"} 12\n";
    gives(&audit(&server(metrics(writes)), none, &[]), "1.2.27", "fail", "12 written by aescbc");
    // how many there are is not told: another one may have answered
    let untold = ApiServer::start(objects()).breaks(as_flagz(&flags("false"))).breaks(at("/metrics", metrics(audits)));
    gives(&audit(&untold, none, &[]), "3.2.1", "unknown", "");
    let faults = vec![
        (Fault::Status(403, &[]), "needs get on the path /metrics"),
        (Fault::Status(404, &[]), "not served here"),
        (Fault::Half, ""),
        (Fault::Reset, ""),
        (Fault::Flood, "more than 64 MiB"),
        (Fault::Stall, "no answer in time"),
        (body("text/html", "<html>please log in</html>"), "not the metrics of an API server"),
        (
            metrics(
                "apiserver_audit_event_total NaN\napiserver_audit_event_total{ 1\napiserver_audit_event_total -1\n",
            ),
            "",
        ),
    ];
    at_once(faults, |(fault, said)| {
        support::say(format!("{fault:?}"));
        let report = audit(&server(fault), none, &["--timeout", "20"]);
        gives(&report, "3.2.1", "unknown", "");
        gives(&report, "1.2.27", "fail", said);
        gives(&report, "1.2.15", "pass", "");
    });
}

#[test]
fn feature_gates_of_the_api_server() {
    let scratch = tempfile::tempdir().unwrap();
    let checks = scratch.path().join("acme.yaml");
    let text = json!([{"id": "acme/constrained-impersonation", "title": "Constrained impersonation is on", "reason": "An example.",
        "severity": "low", "scope": "control-plane", "subject": "kube-apiserver",
        "pass": [{"fact": "kube-apiserver.gate.ConstrainedImpersonation", "is": true}], "not-applicable": "No API server",
        "remediation": {"kubeadm": {"text": "On."}, "k3s": {"text": "On."}, "rke2": {"text": "On."}, "other": {"text": "On."}}}]);
    std::fs::write(&checks, text.to_string()).unwrap();
    let slice = slice(&ApiServer::start(Vec::new()));
    let told = |lines: &str| {
        let all = objects().into_iter().chain([slice.clone()]).collect();
        let server = ApiServer::start(all).breaks(as_flagz(&flags("false"))).breaks(at("/metrics", metrics(lines)));
        let report = audit(&server, &json!({}), &["--checks", checks.to_str().unwrap()]);
        let check = &report["own_checks"][0];
        (check["verdict"].clone(), check["groups"][0]["origins"].to_string())
    };
    // what the API server tells is in force, whatever its flags and version say
    let off = told("kubernetes_feature_enabled{name=\"ConstrainedImpersonation\",stage=\"BETA\"} 0\n");
    assert_eq!(off, (json!("fail"), json!(["metrics"]).to_string()));
    let by_default = told("kubernetes_feature_enabled{name=\"SomethingElse\",stage=\"BETA\"} 0\n");
    assert_eq!(by_default, (json!("pass"), json!(["default of 1.36"]).to_string()));
}

/// kube-proxy as kubeadm installs it, with this configuration.
fn with_kube_proxy(config: &str) -> Vec<Value> {
    let spec = json!({"containers": [{"name": "kube-proxy", "image": "registry.k8s.io/kube-proxy:v1.36.3",
            "command": ["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf"],
            "volumeMounts": [{"name": "kube-proxy", "mountPath": "/var/lib/kube-proxy"}]}],
        "volumes": [{"name": "kube-proxy", "configMap": {"name": "kube-proxy"}}]});
    let meta = json!({"name": "kube-proxy", "namespace": "kube-system", "generation": 1});
    let mut pod = support::small_cluster::pod("kube-system", "kube-proxy-x");
    pod["metadata"]["ownerReferences"] = json!([{"kind": "DaemonSet", "name": "kube-proxy", "controller": true}]);
    objects()
        .into_iter()
        .chain([
            json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": {"template": {"spec": spec}},
                "status": {"observedGeneration": 1, "desiredNumberScheduled": 1, "updatedNumberScheduled": 1}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"config.conf": config}}),
            pod,
        ])
        .collect()
}

#[test]
fn kube_proxy_by_its_config_map() {
    const SET: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
    const MAP: &str = "/api/v1/namespaces/kube-system/configmaps";
    let none = &json!({});
    let config = |address: &str| {
        format!(
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmetricsBindAddress: {address}\n"
        )
    };
    let server = |config: &str| {
        let all = with_kube_proxy(config);
        let sets: Vec<&Value> =
            all.iter().filter(|one| one["kind"] == "DaemonSet" && one["metadata"]["name"] == "kube-proxy").collect();
        let list = json!({"kind": "DaemonSetList", "apiVersion": "apps/v1", "metadata": {}, "items": sets});
        (ApiServer::start(all.clone()), at(SET, as_json(&list)))
    };
    let with = |config: &str| {
        let (server, rule) = server(config);
        audit(&server.breaks(rule), none, &[])
    };
    gives(&with(&config("127.0.0.1:10249")), "4.3.1", "pass", "ConfigMap kube-system/kube-proxy");
    gives(&with(&config("0.0.0.0:10249")), "4.3.1", "fail", "ConfigMap kube-system/kube-proxy");
    for hostile in
        ["", "\u{1b}[2J", "kind: KubeProxyConfiguration\n", "metricsBindAddress: [1", &config("[1]"), "a: &a [*a]"]
    {
        gives(&with(hostile), "4.3.1", "unknown", "");
    }
    let faults = || {
        vec![
            (Fault::Status(403, &[]), "needs list on"),
            (Fault::Status(404, &[]), ""),
            (Fault::Half, ""),
            (Fault::Stall, ""),
            (body("text/html", "<html>"), ""),
            (as_json(&json!({"kind": "List", "items": []})), ""),
            (as_json(&json!({"kind": "List", "items": [{"spec": 7, "data": 7}]})), ""),
        ]
    };
    let cases =
        [SET, MAP].into_iter().flat_map(|path| faults().into_iter().map(move |(fault, said)| (path, fault, said)));
    at_once(cases.collect(), |(path, fault, said)| {
        support::say(format!("{path}: {fault:?}"));
        let (server, rule) = server(&config("127.0.0.1:10249"));
        let report = audit(&server.breaks(at(path, fault)).breaks(rule), none, &["--timeout", "8"]);
        gives(&report, "4.3.1", "unknown", said);
        gives(&report, "5.1.3", "pass", "");
    });
}

/// Three API servers, what each tells, and the cluster that the first one serves.
struct Several {
    servers: Vec<ApiServer>,
}

impl Several {
    fn new(authorities: [&Authority; 3], nodes: bool, answers: [(&str, &str); 3]) -> Self {
        let tell = |ip: &str, authority: &Authority, all: Vec<Value>, (profiling, lines): (&str, &str)| {
            ApiServer::start_at(ip, Some(&authority.signs(&NAMES)), all)
                .breaks(as_flagz(&flags(profiling)))
                .breaks(at("/metrics", metrics(lines)))
        };
        let mut servers: Vec<ApiServer> = [("127.0.0.2", 1), ("127.0.0.3", 2)]
            .into_iter()
            .map(|(ip, number)| tell(ip, authorities[number], Vec::new(), answers[number]))
            .collect();
        // the one that answers is listed, too: behind an address that is not its own, since its port is not known yet
        let listed = tell("127.0.0.1", authorities[0], Vec::new(), answers[0]);
        let mut all = objects();
        all.extend([&listed, &servers[0], &servers[1]].map(slice));
        if nodes {
            all.extend((1..=3).flat_map(control_plane));
        }
        let answering = tell("127.0.0.1", authorities[0], all, answers[0]);
        servers.insert(0, listed);
        servers.insert(0, answering);
        Self { servers }
    }

    fn audit(&self) -> Value {
        audit(&self.servers[0], &json!({"token": TOKEN}), &[])
    }
}

/// A node of the control plane, and the mirror pod of its API server.
fn control_plane(number: usize) -> [Value; 2] {
    let name = format!("cp{number}");
    let owner = json!([{"kind": "Node", "name": name, "controller": true, "apiVersion": "v1", "uid": "u"}]);
    [
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"node-role.kubernetes.io/control-plane": ""}},
            "status": {"addresses": [{"type": "InternalIP", "address": format!("127.0.0.{number}")}],
                "nodeInfo": {"kubeletVersion": "v1.36.3", "operatingSystem": "linux", "machineID": name}}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("kube-apiserver-{name}"), "namespace": "kube-system",
                "annotations": {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.hash": "x"}, "ownerReferences": owner},
            "status": {"phase": "Running"},
            "spec": {"nodeName": name, "containers": [{"name": "kube-apiserver", "image": "registry.k8s.io/kube-apiserver:v1.36.3",
                "command": ["kube-apiserver", "--profiling=false", "--authorization-mode=Node,RBAC", "--audit-policy-file=/etc/kubernetes/policy.yaml"]}]}}),
    ]
}

const AUDITS: &str = "apiserver_audit_event_total 5\n";

#[test]
fn each_of_several_api_servers_speaks_for_itself() {
    let ours = Authority::new("cluster");
    let trusted = [&ours, &ours, &ours];
    let three = Several::new(trusted, true, [("false", AUDITS), ("false", AUDITS), ("true", AUDITS)]);
    let report = three.audit();
    gives(&report, "3.2.1", "pass", "5 audit events");
    let notes = |name: &str| {
        let node = report["nodes"].as_array().unwrap().iter().find(|node| node["name"] == name).unwrap();
        node["notes"].to_string()
    };
    assert!(notes("cp3").contains("differs from the one at 127.0.0.1:"), "{}", notes("cp3"));
    assert!(notes("cp3").contains("in profiling"), "{}", notes("cp3"));
    assert!(notes("cp3").contains("profiling of the API server otherwise"), "{}", notes("cp3"));
    assert!(!notes("cp2").contains("differs"), "{}", notes("cp2"));
    assert_eq!(report["coverage"]["limits"], Value::Null);
    // one that records nothing is not hidden by the others
    let report = Several::new(trusted, true, [("false", AUDITS), ("false", ""), ("false", AUDITS)]).audit();
    gives(&report, "3.2.1", "unknown", "5 audit events");
    // where no node shows them, each is judged
    let report = Several::new(trusted, false, [("false", AUDITS), ("true", AUDITS), ("false", AUDITS)]).audit();
    gives(&report, "1.2.15", "fail", "flagz of 127.0.0.");
    let names: Vec<&str> =
        report["nodes"].as_array().unwrap().iter().filter_map(|node| node["name"].as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("the API server at 127.0.0.")).count(), 3, "{names:?}");
    assert_eq!(report["coverage"]["nodes_expected"], 1);
}

#[test]
fn no_credential_goes_to_an_api_server_that_does_not_prove_itself() {
    let (ours, other) = (Authority::new("cluster"), Authority::new("somebody"));
    let three = Several::new([&ours, &other, &ours], true, [("false", AUDITS), ("true", AUDITS), ("false", AUDITS)]);
    let report = three.audit();
    let limits = report["coverage"]["limits"].to_string();
    assert!(limits.contains("2 of 3 API servers tell of themselves at their own addresses: 127.0.0.2:"), "{limits}");
    assert!(limits.contains("nothing was sent to it"), "{limits}");
    assert!(three.servers[2].asked().is_empty());
    gives(&report, "3.2.1", "unknown", "");
    gives(&report, "1.2.15", "pass", "");
    // none where nothing could be verified, or where it is not known that the way leads there
    let scratch = tempfile::tempdir().unwrap();
    let three = Several::new([&ours; 3], true, [("false", AUDITS); 3]);
    let path = kubeconfig(scratch.path(), &three.servers[0], &json!({"token": TOKEN}));
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let cluster = &mut config["clusters"][0]["cluster"];
    cluster.as_object_mut().unwrap().remove("certificate-authority-data");
    cluster["insecure-skip-tls-verify"] = json!(true);
    std::fs::write(&path, config.to_string()).unwrap();
    let limits = audit_with(&path, &[])["coverage"]["limits"].to_string();
    assert!(limits.contains("0 of 3 API servers") && limits.contains("no verification of certificates"), "{limits}");
    assert!(three.servers[1..].iter().all(|server| server.asked().is_empty()));
}

#[test]
fn addresses_that_are_not_within_reach_cost_little() {
    let ours = Authority::new("cluster");
    let identity = ours.signs(&NAMES);
    let mut all = objects();
    // 192.0.2.0/24 is nobody's (RFC 5737); a closed port refuses at once
    for (address, port) in [("192.0.2.1", 6443), ("192.0.2.2", 6443), ("127.0.0.1", 1)] {
        all.push(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": address, "namespace": "default"},
            "ports": [{"name": "https", "port": port}], "endpoints": [{"addresses": [address]}]}));
    }
    let server = ApiServer::start_at("127.0.0.1", Some(&identity), all).breaks(as_flagz(&flags("false")));
    let began = Instant::now();
    let report = audit(&server, &json!({}), &[]);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    gives(&report, "1.2.15", "unknown", "names 3 API servers at their addresses, and 1 of them were seen");
    let limits = report["coverage"]["limits"].to_string();
    assert!(limits.contains("0 of 3 API servers") && limits.contains("not within reach"), "{limits}");
}
