//! Configuration documents, cut down to what a check may need. Keys, tokens and everything unnamed stay at the source.

use std::collections::BTreeMap;

use super::reader::Reader;
use super::root::{CONFIG_LIMIT, Trouble};
use super::yaml;
use crate::evidence::components::FieldSpec;
use crate::evidence::effective::{Decoding, other_case, project};
use crate::evidence::flags::without_userinfo;
use crate::evidence::{Document, DocumentRole, Gap, Observed, Origin, Reason, Value, sha256};

/// What kind a configuration file must say it is.
pub enum Shape<'a> {
    /// An object of this kind with these fields.
    Fields(&'a str, &'a BTreeMap<String, FieldSpec>),
    /// A drop-in of the kubelet: the same, but keys in another case are not ignored by its reader.
    DropIn(&'a str, &'a BTreeMap<String, FieldSpec>),
    /// etcd's file: no kind, keys in any case.
    Etcd(&'a BTreeMap<String, FieldSpec>),
    /// An object of this kind, cut down by a function of its own.
    Object(&'a str, fn(&Value) -> Option<Value>),
}

/// Reads the document at `path` as the process does.
///
/// `started_at` is when the process started: what changed since is not what it works with, unless it reads the file again
/// by itself (`reloads`).
pub fn read(
    reader: &Reader<'_>,
    role: DocumentRole,
    path: &str,
    shape: &Shape<'_>,
    started_at: Option<i64>,
    reloads: bool,
) -> Document {
    let place = reader.at(path, |root, path| root.read(path, CONFIG_LIMIT));
    let mut digest = None;
    let (file, content) = match place.found {
        Ok((facts, bytes)) => {
            let changed = !reloads && changed_since(facts.modified, started_at);
            if role.is_told_by_digest() {
                digest = Some(digest_of(&bytes));
            }
            let content = if changed {
                Observed::unknown(
                    Reason::ChangedSinceStart,
                    format!("{path} changed after the process started; it works with the earlier content"),
                )
            } else {
                match decode(&bytes, shape) {
                    Ok(value) => Observed::seen(value, Origin::File { path: path.to_owned() }),
                    Err(why) => Observed::unknown(Reason::Malformed, format!("{path}: {why}")),
                }
            };
            (Observed::seen(facts, Origin::Host), content)
        }
        Err(trouble) => {
            let gap = named(trouble, path);
            (Observed::Unknown(gap.clone()), Observed::Unknown(gap))
        }
    };
    Document { digest, ..Document::new(role, path, file, content) }
}

/// True when a file changed after its process started. Boot time and file time are whole seconds of different clocks: allow for two.
pub fn changed_since(modified: i64, started_at: Option<i64>) -> bool {
    started_at.is_some_and(|started| modified > started + 2)
}

/// Why an API server may work with another chain of authorizers than the file's: it reads a changed file again, but keeps what it has
/// when one of the types that it started with is missing there, and no file tells with which ones that was.
///
/// Source: pkg/kubeapiserver/authorizer/reload.go and config.go (`requireNonWebhookTypes`), 1.36.
pub fn pending_chain(document: &Document, started_at: Option<i64>) -> Option<Gap> {
    let changed = changed_since(document.file.value()?.modified, started_at);
    let why = "changed after the process started; only the API server's metrics tell whether it could load it";
    changed.then(|| Gap::new(Reason::ChangedSinceStart, format!("{} {why}", document.path)))
}

/// As the API server writes the digest of a configuration that it loaded.
///
/// Source: k8s.io/apiserver 0.36 pkg/server/options/encryptionconfig (`loadDataAndHash`), authorizationconfig/metrics (`getHash`).
fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", sha256(bytes))
}

/// A path that a running process names is never merely absent.
pub fn named(trouble: Trouble, path: &str) -> Gap {
    match trouble {
        Trouble::Absent => Gap::new(Reason::NotFound, path),
        Trouble::Gap(gap) if gap.detail.is_empty() => Gap::new(gap.reason, path),
        Trouble::Gap(gap) => gap,
    }
}

