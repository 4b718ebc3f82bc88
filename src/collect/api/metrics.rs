//! `/metrics` of an API server: what it encrypted on the way to etcd and decrypted on the way back, which configuration it
//! loaded, its feature gates, and what it audited. Read line by line while it arrives; of several megabytes a few lines are kept.
//!
//! Source: staging/src/k8s.io/apiserver/pkg/storage/value/metrics.go and transformer.go, 1.36: writes are counted under the prefix of
//! what writes, empty for `identity`; reads under the prefix that matched, `identity` for plain text. An API server without an
//! encryption configuration counts nothing at all. Digests: pkg/server/options/encryptionconfig/metrics and authorizationconfig/metrics,
//! 1.34 and later. Gates: component-base/metrics/prometheus/feature. Audit: pkg/audit/metrics.go.

use std::collections::BTreeMap;

use super::ask::{Asker, Refused, Taker};
use crate::evidence::components::GateStage;
use crate::evidence::{AuditCounts, DocumentRole, Gap, Reason, ServerMetrics, Tables, Transformation, Version};

const WHAT: &str = "/metrics";
/// What every API server counts, and nothing else does.
const OWN: &[u8] = b"apiserver_request_total{";
/// No line that is kept is longer.
const LONGEST_LINE: usize = 16 << 10;
/// More than any API server writes.
const LARGEST: usize = 64 << 20;
/// Series of one kind that are kept; an API server has a few dozen.
const MOST: usize = 4096;

/// What the metrics of the API server that answers tell.
///
/// # Errors
/// Why they could not be read.
pub(super) async fn collect(asker: &Asker, tables: &Tables) -> Result<ServerMetrics, Gap> {
    let mut lines = Lines { gates: &tables.gates, line: Vec::new(), taken: 0, found: Found::default() };
    asker.ask(WHAT, "text/plain", WHAT, &mut lines).await.map_err(|refused| match refused {
        Refused::Gap(gap) if gap.reason == Reason::Denied => Gap::new(Reason::Denied, "needs get on the path /metrics"),
        other => other.into_gap(WHAT),
    })
}

/// The gates that the tables know.
type Gates = BTreeMap<String, BTreeMap<Version, GateStage>>;

/// Cuts what arrives into lines; a line that is too long is none.
struct Lines<'a> {
    gates: &'a Gates,
    line: Vec<u8>,
    taken: usize,
    found: Found,
}

#[derive(Default)]
struct Found {
    metrics: ServerMetrics,
    counted: BTreeMap<(String, bool, String), (u64, u64)>,
    /// An answer without what every API server counts is none.
    is_of_api_server: bool,
}

impl Taker for Lines<'_> {
    type Answer = ServerMetrics;

    fn begin(&mut self) {
        (self.line, self.taken, self.found) = (Vec::new(), 0, Found::default());
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Gap> {
        self.taken += chunk.len();
        if self.taken > LARGEST {
            return Err(Gap::new(Reason::TooBig, format!("{WHAT}: more than {} MiB", LARGEST >> 20)));
        }
        let mut parts = chunk.split(|byte| *byte == b'\n');
        let mut part = parts.next().unwrap_or_default();
        for next in parts {
            if self.line.is_empty() {
                self.found.line(part, self.gates);
            } else {
                self.grow(part);
                self.found.line(&self.line, self.gates);
                self.line.clear();
            }
            part = next;
        }
        self.grow(part);
        Ok(())
    }

    fn end(&mut self) -> Result<ServerMetrics, Gap> {
        self.found.line(&std::mem::take(&mut self.line), self.gates);
        if !self.found.is_of_api_server {
            return Err(Gap::new(Reason::Malformed, format!("{WHAT}: not the metrics of an API server")));
        }
        Ok(std::mem::take(&mut self.found).finish())
    }
}

