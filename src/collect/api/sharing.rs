//! Equal containers and volumes once: a cluster of 150,000 pods has a few thousand that differ, and their controllers' templates are
//! equal to one another as well.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use crate::evidence::objects::{Container, PodSpec, Volume, Workload};

/// What was met so far.
#[derive(Default)]
pub(super) struct Sharing {
    containers: HashSet<Arc<Vec<Container>>>,
    volumes: HashSet<Arc<Vec<Volume>>>,
}

impl Sharing {
    /// Makes a pod share what it has in common with earlier ones.
    pub(super) fn pod(&mut self, spec: &mut PodSpec) {
        // admission calls the volume of the API token by a random name
        const TOKEN: &str = "kube-api-access-";
        if spec.volumes.iter().any(|volume| volume.token && volume.name.starts_with(TOKEN)) {
            for volume in Arc::make_mut(&mut spec.volumes) {
                if volume.token && volume.name.starts_with(TOKEN) {
                    TOKEN.clone_into(&mut volume.name);
                }
            }
        }
        for list in [&mut spec.containers, &mut spec.init_containers, &mut spec.ephemeral_containers] {
            shared(&mut self.containers, list);
        }
        shared(&mut self.volumes, &mut spec.volumes);
    }

    /// The same for a template.
    pub(super) fn workload(&mut self, workload: &mut Workload) {
        let of_job = workload.spec.job_template.as_mut().and_then(|job| job.spec.template.as_mut());
        for template in workload.spec.template.iter_mut().chain(of_job).chain(workload.template.as_deref_mut()) {
            self.pod(&mut template.spec);
        }
    }
}

fn shared<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, one: &mut Arc<T>) {
    match known.get(one) {
        Some(same) => *one = same.clone(),
        None => {
            known.insert(one.clone());
        }
    }
}
