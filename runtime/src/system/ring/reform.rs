//! What is said to coordinators on an operator's behalf.

use super::{Msg, Report, RingSystem, View};
use crate::door::Door;
use crate::front::Front;
use crate::node::Role;
use crate::status::ranges;
use chainring_model::coordinator;
use chainring_model::ring::Span;
use stateright::actor::Id;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often `on-quorum-loss = "reform"` looks.
const LOOK: Duration = Duration::from_millis(500);

/// Says something to all coordinators.
pub(super) fn report(door: &Door<RingSystem>, view: &View, report: &Report) {
    for coordinator in &view.coordinators {
        door.send(*coordinator, Msg::Views(coordinator::Msg::Report(report.clone())));
    }
}

/// The ranges of a view that have no majority while these are gone.
pub(super) fn without_majority(view: &View, gone: &BTreeSet<Id>) -> Vec<Span> {
    let lives = |id: Id| !gone.contains(&id);
    let spans = ranges(view).into_iter();
    spans.filter(|span| !view.is_quorum(span.upto, lives)).collect()
}

/// Gives up who is gone when ranges have been without a majority for so long, as the operator wanted it who
/// wrote `on-quorum-loss = "reform"`. Runs beside each coordinator, and goes by what that has been told.
pub(super) async fn give_up(front: Front<RingSystem>, after: Duration) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since: Option<Instant> = None;
    loop {
        look.tick().await;
        let Some(card) = front.about().board.with_role(Role::Coordinator).next() else { return };
        let (Some(view), Some(door)) = (card.view(), front.doors().first()) else { continue };
        let gone = card.shows.rest().gone.clone();
        let ranges = without_majority(&view, &gone).len();
        if ranges == 0 {
            since = None;
        } else if since.get_or_insert_with(Instant::now).elapsed() >= after {
            let epoch = view.epoch;
            tracing::warn!(
                epoch,
                ranges,
                ?gone,
                "ranges have been without a majority for {} s, so those who are gone are given up; \
                 what only they had is lost",
                after.as_secs()
            );
            report(door, &view, &Report::Reform { epoch, lost: gone });
        }
    }
}
