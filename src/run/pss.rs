//! `pss`: pods and pod templates against a level of the Pod Security Standards.

use std::io::{self, Write};

use serde::Serialize;

use super::Failure;
use super::rights::{cluster, incomplete, print_json};
use crate::audit::pss::{Evaluator, LevelVersion, Owners, Violation};
use crate::cli::PssArgs;
use crate::evidence::objects::Meta;
use crate::render::escape::visible;

/// An object and what is refused in it.
#[derive(Serialize)]
struct Verdict {
    object: String,
    allowed: bool,
    violations: Vec<Violation>,
}

pub(crate) fn pss(args: &PssArgs) -> Result<u8, Failure> {
    let cluster = cluster(&args.action)?;
    let asked = LevelVersion::new(args.level, args.version);
    // an API server knows no check newer than itself, and `latest` is its own version
    let evaluator = Evaluator::new(cluster.version.map_or(asked, |server| asked.on(server)));
    let wanted =
        |meta: &Meta| args.action.namespace.as_ref().is_none_or(|namespace| meta.namespace == namespace.as_str());
    let owners = Owners::new(&cluster.workloads.items);
    let pods = cluster.pods.items.iter().filter(|pod| wanted(&pod.metadata));
    let mut verdicts: Vec<Verdict> = pods.map(|pod| verdict("Pod", &pod.metadata, evaluator.pod(pod))).collect();
    // the template of a ReplicaSet is its Deployment's
    let workloads = cluster.workloads.items.iter().filter(|one| wanted(&one.metadata) && !owners.is_owned(one));
    verdicts.extend(
        workloads
            .filter_map(|workload| Some(verdict(&workload.kind, &workload.metadata, evaluator.workload(workload)?))),
    );
    if args.action.format == "json" {
        print_json(&verdicts)?;
    } else {
        let mut out = io::stdout().lock();
        let refused = verdicts.iter().filter(|verdict| !verdict.allowed);
        for verdict in refused.clone() {
            writeln!(out, "{}", visible(&verdict.object))?;
            for Violation { check, reason, fields } in &verdict.violations {
                writeln!(out, "  {check}: {}", visible(reason))?;
                writeln!(out, "    {}", visible(&fields.join(", ")))?;
            }
        }
        writeln!(out, "{} refuses {} of {} objects", evaluator.policy(), refused.count(), verdicts.len())?;
    }
    Ok(incomplete([("pods", &cluster.pods.gap), ("workloads", &cluster.workloads.gap)]))
}

fn verdict(kind: &str, meta: &Meta, violations: Vec<Violation>) -> Verdict {
    let object = match meta.namespace.as_str() {
        "" => format!("{kind} {}", meta.name),
        namespace => format!("{namespace}/{kind} {}", meta.name),
    };
    Verdict { object, allowed: violations.is_empty(), violations }
}
