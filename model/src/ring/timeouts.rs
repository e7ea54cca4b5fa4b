//! What the actors of a ring wait for, and for how long.

use crate::coordinator;
use crate::membership;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// The timers of a ring's actors.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When an attempt of this lane has waited long for answers: ask again.
    Resend(u32),
    /// When an attempt of this lane was refused a random while ago: begin the next one.
    Backoff(u32),
    /// When an operation of this lane has taken too long: its client is told what is known.
    Deadline(u32),
    /// When a node looks for tombstones to purge.
    Sweep,
    /// When a newcomer has waited long for what it fetches, or for its report to matter.
    Fetch,
    /// When a node or a gateway has to ask whether there is a newer view.
    Follow,
    /// A coordinator's.
    Views(coordinator::Timer),
    /// A member's.
    Members(membership::Timer),
    /// When an oracle decides a view: the one at this place of its plan.
    Decide(u8),
    /// When a node compares the next slice of the circle with its other replicas.
    Repair,
}

/// How long to wait for what. Ranges are drawn from by the runtime, so that actors do not beat in
/// step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of [`Timer::Resend`].
    pub resend: Range<Duration>,
    /// Of [`Timer::Backoff`], the first time that an operation has to wait.
    pub backoff: Range<Duration>,
    /// How often the end of that range doubles, if it has to wait again.
    pub doublings: u32,
    /// Of [`Timer::Deadline`]; `None` waits for ever.
    pub deadline: Option<Duration>,
    /// Of [`Timer::Sweep`]; `None` keeps tombstones for ever.
    pub sweep: Option<Range<Duration>>,
    /// Of [`Timer::Repair`], from one round to the next; `None` leaves what was missed as it is.
    pub repair: Option<Range<Duration>>,
    /// Of [`Timer::Repair`], from one slice to the next, and after a start.
    pub slice: Range<Duration>,
    /// Of [`Timer::Fetch`].
    pub fetch: Range<Duration>,
    /// Of [`Timer::Follow`].
    pub follow: Range<Duration>,
    /// Of the coordinators' timers.
    pub views: coordinator::Timeouts,
}

impl Default for Timeouts {
    fn default() -> Self {
        let millis = |from, to| Duration::from_millis(from)..Duration::from_millis(to);
        Timeouts {
            resend: millis(100, 150),
            backoff: Duration::from_micros(500)..Duration::from_millis(2),
            doublings: 3,
            deadline: Some(Duration::from_secs(5)),
            sweep: Some(millis(10_000, 20_000)),
            repair: Some(millis(8_000, 12_000)),
            slice: millis(100, 150),
            fetch: millis(200, 300),
            follow: millis(400, 600),
            views: coordinator::Timeouts::default(),
        }
    }
}
