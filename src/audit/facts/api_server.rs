//! Facts of the API server that take more than one value.

use super::{Context, feature_gate};
use crate::evidence::components::at_version;
use crate::evidence::{Document, DocumentRole, Gap, Instance, Observed, Origin, Reason, Value};

/// Paths that anonymous requests may reach in any cluster: health checks.
const HEALTH_PATHS: [&str; 3] = ["/livez", "/readyz", "/healthz"];

/// The document of a role, when its flag is set: `None` when the flag is not set, an error when either cannot be read.
pub(super) fn document<'a>(
    context: &Context<'a>,
    flag: &str,
    role: DocumentRole,
) -> Result<Option<(&'a Document, &'a Value)>, Gap> {
    let Some((instance, effective)) = context.instance else { return Err(Gap::new(Reason::NotAsked, "no instance")) };
    match effective.settings.get(flag) {
        Some(Observed::Unknown(gap)) => return Err(gap.clone()),
        Some(Observed::Seen { value, .. }) if value.as_text().is_some_and(|path| !path.is_empty()) => {}
        _ => return Ok(None),
    }
    let document = instance.documents.iter().find(|document| document.role == role);
    let document =
        document.ok_or_else(|| Gap::new(Reason::NotAsked, format!("the API does not show the file of --{flag}")))?;
    match &document.content {
        Observed::Seen { value, .. } => in_force(document, instance).map(|()| Some((document, value))),
        Observed::Absent { .. } => Err(Gap::new(Reason::NotFound, document.path.clone())),
        Observed::Unknown(gap) => Err(gap.clone()),
    }
}

/// Whether the process works with what the file holds. What it tells itself of what it loaded decides; without that, the times do.
fn in_force(document: &Document, instance: &Instance) -> Result<(), Gap> {
    let told = instance.own_metrics().and_then(|told| told.loaded.get(&document.role));
    match (told, &document.digest, &document.pending) {
        (Some(loaded), Some(there), _) if loaded == there => Ok(()),
        (Some(_), Some(_), _) => Err(Gap::new(
            Reason::ChangedSinceStart,
            format!("the API server's metrics tell that it works with another content than {} holds", document.path),
        )),
        (_, _, Some(gap)) => Err(gap.clone()),
        _ => Ok(()),
    }
}

fn from(document: &Document) -> Origin {
    Origin::File { path: document.path.clone() }
}

/// Who is served without a credential.
///
/// Source: pkg/kubeapiserver/options/authentication.go (ToAuthenticationConfig, ApplyAuthorization): the file's anonymous
/// stanza replaces the flag; with AlwaysAllow among the flag's modes the flag is reset to false.
pub(super) fn anonymous_access(context: &Context<'_>) -> Observed<Value> {
    let flag = context.setting("anonymous-auth");
    let given = matches!(&flag, Observed::Seen { origin, .. } if !origin.is_default());
    match document(context, "authentication-config", DocumentRole::Authentication) {
        // the API server does not start with both the flag and a stanza in the file: with the flag given, there is none
        Err(_) if given => {}
        Err(gap) => return Observed::Unknown(gap),
        Ok(Some((file, content))) => {
            if let Some(stanza @ Value::Map(_)) = content.at("anonymous") {
                let enabled = stanza.at("enabled").and_then(Value::as_bool).unwrap_or_default();
                let paths = stanza.at("paths").and_then(Value::as_list).unwrap_or_default();
                let health_only = !paths.is_empty()
                    && paths.iter().all(|path| path.as_text().is_some_and(|path| HEALTH_PATHS.contains(&path)));
                let access = match (enabled, health_only) {
                    (false, _) => "disabled",
                    (true, true) => "health-endpoints",
                    (true, false) => "enabled",
                };
                return Observed::seen(Value::from(access), from(file));
            }
        }
        Ok(None) => {}
    }
    if flag.value() == Some(&Value::Bool(true)) {
        // a chain in a file does not reset the flag
        let by_flag = match document(context, "authorization-config", DocumentRole::Authorization) {
            Ok(None) => authorizers(context),
            _ => Observed::Absent { looked_at: Vec::new() },
        };
        if let Some(list) = by_flag.value().and_then(Value::as_list)
            && list.contains(&Value::from("AlwaysAllow"))
        {
            return Observed::seen(
                Value::from("disabled"),
                Origin::Derived { rule: "reset by the API server because AlwaysAllow is in force".to_owned() },
            );
        }
    }
    flag.map(|value| Value::from(if value == Value::Bool(true) { "enabled" } else { "disabled" }))
}

