//! Keys and prefixes: absolute paths, checked when they are made.
//!
//! Invariant: a value of these types is a path that every backend can store, so no backend has to
//! ask again. The rules are those of the strictest store known to us (ZooKeeper).

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// The path of one entry, such as `/service/batman/leader`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct Key(String);

/// A folder of keys, such as `/service/batman/`. It ends with a slash, so `/a/` never reaches the
/// keys of `/ab/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The path does not begin with a slash.
    #[error("the path {path:?} does not begin with a slash")]
    NotAbsolute {
        /// The text that was given.
        path: String,
    },
    /// Two slashes follow each other, or a key ends with one.
    #[error("the path {path:?} has an empty segment")]
    EmptySegment {
        /// The text that was given.
        path: String,
    },
    /// A segment is `.` or `..`, which some stores refuse.
    #[error("the path {path:?} has a relative segment")]
    RelativeSegment {
        /// The text that was given.
        path: String,
    },
    /// The path contains a control character.
    #[error("the path {path:?} has a control character")]
    ControlCharacter {
        /// The text that was given.
        path: String,
    },
}

impl Key {
    /// Checks the text and makes it a key.
    ///
    /// # Errors
    /// When the text is no absolute path without empty or relative segments.
    pub fn new(path: impl Into<String>) -> Result<Self, KeyError> {
        let path = path.into();
        check(&path, &path)?;
        Ok(Self(path))
    }

    /// The whole path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part of the path below a prefix, or nothing if the key is elsewhere.
    #[must_use]
    pub fn below(&self, prefix: &Prefix) -> Option<&str> {
        self.0.strip_prefix(prefix.as_str())
    }
}

impl Prefix {
    /// Checks the text and makes it a prefix. A slash at the end may be written or left out; `/`
    /// is the prefix of all keys.
    ///
    /// # Errors
    /// When the text is no absolute path without empty or relative segments.
    pub fn new(path: impl Into<String>) -> Result<Self, KeyError> {
        let mut path = path.into();
        if path != "/" {
            check(path.strip_suffix('/').unwrap_or(&path), &path)?;
        }
        if !path.ends_with('/') {
            path.push('/');
        }
        Ok(Self(path))
    }

    /// The path, with its slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key at a relative path below this prefix.
    ///
    /// # Errors
    /// When `relative` is empty or not a relative path that [`Key::new`] accepts.
    pub fn key(&self, relative: &str) -> Result<Key, KeyError> {
        Key::new(format!("{}{relative}", self.0))
    }

    /// Whether the key lies below this prefix.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&self.0)
    }
}

/// Checks a path without a slash at its end; errors show the text as it was `given`.
fn check(path: &str, given: &str) -> Result<(), KeyError> {
    let shown = || given.to_owned();
    let Some(relative) = path.strip_prefix('/') else {
        return Err(KeyError::NotAbsolute { path: shown() });
    };
    for segment in relative.split('/') {
        if segment.is_empty() {
            return Err(KeyError::EmptySegment { path: shown() });
        }
        if segment == "." || segment == ".." {
            return Err(KeyError::RelativeSegment { path: shown() });
        }
        if segment.chars().any(char::is_control) {
            return Err(KeyError::ControlCharacter { path: shown() });
        }
    }
    Ok(())
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Self::new(path)
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        Self::new(path)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl FromStr for Prefix {
    type Err = KeyError;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        Self::new(path)
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Lets a map of keys be asked with a plain text.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_an_absolute_path() {
        assert_eq!(Key::new("/a/b c").unwrap().as_str(), "/a/b c");
        let refused = |path: &str| Key::new(path).unwrap_err();
        assert!(matches!(refused(""), KeyError::NotAbsolute { .. }));
        assert!(matches!(refused("a/b"), KeyError::NotAbsolute { .. }));
        assert!(matches!(refused("/"), KeyError::EmptySegment { .. }));
        assert!(matches!(refused("/a//b"), KeyError::EmptySegment { .. }));
        assert!(matches!(refused("/a/"), KeyError::EmptySegment { .. }));
        assert!(matches!(
            refused("/a/../b"),
            KeyError::RelativeSegment { .. }
        ));
        assert!(matches!(refused("/a/."), KeyError::RelativeSegment { .. }));
        assert!(matches!(refused("/a\0"), KeyError::ControlCharacter { .. }));
    }

    #[test]
    fn prefix_ends_with_one_slash() {
        assert_eq!(Prefix::new("/a").unwrap().as_str(), "/a/");
        assert_eq!(Prefix::new("/a/").unwrap().as_str(), "/a/");
        assert_eq!(Prefix::new("/").unwrap().as_str(), "/");
        assert!(Prefix::new("/a//").is_err());
        assert!(Prefix::new("//").is_err());
        assert!(Prefix::new("").is_err());
    }

    #[test]
    fn prefix_does_not_reach_its_neighbour() {
        let prefix = Prefix::new("/a").unwrap();
        let inside = prefix.key("x/y").unwrap();
        let neighbour = Key::new("/ab/x").unwrap();
        assert!(prefix.contains(&inside));
        assert_eq!(inside.below(&prefix), Some("x/y"));
        assert!(!prefix.contains(&neighbour));
        assert_eq!(neighbour.below(&prefix), None);
        assert!(!prefix.contains(&Key::new("/a").unwrap()));
    }

    #[test]
    fn relative_path_must_name_a_key() {
        let prefix = Prefix::new("/a").unwrap();
        assert!(prefix.key("").is_err());
        assert!(prefix.key("/x").is_err());
        assert!(Prefix::new("/").unwrap().key("x").is_ok());
    }
}
