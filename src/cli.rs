//! The command line: what can be asked. What is done about it lives in [`crate::run`].

mod history;
mod in_cluster;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use history::{DiffArgs, HistoryArgs, RunsArgs};
use in_cluster::parse_collectors;
pub use in_cluster::{
    AuditorWords, Capability, CollectorsOf, IMAGE, ManifestKind, ManifestsArgs, NAMESPACE, PlaceArgs, RunArgs,
    UnpackArgs,
};

use crate::benchmark::Severity;
use crate::evidence::{Component, Version};
use crate::render::FORMATS;

const EXIT_CODES: &str = "Exit codes:
  0  finished
  1  findings: a control of at least the severity given by --fail-on fails (never without --fail-on)
  2  usage or configuration error; also when a report or the history could not be written
  3  incomplete: coverage below --min-coverage, or nothing could be read (3 wins over 1)
  4  internal error";

/// Audits Kubernetes against the CIS Kubernetes Benchmark by effective values with their origin
#[derive(Debug, Parser)]
#[command(name = "kube-assay", version, about, after_help = EXIT_CODES, max_term_width = 100, infer_long_args = false)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collect, evaluate and render in one go
    #[command(after_help = EXIT_CODES)]
    Audit(AuditArgs),
    /// Write what was seen of a host to an evidence file
    Collect(CollectArgs),
    /// Turn evidence files into a report, offline and reproducibly
    #[command(after_help = EXIT_CODES)]
    Evaluate(EvaluateArgs),
    /// Turn a JSON report into another format
    Render(RenderArgs),
    /// Say what changed between two JSON reports, or two runs of a history
    Diff(DiffArgs),
    /// List the runs that `audit --history` kept, with their scores and what changed
    History(RunsArgs),
    /// Print what is applied to a cluster to audit every node from inside: namespace, rights, collectors, the audit
    Manifests(ManifestsArgs),
    /// Audit every node and the API once from inside the cluster: create what `manifests job` prints, wait, fetch the reports, remove
    /// everything again. The only command that writes to a cluster; it shows what it creates and asks first
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Write the files that an audit in a cluster left as frames in its log
    #[command(after_help = EXIT_CODES)]
    Unpack(UnpackArgs),
    /// List the benchmarks, or the controls of one
    Benchmarks(BenchmarksArgs),
    /// Say what a control checks, on which facts, with which defaults, and what to do about it
    Explain(ExplainArgs),
    /// Show the whole effective configuration of the components, with the origin of each value
    Effective(EffectiveArgs),
    /// Say whom RBAC allows something, and by which bindings
    WhoCan(WhoCanArgs),
    /// Say what RBAC allows someone: everything, or the answer to one question
    Can(CanArgs),
    /// Hold pods and pod templates against a level of the Pod Security Standards
    Pss(PssArgs),
    /// Check your own checks: every error with file, line and column
    Lint(LintArgs),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the JSON Schema of the report
    #[command(hide = true)]
    Schema,
}

