//! Scalars as Patroni takes them wherever a text may stand for a boolean or a
//! number: in the file, in variables, in the dynamic configuration.

/// `on`, `true`, `yes`, `1` and their opposites, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// A number without a unit: decimal, `0x` hexadecimal, octal with a leading
/// zero; a fraction is rounded to the even neighbour when it is half.
pub(super) fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let magnitude = if let Some(hexadecimal) = digits.strip_prefix("0x") {
        i64::from_str_radix(hexadecimal, 16).ok()?
    } else if digits.len() > 1
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.starts_with('0')
    {
        i64::from_str_radix(digits, 8).ok()?
    } else if digits.bytes().all(|b| b.is_ascii_digit()) {
        digits.parse().ok()?
    } else {
        fraction(digits)?
    };
    Some(if text.starts_with('-') {
        -magnitude
    } else {
        magnitude
    })
}

fn fraction(digits: &str) -> Option<i64> {
    let looks_like_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number: f64 = digits.parse().ok()?;
    let rounded = number.round_ties_even();
    let fits = looks_like_number && rounded < 9.0e18;
    fits.then_some(rounded as i64)
}

/// A size in megabytes; without a unit the number already is one.
pub(super) fn megabytes(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic() && c != 'x')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let bytes_in_unit: f64 = match unit.trim() {
        "" => return integer(number),
        "B" => 1.0,
        "kB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        "TB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    let size = (number * bytes_in_unit / (1024.0 * 1024.0)).round_ties_even();
    (size.abs() < 9.0e18).then_some(size as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_eight_words_in_any_case() {
        for text in ["on", "True", "YES", "1"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["off", "False", "NO", "0"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["", "y", "2", "enabled"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn integers_are_read_in_the_bases_of_c() {
        let table = [
            ("12", Some(12)),
            (" -5 ", Some(-5)),
            ("010", Some(8)),
            ("0x10", Some(16)),
            ("0", Some(0)),
            ("1.5", Some(2)),
            ("2.5", Some(2)),
            ("1e2", Some(100)),
            ("12MB", None),
            ("", None),
            ("inf", None),
            ("ten", None),
        ];
        for (text, expected) in table {
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_megabytes_without_a_unit() {
        let table = [
            ("16", Some(16)),
            ("1GB", Some(1024)),
            ("128 MB", Some(128)),
            ("2048kB", Some(2)),
            ("1.5GB", Some(1536)),
            ("1gb", None),
            ("16 segments", None),
        ];
        for (text, expected) in table {
            assert_eq!(megabytes(text), expected, "{text}");
        }
    }
}
