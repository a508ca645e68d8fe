//! How long etcd lets a session live.
//!
//! Time is the subject here. An instant taken before a call is not after the store heard of it, and
//! one taken after the answer is not before.

use std::time::Duration;

use futures_util::future::join_all;
use herdsman_dcs::etcd::{EtcdDcs, EtcdOptions};
use herdsman_dcs::test_servers::EtcdServers;
use herdsman_dcs::{
    Dcs as _, Error, Key, Lifetime, Limits, Prefix, Renewal, Session, Watch, WatchEvent,
};
use herdsman_tests::etcd_metrics::leading;
use tokio::time::{Instant, sleep, sleep_until};

use super::model;

/// The shortest that etcd grants with its default timing.
const TTL: Duration = Duration::from_secs(2);
/// How often etcd looks for leases whose time is over.
const TICK: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

fn prefix() -> Prefix {
    Prefix::new("/service/demo").unwrap()
}

fn key(number: usize) -> Key {
    prefix().key(&format!("lock-{number}")).unwrap()
}

fn access(servers: &EtcdServers) -> EtcdDcs {
    let limits = Limits {
        call: Duration::from_secs(20),
        attempt: Duration::from_secs(5),
    };
    let options = EtcdOptions::new(servers.endpoints()).unwrap();
    EtcdDcs::new(options.limits(limits))
}

/// A session with a key that shows its end.
async fn session(dcs: &EtcdDcs, number: usize, ttl: Duration) -> Session {
    let session = dcs.open(ttl).await.unwrap();
    assert_eq!(session.ttl, ttl);
    let put = dcs.put(Some(&session), key(number), vec![], Lifetime::Session);
    assert!(put.await.unwrap().is_applied());
    session
}

/// When each of these keys was seen to be gone.
async fn ends(mut watch: Watch, count: usize) -> Vec<Instant> {
    let mut ends = vec![None; count];
    let all_ended = async {
        while ends.iter().any(Option::is_none) {
            let event = watch.next().await;
            let at = Instant::now();
            for (number, end) in ends.iter_mut().enumerate() {
                let is_gone = match &event {
                    WatchEvent::Listed(snapshot) => {
                        // The first list is made when all keys are there.
                        snapshot.get(&key(number)).is_none()
                    }
                    WatchEvent::Changed { changes, .. } => {
                        let mut changes = changes.iter();
                        changes.any(|change| change.key == key(number) && change.entry.is_none())
                    }
                    WatchEvent::Interrupted(_) => false,
                };
                if is_gone && end.is_none() {
                    *end = Some(at);
                }
            }
        }
    };
    let all_ended = tokio::time::timeout(LONG, all_ended).await;
    all_ended.expect("every session ends");
    ends.into_iter().flatten().collect()
}

#[tokio::test]
async fn session_ends_between_its_ttl_and_a_tick_later() {
    const COUNT: usize = 20;
    let servers = EtcdServers::single();
    let dcs = access(&servers);
    let begun = Instant::now();
    let open = |number: usize| {
        let dcs = &dcs;
        async move {
            // Spread over more than a tick.
            sleep_until(begun + Duration::from_millis(37) * u32::try_from(number).unwrap()).await;
            session(dcs, number, TTL).await
        }
    };
    let sessions = join_all((0..COUNT).map(open)).await;
    let watch = dcs.watch(&prefix()).await.unwrap();
    let renewals = sessions.iter().enumerate().map(|(number, session)| {
        let dcs = &dcs;
        async move {
            sleep(Duration::from_millis(29) * u32::try_from(number).unwrap()).await;
            let sent = Instant::now();
            assert_eq!(dcs.renew(session, &[]).await, Ok(Renewal::Held));
            (sent, Instant::now())
        }
    });
    let (renewed, ended) = tokio::join!(join_all(renewals), ends(watch, COUNT));

    let times = renewed.iter().zip(&ended);
    let late: Vec<Duration> = times
        .clone()
        .map(|((sent, _), ended)| (*ended - *sent).saturating_sub(TTL))
        .collect();
    eprintln!(
        "later than the ttl by {:?} to {:?}",
        late.iter().min().unwrap(),
        late.iter().max().unwrap()
    );
    for ((sent, answered), ended) in times {
        assert!(*ended >= *sent + TTL, "after {:?}", *ended - *sent);
        let latest = *answered + TTL + TICK + SLACK;
        assert!(*ended < latest, "after {:?}", *ended - *answered);
    }
    let [earliest, latest] = model::session_ends(TTL, TICK);
    assert!(earliest >= TTL && latest <= TTL + TICK);
}

