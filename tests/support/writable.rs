//! An API server that lets itself be written to, for the one command that does: objects by path, created, changed and deleted with
//! preconditions, and what Kubernetes' controllers would make of a DaemonSet and a Job.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

use super::api_server::{Asked, read, send, status};

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Refused with 403.
    Refused,
    /// Done, and answered with 500.
    AnswerLost,
    /// Done after a while: until the test lets it go on.
    Held,
}

/// How the audit goes.
#[derive(Debug, Clone)]
pub struct Story {
    /// What the auditor's log holds.
    pub log: String,
    /// The auditor's exit code; it never ends without one.
    pub ends: Option<i32>,
    /// A mishap, at the write of this number from 0.
    pub mishap: Option<(usize, Mishap)>,
    /// An object that somebody else makes as soon as the namespace is there.
    pub meanwhile: Option<(String, Value)>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    story: Option<Story>,
    let_go: bool,
    uids: usize,
}

/// A running server.
pub struct Writable {
    address: std::net::SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Writable {
    /// Serves these objects, by path.
    pub fn start(objects: &[(&str, Value)], story: Story) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = State { story: Some(story), ..State::default() };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        for (path, object) in objects {
            let mut object = object.clone();
            object["metadata"]["uid"] = json!(format!("before-{path}"));
            shared.0.lock().unwrap().objects.insert((*path).to_owned(), object);
        }
        let of_thread = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = of_thread.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    while let Some(asked) = read(&mut reader) {
                        if answer(&stream, &asked, &shared).is_none() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Path and UID of all there is.
    pub fn objects(&self) -> BTreeMap<String, String> {
        let uid = |object: &Value| object["metadata"]["uid"].as_str().unwrap().to_owned();
        self.state().objects.iter().map(|(path, object)| (path.clone(), uid(object))).collect()
    }

    /// Method and path of the writes so far.
    pub fn writes(&self) -> Vec<String> {
        self.state().writes.clone()
    }

    /// Waits until so many writes came.
    pub fn until_writes(&self, count: usize) {
        let state = self.state();
        drop(self.shared.1.wait_while(state, |state| state.writes.len() < count).unwrap());
    }

    /// Lets a write that is held go on.
    pub fn let_go(&self) {
        self.state().let_go = true;
        self.shared.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }
}

fn answer(stream: &TcpStream, asked: &Asked, shared: &(Mutex<State>, Condvar)) -> Option<()> {
    let mut state = shared.0.lock().unwrap();
    let reply = |code: u16, value: &Value| send(stream, code, &[], "application/json", &value.to_string());
    if asked.method == "GET" {
        let found = found(&state, &asked.path);
        drop(state);
        return match found {
            Some(Value::String(log)) => send(stream, 200, &[], "text/plain", &log),
            Some(value) => reply(200, &value),
            None => send(stream, 404, &[], "application/json", &status(404)),
        };
    }
    let number = state.writes.len();
    state.writes.push(format!("{} {}", asked.method, asked.path));
    shared.1.notify_all();
    let mishap = state.story.as_ref().unwrap().mishap.filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
    if mishap == Some(Mishap::Refused) {
        let said = json!({"kind": "Status", "code": 403, "message": "you may not do this"});
        drop(state);
        return reply(403, &said);
    }
    if mishap == Some(Mishap::Held) {
        state = shared.1.wait_while(state, |state| !state.let_go).unwrap();
    }
    let (code, value) = changed(&mut state, asked);
    drop(state);
    if mishap == Some(Mishap::AnswerLost) {
        return send(stream, 500, &[], "application/json", &status(500));
    }
    reply(code, &value)
}

fn list(items: Vec<Value>) -> Value {
    json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": items})
}

fn found(state: &State, path: &str) -> Option<Value> {
    if path == "/api/v1/nodes" {
        return Some(list(["cp1", "w1"].map(node).to_vec()));
    }
    if let Some(namespace) = path.strip_prefix("/api/v1/namespaces/").and_then(|rest| rest.strip_suffix("/pods")) {
        return Some(list(pods(state, namespace)));
    }
    if path.ends_with("/pods/kube-assay-x/log") {
        return Some(Value::String(state.story.as_ref().unwrap().log.clone()));
    }
    state.objects.get(path).cloned()
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name}, "status": {"nodeInfo": {"operatingSystem": "linux"},
        "conditions": [{"type": "Ready", "status": "True"}]}})
}

/// What the controllers made.
fn pods(state: &State, namespace: &str) -> Vec<Value> {
    let mut pods = Vec::new();
    if state.objects.contains_key(&format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/collector")) {
        pods.extend(["cp1", "w1"].map(|node| {
            json!({"metadata": {"name": format!("collector-{node}")}, "spec": {"nodeName": node}, "status": {"phase": "Running",
                "containerStatuses": [{"name": "collector", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
        }));
    }
    if state.objects.contains_key(&format!("/apis/batch/v1/namespaces/{namespace}/jobs/kube-assay")) {
        let ended = state.story.as_ref().unwrap().ends;
        let now = match ended {
            Some(code) => json!({"terminated": {"exitCode": code}}),
            None => json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        };
        pods.push(json!({"metadata": {"name": "kube-assay-x", "labels": {"app.kubernetes.io/component": "auditor"}},
            "spec": {"nodeName": "w1"}, "status": {"phase": "Running", "containerStatuses": [{"name": "auditor", "state": now}]}}));
    }
    pods
}

fn changed(state: &mut State, asked: &Asked) -> (u16, Value) {
    state.uids += 1;
    let uid = format!("uid-{}", state.uids);
    let failure = |code: u16| (code, json!({"kind": "Status", "code": code}));
    match asked.method.as_str() {
        "POST" => {
            let mut object = asked.body.clone();
            let path = format!("{}/{}", asked.path, object["metadata"]["name"].as_str().unwrap());
            if state.objects.contains_key(&path) {
                return failure(409);
            }
            object["metadata"]["uid"] = json!(uid);
            state.objects.insert(path.clone(), object.clone());
            if object["kind"] == "Namespace" {
                let account = json!({"kind": "ServiceAccount", "metadata": {"name": "default", "uid": "own"}});
                state.objects.insert(format!("{path}/serviceaccounts/default"), account);
                if let Some((path, mut other)) = state.story.as_ref().unwrap().meanwhile.clone() {
                    other["metadata"]["uid"] = json!("meanwhile");
                    state.objects.insert(path, other);
                }
            }
            (201, object)
        }
        "PATCH" => match state.objects.get_mut(&asked.path) {
            Some(object) => {
                object["automountServiceAccountToken"] = asked.body["automountServiceAccountToken"].clone();
                (200, object.clone())
            }
            None => failure(404),
        },
        "DELETE" => match state.objects.get(&asked.path) {
            None => failure(404),
            Some(object) if object["metadata"]["uid"] != asked.body["preconditions"]["uid"] => failure(409),
            Some(object) => {
                let object = object.clone();
                state.objects.remove(&asked.path);
                // with a namespace goes what is in it
                let name = asked.path.strip_prefix("/api/v1/namespaces/").filter(|name| !name.contains('/'));
                if let Some(name) = name {
                    state.objects.retain(|path, _| !path.contains(&format!("/namespaces/{name}/")));
                }
                (200, object)
            }
        },
        _ => failure(405),
    }
}
