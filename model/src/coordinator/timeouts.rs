//! What a coordinator waits for, and for how long.

use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::ops::Range;
use std::time::Duration;

/// How much the clocks of two machines may differ: the slower one runs at 5/6 of the rate of the
/// faster one, at least. So a lease ends before its grant, which is armed later, if `lease * 6 <=
/// grant * 5`. This is the one assumption about clocks.
pub const RATES: (u32, u32) = (5, 6);

/// The timers of a coordinator.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a member has been silent for too long.
    Suspect(Id),
    /// When the newest grant to a member has certainly ended there.
    Expire(Id),
    /// When an epoch is still undecided: propose, or propose again.
    Drive,
    /// When parts of the data have been without a majority for long: say which nodes it would give
    /// up.
    GiveUp,
}

/// How long to wait for what, in the business of views.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// How often a member sends a heartbeat.
    pub heartbeat: Range<Duration>,
    /// How long a lease lasts, from when its heartbeat was sent. It must be less than `grant` by
    /// more than the rates of two clocks may differ: see [`RATES`].
    pub lease: Duration,
    /// How long a coordinator waits for a lease that it granted to end ([`Timer::Expire`]).
    pub grant: Duration,
    /// After how much silence a member is suspected ([`Timer::Suspect`]).
    pub suspect: Range<Duration>,
    /// The same, of a member that a coordinator has not heard from since it started itself: the
    /// nodes of a cluster do not all start in the same instant, and a member that is removed has
    /// to join anew.
    pub first_heartbeat: Range<Duration>,
    /// How much later each further coordinator acts on the same thing, so that one proposes and the
    /// others find it done.
    pub stagger: Duration,
    /// The same, of a member that may hold no lease: it is not one yet, and what it has learned so
    /// far would be lost. Nothing waits for it.
    pub suspect_newcomer: Range<Duration>,
    /// How long a coordinator waits after a suspicion before it proposes: what fails together is
    /// left out together, and one that hears no other hears it.
    pub gather: Duration,
    /// Of [`Timer::Drive`].
    pub drive: Range<Duration>,
    /// How often the silence after which a coordinator suspects is doubled at the most: once for
    /// each suspicion that proves false, and once less after each while of calm. 0 never doubles
    /// it.
    pub doublings: u32,
    /// How many reports of one that was to become a member, and fell silent, are passed over; twice
    /// as many each time, up to 64 times as many. They come as often as heartbeats do.
    pub pause: u32,
    /// Of [`Timer::GiveUp`]; `None` waits for nodes that are gone.
    pub give_up: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            heartbeat: Duration::from_millis(40)..Duration::from_millis(60),
            lease: Duration::from_millis(250),
            grant: Duration::from_millis(300),
            suspect: Duration::from_millis(300)..Duration::from_millis(350),
            first_heartbeat: Duration::from_secs(3)..Duration::from_millis(3500),
            suspect_newcomer: Duration::from_secs(3)..Duration::from_millis(3500),
            gather: Duration::from_millis(30),
            stagger: Duration::from_millis(60),
            drive: Duration::from_millis(100)..Duration::from_millis(200),
            doublings: 3,
            pause: 20,
            give_up: None,
        }
    }
}
