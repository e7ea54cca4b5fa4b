//! Chain replication, as a node sees it.

// A match over an enum names all of its variants, so that a new message is seen to here, too.
#![deny(clippy::wildcard_enum_match_arm)]

use super::actors::followers;
use super::{ActorConfig, Heard, Protocol, Role, StoreOf};
use crate::config::{Cluster, NodeConfig};
use chainring_model::chain::msg::{Invoke, Opened, Return, Scanned};
use chainring_model::chain::{
    ChainActor, ChainState, Gateway, GatewayState, Key, Msg, Nested, Reads, Replica, ReplicaState,
    Row, Timer, View,
};
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{self, Op, OpId};
use chainring_model::store::Store;
use stateright::actor::Id;
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// Chain replication.
pub(crate) struct ChainProtocol;

impl Protocol for ChainProtocol {
    const NAME: &'static str = "chain";
    const LONGEST_KEY: usize = kv::MAX_KEY_BYTES;
    const IN_TURN: bool = false;

    type Key = Key;
    type Row = Row;
    type Msg = Msg;
    type Timer = Timer;
    type State = ChainState<StoreOf<Self>>;
    type Actor = ChainActor<StoreOf<Self>>;
    type View = View;
    /// Keys of a replica, and how many it has in all.
    type Page = (Vec<kv::Key>, u64);

    fn actor(of: &ActorConfig, cluster: &Cluster, node: &NodeConfig) -> Self::Actor {
        let timeouts = cluster.timeouts.of_chain();
        let chain = of.chain;
        let copies = cluster.copies(chain);
        match of.role {
            // A chain has no members: its file is refused if it names one.
            Role::Replica | Role::Member => {
                let replica = Replica::new(timeouts).retaining(cluster.retains());
                ChainActor::Replica(replica.copies(copies).alone_with_lease())
            }
            Role::Coordinator => {
                let followers = followers(cluster, chain);
                let coordinator = Coordinator::new(followers, timeouts.views);
                let usual = cluster.usual_copies(chain);
                ChainActor::Coordinator(coordinator.copies(copies).usual(usual))
            }
            Role::Gateway => {
                let nearest = (chain == node.chain).then(|| node.replica());
                let door = of.door.unwrap_or(of.id);
                let view = cluster.first_view(chain);
                let gateway = Gateway::new(door, nearest, view, timeouts);
                ChainActor::Gateway(gateway.copies(copies))
            }
        }
    }

    fn stopped() -> Self::State {
        ChainState::Stopped
    }

    fn first_view(cluster: &Cluster, chain: u32) -> View {
        cluster.first_view(chain)
    }

    fn init(role: Role, first: View, store: &mut StoreOf<Self>) {
        match role {
            Role::Replica | Role::Member => Replica::init(store, first),
            Role::Gateway => Gateway::init(store),
            Role::Coordinator => {
                let mut nested = Nested(store.clone());
                Coordinator::init(&mut nested, first);
                *store = nested.0;
            }
        }
    }

    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<View> {
        match role {
            Role::Replica | Role::Gateway | Role::Member => match store.get(&Key::View) {
                Some(Row::View(view)) => Some(view),
                _ => None,
            },
            Role::Coordinator => match store.get(&Key::Views(coordinator::Key::Decided)) {
                Some(Row::Views(coordinator::Row::Decided(view))) => Some(view),
                _ => None,
            },
        }
    }

    fn can_follow(view: &View, first: &View, known: &dyn Fn(Id) -> bool) -> bool {
        let mut members = view.chain.iter().copied().chain(view.learner());
        view.coordinators == first.coordinators && members.all(known)
    }

    fn view(state: &Self::State) -> Option<&View> {
        match state {
            ChainState::Replica(replica) => Some(&replica.view),
            ChainState::Gateway(gateway) => Some(&gateway.view),
            ChainState::Coordinator(coordinator) => Some(&coordinator.decided),
            ChainState::Script(_) | ChainState::Stopped => None,
        }
    }

    fn digest(state: &Self::State, step: u64) -> u64 {
        /// How often everything is in it.
        const WHOLE: u64 = 256;
        let mut hasher = Xxh3::new();
        match state {
            ChainState::Replica(ReplicaState {
                store,
                view,
                committed,
                keys,
                window,
                retained,
                held,
                transfer,
                early,
                resent,
                unheard,
                lease,
            }) if !step.is_multiple_of(WHOLE) => {
                let window = (window.iter().next().map(|(index, _)| index), window.last());
                let transfer = (retained, held, transfer);
                let resent = (resent, unheard);
                (store, view, committed, keys, window, transfer, early, resent, lease)
                    .hash(&mut hasher);
            }
            ChainState::Gateway(GatewayState { store, incarnation, view, lanes })
                if !step.is_multiple_of(WHOLE) =>
            {
                (store, incarnation, view, lanes.len()).hash(&mut hasher);
            }
            state @ (ChainState::Stopped
            | ChainState::Replica(_)
            | ChainState::Gateway(_)
            | ChainState::Coordinator(_)
            | ChainState::Script(_)) => state.hash(&mut hasher),
        }
        hasher.finish()
    }

    fn invoke(id: OpId, key: kv::Key, op: Op, reads: Reads) -> Msg {
        Msg::Invoke(Invoke { id, key, op, reads })
    }

    fn heard(msg: Msg) -> Option<Heard<Self::Page>> {
        Some(match msg {
            Msg::Opened(Opened { incarnation }) => Heard::Opened(incarnation),
            Msg::Return(Return { id, outcome }) => Heard::Returned(id, outcome),
            Msg::Scanned(Scanned { ticket, keys, total }) => Heard::Listed(ticket, (keys, total)),
            Msg::Invoke(_)
            | Msg::Request(_)
            | Msg::Reply(_)
            | Msg::Redirect(_)
            | Msg::Update(_)
            | Msg::Missing(_)
            | Msg::Ack(_)
            | Msg::Scan(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Caught(_)
            | Msg::Changes(_)
            | Msg::Views(_)
            | Msg::ScanFor(_)
            | Msg::Resume(_)
            | Msg::Resumed(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_runtime::codec::{decode, encode};

    /// A view is written as it was before an operator could allow fewer copies, where none has.
    #[test]
    fn views_are_written_as_before() {
        let old = |learner: Option<(Id, u64)>| {
            let ids = |ids: [usize; 2]| ids.map(Id::from).to_vec();
            encode(&(7_u64, ids([0, 2]), learner, ids([9, 300]))).unwrap()
        };
        for learner in [None, Some((Id::from(4), 6))] {
            let mut view = View::new(7, vec![Id::from(0), Id::from(2)])
                .decided_by(vec![Id::from(9), Id::from(300)]);
            view.learner = learner;
            assert_eq!(encode(&view).unwrap(), old(learner));
            assert_eq!(decode::<View>(&old(learner)).unwrap(), view);
            view.allowed = Some(1);
            assert_eq!(decode::<View>(&encode(&view).unwrap()).unwrap(), view);
        }
    }
}
