//! Which messages can matter to a member no more. The checker alone asks.

use super::{Key, Member, MemberState, Msg, Number, Row, Rumour, Say};
use crate::mechanism::{Mechanism, Mechanisms};
use crate::membership::msg::{Ack, Gossip, Rows, Same};
use crate::prune::Prune;
use crate::store::Store;
use stateright::actor::Id;

impl<S: Store<Key, Row>, M: Mechanisms> Member<S, M> {
    /// What is said to this member now and would say nothing new, now and for ever.
    pub(crate) fn is_obsolete(&self, id: Id, state: &MemberState<S>, src: Id, msg: &Msg) -> bool {
        match msg {
            Msg::Gossip(gossip) => self.gossip_is_obsolete(id, state, gossip),
            Msg::Report(_) => true,
            Msg::Leave => src != id,
        }
    }

    fn gossip_is_obsolete(&self, id: Id, state: &MemberState<S>, gossip: &Gossip) -> bool {
        let Gossip { say, news } = gossip;
        let mut rows = news.iter().chain(say.rows());
        let mut rows_are_past = || rows.all(|rumour| self.row_is_obsolete(id, state, rumour));
        let number = Number { start: state.start, round: state.round };
        match say {
            Say::Ack(Ack { origin, number: of, .. }) => {
                *origin == id
                    && (*of < number || *of == number && state.probe.is_none())
                    && rows_are_past()
            }
            Say::Same(Same { start, .. }) => {
                (*start < state.start || *start == state.start && !state.exchange.is_joining)
                    && rows_are_past()
            }
            Say::Rows(Rows { start, .. }) => *start < state.start && rows_are_past(),
            Say::Tell(_) => rows_are_past(),
            Say::Ping(_) | Say::Seek(_) | Say::Compare(_) => false,
        }
    }

    /// Whether a row will never be news here, in this life or a later one, in which suspicions are
    /// forgotten.
    fn row_is_obsolete(
        &self,
        id: Id,
        state: &MemberState<S>,
        Rumour { member, entry }: &Rumour,
    ) -> bool {
        let intact =
            [Mechanism::NewerRowsOnly, Mechanism::TombstonesOfMembers, Mechanism::RefutationSaved];
        let known = state.table.get(*member).filter(|_| {
            *member == id || intact.iter().all(|mechanism| self.mechanisms.has(*mechanism))
        });
        known.is_some_and(|known| {
            // Its having left is forgotten in a crash, too.
            let lasting =
                if *member == id { (known.incarnation, 0) } else { known.settled().version() };
            entry.version() <= lasting
        })
    }
}

impl<S: Store<Key, Row>, M: Mechanisms> Prune for Member<S, M> {
    fn is_obsolete(&self, id: Id, state: &Self::State, src: Id, msg: &Msg) -> bool {
        state.as_ref().is_some_and(|state| Member::is_obsolete(self, id, state, src, msg))
    }
}
