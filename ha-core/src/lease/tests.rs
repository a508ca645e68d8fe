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

/// A view comes in.
fn see(lease: &mut Lease, now: Mono, view: Revision, leader: Option<&LeaderKey>) {
    lease.observe(now, &MemberName::from("a"), view, leader);
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
    see(&mut lease, seconds(101), Revision(6), None);
    assert_eq!(lease.leadership(), Some(Generation(7)));
    see(&mut lease, seconds(101), Revision(7), None);
    assert_eq!(lease.hold(seconds(101)), Hold::Lost);
}

#[test]
fn a_key_bound_to_our_session_settles_an_unknown_acquisition() {
    let mut lease = Lease::default();
    lease.opened(SessionName::from("s"), TTL, TTL, seconds(100));
    see(
        &mut lease,
        seconds(101),
        Revision(9),
        Some(&key(8, 8, "other")),
    );
    assert_eq!(lease.leadership(), None);
    see(&mut lease, seconds(101), Revision(9), Some(&key(9, 9, "s")));
    assert_eq!(lease.leadership(), Some(Generation(9)));
}

#[test]
fn a_refused_leadership_does_not_come_back_from_an_old_view() {
    let mut lease = held();
    lease.leadership_lost();
    see(&mut lease, seconds(101), Revision(9), Some(&key(7, 7, "s")));
    assert_eq!(lease.leadership(), None);
}

#[test]
fn a_key_that_was_bound_to_us_anew_is_no_old_one() {
    let mut lease = held();
    lease.leadership_lost();
    see(&mut lease, seconds(101), Revision(9), Some(&key(7, 9, "s")));
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
    see(
        &mut lease,
        seconds(101),
        Revision(19),
        Some(&key(3, 3, "earlier run")),
    );
    assert_eq!(lease.leadership(), Some(Generation(3)));
    see(
        &mut lease,
        seconds(101),
        Revision(20),
        Some(&key(3, 20, "s")),
    );
    assert_eq!(lease.leadership(), Some(Generation(3)));
}

/// A lease whose session ends at 130 s, promised by the others until 140 s.
fn promised() -> Lease {
    let mut lease = held();
    lease.promised(seconds(112), seconds(140), TTL);
    lease
}

#[test]
fn promises_prolong_a_leadership_that_has_not_run_out() {
    let lease = promised();
    let fence = seconds(140).minus(Duration::from_millis(500));
    assert_eq!(lease.fence_at(), Some(fence));
    assert_eq!(lease.hold(seconds(131)), Hold::Firm);
    assert_eq!(lease.hold(fence), Hold::Over);
    // A renewal that goes further counts.
    let mut lease = promised();
    lease.renewed(seconds(120));
    assert!(lease.fence_at() > Some(fence));
}

#[test]
fn promises_that_come_when_it_has_run_out_prove_nothing() {
    let mut lease = held();
    let fence = lease.fence_at().expect("a limit");
    lease.promised(fence, seconds(160), TTL);
    assert_eq!(lease.hold(fence), Hold::Over);
    lease.promised(Mono(fence.0 - 1), seconds(160), TTL);
    assert_eq!(lease.hold(fence), Hold::Firm);
}

#[test]
fn a_lost_session_leaves_a_promised_leadership_to_be_taken_anew() {
    let mut lease = promised();
    lease.session_lost(seconds(120));
    assert!(lease.is_key_gone());
    assert_eq!(lease.hold(seconds(120)), Hold::Firm);
    lease.opened(SessionName::from("t"), TTL, TTL, seconds(121));
    // The new session proves nothing about the key.
    assert_eq!(lease.hold(seconds(140)), Hold::Over);
    see(&mut lease, seconds(122), Revision(9), None);
    assert_eq!(lease.leadership(), Some(Generation(7)));
    see(
        &mut lease,
        seconds(123),
        Revision(10),
        Some(&key(10, 10, "t")),
    );
    assert_eq!(lease.leadership(), Some(Generation(10)));
    assert_eq!(lease.hold(seconds(141)), Hold::Firm);
}

#[test]
fn another_leader_ends_a_promised_leadership() {
    let mut lease = promised();
    lease.session_lost(seconds(120));
    see(
        &mut lease,
        seconds(121),
        Revision(9),
        Some(&key(9, 9, "other")),
    );
    assert_eq!(lease.hold(seconds(121)), Hold::Lost);
    let mut lease = promised();
    see(
        &mut lease,
        seconds(121),
        Revision(9),
        Some(&key(9, 9, "other")),
    );
    assert_eq!(lease.hold(seconds(121)), Hold::Lost);
    // A tool that writes another name keeps the generation.
    let mut lease = promised();
    let named = LeaderKey {
        name: "b".into(),
        session: None,
        ..key(7, 9, "s")
    };
    see(&mut lease, seconds(121), Revision(9), Some(&named));
    assert_eq!(lease.hold(seconds(121)), Hold::Lost);
}

#[test]
fn an_old_view_does_not_give_back_a_key_that_is_gone() {
    let mut lease = promised();
    lease.key_lost(seconds(120));
    see(&mut lease, seconds(121), Revision(8), Some(&key(7, 7, "s")));
    assert!(lease.is_key_gone());
    see(&mut lease, seconds(121), Revision(9), Some(&key(7, 9, "s")));
    assert!(!lease.is_key_gone());
}

#[test]
fn a_request_for_the_key_bounds_promises_by_the_session_it_was_sent_in() {
    let mut lease = promised();
    lease.session_lost(seconds(105));
    let ttl = Duration::from_secs(10);
    lease.opened(SessionName::from("t"), ttl, ttl, seconds(106));
    lease.retaking();
    assert_eq!(lease.hold(seconds(116)), Hold::Over);
    // A refusal is an end of it, unless an earlier request may still be applied.
    lease.not_retaken(true);
    assert_eq!(lease.hold(seconds(116)), Hold::Firm);
    lease.retaking();
    lease.not_retaken(false);
    lease.retaking();
    lease.not_retaken(true);
    assert_eq!(lease.hold(seconds(116)), Hold::Over);
    lease.session_lost(seconds(107));
    assert_eq!(lease.leadership(), None);
}

#[test]
fn a_longer_list_makes_promises_worthless() {
    let mut lease = promised();
    lease.forget_promises();
    assert!(lease.fence_at() < Some(seconds(130)));
}

#[test]
fn each_of_the_two_has_its_own_margins() {
    let ttl = Duration::from_secs(6);
    let mut lease = Lease::default();
    lease.opened(SessionName::from("s"), ttl, ttl, seconds(100));
    lease.acquired(Generation(7), Revision(7));
    // Promised for 30 s, which ends a moment later than a session of 6 s.
    lease.promised(seconds(101), seconds(107), TTL);
    let step_down = seconds(106).minus(ttl / 1000 + Duration::from_millis(500) + ttl / 6);
    assert_eq!(lease.step_down_at(), Some(step_down));
    assert_eq!(
        lease.fence_at(),
        Some(seconds(107).minus(Duration::from_millis(500)))
    );
}
