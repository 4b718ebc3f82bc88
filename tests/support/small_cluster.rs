//! A small cluster as its API describes it: enough objects that every list has some, in namespaces that are in order.

use serde_json::{Value, json};

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut metadata = json!({"name": name, "uid": format!("uid-{namespace}-{name}"), "resourceVersion": "5"});
    if !namespace.is_empty() {
        metadata["namespace"] = json!(namespace);
    }
    let mut whole = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    for (key, value) in rest.as_object().unwrap() {
        if key == "labels" || key == "ownerReferences" || key == "annotations" {
            whole["metadata"][key] = value.clone();
        } else {
            whole[key] = value.clone();
        }
    }
    whole
}

/// A pod that keeps to the restricted level.
pub fn pod(namespace: &str, name: &str) -> Value {
    let container = json!({"name": "app", "image": "registry.example/app:1",
        "securityContext": {"allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"}, "readOnlyRootFilesystem": true}});
    object(
        "v1",
        "Pod",
        namespace,
        name,
        json!({"labels": {"app": "app"}, "status": {"phase": "Running"}, "spec": {
            "serviceAccountName": "app", "automountServiceAccountToken": false, "nodeName": "w1", "containers": [container]}}),
    )
}

/// A pod with a privileged container.
pub fn privileged_pod(namespace: &str, name: &str) -> Value {
    let mut pod = pod(namespace, name);
    pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    pod
}

/// The template of a workload that has no pods.
fn template(account: &str) -> Value {
    json!({"spec": {"serviceAccountName": account, "automountServiceAccountToken": false, "containers": []}})
}

/// Everything.
pub fn objects() -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io/v1";
    let restricted = json!({"labels": {"pod-security.kubernetes.io/enforce": "restricted"}});
    let mut all = vec![
        object("v1", "Namespace", "", "default", restricted.clone()),
        object("v1", "Namespace", "", "kube-system", json!({})),
        object("v1", "Namespace", "", "team", restricted),
        object(
            "v1",
            "Node",
            "",
            "w1",
            json!({"status": {"nodeInfo": {"machineID": "none", "operatingSystem": "linux", "kubeletVersion": "v1.36.3"}}}),
        ),
        object("v1", "ServiceAccount", "team", "app", json!({"automountServiceAccountToken": false})),
        object("v1", "ServiceAccount", "team", "default", json!({"automountServiceAccountToken": false})),
        object("v1", "Service", "default", "kubernetes", json!({})),
        object("v1", "ConfigMap", "default", "kube-root-ca.crt", json!({"data": {"ca.crt": "x"}})),
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "team",
            "all",
            json!({"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}),
        ),
        object("networking.k8s.io/v1", "NetworkPolicy", "default", "all", json!({"spec": {"podSelector": {}}})),
        object("networking.k8s.io/v1", "NetworkPolicy", "kube-system", "all", json!({"spec": {"podSelector": {}}})),
        object("apps/v1", "DaemonSet", "kube-system", "cilium", json!({"spec": {"template": template("cilium")}})),
        object("apps/v1", "Deployment", "team", "app", json!({"spec": {"template": template("app")}})),
        object(
            rbac,
            "ClusterRole",
            "",
            "reads-pods",
            json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}),
        ),
        object(
            rbac,
            "Role",
            "team",
            "reads-maps",
            json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["configmaps"]}]}),
        ),
        object(
            rbac,
            "RoleBinding",
            "team",
            "reads-maps",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reads-maps"},
                "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "team"}]}),
        ),
        object(
            rbac,
            "ClusterRoleBinding",
            "",
            "reads-pods",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "reads-pods"},
                "subjects": [{"kind": "User", "name": "someone"}]}),
        ),
        object("kyverno.io/v1", "ClusterPolicy", "", "signed", json!({})),
        object("external-secrets.io/v1", "ExternalSecret", "team", "password", json!({})),
    ];
    // three pages
    all.extend((0..1200).map(|number| pod("team", &format!("app-{number:04}"))));
    all
}
