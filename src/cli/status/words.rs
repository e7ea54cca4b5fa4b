//! A report in words.

use super::report::{Chain, Coordinator, NodeOfChain, Replica, Report, Role};
use chainring::status::Learning;
use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            writeln!(f, "{chain}")?;
        }
        write!(f, "{}", self.links)
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let members = self.members().count();
        let s = if members == 1 { "" } else { "s" };
        writeln!(f, "chain {}, epoch {}: {members} member{s}", self.chain, self.epoch)?;
        self.write_copies(f, members)?;
        let rows = self.nodes.iter().map(|place| {
            let (role, said) = (place.role.to_string(), place.says(self.epoch));
            let version = place.version.clone();
            Row { role, node: place.node, actor: place.actor, version, said }
        });
        write_rows(f, &rows.collect::<Vec<_>>(), &self.coordinators)?;
        self.write_coordinators(f)
    }
}

impl Chain {
    /// How many copies there are, of as many as are to be kept.
    fn write_copies(&self, f: &mut Formatter<'_>, members: usize) -> fmt::Result {
        let Some(least) = self.min_copies else { return Ok(()) };
        write!(f, "  {members} copies, min-copies = {least}")?;
        match self.allowed {
            Some(0) => f.write_str(
                ": begun anew from older data by an operator's word, what was acknowledged before may be gone",
            )?,
            _ if least == 1 => f.write_str(": what a single member acknowledges is on one disk")?,
            Some(allowed) if members < least && members >= allowed as usize => {
                write!(f, ": {allowed} by an operator's word")?;
            }
            _ if members < least => f.write_str(": writes wait until there are as many")?,
            _ => {}
        }
        writeln!(f)
    }

    /// Whether views change too easily.
    fn write_coordinators(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let wrong: u64 = self.coordinators.iter().map(|it| it.false_suspicions).sum();
        if wrong >= 3 {
            writeln!(
                f,
                "  live members were suspected {wrong} times: `suspect` in [timeouts] is short for these machines"
            )?;
        }
        Ok(())
    }
}

/// What is said of a node.
pub(super) struct Row {
    /// Its part in the newest view.
    pub role: String,
    /// Its number; `None` for an actor that is not in the cluster file.
    pub node: Option<u32>,
    /// The `Id` of its replica.
    pub actor: u32,
    /// The version of its program, if it was asked.
    pub version: Option<String>,
    /// How it is.
    pub said: String,
}

/// A line for each node, and one for the coordinators.
pub(super) fn write_rows(
    f: &mut Formatter<'_>,
    rows: &[Row],
    coordinators: &[Coordinator],
) -> fmt::Result {
    let width = rows.iter().map(|row| row.role.len()).max().unwrap_or(0);
    let versions: BTreeSet<_> = rows.iter().filter_map(|row| row.version.as_deref()).collect();
    for Row { role, node, actor, version, said } in rows {
        let node = node.map_or(format!("actor {actor}"), |id| format!("node {id}"));
        let version = version.as_ref().filter(|_| versions.len() > 1);
        let version = version.map_or(String::new(), |it| format!(", version {it}"));
        writeln!(f, "  {role:width$}  {node:8}  {said}{version}")?;
    }
    match versions.iter().next() {
        Some(only) if versions.len() == 1 => writeln!(f, "  all run version {only}")?,
        _ => {}
    }
    if coordinators.is_empty() {
        return writeln!(f, "  nobody decides about its members: they are these for ever");
    }
    let coordinators: Vec<_> = coordinators.iter().map(Coordinator::to_string).collect();
    writeln!(f, "  decided by {}", coordinators.join("; "))
}

impl NodeOfChain {
    fn says(&self, epoch: u64) -> String {
        if let Some(why) = &self.unreachable {
            return format!("unreachable: {why}");
        }
        let mut said = Vec::new();
        said.extend(self.resp.map(|resp| format!("serves {resp}")));
        if let Some(replica) = &self.replica {
            said.extend(replica.says(self.role, epoch));
        }
        said.join(", ")
    }
}

impl Replica {
    fn says(&self, role: Role, epoch: u64) -> Vec<String> {
        let mut said = Vec::new();
        if role.is_member() {
            said.extend(self.lease.map(|lease| if lease { "has a lease" } else { "has no lease" }));
        }
        let mut said: Vec<String> = said.into_iter().map(String::from).collect();
        said.push(format!("committed {}", self.committed));
        match self.lag {
            Some(0) | None => {}
            Some(lag) => said.push(format!("{lag} behind the head")),
        }
        said.push(format!("{} keys", self.keys));
        said.extend(self.learned.map(|percent| format!("{percent} % of the tail's")));
        said.extend(self.learning.map(|learning| {
            let learning = match learning {
                Learning::Emptying => "removes what it held before",
                Learning::Copying => "copies the tail's rows",
                Learning::CatchingUp => "catches up with the tail",
                Learning::Resuming => "asks the tail for what it missed",
            };
            learning.to_string()
        }));
        if self.wants_to_join {
            said.push("wants to join".to_string());
        }
        if self.epoch != epoch {
            said.push(format!("knows epoch {}", self.epoch));
        }
        said
    }
}

