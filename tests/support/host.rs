//! A host as a directory tree: what `cases/README.md` says of `host`, written to disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};

use super::case::{File, Host, Proc, Process};
use super::{BOOT_TIME, is_root};

const OS_RELEASE: &str =
    "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";

/// Writes the host below `root`, which is made.
pub fn write(root: &Path, host: &Host) {
    umask(Mode::from_bits_truncate(0o022));
    fs::create_dir_all(root).unwrap();
    write_files(root, &host.files);
    let release = below(root, "/etc/os-release");
    if release.symlink_metadata().is_err() {
        fs::write(release, OS_RELEASE).unwrap();
    }
    write_processes(root, host);
}

/// The place of a path under the root; the directories above it are made.
fn below(root: &Path, path: &str) -> PathBuf {
    let place = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    place
}

fn own(path: &Path, file: &File) {
    if is_root() {
        lchown(path, Some(file.uid.unwrap_or(0)), Some(file.gid.unwrap_or(0))).unwrap();
    }
}

fn write_files(root: &Path, files: &[File]) {
    for file in files {
        let path = below(root, &file.path);
        if let Some(target) = &file.link {
            symlink(target, &path).unwrap();
            own(&path, file);
        } else if file.dir {
            fs::create_dir_all(&path).unwrap();
        } else if file.fifo {
            nix::unistd::mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
        } else if file.socket {
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        } else if file.device {
            mknod(&path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 5)).unwrap();
        } else {
            fs::write(&path, content(file)).unwrap();
            if let Some(size) = file.size {
                fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
            }
        }
    }
    // last, so that a closed directory does not get in the way; a new owner clears setuid
    for file in files.iter().rev().filter(|file| file.link.is_none()) {
        let path = below(root, &file.path);
        let special = file.fifo || file.socket || file.device;
        if !special {
            let age = if file.changed { 7200 } else { -3600 };
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(BOOT_TIME + age).unwrap());
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        own(&path, file);
        let default = if file.dir { "0755" } else { "0644" };
        let mode = u32::from_str_radix(file.mode.as_deref().unwrap_or(default), 8).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn content(file: &File) -> Vec<u8> {
    let mut bytes = file.text.clone().unwrap_or_default().into_bytes();
    for part in &file.parts {
        bytes.extend_from_slice(part.text.repeat(part.times).as_bytes());
    }
    bytes.extend(file.hex.as_deref().map(hex).unwrap_or_default());
    bytes
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn write_processes(root: &Path, host: &Host) {
    let proc = root.join("proc");
    match host.proc {
        Proc::Missing => return,
        Proc::File => return fs::write(proc, "no directory\n").unwrap(),
        _ => fs::create_dir_all(&proc).unwrap(),
    }
    symlink("1", proc.join("self")).unwrap();
    fs::write(proc.join("uptime"), "86400.00 170000.00\n").unwrap();
    let cpu = "90000 0 40000 16000000 5000 0 800 0 0 0\n";
    let stat = format!(
        "cpu  {cpu}cpu0 {cpu}intr 0\nctxt 9000000\nbtime {BOOT_TIME}\nprocesses 9000\nprocs_running 1\nprocs_blocked 0\n"
    );
    fs::write(proc.join("stat"), stat).unwrap();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let init = |exe: &str| Process {
        exe: Some(exe.to_owned()),
        argv: words(&["/sbin/init"]),
        network: Some("host".to_owned()),
        ..Process::default()
    };
    match host.proc {
        Proc::NoInit => {}
        Proc::Container => write_process(root, 1, &init("/usr/bin/kube-assay"), 0),
        _ => {
            write_process(root, 1, &init("/usr/lib/systemd/systemd"), 0);
            write_process(root, 2, &Process { argv: words(&["kthreadd"]), ..Process::default() }, 0);
        }
    }
    let taken: Vec<u32> = host.processes.iter().filter_map(|process| process.pid).collect();
    let mut free = (812..99_999).step_by(37).filter(|pid| !taken.contains(pid));
    for process in &host.processes {
        write_process(root, process.pid.unwrap_or_else(|| free.next().unwrap()), process, 1);
    }
    if host.proc == Proc::HidePid {
        let home = proc.join("31");
        fs::create_dir(&home).unwrap();
        fs::write(home.join("cmdline"), "secret\0").unwrap();
        fs::set_permissions(home, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// One `/proc/<pid>`; a process without executable is a kernel thread.
fn write_process(root: &Path, pid: u32, process: &Process, parent: u32) {
    let name = process
        .exe
        .as_deref()
        .map_or_else(|| process.argv[0].clone(), |exe| exe.rsplit('/').next().unwrap_or_default().to_owned());
    let comm: String = name.chars().take(15).collect();
    let home = root.join("proc").join(pid.to_string());
    fs::create_dir_all(&home).unwrap();
    let running = process.exe.is_some();
    let nul = |words: &mut dyn Iterator<Item = String>| words.map(|word| word + "\0").collect::<String>();
    let cmdline = match &process.cmdline_hex {
        Some(text) => hex(text),
        None if running => nul(&mut process.argv.iter().cloned()).into_bytes(),
        None => Vec::new(),
    };
    let environ =
        if running { nul(&mut process.env.iter().map(|(key, value)| format!("{key}={value}"))) } else { String::new() };
    let (group, started) = (if running { pid } else { 0 }, 100 * pid);
    let stat = format!(
        "{pid} ({comm}) S {parent} {group} {group} 0 -1 4194560 900 0 3 0 250 120 0 0 20 0 1 0 {started} \
         1300000000 20000 18446744073709551615{}\n",
        " 0".repeat(27)
    );
    let status = format!(
        "Name:\t{comm}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t{pid}\nNgid:\t0\nPid:\t{pid}\nPPid:\t{parent}\n\
         TracerPid:\t0\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \nNStgid:\t{pid}\n\
         NSpid:\t{pid}\nVmSize:\t 1269531 kB\nVmRSS:\t   80000 kB\nThreads:\t1\n"
    );
    let cgroup = format!("0::{}\n", process.cgroup.as_deref().unwrap_or("/"));
    let entries: [(&str, Vec<u8>); 6] = [
        ("cmdline", cmdline),
        ("environ", environ.into_bytes()),
        ("comm", format!("{comm}\n").into_bytes()),
        ("cgroup", cgroup.into_bytes()),
        ("stat", stat.into_bytes()),
        ("status", status.into_bytes()),
    ];
    let shown = |name: &str| {
        !process.hidden.iter().any(|hidden| hidden == name)
            && (process.only.is_empty() || process.only.iter().any(|only| only == name))
    };
    for (name, bytes) in entries {
        if shown(name) {
            fs::write(home.join(name), bytes).unwrap();
        }
    }
    let container = match process.root.is_empty() {
        true => root.to_owned(),
        false => {
            let container = root.join(format!("run/containerd/{pid}/rootfs"));
            for (inside, outside) in &process.root {
                same(&below(root, outside), &below(&container, inside));
            }
            container
        }
    };
    if let Some(network) = &process.network {
        fs::create_dir(home.join("ns")).unwrap();
        symlink(format!("net:[{network}]"), home.join("ns/net")).unwrap();
    }
    let Some(exe) = &process.exe else { return };
    if shown("exe") {
        symlink(exe, home.join("exe")).unwrap();
    }
    if shown("root") {
        let up = if process.root.is_empty() {
            "../..".to_owned()
        } else {
            format!("../../{}", container.strip_prefix(root).unwrap().display())
        };
        symlink(up, home.join("root")).unwrap();
    }
    if shown("cwd") {
        symlink("/", home.join("cwd")).unwrap();
    }
}

/// What a bind mount would show: files are hard links, directories are copied.
fn same(source: &Path, target: &Path) {
    let facts = source.symlink_metadata().unwrap();
    if !facts.is_dir() {
        fs::hard_link(source, target).unwrap();
        return;
    }
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        same(&entry.path(), &target.join(entry.file_name()));
    }
    if is_root() {
        use std::os::unix::fs::MetadataExt;
        chown(target, Some(facts.uid()), Some(facts.gid())).unwrap();
    }
    fs::set_permissions(target, facts.permissions()).unwrap();
}
