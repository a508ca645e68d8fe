//! The words of quirks and calls, and lists of all of them.

use std::str::FromStr;

use super::{Call, Mishap, Quirk, Work};

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

impl Work {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Renew,
        Self::Acquire,
        Self::Release,
        Self::Promote,
        Self::StartPrimary,
        Self::Stop,
        Self::AskPeers,
        Self::Identify,
        Self::Replace,
        Self::Clone,
        Self::Bootstrap,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Acquire => "acquire",
            Self::Release => "release",
            Self::Promote => "promote",
            Self::StartPrimary => "start-primary",
            Self::Stop => "stop",
            Self::AskPeers => "ask-peers",
            Self::Identify => "identify",
            Self::Replace => "replace",
            Self::Clone => "clone",
            Self::Bootstrap => "bootstrap",
        }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.word() == text);
        found.ok_or_else(|| format!("{text} is no work"))
    }
}

impl Mishap {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::FreezeAgent,
        Self::FreezeServer,
        Self::FreezeHost,
        Self::CrashAgent,
        Self::CrashHost,
        Self::CrashServer,
        Self::Orphan,
        Self::CutStore,
        Self::CutMembers,
        Self::IgnoreStops,
        Self::OldView,
        Self::OldServer,
        Self::KeyDeleted,
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FreezeAgent => "freeze-agent",
            Self::FreezeServer => "freeze-server",
            Self::FreezeHost => "freeze-host",
            Self::CrashAgent => "crash-agent",
            Self::CrashHost => "crash-host",
            Self::CrashServer => "crash-server",
            Self::Orphan => "orphan",
            Self::CutStore => "cut-store",
            Self::CutMembers => "cut-members",
            Self::IgnoreStops => "ignore-stops",
            Self::OldView => "old-view",
            Self::OldServer => "old-server",
            Self::KeyDeleted => "key-deleted",
        }
    }
}

impl FromStr for Mishap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.word() == text);
        found.ok_or_else(|| format!("{text} is no mishap"))
    }
}