/// What is looked at.
#[derive(Debug, Args)]
pub struct HostArgs {
    /// Directory that holds the host's tree, /proc included (a mounted host, an image, a recording); that host alone is audited
    #[arg(long, value_name = "DIR", conflicts_with_all = ["manifests", "kubeconfig", "context", "node"])]
    pub host_root: Option<PathBuf>,
    /// A recorded real cluster that ships with this program
    #[arg(long, conflicts_with_all = ["host_root", "manifests", "kubeconfig", "context", "node"])]
    pub example: bool,
    /// Every node too, through the log of its collector: the DaemonSet of the collectors (see `kube-assay manifests`)
    #[arg(long, value_name = "NAMESPACE/DAEMONSET", value_parser = parse_collectors, conflicts_with_all = ["host_root", "example", "manifests", "node"])]
    pub collectors: Option<CollectorsOf>,
    /// Seconds that nodes are waited for
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub deadline: u64,
    /// Age in seconds beyond which a node's evidence does not count
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub max_age: u64,
    /// This node as well as the API
    #[arg(long, conflicts_with = "manifests")]
    pub node: bool,
    /// On a control plane node: count in etcd itself how Secrets are stored, with the API server's own client certificate, which reads
    /// everything; of each value the first 64 bytes are looked at, numbers alone are kept
    #[arg(long, conflicts_with_all = ["manifests", "example"])]
    pub etcd_proof: bool,
    /// Ask each kubelet itself for its configuration (right: get on nodes/configz), not through the API server (nodes/proxy); only
    /// kubelets with a certificate of the cluster's authority are asked
    #[arg(long, conflicts_with_all = ["host_root", "manifests", "example"])]
    pub kubelet_direct: bool,
    /// Read the metadata of Secrets, which finds leftover tokens; their data is never asked for, but the right that this takes (list
    /// on secrets) itself grants reading every Secret in full
    #[arg(long, conflicts_with_all = ["host_root", "manifests", "example"])]
    pub with_secrets: bool,
    /// Which cluster
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Which cluster's objects are looked at.
#[derive(Debug, Args)]
pub struct ClusterArgs {
    /// Kubernetes objects in YAML or JSON (file, directory, or - for standard input) in place of a cluster
    #[arg(long, value_name = "FILE|DIR|-")]
    pub manifests: Option<PathBuf>,
    /// The manifests are all objects of a cluster: what is not in them does not exist
    #[arg(long, requires = "manifests")]
    pub complete: bool,
    /// Kubeconfig of the cluster whose API is audited
    #[arg(long, value_name = "FILE", conflicts_with = "manifests")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME", conflicts_with = "manifests")]
    pub context: Option<String>,
    /// Requests to the API server in flight at once
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub concurrency: u16,
    /// Requests to the API server in a second, fewer when it refuses some; six times as many may come at once
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub qps: u32,
    /// Seconds after which what the API has not told is reported as missing
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}

/// Against what, and how it is judged.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// Benchmark to hold the evidence against, such as cis-1.12; may be repeated, one report each [default: by the cluster's version]
    #[arg(long, value_name = "ID")]
    pub benchmark: Vec<String>,
    /// Kubernetes version, for all components or for one; may be repeated
    #[arg(long, value_name = "[COMPONENT=]VERSION", value_parser = parse_version)]
    pub kubernetes_version: Vec<VersionOf>,
    /// Profile level that counts in scores and exit code: 1, or 2 for both (both are always evaluated)
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub level: u8,
    /// File or directory of your own checks; their ids have a prefix, and they count in no score
    #[arg(long, value_name = "PATH")]
    pub checks: Vec<PathBuf>,
    /// File or directory of waivers: accepted findings, marked with by whom, why and until when; verdicts and scores stay
    #[arg(long, value_name = "PATH")]
    pub waivers: Vec<PathBuf>,
    /// Exit with 1 when a control of at least this severity fails and is not waived
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityArg>,
    /// Exit with 3 when less than this percentage of the applicable controls could be assessed
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub min_coverage: Option<f64>,
}

/// Where reports go.
#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Formats, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = format_names())]
    pub format: Vec<String>,
    /// File, directory (for several formats or benchmarks), the same in an object store (s3://, gs://, az://), or - for standard output
    #[arg(long, short, value_name = "FILE|DIR|URL|-", default_value = "-")]
    pub output: PathBuf,
    /// Reports other than text on standard output too, as frames behind it: for a log that `unpack` reads
    #[arg(long)]
    pub frames: bool,
    /// Say nothing beside the report and errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Every control in the text, with all that was found
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Print the rights that reading the API takes, as roles to apply, each rule with the controls that need it, and end
    #[arg(long)]
    pub explain_permissions: bool,
    /// Which host
    #[command(flatten)]
    pub host: HostArgs,
    /// How it is judged
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Where reports go
    #[command(flatten)]
    pub output: OutputArgs,
    /// What it is compared with
    #[command(flatten)]
    pub history: HistoryArgs,
}

/// Arguments of `collect`.
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// Which host
    #[command(flatten)]
    pub host: HostArgs,
    /// Evidence file to write, or - for standard output
    #[arg(long, short, value_name = "FILE|-", required_unless_present = "frames")]
    pub output: Option<PathBuf>,
    /// Print the evidence to standard output as frames: numbered, checksummed lines for a log that others read
    #[arg(long, conflicts_with = "output")]
    pub frames: bool,
    /// Then stay until ended, holding nothing: for a pod that must not end
    #[arg(long, requires = "frames")]
    pub stay: bool,
    /// Collect again after so many seconds, for as long as it stays
    #[arg(long, value_name = "SECONDS", requires = "stay", value_parser = clap::value_parser!(u64).range(10..))]
    pub every: Option<u64>,
    /// Say nothing beside errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Evidence files, or - for standard input
    #[arg(required = true, value_name = "EVIDENCE")]
    pub evidence: Vec<PathBuf>,
    /// How it is judged
    #[command(flatten)]
    pub judge: JudgeArgs,
    /// Where reports go
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// JSON report, or - for standard input
    #[arg(value_name = "REPORT")]
    pub report: PathBuf,
    /// Where reports go
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Arguments of `benchmarks`.
#[derive(Debug, Args)]
pub struct BenchmarksArgs {
    /// Benchmark whose controls to list
    #[arg(value_name = "ID")]
    pub id: Option<String>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Control id such as 1.2.6, or the name of a check
    #[arg(value_name = "CONTROL")]
    pub control: String,
    /// Benchmark that the id belongs to [default: the newest that is not provisional]
    #[arg(long, value_name = "ID")]
    pub benchmark: Option<String>,
    /// Your own checks
    #[arg(long, value_name = "PATH")]
    pub checks: Vec<PathBuf>,
}

