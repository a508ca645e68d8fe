//! High availability decisions for PostgreSQL as a pure state machine.
//!
//! [`Machine::step`] takes in one fact (a view of the store, a look at the local server, the end
//! of a task, a request, or only the passing of time) and gives back what shall happen: decisions
//! with their reasons, tasks to start, answers. It performs nothing itself. Whoever embeds it
//! brings the store, the control of PostgreSQL and the clock:
//!
//! ```
//! use std::sync::Arc;
//!
//! use herdsman_ha_core::{
//!     Boot, ClusterView, DataView, Input, InstanceId, LocalView, Machine, MemberName, Mono, Now,
//!     Output, RejoinSettings, Scripts, ServerView, Settings, Tags, Wall,
//! };
//!
//! let settings = Settings {
//!     name: MemberName::from("n1"),
//!     conn_url: "postgres://10.0.0.1:5432/postgres".to_string(),
//!     api_url: "http://10.0.0.1:8008/patroni".to_string(),
//!     tags: Tags::default(),
//!     proxy_url: None,
//!     known_config: None,
//!     standby_start_limit: None,
//!     bootstrap_config: Some(serde_json::json!({ "ttl": 5 })),
//!     watchdog_required: false,
//!     rejoin: RejoinSettings::default(),
//!     scripts: Scripts::default(),
//! };
//! let now = |seconds: u64| Now { mono: Mono(seconds * 1_000_000_000), wall: Wall(0) };
//! let boot = Boot::new(InstanceId::from("run-1"), 1);
//! let mut machine = Machine::new(settings, boot, now(1));
//!
//! // An empty store and an empty data directory:
//! let empty = ClusterView::default();
//! let _ = machine.step(now(2), Input::Cluster(Ok(Arc::new(empty))));
//! let local = LocalView {
//!     seen_at: Mono(2),
//!     data: DataView::Empty,
//!     server: ServerView::Down { orphans: false },
//!     about: None,
//! };
//! let step = machine.step(now(3), Input::Local(local));
//! let Some(Output::Decided(decision)) = step.outputs.first() else { panic!("a decision") };
//! assert_eq!(decision.reason.code().as_str(), "claiming-bootstrap");
//! ```
//!
//! # Rules of purity
//!
//! No I/O, no clock, no threads, no randomness, no iteration over unordered maps: the crate is
//! `no_std`, so most of these are simply absent. Equal machines given equal inputs give equal
//! steps, which is what makes decisions testable, replayable and searchable.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod candidate;
mod carry;
mod cascade;
mod changes;
mod choose;
mod claim;
mod command;
mod config;
#[doc(hidden)]
pub mod decide;
mod explain;
mod failsafe;
mod journal;
mod lease;
mod line;
mod machine;
mod memory;
mod moment;
mod mutant;
mod parted;
mod plan;
mod reason;
mod reinit;
mod rejoin;
mod remote;
mod requests;
mod restart;
pub mod schema;
#[doc(hidden)]
pub mod situation;
mod slots;
mod status;
mod switchover;
mod sync;
mod tags;
mod task;
mod time;
mod value;
mod view;
mod work;

#[doc(hidden)]
pub use candidate::Successor;
pub use command::{Answer, AnswerKind, Command, ConfigChange};
pub use config::{
    ClusterType, PermanentSlot, RejoinRules, RejoinSettings, Rules, SlotPattern, SlotRules,
    SynchronousMode, truth,
};
pub use journal::{Decision, Verdict};
pub use lease::{Grant, Hold};
pub use machine::{Deadline, Input, Machine, Output, Quit, Step};
pub use memory::{Scripts, Settings};
pub use moment::BadMoment;
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use reason::{Code, Reason, Unpromised, Veto};
pub use rejoin::LeaderElsewhere;
pub use remote::StandbyCluster;
pub use restart::{RestartOrder, RestartRole};
pub use status::{FailedAttempts, FailsafeStatus, HeldLease, RunningTask, Status};
pub use tags::Tags;
pub use task::{
    Boot, Commit, Failure, FollowedSlot, KeyState, Lane, Outcome, Progress, PromiseAnswer,
    PromiseReport, PromiseRequest, Purpose, Report, SlotWork, StartAs, StopMode, StoreGuard,
    StoreWrite, SyncNames, Task, Upstream,
};
pub use time::{Mono, Now, Wall};
pub use value::{
    Bytes, Generation, InstanceId, Lsn, MemberName, NotA, OpId, Position, RequestId, Revision,
    SessionName, SystemId, Timeline,
};
pub use view::{
    About, ClusterView, ControlState, ControlView, DataView, Fault, HistoryLine, Initialize, Keyed,
    LeaderKey, LeadershipRecord, LocalView, LogicalSlot, MemberView, MoveRequest, PeerAnswer,
    PeerReport, PeerServer, PrimaryView, SenderView, ServerIdentity, ServerView, SlotKind,
    SlotView, StandbyView, StatusKey, SyncKey, SyncState, SyncView, ValueChange, WaitsFor,
    WreckView,
};
