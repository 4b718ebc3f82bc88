//! Our reading of audit policies against k8s.io/apiserver: which are refused, and the level, the deciding rule and the omitted stages of
//! every probe that 3.2.2 plays through, and of random requests.

use kube_assay::audit::facts::audit_policy::{Request, decide, probes, unreachable};
use kube_assay::collect;
use kube_assay::evidence::Value;
use serde_json::{Value as Json, json};

use crate::oracle::Oracle;
use crate::random::Random;
use crate::suite::{Difference, Options, Tally};

const USERS: [&str; 5] =
    ["jane", "system:anonymous", "kubernetes-admin", "system:serviceaccount:shop:deployer", "system:kube-proxy"];
const GROUPS: [&str; 6] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:masters",
    "system:serviceaccounts",
    "system:serviceaccounts:shop",
    "dev",
];
const VERBS: [&str; 8] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
const NAMESPACES: [&str; 4] = ["shop", "", "kube-system", "other"];
const API_GROUPS: [&str; 8] = [
    "",
    "apps",
    "*",
    "authentication.k8s.io",
    "rbac.authorization.k8s.io",
    "certificates.k8s.io",
    "admissionregistration.k8s.io",
    "example.test",
];
const RESOURCES: [&str; 22] = [
    "pods",
    "secrets",
    "configmaps",
    "*",
    "pods/exec",
    "pods/*",
    "*/exec",
    "*/token",
    "serviceaccounts/token",
    "serviceaccounts",
    "tokenreviews",
    "deployments",
    "nodes/proxy",
    "*/proxy",
    "certificatesigningrequests",
    "certificatesigningrequests/approval",
    "roles",
    "clusterroles",
    "namespaces",
    "widgets",
    "*/*",
    "",
];
const NAMES: [&str; 3] = ["", "one", "two"];
const PATHS: [&str; 7] = ["/healthz", "/api", "/metrics", "/apis/*", "/*", "*", "/healthz*"];
const STAGES: [&str; 4] = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];

pub fn run(options: &Options) -> bool {
    let name = options.oracle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let module = name.strip_prefix("audit-policy-").and_then(|rest| rest.split('-').next()).unwrap_or("?").to_owned();
    let mut oracle = Oracle::start(&options.oracle);
    let mut tally = Tally::new(options, &module);
    let (mut refused, mut played, mut dead) = (0_u64, 0_u64, 0_u64);
    for case in options.cases() {
        let (policy, requests) = question(options.seed, case);
        if options.case.is_some() {
            println!("{policy:#}");
        }
        tally.compared();
        let theirs = ask(&mut oracle, &policy, &requests);
        let ours = answer(&policy, &requests);
        refused += u64::from(ours.is_none());
        played += if ours.is_some() { requests.len() as u64 } else { 0 };
        dead += read(&policy).map_or(0, |policy| unreachable(&policy).len() as u64);
        if ours != theirs {
            tally.differs(|| cut_down(&mut oracle, case, &policy, &requests));
        } else if let Some((index, rule)) = reached_though_unreachable(&policy, theirs.as_deref()) {
            tally.differs(|| Difference {
                case,
                input: format!("{policy}\n{}", requests[index]),
                theirs: format!("rule {rule} decides"),
                ours: format!("rule {rule} is unreachable"),
            });
        }
    }
    tally.note(format!("{refused} policies refused by both, {played} requests, {dead} unreachable rules"));
    tally.end()
}

/// One policy and the requests that are played through it: every probe, and random ones.
fn question(seed: u64, case: u64) -> (Json, Vec<Json>) {
    let mut random = Random::of_case("audit-policy", seed, case);
    let count = if random.percent(2) { 0 } else { random.between(1, 7) };
    let rules: Vec<Json> = (0..count).map(|_| rule(&mut random)).collect();
    let mut policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
    if random.percent(25) {
        policy["omitStages"] = some(&mut random, &STAGES, 2);
    }
    let mut requests: Vec<Json> = probes().map(|probe| shown(&probe)).collect();
    for _ in 0..20 {
        let path =
            if random.percent(30) { random.word(&["/healthz", "/api", "/apis/apps", "/metrics", "/"]) } else { "" };
        let (resource, subresource) =
            random.word(&RESOURCES[..20]).trim_start_matches("*/").split_once('/').unwrap_or(("pods", ""));
        requests.push(
            json!({"user": random.word(&USERS), "groups": some(&mut random, &GROUPS, 3), "verb": random.word(&VERBS),
            "group": random.word(&API_GROUPS[..2]), "resource": resource, "subresource": subresource,
            "namespace": random.word(&NAMESPACES), "name": random.word(&NAMES), "path": path}),
        );
    }
    (policy, requests)
}

fn rule(random: &mut Random) -> Json {
    let mut rule = json!({"level": random.word(&LEVELS)});
    for (key, words, chance) in [("users", &USERS[..], 15), ("userGroups", &GROUPS[..], 20), ("verbs", &VERBS[..], 35)]
    {
        if random.percent(chance) {
            rule[key] = some(random, words, 4);
        }
    }
    match random.below(10) {
        0..=5 => {
            let entries: Vec<Json> = (0..random.between(1, 3)).map(|_| entry(random)).collect();
            rule["resources"] = entries.into();
            if random.percent(25) {
                rule["namespaces"] = some(random, &NAMESPACES, 2);
            }
        }
        6 => rule["namespaces"] = some(random, &NAMESPACES, 2),
        7 => rule["nonResourceURLs"] = some(random, &PATHS, 2),
        _ => {}
    }
    if random.percent(15) {
        rule["omitStages"] = some(random, &STAGES, 3);
    }
    if random.percent(3) {
        spoil(random, &mut rule);
    }
    rule
}

