//! What is admitted, mounted and verified: facts that take several kinds of objects.

use super::namespaces::{enforced, is_system, live, named};
use super::pods::Level;
use super::{ClusterContext, gap, listed};
use crate::audit::facts::Fact;
use crate::audit::report::Offender;
use crate::evidence::objects::{ClusterEvidence, Pod};
use crate::evidence::{Component, DocumentRole, Observed, Ownership, Value};

/// The level that the API server enforces where a namespace says nothing, as far as a node's evidence tells it.
pub(super) fn default_level(context: &ClusterContext<'_>) -> Level {
    let servers = context.evidence.nodes.iter().flat_map(|node| &node.instances);
    let servers = servers
        .filter(|instance| instance.component == Component::KubeApiserver && instance.ownership == Ownership::Own);
    let level = |value: &Value| match value.at("defaults.enforce").and_then(Value::as_text) {
        Some("baseline") => Level::Baseline,
        Some("restricted") => Level::Restricted,
        _ => Level::Privileged,
    };
    let configured = servers.map(|instance| {
        let documents = instance.documents.iter();
        let file = documents.clone().find(|document| {
            document.role == DocumentRole::AdmissionPlugin && document.plugin.as_deref() == Some("PodSecurity")
        });
        let inline = documents.clone().find(|document| document.role == DocumentRole::Admission);
        let inline = inline
            .and_then(|document| document.content.value())
            .and_then(|value| value.at("plugins"))
            .and_then(Value::as_list);
        let inline = inline.and_then(|plugins| {
            plugins.iter().find_map(|plugin| plugin.at("pod-security").filter(|value| value.as_map().is_some()))
        });
        file.and_then(|document| document.content.value()).or(inline).map_or(Level::Privileged, level)
    });
    // every API server must enforce it for it to hold
    configured.min().unwrap_or(Level::Privileged)
}

/// Kinds of engines that can refuse pods; whether they cover a namespace takes a person.
const ENGINES: [&str; 5] = [
    "ClusterPolicy.kyverno.io",
    "ValidatingPolicy.policies.kyverno.io",
    "ConstraintTemplate.templates.gatekeeper.sh",
    "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
    "ClusterAdmissionPolicy.policies.kubewarden.io",
];

/// User namespaces without an enforced level: those that run pods, or those that do not (and those that an engine may cover).
pub(super) fn without_policy(context: &ClusterContext<'_>, with_pods: bool) -> Fact {
    let cluster = context.cluster;
    let default = default_level(context);
    let engines: usize = ENGINES.iter().map(|kind| named(cluster, kind).len()).sum();
    let mut offenders = Vec::new();
    for namespace in cluster.namespaces.items.iter().filter(|namespace| !is_system(&namespace.metadata.name)) {
        if enforced(namespace, default) > Level::Privileged {
            continue;
        }
        let pods = live(cluster, &namespace.metadata.name).count();
        let decided = pods > 0 && engines == 0;
        if decided == with_pods {
            let engine = if engines > 0 { "; a policy engine is installed" } else { "" };
            offenders.push(Offender {
                what: format!("namespace {}", namespace.metadata.name),
                found: format!("enforces nothing, {pods} pods{engine}"),
            });
        }
    }
    context.findings(offenders, &[gap(&cluster.namespaces), gap(&cluster.pods)])
}

