//! Pod Security Standards: what the `PodSecurity` admission plugin says of a pod, at any level and policy version. Pure.
//!
//! Source: k8s.io/pod-security-admission 0.37.2 (`policy`, `api`, `admission`); each rule names its file. The same answers
//! come from every API server from 1.33 on when a policy version is brought down to the server's own ([`LevelVersion::on`]).
//! Older ones differ in two fields that they do not serve by default: image volumes (1.31, 1.32), AppArmor fields (1.29).
//!
//! The plugin sees objects with the API's defaults filled in. One of those adds to what it says: a pod with `hostNetwork`
//! gets each `containerPort` as its `hostPort`. Whoever reads or makes a pod fills that in (`PodSpec::default_host_ports`).

mod baseline;
mod check;
mod configuration;
mod labels;
mod level;
mod owners;
mod profiles;
mod raise;
mod restricted;
mod wording;

use serde::Serialize;

use crate::evidence::objects::{Meta, Pod, PodSpec, Workload};

use check::{Check, Revision, Subject, check};

pub use configuration::{Configuration, Exemption, Exemptions, InvalidConfiguration};
pub use labels::{InvalidLabel, Mode, Policy};
pub use level::{Level, LevelVersion, NEWEST, NotALevel, NotAPolicyVersion, PolicyVersion};
pub use owners::{Owner, Owners};
pub use raise::{Blocked, Blocker, Equal, raise, raise_equal};

/// What one check refuses in a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Id of the check, such as `runAsNonRoot`.
    pub check: &'static str,
    /// What the API server would say, such as `privileged (container "app" must not set securityContext.privileged=true)`.
    pub reason: String,
    /// Paths of the fields to change, such as `spec.containers[0].securityContext.privileged`. The pod is allowed by this
    /// check once each of them holds an allowed value.
    pub fields: Vec<String>,
}

/// The checks of one policy, chosen once for any number of pods.
///
/// `latest` and versions above [`NEWEST`] mean the newest known; see [`LevelVersion::on`] for the API server's own.
/// Exemptions are not looked at here: see [`Configuration::exemption`].
pub struct Evaluator {
    policy: LevelVersion,
    in_force: Vec<(&'static Check, &'static Revision)>,
}

impl Evaluator {
    /// Chooses the checks: the newest revision of each that is not newer than the version. The restricted level has those
    /// of the baseline too, but for what its own override.
    ///
    /// Source: `populate`, `inflateVersions` (policy/registry.go).
    pub fn new(policy: LevelVersion) -> Self {
        let minor = policy.version.minor().min(NEWEST);
        let revised = |check: &'static Check| {
            let revision = check.revisions.iter().rfind(|revision| revision.since <= minor)?;
            (check.level <= policy.level).then_some((check, revision))
        };
        let mut in_force: Vec<_> = CHECKS.iter().filter_map(revised).collect();
        let overridden: Vec<&str> = in_force.iter().flat_map(|(_, revision)| revision.overrides).copied().collect();
        in_force.retain(|(check, _)| !overridden.contains(&check.id));
        Self { policy, in_force }
    }

    /// The policy.
    pub fn policy(&self) -> LevelVersion {
        self.policy
    }

    /// Ids of the checks, in the plugin's order.
    pub fn checks(&self) -> impl Iterator<Item = &'static str> {
        self.in_force.iter().map(|(check, _)| check.id)
    }

    /// What is refused in a pod, in the plugin's order; empty when it is allowed.
    ///
    /// Source: `checkRegistry.EvaluatePod` (policy/registry.go), `AggregateCheckResult.ForbiddenDetail` (policy/checks.go).
    pub fn evaluate(&self, meta: &Meta, spec: &PodSpec) -> Vec<Violation> {
        let subject = Subject { meta, spec };
        let violation = |(check, revision): &(&'static Check, &'static Revision)| {
            let refusal = (revision.refuses)(&subject)?;
            let reason = match refusal.detail.as_str() {
                // a sysctl without a name
                "" => refusal.reason.to_owned(),
                detail => format!("{} ({detail})", refusal.reason),
            };
            Some(Violation { check: check.id, reason, fields: refusal.fields })
        };
        self.in_force.iter().filter_map(violation).collect()
    }

    /// What is refused in a pod.
    pub fn pod(&self, pod: &Pod) -> Vec<Violation> {
        self.evaluate(&pod.metadata, &pod.spec)
    }

    /// What is refused in the pods that a controller makes, with field paths from the controller's own root; `None` without
    /// a template. The plugin warns and audits here: only the pods themselves are refused.
    ///
    /// Source: `DefaultPodSpecExtractor.ExtractPodSpec` (admission/admission.go).
    pub fn workload(&self, workload: &Workload) -> Option<Vec<Violation>> {
        let template = workload.template()?;
        let root = workload.template_field();
        let mut violations = self.evaluate(&template.metadata, &template.spec);
        for field in violations.iter_mut().flat_map(|violation| &mut violation.fields) {
            *field = format!("{root}.{field}");
        }
        Some(violations)
    }
}

