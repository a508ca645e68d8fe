//! Values of parameters: compared and shown as the server does.
//!
//! The server tells of each parameter its type and unit; `512MB`, `524288kB` and `65536` pages of
//! 8 kB are one value. Whether a value is acceptable is not judged here: the server does that.

/// What the server says of the kind of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `bool`, `integer`, `real`, `enum` or `string`.
    pub(crate) vartype: String,
    /// The unit that a bare number has, such as `8kB` or `ms`.
    pub(crate) unit: Option<String>,
}

/// Names of units with their size in the smallest of their family.
const MEMORY: [(&str, f64); 5] = [
    ("TB", 1_099_511_627_776.0),
    ("GB", 1_073_741_824.0),
    ("MB", 1_048_576.0),
    ("kB", 1024.0),
    ("B", 1.0),
];
const TIME: [(&str, f64); 6] = [
    ("d", 86_400_000_000.0),
    ("h", 3_600_000_000.0),
    ("min", 60_000_000.0),
    ("s", 1_000_000.0),
    ("ms", 1000.0),
    ("us", 1.0),
];

impl Kind {
    /// Whether two texts are one value of this kind.
    pub(crate) fn is_same(&self, one: &str, other: &str) -> bool {
        let (one, other) = (one.trim(), other.trim());
        match self.vartype.as_str() {
            "bool" => match (switch(one), switch(other)) {
                (Some(one), Some(other)) => one == other,
                (_, _) => one == other,
            },
            "integer" => match (self.number(one), self.number(other)) {
                (Some(one), Some(other)) => rounded(one) == rounded(other),
                (_, _) => one == other,
            },
            "real" => match (self.number(one), self.number(other)) {
                (Some(one), Some(other)) => one.to_bits() == other.to_bits(),
                (_, _) => one == other,
            },
            "enum" => level(one) == level(other),
            _ => one == other,
        }
    }

    /// The text of a value as `SHOW` would write it.
    pub(crate) fn shown(&self, text: &str) -> String {
        let trimmed = text.trim();
        let shown = match self.vartype.as_str() {
            "bool" => switch(trimmed).map(|truth| if truth { "on" } else { "off" }.to_owned()),
            "integer" | "real" => self.number(trimmed).map(|number| self.with_unit(number)),
            "enum" => Some(level(trimmed)),
            _ => None,
        };
        shown.unwrap_or_else(|| text.to_owned())
    }

    /// A number in the parameter's own unit.
    fn number(&self, text: &str) -> Option<f64> {
        let (number, unit) = split(text)?;
        let unit = unit.trim();
        if unit.is_empty() {
            return Some(number);
        }
        let (units, base) = self.family()?;
        let given = units.iter().find(|(name, _)| *name == unit)?.1;
        Some(number * given / base)
    }

    /// The units that fit, and the size of the parameter's own.
    fn family(&self) -> Option<(&'static [(&'static str, f64)], f64)> {
        let own = self.unit.as_deref()?;
        let (count, name) = split(own).unwrap_or((1.0, own));
        for units in [&MEMORY[..], &TIME[..]] {
            if let Some((_, size)) = units.iter().find(|(unit, _)| *unit == name) {
                return Some((units, size * count));
            }
        }
        None
    }

    /// With the largest unit that leaves a whole number. Special values such as -1 and 0 stay
    /// without.
    fn with_unit(&self, number: f64) -> String {
        let is_integer = self.vartype == "integer";
        let number = if is_integer { number.round() } else { number };
        let Some((units, base)) = self.family().filter(|_| number > 0.0) else {
            return plain(number);
        };
        let smallest = number * base;
        let fits = units.iter().find(|(_, size)| {
            let count = smallest / size;
            count >= 1.0 && count.fract() == 0.0
        });
        match fits {
            Some((name, size)) => format!("{}{name}", plain(smallest / size)),
            None => plain(number),
        }
    }
}

fn plain(number: f64) -> String {
    number.to_string()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "integer parameters have 32 bits"
)]
fn rounded(number: f64) -> i64 {
    number.round() as i64
}

/// A number and what follows it.
fn split(text: &str) -> Option<(f64, &str)> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let end = digits
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(digits.len());
        let number = u32::from_str_radix(&digits[..end], 16).ok()?;
        return Some((f64::from(number), &digits[end..]));
    }
    let is_octal = text.len() > 1
        && text.starts_with('0')
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    if is_octal {
        return Some((f64::from(u32::from_str_radix(text, 8).ok()?), ""));
    }
    // The longest beginning that is a number: an `e` may begin an exponent or a unit.
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')))
        .unwrap_or(text.len());
    (1..=end).rev().find_map(|end| {
        let number: f64 = text.get(..end)?.parse().ok()?;
        Some((number, &text[end..]))
    })
}

/// A boolean, by any beginning of its words that is not ambiguous.
fn switch(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, least: usize| text.len() >= least && word.starts_with(&text);
    if text == "1" || begins("on", 2) || begins("true", 1) || begins("yes", 1) {
        return Some(true);
    }
    if text == "0" || begins("off", 2) || begins("false", 1) || begins("no", 1) {
        return Some(false);
    }
    None
}

/// `hot_standby` and `archive` are old names of a level that is shown as `replica`.
fn level(text: &str) -> String {
    match text.to_ascii_lowercase().as_str() {
        "hot_standby" | "archive" => "replica".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(vartype: &str, unit: &str) -> Kind {
        Kind {
            vartype: vartype.to_owned(),
            unit: (!unit.is_empty()).then(|| unit.to_owned()),
        }
    }

    #[test]
    fn values_are_compared_by_type_and_unit() {
        let table = [
            ("integer", "8kB", "128MB", "16384", true),
            ("integer", "8kB", "0.125GB", "16384", true),
            ("integer", "8kB", "128kB", "16384", false),
            ("integer", "kB", "4096", "4MB", true),
            ("integer", "s", "5min", "300", true),
            ("integer", "ms", "1d", "86400000", true),
            ("integer", "MB", "1TB", "1048576", true),
            ("integer", "", "100", "100", true),
            ("integer", "", "0640", "416", true),
            ("integer", "", "0x64", "100", true),
            ("integer", "", "1e2", "100", true),
            ("integer", "", "100", "101", false),
            ("integer", "ms", "1 s", "1000", true),
            ("integer", "kB", "1mb", "1024", false),
            ("real", "", "0.1", "0.10", true),
            ("real", "ms", "2ms", "2", true),
            ("bool", "", "yes", "on", true),
            ("bool", "", "of", "off", true),
            ("bool", "", "o", "off", false),
            ("enum", "", "HOT_STANDBY", "replica", true),
            ("string", "", "a", "A", false),
        ];
        for (vartype, unit, one, other, expected) in table {
            let kind = kind(vartype, unit);
            assert_eq!(kind.is_same(one, other), expected, "{one} and {other}");
        }
    }

    #[test]
    fn values_are_shown_as_the_server_shows_them() {
        let table = [
            ("integer", "8kB", "16384", "128MB"),
            ("integer", "8kB", "3", "24kB"),
            ("integer", "8kB", "-1", "-1"),
            ("integer", "kB", "1024kB", "1MB"),
            ("integer", "s", "90", "90s"),
            ("integer", "ms", "60000", "1min"),
            ("integer", "", "200", "200"),
            ("integer", "8kB", "nonsense", "nonsense"),
            ("real", "", "0.5", "0.5"),
            ("bool", "", "true", "on"),
            ("string", "", " x", " x"),
        ];
        for (vartype, unit, given, shown) in table {
            assert_eq!(kind(vartype, unit).shown(given), shown);
        }
    }
}