/// Objects in the namespace `default` that users put there.
pub(super) fn in_default(context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let mut offenders = Vec::new();
    let mut add = |kind: &str, name: &str| {
        offenders
            .push(Offender { what: format!("default/{kind} {name}"), found: "in the namespace default".to_owned() })
    };
    for pod in cluster
        .pods
        .items
        .iter()
        .filter(|pod| pod.metadata.namespace == "default" && pod.metadata.owner_references.is_empty())
    {
        add("Pod", &pod.metadata.name);
    }
    for workload in
        cluster.workloads.items.iter().filter(|workload| {
            workload.metadata.namespace == "default" && workload.metadata.owner_references.is_empty()
        })
    {
        add(&workload.kind, &workload.metadata.name);
    }
    for (kind, stock) in [
        ("Service", "kubernetes"),
        ("ConfigMap", "kube-root-ca.crt"),
        ("Ingress.networking.k8s.io", ""),
        ("Secret", ""),
    ] {
        for object in named(cluster, kind)
            .iter()
            .filter(|object| object.metadata.namespace == "default" && object.metadata.name != stock)
        {
            add(&object.kind, &object.metadata.name);
        }
    }
    for account in cluster
        .service_accounts
        .items
        .iter()
        .filter(|account| account.metadata.namespace == "default" && account.metadata.name != "default")
    {
        add("ServiceAccount", &account.metadata.name);
    }
    context.findings(offenders, &[gap(&cluster.pods), gap(&cluster.workloads), gap(&cluster.service_accounts)])
}

/// Default service accounts that mount their token, are bound to a role, or run a pod.
pub(super) fn default_accounts(context: &ClusterContext<'_>) -> Fact {
    let cluster = context.cluster;
    let mut offenders = Vec::new();
    for account in cluster.service_accounts.items.iter().filter(|account| account.metadata.name == "default") {
        if account.automount_service_account_token != Some(false) {
            offenders.push(Offender {
                what: format!("{}/ServiceAccount default", account.metadata.namespace),
                found: "its token is mounted (automountServiceAccountToken is not false)".to_owned(),
            });
        }
    }
    for binding in &cluster.bindings.items {
        for subject in &binding.subjects {
            let account = match subject.kind.as_str() {
                "ServiceAccount" if subject.name == "default" => Some(subject.namespace.clone()),
                "User" => subject
                    .name
                    .strip_prefix("system:serviceaccount:")
                    .and_then(|rest| rest.strip_suffix(":default"))
                    .map(str::to_owned),
                _ => None,
            };
            if let Some(namespace) = account {
                offenders.push(Offender {
                    what: format!("{namespace}/ServiceAccount default"),
                    found: format!(
                        "bound to {} {} by {}",
                        binding.role_ref.kind, binding.role_ref.name, binding.metadata.name
                    ),
                });
            }
        }
    }
    for pod in &cluster.pods.items {
        let default = matches!(pod.spec.service_account_name.as_str(), "" | "default");
        if default && super::pods::belonging(pod) != super::pods::Belonging::Stock {
            offenders
                .push(Offender { what: super::pods::owner(pod), found: "runs under the default account".to_owned() });
        }
    }
    offenders.dedup();
    context.findings(offenders, &[gap(&cluster.service_accounts), gap(&cluster.bindings), gap(&cluster.pods)])
}

/// The pod's own field wins over its account's; unset means mounted. A projected token is mounted in any case.
pub(super) fn mounted_token(pod: &Pod, cluster: &ClusterEvidence) -> Vec<(String, String)> {
    let kubelets_own = |name: &str| name.starts_with("kube-api-access-");
    let mut found = Vec::new();
    for volume in pod.spec.volumes.iter().filter(|volume| volume.token && !kubelets_own(&volume.name)) {
        found.push((format!("spec.volumes[{}]", volume.name), "a projected service account token".to_owned()));
    }
    let account =
        if pod.spec.service_account_name.is_empty() { "default" } else { pod.spec.service_account_name.as_str() };
    let of_account = cluster
        .service_accounts
        .items
        .iter()
        .find(|known| known.metadata.name == account && known.metadata.namespace == pod.metadata.namespace);
    let mounted = pod
        .spec
        .automount_service_account_token
        .or(of_account.and_then(|account| account.automount_service_account_token))
        .unwrap_or(true);
    if mounted {
        let by = match pod.spec.automount_service_account_token {
            Some(_) => "the pod says so",
            None => "neither pod nor account says no",
        };
        found.push((
            "spec.automountServiceAccountToken".to_owned(),
            format!("the token of account {account} is mounted: {by}"),
        ));
    }
    found
}

