//! What the nodes of a cluster know together.

use super::links::Links;
use chainring::config::{Cluster, NodeConfig};
use chainring::status::{Learning, NodeStatus, ViewStatus};
use serde::Serialize;
use std::net::SocketAddr;

/// A cluster, chain by chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The cluster's number.
    pub cluster: u64,
    /// Its chains, in order.
    pub chains: Vec<Chain>,
    /// What is wrong between its nodes.
    #[serde(flatten)]
    pub links: Links,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chain {
    /// Its number.
    pub chain: u32,
    /// The number of the newest view that any node knows.
    pub epoch: u64,
    /// How many copies it is to keep, as far as any node says.
    pub min_copies: Option<usize>,
    /// How many copies suffice by an operator's word.
    pub allowed: Option<u32>,
    /// The nodes whose replicas are in that view, from head to tail, then the learner, then all
    /// others.
    pub nodes: Vec<NodeOfChain>,
    /// The coordinators, which decide the next view.
    pub coordinators: Vec<Coordinator>,
}

/// A node's place in its chain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeOfChain {
    /// The node's number; `None` for an actor that is not in the cluster file.
    pub node: Option<u32>,
    /// The `Id` of its replica.
    pub actor: u32,
    /// Where Redis clients connect.
    pub resp: Option<SocketAddr>,
    /// Its part in the newest view.
    pub role: Role,
    /// Why it cannot be asked; `None` if it was.
    pub unreachable: Option<String>,
    /// The version of the program that it runs, if it was asked.
    pub version: Option<String>,
    /// What its replica shows, if it was asked.
    pub replica: Option<Replica>,
}

/// A replica's part in the newest view.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// When it is the only member.
    HeadAndTail,
    /// When updates enter there.
    Head,
    /// When it has a predecessor and a successor.
    Middle,
    /// When it is the last member.
    Tail,
    /// When it is being taught to become the next tail.
    Learner,
    /// When it was a member at the beginning and is none.
    Removed,
    /// When it joins later than the beginning, and is no member.
    Outside,
}

impl Role {
    /// Whether it is in the view, as a member or about to be one.
    pub fn is_in_view(self) -> bool {
        !matches!(self, Role::Removed | Role::Outside)
    }
}

/// What a replica shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replica {
    /// The newest view that it has installed.
    pub epoch: u64,
    /// Whether it may answer reads; `None` where no coordinator grants leases.
    pub lease: Option<bool>,
    /// Everything up to this index is applied.
    pub committed: u64,
    /// How many updates the head has received that it has not; `None` if the head cannot be asked,
    /// or it is no member.
    pub lag: Option<u64>,
    /// How many keys it holds.
    pub keys: u64,
    /// Of a learner: what it is doing.
    pub learning: Option<Learning>,
    /// Of a learner: how many keys it holds of as many as the tail does, in percent, if the tail
    /// can be asked.
    pub learned: Option<u64>,
    /// Whether its data are whole: not what a learner had got so far.
    pub whole: bool,
    /// Whether a coordinator has heard that it wants to join.
    pub wants_to_join: bool,
}

/// A coordinator, of a chain or of a ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Coordinator {
    /// The number of its node.
    pub node: u32,
    /// Its `Id`.
    pub actor: u32,
    /// Whether it was asked; nothing more is known of one that was not.
    pub reachable: bool,
    /// The number of the newest view that it knows to be decided.
    pub epoch: Option<u64>,
    /// The numbers of the nodes that it suspects, or was told are gone.
    pub suspects: Vec<u32>,
    /// Whether it takes part in deciding the next view at this moment.
    pub deciding: bool,
    /// How many of its suspicions were false.
    pub false_suspicions: u64,
}

/// What a node said, or why it did not.
type Answer = Result<NodeStatus, String>;

impl Report {
    /// Puts the answers of a cluster's nodes together; there is one for each node, in the file's
    /// order.
    pub fn of(cluster: &Cluster, answers: &[Answer]) -> Self {
        let chain = |chain| Chain::of(chain, cluster, answers);
        let links = Links::of(answers.iter().filter_map(|answer| answer.as_ref().ok()));
        let chains = cluster.chains().map(chain).collect();
        Report { cluster: cluster.cluster, chains, links }
    }
}

impl Chain {
    /// Those that are in the newest view, from head to tail.
    pub fn members(&self) -> impl Iterator<Item = &NodeOfChain> {
        self.nodes.iter().filter(|place| place.role.is_member())
    }

