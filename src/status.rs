//! What a node says of itself to `chainring status`: the reply to `CHAINRING STATUS`, which is
//! JSON.
//!
//! Numbers of actors are `Id`s of the cluster file. A status is a look at running actors, not a
//! consistent cut: numbers of different nodes are of different moments.

use chainring_model::chain::View;
use chainring_model::ring;
use serde::{Deserialize, Serialize};
use stateright::actor::Id;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

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
    /// What its file says that all nodes' files have to say, too.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The peers whose datagrams do not come through.
    #[serde(default)]
    pub links: Vec<LinkStatus>,
    /// What other nodes have told it that their files say otherwise.
    #[serde(default)]
    pub differences: Vec<DifferenceStatus>,
}

/// What keeps the datagrams of, or for, one peer from coming through.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LinkStatus {
    /// The peer's node; `None` for all that are not in the file.
    pub node: Option<u32>,
    /// Where the last datagram came from, or went to.
    pub address: String,
    /// Whether they are on their way out.
    pub sending: bool,
    /// What is wrong with them.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
    /// How many there were since the node's start.
    pub count: u64,
    /// How long ago the last one was, in milliseconds.
    pub last_ms_ago: u64,
}

impl Display for LinkStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let LinkStatus { node, address, what, remedy, .. } = self;
        let (verb, side) = if self.sending { ("to", "for") } else { ("from", "of") };
        match node {
            Some(node) => {
                write!(f, "datagrams {side} node {node}, {verb} {address}, {what}: {remedy}")
            }
            None => write!(
                f,
                "datagrams {verb} {address}, no node's address in this file, {what}: {remedy}"
            ),
        }
    }
}

/// What another node's file says otherwise than this one's.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct DifferenceStatus {
    /// The other node.
    pub node: u32,
    /// The name of the setting.
    pub setting: String,
    /// What this node's file says.
    pub here: String,
    /// What the other's says.
    pub there: String,
}

impl Display for DifferenceStatus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let DifferenceStatus { node, setting, here, there } = self;
        write!(f, "the file of node {node} says {setting} = {there}, and this node's says {here}")
    }
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
    /// Whether it may answer reads; `None` in a chain without coordinators, where no coordinator
    /// grants leases.
    pub lease: Option<bool>,
    /// Everything up to this index is applied.
    pub committed: u64,
    /// Everything up to this index is received.
    pub received: u64,
    /// How many keys it holds.
    pub keys: u64,
    /// What it is doing about its chain's data, while it is a learner.
    pub learning: Option<Learning>,
    /// How many copies its node's file says are to be kept.
    #[serde(default = "one")]
    pub min_copies: usize,
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
    /// When it has what it had as a member, and asks whether the tail has all that came since.
    Resuming,
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
    /// How many of its suspicions were false since it started.
    #[serde(default)]
    pub false_suspicions: u64,
    /// How many times as long as the file says a member may be silent, because of those.
    #[serde(default)]
    pub patience: u32,
}

fn one() -> usize {
    1
}

/// A view of a chain.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ViewStatus {
    /// Its number.
    pub epoch: u64,
    /// The members, from head to tail.
    pub members: Vec<u32>,
    /// The learner, which is taught to become the next tail.
    pub learner: Option<u32>,
    /// How many copies suffice by an operator's word.
    #[serde(default)]
    pub allowed: Option<u32>,
    /// The coordinators, which decide the next view.
    pub coordinators: Vec<u32>,
}

/// What one node of a ring says of its actors.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingNodeStatus {
    /// The cluster's number.
    pub cluster: u64,
    /// The node's number.
    pub node: u32,
    /// The version of the program that it runs.
    pub version: String,
    /// Its replica.
    pub replica: RingReplicaStatus,
    /// Its gateway.
    pub gateway: RingGatewayStatus,
    /// Its coordinator, if it has one.
    pub coordinator: Option<RingCoordinatorStatus>,
    /// What its file says that all nodes' files have to say, too.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The peers whose datagrams do not come through.
    #[serde(default)]
    pub links: Vec<LinkStatus>,
    /// What other nodes have told it that their files say otherwise.
    #[serde(default)]
    pub differences: Vec<DifferenceStatus>,
}

/// What a replica of a ring shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingReplicaStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The newest view that it has installed.
    pub view: RingViewStatus,
    /// How many ranges that view gives it to fetch.
    pub ranges: u64,
    /// How many of them it has not fetched yet.
    pub ranges_left: u64,
    /// What comparing with its other replicas has found.
    #[serde(default)]
    pub copies: RingCopiesStatus,
}

/// What a replica of a ring has found in comparing what it holds with others.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RingCopiesStatus {
    /// How many keys it is behind with: others have accepted what it has missed.
    pub behind: u64,
    /// How many registers it has been given since it started.
    pub copied: u64,
    /// How long ago it had last compared everything, in milliseconds; `None` if it has not yet.
    pub compared_ms_ago: Option<u64>,
    /// How long that had taken, in milliseconds.
    pub took_ms: u64,
    /// The replicas that did not answer then.
    pub unheard: Vec<u32>,
}

