//! Facts of the host: of this one through sysinfo, of a recorded one through its files.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::root::{Root, Trouble};
use crate::evidence::{Accounts, CollectorRights, FileSet, HostFacts, Observed, Origin};

/// True when the tree is this very host's.
pub fn is_live(root: &Root) -> bool {
    Root::open(std::path::Path::new("/")).is_ok_and(|here| here.is_same(root))
}

/// The id by which the host's kubelet makes it known.
pub fn machine_id(root: &Root) -> Option<String> {
    text(root, "/etc/machine-id")
}

/// A small file's text, where there is any.
fn text(root: &Root, path: &str) -> Option<String> {
    let (_, bytes) = root.read(OsStr::new(path), 64 << 10).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned()).filter(|text| !text.is_empty())
}

/// Name and facts of the host.
pub fn facts(root: &Root) -> (String, HostFacts) {
    let line = |path: &str| text(root, path);
    let procfs = |path: &str| {
        root.head(OsStr::new(path), 4096)
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let machine_id = machine_id(root);
    let os = line("/etc/os-release").or_else(|| line("/usr/lib/os-release")).and_then(|text| {
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
                .map(|value| value.trim_matches('"').to_owned())
        };
        value("PRETTY_NAME").or_else(|| value("NAME"))
    });
    if is_live(root) {
        let system = sysinfo::System::new_with_specifics(
            sysinfo::RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::nothing().with_ram()),
        );
        let facts = HostFacts {
            kind: "live".to_owned(),
            os,
            kernel: sysinfo::System::kernel_version().ok(),
            architecture: Some(sysinfo::System::cpu_arch()),
            machine_id,
            cpus: std::thread::available_parallelism().ok().and_then(|count| u32::try_from(count.get()).ok()),
            memory_mib: system.ok().map(|system| system.total_memory() >> 20),
        };
        return (sysinfo::System::host_name().unwrap_or_else(|_| "this-host".to_owned()), facts);
    }
    let name = line("/etc/hostname").unwrap_or_else(|| {
        root.path().file_name().map_or_else(|| "host".to_owned(), |name| name.to_string_lossy().into_owned())
    });
    let kernel = procfs("/proc/sys/kernel/osrelease")
        .or_else(|| procfs("/proc/version").and_then(|text| text.split(' ').nth(2).map(str::to_owned)));
    let kind = if root.is_procfs("proc") { "live" } else { "recorded" };
    let facts =
        HostFacts { kind: kind.to_owned(), os, kernel, architecture: None, machine_id, cpus: None, memory_mib: None };
    (name, facts)
}

/// Who collects, and which capabilities of interest it has.
pub fn rights() -> CollectorRights {
    const OF_INTEREST: [(u32, &str); 2] = [(2, "DAC_READ_SEARCH"), (19, "SYS_PTRACE")];
    let status = std::path::Path::new("/proc");
    let effective = Root::open(status)
        .ok()
        .and_then(|proc| proc.head(OsStr::new("self/status"), 64 << 10).ok())
        .and_then(|bytes| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            u64::from_str_radix(text.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim(), 16).ok()
        });
    let capabilities = OF_INTEREST.into_iter().filter(|(bit, _)| effective.is_some_and(|set| set >> bit & 1 == 1));
    CollectorRights {
        uid: nix::unistd::geteuid().as_raw(),
        capabilities: capabilities.map(|(_, name)| name.to_owned()).collect(),
    }
}

/// Ids of the names that checks ask for, and names of the ids that the file sets show.
pub fn accounts<'a>(root: &Root, sets: impl Iterator<Item = &'a FileSet>) -> Observed<Accounts> {
    let seen: Vec<(u32, u32)> = sets
        .flat_map(|set| &set.files)
        .filter_map(|file| file.facts.value())
        .map(|facts| (facts.uid, facts.gid))
        .collect();
    let read = |path: &str| match root.read(OsStr::new(path), 4 << 20) {
        Ok((_, bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(Trouble::Absent) => Ok(String::new()),
        Err(Trouble::Gap(gap)) => Err(gap),
    };
    let table = |text: &str, wanted: &dyn Fn(&str, u32) -> bool| {
        let mut found = BTreeMap::new();
        for line in text.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(id)) = (fields.next(), fields.nth(1).and_then(|id| id.parse::<u32>().ok())) else {
                continue;
            };
            if wanted(name, id) {
                found.entry(name.to_owned()).or_insert(id);
            }
        }
        found
    };
    // image-based systems keep their own accounts below /usr/lib (nss-altfiles)
    let both = |name: &str| {
        Ok::<_, crate::evidence::Gap>(read(&format!("/etc/{name}"))? + "\n" + &read(&format!("/usr/lib/{name}"))?)
    };
    match (both("passwd"), both("group")) {
        (Ok(users), Ok(groups)) => {
            let users = table(&users, &|name, id| name == "etcd" || seen.iter().any(|(uid, _)| *uid == id));
            let groups = table(&groups, &|name, id| name == "etcd" || seen.iter().any(|(_, gid)| *gid == id));
            Observed::seen(Accounts { users, groups }, Origin::Host)
        }
        (Err(gap), _) | (_, Err(gap)) => Observed::Unknown(gap),
    }
}
