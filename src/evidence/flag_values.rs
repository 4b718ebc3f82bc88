//! The text of one flag as its type reads it.
//!
//! Sources: the `Set` methods of github.com/spf13/pflag 1.0.9, of k8s.io/component-base 0.36 `cli/flag` and `logs/api/v1`, of
//! k8s.io/apimachinery 0.36 `pkg/util/net`, and of k8s.io/kubernetes 1.36 `pkg/util/flag`. The names of types are those of the tables:
//! pflag's own, save where types of one name read differently (`ipText`, `mapStringStringNoSplit`, `configurationMap`,
//! `langleSeparatedMapStringString`, `colonSeparatedMultimapStringStringKeyed`).

use std::net::IpAddr;

use super::{Value, golang};

/// One value by the rules of its flag type. `earlier` is what an earlier occurrence on the same command line gave:
/// lists grow and maps merge. `None` means that the component refuses the text.
pub fn parse_value(kind: &str, text: &str, earlier: Option<&Value>) -> Option<Value> {
    let integer = |bits| golang::parse_int(text, bits).map(Value::Int);
    let unsigned = |bits| {
        golang::parse_uint(text, bits)
            .map(|number| i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Int))
    };
    let kept = |fits: bool| fits.then(|| Value::from(text));
    Some(match kind {
        "bool" | "tristate" => Value::Bool(golang::parse_bool(text)?),
        "int8" => integer(8)?,
        "int16" => integer(16)?,
        "int32" => integer(32)?,
        "int" | "int64" | "count" => integer(64)?,
        "uint8" => unsigned(8)?,
        "uint16" => unsigned(16)?,
        "uint32" => unsigned(32)?,
        "uint" | "uint64" => unsigned(64)?,
        "float32" => Value::Float(golang::parse_float(text, 32)?),
        "float64" => Value::Float(golang::parse_float(text, 64)?),
        "Level" => Value::Int(verbosity(text)?),
        "duration" => Value::Text(golang::format_duration(golang::parse_duration(text)?)),
        "stringSlice" => grow(earlier, golang::parse_csv_record(text)?),
        "stringArray" => grow(earlier, vec![text.to_owned()]),
        "intSlice" | "int32Slice" | "int64Slice" => {
            grow_numbers(earlier, text, if kind == "int32Slice" { 32 } else { 64 })?
        }
        "mapStringBool" => merge_pairs(earlier, text, '=', |value| golang::parse_bool(value).map(Value::Bool))?,
        "mapStringString" => merge_pairs(earlier, text, '=', |value| Some(Value::from(value)))?,
        "langleSeparatedMapStringString" => merge_pairs(earlier, text, '<', |value| Some(Value::from(value)))?,
        "configurationMap" => {
            let pairs = text.split(',').filter(|pair| !pair.is_empty());
            let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
            map.extend(pairs.map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (key.trim().to_owned(), Value::from(value.trim()))
            }));
            Value::Map(map)
        }
        "mapStringStringNoSplit" => {
            let (key, value) = text.split_once('=')?;
            let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
            map.insert(key.trim().to_owned(), Value::from(value.trim()));
            Value::Map(map)
        }
        "colonSeparatedMultimapStringString" => component_gates(earlier, text)?,
        "colonSeparatedMultimapStringStringKeyed" => {
            let keyed = text.split(',').all(|pair| pair.is_empty() || pair.contains(':'));
            keyed.then(|| multimap(earlier, text))?
        }
        "stringToString" => string_to_string(earlier, text)?,
        "ip" => Value::Text(text.trim().parse::<IpAddr>().ok()?.to_canonical().to_string()),
        "ipText" => kept(is_sloppy_ip(text))?,
        "ipport" => kept(text.is_empty() || is_sloppy_ip(text) || is_address_with_port(text))?,
        "port-range" => kept(port_range(text).is_some())?,
        "portRange" => {
            let (low, high) = port_range(text)?;
            Value::Text(if text.trim().is_empty() { String::new() } else { format!("{low}-{high}") })
        }
        "namedCertKey" => grow(earlier, vec![named_cert_key(text)?]),
        "pattern=N,..." => Value::Text(patterns(earlier, text)?),
        "[]v1.Taint" => Value::Text(taints(text)?),
        "reserved-memory" => Value::Text(reserved_memory(earlier, text)?),
        "uniqueURLs" => Value::Text(urls(text)?),
        "quantity" => kept(golang::is_quantity(text))?,
        "version" if text.starts_with('v') || text == "raw" => Value::from(text),
        "version" => Value::Text(golang::parse_bool(text)?.to_string()),
        _ => Value::Text(text.to_owned()),
    })
}

