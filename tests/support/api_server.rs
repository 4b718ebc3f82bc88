//! An API server for tests, over real HTTP on loopback: lists in pages with `limit` and `continue`, metadata alone where that is asked
//! for, discovery, and faults by script.
//!
//! A request that could change a cluster fails the test: anything but GET, and POST to the three reviews of oneself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::certificates::Identity;

/// Kinds that every API server serves, by path: their list's kind.
const BUILT_IN: [(&str, &str); 26] = [
    ("/api/v1/namespaces", "NamespaceList"),
    ("/api/v1/nodes", "NodeList"),
    ("/api/v1/pods", "PodList"),
    ("/api/v1/serviceaccounts", "ServiceAccountList"),
    ("/api/v1/replicationcontrollers", "ReplicationControllerList"),
    ("/api/v1/podtemplates", "PodTemplateList"),
    ("/api/v1/namespaces/default/services", "ServiceList"),
    ("/api/v1/namespaces/default/configmaps", "ConfigMapList"),
    ("/api/v1/namespaces/kube-system/configmaps", "ConfigMapList"),
    ("/apis/apps/v1/deployments", "DeploymentList"),
    ("/apis/apps/v1/daemonsets", "DaemonSetList"),
    ("/apis/apps/v1/statefulsets", "StatefulSetList"),
    ("/apis/apps/v1/replicasets", "ReplicaSetList"),
    ("/apis/batch/v1/jobs", "JobList"),
    ("/apis/batch/v1/cronjobs", "CronJobList"),
    ("/apis/networking.k8s.io/v1/networkpolicies", "NetworkPolicyList"),
    ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", "IngressList"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterroles", "ClusterRoleList"),
    ("/apis/rbac.authorization.k8s.io/v1/roles", "RoleList"),
    ("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "ClusterRoleBindingList"),
    ("/apis/rbac.authorization.k8s.io/v1/rolebindings", "RoleBindingList"),
    ("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", "ValidatingWebhookConfigurationList"),
    ("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "MutatingWebhookConfigurationList"),
    ("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", "ValidatingAdmissionPolicyList"),
    ("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBindingList"),
    ("/apis/storage.k8s.io/v1/storageclasses", "StorageClassList"),
];

const REVIEWS: [&str; 3] = [
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
];

/// What goes wrong with an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Another status, with these headers.
    Status(u16, &'static [(&'static str, &'static str)]),
    /// 200 with another content type and body.
    Body(&'static str, String),
    /// The connection is reset in the middle of the answer.
    Reset,
    /// Half of the answer, as if it were the whole.
    Half,
    /// Nothing is answered at all.
    Stall,
    /// One byte after the other, slowly.
    Trickle,
    /// The pages expire, and meanwhile the cluster became another: these are the path's objects from now on.
    Expire(Vec<Value>),
    /// The next page is always the first one again, under another token.
    Endless,
    /// The next page has the token of this one.
    SameToken,
    /// Pages without objects, without end.
    Empty,
    /// A body that never ends.
    Flood,
}

/// When a fault happens.
#[derive(Debug, Clone)]
pub struct Rule {
    path: String,
    /// Only on this page of the list, from 0.
    page: Option<usize>,
    /// How often it happens.
    times: usize,
    /// Only where this stands in what the request accepts.
    accepting: &'static str,
    fault: Fault,
}

/// A fault at a path, each time.
pub fn at(path: &str, fault: Fault) -> Rule {
    Rule { path: path.to_owned(), page: None, times: usize::MAX, accepting: "", fault }
}

impl Rule {
    pub fn on_page(self, page: usize) -> Self {
        Self { page: Some(page), ..self }
    }

    pub fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub fn accepting(self, accepting: &'static str) -> Self {
        Self { accepting, ..self }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    /// Null without one.
    pub body: Value,
}

#[derive(Default)]
struct State {
    lists: BTreeMap<String, (String, Vec<Value>)>,
    /// Answers by path; text goes as text.
    answers: BTreeMap<String, Value>,
    rules: Vec<Rule>,
    asked: Vec<Asked>,
    forbidden: Vec<String>,
    /// The credential that is needed, as the header says it.
    authorization: Option<String>,
    most_in_flight: usize,
    in_flight: usize,
}

/// A running server.
pub struct ApiServer {
    pub address: std::net::SocketAddr,
    scheme: &'static str,
    /// PEM of the authority whose certificate it shows.
    authority: Option<String>,
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    /// Serves these objects; each goes to the list of its kind.
    pub fn start(objects: Vec<Value>) -> Self {
        Self::start_at("127.0.0.1", None, objects)
    }

    /// Serves them at an address of loopback, with a certificate.
    pub fn start_at(ip: &str, identity: Option<&Identity>, objects: Vec<Value>) -> Self {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::default();
        for (path, kind) in BUILT_IN {
            state.lists.insert(path.to_owned(), (kind.to_owned(), Vec::new()));
        }
        for object in objects {
            let (path, kind) = path_of(&object);
            state.lists.entry(path).or_insert_with(|| (kind, Vec::new())).1.push(object);
        }
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let tls = identity.map(Identity::server);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (state, tls) = (shared.clone(), tls.clone());
                let Ok(stream) = stream else { continue };
                thread::spawn(move || serve(Peer::new(stream, tls), &state));
            }
        });
        let scheme = if identity.is_some() { "https" } else { "http" };
        Self { address, scheme, authority: identity.map(|identity| identity.authority.clone()), state }
    }

    /// Breaks something.
    pub fn breaks(self, rule: Rule) -> Self {
        self.state().rules.push(rule);
        self
    }

    /// Answers a path with this, whatever is asked for there.
    pub fn answers(self, path: &str, answer: Value) -> Self {
        self.state().answers.insert(path.to_owned(), answer);
        self
    }

    /// Needs this `Authorization` header; anything else is 401.
    pub fn needs(self, authorization: &str) -> Self {
        self.state().authorization = Some(authorization.to_owned());
        self
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// How many requests a path got.
    pub fn count(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.path == path).count()
    }

    /// Requests that waited for their answer at the same time, at most.
    pub fn most_in_flight(&self) -> usize {
        self.state().most_in_flight
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let forbidden = self.state.lock().map(|state| state.forbidden.clone()).unwrap_or_default();
        if !thread::panicking() {
            assert!(forbidden.is_empty(), "requests that could change a cluster: {forbidden:?}");
        }
    }
}

