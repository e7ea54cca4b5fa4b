//! What the nodes of a ring know together, as data and in words.

use super::Answer;
use super::links::Links;
use super::report::Coordinator;
use super::words::{Row, write_rows};
use chainring::config::{Cluster, NodeConfig};
use chainring::status::{
    RingCoordinatorStatus, RingCopiesStatus, RingLostStatus, RingMember, RingNodeStatus,
    RingViewStatus,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
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
    /// How many of them have newcomers in this view, which fetch before they vote.
    pub ranges_moving: u64,
    /// How many ranges newcomers have still to fetch, all nodes together.
    pub ranges_left: u64,
    /// How many ranges have no majority, because of nodes that are gone, as a majority of the
    /// coordinators has been told.
    pub without_majority: u64,
    /// The first thousand of them.
    pub lost_ranges: Vec<RingLostStatus>,
    /// The coordinators' nodes that could not be asked, and why.
    pub unasked: BTreeMap<u32, String>,
    /// Whether a majority of the coordinators was asked: what fewer say may be their own isolation.
    pub judged: bool,
    /// How many ranges have no majority as the one coordinator says that holds most of them to be
    /// lost.
    pub claimed: u64,
    /// How many copies of keys are missing, as far as the nodes have found in comparing.
    pub copies_missing: u64,
    /// What is wrong between the nodes.
    #[serde(flatten)]
    pub links: Links,
    /// Everyone in the ring, and all others in the cluster file.
    pub nodes: Vec<NodeOfRing>,
    /// The coordinators, which decide the next view.
    pub coordinators: Vec<Coordinator>,
}

/// A node's place in the ring.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeOfRing {
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
    /// Whether a majority of the coordinators was told that it is gone.
    pub suspected: bool,
    /// Whether it has asked to join.
    pub wants_to_join: bool,
    /// Whether it has asked to leave.
    pub wants_to_leave: bool,
    /// Whether it cannot leave before another node has joined: a ring keeps as many nodes as a key
    /// has replicas.
    pub waits_for_newcomer: bool,
    /// What comparing with its other replicas has found; `None` if it was not asked.
    pub copies: Option<RingCopiesStatus>,
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
    /// When no client waits for it any more.
    GivenUp,
    /// When it is in no ring.
    Outside,
}

impl RingReport {
    /// Puts the answers of a ring's nodes together; there is one for each node, in the file's
    /// order.
    pub fn of(cluster: &Cluster, answers: &[Answer<RingNodeStatus>]) -> Self {
        let answered = || answers.iter().filter_map(|answer| answer.as_ref().ok());
        let deciding = || answered().filter_map(|node| node.coordinator.as_ref());
        let views = answered().map(|node| &node.replica.view);
        let newest = views.chain(deciding().map(|one| &one.view)).max_by_key(|view| view.epoch);
        let newest = newest.cloned();
        let view = newest.unwrap_or_else(|| RingViewStatus::from(&cluster.first_ring()));
        let told = |of: fn(&chainring::status::RingCoordinatorStatus) -> &Vec<u32>| {
            deciding().flat_map(|one| of(one).iter().copied()).collect::<BTreeSet<_>>()
        };
        let heard = Heard::of(cluster, answers);
        let (suspects, joining) = (heard.suspects(), told(|one| &one.joining));
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
                false_suspicions: 0,
            })
        });
        let missing = answered().map(|node| node.replica.copies.behind).sum();
        RingReport {
            cluster: cluster.cluster,
            coordinators: coordinators.collect(),
            epoch: view.epoch,
            stable: view.stable,
            replicas: view.replicas,
            ranges: view.ranges,
            ranges_moving: view.ranges_moving,
            ranges_left: nodes.iter().map(|place| place.ranges_left).sum(),
            without_majority: heard.without_majority(),
            lost_ranges: heard.lost_ranges(),
            unasked: heard.unasked,
            judged: heard.asked.len() >= heard.majority,
            claimed: deciding().map(|one| one.without_majority).max().unwrap_or(0),
            copies_missing: missing,
            links: Links::of(answered()),
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

    /// Why nothing can be judged of which nodes are gone; `None` where a majority of the
    /// coordinators was asked.
    pub fn cannot_judge(&self) -> Option<String> {
        if self.judged {
            return None;
        }
        let unasked: Vec<_> =
            self.unasked.iter().map(|(node, why)| format!("node {node}: {why}")).collect();
        let claimed = match self.claimed {
            0 => String::new(),
            ranges => format!(
                ": start these again, or ask where they can be reached. Those who answer hold {ranges} ranges to \
                 have no majority, which may be their own isolation"
            ),
        };
        Some(format!(
            "{} of {} coordinators could not be asked ({}){claimed}",
            unasked.len(),
            self.coordinators.len(),
            unasked.join("; ")
        ))
    }

    /// The numbers of the nodes that a majority of the coordinators was told are gone.
    pub fn suspects(&self) -> Vec<u32> {
        let suspected = self.nodes.iter().filter(|place| place.suspected);
        suspected.filter_map(|place| place.node).collect()
    }
}

