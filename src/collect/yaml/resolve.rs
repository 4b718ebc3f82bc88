//! What scalars mean: YAML 1.1 as go-yaml knows it. Rules: go.yaml.in/yaml/v2 2.4, resolve.go, decode.go; sigs.k8s.io/yaml 1.6.

use super::YamlError;
use crate::evidence::{Value, golang};

/// Go's `strconv.FormatFloat(number, 'g', -1, 32)`.
pub(super) fn float_key(number: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go formats keys in 32 bits too")]
    let single = number as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    } else {
        format!("{single}")
    }
}

/// What a scalar means.
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(truth) => Value::Bool(truth),
            Self::Int(number) => Value::Int(number),
            #[expect(clippy::cast_precision_loss, reason = "no known field holds numbers of this size")]
            Self::Unsigned(number) => Value::Float(number as f64),
            // JSON has one kind of number: 1.0 is written as 1, by its shortest digits
            Self::Float(number) if number.is_finite() && number.fract() == 0.0 && number.abs() < 9.2e18 => {
                format!("{number}").parse().map_or(Value::Float(number), Value::Int)
            }
            Self::Float(number) => Value::Float(number),
            Self::Text(text) => Value::Text(text),
        }
    }
}

const TAGS: &str = "tag:yaml.org,2002:";

/// What a scalar means, by its tag and by how it was written.
pub(super) fn scalar(text: &str, tag: Option<&str>, plain: bool) -> Result<Scalar, YamlError> {
    let Some(tag) = tag else {
        return Ok(if plain { resolve(text) } else { Scalar::Text(text.to_owned()) });
    };
    let fits = match (tag.strip_prefix(TAGS), resolve(text)) {
        (Some("str"), _) => Scalar::Text(text.to_owned()),
        (Some("binary"), _) => Scalar::Text(as_json_has_it(&base64(text).ok_or(YamlError::Tag)?)),
        (Some("bool"), found @ Scalar::Bool(_)) | (Some("null"), found @ Scalar::Null) => found,
        (Some("int"), found @ (Scalar::Int(_) | Scalar::Unsigned(_))) => found,
        (Some("float"), found @ Scalar::Float(_)) => found,
        #[expect(clippy::cast_precision_loss, reason = "as Go does it")]
        (Some("float"), Scalar::Int(number)) => Scalar::Float(number as f64),
        (Some("timestamp"), Scalar::Text(_)) if is_timestamp(text) => Scalar::Text(text.to_owned()),
        (Some("bool" | "null" | "int" | "float" | "timestamp"), _) => return Err(YamlError::Tag),
        // any other tag is ignored and the text kept as it is
        _ => Scalar::Text(text.to_owned()),
    };
    Ok(fits)
}

/// What a plain scalar means (YAML 1.1 as go-yaml knows it: no base 60).
fn resolve(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => golang::parse_float(text, 64).map(Scalar::Float),
        b'0'..=b'9' | b'+' | b'-' if !is_timestamp(text) => number(&text.replace('_', "")),
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(text.to_owned()))
}

fn number(plain: &str) -> Option<Scalar> {
    golang::parse_int(plain, 64)
        .map(Scalar::Int)
        .or_else(|| golang::parse_uint(plain, 64).map(Scalar::Unsigned))
        .or_else(|| float(plain).map(Scalar::Float))
        .or_else(|| binary(plain).map(Scalar::Int))
}

/// go-yaml cuts `0b` off by itself, and Go then takes a sign: `0b+1`.
fn binary(plain: &str) -> Option<i64> {
    match plain.strip_prefix("-0b") {
        Some(digits) => i64::from_str_radix(&format!("-{digits}"), 2).ok(),
        None => i64::from_str_radix(plain.strip_prefix("0b")?, 2).ok(),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, within the range of 64 bits.
fn float(text: &str) -> Option<f64> {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) =
        bare.split_once(['e', 'E']).map_or((bare, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let (whole, fraction) =
        mantissa.split_once('.').map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let fits = digits(whole)
        && fraction.is_none_or(digits)
        && (!whole.is_empty() || fraction.is_some_and(|part| !part.is_empty()));
    let exponent_fits = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['+', '-']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    if !(fits && exponent_fits) {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Four digits and a dash: go-yaml tries dates and keeps them as texts; a text that is none stays a text as well.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(bytes.len() > 5 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-') {
        return false;
    }
    let date_end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let mut parts = text[..date_end].split('-').map(|part| (part.len(), part.parse::<u32>().ok()));
    let (Some(_), Some((1..=2, Some(month))), Some((1..=2, Some(day))), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let real = i32::try_from(text[..4].parse::<u32>().unwrap_or_default())
        .ok()
        .and_then(|year| chrono::NaiveDate::from_ymd_opt(year, month, day))
        .is_some();
    real && (date_end == text.len() || clock(&text[date_end..]))
}

fn clock(text: &str) -> bool {
    let zoned = !text.starts_with(' ');
    let rest = &text[1..];
    let (time, zone) = match rest.find(['Z', '+', '-']) {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let zone_fits = match zone.as_bytes() {
        [] => !zoned,
        [b'Z'] => zoned,
        [_, a, b, b':', c, d] => zoned && [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    };
    let (clock, fraction) = time.split_once('.').map_or((time, None), |(clock, fraction)| (clock, Some(fraction)));
    let limits = [24, 60, 60];
    let parts: Vec<&str> = clock.split(':').collect();
    zone_fits
        && parts.len() == 3
        && parts
            .iter()
            .zip(limits)
            .all(|(part, limit)| matches!(part.len(), 1..=2) && part.parse::<u32>().is_ok_and(|number| number < limit))
        && fraction.is_none_or(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Bytes as Go's encoding/json writes them: each one that is no part of a character becomes a replacement character.
fn as_json_has_it(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    text
}

/// Standard base64 with padding; line breaks are skipped.
fn base64(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let padding = symbols.iter().rev().take_while(|byte| **byte == b'=').count();
    if !symbols.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(symbols.len() / 4 * 3);
    for group in symbols.chunks(4) {
        let mut bits: u32 = 0;
        for symbol in group {
            let six = match symbol {
                b'A'..=b'Z' => symbol - b'A',
                b'a'..=b'z' => symbol - b'a' + 26,
                b'0'..=b'9' => symbol - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => 0,
                _ => return None,
            };
            bits = bits << 6 | u32::from(six);
        }
        bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
    }
    if symbols[..symbols.len() - padding].contains(&b'=') {
        return None;
    }
    bytes.truncate(bytes.len() - padding);
    Some(bytes)
}
