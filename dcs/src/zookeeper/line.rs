//! One session with ZooKeeper, as its callers see it: requests go in, answers come out.
//!
//! The relay (`relay.rs`) keeps a connection to some server under it. Invariant: once a line has
//! ended it stays ended, and no request passes in any session but the one that was granted first.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::SendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::boot_clock::BootInstant;
use super::message::{Code, Reply, Request};
use super::options::ZooKeeperOptions;
use super::touches::Touches;
use crate::Cause;

/// How a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No server has granted the session yet, or its connection was lost.
    Connecting(Option<Cause>),
    Connected,
    Ended(End),
}

/// Why a line has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The store ended the session.
    Expired,
    /// It was closed, by us, or nobody wanted it any longer.
    Closed,
    /// The store does not accept our credentials.
    Refused(Cause),
}

/// What a granted session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) session: i64,
    pub(super) timeout: Duration,
}

/// How long a session that was never granted is tried for.
const UNGRANTED: Duration = Duration::from_secs(30);

/// Between the end of a connection's task and the note of it.
const MOMENT: Duration = Duration::from_millis(5);

/// How long an idle connection is left alone.
pub(super) fn heartbeat(timeout: Duration) -> Duration {
    timeout / 16
}

/// How old what the store must know of a session may be, so that [`reliable`] holds: a report is
/// at most a quarter of the timeout late, and a heartbeat is somewhat longer under way than the
/// time between two of them.
pub(super) fn silence(timeout: Duration) -> Duration {
    timeout / 3
}

/// What a holder may conclude from an acknowledged write: the store does not end the session
/// before this long after the write was sent. See [`Touches`].
pub(super) fn reliable(timeout: Duration) -> Duration {
    timeout - silence(timeout)
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It was not sent.
    NotSent(Cause),
    /// It was sent, or may have been.
    Lost(Cause),
    Ended(End),
}

/// What is asked of the connection's task.
pub(super) enum Order {
    Send {
        request: Request,
        answer: oneshot::Sender<Reply>,
    },
    /// The server does not answer: give the connection up.
    Cut,
}

pub(super) struct Line {
    pub(super) options: Arc<ZooKeeperOptions>,
    pub(super) phase: watch::Sender<Phase>,
    /// Counts what may have changed below a watched path: events, and connections, since what
    /// happened between two of them was told to nobody.
    pub(super) changes: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) granted: Option<Granted>,
    /// The newest transaction that an answer showed.
    pub(super) newest: i64,
    pub(super) watched: BTreeSet<String>,
    pub(super) orders: Option<mpsc::UnboundedSender<Order>>,
    pub(super) touches: Touches,
    /// Since when and for how long the session is kept alive without an attempt to renew it;
    /// nothing: for ever.
    pub(super) kept_for: Option<(BootInstant, Duration)>,
    lost_at: Option<BootInstant>,
}