/// The lease is over and still there: etcd lets the renewal wait until it is gone.
#[tokio::test]
async fn renewal_after_the_ttl_fails_although_the_session_is_not_removed_yet() {
    const COUNT: usize = 20;
    let servers = EtcdServers::single();
    let dcs = access(&servers);
    let begun = Instant::now();
    let try_late = |number: usize| {
        let dcs = &dcs;
        async move {
            sleep_until(begun + Duration::from_millis(37) * u32::try_from(number).unwrap()).await;
            let session = session(dcs, number, TTL).await;
            assert_eq!(dcs.renew(&session, &[]).await, Ok(Renewal::Held));
            let over = Instant::now() + TTL;
            sleep_until(over + Duration::from_millis(20)).await;
            let there = dcs.snapshot(&prefix()).await.unwrap();
            let was_there = there.get(&key(number)).is_some();
            let sent = Instant::now();
            let renewal = dcs.renew(&session, &[]).await;
            (was_there, renewal, sent.elapsed())
        }
    };
    let tried = join_all((0..COUNT).map(try_late)).await;

    let in_between: Vec<_> = tried.iter().filter(|(was_there, ..)| *was_there).collect();
    let waited = in_between.iter().map(|(_, _, waited)| *waited);
    eprintln!(
        "{} of {COUNT} found the key of an ended session and waited for up to {:?}",
        in_between.len(),
        waited.max()
    );
    assert!(!in_between.is_empty(), "no attempt came in between");
    for (_, renewal, _) in &tried {
        assert!(
            matches!(renewal, Err(Error::SessionLost { .. })),
            "{renewal:?}"
        );
    }
    let left = dcs.snapshot(&prefix()).await.unwrap();
    assert!(left.entries.is_empty(), "{left:?}");
}

#[tokio::test]
async fn sessions_have_their_whole_ttl_again_after_a_new_leader_of_the_store() {
    let ttl = Duration::from_secs(4);
    let mut servers = EtcdServers::cluster_of_three();
    let dcs = access(&servers);
    let session = session(&dcs, 0, ttl).await;
    let watch = dcs.watch(&prefix()).await.unwrap();
    let sent = Instant::now();
    assert_eq!(dcs.renew(&session, &[]).await, Ok(Renewal::Held));
    // Most of its time is over when the leader dies.
    sleep_until(sent + ttl * 3 / 4).await;
    let leader = leading(&servers.endpoints()).expect("one of them leads");
    let killed = Instant::now();
    servers.kill(leader);

    let ended = ends(watch, 1).await[0];

    eprintln!(
        "ended {:?} after the last renewal, {:?} after the leader's death",
        ended - sent,
        ended - killed
    );
    assert!(ended >= killed + ttl, "{:?}", ended - killed);
    assert!(ended < killed + ttl + LONG / 4, "{:?}", ended - killed);
}

#[tokio::test]
async fn sessions_have_their_whole_ttl_again_after_a_restart_of_the_store() {
    let mut servers = EtcdServers::single();
    let dcs = access(&servers);
    let (kept, left) = tokio::join!(session(&dcs, 0, TTL), session(&dcs, 1, TTL));
    servers.kill(0);
    // Their time is over while nobody can say so.
    sleep(TTL * 2).await;
    let restarted = Instant::now();
    servers.restart(0);
    servers.wait_until_all_answer();

    assert_eq!(dcs.renew(&kept, &[]).await, Ok(Renewal::Held));
    let watch = dcs.watch(&prefix()).await.unwrap();
    let ended = ends(watch, 2).await[1];
    eprintln!("{left:?} ended {:?} after the restart", ended - restarted);
    assert!(ended >= restarted + TTL, "{:?}", ended - restarted);
}

#[tokio::test]
async fn sessions_whose_time_ran_out_while_the_store_hung_are_lost_when_it_goes_on() {
    let servers = EtcdServers::single();
    let dcs = access(&servers);
    let session = session(&dcs, 0, TTL).await;
    servers.stop(0);
    sleep(TTL * 2).await;
    servers.cont(0);

    let renewal = dcs.renew(&session, &[]).await;

    assert!(
        matches!(renewal, Err(Error::SessionLost { .. })),
        "{renewal:?}"
    );
}