impl Display for Coordinator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.node)?;
        if !self.reachable {
            return write!(f, " (unreachable)");
        }
        if !self.suspects.is_empty() {
            let suspects: Vec<_> = self.suspects.iter().map(u32::to_string).collect();
            write!(f, " (suspects node {})", suspects.join(", "))?;
        }
        if self.deciding {
            write!(f, " (deciding)")?;
        }
        Ok(())
    }
}

impl Role {
    /// Whether it is a member of the view.
    pub fn is_member(self) -> bool {
        matches!(self, Role::HeadAndTail | Role::Head | Role::Middle | Role::Tail)
    }
}

impl Display for Role {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::HeadAndTail => "head and tail",
            Role::Head => "head",
            Role::Middle => "middle",
            Role::Tail => "tail",
            Role::Learner => "learner",
            Role::Removed => "removed",
            Role::Outside => "outside",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainring::config::Cluster;
    use chainring::status::{
        CoordinatorStatus, DifferenceStatus, GatewayStatus, LinkStatus, NodeStatus, ReplicaStatus,
        ViewStatus,
    };

    fn cluster() -> Cluster {
        let node = |id: u32, more: &str| {
            format!(
                "[[node]]\nid = {id}\nudp = \"127.0.0.1:700{id}\"\nresp = \"127.0.0.1:800{id}\"\n\
                 replica = {id}\ngateway = 1{id}\ndoor = 2{id}\n{more}\n"
            )
        };
        let nodes = [
            node(1, "coordinator = 31"),
            node(2, ""),
            node(3, ""),
            node(4, "joins = true"),
            node(5, "joins = true"),
        ];
        let head = "cluster = 9\nprotocol = \"chain\"\n";
        Cluster::parse(&format!("{head}{}", nodes.concat())).expect("a cluster file")
    }

    fn view(epoch: u64, members: &[u32], learner: Option<u32>) -> ViewStatus {
        let (members, coordinators) = (members.to_vec(), vec![31]);
        ViewStatus { epoch, members, learner, allowed: None, coordinators }
    }

    fn status(node: u32, view: ViewStatus, received: u64, keys: u64) -> NodeStatus {
        let gateway =
            GatewayStatus { actor: 10 + node, chain: 1, view: view.clone(), under_way: 0 };
        let replica = ReplicaStatus {
            actor: node,
            chain: 1,
            lease: Some(view.members.contains(&node)),
            view,
            committed: 40,
            received,
            keys,
            learning: None,
            min_copies: 2,
        };
        let (version, coordinator) = ("0.1.0".to_string(), None);
        let gateways = vec![gateway];
        let (settings, links, differences) = Default::default();
        NodeStatus {
            cluster: 9,
            node,
            version,
            replica,
            gateways,
            coordinator,
            settings,
            links,
            differences,
        }
    }

    #[test]
    fn a_chain_in_trouble_in_words() {
        let newest = view(7, &[3, 1], Some(4));
        let mut first = status(1, newest.clone(), 42, 10);
        first.coordinator = Some(CoordinatorStatus {
            actor: 31,
            chain: 1,
            view: newest.clone(),
            suspects: vec![3],
            joining: vec![5],
            deciding: true,
            false_suspicions: 4,
            patience: 8,
        });
        let mut fourth = status(4, newest.clone(), 41, 5);
        fourth.version = "0.2.0".to_string();
        fourth.replica.learning = Some(Learning::Copying);
        let answers = [
            Ok(first),
            Err("it does not answer".to_string()),
            Ok(status(3, newest, 45, 10)),
            Ok(fourth),
            Ok(status(5, view(1, &[1, 2, 3], None), 0, 0)),
        ];
        let report = Report::of(&cluster(), &answers);
        assert_eq!(
            report.verdict(&cluster()).to_string(),
            "DEGRADED: 2 of 5 copies, 1 of 1 coordinators: the next failure stops writes; node 2 is \
             not there: start it; node 4 is learning what it missed; node 5 waits to be let in"
        );
        let said = report.to_string();
        let expected = "\
chain 1, epoch 7: 2 members
  2 copies, min-copies = 2
  head     node 3    serves 127.0.0.1:8003, has a lease, committed 40, 10 keys, version 0.1.0
  tail     node 1    serves 127.0.0.1:8001, has a lease, committed 40, 3 behind the head, 10 keys, version 0.1.0
  learner  node 4    serves 127.0.0.1:8004, committed 40, 5 keys, 50 % of the tail's, copies the tail's rows, version 0.2.0
  removed  node 2    unreachable: it does not answer
  outside  node 5    serves 127.0.0.1:8005, committed 40, 0 keys, wants to join, knows epoch 1, version 0.1.0
  decided by node 1 (suspects node 3) (deciding)
  live members were suspected 4 times: `suspect` in [timeouts] is short for these machines
";
        assert_eq!(said.trim_end(), expected.trim_end());
    }