impl Line {
    pub(super) fn new(options: Arc<ZooKeeperOptions>) -> Self {
        Self {
            options,
            phase: watch::Sender::new(Phase::Connecting(None)),
            changes: watch::Sender::new(0),
            state: Mutex::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn granted(&self) -> Option<Granted> {
        self.state().granted
    }

    pub(super) fn end(&self, why: End) {
        self.phase.send_if_modified(|phase| {
            let is_first = !matches!(phase, Phase::Ended(_));
            if is_first {
                *phase = Phase::Ended(why);
            }
            is_first
        });
    }

    /// Notes that a connection was lost, or could not be made.
    pub(super) fn connecting(&self, why: Cause) {
        let mut state = self.state();
        state.orders = None;
        state.lost_at = state.lost_at.or_else(|| Some(BootInstant::now()));
        drop(state);
        self.phase.send_if_modified(|phase| {
            let goes_on = !matches!(phase, Phase::Ended(_));
            if goes_on {
                *phase = Phase::Connecting(Some(why));
            }
            goes_on
        });
    }

    pub(super) fn has_ended(&self) -> Option<End> {
        match &*self.phase.borrow() {
            Phase::Ended(why) => Some(why.clone()),
            Phase::Connecting(_) | Phase::Connected => None,
        }
    }

    /// Notes that a server serves the session.
    pub(super) fn connected_by(&self, orders: mpsc::UnboundedSender<Order>) {
        let mut state = self.state();
        state.orders = Some(orders);
        state.lost_at = None;
        drop(state);
        self.phase.send_if_modified(|phase| {
            let goes_on = !matches!(phase, Phase::Ended(_));
            if goes_on {
                *phase = Phase::Connected;
            }
            goes_on
        });
        self.changes.send_modify(|count| *count += 1);
    }

    /// Whether no server has served the session for longer than it can live.
    pub(super) fn is_given_up(&self) -> bool {
        let state = self.state();
        let timeout = state.granted.map_or(UNGRANTED, |granted| granted.timeout);
        let lost_for = state.lost_at.map(|at| BootInstant::now().since(at));
        lost_for.is_some_and(|time| time > timeout)
    }

    /// Waits until the session is granted.
    pub(super) async fn open(&self, deadline: Instant) -> Result<Granted, NoAnswer> {
        self.connected(deadline).await?;
        let none = || NoAnswer::NotSent(Cause::new("the session is not granted"));
        self.granted().ok_or_else(none)
    }

    /// Sends a request and waits for its answer. A server that does not give one within `attempt`
    /// is given up.
    pub(super) async fn call(
        &self,
        request: Request,
        deadline: Instant,
        attempt: Duration,
    ) -> Result<Reply, NoAnswer> {
        let mut replies = self.call_all(vec![request], deadline, attempt).await?;
        let none = || NoAnswer::Lost(Cause::new("the request was not answered"));
        replies.pop().ok_or_else(none)
    }

    /// Sends several requests at once; they are carried out in this order.
    pub(super) async fn call_all(
        &self,
        requests: Vec<Request>,
        deadline: Instant,
        attempt: Duration,
    ) -> Result<Vec<Reply>, NoAnswer> {
        let mut orders = self.connected(deadline).await?;
        let mut answers = Vec::new();
        for request in requests {
            let (answer, receiver) = oneshot::channel();
            let mut order = Order::Send { request, answer };
            while let Err(SendError(unsent)) = orders.send(order) {
                let cause = Cause::new("the connection to ZooKeeper was lost");
                if !answers.is_empty() {
                    return Err(NoAnswer::Lost(cause));
                }
                if Instant::now() >= deadline {
                    return Err(NoAnswer::NotSent(cause));
                }
                // It has ended in this moment, which is noted in the next.
                sleep(MOMENT).await;
                orders = self.connected(deadline).await?;
                order = unsent;
            }
            answers.push(receiver);
        }
        let limit = deadline.min(Instant::now() + attempt);
        let mut replies = Vec::new();
        for answer in answers {
            let Ok(answer) = timeout_at(limit, answer).await else {
                // The task may be gone already; then there is nothing to cut.
                let _ = orders.send(Order::Cut);
                return Err(NoAnswer::Lost(Cause::new(
                    "ZooKeeper does not answer in time",
                )));
            };
            let Ok(reply) = answer else {
                let lost = Cause::new("the connection to ZooKeeper was lost");
                return Err(NoAnswer::Lost(lost));
            };
            self.look_at(&reply, &orders)?;
            replies.push(reply);
        }
        Ok(replies)
    }

    /// Answers that say something about the session and nothing about the request.
    fn look_at(
        &self,
        reply: &Reply,
        orders: &mpsc::UnboundedSender<Order>,
    ) -> Result<(), NoAnswer> {
        if reply.code == Code::SESSION_EXPIRED {
            self.end(End::Expired);
            return Err(NoAnswer::Ended(End::Expired));
        }
        if reply.code.is_temporary() {
            let _ = orders.send(Order::Cut);
            return Err(NoAnswer::Lost(reply.code.cause()));
        }
        Ok(())
    }

    /// Gives the present connection up, so that a new one proves that the session lives.
    pub(super) fn cut(&self) {
        if let Some(orders) = self.state().orders.take() {
            let _ = orders.send(Order::Cut);
            self.phase.send_if_modified(|phase| {
                let was = *phase == Phase::Connected;
                if was {
                    *phase = Phase::Connecting(None);
                }
                was
            });
        }
    }

    async fn connected(&self, deadline: Instant) -> Result<mpsc::UnboundedSender<Order>, NoAnswer> {
        let mut phases = self.phase.subscribe();
        let settled = timeout_at(deadline, async {
            loop {
                match &*phases.borrow_and_update() {
                    Phase::Ended(why) => return Err(NoAnswer::Ended(why.clone())),
                    Phase::Connected => {
                        if let Some(orders) = self.state().orders.clone() {
                            return Ok(orders);
                        }
                    }
                    Phase::Connecting(_) => {}
                }
                // The sender lives as long as this line.
                let _ = phases.changed().await;
            }
        });
        match settled.await {
            Ok(settled) => settled,
            Err(_) => {
                let cause = match &*self.phase.borrow() {
                    Phase::Connecting(Some(cause)) => cause.clone(),
                    Phase::Connecting(None) | Phase::Connected | Phase::Ended(_) => {
                        Cause::new("ZooKeeper does not grant a session in time")
                    }
                };
                Err(NoAnswer::NotSent(cause))
            }
        }
    }
}
