//! Equal parts of objects once: a cluster of 150,000 pods has a few thousand that differ, and their controllers' templates are
//! equal to one another as well.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use crate::evidence::objects::{
    Binding, Container, Meta, Os, OwnerReference, Pod, PodSecurityContext, PodSpec, PolicyRule, Role, RoleRef, Shared,
    Subject, Volume, Workload,
};

/// What was met so far.
#[derive(Default)]
pub(super) struct Sharing {
    texts: HashSet<Shared<String>>,
    maps: HashSet<Shared<BTreeMap<String, String>>>,
    owners: HashSet<Shared<Vec<OwnerReference>>>,
    containers: HashSet<Shared<Vec<Container>>>,
    volumes: HashSet<Shared<Vec<Volume>>>,
    systems: HashSet<Shared<Os>>,
    contexts: HashSet<Shared<PodSecurityContext>>,
    rules: HashSet<Shared<Vec<PolicyRule>>>,
    references: HashSet<Shared<RoleRef>>,
    subjects: HashSet<Shared<Vec<Subject>>>,
}

impl Sharing {
    /// Makes an object share what it has in common with earlier ones; its UID, which nothing can share, is dropped.
    pub(super) fn meta(&mut self, meta: &mut Meta) {
        meta.uid = String::new();
        share(&mut self.texts, [&mut meta.namespace]);
        share(&mut self.maps, [&mut meta.labels, &mut meta.annotations]);
        share(&mut self.owners, [&mut meta.owner_references]);
    }

    /// The same for a pod. The UID of one that a DaemonSet makes tells whether it is a collector of this program.
    pub(super) fn pod(&mut self, pod: &mut Pod) {
        let uid = std::mem::take(&mut pod.metadata.uid);
        self.meta(&mut pod.metadata);
        if pod.metadata.owner_references.iter().any(|owner| owner.kind == "DaemonSet") {
            pod.metadata.uid = uid;
        }
        self.spec(&mut pod.spec);
        share(&mut self.texts, [&mut pod.status.phase]);
    }

    /// The same for a controller.
    pub(super) fn workload(&mut self, workload: &mut Workload) {
        self.meta(&mut workload.metadata);
        share(&mut self.texts, [&mut workload.kind]);
        let of_job = workload.spec.job_template.as_mut().and_then(|job| job.spec.template.as_mut());
        for template in workload.spec.template.iter_mut().chain(of_job).chain(workload.template.as_deref_mut()) {
            self.meta(&mut template.metadata);
            self.spec(&mut template.spec);
        }
    }

    /// The same for a role.
    pub(super) fn role(&mut self, role: &mut Role) {
        self.meta(&mut role.metadata);
        share(&mut self.rules, [&mut role.rules]);
    }

    /// The same for a binding.
    pub(super) fn binding(&mut self, binding: &mut Binding) {
        self.meta(&mut binding.metadata);
        share(&mut self.references, [&mut binding.role_ref]);
        share(&mut self.subjects, [&mut binding.subjects]);
    }

    fn spec(&mut self, spec: &mut PodSpec) {
        // admission calls the volume of the API token by a random name
        const TOKEN: &str = "kube-api-access-";
        if spec.volumes.iter().any(|volume| volume.token && volume.name.starts_with(TOKEN)) {
            for volume in spec.volumes.iter_mut().filter(|volume| volume.token && volume.name.starts_with(TOKEN)) {
                TOKEN.clone_into(&mut volume.name);
            }
        }
        share(&mut self.containers, [&mut spec.containers, &mut spec.init_containers, &mut spec.ephemeral_containers]);
        share(&mut self.volumes, [&mut spec.volumes]);
        share(&mut self.texts, [&mut spec.service_account_name, &mut spec.node_name, &mut spec.runtime_class_name]);
        share(&mut self.systems, &mut spec.os);
        share(&mut self.contexts, &mut spec.security_context);
    }
}

fn share<'o, T: Eq + Hash + 'o>(known: &mut HashSet<Shared<T>>, own: impl IntoIterator<Item = &'o mut Shared<T>>) {
    for one in own {
        match known.get(one) {
            Some(same) => *one = same.clone(),
            None => {
                known.insert(one.clone());
            }
        }
    }
}
