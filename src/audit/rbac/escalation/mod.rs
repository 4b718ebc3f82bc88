//! Where rights lead: the closure of everything that one can become or run by what one may do, and the shortest way to a target.
//!
//! A graph whose nodes are subjects and what they gain; an edge is a right, or several that are needed together. Rights that are
//! needed together must be held by one subject (with the groups that it surely belongs to): what two identities hold, taken one after
//! the other, is not put together, since that would cost a search per subject. Its size is linear in bindings, pods and accounts, and one
//! search per target finds the way of every subject.

mod edges;
mod graph;
mod holdings;
mod path;
mod power;
mod rights;
mod world;

pub use graph::Escalation;
pub use path::{Cause, Path, Step};
pub use world::World;

/// What a way may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Every verb on every resource of the cluster.
    ClusterAdmin,
    /// Reads the secrets of every namespace.
    EverySecret,
    /// Root on a node.
    NodeRoot,
    /// Becomes any user.
    AnyIdentity,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClusterAdmin, Self::EverySecret, Self::NodeRoot, Self::AnyIdentity];

    /// As a way ends.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ClusterAdmin => "cluster-admin",
            Self::EverySecret => "every secret",
            Self::NodeRoot => "root on a node",
            Self::AnyIdentity => "any identity",
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.words())
    }
}