/// True for a text that leaves the flag as it was: pflag's addresses and etcd's URLs take nothing from an empty one.
pub(super) fn changes_nothing(kind: &str, text: &str) -> bool {
    matches!(kind, "ip" | "ipText" | "ipport" | "uniqueURLs") && text.is_empty()
}

/// klog's and the logging API's verbosity: `strconv.ParseUint(value, 10, 31)`.
fn verbosity(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse::<i64>().ok()).flatten().filter(|number| *number < 1 << 31)
}

/// Go's `netutils.ParseIPSloppy`: leading zeros are taken as decimal.
fn is_sloppy_ip(text: &str) -> bool {
    let decimal: Vec<Option<u8>> = text
        .split('.')
        .map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u32>().ok()).flatten().and_then(|number| u8::try_from(number).ok())
        })
        .collect();
    text.parse::<IpAddr>().is_ok() || (decimal.len() == 4 && decimal.iter().all(Option::is_some))
}

/// Go's `net.SplitHostPort` with an address and a port of it; the port may be 0.
fn is_address_with_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let host = match host.strip_prefix('[') {
        Some(rest) => match rest.strip_suffix(']') {
            Some(inside) => inside,
            None => return false,
        },
        None if host.contains(':') => return false,
        None => host,
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_sloppy_ip(host) && digits && port.parse::<u16>().is_ok()
}

/// etcd's URLs: a scheme that it knows, and with http a host and a port and nothing behind them. Each stands once.
///
/// Source: go.etcd.io/etcd/client/pkg/v3/types (NewURLs), pkg/v3/flags (UniqueURLs), 3.6.
fn urls(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let mut kept: Vec<String> = Vec::new();
    for url in text.split(',').map(str::trim) {
        let (scheme, rest) = url.split_once(':')?;
        let scheme = scheme.to_ascii_lowercase();
        let fits = match scheme.as_str() {
            "unix" | "unixs" => true,
            "http" | "https" => {
                let authority = rest.strip_prefix("//")?;
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                let port = host.rsplit_once(':').map(|(_, port)| port)?;
                !authority.contains('/') && port.bytes().all(|byte| byte.is_ascii_digit())
            }
            _ => false,
        };
        let url = format!("{scheme}:{rest}");
        if !fits {
            return None;
        }
        if !kept.contains(&url) {
            kept.push(url);
        }
    }
    Some(kept.join(","))
}

fn port_range(text: &str) -> Option<(i64, i64)> {
    let text = text.trim();
    if text.is_empty() {
        return Some((0, 0));
    }
    let (low, high) = match (text.split_once('-'), text.split_once('+')) {
        (None, None) => {
            let port = golang::parse_decimal(text)?;
            (port, port)
        }
        (Some((low, high)), None) => (golang::parse_decimal(low)?, golang::parse_decimal(high)?),
        (None, Some((low, more))) => {
            let low = golang::parse_decimal(low)?;
            (low, low.checked_add(golang::parse_decimal(more)?)?)
        }
        (Some(_), Some(_)) => return None,
    };
    (low <= 65_535 && high <= 65_535 && high >= low).then_some((low, high))
}

/// `certificate,key` or `certificate,key:name,name`, as it is printed.
fn named_cert_key(text: &str) -> Option<String> {
    let (files, names) = match text.split_once(':') {
        Some((_, names)) if names.trim().is_empty() => return None,
        Some((files, names)) => (files, Some(names.trim())),
        None => (text, None),
    };
    let files: Vec<&str> = files.trim().split(',').map(str::trim).collect();
    if files.len() != 2 {
        return None;
    }
    let names = names.map(|names| format!(":{}", names.split(',').map(str::trim).collect::<Vec<_>>().join(",")));
    Some(files.join(",") + &names.unwrap_or_default())
}

/// `pattern=N` pairs, kept over repeats.
fn patterns(earlier: Option<&Value>, text: &str) -> Option<String> {
    let mut kept: Vec<String> =
        earlier.and_then(Value::as_text).filter(|text| !text.is_empty()).map(str::to_owned).into_iter().collect();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (pattern, level) = pair.split_once('=')?;
        if pattern.is_empty() || level.contains('=') {
            return None;
        }
        kept.push(format!("{pattern}={}", verbosity(level)?));
    }
    Some(kept.join(","))
}

/// `key=value:effect` of each taint; the last occurrence counts alone.
fn taints(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some(String::new());
    }
    let mut kept: Vec<String> = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for taint in text.split(',') {
        if let Some(removed) = taint.strip_suffix('-') {
            // a taint to remove is read and left out
            let (removed, effect) =
                removed.split_once(':').map_or((removed, None), |(key, effect)| (key, Some(effect)));
            let (key, value) = removed.split_once('=').unwrap_or((removed, ""));
            if !(is_qualified_name(key) && is_label_value(value) && effect.is_none_or(is_effect)) {
                return None;
            }
            continue;
        }
        let (pair, effect) = taint.split_once(':')?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let new = (key.to_owned(), effect.to_owned());
        if !is_effect(effect) || !is_qualified_name(key) || !is_label_value(value) || seen.contains(&new) {
            return None;
        }
        seen.push(new);
        kept.push(format!("{key}={value}:{effect}"));
    }
    Some(kept.join(","))
}

