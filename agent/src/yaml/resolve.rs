//! The type of a scalar: the implicit resolvers and scalar constructors of
//! PyYAML's safe loader (YAML 1.1).
//!
//! Only plain scalars are resolved; what is quoted is a text.

use super::Value;

/// What a plain scalar without a tag is.
pub(super) enum Resolved {
    Value(Value),
    /// `<<`: the maps to merge follow.
    Merge,
    /// `=`: a text where a key stands, otherwise without meaning.
    Equals,
}

/// Resolves a plain scalar. The error is a sentence.
pub(super) fn plain(text: &str) -> Result<Resolved, String> {
    let value = match text {
        "<<" => return Ok(Resolved::Merge),
        "=" => return Ok(Resolved::Equals),
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        _ => {
            if let Some(truth) = boolean(text) {
                Value::Bool(truth)
            } else if is_float(text) {
                Value::Float(float(text)?)
            } else if is_integer(text) {
                Value::Integer(integer(text)?)
            } else {
                Value::Text(text.to_owned())
            }
        }
    };
    Ok(Resolved::Value(value))
}

/// Makes the value of a scalar with an explicit `!!` tag.
pub(super) fn tagged(tag: &str, text: &str) -> Result<Value, String> {
    let unfit = || format!("`!!{tag}` does not fit this value");
    Ok(match tag {
        "str" | "timestamp" => Value::Text(text.to_owned()),
        "null" => Value::Null,
        "bool" => Value::Bool(boolean_of_any_case(text).ok_or_else(unfit)?),
        "int" if is_integer(text) => Value::Integer(integer(text)?),
        "float" if is_float(text) => Value::Float(float(text)?),
        "float" => Value::Float(text.replace('_', "").parse().map_err(|_| unfit())?),
        "int" | "seq" | "map" => return Err(unfit()),
        _ => return Err(format!("the tag `!!{tag}` is not supported")),
    })
}

fn boolean(text: &str) -> Option<bool> {
    let rest = text.get(1..)?;
    let is_one_case = text.bytes().all(|b| b.is_ascii_uppercase())
        || rest.bytes().all(|b| b.is_ascii_lowercase());
    if is_one_case {
        boolean_of_any_case(text)
    } else {
        None
    }
}

fn boolean_of_any_case(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

fn unsigned(text: &str) -> &str {
    text.strip_prefix(['-', '+']).unwrap_or(text)
}

fn all(text: &str, accept: impl Fn(u8) -> bool) -> bool {
    text.bytes().all(accept)
}

fn is_digit_or_underscore(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'_'
}

fn starts_with_digit(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| b.is_ascii_digit())
}

/// `:MM` parts, each below 60 and of one or two digits.
fn are_sixtieths<'a>(parts: impl Iterator<Item = &'a str>) -> bool {
    let mut count = 0;
    for part in parts {
        count += 1;
        let fits = match part.as_bytes() {
            [units] => units.is_ascii_digit(),
            [tens, units] => (b'0'..=b'5').contains(tens) && units.is_ascii_digit(),
            _ => false,
        };
        if !fits {
            return false;
        }
    }
    count > 0
}

fn is_integer(text: &str) -> bool {
    let text = unsigned(text);
    if text == "0" {
        return true;
    }
    if let Some(digits) = text.strip_prefix("0b") {
        return !digits.is_empty() && all(digits, |b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && all(digits, |b| b.is_ascii_hexdigit() || b == b'_');
    }
    if let Some(digits) = text.strip_prefix('0') {
        return all(digits, |b| matches!(b, b'0'..=b'7' | b'_'));
    }
    let mut parts = text.split(':');
    let head = parts.next().unwrap_or_default();
    let is_head_number = starts_with_digit(head) && all(head, is_digit_or_underscore);
    is_head_number && (head.len() == text.len() || are_sixtieths(parts))
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let positive = unsigned(text);
    if matches!(positive, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((whole, rest)) = positive.split_once('.') else {
        return false;
    };
    if whole.contains(':') {
        let mut parts = whole.split(':');
        let head = parts.next().unwrap_or_default();
        return starts_with_digit(head)
            && all(head, is_digit_or_underscore)
            && are_sixtieths(parts)
            && all(rest, is_digit_or_underscore);
    }
    let fraction = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) if is_signed_number(exponent) => fraction,
        Some(_) => return false,
        None => rest,
    };
    if whole.is_empty() {
        // Without a whole part PyYAML takes no sign, and wants a digit first.
        return positive.len() == text.len()
            && starts_with_digit(fraction)
            && all(fraction, is_digit_or_underscore);
    }
    starts_with_digit(whole)
        && all(whole, is_digit_or_underscore)
        && all(fraction, is_digit_or_underscore)
}

fn is_signed_number(text: &str) -> bool {
    let digits = unsigned(text);
    digits.len() < text.len() && !digits.is_empty() && all(digits, |b| b.is_ascii_digit())
}

const TOO_LARGE: &str = "the integer does not fit 64 bits; put it in quotes if it is a text";

/// The number of a text for which [`is_integer`] holds.
fn integer(text: &str) -> Result<i128, String> {
    let digits = text.replace('_', "");
    let is_negative = digits.starts_with('-');
    let digits = unsigned(&digits);
    let magnitude = if digits == "0" {
        0
    } else if let Some(binary) = digits.strip_prefix("0b") {
        in_base(binary, 2)?
    } else if let Some(hexadecimal) = digits.strip_prefix("0x") {
        in_base(hexadecimal, 16)?
    } else if digits.starts_with('0') {
        in_base(digits, 8)?
    } else {
        let mut total: i128 = 0;
        for part in digits.split(':') {
            total = total
                .checked_mul(60)
                .and_then(|total| total.checked_add(in_base(part, 10).ok()?))
                .ok_or(TOO_LARGE)?;
        }
        total
    };
    let number = if is_negative { -magnitude } else { magnitude };
    let fits = (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&number);
    if fits {
        Ok(number)
    } else {
        Err(TOO_LARGE.to_owned())
    }
}

fn in_base(digits: &str, base: u32) -> Result<i128, String> {
    if digits.is_empty() {
        return Err("the number has no digits".to_owned());
    }
    i128::from_str_radix(digits, base).map_err(|_| TOO_LARGE.to_owned())
}

/// The number of a text for which [`is_float`] holds.
fn float(text: &str) -> Result<f64, String> {
    let text = text.replace('_', "").to_ascii_lowercase();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let digits = unsigned(&text);
    match digits {
        ".inf" => return Ok(sign * f64::INFINITY),
        ".nan" => return Ok(f64::NAN),
        _ => {}
    }
    let mut total = 0.0;
    for part in digits.split(':') {
        let part: f64 = part
            .parse()
            .map_err(|_| "the number cannot be read".to_owned())?;
        total = total * 60.0 + part;
    }
    Ok(sign * total)
}