/// The network plugin by its DaemonSet: one that enforces policies, one that does not, or unknown.
pub(super) fn network_plugin(context: &ClusterContext<'_>) -> Observed<Value> {
    const ENFORCES: [&str; 9] = [
        "calico-node",
        "cilium",
        "antrea-agent",
        "weave-net",
        "kube-router",
        "canal",
        "ovnkube-node",
        "aws-node",
        "kindnet",
    ];
    const DOES_NOT: [&str; 2] = ["kube-flannel-ds", "kube-flannel"];
    const NAMESPACES: [&str; 4] = ["kube-flannel", "cilium", "ovn-kubernetes", "openshift-ovn-kubernetes"];
    let cluster = context.cluster;
    // whoever may name a DaemonSet in a namespace of its own must not decide this
    let theirs =
        |namespace: &str| is_system(namespace) || namespace.ends_with("-system") || NAMESPACES.contains(&namespace);
    let workloads = cluster.workloads.items.iter().filter(|workload| workload.kind == "DaemonSet");
    let sets = workloads.map(|workload| (&workload.metadata.namespace, &workload.metadata.name));
    let owners = cluster.pods.items.iter().flat_map(|pod| {
        let sets = pod.metadata.owner_references.iter().filter(|owner| owner.kind == "DaemonSet");
        sets.map(|owner| (&pod.metadata.namespace, &owner.name))
    });
    let sets: Vec<&str> =
        sets.chain(owners).filter(|(namespace, _)| theirs(namespace)).map(|(_, name)| name.as_str()).collect();
    let found = |known: &[&str]| sets.iter().any(|set| known.contains(set));
    let verdict = match (found(&ENFORCES), found(&DOES_NOT)) {
        (true, _) => "enforces-policies",
        (false, true) => "does-not-enforce",
        (false, false) => "unrecognised",
    };
    if verdict == "unrecognised"
        && let Some(gap) = gap(&cluster.workloads)
    {
        return Observed::Unknown(gap.clone());
    }
    Observed::seen(Value::from(verdict), context.origin())
}

/// External secret stores whose kinds have objects here.
pub(super) fn external_stores(context: &ClusterContext<'_>) -> Observed<Value> {
    const KINDS: [&str; 6] = [
        "SecretStore.external-secrets.io",
        "ClusterSecretStore.external-secrets.io",
        "ExternalSecret.external-secrets.io",
        "SecretProviderClass.secrets-store.csi.x-k8s.io",
        "VaultAuth.secrets.hashicorp.com",
        "SealedSecret.bitnami.com",
    ];
    let found: Vec<String> = KINDS
        .iter()
        .filter(|kind| !named(context.cluster, kind).is_empty())
        .map(|kind| format!("{} {kind}", named(context.cluster, kind).len()))
        .collect();
    listed(Value::texts(found), None, context)
}

/// What could verify images before they run: the API server's plugin, policies, webhooks.
pub(super) fn image_verifiers(context: &ClusterContext<'_>) -> Observed<Value> {
    const KINDS: [&str; 5] = [
        "ClusterImagePolicy.policy.sigstore.dev",
        "ClusterPolicy.kyverno.io",
        "ConstraintTemplate.templates.gatekeeper.sh",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
    ];
    let mut found: Vec<String> = Vec::new();
    for kind in KINDS {
        let objects = named(context.cluster, kind);
        if !objects.is_empty() {
            found.push(format!("{} {}", objects.len(), kind.split('.').next().unwrap_or(kind)));
        }
    }
    let servers = context
        .evidence
        .nodes
        .iter()
        .flat_map(|node| &node.instances)
        .filter(|instance| instance.component == Component::KubeApiserver);
    for words in servers.filter_map(|instance| instance.arguments.value()) {
        if words
            .iter()
            .any(|word| word.starts_with("--enable-admission-plugins=") && word.contains("ImagePolicyWebhook"))
        {
            found.push("ImagePolicyWebhook of the API server".to_owned());
        }
    }
    let partial = if found.is_empty() && !context.cluster.complete { gap(&context.cluster.pods) } else { None };
    listed(Value::texts(found), partial, context)
}
