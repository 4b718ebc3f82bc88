//! The process table below a root: which Kubernetes components run, and whether every process was seen.
//!
//! A component is recognised by its executable, and by argv\[0\] only where the executable may not be read: never by a word
//! further down a command line, where editors, exporters and shells mention it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::root::{Root, Trouble};
use crate::evidence::{Component, Gap, Observed, Origin, Ownership, Reason};

/// Longest command line that is read, in bytes (the kernel allows 2 MiB of arguments by default).
const ARGV_LIMIT: u64 = 8 << 20;

/// A running component.
#[derive(Debug)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Its parent's id.
    pub parent: Option<u32>,
    /// What it is.
    pub component: Component,
    /// Its executable.
    pub executable: Observed<String>,
    /// Its words, argv\[0\] first.
    pub argv: Observed<Vec<Vec<u8>>>,
    /// All variables of its environment; filtered before anything is kept.
    pub environment: Observed<BTreeMap<String, String>>,
    /// Id of its pod.
    pub pod: Option<Pod>,
    /// systemd's unit that it runs in.
    pub unit: Option<String>,
    /// Whose it is.
    pub ownership: Ownership,
    /// Seconds since the epoch at which it started.
    pub started_at: Option<i64>,
}

/// The pod of a process, as its cgroup names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// A UUID, or 32 hexadecimal digits for a static pod.
    pub id: String,
    /// A static pod: the kubelet names these by the hash of their manifest.
    pub is_static: bool,
}

/// What the process table holds.
#[derive(Debug, Default)]
pub struct ProcessTable {
    /// Running components, by pid.
    pub processes: Vec<Process>,
    /// Why the table may be incomplete.
    pub gap: Option<Gap>,
    /// Processes that call themselves a component without being its executable.
    pub pretenders: Vec<(u32, Component)>,
    /// Other executables that matter: distributions. Name, pid, second word.
    pub distributions: Vec<(String, u32, String)>,
}

/// Executables of distributions that embed components.
const DISTRIBUTIONS: [&str; 6] = ["k3s", "rke2", "k0s", "kubelite", "machined", "k3s-server"];

/// Reads the process table below `root`/proc.
pub fn scan(root: &Root) -> ProcessTable {
    let mut table = ProcessTable::default();
    let proc = match root.enter("proc") {
        Ok(proc) => proc,
        Err(trouble) => {
            table.gap =
                Some(Gap::new(Reason::ViewIncomplete, format!("no process table: {}", trouble.into_gap("/proc"))));
            return table;
        }
    };
    let entries = match proc.list(OsStr::new(".")) {
        Ok(entries) => entries,
        Err(trouble) => {
            table.gap = Some(Gap::new(Reason::ViewIncomplete, trouble.into_gap("/proc").to_string()));
            return table;
        }
    };
    let booted = boot_time(&proc);
    let mut unreadable = 0usize;
    for entry in entries {
        let Some(pid) = entry.name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        match look(&proc, pid, booted, &mut table) {
            Ok(()) | Err(Trouble::Absent) => {}
            Err(Trouble::Gap(_)) => unreadable += 1,
        }
    }
    table.processes.sort_by_key(|process| process.pid);
    drop_forks(&mut table.processes);
    let kubelet = |process: &Process| process.component == Component::Kubelet && process.ownership == Ownership::Own;
    let node = table.processes.iter().any(kubelet);
    table.gap = completeness(root, &proc, unreadable, node);
    table
}

