//! The RBAC engine: matching, questions, Kubernetes' own objects, where rights lead. What a real API server says is compared by
//! `tests/real/rbac/run`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod bootstrap;
mod escalation;
mod escalation_rights;
mod growth;
mod jane;
mod make;
mod matching;
mod properties;
mod questions;
