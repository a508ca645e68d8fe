//! The words of quirks and calls, and lists of all of them.

use std::str::FromStr;

use super::{Call, Quirk};

impl Quirk {
    /// All quirks.
    pub const ALL: [Self; 7] = [
        Self::RefusesToStart,
        Self::HangsInPromotion,
        Self::IgnoresFastStop,
        Self::DiskFull,
        Self::CopyFails,
        Self::ReplaysSlowly,
        Self::ReceivesNothing,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::RefusesToStart => "refuses-to-start",
            Self::HangsInPromotion => "hangs-in-promotion",
            Self::IgnoresFastStop => "ignores-fast-stop",
            Self::DiskFull => "disk-full",
            Self::CopyFails => "copy-fails",
            Self::ReplaysSlowly => "replays-slowly",
            Self::ReceivesNothing => "receives-nothing",
        }
    }
}

impl FromStr for Quirk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|quirk| quirk.word() == text);
        found.ok_or_else(|| format!("{text} is no quirk"))
    }
}

impl Call {
    /// All calls.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Renew,
        Self::Acquire,
        Self::Release,
        Self::Commit,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Renew => "renew",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Commit => "commit",
        }
    }
}

impl FromStr for Call {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|call| call.word() == text);
        found.ok_or_else(|| format!("{text} is no call"))
    }
}