fn look(proc: &Root, pid: u32, booted: Option<i64>, table: &mut ProcessTable) -> Result<(), Trouble> {
    let at = |name: &str| format!("{pid}/{name}");
    let executable = proc.link(OsStr::new(&at("exe"))).map(|path| {
        let path = path.to_string_lossy().into_owned();
        path.strip_suffix(" (deleted)").map_or(path.clone(), str::to_owned)
    });
    let name = executable.as_deref().map(basename);
    let by_name = |name: &str| Component::ALL.into_iter().find(|component| is_executable_of(*component, name));
    // a process that ended while it was looked at is gone, whatever was seen of it
    let command_line = |limit: u64| match proc.head(OsStr::new(&at("cmdline")), limit) {
        Err(Trouble::Absent) if proc.facts(OsStr::new(&pid.to_string())).is_ok() => {
            Err(Trouble::Gap(Gap::new(Reason::Denied, at("cmdline"))))
        }
        other => other,
    };
    let head = match command_line(4096) {
        // a component is one by its executable: what its words say is unknown then
        Err(Trouble::Gap(_)) if name.and_then(by_name).is_some() => Vec::new(),
        other => other?,
    };
    let first = head.split(|byte| *byte == 0).next().unwrap_or_default();
    let called = basename(&String::from_utf8_lossy(first)).to_owned();
    if let Some(name) = name
        .filter(|name| DISTRIBUTIONS.contains(name))
        .or_else(|| DISTRIBUTIONS.contains(&called.as_str()).then_some(called.as_str()))
    {
        let second = head.split(|byte| *byte == 0).nth(1).map(|word| String::from_utf8_lossy(word).into_owned());
        table.distributions.push((name.to_owned(), pid, second.unwrap_or_default()));
    }
    let component = match name {
        Some(name) => match (by_name(name), by_name(&called)) {
            (Some(component), _) => Some(component),
            (None, Some(component)) => {
                table.pretenders.push((pid, component));
                None
            }
            (None, None) => None,
        },
        None => by_name(&called),
    };
    let Some(component) = component else { return Ok(()) };

    let argv = match command_line(ARGV_LIMIT) {
        Ok(bytes) if bytes.len() as u64 == ARGV_LIMIT => Observed::unknown(
            Reason::TooBig,
            format!("the command line of pid {pid} is larger than {ARGV_LIMIT} bytes"),
        ),
        Ok(bytes) if bytes.is_empty() => return Ok(()),
        Ok(bytes) => Observed::seen(words(&bytes), Origin::Argv { pid }),
        Err(Trouble::Absent) => return Ok(()),
        Err(Trouble::Gap(gap)) => Observed::Unknown(gap),
    };
    let environment = match proc.head(OsStr::new(&at("environ")), ARGV_LIMIT) {
        Ok(bytes) => Observed::seen(variables(&bytes), Origin::Host),
        // the process is there: what is missing may not be read
        Err(Trouble::Absent) => Observed::unknown(Reason::Denied, format!("the environment of pid {pid}")),
        Err(Trouble::Gap(gap)) => Observed::unknown(gap.reason, format!("the environment of pid {pid}")),
    };
    let executable = match executable {
        Some(path) => Observed::seen(path, Origin::Host),
        None => Observed::unknown(Reason::Denied, format!("the executable of pid {pid}")),
    };
    let cgroup = proc.head(OsStr::new(&at("cgroup")), 1 << 20);
    let pod = cgroup.as_ref().ok().and_then(|bytes| pod_of(&String::from_utf8_lossy(bytes)));
    let unit = cgroup.as_ref().ok().and_then(|bytes| unit_of(&String::from_utf8_lossy(bytes)));
    let ownership = match (&cgroup, &pod) {
        (Err(_), _) => Ownership::Undetermined,
        (Ok(_), None) => Ownership::Own,
        (Ok(_), Some(pod)) if pod.is_static => Ownership::Own,
        // kube-proxy runs as a DaemonSet's pod; whether this is that one shows in its network namespace
        (Ok(_), Some(_)) if component == Component::KubeProxy && shares_network(proc, pid) != Some(false) => {
            Ownership::Undetermined
        }
        (Ok(_), Some(_)) => Ownership::Tenant,
    };
    let (parent, started) = lineage(proc, pid).unzip();
    let started_at = booted.zip(started).map(|(booted, after)| booted + after);
    table.processes.push(Process {
        pid,
        parent,
        component,
        executable,
        argv,
        environment,
        pod,
        unit,
        ownership,
        started_at,
    });
    Ok(())
}