/// The chain of authorizers: the file's, or the flag's; neither means AlwaysAllow.
pub(super) fn authorizers(context: &Context<'_>) -> Observed<Value> {
    match document(context, "authorization-config", DocumentRole::Authorization) {
        Err(gap) => return Observed::Unknown(gap),
        Ok(Some((file, content))) => {
            return Observed::seen(content.at("authorizers").cloned().unwrap_or(Value::List(Vec::new())), from(file));
        }
        Ok(None) => {}
    }
    match context.setting("authorization-mode") {
        Observed::Seen { value: Value::List(modes), origin, overridden } if !modes.is_empty() => {
            Observed::Seen { value: Value::List(modes), origin, overridden }
        }
        Observed::Seen { .. } | Observed::Absent { .. } => Observed::seen(
            Value::texts(["AlwaysAllow"]),
            Origin::Derived { rule: "neither --authorization-mode nor --authorization-config is set".to_owned() },
        ),
        unknown => unknown,
    }
}

/// The admission plugins in force: all known ones but ((those off by default + disabled) - enabled); the legacy list replaces all.
///
/// Source: k8s.io/apiserver/pkg/server/options/admission.go (enabledPluginNames).
pub(in crate::audit) fn admission_plugins(context: &Context<'_>) -> Observed<Value> {
    let list = |name: &str| -> Result<(Vec<String>, Origin), Gap> {
        match context.setting(name) {
            Observed::Seen { value, origin, .. } => {
                let items =
                    value.as_list().unwrap_or_default().iter().filter_map(Value::as_text).map(str::to_owned).collect();
                Ok((items, origin))
            }
            Observed::Absent { .. } => Ok((Vec::new(), Origin::Host)),
            Observed::Unknown(gap) => Err(gap),
        }
    };
    let (legacy, enabled, disabled) =
        match (list("admission-control"), list("enable-admission-plugins"), list("disable-admission-plugins")) {
            (Ok(legacy), Ok(enabled), Ok(disabled)) => (legacy, enabled, disabled),
            (Err(gap), ..) | (_, Err(gap), _) | (.., Err(gap)) => return Observed::Unknown(gap),
        };
    if !legacy.0.is_empty() {
        return Observed::seen(Value::texts(legacy.0), legacy.1);
    }
    let plugins = &context.tables.admission;
    let (Some(known), Some(on)) =
        (at_version(&plugins.known, context.version), at_version(&plugins.default_on, context.version))
    else {
        return Observed::unknown(Reason::Unsupported, "admission plugins are not known");
    };
    let mut effective: Vec<String> = known
        .iter()
        .filter(|name| enabled.0.contains(name) || (on.contains(name) && !disabled.0.contains(name)))
        .cloned()
        .collect();
    // a plugin that this table does not know runs all the same when it is named
    effective.extend(enabled.0.iter().filter(|name| !known.contains(name)).cloned());
    let set = |list: &(Vec<String>, Origin)| !list.1.is_default() && !list.0.is_empty();
    let origin = match (set(&enabled), set(&disabled)) {
        (true, _) => enabled.1,
        (false, true) => disabled.1,
        (false, false) => Origin::Default { version: context.version.to_string(), from_source: false },
    };
    Observed::seen(Value::texts(effective), origin)
}

/// Where EventRateLimit is configured: a path, `inline`, or empty.
pub(super) fn event_rate_limit(context: &Context<'_>) -> Observed<Value> {
    let (file, content) = match document(context, "admission-control-config-file", DocumentRole::Admission) {
        Err(gap) => return Observed::Unknown(gap),
        Ok(None) => return context.setting("admission-control-config-file").map(|_| Value::from("")),
        Ok(Some(found)) => found,
    };
    let plugins = content.at("plugins").and_then(Value::as_list).unwrap_or_default();
    let Some(plugin) =
        plugins.iter().find(|plugin| plugin.at("name").and_then(Value::as_text) == Some("EventRateLimit"))
    else {
        return Observed::seen(Value::from(""), from(file));
    };
    if plugin.at("inline").and_then(Value::as_bool) == Some(true) {
        return Observed::seen(Value::from("inline"), from(file));
    }
    let Some((instance, _)) = context.instance else { return Observed::unknown(Reason::NotAsked, "no instance") };
    match instance.documents.iter().find(|document| document.plugin.as_deref() == Some("EventRateLimit")) {
        Some(document) => match &document.file {
            Observed::Unknown(gap) => Observed::Unknown(gap.clone()),
            _ => Observed::seen(Value::from(document.path.as_str()), from(file)),
        },
        None => Observed::seen(Value::from(""), from(file)),
    }
}

