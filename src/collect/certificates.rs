//! Certificates: who issued what to whom, for how long. No private key is kept: of a file that holds both, only the
//! certificates are looked at.

use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::reader::Reader;
use crate::evidence::{Certificate, Observed, Origin, Reason, sha256};

/// A bundle of certificates larger than this is not read.
const LIMIT: u64 = 2 << 20;
/// Certificates kept of one bundle.
const MOST: usize = 64;

/// The certificates in a PEM file.
pub fn read(reader: &Reader<'_>, path: &str) -> Observed<Vec<Certificate>> {
    let place = reader.at(path, |root, path| root.read(path, LIMIT));
    let bytes = match place.found {
        Ok((_, bytes)) => bytes,
        Err(trouble) => return Observed::Unknown(super::documents::named(trouble, path)),
    };
    let mut found = Vec::new();
    for block in Pem::iter_from_buffer(&bytes).take(MOST) {
        let Ok(block) = block else { return Observed::unknown(Reason::Malformed, format!("{path}: not PEM")) };
        if block.label != "CERTIFICATE" {
            continue;
        }
        match X509Certificate::from_der(&block.contents) {
            Ok((_, certificate)) => found.push(facts(&certificate)),
            Err(_) => return Observed::unknown(Reason::Malformed, format!("{path}: not an X.509 certificate")),
        }
    }
    if found.is_empty() {
        return Observed::unknown(Reason::Malformed, format!("{path}: holds no certificate"));
    }
    Observed::seen(found, Origin::File { path: place.shown })
}

fn facts(certificate: &X509Certificate<'_>) -> Certificate {
    let key = match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(key)) => format!("EC {}", key.key_size()),
        Ok(_) => "other".to_owned(),
        Err(_) => "unreadable".to_owned(),
    };
    let time = |time: x509_parser::time::ASN1Time| {
        chrono::DateTime::from_timestamp(time.timestamp(), 0)
            .map_or_else(String::new, |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    };
    Certificate {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        key_sha256: sha256(certificate.public_key().raw),
        key,
        not_before: time(certificate.validity().not_before),
        not_after: time(certificate.validity().not_after),
        authority: certificate.is_ca(),
    }
}
