//! Which version an instance is: image tag of its static pod, package database, and the skew that Kubernetes allows.

use std::ffi::OsStr;

use super::manifests::Manifest;
use super::root::Root;
use crate::evidence::{Component, Instance, Tables, Version};

/// Kubelet and kube-proxy may be this many minors older than the API server (Kubernetes version skew policy).
const SKEW: u16 = 3;

/// Sets the versions of all instances.
pub fn assign(host: &Root, tables: &Tables, manifests: &[Manifest], instances: &mut [Instance]) {
    let package = kubelet_package(host);
    let api_server = manifests.iter().filter(|manifest| manifest.component == Component::KubeApiserver).find_map(tag);
    let controller = manifests
        .iter()
        .filter(|manifest| matches!(manifest.component, Component::KubeControllerManager | Component::KubeScheduler))
        .find_map(tag);
    for instance in instances {
        let own_tag =
            manifests.iter().find(|manifest| Some(&manifest.path) == instance.manifest.as_ref()).and_then(tag);
        let (versions, from) = match instance.component {
            Component::Etcd => of_etcd(tables, own_tag),
            Component::Kubelet if package.is_some() => (package.into_iter().collect(), "package database".to_owned()),
            Component::Kubelet | Component::KubeProxy => match (api_server, package) {
                (Some(newest), _) => (
                    range(newest.minor.saturating_sub(SKEW), newest.minor),
                    "skew that the API server's image tag allows".to_owned(),
                ),
                (None, Some(kubelet)) => (
                    range(kubelet.minor.saturating_sub(SKEW), kubelet.minor + SKEW),
                    "skew that the kubelet's package allows".to_owned(),
                ),
                (None, None) => (Version::known(), "unknown: every version that the tables know".to_owned()),
            },
            component => match (own_tag, api_server, controller) {
                (Some(version), ..) => (vec![version], "image tag of its static pod".to_owned()),
                // without a tag of its own, what the others' tags allow: one minor of skew
                (None, Some(newest), _) if component != Component::KubeApiserver => (
                    range(newest.minor.saturating_sub(1), newest.minor),
                    "skew that the API server's image tag allows".to_owned(),
                ),
                (None, _, Some(oldest)) => (
                    range(oldest.minor, oldest.minor + 1),
                    "skew that the image tags of the other components allow".to_owned(),
                ),
                (None, ..) => match package {
                    Some(kubelet) => (
                        range(kubelet.minor, kubelet.minor + SKEW),
                        "skew that the kubelet's package allows".to_owned(),
                    ),
                    None => (Version::known(), "unknown: every version that the tables know".to_owned()),
                },
            },
        };
        instance.versions = versions;
        instance.version_from = from;
    }
}

/// The versions of a component in a pod, and what tells them: the tag of its image, or what an API server says of itself.
pub fn of_image(tables: &Tables, component: Component, image: &str, server: Option<Version>) -> (Vec<Version>, String) {
    let bare = image.split('@').next().unwrap_or_default();
    let name = bare.rsplit('/').next().unwrap_or_default();
    let tag = name.split_once(':').and_then(|(_, tag)| tag.parse::<Version>().ok());
    if component == Component::Etcd {
        return of_etcd(tables, tag);
    }
    match (tag, server) {
        (Some(version), _) => (vec![version], "image tag of its pod".to_owned()),
        (None, Some(version)) => (vec![version], "what the API server says of itself".to_owned()),
        (None, None) => (Version::known(), "unknown: every version that the tables know".to_owned()),
    }
}

fn of_etcd(tables: &Tables, tag: Option<Version>) -> (Vec<Version>, String) {
    let table = tables.of(Component::Etcd);
    let mut known: Vec<Version> = table.measured.iter().chain(&table.from_source).copied().collect();
    known.sort_unstable();
    match tag.filter(|tag| known.contains(tag)) {
        Some(version) => (vec![version], "image tag of its static pod".to_owned()),
        None => (known, "unknown: every version that the tables know".to_owned()),
    }
}

fn tag(manifest: &Manifest) -> Option<Version> {
    manifest.image_tag.as_ref()?.parse().ok()
}

fn range(from: u16, to: u16) -> Vec<Version> {
    let known: Vec<Version> = (from..=to).map(Version::kubernetes).filter(|version| version.is_known()).collect();
    // newer or older than the tables: only what all known versions agree on is decided
    if known.is_empty() { Version::known() } else { known }
}

/// Version of the kubelet's Debian package.
fn kubelet_package(host: &Root) -> Option<Version> {
    let (_, bytes) = host.read(OsStr::new("/var/lib/dpkg/status"), 64 << 20).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let start = if text.starts_with("Package: kubelet\n") { 0 } else { text.find("\nPackage: kubelet\n")? + 1 };
    let stanza = text[start..].split("\n\n").next()?;
    let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
    if !field("Status: ")?.ends_with(" installed") {
        return None;
    }
    let version = field("Version: ")?;
    version.split_once(':').map_or(version, |(_, version)| version).parse().ok()
}
