//! Texts read as Go's standard library reads them, because every component of Kubernetes does.
//!
//! Sources: `strconv` (ParseBool, ParseInt with base 0, ParseFloat), `time.ParseDuration`, `encoding/csv`.

/// Go's `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Go's `strconv.ParseInt(text, 0, bits)`: prefixes `0x`, `0o`, `0b`, a leading `0` for octal, `_` between digits after a prefix.
pub fn parse_int(text: &str, bits: u32) -> Option<i64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'+' => (false, &text[1..]),
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_magnitude(rest)?;
    let limit = 1i128 << (bits - 1);
    let number = if negative { -i128::try_from(magnitude).ok()? } else { i128::try_from(magnitude).ok()? };
    (number >= -limit && number < limit).then(|| i64::try_from(number).ok()).flatten()
}

/// Go's `strconv.ParseUint(text, 0, bits)`; a sign is an error.
pub fn parse_uint(text: &str, bits: u32) -> Option<u64> {
    let magnitude = parse_magnitude(text)?;
    let limit = 1u128 << bits;
    (magnitude < limit).then(|| u64::try_from(magnitude).ok()).flatten()
}

fn parse_magnitude(text: &str) -> Option<u128> {
    let lower = text.to_ascii_lowercase();
    let (base, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.contains('_') && !underscores_fit(&lower) {
        return None;
    }
    let bare: String = digits.chars().filter(|digit| *digit != '_').collect();
    if bare.is_empty() || !bare.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    u128::from_str_radix(&bare, base).ok()
}

/// Go's `underscoreOK`: only between digits, or after a base prefix.
fn underscores_fit(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    let mut previous = '^';
    let mut rest = bytes;
    let mut hexadecimal = false;
    if bytes.len() >= 2 && bytes[0] == b'0' && matches!(bytes[1], b'b' | b'o' | b'x') {
        hexadecimal = bytes[1] == b'x';
        previous = '0';
        rest = &bytes[2..];
    }
    for byte in rest {
        if byte.is_ascii_digit() || (hexadecimal && (b'a'..=b'f').contains(byte)) {
            previous = '0';
        } else if *byte == b'_' {
            if previous != '0' {
                return false;
            }
            previous = '_';
        } else {
            if previous == '_' {
                return false;
            }
            previous = '!';
        }
    }
    previous != '_'
}

/// Go's `strconv.Atoi`: decimal, with an optional sign.
pub fn parse_decimal(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Go's `strconv.ParseFloat`: decimal or, with `0x` and a binary exponent, hexadecimal; `_` between digits; `Inf` and `NaN`.
pub fn parse_float(text: &str, bits: u32) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let sign = if lower.starts_with('-') { -1.0 } else { 1.0 };
    if matches!(bare, "inf" | "infinity") {
        return Some(sign * f64::INFINITY);
    }
    if lower == "nan" {
        return Some(f64::NAN);
    }
    if bare.contains('_') && !underscores_fit(bare) {
        return None;
    }
    let plain: String = bare.chars().filter(|letter| *letter != '_').collect();
    let magnitude = match plain.strip_prefix("0x") {
        Some(rest) => hexadecimal_float(rest)?,
        None => {
            let (mantissa, exponent) =
                plain.split_once('e').map_or((plain.as_str(), "0"), |(mantissa, exponent)| (mantissa, exponent));
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            if !digits(whole)
                || !digits(fraction)
                || whole.len() + fraction.len() == 0
                || parse_exponent(exponent).is_none()
            {
                return None;
            }
            plain.parse::<f64>().ok()?
        }
    };
    let largest = if bits == 32 { f64::from(f32::MAX) * (1.0 + f64::EPSILON) } else { f64::MAX };
    #[expect(clippy::cast_possible_truncation, reason = "what overflows 32 bits is looked for")]
    let overflows = magnitude > largest && (bits != 32 || (magnitude as f32).is_infinite());
    (!overflows).then_some(sign * magnitude)
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // beyond a few thousand every exponent means zero or overflow
    plain.then(|| text.parse().unwrap_or(if text.starts_with('-') { -100_000 } else { 100_000 }))
}

/// What stands after `0x`: hexadecimal digits with a binary exponent, which Go demands.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let mut exponent = parse_exponent(exponent)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut number = 0f64;
    for (index, digit) in whole.chars().chain(fraction.chars()).enumerate() {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
        if index >= whole.len() {
            exponent = exponent.saturating_sub(4);
        }
    }
    Some(number * 2f64.powi(exponent))
}

/// True for what apimachinery's `resource.ParseQuantity` takes.
pub fn is_quantity(text: &str) -> bool {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number_end = bare.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(bare.len());
    let (number, suffix) = bare.split_at(number_end);
    let number_fits = number.matches('.').count() <= 1 && number.bytes().any(|byte| byte.is_ascii_digit());
    let known = matches!(
        suffix,
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
    );
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|rest| parse_exponent(rest).is_some());
    number_fits && (known || exponent)
}

