//! One running component: its words, fit to be kept, and every document that they name.

use std::collections::BTreeMap;

use super::certificates;
use super::documents::{self, Shape};
use super::manifests::Manifest;
use super::processes::Process;
use super::reader::Reader;
use super::root::{Root, Trouble};
use crate::evidence::effective::{Effective, effective, named_path};
use crate::evidence::flags::{self, without_userinfo};
use crate::evidence::{
    Component, Document, DocumentRole, FileKind, Gap, Instance, Observed, Origin, Ownership, Reason, Tables, Value,
    Version,
};

/// Variables that a component reads, beside etcd's own.
const VARIABLES: [&str; 2] = ["GODEBUG", "KUBELET_CONFIG_DROPIN_DIR_ALPHA"];

/// The instance of a process.
pub fn of_process(host: &Root, tables: &Tables, process: Process, manifest: Option<&Manifest>) -> Instance {
    let table = tables.of(process.component);
    let reader = Reader::new(
        host,
        process.pid,
        process.ownership,
        process.pod.as_ref().map(|pod| pod.id.as_str()),
        manifest.map(|manifest| manifest.volumes.clone()).unwrap_or_default(),
    );
    let arguments = process.argv.map(|words| {
        let words: Vec<String> = words.iter().skip(1).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        flags::parse(table, &words).redacted
    });
    let environment = process.environment.map(|variables| {
        let kept = variables.into_iter().filter(|(name, _)| {
            VARIABLES.contains(&name.as_str()) || (process.component == Component::Etcd && name.starts_with("ETCD_"))
        });
        kept.map(|(name, value)| {
            let kept = fit_to_keep(tables, &name, &value);
            (name, kept)
        })
        .collect()
    });
    // a tenant's words are its own business: they are not judged
    let (arguments, environment) = if process.ownership == Ownership::Tenant {
        let gap = Gap::new(Reason::NotAsked, "a tenant's");
        (Observed::Unknown(gap.clone()), Observed::Unknown(gap))
    } else {
        (arguments, environment)
    };
    let manifest_differs = manifest.and_then(|manifest| differs(table, manifest, &arguments));
    let mut instance = Instance {
        component: process.component,
        pid: Some(process.pid),
        ownership: process.ownership,
        pod: process.pod.map(|pod| pod.id),
        executable: process.executable,
        arguments,
        environment,
        versions: Vec::new(),
        version_from: String::new(),
        started_at: process.started_at,
        manifest: manifest.map(|manifest| manifest.path.clone()),
        manifest_differs,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: None,
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    };
    if instance.ownership != Ownership::Tenant {
        attach(&mut instance, tables, &reader);
    }
    instance
}

/// The instance of a static pod whose process was not seen.
pub fn of_manifest(host: &Root, tables: &Tables, manifest: &Manifest) -> Instance {
    let table = tables.of(manifest.component);
    let reader = Reader::of_manifest(host, manifest.volumes.clone());
    let arguments = match &manifest.words {
        Ok(words) => {
            Observed::seen(flags::parse(table, words).redacted, Origin::Manifest { path: manifest.path.clone() })
        }
        Err(gap) => Observed::Unknown(gap.clone()),
    };
    let mut instance = Instance {
        component: manifest.component,
        pid: None,
        ownership: Ownership::Own,
        pod: None,
        executable: Observed::unknown(Reason::NotRunning, manifest.path.clone()),
        arguments,
        environment: Observed::unknown(Reason::NotRunning, manifest.path.clone()),
        versions: Vec::new(),
        version_from: String::new(),
        started_at: None,
        manifest: Some(manifest.path.clone()),
        manifest_differs: None,
        documents: Vec::new(),
        certificates: BTreeMap::new(),
        seen_in: None,
        stored_secrets: None,
        metrics: None,
        contradicted: BTreeMap::new(),
    };
    attach(&mut instance, tables, &reader);
    instance
}

