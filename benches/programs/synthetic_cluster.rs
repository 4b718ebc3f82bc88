//! A cluster of any size behind a real HTTP port, the same at each run: for `benches/cluster`.
//!
//! `synthetic_cluster NODES PODS ROLES NAMESPACES ACCOUNTS [EVIDENCE EVIDENCE]` prints its address and answers until it is ended; with evidence
//! files of a node of the control plane and of a worker every node has a collector whose log can be read. Objects are written
//! when they are asked for, so that its memory does not grow with the cluster. Pods are what such clusters run: Deployments of 2 to
//! 500 replicas with the current and one earlier ReplicaSet, three DaemonSets, containers with probes, variables, limits and security
//! settings, a projected token, managed fields and a status; 4 to 6 KiB each.
//! `GET /requests` says how many requests, bytes, logs and refusals there were. FAIRNESS=N refuses what comes beyond N requests in a second,
//! with 429 and Retry-After, as an API server does that is asked for too much.

mod collectors;
mod objects;

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use collectors::Fleet;

/// Replicas of Deployments, in turn: one of a hundred is large, most are small; ten on average.
fn replicas(deployment: usize) -> usize {
    match deployment % 100 {
        50 => 500,
        number if number % 10 == 3 => 30,
        number if number % 3 == 0 => 5,
        _ => 2,
    }
}

struct Cluster {
    nodes: usize,
    pods: usize,
    roles: usize,
    namespaces: usize,
    accounts: usize,
    /// The first pod of each Deployment, and at last their number; pods of DaemonSets come before them.
    starts: Vec<usize>,
    fleet: Option<Fleet>,
    requests: AtomicU64,
    bytes: AtomicU64,
    logs: AtomicU64,
    refused: AtomicU64,
    /// Requests in a second that are answered, and those since it began.
    fairness: Option<u32>,
    window: Mutex<(Instant, u32)>,
}

/// Writes the object of a number.
type Write = fn(&Cluster, usize, &mut String);

const DAEMONS: [&str; 3] = ["kube-proxy", "cilium", "node-exporter"];

impl Cluster {
    fn new(numbers: [usize; 5], fleet: Option<Fleet>) -> Self {
        let [nodes, pods, roles, namespaces, accounts] = numbers;
        let mut starts = Vec::new();
        let mut at = (DAEMONS.len() * nodes).min(pods);
        while at < pods {
            starts.push(at);
            at += replicas(starts.len() - 1);
        }
        Self {
            nodes,
            pods,
            roles,
            namespaces: namespaces.max(4),
            accounts,
            starts,
            fleet,
            requests: AtomicU64::default(),
            bytes: AtomicU64::default(),
            logs: AtomicU64::default(),
            refused: AtomicU64::default(),
            fairness: std::env::var("FAIRNESS").ok().and_then(|number| number.parse().ok()),
            window: Mutex::new((Instant::now(), 0)),
        }
    }

    /// True for a request beyond those of this second.
    fn is_too_much(&self) -> bool {
        let Some(most) = self.fairness else { return false };
        let mut window = self.window.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if window.0.elapsed().as_secs() > 0 {
            *window = (Instant::now(), 0);
        }
        window.1 += 1;
        window.1 > most
    }

    /// What only a cluster with collectors serves.
    fn of_collectors(&self, path: &str) -> Option<String> {
        let fleet = self.fleet.as_ref()?;
        let within = path.strip_prefix("/apis/apps/v1/namespaces/kube-assay/daemonsets/");
        if within == Some("kube-assay-collector") {
            return Some(Fleet::daemonset());
        }
        let name =
            path.strip_prefix("/api/v1/namespaces/kube-assay/pods/kube-assay-collector-")?.strip_suffix("/log")?;
        self.logs.fetch_add(1, Ordering::Relaxed);
        fleet.log(name.parse().ok()?).ok()
    }

    fn collector_pod(&self, number: usize, out: &mut String) {
        out.push_str(&self.fleet.as_ref().map(|fleet| fleet.pod(number)).unwrap_or_default());
    }

    fn lease(&self, number: usize, out: &mut String) {
        out.push_str(&Fleet::lease(number));
    }

