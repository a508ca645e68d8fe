//! The servers of one cluster: which one to talk to, and what to do when it does not answer.
//!
//! The client library balances calls over all its endpoints and goes on choosing dead and hung
//! ones (measured on 0.21.1: a third of all calls fail or hang for as long as one of three servers
//! is gone). So there is one client per server here, a current one that all calls stick to, and a
//! time limit for each attempt. A server that fails an attempt loses its connection and stays out
//! for a while.
//!
//! Invariant: a call ends within its limit, whatever the servers do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::failure::Failure;
use super::options::{EtcdOptions, is_local, normalize};
use crate::{Cause, Error, Limits};

/// The shortest time between two pings that etcd tolerates is 5 s.
const SHORTEST_PING: Duration = Duration::from_secs(6);
/// How long a ping may stay unanswered.
const PING_LIMIT: Duration = Duration::from_secs(2);
/// How long a server that did not answer in time is not asked, if there is another one.
const OUT_AFTER_HANG: Duration = Duration::from_secs(10);
/// The same for one that answered with a failure or refused the connection.
const OUT_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// The pause after every server has failed once; it doubles with each round.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);
/// How often the cluster is asked for its members.
const LEARN_INTERVAL: Duration = Duration::from_secs(300);

/// The connections of one handle.
pub(super) struct EndpointPool {
    options: EtcdOptions,
    state: Mutex<State>,
    /// Counts the servers that were put out, so that watches notice.
    outs: watch::Sender<u64>,
}

struct State {
    limits: Limits,
    /// The given endpoints, then the learned ones.
    servers: Vec<Server>,
    current: usize,
    learn_next: Option<Instant>,
}

struct Server {
    url: String,
    client: Option<Client>,
    /// Which connection of this server it is; a new one is another life.
    life: u64,
    out_until: Option<Instant>,
    /// When it failed last.
    failed_at: Option<Instant>,
    /// When a call on its present connection was answered last.
    heard_at: Option<Instant>,
}

/// A server that was chosen for an attempt.
pub(super) struct Chosen {
    url: String,
    life: u64,
    client: Option<Client>,
}

/// How a call went.
pub(super) struct Called<T> {
    pub(super) answer: Result<T, Failure>,
    /// An attempt before the answer may have been applied, too.
    pub(super) may_be_applied: bool,
}

impl EndpointPool {
    pub(super) fn new(options: EtcdOptions) -> Self {
        let servers = options.endpoints.iter().cloned().map(Server::new);
        let state = State {
            limits: options.limits,
            servers: servers.collect(),
            current: 0,
            learn_next: None,
        };
        Self {
            state: Mutex::new(state),
            outs: watch::Sender::new(0),
            options,
        }
    }

