//! What is said to coordinators on an operator's behalf.

use super::{Msg, Report, RingSystem, View};
use crate::gateway::door::Door;
use chainring_model::coordinator;

/// Says something to all coordinators.
pub(super) fn report(door: &Door<RingSystem>, view: &View, report: &Report) {
    for coordinator in &view.coordinators {
        door.send(*coordinator, Msg::Views(coordinator::Msg::Report(report.clone())));
    }
}