/// What the checks of a level and version refuse in a pod; empty when it is allowed. For many pods make one [`Evaluator`].
///
/// ```
/// use kube_assay::audit::pss::{Level, PolicyVersion, evaluate};
/// use kube_assay::evidence::objects::Pod;
///
/// let pod: Pod = serde_json::from_str(r#"{"spec": {"hostPID": true, "containers": [{"name": "app"}]}}"#)?;
/// let violations = evaluate(Level::Baseline, PolicyVersion::Minor(34), &pod.metadata, &pod.spec);
/// assert_eq!(violations[0].reason, "host namespaces (hostPID=true)");
/// assert_eq!(violations[0].fields, ["spec.hostPID"]);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn evaluate(level: Level, version: PolicyVersion, meta: &Meta, spec: &PodSpec) -> Vec<Violation> {
    Evaluator::new(LevelVersion::new(level, version)).evaluate(meta, spec)
}

/// [`Evaluator::pod`] for one pod.
pub fn evaluate_pod(policy: LevelVersion, pod: &Pod) -> Vec<Violation> {
    Evaluator::new(policy).pod(pod)
}

/// [`Evaluator::workload`] for one workload.
pub fn evaluate_workload(policy: LevelVersion, workload: &Workload) -> Option<Vec<Violation>> {
    Evaluator::new(policy).workload(workload)
}

/// Every check: those of the baseline by id, then those of the restricted level by id, as their results are shown.
static CHECKS: [Check; 19] = [
    check("appArmorProfile", Level::Baseline, &[Revision::new(0, profiles::app_armor)]),
    check("capabilities_baseline", Level::Baseline, &[Revision::new(0, baseline::capabilities)]),
    check("hostNamespaces", Level::Baseline, &[Revision::new(0, baseline::host_namespaces)]),
    check("hostPathVolumes", Level::Baseline, &[Revision::new(0, baseline::host_path_volumes)]),
    check("hostPorts", Level::Baseline, &[Revision::new(0, baseline::host_ports)]),
    check("hostProbesAndHostLifecycle", Level::Baseline, &[Revision::new(34, baseline::host_probes)]),
    check("privileged", Level::Baseline, &[Revision::new(0, baseline::privileged)]),
    check(
        "procMount",
        Level::Baseline,
        &[
            Revision::new(0, baseline::proc_mount),
            Revision::new(35, |pod| pod.in_host_users().then(|| baseline::proc_mount(pod))?),
        ],
    ),
    check(
        "seLinuxOptions",
        Level::Baseline,
        &[
            Revision::new(0, |pod| profiles::se_linux_options(pod, 0)),
            Revision::new(31, |pod| profiles::se_linux_options(pod, 31)),
        ],
    ),
    check(
        "seccompProfile_baseline",
        Level::Baseline,
        &[Revision::new(0, profiles::seccomp_annotations), Revision::new(19, profiles::seccomp_baseline)],
    ),
    check(
        "sysctls",
        Level::Baseline,
        &[
            Revision::new(0, |pod| baseline::sysctls(pod, 0)),
            Revision::new(27, |pod| baseline::sysctls(pod, 27)),
            Revision::new(29, |pod| baseline::sysctls(pod, 29)),
            Revision::new(32, |pod| baseline::sysctls(pod, 32)),
            Revision::new(37, |pod| baseline::sysctls(pod, 37)),
        ],
    ),
    check("windowsHostProcess", Level::Baseline, &[Revision::new(0, baseline::windows_host_process)]),
    check(
        "allowPrivilegeEscalation",
        Level::Restricted,
        &[
            Revision::new(8, restricted::allow_privilege_escalation),
            Revision::new(25, |pod| pod.not_windows().then(|| restricted::allow_privilege_escalation(pod))?),
        ],
    ),
    check(
        "capabilities_restricted",
        Level::Restricted,
        &[
            Revision::new(22, restricted::capabilities).overriding(&["capabilities_baseline"]),
            Revision::new(25, |pod| pod.not_windows().then(|| restricted::capabilities(pod))?)
                .overriding(&["capabilities_baseline"]),
        ],
    ),
    check(
        "procMount_restricted",
        Level::Restricted,
        &[Revision::new(35, baseline::proc_mount).overriding(&["procMount"])],
    ),
    check(
        "restrictedVolumes",
        Level::Restricted,
        &[Revision::new(0, restricted::volumes).overriding(&["hostPathVolumes"])],
    ),
    check(
        "runAsNonRoot",
        Level::Restricted,
        &[
            Revision::new(0, restricted::run_as_non_root),
            Revision::new(35, |pod| pod.in_host_users().then(|| restricted::run_as_non_root(pod))?),
        ],
    ),
    check(
        "runAsUser",
        Level::Restricted,
        &[
            Revision::new(23, restricted::run_as_user),
            Revision::new(35, |pod| pod.in_host_users().then(|| restricted::run_as_user(pod))?),
        ],
    ),
    check(
        "seccompProfile_restricted",
        Level::Restricted,
        &[
            Revision::new(19, profiles::seccomp_restricted).overriding(&["seccompProfile_baseline"]),
            Revision::new(25, |pod| pod.not_windows().then(|| profiles::seccomp_restricted(pod))?)
                .overriding(&["seccompProfile_baseline"]),
        ],
    ),
];