    fn of(chain: u32, cluster: &Cluster, answers: &[Answer]) -> Self {
        let view = newest_view(chain, cluster, answers);
        let nodes = || cluster.nodes.iter().zip(answers).filter(|(node, _)| node.chain == chain);
        let of_actor = |actor| nodes().find(|(node, _)| node.replica == actor);
        let answered = |actor: Option<&u32>| of_actor(*actor?)?.1.as_ref().ok();
        let known = Known {
            head_received: answered(view.members.first()).map(|node| node.replica.received),
            tail_keys: answered(view.members.last()).map(|node| node.replica.keys),
            joining: (nodes().filter_map(|(_, answer)| answer.as_ref().ok()?.coordinator.as_ref()))
                .flat_map(|coordinator| coordinator.joining.iter().copied())
                .collect(),
            view,
        };
        let view = &known.view;
        let mut places: Vec<_> = (view.members.iter().chain(&view.learner))
            .map(|actor| known.place(*actor, of_actor(*actor)))
            .collect();
        let others = nodes().filter(|(node, _)| !known.contains(node.replica));
        places.extend(others.map(|found| known.place(found.0.replica, Some(found))));
        let coordinators = nodes().filter_map(|(node, answer)| {
            let actor = node.coordinator?;
            let status = answer.as_ref().ok().and_then(|node| node.coordinator.as_ref());
            let suspects = status.map_or(&[][..], |status| &status.suspects);
            let suspects = suspects.iter().filter_map(|actor| Some(of_actor(*actor)?.0.id));
            Some(Coordinator {
                node: node.id,
                actor,
                reachable: status.is_some(),
                epoch: status.map(|status| status.view.epoch),
                suspects: suspects.collect(),
                deciding: status.is_some_and(|status| status.deciding),
                false_suspicions: status.map_or(0, |status| status.false_suspicions),
            })
        });
        let coordinators = coordinators.collect();
        let said = nodes().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.replica.min_copies));
        let (min_copies, allowed) = (said.max(), view.allowed);
        Chain { chain, epoch: view.epoch, min_copies, allowed, nodes: places, coordinators }
    }
}

/// The newest view that any node knows of a chain; the first one, if no node can be asked.
fn newest_view(chain: u32, cluster: &Cluster, answers: &[Answer]) -> ViewStatus {
    let answers = answers.iter().filter_map(|answer| answer.as_ref().ok());
    let views = answers.flat_map(|node| {
        let replica = (node.replica.chain == chain).then_some(&node.replica.view);
        let coordinator = node.coordinator.as_ref().filter(|status| status.chain == chain);
        let gateways = node.gateways.iter().filter(|status| status.chain == chain);
        (replica.into_iter())
            .chain(coordinator.map(|status| &status.view))
            .chain(gateways.map(|status| &status.view))
            .cloned()
    });
    let newest = views.max_by_key(|view| view.epoch);
    newest.unwrap_or_else(|| ViewStatus::from(&cluster.first_view(chain)))
}

/// What is known of a chain as a whole.
struct Known {
    view: ViewStatus,
    head_received: Option<u64>,
    tail_keys: Option<u64>,
    joining: Vec<u32>,
}

impl Known {
    fn contains(&self, actor: u32) -> bool {
        self.view.members.contains(&actor) || self.view.learner == Some(actor)
    }

    fn role(&self, actor: u32, joins: bool) -> Role {
        let members = &self.view.members;
        match members.iter().position(|member| *member == actor) {
            None if self.view.learner == Some(actor) => Role::Learner,
            None if joins => Role::Outside,
            None => Role::Removed,
            Some(_) if members.len() == 1 => Role::HeadAndTail,
            Some(0) => Role::Head,
            Some(place) if place + 1 == members.len() => Role::Tail,
            Some(_) => Role::Middle,
        }
    }

    fn place(&self, actor: u32, found: Option<(&NodeConfig, &Answer)>) -> NodeOfChain {
        let role = self.role(actor, found.is_some_and(|(node, _)| node.joins));
        let unreachable = match found {
            None => Some("it is not in the cluster file".to_string()),
            Some((_, answer)) => answer.as_ref().err().cloned(),
        };
        let replica = found.and_then(|(_, answer)| Some(&answer.as_ref().ok()?.replica));
        let replica = replica.map(|replica| Replica {
            epoch: replica.view.epoch,
            lease: replica.lease,
            committed: replica.committed,
            lag: (self.head_received)
                .filter(|_| self.view.members.contains(&actor))
                .map(|received| received.saturating_sub(replica.received)),
            keys: replica.keys,
            learning: replica.learning.filter(|_| role == Role::Learner),
            learned: (self.tail_keys)
                .filter(|_| role == Role::Learner)
                .map(|keys| (replica.keys * 100).checked_div(keys).unwrap_or(100).min(100)),
            whole: matches!(replica.learning, None | Some(Learning::Resuming)),
            wants_to_join: self.joining.contains(&actor),
        });
        let node = found.map(|(node, _)| node);
        let answered = found.and_then(|(_, answer)| answer.as_ref().ok());
        NodeOfChain {
            version: answered.map(|answer| answer.version.clone()),
            node: node.map(|node| node.id),
            actor,
            resp: node.map(|node| node.resp),
            role,
            unreachable,
            replica,
        }
    }
}
