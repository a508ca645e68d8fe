//! One course: a holder at work, a fault, and what must be true afterwards.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use super::claims::Claims;
use super::member::{Member, Role, limits};
use super::meter::{Usage, processor_time};
use super::report::{Ending, Report};
use super::servers::{Ensemble, FOLLOWERS_NOTICE, access};
use super::way::{Mode, Way};
use super::{Course, Fault, Promise, Store};
use crate::{Dcs, Limits};

/// Longer than anything takes on a busy machine; only what hangs reaches it.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What a busy machine may add to a call.
const SLACK: Duration = Duration::from_secs(3);
/// What an election of ZooKeeper takes on a busy machine; 0.3 to 0.6 s on an idle one.
const LONGEST_ELECTION: Duration = Duration::from_secs(4);
/// The share of one processor that would be a busy loop, or half of one.
const BUSY: f64 = 0.5;
/// Over which time such a share says something.
const LONG_ENOUGH: Duration = Duration::from_secs(2);
/// The time to live of the rival, which is not in the way of the fault.
const RIVAL_TTL: Duration = Duration::from_secs(5);

/// What this process uses is counted, so there is one stage at a time in it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Three servers of one store, on which one course after the other is run.
///
/// It needs a runtime of several threads.
#[derive(Debug)]
pub struct Stage {
    pub(super) store: Store,
    pub(super) ensemble: Ensemble,
    pub(super) addresses: Vec<SocketAddr>,
    courses: usize,
    _alone: MutexGuard<'static, ()>,
}

/// A course under way.
pub(super) struct Scene<'s> {
    pub(super) stage: &'s mut Stage,
    /// The course's own number.
    pub(super) number: usize,
    pub(super) ttl: Duration,
    /// The server that the holder talks to.
    pub(super) target: usize,
    pub(super) ways: Vec<Way>,
    pub(super) watcher_ways: Vec<Way>,
    pub(super) claims: Arc<Claims>,
    pub(super) holder: Member,
    pub(super) rival: Member,
    pub(super) watcher: Member,
    /// Other means of access, without a fault in its way.
    pub(super) tool: Arc<dyn Dcs>,
}