    pub(super) fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
    }

    pub(super) fn limits(&self) -> Limits {
        self.lock().limits
    }

    /// How long a watch may be quiet before it is asked for a sign of life: a little longer than
    /// the pause between two renewals, which are signs of life as well.
    pub(super) fn silence(&self) -> Duration {
        self.options.keepalive.max(self.limits().call * 6 / 5)
    }

    /// When a call on this connection was answered last.
    pub(super) fn heard_at(&self, chosen: &Chosen) -> Option<Instant> {
        let state = self.lock();
        let server = state.servers.iter().find(|server| server.is(chosen));
        server.and_then(|server| server.heard_at)
    }

    fn note_answer(&self, chosen: &Chosen) {
        let mut state = self.lock();
        if let Some(server) = state.servers.iter_mut().find(|server| server.is(chosen)) {
            server.heard_at = Some(Instant::now());
        }
    }

    /// Tries `work` at one server after the other until it succeeds, fails for good, or the time
    /// of the call is over. `work` may be applied more than once.
    pub(super) async fn call<T, F>(&self, work: impl Fn(Client) -> F) -> Called<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (limits, attempt_limit, mut round) = self.lock().begin();
        let deadline = Instant::now() + limits.call;
        let mut pause = FIRST_PAUSE;
        let mut may_be_applied = false;
        loop {
            let chosen = self.choose();
            let attempt_end = deadline.min(Instant::now() + attempt_limit);
            let cause = match self.attempt(&chosen, attempt_end, &work).await {
                Err(Failure::Retry {
                    may_be_applied: applied,
                    cause,
                }) => {
                    may_be_applied |= applied;
                    cause
                }
                answer @ (Ok(_) | Err(Failure::LeaseNotFound | Failure::Final(_))) => {
                    return Called {
                        answer,
                        may_be_applied,
                    };
                }
            };
            round -= 1;
            if round == 0 {
                sleep_until(deadline.min(Instant::now() + pause)).await;
                pause = LONGEST_PAUSE.min(pause * 2);
                round = self.lock().servers.len();
            }
            if Instant::now() >= deadline {
                let unavailable = Failure::Final(Error::Unavailable(cause));
                return Called {
                    answer: Err(unavailable),
                    may_be_applied,
                };
            }
        }
    }

    /// One attempt at one server, which is put out if it fails.
    async fn attempt<T, F>(
        &self,
        chosen: &Chosen,
        end: Instant,
        work: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let is_sent = AtomicBool::new(false);
        let steps = async {
            let client = self.client(chosen).await?;
            is_sent.store(true, Ordering::Relaxed);
            work(client).await
        };
        let (failure, out_for) = match timeout_at(end, steps).await {
            Ok(Ok(answer)) => {
                self.note_answer(chosen);
                return Ok(answer);
            }
            Ok(Err(failure)) => (failure, OUT_AFTER_FAILURE),
            Err(_) => {
                let cause = format!("{} did not answer in time", chosen.url);
                (Failure::ambiguous(cause), OUT_AFTER_HANG)
            }
        };
        let failure = if is_sent.into_inner() {
            failure
        } else {
            failure.before_sending()
        };
        if let Failure::Retry { cause, .. } = &failure {
            self.put_out(chosen, out_for, cause);
        }
        Err(failure)
    }

    /// The current server, or the next one that is not out.
    pub(super) fn choose(&self) -> Chosen {
        let mut state = self.lock();
        let given = self.options.endpoints.len();
        let index = state.preferred(given, Instant::now());
        state.current = index;
        let server = &state.servers[index];
        Chosen {
            url: server.url.clone(),
            life: server.life,
            client: server.client.clone(),
        }
    }

    /// The connection to a chosen server, made if there is none. Only with credentials does this
    /// talk to the server.
    pub(super) async fn client(&self, chosen: &Chosen) -> Result<Client, Failure> {
        if let Some(client) = &chosen.client {
            return Ok(client.clone());
        }
        let options = self.connect_options();
        let client = Client::connect([&chosen.url], Some(options)).await?;
        let mut state = self.lock();
        let server = state.servers.iter_mut().find(|s| s.is(chosen));
        let Some(server) = server else {
            return Ok(client);
        };
        Ok(server.client.get_or_insert(client).clone())
    }

    /// Everything that the connections have in common; TLS would be one more line here.
    ///
    /// Connections are pinged only while something is open on them. etcd tolerates a ping every 5 s
    /// and none on an idle connection; after three in excess it hangs up (seen on 3.4.23: pinged
    /// every second, a quiet watch broke every 4 s), and a call that begins at that moment would
    /// fail.
    fn connect_options(&self) -> ConnectOptions {
        let keepalive = self.options.keepalive;
        let options = ConnectOptions::new()
            .with_connect_timeout(self.limits().attempt)
            .with_keep_alive(keepalive.max(SHORTEST_PING), keepalive.max(PING_LIMIT))
            .with_keep_alive_while_idle(false)
            .with_require_leader(true);
        match &self.options.credentials {
            Some(credentials) => options
                .with_user(&credentials.user, &credentials.password)
                .with_auto_token_refresh(true),
            None => options,
        }
    }

    /// Drops the connection to a server and keeps it out for a while.
    pub(super) fn put_out(&self, chosen: &Chosen, out_for: Duration, cause: &Cause) {
        let mut state = self.lock();
        // When it is another connection by now, somebody else has put this one out already.
        let Some(server) = state.servers.iter_mut().find(|s| s.is(chosen)) else {
            return;
        };
        let now = Instant::now();
        let was_out = server.out_until.is_some_and(|until| until > now);
        server.client = None;
        server.life += 1;
        server.out_until = Some(now + out_for);
        server.failed_at = Some(now);
        server.heard_at = None;
        // Move on at once: a quiet time must not lead back to the server that failed last.
        state.current = state.preferred(self.options.endpoints.len(), now);
        drop(state);
        self.outs.send_modify(|count| *count += 1);
        if !was_out {
            let url = &chosen.url;
            tracing::warn!(%url, %cause, "an etcd server fails and is left alone for {out_for:?}");
        }
    }

    /// Puts a server out whose watch broke.
    pub(super) fn put_out_after_watch(&self, chosen: &Chosen, cause: &Cause) {
        self.put_out(chosen, OUT_AFTER_FAILURE, cause);
    }

    /// Waits until somebody puts this server out.
    pub(super) async fn until_out(&self, chosen: &Chosen) {
        let is_out = |_: &u64| !self.lock().servers.iter().any(|s| s.is(chosen));
        // The sender lives in this pool, so waiting cannot fail while the pool is borrowed.
        let _ = self.outs.subscribe().wait_for(is_out).await;
    }

    /// Whether it is time to ask the cluster for its members; says so once.
    pub(super) fn is_time_to_learn(&self) -> bool {
        let mut state = self.lock();
        let now = Instant::now();
        let is_due = state.learn_next.is_none_or(|next| next <= now);
        if is_due {
            state.learn_next = Some(now + LEARN_INTERVAL);
        }
        is_due && self.options.learns_endpoints
    }

    /// Takes the client addresses of the cluster's members as further endpoints.
    pub(super) fn learn(&self, addresses: impl IntoIterator<Item = String>) {
        let given = &self.options.endpoints;
        // Members that announce a local address mean their own machine, unless all run on ours.
        let all_local = given.iter().all(|url| is_local(url));
        let mut learned: Vec<String> = Vec::new();
        for url in addresses.into_iter().filter_map(|a| normalize(&a).ok()) {
            let is_new = !given.contains(&url) && !learned.contains(&url);
            if is_new && (all_local || !is_local(&url)) {
                learned.push(url);
            }
        }
        let mut state = self.lock();
        let current = state.servers[state.current].url.clone();
        let is_kept = |s: &Server| given.contains(&s.url) || learned.contains(&s.url);
        state.servers.retain(is_kept);
        for url in learned {
            if !state.servers.iter().any(|s| s.url == url) {
                state.servers.push(Server::new(url));
            }
        }
        let index = state.servers.iter().position(|s| s.url == current);
        state.current = index.unwrap_or(0);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The limits of a call and of its attempts, and the number of servers to try in a round. An
    /// attempt leaves time for others, as far as there are others.
    fn begin(&self) -> (Limits, Duration, usize) {
        let count = self.servers.len();
        let share = self.limits.call / u32::try_from(count.clamp(1, 3)).unwrap_or(1);
        (self.limits, self.limits.attempt.min(share), count)
    }

    /// The current server unless it is out; then the next given one, then a learned one; if all
    /// are out, the one that failed the longest time ago.
    fn preferred(&self, given: usize, now: Instant) -> usize {
        let count = self.servers.len();
        let is_in = |index: &usize| {
            let until = self.servers[*index].out_until;
            until.is_none_or(|until| until <= now)
        };
        let after_current = (0..count).map(|step| (self.current + step) % count);
        let (first, later): (Vec<usize>, Vec<usize>) =
            after_current.partition(|&index| index < given || index == self.current);
        let mut order = first.into_iter().chain(later);
        order.find(is_in).unwrap_or_else(|| {
            let longest_ago = (0..count).min_by_key(|&index| self.servers[index].failed_at);
            longest_ago.unwrap_or(self.current)
        })
    }
}