    /// The list at a path: its kind, the number of objects, and what writes one; `None` where nothing is served.
    fn list(&self, path: &str) -> Option<(&'static str, usize, Write)> {
        let deployments = self.starts.len();
        let cluster_roles = self.roles / 5;
        Some(match path {
            "/api/v1/pods" => ("PodList", self.pods, Self::pod),
            "/api/v1/nodes" => ("NodeList", self.nodes, Self::node),
            "/api/v1/namespaces" => ("NamespaceList", self.namespaces, Self::namespace_object),
            "/api/v1/serviceaccounts" => ("ServiceAccountList", self.accounts, Self::account),
            "/apis/apps/v1/deployments" => ("DeploymentList", deployments, Self::deployment),
            "/apis/apps/v1/replicasets" => ("ReplicaSetList", 2 * deployments, Self::replica_set),
            "/apis/apps/v1/daemonsets" => ("DaemonSetList", DAEMONS.len(), Self::daemon_set),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles" => ("ClusterRoleList", cluster_roles, Self::cluster_role),
            "/apis/rbac.authorization.k8s.io/v1/roles" => ("RoleList", self.roles - cluster_roles, Self::role),
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings" => {
                ("ClusterRoleBindingList", cluster_roles, Self::cluster_role_binding)
            }
            "/apis/rbac.authorization.k8s.io/v1/rolebindings" => {
                ("RoleBindingList", self.roles - cluster_roles, Self::role_binding)
            }
            "/apis/networking.k8s.io/v1/networkpolicies" => ("NetworkPolicyList", self.namespaces / 2, Self::policy),
            "/apis/apps/v1/statefulsets" => ("StatefulSetList", 0, Self::node),
            "/apis/batch/v1/jobs" => ("JobList", 0, Self::node),
            "/apis/batch/v1/cronjobs" => ("CronJobList", 0, Self::node),
            "/api/v1/replicationcontrollers" | "/api/v1/podtemplates" => ("ReplicationControllerList", 0, Self::node),
            "/api/v1/namespaces/kube-assay/pods" if self.fleet.is_some() => {
                ("PodList", self.nodes, Self::collector_pod)
            }
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases" if self.fleet.is_some() => {
                ("LeaseList", self.nodes, Self::lease)
            }
            _ if path.starts_with("/apis/admissionregistration.k8s.io/v1/") => ("List", 0, Self::node),
            _ if path.starts_with("/api/v1/namespaces/") || path.ends_with("/ingresses") => ("List", 0, Self::node),
            _ => return None,
        })
    }

    fn page(&self, path: &str, query: &str) -> Option<String> {
        match path {
            "/version" => return Some(r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#.to_owned()),
            "/apis" => return Some(r#"{"kind":"APIGroupDiscoveryList","metadata":{},"items":[]}"#.to_owned()),
            "/requests" => {
                let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                let counters = [&self.requests, &self.bytes, &self.logs, &self.refused];
                return Some(counters.map(|counter| read(counter).to_string()).join(" "));
            }
            _ => {}
        }
        if let Some(answer) = self.of_collectors(path) {
            return Some(answer);
        }
        let (kind, count, one) = self.list(path)?;
        let number = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.and_then(|value| value.parse::<usize>().ok())
        };
        let first = number("continue=").unwrap_or(0);
        let last = first.saturating_add(number("limit=").unwrap_or(count)).min(count);
        let next = if last < count { last.to_string() } else { String::new() };
        let mut out = String::with_capacity((last - first) * 6 * 1024 + 256);
        let _ = write!(
            out,
            r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":"1","continue":"{next}","remainingItemCount":{}}},"items":["#,
            count - last
        );
        for number in first..last {
            if number > first {
                out.push(',');
            }
            one(self, number, &mut out);
        }
        out.push_str("]}");
        Some(out)
    }
}

fn uid(kind: usize, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

fn serve(stream: &TcpStream, cluster: &Cluster) -> io::Result<()> {
    // as Go's servers: head and body are two writes, and the second must not wait for the client's acknowledgement
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer: &TcpStream = stream;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let uri = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
        let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
        let counted = path != "/requests";
        let refused = counted && cluster.is_too_much();
        let body = if refused { None } else { cluster.page(path, query) };
        let status = match (&body, refused) {
            (_, true) => "429 Too Many Requests\r\nRetry-After: 1",
            (Some(_), false) => "200 OK",
            (None, false) => "404 Not Found",
        };
        let body = body.unwrap_or_else(|| r#"{"kind":"Status"}"#.to_owned());
        if counted {
            cluster.requests.fetch_add(1, Ordering::Relaxed);
            cluster.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
            cluster.refused.fetch_add(u64::from(refused), Ordering::Relaxed);
        }
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all(head.as_bytes())?;
        writer.write_all(body.as_bytes())?;
    }
}

fn main() -> io::Result<()> {
    let usage =
        || io::Error::other("usage: synthetic_cluster NODES PODS ROLES NAMESPACES ACCOUNTS [EVIDENCE EVIDENCE]");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (numbers, files) = words.split_at(words.len().min(5));
    let numbers: Vec<usize> = numbers.iter().map(|word| word.parse().map_err(|_| usage())).collect::<Result<_, _>>()?;
    let fleet = match files {
        [] => None,
        [control_plane, worker] => Some(Fleet::read(Path::new(control_plane), Path::new(worker))?),
        _ => return Err(usage()),
    };
    let cluster = Arc::new(Cluster::new(numbers.try_into().map_err(|_| usage())?, fleet));
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = io::stdout();
    let objects: usize = ["pods", "nodes", "namespaces", "serviceaccounts"]
        .iter()
        .map(|plural| format!("/api/v1/{plural}"))
        .chain(["deployments", "replicasets", "daemonsets"].iter().map(|plural| format!("/apis/apps/v1/{plural}")))
        .chain(
            ["clusterroles", "roles", "clusterrolebindings", "rolebindings"]
                .iter()
                .map(|plural| format!("/apis/rbac.authorization.k8s.io/v1/{plural}")),
        )
        .filter_map(|path| cluster.list(&path))
        .map(|(_, count, _)| count)
        .sum();
    writeln!(out, "{} {objects}", listener.local_addr()?)?;
    out.flush()?;
    for stream in listener.incoming() {
        let (stream, cluster) = (stream?, cluster.clone());
        std::thread::spawn(move || serve(&stream, &cluster));
    }
    Ok(())
}