/// Waits until something is so.
pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + LONGEST_WAIT;
    while !is_so() {
        assert!(Instant::now() < limit, "waited in vain until {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

impl Stage {
    /// Starts the servers.
    ///
    /// # Panics
    /// When they do not come up.
    pub async fn start(store: Store) -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let ensemble = block_in_place(|| Ensemble::start(store));
        Self {
            store,
            addresses: ensemble.addresses(),
            ensemble,
            courses: 0,
            _alone: alone,
        }
    }

    /// Runs a course, and gives what it showed.
    ///
    /// # Panics
    /// When something is not as it must be.
    pub async fn run(&mut self, course: Course) -> Report {
        let before = self.usage();
        let Course { fault, .. } = course;
        assert!(fault.concerns(self.store), "{fault} does not concern it");
        let mut scene = Scene::set(self, &course).await;
        let begin = Instant::now();
        let spent = processor_time();
        scene.strike(fault, course.lasts).await;
        let lasted = begin.elapsed();
        let processor = (processor_time() - spent).as_secs_f64() / lasted.as_secs_f64();
        let recovery = scene.recover(fault).await;
        let report = scene.report(&course, begin, lasted, recovery, processor);
        scene.end(fault, before).await;
        report.judge(&course);
        report
    }

    /// A client of its own, without a fault in its way.
    pub(super) fn access(&self) -> Arc<dyn Dcs> {
        access(self.store, &self.addresses, Limits::default())
    }

    fn access_by(&self, ways: &[Way], ttl: Duration) -> Arc<dyn Dcs> {
        let addresses: Vec<SocketAddr> = ways.iter().map(Way::address).collect();
        access(self.store, &addresses, limits(ttl))
    }

    fn usage(&self) -> Usage {
        let mut usage = Usage::now();
        usage.tasks -= self.ensemble.connections_between();
        usage
    }
}

impl<'s> Scene<'s> {
    /// A holder that has the lock and talks to the server that the fault is about.
    async fn set(stage: &'s mut Stage, course: &Course) -> Self {
        stage.courses += 1;
        let leader = stage.ensemble.leader().await;
        let target = match Self::is_at_leader(course.fault) {
            true => leader,
            false => (leader + 1) % stage.addresses.len(),
        };
        let ttl = course.ttl;
        let ways_to = |addresses: &[SocketAddr]| -> Vec<Way> {
            addresses.iter().copied().map(Way::to).collect()
        };
        let client = |ways: &[Way]| stage.access_by(ways, ttl);
        let ways = ways_to(&stage.addresses);
        let watcher_ways = ways_to(&stage.addresses);
        let claims = Arc::new(Claims::default());
        for (number, way) in ways.iter().enumerate() {
            if number != target {
                way.set(Mode::Refused);
            }
        }
        let start = |role, dcs, ttl| Member::start(role, dcs, ttl, Arc::clone(&claims));
        let holder = start(Role::Holder, client(&ways), ttl);
        let watcher = start(Role::Watcher, client(&watcher_ways), ttl);
        until("the holder has the lock", || holder.standing.borrow().holds).await;
        let rival = access(stage.store, &stage.addresses, limits(RIVAL_TTL));
        let rival = start(Role::Rival, rival, RIVAL_TTL);
        let tool = stage.access();
        let scene = Self {
            number: stage.courses,
            stage,
            ttl,
            target,
            ways,
            watcher_ways,
            claims,
            holder,
            rival,
            watcher,
            tool,
        };
        scene.is_told().await;
        let since = Instant::now();
        scene.holder_is_well(since).await;
        until("the rival waits", || {
            scene.rival.calls.summary(since).made > 0
        })
        .await;
        scene.ways.iter().for_each(|way| way.set(Mode::Open));
        scene
    }

    /// Those who have seen a store that is no more, and open no session that would accept the
    /// present one, begin anew.
    pub(super) async fn begin_anew(&mut self) {
        self.tool = self.stage.access();
        let client = self.stage.access_by(&self.watcher_ways, self.ttl);
        let watcher = Member::start(Role::Watcher, client, self.ttl, Arc::clone(&self.claims));
        std::mem::replace(&mut self.watcher, watcher).leave().await;
    }

    /// Waits until the holder has the lock and has renewed it since.
    pub(super) async fn holder_is_well(&self, since: Instant) {
        until("the holder has the lock and renews it", || {
            let standing = self.holder.standing.borrow();
            standing.holds && standing.renewed.is_some_and(|sent| sent > since)
        })
        .await;
    }

    /// Waits until both watches have told of a change.
    async fn is_told(&self) {
        let marker = self.mark("told").await;
        for member in [&self.holder, &self.watcher] {
            let mut told = member.told.clone();
            let tells = told.wait_for(|keys| keys.contains(&marker));
            let told = tokio::time::timeout(LONGEST_WAIT, tells).await;
            assert!(told.is_ok(), "a watch does not deliver");
        }
        self.delete(marker).await;
    }

    async fn recover(&mut self, fault: Fault) -> Duration {
        let healed = Instant::now();
        self.holder_is_well(healed).await;
        self.is_told().await;
        let recovery = healed.elapsed();
        for member in [&mut self.holder, &mut self.rival, &mut self.watcher] {
            member.check();
        }
        let most = self.stage.addresses.len();
        for ways in [&self.ways, &self.watcher_ways] {
            until("no more connections are open than are of use", || {
                ways.iter().map(Way::connections).sum::<usize>() <= most
            })
            .await;
        }
        if let Some((one, other)) = self.claims.conflict() {
            panic!("{fault}: two owners at once: {one:?} and {other:?}");
        }
        recovery
    }

    fn report(
        &self,
        course: &Course,
        begin: Instant,
        lasted: Duration,
        recovery: Duration,
        processor: f64,
    ) -> Report {
        let claims = self.claims.of(Role::Holder);
        let gap = claims.iter().map(super::claims::Claim::gap).sum();
        let ending = if claims.len() > 1 {
            Ending::Lost
        } else if gap > Duration::ZERO {
            Ending::KeptWithGap(gap)
        } else {
            Ending::Kept
        };
        let granted = self.holder.standing.borrow().granted;
        Report {
            store: self.stage.store,
            fault: course.fault,
            ttl: course.ttl,
            granted: granted.unwrap_or_default(),
            lasted,
            calls: self.holder.calls.summary(begin),
            ending,
            margin: self.claims.shortest_margin(Role::Holder),
            recovery,
            processor,
        }
    }

    /// Everybody leaves, and nothing may be left.
    async fn end(self, fault: Fault, before: Usage) {
        let Self {
            stage,
            ways,
            watcher_ways,
            holder,
            rival,
            watcher,
            tool,
            ..
        } = self;
        holder.leave().await;
        rival.leave().await;
        watcher.leave().await;
        drop(tool);
        let open = || {
            let all = ways.iter().chain(&watcher_ways);
            all.map(Way::connections).sum::<usize>()
        };
        until("the connections are closed", || open() == 0).await;
        drop((ways, watcher_ways));
        let limit = Instant::now() + LONGEST_WAIT;
        while !stage.usage().is_within(before) {
            let now = stage.usage();
            let is_late = Instant::now() > limit;
            assert!(!is_late, "{fault}: {now:?} are left, {before:?} before");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Report {
    fn judge(&self, course: &Course) {
        let (fault, calls) = (self.fault, &self.calls);
        let limit = limits(course.ttl).call + SLACK;
        assert!(calls.longest < limit, "a call outlasts its limit: {self}");
        let is_busy = self.processor > BUSY && self.lasted > LONG_ENOUGH;
        assert!(!is_busy, "a busy loop: {self}");
        if fault == Fault::PutBack {
            let noticed = calls.errors.contains_key("store-replaced");
            assert!(noticed, "nobody notices it: {self}");
        }
        if fault == Fault::ShortGrant {
            assert!(self.granted < course.ttl, "it is not shorter: {self}");
        }
        if fault.ends_the_lease() {
            assert!(self.margin.is_some(), "nobody else has had it: {self}");
        }
        if let (Fault::LeaderHung, Store::ZooKeeper, Ending::KeptWithGap(gap)) =
            (fault, self.store, self.ending)
        {
            // The followers' election, and the holder's next attempt, are all that may be added.
            let limit = FOLLOWERS_NOTICE + LONGEST_ELECTION;
            assert!(gap < limit, "without proof for too long: {self}");
        }
        if !course.is_strict {
            return;
        }
        let is_kept = self.ending == Ending::Kept;
        match fault.promise(self.store) {
            Promise::Nothing => {}
            Promise::Lock => assert!(self.ending != Ending::Lost, "the lock is lost: {self}"),
            Promise::Claim => assert!(is_kept, "the lock is not kept: {self}"),
            Promise::ClaimAndPace => {
                assert!(is_kept, "the lock is not kept: {self}");
                let third = course.ttl / 3;
                assert!(calls.longest_renewal <= third, "a slow renewal: {self}");
            }
        }
    }
}