fn is_effect(text: &str) -> bool {
    matches!(text, "NoSchedule" | "PreferNoSchedule" | "NoExecute")
}

/// A label's name with an optional DNS subdomain before it.
fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let subdomain = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                let edges =
                    |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
                edges(part.bytes().next())
                    && edges(part.bytes().last())
                    && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            })
    };
    !name.is_empty() && is_label_value(name) && prefix.is_none_or(subdomain)
}

fn is_label_value(text: &str) -> bool {
    let edges = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && edges(text.bytes().next())
        && edges(text.bytes().last())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// `node:type=quantity,...` parted by `;`, as it is printed: sorted, kept over repeats.
fn reserved_memory(earlier: Option<&Value>, text: &str) -> Option<String> {
    let mut kept: Vec<String> = earlier
        .and_then(Value::as_text)
        .filter(|text| !text.is_empty())
        .map(|text| vec![text.to_owned()])
        .unwrap_or_default();
    for reservation in text.split(';').filter(|_| !text.is_empty()) {
        let (node, limits) = reservation.split_once(':').filter(|(_, limits)| !limits.contains(':'))?;
        let mut pairs = Vec::new();
        for limit in limits.split(',') {
            let (kind, quantity) = limit.split_once('=')?;
            if !(kind == "memory" || kind.starts_with("hugepages-")) || !golang::is_quantity(quantity) {
                return None;
            }
            pairs.push(limit);
        }
        pairs.sort_unstable();
        kept.push(format!("{}:{}", golang::parse_decimal(node)?, pairs.join(",")));
    }
    kept.sort();
    Some(kept.join(","))
}

fn grow(earlier: Option<&Value>, items: Vec<String>) -> Value {
    let mut list = earlier.and_then(Value::as_list).unwrap_or_default().to_vec();
    list.extend(items.into_iter().map(Value::Text));
    Value::List(list)
}

fn grow_numbers(earlier: Option<&Value>, text: &str, bits: u32) -> Option<Value> {
    let mut list = earlier.and_then(Value::as_list).unwrap_or_default().to_vec();
    for part in text.split(',') {
        list.push(Value::Int(golang::parse_int(part, bits)?));
    }
    Some(Value::List(list))
}

fn merge_pairs(
    earlier: Option<&Value>,
    text: &str,
    separator: char,
    read: impl Fn(&str) -> Option<Value>,
) -> Option<Value> {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(separator)?;
        map.insert(key.trim().to_owned(), read(value.trim())?);
    }
    Some(Value::Map(map))
}

/// pflag's stringToString: one pair alone may hold commas, several are a CSV record.
fn string_to_string(earlier: Option<&Value>, text: &str) -> Option<Value> {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    let pairs = match text.matches('=').count() {
        0 => return None,
        1 => vec![text.trim_matches('"').to_owned()],
        _ => golang::parse_csv_record(text)?,
    };
    for pair in pairs {
        let (key, value) = pair.split_once('=')?;
        map.insert(key.to_owned(), Value::from(value));
    }
    Some(Value::Map(map))
}

/// `component:key=value` pairs; a pair without a component belongs to the empty key. Kept per key in the order given.
fn multimap(earlier: Option<&Value>, text: &str) -> Value {
    let mut map = earlier.and_then(Value::as_map).cloned().unwrap_or_default();
    for pair in text.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once(':').unwrap_or(("", pair));
        let entry = map.entry(key.trim().to_owned()).or_insert_with(|| Value::List(Vec::new()));
        if let Value::List(items) = entry {
            items.push(Value::from(value.trim()));
        }
    }
    Value::Map(map)
}

/// Feature gates by component, of which there is one: `kube`. Its pairs are read as soon as the flags are.
///
/// Source: k8s.io/component-base 0.36 `compatibility/registry.go` (Set), `featuregate` (SetWithLogger).
fn component_gates(earlier: Option<&Value>, text: &str) -> Option<Value> {
    let gates = multimap(earlier, text);
    let fits = |pair: &Value| {
        let pair = pair.as_text().unwrap_or_default();
        pair.is_empty() || pair.split_once('=').is_some_and(|(_, on)| golang::parse_bool(on.trim()).is_some())
    };
    let known = gates.as_map()?.iter().all(|(component, pairs)| {
        matches!(component.as_str(), "" | "kube") && pairs.as_list().unwrap_or_default().iter().all(fits)
    });
    known.then_some(gates)
}
