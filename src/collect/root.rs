//! One directory tree that stands for a host or a container: every path is resolved below it, whatever links say.
//!
//! Read-only, bounded in size, never entering FUSE or network file systems, never opening a FIFO or a device.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::fstatfs;

use crate::evidence::{FileFacts, FileKind, Gap, Reason};

/// Configuration files larger than this are not read: the largest that Kubernetes itself accepts is far smaller.
pub const CONFIG_LIMIT: u64 = 4 << 20;

/// Links followed before a chain counts as endless, as the kernel does it.
const MAX_LINKS: usize = 40;

/// What keeps a path from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is there.
    Absent,
    /// Something is there, or may be, and cannot be looked at.
    Gap(Gap),
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: OsString,
    /// It is a directory (not a link to one).
    pub directory: bool,
}

/// A directory tree.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Trouble {
    /// As the reason why something is unknown.
    pub fn into_gap(self, path: &str) -> Gap {
        match self {
            Self::Absent => Gap::new(Reason::NotFound, path),
            Self::Gap(gap) => gap,
        }
    }
}

impl Root {
    /// Opens a tree.
    ///
    /// # Errors
    /// The error of the operating system.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        let directory = open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        Self::of(directory, path.to_owned())
    }

    fn of(directory: OwnedFd, path: PathBuf) -> Result<Self, Errno> {
        let state = fstat(&directory)?;
        Ok(Self { directory, path, device: state.st_dev, inode: state.st_ino })
    }

    /// Where the tree is, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when both are the same directory.
    pub fn is_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// The tree that stands at `path` below this one. A magic link of procfs leads to another mount namespace, so it is
    /// followed by the kernel; any other link is resolved below this tree.
    ///
    /// # Errors
    /// What keeps it from being entered.
    pub fn enter(&self, path: &str) -> Result<Self, Trouble> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = self.resolve(OsStr::new(parent), flags).map_err(|errno| trouble(errno, path))?;
        let magic = fstatfs(&parent).is_ok_and(|state| state.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC);
        let directory =
            if magic { openat(&parent, name, flags, Mode::empty()) } else { self.resolve(OsStr::new(path), flags) }
                .map_err(|errno| trouble(errno, path))?;
        Self::of(directory, self.path.join(path.trim_start_matches('/'))).map_err(|errno| trouble(errno, path))
    }

    /// Mode, owner and kind of what is behind `path`, links followed.
    ///
    /// # Errors
    /// Absent, or what keeps it from being looked at.
    pub fn facts(&self, path: &OsStr) -> Result<FileFacts, Trouble> {
        let file = self.resolve(path, OFlag::O_PATH | OFlag::O_CLOEXEC).map_err(|errno| self.explain(errno, path))?;
        let state = fstat(&file).map_err(|errno| trouble(errno, &path.to_string_lossy()))?;
        self.local(&file, &state, path)?;
        Ok(self.facts_of(&state, path))
    }

    /// Device and inode of what is behind `path`.
    pub fn identity(&self, path: &OsStr) -> Option<(u64, u64)> {
        let file = self.resolve(path, OFlag::O_PATH | OFlag::O_CLOEXEC).ok()?;
        fstat(&file).ok().map(|state| (state.st_dev, state.st_ino))
    }

    /// True when a mount of procfs stands at `path`.
    pub fn is_procfs(&self, path: &str) -> bool {
        let directory = self.resolve(OsStr::new(path), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC);
        directory.is_ok_and(|directory| {
            fstatfs(&directory).is_ok_and(|state| state.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
        })
    }

    /// The content of a regular file and its facts.
    ///
    /// # Errors
    /// Absent, or what keeps it from being read; a file larger than `limit` bytes is not read at all.
    pub fn read(&self, path: &OsStr, limit: u64) -> Result<(FileFacts, Vec<u8>), Trouble> {
        let shown = path.to_string_lossy();
        let found = self.resolve(path, OFlag::O_PATH | OFlag::O_CLOEXEC).map_err(|errno| self.explain(errno, path))?;
        let state = fstat(&found).map_err(|errno| trouble(errno, &shown))?;
        self.local(&found, &state, path)?;
        let facts = self.facts_of(&state, path);
        if facts.kind != FileKind::File {
            return Err(gap(Reason::WrongKind, &shown));
        }
        if u64::try_from(state.st_size).unwrap_or(u64::MAX) > limit {
            return Err(gap(Reason::TooBig, &format!("{shown}: {} bytes, the bound is {limit}", state.st_size)));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = self.resolve(path, flags).map_err(|errno| trouble(errno, &shown))?;
        let again = fstat(&file).map_err(|errno| trouble(errno, &shown))?;
        if (again.st_dev, again.st_ino) != (state.st_dev, state.st_ino) {
            return Err(gap(Reason::Raced, &shown));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(state.st_size).unwrap_or_default());
        let mut reader = std::fs::File::from(file).take(limit + 1);
        reader.read_to_end(&mut bytes).map_err(|error| trouble(errno_of(&error), &shown))?;
        if bytes.len() as u64 > limit {
            return Err(gap(Reason::TooBig, &format!("{shown}: more than {limit} bytes")));
        }
        Ok((facts, bytes))
    }

    /// The first `length` bytes of a regular file; what procfs shows is read this way, because its files claim no size.
    ///
    /// # Errors
    /// Absent, or what keeps it from being read.
    pub fn head(&self, path: &OsStr, length: u64) -> Result<Vec<u8>, Trouble> {
        let shown = path.to_string_lossy();
        let found = self.resolve(path, OFlag::O_PATH | OFlag::O_CLOEXEC).map_err(|errno| trouble(errno, &shown))?;
        let state = fstat(&found).map_err(|errno| trouble(errno, &shown))?;
        if SFlag::from_bits_truncate(state.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
            return Err(gap(Reason::WrongKind, &shown));
        }
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let file = self.resolve(path, flags).map_err(|errno| trouble(errno, &shown))?;
        let mut bytes = Vec::new();
        let read = std::fs::File::from(file).take(length).read_to_end(&mut bytes);
        read.map_err(|error| trouble(errno_of(&error), &shown))?;
        Ok(bytes)
    }

    /// The entries of a directory, sorted by name.
    ///
    /// # Errors
    /// Absent, or what keeps it from being listed.
    pub fn list(&self, path: &OsStr) -> Result<Vec<Entry>, Trouble> {
        let shown = path.to_string_lossy();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let directory = match self.resolve(path, flags) {
            Err(Errno::ENOTDIR) if self.facts(path).is_ok() => {
                return Err(gap(Reason::WrongKind, &format!("{shown} is no directory")));
            }
            other => other.map_err(|errno| self.explain(errno, path))?,
        };
        let mut open = nix::dir::Dir::from_fd(directory).map_err(|errno| trouble(errno, &shown))?;
        let mut entries = Vec::new();
        for entry in open.iter() {
            let entry = entry.map_err(|errno| trouble(errno, &shown))?;
            let name = entry.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                let directory = match entry.file_type() {
                    Some(kind) => kind == nix::dir::Type::Directory,
                    None => self.facts(path).is_ok_and(|facts| facts.kind == FileKind::Directory),
                };
                entries.push(Entry { name: OsString::from_vec(name.to_vec()), directory });
            }
        }
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    /// Where the link at `path` leads; `None` when it is no link or not there.
    pub fn link(&self, path: &OsStr) -> Option<OsString> {
        let path = Path::new(path);
        let name = path.file_name()?;
        let parent = path.parent().map_or(OsStr::new("."), Path::as_os_str);
        let parent = self.resolve(parent, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).ok()?;
        readlinkat(&parent, name).ok()
    }

    fn facts_of(&self, state: &FileStat, path: &OsStr) -> FileFacts {
        let kind = match SFlag::from_bits_truncate(state.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => FileKind::File,
            SFlag::S_IFDIR => FileKind::Directory,
            SFlag::S_IFLNK => FileKind::Link,
            _ => FileKind::Special,
        };
        FileFacts {
            mode: state.st_mode & 0o7777,
            uid: state.st_uid,
            gid: state.st_gid,
            kind,
            link: self.link(path).map(|target| target.to_string_lossy().into_owned()),
            modified: state.st_mtime,
        }
    }

    /// A file on FUSE or a network may hang or lie: such mounts below the tree are not entered.
    fn local(&self, file: &OwnedFd, state: &FileStat, path: &OsStr) -> Result<(), Trouble> {
        const REMOTE: [i64; 9] =
            [0x6573_5546, 0x6969, 0xff53_4d42, 0xfe53_4d42, 0x0102_1997, 0x00c3_6400, 0x5346_414f, 0x0bd0_0bd3, 0x517b];
        if state.st_dev == self.device {
            return Ok(());
        }
        // glibc's number is signed, musl's is not
        #[allow(clippy::useless_conversion, reason = "the type of the number differs between C libraries")]
        let kind = fstatfs(file).map(|state| i64::try_from(state.filesystem_type().0).unwrap_or_default());
        let kind = kind.unwrap_or_default();
        if REMOTE.contains(&kind) { Err(gap(Reason::Remote, &path.to_string_lossy())) } else { Ok(()) }
    }

    /// A link that leads nowhere is there, although what it names is not.
    fn explain(&self, errno: Errno, path: &OsStr) -> Trouble {
        let shown = path.to_string_lossy();
        if errno == Errno::ENOENT && self.link(path).is_some() {
            return gap(Reason::NotFound, &format!("{shown} is a link that leads nowhere"));
        }
        trouble(errno, &shown)
    }

    /// Opens `path` below the tree, links included.
    fn resolve(&self, path: &OsStr, flags: OFlag) -> Result<OwnedFd, Errno> {
        let path = OsStr::from_bytes(
            path.as_bytes().iter().position(|byte| *byte != b'/').map_or(b".", |start| &path.as_bytes()[start..]),
        );
        let how =
            OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        for _ in 0..8 {
            match openat2(&self.directory, Path::new(path), how) {
                Err(Errno::EAGAIN) => {}
                // before Linux 5.6, or forbidden by a seccomp filter that does not know it
                Err(Errno::ENOSYS) => return self.walk(path, flags),
                other => return other,
            }
        }
        Err(Errno::ESTALE)
    }

    /// The same, one component at a time, for kernels without openat2.
    fn walk(&self, path: &OsStr, flags: OFlag) -> Result<OwnedFd, Errno> {
        let step = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut open = vec![self.directory.as_fd().try_clone_to_owned().map_err(|error| errno_of(&error))?];
        let mut pending: Vec<OsString> = parts(path);
        let mut links = 0;
        while let Some(part) = pending.pop() {
            let Some(here) = open.last() else { return Err(Errno::ELOOP) };
            if part == ".." {
                if open.len() > 1 {
                    open.pop();
                }
                continue;
            }
            let state = fstatat(here, part.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW)?;
            if SFlag::from_bits_truncate(state.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
                let target = readlinkat(here, part.as_os_str())?;
                if target.as_bytes().starts_with(b"/") {
                    open.truncate(1);
                }
                pending.extend(parts(&target));
                continue;
            }
            let last = pending.is_empty();
            let next =
                openat(here, part.as_os_str(), if last { flags | OFlag::O_NOFOLLOW } else { step }, Mode::empty())?;
            open.push(next);
        }
        match open.pop() {
            Some(found) if open.is_empty() => openat(&found, ".", flags, Mode::empty()),
            Some(found) => Ok(found),
            None => Err(Errno::ENOENT),
        }
    }
}

/// The parts of a path, last first, without `.` and empty ones.
fn parts(path: &OsStr) -> Vec<OsString> {
    let split = path.as_bytes().split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    split.rev().map(|part| OsString::from_vec(part.to_vec())).collect()
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn gap(reason: Reason, detail: &str) -> Trouble {
    Trouble::Gap(Gap::new(reason, detail))
}

fn trouble(errno: Errno, path: &str) -> Trouble {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => Trouble::Absent,
        Errno::EACCES | Errno::EPERM => gap(Reason::Denied, path),
        Errno::ELOOP => gap(Reason::LinkLoop, path),
        Errno::ESRCH | Errno::ESTALE => gap(Reason::Raced, path),
        other => gap(Reason::Io, &format!("{path}: {}", other.desc())),
    }
}