impl Lines<'_> {
    fn grow(&mut self, part: &[u8]) {
        // one byte more than is read: a longer line must not pass for its beginning
        let room = (LONGEST_LINE + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// How a configuration's controller names its digest, and whose it is.
const LOADED: [(&str, DocumentRole); 2] = [
    ("apiserver_encryption_config_controller_last_config_info", DocumentRole::Encryption),
    ("apiserver_authorization_config_controller_last_config_info", DocumentRole::Authorization),
];

impl Found {
    fn line(&mut self, line: &[u8], gates: &Gates) {
        self.is_of_api_server |= line.starts_with(OWN);
        let interesting = [
            &b"apiserver_storage_tr"[..],
            b"apiserver_encryption",
            b"apiserver_authorization_config",
            b"apiserver_audit_",
            b"kubernetes_feature_enabled{",
        ];
        if line.len() > LONGEST_LINE || !interesting.iter().any(|start| line.starts_with(start)) {
            return;
        }
        let Some((name, labels, value)) = std::str::from_utf8(line).ok().and_then(series) else { return };
        let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
        let metrics = &mut self.metrics;
        match name {
            "apiserver_storage_transformation_operations_total" => {
                let Some(transformer) = transformer(label("transformer_prefix")) else { return };
                let key = (label("resource").to_owned(), label("transformation_type") == "to_storage", transformer);
                if self.counted.len() < MOST || self.counted.contains_key(&key) {
                    let entry = self.counted.entry(key).or_default();
                    let count = if label("status") == "OK" { &mut entry.0 } else { &mut entry.1 };
                    *count = count.saturating_add(value);
                }
            }
            "apiserver_encryption_config_controller_automatic_reloads_total" if label("status") == "failure" => {
                metrics.failed_reloads = metrics.failed_reloads.saturating_add(value);
            }
            "kubernetes_feature_enabled" if gates.contains_key(label("name")) => {
                metrics.gates.insert(label("name").to_owned(), value == 1);
            }
            "apiserver_audit_event_total" => audit(metrics).events = value,
            "apiserver_audit_error_total" => audit(metrics).errors = audit(metrics).errors.saturating_add(value),
            "apiserver_audit_requests_rejected_total" => audit(metrics).rejected = value,
            "apiserver_audit_level_total" => {
                let recorded = &mut audit(metrics).requests;
                // the levels of audit.k8s.io
                if let Some(level) = ["None", "Metadata", "Request", "RequestResponse"]
                    .into_iter()
                    .find(|level| *level == label("level"))
                {
                    recorded.insert(level.to_owned(), value);
                }
            }
            _ => {
                let digest = label("hash");
                let is_digest = digest
                    .strip_prefix("sha256:")
                    .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
                if let Some((_, role)) = LOADED.iter().find(|(known, _)| *known == name && is_digest) {
                    metrics.loaded.insert(*role, digest.to_owned());
                }
            }
        }
    }

    fn finish(self) -> ServerMetrics {
        let one = |((resource, writes, transformer), (done, failed))| Transformation {
            resource,
            writes,
            transformer,
            done,
            failed,
        };
        ServerMetrics { transformations: self.counted.into_iter().map(one).collect(), ..self.metrics }
    }
}

fn audit(metrics: &mut ServerMetrics) -> &mut AuditCounts {
    metrics.audit.get_or_insert_default()
}

/// What a prefix stands for, without the names of keys: `aescbc`, `kms-v2`, `identity`; `None` for what is none.
fn transformer(prefix: &str) -> Option<String> {
    match prefix {
        "" | "identity" => Some("identity".to_owned()),
        "unknown" => Some("unknown".to_owned()),
        _ => {
            let mut parts = prefix.strip_prefix("k8s:enc:")?.split(':');
            let (name, version) = (parts.next()?, parts.next()?);
            let known = matches!(name, "aescbc" | "aesgcm" | "secretbox" | "kms") && matches!(version, "v1" | "v2");
            known.then(|| if name == "kms" { format!("kms-{version}") } else { name.to_owned() })
        }
    }
}

/// Name, labels and whole value of a line of the text format.
fn series(line: &str) -> Option<(&str, BTreeMap<&str, String>, u64)> {
    let mut labels = BTreeMap::new();
    let Some((name, mut rest)) = line.split_once('{') else {
        let (name, value) = line.split_once(' ')?;
        return Some((name, labels, whole(value)?));
    };
    loop {
        if let Some(value) = rest.strip_prefix('}') {
            return Some((name, labels, whole(value)?));
        }
        let (key, after) = rest.strip_prefix(',').unwrap_or(rest).split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (_, '\\') => match letters.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (at, '"') => break at + 1,
                (_, letter) => value.push(letter),
            }
        };
        labels.insert(key, value);
        rest = &after[end..];
    }
}

