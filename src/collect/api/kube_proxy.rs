//! kube-proxy as its DaemonSet runs it: the words of the template, and the configuration that a ConfigMap gives them.
//!
//! kube-proxy ends, and is started again, when the file that it was started with changes (cmd/kube-proxy/app/server.go, 1.36), so a
//! ConfigMap is what is in force a minute later.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ask::Asker;
use crate::collect::documents::{self, Shape};
use crate::collect::versions;
use crate::evidence::effective::named_path;
use crate::evidence::flags::{self, REFUSED};
use crate::evidence::objects::{ClusterEvidence, Pod, null_is_default};
use crate::evidence::{
    Component, Document, DocumentRole, Gap, Instance, Observed, Origin, Ownership, Reason, Tables, Value,
};

const OBJECT: &str = "DaemonSet kube-system/kube-proxy";
/// The one ConfigMap that is read: a check names it.
const CONFIG_MAP: &str = "kube-proxy";

#[derive(Deserialize, Default)]
#[serde(default)]
struct DaemonSet {
    metadata: Generation,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Generation {
    generation: i64,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    observed_generation: i64,
    desired_number_scheduled: i64,
    #[serde(deserialize_with = "null_is_default")]
    updated_number_scheduled: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    template: Template,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Template {
    spec: TemplateSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TemplateSpec {
    containers: Vec<Container>,
    #[serde(deserialize_with = "null_is_default")]
    volumes: Vec<Volume>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[serde(deserialize_with = "null_is_default")]
    image: String,
    #[serde(deserialize_with = "null_is_default")]
    command: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    args: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    volume_mounts: Vec<Mount>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Mount {
    name: String,
    mount_path: String,
    #[serde(deserialize_with = "null_is_default")]
    sub_path: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Volume {
    name: String,
    config_map: Option<OfConfigMap>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct OfConfigMap {
    name: String,
    #[serde(deserialize_with = "null_is_default")]
    items: Vec<Item>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Item {
    key: String,
    path: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ConfigMap {
    #[serde(deserialize_with = "null_is_default")]
    data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Found<T> {
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

/// One object of kube-system by its name, as a list of one: it takes no right beside those for the lists.
async fn one<T: DeserializeOwned>(asker: &Asker, base: &str, plural: &str, name: &str) -> Result<T, Gap> {
    let path = format!("{base}/namespaces/kube-system/{plural}?fieldSelector=metadata.name%3D{name}");
    let found = asker.get::<Found<T>>(&path).await.map_err(|refused| match refused.into_gap(plural) {
        gap if gap.reason == Reason::Denied => {
            Gap::new(Reason::Denied, format!("needs list on {plural} in kube-system"))
        }
        gap => gap,
    })?;
    let gone = || Gap::new(Reason::Raced, format!("{plural} {name} of kube-system went away"));
    found.items.into_iter().next().ok_or_else(gone)
}

/// The instance that runs on every node with a pod of the DaemonSet; none where there is no such DaemonSet.
pub(super) async fn collect(asker: &Asker, tables: &Tables, cluster: &ClusterEvidence) -> Option<Instance> {
    let listed = cluster.workloads.items.iter().any(|workload| {
        workload.kind == "DaemonSet"
            && workload.metadata.namespace == "kube-system"
            && workload.metadata.name == "kube-proxy"
    });
    if !listed {
        return None;
    }
    let mut instance = match one::<DaemonSet>(asker, "/apis/apps/v1", "daemonsets", "kube-proxy").await {
        Ok(daemon_set) => {
            let container =
                daemon_set.spec.template.spec.containers.iter().find(|container| runs_kube_proxy(container))?;
            let mut instance = instance(tables, container, &daemon_set);
            if let Some(config) = named_path(tables, &instance, "config") {
                let content = configuration(asker, tables, &daemon_set.spec.template.spec, container, &config).await;
                let file = Observed::unknown(Reason::NotAsked, "the API does not show files of nodes");
                instance.documents.push(Document::new(DocumentRole::Configuration, config, file, content));
            }
            instance
        }
        Err(gap) => unread(gap),
    };
    instance.seen_in = Some(OBJECT.to_owned());
    Some(instance)
}

/// True for a pod of the DaemonSet.
pub(super) fn owns(pod: &Pod) -> bool {
    let owned =
        |kind: &str| pod.metadata.owner_references.iter().any(|owner| owner.kind == kind && owner.name == "kube-proxy");
    pod.metadata.namespace == "kube-system" && owned("DaemonSet") && !pod.spec.node_name.is_empty()
}

fn runs_kube_proxy(container: &Container) -> bool {
    container.command.first().is_some_and(|word| word.rsplit('/').next() == Some(Component::KubeProxy.name()))
}

fn instance(tables: &Tables, container: &Container, daemon_set: &DaemonSet) -> Instance {
    let status = &daemon_set.status;
    let rolled_out = status.observed_generation >= daemon_set.metadata.generation
        && status.updated_number_scheduled >= status.desired_number_scheduled;
    let words: Vec<String> =
        container.command.iter().skip(1).chain(&container.args).map(|word| without_variables(word)).collect();
    let arguments = if rolled_out {
        let words = flags::parse(tables.of(Component::KubeProxy), &words).redacted;
        Observed::seen(words, Origin::Api { what: format!("command of {OBJECT}") })
    } else {
        Observed::unknown(Reason::Raced, format!("{OBJECT} is being rolled out: some pods run an earlier template"))
    };
    let (versions, version_from) = versions::of_image(tables, Component::KubeProxy, &container.image, None);
    Instance { arguments, versions, version_from, ..unread(Gap::new(Reason::NotAsked, "")) }
}

/// The pod's variables differ from node to node, and nothing that is judged rests on them.
fn without_variables(word: &str) -> String {
    if !word.contains("$(") {
        return word.to_owned();
    }
    match word.split_once('=') {
        Some((flag, _)) if !flag.contains("$(") => format!("{flag}={REFUSED}"),
        _ => REFUSED.to_owned(),
    }
}

fn unread(gap: Gap) -> Instance {
    Instance {
        component: Component::KubeProxy,
        pid: None,
        ownership: Ownership::Own,
        pod: None,
        executable: Observed::Unknown(gap.clone()),
        arguments: Observed::Unknown(gap.clone()),
        environment: Observed::Unknown(gap),
        versions: crate::evidence::Version::known(),
        version_from: "unknown: every version that the tables know".to_owned(),
        started_at: None,
        manifest: None,
        manifest_differs: None,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: None,
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    }
}

/// The configuration at a path of the container, where the ConfigMap that is read gives it.
async fn configuration(
    asker: &Asker,
    tables: &Tables,
    spec: &TemplateSpec,
    container: &Container,
    path: &str,
) -> Observed<Value> {
    let elsewhere = || {
        Observed::unknown(
            Reason::NotAsked,
            format!("{path}: not out of ConfigMap kube-system/{CONFIG_MAP}, so the API does not show it"),
        )
    };
    let Some(key) = key_at(spec, container, path) else { return elsewhere() };
    let text = match one::<ConfigMap>(asker, "/api/v1", "configmaps", CONFIG_MAP).await {
        Ok(mut map) => map.data.remove(&key),
        Err(gap) => return Observed::Unknown(gap),
    };
    let object = format!("ConfigMap kube-system/{CONFIG_MAP}");
    let Some(text) = text else { return Observed::unknown(Reason::NotFound, format!("{key} of {object}")) };
    let shape = Shape::Fields("KubeProxyConfiguration", &tables.of(Component::KubeProxy).fields);
    match documents::decode(text.as_bytes(), &shape) {
        Ok(value) => Observed::seen(value, Origin::Api { what: object }),
        Err(why) => Observed::unknown(Reason::Malformed, format!("{object}: {why}")),
    }
}

/// The key of the ConfigMap that stands at a path of the container.
fn key_at(spec: &TemplateSpec, container: &Container, path: &str) -> Option<String> {
    let (directory, file) = path.rsplit_once('/')?;
    let mount = container.volume_mounts.iter().find(|mount| mount.mount_path.trim_end_matches('/') == directory)?;
    let volume = spec.volumes.iter().find(|volume| volume.name == mount.name)?;
    let map = volume.config_map.as_ref().filter(|map| map.name == CONFIG_MAP && mount.sub_path.is_empty())?;
    if map.items.is_empty() {
        return Some(file.to_owned());
    }
    map.items.iter().find(|item| item.path == file).map(|item| item.key.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_config_map_of_its_own_name_is_read() {
        let told: TemplateSpec = serde_json::from_value(serde_json::json!({
            "containers": [{"command": ["/usr/local/bin/kube-proxy"], "volumeMounts": [
                {"name": "own", "mountPath": "/var/lib/kube-proxy/"},
                {"name": "other", "mountPath": "/other"},
                {"name": "host", "mountPath": "/host"},
                {"name": "items", "mountPath": "/items"},
                {"name": "own", "mountPath": "/sub", "subPath": "config.conf"}]}],
            "volumes": [
                {"name": "own", "configMap": {"name": "kube-proxy"}},
                {"name": "items", "configMap": {"name": "kube-proxy", "items": [{"key": "a", "path": "b.conf"}]}},
                {"name": "other", "configMap": {"name": "credentials"}},
                {"name": "host", "hostPath": {"path": "/etc"}}],
        }))
        .unwrap_or_default();
        let key = |path: &str| key_at(&told, &told.containers[0], path);
        assert!(runs_kube_proxy(&told.containers[0]));
        assert_eq!(key("/var/lib/kube-proxy/config.conf").as_deref(), Some("config.conf"));
        assert_eq!(key("/items/b.conf").as_deref(), Some("a"));
        for path in
            ["/items/a", "/other/config.conf", "/host/config.conf", "/sub/config.conf", "config.conf", "/config.conf"]
        {
            assert_eq!(key(path), None, "{path}");
        }
    }
}