/// A kubeconfig of the server, with this user.
pub fn kubeconfig(scratch: &Path, server: &ApiServer, user: &Value) -> PathBuf {
    let mut cluster = json!({"server": server.url()});
    if let Some(authority) = &server.authority {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(authority));
    }
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}]});
    let path = scratch.join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    path
}

/// Path and list kind of an object.
fn path_of(object: &Value) -> (String, String) {
    let kind = object["kind"].as_str().unwrap();
    let version = object["apiVersion"].as_str().unwrap();
    let base = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let lower = kind.to_lowercase();
    let plural = match lower.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if lower.ends_with('s') => format!("{lower}es"),
        None => format!("{lower}s"),
    };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let within = match kind {
        "ConfigMap" | "Service" | "Ingress" | "EndpointSlice" => format!("/namespaces/{namespace}"),
        _ => String::new(),
    };
    (format!("{base}{within}/{plural}"), format!("{kind}List"))
}

trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// The other side of a connection.
struct Peer {
    wire: BufReader<Box<dyn Wire>>,
    raw: TcpStream,
}

impl Peer {
    fn new(stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let raw = stream.try_clone().unwrap();
        let wire: Box<dyn Wire> = match tls {
            Some(tls) => Box::new(rustls::StreamOwned::new(rustls::ServerConnection::new(tls).unwrap(), stream)),
            None => Box::new(stream),
        };
        Self { wire: BufReader::new(wire), raw }
    }

