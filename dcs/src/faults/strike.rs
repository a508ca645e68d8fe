//! How each fault is done and undone.

use std::time::Duration;

use tokio::task::block_in_place;
use tokio::time::{Instant, sleep, timeout};

use super::clock::{Direction, SteppedClock};
use super::course::{LONGEST_WAIT, Scene, until};
use super::member::{key, lock};
use super::servers::{COUNT, LONGEST_GRANT, plain_etcd};
use super::tools;
use super::way::Mode;
use super::{Fault, Store};
use crate::{Commit, Key, Lifetime, SessionId};

/// The time in which a store elects a new leader, and a rival gets to know of an expiry.
const ELECTION: Duration = Duration::from_secs(4);
/// What part of the time to live an answer needs when the store is slow: a renewal takes several.
const SLOWNESS: u32 = 30;
/// How long a watch may take to notice that it is silent.
const NOTICE: Duration = Duration::from_secs(20);

impl Scene<'_> {
    /// Whether the holder is to be at the store's leader when the fault comes.
    pub(super) const fn is_at_leader(fault: Fault) -> bool {
        matches!(fault, Fault::LeaderHung | Fault::LeaderResumed)
    }

    /// Does it for as long as it is to last, and undoes it.
    pub(super) async fn strike(&mut self, fault: Fault, lasts: Duration) {
        let target = self.target;
        let expiry = self.ttl + ELECTION;
        match fault {
            Fault::MemberKilled => {
                self.stage.ensemble.kill(target);
                sleep(lasts).await;
                self.stage.ensemble.restart(target);
            }
            Fault::MemberHung | Fault::LeaderHung => {
                self.stage.ensemble.stop(target);
                sleep(lasts).await;
                self.stage.ensemble.cont(target);
            }
            Fault::AllKilled => {
                (0..COUNT).for_each(|number| self.stage.ensemble.kill(number));
                sleep(lasts).await;
                block_in_place(|| self.stage.ensemble.restart_all());
            }
            Fault::QuorumLost => {
                let others = [(target + 1) % COUNT, (target + 2) % COUNT];
                for number in others {
                    self.stage.ensemble.kill(number);
                }
                sleep(lasts).await;
                for number in others {
                    self.stage.ensemble.restart(number);
                }
            }
            Fault::Blackholed => self.on_the_way(Mode::Silent, lasts).await,
            Fault::AnswersLost => self.on_the_way(Mode::Deaf, lasts).await,
            Fault::SlowAnswers => {
                let late = self.ttl / SLOWNESS;
                self.ways.iter().for_each(|way| way.set(Mode::Slow(late)));
                sleep(lasts).await;
            }
            Fault::WatchSilent | Fault::Compaction => self.silent_watch(fault).await,
            Fault::SessionEnded => self.end_session().await,
            Fault::LockDeleted => self.delete_lock().await,
            Fault::LockOverwritten => self.overwrite_lock(lasts).await,
            Fault::FollowerCut => {
                self.stage.ensemble.cut_member(target, true);
                sleep(lasts).await;
                self.stage.ensemble.cut_member(target, false);
            }
            Fault::FollowerCutAlone => {
                self.refuse_others();
                self.stage.ensemble.cut_member(target, true);
                sleep(lasts.max(expiry)).await;
                self.stage.ensemble.cut_member(target, false);
            }
            Fault::ShortGrant => {
                self.ways.iter().for_each(|way| way.set(Mode::Silent));
                sleep(lasts.max(LONGEST_GRANT + Duration::from_secs(2))).await;
            }
            Fault::LeaderResumed => {
                self.refuse_others();
                self.stage.ensemble.stop(target);
                sleep(lasts.max(expiry)).await;
                self.stage.ensemble.cont(target);
                // What the holder sent to it is carried out, or not, before it reaches another.
                sleep(Duration::from_secs(1)).await;
            }
            Fault::PutBack => {
                block_in_place(|| self.stage.ensemble.back_up());
                block_in_place(|| self.stage.ensemble.restart_all());
                self.holder_is_well(Instant::now()).await;
                sleep(Duration::from_secs(1)).await;
                block_in_place(|| self.stage.ensemble.put_back());
                block_in_place(|| self.stage.ensemble.restart_all());
                self.begin_anew().await;
            }
            Fault::ClockStepped => {
                for direction in [Direction::Forwards, Direction::Backwards] {
                    let stepped = block_in_place(|| SteppedClock::by_an_hour(direction));
                    sleep(lasts / 2).await;
                    block_in_place(|| drop(stepped));
                }
                // Back for long enough that a renewal has been seen since.
                self.holder_is_well(Instant::now()).await;
            }
        }
        self.ways.iter().for_each(|way| way.set(Mode::Open));
        block_in_place(|| self.stage.ensemble.wait_until_all_serve());
    }

    async fn on_the_way(&self, mode: Mode, lasts: Duration) {
        self.ways[self.target].set(mode);
        sleep(lasts).await;
    }

    /// Leaves the holder with one server.
    fn refuse_others(&self) {
        for (number, way) in self.ways.iter().enumerate() {
            if number != self.target {
                way.set(Mode::Refused);
            }
        }
    }

    /// The watch must notice by itself, while its old connections stay silent.
    async fn silent_watch(&self, fault: Fault) {
        for way in &self.watcher_ways {
            way.silence_present();
        }
        if fault == Fault::Compaction {
            self.mark("forgotten").await;
            let mut etcd = plain_etcd(self.stage.addresses[self.target]).await;
            tools::compact(&mut etcd).await;
        }
        let marker = self.mark("unheard").await;
        let mut told = self.watcher.told.clone();
        let hears = told.wait_for(|keys| keys.contains(&marker));
        let heard = timeout(NOTICE, hears).await;
        assert!(heard.is_ok(), "{fault}: the watch does not notice");
        self.watcher_ways.iter().for_each(|way| way.set(Mode::Open));
    }

    fn session(&self) -> SessionId {
        let standing = self.holder.standing.borrow();
        standing.session.clone().expect("the holder has a session")
    }

    async fn end_session(&self) {
        let id = self.session();
        let begin = Instant::now();
        match self.stage.store {
            Store::Etcd => {
                let mut etcd = plain_etcd(self.stage.addresses[self.target]).await;
                tools::revoke(&mut etcd, &id).await;
            }
            Store::ZooKeeper => self.close_session(&id).await,
        }
        self.claims.void(begin);
    }

    /// The owner may be faster to come back to its session, so this is tried until it is gone.
    async fn close_session(&self, id: &SessionId) {
        let number = id.as_str().parse().expect("a session is a number");
        let mut standing = self.holder.standing.clone();
        let limit = Instant::now() + LONGEST_WAIT;
        loop {
            let granted = self.ways.iter().find_map(|way| way.granted(number));
            if let Some(granted) = granted {
                let server = self.stage.addresses[self.target];
                // What came of it shows in what the holder has.
                drop(timeout(NOTICE, tools::close(server, &granted)).await);
            }
            let is_gone = standing.wait_for(|standing| standing.session.as_ref() != Some(id));
            if timeout(self.ttl, is_gone).await.is_ok() {
                return;
            }
            assert!(Instant::now() < limit, "the session cannot be ended");
        }
    }

    async fn delete_lock(&self) {
        let begin = Instant::now();
        self.delete(lock()).await;
        self.claims.void(begin);
    }

    /// Deletes a key by other means, which takes several attempts if need be.
    pub(super) async fn delete(&self, key: Key) {
        let limit = Instant::now() + LONGEST_WAIT;
        loop {
            let delete = Commit::new().delete(key.clone());
            match self.tool.commit(None, delete).await {
                Ok(_) => return,
                Err(error) => assert!(Instant::now() < limit, "{key} stays: {error:?}"),
            }
        }
    }

    async fn overwrite_lock(&self, lasts: Duration) {
        let tool = &self.tool;
        let begin = Instant::now();
        let value = b"somebody".to_vec();
        let put = tool.put(None, lock(), value, Lifetime::Permanent).await;
        assert!(put.expect("the store answers").is_applied());
        self.claims.void(begin);
        until("the holder sees that its lock is gone", || {
            !self.holder.standing.borrow().holds
        })
        .await;
        sleep(lasts).await;
        self.delete(lock()).await;
    }

    /// Writes a key by other means, and gives it.
    pub(super) async fn mark(&self, name: &str) -> Key {
        let marker = key(&format!("{name}-{}", self.number));
        let tool = &self.tool;
        let limit = Instant::now() + LONGEST_WAIT;
        loop {
            let put = tool.put(None, marker.clone(), vec![], Lifetime::Permanent);
            match put.await {
                Ok(outcome) if outcome.is_applied() => return marker,
                other => assert!(Instant::now() < limit, "nothing can be written: {other:?}"),
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
