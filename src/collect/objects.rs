//! Kubernetes objects from files: YAML or JSON streams and lists, as `kubectl get -o yaml`, `helm template` and
//! `kustomize build` give them. A cluster's evidence without a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::yaml;
use crate::evidence::objects::{ClusterEvidence, Listing, Meta, Named, RUNS_PODS, Source};
use crate::evidence::{Gap, Reason, Tables, Value, Version};

/// Files larger than this are not read: 150,000 pods as JSON take about 1 GiB.
const LIMIT: u64 = 4 << 30;

/// Controllers whose pod template is looked at.
const WORKLOADS: [&str; 8] =
    ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "CronJob", "PodTemplate"];

/// What keeps manifests from being read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {error}", path = path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The operating system's reason.
        error: std::io::Error,
    },
    /// A document is neither YAML nor JSON.
    #[error("{path}, document {document}: {error}", path = path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Number of the document, from 1.
        document: usize,
        /// What is wrong.
        error: String,
    },
    /// Nothing in there is a Kubernetes object.
    #[error("{path} holds no Kubernetes object (YAML or JSON with apiVersion and kind)", path = path.display())]
    Nothing {
        /// The path.
        path: PathBuf,
    },
}

/// Reads the objects of a file, of every `.yaml`, `.yml` and `.json` below a directory, or of standard input (`-`).
///
/// `complete` asserts that these are all objects of a cluster: only then does the absence of something mean anything.
///
/// # Errors
/// A path or document that cannot be read. An object that its kind's decoder refuses makes that kind's list incomplete.
pub fn collect_manifests(
    path: &Path,
    complete: bool,
    tables: &Tables,
    now: &str,
) -> Result<ClusterEvidence, ManifestError> {
    let mut gathered = Gathered::default();
    for file in files(path)? {
        let bytes = read(&file)?;
        for (number, value) in documents(&bytes).into_iter().enumerate() {
            let wrong = |error: String| ManifestError::Document { path: file.clone(), document: number + 1, error };
            gathered.add(value.map_err(wrong)?, &file);
        }
    }
    if gathered.objects == 0 {
        return Err(ManifestError::Nothing { path: path.to_owned() });
    }
    let mut cluster = gathered.finish(path, complete, now);
    let gap = Gap::new(Reason::NotAsked, "manifests do not show the configuration of kubelets");
    super::api::views::attach(tables, &mut cluster, super::api::Kubelets::unasked(gap), None);
    Ok(cluster)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |error| ManifestError::Io { path: path.to_owned(), error };
    if path == Path::new("-") || !std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in
            std::fs::read_dir(&directory).map_err(|error| ManifestError::Io { path: directory.clone(), error })?
        {
            let entry = entry.map_err(|error| ManifestError::Io { path: directory.clone(), error })?;
            let kind = entry.file_type().map_err(|error| ManifestError::Io { path: entry.path(), error })?;
            let known =
                |path: &Path| path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            if kind.is_dir() {
                pending.push(entry.path());
            } else if known(&entry.path()) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, ManifestError> {
    let failed = |error| ManifestError::Io { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)).map_err(failed)?;
    }
    Ok(bytes)
}

/// The documents of a stream: JSON values one after another, or YAML cut at its `---` lines as kubectl cuts it.
fn documents(bytes: &[u8]) -> Vec<Result<Value, String>> {
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>().collect();
        if let Ok(values) = values {
            return values.into_iter().map(Ok).collect();
        }
    }
    let mut found = Vec::new();
    let mut document = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let separates = line.starts_with(b"---") && line[3..].first().is_none_or(u8::is_ascii_whitespace);
        if separates {
            found.push(std::mem::take(&mut document));
            continue;
        }
        document.extend_from_slice(line);
    }
    found.push(document);
    let blank = |text: &[u8]| {
        text.split(|byte| *byte == b'\n').all(|line| matches!(line.trim_ascii().first(), None | Some(b'#')))
    };
    found.iter().filter(|text| !blank(text)).map(|text| yaml::read(text).map_err(|error| error.to_string())).collect()
}

#[derive(Default)]
struct Gathered {
    objects: usize,
    named: BTreeMap<String, Vec<Named>>,
    refused: BTreeMap<&'static str, Gap>,
    decoded: Decoded,
}

#[derive(Default)]
struct Decoded {
    namespaces: Vec<crate::evidence::objects::Namespace>,
    nodes: Vec<crate::evidence::objects::ApiNode>,
    pods: Vec<crate::evidence::objects::Pod>,
    workloads: Vec<crate::evidence::objects::Workload>,
    service_accounts: Vec<crate::evidence::objects::ServiceAccount>,
    roles: Vec<crate::evidence::objects::Role>,
    bindings: Vec<crate::evidence::objects::Binding>,
    network_policies: Vec<crate::evidence::objects::NetworkPolicy>,
}

