//! `/metrics` of the API server that answers: what it encrypted on the way to etcd and decrypted on the way back. Line by line; of
//! several megabytes a few lines are kept.
//!
//! Source: staging/src/k8s.io/apiserver/pkg/storage/value/metrics.go and transformer.go, 1.36: writes are counted under the prefix of
//! what writes, empty for `identity`; reads under the prefix that matched, `identity` for plain text. An API server without an
//! encryption configuration counts nothing at all.

use std::collections::BTreeMap;

use super::ask::{Asker, Refused};
use crate::evidence::{Gap, Reason, StorageProof, Transformation};

const WHAT: &str = "/metrics";
const TRANSFORMATIONS: &str = "apiserver_storage_transformation_operations_total";
const RELOADS: &str = "apiserver_encryption_config_controller_automatic_reloads_total";

/// What the metrics prove.
///
/// # Errors
/// Why they could not be read.
pub(super) async fn collect(asker: &Asker) -> Result<StorageProof, Gap> {
    let bytes = asker.bytes(WHAT, "text/plain", WHAT).await.map_err(|refused| match refused {
        Refused::Gap(gap) if gap.reason == Reason::Denied => Gap::new(Reason::Denied, "needs get on the path /metrics"),
        other => other.into_gap(WHAT),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    // an answer without what every API server counts is none
    if !text.lines().any(|line| line.starts_with("apiserver_request_total{")) {
        return Err(Gap::new(Reason::Malformed, format!("{WHAT}: not the metrics of an API server")));
    }
    Ok(proof(&text))
}

fn proof(text: &str) -> StorageProof {
    let mut counted: BTreeMap<(String, bool, String), (u64, u64)> = BTreeMap::new();
    let mut proof = StorageProof::default();
    for line in text.lines() {
        let Some((name, labels, value)) = series(line) else { continue };
        let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
        match name {
            TRANSFORMATIONS => {
                let Some(transformer) = transformer(label("transformer_prefix")) else { continue };
                let writes = label("transformation_type") == "to_storage";
                let entry = counted.entry((label("resource").to_owned(), writes, transformer)).or_default();
                if label("status") == "OK" { entry.0 += value } else { entry.1 += value }
            }
            RELOADS if label("status") == "failure" => proof.failed_reloads += value,
            _ => {}
        }
    }
    proof.transformations = counted
        .into_iter()
        .map(|((resource, writes, transformer), (done, failed))| Transformation {
            resource,
            writes,
            transformer,
            done,
            failed,
        })
        .collect();
    proof
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
    if !(line.starts_with(TRANSFORMATIONS) || line.starts_with(RELOADS)) {
        return None;
    }
    let (name, rest) = line.split_once('{')?;
    let mut labels = BTreeMap::new();
    let mut rest = rest;
    loop {
        if let Some(value) = rest.strip_prefix('}') {
            // counters are written as floats
            let number: f64 = value.trim().split(' ').next()?.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
            return (0.0..=9e15).contains(&number).then_some((name, labels, number as u64));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_and_read_is_counted() {
        let text = r#"# HELP x
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="to_storage",transformer_prefix="k8s:enc:aescbc:v1:"} 12
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="identity"} 3
apiserver_storage_transformation_operations_total{resource="secrets",status="OK",transformation_type="from_storage",transformer_prefix="key1:"} 12
apiserver_storage_transformation_operations_total{resource="secrets",status="unknown-non-grpc",transformation_type="from_storage",transformer_prefix="unknown"} 1e+00
apiserver_storage_transformation_operations_total{resource="a\"}b",status="OK",transformation_type="to_storage",transformer_prefix=""} 2
apiserver_encryption_config_controller_automatic_reloads_total{apiserver_id_hash="sha256:x",status="failure"} 4
apiserver_storage_transformation_operations_total{resource="secrets"
apiserver_storage_transformation_operations_total{} NaN
"#;
        let proof = proof(text);
        assert_eq!(proof.failed_reloads, 4);
        let found: Vec<(&str, bool, &str, u64, u64)> = proof
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
}
