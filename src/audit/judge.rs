//! One check on one subject: the verdict, and what it rests on.

use std::collections::HashMap;
use std::rc::Rc;

use super::facts::cluster::ClusterContext;
use super::facts::{Context, proven_absent};
use super::predicate::{Beside, Outcome, Truth, all};
use super::report::Offender;
use super::verdict::Verdict;
use crate::benchmark::{Check, Subject};
use crate::evidence::effective::Effective;
use crate::evidence::{Component, Gap, Instance, NodeEvidence, Ownership, Reason, Tables, Unseen, Version};

/// The verdict of a check on one subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What must be.
    pub required: String,
    /// What was found.
    pub found: String,
    /// Where that comes from.
    pub origins: Vec<String>,
    /// Why it is unknown.
    pub gap: Option<Gap>,
    /// Single things that offend.
    pub offenders: Vec<Offender>,
    /// What makes the verdict beside those.
    pub beside: Beside,
    /// Index of the instance on its node.
    pub instance: Option<usize>,
}

/// A node with the effective values of its instances at each version that they can be.
pub struct Node<'a> {
    /// Its evidence.
    pub evidence: &'a NodeEvidence,
    /// By instance: versions, oldest first, with the effective values there.
    pub effective: Vec<Rc<AtVersions>>,
}

/// Effective values of an instance at each version that it can be, oldest first.
pub type AtVersions = Vec<(Version, Effective)>;

/// Effective values by everything that they rest on: thousands of kubelets that are told alike are one.
pub type Merged = HashMap<String, Rc<AtVersions>>;

impl<'a> Node<'a> {
    /// Merges every judged instance's values.
    pub fn new(evidence: &'a NodeEvidence, tables: &Tables, merged: &mut Merged) -> Self {
        let values = |instance: &Instance| -> Rc<AtVersions> {
            let versions = instance.versions.iter();
            Rc::new(
                versions
                    .map(|version| (*version, crate::evidence::effective::effective(tables, instance, *version)))
                    .collect(),
            )
        };
        let effective = evidence.instances.iter().map(|instance| match like(instance) {
            _ if instance.ownership == Ownership::Tenant => Rc::default(),
            Some(key) => Rc::clone(merged.entry(key).or_insert_with(|| values(instance))),
            None => values(instance),
        });
        Self { evidence, effective: effective.collect() }
    }
}

/// Everything that the effective values of an instance rest on, where several instances may be alike in it: those of no process.
fn like(instance: &Instance) -> Option<String> {
    if instance.pid.is_some() {
        return None;
    }
    let Instance { component, versions, arguments, environment, documents, manifest, .. } = instance;
    serde_json::to_string(&(component, versions, arguments, environment, documents, manifest)).ok()
}

/// Judges a check on a node: one judgement a subject.
pub fn judge(check: &Check, node: &Node<'_>, tables: &Tables) -> Vec<Judgement> {
    if check.pass.is_empty() && check.review.is_empty() {
        return vec![unasked(Reason::NeedsApi)];
    }
    match check.subject {
        Subject::Component(component) => {
            let judged = node
                .evidence
                .instances
                .iter()
                .enumerate()
                .filter(|(_, instance)| instance.component == component && instance.ownership != Ownership::Tenant);
            let judgements: Vec<Judgement> =
                judged.map(|(index, instance)| of_instance(check, node, tables, index, instance)).collect();
            if judgements.is_empty() { vec![absent(check, node.evidence, component)] } else { judgements }
        }
        Subject::Node => {
            let version = Version::kubernetes(*crate::evidence::KNOWN.end());
            vec![decide(check, &Context { tables, node: node.evidence, cluster: None, instance: None, version }, true)]
        }
        Subject::Cluster => vec![unasked(Reason::NeedsApi)],
    }
}

/// Judges a check of the cluster as a whole.
pub fn judge_cluster(check: &Check, cluster: Option<ClusterContext<'_>>, tables: &Tables) -> Judgement {
    let decidable = cluster.filter(|_| !check.pass.is_empty() || !check.review.is_empty());
    let Some(cluster) = decidable else {
        return unasked(Reason::NeedsApi);
    };
    let nothing = NodeEvidence::default();
    let version = cluster.cluster.version.unwrap_or(Version::kubernetes(*crate::evidence::KNOWN.end()));
    let context = Context { tables, node: &nothing, cluster: Some(cluster), instance: None, version };
    decide(check, &context, true)
}

/// The judgement where nobody asked the source that would tell.
pub fn unasked(reason: Reason) -> Judgement {
    Judgement::unknown(Gap::new(reason, if reason == Reason::NotAsked { "no node was looked at" } else { "" }))
}

/// The judgement on a node that exists and was not looked at.
pub fn unseen(node: &Unseen) -> Judgement {
    Judgement::unknown(Gap::new(Reason::NodeUnseen, format!("{}: {}", node.state.word(), node.why)))
}

impl Judgement {
    /// Unknown, for a reason.
    pub fn unknown(gap: Gap) -> Self {
        Self { gap: Some(gap.clone()), ..Self::without_requirement(Verdict::Unknown, gap.to_string()) }
    }

    /// There is nothing to judge, and why.
    pub fn not_applicable(why: String) -> Self {
        Self::without_requirement(Verdict::NotApplicable, why)
    }

