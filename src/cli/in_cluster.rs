//! What is asked of an audit from inside a cluster: where its collectors are, what is applied, how its reports come back.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SeverityArg;

/// The image of the manifests; its version is this program's.
pub const IMAGE: &str = concat!("kube-assay:", env!("CARGO_PKG_VERSION"));
/// The namespace of the manifests.
pub const NAMESPACE: &str = "kube-assay";

/// When a CronJob audits without another word: at an odd minute of the night.
const SCHEDULE: &str = "17 3 * * *";

/// Arguments of `manifests`.
#[derive(Debug, Args)]
pub struct ManifestsArgs {
    /// What to print
    pub kind: ManifestKind,
    /// Where it all lives, and as what
    #[command(flatten)]
    pub place: PlaceArgs,
    /// When the CronJob audits
    #[arg(long, value_name = "CRON", default_value = SCHEDULE, value_parser = parse_schedule)]
    pub schedule: String,
    /// Time zone of the schedule, such as Europe/Madrid [default: the control plane's]
    #[arg(long, value_name = "ZONE", value_parser = parse_zone)]
    pub time_zone: Option<String>,
    /// Seconds after which the CronJob's collectors collect again [default: 3600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..=604_800))]
    pub every: Option<u64>,
    /// Directory to write the bases and components to
    #[arg(long, short, value_name = "DIR", required_if_eq("kind", "kustomize"))]
    pub output: Option<PathBuf>,
    /// Lists that components add to are there even when they are empty; not of the command line
    #[arg(skip)]
    pub to_extend: bool,
    /// What is kept
    #[command(flatten)]
    pub kept: KeptArgs,
    /// What else the auditor is told, and in which formats it reports; not of the command line
    #[arg(skip)]
    pub auditor: AuditorWords,
}

impl ManifestsArgs {
    /// What the options would be without any given but the place.
    pub fn of(kind: ManifestKind, place: PlaceArgs) -> Self {
        let auditor = AuditorWords::default();
        Self {
            kind,
            place,
            schedule: SCHEDULE.to_owned(),
            time_zone: None,
            every: None,
            output: None,
            to_extend: false,
            kept: KeptArgs::default(),
            auditor,
        }
    }
}

/// The part of the auditor's command line that differs.
#[derive(Debug, Clone)]
pub struct AuditorWords {
    /// Formats, by name.
    pub formats: String,
    /// Further words.
    pub more: Vec<String>,
}

impl Default for AuditorWords {
    fn default() -> Self {
        Self { formats: "text,summary,html,json,prometheus".to_owned(), more: Vec::new() }
    }
}

/// What a one-off audit and a scheduled one have in common.
#[derive(Debug, Clone, Args)]
pub struct PlaceArgs {
    /// Namespace of it all
    #[arg(long, value_name = "NAME", default_value = NAMESPACE, value_parser = parse_namespace)]
    pub namespace: String,
    /// Image of collectors and auditor, as your registry names it
    #[arg(long, value_name = "IMAGE", default_value = IMAGE, value_parser = parse_image)]
    pub image: String,
    /// Capabilities of the collectors; without SYS_PTRACE what rests on a component's environment stays unknown, without
    /// DAC_READ_SEARCH what lies in closed directories of other users than root
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub add_capability: Vec<Capability>,
    /// Seconds that the auditor waits for nodes
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub deadline: u64,
}

impl Default for PlaceArgs {
    fn default() -> Self {
        Self { namespace: NAMESPACE.to_owned(), image: IMAGE.to_owned(), add_capability: Vec::new(), deadline: 120 }
    }
}

/// What is kept beyond the Job's log.
#[derive(Debug, Clone, Default, Args)]
pub struct KeptArgs {
    /// Keep a history of runs: pvc://CLAIM, a PersistentVolumeClaim of the namespace, or a URL (s3://, gs://, az://)
    #[arg(long, value_name = "pvc://CLAIM|URL", value_parser = parse_history)]
    pub history: Option<String>,
    /// Runs that the history keeps
    #[arg(long, value_name = "NUMBER", requires = "history", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..))]
    pub history_keep: u32,
    /// Write the reports there too: s3://, gs://, az://
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    pub output_url: Option<String>,
    /// Secret whose keys are the auditor's environment: credentials and options of the object store
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    pub credentials_secret: Option<String>,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Directory to write the reports to; the text goes to standard output
    #[arg(long, short, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Formats of the files
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', default_value = "html,json", value_parser = super::format_names())]
    pub format: Vec<String>,
    /// Exit with 1 when a control of at least this severity fails
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<SeverityArg>,
    /// Exit with 3 when less than this percentage of the applicable controls could be assessed
    #[arg(long, value_name = "PERCENT", value_parser = super::parse_percent)]
    pub min_coverage: Option<f64>,
    /// Kubeconfig of the cluster
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Where it all lives, and as what
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Create without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Leave everything in the cluster, to look at it; `--remove` takes it away
    #[arg(long)]
    pub keep: bool,
    /// Only take away what an earlier run left there: one that was killed, or kept
    #[arg(long, conflicts_with_all = ["output", "keep", "format"])]
    pub remove: bool,
}

