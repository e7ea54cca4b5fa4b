//! What the nodes of a ring know together, as data and in words.

use super::Answer;
use super::report::Coordinator;
use super::words::{Row, write_rows};
use chainring_runtime::config::{Cluster, NodeConfig};
use chainring_runtime::status::{RingLostStatus, RingMember, RingNodeStatus, RingViewStatus};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

/// A ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RingReport {
    /// The cluster's number.
    pub cluster: u64,
    /// The number of the newest view that any node knows.
    pub epoch: u64,
    /// Whether everyone has what that view gives them.
    pub stable: bool,
    /// How many replicas a key has.
    pub replicas: u8,
    /// How many ranges the circle has.
    pub ranges: u64,
    /// How many of them have newcomers in this view, who fetch before they vote.
    pub ranges_moving: u64,
    /// How many ranges newcomers have still to fetch, all nodes together.
    pub ranges_left: u64,
    /// How many ranges have no majority, because of those who are gone.
    pub without_majority: u64,
    /// The first thousand of them.
    pub lost_ranges: Vec<RingLostStatus>,
    /// Everyone in the ring, and all others in the cluster file.
    pub nodes: Vec<Place>,
    /// Those who decide the next view.
    pub coordinators: Vec<Coordinator>,
}

/// A node's place in the ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
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
    /// The newest view that its replica has installed, if it was asked.
    pub epoch: Option<u64>,
    /// How many tokens it has.
    pub tokens: u64,
    /// How much of the circle it is the first replica of, in percent.
    pub share: f64,
    /// How many ranges it has still to fetch.
    pub ranges_left: u64,
    /// Of so many that its view gives it.
    pub ranges: u64,
    /// Whether a coordinator was told that it is gone.
    pub suspected: bool,
    /// Whether it has asked to join.
    pub wants_to_join: bool,
    /// Whether it has asked to leave.
    pub wants_to_leave: bool,
}

/// A replica's part in the newest view.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// When it is in the ring, and stays there.
    Member,
    /// When it fetches what it is to hold.
    Joining,
    /// When others fetch what it holds.
    Leaving,
    /// When nobody waits for it any more.
    GivenUp,
    /// When it is in no ring.
    Outside,
}

impl RingReport {
    /// Puts the answers of a ring's nodes together; there is one for each node, in the file's order.
    pub fn of(cluster: &Cluster, answers: &[Answer<RingNodeStatus>]) -> Self {
        let answered = || answers.iter().filter_map(|answer| answer.as_ref().ok());
        let deciding = || answered().filter_map(|node| node.coordinator.as_ref());
        let views = answered().map(|node| &node.replica.view);
        let newest = views.chain(deciding().map(|one| &one.view)).max_by_key(|view| view.epoch);
        let newest = newest.cloned();
        let view = newest.unwrap_or_else(|| RingViewStatus::from(&cluster.first_ring()));
        let told = |of: fn(&chainring_runtime::status::RingCoordinatorStatus) -> &Vec<u32>| {
            deciding().flat_map(|one| of(one).iter().copied()).collect::<BTreeSet<_>>()
        };
        let (suspects, joining) = (told(|one| &one.suspects), told(|one| &one.joining));
        let known = Known { view: &view, suspects, joining, leaving: told(|one| &one.leaving) };
        let found =
            |actor: u32| cluster.nodes.iter().zip(answers).find(|(node, _)| node.replica == actor);
        let members = || view.old.iter().chain(&view.new);
        let actors: BTreeSet<u32> = members().map(|member| member.actor).collect();
        let others = cluster.nodes.iter().map(|node| node.replica);
        let others = others.filter(|actor| !actors.contains(actor));
        let all = actors.iter().copied().chain(others);
        let nodes: Vec<_> = all.map(|actor| known.place(actor, found(actor))).collect();
        let coordinators = cluster.nodes.iter().zip(answers).filter_map(|(node, answer)| {
            let status = answer.as_ref().ok().and_then(|node| node.coordinator.as_ref());
            let suspects = status.map_or(&[][..], |status| &status.suspects);
            let suspects = suspects.iter().filter_map(|actor| Some(found(*actor)?.0.id));
            Some(Coordinator {
                node: node.id,
                actor: node.coordinator?,
                reachable: status.is_some(),
                epoch: status.map(|status| status.view.epoch),
                suspects: suspects.collect(),
                deciding: status.is_some_and(|status| status.deciding),
            })
        });
        let worst = deciding().max_by_key(|one| one.without_majority);
        RingReport {
            cluster: cluster.cluster,
            coordinators: coordinators.collect(),
            epoch: view.epoch,
            stable: view.stable,
            replicas: view.replicas,
            ranges: view.ranges,
            ranges_moving: view.ranges_moving,
            ranges_left: nodes.iter().map(|place| place.ranges_left).sum(),
            without_majority: worst.map_or(0, |one| one.without_majority),
            lost_ranges: worst.map_or(Vec::new(), |one| one.lost_ranges.clone()),
            nodes,
        }
    }

