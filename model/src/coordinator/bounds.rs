//! What no coordinator is to believe.

use super::{Msg, MsgOf, View};
use stateright::actor::Id;

/// Views are decided among coordinators: what anyone else says of that is not listened to. Nor are numbers that
/// cannot be, since nobody counts that far.
pub(super) fn is_believable<V: View>(decided: &V, src: Id, msg: &MsgOf<V>) -> bool {
    let is_one_of_them = || decided.coordinators().contains(&src);
    let is_epoch = |view: &V| view.epoch() < u64::MAX / 2;
    match msg {
        Msg::Heartbeat { .. } | Msg::Lease { .. } | Msg::Ask { .. } | Msg::Report(_) => true,
        Msg::Install { view } | Msg::Prepare { decided: view, .. } | Msg::Accept { view, .. } => {
            is_one_of_them() && is_epoch(view)
        }
        Msg::Promise { accepted, .. } => {
            is_one_of_them() && accepted.as_ref().is_none_or(|(_, view)| is_epoch(view))
        }
        Msg::Accepted { .. } => is_one_of_them(),
    }
}
