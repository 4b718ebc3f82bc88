//! Our answers to what `run` asks a real API server: one JSON document in, one JSON line per answer out.
//!
//!     cargo test --test rbac-answers < DOCUMENT
//!
//! The document has `roles`, `bindings` (as the API gives them), `aggregate` (take the union instead of stored rules), and what is asked:
//! `questions` (`{user, groups, exact, verb, ...}`; may this identity), `identities` (`{user, groups, namespace}`; its rules there, as
//! SelfSubjectRulesReview), `aggregated` (names of cluster roles; their rules in force), `stock` (`{version, kubeadm}`; what is not stock),
//! `world` (`{accounts, pods, nodes, namespaces, lax, version}`, as the API gives them; `lax` admits pods that take their node) with `ways`
//! (`{subject, target}`; the shortest way).

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program on its own: it prints, and stops where its document is wrong"
)]

use std::io::Write;

use kube_assay::audit::rbac::escalation::{Escalation, Target, World};
use kube_assay::audit::rbac::{Aggregation, Bootstrap, Grant, Identity, Index, Name, Place, Request, Scope, Standing};
use kube_assay::benchmark::bootstrap;
use kube_assay::evidence::objects::{
    ApiNode, Binding, Listing, Namespace, Pod, PolicyRule, Role, ServiceAccount, Source, Subject,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
    aggregate: bool,
    #[serde(default)]
    questions: Vec<Question>,
    #[serde(default)]
    identities: Vec<Asked>,
    #[serde(default)]
    aggregated: Vec<String>,
    stock: Option<Stock>,
    world: Option<Objects>,
    #[serde(default)]
    ways: Vec<Way>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Objects {
    accounts: Vec<ServiceAccount>,
    pods: Vec<Pod>,
    nodes: Vec<ApiNode>,
    namespaces: Vec<Namespace>,
    lax: Vec<String>,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Way {
    subject: Subject,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    user: String,
    groups: Vec<String>,
    /// The groups are all; else authentication adds its own.
    exact: bool,
    verb: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    namespace: String,
    path: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    user: String,
    groups: Vec<String>,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    version: String,
    kubeadm: bool,
}

impl Question {
    fn identity(&self) -> Identity {
        if self.exact { Identity::exact(&self.user, &self.groups) } else { Identity::user(&self.user, &self.groups) }
    }

    fn request(&self) -> Request<'_> {
        if let Some(path) = &self.path {
            return Request::path(&self.verb, path);
        }
        let name = if self.name.is_empty() { Name::Unnamed } else { Name::Exact(&self.name) };
        let place = if self.namespace.is_empty() { Place::Cluster } else { Place::Namespace(&self.namespace) };
        let request = Request::resource(&self.verb, &self.group, &self.resource);
        request.subresource(&self.subresource).named(name).within(place)
    }
}

/// True when a grant of `who_can` is for the identity: the other way to the same answer.
fn is_for(grant: &Grant<'_>, identity: &Identity) -> bool {
    match grant.subject.kind.as_str() {
        "Group" => identity.groups.contains(&grant.subject.name),
        "User" => grant.subject.name == identity.user,
        _ => identity.user == format!("system:serviceaccount:{}:{}", grant.subject.namespace, grant.subject.name),
    }
}

fn answer(index: &Index<'_>, question: &Question) -> Value {
    let (identity, request) = (question.identity(), question.request());
    let decision = index.decide(&identity, &request);
    let listed = identity.is_superuser() || index.who_can(&request).iter().any(|grant| is_for(grant, &identity));
    json!({"allowed": decision.is_allowed(), "listed": listed})
}

fn rules(index: &Index<'_>, asked: &Asked) -> Value {
    let counts = |grant: &Grant<'_>| match grant.scope {
        Scope::Cluster => true,
        Scope::Namespace(namespace) => namespace == asked.namespace,
    };
    let identity = Identity::user(&asked.user, &asked.groups);
    let rules: Vec<&PolicyRule> = index.can(&identity).into_iter().filter(counts).map(|grant| grant.rule).collect();
    json!({ "rules": rules })
}

fn not_stock(document: &Document, stock: &Stock) -> Vec<Value> {
    let makers = [bootstrap::kubernetes().expect("it ships"), bootstrap::kubeadm().expect("it ships")];
    let version = stock.version.parse().expect("a version");
    let bootstrap = Bootstrap::new(makers.iter().take(if stock.kubeadm { 2 } else { 1 }), Some(version));
    let said = |meta: &kube_assay::evidence::objects::Meta, standing: Standing| {
        let how = match standing {
            Standing::Stock => return None,
            Standing::Altered(all) => all.iter().map(ToString::to_string).collect(),
            Standing::Foreign => vec!["not known".to_owned()],
        };
        Some(json!({"object": format!("{}/{}", meta.namespace, meta.name), "how": how}))
    };
    let roles = document.roles.iter().filter_map(|role| said(&role.metadata, bootstrap.role(role)));
    let bindings = document.bindings.iter().filter_map(|binding| said(&binding.metadata, bootstrap.binding(binding)));
    roles.chain(bindings).collect()
}

fn ways(index: &Index<'_>, objects: &Objects, ways: &[Way]) -> Vec<Value> {
    let accounts = Listing { items: objects.accounts.clone(), gap: None };
    let admits = |namespace: &str| objects.lax.iter().any(|lax| lax == namespace);
    let world = World {
        namespaces: &objects.namespaces,
        service_accounts: &accounts,
        pods: &objects.pods,
        nodes: &objects.nodes,
        source: Source::Api,
        version: Some(objects.version.parse().expect("a version")),
        admits: &admits,
    };
    let escalation = Escalation::new(index, world);
    let target = |name: &str| Target::ALL.into_iter().find(|target| target.words() == name).expect("a target");
    let way = |way: &Way| escalation.path(&way.subject, target(&way.target)).map(|path| path.to_string());
    ways.iter().map(|asked| json!({"way": way(asked)})).collect()
}

fn main() {
    let document: Document = serde_json::from_reader(std::io::stdin().lock()).expect("a document");
    let aggregation = if document.aggregate { Aggregation::Union } else { Aggregation::Stored };
    let index = Index::new(&document.roles, &document.bindings, aggregation);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut say = |value: Value| writeln!(out, "{value}").expect("someone listens");
    document.questions.iter().for_each(|question| say(answer(&index, question)));
    document.identities.iter().for_each(|asked| say(rules(&index, asked)));
    for name in &document.aggregated {
        say(json!({"rules": index.rules("", name)}));
    }
    if let Some(objects) = &document.world {
        ways(&index, objects, &document.ways).into_iter().for_each(&mut say);
    }
    if let Some(stock) = &document.stock {
        say(json!({"not-stock": not_stock(&document, stock)}));
    }
}