    /// A few of the ranges that have no majority.
    pub fn names_of_lost(&self) -> String {
        /// So many are named in words; data has more.
        const NAMED: usize = 3;
        let mut names: Vec<_> =
            self.lost_ranges.iter().take(NAMED).map(|range| range.upto.as_str()).collect();
        if self.without_majority > NAMED as u64 {
            names.push("…");
        }
        names.join(", ")
    }

    /// The numbers of the nodes that coordinators were told are gone.
    pub fn suspects(&self) -> Vec<u32> {
        let suspected = self.nodes.iter().filter(|place| place.suspected);
        suspected.filter_map(|place| place.node).collect()
    }
}

/// What is known of a ring as a whole.
struct Known<'a> {
    view: &'a RingViewStatus,
    suspects: BTreeSet<u32>,
    joining: BTreeSet<u32>,
    leaving: BTreeSet<u32>,
}

impl Known<'_> {
    fn place(&self, actor: u32, found: Option<(&NodeConfig, &Answer<RingNodeStatus>)>) -> Place {
        let member =
            |members: &[RingMember]| members.iter().find(|member| member.actor == actor).cloned();
        let (old, new) = (member(&self.view.old), member(&self.view.new));
        let role = match (&old, &new) {
            _ if self.view.lost.contains(&actor) => Role::GivenUp,
            (Some(_), Some(_)) => Role::Member,
            (None, Some(_)) => Role::Joining,
            (Some(_), None) => Role::Leaving,
            (None, None) => Role::Outside,
        };
        let (tokens, share) = new.or(old).map_or((0, 0.0), |one| (one.tokens, one.share));
        let unreachable = match found {
            None => Some("it is not in the cluster file".to_string()),
            Some((_, answer)) => answer.as_ref().err().cloned(),
        };
        let replica = found.and_then(|(_, answer)| Some(&answer.as_ref().ok()?.replica));
        let is_current = |epoch: u64| epoch == self.view.epoch;
        let fetching = replica.filter(|replica| is_current(replica.view.epoch));
        let node = found.map(|(node, _)| node);
        let answered = found.and_then(|(_, answer)| answer.as_ref().ok());
        Place {
            version: answered.map(|answer| answer.version.clone()),
            node: node.map(|node| node.id),
            actor,
            resp: node.map(|node| node.resp),
            role,
            unreachable,
            epoch: replica.map(|replica| replica.view.epoch),
            tokens,
            share,
            ranges_left: fetching.map_or(0, |replica| replica.ranges_left),
            ranges: fetching.map_or(0, |replica| replica.ranges),
            suspected: self.suspects.contains(&actor),
            wants_to_join: self.joining.contains(&actor),
            wants_to_leave: self.leaving.contains(&actor),
        }
    }
}

impl Display for RingReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let RingReport { epoch, replicas, ranges, ranges_moving, ranges_left, .. } = self;
        let members = self.nodes.iter().filter(|place| place.role == Role::Member).count();
        let state = if self.stable { "stable" } else { "joint" };
        let s = if members == 1 { "" } else { "s" };
        writeln!(
            f,
            "ring, epoch {epoch} ({state}): {members} member{s}, {replicas} replicas a key, {ranges} ranges"
        )?;
        if !self.stable {
            writeln!(
                f,
                "  stabilizing: {ranges_moving} ranges have newcomers, who have {ranges_left} still to \
                 fetch"
            )?;
        }
        if self.without_majority > 0 {
            writeln!(
                f,
                "  {} ranges have NO MAJORITY: start one of those who are gone again, or give them up \
                 with `chainring reform` ({})",
                self.without_majority,
                self.names_of_lost()
            )?;
        }
        let rows = self.nodes.iter().map(|place| {
            let (role, said) = (place.role.to_string(), place.says(*epoch));
            let version = place.version.clone();
            Row { role, node: place.node, actor: place.actor, version, said }
        });
        write_rows(f, &rows.collect::<Vec<_>>(), &self.coordinators)
    }
}

impl Place {
    /// Whether it is in either ring of the view.
    pub fn is_in_view(&self) -> bool {
        self.role != Role::Outside
    }

    /// Whether others fetch what it holds.
    pub fn is_leaving(&self) -> bool {
        self.role == Role::Leaving
    }

