//! `run`: one audit from inside a cluster, put there, waited for, fetched, and taken away again whatever happens.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Failure, frames, manifests, say};
use crate::cli::{AuditorWords, ManifestKind, ManifestsArgs, RunArgs};
use crate::collect::api::{ApiError, ApiOptions, Connection, Look, OfNode};
use crate::install::{InstallError, Installation};
use crate::render::escape::visible;

/// What a run may take beyond the time in which nodes are waited for: pulling the image, and the audit itself.
const BESIDE_THE_WAIT: u64 = 480;
/// Nodes that are shown one by one.
const MOST_LINES: usize = 15;
/// Looks that may fail one after the other.
const MOST_FAILED_LOOKS: u32 = 20;

/// Runs one audit.
pub(super) fn run(args: &RunArgs) -> Result<u8, Failure> {
    if let Some(output) = &args.output {
        frames::directory(output)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let done = runtime.block_on(whole(args));
    runtime.shutdown_background();
    done
}

async fn whole(args: &RunArgs) -> Result<u8, Failure> {
    let seconds = args.place.deadline + BESIDE_THE_WAIT;
    let options = ApiOptions {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        concurrency: 4,
        per_second: 50,
        timeout: Duration::from_secs(seconds + 600),
        ..ApiOptions::default()
    };
    let connection = Connection::open(&options).await.map_err(|error| match error {
        ApiError::Configuration(_) => Failure::usage(error.to_string()),
        _ => Failure::incomplete(error.to_string()),
    })?;
    let manifests = manifests::text(&of_manifests(args))?;
    let run = format!("{:016x}", RandomState::new().hash_one(0));
    let namespace = &args.place.namespace;
    let installation = Installation::new(&connection, namespace, &manifests, run).map_err(failure)?;
    if args.remove {
        agree(args, &format!("Remove what an earlier run left in namespace {namespace} of {}?", place(&connection)))?;
        installation.remove(true, |object| say(&format!("removed {object}"))).await.map_err(failure)?;
        return Ok(super::FINISHED);
    }
    installation.check().await.map_err(|error| occupied(error, namespace))?;
    show(&installation);
    agree(args, &format!("Create this in {}, and remove it again afterwards?", place(&connection)))?;

    let mut interrupts = Interrupts::new()?;
    let (creating, stopped) = (Cell::new(true), Cell::new(false));
    let work = async {
        installation.create(|object| say(&format!("created {object}")), || stopped.get()).await.map_err(failure)?;
        creating.set(false);
        let look = follow(&connection, namespace, Duration::from_secs(seconds)).await?;
        fetch(args, &connection, look).await
    };
    let outcome = {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => done,
            name = interrupts.next() => {
                stopped.set(true);
                if creating.get() {
                    // a request to create that is under way is waited for: what it makes must be removed
                    tokio::select! { _ = work => {}, _ = interrupts.next() => {} }
                }
                Err(Failure::incomplete(format!("interrupted ({name})")))
            }
        }
    };
    if args.keep {
        say(&format!("everything stays; take it away with: {} --remove", again(args)));
        return outcome;
    }
    if let Err(failure) = &outcome {
        say(&format!("kube-assay: {}", failure.message));
    }
    say("removing everything again");
    let removed = tokio::select! {
        removed = installation.remove(false, |object| say(&format!("removed {object}"))) => removed.map_err(failure),
        name = interrupts.next() => Err(Failure::incomplete(format!("interrupted again ({name}) while removing"))),
    };
    if let Err(left) = removed {
        let message = format!("{}\nsomething may be left; take it away with: {} --remove", left.message, again(args));
        return Err(Failure::incomplete(message));
    }
    match outcome {
        // it was said
        Err(failure) => Err(Failure { code: failure.code, message: String::new() }),
        done => done,
    }
}

/// What the manifests are made of.
fn of_manifests(args: &RunArgs) -> ManifestsArgs {
    let mut formats = vec!["text"];
    formats.extend(args.format.iter().map(String::as_str).filter(|name| *name != "text"));
    let severity = args.fail_on.and_then(|severity| severity.to_possible_value());
    let mut more: Vec<String> = Vec::new();
    more.extend(severity.map(|severity| format!("--fail-on={}", severity.get_name())));
    more.extend(args.min_coverage.map(|percent| format!("--min-coverage={percent}")));
    ManifestsArgs {
        auditor: AuditorWords { formats: formats.join(","), more },
        ..ManifestsArgs::of(ManifestKind::Job, args.place.clone())
    }
}

fn failure(error: InstallError) -> Failure {
    match error {
        InstallError::Manifest(_) => Failure::internal(error.to_string()),
        InstallError::There(_) => Failure::usage(error.to_string()),
        _ => Failure::incomplete(error.to_string()),
    }
}

fn occupied(error: InstallError, namespace: &str) -> Failure {
    match error {
        InstallError::There(_) => Failure::usage(format!(
            "{error}\nanother run or an installation uses namespace {namespace}: take another with --namespace NAME, or remove what a run left with --remove"
        )),
        other => failure(other),
    }
}

fn place(connection: &Connection) -> String {
    format!("cluster {} ({})", visible(&connection.cluster), visible(&connection.server))
}

/// The command line that removes what this one leaves.
fn again(args: &RunArgs) -> String {
    let mut words = vec!["kubectl assay run".to_owned()];
    words.extend(args.kubeconfig.as_ref().map(|path| format!("--kubeconfig {}", path.display())));
    words.extend(args.context.as_ref().map(|context| format!("--context {context}")));
    if args.place.namespace != crate::cli::NAMESPACE {
        words.push(format!("--namespace {}", args.place.namespace));
    }
    words.join(" ")
}

