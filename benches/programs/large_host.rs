//! Makes a large host for `benches/whole-process`: the recorded control-plane node, with 5,000 processes and 110 running pods.
//!
//! `large_host DIR [PROCESSES [PODS]]`. The processes are what such a node runs: kernel threads, services, and in each pod a
//! pause and its workload, with the command lines, environments and control groups that they have there.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const RECORDED: &[u8] = include_bytes!("../../tests/data/recorded/cp1.tar.zst");

/// A process to write.
struct Process<'a> {
    pid: usize,
    name: &'a str,
    /// Empty for a kernel thread, which has neither words nor an executable.
    executable: &'a str,
    words: Vec<String>,
    cgroup: String,
}

fn main() -> io::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let root =
        words.next().map(PathBuf::from).ok_or_else(|| io::Error::other("usage: large_host DIR [PROCESSES [PODS]]"))?;
    let mut number = |or: usize| match words.next() {
        Some(word) => word.to_str().and_then(|word| word.parse().ok()).ok_or_else(|| io::Error::other("not a number")),
        None => Ok(or),
    };
    let (processes, pods) = (number(5_000)?, number(110)?);

    fs::create_dir_all(&root)?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(RECORDED)?);
    archive.set_preserve_permissions(true);
    archive.unpack(&root)?;

    let proc = root.join("proc");
    let recorded = fs::read_dir(&proc)?.filter_map(Result::ok).filter(|entry| is_pid(&entry.file_name())).count();
    let workloads = processes.saturating_sub(recorded);
    let per_pod = (workloads / 2).checked_div(pods).unwrap_or_default();
    let mut pid = 100_000;
    for pod in 0..pods {
        let id = format!("{pod:08x}-1f4a-4d7e-9b3c-{:012x}", pod * 7919);
        volumes(&root, &id)?;
        for member in 0..per_pod {
            let (name, executable) =
                if member == 0 { ("pause", "/pause") } else { ("server", "/usr/local/bin/server") };
            let container = format!("{:064x}", pod * 1000 + member);
            write(
                &proc,
                &Process {
                    pid,
                    name,
                    executable,
                    words: vec![
                        executable.to_owned(),
                        format!("--listen=:{}", 8000 + member),
                        "--log-level=info".to_owned(),
                    ],
                    cgroup: format!("0::/kubepods/burstable/pod{id}/{container}\n"),
                },
            )?;
            pid += 1;
        }
    }
    for number in pods * per_pod..workloads {
        let kernel = number % 2 == 0;
        let (name, executable) = if kernel { ("kworker/1:2", "") } else { ("agent", "/usr/sbin/agent") };
        let words = if kernel { Vec::new() } else { vec![executable.to_owned(), "--foreground".to_owned()] };
        let cgroup = if kernel { "0::/\n" } else { "0::/system.slice/agent.service\n" };
        write(&proc, &Process { pid, name, executable, words, cgroup: cgroup.to_owned() })?;
        pid += 1;
    }
    Ok(())
}

fn is_pid(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
}

fn write(proc: &Path, process: &Process<'_>) -> io::Result<()> {
    let directory = proc.join(process.pid.to_string());
    fs::create_dir(&directory)?;
    let words: String = process.words.iter().flat_map(|word| [word, "\0"]).collect();
    fs::write(directory.join("cmdline"), words)?;
    fs::write(directory.join("comm"), format!("{}\n", process.name))?;
    let (pid, name) = (process.pid, process.name);
    let stat = format!("{pid} ({name}) S 1 {pid} {pid} 0 -1 4194560 120 0 0 0 3 1 0 0 20 0 1 0 {pid} 1048576 256");
    fs::write(directory.join("stat"), stat)?;
    fs::write(directory.join("status"), format!("Name:\t{name}\nPid:\t{pid}\nPPid:\t1\nUid:\t0\t0\t0\t0\n"))?;
    fs::write(directory.join("cgroup"), &process.cgroup)?;
    let environment = if process.executable.is_empty() { "" } else { "PATH=/usr/sbin:/usr/bin\0HOME=/root\0" };
    fs::write(directory.join("environ"), environment)?;
    if !process.executable.is_empty() {
        symlink(process.executable, directory.join("exe"))?;
    }
    Ok(())
}

/// What the kubelet keeps of a pod: its token volume and a ConfigMap.
fn volumes(root: &Path, id: &str) -> io::Result<()> {
    let pod = root.join("var/lib/kubelet/pods").join(id).join("volumes");
    for (kind, name, file) in
        [("kubernetes.io~projected", "kube-api-access", "namespace"), ("kubernetes.io~configmap", "config", "app.conf")]
    {
        let directory = pod.join(kind).join(name);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(file), "default\n")?;
    }
    Ok(())
}
