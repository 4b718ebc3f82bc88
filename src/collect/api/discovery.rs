//! What the API server serves: asked once, so that kinds which nobody installed are neither asked for nor denied. Whoever may list
//! nothing but Kubernetes' own kinds gets 403 for a kind that does not exist as well.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::ask::{Asker, Refused};
use crate::evidence::objects::null_is_default;

/// Groups with their versions and resources in one answer (GA in 1.30), else the groups with their versions.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// What is served beside the core group.
#[derive(Debug, Default)]
pub(super) struct Served {
    groups: BTreeMap<String, Vec<ServedVersion>>,
}

#[derive(Debug)]
struct ServedVersion {
    version: String,
    /// Plural names; `None` where only the versions are known.
    resources: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "null_is_default")]
    items: Vec<Discovered>,
    #[serde(default, deserialize_with = "null_is_default")]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Discovered {
    metadata: Name,
    #[serde(default, deserialize_with = "null_is_default")]
    versions: Vec<DiscoveredVersion>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Name {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct DiscoveredVersion {
    version: String,
    #[serde(deserialize_with = "null_is_default")]
    resources: Vec<Resource>,
    /// `Stale` where the server of an aggregated group does not answer.
    freshness: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    resource: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Group {
    name: String,
    #[serde(deserialize_with = "null_is_default")]
    versions: Vec<GroupVersion>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct GroupVersion {
    version: String,
}

/// Asks; whoever may not ask still may list.
pub(super) async fn discover(asker: &Asker) -> Result<Option<Served>, Refused> {
    let bytes = match asker.bytes("/apis", ACCEPT, "/apis").await {
        Ok(bytes) => bytes,
        Err(Refused::Unauthenticated) => return Err(Refused::Unauthenticated),
        Err(_) => return Ok(None),
    };
    Ok(serde_json::from_slice::<Answer>(&bytes).ok().map(Served::of))
}

impl Served {
    fn of(answer: Answer) -> Self {
        let known = |version: DiscoveredVersion| {
            let resources = version.resources.into_iter().map(|known| known.resource).collect();
            let resources = (version.freshness != "Stale").then_some(resources);
            ServedVersion { version: version.version, resources }
        };
        let discovered = answer
            .items
            .into_iter()
            .map(|group| (group.metadata.name, group.versions.into_iter().map(known).collect::<Vec<_>>()));
        let bare = |version: GroupVersion| ServedVersion { version: version.version, resources: None };
        let listed =
            answer.groups.into_iter().map(|group| (group.name, group.versions.into_iter().map(bare).collect()));
        Self { groups: discovered.chain(listed).collect() }
    }

    /// The versions at which a resource is, or may be, served; the server's preferred one first.
    pub(super) fn versions(&self, group: &str, plural: &str) -> Vec<&str> {
        let versions = self.groups.get(group).into_iter().flatten();
        let holds = |version: &&ServedVersion| {
            version.resources.as_ref().is_none_or(|resources| resources.iter().any(|known| known == plural))
        };
        versions.filter(holds).map(|version| version.version.as_str()).collect()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test ends where its world cannot be made")]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let aggregated = r#"{"kind":"APIGroupDiscoveryList","items":[
            {"metadata":{"name":"cilium.io"},"versions":[
                {"version":"v2","resources":[{"resource":"ciliumnetworkpolicies"}],"freshness":"Current"},
                {"version":"v2alpha1","resources":[{"resource":"other"}],"freshness":"Current"}]},
            {"metadata":{"name":"stale.example"},"versions":[{"version":"v1","freshness":"Stale"}]}]}"#;
        let served = Served::of(serde_json::from_str(aggregated).unwrap());
        assert_eq!(served.versions("cilium.io", "ciliumnetworkpolicies"), ["v2"]);
        assert!(served.versions("cilium.io", "ciliumclusterwidenetworkpolicies").is_empty());
        assert!(served.versions("kyverno.io", "clusterpolicies").is_empty());
        // nobody knows what it serves: it is asked, and the answer says why not
        assert_eq!(served.versions("stale.example", "things"), ["v1"]);

        let plain = r#"{"kind":"APIGroupList","groups":[{"name":"cilium.io","versions":[
            {"groupVersion":"cilium.io/v2","version":"v2"},{"groupVersion":"cilium.io/v2alpha1","version":"v2alpha1"}]}]}"#;
        let served = Served::of(serde_json::from_str(plain).unwrap());
        assert_eq!(served.versions("cilium.io", "ciliumnetworkpolicies"), ["v2", "v2alpha1"]);
    }
}
