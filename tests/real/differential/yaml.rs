//! Our YAML reader against sigs.k8s.io/yaml.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_assay::collect::yaml::{self, YamlError};
use kube_assay::evidence::Value;
use serde_json::Value as Json;

use crate::oracle::Oracle;
use crate::random::Random;
use crate::shrink::shrink;
use crate::suite::{Difference, Options, Tally};
use crate::yaml_documents::document;

/// How many documents are asked about at once.
const BATCH: usize = 500;

pub fn run(options: &Options) -> bool {
    let mut oracle = Oracle::start(&options.oracle);
    // a panic of ours is a difference like any other, and is shown as one
    std::panic::set_hook(Box::new(|_| {}));
    let real = real_configurations();
    let name = options.oracle.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = name.strip_prefix("yaml-").and_then(|rest| rest.split('-').next()).unwrap_or("?").to_owned();
    let mut tally = Tally::new(options, &version);
    let mut refused = 0;
    for numbers in options.cases().chunks(BATCH) {
        let make = |case: &u64| document(&mut Random::of_case("yaml", options.seed, *case), &real);
        let documents: Vec<Vec<u8>> = numbers.iter().map(make).collect();
        if options.case.is_some() {
            println!("{}", String::from_utf8_lossy(&documents[0]));
        }
        let answers = ask(&mut oracle, &documents);
        for ((case, document), answer) in numbers.iter().zip(&documents).zip(&answers) {
            tally.compared();
            refused += u64::from(answer.is_none());
            if !same_answer(answer.as_ref(), &ours(document)) {
                tally.differs(|| cut_down(&mut oracle, *case, document));
            }
        }
    }
    tally.note(format!("{refused} refused by both"));
    tally.end()
}

fn cut_down(oracle: &mut Oracle, case: u64, document: &[u8]) -> Difference {
    let mut differs = |bytes: &[u8]| {
        let answer = ask(oracle, &[bytes.to_vec()]).remove(0);
        !same_answer(answer.as_ref(), &ours(bytes))
    };
    let small = shrink(document, 3_000, &mut differs);
    let answer = ask(oracle, std::slice::from_ref(&small)).remove(0);
    let ours = match ours(&small) {
        Some(Ok(value)) => serde_json::to_string(&value).unwrap(),
        Some(Err(error)) => format!("refused: {error}"),
        None => "panicked".to_owned(),
    };
    Difference {
        case,
        input: format!("{:?}", String::from_utf8_lossy(&small)),
        theirs: answer.map_or_else(|| "refused".to_owned(), |json| json.to_string()),
        ours,
    }
}

/// `None` where our reader panics.
fn ours(document: &[u8]) -> Option<Result<Value, YamlError>> {
    std::panic::catch_unwind(|| yaml::read_yaml(document)).ok()
}

fn same_answer(theirs: Option<&Json>, ours: &Option<Result<Value, YamlError>>) -> bool {
    match (theirs, ours) {
        (None, Some(Err(_))) => true,
        (Some(json), Some(Ok(value))) => same(json, value),
        _ => false,
    }
}

/// Equal, with whole numbers within 64 bits equal to the last digit and others as floating point.
pub fn same(json: &Json, value: &Value) -> bool {
    match (json, value) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(theirs), Value::Bool(ours)) => theirs == ours,
        (Json::String(theirs), Value::Text(ours)) => theirs == ours,
        (Json::Number(theirs), Value::Int(ours)) => match theirs.as_i64() {
            Some(number) => number == *ours,
            None => theirs.as_f64() == Some(*ours as f64),
        },
        (Json::Number(theirs), Value::Float(ours)) => theirs.as_f64() == Some(*ours),
        (Json::Array(theirs), Value::List(ours)) => {
            theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(theirs, ours)| same(theirs, ours))
        }
        (Json::Object(theirs), Value::Map(ours)) => {
            theirs.len() == ours.len()
                && theirs.iter().all(|(key, theirs)| ours.get(key).is_some_and(|ours| same(theirs, ours)))
        }
        _ => false,
    }
}

/// The text files of the recorded cluster that are YAML or meant to be.
fn real_configurations() -> Vec<String> {
    let mut found = Vec::new();
    for node in ["cp1", "w1"] {
        let path = format!("{}/tests/data/recorded/{node}.tar.zst", env!("CARGO_MANIFEST_DIR"));
        let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let unpacked = zstd::decode_all(packed.as_slice()).unwrap();
        for entry in tar::Archive::new(unpacked.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            let wanted = name.ends_with(".yaml") || (name.contains("etc/kubernetes") && name.ends_with(".conf"));
            let mut text = String::new();
            if wanted && std::io::Read::read_to_string(&mut entry, &mut text).is_ok() && text.lines().count() > 3 {
                found.push(text);
            }
        }
    }
    found.sort();
    found.dedup();
    assert!(!found.is_empty(), "the recorded cluster holds no configuration");
    found
}

/// What sigs.k8s.io/yaml makes of each document; `None` where it refuses.
fn ask(oracle: &mut Oracle, documents: &[Vec<u8>]) -> Vec<Option<Json>> {
    let questions: Vec<String> = documents.iter().map(|document| STANDARD.encode(document)).collect();
    let answers = oracle.ask(&questions).into_iter();
    answers.map(|mut answer| (answer["ok"] == Json::Bool(true)).then(|| answer["json"].take())).collect()
}
