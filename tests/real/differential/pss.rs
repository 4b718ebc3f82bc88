//! Our reading of the Pod Security Standards against k8s.io/pod-security-admission: pods and pod templates at any level and
//! version, and the labels of namespaces.

use std::collections::BTreeMap;

use kube_assay::audit::pss::{Evaluator, LevelVersion, Policy, Violation};
use kube_assay::evidence::Version;
use kube_assay::evidence::objects::{Pod, Workload};
use serde_json::{Value as Json, json};

use crate::oracle::Oracle;
use crate::pss_pods::pod;
use crate::pss_repair::repair;
use crate::random::Random;
use crate::suite::{Difference, Options, Tally};

/// How many questions are asked at once.
const BATCH: usize = 500;
const MODES: [&str; 3] = ["enforce", "audit", "warn"];

pub fn run(options: &Options) -> bool {
    let name = options.oracle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let module = name.strip_prefix("pss-").and_then(|rest| rest.split('-').next()).unwrap_or("?").to_owned();
    // k8s.io/pod-security-admission 0.37.2 is that of Kubernetes 1.37.2
    let newest: u64 = module.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_else(|| panic!("{name}"));
    let mut oracle = Oracle::start(&options.oracle);
    let mut tally = Tally::new(options, &module);
    let (mut refused, mut labels, mut repaired) = (0, 0, 0);
    // how often each check refused a pod: a check that never does was not compared
    let mut by_check: BTreeMap<String, u64> = BTreeMap::new();
    for numbers in options.cases().chunks(BATCH) {
        let questions: Vec<Json> = numbers.iter().map(|case| question(options.seed, *case, newest)).collect();
        if options.case.is_some() {
            println!("{:#}", questions[0]);
        }
        let answers = ask(&mut oracle, &questions);
        let mut repairs = Vec::new();
        for ((case, question), theirs) in numbers.iter().zip(&questions).zip(&answers) {
            tally.compared();
            let ours = answer(question, newest);
            labels += u64::from(question.get("labels").is_some());
            refused += u64::from(theirs["allowed"] == false);
            for check in theirs["violations"].as_array().into_iter().flatten().filter_map(Json::as_str) {
                *by_check.entry(check.to_owned()).or_default() += 1;
            }
            if ours != *theirs {
                tally.differs(|| cut_down(&mut oracle, *case, question, newest));
            } else if theirs["allowed"] == false {
                repairs.extend(repairs_of(options.seed, *case, question, newest));
            }
        }
        let questions: Vec<Json> = repairs.iter().map(|repair| repair.question.clone()).collect();
        for (repair, theirs) in repairs.iter().zip(ask(&mut oracle, &questions)) {
            repaired += 1;
            let still = theirs["violations"].as_array().is_some_and(|all| all.iter().any(|id| *id == repair.left_out));
            if (repair.left_out.is_empty() && theirs["allowed"] != true) || (!repair.left_out.is_empty() && !still) {
                tally.differs(|| repair.difference(&theirs));
            }
        }
    }
    tally.note(format!("{refused} pods refused by both, {labels} sets of labels, {repaired} repaired pods"));
    if let Some((rarest, count)) = by_check.iter().min_by_key(|(_, count)| **count) {
        tally.note(format!("{} checks refused, {rarest} least often: {count} times", by_check.len()));
    }
    tally.end()
}

/// What is asked: a pod or template, or in every eighth case the labels of a namespace.
fn question(seed: u64, case: u64, newest: u64) -> Json {
    let mut random = Random::of_case("pss", seed, case);
    if case % 8 == 7 {
        return labels(&mut random);
    }
    let (metadata, spec) = pod(&mut random, newest);
    let level = *random.pick(&["baseline", "restricted", "restricted", "baseline", "restricted", "privileged"]);
    let version = if random.percent(75) {
        format!("v1.{}", random.between(24, 37))
    } else {
        (*random
            .pick(&["latest", "v1.0", "v1.7", "v1.8", "v1.18", "v1.19", "v1.21", "v1.22", "v1.23", "v1.38", "v1.999"]))
        .to_owned()
    };
    let server = if newest >= 35 && random.percent(20) { random.between(24, 40) } else { 0 };
    let shape = *random.pick(&["Pod", "Pod", "Pod", "Deployment", "CronJob"]);
    json!({"level": level, "version": version, "server": server, "shape": shape, "metadata": metadata, "spec": spec})
}

