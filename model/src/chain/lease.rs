//! A replica's side of its lease: the right to answer reads without asking another actor.
//!
//! See [`coordinator`](crate::coordinator), section "Leases". A lease is counted from when the
//! heartbeat that asked for it was *sent*: its timer is set then, not when the grants arrive. So
//! each heartbeat has a timer of its own, as long as it may become the lease, and grants may take
//! longer than the time between two heartbeats.

use stateright::actor::Id;
use std::collections::BTreeSet;

/// How many heartbeats may wait for their grants, or be the lease; more than are sent in a lease's
/// time.
const SLOTS: u8 = 8;

/// What a replica knows of its lease. All of it is volatile, but for `boot`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lease {
    /// Which start of the replica this is. Invariant: greater than at any earlier start. So grants
    /// of an earlier start answer nothing.
    pub boot: u32,
    /// The number of the newest heartbeat. Invariant: grows with each.
    pub n: u64,
    /// Heartbeats whose time is not over, newer than the one that is held, by number. Invariant: no
    /// two have the same slot.
    pub asked: Vec<Heartbeat>,
    /// The newest heartbeat that a majority has granted a lease for, while its time is not over.
    pub held: Option<Heartbeat>,
}

/// A heartbeat that was sent.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Heartbeat {
    /// Its number.
    pub n: u64,
    /// Which of the timers was set when it was sent.
    pub slot: u8,
    /// The coordinators that have granted it.
    pub grants: BTreeSet<Id>,
}

impl Lease {
    /// Whether reads may be answered.
    pub fn is_live(&self) -> bool {
        self.held.is_some()
    }

    /// Every heartbeat whose time is not over.
    pub fn counted(&self) -> impl Iterator<Item = &Heartbeat> {
        self.held.iter().chain(&self.asked)
    }

    /// A heartbeat is sent that asks for no lease: the number for it.
    pub(super) fn number(&mut self) -> u64 {
        self.n += 1;
        self.n
    }

    /// A heartbeat is sent that may become the lease: the number for it, and the timer that counts
    /// its time. Where all timers are taken, the oldest heartbeat that waits is given up for it.
    pub(super) fn ask(&mut self, has_own_timers: bool) -> (u64, u8) {
        let n = self.number();
        if !has_own_timers {
            self.asked.push(Heartbeat { n, slot: 0, grants: BTreeSet::new() });
            return (n, 0);
        }
        let free = (0..SLOTS).find(|slot| self.counted().all(|heartbeat| heartbeat.slot != *slot));
        let slot = free.unwrap_or_else(|| self.asked.remove(0).slot);
        self.asked.push(Heartbeat { n, slot, grants: BTreeSet::new() });
        (n, slot)
    }

    /// Whether a grant for this heartbeat would count.
    pub(super) fn awaits(&self, src: Id, n: u64) -> bool {
        self.asked.iter().any(|asked| asked.n == n && !asked.grants.contains(&src))
    }

    /// Counts a grant that it [`awaits`](Self::awaits). With a majority the heartbeat becomes the
    /// lease, and the timers of those before it are returned: they are not needed any more.
    pub(super) fn count(&mut self, src: Id, n: u64, majority: usize) -> Vec<u8> {
        let Some(place) = self.asked.iter().position(|asked| asked.n == n) else {
            return Vec::new();
        };
        self.asked[place].grants.insert(src);
        if self.asked[place].grants.len() < majority {
            return Vec::new();
        }
        let newer = self.asked.split_off(place + 1);
        let granted = self.asked.pop();
        let older = std::mem::replace(&mut self.asked, newer);
        let before = std::mem::replace(&mut self.held, granted);
        before.iter().chain(&older).map(|before| before.slot).collect()
    }

    /// A timer ended: what it counted is over.
    pub(super) fn lapse(&mut self, slot: u8) {
        self.asked.retain(|asked| asked.slot != slot);
        self.held = self.held.take().filter(|held| held.slot != slot);
    }

    /// Everything is over; these timers counted it.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let slots = self.counted().map(|heartbeat| heartbeat.slot).collect();
        self.asked.clear();
        self.held = None;
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_under_another_timer() {
        let (a, b, c) = (Id::from(7), Id::from(8), Id::from(9));
        let mut lease = Lease::default();
        assert_eq!(lease.ask(true), (1, 0));
        assert!(lease.awaits(a, 1) && !lease.awaits(a, 2));
        assert!(lease.count(a, 1, 2).is_empty());
        assert!(!lease.awaits(a, 1) && !lease.is_live(), "one vote is one vote");
        assert!(lease.count(b, 1, 2).is_empty());
        assert!(lease.is_live() && !lease.awaits(c, 1));
        assert_eq!(lease.ask(true), (2, 1));
        assert_eq!(lease.ask(true), (3, 2));
        assert!(lease.count(a, 2, 2).is_empty() && lease.count(a, 3, 2).is_empty());
        assert_eq!(lease.count(b, 2, 2), [0], "grants may come when later heartbeats are out");
        assert_eq!(lease.count(c, 3, 2), [1]);
        lease.lapse(1);
        assert!(lease.is_live());
        lease.lapse(2);
        assert!(!lease.is_live());
    }

    #[test]
    fn a_late_grant_does_not_bring_an_older_heartbeat_back() {
        let (a, b) = (Id::from(7), Id::from(8));
        let mut lease = Lease::default();
        lease.ask(true);
        lease.ask(true);
        lease.count(a, 1, 2);
        lease.count(a, 2, 2);
        assert_eq!(lease.count(b, 2, 2), [0]);
        assert!(!lease.awaits(b, 1), "the newer one is held");
        assert_eq!(lease.end(), [1]);
        assert!(!lease.is_live());
    }

    #[test]
    fn timers_are_bounded() {
        let mut lease = Lease::default();
        let slots: Vec<_> = (0..20).map(|_| lease.ask(true).1).collect();
        assert!(slots.iter().all(|slot| *slot < SLOTS));
        assert_eq!(lease.asked.len(), usize::from(SLOTS));
        assert!(!lease.awaits(Id::from(7), 12) && lease.awaits(Id::from(7), 13));
    }
}
