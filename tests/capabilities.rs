//! What the manifests and the documentation say stays unknown without a capability, against audits of recorded hosts with and without it.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::binary::{run, run_without_capabilities};
use support::repository::root;
use support::{is_root, lacks_root};

const BENCHMARK: &str = "cis-2.0";
/// The user of etcd, where it has one.
const ETCD: u32 = 997;

type Controls = BTreeSet<String>;

/// A recorded host, below a directory that is made.
fn recorded(name: &str, place: PathBuf) -> PathBuf {
    let packed = fs::read(root().join(format!("tests/data/recorded/{name}.tar.zst"))).unwrap();
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed.as_slice()).unwrap());
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(true);
    archive.set_preserve_ownerships(is_root());
    fs::create_dir(&place).unwrap();
    archive.unpack(&place).unwrap();
    place
}

/// The directories of a host's processes, with their names.
fn processes(host: &Path) -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(host.join("proc")).unwrap().map(|entry| entry.unwrap().path());
    all.filter_map(|home| Some((fs::read_to_string(home.join("comm")).ok()?.trim().to_owned(), home))).collect()
}

/// Replaces a file's content; its mode and its time stay.
fn rewrite(path: &Path, text: &str) {
    let facts = path.metadata().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, text).unwrap();
    fs::File::open(path).unwrap().set_modified(facts.modified().unwrap()).unwrap();
    fs::set_permissions(path, facts.permissions()).unwrap();
}

fn arguments(host: &Path) -> [String; 7] {
    let host = host.to_str().unwrap();
    ["audit", "--quiet", "--format=json", "--benchmark", BENCHMARK, "--host-root", host].map(ToOwned::to_owned)
}

fn unknown(report: &str) -> Controls {
    let report: Value = serde_json::from_str(report).unwrap();
    let controls = report["controls"].as_array().unwrap().iter();
    controls
        .filter(|control| control["verdict"] == "unknown")
        .map(|one| one["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Controls that are unknown once what SYS_PTRACE gives is gone.
fn without_ptrace(host: &Path) -> Controls {
    let with = unknown(&run(arguments(host)).exits(0).out);
    for (_, home) in processes(host) {
        for name in ["environ", "exe"] {
            let _ = fs::remove_file(home.join(name));
        }
    }
    unknown(&run(arguments(host)).exits(0).out).difference(&with).cloned().collect()
}

/// `4.2.4 to 4.2.6, 4.2.8`, each by itself.
fn expanded(list: &str) -> Controls {
    let mut controls = Controls::new();
    for part in list.split(", ") {
        let Some((first, last)) = part.split_once(" to ") else {
            controls.insert(part.to_owned());
            continue;
        };
        let parts =
            |id: &str| id.rsplit_once('.').map(|(section, at)| (section.to_owned(), at.parse::<u32>().unwrap()));
        let ((section, from), (_, to)) = (parts(first).unwrap(), parts(last).unwrap());
        controls.extend((from..=to).map(|at| format!("{section}.{at}")));
    }
    controls
}

/// What the component of a capability says, which the documentation says too: lists of controls, by what the node is like.
fn told(component: &str) -> (String, BTreeMap<String, Controls>) {
    let text =
        fs::read_to_string(root().join("kustomize/components").join(component).join("kustomization.yaml")).unwrap();
    let line = text.lines().nth(1).unwrap();
    let (head, told) = line.split_once("): ").unwrap();
    assert!(head.ends_with("(CIS Kubernetes Benchmark 2.0.1"), "the lists are those of {BENCHMARK}: {head}");
    let page = fs::read_to_string(root().join("docs/in-cluster.md")).unwrap();
    assert!(page.contains(told), "docs/in-cluster.md says: {told}");
    let lists = told.split("; ").filter_map(|clause| clause.split_once(": "));
    (told.to_owned(), lists.map(|(node, list)| (node.to_owned(), expanded(list))).collect())
}

#[test]
fn without_ptrace_what_rests_on_a_default_is_unknown() {
    let scratch = tempfile::tempdir().unwrap();
    let (_, told) = told("sys-ptrace");
    let stock = without_ptrace(&recorded("cp1", scratch.path().join("stock")));
    let page = fs::read_to_string(root().join("docs/running.md")).unwrap();
    assert!(
        page.contains(&format!("on a kubeadm control-plane node {} controls more\n", stock.len())),
        "{}",
        stock.len()
    );
    let of_worker = without_ptrace(&recorded("w1", scratch.path().join("worker")));
    assert!(of_worker.is_subset(&stock), "{of_worker:?}");

    let bare = recorded("cp1", scratch.path().join("bare"));
    rewrite(
        &bare.join("var/lib/kubelet/config.yaml"),
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n",
    );
    for (_, home) in processes(&bare).into_iter().filter(|(name, _)| name == "etcd") {
        rewrite(&home.join("cmdline"), "etcd\0--data-dir=/var/lib/etcd\0");
    }
    let found =
        [("as kubeadm makes a node", stock), ("where neither flags nor files set anything", without_ptrace(&bare))];
    assert_eq!(told, found.map(|(node, controls)| (node.to_owned(), controls)).into());
}

#[test]
fn without_dac_read_search_what_others_close_is_unknown() {
    if lacks_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (text, told) = told("dac-read-search");
    assert!(text.starts_with("none as kubeadm makes a node, nor where etcd's own user closes its data directory; "));
    let host = recorded("cp1", scratch.path().join("host"));
    let ask = || unknown(&run_without_capabilities(scratch.path(), arguments(&host)).exits(0).out);
    let stock = ask();
    assert_eq!(stock, unknown(&run(arguments(&host)).exits(0).out), "as kubeadm makes a node");
    let mut found = BTreeMap::new();
    for place in ["/var/lib/etcd", "/etc/kubernetes/pki", "/etc/cni/net.d"] {
        let directory = host.join(&place[1..]);
        let mode = directory.metadata().unwrap().permissions();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&directory, Some(ETCD), Some(ETCD)).unwrap();
        let more: Controls = ask().difference(&stock).cloned().collect();
        found.insert(format!("where another user than root closes {place}"), more);
        chown(&directory, Some(0), Some(0)).unwrap();
        fs::set_permissions(&directory, mode).unwrap();
    }
    assert_eq!(found.remove("where another user than root closes /var/lib/etcd"), Some(Controls::new()));
    assert_eq!(told, found);
}