/// What is kept of a variable's value: a word in its place when it is a credential, or may be anything.
pub fn fit_to_keep(tables: &Tables, name: &str, value: &str) -> String {
    let Some(flag) = name.strip_prefix("ETCD_").filter(|_| !value.is_empty()) else { return without_userinfo(value) };
    let flag = flag.to_ascii_lowercase().replace('_', "-");
    match tables.of(Component::Etcd).flags.get(&flag) {
        Some(spec) if spec.secret => flags::WITHHELD.to_owned(),
        Some(spec) if flags::parse_value(&spec.kind, value, None).is_none() => flags::REFUSED.to_owned(),
        Some(_) => without_userinfo(value),
        None => flags::WITHHELD.to_owned(),
    }
}

/// How a manifest's words differ from the words in force: names of flags, never values.
fn differs(
    table: &crate::evidence::ComponentTable,
    manifest: &Manifest,
    arguments: &Observed<Vec<String>>,
) -> Option<String> {
    let (Ok(written), Some(running)) = (&manifest.words, arguments.value()) else { return None };
    // variables of the pod are put in by the kubelet: such words cannot be compared
    if written.iter().any(|word| word.contains("$(")) {
        return None;
    }
    let (written, running) = (flags::parse(table, written).values, flags::parse(table, running).values);
    let names = written.keys().chain(running.keys());
    let mut changed: Vec<&String> = names.filter(|name| written.get(*name) != running.get(*name)).collect();
    changed.sort();
    changed.dedup();
    if changed.is_empty() {
        return None;
    }
    let names: Vec<String> = changed.iter().map(|name| format!("--{name}")).collect();
    Some(format!(
        "{} differs from the running process in {}: the process decides until it is restarted",
        manifest.path,
        names.join(", ")
    ))
}

/// Reads the documents that the words name. Values in force do not depend on the version here: only paths are asked for.
fn attach(instance: &mut Instance, tables: &Tables, reader: &Reader<'_>) {
    let version = Version::kubernetes(*crate::evidence::KNOWN.end());
    match instance.component {
        Component::Kubelet => kubelet_documents(instance, tables, reader),
        Component::KubeScheduler => configuration(instance, tables, reader, "config", "KubeSchedulerConfiguration"),
        Component::KubeProxy => configuration(instance, tables, reader, "config", "KubeProxyConfiguration"),
        Component::Etcd => etcd_documents(instance, tables, reader),
        Component::KubeApiserver => apiserver_documents(instance, tables, reader, version),
        Component::KubeControllerManager => {}
    }
    let merged = effective(tables, instance, version);
    if instance.component == Component::KubeProxy
        && let Some(path) = merged.text("clientConnection.kubeconfig")
    {
        let shape = Shape::Object("Config", documents::kubeconfig);
        instance.documents.push(documents::read(reader, DocumentRole::Kubeconfig, path, &shape, None, false));
    }
    attach_certificates(instance, &merged, reader);
}

fn attach_certificates(instance: &mut Instance, merged: &Effective, reader: &Reader<'_>) {
    let settings: &[&str] = match instance.component {
        Component::KubeApiserver => &["client-ca-file", "tls-cert-file"],
        Component::Etcd => &["trusted-ca-file", "cert-file"],
        Component::Kubelet => &["authentication.x509.clientCAFile", "tlsCertFile"],
        _ => &[],
    };
    for setting in settings {
        if let Some(path) = merged.text(setting) {
            instance.certificates.insert((*setting).to_owned(), certificates::read(reader, path));
        }
    }
    if instance.component == Component::Kubelet {
        let directory = merged.text("cert-dir").unwrap_or("/var/lib/kubelet/pki").trim_end_matches('/').to_owned();
        for name in ["kubelet-server-current.pem", "kubelet.crt"] {
            let path = format!("{directory}/{name}");
            let read = certificates::read(reader, &path);
            let absent = read.gap().is_some_and(|gap| gap.reason == Reason::NotFound);
            if !absent {
                instance.certificates.insert(name.to_owned(), read);
            }
        }
    }
}

