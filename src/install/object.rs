//! The objects of the manifests, and where the API has them.

use serde_json::Value;

use super::InstallError;

/// Kinds that the manifests hold: plural, and whether they live in a namespace.
const KINDS: [(&str, &str, bool); 11] = [
    ("Namespace", "namespaces", false),
    ("ServiceAccount", "serviceaccounts", true),
    ("NetworkPolicy", "networkpolicies", true),
    ("ClusterRole", "clusterroles", false),
    ("ClusterRoleBinding", "clusterrolebindings", false),
    ("Role", "roles", true),
    ("RoleBinding", "rolebindings", true),
    ("PriorityClass", "priorityclasses", false),
    ("DaemonSet", "daemonsets", true),
    ("Job", "jobs", true),
    ("CronJob", "cronjobs", true),
];

/// Says whose run an object is of.
pub(super) const MARK: &str = "kube-assay/run";

/// One object to create.
#[derive(Debug, Clone)]
pub struct Object {
    /// Kind.
    pub kind: String,
    /// Namespace, where its kind lives in one.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    collection: String,
    pub(super) value: Value,
}

impl Object {
    /// The objects of a stream of YAML documents, each marked as of this run.
    ///
    /// # Errors
    /// A document that is no object of the kinds that the manifests hold.
    pub fn of_stream(text: &str, run: &str) -> Result<Vec<Self>, InstallError> {
        text.split("\n---\n").map(|document| Self::of(document, run)).collect()
    }

    fn of(document: &str, run: &str) -> Result<Self, InstallError> {
        let mut value: Value =
            serde_saphyr::from_str(document).map_err(|error| InstallError::Manifest(error.to_string()))?;
        let word = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
        let read = (word(&value, "/apiVersion"), word(&value, "/kind"), word(&value, "/metadata/name"));
        let (Some(version), Some(kind), Some(name)) = read else {
            return Err(InstallError::Manifest("an object without apiVersion, kind or name".to_owned()));
        };
        let Some((_, plural, namespaced)) = KINDS.iter().find(|(known, _, _)| *known == kind) else {
            return Err(InstallError::Manifest(format!("an object of kind {kind}")));
        };
        let group = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
        let namespace = word(&value, "/metadata/namespace").filter(|_| *namespaced);
        let collection = match &namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}"),
            None => format!("{group}/{plural}"),
        };
        let labels = &mut value["metadata"]["labels"];
        if labels.is_null() {
            *labels = Value::Object(serde_json::Map::new());
        }
        labels[MARK] = Value::from(run);
        Ok(Self { kind, namespace, name, collection, value })
    }

    /// The path to create it at.
    pub(super) fn collection(&self) -> &str {
        &self.collection
    }

    /// Its own path.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.collection, self.name)
    }

    /// Every namespace has one: it is changed, not created.
    pub(super) fn is_there_by_itself(&self) -> bool {
        self.kind == "ServiceAccount" && self.name == "default"
    }

    /// It goes when that namespace goes.
    pub(super) fn goes_with(&self, namespace: &str) -> bool {
        self.namespace.as_deref() == Some(namespace)
    }
}

impl std::fmt::Display for Object {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(out, "{} {namespace}/{}", self.kind, self.name),
            None => write!(out, "{} {}", self.kind, self.name),
        }
    }
}