/// The part of a document that is kept.
///
/// # Errors
/// Class, line and column of what is wrong; nothing of the content.
pub fn decode(bytes: &[u8], shape: &Shape<'_>) -> Result<Value, String> {
    let read = match shape {
        Shape::Etcd(_) => yaml::read_yaml(bytes),
        Shape::DropIn(..) => yaml::read_strictly(bytes).map(whole_numbers),
        Shape::Fields(..) | Shape::Object(..) => yaml::read(bytes),
    };
    let value = read.map_err(|error| error.to_string())?;
    match shape {
        Shape::Fields(kind, _) | Shape::DropIn(kind, _) | Shape::Object(kind, _) if !is_of_kind(&value, kind) => {
            Err(format!("not an object of kind {kind} in a version that is read"))
        }
        Shape::DropIn(_, fields) if other_case(fields, &value).is_some() => {
            Err(format!("key {} is a field's name in another case", other_case(fields, &value).unwrap_or_default()))
        }
        Shape::DropIn(_, fields) => {
            project(fields, &value, Decoding::DropIn).map(|value| redact(&value)).map_err(|misfit| misfit.to_string())
        }
        Shape::Fields(_, fields) => {
            project(fields, &value, Decoding::File).map(|value| redact(&value)).map_err(|misfit| misfit.to_string())
        }
        Shape::Etcd(fields) => {
            project(fields, &value, Decoding::Etcd).map(|value| redact(&value)).map_err(|misfit| misfit.to_string())
        }
        Shape::Object(kind, cut) => cut(&value).ok_or_else(|| format!("not a {kind} that its reader accepts")),
    }
}

/// True when the document says that it is of a kind and version that the component has registered for `kind`.
///
/// Source: the `register.go` of each group; pkg/kubelet/apis/config/scheme, pkg/scheduler/apis/config/scheme,
/// k8s.io/apiserver pkg/apis/apiserver/install and pkg/audit/policy/reader.go (`apiGroupVersionSet`), all of 1.36.
fn is_of_kind(value: &Value, kind: &str) -> bool {
    let said = |key: &str| value.at(key).and_then(Value::as_text).unwrap_or_default();
    let (version, name) = (said("apiVersion"), said("kind"));
    let (group, versions): (&str, &[&str]) = match kind {
        "KubeletConfiguration" => ("kubelet.config.k8s.io", &["v1beta1"]),
        "KubeProxyConfiguration" => ("kubeproxy.config.k8s.io", &["v1alpha1"]),
        "KubeSchedulerConfiguration" => ("kubescheduler.config.k8s.io", &["v1"]),
        "Policy" => ("audit.k8s.io", &["v1"]),
        // registered under its first name as well, because documentation had it so
        "EncryptionConfiguration" if name == "EncryptionConfig" => return version == "v1",
        "EncryptionConfiguration" => ("apiserver.config.k8s.io", &["v1"]),
        "AuthenticationConfiguration" | "AuthorizationConfiguration" => {
            ("apiserver.config.k8s.io", &["v1alpha1", "v1beta1", "v1"])
        }
        "AdmissionConfiguration" if version == "apiserver.k8s.io/v1alpha1" => return name == kind,
        "AdmissionConfiguration" => ("apiserver.config.k8s.io", &["v1"]),
        "PodSecurityConfiguration" => ("pod-security.admission.config.k8s.io", &["v1alpha1", "v1beta1", "v1"]),
        // a kubeconfig is taken for one when it does not say so (client-go clientcmd.Load)
        "Config" => return matches!(version, "" | "v1") && matches!(name, "" | "Config"),
        _ => return name == kind,
    };
    name == kind && version.split_once('/').is_some_and(|(of, version)| of == group && versions.contains(&version))
}

/// A drop-in is read without types and written again before it is merged: `1.0` becomes `1`.
fn whole_numbers(value: Value) -> Value {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Value::Int(number as i64),
        Value::List(items) => Value::List(items.into_iter().map(whole_numbers).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (key, whole_numbers(value))).collect())
        }
        other => other,
    }
}

