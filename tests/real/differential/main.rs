//! Our reading of flags, files and YAML against what Kubernetes' own code makes of the same input.
//!
//!     cargo test --test differential -- SUITE [--count N] [--seed N] [--case N] [--binaries DIR] [--oracle PROGRAM]
//!
//! SUITE is `yaml`, `flags`, `kubelet`, `etcd`, `etcd-tls`, `pss` or `audit-policy`; `tests/real/run` calls them all with what they need. Every case follows from the seed and
//! its number alone, so that `--seed S --case N` shows one again. A difference is cut down before it is shown; any makes the exit code 1.

#![allow(
    clippy::disallowed_methods,
    clippy::exit,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program on its own: it prints, runs binaries, and stops where something is wrong with its set-up"
)]

mod audit_policy;
mod binary;
mod etcd;
mod etcd_cases;
mod etcd_tls;
mod flag_lines;
mod flag_texts;
mod flags;
mod go_text;
mod host;
mod kubelet;
mod kubelet_cases;
mod kubelet_values;
mod layout;
mod oracle;
mod pss;
mod pss_pods;
mod pss_repair;
mod random;
mod shrink;
mod suite;
mod yaml;
mod yaml_documents;
mod yaml_writer;

use suite::Options;

fn main() {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("differential: {why}");
            std::process::exit(2);
        }
    };
    let clean = match options.suite.as_str() {
        "audit-policy" => audit_policy::run(&options),
        "pss" => pss::run(&options),
        "yaml" => yaml::run(&options),
        "flags" => flags::run(&options),
        "kubelet" => kubelet::run(&options),
        "etcd" => etcd::run(&options),
        "etcd-tls" => etcd_tls::run(&options),
        other => {
            eprintln!("differential: no suite {other}");
            std::process::exit(2);
        }
    };
    std::process::exit(i32::from(!clean));
}
