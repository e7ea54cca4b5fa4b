//! A replica's side of its lease: the right to answer reads without asking anyone.
//!
//! See [`coordinator`](crate::coordinator), section "Leases". A lease is counted from when the heartbeat
//! that asked for it was *sent*: its timer is set then, not when the grants arrive. So two timers take
//! turns, one for the lease that is held and one for the heartbeat that is to renew it.

use stateright::actor::Id;
use std::collections::BTreeSet;

/// What a replica knows of its lease. All of it is volatile, but for `boot`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Lease {
    /// Which start of the replica this is. Invariant: greater than at any earlier start. So grants of an
    /// earlier start answer nothing.
    pub boot: u32,
    /// The number of the newest heartbeat. Invariant: grows with each.
    pub n: u64,
    /// The newest heartbeat, while its time is not over and it has not become the lease.
    pub asked: Option<Heartbeat>,
    /// The heartbeat that a majority has granted a lease for, while its time is not over.
    pub held: Option<Heartbeat>,
}

/// A heartbeat that was sent.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Heartbeat {
    /// Its number.
    pub n: u64,
    /// Which of the two timers was set when it was sent.
    pub slot: u8,
    /// The coordinators that have granted it.
    pub grants: BTreeSet<Id>,
}

impl Lease {
    /// Whether reads may be answered.
    pub fn is_live(&self) -> bool {
        self.held.is_some()
    }

    /// A heartbeat is sent: the number for it, and the timer that counts its time, if it is to become a
    /// lease.
    pub(super) fn ask(&mut self, for_lease: bool) -> (u64, u8) {
        self.n += 1;
        let slot = self.held.as_ref().map_or(0, |held| 1 - held.slot);
        self.asked = for_lease.then(|| Heartbeat { n: self.n, slot, grants: BTreeSet::new() });
        (self.n, slot)
    }

    /// Whether a grant for this heartbeat would count.
    pub(super) fn awaits(&self, src: Id, n: u64) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.n == n && !asked.grants.contains(&src))
    }

    /// Counts a grant that it [`awaits`](Self::awaits). With a majority the heartbeat becomes the lease,
    /// and the timer of the one before it is returned.
    pub(super) fn count(&mut self, src: Id, majority: usize) -> Option<u8> {
        let asked = self.asked.as_mut()?;
        asked.grants.insert(src);
        if asked.grants.len() < majority {
            return None;
        }
        let before = std::mem::replace(&mut self.held, self.asked.take());
        before.map(|before| before.slot)
    }

    /// A timer ended: what it counted is over.
    pub(super) fn lapse(&mut self, slot: u8) {
        self.asked = self.asked.take().filter(|asked| asked.slot != slot);
        self.held = self.held.take().filter(|held| held.slot != slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_under_the_other_timer() {
        let (a, b, c) = (Id::from(7), Id::from(8), Id::from(9));
        let mut lease = Lease::default();
        assert_eq!(lease.ask(true), (1, 0));
        assert!(lease.awaits(a, 1) && !lease.awaits(a, 2));
        assert_eq!(lease.count(a, 2), None);
        assert!(!lease.awaits(a, 1) && !lease.is_live(), "one vote is one vote");
        assert_eq!(lease.count(b, 2), None);
        assert!(lease.is_live() && !lease.awaits(c, 1));
        assert_eq!(lease.ask(true), (2, 1));
        assert_eq!(lease.ask(true), (3, 1), "what was asked last counts");
        assert!(!lease.awaits(a, 2));
        assert_eq!(lease.count(a, 1), Some(0), "the timer of the first is not needed any more");
        lease.lapse(0);
        assert!(lease.is_live());
        lease.lapse(1);
        assert!(!lease.is_live());
    }
}
