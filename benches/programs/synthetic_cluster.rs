//! A cluster of any size behind a real HTTP port, the same at each run: for `benches/cluster`.
//!
//! `synthetic_cluster NODES PODS ROLES NAMESPACES ACCOUNTS` prints its address and answers until it is ended. Objects are written
//! when they are asked for, so that its memory does not grow with the cluster. Pods are what such clusters run: Deployments of 2 to
//! 500 replicas with the current and one earlier ReplicaSet, three DaemonSets, containers with probes, variables, limits and security
//! settings, a projected token, managed fields and a status; 4 to 6 KiB each.
//! `GET /requests` says how many requests and bytes there were.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// Writes the object of a number.
type Write = fn(&Cluster, usize, &mut String);

const DAEMONS: [&str; 3] = ["kube-proxy", "cilium", "node-exporter"];

impl Cluster {
    fn new(numbers: [usize; 5]) -> Self {
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
            requests: AtomicU64::default(),
            bytes: AtomicU64::default(),
        }
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
            _ if path.starts_with("/apis/admissionregistration.k8s.io/v1/") => ("List", 0, Self::node),
            _ if path.starts_with("/api/v1/namespaces/") || path.ends_with("/ingresses") => ("List", 0, Self::node),
            _ => return None,
        })
    }

    fn namespace(&self, number: usize) -> String {
        match number % self.namespaces {
            0 => "kube-system".to_owned(),
            1 => "default".to_owned(),
            number => format!("team-{number:04}"),
        }
    }

    /// Where a Deployment is: never in the system's namespace.
    fn home(&self, deployment: usize) -> String {
        self.namespace(2 + deployment % (self.namespaces - 2))
    }

    fn namespace_object(&self, number: usize, out: &mut String) {
        let name = self.namespace(number);
        let level = match number % 4 {
            0 => "",
            1 => r#","pod-security.kubernetes.io/enforce":"baseline""#,
            _ => {
                r#","pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/enforce-version":"latest""#
            }
        };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{name}","uid":"{}","resourceVersion":"{number}","creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"kubernetes.io/metadata.name":"{name}"{level}}},{MANAGED}}},"spec":{{"finalizers":["kubernetes"]}},"status":{{"phase":"Active"}}}}"#,
            uid(1, number)
        );
    }

    fn node(&self, number: usize, out: &mut String) {
        let role = if number < 3 { r#","node-role.kubernetes.io/control-plane":"""# } else { "" };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"node-{number:05}","uid":"{}","labels":{{"kubernetes.io/hostname":"node-{number:05}","kubernetes.io/os":"linux","topology.kubernetes.io/zone":"zone-{}"{role}}},"annotations":{{"node.alpha.kubernetes.io/ttl":"0","volumes.kubernetes.io/controller-managed-attach-detach":"true"}},{MANAGED}}},"spec":{{"podCIDR":"10.{}.{}.0/24"}},"status":{{"capacity":{{"cpu":"16","memory":"64Gi","pods":"110"}},"conditions":[{{"type":"Ready","status":"True","reason":"KubeletReady"}}],"nodeInfo":{{"machineID":"{:032x}","kernelVersion":"6.12.0","osImage":"Debian GNU/Linux 13","containerRuntimeVersion":"containerd://2.1.4","kubeletVersion":"v1.36.3","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"}},"images":[{}]}}}}"#,
            uid(2, number),
            number % 3,
            number / 250,
            number % 250,
            number + 1,
            (0..50)
                .map(|image| format!(r#"{{"names":["registry.example/image-{image}@sha256:{image:064x}","registry.example/image-{image}:1.2.{image}"],"sizeBytes":{}}}"#, image * 1_000_003))
                .collect::<Vec<_>>()
                .join(","),
        );
    }

    fn account(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let name = match number / self.namespaces {
            0 => "default".to_owned(),
            number => format!("app-{number:03}"),
        };
        let automount = if number.is_multiple_of(3) { r#","automountServiceAccountToken":false"# } else { "" };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","uid":"{}","resourceVersion":"{number}","creationTimestamp":"2026-01-01T00:00:00Z"}}{automount}}}"#,
            uid(3, number)
        );
    }

    fn deployment(&self, number: usize, out: &mut String) {
        let (namespace, replicas) = (self.home(number), replicas(number));
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"app-{number:05}","namespace":"{namespace}","uid":"{}","generation":3,"labels":{{"app.kubernetes.io/name":"app-{number:05}","app.kubernetes.io/managed-by":"Helm"}},"annotations":{{"deployment.kubernetes.io/revision":"2","meta.helm.sh/release-name":"app-{number:05}"}},{MANAGED}}},"spec":{{"replicas":{replicas},"selector":{{"matchLabels":{{"app":"app-{number:05}"}}}},"strategy":{{"type":"RollingUpdate"}},"template":"#,
            uid(4, number)
        );
        self.template(number, "", out);
        let _ = write!(
            out,
            r#"}},"status":{{"replicas":{replicas},"readyReplicas":{replicas},"conditions":[{{"type":"Available","status":"True"}}]}}}}"#
        );
    }

    fn replica_set(&self, number: usize, out: &mut String) {
        let (deployment, old) = (number / 2, number % 2 == 1);
        let (namespace, hash) = (self.home(deployment), hash(deployment, old));
        let replicas = if old { 0 } else { replicas(deployment) };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"app-{deployment:05}-{hash}","namespace":"{namespace}","uid":"{}","labels":{{"app":"app-{deployment:05}","pod-template-hash":"{hash}"}},"annotations":{{"deployment.kubernetes.io/desired-replicas":"{replicas}"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{deployment:05}","uid":"{}","controller":true,"blockOwnerDeletion":true}}],{MANAGED}}},"spec":{{"replicas":{replicas},"selector":{{"matchLabels":{{"app":"app-{deployment:05}","pod-template-hash":"{hash}"}}}},"template":"#,
            uid(5, number),
            uid(4, deployment)
        );
        self.template(deployment, &hash, out);
        let _ = write!(out, r#"}},"status":{{"replicas":{replicas},"observedGeneration":1}}}}"#);
    }

    fn template(&self, deployment: usize, hash: &str, out: &mut String) {
        let hash = if hash.is_empty() { String::new() } else { format!(r#","pod-template-hash":"{hash}""#) };
        let _ = write!(
            out,
            r#"{{"metadata":{{"labels":{{"app":"app-{deployment:05}","tier":"backend"{hash}}},"annotations":{{"prometheus.io/scrape":"true","checksum/config":"{deployment:064x}"}}}},"spec":{{"#
        );
        self.containers(deployment, "", out);
        let _ = write!(out, r#","serviceAccountName":"{}"{}}}}}"#, self.account_of(deployment), VOLUMES_END);
    }

    fn account_of(&self, deployment: usize) -> String {
        match self.accounts / self.namespaces {
            0 | 1 => "default".to_owned(),
            number => format!("app-{:03}", 1 + deployment % (number - 1)),
        }
    }

    /// Containers and volumes of a Deployment; some offend, each in its way.
    fn containers(&self, deployment: usize, mount: &str, out: &mut String) {
        let security = match deployment % 10 {
            0 => r#""securityContext":{"privileged":true},"#,
            1 => "",
            2 => r#""securityContext":{"capabilities":{"add":["NET_ADMIN"]}},"#,
            _ => {
                r#""securityContext":{"allowPrivilegeEscalation":false,"runAsNonRoot":true,"runAsUser":1000,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}},"#
            }
        };
        out.push_str(r#""containers":["#);
        for container in 0..1 + deployment % 3 {
            if container > 0 {
                out.push(',');
            }
            let _ = write!(
                out,
                r#"{{"name":"{}","image":"registry.example/team/app-{deployment:05}-{container}:1.{}.{}","args":["--config=/etc/app/config.yaml","--listen=:8080","--log-level=info"],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],"env":[{{"name":"POD_NAME","valueFrom":{{"fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.name"}}}}}},{{"name":"LOG_LEVEL","value":"info"}},{{"name":"DATABASE_URL","value":"postgres://db.team.svc.cluster.local:5432/app?sslmode=verify-full"}},{{"name":"PASSWORD","valueFrom":{{"secretKeyRef":{{"name":"app-{deployment:05}","key":"password"}}}}}}],"resources":{{"limits":{{"cpu":"500m","memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"volumeMounts":[{{"name":"config","mountPath":"/etc/app"}}{mount}],"livenessProbe":{{"httpGet":{{"path":"/healthz","port":"http","scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},"readinessProbe":{{"httpGet":{{"path":"/ready","port":"http","scheme":"HTTP"}},"timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}},{security}"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}"#,
                ["app", "proxy", "metrics"][container],
                deployment % 7,
                deployment % 11
            );
        }
        let host =
            if deployment % 50 == 7 { r#",{"name":"logs","hostPath":{"path":"/var/log","type":""}}"# } else { "" };
        let _ = write!(
            out,
            r#"],"volumes":[{{"name":"config","configMap":{{"name":"app-{deployment:05}","defaultMode":420}}}},{{"name":"scratch","emptyDir":{{}}}}{host}"#
        );
    }

    fn pod(&self, number: usize, out: &mut String) {
        let daemons = (DAEMONS.len() * self.nodes).min(self.pods);
        if number < daemons {
            return self.daemon_pod(number, out);
        }
        let deployment = self.starts.partition_point(|start| *start <= number) - 1;
        let (namespace, hash, suffix) = (self.home(deployment), hash(deployment, false), letters(number));
        let (node, account) = (number * 7 % self.nodes, self.account_of(deployment));
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"app-{deployment:05}-{hash}-{suffix}","generateName":"app-{deployment:05}-{hash}-","namespace":"{namespace}","uid":"{}","resourceVersion":"{number}","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{{"app":"app-{deployment:05}","tier":"backend","pod-template-hash":"{hash}"}},"annotations":{{"prometheus.io/scrape":"true","checksum/config":"{deployment:064x}"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{deployment:05}-{hash}","uid":"{}","controller":true,"blockOwnerDeletion":true}}],{MANAGED}}},"spec":{{"#,
            uid(6, number),
            uid(5, 2 * deployment)
        );
        let mount = format!(
            r#",{{"name":"kube-api-access-{suffix}","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}}"#
        );
        self.containers(deployment, &mount, out);
        let _ = write!(
            out,
            r#",{{"name":"kube-api-access-{suffix}","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}},{{"downwardAPI":{{"items":[{{"path":"namespace","fieldRef":{{"apiVersion":"v1","fieldPath":"metadata.namespace"}}}}]}}}}],"defaultMode":420}}}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","serviceAccountName":"{account}","serviceAccount":"{account}","nodeName":"node-{node:05}","securityContext":{{}},"schedulerName":"default-scheduler","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}},{{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}],"priority":0,"enableServiceLinks":true,"preemptionPolicy":"PreemptLowerPriority"}},"#,
        );
        status(number, node, out);
        out.push('}');
    }

    fn daemon_pod(&self, number: usize, out: &mut String) {
        let (daemon, node) = (DAEMONS[number % DAEMONS.len()], number / DAEMONS.len());
        let suffix = letters(number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{daemon}-{suffix}","namespace":"kube-system","uid":"{}","labels":{{"k8s-app":"{daemon}","controller-revision-hash":"6d4f5c"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"DaemonSet","name":"{daemon}","uid":"{}","controller":true,"blockOwnerDeletion":true}}],{MANAGED}}},"spec":{{"hostNetwork":true,"serviceAccountName":"{daemon}","nodeName":"node-{node:05}","containers":[{{"name":"{daemon}","image":"registry.example/{daemon}:1.0.0","securityContext":{{"privileged":true}}}}],"volumes":[{{"name":"run","hostPath":{{"path":"/run/{daemon}","type":""}}}},{{"name":"kube-api-access-{suffix}","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}}]}}}}]}},"#,
            uid(6, number),
            uid(7, number % DAEMONS.len())
        );
        status(number, node, out);
        out.push('}');
    }

    fn daemon_set(&self, number: usize, out: &mut String) {
        let daemon = DAEMONS[number];
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{daemon}","namespace":"kube-system","uid":"{}"}},"spec":{{"template":{{"metadata":{{"labels":{{"k8s-app":"{daemon}"}}}},"spec":{{"hostNetwork":true,"serviceAccountName":"{daemon}","containers":[{{"name":"{daemon}","image":"registry.example/{daemon}:1.0.0","securityContext":{{"privileged":true}}}}]}}}}}}}}"#,
            uid(7, number)
        );
    }

    fn role(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let rules = match number % 20 {
            0 => r#"{"verbs":["get","list"],"apiGroups":[""],"resources":["secrets"]}"#,
            1 => {
                r#"{"verbs":["create"],"apiGroups":[""],"resources":["pods"]},{"verbs":["create"],"apiGroups":[""],"resources":["pods/exec"]}"#
            }
            2 => r#"{"verbs":["*"],"apiGroups":["apps"],"resources":["*"]}"#,
            _ => {
                r#"{"verbs":["get","list","watch"],"apiGroups":[""],"resources":["pods","services","configmaps"]},{"verbs":["get","list","watch"],"apiGroups":["apps"],"resources":["deployments","replicasets"]}"#
            }
        };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"role-{number:05}","namespace":"{namespace}","uid":"{}",{MANAGED}}},"rules":[{rules}]}}"#,
            uid(8, number)
        );
    }

    fn cluster_role(&self, number: usize, out: &mut String) {
        let rules = match number % 50 {
            0 => r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}"#,
            1 => r#"{"verbs":["impersonate"],"apiGroups":[""],"resources":["users","groups"]}"#,
            _ => {
                r#"{"verbs":["get","list","watch"],"apiGroups":["custom.example"],"resources":["things","things/status"]}"#
            }
        };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"operator-{number:05}","uid":"{}",{MANAGED}}},"rules":[{rules}]}}"#,
            uid(9, number)
        );
    }

    fn role_binding(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"role-{number:05}","namespace":"{namespace}","uid":"{}",{MANAGED}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"role-{number:05}"}},"subjects":[{{"kind":"ServiceAccount","name":"app-{:03}","namespace":"{namespace}"}},{{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"team-{:04}"}}]}}"#,
            uid(10, number),
            1 + number / self.namespaces,
            number % self.namespaces
        );
    }

    fn cluster_role_binding(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"operator-{number:05}","uid":"{}",{MANAGED}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"operator-{number:05}"}},"subjects":[{{"kind":"ServiceAccount","name":"app-001","namespace":"{namespace}"}}]}}"#,
            uid(11, number)
        );
    }

    fn policy(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(2 * number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"default-deny","namespace":"{namespace}","uid":"{}"}},"spec":{{"podSelector":{{}},"policyTypes":["Ingress","Egress"],"ingress":[{{"from":[{{"podSelector":{{}}}}]}}]}}}}"#,
            uid(12, number)
        );
    }

    fn page(&self, path: &str, query: &str) -> Option<String> {
        match path {
            "/version" => return Some(r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#.to_owned()),
            "/apis" => return Some(r#"{"kind":"APIGroupDiscoveryList","metadata":{},"items":[]}"#.to_owned()),
            "/requests" => {
                let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
                return Some(format!("{} {}", read(&self.requests), read(&self.bytes)));
            }
            _ => {}
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

const VOLUMES_END: &str = r#"],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler""#;

/// What API servers keep of who changed which field.
const MANAGED: &str = r#""managedFields":[{"manager":"kube-controller-manager","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:generateName":{},"f:labels":{".":{},"f:app":{},"f:pod-template-hash":{},"f:tier":{}},"f:ownerReferences":{".":{},"k:{\"uid\":\"00000000-0000-4000-8000-000000000000\"}":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"LOG_LEVEL\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:imagePullPolicy":{},"f:livenessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}}},"f:name":{},"f:resources":{".":{},"f:limits":{".":{},"f:cpu":{},"f:memory":{}}},"f:securityContext":{},"f:terminationMessagePath":{}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{}}}}]"#;

fn status(number: usize, node: usize, out: &mut String) {
    let _ = write!(
        out,
        r#""status":{{"phase":"Running","observedGeneration":1,"conditions":[{{"type":"PodReadyToStartContainers","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}},{{"type":"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}},{{"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}},{{"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}}],"hostIP":"192.0.{}.{}","podIP":"10.{}.{}.{}","startTime":"2026-01-01T00:00:00Z","containerStatuses":[{{"name":"app","state":{{"running":{{"startedAt":"2026-01-01T00:00:00Z"}}}},"lastState":{{}},"ready":true,"restartCount":0,"image":"registry.example/app:1","imageID":"registry.example/app@sha256:{number:064x}","containerID":"containerd://{number:064x}","started":true}}],"qosClass":"Burstable"}}"#,
        node / 250,
        node % 250,
        node / 250,
        node % 250,
        number % 250
    );
}

fn uid(kind: usize, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

/// As the hash of a pod template looks.
fn hash(deployment: usize, old: bool) -> String {
    format!("{:09x}", (deployment * 2 + usize::from(old) + 1) * 15_485_863 % 0xf_ffff_ffff)
}

/// Five letters, another for each number.
fn letters(number: usize) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let letter = |place: u32| char::from(ALPHABET[number / ALPHABET.len().pow(place) % ALPHABET.len()]);
    (0..5).map(letter).collect()
}

fn serve(stream: &TcpStream, cluster: &Cluster) -> io::Result<()> {
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
        let body = cluster.page(path, query);
        let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
        let body = body.unwrap_or_else(|| r#"{"kind":"Status"}"#.to_owned());
        if path != "/requests" {
            cluster.requests.fetch_add(1, Ordering::Relaxed);
            cluster.bytes.fetch_add(body.len() as u64, Ordering::Relaxed);
        }
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all(head.as_bytes())?;
        writer.write_all(body.as_bytes())?;
    }
}

fn main() -> io::Result<()> {
    let usage = || io::Error::other("usage: synthetic_cluster NODES PODS ROLES NAMESPACES ACCOUNTS");
    let words = std::env::args().skip(1).map(|word| word.parse().map_err(|_| usage()));
    let numbers: Vec<usize> = words.collect::<Result<_, _>>()?;
    let cluster = Arc::new(Cluster::new(numbers.try_into().map_err(|_| usage())?));
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