/// A capability that a collector can make use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Capability {
    /// Environment, executable and own root of the components' processes
    #[value(name = "SYS_PTRACE", alias = "sys-ptrace")]
    SysPtrace,
    /// Directories that another user than root closes
    #[value(name = "DAC_READ_SEARCH", alias = "dac-read-search")]
    DacReadSearch,
}

impl Capability {
    /// As Kubernetes names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SysPtrace => "SYS_PTRACE",
            Self::DacReadSearch => "DAC_READ_SEARCH",
        }
    }

    /// Controls that stay unknown without it, by what the node is like; `tests/capabilities.rs` holds each list.
    pub fn controls(self) -> &'static str {
        match self {
            Self::SysPtrace => {
                "what rests on a default of etcd or the kubelet, which their environment may change; \
                 as kubeadm makes a node: 2.3, 2.6, 4.1.10, 4.2.4 to 4.2.9, 4.2.11 to 4.2.14; \
                 where neither flags nor files set anything: 1.1.1 to 1.1.8, 2.1 to 2.7, 4.1.7, 4.1.8, 4.1.10, 4.2.1 to 4.2.14"
            }
            Self::DacReadSearch => {
                "none as kubeadm makes a node, nor where etcd's own user closes its data directory; \
                 where another user than root closes /etc/kubernetes/pki: 1.1.19 to 1.1.21, 2.7, 4.1.7, 4.1.8; \
                 where another user than root closes /etc/cni/net.d: 1.1.9, 1.1.10"
            }
        }
    }
}

/// What can be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManifestKind {
    /// One audit: namespace, rights, collectors, Job
    Job,
    /// Audits on a schedule: the same with a CronJob
    Cronjob,
    /// One audit of the API and the control plane nodes
    ControlPlane,
    /// One audit of a managed cluster: no collectors on virtual nodes
    Managed,
    /// One audit of the API alone: no collectors
    Api,
    /// Namespace and rights alone, for an audit of the API from elsewhere
    Rbac,
    /// All of these as bases for kustomize, and what is optional as components, in a directory (--output)
    Kustomize,
}

/// Arguments of `unpack`.
#[derive(Debug, Args)]
pub struct UnpackArgs {
    /// The log, or - for standard input
    #[arg(value_name = "LOG", default_value = "-")]
    pub log: PathBuf,
    /// Directory to write the files to
    #[arg(long, short, value_name = "DIR")]
    pub output: PathBuf,
}

fn of_letters(text: &str, most: usize, others: &str, what: &str) -> Result<String, String> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || others.contains(letter);
    let edge = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '*');
    if edge && text.len() <= most && text.chars().all(letter) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text} is no {what}"))
    }
}

fn parse_namespace(text: &str) -> Result<String, String> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) || text.ends_with('-') {
        return Err(format!("{text} is no namespace"));
    }
    of_letters(text, 63, "-", "namespace")
}

fn parse_name(text: &str) -> Result<String, String> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(format!("{text} is no name of an object"));
    }
    of_letters(text, 253, "-.", "name of an object")
}

fn parse_url(text: &str) -> Result<String, String> {
    match text.parse().map_err(|error: crate::history::StoreError| error.to_string())? {
        crate::history::Location::Url(_) => of_letters(text, 1000, "-._:/+=~", "URL of this form"),
        crate::history::Location::Directory(_) => Err(format!("{text} is no URL of an object store")),
    }
}

fn parse_history(text: &str) -> Result<String, String> {
    match text.strip_prefix("pvc://") {
        Some(claim) => parse_name(claim).map(|claim| format!("pvc://{claim}")),
        None => parse_url(text),
    }
}

fn parse_image(text: &str) -> Result<String, String> {
    of_letters(text, 400, "-._:/@", "image")
}

fn parse_schedule(text: &str) -> Result<String, String> {
    let fields = text.split_whitespace().count();
    if fields != 5 {
        return Err(format!("{text} has {fields} fields, a schedule has 5: minute, hour, day, month, weekday"));
    }
    of_letters(text, 100, "*/,- ", "schedule")
}

fn parse_zone(text: &str) -> Result<String, String> {
    of_letters(text, 60, "/_+-", "time zone")
}

/// Where the collectors are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectorsOf {
    /// Namespace of the DaemonSet.
    pub namespace: String,
    /// Its name.
    pub daemonset: String,
}

pub(super) fn parse_collectors(text: &str) -> Result<CollectorsOf, String> {
    let name = |text: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        !text.is_empty() && text.len() <= 253 && text.bytes().all(letter)
    };
    match text.split_once('/') {
        Some((namespace, daemonset)) if name(namespace) && name(daemonset) => {
            Ok(CollectorsOf { namespace: namespace.to_owned(), daemonset: daemonset.to_owned() })
        }
        _ => Err(format!("{text} is not of the form NAMESPACE/DAEMONSET")),
    }
}
