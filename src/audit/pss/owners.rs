//! Who makes a pod: the workload at the end of its chain of controllers.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::objects::{Meta, OwnerReference, Pod, Workload};

/// How many controllers stand above one another at most; Kubernetes' own are two (CronJob, Job).
const DEPTH: usize = 8;

/// A workload by kind and name, or a pod that no controller makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// `Deployment`, `DaemonSet`, ..., `Pod`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind, self.name)
    }
}

/// The controllers above each workload, by namespace, kind and name.
pub struct Owners<'a> {
    above: HashMap<(&'a str, &'a str, &'a str), Option<&'a OwnerReference>>,
}

impl<'a> Owners<'a> {
    /// Learns who owns whom.
    pub fn new(workloads: &'a [Workload]) -> Self {
        let key = |workload: &'a Workload| {
            let meta = &workload.metadata;
            ((meta.namespace.as_str(), workload.kind.as_str(), meta.name.as_str()), controller(meta))
        };
        Self { above: workloads.iter().map(key).collect() }
    }

    /// Whose pod it is. A mirror pod's controller is its node: such a pod stands for itself.
    pub fn of_pod(&self, pod: &Pod) -> Owner {
        match controller(&pod.metadata).filter(|owner| owner.kind != "Node") {
            Some(owner) => self.topmost(&pod.metadata.namespace, owner),
            None => Owner { kind: "Pod".to_owned(), name: pod.metadata.name.clone() },
        }
    }

    /// The workload at the top of a workload's chain: itself when no controller makes it.
    pub fn of_workload(&self, workload: &Workload) -> Owner {
        match controller(&workload.metadata) {
            Some(owner) => self.topmost(&workload.metadata.namespace, owner),
            None => Owner { kind: workload.kind.to_string(), name: workload.metadata.name.clone() },
        }
    }

    /// True when another known workload makes this one, whose own template is what counts.
    pub fn is_owned(&self, workload: &Workload) -> bool {
        controller(&workload.metadata).is_some_and(|owner| {
            self.above.contains_key(&(workload.metadata.namespace.as_str(), owner.kind.as_str(), owner.name.as_str()))
        })
    }

    /// True when the workload is among those that are known.
    pub fn knows(&self, namespace: &str, owner: &Owner) -> bool {
        self.above.contains_key(&(namespace, owner.kind.as_str(), owner.name.as_str()))
    }

    fn topmost(&self, namespace: &str, owner: &OwnerReference) -> Owner {
        let mut top = owner;
        for _ in 0..DEPTH {
            match self.above.get(&(namespace, top.kind.as_str(), top.name.as_str())) {
                Some(Some(above)) => top = above,
                _ => break,
            }
        }
        Owner { kind: top.kind.clone(), name: top.name.clone() }
    }
}

/// The managing controller (`GetControllerOf` of k8s.io/apimachinery pkg/apis/meta/v1/controller_ref.go).
fn controller(meta: &Meta) -> Option<&OwnerReference> {
    meta.owner_references.iter().find(|owner| owner.controller)
}