/// Arguments of `effective`.
#[derive(Debug, Args)]
pub struct EffectiveArgs {
    /// Component; all of them without it
    #[arg(value_name = "COMPONENT", value_parser = PossibleValuesParser::new(Component::ALL.iter().map(|component| component.name())))]
    pub component: Option<String>,
    /// Which host
    #[command(flatten)]
    pub host: HostArgs,
    /// Evidence file instead of a host
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host_root", "example", "node", "manifests", "kubeconfig", "context"])]
    pub evidence: Option<PathBuf>,
    /// Kubernetes version, for all components or for one; may be repeated
    #[arg(long, value_name = "[COMPONENT=]VERSION", value_parser = parse_version)]
    pub kubernetes_version: Vec<VersionOf>,
    /// Format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(["text", "json"]))]
    pub format: String,
    /// Settings that are left to their default too
    #[arg(long, short)]
    pub verbose: bool,
}

/// What may be done, as an API server is asked.
#[derive(Debug, Args)]
pub struct ActionArgs {
    /// Namespace; without it, all of them
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Which cluster
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Evidence file instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["manifests", "kubeconfig", "context"])]
    pub evidence: Option<PathBuf>,
    /// Format
    #[arg(long, default_value = "text", value_parser = PossibleValuesParser::new(["text", "json"]))]
    pub format: String,
}

/// Arguments of `who-can`.
#[derive(Debug, Args)]
pub struct WhoCanArgs {
    /// Verb: get, list, create, bind, ...
    #[arg(value_name = "VERB")]
    pub verb: String,
    /// Resource by its plural name, or a path such as /metrics
    #[arg(value_name = "RESOURCE[.GROUP][/SUBRESOURCE]")]
    pub resource: String,
    /// Name of the object; without it the right must hold for all of them
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Where
    #[command(flatten)]
    pub action: ActionArgs,
}

/// Arguments of `can`.
#[derive(Debug, Args)]
pub struct CanArgs {
    /// user:NAME, group:NAME or sa:NAMESPACE/NAME; a name alone is a user's
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// Verb: get, list, create, bind, ...
    #[arg(value_name = "VERB", requires = "resource")]
    pub verb: Option<String>,
    /// Resource by its plural name, or a path such as /metrics
    #[arg(value_name = "RESOURCE[.GROUP][/SUBRESOURCE]")]
    pub resource: Option<String>,
    /// Name of the object; without it the right must hold for all of them
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// A group that the user is in; may be repeated
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,
    /// Where
    #[command(flatten)]
    pub action: ActionArgs,
}

/// Arguments of `pss`.
#[derive(Debug, Args)]
pub struct PssArgs {
    /// Level: privileged, baseline or restricted
    #[arg(long, value_name = "LEVEL", default_value = "restricted")]
    pub level: crate::audit::pss::Level,
    /// Version of the standards: v1.N or latest
    #[arg(long, value_name = "VERSION", default_value = "latest")]
    pub version: crate::audit::pss::PolicyVersion,
    /// Where
    #[command(flatten)]
    pub action: ActionArgs,
}

/// Arguments of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Files or directories of checks
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

/// A version, of one component or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionOf {
    /// Whose; all of Kubernetes without it.
    pub component: Option<Component>,
    /// The version.
    pub version: Version,
}

/// A severity as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum SeverityArg {
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(given: SeverityArg) -> Self {
        match given {
            SeverityArg::Low => Self::Low,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::High => Self::High,
            SeverityArg::Critical => Self::Critical,
        }
    }
}

fn format_names() -> PossibleValuesParser {
    PossibleValuesParser::new(FORMATS.iter().map(|format| format.name))
}

fn parse_version(text: &str) -> Result<VersionOf, String> {
    let (component, version) = match text.split_once('=') {
        Some((name, version)) => {
            let component = Component::named(name).ok_or_else(|| {
                let known = Component::ALL.map(Component::name);
                match crate::benchmark::closest(name, known) {
                    Some(close) => format!("no component is called {name}; did you mean {close}?"),
                    None => format!("no component is called {name}; known are {}", known.join(", ")),
                }
            })?;
            (Some(component), version)
        }
        None => (None, text),
    };
    let version: Version = version.parse().map_err(|error: crate::evidence::NotAVersion| error.to_string())?;
    if component != Some(Component::Etcd) && !(version.major == 1 && version.minor >= *crate::evidence::KNOWN.start()) {
        return Err(format!(
            "Kubernetes {version} is older than the oldest known version, 1.{}",
            crate::evidence::KNOWN.start()
        ));
    }
    Ok(VersionOf { component, version })
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').parse().map_err(|_| format!("{text} is no percentage"))?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err(format!("{text} is not between 0 and 100")) }
}