    fn says(&self, epoch: u64) -> String {
        let mut said = Vec::new();
        match &self.unreachable {
            Some(why) => said.push(format!("unreachable: {why}")),
            None => said.extend(self.resp.map(|resp| format!("serves {resp}"))),
        }
        if self.tokens > 0 {
            said.push(format!("{} tokens, {:.1} % of the circle", self.tokens, self.share));
        }
        if self.ranges_left > 0 {
            said.push(format!("{} of {} ranges to fetch", self.ranges_left, self.ranges));
        }
        for (is_so, what) in [
            (self.suspected, "suspected"),
            (self.wants_to_join, "wants to join"),
            (self.wants_to_leave, "wants to leave"),
        ] {
            said.extend(is_so.then(|| what.to_string()));
        }
        let behind = self.epoch.filter(|known| *known != epoch);
        said.extend(behind.map(|known| format!("knows epoch {known}")));
        said.join(", ")
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Member => "member",
            Role::Joining => "joining",
            Role::Leaving => "leaving",
            Role::GivenUp => "given up",
            Role::Outside => "outside",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring_runtime::status::{RingCoordinatorStatus, RingGatewayStatus, RingReplicaStatus};

    #[test]
    fn a_ring_in_trouble_in_words() {
        let node = |id: u32, more: &str| {
            format!(
                "[[node]]\nid = {id}\nudp = \"127.0.0.1:700{id}\"\nresp = \"127.0.0.1:800{id}\"\n\
                 replica = {id}\ngateway = 1{id}\ndoor = 2{id}\n{more}\n"
            )
        };
        let nodes =
            [node(1, "coordinator = 31"), node(2, ""), node(3, ""), node(4, "joins = true")];
        let text = format!("cluster = 9\nprotocol = \"ring\"\n{}", nodes.concat());
        let cluster = Cluster::parse(&text).expect("a cluster file");
        let member = |actor| RingMember { actor, tokens: 64, share: 33.3 };
        let view = RingViewStatus {
            epoch: 7,
            stable: false,
            old: vec![member(1), member(2), member(3)],
            new: vec![member(1), member(2), member(4)],
            lost: vec![],
            replicas: 3,
            ranges: 257,
            ranges_moving: 200,
            coordinators: vec![31],
        };
        let status = |node: u32, epoch: u64, ranges_left: u64| {
            let view = RingViewStatus { epoch, ..view.clone() };
            let gateway = RingGatewayStatus { actor: 10 + node, epoch, under_way: 0 };
            let replica = RingReplicaStatus { actor: node, view, ranges: 200, ranges_left };
            let (version, coordinator) = ("0.1.0".to_string(), None);
            RingNodeStatus { cluster: 9, node, version, replica, gateway, coordinator }
        };
        let mut first = status(1, 7, 0);
        first.coordinator = Some(RingCoordinatorStatus {
            actor: 31,
            view: view.clone(),
            suspects: vec![3],
            joining: vec![],
            leaving: vec![2],
            without_majority: 5,
            lost_ranges: ["00aa", "00bb", "00cc", "00dd", "00ee"]
                .map(|upto| RingLostStatus { upto: upto.to_string(), gone: vec![3, 4] })
                .to_vec(),
            deciding: false,
        });
        let gone = Err("it does not answer".to_string());
        let answers = [Ok(first), Ok(status(2, 6, 0)), gone, Ok(status(4, 7, 20))];
        let report = RingReport::of(&cluster, &answers);
        assert_eq!(
            report.verdict().to_string(),
            "DOWN: 3 of 4 nodes, 1 of 1 coordinators: 5 of 257 ranges have no majority of their \
             copies, start node 3"
        );
        let said = report.to_string();
        let expected = "\
ring, epoch 7 (joint): 2 members, 3 replicas a key, 257 ranges
  stabilizing: 200 ranges have newcomers, who have 20 still to fetch
  5 ranges have NO MAJORITY: start one of those who are gone again, or give them up with `chainring reform` (00aa, 00bb, 00cc, …)
  member   node 1    serves 127.0.0.1:8001, 64 tokens, 33.3 % of the circle
  member   node 2    serves 127.0.0.1:8002, 64 tokens, 33.3 % of the circle, wants to leave, knows epoch 6
  leaving  node 3    unreachable: it does not answer, 64 tokens, 33.3 % of the circle, suspected
  joining  node 4    serves 127.0.0.1:8004, 64 tokens, 33.3 % of the circle, 20 of 200 ranges to fetch
  all run version 0.1.0
  decided by node 1 (suspects node 3)
";
        assert_eq!(said.trim_end(), expected.trim_end());
    }
}
