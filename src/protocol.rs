//! What the runtime has to know of a protocol in order to run it.
//!
//! Driver, transport, stores, traces and front doors are the same for every protocol; a [`System`] says what
//! differs: the actors, as values; what their stores hold at first; what of their states is shown; how a
//! client's operation becomes a message, and who is asked for a list of keys. It decides nothing.

mod chain;
mod parts;
mod ring;

pub(crate) use chain::ChainSystem;
pub(crate) use parts::{Part, Role};
pub(crate) use ring::RingSystem;

use crate::board::{About, Card};
use crate::config::{Cluster, NodeConfig};
use crate::front::Front;
use crate::resp::{Position, ScanPage};
use chainring_model::chain::Reads;
use chainring_model::coordinator;
use chainring_model::kv::{self, Op, OpId, Outcome};
use chainring_model::store::OrderedKey;
use chainring_runtime::driver::Step;
use chainring_runtime::store::LmdbStore;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stateright::actor::{Actor, Id};
use std::fmt::Debug;
use std::future::Future;
use std::hash::Hash;

/// The store of a running actor.
pub(crate) type StoreOf<P> = LmdbStore<<P as System>::Key, <P as System>::Row>;

/// The lines of `INFO`: names and values.
pub(crate) type Lines = Vec<(String, String)>;

/// A protocol, as the runtime sees it.
pub(crate) trait System: Sized + Send + Sync + 'static {
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
    /// What is shown of an actor, beside its view.
    type Shows: Default + Send + Sync + 'static;
    /// What an observer of an actor remembers from one step to the next.
    type Notes: Default + Send + 'static;
    /// An answer to a question for keys.
    type Page: Send + 'static;

    /// The actor in this place of a node.
    fn actor(place: &Place, cluster: &Cluster, node: &NodeConfig) -> Self::Actor;

    /// The state of an actor that does not run.
    fn stopped() -> Self::State;

    /// The view that a chain begins with.
    fn first_view(cluster: &Cluster, chain: u32) -> Self::View;

    /// Fills the new store of an actor with this role.
    fn init(role: Role, first: Self::View, store: &mut StoreOf<Self>);

    /// The view that the store of an actor with this role holds, if any.
    fn stored_view(role: Role, store: &StoreOf<Self>) -> Option<Self::View>;

    /// Whether a later view can have followed the first one: what never changes is the same, and these are the
    /// members that the file knows.
    fn can_follow(view: &Self::View, first: &Self::View, known: &dyn Fn(Id) -> bool) -> bool;

    /// The view in a state.
    fn view(state: &Self::State) -> Option<&Self::View>;

    /// A view as the log says it, which names nodes.
    fn words(view: &Self::View, nodes: &dyn Fn(&[Id]) -> String) -> String;

    /// Looks at a step: keeps the card, and logs what is to be logged.
    fn look(card: &Card<Self>, notes: &mut Self::Notes, step: &Step<'_, Self::Actor>);

    /// Of the state after an actor's step number `step`, counted from its start; see [`trace`](crate::trace).
    fn digest(state: &Self::State, step: u64) -> u64;

    /// A client's operation, for its gateway.
    fn invoke(id: OpId, key: kv::Key, op: Op, reads: Reads) -> Self::Msg;

    /// What a message to a door means.
    fn heard(msg: Self::Msg) -> Option<Heard<Self::Page>>;

    /// A page of keys: see [`Service::scan`](crate::resp::Service::scan).
    fn list(
        front: &Front<Self>,
        from: Position,
        limit: usize,
    ) -> impl Future<Output = Option<ScanPage>> + Send;

    /// How many keys there are: see [`Service::size`](crate::resp::Service::size).
    fn size(front: &Front<Self>) -> impl Future<Output = Option<u64>> + Send;

    /// What an operator wants of the node, beyond its status.
    ///
    /// # Errors
    /// Why that cannot be: a sentence.
    fn order(front: &Front<Self>, order: Order) -> Result<(), String>;

    /// What `INFO` says of the actors.
    fn lines(about: &About<Self>) -> Lines;

    /// The reply to `CHAINRING STATUS`; `under_way` counts operations, door by door.
    fn status(about: &About<Self>, under_way: &[usize]) -> String;

    /// What runs beside the actors of a node; ends with it.
    fn beside(front: &Front<Self>) -> Option<impl Future<Output = ()> + Send + 'static>;
}

/// Where an actor is in a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub id: Id,
    pub role: Role,
    /// Of which chain.
    pub chain: u32,
    /// Of a gateway: its client.
    pub door: Option<Id>,
}

/// What is said to a door.
pub(crate) enum Heard<Page> {
    /// When its gateway has started.
    Opened(u32),
    /// When an operation has ended.
    Returned(OpId, Outcome),
    /// When somebody answers a question for keys, which had this ticket.
    Listed(u64, Page),
}

/// What operators want of a node, as `CHAINRING LEAVE` and its like say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// That it becomes a member, or stops being one.
    Belong(bool),
    /// That coordinators give up those who are gone, in the epoch that the operator saw: of these replicas, or of all if
    /// none is named.
    Reform(u64, Vec<u32>),
}

/// The actors of a node, the gateways last: what the driver runs, and what a replay runs again.
pub(crate) fn parts<P: System>(cluster: &Cluster, node: &NodeConfig) -> Vec<Part<P>> {
    let chain = node.chain;
    let place = |id, role| Place { id, role, chain, door: None };
    let mut places = vec![place(node.replica(), Role::Replica)];
    places.extend(node.coordinator().map(|id| place(id, Role::Coordinator)));
    places.extend(node.member().map(|id| place(id, Role::Member)));
    let gateways = node.gateways().zip(node.doors()).zip(cluster.chains());
    places.extend(gateways.map(|((id, door), chain)| Place {
        id,
        role: Role::Gateway,
        chain,
        door: Some(door),
    }));
    let part = |place: Place| Part { place, actor: P::actor(&place, cluster, node) };
    places.into_iter().map(part).collect()
}

/// The gateways of a chain: those whom its coordinators tell of views.
fn followers(cluster: &Cluster, chain: u32) -> Vec<Id> {
    let place = |chain: u32| (chain as usize).checked_sub(1);
    let gateway = |node: &NodeConfig| node.gateways().nth(place(chain)?);
    cluster.nodes.iter().filter_map(gateway).collect()
}
