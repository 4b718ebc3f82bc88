//! `manifests`: what is applied to a cluster, from one template, so that files and documents cannot drift apart.

use std::io::Write;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde::Serialize;
use tera::{Context, Tera};

use super::audit::VERSION;
use super::{FINISHED, Failure};
use crate::cli::{ManifestKind, ManifestsArgs, PlaceArgs};
use crate::collect::api::Written;
use crate::collect::api::rights::{RIGHTS, Right};

const MANIFESTS: &str = include_str!("../../templates/manifests.yaml");
const AUDITOR: &str = include_str!("../../templates/auditor.yaml");

/// A rule as it stands in a role.
#[derive(Serialize)]
struct Rule {
    why: &'static str,
    groups: String,
    resources: String,
    verbs: String,
}

#[derive(Serialize)]
struct Role {
    namespace: String,
    rules: Vec<Rule>,
}

/// What one kind of manifests is.
struct Form {
    about: &'static str,
    file: &'static str,
    /// What runs the auditor.
    job: Option<&'static str>,
    /// Which nodes have a collector: in words, and as expressions of an affinity.
    nodes: Option<(&'static str, &'static [&'static str])>,
}

fn form(kind: ManifestKind) -> Form {
    const EVERY: (&str, &[&str]) = ("Linux node", &[]);
    let (about, file, job, nodes) = match kind {
        ManifestKind::Job => ("one audit of every node and the API", "job.yaml", Some("Job"), Some(EVERY)),
        ManifestKind::Cronjob => {
            ("audits of every node and the API on a schedule", "cronjob.yaml", Some("CronJob"), Some(EVERY))
        }
        ManifestKind::ControlPlane => (
            "one audit of the control plane nodes and the API",
            "control-plane.yaml",
            Some("Job"),
            Some(("control plane node", &["{key: node-role.kubernetes.io/control-plane, operator: Exists}"][..])),
        ),
        // a virtual node takes a pod that it cannot run, or bills it
        ManifestKind::Managed => (
            "one audit of a managed cluster: its machines and the API",
            "managed.yaml",
            Some("Job"),
            Some((
                "Linux node that is a machine",
                &[
                    "{key: eks.amazonaws.com/compute-type, operator: NotIn, values: [fargate]}",
                    "{key: type, operator: NotIn, values: [virtual-kubelet]}",
                ][..],
            )),
        ),
        ManifestKind::Api => {
            ("one audit of the API alone, without a pod on any node but its own", "api.yaml", Some("Job"), None)
        }
        ManifestKind::Rbac | ManifestKind::Kustomize => {
            ("the auditor's identity and its rights, nothing that runs", "rbac.yaml", None, None)
        }
    };
    Form { about, file, job, nodes }
}

/// Prints the manifests that were asked for.
pub(super) fn manifests(args: &ManifestsArgs) -> Result<u8, Failure> {
    if args.kind == ManifestKind::Kustomize {
        return super::kustomize::write(args);
    }
    std::io::stdout().write_all(text(args)?.as_bytes())?;
    Ok(FINISHED)
}

pub(super) fn text(args: &ManifestsArgs) -> Result<String, Failure> {
    let Form { about, file, job, nodes } = form(args.kind);
    let collectors = nodes.is_some();
    let scheduled = args.kind == ManifestKind::Cronjob;
    let every = args.every.unwrap_or(3600);
    let mut context = Context::new();
    context.insert("version", VERSION);
    context.insert("about", about);
    context.insert("command", &command(args));
    context.insert("file", file);
    context.insert("namespace", &args.place.namespace);
    context.insert("image", &args.place.image);
    context.insert("formats", &args.auditor.formats);
    context.insert("more", &args.auditor.more);
    context.insert("deadline", &args.place.deadline);
    // a collection that comes a little late is not old
    context.insert("max_age", &if scheduled { every + every / 2 + 60 } else { 3600 });
    context.insert("keep", &if scheduled { 86_400 * 7 } else { 86_400 });
    context.insert("every", &scheduled.then_some(every));
    context.insert("schedule", &scheduled.then_some(&args.schedule));
    context.insert("time_zone", &args.time_zone);
    let mut capabilities: Vec<&str> = args.place.add_capability.iter().map(|capability| capability.name()).collect();
    capabilities.dedup();
    // the components of kustomize add to a list that is there
    let listed = !capabilities.is_empty() || args.to_extend;
    context.insert("capabilities", &listed.then(|| format!("[{}]", capabilities.join(", "))));
    context.insert("job_kind", job.unwrap_or_default());
    context.insert("with_job", &job.is_some());
    let (which, expressions) = nodes.unwrap_or_default();
    context.insert("which", which);
    context.insert("expressions", expressions);
    let claim = args.kept.history.as_deref().and_then(|history| history.strip_prefix("pvc://"));
    context.insert("history", &args.kept.history.as_deref().map(|url| if claim.is_some() { "/history" } else { url }));
    context.insert("history_keep", &args.kept.history_keep);
    context.insert("claim", &claim);
    context.insert("output_url", &args.kept.output_url);
    context.insert("credentials", &args.kept.credentials_secret);
    context.insert("with_collectors", &collectors);
    context.insert("collectors", &collectors);
    let wanted = |right: &&Right| collectors || right.namespace.is_none_or(is_of_cluster);
    let cluster: Vec<Rule> = RIGHTS.iter().filter(|right| right.namespace.is_none()).map(rule).collect();
    context.insert("cluster_rules", &cluster);
    let mut roles: Vec<Role> = Vec::new();
    for right in RIGHTS.iter().filter(wanted) {
        let Some(namespace) = right.namespace else { continue };
        let namespace = namespace.replace("{namespace}", &args.place.namespace);
        match roles.iter_mut().find(|role| role.namespace == namespace) {
            Some(role) => role.rules.push(rule(right)),
            None => roles.push(Role { namespace, rules: vec![rule(right)] }),
        }
    }
    context.insert("roles", &roles);
    let failed = |error: tera::Error| Failure::internal(format!("template: {error}"));
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    tera.add_raw_templates([("manifests", MANIFESTS), ("auditor", AUDITOR)]).map_err(failed)?;
    let job = tera.render("auditor", &context).map_err(failed)?;
    let indent = if scheduled { "      " } else { "  " };
    let job: Vec<String> = job.lines().map(|line| format!("{indent}{line}")).collect();
    context.insert("job", &job.join("\n"));
    let text = tera.render("manifests", &context).map_err(failed)?;
    Ok(format!("{}\n", text.trim_end()))
}

/// What the pods of the collectors are in that namespace.
pub(super) fn collectors(namespace: &str) -> Result<Written, Failure> {
    let place = PlaceArgs { namespace: namespace.to_owned(), ..PlaceArgs::default() };
    let text = text(&ManifestsArgs::of(ManifestKind::Job, place))?;
    let spec = text.split("\n---\n").find(|document| document.contains("\nkind: DaemonSet\n"));
    let object: Option<serde_json::Value> = spec.and_then(|document| serde_saphyr::from_str(document).ok());
    let spec = object.as_ref().and_then(|object| object.pointer("/spec/template/spec"));
    spec.map(Written::of).ok_or_else(|| Failure::internal("the manifests hold no collectors"))
}

/// Needed without collectors too.
fn is_of_cluster(namespace: &str) -> bool {
    matches!(namespace, "default" | "kube-system")
}

fn rule(right: &Right) -> Rule {
    let list = |words: &[&str]| {
        let quoted: Vec<String> =
            words.iter().map(|word| if word.is_empty() { "\"\"".to_owned() } else { (*word).to_owned() }).collect();
        format!("[{}]", quoted.join(", "))
    };
    Rule { why: right.why, groups: list(right.groups), resources: list(right.resources), verbs: list(right.verbs) }
}

/// The command line that makes the same again.
fn command(args: &ManifestsArgs) -> String {
    let kind = args.kind.to_possible_value();
    let kind = kind.as_ref().map_or("", PossibleValue::get_name);
    let mut words = vec![format!("kube-assay manifests {kind}")];
    if args.place.namespace != crate::cli::NAMESPACE {
        words.push(format!("--namespace {}", args.place.namespace));
    }
    if !args.place.add_capability.is_empty() {
        let names: Vec<&str> = args.place.add_capability.iter().map(|capability| capability.name()).collect();
        words.push(format!("--add-capability {}", names.join(",")));
    }
    if args.place.image != crate::cli::IMAGE {
        words.push(format!("--image {}", args.place.image));
    }
    let of_store = [
        ("--history", &args.kept.history),
        ("--output-url", &args.kept.output_url),
        ("--credentials-secret", &args.kept.credentials_secret),
    ];
    words.extend(of_store.into_iter().filter_map(|(option, value)| Some(format!("{option} {}", value.as_ref()?))));
    words.join(" ")
}
