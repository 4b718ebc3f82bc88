//! What the admission plugin `PodSecurity` asks of the pods of each namespace: labels, the API server's defaults and exemptions.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use super::inventory::{Inventory, Unit};
use super::pods::Question;
use crate::audit::facts::{Context, api_server::admission_plugins};
use crate::audit::judge::Node;
use crate::audit::pss::{
    Blocked, Configuration, Evaluator, Level, LevelVersion, Mode, Policy, PolicyVersion, raise_equal,
};
use crate::audit::report::Offender;
use crate::evidence::objects::Namespace;
use crate::evidence::{Component, Gap, Observed, Ownership, Reason, Tables, Value, Version};

/// The plugin as every API server that was seen runs it: what one of them lets through is let through.
#[derive(Debug, Default)]
pub struct PodSecurity {
    configuration: Configuration,
    /// Why labels mean nothing.
    off: Option<String>,
    /// Why it may ask for more than is known where labels are silent.
    unread: Option<String>,
    /// Why an API server that was seen may let through more than is known.
    untold: Option<String>,
    /// The admission plugins of every API server that was seen.
    plugins: Vec<Observed<Value>>,
    /// Version of the API server: what `latest` means.
    version: Option<Version>,
    blocked: [OnceCell<BTreeMap<String, Blocked>>; 2],
}

/// What a namespace asks.
pub struct Asked {
    /// In each mode; privileged where the plugin does not look.
    pub policy: Policy,
    /// The same for people, such as `enforces baseline:v1.30`.
    pub words: String,
    /// True where a default of the API server does not matter: the namespace says itself what it enforces, or nobody looks.
    pub settled: bool,
}

