//! What no coordinator is to believe.

use super::{Msg, MsgOf, View};
use crate::coordinator::msg::{Accept, Install, Prepare, Promise};
use stateright::actor::Id;

/// Views are decided among coordinators: what any other actor says of that is not listened to. Nor
/// are numbers that cannot be, since no actor counts that far.
pub(super) fn is_believable<V: View>(decided: &V, src: Id, msg: &MsgOf<V>) -> bool {
    let is_one_of_them = || decided.coordinators().contains(&src);
    let is_epoch = |view: &V| view.epoch() < u64::MAX / 2;
    match msg {
        Msg::Heartbeat(_) | Msg::Lease(_) | Msg::Ask(_) | Msg::Report(_) => true,
        Msg::Install(Install { view })
        | Msg::Prepare(Prepare { decided: view, .. })
        | Msg::Accept(Accept { view, .. }) => is_one_of_them() && is_epoch(view),
        Msg::Promise(Promise { accepted, .. }) => {
            is_one_of_them() && accepted.as_ref().is_none_or(|(_, view)| is_epoch(view))
        }
        Msg::Accepted(_) => is_one_of_them(),
    }
}
