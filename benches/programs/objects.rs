//! The objects of the synthetic cluster, as an API server writes them.

use std::fmt::Write as _;

use crate::{Cluster, DAEMONS, collectors, replicas, uid};

impl Cluster {
    fn namespace(&self, number: usize) -> String {
        match number % self.namespaces {
            0 => "kube-system".to_owned(),
            1 => "default".to_owned(),
            number => format!("team-{number:04}"),
        }
    }

    /// Where a Deployment is: never in the system's namespace.
    pub fn home(&self, deployment: usize) -> String {
        self.namespace(2 + deployment % (self.namespaces - 2))
    }

    pub fn namespace_object(&self, number: usize, out: &mut String) {
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

    pub fn node(&self, number: usize, out: &mut String) {
        let name = collectors::node_name(number);
        let role = if number < 3 { r#","node-role.kubernetes.io/control-plane":"""# } else { "" };
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{name}","uid":"{}","labels":{{"kubernetes.io/hostname":"{name}","kubernetes.io/os":"linux","topology.kubernetes.io/zone":"zone-{}"{role}}},"annotations":{{"node.alpha.kubernetes.io/ttl":"0","volumes.kubernetes.io/controller-managed-attach-detach":"true"}},{MANAGED}}},"spec":{{"podCIDR":"10.{}.{}.0/24"}},"status":{{"capacity":{{"cpu":"16","memory":"64Gi","pods":"110"}},"conditions":[{{"type":"Ready","status":"True","reason":"KubeletReady"}}],"nodeInfo":{{"machineID":"{}","kernelVersion":"6.12.0","osImage":"Debian GNU/Linux 13","containerRuntimeVersion":"containerd://2.1.4","kubeletVersion":"v1.36.3","kubeProxyVersion":"","operatingSystem":"linux","architecture":"amd64"}},"images":[{}]}}}}"#,
            uid(2, number),
            number % 3,
            number / 250,
            number % 250,
            collectors::machine_id(number),
            (0..50)
                .map(|image| format!(r#"{{"names":["registry.example/image-{image}@sha256:{image:064x}","registry.example/image-{image}:1.2.{image}"],"sizeBytes":{}}}"#, image * 1_000_003))
                .collect::<Vec<_>>()
                .join(","),
        );
    }

    pub fn account(&self, number: usize, out: &mut String) {
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

    pub fn deployment(&self, number: usize, out: &mut String) {
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

    pub fn replica_set(&self, number: usize, out: &mut String) {
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
        let _ = write!(out, r#"{},"serviceAccountName":"{}"}}}}"#, VOLUMES_END, self.account_of(deployment));
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

    pub fn pod(&self, number: usize, out: &mut String) {
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

    pub fn daemon_set(&self, number: usize, out: &mut String) {
        let daemon = DAEMONS[number];
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"{daemon}","namespace":"kube-system","uid":"{}"}},"spec":{{"template":{{"metadata":{{"labels":{{"k8s-app":"{daemon}"}}}},"spec":{{"hostNetwork":true,"serviceAccountName":"{daemon}","containers":[{{"name":"{daemon}","image":"registry.example/{daemon}:1.0.0","securityContext":{{"privileged":true}}}}]}}}}}}}}"#,
            uid(7, number)
        );
    }

    pub fn role(&self, number: usize, out: &mut String) {
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

    pub fn cluster_role(&self, number: usize, out: &mut String) {
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

    pub fn role_binding(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"role-{number:05}","namespace":"{namespace}","uid":"{}",{MANAGED}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"role-{number:05}"}},"subjects":[{{"kind":"ServiceAccount","name":"app-{:03}","namespace":"{namespace}"}},{{"kind":"Group","apiGroup":"rbac.authorization.k8s.io","name":"team-{:04}"}}]}}"#,
            uid(10, number),
            1 + number / self.namespaces,
            number % self.namespaces
        );
    }

    pub fn cluster_role_binding(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"operator-{number:05}","uid":"{}",{MANAGED}}},"roleRef":{{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"operator-{number:05}"}},"subjects":[{{"kind":"ServiceAccount","name":"app-001","namespace":"{namespace}"}}]}}"#,
            uid(11, number)
        );
    }

    pub fn policy(&self, number: usize, out: &mut String) {
        let namespace = self.namespace(2 * number);
        let _ = write!(
            out,
            r#"{{"metadata":{{"name":"default-deny","namespace":"{namespace}","uid":"{}"}},"spec":{{"podSelector":{{}},"policyTypes":["Ingress","Egress"],"ingress":[{{"from":[{{"podSelector":{{}}}}]}}]}}}}"#,
            uid(12, number)
        );
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
