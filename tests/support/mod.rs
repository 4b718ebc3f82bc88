//! What the suites share: cases as data, host trees made from them, and the auditor called in-process.

#![allow(dead_code, reason = "every suite uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

pub mod api_server;
pub mod auditor;
pub mod binary;
pub mod case;
pub mod certificates;
pub mod host;
pub mod repository;
pub mod small_cluster;
pub mod world;
pub mod writable;

use std::fmt::Display;
use std::io::Write;

/// The boot time of every host that is made here, seconds since the epoch.
pub const BOOT_TIME: i64 = 1_760_000_000;

/// A closing line; it shows although the runner captures what passing tests print.
pub fn say(line: impl Display) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// True when this process may set owners.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// True, and said, when this process is not root and the test needs it.
pub fn lacks_root() -> bool {
    let lacks = !is_root();
    if lacks {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        say(format!("{name}: skipped, it needs root"));
    }
    lacks
}