/// User information in URLs is a credential wherever it stands.
fn redact(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(without_userinfo(text)),
        Value::List(items) => Value::List(items.iter().map(redact).collect()),
        Value::Map(entries) => Value::Map(entries.iter().map(|(key, value)| (key.clone(), redact(value))).collect()),
        other => other.clone(),
    }
}

pub(super) fn list<'a>(value: &'a Value, path: &str) -> Option<&'a [Value]> {
    match value.at(path) {
        None | Some(Value::Null) => Some(&[]),
        Some(Value::List(items)) => Some(items),
        Some(_) => None,
    }
}

/// A list of texts, a null as an empty one; `None` when something else stands there.
pub(super) fn texts(value: &Value, path: &str) -> Option<Value> {
    let items = list(value, path)?;
    let item =
        |item: &Value| if *item == Value::Null { Some(Value::from("")) } else { item.as_text().map(Value::from) };
    items.iter().map(item).collect::<Option<Vec<_>>>().map(Value::List)
}

pub(super) fn text(value: &Value, path: &str) -> Option<Value> {
    match value.at(path) {
        None | Some(Value::Null) => Some(Value::from("")),
        Some(Value::Text(text)) => Some(Value::from(text.as_str())),
        Some(_) => None,
    }
}

pub(super) fn map(entries: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// Audit policy: its rules, which hold no secrets. `None` for one that the API server refuses.
///
/// Source: k8s.io/apiserver 0.36 pkg/apis/audit/validation, pkg/audit/policy/reader.go (no rules is a startup error).
pub fn audit_policy(value: &Value) -> Option<Value> {
    let rules = list(value, "rules")?.iter().map(|rule| {
        let rule = or_empty(rule)?;
        let level = text(&rule, "level")?;
        if !matches!(level.as_text()?, "None" | "Metadata" | "Request" | "RequestResponse") {
            return None;
        }
        let resources = list(&rule, "resources")?.iter().map(|resource| {
            let resource = or_empty(resource)?;
            let (group, names) = (text(&resource, "group")?, texts(&resource, "resourceNames")?);
            let resources = texts(&resource, "resources")?;
            let group_fits = matches!(group.as_text()?, "" | "*") || is_subdomain(group.as_text()?);
            let names_fit = names.as_list()?.is_empty() || !resources.as_list()?.is_empty();
            (group_fits && names_fit)
                .then(|| map([("group", group), ("resources", resources), ("resourceNames", names)]))
        });
        let resources: Vec<Value> = resources.collect::<Option<_>>()?;
        let (urls, namespaces) = (texts(&rule, "nonResourceURLs")?, texts(&rule, "namespaces")?);
        let for_resources = !resources.is_empty() || !namespaces.as_list()?.is_empty();
        let all = urls.as_list()?;
        let shaped = |url: &str| url == "*" || (url.starts_with('/') && !url[..url.len() - 1].contains('*'));
        if (for_resources && !all.is_empty()) || !all.iter().all(|url| url.as_text().is_some_and(shaped)) {
            return None;
        }
        Some(map([
            ("level", level),
            ("users", texts(&rule, "users")?),
            ("userGroups", texts(&rule, "userGroups")?),
            ("verbs", texts(&rule, "verbs")?),
            ("namespaces", namespaces),
            ("nonResourceURLs", urls),
            ("omitStages", stages(&rule)?),
            ("resources", Value::List(resources)),
        ]))
    });
    let rules: Vec<Value> = rules.collect::<Option<_>>()?;
    if rules.is_empty() { None } else { Some(map([("rules", Value::List(rules)), ("omitStages", stages(value)?)])) }
}

/// An element of a list as Go decodes it: null is an empty one, and nothing but an object will do.
fn or_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => Some(map([])),
        Value::Map(_) => Some(value.clone()),
        _ => None,
    }
}

fn stages(value: &Value) -> Option<Value> {
    const KNOWN: [&str; 4] = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"];
    let stages = texts(value, "omitStages")?;
    stages.as_list()?.iter().all(|stage| stage.as_text().is_some_and(|stage| KNOWN.contains(&stage))).then_some(stages)
}

