//! The servers of one cluster: which one to talk to, and what to do when it does not answer.
//!
//! The client library balances calls over all its endpoints and goes on choosing dead and hung
//! ones (measured on 0.21.1: a third of all calls fail or hang for as long as one of three servers
//! is gone). So there is one client per server here, a current one that all calls stick to, and a
//! time limit for each attempt. A server that fails an attempt loses its connection and stays out
//! for a while.
//!
//! Invariant: a call ends within its limit, whatever the servers do.

mod state;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::diagnosis;
use super::failure::Failure;
use super::options::{EtcdOptions, is_encrypted, is_local, normalize};
use super::version::may_end_leases_early;
use crate::tls::TlsSource;
use crate::{Cause, Error, Limits};
use state::{Server, State};

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
/// How long a server that answered is taken for the right one. Later it may be another one, or may
/// have learned to want TLS.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// How often the cluster is asked for its members.
const LEARN_INTERVAL: Duration = Duration::from_secs(300);

/// The connections of one handle.
pub(super) struct EndpointPool {
    options: EtcdOptions,
    tls: TlsSource,
    state: Mutex<State>,
    /// Whether it was said that the servers are of an old version.
    is_warned: AtomicBool,
    /// Counts the servers that were put out, so that watches notice.
    outs: watch::Sender<u64>,
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
            given: options.endpoints.clone(),
            servers: servers.collect(),
            current: 0,
            learn_next: None,
            discover_next: options.discovery.as_ref().map(|_| Instant::now()),
        };
        Self {
            state: Mutex::new(state),
            is_warned: AtomicBool::new(false),
            outs: watch::Sender::new(0),
            tls: TlsSource::new(options.tls.clone()),
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
        let mut servers = state.servers.iter_mut();
        if let Some(server) = servers.find(|server| server.url == chosen.url) {
            let now = Some(Instant::now());
            server.answered_at = now;
            if server.is(chosen) {
                server.heard_at = now;
            }
        }
    }

    /// Whether this server answered not long ago, on whatever connection.
    fn is_known(&self, chosen: &Chosen) -> bool {
        let state = self.lock();
        let server = state.servers.iter().find(|server| server.url == chosen.url);
        let answered_at = server.and_then(|server| server.answered_at);
        answered_at.is_some_and(|at| at.elapsed() < KNOWN_FOR)
    }

    /// Tries `work` at one server after the other until it succeeds, fails for good, or the time
    /// of the call is over. `work` may be applied more than once.
    pub(super) async fn call<T, F>(&self, work: impl Fn(Client) -> F) -> Called<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let deadline = Instant::now() + self.limits().call;
        if let Err(cause) = self.discover(deadline).await {
            return Called {
                answer: Err(Failure::Final(Error::Unavailable(cause))),
                may_be_applied: false,
            };
        }
        let (attempt_limit, mut round) = self.lock().begin();
        let mut pause = FIRST_PAUSE;
        let mut may_be_applied = false;
        loop {
            let chosen = self.choose();
            let attempt_end = deadline.min(Instant::now() + attempt_limit);
            let cause = match self.attempt(&chosen, attempt_end, &work).await {
                Err(Failure::Retry {
                    may_be_applied: applied,
                    cause,
                    ..
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
                self.discover_again();
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

    /// Asks DNS for the servers, if it is time to and that is where they come from. Fails only when
    /// there is no server to be asked.
    async fn discover(&self, deadline: Instant) -> Result<(), Cause> {
        let Some(discovery) = &self.options.discovery else {
            return Ok(());
        };
        loop {
            let Some(limit) = self.lock().time_to_discover() else {
                return Ok(());
            };
            let end = deadline.min(Instant::now() + limit);
            let asked = timeout_at(end, discovery.ask(&self.options.tls)).await;
            let late = || Err(Cause::new("srv: DNS does not answer in time"));
            let asked = asked.unwrap_or_else(|_| late());
            let Err(cause) = self.lock().discovered(asked) else {
                return Ok(());
            };
            if Instant::now() + LONGEST_PAUSE >= deadline {
                return Err(cause);
            }
            sleep_until(Instant::now() + LONGEST_PAUSE).await;
        }
    }

    /// No server answered: there may be others by now.
    fn discover_again(&self) {
        if self.options.discovery.is_some() {
            self.lock().discover_later();
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
        let is_unexplained = matches!(
            &failure,
            Failure::Retry {
                is_unexplained: true,
                ..
            }
        );
        let failure = if is_unexplained && !self.is_known(chosen) {
            let reason = diagnosis::of(&chosen.url, &self.options.tls);
            failure.because_of(timeout_at(end, reason).await.unwrap_or_default())
        } else {
            failure
        };
        if let Failure::Retry { cause, .. } = &failure {
            self.put_out(chosen, out_for, cause);
        }
        Err(failure.at(&chosen.url))
    }

    /// The current server, or the next one that is not out.
    pub(super) fn choose(&self) -> Chosen {
        let mut state = self.lock();
        let index = state.preferred(Instant::now());
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
        let mut options = self.connect_options();
        if is_encrypted(&chosen.url) {
            options = options.with_tls(self.tls_options()?);
        }
        let client = Client::connect([&chosen.url], Some(options)).await?;
        let mut state = self.lock();
        let server = state.servers.iter_mut().find(|s| s.is(chosen));
        let Some(server) = server else {
            return Ok(client);
        };
        Ok(server.client.get_or_insert(client).clone())
    }

    /// The certificates as they are in their files at this moment.
    fn tls_options(&self) -> Result<TlsOptions, Failure> {
        let material = self.tls.read().map_err(Failure::unusable)?;
        let options = TlsOptions::new().ca_certificate(Certificate::from_pem(material.ca));
        Ok(match material.identity {
            Some((certificate, key)) => options.identity(Identity::from_pem(certificate, key)),
            None => options,
        })
    }

    /// Everything that the connections have in common, encrypted or not.
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
        state.current = state.preferred(now);
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
        is_due
    }

    /// Whether the members that the cluster tells are of use.
    pub(super) const fn learns_endpoints(&self) -> bool {
        self.options.learns_endpoints
    }

    /// Whether nobody was warned of the version yet.
    pub(super) fn warns_of_version(&self) -> bool {
        !self.is_warned.load(Ordering::Relaxed)
    }

    /// Says once that a server of this version should be replaced, if it should.
    pub(super) fn judge_version(&self, version: &str) {
        if may_end_leases_early(version) && !self.is_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "etcd {version} may end a lease early after its leader stood still, which costs a \
                 primary its leadership: 3.4.31, 3.5.13 and later versions do not (etcd issue 15247)"
            );
        }
    }

    /// Takes the client addresses of the cluster's members as further endpoints.
    pub(super) fn learn(&self, addresses: impl IntoIterator<Item = String>) {
        let mut state = self.lock();
        let given = &state.given;
        // Members that announce a local address mean their own machine, unless all run on ours.
        let all_local = given.iter().all(|url| is_local(url));
        let mut learned: Vec<String> = Vec::new();
        for url in addresses.into_iter().filter_map(|a| normalize(&a).ok()) {
            let is_new = !given.contains(&url) && !learned.contains(&url);
            if is_new && (all_local || !is_local(&url)) {
                learned.push(url);
            }
        }
        state.learn(learned);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests;