/// What will be created.
fn show(installation: &Installation<'_>) {
    say("This will be created, and removed again at the end (kube-assay manifests job prints it in full):");
    for object in &installation.objects {
        let what = match object.kind.as_str() {
            "Namespace" => "  with the Pod Security level privileged",
            "ClusterRole" | "Role" => "  to read, never to write",
            "DaemonSet" => "  a pod a node: root, the host's tree mounted read-only",
            "Job" => "  the audit",
            _ => "",
        };
        say(&format!("  {object}{what}"));
    }
}

/// Asks, unless that was answered by `--yes`.
fn agree(args: &RunArgs, question: &str) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage("nothing was changed: without a terminal to ask at, --yes must say so"));
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::usage("nothing was changed"))
}

/// The signals by which a run is ended.
struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(|error| Failure::internal(format!("cannot watch signals: {error}")));
        Ok(Self {
            interrupt: of(SignalKind::interrupt())?,
            terminate: of(SignalKind::terminate())?,
            hang_up: of(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// Waits until the auditor ended.
async fn follow(connection: &Connection, namespace: &str, time: Duration) -> Result<Look, Failure> {
    let started = Instant::now();
    let mut shown = Shown::new();
    let mut failed = 0;
    loop {
        let began = Instant::now();
        match connection.look(namespace).await {
            Ok(look) => {
                failed = 0;
                shown.show(&look, started.elapsed());
                if look.ended.is_some() {
                    return Ok(look);
                }
                if started.elapsed() > time {
                    let why = look.auditor_waits.unwrap_or_else(|| "it is still at work".to_owned());
                    return Err(Failure::incomplete(format!("the auditor did not end in {} s: {why}", time.as_secs())));
                }
            }
            Err(why) => {
                failed += 1;
                if failed == MOST_FAILED_LOOKS {
                    return Err(Failure::incomplete(format!("cannot follow the audit: {why}")));
                }
            }
        }
        // a large cluster is looked at less often
        tokio::time::sleep(Duration::from_secs(1).max(began.elapsed() * 4)).await;
    }
}

/// Fetches what the auditor left.
async fn fetch(args: &RunArgs, connection: &Connection, look: Look) -> Result<u8, Failure> {
    let pod = look.auditor.unwrap_or_default();
    let log = connection.log(&args.place.namespace, &pod).await;
    let log = log.map_err(|why| Failure::incomplete(format!("the auditor's log cannot be read: {why}")))?;
    let (text, reader) = frames::split(&log);
    let mut stdout = io::stdout().lock();
    // a reader of the text that left takes no report away
    let _ = stdout.write_all(visible_lines(&text).as_bytes()).and_then(|()| stdout.flush());
    drop(stdout);
    if let Some(output) = &args.output {
        frames::write_reports(reader, "the auditor's log", output)?;
    }
    match look.ended.and_then(|code| u8::try_from(code).ok()) {
        Some(code @ 0..=3) => Ok(code),
        _ => Err(Failure::incomplete(format!(
            "the auditor ended early{}",
            look.ended.map_or_else(String::new, |code| format!(" (exit code {code})"))
        ))),
    }
}

/// A log is text of a pod: a terminal is sent nothing but text.
fn visible_lines(text: &str) -> String {
    text.lines().flat_map(|line| [visible(line).to_string(), "\n".to_owned()]).collect()
}

/// What was shown of the nodes so far: lines that change on a terminal, else a line a change.
struct Shown {
    bar: Option<indicatif::ProgressBar>,
    nodes: BTreeMap<String, OfNode>,
    auditor: Option<String>,
}

impl Shown {
    fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let bar = indicatif::ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { bar, nodes: BTreeMap::new(), auditor: None }
    }

    fn show(&mut self, look: &Look, elapsed: Duration) {
        let running = look.nodes.values().filter(|state| **state == OfNode::Running).count();
        let auditor = match (&look.auditor_waits, &look.auditor, look.ended) {
            (_, _, Some(_)) => "the auditor has ended".to_owned(),
            (Some(why), _, _) => why.clone(),
            (None, Some(_), _) => "the auditor is at work".to_owned(),
            (None, None, _) => "the auditor has no pod yet".to_owned(),
        };
        let Some(bar) = &self.bar else {
            for (name, state) in look.nodes.iter().filter(|(name, state)| self.nodes.get(*name) != Some(*state)) {
                say(&format!("{name}: {}", words(state)));
            }
            self.nodes.clone_from(&look.nodes);
            if self.auditor.as_ref() != Some(&auditor) {
                say(&auditor);
                self.auditor = Some(auditor);
            }
            return;
        };
        let mut lines =
            vec![format!("{running} of {} collectors run; {auditor} ({} s)", look.nodes.len(), elapsed.as_secs())];
        // what is waited for first
        let mut nodes: Vec<(&String, &OfNode)> = look.nodes.iter().collect();
        nodes.sort_by_key(|(_, state)| **state == OfNode::Running);
        lines.extend(nodes.iter().take(MOST_LINES).map(|(name, state)| format!("  {name}: {}", words(state))));
        if nodes.len() > MOST_LINES {
            lines.push(format!("  and {} more", nodes.len() - MOST_LINES));
        }
        bar.set_message(lines.iter().map(|line| visible(line).to_string()).collect::<Vec<_>>().join("\n"));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn words(state: &OfNode) -> &str {
    match state {
        OfNode::Running => "its collector runs",
        OfNode::Waiting(why) | OfNode::Excluded(why) => why,
    }
}