/// What the coordinators say. Each may be wrong, or isolated: what a majority of all of them says
/// counts.
struct Heard<'a> {
    majority: usize,
    asked: Vec<&'a RingCoordinatorStatus>,
    unasked: BTreeMap<u32, String>,
}

impl<'a> Heard<'a> {
    fn of(cluster: &Cluster, answers: &'a [Answer<RingNodeStatus>]) -> Self {
        let all = cluster.nodes.iter().zip(answers);
        let (mut asked, mut unasked) = (Vec::new(), BTreeMap::new());
        for (node, answer) in all.filter(|(node, _)| node.coordinator.is_some()) {
            match answer {
                Ok(RingNodeStatus { coordinator: Some(one), .. }) => asked.push(one),
                Ok(_) => drop(unasked.insert(node.id, "it has no coordinator".to_string())),
                Err(why) => drop(unasked.insert(node.id, why.clone())),
            }
        }
        let majority = (asked.len() + unasked.len()) / 2 + 1;
        Heard { majority, asked, unasked }
    }

    /// What a majority names.
    fn agreed<T: Ord>(&self, named: impl Fn(&'a RingCoordinatorStatus) -> Vec<T>) -> BTreeSet<T> {
        let mut votes = BTreeMap::<T, usize>::new();
        for one in self.asked.iter().flat_map(|one| named(one)) {
            *votes.entry(one).or_default() += 1;
        }
        let agreed = votes.into_iter().filter(|(_, votes)| *votes >= self.majority);
        agreed.map(|(one, _)| one).collect()
    }

    fn suspects(&self) -> BTreeSet<u32> {
        self.agreed(|one| one.suspects.clone())
    }

    /// A majority says that it is so many, or more.
    fn without_majority(&self) -> u64 {
        let mut counts: Vec<_> = self.asked.iter().map(|one| one.without_majority).collect();
        counts.sort_unstable_by(|one, other| other.cmp(one));
        counts.get(self.majority - 1).copied().unwrap_or(0) // of none the majority is one
    }

    /// The nodes that a majority names, and which of them a majority holds to be gone.
    fn lost_ranges(&self) -> Vec<RingLostStatus> {
        let agreed = self.agreed(|one| {
            one.lost_ranges.iter().map(|range| range.upto.as_str()).collect::<Vec<_>>()
        });
        let suspects = self.suspects();
        let all = self.asked.iter().flat_map(|one| &one.lost_ranges);
        let mut lost = BTreeMap::new();
        for range in all.filter(|range| agreed.contains(range.upto.as_str())) {
            let gone = lost.entry(range.upto.clone()).or_insert_with(BTreeSet::new);
            gone.extend(range.gone.iter().copied().filter(|one| suspects.contains(one)));
        }
        let status = |(upto, gone): (String, BTreeSet<u32>)| RingLostStatus {
            upto,
            gone: gone.into_iter().collect(),
        };
        lost.into_iter().map(status).collect()
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
    fn place(
        &self,
        actor: u32,
        found: Option<(&NodeConfig, &Answer<RingNodeStatus>)>,
    ) -> NodeOfRing {
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
        let is_full = self.view.old.len() > usize::from(self.view.replicas);
        let wants_to_leave = self.leaving.contains(&actor);
        NodeOfRing {
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
            wants_to_leave,
            waits_for_newcomer: wants_to_leave && self.view.stable && !is_full,
            copies: replica.map(|replica| replica.copies.clone()),
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
        if let Some(why) = self.cannot_judge() {
            writeln!(f, "  {why}")?;
        }
        write!(f, "{}", self.links)?;
        if self.copies_missing > 0 {
            let s = if self.copies_missing == 1 { " is" } else { "s are" };
            writeln!(
                f,
                "  {} of keys' copies{s} missing, and being copied from the other replicas",
                self.copies_missing
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

impl NodeOfRing {
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
            (self.wants_to_leave && !self.waits_for_newcomer, "wants to leave"),
            (
                self.waits_for_newcomer,
                "wants to leave, and waits: a ring keeps as many nodes as a key has replicas, so let another \
                 one join",
            ),
        ] {
            said.extend(is_so.then(|| what.to_string()));
        }
        let copies = self.copies.as_ref();
        let missing = copies.map(|copies| copies.behind).filter(|missing| *missing > 0);
        said.extend(missing.map(|missing| format!("has missed writes of {missing} keys")));
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
    use chainring::status::{RingGatewayStatus, RingReplicaStatus};

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
            let copies = RingCopiesStatus::default();
            let replica = RingReplicaStatus { actor: node, view, ranges: 200, ranges_left, copies };
            let (version, coordinator) = ("0.1.0".to_string(), None);
            let (settings, links, differences) = Default::default();
            RingNodeStatus {
                cluster: 9,
                node,
                version,
                replica,
                gateway,
                coordinator,
                settings,
                links,
                differences,
            }
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

    /// Of three coordinators one is isolated, holds all other nodes to be gone, and its file says
    /// something else.
    #[test]
    fn one_isolated_node_is_not_believed() {
        let node = |id: u32| {
            format!(
                "[[node]]\nid = {id}\nudp = \"127.0.0.1:700{id}\"\nresp = \"127.0.0.1:800{id}\"\n\
                 replica = {id}\ngateway = 1{id}\ndoor = 2{id}\ncoordinator = 3{id}\n"
            )
        };
        let nodes: String = (1..=3).map(node).collect();
        let cluster = Cluster::parse(&format!("cluster = 9\nprotocol = \"ring\"\n{nodes}"));
        let cluster = cluster.expect("a cluster file");
        let view = RingViewStatus::from(&cluster.first_ring());
        let status = |node: u32, gone: &[u32], setting: &str| {
            let lost = RingLostStatus { upto: "00aa".to_string(), gone: gone.to_vec() };
            let coordinator = RingCoordinatorStatus {
                actor: 30 + node,
                view: view.clone(),
                suspects: gone.to_vec(),
                joining: vec![],
                leaving: vec![2],
                without_majority: if gone.len() > 1 { 193 } else { 0 },
                lost_ranges: if gone.len() > 1 { vec![lost] } else { vec![] },
                deciding: false,
            };
            let copies = RingCopiesStatus { behind: u64::from(node == 2), ..Default::default() };
            let (ranges, ranges_left, epoch) = (0, 0, 1);
            let view = view.clone();
            Ok(RingNodeStatus {
                cluster: 9,
                node,
                version: String::new(),
                replica: RingReplicaStatus { actor: node, view, ranges, ranges_left, copies },
                gateway: RingGatewayStatus { actor: 10 + node, epoch, under_way: 0 },
                coordinator: Some(coordinator),
                settings: BTreeMap::from([("on-quorum-loss".to_string(), setting.to_string())]),
                links: Vec::new(),
                differences: Vec::new(),
            })
        };
        let isolated = || status(1, &[2, 3], "reform after 3 s");
        let no_answer = || Err("it does not answer".to_string());

        let all = [isolated(), status(2, &[1], "wait"), status(3, &[1], "wait")];
        let report = RingReport::of(&cluster, &all);
        assert_eq!((report.without_majority, report.suspects()), (0, vec![1]));
        assert_eq!((report.judged, report.lost_ranges.len(), report.copies_missing), (true, 0, 1));
        let said = report.to_string();
        for expected in [
            "DIFFER in on-quorum-loss: reform after 3 s at node 1; wait at node 2, node 3",
            "1 of keys' copies is missing",
            "has missed writes of 1 keys",
            "wants to leave, and waits",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }

        let report = RingReport::of(&cluster, &[isolated(), no_answer(), no_answer()]);
        assert_eq!((report.without_majority, report.suspects(), report.judged), (0, vec![], false));
        let why = report.cannot_judge().expect("two of three were not asked");
        assert!(why.contains("2 of 3 coordinators could not be asked"), "{why}");
        assert!(!report.to_string().contains("NO MAJORITY"), "{report}");

        let report =
            RingReport::of(&cluster, &[no_answer(), status(2, &[1, 3], "wait"), isolated()]);
        assert_eq!((report.without_majority, report.suspects()), (193, vec![3]));
        assert_eq!(report.lost_ranges[0].gone, [3]);
    }
}