    fn write(&mut self, bytes: &[u8]) -> Option<()> {
        let wire = self.wire.get_mut();
        wire.write_all(bytes).and_then(|()| wire.flush()).ok()
    }
}

fn serve(mut peer: Peer, state: &Mutex<State>) {
    while let Some(asked) = read(&mut peer.wire) {
        {
            let mut state = state.lock().unwrap();
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
        }
        if answer(&mut peer, &asked, state).is_none() {
            return;
        }
    }
}

pub(super) fn read(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, uri) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let query = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = query.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Asked { method, path: path.to_owned(), query, headers, body })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex: Option<String> = (byte == b'%').then(|| rest.by_ref().take(2).map(char::from).collect());
        bytes.push(hex.map_or(byte, |hex| u8::from_str_radix(&hex, 16).unwrap()));
    }
    String::from_utf8(bytes).unwrap()
}

/// Answers; `None` where the connection is over.
fn answer(peer: &mut Peer, asked: &Asked, shared: &Mutex<State>) -> Option<()> {
    let mut state = shared.lock().unwrap();
    // before a byte is sent: of a refusal the other side reads no more than the head before it asks again
    state.in_flight -= 1;
    state.asked.push(asked.clone());
    let is_review = asked.method == "POST" && REVIEWS.contains(&asked.path.as_str());
    if asked.method != "GET" && !is_review {
        state.forbidden.push(format!("{} {}", asked.method, asked.path));
        drop(state);
        return send(peer.wire.get_mut(), 405, &[], "application/json", "{}");
    }
    if state.authorization.as_ref().is_some_and(|needed| asked.headers.get("authorization") != Some(needed)) {
        drop(state);
        return send(peer.wire.get_mut(), 401, &[], "application/json", &status(401));
    }
    let page = asked.query.get("continue").map_or(0, |token| token_page(token));
    let hit = state
        .rules
        .iter_mut()
        .filter(|rule| {
            rule.path == asked.path && asked.headers.get("accept").is_none_or(|all| all.contains(rule.accepting))
        })
        .find(|rule| rule.times > 0 && rule.page.is_none_or(|wanted| wanted == page));
    let fault = hit.map(|rule| {
        rule.times -= 1;
        rule.fault.clone()
    });
    if let Some(Fault::Expire(objects)) = &fault {
        state.lists.get_mut(&asked.path).unwrap().1.clone_from(objects);
    }
    let body = body_of(&state, asked, fault.as_ref());
    drop(state);
    match fault {
        Some(Fault::Status(code, headers)) => {
            return send(peer.wire.get_mut(), code, headers, "application/json", &status(code));
        }
        Some(Fault::Expire(_)) => return send(peer.wire.get_mut(), 410, &[], "application/json", &status(410)),
        Some(Fault::Body(kind, body)) => return send(peer.wire.get_mut(), 200, &[], kind, &body),
        Some(fault @ (Fault::Reset | Fault::Half | Fault::Stall | Fault::Trickle | Fault::Flood)) => {
            return break_off(peer, &body.unwrap_or_else(|| "{}".to_owned()), &fault);
        }
        _ => {}
    }
    match body {
        Some(body) => send(peer.wire.get_mut(), 200, &[], "application/json", &body),
        None => send(peer.wire.get_mut(), 404, &[], "application/json", &status(404)),
    }
}

pub(super) fn status(code: u16) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}).to_string()
}

/// The page that a token begins. A token holds what must be encoded in a URL.
fn token_page(token: &str) -> usize {
    token.split(['=', '&']).nth(1).unwrap().parse().unwrap()
}

