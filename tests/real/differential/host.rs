//! A directory that stands for a host on which one component runs, and what the product says of it.

use std::fs;
use std::path::Path;

use kube_assay::collect;
use kube_assay::evidence::effective::{Effective, effective};
use kube_assay::evidence::{Component, Instance, Tables, Version};

const PID: u32 = 100;

/// Makes `root` a host whose only process is `component` with these words and variables.
pub fn runs(root: &Path, component: Component, words: &[String], environment: &[(String, String)]) {
    let process = root.join(format!("proc/{PID}"));
    fs::create_dir_all(&process).unwrap();
    let mut cmdline = component.name().as_bytes().to_vec();
    for word in words {
        cmdline.push(0);
        cmdline.extend(word.bytes());
    }
    cmdline.push(0);
    let variables: Vec<String> = environment.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
    for (name, content) in [
        ("cmdline", cmdline),
        ("environ", variables.concat().into_bytes()),
        ("cgroup", b"0::/system.slice/x.service\n".to_vec()),
    ] {
        fs::write(process.join(name), content).unwrap();
    }
    let executable = process.join("exe");
    if fs::symlink_metadata(&executable).is_err() {
        std::os::unix::fs::symlink(format!("/usr/bin/{component}"), executable).unwrap();
    }
}

/// The instance that is collected there.
pub fn instance(root: &Path, tables: &Tables, component: Component) -> Instance {
    let node = collect::collect_node(root, tables, "2026-01-02T03:04:05Z").unwrap();
    let found = node.instances.into_iter().find(|instance| instance.component == component);
    found.unwrap_or_else(|| panic!("{component} was not found below {}", root.display()))
}

/// What is in force there.
pub fn in_force(root: &Path, tables: &Tables, component: Component, version: Version) -> Effective {
    effective(tables, &instance(root, tables, component), version)
}
