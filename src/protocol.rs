//! What a node has to know of a protocol in order to run it.
//!
//! Driver, transport, stores, traces and front doors are the same for every protocol; a
//! [`Protocol`] says what differs: its types, the actors as values, what their stores hold at
//! first, and how an operation of a client becomes a message. All of it is pure, and it decides
//! nothing. What a node *tells* of a protocol's actors is said elsewhere: see
//! [`Observe`](crate::board::Observe) and [`Operate`](crate::operate::Operate).

mod actors;
mod chain;
mod ring;

pub(crate) use actors::{ActorConfig, Role, actors};
pub(crate) use chain::ChainProtocol;
pub(crate) use ring::{Page as RingPage, RingProtocol};

use crate::config::{Cluster, NodeConfig};
use chainring_model::chain::Reads;
use chainring_model::coordinator;
use chainring_model::kv::{self, Op, OpId, Outcome};
use chainring_model::store::OrderedKey;
use chainring_runtime::store::LmdbStore;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Id};
use std::fmt::Debug;
use std::hash::Hash;

/// The store of a running actor.
pub(crate) type StoreOf<P> = LmdbStore<<P as Protocol>::Key, <P as Protocol>::Row>;

/// A protocol: types, and pure functions of them.
pub(crate) trait Protocol: Sized + Send + Sync + 'static {
    /// What people call what it runs.
    const NAME: &'static str;

    /// The longest key, in bytes.
    const LONGEST_KEY: usize;

    /// Whether the writes of a key that come in through one gateway should go one after the other.
    const IN_TURN: bool;

    /// The keys of its actors' stores.
    type Key: OrderedKey + Send + Sync + 'static;
    /// The rows of its actors' stores.
    type Row: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What its actors say to each other.
    type Msg: Clone + Debug + Eq + Hash + Serialize + DeserializeOwned + Send + 'static;
    /// Their timers.
    type Timer: Copy + Debug + Eq + Hash + Serialize + DeserializeOwned + Send + 'static;
    /// Their states.
    type State: Clone + Debug + Hash + PartialEq + 'static;
    /// The actors. They choose nothing at random.
    type Actor: Actor<
            Msg = Self::Msg,
            Timer = Self::Timer,
            State = Self::State,
            Storage = StoreOf<Self>,
            Random = (),
        > + Send
        + 'static;
    /// What its coordinators decide.
    type View: coordinator::View + Send + 'static;
    /// An answer to a question for keys.
    type Page: Send + 'static;

    /// An actor of a node.
    fn actor(of: &ActorConfig, cluster: &Cluster, node: &NodeConfig) -> Self::Actor;

    /// The state of an actor that does not run.
    fn stopped() -> Self::State;

    /// The view that a chain begins with.
    fn first_view(cluster: &Cluster, chain: u32) -> Self::View;

    /// Fills the new store of an actor with this role.
    fn init(role: Role, first: Self::View, store: &mut StoreOf<Self>);

    /// The view that the store of an actor with this role holds, if any.
    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<Self::View>;

    /// Whether a later view can have followed the first one: what never changes is the same, and
    /// its members are known to the cluster file.
    fn can_follow(view: &Self::View, first: &Self::View, known: &dyn Fn(Id) -> bool) -> bool;

    /// The view in a state.
    fn view(state: &Self::State) -> Option<&Self::View>;

    /// Of the state after an actor's step number `step`, counted from its start; see
    /// [`trace`](crate::trace).
    fn digest(state: &Self::State, step: u64) -> u64;

    /// An operation of a client, for its gateway.
    fn invoke(id: OpId, key: kv::Key, op: Op, reads: Reads) -> Self::Msg;

    /// What a message to a door means.
    fn heard(msg: Self::Msg) -> Option<Heard<Self::Page>>;
}

/// What is said to a door.
pub(crate) enum Heard<Page> {
    /// When its gateway has started.
    Opened(u32),
    /// When an operation has ended.
    Returned(OpId, Outcome),
    /// When an actor answers a question for keys, which had this ticket.
    Listed(u64, Page),
}