fn body_of(state: &State, asked: &Asked, fault: Option<&Fault>) -> Option<String> {
    if asked.path == "/version" {
        return Some(json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}).to_string());
    }
    if asked.path == "/apis" {
        return Some(discovery(state, asked.headers.get("accept")).to_string());
    }
    if let Some(answer) = state.answers.get(&asked.path) {
        return Some(answer.as_str().map_or_else(|| answer.to_string(), str::to_owned));
    }
    let (kind, objects) = state.lists.get(&asked.path)?;
    let limit: usize = asked.query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let page = asked.query.get("continue").map_or(0, |token| token_page(token));
    let first = match fault {
        Some(Fault::Endless) => 0,
        _ => page.saturating_mul(limit).min(objects.len()),
    };
    let last = first.saturating_add(limit).min(objects.len());
    let mut items = objects[first..last].to_vec();
    let mut token = if last < objects.len() { format!("page={}&ü+/", page + 1) } else { String::new() };
    match fault {
        Some(Fault::Endless) => token = format!("page={}&", page + 1),
        Some(Fault::SameToken) => token = "page=1&".to_owned(),
        Some(Fault::Empty) => {
            items.clear();
            token = format!("page={}&", page + 1);
        }
        _ => {}
    }
    let mut kind = kind.clone();
    if asked.headers.get("accept").is_some_and(|accept| accept.contains("as=PartialObjectMetadataList")) {
        "PartialObjectMetadataList".clone_into(&mut kind);
        for item in &mut items {
            *item = json!({"metadata": item["metadata"]});
        }
    }
    // objects of a list do not name their kind
    for item in &mut items {
        item.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
    }
    let metadata = json!({"resourceVersion": "7", "continue": token, "remainingItemCount": objects.len() - last});
    Some(json!({"kind": kind, "apiVersion": "v1", "metadata": metadata, "items": items}).to_string())
}

fn discovery(state: &State, accept: Option<&String>) -> Value {
    let mut groups: BTreeMap<&str, BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
    for path in state.lists.keys() {
        if let Some(rest) = path.strip_prefix("/apis/") {
            let words: Vec<&str> = rest.split('/').collect();
            groups.entry(words[0]).or_default().entry(words[1]).or_default().insert(words[words.len() - 1]);
        }
    }
    let aggregated = accept.is_some_and(|accept| accept.contains("as=APIGroupDiscoveryList"));
    let of_group = |(name, versions): (&&str, &BTreeMap<&str, BTreeSet<&str>>)| {
        let versions = versions.iter().map(|(version, plurals)| {
            let resources: Vec<Value> = plurals.iter().map(|plural| json!({"resource": plural})).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        });
        let versions: Vec<Value> = versions.collect();
        if aggregated {
            json!({"metadata": {"name": name}, "versions": versions})
        } else {
            json!({"name": name, "versions": versions})
        }
    };
    let groups: Vec<Value> = groups.iter().map(of_group).collect();
    if aggregated {
        json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups})
    } else {
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }
}

pub(super) fn send(mut stream: impl Write, code: u16, headers: &[(&str, &str)], kind: &str, body: &str) -> Option<()> {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head =
        format!("HTTP/1.1 {code} Answer\r\nContent-Type: {kind}\r\n{more}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    stream.flush().ok()
}

/// An answer that does not come to its end.
fn break_off(peer: &mut Peer, body: &str, fault: &Fault) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let half = &body.as_bytes()[..body.len() / 2];
    match fault {
        Fault::Stall => {}
        Fault::Half => {
            // a proxy that cuts an answer and closes its end properly
            let head = format!("{head}Content-Length: {}\r\n\r\n", half.len());
            peer.write(head.as_bytes())?;
            peer.write(half)?;
            return Some(());
        }
        Fault::Trickle => {
            peer.write(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
            for byte in body.as_bytes() {
                peer.write(&[*byte])?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        Fault::Flood => {
            peer.write(format!("{head}\r\n{{\"kind\":\"PodList\",\"items\":[{{\"x\":\"").as_bytes())?;
            let chunk = vec![b'a'; 1 << 20];
            while peer.write(&chunk).is_some() {}
        }
        _ => {
            peer.write(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes())?;
            peer.write(half)?;
            // without lingering a close is a reset
            socket2::SockRef::from(&peer.raw).set_linger(Some(Duration::ZERO)).unwrap();
            return None;
        }
    }
    // until the other side gives up
    let mut end = [0; 1];
    let _ = peer.wire.read(&mut end);
    None
}
