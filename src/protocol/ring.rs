//! The ring, as a node sees it.

// A match over an enum names all of its variants, so that a new message is seen to here, too.
#![deny(clippy::wildcard_enum_match_arm)]

use super::actors::followers;
use super::{ActorConfig, Heard, Protocol, Role, StoreOf};
use crate::config::{Cluster, NodeConfig};
use chainring_model::chain::Reads;
use chainring_model::coordinator::{self, Coordinator};
use chainring_model::kv::{self, Op, OpId};
use chainring_model::membership::{self, Member};
use chainring_model::ring::msg::{Invoke, Opened, Return, Scanned};
use chainring_model::ring::{
    self, Gateway, GatewayState, Key, Listed, Msg, Nested, Node, NodeState, RingActor, RingState,
    Row, Timer, View,
};
use chainring_model::store::Store;
use stateright::actor::Id;
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::Xxh3;

/// A quorum ring.
pub(crate) struct RingProtocol;

/// What a node has told of a part of the circle.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// In which epoch.
    pub epoch: u64,
    /// The registers.
    pub rows: Vec<Listed>,
    /// How far it has looked; `None` to the end.
    pub upto: Option<(u64, kv::Key)>,
}

impl Protocol for RingProtocol {
    const NAME: &'static str = "ring";
    const LONGEST_KEY: usize = ring::MAX_KEY_BYTES;
    const IN_TURN: bool = true;

    type Key = Key;
    type Row = Row;
    type Msg = Msg;
    type Timer = Timer;
    type State = RingState<StoreOf<Self>>;
    type Actor = RingActor<StoreOf<Self>>;
    type View = View;
    type Page = Page;

    fn actor(of: &ActorConfig, cluster: &Cluster, node: &NodeConfig) -> Self::Actor {
        let timeouts = cluster.timeouts.of_ring();
        let recent = cluster.ring.recent;
        match of.role {
            Role::Replica => RingActor::Node(Node::new(recent, timeouts)),
            Role::Member => {
                let seeds = cluster.nodes.iter();
                let seeds = seeds.filter_map(|node| Some((node.member()?, node.replica())));
                let (seeds, timeouts) = (seeds.collect(), membership::Timeouts::default());
                RingActor::Member(Member::new(node.replica(), seeds, node.coordinator(), timeouts))
            }
            Role::Coordinator => {
                let followers = followers(cluster, of.chain);
                let give_up = cluster.ring.gives_up_after();
                let timeouts = coordinator::Timeouts { give_up, ..timeouts.views };
                RingActor::Coordinator(Coordinator::new(followers, timeouts))
            }
            Role::Gateway => {
                let doors = of.door.into_iter().collect();
                RingActor::Gateway(Gateway::new(doors, recent, timeouts))
            }
        }
    }

    fn stopped() -> Self::State {
        RingState::Stopped
    }

    fn first_view(cluster: &Cluster, _: u32) -> View {
        cluster.first_ring()
    }