    /// A node that does not answer has told another one what its file says.
    #[test]
    fn files_that_differ_and_links_in_trouble_are_named() {
        let newest = view(7, &[1, 2, 3], None);
        let mut first = status(1, newest, 40, 10);
        first.settings.insert("min-copies".to_string(), "2".to_string());
        first.differences.push(DifferenceStatus {
            node: 3,
            setting: "min-copies".to_string(),
            here: "2".to_string(),
            there: "1".to_string(),
        });
        first.links.push(LinkStatus {
            node: Some(2),
            address: "127.0.0.1:7002".to_string(),
            sending: false,
            what: "are damaged".to_string(),
            remedy: "look at it".to_string(),
            count: 9,
            last_ms_ago: 70_000,
        });
        let gone = || Err("gone".to_string());
        let report = Report::of(&cluster(), &[Ok(first), gone(), gone(), gone(), gone()]);
        let said = report.to_string();
        for expected in [
            "the files of the nodes DIFFER in min-copies: 1 at node 3; 2 at node 1: write",
            "node 1 counts 9, long ago: datagrams of node 2, from 127.0.0.1:7002, are damaged: look",
        ] {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_chain_of_which_nobody_answers_is_as_the_file_says() {
        let answers: Vec<_> = (0..5).map(|_| Err("gone".to_string())).collect();
        let report = Report::of(&cluster(), &answers);
        let roles: Vec<_> = report.chains[0].nodes.iter().map(|place| place.role).collect();
        use Role::{Head, Middle, Outside, Tail};
        assert_eq!(roles, [Head, Middle, Tail, Outside, Outside]);
        assert!(report.to_string().contains("decided by node 1 (unreachable)"));
    }

    #[test]
    fn a_verdict_says_what_the_next_failure_costs_and_what_to_do() {
        let three = Cluster::parse(&{
            let node = |id: u32| {
                format!(
                    "[[node]]\nid = {id}\nudp = \"127.0.0.1:700{id}\"\nresp = \"127.0.0.1:800{id}\"\n\
                     replica = {id}\ngateway = 1{id}\ndoor = 2{id}\ncoordinator = 3{id}\n"
                )
            };
            let nodes = [1, 2, 3].map(node).concat();
            format!("cluster = 9\nprotocol = \"chain\"\n{nodes}")
        })
        .expect("a cluster file");
        let verdict = |members: &[u32], up: &[u32]| {
            let view = ViewStatus {
                epoch: 7,
                members: members.to_vec(),
                learner: None,
                allowed: None,
                coordinators: vec![31, 32, 33],
            };
            let answer = |node: u32| {
                if !up.contains(&node) {
                    return Err("it does not answer".to_string());
                }
                let mut status = status(node, view.clone(), 40, 10);
                status.coordinator = Some(CoordinatorStatus {
                    actor: 30 + node,
                    chain: 1,
                    view: view.clone(),
                    suspects: vec![],
                    joining: vec![],
                    deciding: false,
                    false_suspicions: 0,
                    patience: 1,
                });
                Ok(status)
            };
            let answers = [1, 2, 3].map(answer);
            Report::of(&three, &answers).verdict(&three).to_string()
        };
        assert_eq!(verdict(&[1, 2, 3], &[1, 2, 3]), "HEALTHY: 3 of 3 copies, 3 of 3 coordinators");
        let lost = "DEGRADED: 2 of 3 copies, 2 of 3 coordinators: the next failure stops writes";
        let start = "; node 3 is not there: start it";
        assert_eq!(verdict(&[1, 2], &[1, 2]), format!("{lost}{start}"));
        assert_eq!(verdict(&[1, 2, 3], &[1, 2]), format!("{lost}{start}"));
        assert_eq!(
            verdict(&[2], &[2]),
            "DOWN: 1 of 3 copies, 1 of 3 coordinators, and 2 copies and 2 coordinators are needed, \
             start nodes 1, 3"
        );
        assert!(verdict(&[1, 2, 3], &[]).starts_with("DOWN: 0 of 3 copies, 0 of 3 coordinators"));
    }
}
