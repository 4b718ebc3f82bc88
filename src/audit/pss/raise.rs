//! What would be refused if a namespace were raised to a level.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::wording::plural;
use super::{Configuration, Evaluator, LevelVersion, Owner, Owners, Violation};
use crate::evidence::objects::{Meta, Pod, PodSpec, Workload};

/// What keeps a namespace from a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// The level and version that it would be raised to.
    pub policy: LevelVersion,
    /// The workloads whose pods would be refused, by kind and name.
    pub workloads: Vec<Blocker>,
}

/// A workload, or a pod that no workload makes, that would be refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// Which one.
    pub owner: Owner,
    /// How many of its pods that exist would be refused.
    pub pods: usize,
    /// The first of those pods by name; empty without one.
    pub example: String,
    /// The pods that its template makes from now on would be refused. False although `pods` are refused means that they are
    /// not as the template says: made by an earlier one, or changed since.
    pub template: bool,
    /// A static pod: it keeps running without the API's consent, only its mirror pod would be refused.
    pub static_pod: bool,
    /// What is refused in them: each check once, with the fields of all of them, as paths of a pod.
    pub violations: Vec<Violation>,
}

impl Blocked {
    /// How many pods would be refused.
    pub fn pods(&self) -> usize {
        self.workloads.iter().map(|workload| workload.pods).sum()
    }
}

impl Blocked {
    /// `3 pods of 2 workloads`, `the template of 1 workload without pods`.
    pub fn amount(&self) -> String {
        let number = |count: usize, one: &str, several: &str| format!("{count} {}", plural(one, several, count));
        let running = self.workloads.iter().filter(|workload| workload.pods > 0).count();
        let waiting = self.workloads.len() - running;
        let mut who = Vec::new();
        if running > 0 {
            let pods = number(self.pods(), "pod", "pods");
            who.push(format!("{pods} of {}", number(running, "workload", "workloads")));
        }
        if waiting > 0 {
            let template = plural("the template", "the templates", waiting);
            who.push(format!("{template} of {} without pods", number(waiting, "workload", "workloads")));
        }
        who.join(" and ")
    }
}

/// `3 pods of 2 workloads block restricted:v1.34`.
impl fmt::Display for Blocked {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.workloads.iter().filter(|workload| workload.pods == 0).count();
        let verb = if self.pods() + waiting == 1 { "blocks" } else { "block" };
        write!(out, "{} {verb} {}", self.amount(), self.policy)
    }
}

/// What keeps namespaces from a level: their pods, and the templates of workloads that no other known workload makes.
/// Namespaces that nothing keeps are left out; exempt namespaces and pods are not looked at. One pass over the objects.
///
/// Source: `EvaluatePodsInNamespace`, `prioritizePods` (admission/admission.go), which the API server asks when labels change;
/// it stops after 3,000 pods or a second, this does not. It looks at finished pods too, and at no templates.
pub fn raise<'a>(
    policy: LevelVersion,
    configuration: &Configuration,
    pods: impl IntoIterator<Item = &'a Pod>,
    workloads: impl IntoIterator<Item = &'a Workload>,
    owners: &Owners<'_>,
) -> BTreeMap<String, Blocked> {
    let pods = pods.into_iter().map(|pod| Equal {
        namespace: &pod.metadata.namespace,
        owner: owners.of_pod(pod),
        meta: &pod.metadata,
        spec: &pod.spec,
        pods: 1,
    });
    let templates = workloads.into_iter().filter_map(|workload| {
        let template = workload.template().filter(|_| !owners.is_owned(workload))?;
        Some(Equal {
            namespace: &workload.metadata.namespace,
            owner: owners.of_workload(workload),
            meta: &template.metadata,
            spec: &template.spec,
            pods: 0,
        })
    });
    raise_equal(policy, configuration, pods.chain(templates))
}

/// Equal pods of one owner; or the template of pods that do not exist yet.
pub struct Equal<'a> {
    /// Their namespace.
    pub namespace: &'a str,
    /// Whose they are.
    pub owner: Owner,
    /// Name and annotations of the first of them.
    pub meta: &'a Meta,
    /// What they run.
    pub spec: &'a PodSpec,
    /// How many there are; 0 for a template.
    pub pods: usize,
}

/// [`raise`] for pods of which equal ones were put together already.
pub fn raise_equal<'a>(
    policy: LevelVersion,
    configuration: &Configuration,
    all: impl IntoIterator<Item = Equal<'a>>,
) -> BTreeMap<String, Blocked> {
    let evaluator = Evaluator::new(policy);
    let mut found: BTreeMap<(&str, Owner), Blocker> = BTreeMap::new();
    for Equal { namespace, owner, meta, spec, pods } in all {
        if configuration.exemption(namespace, None, &spec.runtime_class_name).is_some() {
            continue;
        }
        let violations = evaluator.evaluate(meta, spec);
        if violations.is_empty() {
            continue;
        }
        let blocker = entry(&mut found, namespace, owner);
        if pods == 0 {
            blocker.template = true;
        } else if blocker.example.is_empty() || meta.name < blocker.example {
            blocker.example.clone_from(&meta.name);
        }
        blocker.pods += pods;
        blocker.static_pod |= meta.annotations.contains_key("kubernetes.io/config.mirror");
        blocker.merge(violations);
    }
    let mut blocked: BTreeMap<String, Blocked> = BTreeMap::new();
    for ((namespace, _), blocker) in found {
        let blocked = blocked.entry(namespace.to_owned()).or_insert_with(|| Blocked { policy, workloads: Vec::new() });
        blocked.workloads.push(blocker);
    }
    blocked
}

fn entry<'f, 'a>(
    found: &'f mut BTreeMap<(&'a str, Owner), Blocker>,
    namespace: &'a str,
    owner: Owner,
) -> &'f mut Blocker {
    found.entry((namespace, owner.clone())).or_insert_with(|| Blocker {
        owner,
        pods: 0,
        example: String::new(),
        template: false,
        static_pod: false,
        violations: Vec::new(),
    })
}

impl Blocker {
    /// Adds what is refused in one more of them.
    fn merge(&mut self, violations: Vec<Violation>) {
        for violation in violations {
            match self.violations.iter_mut().find(|known| known.check == violation.check) {
                Some(known) => {
                    for field in violation.fields {
                        if !known.fields.contains(&field) {
                            known.fields.push(field);
                        }
                    }
                }
                None => self.violations.push(violation),
            }
        }
    }
}
