//! What the controls ask of pods against what the standards' checks refuse: where both mean the same, they find the same.

use kube_assay::audit::facts::cluster::pods::QUESTIONS;
use kube_assay::audit::pss::{Evaluator, Level, LevelVersion, PolicyVersion};
use kube_assay::evidence::objects::Pod;
use serde_json::{Value as Json, json};

/// Settings of a container, each with something that a check refuses or lets through.
fn containers() -> Vec<Json> {
    let security = [
        json!({}),
        json!({"privileged": true}),
        json!({"privileged": false}),
        json!({"allowPrivilegeEscalation": false}),
        json!({"allowPrivilegeEscalation": true}),
        json!({"procMount": "Unmasked"}),
        json!({"procMount": "Default"}),
        json!({"windowsOptions": {"hostProcess": true}}),
        json!({"windowsOptions": {"hostProcess": false}}),
        json!({"windowsOptions": {}}),
        json!({"capabilities": {"drop": ["ALL"]}}),
    ];
    let mut all: Vec<Json> =
        security.into_iter().map(|security| json!({"name": "c", "securityContext": security})).collect();
    all.extend([
        json!({"name": "c"}),
        json!({"name": "c", "ports": [{"containerPort": 1, "hostPort": 2}]}),
        json!({"name": "c", "ports": [{"hostPort": 0}]}),
    ]);
    all
}

fn pods() -> Vec<Pod> {
    let mut specs = Vec::new();
    for container in containers() {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let mut spec =
                json!({"containers": [{"name": "main", "securityContext": {"allowPrivilegeEscalation": false}}]});
            match spec[list].as_array_mut() {
                Some(known) => known.push(container.clone()),
                None => spec[list] = json!([container]),
            }
            specs.push(spec);
        }
    }
    for more in [
        json!({"hostPID": true}),
        json!({"hostIPC": true}),
        json!({"hostNetwork": true}),
        json!({"hostNetwork": false}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "nfs": {}}]}),
        json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}),
        json!({"os": {"name": "windows"}}),
    ] {
        let mut spec = json!({"containers": [{"name": "main"}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        specs.push(spec);
    }
    specs
        .into_iter()
        .map(|spec| serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap())
        .collect()
}

#[test]
fn questions_find_what_the_checks_refuse() {
    // the field of the check that a question is about, where the check looks at more
    const EQUAL: [(&str, &str); 9] = [
        ("privileged", "securityContext.privileged"),
        ("host-pid", "spec.hostPID"),
        ("host-ipc", "spec.hostIPC"),
        ("host-network", "spec.hostNetwork"),
        ("privilege-escalation", "securityContext.allowPrivilegeEscalation"),
        ("windows-host-process", "hostProcess"),
        ("host-path", "hostPath"),
        ("host-port", "hostPort"),
        ("unmasked-proc", "securityContext.procMount"),
    ];
    let mut found = 0;
    for (name, field) in EQUAL {
        let question = QUESTIONS.iter().find(|question| question.name == name).unwrap();
        let evaluator = Evaluator::new(LevelVersion::new(question.refused_by.unwrap(), PolicyVersion::Latest));
        assert!(evaluator.checks().any(|check| question.checks.contains(&check)), "{name}: none of its checks exists");
        for pod in pods() {
            let refused =
                evaluator.pod(&pod).into_iter().filter(|violation| question.checks.contains(&violation.check));
            let refused: Vec<String> = refused.flat_map(|one| one.fields).filter(|path| path.contains(field)).collect();
            let asked = (question.ask)(&pod.spec);
            assert_eq!(
                asked.is_empty(),
                refused.is_empty(),
                "{name}: {asked:?}, the check names {refused:?} in {:?}",
                pod.spec
            );
            found += usize::from(!asked.is_empty());
        }
    }
    assert!(found > 30, "only {found} pods offend");
}

/// A level that is said to refuse what a question asks has one of its checks, and the level below has not.
#[test]
fn questions_are_of_the_level_that_refuses() {
    for question in QUESTIONS.iter().filter(|question| question.refused_by.is_some()) {
        let has = |level| {
            let evaluator = Evaluator::new(LevelVersion::new(level, PolicyVersion::Latest));
            evaluator.checks().any(|check| question.checks.contains(&check))
        };
        assert!(has(Level::Restricted), "{}", question.name);
        // from 1.35 on baseline has a check of it that lets some through
        let lets_some = question.name == "unmasked-proc";
        assert_eq!(
            has(Level::Baseline),
            question.refused_by == Some(Level::Baseline) || lets_some,
            "{}",
            question.name
        );
    }
}
