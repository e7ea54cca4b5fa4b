//! Configurations of a ring in words, as `chainring check -v` and reports print them.

use super::{How, Mortal, Planted, Setup};
use crate::history::spell;
use crate::ring::world::PLENTY;
use std::fmt::{self, Display, Formatter};

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes", self.nodes)?;
        if self.ring.len() < self.nodes {
            write!(f, ", ring {:?}", self.ring)?;
        }
        if let Some(spans) = self.fetching {
            write!(f, ", {} replicas, spans fetched {spans} at a time", self.replicas)?;
        }
        for (number, (old, new)) in self.plan.iter().enumerate() {
            let lead = if number == 0 { ", views at any moment" } else { "," };
            if old == new {
                write!(f, "{lead} {old:?}")?;
            } else {
                write!(f, "{lead} {old:?}+{new:?}")?;
            }
        }
        if self.coordinators > 0 {
            let (count, views) = (self.coordinators, self.views);
            write!(f, ", {count} coordinators, {views} view changes")?;
        }
        for gone in &self.gone {
            write!(f, ", {gone:?} said to be gone at any time")?;
        }
        if let Some(leaver) = self.leaver {
            write!(f, ", {leaver} leaves at any time")?;
        }
        if !self.gives_up.is_empty() {
            write!(f, ", coordinators {:?} give up at any time", self.gives_up)?;
        }
        if self.reform {
            f.write_str(", reformed at any time")?;
        }
        for client in &self.clients {
            let ops: Vec<_> = client.ops.iter().map(|(key, op)| spell(key, op)).collect();
            write!(f, ", gateway {} ({})", client.gateway, ops.join(", "))?;
        }
        for (node, Planted { n, value, voted, how, .. }) in &self.planted {
            let kind = match how {
                How::Promised => {
                    write!(f, ", node {node} has promised #{n}")?;
                    continue;
                }
                How::HalfDone => "half-done",
                How::Chosen if *voted => "voted",
                How::Chosen => "copied",
            };
            write!(f, ", node {node} has {kind} {}#{n}", value.unwrap_or("tombstone"))?;
        }
        let s = if self.attempts == 1 { "" } else { "s" };
        write!(f, ", {} attempt{s} an operation", self.attempts)?;
        if let Some(rounds) = self.rounds {
            write!(f, ", {rounds} rounds of ballots")?;
        }
        if self.recent != PLENTY {
            write!(f, ", recent of {}", self.recent)?;
        }
        f.write_str(", duplicating network")?;
        if self.lossy {
            f.write_str(" that loses")?;
        }
        if self.crashes > 0 {
            let who = match self.mortal {
                Mortal::All => "any actor",
                Mortal::Nodes => "a node",
                Mortal::Gateways => "a gateway",
                Mortal::Whole => "a whole node",
            };
            let (crashes, s) = (self.crashes, if self.crashes == 1 { "" } else { "es" });
            write!(f, ", {crashes} crash{s} of {who} with recovery")?;
        }
        if self.sweeps {
            f.write_str(", sweeps at any moment")?;
        }
        if let Some(nodes) = &self.repairs {
            write!(f, ", nodes {nodes:?} compare at any moment")?;
        }
        if let Some((src, dst, Planted { n, value, .. })) = &self.late {
            let value = value.unwrap_or("tombstone");
            write!(f, ", copies of {value}#{n} under way from {src} to {dst}")?;
        }
        if self.deadlines {
            f.write_str(", deadlines at any moment")?;
        }
        Ok(())
    }
}