fn configuration(instance: &mut Instance, tables: &Tables, reader: &Reader<'_>, flag: &str, kind: &str) {
    let Some(path) = named_path(tables, instance, flag) else { return };
    let shape = Shape::Fields(kind, &tables.of(instance.component).fields);
    let document = documents::read(reader, DocumentRole::Configuration, &path, &shape, instance.started_at, false);
    instance.documents.push(document);
}

fn etcd_documents(instance: &mut Instance, tables: &Tables, reader: &Reader<'_>) {
    let Some(path) = named_path(tables, instance, "config-file") else { return };
    let shape = Shape::Etcd(&tables.of(Component::Etcd).fields);
    let document = documents::read(reader, DocumentRole::Configuration, &path, &shape, instance.started_at, false);
    instance.documents.push(document);
}

fn kubelet_documents(instance: &mut Instance, tables: &Tables, reader: &Reader<'_>) {
    configuration(instance, tables, reader, "config", "KubeletConfiguration");
    // paths in the main file are relative to its directory (pkg/kubelet/kubeletconfig/configfiles)
    for document in &mut instance.documents {
        let directory = document.path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
        if let Observed::Seen { value, .. } = &mut document.content {
            absolute(value, &directory);
        }
    }
    let Some(directory) = named_path(tables, instance, "config-dir") else { return };
    let shape = Shape::DropIn("KubeletConfiguration", &tables.of(Component::Kubelet).fields);
    let mut found = Vec::new();
    match drop_ins(reader, &directory) {
        Ok(paths) => {
            for path in paths {
                found.push(documents::read(reader, DocumentRole::DropIn, &path, &shape, instance.started_at, false));
            }
        }
        Err(gap) => {
            let (file, content) = (Observed::Unknown(gap.clone()), Observed::Unknown(gap));
            found.push(Document::new(DocumentRole::DropIn, directory, file, content));
        }
    }
    instance.documents.extend(found);
}

fn absolute(value: &mut Value, directory: &str) {
    let Value::Map(entries) = value else { return };
    for (key, value) in entries {
        match value {
            Value::Text(path) if is_path_field(key) && !path.is_empty() && !path.starts_with('/') => {
                *path = joined(directory, path);
            }
            Value::Map(_) => absolute(value, directory),
            _ => {}
        }
    }
}

