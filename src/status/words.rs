//! A report in words.

use super::report::{Chain, Coordinator, Place, Replica, Report, Role};
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
        let width = self.nodes.iter().map(|place| place.role.to_string().len()).max().unwrap_or(0);
        for place in &self.nodes {
            let node =
                place.node.map_or(format!("actor {}", place.actor), |id| format!("node {id}"));
            let role = place.role.to_string();
            writeln!(f, "  {role:width$}  {node:8}  {}", place.says(self.epoch))?;
        }
        if self.coordinators.is_empty() {
            return writeln!(f, "  nobody decides about its members: they are these for ever");
        }
        let coordinators: Vec<_> = self.coordinators.iter().map(Coordinator::to_string).collect();
        writeln!(f, "  decided by {}", coordinators.join("; "))
    }
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
