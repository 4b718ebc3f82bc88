//! How Secrets really lie in etcd: how many were written by which encryption provider, and how many are in clear.
//!
//! Asked for by the user alone, on a control plane node: the API server's own client certificate reads whatever etcd holds. Of each value the
//! first bytes are looked at while it is decoded, and numbers are kept, nothing else. Source of the prefixes: k8s.io/apiserver 0.36
//! pkg/server/options/encryptionconfig/config.go.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use kube::{Client, Config};
use serde::Deserialize;
use x509_parser::pem::Pem;

use super::documents::named;
use super::reader::Reader;
use super::root::{CONFIG_LIMIT, Root};
use super::{CannotOpen, manifests};
use crate::evidence::{Component, Gap, Instance, NodeEvidence, Observed, Origin, Ownership, Reason};

/// Values read at once: one may have a megabyte.
const PAGE: u32 = 50;
/// Values looked at.
const MOST: u64 = 1_000_000;
/// Bound on one answer.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of a value that are looked at.
const LOOKED_AT: usize = 64;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Page {
    kvs: Vec<Kv>,
    more: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Kv {
    key: String,
    value: Writer,
}

/// Who wrote a value, told by its first bytes; the rest is dropped while it is decoded.
#[derive(Default)]
struct Writer(String);

impl<'de> Deserialize<'de> for Writer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Writer;
            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a value in base64")
            }
            fn visit_str<E>(self, text: &str) -> Result<Writer, E> {
                // whole groups of four letters are three bytes
                let letters = text.len().min(LOOKED_AT.div_ceil(3) * 4);
                let start = text.get(..letters).and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                Ok(Writer(writer(&start[..start.len().min(LOOKED_AT)])))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn writer(start: &[u8]) -> String {
    let Some(rest) = start.strip_prefix(b"k8s:enc:") else { return "identity".to_owned() };
    let mut parts = rest.split(|byte| *byte == b':').map(|part| String::from_utf8_lossy(part).into_owned());
    let known = |name: &str| ["aescbc", "aesgcm", "secretbox", "kms"].contains(&name);
    match (parts.next().filter(|name| known(name)), parts.next()) {
        (Some(name), Some(version)) if name == "kms" && version.len() <= 4 => format!("kms-{version}"),
        (Some(name), _) => name,
        (None, _) => "another provider".to_owned(),
    }
}

/// Looks into etcd for the API server of a node, and keeps the numbers with it.
///
/// # Errors
/// Only when the root itself cannot be opened: everything else becomes a state of the evidence.
pub fn prove_etcd(path: &Path, node: &mut NodeEvidence) -> Result<(), CannotOpen> {
    let root = Root::open(path).map_err(|errno| CannotOpen { path: path.to_owned(), why: errno.desc().to_owned() })?;
    for index in 0..node.instances.len() {
        let instance = &node.instances[index];
        if instance.component == Component::KubeApiserver && instance.ownership == Ownership::Own {
            let found = stored(&root, instance);
            node.instances[index].stored_secrets = Some(found);
        }
    }
    Ok(())
}

fn stored(root: &Root, instance: &Instance) -> Observed<BTreeMap<String, u64>> {
    match count(root, instance) {
        Ok((counts, from)) => Observed::seen(counts, Origin::Derived { rule: format!("etcd at {from}") }),
        Err(gap) => Observed::Unknown(gap),
    }
}

fn count(root: &Root, instance: &Instance) -> Result<(BTreeMap<String, u64>, String), Gap> {
    let Some(words) = instance.arguments.value() else {
        return Err(Gap::new(Reason::NotAsked, "the arguments of the API server are not known"));
    };
    let Some(pid) = instance.pid else { return Err(Gap::new(Reason::NotRunning, "the API server does not run")) };
    let flag = |name: &str| {
        let start = format!("--{name}=");
        words.iter().rev().find_map(|word| word.strip_prefix(&start)).map(str::to_owned)
    };
    let servers = flag("etcd-servers").unwrap_or_default();
    let server = servers.split(',').find(|url| !url.is_empty()).map(|url| url.trim_end_matches('/').to_owned());
    let server = server.ok_or_else(|| Gap::new(Reason::NotFound, "--etcd-servers names no etcd"))?;
    let prefix = flag("etcd-prefix").unwrap_or_else(|| "/registry".to_owned());
    let volumes = instance.manifest.as_ref().and_then(|path| {
        let directory = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
        manifests::find(root, directory).0.into_iter().find(|manifest| manifest.path == *path)
    });
    let volumes = volumes.map(|manifest| manifest.volumes).unwrap_or_default();
    let reader = Reader::new(root, pid, instance.ownership, instance.pod.as_deref(), volumes);
    let read = |name: &str| -> Result<Option<Vec<u8>>, Gap> {
        let Some(path) = flag(name).filter(|path| !path.is_empty()) else { return Ok(None) };
        let place = reader.at(&path, |root, path| root.read(path, CONFIG_LIMIT));
        place.found.map(|(_, bytes)| Some(bytes)).map_err(|trouble| named(trouble, &path))
    };
    let wrong = |what: &str| Gap::new(Reason::Malformed, format!("etcd at {server}: {what}"));
    let mut config = Config::new(server.parse().map_err(|_| wrong("no such address"))?);
    config.connect_timeout = Some(LIMIT);
    config.read_timeout = Some(LIMIT);
    if let Some(authority) = read("etcd-cafile")? {
        let blocks = Pem::iter_from_buffer(&authority).filter_map(Result::ok);
        config.root_cert = Some(blocks.map(|block| block.contents).collect());
    }
    if let (Some(certificate), Some(key)) = (read("etcd-certfile")?, read("etcd-keyfile")?) {
        config.auth_info.client_certificate_data = Some(STANDARD.encode(certificate));
        config.auth_info.client_key_data = Some(STANDARD.encode(key).into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Gap::new(Reason::Io, error.to_string()))?;
    let prefix = format!("{}/secrets/", prefix.trim_end_matches('/'));
    let counts = runtime.block_on(async {
        let client = Client::try_from(config).map_err(|_| wrong("its client certificate is not usable"))?;
        pages(&client, &prefix).await.map_err(|gap| Gap::new(gap.reason, format!("etcd at {server}: {}", gap.detail)))
    })?;
    Ok((counts, server))
}

/// Asks etcd's JSON gateway (`/v3/kv/range`), page after page.
async fn pages(client: &Client, prefix: &str) -> Result<BTreeMap<String, u64>, Gap> {
    let failed = |what: &str| Gap::new(Reason::Io, what.to_owned());
    let mut counts = BTreeMap::new();
    let mut begin = prefix.as_bytes().to_vec();
    // the first key behind all that begin with the prefix
    let mut end = prefix.as_bytes().to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    loop {
        let body = serde_json::json!({
            "key": STANDARD.encode(&begin), "range_end": STANDARD.encode(&end), "limit": PAGE.to_string(),
        });
        let request = Request::post("/v3/kv/range").header("Content-Type", "application/json");
        let request = request.body(body.to_string().into_bytes()).map_err(|_| failed("no request can be made"))?;
        let answer = tokio::time::timeout(LIMIT, client.request_text(request)).await;
        let text = match answer {
            Ok(Ok(text)) => text,
            // an error may hold a piece of the answer
            Ok(Err(_)) => return Err(failed("it does not answer this certificate")),
            Err(_) => return Err(Gap::new(Reason::TimedOut, "no answer in time")),
        };
        let page: Page = serde_json::from_str(&text).map_err(|_| failed("it answers something else"))?;
        for kv in &page.kvs {
            *counts.entry(kv.value.0.clone()).or_default() += 1;
        }
        let Some(last) = page.kvs.last().filter(|_| page.more) else { return Ok(counts) };
        begin = STANDARD.decode(&last.key).map_err(|_| failed("a key is not base64"))?;
        begin.push(0);
        if counts.values().sum::<u64>() > MOST {
            return Err(Gap::new(Reason::TooBig, "more Secrets than are looked at"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_writer() {
        for (start, by) in [
            (&b"k8s:enc:aescbc:v1:key1:xyz"[..], "aescbc"),
            (b"k8s:enc:kms:v2:test:xyz", "kms-v2"),
            (b"k8s:enc:secretbox:v1:", "secretbox"),
            (b"k8s:enc:own:v1:", "another provider"),
            (b"k8s\0\n\x0c", "identity"),
            (b"{\"kind\"", "identity"),
            (b"", "identity"),
        ] {
            assert_eq!(writer(start), by);
        }
        let page = format!(
            r#"{{"kvs": [{{"key": "YQ==", "value": "{}"}}], "more": true, "count": "7"}}"#,
            STANDARD.encode([&b"k8s:enc:aesgcm:v1:k:"[..], &[255; 4000]].concat())
        );
        let page: Result<Page, _> = serde_json::from_str(&page);
        assert_eq!(page.map(|page| (page.kvs[0].value.0.clone(), page.more)).ok(), Some(("aesgcm".to_owned(), true)));
    }
}