impl Gathered {
    fn add(&mut self, value: Value, file: &Path) {
        let text = |key: &str| value.at(key).and_then(Value::as_text).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if let Some(of) = kind.strip_suffix("List")
            && let Some(items) = value.at("items").and_then(Value::as_list)
        {
            for item in items {
                let mut item = item.clone();
                // items of a typed list do not name their kind
                if let Value::Map(entries) = &mut item
                    && !of.is_empty()
                {
                    entries.entry("kind".to_owned()).or_insert_with(|| Value::from(of));
                    entries.entry("apiVersion".to_owned()).or_insert_with(|| Value::from(api_version.as_str()));
                }
                self.add(item, file);
            }
            return;
        }
        if api_version.is_empty() || kind.is_empty() {
            return;
        }
        self.objects += 1;
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
        let Ok(mut json) = serde_json::to_value(&value) else { return };
        name_accounts(&mut json);
        let at = format!("{kind} {} in {}", text("metadata.name"), file.display());
        let decoded = &mut self.decoded;
        let refused = &mut self.refused;
        match (group.as_str(), kind.as_str()) {
            ("", "Namespace") => keep(json, "namespaces", &at, &mut decoded.namespaces, refused),
            ("", "Node") => keep(json, "nodes", &at, &mut decoded.nodes, refused),
            ("", "Pod") => keep(json, "pods", &at, &mut decoded.pods, refused),
            ("", "ServiceAccount") => keep(json, "service accounts", &at, &mut decoded.service_accounts, refused),
            ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => {
                keep(json, "roles", &at, &mut decoded.roles, refused)
            }
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                keep(json, "bindings", &at, &mut decoded.bindings, refused);
            }
            ("networking.k8s.io", "NetworkPolicy") => {
                keep(json, "network policies", &at, &mut decoded.network_policies, refused);
            }
            ("" | "apps" | "batch", workload) if WORKLOADS.contains(&workload) => {
                keep(json, "workloads", &at, &mut decoded.workloads, refused);
            }
            _ => {
                let metadata: Meta =
                    json.get("metadata").and_then(|meta| serde_json::from_value(meta.clone()).ok()).unwrap_or_default();
                let key = if group.is_empty() { kind.clone() } else { format!("{kind}.{group}") };
                let action = action(&value);
                let sees_workloads =
                    kind.ends_with("WebhookConfiguration").then(|| sees_workloads(value.at("webhooks")));
                self.named.entry(key).or_default().push(Named { group, kind, metadata, action, sees_workloads });
            }
        }
    }

    fn finish(self, path: &Path, complete: bool, now: &str) -> ClusterEvidence {
        let partial = || {
            Gap::new(
                Reason::IncompleteList,
                "manifests may be a part of a cluster; --complete says that they are all of it",
            )
        };
        let gap = |kind: &str| self.refused.get(kind).cloned().or_else(|| (!complete).then(partial));
        let decoded = self.decoded;
        fn listing<T>(mut items: Vec<T>, gap: Option<Gap>, strip: impl Fn(&mut T)) -> Listing<T> {
            items.iter_mut().for_each(strip);
            Listing { items, gap }
        }
        let named = self
            .named
            .into_iter()
            .map(|(key, items)| (key, Listing { items, gap: (!complete).then(partial) }))
            .collect();
        let strangers = || self_contradiction(&decoded, &named);
        let of_namespaces = gap("namespaces").or_else(strangers);
        ClusterEvidence {
            name: path.display().to_string(),
            source: Source::Manifests,
            collected_at: now.to_owned(),
            version: of_control_plane(&decoded.nodes),
            namespaces: listing(decoded.namespaces, of_namespaces, |_| {}),
            nodes: listing(decoded.nodes, gap("nodes"), |_| {}),
            pods: listing(decoded.pods, gap("pods"), |pod| {
                pod.spec.default_host_ports();
                pod.drop_words();
            }),
            workloads: listing(decoded.workloads, gap("workloads"), |workload| workload.drop_words()),
            service_accounts: listing(decoded.service_accounts, gap("service accounts"), |_| {}),
            roles: listing(decoded.roles, gap("roles"), |_| {}),
            bindings: listing(decoded.bindings, gap("bindings"), |_| {}),
            network_policies: listing(decoded.network_policies, gap("network policies"), |_| {}),
            named,
            complete,
            server_version: String::new(),
            api_server: crate::evidence::Observed::default(),
            metrics: crate::evidence::Observed::default(),
            server_count: None,
            servers: Vec::new(),
            views: Vec::new(),
        }
    }
}

/// Why the namespaces cannot be all that there are, whatever is said of them: there is none, or objects lie in others.
fn self_contradiction(decoded: &Decoded, named: &BTreeMap<String, Listing<Named>>) -> Option<Gap> {
    let names: BTreeSet<&str> = decoded.namespaces.iter().map(|namespace| namespace.metadata.name.as_str()).collect();
    let pods = decoded.pods.iter().map(|object| &object.metadata);
    let objects = pods
        .chain(decoded.workloads.iter().map(|object| &object.metadata))
        .chain(decoded.service_accounts.iter().map(|object| &object.metadata))
        .chain(decoded.roles.iter().map(|object| &object.metadata))
        .chain(decoded.bindings.iter().map(|object| &object.metadata))
        .chain(decoded.network_policies.iter().map(|object| &object.metadata))
        .chain(named.values().flat_map(|listing| &listing.items).map(|object| &object.metadata));
    let stranger = objects.map(|meta| meta.namespace.as_str()).find(|name| !name.is_empty() && !names.contains(name));
    let detail = match stranger {
        Some(name) => format!("objects lie in namespace {name}, which is not among those that were given"),
        None if names.is_empty() => "no namespace was given, and every cluster has some".to_owned(),
        None => return None,
    };
    Some(Gap::new(Reason::IncompleteList, detail))
}

