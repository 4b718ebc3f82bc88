//! Kubernetes distributions that run components inside a process of their own: recognised, so that absence is never claimed.

use std::ffi::OsStr;

use super::processes::ProcessTable;
use super::root::Root;
use crate::evidence::{Component, Distribution};

/// A distribution, how it shows, and what it runs in a way of its own.
struct Known {
    name: &'static str,
    executables: &'static [&'static str],
    directories: &'static [&'static str],
    embeds: &'static [Component],
}

const KNOWN: [Known; 5] = [
    Known {
        name: "k3s",
        executables: &["k3s", "k3s-server"],
        directories: &["/var/lib/rancher/k3s", "/etc/rancher/k3s"],
        embeds: &Component::ALL,
    },
    Known {
        name: "rke2",
        executables: &["rke2"],
        directories: &["/var/lib/rancher/rke2", "/etc/rancher/rke2"],
        embeds: &Component::ALL,
    },
    Known { name: "k0s", executables: &["k0s"], directories: &["/var/lib/k0s"], embeds: &Component::ALL },
    Known {
        name: "microk8s",
        executables: &["kubelite"],
        directories: &["/var/snap/microk8s"],
        embeds: &Component::ALL,
    },
    Known {
        name: "talos",
        executables: &["machined"],
        directories: &["/etc/talos", "/system/secrets/kubernetes"],
        embeds: &Component::ALL,
    },
];

/// Recognises distributions by process and by directory.
pub fn find(root: &Root, table: &ProcessTable) -> Vec<Distribution> {
    let mut found = Vec::new();
    for known in KNOWN {
        let process = table.distributions.iter().find(|(name, ..)| known.executables.contains(&name.as_str()));
        let directory = known.directories.iter().find(|path| root.facts(OsStr::new(path)).is_ok());
        let trace = match (process, directory) {
            (Some((name, pid, _)), _) => format!("{name}, pid {pid}"),
            (None, Some(path)) => (*path).to_owned(),
            (None, None) => continue,
        };
        let agent = process.is_some_and(|(.., second)| second == "agent");
        let embeds = known
            .embeds
            .iter()
            .copied()
            .filter(|component| !agent || matches!(component, Component::Kubelet | Component::KubeProxy));
        found.push(Distribution {
            name: known.name.to_owned(),
            trace,
            embeds: embeds.collect(),
            running: process.is_some(),
        });
    }
    found
}
