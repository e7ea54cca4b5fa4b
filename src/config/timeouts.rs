//! The durations of a cluster that its file may set.

use chainring_model::{chain, coordinator, ring};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// How long to wait for what in a chain, in milliseconds; what is left out has the default of the
/// model. (A ring has no leases, and its gossip has timeouts of its own.)
///
/// Shorter ones make a chain go on sooner without a member that died, and suspect one sooner that
/// is only slow. Write the same ones into every copy of the file: nodes that do not agree on
/// `lease` and `grant` do not hear each other.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutsConfig {
    /// How often a member says that it lives, give or take a fifth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<u32>,
    /// How long a member may answer reads after a heartbeat that was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<u32>,
    /// How long a coordinator takes a lease to last that it granted: longer than `lease`, by more
    /// than the rates of two clocks may differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<u32>,
    /// After how much silence a member is suspected, or up to a sixth later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspect: Option<u32>,
}

impl TimeoutsConfig {
    /// The timeouts of a chain's actors with these.
    pub fn of_chain(&self) -> chain::Timeouts {
        let millis = |number: u32| Duration::from_millis(number.into());
        let mut timeouts = chain::Timeouts { views: self.views(), ..chain::Timeouts::default() };
        if let Some(suspect) = self.suspect.map(millis) {
            // The default is about 3 s; from there on the window is sent again every 1.6 s.
            let usual = coordinator::Timeouts::default().suspect_newcomer.start;
            let longer = (suspect * 4).saturating_sub(usual).as_millis() / 1600;
            timeouts.unheard = timeouts.unheard.map(|unheard| unheard + longer as u32);
        }
        timeouts
    }

    /// The timeouts of a ring's actors with these.
    pub fn of_ring(&self) -> ring::Timeouts {
        ring::Timeouts { views: self.views(), ..ring::Timeouts::default() }
    }

    /// The timeouts of coordinators with these.
    pub fn views(&self) -> coordinator::Timeouts {
        let millis = |number: u32| Duration::from_millis(number.into());
        let mut views = coordinator::Timeouts::default();
        if let Some(heartbeat) = self.heartbeat.map(millis) {
            views.heartbeat = heartbeat * 4 / 5..heartbeat * 6 / 5;
        }
        if let Some(lease) = self.lease.map(millis) {
            views.lease = lease;
        }
        if let Some(grant) = self.grant.map(millis) {
            views.grant = grant;
        }
        if let Some(suspect) = self.suspect.map(millis) {
            views.suspect = suspect..suspect * 7 / 6;
            let Range { start, end } = views.first_heartbeat.clone();
            views.first_heartbeat = start.max(suspect * 2)..end.max(suspect * 5 / 2);
            let Range { start, end } = views.suspect_newcomer.clone();
            views.suspect_newcomer = start.max(suspect * 4)..end.max(suspect * 9 / 2);
        }
        views
    }

    /// What is wrong with these, in a sentence.
    pub(super) fn mistake(&self) -> Option<String> {
        let views = self.views();
        let millis = |time: Duration| time.as_millis();
        let (heartbeat, lease) = (millis(views.heartbeat.end), millis(views.lease));
        let (grant, suspect) = (millis(views.grant), millis(views.suspect.start));
        if self.heartbeat == Some(0) {
            return Some("heartbeat = 0 would never stop sending".to_string());
        }
        if lease >= grant {
            return Some(format!(
                "lease = {lease} is not less than grant = {grant}: a member would answer reads after \
                 coordinators have stopped waiting for it, and could return old values"
            ));
        }
        let (slow, fast) = (u128::from(coordinator::RATES.0), u128::from(coordinator::RATES.1));
        if lease * fast > grant * slow {
            let most = grant * slow / fast;
            return Some(format!(
                "lease = {lease} is too close to grant = {grant}: the clocks of two machines may differ by \
                 {slow} to {fast}, so a lease lasts {most} at the most, or a member could answer reads \
                 after coordinators have stopped waiting for it"
            ));
        }
        if heartbeat >= lease {
            return Some(format!(
                "lease = {lease} is over before the next heartbeat ({heartbeat} ms at the latest), so \
                 reads would stop again and again"
            ));
        }
        if heartbeat * 2 >= suspect {
            return Some(format!(
                "suspect = {suspect} is not longer than two heartbeats ({heartbeat} ms each at the \
                 latest), so one lost datagram would remove a member"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_models_and_are_right() {
        let none = TimeoutsConfig::default();
        assert_eq!(none.of_chain(), chain::Timeouts::default());
        assert_eq!(none.of_ring(), ring::Timeouts::default());
        assert_eq!(none.mistake(), None);
        let same = TimeoutsConfig {
            heartbeat: Some(50),
            lease: Some(250),
            grant: Some(300),
            suspect: Some(300),
        };
        assert_eq!(same.of_chain(), chain::Timeouts::default());
        let slow = TimeoutsConfig { suspect: Some(2000), ..none }.of_chain();
        assert_eq!(slow.views.suspect_newcomer.start, Duration::from_secs(8));
        assert_eq!(slow.unheard, Some(9));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let none = TimeoutsConfig::default();
        for (timeouts, what) in [
            (TimeoutsConfig { lease: Some(300), ..none }, "is not less than grant = 300"),
            (TimeoutsConfig { grant: Some(250), ..none }, "is not less than grant = 250"),
            (TimeoutsConfig { lease: Some(251), ..none }, "a lease lasts 250 at the most"),
            (TimeoutsConfig { heartbeat: Some(0), ..none }, "never stop"),
            (TimeoutsConfig { heartbeat: Some(220), ..none }, "over before the next heartbeat"),
            (TimeoutsConfig { suspect: Some(100), ..none }, "one lost datagram"),
        ] {
            assert!(timeouts.mistake().is_some_and(|said| said.contains(what)), "{timeouts:?}");
        }
    }
}
