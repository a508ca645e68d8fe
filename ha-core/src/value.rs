//! Small values that name things: positions, timelines, members, operations.
//!
//! Each parses and prints the way PostgreSQL and the store write it; none knows a policy.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A position in the write-ahead log, in bytes since `0/0`.
///
/// Prints as PostgreSQL does (`16/B374D848`); in JSON it is the plain number.
///
/// ```
/// use herdsman_ha_core::Lsn;
/// let lsn: Lsn = "16/B374D848".parse().unwrap();
/// assert_eq!(lsn.0, 97500059720);
/// assert_eq!(lsn.to_string(), "16/B374D848");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Bytes from `earlier` up to here; zero when `earlier` is ahead.
    #[must_use]
    pub fn bytes_after(self, earlier: Self) -> Bytes {
        Bytes(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A text that is no value of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NotA {
    /// What was read.
    pub text: String,
    /// What it should have been.
    pub wanted: &'static str,
}

impl FromStr for Lsn {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let wrong = || NotA {
            text: text.to_owned(),
            wanted: "a WAL position such as 0/3000060",
        };
        let (high, low) = text.split_once('/').ok_or_else(wrong)?;
        let high = u32::from_str_radix(high, 16).map_err(|_| wrong())?;
        let low = u32::from_str_radix(low, 16).map_err(|_| wrong())?;
        Ok(Self(u64::from(high) << 32 | u64::from(low)))
    }
}

/// A number of bytes; prints with a binary unit where that stays exact enough to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = match self.0 {
            bytes if bytes < 10 << 10 => return write!(f, "{bytes} B"),
            bytes if bytes < 10 << 20 => ("KiB", 1_u64 << 10),
            bytes if bytes < 10 << 30 => ("MiB", 1 << 20),
            _ => ("GiB", 1 << 30),
        };
        write!(f, "{} {unit}", self.0 / size)
    }
}

/// A line of history of one database cluster; each promotion begins the next one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timeline(pub u32);

impl Timeline {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where a server's WAL ends: compared by timeline first, because a later timeline is a later
/// decision of the cluster, whatever its byte count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The timeline of the last record.
    pub timeline: Timeline,
    /// The end of the last record.
    pub lsn: Lsn,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.lsn, self.timeline)
    }
}

/// PostgreSQL's system identifier: the same on all members of one cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SystemId(pub u64);

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for SystemId {
    type Err = NotA;

    /// At least ten digits: what the `initialize` key holds before that is not an identifier yet.
    fn from_str(text: &str) -> Result<Self, NotA> {
        let wrong = || NotA {
            text: text.to_owned(),
            wanted: "a system identifier",
        };
        if text.len() < 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        text.parse().map(Self).map_err(|_| wrong())
    }
}

// Names are copied into every view, task and reason: the text is shared.
macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        // Texts and names are equal and ordered alike.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_value! {
    /// The name of a member, unique in its cluster.
    MemberName
}
text_value! {
    /// Names one run of one agent: two agents that share a member name differ here.
    InstanceId
}
text_value! {
    /// Names a session of the store, as the store writes it.
    SessionName
}

macro_rules! number_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_value! {
    /// A point in the history of the store; grows with every change.
    Revision
}
number_value! {
    /// One leadership: the revision at which its key was created, whoever created it.
    Generation
}
number_value! {
    /// One started task: unique in a process run and strictly increasing.
    OpId
}
number_value! {
    /// One request of an operator, answered once.
    RequestId
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn positions_compare_by_timeline_before_bytes() {
        let old = Position {
            timeline: Timeline(1),
            lsn: Lsn(900),
        };
        let new = Position {
            timeline: Timeline(2),
            lsn: Lsn(100),
        };
        assert!(new > old);
    }

    #[test]
    fn a_short_or_lettered_system_identifier_is_refused() {
        assert!("123456789".parse::<SystemId>().is_err());
        assert!("12345678901x".parse::<SystemId>().is_err());
        assert!("7277694203142172922".parse::<SystemId>().is_ok());
    }

    #[test]
    fn malformed_positions_are_refused() {
        for text in ["", "0", "0/", "/0", "0/G", "0/1FFFFFFFF", "1/2/3"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_print_with_a_unit_that_keeps_two_digits() {
        assert_eq!(Bytes(256).to_string(), "256 B");
        assert_eq!(Bytes(18 << 20).to_string(), "18 MiB");
    }
}