fn labels(random: &mut Random) -> Json {
    const LEVELS: [&str; 7] = ["privileged", "baseline", "restricted", "Restricted", "", "none", "baseline"];
    const VERSIONS: [&str; 12] = [
        "latest",
        "v1.0",
        "v1.25",
        "v1.34",
        "v1.37",
        "v1.99",
        "v1.05",
        "v1.9223372036854775808",
        "1.25",
        "v1.",
        "v1.+5",
        "Latest",
    ];
    let (mut labels, mut defaults) = (json!({}), json!({}));
    for mode in MODES {
        defaults[mode] = random.word(&LEVELS[..3]).into();
        defaults[format!("{mode}-version")] = random.word(&VERSIONS[..6]).into();
        if random.percent(60) {
            labels[format!("pod-security.kubernetes.io/{mode}")] = random.word(&LEVELS).into();
        }
        if random.percent(40) {
            labels[format!("pod-security.kubernetes.io/{mode}-version")] = random.word(&VERSIONS).into();
        }
    }
    if random.percent(30) {
        labels["example.com/else"] = "restricted".into();
    }
    json!({"labels": labels, "defaults": defaults})
}

/// Ours, in the oracle's form.
fn answer(question: &Json, newest: u64) -> Json {
    if question.get("labels").is_some() {
        return answer_labels(question);
    }
    let violations = violations(question, newest);
    json!({
        "allowed": violations.is_empty(),
        "violations": violations.iter().map(|violation| violation.check).collect::<Vec<_>>(),
        "reasons": violations.iter().map(|violation| &violation.reason).collect::<Vec<_>>(),
    })
}

fn violations(question: &Json, newest: u64) -> Vec<Violation> {
    let server = question["server"].as_u64().filter(|emulated| *emulated > 0).map_or(newest, |minor| minor.min(newest));
    let policy = policy(&question["level"], &question["version"]).on(Version::kubernetes(server as u16));
    let evaluator = Evaluator::new(policy);
    let pod = json!({"metadata": question["metadata"], "spec": question["spec"]});
    let (workload, root) = match question["shape"].as_str() {
        Some("Deployment") => (json!({"template": pod}), "spec.template."),
        Some("CronJob") => {
            (json!({"schedule": "", "jobTemplate": {"spec": {"template": pod}}}), "spec.jobTemplate.spec.template.")
        }
        _ => {
            let pod: Pod = serde_json::from_value(pod).unwrap();
            return evaluator.pod(&pod);
        }
    };
    let workload = json!({"kind": question["shape"], "metadata": {"name": "w"}, "spec": workload});
    let workload: Workload = serde_json::from_value(workload).unwrap();
    let mut violations = evaluator.workload(&workload).unwrap();
    for field in violations.iter_mut().flat_map(|violation| &mut violation.fields) {
        *field = field.strip_prefix(root).unwrap_or_else(|| panic!("{field} is not below {root}")).to_owned();
    }
    violations
}

fn policy(level: &Json, version: &Json) -> LevelVersion {
    let text = |json: &Json| json.as_str().unwrap().to_owned();
    LevelVersion::new(text(level).parse().unwrap(), text(version).parse().unwrap())
}

