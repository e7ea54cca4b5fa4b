//! Which messages can matter to a coordinator no more. The checker alone asks.

use super::{Ballot, Coordinator, Key, Msg, MsgOf, Row, StateOf, View};
use crate::coordinator::msg::{Accept, Accepted, Install, Prepare, Promise};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::prune::Prune;
use crate::store::Store;
use stateright::actor::Id;

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Coordinator<V, S, M> {
    /// Decided epochs stay decided, and ballots below a promise stay below it.
    pub(crate) fn is_obsolete(&self, state: &StateOf<V, S>, msg: &MsgOf<V>) -> bool {
        let next = state.decided.epoch() + 1;
        let lasting = self.mechanisms.has(Mechanism::PromiseSaved);
        let below = |ballot: &Ballot| lasting && Some(*ballot) < state.promised;
        // A ballot that it does not pursue now it will not pursue again.
        let pursued =
            |ballot: &Ballot| state.proposal.as_ref().filter(|proposal| proposal.ballot == *ballot);
        let foreign = |ballot: &Ballot| {
            lasting && Some(*ballot) <= state.promised && pursued(ballot).is_none()
        };
        match msg {
            Msg::Install(Install { view }) => view.epoch() < next,
            Msg::Prepare(Prepare { decided, ballot }) => {
                decided.epoch() + 1 == next && lasting && Some(*ballot) <= state.promised
            }
            Msg::Promise(Promise { epoch, ballot, .. }) => {
                *epoch < next
                    || *epoch == next
                        && (below(ballot)
                            || foreign(ballot)
                            || lasting
                                && pursued(ballot).is_some_and(|proposal| proposal.view.is_some()))
            }
            Msg::Accept(Accept { ballot, view }) => {
                view.epoch() == next
                    && (below(ballot)
                        || state.accepted.as_ref().is_some_and(|(voted, _)| voted >= ballot))
            }
            Msg::Accepted(Accepted { epoch, ballot }) => {
                *epoch < next || *epoch == next && foreign(ballot)
            }
            Msg::Lease(_) => true,
            Msg::Heartbeat(_) | Msg::Ask(_) | Msg::Report(_) => false,
        }
    }
}

impl<V: View, S: Store<Key, Row<V>>, M: Mechanisms> Prune for Coordinator<V, S, M> {
    fn is_obsolete(&self, _: Id, state: &Self::State, _: Id, msg: &Self::Msg) -> bool {
        state.as_ref().is_some_and(|state| Coordinator::is_obsolete(self, state, msg))
    }
}
