//! Static pod manifests: what the kubelet is told to run, with the host paths that its containers see.

use std::ffi::OsStr;

use super::root::{CONFIG_LIMIT, Root, Trouble};
use super::yaml;
use crate::evidence::{Component, Gap, Reason, Value};

/// Where kubeadm and most others keep static pod manifests.
pub const USUAL_DIRECTORY: &str = "/etc/kubernetes/manifests";

/// A directory of the host that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Path in the container.
    pub mounted_at: String,
    /// Path on the host.
    pub host_path: String,
}

/// A static pod of a component.
#[derive(Debug)]
pub struct Manifest {
    /// Path of the manifest on the host.
    pub path: String,
    /// Whose manifest it is.
    pub component: Component,
    /// Its words after argv\[0\]; `None` when the manifest cannot be read.
    pub words: Result<Vec<String>, Gap>,
    /// Tag of the image.
    pub image_tag: Option<String>,
    /// Host paths of the container.
    pub volumes: Vec<Volume>,
}

/// The manifests of components in a directory, and what could not be read there.
pub fn find(root: &Root, directory: &str) -> (Vec<Manifest>, Option<Gap>) {
    let entries = match root.list(OsStr::new(directory)) {
        Ok(entries) => entries,
        Err(Trouble::Absent) => return (Vec::new(), None),
        Err(Trouble::Gap(gap)) => return (Vec::new(), Some(gap)),
    };
    let mut found = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.directory) {
        let name = entry.name.to_string_lossy().into_owned();
        // the kubelet skips hidden files
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{}/{name}", directory.trim_end_matches('/'));
        let by_name = Component::ALL.into_iter().find(|component| {
            name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".json")) == Some(component.name())
        });
        match root.read(OsStr::new(&path), CONFIG_LIMIT) {
            Ok((_, bytes)) => match yaml::read(&bytes) {
                Ok(pod) => found.extend(read(&pod, &path, by_name)),
                Err(error) => found.extend(by_name.map(|component| {
                    unreadable(path.clone(), component, Gap::new(Reason::Malformed, format!("{path}: {error}")))
                })),
            },
            Err(trouble) => {
                found.extend(by_name.map(|component| unreadable(path.clone(), component, trouble.into_gap(&path))))
            }
        }
    }
    (found, None)
}

fn unreadable(path: String, component: Component, gap: Gap) -> Manifest {
    Manifest { path, component, words: Err(gap), image_tag: None, volumes: Vec::new() }
}

fn read(pod: &Value, path: &str, by_name: Option<Component>) -> Option<Manifest> {
    let containers = pod.at("spec.containers").and_then(Value::as_list).unwrap_or_default();
    let runs = |container: &Value| {
        let words = words(container);
        let first = words.first().map(|word| word.rsplit('/').next().unwrap_or(word).to_owned());
        let image = image(container);
        let named = |name: &str| {
            first.as_deref() == Some(name)
                || (first.as_deref().is_none_or(|word| word.starts_with('-')) && image.0 == name)
        };
        Component::ALL.into_iter().find(|component| named(component.name()))
    };
    let container = containers.iter().find_map(|container| runs(container).map(|component| (component, container)));
    let (component, container) = match (container, by_name) {
        (Some(found), _) => found,
        (None, Some(component)) => {
            return Some(unreadable(
                path.to_owned(),
                component,
                Gap::new(Reason::Malformed, format!("{path}: no container runs {component}")),
            ));
        }
        (None, None) => return None,
    };
    let mut words = words(container);
    if words.first().is_some_and(|word| !word.starts_with('-')) {
        words.remove(0);
    }
    Some(Manifest {
        path: path.to_owned(),
        component,
        words: Ok(words),
        image_tag: image(container).1,
        volumes: volumes(pod, container),
    })
}

fn words(container: &Value) -> Vec<String> {
    let list = |key| container.at(key).and_then(Value::as_list).unwrap_or_default().iter();
    list("command")
        .chain(list("args"))
        .map(|word| word.as_text().map_or_else(|| word.to_string(), str::to_owned))
        .collect()
}

/// Name and tag of a container's image.
fn image(container: &Value) -> (String, Option<String>) {
    let image = container.at("image").and_then(Value::as_text).unwrap_or_default();
    let bare = image.split('@').next().unwrap_or_default();
    let name = bare.rsplit('/').next().unwrap_or_default();
    match name.split_once(':') {
        Some((name, tag)) => (name.to_owned(), Some(tag.to_owned())),
        None => (name.to_owned(), None),
    }
}

fn volumes(pod: &Value, container: &Value) -> Vec<Volume> {
    let of_pod = pod.at("spec.volumes").and_then(Value::as_list).unwrap_or_default();
    let text = |value: &Value, path: &str| value.at(path).and_then(Value::as_text).map(str::to_owned);
    let mounts = container.at("volumeMounts").and_then(Value::as_list).unwrap_or_default();
    let mounted = mounts.iter().filter_map(|mount| {
        let name = text(mount, "name")?;
        let volume = of_pod.iter().find(|volume| text(volume, "name").as_deref() == Some(name.as_str()))?;
        let mut host_path = text(volume, "hostPath.path")?;
        if let Some(below) = text(mount, "subPath") {
            host_path = format!("{}/{below}", host_path.trim_end_matches('/'));
        }
        Some(Volume { mounted_at: text(mount, "mountPath")?, host_path })
    });
    mounted.collect()
}
