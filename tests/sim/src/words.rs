//! The words of one line: `key=value` pairs and plain words, taken out one by one.
//!
//! A word that nobody takes is an error: a misspelled fact must not be a silent one.

use std::str::FromStr;

/// What is left of a line.
#[derive(Clone, Debug)]
pub struct Words {
    rest: Vec<String>,
}

impl Words {
    /// Splits at spaces that are not inside of brackets or quotes.
    pub fn of(line: &str) -> Self {
        let mut rest = Vec::new();
        let mut word = String::new();
        let mut depth = 0_usize;
        let mut is_quoted = false;
        for letter in line.chars() {
            match letter {
                '"' => is_quoted = !is_quoted,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                ' ' if depth == 0 && !is_quoted => {
                    rest.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                    continue;
                }
                _ => {}
            }
            word.push(letter);
        }
        rest.extend(Some(word).filter(|word| !word.is_empty()));
        Self { rest }
    }

    /// The next word that is no pair.
    pub fn plain(&mut self) -> Option<String> {
        let at = self.rest.iter().position(|word| !word.contains('='))?;
        Some(self.rest.remove(at))
    }

    /// The next word that is no pair, which must be there.
    pub fn expect(&mut self, what: &str) -> Result<String, String> {
        self.plain().ok_or_else(|| format!("{what} was expected"))
    }

    /// Whether the plain word is there.
    pub fn flag(&mut self, word: &str) -> bool {
        let at = self.rest.iter().position(|other| other == word);
        at.map(|at| self.rest.remove(at)).is_some()
    }

    /// The value of a pair.
    pub fn value(&mut self, key: &str) -> Option<String> {
        let at = self.rest.iter().position(|word| {
            word.strip_prefix(key)
                .is_some_and(|value| value.starts_with('='))
        })?;
        let word = self.rest.remove(at);
        Some(word[key.len() + 1..].trim_matches('"').to_owned())
    }

    /// The value of a pair, read as a `T`.
    pub fn parsed<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        self.value(key)
            .map(|text| {
                text.parse()
                    .map_err(|_| format!("{key}={text} cannot be read"))
            })
            .transpose()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses what nobody took.
    pub fn end(self) -> Result<(), String> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(format!("not understood: {}", self.rest.join(" ")))
        }
    }
}

/// The parts of a list such as `a,b,c`; `none` and nothing are empty.
pub fn list(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty() && *part != "none")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_quotes_hold_a_word_together() {
        let mut words = Words::of(r#"dcs config={"ttl": 5, "a": [1, 2]} why="not so" end"#);
        assert_eq!(
            words.value("config").as_deref(),
            Some(r#"{"ttl": 5, "a": [1, 2]}"#)
        );
        assert_eq!(words.value("why").as_deref(), Some("not so"));
        assert_eq!(words.plain().as_deref(), Some("dcs"));
        assert!(words.flag("end"));
        words.end().expect("nothing left");
    }

    #[test]
    fn a_word_that_nobody_took_is_refused() {
        let words = Words::of("leader=b laeder=c");
        assert!(words.clone().parsed::<u64>("leader").is_err());
        assert!(words.end().is_err());
    }
}