fn answer_labels(question: &Json) -> Json {
    let labels: BTreeMap<String, String> = serde_json::from_value(question["labels"].clone()).unwrap();
    let default = |mode: &str| policy(&question["defaults"][mode], &question["defaults"][format!("{mode}-version")]);
    let defaults = Policy { enforce: default("enforce"), audit: default("audit"), warn: default("warn") };
    let (policy, invalid) = Policy::of_labels(&labels, &defaults);
    let invalid: Vec<String> =
        invalid.iter().map(|invalid| format!("{}: {}", invalid.label, invalid.problem)).collect();
    json!({
        "enforce": policy.enforce.to_string(),
        "audit": policy.audit.to_string(),
        "warn": policy.warn.to_string(),
        "invalid": invalid,
    })
}

/// A pod with the fields changed that we named.
struct Repair {
    case: u64,
    question: Json,
    /// The check of the one field that was not changed; empty when all were.
    left_out: String,
    fields: Vec<String>,
}

impl Repair {
    fn difference(&self, theirs: &Json) -> Difference {
        let ours = match self.left_out.as_str() {
            "" => format!("allowed, all of {:?} being changed", self.fields),
            check => format!("still refused by {check}, {:?} alone being changed", self.fields),
        };
        Difference { case: self.case, input: self.question.to_string(), theirs: theirs.to_string(), ours }
    }
}

/// The pod with all named fields changed, and with all but one.
fn repairs_of(seed: u64, case: u64, question: &Json, newest: u64) -> Vec<Repair> {
    let violations = violations(question, newest);
    let named: Vec<(&str, &str)> = violations
        .iter()
        .flat_map(|violation| violation.fields.iter().map(|field| (violation.check, field.as_str())))
        .collect();
    let chosen = Random::of_case("pss-repair", seed, case).below(named.len());
    let changed = |left_out: Option<usize>| {
        let mut question = question.clone();
        let rest: Vec<_> = named.iter().enumerate().filter(|(index, _)| Some(*index) != left_out).collect();
        for (_, (check, field)) in &rest {
            repair(&mut question, check, field);
        }
        let left_out = left_out.map_or_else(String::new, |index| named[index].0.to_owned());
        Repair { case, question, left_out, fields: rest.iter().map(|(_, (_, field))| (*field).to_owned()).collect() }
    };
    vec![changed(None), changed(Some(chosen))]
}

fn cut_down(oracle: &mut Oracle, case: u64, question: &Json, newest: u64) -> Difference {
    let mut small = question.clone();
    while let Some(smaller) = ["spec", "metadata", "labels"].into_iter().find_map(|part| {
        let kept = small.get(part)?;
        without_one(kept).into_iter().find_map(|less| {
            let mut tried = small.clone();
            tried[part] = less;
            let theirs = ask(oracle, std::slice::from_ref(&tried)).remove(0);
            (answer(&tried, newest) != theirs).then_some(tried)
        })
    }) {
        small = smaller;
    }
    let theirs = ask(oracle, std::slice::from_ref(&small)).remove(0).to_string();
    Difference { case, theirs, ours: answer(&small, newest).to_string(), input: small.to_string() }
}

/// Every value that is this one with one entry or item less, at any depth.
fn without_one(value: &Json) -> Vec<Json> {
    let mut found = Vec::new();
    match value {
        Json::Object(entries) => {
            for (key, inner) in entries {
                let mut less = entries.clone();
                less.remove(key);
                found.push(less.into());
                for inner in without_one(inner) {
                    let mut less = entries.clone();
                    less.insert(key.clone(), inner);
                    found.push(less.into());
                }
            }
        }
        Json::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                let mut less = items.clone();
                less.remove(index);
                found.push(less.into());
                for inner in without_one(inner) {
                    let mut less = items.clone();
                    less[index] = inner;
                    found.push(less.into());
                }
            }
        }
        _ => {}
    }
    found
}

/// What the plugin says of each.
fn ask(oracle: &mut Oracle, questions: &[Json]) -> Vec<Json> {
    oracle.ask(&questions.iter().map(ToString::to_string).collect::<Vec<_>>())
}