/// What writes Secrets: the first provider of the first entry that matches them. Where etcd itself was looked at, `mixed` when some
/// of those that it holds are in clear although a provider writes, with the numbers.
pub(super) fn secrets_encryption(context: &Context<'_>) -> (Observed<Value>, Option<String>) {
    let configured = configured_encryption(context);
    let Some(stored) = context.instance.and_then(|(instance, _)| instance.stored_secrets.as_ref()) else {
        return (configured, None);
    };
    let counts = match stored {
        Observed::Seen { value, .. } => value,
        Observed::Absent { .. } => return (configured, None),
        Observed::Unknown(gap) => return (configured, Some(format!("what etcd holds cannot be told: {gap}"))),
    };
    let one = |(writer, count): (&String, &u64)| match writer.as_str() {
        "identity" => format!("{count} in clear"),
        writer => format!("{count} by {writer}"),
    };
    let said =
        if counts.is_empty() { "no Secret".to_owned() } else { counts.iter().map(one).collect::<Vec<_>>().join(", ") };
    let plain = counts.get("identity").copied().unwrap_or_default();
    let configured = configured.map(|value| match value.as_text() {
        Some("none" | "identity") => value,
        _ if plain > 0 => Value::from("mixed"),
        _ => value,
    });
    (configured, Some(format!("etcd holds {said}")))
}

fn configured_encryption(context: &Context<'_>) -> Observed<Value> {
    let (file, content) = match document(context, "encryption-provider-config", DocumentRole::Encryption) {
        Err(gap) => return Observed::Unknown(gap),
        Ok(None) => return context.setting("encryption-provider-config").map(|_| Value::from("none")),
        Ok(Some(found)) => found,
    };
    let entries = content.at("resources").and_then(Value::as_list).unwrap_or_default();
    if let Err(gap) = refused_for_kms_v1(entries, &file.path, context) {
        return Observed::Unknown(gap);
    }
    let matches = |entry: &&Value| {
        let resources = entry.at("resources").and_then(Value::as_list).unwrap_or_default();
        resources.iter().any(|resource| matches!(resource.as_text(), Some("secrets" | "secrets." | "*." | "*.*")))
    };
    let writer = entries
        .iter()
        .find(matches)
        .and_then(|entry| entry.at("providers"))
        .and_then(Value::as_list)
        .and_then(<[Value]>::first);
    let name = writer.map_or("none".to_owned(), provider_name);
    Observed::seen(Value::Text(name), from(file))
}

fn provider_name(provider: &Value) -> String {
    let text = |key: &str| provider.at(key).and_then(Value::as_text).unwrap_or_default();
    if text("name") == "kms" { format!("kms-{}", text("version")) } else { text("name").to_owned() }
}

/// With the feature gate KMSv1 off, as it is by default, an API server refuses a whole file that names a KMS plugin of v1 anywhere: then
/// the file is not what runs.
///
/// Source: k8s.io/apiserver/pkg/server/options/encryptionconfig/config.go (`kmsPrefixTransformer`), 1.29 and later.
fn refused_for_kms_v1(entries: &[Value], path: &str, context: &Context<'_>) -> Result<(), Gap> {
    let mut providers = entries.iter().filter_map(|entry| entry.at("providers").and_then(Value::as_list)).flatten();
    if !providers.any(|provider| provider_name(provider) == "kms-v1") {
        return Ok(());
    }
    match feature_gate("KMSv1", context) {
        Observed::Unknown(gap) => Err(gap),
        Observed::Seen { value: Value::Bool(false), .. } => Err(Gap::new(
            Reason::Malformed,
            format!("{path} names a KMS plugin of v1, which an API server without the feature gate KMSv1 refuses"),
        )),
        _ => Ok(()),
    }
}