/// Takes out children that still have the words of their parent: between fork and exec a child of the kubelet looks like a second
/// kubelet.
fn drop_forks(processes: &mut Vec<Process>) {
    let fork = |child: &Process| {
        processes.iter().any(|parent| {
            child.parent == Some(parent.pid)
                && child.component == parent.component
                && child.argv.value().is_some_and(|words| parent.argv.value() == Some(words))
        })
    };
    let forks: Vec<u32> = processes.iter().filter(|process| fork(process)).map(|process| process.pid).collect();
    processes.retain(|process| !forks.contains(&process.pid));
}

/// True when a file of that name is the component: its name, or its name with a version behind it.
fn is_executable_of(component: Component, name: &str) -> bool {
    name.strip_prefix(component.name()).is_some_and(|rest| {
        rest.is_empty()
            || rest.strip_prefix(['-', '_', '.']).is_some_and(|version| {
                let version = version.strip_prefix('v').unwrap_or(version);
                !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
            })
    })
}

fn basename(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// NUL-terminated words; empty ones are kept.
fn words(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    // of equal names the first one counts, as getenv finds it
    let mut found = BTreeMap::new();
    for word in bytes.split(|byte| *byte == 0) {
        let text = String::from_utf8_lossy(word);
        if let Some((name, value)) = text.split_once('=') {
            found.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    found
}

/// The pod in a cgroup path: `.../pod<id>/...` (cgroupfs) or `...-pod<id>.slice` (systemd, `_` for `-`).
fn pod_of(cgroup: &str) -> Option<Pod> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).find_map(|part| {
        let id = match part.strip_suffix(".slice") {
            Some(slice) => slice.rsplit_once("pod").map(|(_, id)| id.replace('_', "-"))?,
            None => part.strip_prefix("pod")?.to_owned(),
        };
        let digits = id.bytes().filter(u8::is_ascii_hexdigit).count();
        let dashes = id.bytes().filter(|byte| *byte == b'-').count();
        match (digits, dashes) {
            (32, 0) if id.len() == 32 => Some(Pod { id, is_static: true }),
            (32, 4) if id.len() == 36 => Some(Pod { id, is_static: false }),
            _ => None,
        }
    })
}

/// The service in a cgroup path: `/system.slice/kubelet.service`.
fn unit_of(cgroup: &str) -> Option<String> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.split('/')).find(|part| part.ends_with(".service")).map(str::to_owned)
}

/// Whether the process is in PID 1's network namespace; `None` when that cannot be told.
fn shares_network(proc: &Root, pid: u32) -> Option<bool> {
    let own = proc.link(OsStr::new(&format!("{pid}/ns/net")))?;
    let host = proc.link(OsStr::new("1/ns/net"))?;
    Some(own == host)
}