/// Go's `filepath.Join` of a directory and a path below or beside it.
fn joined(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Fields that `KubeletConfigurationPathRefs` names.
fn is_path_field(key: &str) -> bool {
    matches!(
        key,
        "staticPodPath"
            | "clientCAFile"
            | "tlsCertFile"
            | "tlsPrivateKeyFile"
            | "resolvConf"
            | "volumePluginDir"
            | "podLogsDir"
    )
}

/// The drop-ins of a directory, in the order in which the kubelet walks it: lexical, directories entered, `.conf` only.
///
/// A directory that is itself a link is not entered by Go's `filepath.WalkDir`: the kubelet then reads no drop-in.
fn drop_ins(reader: &Reader<'_>, directory: &str) -> Result<Vec<String>, Gap> {
    let listed = reader.at(directory, |root, path| {
        if root.link(path).is_some() { Ok(Vec::new()) } else { walk(root, &path.to_string_lossy(), 0) }
    });
    listed.found.map_err(|trouble| documents::named(trouble, directory))
}

fn walk(root: &Root, directory: &str, depth: usize) -> Result<Vec<String>, Trouble> {
    if depth > 16 {
        return Err(Trouble::Gap(Gap::new(Reason::TooBig, format!("{directory}: too deep"))));
    }
    let mut found = Vec::new();
    for entry in root.list(std::ffi::OsStr::new(directory))? {
        let path = format!("{}/{}", directory.trim_end_matches('/'), entry.name.to_string_lossy());
        if entry.directory {
            found.extend(walk(root, &path, depth + 1)?);
        } else if path.ends_with(".conf") {
            found.push(path);
        }
    }
    Ok(found)
}

fn apiserver_documents(instance: &mut Instance, tables: &Tables, reader: &Reader<'_>, version: Version) {
    let merged = effective(tables, instance, version);
    let reloads_encryption =
        merged.settings.get("encryption-provider-config-automatic-reload").and_then(Observed::value)
            == Some(&Value::Bool(true));
    // the authorization file is read again whenever it changes (1.30 and later); of the authentication file all but the
    // anonymous stanza is, and that stanza is what is judged
    let objects: [(&str, DocumentRole, Shape<'_>, bool); 5] = [
        (
            "encryption-provider-config",
            DocumentRole::Encryption,
            Shape::Object("EncryptionConfiguration", super::encryption::encryption),
            reloads_encryption,
        ),
        ("audit-policy-file", DocumentRole::AuditPolicy, Shape::Object("Policy", documents::audit_policy), false),
        (
            "authentication-config",
            DocumentRole::Authentication,
            Shape::Object("AuthenticationConfiguration", documents::authentication),
            false,
        ),
        (
            "authorization-config",
            DocumentRole::Authorization,
            Shape::Object("AuthorizationConfiguration", documents::authorization),
            true,
        ),
        (
            "admission-control-config-file",
            DocumentRole::Admission,
            Shape::Object("AdmissionConfiguration", documents::admission),
            false,
        ),
    ];
    for (flag, role, shape, reloads) in objects {
        let Some(path) = merged.text(flag) else { continue };
        // what metrics may tell to be in force is kept in any case
        let keeps = reloads || role == DocumentRole::Encryption;
        let mut document = documents::read(reader, role, path, &shape, instance.started_at, keeps);
        document.pending = match role {
            DocumentRole::Encryption => {
                let clock = super::processes::clock(reader.host());
                super::encryption::pending(&document, instance.started_at, clock, reloads)
            }
            DocumentRole::Authorization => documents::pending_chain(&document, instance.started_at),
            _ => None,
        };
        instance.documents.push(document);
    }
    plugin_files(instance, reader);
}

/// Files of admission plugins, named by the admission configuration relative to itself.
fn plugin_files(instance: &mut Instance, reader: &Reader<'_>) {
    let Some(admission) = instance.documents.iter().find(|document| document.role == DocumentRole::Admission) else {
        return;
    };
    let directory = admission.path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let plugins = admission
        .content
        .value()
        .and_then(|value| value.at("plugins"))
        .and_then(Value::as_list)
        .unwrap_or_default()
        .to_vec();
    for plugin in plugins {
        let text = |key: &str| plugin.at(key).and_then(Value::as_text).unwrap_or_default().to_owned();
        let (name, path) = (text("name"), text("path"));
        if path.is_empty() {
            continue;
        }
        let path = if path.starts_with('/') { path } else { format!("{directory}/{path}") };
        let cut: fn(&Value) -> Option<Value> =
            if name == "PodSecurity" { documents::pod_security } else { documents::plugin_file };
        let kind = if name == "PodSecurity" { "PodSecurityConfiguration" } else { "" };
        let mut document = if kind.is_empty() {
            any_object(reader, &path, cut, instance.started_at)
        } else {
            documents::read(
                reader,
                DocumentRole::AdmissionPlugin,
                &path,
                &Shape::Object(kind, cut),
                instance.started_at,
                false,
            )
        };
        document.plugin = Some(name);
        instance.documents.push(document);
    }
}

/// A plugin's file of any kind: its mode and that it is there.
fn any_object(reader: &Reader<'_>, path: &str, cut: fn(&Value) -> Option<Value>, started_at: Option<i64>) -> Document {
    let facts = reader.facts(path);
    let file = match facts.found {
        Ok(facts) if facts.kind == FileKind::File => Observed::seen(facts, Origin::Host),
        Ok(_) => Observed::unknown(Reason::WrongKind, path),
        Err(trouble) => Observed::Unknown(documents::named(trouble, path)),
    };
    let _ = started_at;
    let content = match file.gap() {
        Some(gap) => Observed::Unknown(gap.clone()),
        None => Observed::seen(
            cut(&Value::Map(BTreeMap::new())).unwrap_or(Value::Null),
            Origin::File { path: path.to_owned() },
        ),
    };
    Document::new(DocumentRole::AdmissionPlugin, path, file, content)
}
