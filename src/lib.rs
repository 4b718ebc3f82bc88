//! kube-assay audits Kubernetes clusters against the CIS Kubernetes Benchmark by effective values with their origin.
//!
//! The library is the auditor; the binary is a thin command line over [`run`]. Floors import downwards only:
//! `evidence` (0), `collect`, `benchmark` and `history` (1), `audit` and `install` (2), `render` (3), `cli` and `run` (4).

pub mod audit;
pub mod benchmark;
pub mod cli;
pub mod collect;
pub mod evidence;
pub mod history;
pub mod install;
pub mod render;
pub mod run;