    fn init(role: Role, first: View, store: &mut StoreOf<Self>) {
        match role {
            Role::Replica => Node::init(store, first),
            Role::Gateway => Gateway::init(store, first),
            Role::Member => {
                let mut nested = Nested(store.clone());
                Member::init(&mut nested);
                *store = nested.0;
            }
            Role::Coordinator => {
                let mut nested = Nested(store.clone());
                Coordinator::init(&mut nested, first);
                *store = nested.0;
            }
        }
    }

    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<View> {
        match role {
            Role::Member => None,
            Role::Replica | Role::Gateway => match store.get(&Key::View) {
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
        view.coordinators == first.coordinators
            && [&view.old, &view.new].iter().all(|ring| ring.replicas == first.old.replicas)
            && view.members().into_iter().all(known)
    }

    fn view(state: &Self::State) -> Option<&View> {
        match state {
            RingState::Node(node) => Some(&node.view),
            RingState::Gateway(gateway) => Some(&gateway.view),
            RingState::Coordinator(coordinator) => Some(&coordinator.decided),
            RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_)
            | RingState::Stopped => None,
        }
    }

    fn digest(state: &Self::State, step: u64) -> u64 {
        /// How often everything is in it.
        const WHOLE: u64 = 256;
        let mut hasher = Xxh3::new();
        match state {
            RingState::Node(NodeState { store, view, floors, transfers, sweeping, walk })
                if !step.is_multiple_of(WHOLE) =>
            {
                let transfers = (transfers.len(), transfers.first_key_value());
                (store, view.epoch, floors, transfers, sweeping.len(), walk).hash(&mut hasher);
            }
            RingState::Gateway(GatewayState { store, incarnation, view, n, lanes })
                if !step.is_multiple_of(WHOLE) =>
            {
                (store, incarnation, view.epoch, n, lanes.len()).hash(&mut hasher);
            }
            state @ (RingState::Stopped
            | RingState::Node(_)
            | RingState::Gateway(_)
            | RingState::Coordinator(_)
            | RingState::Member(_)
            | RingState::Oracle(_)
            | RingState::Script(_)) => state.hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Every read is a quorum's, whatever the client's policy.
    fn invoke(id: OpId, key: kv::Key, op: Op, _: Reads) -> Msg {
        Msg::Invoke(Invoke { id, key, op })
    }

    fn heard(msg: Msg) -> Option<Heard<Page>> {
        Some(match msg {
            Msg::Opened(Opened { incarnation }) => Heard::Opened(incarnation),
            Msg::Return(Return { id, outcome }) => Heard::Returned(id, outcome),
            Msg::Scanned(Scanned { epoch, ticket, rows, upto }) => {
                Heard::Listed(ticket, Page { epoch, rows, upto })
            }
            Msg::Invoke(_)
            | Msg::Read(_)
            | Msg::Vote(_)
            | Msg::Prepare(_)
            | Msg::Promise(_)
            | Msg::Accept(_)
            | Msg::Accepted(_)
            | Msg::Refuse(_)
            | Msg::Sweep(_)
            | Msg::Held(_)
            | Msg::Fetch(_)
            | Msg::Rows(_)
            | Msg::Scan(_)
            | Msg::Belong(_)
            | Msg::Views(_)
            | Msg::Members(_)
            | Msg::Compare(_)
            | Msg::Compared(_)
            | Msg::Want(_)
            | Msg::Copies(_)
            | Msg::Behind(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_model::ring::Ring;
    use chainring_runtime::codec::{MAX_MESSAGE_WEIGHT, decode, decode_message, encode};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    #[test]
    fn the_rings_of_a_stable_view_are_one_in_memory() {
        let ring = |members: std::ops::Range<usize>| Ring::of(members.map(Id::from));
        let again = |view: &View| {
            let read: View = decode(&encode(view).unwrap()).unwrap();
            assert_eq!(read, *view);
            Arc::ptr_eq(&read.old.tokens, &read.new.tokens)
        };
        assert!(again(&View::stable(1, ring(0..10))));
        assert!(!again(&View::joint(2, ring(0..10), ring(1..10))));
    }

    /// The largest that nodes send.
    #[test]
    fn honest_messages_are_light_enough() {
        let tokens = |from: u64| {
            let members = (0..100 * 4096_u64).map(|n| {
                let token = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(from);
                (token, Id::from((n % 100) as usize))
            });
            members.collect::<BTreeMap<_, _>>()
        };
        let mut view =
            View::joint(2, Ring::of((0..100).map(Id::from)), Ring::of((1..101).map(Id::from)));
        (view.old.tokens, view.new.tokens) = (tokens(0).into(), tokens(1).into());
        let bytes = encode(&view).unwrap();
        let (read, weight) = decode_message::<View>(&bytes).unwrap();
        assert!(read == view && weight < MAX_MESSAGE_WEIGHT / 2, "{weight} of {}", bytes.len());
    }
}