/// The version of the API server, as far as nodes tell it: kubeadm and most others keep the kubelets of the control plane at it. Other
/// kubelets may be three minors older (version skew policy), so they tell nothing.
fn of_control_plane(nodes: &[crate::evidence::objects::ApiNode]) -> Option<Version> {
    const LABELS: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
    let own = nodes.iter().filter(|node| LABELS.iter().any(|label| node.metadata.labels.contains_key(*label)));
    own.filter_map(|node| node.status.info.kubelet_version.parse().ok()).max()
}

/// What a policy does: `spec.validationActions` (ValidatingAdmissionPolicyBinding and policies.kyverno.io),
/// `spec.validationFailureAction`, its overrides, or each rule's `failureAction` (kyverno.io), `spec.mode` (Kubewarden),
/// `spec.enforcementAction` (Gatekeeper's constraints). Words that are none of theirs are not kept.
pub(super) fn action(object: &Value) -> String {
    const KNOWN: [&str; 10] =
        ["Deny", "Audit", "Warn", "Enforce", "enforce", "audit", "deny", "warn", "dryrun", "monitor"];
    let list = |path: &str| object.at(path).and_then(Value::as_list).unwrap_or_default();
    let rules = list("spec.rules").iter().flat_map(|rule| {
        let images = rule.at("verifyImages").and_then(Value::as_list).unwrap_or_default();
        rule.at("validate.failureAction").into_iter().chain(images.iter().filter_map(|one| one.at("failureAction")))
    });
    let overrides = list("spec.validationFailureActionOverrides").iter().filter_map(|one| one.at("action"));
    let single = ["spec.validationFailureAction", "spec.enforcementAction", "spec.mode"];
    let all = list("spec.validationActions")
        .iter()
        .chain(single.iter().filter_map(|path| object.at(path)))
        .chain(rules)
        .chain(overrides);
    let mut words: Vec<&str> =
        all.filter_map(Value::as_text).filter(|word| KNOWN.contains(word) || *word == "protect").collect();
    words.dedup();
    words.join(",")
}

/// True when a webhook of a configuration is asked about pods, or about what makes them: it could look at images.
///
/// Source: k8s.io/api admissionregistration/v1 (`RuleWithOperations`), k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules.
pub(super) fn sees_workloads(webhooks: Option<&Value>) -> bool {
    let of = |rule: &Value, key: &str, wanted: &[&str]| {
        let given = rule.at(key).and_then(Value::as_list).unwrap_or_default();
        given.iter().filter_map(Value::as_text).any(|text| wanted.contains(&text))
    };
    let webhooks = webhooks.and_then(Value::as_list).unwrap_or_default();
    let mut rules = webhooks.iter().filter_map(|webhook| webhook.at("rules").and_then(Value::as_list)).flatten();
    rules.any(|rule| {
        of(rule, "operations", &["*", "CREATE", "UPDATE"])
            && RUNS_PODS.iter().chain(&[("", "podtemplates")]).any(|(group, plural)| {
                of(rule, "apiGroups", &["*", group]) && of(rule, "resources", &["*", "*/*", plural])
            })
    })
}

/// The account of a pod or template under the name that the API gives it: `serviceAccount` counts where `serviceAccountName` is silent.
///
/// Source: pkg/apis/core/v1/conversion.go (`Convert_v1_PodSpec_To_core_PodSpec`, 1.36).
fn name_accounts(json: &mut serde_json::Value) {
    for path in ["/spec", "/spec/template/spec", "/spec/jobTemplate/spec/template/spec", "/template/spec"] {
        let Some(spec) = json.pointer_mut(path).and_then(serde_json::Value::as_object_mut) else { continue };
        let named =
            |name: Option<&serde_json::Value>| name.and_then(serde_json::Value::as_str).unwrap_or_default() != "";
        if spec.contains_key("containers")
            && named(spec.get("serviceAccount"))
            && !named(spec.get("serviceAccountName"))
        {
            let account = spec.remove("serviceAccount").unwrap_or_default();
            spec.insert("serviceAccountName".to_owned(), account);
        }
    }
}

fn keep<T: DeserializeOwned>(
    json: serde_json::Value,
    kind: &'static str,
    at: &str,
    into: &mut Vec<T>,
    refused: &mut BTreeMap<&'static str, Gap>,
) {
    match serde_json::from_value(json) {
        Ok(object) => into.push(object),
        // the message of the decoder may quote the value: the place is enough
        Err(_) => {
            refused
                .entry(kind)
                .or_insert_with(|| Gap::new(Reason::Malformed, format!("{at} is not an object that the API accepts")));
        }
    }
}
