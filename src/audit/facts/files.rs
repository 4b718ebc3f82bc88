//! Sets of files: which exist, which could not be looked at, and when none applies.

use super::{Context, proven_absent};
use crate::evidence::{Component, FileEntry, FileKind, FileSet, FileSetName, Gap, NodeEvidence, Ownership};

/// What was found of a set.
#[derive(Debug, Clone)]
pub enum FilesFound {
    /// These files; a part may be missing.
    Some {
        /// The files.
        files: Vec<FileEntry>,
        /// A part that could not be listed.
        gap: Option<Gap>,
    },
    /// There is no such file here, and none is needed: why.
    None(String),
    /// Whether there are any cannot be told.
    Unknown(Gap),
}

/// The set behind a fact's name (without `files.`).
pub(super) fn find(name: &str, context: &Context<'_>) -> FilesFound {
    use Component::{Etcd, KubeApiserver, KubeControllerManager, KubeProxy, KubeScheduler, Kubelet};
    use FileSetName as Set;
    let node = context.node;
    match name {
        "kube-apiserver-manifest" => of(node, Set::KubeApiserverManifest, Some(KubeApiserver)),
        "kube-controller-manager-manifest" => of(node, Set::KubeControllerManagerManifest, Some(KubeControllerManager)),
        "kube-scheduler-manifest" => of(node, Set::KubeSchedulerManifest, Some(KubeScheduler)),
        "etcd-manifest" => of(node, Set::EtcdManifest, Some(Etcd)),
        "cni-configuration" => of(node, Set::CniConfiguration, Some(Kubelet)),
        "etcd-data-directory" => of(node, Set::EtcdDataDirectory, Some(Etcd)),
        "admin-kubeconfigs" => of(node, Set::AdminKubeconfigs, Some(KubeApiserver)),
        "scheduler-kubeconfig" => of(node, Set::SchedulerKubeconfig, Some(KubeScheduler)),
        "controller-manager-kubeconfig" => of(node, Set::ControllerManagerKubeconfig, Some(KubeControllerManager)),
        "pki-tree" => distinct(of(node, Set::PkiTree, Some(KubeApiserver))),
        "pki-certificates" => filtered(of(node, Set::PkiTree, Some(KubeApiserver)), |file| {
            file.path.ends_with(".crt")
                || names(
                    file,
                    &["cert-file", "certfile", "client-certificate", "ca-file", "cafile", "certificate-authority"],
                )
        }),
        "pki-keys" => filtered(of(node, Set::PkiTree, Some(KubeApiserver)), |file| {
            file.path.ends_with(".key") || names(file, &["key-file", "keyfile", "client-key"])
        }),
        "kubelet-service" => of(node, Set::KubeletService, Some(Kubelet)),
        "kube-proxy-kubeconfig" => of(node, Set::KubeProxyKubeconfig, Some(KubeProxy)),
        "kubelet-kubeconfig" => of(node, Set::KubeletKubeconfig, Some(Kubelet)),
        "kubelet-client-ca" => of(node, Set::KubeletClientCa, Some(Kubelet)),
        "kubelet-configuration-file" => of(node, Set::KubeletConfigurationFile, Some(Kubelet)),
        "kubelet-drop-ins" => of(node, Set::KubeletDropIns, Some(Kubelet)),
        "kubelet-configuration" => both(
            of(node, Set::KubeletConfigurationFile, Some(Kubelet)),
            filtered(of(node, Set::KubeletDropIns, Some(Kubelet)), |file| {
                file.facts.value().is_none_or(|facts| facts.kind != FileKind::Directory)
            }),
        ),
        other => FilesFound::Unknown(Gap::new(
            crate::evidence::Reason::Unsupported,
            format!("no set of files is called {other}"),
        )),
    }
}

fn names(file: &FileEntry, settings: &[&str]) -> bool {
    let setting = file.named_by.as_deref().and_then(|by| by.split(' ').next()).unwrap_or_default();
    let key = setting.contains("key-file") || setting.contains("keyfile") || setting.contains("client-key");
    settings.iter().any(|part| setting.contains(part)) && (key == settings[0].contains("key"))
}

/// `owner` is the component that would name the files: where it is not proven absent, no file at the usual path means nothing.
fn of(node: &NodeEvidence, name: FileSetName, owner: Option<Component>) -> FilesFound {
    if node.is_api_view() {
        return FilesFound::Unknown(Gap::new(
            crate::evidence::Reason::NotAsked,
            "the API does not show files of nodes",
        ));
    }
    let Some(set) = node.files.get(&name) else {
        return FilesFound::Unknown(Gap::new(crate::evidence::Reason::NotAsked, "was not collected"));
    };
    if !set.files.is_empty() {
        return FilesFound::Some { files: set.files.clone(), gap: set.gap.clone() };
    }
    if let Some(gap) = &set.gap {
        return FilesFound::Unknown(gap.clone());
    }
    if let Some(reason) = &set.not_used {
        return FilesFound::None(reason.clone());
    }
    if let Some(component) = owner {
        let runs = node
            .instances
            .iter()
            .any(|instance| instance.component == component && instance.ownership != Ownership::Tenant);
        if !runs && let Err(gap) = proven_absent(node, component) {
            return FilesFound::Unknown(gap);
        }
        // a distribution's own components keep their files elsewhere
        if let Some(distribution) = node.distributions.first().filter(|_| runs) {
            let detail = format!("{}; {} keeps its files elsewhere", nothing_at(set), distribution.name);
            return FilesFound::Unknown(Gap::new(crate::evidence::Reason::Embedded, detail));
        }
    }
    FilesFound::None(nothing_at(set))
}

fn nothing_at(set: &FileSet) -> String {
    if set.looked_at.is_empty() {
        "no process here names such a file".to_owned()
    } else {
        format!("nothing at {}", set.looked_at.join(", "))
    }
}

fn filtered(found: FilesFound, wanted: impl Fn(&FileEntry) -> bool) -> FilesFound {
    match found {
        FilesFound::Some { files, gap } => {
            let files: Vec<FileEntry> = files.into_iter().filter(wanted).collect();
            match gap {
                Some(gap) if files.is_empty() => FilesFound::Unknown(gap),
                None if files.is_empty() => FilesFound::None("no such file among those that were looked at".to_owned()),
                gap => FilesFound::Some { files, gap },
            }
        }
        other => other,
    }
}

/// Each file once, though several settings name it.
fn distinct(found: FilesFound) -> FilesFound {
    match found {
        FilesFound::Some { mut files, gap } => {
            files.dedup_by(|one, other| one.path == other.path);
            FilesFound::Some { files, gap }
        }
        other => other,
    }
}

fn both(one: FilesFound, other: FilesFound) -> FilesFound {
    match (one, other) {
        (FilesFound::Some { mut files, gap }, FilesFound::Some { files: more, gap: other }) => {
            files.extend(more);
            FilesFound::Some { files, gap: gap.or(other) }
        }
        (FilesFound::Some { files, gap }, FilesFound::Unknown(other))
        | (FilesFound::Unknown(other), FilesFound::Some { files, gap }) => {
            FilesFound::Some { files, gap: gap.or(Some(other)) }
        }
        (FilesFound::Unknown(gap), _) | (_, FilesFound::Unknown(gap)) => FilesFound::Unknown(gap),
        (found @ FilesFound::Some { .. }, FilesFound::None(_)) | (FilesFound::None(_), found) => found,
    }
}
