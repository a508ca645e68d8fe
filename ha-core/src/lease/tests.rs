//! When a lease counts, to the nanosecond.

use super::*;

const TTL: Duration = Duration::from_secs(30);

fn seconds(count: u64) -> Mono {
    Mono(count * 1_000_000_000)
}

fn held() -> Lease {
    let mut lease = Lease::default();
    lease.opened(SessionName::from("s"), TTL, TTL, seconds(100));
    lease.acquired(Generation(7), Revision(7));
    lease
}

/// The leader key of a generation as it was last written by a session.
fn key(generation: u64, written: u64, session: &str) -> LeaderKey {
    LeaderKey {
        name: "a".into(),
        generation: Generation(generation),
        revision: Revision(written),
        session: Some(SessionName::from(session)),
    }
}

#[test]
fn a_lease_counts_from_the_moment_the_request_was_sent() {
    let mut lease = held();
    lease.renewed(seconds(110));
    let grant = lease.grant(seconds(112)).expect("a grant");
    assert_eq!(grant.valid_until(), seconds(110).plus(TTL - TTL / 1000));
    assert_eq!(grant.generation(), Generation(7));
}

#[test]
fn an_older_renewal_that_is_confirmed_late_takes_nothing_back() {
    let mut lease = held();
    lease.renewed(seconds(110));
    lease.renewed(seconds(105));
    assert_eq!(
        lease.grant(seconds(112)).expect("a grant").valid_until(),
        seconds(110).plus(TTL - TTL / 1000)
    );
}

#[test]
fn hold_turns_exactly_at_its_limits() {
    let lease = held();
    let step_down = lease.step_down_at().expect("a limit");
    let fence = lease.fence_at().expect("a limit");
    assert!(step_down < fence && fence < lease.session().expect("a session").valid_until());
    assert_eq!(lease.hold(Mono(step_down.0 - 1)), Hold::Firm);
    assert_eq!(lease.hold(step_down), Hold::Ending);
    assert_eq!(lease.hold(Mono(fence.0 - 1)), Hold::Ending);
    assert_eq!(lease.hold(fence), Hold::Over);
    assert_eq!(lease.grant(fence), None);
}

#[test]
fn a_lost_session_takes_the_leadership_with_it() {
    let mut lease = held();
    lease.session_lost(seconds(101));
    assert_eq!(lease.hold(seconds(101)), Hold::Lost);
    assert_eq!(lease.grant(seconds(101)), None);
    lease.forget_loss();
    assert_eq!(lease.hold(seconds(101)), Hold::None);
}

#[test]
fn a_view_from_before_the_acquisition_does_not_undo_it() {
    let mut lease = held();
    lease.observe(Revision(6), None);
    assert_eq!(lease.leadership(), Some(Generation(7)));
    lease.observe(Revision(7), None);
    assert_eq!(lease.hold(seconds(101)), Hold::Lost);
}

#[test]
fn a_key_bound_to_our_session_settles_an_unknown_acquisition() {
    let mut lease = Lease::default();
    lease.opened(SessionName::from("s"), TTL, TTL, seconds(100));
    lease.observe(Revision(9), Some(&key(8, 8, "other")));
    assert_eq!(lease.leadership(), None);
    lease.observe(Revision(9), Some(&key(9, 9, "s")));
    assert_eq!(lease.leadership(), Some(Generation(9)));
}

#[test]
fn a_refused_leadership_does_not_come_back_from_an_old_view() {
    let mut lease = held();
    lease.leadership_lost();
    lease.observe(Revision(9), Some(&key(7, 7, "s")));
    assert_eq!(lease.leadership(), None);
}

#[test]
fn a_key_that_was_bound_to_us_anew_is_no_old_one() {
    let mut lease = held();
    lease.leadership_lost();
    lease.observe(Revision(9), Some(&key(7, 9, "s")));
    assert_eq!(lease.leadership(), Some(Generation(7)));
}

#[test]
fn failed_attempts_are_spaced() {
    let mut lease = held();
    lease.attempt_failed(seconds(110));
    assert!(lease.next_attempt() > seconds(110));
    assert!(lease.next_attempt() <= seconds(111));
}

#[test]
fn a_resumed_leadership_is_older_than_its_binding() {
    let mut lease = Lease::default();
    lease.opened(SessionName::from("s"), TTL, TTL, seconds(100));
    lease.acquired(Generation(3), Revision(20));
    lease.observe(Revision(19), Some(&key(3, 3, "earlier run")));
    assert_eq!(lease.leadership(), Some(Generation(3)));
    lease.observe(Revision(20), Some(&key(3, 20, "s")));
    assert_eq!(lease.leadership(), Some(Generation(3)));
}