/// A DNS subdomain (k8s.io/apimachinery `IsDNS1123Subdomain`): at most 253 lower-case letters, digits, dashes and dots; each part
/// begins and ends with a letter or digit.
fn is_subdomain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let part =
        |part: &str| !part.is_empty() && part.bytes().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    text.len() <= 253 && text.split('.').all(part)
}

/// AuthenticationConfiguration: the anonymous stanza, and whether tokens of others are taken.
pub fn authentication(value: &Value) -> Option<Value> {
    let anonymous = match value.at("anonymous") {
        None | Some(Value::Null) => Value::Null,
        Some(stanza @ Value::Map(_)) => {
            let enabled = match stanza.at("enabled") {
                None | Some(Value::Null) => false,
                Some(value) => value.as_bool()?,
            };
            let paths = list(stanza, "conditions")?.iter().map(|condition| text(condition, "path"));
            map([("enabled", Value::Bool(enabled)), ("paths", Value::List(paths.collect::<Option<_>>()?))])
        }
        Some(_) => return None,
    };
    let issuers = i64::try_from(list(value, "jwt")?.len()).ok()?;
    Some(map([("anonymous", anonymous), ("issuers", Value::Int(issuers))]))
}

/// AuthorizationConfiguration: the chain of authorizers.
pub fn authorization(value: &Value) -> Option<Value> {
    let chain = list(value, "authorizers")?.iter().map(|entry| {
        let kind = text(entry, "type")?;
        if kind == Value::from("") { None } else { Some(kind) }
    });
    let chain: Vec<Value> = chain.collect::<Option<_>>()?;
    if chain.is_empty() { None } else { Some(map([("authorizers", Value::List(chain))])) }
}

/// AdmissionConfiguration: which plugins are configured where; Pod Security's defaults and exemptions in full.
pub fn admission(value: &Value) -> Option<Value> {
    let plugins = list(value, "plugins")?.iter().map(|plugin| {
        let inline = plugin.at("configuration").filter(|inline| !matches!(inline, Value::Null));
        let name = text(plugin, "name")?;
        let kept = if name == Value::from("PodSecurity") {
            inline.and_then(pod_security).unwrap_or(Value::Null)
        } else {
            Value::Null
        };
        Some(map([
            ("name", name),
            ("path", text(plugin, "path")?),
            ("inline", Value::Bool(inline.is_some())),
            ("pod-security", kept),
        ]))
    });
    Some(map([("plugins", Value::List(plugins.collect::<Option<_>>()?))]))
}

/// PodSecurityConfiguration: defaults and exemptions.
pub fn pod_security(value: &Value) -> Option<Value> {
    let defaults = ["enforce", "enforce-version", "audit", "audit-version", "warn", "warn-version"];
    let defaults = defaults.into_iter().map(|key| Some((key, text(value, &format!("defaults.{key}"))?)));
    let exemptions = ["usernames", "runtimeClasses", "namespaces"];
    let exemptions = exemptions.into_iter().map(|key| Some((key, texts(value, &format!("exemptions.{key}"))?)));
    Some(map([
        ("defaults", map(defaults.collect::<Option<Vec<_>>>()?)),
        ("exemptions", map(exemptions.collect::<Option<Vec<_>>>()?)),
    ]))
}

/// Any admission plugin's file: that it is there and is an object.
pub fn plugin_file(value: &Value) -> Option<Value> {
    value.as_map().map(|_| map([("kind", value.at("kind").cloned().unwrap_or(Value::Null))]))
}

/// A kubeconfig: whether it carries credentials itself; never which.
pub fn kubeconfig(value: &Value) -> Option<Value> {
    const CREDENTIALS: [&str; 5] = ["client-key-data", "client-certificate-data", "token", "password", "auth-provider"];
    let users = list(value, "users")?;
    let inline = users.iter().any(|entry| {
        CREDENTIALS
            .iter()
            .any(|key| entry.at(&format!("user.{key}")).is_some_and(|value| !matches!(value, Value::Null)))
    });
    Some(map([("inline-credentials", Value::Bool(inline))]))
}