    fn without_requirement(verdict: Verdict, found: String) -> Self {
        Self {
            verdict,
            required: String::new(),
            found,
            origins: Vec::new(),
            gap: None,
            offenders: Vec::new(),
            beside: Beside::default(),
            instance: None,
        }
    }

    /// True when its node was not looked at.
    pub fn is_of_unseen(&self) -> bool {
        self.gap.as_ref().is_some_and(|gap| gap.reason == Reason::NodeUnseen)
    }
}

fn absent(check: &Check, node: &NodeEvidence, component: Component) -> Judgement {
    match proven_absent(node, component) {
        Ok(()) => Judgement::not_applicable(check.not_applicable.clone()),
        Err(gap) => Judgement::unknown(gap),
    }
}

/// Judged at every version that the instance can be: where all agree, that is the verdict.
fn of_instance(check: &Check, node: &Node<'_>, tables: &Tables, index: usize, instance: &Instance) -> Judgement {
    let mut decided: Vec<(Version, Judgement)> = Vec::new();
    for (version, effective) in node.effective[index].iter() {
        let context = Context {
            tables,
            node: node.evidence,
            cluster: None,
            instance: Some((instance, effective)),
            version: *version,
        };
        decided.push((*version, decide(check, &context, instance.runs())));
    }
    let Some((_, newest)) = decided.last().cloned() else {
        let gap = Gap::new(Reason::DependsOnVersion, "no known version fits");
        return Judgement { instance: Some(index), ..Judgement::unknown(gap) };
    };
    let mut judgement = newest;
    if decided.iter().any(|(_, other)| other.verdict != judgement.verdict) {
        let mut spans: Vec<(Verdict, Version, Version)> = Vec::new();
        for (version, one) in &decided {
            match spans.last_mut() {
                Some((verdict, _, to)) if *verdict == one.verdict => *to = *version,
                _ => spans.push((one.verdict, *version, *version)),
            }
        }
        let texts: Vec<String> = spans
            .iter()
            .map(
                |(verdict, from, to)| {
                    if from == to { format!("{verdict} at {from}") } else { format!("{verdict} from {from} to {to}") }
                },
            )
            .collect();
        let gap = Gap::new(Reason::DependsOnVersion, format!("{} ({})", texts.join(", "), instance.version_from));
        judgement.verdict = Verdict::Unknown;
        judgement.found = gap.to_string();
        judgement.offenders.clear();
        judgement.beside = Beside::default();
        judgement.gap = Some(gap);
    }
    judgement.instance = Some(index);
    judgement
}

/// One check on one subject at one version. `running` is false for a manifest without its process: it can fail, not pass.
fn decide(check: &Check, context: &Context<'_>, running: bool) -> Judgement {
    // where a person decides in any case, nothing passes by itself
    let pass = if check.pass.is_empty() {
        let mut laid_out = all(&check.review, context);
        if laid_out.truth == Truth::True {
            laid_out.truth = Truth::False;
        }
        laid_out
    } else {
        all(&check.pass, context)
    };
    let mut shown = pass.clone();
    let exempt =
        if check.not_applicable_when.is_empty() { None } else { Some(all(&check.not_applicable_when, context)) };
    let truth = match (exempt, pass.truth) {
        // the subject is there: what exempts it is the reason, not the sentence for where there is none
        (Some(Outcome { truth: Truth::True, found, origins, .. }), _) => {
            let why = found.join("; ");
            shown.found = found;
            shown.origins = origins;
            Decision::NotApplicable(why)
        }
        (_, Truth::True) => Decision::Pass,
        (Some(Outcome { truth: Truth::Unknown(gap), .. }), _) => Decision::Unknown(gap),
        (_, Truth::NotApplicable(why)) => Decision::NotApplicable(why),
        (_, Truth::Unknown(gap)) => Decision::Unknown(gap),
        (_, Truth::False) if check.review.is_empty() => Decision::Fail,
        (_, Truth::False) => match all(&check.review, context).truth {
            Truth::True => Decision::Review,
            Truth::Unknown(gap) => Decision::Unknown(gap),
            Truth::False | Truth::NotApplicable(_) => Decision::Fail,
        },
    };
    let truth = match truth {
        Decision::Pass | Decision::Review | Decision::NotApplicable(_) if !running => Decision::Unknown(Gap::new(
            Reason::NotRunning,
            "only its manifest is here, no process: what runs is not known",
        )),
        other => other,
    };
    let required = shown.required.join("; ");
    let (verdict, found, gap) = match truth {
        Decision::Pass => (Verdict::Pass, shown.found.join("; "), None),
        Decision::Fail => (Verdict::Fail, shown.found.join("; "), None),
        Decision::Review => (Verdict::Review, shown.found.join("; "), None),
        Decision::NotApplicable(why) => (Verdict::NotApplicable, why, None),
        Decision::Unknown(gap) => (Verdict::Unknown, gap.to_string(), Some(gap)),
    };
    let (offenders, beside) = match verdict {
        Verdict::Fail | Verdict::Review => (shown.offenders, shown.beside),
        _ => Default::default(),
    };
    Judgement { verdict, required, found, origins: shown.origins, gap, offenders, beside, instance: None }
}

enum Decision {
    Pass,
    Fail,
    Review,
    Unknown(Gap),
    NotApplicable(String),
}
