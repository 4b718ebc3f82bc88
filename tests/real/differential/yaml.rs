//! Our YAML reader against sigs.k8s.io/yaml.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use kube_assay::collect::yaml::{self, YamlError};
use kube_assay::evidence::Value;
use serde_json::Value as Json;

use crate::random::Random;
use crate::shrink::shrink;
use crate::suite::{Difference, Options, Tally};
use crate::yaml_documents::document;

/// How many documents are asked about at once.
const BATCH: usize = 500;

pub fn run(options: &Options) -> bool {
    let mut oracle = Oracle::start(options);
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
        let answers = oracle.ask(&documents);
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
        let answer = oracle.ask(&[bytes.to_vec()]).remove(0);
        !same_answer(answer.as_ref(), &ours(bytes))
    };
    let small = shrink(document, 3_000, &mut differs);
    let answer = oracle.ask(std::slice::from_ref(&small)).remove(0);
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

/// The program that answers for sigs.k8s.io/yaml; it ends with its input.
struct Oracle {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    fn start(options: &Options) -> Self {
        let mut child = Command::new(&options.oracle)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("--oracle {}: {error}", options.oracle.display()));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    /// What it makes of each document; `None` where it refuses.
    fn ask(&mut self, documents: &[Vec<u8>]) -> Vec<Option<Json>> {
        let mut questions = String::new();
        for document in documents {
            questions.push_str(&base64(document));
            questions.push('\n');
        }
        let mut input = self.child.stdin.take().unwrap();
        let (input, answers) = std::thread::scope(|scope| {
            // written beside the reading: neither side may wait for the other with its pipe full
            let writing = scope.spawn(move || {
                input.write_all(questions.as_bytes()).unwrap();
                input.flush().unwrap();
                input
            });
            let mut answers = Vec::new();
            for _ in documents {
                let mut line = String::new();
                self.answers.read_line(&mut line).unwrap();
                let mut answer: Json =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("answer {line}: {error}"));
                answers.push((answer["ok"] == Json::Bool(true)).then(|| answer["json"].take()));
            }
            (writing.join().unwrap(), answers)
        });
        self.child.stdin = Some(input);
        answers
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn base64(bytes: &[u8]) -> String {
    const SYMBOLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let symbol = SYMBOLS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { char::from(symbol) } else { '=' });
        }
    }
    text
}
