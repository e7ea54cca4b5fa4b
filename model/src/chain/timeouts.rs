//! What the actors of a chain wait for, and for how long.

use crate::coordinator;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// The timers of a chain's actors.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Timer {
    /// When a replica's successor has acknowledged nothing for a while: send the window again.
    Resend,
    /// When a replica has to say that it lives.
    Heartbeat,
    /// When the time of a heartbeat, and of the lease that it became, is over: one of a few that
    /// take turns.
    Lapse(u8),
    /// When a tail has heard nothing from its learner for a long time.
    Silence,
    /// When a learner goes on, or asks again.
    Learn,
    /// When a gateway has to ask whether there is a newer view.
    Follow,
    /// A coordinator's.
    Views(coordinator::Timer),
    /// When an operation of this lane had no reply for a while: send it again.
    Retry(u32),
    /// When an operation of this lane has taken too long: its client is told what is known.
    Deadline(u32),
}

/// How long to wait for what. Ranges are drawn from by the runtime, so that actors do not beat in
/// step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Of [`Timer::Resend`].
    pub resend: Range<Duration>,
    /// How often the wait before sending again doubles at the most, while nothing is acknowledged.
    pub resend_doublings: u32,
    /// How often in a row the window is sent again, with nothing heard at all from the successor,
    /// before a replica reports that; with it, a tail reports a learner that it hears nothing from.
    /// `None` reports neither.
    pub unheard: Option<u32>,
    /// Of [`Timer::Retry`].
    pub retry: Range<Duration>,
    /// Of [`Timer::Deadline`]; `None` waits for ever.
    pub deadline: Option<Duration>,
    /// Of [`Timer::Follow`].
    pub follow: Range<Duration>,
    /// Of everything about views and leases.
    pub views: coordinator::Timeouts,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            resend: Duration::from_millis(40)..Duration::from_millis(60),
            resend_doublings: 5,
            unheard: Some(6),
            retry: Duration::from_millis(200)..Duration::from_millis(300),
            deadline: Some(Duration::from_secs(5)),
            follow: Duration::from_millis(200)..Duration::from_millis(300),
            views: coordinator::Timeouts::default(),
        }
    }
}