impl Server {
    const fn new(url: String) -> Self {
        Self {
            url,
            client: None,
            life: 0,
            out_until: None,
            failed_at: None,
            heard_at: None,
        }
    }

    fn is(&self, chosen: &Chosen) -> bool {
        self.url == chosen.url && self.life == chosen.life
    }
}

impl<T> Called<T> {
    /// The result of a call that changes nothing.
    pub(super) fn of_read(self) -> Result<T, Error> {
        self.answer.map_err(|failure| failure.into_error(None))
    }

    /// The result of a call that changes something, or did so in an attempt that seemed to fail.
    pub(super) fn of_write(self, session: Option<&crate::Session>) -> Result<T, Error> {
        let id = session.map(|s| &s.id);
        match self.answer.map_err(|failure| failure.into_error(id)) {
            Err(Error::Unavailable(cause)) if self.may_be_applied => Err(Error::Unknown(cause)),
            answer => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(count: usize) -> EndpointPool {
        let endpoints = (1..=count).map(|n| format!("10.0.0.{n}:2379"));
        EndpointPool::new(EtcdOptions::new(endpoints).unwrap())
    }

    fn fail(pool: &EndpointPool, out_for: Duration) -> String {
        let chosen = pool.choose();
        pool.put_out(&chosen, out_for, &Cause::new("test"));
        chosen.url
    }

    #[tokio::test(start_paused = true)]
    async fn choice_sticks_until_the_server_fails() {
        let pool = pool(3);
        assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
        assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.1:2379");
        tokio::time::advance(OUT_AFTER_HANG * 2).await;
        assert_eq!(pool.choose().url, "http://10.0.0.2:2379");
    }

    #[tokio::test(start_paused = true)]
    async fn server_stays_out_while_another_is_in() {
        let pool = pool(2);
        fail(&pool, OUT_AFTER_HANG);
        tokio::time::advance(Duration::from_millis(1)).await;
        fail(&pool, OUT_AFTER_FAILURE);
        // Both are out: the second one comes back first.
        tokio::time::advance(OUT_AFTER_FAILURE).await;
        assert_eq!(pool.choose().url, "http://10.0.0.2:2379");
        tokio::time::advance(OUT_AFTER_HANG).await;
        assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.2:2379");
        assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
    }

    /// During an election in etcd the healthy servers time out, and a dead one fails at once: the
    /// dead one must not be the only one that is tried.
    #[tokio::test(start_paused = true)]
    async fn servers_that_are_all_out_take_turns() {
        let pool = pool(3);
        let mut tried = Vec::new();
        for out_for in [OUT_AFTER_HANG, OUT_AFTER_FAILURE, OUT_AFTER_HANG].repeat(2) {
            tried.push(fail(&pool, out_for));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert_eq!(tried[..3], tried[3..]);
    }

    #[tokio::test(start_paused = true)]
    async fn second_failure_of_one_connection_puts_nobody_out() {
        let pool = pool(2);
        let chosen = pool.choose();
        pool.put_out(&chosen, OUT_AFTER_HANG, &Cause::new("first"));
        tokio::time::advance(OUT_AFTER_HANG * 2).await;
        pool.put_out(&chosen, OUT_AFTER_HANG, &Cause::new("late"));
        fail(&pool, OUT_AFTER_HANG);
        assert_eq!(pool.choose().url, "http://10.0.0.1:2379");
    }

    #[tokio::test(start_paused = true)]
    async fn learned_servers_are_the_last_resort() {
        let pool = pool(2);
        let learned = [
            "http://10.0.0.9:2379",
            "http://10.0.0.1:2379",
            "http://127.0.0.1:2379",
        ];
        pool.learn(learned.map(str::to_owned));
        assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.1:2379");
        assert_eq!(fail(&pool, OUT_AFTER_HANG), "http://10.0.0.2:2379");
        assert_eq!(pool.choose().url, "http://10.0.0.9:2379");
        pool.learn([]);
        assert_eq!(pool.lock().servers.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn call_ends_within_its_limit_and_tells_what_may_be() {
        let pool = pool(3);
        let start = Instant::now();
        let called = pool.call(|_| std::future::pending::<Result<(), _>>()).await;
        assert!(start.elapsed() <= Limits::default().call);
        assert!(matches!(called.of_write(None), Err(Error::Unknown(_))));
        let called = pool.call(|_| std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(called.of_read(), Err(Error::Unavailable(_))));
    }
}
