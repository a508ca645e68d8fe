//! Versions of PostgreSQL.
//!
//! Invariant: everything that differs between versions asks [`Version::major`];
//! no other file compares version texts.

use std::fmt;
use std::str::FromStr;

use crate::lsn::ParseValueError;

/// The oldest and the newest major version that this crate works with.
pub const SUPPORTED_MAJORS: std::ops::RangeInclusive<u32> = 13..=18;

/// A version as PostgreSQL numbers it: `160004` is 16.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u32);

impl Version {
    /// A version from `server_version_num`.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The value of `server_version_num`.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The major version: 16 of 16.4.
    #[must_use]
    pub const fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// Whether this crate works with the version.
    #[must_use]
    pub fn is_supported(self) -> bool {
        SUPPORTED_MAJORS.contains(&self.major())
    }

    /// The version in the output of `postgres --version`, for example
    /// `postgres (PostgreSQL) 16.4 (Debian 16.4-1)` or `... 18beta1`.
    pub(crate) fn of_program_output(text: &str) -> Option<Self> {
        let word = text
            .split_whitespace()
            .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let end = word
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(word.len());
        word[..end].trim_end_matches('.').parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.0 % 10_000)
    }
}

impl FromStr for Version {
    type Err = ParseValueError;

    /// Reads `16.4`, or `16` as the content of a `PG_VERSION` file has it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseValueError::new("PostgreSQL version", text);
        let number = |digits: &str| digits.parse::<u32>().map_err(|_| error());
        let text = text.trim();
        let (major, minor) = match text.split_once('.') {
            Some((major, minor)) => (number(major)?, number(minor)?),
            None => (number(text)?, 0),
        };
        if !(10..1000).contains(&major) || minor >= 10_000 {
            return Err(error());
        }
        Ok(Self(major * 10_000 + minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_output_of_distributions_and_betas_is_understood() {
        let of = Version::of_program_output;
        assert_eq!(
            of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)"),
            Some(Version(150_013))
        );
        assert_eq!(of("postgres (PostgreSQL) 18beta1"), Some(Version(180_000)));
        assert_eq!(of("postgres (PostgreSQL)"), None);
    }

    #[test]
    fn version_prints_and_reads_both_parts() {
        assert_eq!("16.4".parse(), Ok(Version(160_004)));
        assert_eq!("15\n".parse(), Ok(Version(150_000)));
        assert_eq!(Version(160_004).to_string(), "16.4");
        assert!("9.6.1".parse::<Version>().is_err());
        assert!("9".parse::<Version>().is_err());
    }

    #[test]
    fn support_covers_thirteen_to_eighteen() {
        assert!(!Version(129_999).is_supported());
        assert!(Version(130_000).is_supported());
        assert!(Version(180_009).is_supported());
        assert!(!Version(190_000).is_supported());
    }
}
