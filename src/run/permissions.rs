//! `audit --explain-permissions`: the rights that an audit through the API takes, as roles to apply, each rule with the controls that
//! need it. Made from the table by which the manifests grant them, and from what each check names.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::audit::library;
use super::{FINISHED, Failure};
use crate::benchmark::{self, Check, Index, Library, Predicate};
use crate::cli::AuditArgs;
use crate::collect::api::rights::{PATHS, RIGHTS, Right};

const NAME: &str = "kube-assay-auditor";

/// Prints the roles.
pub(super) fn explain(args: &AuditArgs) -> Result<u8, Failure> {
    let tables = benchmark::tables()?;
    let library = library(&tables, &args.judge.checks)?;
    let index = match args.judge.benchmark.first() {
        Some(id) => benchmark::benchmark(id, &library)?,
        None => benchmark::newest(&library)?,
    };
    io::stdout().write_all(roles(&library, &index, args.host.with_secrets).as_bytes())?;
    Ok(FINISHED)
}

/// A cluster role, and a role for each namespace of which something is read there alone.
fn roles(library: &Library, index: &Index, with_secrets: bool) -> String {
    let mut out = format!(
        "# What an audit of {} {} through the API reads: lists only, no Secrets, nothing below nodes, no wildcards.\n\
         # Discovery, /version and reviews of oneself are everybody's already. Bind each role to who audits, such as:\n\
         #   kubectl create clusterrolebinding {NAME} --clusterrole={NAME} --serviceaccount=NAMESPACE:NAME\n\
         #   kubectl -n default create rolebinding {NAME} --role={NAME} --serviceaccount=NAMESPACE:NAME (kube-system likewise)\n",
        index.title, index.version
    );
    head(&mut out, None);
    let cluster = RIGHTS.iter().filter(|right| right.namespace.is_none());
    cluster.for_each(|right| rule(&mut out, right, &controls(library, index, right.facts)));
    for (path, why, facts) in PATHS {
        comment(
            &mut out,
            &format!("{why}; without it that stays unknown and the rest goes on"),
            &controls(library, index, facts),
        );
        out.push_str(&format!("- nonResourceURLs: [{path}]\n  verbs: [get]\n"));
    }
    if with_secrets {
        comment(
            &mut out,
            "--with-secrets: leftover tokens. This right itself grants reading every Secret in full",
            &controls(library, index, &["people."]),
        );
        out.push_str("- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [list]\n");
    }
    for namespace in ["default", "kube-system"] {
        head(&mut out, Some(namespace));
        let within = RIGHTS.iter().filter(|right| right.namespace == Some(namespace));
        within.for_each(|right| rule(&mut out, right, &controls(library, index, right.facts)));
    }
    out
}

fn head(out: &mut String, namespace: Option<&str>) {
    let (kind, within) = match namespace {
        None => ("ClusterRole", String::new()),
        Some(namespace) => ("Role", format!("\n  namespace: {namespace}")),
    };
    out.push_str(&format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}{within}\nrules:\n"
    ));
}

fn comment(out: &mut String, why: &str, controls: &[String]) {
    let controls = if controls.is_empty() { "none by itself".to_owned() } else { controls.join(", ") };
    out.push_str(&format!("# {why}\n# controls: {controls}\n"));
}

fn rule(out: &mut String, right: &Right, controls: &[String]) {
    let list = |words: &[&str]| {
        let quoted = words.iter().map(|word| if word.is_empty() { "\"\"".to_owned() } else { (*word).to_owned() });
        quoted.collect::<Vec<_>>().join(", ")
    };
    comment(out, right.why, controls);
    out.push_str(&format!(
        "- apiGroups: [{}]\n  resources: [{}]\n  verbs: [{}]\n",
        list(right.groups),
        list(right.resources),
        list(right.verbs)
    ));
}

/// The controls whose checks name a fact that begins so, in the benchmark's order.
pub(super) fn controls(library: &Library, index: &Index, facts: &[&str]) -> Vec<String> {
    let needs = |check: &Check| {
        let mut named = BTreeSet::new();
        for predicates in [&check.pass, &check.review, &check.not_applicable_when] {
            predicates.iter().for_each(|predicate| names(predicate, &mut named));
        }
        named.iter().any(|name| facts.iter().any(|fact| name.starts_with(fact)))
    };
    let lines = index.controls.iter().filter(|line| library.checks.get(&line.check).is_some_and(needs));
    lines.map(|line| line.id.clone()).collect()
}

fn names(predicate: &Predicate, into: &mut BTreeSet<String>) {
    match predicate {
        Predicate::All(inner) | Predicate::Any(inner) => inner.iter().for_each(|predicate| names(predicate, into)),
        Predicate::Not(inner) => names(inner, into),
        Predicate::Fact(fact, _) => drop(into.insert(fact.name())),
    }
}
