//! A report in words.

use super::report::{Chain, Coordinator, Place, Replica, Report, Role};
use chainring_runtime::status::Learning;
use std::fmt::{self, Display, Formatter};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for chain in &self.chains {
            writeln!(f, "{chain}")?;
        }
        Ok(())
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let members = self.nodes.iter().filter(|place| place.role.is_member()).count();
        let s = if members == 1 { "" } else { "s" };
        writeln!(f, "chain {}, epoch {}: {members} member{s}", self.chain, self.epoch)?;
        let rows = self.nodes.iter().map(|place| {
            let (role, said) = (place.role.to_string(), place.says(self.epoch));
            Row { role, node: place.node, actor: place.actor, said }
        });
        write_rows(f, &rows.collect::<Vec<_>>(), &self.coordinators)
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
    /// How it is.
    pub said: String,
}

/// A line for each node, and one for those who decide.
pub(super) fn write_rows(
    f: &mut Formatter<'_>,
    rows: &[Row],
    coordinators: &[Coordinator],
) -> fmt::Result {
    let width = rows.iter().map(|row| row.role.len()).max().unwrap_or(0);
    for Row { role, node, actor, said } in rows {
        let node = node.map_or(format!("actor {actor}"), |id| format!("node {id}"));
        writeln!(f, "  {role:width$}  {node:8}  {said}")?;
    }
    if coordinators.is_empty() {
        return writeln!(f, "  nobody decides about its members: they are these for ever");
    }
    let coordinators: Vec<_> = coordinators.iter().map(Coordinator::to_string).collect();
    writeln!(f, "  decided by {}", coordinators.join("; "))
}

impl Place {
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
    fn is_member(self) -> bool {
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
    use chainring_runtime::config::Cluster;
    use chainring_runtime::status::{
        CoordinatorStatus, GatewayStatus, NodeStatus, ReplicaStatus, ViewStatus,
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
        ViewStatus { epoch, members: members.to_vec(), learner, coordinators: vec![31] }
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
        };
        let (version, coordinator) = (String::new(), None);
        NodeStatus { cluster: 9, node, version, replica, gateways: vec![gateway], coordinator }
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
        });
        let mut fourth = status(4, newest.clone(), 41, 5);
        fourth.replica.learning = Some(Learning::Copying);
        let answers = [
            Ok(first),
            Err("it does not answer".to_string()),
            Ok(status(3, newest, 45, 10)),
            Ok(fourth),
            Ok(status(5, view(1, &[1, 2, 3], None), 0, 0)),
        ];
        let said = Report::of(&cluster(), &answers).to_string();
        let expected = "\
chain 1, epoch 7: 2 members
  head     node 3    serves 127.0.0.1:8003, has a lease, committed 40, 10 keys
  tail     node 1    serves 127.0.0.1:8001, has a lease, committed 40, 3 behind the head, 10 keys
  learner  node 4    serves 127.0.0.1:8004, committed 40, 5 keys, 50 % of the tail's, copies the tail's rows
  removed  node 2    unreachable: it does not answer
  outside  node 5    serves 127.0.0.1:8005, committed 40, 0 keys, wants to join, knows epoch 1
  decided by node 1 (suspects node 3) (deciding)
";
        assert_eq!(said.trim_end(), expected.trim_end());
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
}