/// A counter, which is written as a float.
fn whole(text: &str) -> Option<u64> {
    let number: f64 = text.trim().split(' ').next()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
    (0.0..=9e15).contains(&number).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> Result<ServerMetrics, Gap> {
        let gates = [("Known".to_owned(), BTreeMap::new())].into();
        let mut lines = Lines { gates: &gates, line: Vec::new(), taken: 0, found: Found::default() };
        lines.begin();
        text.as_bytes().chunks(size).try_for_each(|chunk| lines.take(chunk))?;
        lines.end()
    }

    #[test]
    fn what_is_written_and_read_is_counted() {
        let hash = format!("sha256:{}", "a1".repeat(32));
        let text = format!(
            r#"# HELP x
apiserver_request_total{{code="200"}} 9
apiserver_storage_transformation_operations_total{{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:aescbc:v1:"}} 12
apiserver_storage_transformation_operations_total{{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="identity"}} 3
apiserver_storage_transformation_operations_total{{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="key1:"}} 12
apiserver_storage_transformation_operations_total{{resource="secrets",status="unknown-non-grpc",transformation_type="from_storage",transformer_prefix="unknown"}} 1e+00
apiserver_storage_transformation_operations_total{{resource="a\"}}b",status="OK",transformation_type="to_storage",transformer_prefix=""}} 2
apiserver_storage_transformation_operations_total{{resource="{}",status="OK",transformation_type="to_storage",transformer_prefix=""}} 2
apiserver_encryption_config_controller_automatic_reloads_total{{apiserver_id_hash="sha256:x",status="failure"}} 4
apiserver_encryption_config_controller_last_config_info{{apiserver_id_hash="sha256:x",hash="{hash}"}} 1
apiserver_authorization_config_controller_last_config_info{{apiserver_id_hash="sha256:x",hash="sha256:<script>"}} 1
kubernetes_feature_enabled{{name="Known",stage="BETA"}} 0
kubernetes_feature_enabled{{name="Made\nUp",stage="BETA"}} 1
apiserver_audit_event_total 1.5e+03
apiserver_audit_error_total{{plugin="log"}} 2
apiserver_audit_error_total{{plugin="webhook"}} 1
apiserver_audit_level_total{{level="Metadata"}} 30
apiserver_audit_level_total{{level="odd"}} 30
apiserver_storage_transformation_operations_total{{resource="secrets"
apiserver_storage_transformation_operations_total{{}} NaN"#,
            "x".repeat(LONGEST_LINE)
        );
        for size in [1, 7, 4096, usize::MAX] {
            let Ok(metrics) = read(&text, size) else { unreachable!("it is an API server's") };
            assert_eq!(metrics.failed_reloads, 4);
            assert_eq!(metrics.loaded, [(DocumentRole::Encryption, hash.clone())].into());
            assert_eq!(metrics.gates, [("Known".to_owned(), false)].into());
            let counts =
                AuditCounts { events: 1500, errors: 3, rejected: 0, requests: [("Metadata".to_owned(), 30)].into() };
            assert_eq!(metrics.audit, Some(counts));
            let found: Vec<(&str, bool, &str, u64, u64)> = metrics
                .transformations
                .iter()
                .map(|one| (one.resource.as_str(), one.writes, one.transformer.as_str(), one.done, one.failed))
                .collect();
            assert_eq!(
                found,
                [
                    ("a\"}b", true, "identity", 2, 0),
                    ("secrets", false, "identity", 3, 0),
                    ("secrets", false, "unknown", 0, 1),
                    ("secrets", true, "aescbc", 12, 0),
                ]
            );
        }
        assert!(read("apiserver_audit_event_total 3\n", 4).is_err());
    }
}
