//! `manifests kustomize`: the manifests as bases, and what is optional as components, each with the controls that stay unknown without it.

use std::path::Path;

use clap::ValueEnum;

use super::audit::{VERSION, library};
use super::output::write_file;
use super::{FINISHED, Failure, frames, manifests, permissions};
use crate::benchmark::{self, Index, Library};
use crate::cli::{Capability, ManifestKind, ManifestsArgs};
use crate::collect::api::rights::PATHS;

/// The bases: what `manifests` prints under that name.
const BASES: [ManifestKind; 5] =
    [ManifestKind::Job, ManifestKind::Cronjob, ManifestKind::ControlPlane, ManifestKind::Managed, ManifestKind::Api];

/// What can be added to a base.
struct Component {
    name: &'static str,
    /// What it is for, and what it costs.
    about: String,
    /// Controls that stay unknown without it.
    controls: String,
    /// Kind, patch.
    patches: Vec<(&'static str, String)>,
}

/// Writes all of it below a directory.
pub(super) fn write(args: &ManifestsArgs) -> Result<u8, Failure> {
    let Some(directory) = &args.output else { return Err(Failure::usage("--output names the directory")) };
    for kind in BASES {
        let value = kind.to_possible_value();
        let name = value.as_ref().map_or("", |value| value.get_name());
        let args = ManifestsArgs { kind, to_extend: true, ..ManifestsArgs::of(kind, args.place.clone()) };
        let place = directory.join("bases").join(name);
        let text = manifests::text(&args)?;
        let text = text.replace(&format!("`kube-assay manifests {name}"), "`kube-assay manifests kustomize");
        file(&place, "objects.yaml", &text)?;
        file(&place, "kustomization.yaml", &kustomization(name))?;
    }
    let tables = benchmark::tables()?;
    let library = library(&tables, &[])?;
    let index = benchmark::newest(&library)?;
    for component in components(&library, &index, &args.place.namespace) {
        let place = directory.join("components").join(component.name);
        file(&place, "kustomization.yaml", &component.text(&index))?;
    }
    Ok(FINISHED)
}

fn file(directory: &Path, name: &str, text: &str) -> Result<(), Failure> {
    frames::directory(directory)?;
    write_file(&directory.join(name), |out| Ok(out.write_all(text.as_bytes())?)).map(drop)
}

fn kustomization(name: &str) -> String {
    format!(
        "# kube-assay {VERSION}: {name}. Made by `kube-assay manifests kustomize`; docs/in-cluster.md tells what it is.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [objects.yaml]\n"
    )
}

fn components(library: &Library, index: &Index, namespace: &str) -> Vec<Component> {
    let of = |facts: &[&str]| permissions::controls(library, index, facts).join(", ");
    let capability = |name, capability: Capability, about: &str| Component {
        name,
        about: about.to_owned(),
        controls: capability.controls().to_owned(),
        patches: vec![(
            "DaemonSet",
            format!(
                "- {{op: add, path: /spec/template/spec/containers/0/securityContext/capabilities/add/-, value: {}}}",
                capability.name()
            ),
        )],
    };
    let rule = |rule: &str| ("ClusterRole", format!("- {{op: add, path: /rules/-, value: {rule}}}"));
    let word = |word: &str| {
        let at = |path: &str| format!("- {{op: add, path: {path}/template/spec/containers/0/args/-, value: {word}}}");
        [("Job", at("/spec")), ("CronJob", at("/spec/jobTemplate/spec"))]
    };
    let paths = PATHS.map(|(path, _, _)| path).join(", ");
    let of_paths: Vec<&str> = PATHS.iter().flat_map(|(_, _, facts)| facts.iter().copied()).collect();
    let secrets = "{apiGroups: [\"\"], resources: [secrets], verbs: [list]}";
    let configz = "{apiGroups: [\"\"], resources: [nodes/configz], verbs: [get]}";
    vec![
        capability(
            "sys-ptrace",
            Capability::SysPtrace,
            "SYS_PTRACE for the collectors: environment, executable and own root of the components' processes. With it a collector that is taken over reads the memory of every process of its node.",
        ),
        capability(
            "dac-read-search",
            Capability::DacReadSearch,
            "DAC_READ_SEARCH for the collectors: what lies in directories that another user than root closes.",
        ),
        Component {
            name: "api-server-figures",
            about: format!("{paths} of the API server. Where nodes are seen, they tell the same."),
            controls: of(&of_paths),
            patches: vec![rule(&format!("{{nonResourceURLs: [{paths}], verbs: [get]}}"))],
        },
        Component {
            name: "kubelet-configz",
            about: "The configuration of each kubelet, asked of the kubelet itself. Where nodes are seen, they tell the same.".to_owned(),
            controls: of(&["kubelet."]),
            patches: [vec![rule(configz)], word("--kubelet-direct").to_vec()].concat(),
        },
        Component {
            name: "secrets-metadata",
            about: format!(
                "Metadata of Secrets, for leftover tokens. The right itself grants reading every Secret in full: whoever may create pods in {namespace} has it then."
            ),
            controls: of(&["people.tokens", "people.bootstrap-tokens"]),
            patches: [vec![rule(secrets)], word("--with-secrets").to_vec()].concat(),
        },
    ]
}

impl Component {
    fn text(&self, index: &Index) -> String {
        let mut text = format!(
            "# {}\n# Controls that may stay unknown without it ({} {}): {}\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n",
            self.about, index.title, index.version, self.controls
        );
        for (kind, patch) in &self.patches {
            text.push_str(&format!("- target: {{kind: {kind}}}\n  patch: |-\n    {patch}\n"));
        }
        text
    }
}
