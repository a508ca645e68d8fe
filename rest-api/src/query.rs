//! The query part of a request: names and values.
//!
//! Read as HTML forms are: `+` is a space, `%41` a byte, pairs without a value do not count, and
//! of several values the first one does.

/// The pairs of a query, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (decode(key), decode(value)));
        let mut first: Vec<(String, String)> = Vec::new();
        for (key, value) in pairs {
            if !first.iter().any(|(known, _)| *known == key) {
                first.push((key, value));
            }
        }
        Self(first)
    }

    /// The value of a name.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The tags that a member must have, as `tag_<name>=<value>` asks.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("tag_")?, value.as_str())))
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match escaped(after) {
                Some((byte, after)) => {
                    bytes.push(byte);
                    rest = after;
                }
                // A lone percent sign stands for itself.
                None => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte of two hexadecimal digits, and what follows them.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(byte).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_one_counts() {
        let query = Query::parse("lag=1%4DB&lag=2&tag_a+b=x%20y&tag_=&blank=&alone&tag_c=%zz%");
        assert_eq!(query.value("lag"), Some("1MB"));
        assert_eq!(query.value("blank"), None);
        assert_eq!(query.value("alone"), None);
        let tags: Vec<_> = query.tags().collect();
        assert_eq!(tags, [("a b", "x y"), ("c", "%zz%")]);
    }

    #[test]
    fn a_blank_value_does_not_hide_a_later_one() {
        assert_eq!(Query::parse("lag=&lag=5").value("lag"), Some("5"));
        assert_eq!(Query::parse(""), Query::default());
    }
}
