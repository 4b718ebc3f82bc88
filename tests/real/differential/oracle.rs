//! A small program around Kubernetes' own code: a line is a question, a line of JSON is its answer. It ends with its input.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

pub struct Oracle {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    pub fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("--oracle {}: {error}", program.display()));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    pub fn ask_one(&mut self, question: &str) -> Json {
        self.ask(&[question.to_owned()]).remove(0)
    }

    /// An answer for each question; a question is one line.
    pub fn ask(&mut self, questions: &[String]) -> Vec<Json> {
        let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
        let mut input = self.child.stdin.take().unwrap();
        let (input, answers) = std::thread::scope(|scope| {
            // written beside the reading: neither side may wait for the other with its pipe full
            let writing = scope.spawn(move || {
                input.write_all(lines.as_bytes()).unwrap();
                input.flush().unwrap();
                input
            });
            let answers = questions.iter().map(|_| {
                let mut line = String::new();
                self.answers.read_line(&mut line).unwrap();
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("the oracle says {line:?}: {error}"))
            });
            let answers = answers.collect();
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
