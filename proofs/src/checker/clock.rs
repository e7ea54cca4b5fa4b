//! What models know of time: which of two timers ends first.
//!
//! A model has no numbers on a clock. Its timers fire at any moment, in any order, but for one
//! rule, which is the only thing that is assumed of clocks: **of two timers, the one that was armed
//! earlier, for less time, ends first**, on whichever machines the two are. "For less" is a number,
//! because the clocks of two machines run at different rates: see [`ends_first`].
//!
//! So a [`Clock`] remembers, of each pair of pending timers for which that is known, that the one
//! waits for the other: armed later, for longer. When the other ends, is cancelled, armed again, or
//! is lost in a crash, the wait is over. Nothing else of the moments at which timers were armed is
//! part of a state.
//!
//! The rule speaks of timers, never of what they are for. That a grant outlasts the lease that
//! counts it has to *follow* from when, for how long and under which name the two are armed. A
//! runtime makes the rule true for a process that slept: what is due fires before any message is
//! handled.
//!
//! A model says which of its timers are measured so, and of which member's time each is; timers of
//! the time of different members are not compared, and all others fire at any moment. To compare
//! less is to assume less.

use chainring_model::coordinator::RATES;
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

/// A timer of an actor.
type Armed<Timer> = (Id, Timer);

/// Which of the pending timers end before which others.
#[derive(Clone, Debug, Hash, PartialEq)]
pub struct Clock<Timer: Ord> {
    /// The pending timers that are measured: of whose time, and for how long each was armed.
    lasts: BTreeMap<Armed<Timer>, (Id, Duration, Duration)>,
    /// Each with one that it waits for. Invariant: both are in `lasts`.
    waits: BTreeSet<(Armed<Timer>, Armed<Timer>)>,
}

/// Whether a timer that was armed for `earlier` ends before one that was armed after it, or in the
/// same moment, for `later`: the clock that measures the first runs at [`RATES`] of the other one's
/// rate at least.
pub fn ends_first(earlier: &Range<Duration>, later: &Range<Duration>) -> bool {
    let (slow, fast) = RATES;
    earlier.end * fast <= later.start * slow
}

impl<Timer: Ord> Default for Clock<Timer> {
    fn default() -> Self {
        Clock { lasts: BTreeMap::new(), waits: BTreeSet::new() }
    }
}

impl<Timer: Clone + Ord> Clock<Timer> {
    /// A timer of the time of `whose` is armed, perhaps again: now.
    pub fn arm(&mut self, id: Id, timer: &Timer, whose: Id, lasts: &Range<Duration>) {
        self.end(id, timer);
        let armed = (id, timer.clone());
        for (other, (of, start, end)) in &self.lasts {
            if *of == whose && ends_first(&(*start..*end), lasts) {
                self.waits.insert((armed.clone(), other.clone()));
            }
        }
        self.lasts.insert(armed, (whose, lasts.start, lasts.end));
    }

    /// A timer fires, or is cancelled.
    pub fn end(&mut self, id: Id, timer: &Timer) {
        let ended = (id, timer.clone());
        if self.lasts.remove(&ended).is_some() {
            self.waits.retain(|(waiting, other)| *waiting != ended && *other != ended);
        }
    }

    /// An actor crashes, and its timers are lost.
    pub fn crash(&mut self, id: Id) {
        self.lasts.retain(|(of, _), _| *of != id);
        self.waits.retain(|((waiting, _), (other, _))| *waiting != id && *other != id);
    }

    /// Whether a timer may fire now: it waits for no other one.
    pub fn may_fire(&self, id: Id, timer: &Timer) -> bool {
        !self.waits.iter().any(|((waiting, this), _)| (*waiting, this) == (id, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasts(ms: u64) -> Range<Duration> {
        Duration::from_millis(ms)..Duration::from_millis(ms)
    }

    fn id(id: usize) -> Id {
        Id::from(id)
    }

    #[test]
    fn what_was_armed_earlier_for_less_ends_first() {
        let mut clock = Clock::default();
        clock.arm(id(0), &"lease", id(0), &lasts(250));
        clock.arm(id(1), &"grant", id(0), &lasts(300));
        assert!(clock.may_fire(id(0), &"lease") && !clock.may_fire(id(1), &"grant"));
        clock.end(id(0), &"lease");
        assert!(clock.may_fire(id(1), &"grant"));
    }

    #[test]
    fn what_was_armed_again_or_later_or_for_nearly_as_long_is_not_waited_for() {
        let mut clock = Clock::default();
        clock.arm(id(0), &"lease", id(0), &lasts(250));
        clock.arm(id(1), &"grant", id(0), &lasts(300));
        clock.arm(id(0), &"lease", id(0), &lasts(250));
        assert!(clock.may_fire(id(1), &"grant"), "the lease goes on after the grant was given");
        clock.arm(id(1), &"grant", id(0), &lasts(299));
        assert!(clock.may_fire(id(1), &"grant"), "a slow clock may take 250 ms for 299 of another");
        clock.arm(id(1), &"grant", id(0), &lasts(300));
        assert!(!clock.may_fire(id(1), &"grant"));
    }

    #[test]
    fn timers_of_different_members_are_not_compared() {
        let mut clock = Clock::default();
        clock.arm(id(0), &"lease", id(0), &lasts(250));
        clock.arm(id(1), &"grant", id(2), &lasts(300));
        assert!(clock.may_fire(id(1), &"grant"));
    }

    #[test]
    fn a_crash_ends_what_was_waited_for_and_what_waits() {
        for crashed in [0, 1] {
            let mut clock = Clock::default();
            clock.arm(id(0), &"lease", id(0), &lasts(250));
            clock.arm(id(1), &"grant", id(0), &lasts(300));
            clock.crash(id(crashed));
            assert!(clock.may_fire(id(1), &"grant"));
            assert!(clock.waits.is_empty());
        }
    }
}
