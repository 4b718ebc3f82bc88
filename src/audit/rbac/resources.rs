//! Which resources Kubernetes itself serves, in which group, and whether their objects have a namespace.
//!
//! Source: `kubectl api-resources` of 1.34 to 1.37 with every built-in group on; `users`, `groups` and `uids` are names that
//! impersonation asks for.

use crate::evidence::objects::PolicyRule;

/// A group, its resources with a namespace, and those without one.
type Group = (&'static str, &'static [&'static str], &'static [&'static str]);

const BUILT_IN: [Group; 20] = [
    (
        "",
        &[
            "bindings",
            "configmaps",
            "endpoints",
            "events",
            "limitranges",
            "persistentvolumeclaims",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "secrets",
            "serviceaccounts",
            "services",
        ],
        &["componentstatuses", "namespaces", "nodes", "persistentvolumes", "users", "groups"],
    ),
    (
        "admissionregistration.k8s.io",
        &[],
        &[
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "validatingwebhookconfigurations",
        ],
    ),
    ("apiextensions.k8s.io", &[], &["customresourcedefinitions"]),
    ("apiregistration.k8s.io", &[], &["apiservices"]),
    ("apps", &["controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"], &[]),
    ("authentication.k8s.io", &[], &["selfsubjectreviews", "tokenreviews", "uids"]),
    (
        "authorization.k8s.io",
        &["localsubjectaccessreviews"],
        &["selfsubjectaccessreviews", "selfsubjectrulesreviews", "subjectaccessreviews"],
    ),
    ("autoscaling", &["horizontalpodautoscalers"], &[]),
    ("batch", &["cronjobs", "jobs"], &[]),
    (
        "certificates.k8s.io",
        &["podcertificaterequests"],
        &["certificatesigningrequests", "clustertrustbundles", "signers"],
    ),
    ("coordination.k8s.io", &["leasecandidates", "leases"], &[]),
    ("discovery.k8s.io", &["endpointslices"], &[]),
    ("events.k8s.io", &["events"], &[]),
    ("flowcontrol.apiserver.k8s.io", &[], &["flowschemas", "prioritylevelconfigurations"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"], &["ingressclasses", "ipaddresses", "servicecidrs"]),
    ("node.k8s.io", &[], &["runtimeclasses"]),
    ("policy", &["poddisruptionbudgets"], &[]),
    ("rbac.authorization.k8s.io", &["rolebindings", "roles"], &["clusterrolebindings", "clusterroles"]),
    ("scheduling.k8s.io", &["workloads"], &["priorityclasses"]),
    (
        "storage.k8s.io",
        &["csistoragecapacities"],
        &["csidrivers", "csinodes", "storageclasses", "volumeattachments", "volumeattributesclasses"],
    ),
];

/// The group in which Kubernetes serves a resource of this name; the core group before others. None for a name that it does not know.
pub fn group_of(resource: &str) -> Option<&'static str> {
    let has = |(_, within, without): &&Group| within.contains(&resource) || without.contains(&resource);
    BUILT_IN.iter().find(has).map(|(group, ..)| *group)
}

/// True where Kubernetes' objects of this resource have no namespace.
fn is_cluster_scoped(group: &str, resource: &str) -> bool {
    BUILT_IN.iter().any(|(known, _, without)| *known == group && without.contains(&resource))
}

/// What a rule allows when it is granted within one namespace: paths and objects without a namespace are asked for outside of it.
/// Namespaces themselves are asked for within themselves, and binding a cluster role is asked where the binding is made.
pub fn within_a_namespace(rule: &PolicyRule) -> Option<PolicyRule> {
    let binds = rule.verbs.iter().any(|verb| verb == "bind" || verb == "*");
    let void = |resource: &String| {
        let name = resource.split('/').next().unwrap_or_default();
        name != "namespaces"
            && !(binds && name == "clusterroles")
            && !rule.api_groups.is_empty()
            && rule.api_groups.iter().all(|group| is_cluster_scoped(group, name))
    };
    let resources: Vec<String> = rule.resources.iter().filter(|resource| !void(resource)).cloned().collect();
    (!resources.is_empty()).then(|| PolicyRule { resources, non_resource_urls: Vec::new(), ..rule.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_have_their_group_and_their_scope() {
        assert_eq!(group_of("pods"), Some(""));
        assert_eq!(group_of("events"), Some(""));
        assert_eq!(group_of("deployments"), Some("apps"));
        assert_eq!(group_of("widgets"), None);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| PolicyRule {
            verbs: words(verbs),
            api_groups: words(groups),
            resources: words(resources),
            non_resource_urls: words(&["/metrics"]),
            ..PolicyRule::default()
        };
        let left = |rule: PolicyRule| within_a_namespace(&rule).map(|rule| rule.resources);
        assert_eq!(left(rule(&[""], &["nodes", "nodes/proxy", "pods"], &["get"])), Some(words(&["pods"])));
        assert_eq!(left(rule(&[""], &["nodes"], &["get"])), None);
        assert_eq!(left(rule(&[], &[], &["get"])), None);
        assert_eq!(left(rule(&["*"], &["nodes"], &["get"])), Some(words(&["nodes"])));
        assert_eq!(left(rule(&[""], &["namespaces"], &["get"])), Some(words(&["namespaces"])));
        let rbac = &["rbac.authorization.k8s.io"];
        assert_eq!(left(rule(rbac, &["clusterroles"], &["bind"])), Some(words(&["clusterroles"])));
        assert_eq!(left(rule(rbac, &["clusterroles"], &["escalate"])), None);
    }
}
