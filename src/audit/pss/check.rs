//! What a check is, what it looks at, and what it answers.

use super::Level;
use super::wording::containers;
use crate::evidence::objects::{Container, ContainerSecurityContext, Meta, PodSecurityContext, PodSpec};

/// One check, in its revisions (`Check` of policy/checks.go).
pub(super) struct Check {
    pub(super) id: &'static str,
    pub(super) level: Level,
    /// Oldest first.
    pub(super) revisions: &'static [Revision],
}

pub(super) const fn check(id: &'static str, level: Level, revisions: &'static [Revision]) -> Check {
    Check { id, level, revisions }
}

/// A check as it is from a policy version on (`VersionedCheck` of policy/checks.go).
pub(super) struct Revision {
    /// The minor number of the first policy version that it applies to.
    pub(super) since: u64,
    /// Ids of the baseline's checks that it takes the place of.
    pub(super) overrides: &'static [&'static str],
    /// What it refuses; `None` when the pod is allowed.
    pub(super) refuses: fn(&Subject<'_>) -> Option<Refusal>,
}

impl Revision {
    pub(super) const fn new(since: u64, refuses: fn(&Subject<'_>) -> Option<Refusal>) -> Self {
        Self { since, overrides: &[], refuses }
    }

    pub(super) const fn overriding(self, overrides: &'static [&'static str]) -> Self {
        Self { overrides, ..self }
    }
}

/// What is refused and why.
pub(super) struct Refusal {
    /// `ForbiddenReason`.
    pub(super) reason: &'static str,
    /// `ForbiddenDetail`.
    pub(super) detail: String,
    /// Paths of the fields to change.
    pub(super) fields: Vec<String>,
}

/// What a check looks at: a pod or a template.
pub(super) struct Subject<'a> {
    pub(super) meta: &'a Meta,
    pub(super) spec: &'a PodSpec,
}

/// A container and its place.
pub(super) struct Placed<'a> {
    pub(super) container: &'a Container,
    list: &'static str,
    index: usize,
}

impl<'a> Placed<'a> {
    /// The path of one of its fields.
    pub(super) fn path(&self, field: &str) -> String {
        format!("spec.{}[{}].{field}", self.list, self.index)
    }

    /// Its security settings, when it has any.
    pub(super) fn security(&self) -> Option<&'a ContainerSecurityContext> {
        self.container.security_context.as_ref()
    }
}

impl<'a> Subject<'a> {
    /// Init, regular and ephemeral containers (policy/visitor.go).
    pub(super) fn containers(&self) -> impl Iterator<Item = Placed<'a>> {
        let lists = [
            ("initContainers", &self.spec.init_containers),
            ("containers", &self.spec.containers),
            ("ephemeralContainers", &self.spec.ephemeral_containers),
        ];
        lists.into_iter().flat_map(|(list, containers)| {
            containers.iter().enumerate().map(move |(index, container)| Placed { container, list, index })
        })
    }

    /// The pod's own security settings, when it has any.
    pub(super) fn security(&self) -> Option<&'a PodSecurityContext> {
        self.spec.security_context.as_deref()
    }

    /// False for a pod that names Windows as its system: several checks do not apply to it from 1.25 on.
    pub(super) fn not_windows(&self) -> bool {
        self.spec.os.as_ref().is_none_or(|os| os.name != "windows")
    }

    /// False for a pod in a user namespace of its own (`relaxPolicyForUserNamespacePod` of policy/helpers.go).
    pub(super) fn in_host_users(&self) -> bool {
        self.spec.host_users != Some(false)
    }
}

/// Who sets a forbidden value: the pod, containers, or both.
#[derive(Default)]
pub(super) struct Setters<'a> {
    pub(super) pod: bool,
    pub(super) containers: Vec<&'a str>,
    pub(super) fields: Vec<String>,
}

impl<'a> Setters<'a> {
    /// The pod itself sets it, in a field of its spec.
    pub(super) fn add_pod(&mut self, field: &str) {
        self.pod = true;
        self.fields.push(format!("spec.{field}"));
    }

    /// A container sets it.
    pub(super) fn add(&mut self, placed: &Placed<'a>, field: &str) {
        self.containers.push(&placed.container.name);
        self.fields.push(placed.path(field));
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.pod && self.containers.is_empty()
    }

    /// `pod and containers "a", "b"`.
    pub(super) fn who(&self) -> String {
        match (self.pod, self.containers.is_empty()) {
            (true, true) => "pod".to_owned(),
            (true, false) => format!("pod and {}", containers(&self.containers)),
            (false, _) => containers(&self.containers),
        }
    }

    /// The refusal, when anyone sets it; `detail` is told who.
    pub(super) fn refusal(self, reason: &'static str, detail: impl FnOnce(&str) -> String) -> Option<Refusal> {
        (!self.is_empty()).then(|| Refusal { reason, detail: detail(&self.who()), fields: self.fields })
    }
}
