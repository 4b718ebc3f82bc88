//! RBAC as the API server's authorizer computes it: who can do what, what someone can do, and where that leads.
//!
//! Pure, over roles, bindings and the objects around them. What is not RBAC is not here: the Node authorizer, which serves the
//! nodes' own users, webhook authorizers, and paths that components serve to everyone.

mod aggregation;
mod bootstrap;
mod coverage;
pub mod describe;
pub mod escalation;
mod identity;
mod index;
mod request;
mod resources;

pub use aggregation::Aggregation;
pub use bootstrap::{Alteration, Bootstrap, Standing};
pub use coverage::uncovered;
pub use identity::{
    ANONYMOUS, AUTHENTICATED, Identity, MASTERS, NODES, SERVICE_ACCOUNTS, UNAUTHENTICATED, group_of_namespace,
    service_account, user_of,
};
pub use index::{Decision, Grant, Index, Scope};
pub use request::{Name, Place, Request, Resource, Target, allows};
pub use resources::{group_of, within_a_namespace};
