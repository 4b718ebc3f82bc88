//! Control plane components as their mirror pods show them: command, environment and image of a static pod, without a look at
//! its node.
//!
//! A component is known by its container's own command, never by a name. What a file or an image holds is not shown here:
//! what rests on it stays unknown. The variables that an image itself sets are taken for none; no published image of these
//! components sets one that they read.

use std::collections::BTreeMap;

use crate::collect::{instances, versions};
use crate::evidence::flags::{self, REFUSED, WITHHELD};
use crate::evidence::objects::{Container, Pod};
use crate::evidence::{Component, Gap, Instance, Observed, Origin, Ownership, Reason, Tables, Version};

/// Components that run as static pods.
const STATIC: [Component; 4] =
    [Component::KubeApiserver, Component::KubeControllerManager, Component::KubeScheduler, Component::Etcd];

/// Takes the words and variables out of every pod and makes instances of those of the control plane: node and instance.
///
/// `server` is the version that an API server told: what a control plane's component is of when its image has no tag.
pub(super) fn take(tables: &Tables, pods: &mut [Pod], server: Option<Version>) -> Vec<(String, Instance)> {
    let mut found = Vec::new();
    for pod in pods {
        if pod.is_system_mirror() {
            let instances =
                pod.spec.containers.iter().filter_map(|container| of_container(tables, pod, container, server));
            found.extend(instances.map(|instance| (pod.spec.node_name.to_string(), instance)));
        }
        pod.spec.drop_words();
    }
    found
}

fn of_container(tables: &Tables, pod: &Pod, container: &Container, server: Option<Version>) -> Option<Instance> {
    let executable = container.command.first()?;
    let name = executable.rsplit('/').next().unwrap_or(executable);
    let component = STATIC.into_iter().find(|component| component.name() == name)?;
    let object = format!("mirror pod {}/{}", pod.metadata.namespace, pod.metadata.name);
    let shown = |what: String| Origin::Api { what };
    let (arguments, environment) = if pod.status.phase == "Running" {
        let words: Vec<String> = container.command.iter().skip(1).chain(&container.args).cloned().collect();
        let words: Vec<String> = words.iter().map(|word| expanded(word, container)).collect();
        let line = flags::parse(tables.of(component), &words);
        // a word that is no flag's value may be any flag, and the last one decides
        let arguments = if words.iter().any(|word| word == REFUSED) && !line.positional.is_empty() {
            let detail =
                format!("a word of the command of {object} is a variable that is not told: it may set any flag");
            Observed::unknown(Reason::Withheld, detail)
        } else {
            Observed::seen(line.redacted, shown(format!("command of {object}")))
        };
        (arguments, environment(tables, component, container, &object))
    } else {
        let gap = Gap::new(Reason::NotRunning, format!("{object} is {}", phase(pod)));
        (Observed::Unknown(gap.clone()), Observed::Unknown(gap))
    };
    let (versions, version_from) = versions::of_image(tables, component, &container.image, server);
    Some(Instance {
        component,
        pid: None,
        ownership: Ownership::Own,
        pod: Some(format!("{}/{}", pod.metadata.namespace, pod.metadata.name)),
        executable: Observed::seen(executable.clone(), shown(format!("command of {object}"))),
        arguments,
        environment,
        versions,
        version_from,
        started_at: None,
        manifest: None,
        manifest_differs: None,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: Some(object),
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    })
}

fn phase(pod: &Pod) -> String {
    if pod.status.phase.is_empty() { "in no phase yet".to_owned() } else { pod.status.phase.to_lowercase() }
}

/// The variables that the component reads, as far as the pod's specification tells them.
fn environment(
    tables: &Tables,
    component: Component,
    container: &Container,
    object: &str,
) -> Observed<BTreeMap<String, String>> {
    if !container.env_from.is_empty() {
        return Observed::unknown(Reason::Withheld, format!("{object} takes variables from other objects"));
    }
    let own = container.env.iter().filter(|_| component == Component::Etcd);
    let kept = own.map(|variable| {
        let told = variable.value.as_ref();
        let value =
            told.map_or_else(|| WITHHELD.to_owned(), |text| instances::fit_to_keep(tables, &variable.variable, text));
        (variable.variable.clone(), value)
    });
    Observed::seen(kept.collect(), Origin::Api { what: object.to_owned() })
}

/// A word with the container's variables put in, as the kubelet does it; a word that needs one that is not told becomes one
/// that no flag takes: all of it where the variable may be part of a flag's name.
///
/// Source: third_party/forked/golang/expansion: `$(NAME)` is a variable, `$$` a dollar sign.
fn expanded(word: &str, container: &Container) -> String {
    let mut out = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest.strip_prefix('(').and_then(|inside| inside.split_once(')')) {
            let variable = container.env.iter().find(|variable| variable.variable == name);
            let Some(value) = variable.and_then(|variable| variable.value.as_deref()) else {
                let flag = word.split_once('=').map(|(flag, _)| flag).filter(|flag| !flag.contains('$'));
                return flag.map_or_else(|| REFUSED.to_owned(), |flag| format!("{flag}={REFUSED}"));
            };
            out.push_str(value);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::objects::EnvSource;

    #[test]
    fn words_are_expanded_as_the_kubelet_does() {
        let variable = |name: &str, value: Option<&str>| EnvSource {
            variable: name.to_owned(),
            value: value.map(str::to_owned),
            ..EnvSource::default()
        };
        let container = Container {
            env: vec![variable("ETCD_NAME", Some("cp1")), variable("ETCD_IP", None)],
            ..Container::default()
        };
        for (word, expected) in [
            ("--name=$(ETCD_NAME)", "--name=cp1".to_owned()),
            ("$$(ETCD_NAME)", "$(ETCD_NAME)".to_owned()),
            ("a$b$", "a$b$".to_owned()),
            ("--listen=https://$(ETCD_IP):2379", format!("--listen={REFUSED}")),
            ("--listen=https://$(POD_IP)", format!("--listen={REFUSED}")),
            ("$(POD_IP)", REFUSED.to_owned()),
            ("--open=$(", "--open=$(".to_owned()),
        ] {
            assert_eq!(expanded(word, &container), expected, "{word}");
        }
    }
}
