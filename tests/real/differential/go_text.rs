//! Values as Kubernetes' flags print them, and Go's quoted texts read back.

use kube_assay::evidence::Value;

/// The value of a flag of that type, as its `String` method prints it.
pub fn printed(kind: &str, value: &Value) -> String {
    match (kind, value) {
        ("float32", Value::Float(number)) => shortest(&format!("{:e}", *number as f32)),
        (_, Value::Float(number)) => shortest(&format!("{number:e}")),
        ("float32" | "float64", Value::Int(number)) => shortest(&format!("{:e}", *number as f64)),
        ("namedCertKey", Value::List(items)) => format!("[{}]", texts(items).join(";")),
        ("stringSlice" | "stringArray", Value::List(items)) => format!("[{}]", csv(&texts(items))),
        (_, Value::List(items)) if kind.ends_with("Slice") => format!("[{}]", texts(items).join(",")),
        ("stringToString", Value::Map(entries)) => {
            let pairs: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
            format!("[{}]", csv(&pairs))
        }
        ("colonSeparatedMultimapStringString", Value::Map(entries)) => {
            let pairs = entries.iter().flat_map(|(key, values)| {
                let values = values.as_list().unwrap_or_default().iter();
                values.map(move |value| format!("{key}:{}", text(value)))
            });
            pairs.collect::<Vec<_>>().join(",")
        }
        (_, Value::Map(entries)) => {
            let sign = if kind.contains("langle") { '<' } else { '=' };
            let mut pairs: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key}{sign}{}", text(value))).collect();
            pairs.sort();
            pairs.join(",")
        }
        // Go prints an address that is not there so
        ("ip", Value::Text(address)) if address.is_empty() => "<nil>".to_owned(),
        (_, value) => text(value),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

fn texts(items: &[Value]) -> Vec<String> {
    items.iter().map(text).collect()
}

/// Go's `strconv.FormatFloat(x, 'g', -1, ...)` from a number in exponent form.
fn shortest(scientific: &str) -> String {
    let number: f64 = scientific.parse().unwrap_or(f64::NAN);
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let place = exponent + 1;
    if place <= 0 {
        format!("{sign}0.{}{digits}", "0".repeat(place.unsigned_abs() as usize))
    } else if place as usize >= digits.len() {
        format!("{sign}{digits}{}", "0".repeat(place as usize - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..place as usize], &digits[place as usize..])
    }
}

/// One record as Go's `encoding/csv` writes it.
fn csv(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| {
        let quotes = field == "\\." || field.contains([',', '"', '\r', '\n']) || field.starts_with(char::is_whitespace);
        if quotes && !field.is_empty() { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.clone() }
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// The text that Go's `%q` printed, which begins with its quote; what follows the closing quote is left out.
pub fn unquoted(quoted: &str) -> Option<String> {
    let mut letters = quoted.strip_prefix('"')?.chars();
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        match letters.next()? {
            '"' => return String::from_utf8(bytes).ok(),
            '\\' => {
                let escape = letters.next()?;
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                if digits > 0 {
                    let code: String = letters.by_ref().take(digits).collect();
                    let code = u32::from_str_radix(&code, 16).ok()?;
                    if digits == 2 {
                        bytes.push(u8::try_from(code).ok()?);
                    } else {
                        bytes.extend(char::from_u32(code)?.to_string().bytes());
                    }
                    continue;
                }
                bytes.push(match escape {
                    'a' => 7,
                    'b' => 8,
                    'f' => 12,
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'v' => 11,
                    '\\' | '"' | '\'' => escape as u8,
                    _ => return None,
                });
            }
            letter => bytes.extend(letter.to_string().bytes()),
        }
    }
}