/// Seconds since the epoch at which the host booted.
fn boot_time(proc: &Root) -> Option<i64> {
    let text = proc.head(OsStr::new("stat"), 1 << 20).ok()?;
    let text = String::from_utf8_lossy(&text);
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// Seconds since the epoch by the host's own clock, at the time of the look: in a recorded tree, that of the recording.
pub fn clock(host: &Root) -> Option<i64> {
    let proc = host.enter("proc").ok()?;
    let text = proc.head(OsStr::new("uptime"), 4096).ok()?;
    let up: i64 = String::from_utf8_lossy(&text).split('.').next()?.trim().parse().ok()?;
    Some(boot_time(&proc)? + up)
}

/// The parent's pid (field 4 of stat), and the seconds after boot at which the process started (field 22, in clock ticks; Linux
/// counts 100 a second).
fn lineage(proc: &Root, pid: u32) -> Option<(u32, i64)> {
    let text = proc.head(OsStr::new(&format!("{pid}/stat")), 4096).ok()?;
    let text = String::from_utf8_lossy(&text);
    let after_name = &text[text.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let ticks: i64 = fields.nth(17)?.parse().ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100);
    Some((parent, ticks / per_second))
}

/// A table is complete when it is the host's own, nothing hides entries, and every entry was readable.
///
/// It is the host's when a kernel thread or systemd is in it, or the node's own kubelet (`node`): whatever a node runs as a
/// machine (a container of kind, too), the containers of its pods are below it.
fn completeness(root: &Root, proc: &Root, unreadable: usize, node: bool) -> Option<Gap> {
    let incomplete = |why: String| Some(Gap::new(Reason::ViewIncomplete, why));
    if unreadable > 0 {
        return incomplete(format!("{unreadable} processes could not be read"));
    }
    let thread = proc.head(OsStr::new("2/comm"), 64).is_ok_and(|name| name.starts_with(b"kthreadd"));
    let init = proc.link(OsStr::new("1/exe")).is_some_and(|path| basename(&path.to_string_lossy()) == "systemd");
    if proc.facts(OsStr::new("1")).is_err() {
        return incomplete("PID 1 is not in it: /proc is not the host's, or hides processes".to_owned());
    }
    if !thread && !init && !node {
        return incomplete(
            "it may be a container's, not the host's (no systemd, kernel thread or kubelet in it)".to_owned(),
        );
    }
    hides_processes(root).then(|| Gap::new(Reason::ViewIncomplete, "/proc is mounted with hidepid"))
}

/// True when the mount of this /proc has the option hidepid.
fn hides_processes(root: &Root) -> bool {
    let Ok(here) = Root::open(std::path::Path::new("/proc")) else { return false };
    let Ok(text) = here.head(OsStr::new("self/mountinfo"), 4 << 20) else { return false };
    let place = root.path().join("proc");
    String::from_utf8_lossy(&text).lines().any(|line| {
        let mut fields = line.split(' ');
        let mounted = fields.nth(4).is_some_and(|at| OsStr::from_bytes(at.as_bytes()) == place.as_os_str());
        mounted
            && line.rsplit(' ').next().is_some_and(|options| {
                options
                    .split(',')
                    .any(|option| option.starts_with("hidepid=") && option != "hidepid=0" && option != "hidepid=off")
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_told_from_names_alike() {
        assert!(is_executable_of(Component::Kubelet, "kubelet"));
        assert!(is_executable_of(Component::Kubelet, "kubelet-v1.34.1"));
        assert!(!is_executable_of(Component::KubeApiserver, "kube-apiserver-exporter"));
        assert!(!is_executable_of(Component::Etcd, "etcdctl"));
    }

    #[test]
    fn a_child_before_its_exec_is_no_second_component() {
        let process = |pid, parent, words: &[&str]| Process {
            pid,
            parent: Some(parent),
            component: Component::Kubelet,
            executable: Observed::seen("/usr/bin/kubelet".to_owned(), Origin::Host),
            argv: Observed::seen(words.iter().map(|word| word.as_bytes().to_vec()).collect(), Origin::Argv { pid }),
            environment: Observed::seen(BTreeMap::new(), Origin::Host),
            pod: None,
            unit: None,
            ownership: Ownership::Own,
            started_at: None,
        };
        let mut processes = vec![
            process(10, 1, &["kubelet", "--v=2"]),
            process(11, 10, &["kubelet", "--v=2"]),
            process(12, 10, &["kubelet", "--v=4"]),
            process(13, 1, &["kubelet", "--v=2"]),
        ];
        drop_forks(&mut processes);
        assert_eq!(processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [10, 12, 13]);
    }

    #[test]
    fn pods_of_every_driver() {
        let systemd = "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod5e2b7c90_1f4a_4d7e_9b3c_8a6d5e4f3c2b.slice/cri-containerd-7d9f.scope\n";
        assert_eq!(
            pod_of(systemd).map(|pod| (pod.id, pod.is_static)),
            Some(("5e2b7c90-1f4a-4d7e-9b3c-8a6d5e4f3c2b".to_owned(), false))
        );
        let cgroupfs = "9:name=systemd:/kubepods/burstable/podae2587bf8758db04d19468406b672174/139e\n";
        assert_eq!(pod_of(cgroupfs).map(|pod| pod.is_static), Some(true));
        // seen from inside another cgroup namespace the first parts are missing
        assert_eq!(pod_of("0::/../../podae2587bf8758db04d19468406b672174/139e\n").map(|pod| pod.is_static), Some(true));
        assert_eq!(pod_of("0::/system.slice/kubelet.service\n"), None);
        assert_eq!(unit_of("0::/system.slice/node-agent.service\n").as_deref(), Some("node-agent.service"));
    }
}