fn entry(random: &mut Random) -> Json {
    let mut entry = json!({"group": random.word(&API_GROUPS)});
    if random.percent(80) {
        entry["resources"] = some(random, &RESOURCES, 4);
        if random.percent(15) {
            entry["resourceNames"] = some(random, &NAMES, 2);
        }
    }
    entry
}

/// Makes a rule one that the API server refuses, or that is only odd.
fn spoil(random: &mut Random, rule: &mut Json) {
    match random.below(12) {
        0 => rule["level"] = "metadata".into(),
        1 => rule["level"] = Json::Null,
        2 => rule["omitStages"] = json!(["Everything"]),
        3 => rule["nonResourceURLs"] = json!(["healthz"]),
        4 => rule["nonResourceURLs"] = json!(["/a*b"]),
        5 => rule["resources"] = json!([{"group": "Apps"}]),
        6 => rule["resources"] = json!([{"group": "apps/v1", "resources": ["deployments"]}]),
        7 => rule["resources"] = json!([{"group": "", "resourceNames": ["x"]}]),
        8 => rule["verbs"] = Json::Null,
        9 => rule["users"] = json!([null]),
        10 => rule["resources"] = json!([null]),
        _ => rule["unheardOf"] = json!({"a": 1}),
    }
}

/// One to `most` of some words.
fn some(random: &mut Random, words: &[&str], most: usize) -> Json {
    let count = random.between(1, most);
    (0..count).map(|_| random.word(words)).collect::<Vec<_>>().into()
}

fn shown(request: &Request<'_>) -> Json {
    let Request { user, groups, verb, group, resource, subresource, namespace, name, path } = *request;
    json!({"user": user, "groups": groups, "verb": verb, "group": group, "resource": resource, "subresource": subresource,
        "namespace": namespace, "name": name, "path": path})
}

fn read(policy: &Json) -> Option<Value> {
    collect::audit_policy(&serde_json::from_value(policy.clone()).unwrap())
}

/// What we say of each request; `None` when the policy is refused.
fn answer(policy: &Json, requests: &[Json]) -> Option<Vec<Json>> {
    let policy = read(policy)?;
    let one = |request: &Json| {
        let text = |key: &str| request[key].as_str().unwrap();
        let groups: Vec<&str> = request["groups"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        let decision = decide(
            &policy,
            &Request {
                user: text("user"),
                groups: &groups,
                verb: text("verb"),
                group: text("group"),
                resource: text("resource"),
                subresource: text("subresource"),
                namespace: text("namespace"),
                name: text("name"),
                path: text("path"),
            },
        );
        let rule = decision.rule.map_or(-1, |rule| i64::try_from(rule).unwrap());
        json!({"level": decision.level.name(), "rule": rule, "omitStages": decision.omitted})
    };
    Some(requests.iter().map(one).collect())
}

/// A request that a rule decides although we call it unreachable.
fn reached_though_unreachable(policy: &Json, theirs: Option<&[Json]>) -> Option<(usize, usize)> {
    let dead = unreachable(&read(policy)?);
    let decided = theirs?.iter().map(|answer| answer["rule"].as_i64().and_then(|rule| usize::try_from(rule).ok()));
    decided.enumerate().find_map(|(index, rule)| {
        let rule = rule.filter(|rule| dead.iter().any(|(dead, _)| dead == rule))?;
        Some((index, rule))
    })
}

/// The fewest rules and one request that still show the difference.
fn cut_down(oracle: &mut Oracle, case: u64, policy: &Json, requests: &[Json]) -> Difference {
    let mut policy = policy.clone();
    let mut requests = requests.to_vec();
    let mut differs = |policy: &Json, requests: &[Json]| answer(policy, requests) != ask(oracle, policy, requests);
    let mut index = 0;
    while index < policy["rules"].as_array().unwrap().len() {
        let mut fewer = policy.clone();
        fewer["rules"].as_array_mut().unwrap().remove(index);
        if differs(&fewer, &requests) { policy = fewer } else { index += 1 }
    }
    if let Some(one) = requests.iter().find(|one| differs(&policy, std::slice::from_ref(one))).cloned() {
        requests = vec![one];
    }
    let said = |answers: Option<Vec<Json>>| answers.map_or("refused".to_owned(), |all| Json::from(all).to_string());
    Difference {
        case,
        input: format!("{policy}\n{}", requests.first().unwrap_or(&Json::Null)),
        theirs: said(ask(oracle, &policy, &requests)),
        ours: said(answer(&policy, &requests)),
    }
}

/// What the API server says of each request; `None` when it refuses the policy.
fn ask(oracle: &mut Oracle, policy: &Json, requests: &[Json]) -> Option<Vec<Json>> {
    let answer = oracle.ask_one(&json!({"policy": policy, "requests": requests}).to_string());
    let mut answers = answer.get("answers")?.as_array().unwrap().clone();
    for answer in &mut answers {
        let stages = answer["omitStages"].as_array_mut().unwrap();
        // a set: where no rule matches they are as the policy has them
        stages.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        stages.dedup();
    }
    Some(answers)
}
