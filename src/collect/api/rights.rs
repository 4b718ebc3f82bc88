//! The rights that reading the API takes: what the manifests grant, each with what it is for.

/// One rule: what may be read, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// Namespace, where the right is needed in one alone; `{namespace}` is the one of the collectors.
    pub namespace: Option<&'static str>,
    /// API groups; `""` is the core group.
    pub groups: &'static [&'static str],
    /// Resources by their plural names.
    pub resources: &'static [&'static str],
    /// `get` or `list`.
    pub verbs: &'static [&'static str],
    /// What it is for.
    pub why: &'static str,
    /// How the names of the facts begin that rest on it; none where it serves collectors.
    pub facts: &'static [&'static str],
}

/// What the API shows of components in mirror pods.
const STATIC: [&str; 4] = ["kube-apiserver.", "kube-controller-manager.", "kube-scheduler.", "etcd."];
/// Facts about pods as they are, or as templates will make them.
const PODS: [&str; 5] = ["pods.", "agents.", "namespaces.", "network.plugin", "accounts."];

/// Paths that are no resources: path, what it is for, facts that show it.
pub const PATHS: [(&str, &str, &[&str]); 2] = [
    ("/metrics", "what the API server counted of encryption", &["kube-apiserver.secrets-encryption"]),
    ("/flagz", "the API server's flags as it parsed them, where no mirror pod shows them", &["kube-apiserver."]),
];

const LIST: &[&str] = &["list"];
const GET: &[&str] = &["get"];

/// Every right. Discovery, `/version` and the self-reviews are everybody's (`system:discovery`, `system:basic-user`).
pub const RIGHTS: [Right; 14] = [
    Right {
        namespace: None,
        groups: &[""],
        resources: &["nodes"],
        verbs: LIST,
        why: "which nodes exist (coverage), their versions: every control of sections 1 to 4",
        facts: &["nodes.", "kubelet.", "kube-proxy.", STATIC[0], STATIC[1], STATIC[2], STATIC[3]],
    },
    Right {
        namespace: None,
        groups: &[""],
        resources: &["namespaces", "pods", "podtemplates", "serviceaccounts", "replicationcontrollers"],
        verbs: LIST,
        why: "service accounts and tokens (5.1), Pod Security (5.2), namespaces and their policies (5.3, 5.6, 5.7)",
        facts: &[
            PODS[0],
            PODS[1],
            PODS[2],
            PODS[3],
            PODS[4],
            "admitting.",
            "rights.",
            "broad.",
            "kube-proxy.",
            STATIC[0],
            STATIC[1],
            STATIC[2],
            STATIC[3],
        ],
    },
    Right {
        namespace: None,
        groups: &["apps"],
        resources: &["deployments", "daemonsets", "statefulsets", "replicasets"],
        verbs: LIST,
        why: "pod templates: Pod Security (5.2), secrets in variables (5.4), security contexts (5.7)",
        facts: &[PODS[0], PODS[1], PODS[2], PODS[3], "kube-proxy.", "images."],
    },
    Right {
        namespace: None,
        groups: &["batch"],
        resources: &["jobs", "cronjobs"],
        verbs: LIST,
        why: "pod templates, as above",
        facts: &[PODS[0], PODS[1], PODS[2]],
    },
    Right {
        namespace: None,
        groups: &["networking.k8s.io"],
        resources: &["networkpolicies"],
        verbs: LIST,
        why: "network policies (5.3)",
        facts: &["namespaces.without-network-policy", "namespaces.with-open-pods"],
    },
    Right {
        namespace: None,
        groups: &["rbac.authorization.k8s.io"],
        resources: &["clusterroles", "clusterrolebindings", "roles", "rolebindings"],
        verbs: LIST,
        why: "who may do what (5.1)",
        facts: &["rights.", "broad.", "people.certificates", "accounts."],
    },
    Right {
        namespace: None,
        groups: &["admissionregistration.k8s.io"],
        resources: &[
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
        verbs: LIST,
        why: "admission policies that may stand for Pod Security (5.2) and image provenance (5.5)",
        facts: &["namespaces.without-pod-security", "namespaces.empty-without-pod-security", "admitting.", "images."],
    },
    Right {
        namespace: None,
        groups: &[
            "policy.networking.k8s.io",
            "cilium.io",
            "crd.projectcalico.org",
            "projectcalico.org",
            "crd.antrea.io",
        ],
        resources: &[
            "adminnetworkpolicies",
            "baselineadminnetworkpolicies",
            "clusternetworkpolicies",
            "ciliumnetworkpolicies",
            "ciliumclusterwidenetworkpolicies",
            "globalnetworkpolicies",
            "networkpolicies",
        ],
        verbs: LIST,
        why: "network policies of network plugins (5.3), where they are installed",
        facts: &["namespaces.without-network-policy", "namespaces.with-open-pods", "network.plugin"],
    },
    Right {
        namespace: None,
        groups: &[
            "kyverno.io",
            "policies.kyverno.io",
            "templates.gatekeeper.sh",
            "policies.kubewarden.io",
            "policy.sigstore.dev",
            "external-secrets.io",
            "secrets-store.csi.x-k8s.io",
            "secrets.hashicorp.com",
            "bitnami.com",
        ],
        resources: &[
            "clusterpolicies",
            "policies",
            "validatingpolicies",
            "imagevalidatingpolicies",
            "constrainttemplates",
            "clusteradmissionpolicies",
            "admissionpolicies",
            "clusterimagepolicies",
            "secretstores",
            "clustersecretstores",
            "externalsecrets",
            "secretproviderclasses",
            "vaultauths",
            "sealedsecrets",
        ],
        verbs: LIST,
        why: "policy engines (5.2, 5.5) and external secret stores (5.4.2), where they are installed; names only",
        facts: &["namespaces.without-pod-security", "namespaces.empty-without-pod-security", "images.", "secrets."],
    },
    Right {
        namespace: Some("default"),
        groups: &["", "networking.k8s.io"],
        resources: &["services", "configmaps", "ingresses"],
        verbs: LIST,
        why: "what lies in the default namespace (5.7.4); names only are asked for",
        facts: &["namespaces.objects-in-default"],
    },
    Right {
        namespace: Some("default"),
        groups: &["discovery.k8s.io"],
        resources: &["endpointslices"],
        verbs: LIST,
        why: "the addresses of several API servers, each of which is asked",
        facts: &[STATIC[0]],
    },
    Right {
        namespace: Some("kube-system"),
        groups: &[""],
        resources: &["configmaps"],
        verbs: LIST,
        why: "whether kubeadm set the cluster up, for what is stock in it (5.1); names only are asked for",
        facts: &["rights.", "broad.", "kube-proxy."],
    },
    Right {
        namespace: Some("kube-node-lease"),
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: LIST,
        why: "the clock of each node, for the age of its evidence",
        facts: &[],
    },
    Right {
        namespace: Some("{namespace}"),
        groups: &["", "apps"],
        resources: &["pods/log", "daemonsets"],
        verbs: GET,
        why: "the collectors: which pods are theirs, and their logs, the evidence of each node",
        facts: &[],
    },
];
