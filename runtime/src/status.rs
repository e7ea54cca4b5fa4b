//! What a node says of itself to `chainring status`: the reply to `CHAINRING STATUS`, which is JSON.
//!
//! Numbers of actors are `Id`s of the cluster file. A status is a look at running actors, not a
//! consistent cut: numbers of different nodes are of different moments.

use chainring_model::chain::View;
use serde::{Deserialize, Serialize};

/// What one node says of its actors.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NodeStatus {
    /// The cluster's number.
    pub cluster: u64,
    /// The node's number.
    pub node: u32,
    /// The version of the program that it runs.
    pub version: String,
    /// Its replica.
    pub replica: ReplicaStatus,
    /// Its gateways, one for each chain.
    pub gateways: Vec<GatewayStatus>,
    /// Its coordinator, if it has one.
    pub coordinator: Option<CoordinatorStatus>,
}

/// What a replica shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReplicaStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The number of its chain.
    pub chain: u32,
    /// The newest view that it has installed.
    pub view: ViewStatus,
    /// Whether it may answer reads; `None` in a chain without coordinators, where nobody grants leases.
    pub lease: Option<bool>,
    /// Everything up to this index is applied.
    pub committed: u64,
    /// Everything up to this index is received.
    pub received: u64,
    /// How many keys it holds.
    pub keys: u64,
    /// What it is doing about its chain's data, while it is a learner.
    pub learning: Option<Learning>,
}

/// What a learner is doing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learning {
    /// When it removes what it held before.
    Emptying,
    /// When it copies the tail's rows.
    Copying,
    /// When it has all rows, and follows what the tail commits until it is a member.
    CatchingUp,
}

/// What a gateway shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct GatewayStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The number of its chain.
    pub chain: u32,
    /// The newest view that it has heard of.
    pub view: ViewStatus,
    /// How many operations of clients are under way.
    pub under_way: usize,
}

/// What a coordinator shows.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CoordinatorStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The number of its chain.
    pub chain: u32,
    /// The newest view that it knows to be decided.
    pub view: ViewStatus,
    /// The members that it has not heard from for too long.
    pub suspects: Vec<u32>,
    /// The replicas that have asked to join.
    pub joining: Vec<u32>,
    /// Whether it takes part in deciding the next view at this moment.
    pub deciding: bool,
}

/// A view of a chain.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ViewStatus {
    /// Its number.
    pub epoch: u64,
    /// The members, from head to tail.
    pub members: Vec<u32>,
    /// Who is being taught to become the next tail.
    pub learner: Option<u32>,
    /// Those who decide the next view.
    pub coordinators: Vec<u32>,
}

impl From<&View> for ViewStatus {
    fn from(view: &View) -> Self {
        ViewStatus {
            epoch: view.epoch,
            members: view.chain.iter().copied().map(number).collect(),
            learner: view.learner().map(number),
            coordinators: view.coordinators.iter().copied().map(number).collect(),
        }
    }
}

/// The number of an actor of a cluster file, which has 32 bits.
pub(crate) fn number(id: stateright::actor::Id) -> u32 {
    u32::try_from(usize::from(id)).unwrap_or(u32::MAX)
}