/// What a gateway of a ring shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingGatewayStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The number of the newest view that it has heard of.
    pub epoch: u64,
    /// How many operations of clients are under way.
    pub under_way: usize,
}

/// What a coordinator of a ring shows.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingCoordinatorStatus {
    /// Its `Id`.
    pub actor: u32,
    /// The newest view that it knows to be decided.
    pub view: RingViewStatus,
    /// The replicas that are gone, as far as it was told.
    pub suspects: Vec<u32>,
    /// The replicas that have asked to join.
    pub joining: Vec<u32>,
    /// The replicas that have asked to leave.
    pub leaving: Vec<u32>,
    /// How many ranges have no majority, because of nodes that are gone.
    pub without_majority: u64,
    /// The first thousand of them.
    pub lost_ranges: Vec<RingLostStatus>,
    /// Whether it takes part in deciding the next view at this moment.
    pub deciding: bool,
}

/// A range of a ring that has no majority.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingLostStatus {
    /// Where it ends on the circle, in sixteen hexadecimal digits: its name.
    pub upto: String,
    /// Those of its replicas that are gone.
    pub gone: Vec<u32>,
}

/// A view of a ring.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RingViewStatus {
    /// Its number.
    pub epoch: u64,
    /// Whether there is one ring only, so that no node has anything to fetch.
    pub stable: bool,
    /// The members of the ring that has everything.
    pub old: Vec<RingMember>,
    /// The members of the ring that is to have everything.
    pub new: Vec<RingMember>,
    /// Those of the old ring that an operator has given up.
    pub lost: Vec<u32>,
    /// How many replicas a key has.
    pub replicas: u8,
    /// How many ranges the circle has.
    pub ranges: u64,
    /// How many of them have newcomers, which fetch before they vote.
    pub ranges_moving: u64,
    /// The coordinators, which decide the next view.
    pub coordinators: Vec<u32>,
}

/// A member of a ring.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RingMember {
    /// The `Id` of its replica.
    pub actor: u32,
    /// How many tokens it has.
    pub tokens: u64,
    /// How much of the circle it is the first replica of, in percent.
    pub share: f64,
}

impl From<&ring::View> for RingViewStatus {
    fn from(view: &ring::View) -> Self {
        let spans = ranges(view);
        let is_moving = |span: &&ring::Span| {
            let new = view.new.replicas(span.upto);
            new.into_iter().any(|id| view.must_fetch(span.upto, id))
        };
        RingViewStatus {
            epoch: view.epoch,
            stable: view.is_stable(),
            old: members(&view.old),
            new: members(&view.new),
            lost: view.lost.iter().copied().map(number).collect(),
            replicas: view.old.replicas,
            ranges: spans.len() as u64,
            ranges_moving: spans.iter().filter(is_moving).count() as u64,
            coordinators: view.coordinators.iter().copied().map(number).collect(),
        }
    }
}

/// The ranges of a ring's view, one for each token: what is behind the last token belongs to the
/// first one's, though it is a span of its own.
pub(crate) fn ranges(view: &ring::View) -> Vec<ring::Span> {
    let mut spans = view.spans();
    let has = |token: u64| [&view.old, &view.new].iter().any(|it| it.tokens.contains_key(&token));
    if spans.len() > 1 && spans.last().is_some_and(|last| !has(last.upto)) {
        spans.pop();
    }
    spans
}

fn members(ring: &ring::Ring) -> Vec<RingMember> {
    let mut members = BTreeMap::<Id, (u64, u64)>::new();
    // The first token also owns what is behind the last one.
    let mut before = ring.tokens.last_key_value().map_or(0, |(token, _)| *token);
    for (token, id) in ring.tokens.iter() {
        let (tokens, owned) = members.entry(*id).or_default();
        *tokens += 1;
        *owned = owned.saturating_add(token.wrapping_sub(before));
        before = *token;
    }
    let percent = |owned: u64| (owned as f64 / u64::MAX as f64 * 1000.0).round() / 10.0;
    let member = |(id, (tokens, owned))| RingMember {
        actor: number(id),
        tokens,
        share: if has_one_member(ring) { 100.0 } else { percent(owned) },
    };
    members.into_iter().map(member).collect()
}

/// Whether one member owns everything: its only token is as far from itself as can be.
fn has_one_member(ring: &ring::Ring) -> bool {
    ring.members().len() == 1
}

impl From<&View> for ViewStatus {
    fn from(view: &View) -> Self {
        ViewStatus {
            epoch: view.epoch,
            members: view.chain.iter().copied().map(number).collect(),
            learner: view.learner().map(number),
            allowed: view.allowed,
            coordinators: view.coordinators.iter().copied().map(number).collect(),
        }
    }
}

/// The number of an actor of a cluster file, which has 32 bits.
pub(crate) fn number(id: Id) -> u32 {
    u32::try_from(usize::from(id)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_has_a_range_for_each_token() {
        for members in [1, 3, 10] {
            let ring = ring::Ring::with((0..members).map(Id::from), 64, 3);
            let status = RingViewStatus::from(&ring::View::stable(1, ring));
            assert_eq!(status.ranges, 64 * members as u64);
        }
    }
}