/// A duration in nanoseconds, as Go counts it.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'+' => (false, &text[1..]),
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let whole_end = rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        let whole = &rest[..whole_end];
        rest = &rest[whole_end..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(after.len());
            fraction = &after[..end];
            rest = &after[end..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let unit_end = rest.bytes().position(|byte| byte == b'.' || byte.is_ascii_digit()).unwrap_or(rest.len());
        let unit: u128 = match &rest[..unit_end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        rest = &rest[unit_end..];
        let number: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut part = number.checked_mul(unit)?;
        if !fraction.is_empty() {
            // Go adds the fraction in floating point and cuts it
            let digits: String = fraction.chars().take(18).collect();
            let scale = 10u128.pow(u32::try_from(digits.len()).ok()?);
            part += digits.parse::<u128>().ok()? * unit / scale;
        }
        total = total.checked_add(part)?;
        if total > 1 << 63 {
            return None;
        }
    }
    let signed = i128::try_from(total).ok()?;
    i64::try_from(if negative { -signed } else { signed }).ok()
}

/// Go's `time.Duration.String`, such as `1h0m0s`, `1.5s`, `0s`.
pub fn format_duration(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < 1_000_000_000 {
        let (unit, scale) = match magnitude {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{sign}{}{unit}", with_fraction(magnitude, scale));
    }
    let seconds = with_fraction(magnitude % 60_000_000_000, 1_000_000_000);
    let minutes = magnitude / 60_000_000_000;
    if minutes == 0 {
        format!("{sign}{seconds}s")
    } else if minutes < 60 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{}h{}m{seconds}s", minutes / 60, minutes % 60)
    }
}

fn with_fraction(magnitude: u64, scale: u64) -> String {
    let width = scale.ilog10() as usize;
    let fraction = format!("{:0width$}", magnitude % scale);
    let fraction = fraction.trim_end_matches('0');
    if scale == 1 || fraction.is_empty() {
        format!("{}", magnitude / scale)
    } else {
        format!("{}.{fraction}", magnitude / scale)
    }
}

/// The first record that Go's `encoding/csv` reads from a text, as pflag's string slices do. `None` is a syntax error.
pub fn parse_csv_record(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    // the reader skips empty lines before the first record
    let mut rest = text;
    while let Some(after) = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')) {
        rest = after;
    }
    // a carriage return alone at the end is dropped and leaves no line either
    if rest.is_empty() || rest == "\r" {
        return None;
    }
    let mut fields = Vec::new();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut field = String::new();
            rest = quoted;
            loop {
                let quote = rest.find('"')?;
                field.push_str(&rest[..quote].replace("\r\n", "\n"));
                rest = &rest[quote + 1..];
                if let Some(after) = rest.strip_prefix('"') {
                    field.push('"');
                    rest = after;
                    continue;
                }
                break;
            }
            fields.push(field);
            if let Some(after) = rest.strip_prefix(',') {
                rest = after;
                continue;
            }
            return (rest.is_empty() || rest.starts_with('\n') || rest.starts_with("\r\n")).then_some(fields);
        }
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let field_end = rest[..line_end].find(',').unwrap_or(line_end);
        let mut field = &rest[..field_end];
        if field_end == line_end && line_end < rest.len() {
            field = field.strip_suffix('\r').unwrap_or(field);
        } else if field_end == rest.len() {
            // the reader drops a carriage return at the very end of its input
            field = field.strip_suffix('\r').unwrap_or(field);
        }
        if field.contains('"') {
            return None;
        }
        fields.push(field.to_owned());
        if field_end == line_end {
            return Some(fields);
        }
        rest = &rest[field_end + 1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_base_zero() {
        assert_eq!(parse_int("0x10", 32), Some(16));
        assert_eq!(parse_int("010", 32), Some(8));
        assert_eq!(parse_int("0_10", 32), Some(8));
        assert_eq!(parse_int("1_0", 32), Some(10));
        assert_eq!(parse_int("1__0", 32), None);
        assert_eq!(parse_int("08", 32), None);
        assert_eq!(parse_int("-0x80000000", 32), Some(i64::from(i32::MIN)));
        assert_eq!(parse_int("2147483648", 32), None);
        assert_eq!(parse_int(" 1", 32), None);
        assert_eq!(parse_uint("-1", 32), None);
    }

    #[test]
    fn durations_round_trip() {
        for (text, printed) in [
            ("5m", "5m0s"),
            ("1h", "1h0m0s"),
            ("1.5s", "1.5s"),
            ("0", "0s"),
            ("100ms", "100ms"),
            ("-2m3.4s", "-2m3.4s"),
        ] {
            assert_eq!(format_duration(parse_duration(text).unwrap_or(i64::MIN)), printed, "{text}");
        }
        for refused in ["", "5", "m", ".", "1d", "- 1s"] {
            assert_eq!(parse_duration(refused), None, "{refused}");
        }
    }

    #[test]
    fn csv_keeps_quotes_and_spaces() {
        assert_eq!(parse_csv_record(r#"a,"b,c", d"#), Some(vec!["a".into(), "b,c".into(), " d".into()]));
        assert_eq!(parse_csv_record(r#""a""b""#), Some(vec!["a\"b".into()]));
        assert_eq!(parse_csv_record(r#"a"b"#), None);
        assert_eq!(parse_csv_record(r#""a"b"#), None);
        assert_eq!(parse_csv_record("a,,"), Some(vec!["a".into(), String::new(), String::new()]));
        assert_eq!(parse_csv_record("a\nb"), Some(vec!["a".into()]));
    }
}