impl PodSecurity {
    /// From the API servers of the nodes; without any the plugin is taken to run as it does without configuration.
    pub fn new(nodes: &[Node<'_>], tables: &Tables, version: Option<Version>) -> Self {
        let mut all = Self { version, ..Self::default() };
        let mut first = true;
        for node in nodes {
            for (index, instance) in node.evidence.instances.iter().enumerate() {
                let judged = instance.component == Component::KubeApiserver && instance.ownership == Ownership::Own;
                let Some((at, effective)) = node.effective.get(index).and_then(|all| all.last()).filter(|_| judged)
                else {
                    continue;
                };
                let context = Context {
                    tables,
                    node: node.evidence,
                    cluster: None,
                    instance: Some((instance, effective)),
                    version: *at,
                };
                let plugins = admission_plugins(&context);
                if let Observed::Seen { value, origin, .. } = &plugins
                    && !runs(value, "PodSecurity")
                {
                    all.off = Some(format!("the admission plugin PodSecurity is off ({origin})"));
                }
                if let Observed::Unknown(gap) = &plugins {
                    all.untold = Some(format!("may have PodSecurity off: {gap}"));
                }
                all.plugins.push(plugins);
                let named = effective.get("admission-control-config-file");
                let named = named.value().and_then(Value::as_text).filter(|path| !path.is_empty());
                // what cannot be read is taken for nothing here, and said: it could make namespaces stricter or exempt
                let own = match Configuration::from_documents(&instance.documents) {
                    Ok(Some(own)) => own,
                    Ok(None) => {
                        all.unread = named.map(|path| format!("{path} was not read")).or(all.unread);
                        Configuration::default()
                    }
                    Err(gap) => {
                        all.unread = Some(gap.to_string());
                        Configuration::default()
                    }
                };
                all.configuration = if first { own } else { weakest(all.configuration, own) };
                first = false;
            }
        }
        if let Some(unread) = &all.unread {
            all.untold = Some(format!("may exempt users and namespaces: {unread}"));
        }
        if all.plugins.is_empty() {
            all.unread = Some(UNSEEN.to_owned());
        }
        all
    }

    /// What is taken for granted of API servers that were not seen, as a remark.
    pub fn assumed(&self) -> Option<String> {
        self.plugins
            .is_empty()
            .then(|| format!("{UNSEEN}: that PodSecurity is on and exempts nobody is taken for granted"))
    }

    /// Whether an API server runs an admission plugin.
    pub fn runs(&self, plugin: &str) -> Result<bool, Gap> {
        let mut gap = self.plugins.is_empty().then(|| Gap::new(Reason::NotAsked, UNSEEN));
        for plugins in &self.plugins {
            match plugins {
                Observed::Seen { value, .. } if runs(value, plugin) => return Ok(true),
                Observed::Unknown(why) => gap = Some(why.clone()),
                _ => {}
            }
        }
        gap.map_or(Ok(false), Err)
    }

    /// What a namespace asks.
    pub fn asked(&self, namespace: &Namespace) -> Asked {
        let name = &namespace.metadata.name;
        if let Some(off) = &self.off {
            let words = format!("enforces nothing: {off}");
            return Asked { policy: Policy::PRIVILEGED, words, settled: true };
        }
        if self.configuration.exemptions.namespaces.contains(name) {
            return Asked {
                policy: Policy::PRIVILEGED,
                words: "is exempt in the API server's configuration, whatever its labels say".to_owned(),
                settled: true,
            };
        }
        let labels = &namespace.metadata.labels;
        let (policy, invalid) = Policy::of_labels(labels, &self.configuration.defaults);
        let mut words = match (policy.enforce.level, labels.get(Mode::Enforce.level_label())) {
            (Level::Privileged, None) => "enforces nothing".to_owned(),
            (Level::Privileged, Some(_)) => "enforces privileged, which is nothing".to_owned(),
            (_, None) => format!("enforces {} by the API server's default", policy.enforce),
            (_, Some(_)) => format!("enforces {}", policy.enforce),
        };
        for (mode, verb) in [(Mode::Audit, "audits"), (Mode::Warn, "warns of")] {
            if policy.of(mode).level > policy.enforce.level {
                words.push_str(&format!(", {verb} {}", policy.of(mode)));
            }
        }
        for label in invalid {
            words.push_str(&format!(" (label {label})"));
        }
        Asked { policy, words, settled: labels.contains_key(Mode::Enforce.level_label()) }
    }

    /// True when what a namespace enforces refuses the pods that a question is about.
    pub fn refuses(&self, asked: &Asked, question: &Question) -> bool {
        let enforced = self.here(asked.policy.enforce);
        // from 1.35 on baseline lets a pod with a user namespace of its own mount /proc as it likes (check_procMount.go)
        let lets_some = |check: &str| check == "procMount" && enforced.version.minor() >= 35;
        enforced.level > Level::Privileged
            && Evaluator::new(enforced).checks().any(|check| question.checks.contains(&check) && !lets_some(check))
    }

    /// True when a pod that takes its node is admitted.
    pub fn admits_node_takers(&self, namespace: Option<&&Namespace>) -> bool {
        namespace.is_none_or(|namespace| self.asked(namespace).policy.enforce.level == Level::Privileged)
    }

    /// A policy as this API server applies it.
    pub fn here(&self, policy: LevelVersion) -> LevelVersion {
        self.version.map_or(policy, |version| policy.on(version))
    }

    /// Why an API server may ask for more by its own configuration than is known.
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// Users and runtime classes that are never looked at, and an API server of which it is not known whom it lets through.
    pub fn exempt(&self) -> Vec<Offender> {
        let one = |what: String, found: &str| Offender { what, found: found.to_owned(), own: false };
        let exemptions = &self.configuration.exemptions;
        let users = exemptions.usernames.iter().map(|name| format!("user {name}"));
        let named = users.chain(exemptions.runtime_classes.iter().map(|name| format!("runtime class {name}")));
        let named = named.map(|what| one(what, "is exempt from Pod Security everywhere"));
        let untold = self.untold.iter().map(|why| one("the API server's own configuration".to_owned(), why));
        named.chain(untold).collect()
    }

    /// What would be refused if a namespace were raised to a level: `restricted would refuse 3 pods of 2 workloads: Deployment web
    /// (runAsNonRoot), ...`.
    pub fn raised(&self, level: Level, namespace: &str, inventory: &Inventory<'_>) -> String {
        const SHOWN: usize = 3;
        let cell = if level == Level::Baseline { &self.blocked[0] } else { &self.blocked[1] };
        let all = cell.get_or_init(|| {
            let policy = self.here(LevelVersion::new(level, PolicyVersion::Latest));
            let units = inventory.units.iter();
            let exemptions = self.configuration.exemptions.clone();
            // a namespace that is raised is no longer exempt
            let configuration = Configuration {
                exemptions: crate::audit::pss::Exemptions { namespaces: BTreeSet::new(), ..exemptions },
                ..self.configuration.clone()
            };
            raise_equal(policy, &configuration, units.map(Unit::equal))
        });
        let Some(blocked) = all.get(namespace) else { return format!("{level} would refuse none of its pods") };
        let one = |workload: &crate::audit::pss::Blocker| {
            let checks: Vec<&str> = workload.violations.iter().map(|violation| violation.check).collect();
            format!("{} ({})", workload.owner, checks.join(", "))
        };
        let mut shown: Vec<String> = blocked.workloads.iter().take(SHOWN).map(one).collect();
        if blocked.workloads.len() > SHOWN {
            shown.push(format!("{} more", blocked.workloads.len() - SHOWN));
        }
        format!("{level} would refuse {}: {}", blocked.amount(), shown.join(", "))
    }
}

const UNSEEN: &str = "no API server was seen";

fn runs(plugins: &Value, plugin: &str) -> bool {
    plugins.as_list().unwrap_or_default().contains(&Value::from(plugin))
}

/// What both let through: the lower level of each mode, the exemptions of either.
fn weakest(one: Configuration, other: Configuration) -> Configuration {
    let lower = |mode| one.defaults.of(mode).min(other.defaults.of(mode));
    let defaults = Policy { enforce: lower(Mode::Enforce), audit: lower(Mode::Audit), warn: lower(Mode::Warn) };
    let mut exemptions = one.exemptions;
    exemptions.usernames.extend(other.exemptions.usernames);
    exemptions.namespaces.extend(other.exemptions.namespaces);
    exemptions.runtime_classes.extend(other.exemptions.runtime_classes);
    Configuration { defaults, exemptions }
}
