//! Configurations of a chain in words, as `chainring check -v` and reports print them.

use super::{Mortal, Setup, Since, Stored};
use crate::history::spell;
use chainring_model::chain::Reads;
use std::fmt::{self, Display, Formatter};

impl Display for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        write!(f, "{} replica{}", self.replicas, plural(self.replicas))?;
        for client in &self.clients {
            let lanes = client.lanes.iter().map(|ops| {
                let ops: Vec<_> = ops.iter().map(|(key, op)| spell(key, op)).collect();
                format!("({})", ops.join(", "))
            });
            write!(f, ", client {}", lanes.collect::<Vec<_>>().join(" beside "))?;
            if let Some(nearest) = client.nearest {
                write!(f, " near {nearest}")?;
            }
            match client.lists {
                None => {}
                Some(0) => f.write_str(" whose gets are counts of all keys")?,
                Some(limit) => write!(f, " whose gets are listings of {limit} keys")?,
            }
            match client.reads {
                Reads::Any => {}
                Reads::Tail => f.write_str(" reading at the tail")?,
                Reads::Eventual => f.write_str(" with eventual reads")?,
            }
        }
        if self.joiners > 0 {
            f.write_str(if self.taught { ", a learner" } else { ", one that joins" })?;
        }
        match self.stored {
            Stored::Nothing => {}
            Stored::Value => f.write_str(", a value stored")?,
            Stored::Lanes => f.write_str(", values written and deleted")?,
            Stored::Values => f.write_str(", two values stored")?,
            Stored::OldDisk => f.write_str(", two values stored, an old store at the learner")?,
            Stored::Away(since) => {
                f.write_str(", two values stored, the learner has been away, ")?;
                f.write_str(match since {
                    Since::All => "all that came since retained",
                    Since::Some => "the first that came since not retained",
                    Since::AllOfAnother => "its store of another history",
                })?;
            }
        }
        if let Some(parts) = self.parts {
            write!(f, ", parts of {parts} row{}", plural(parts))?;
        }
        if self.retained > 0 {
            write!(f, ", {} entries retained", self.retained)?;
        }
        f.write_str(", duplicating network")?;
        if self.lossy {
            f.write_str(" that loses")?;
        }
        if self.crashes > 0 {
            let who = match self.mortal {
                Mortal::All => "any actor",
                Mortal::Members => "a replica or coordinator",
                Mortal::Coordinators => "a coordinator",
                Mortal::Replicas => "a replica",
                Mortal::Gateways => "a gateway",
                Mortal::Whole => "a whole node",
            };
            let (crashes, s) = (self.crashes, if self.crashes == 1 { "" } else { "es" });
            let with = if self.disks_lost { "whose disk is lost" } else { "with recovery" };
            write!(f, ", {crashes} crash{s} of {who} {with}")?;
        }
        if self.deadlines {
            f.write_str(", deadlines at any moment")?;
        }
        if let Some(window) = self.window {
            write!(f, ", windows of {window}")?;
        }
        if self.slow_clients {
            f.write_str(", slow clients")?;
        }
        if self.coordinators > 0 {
            let (count, views) = (self.coordinators, self.views);
            let times = if self.impatient { ", and again while a proposal waits" } else { "" };
            let who = match &self.suspects[..] {
                [] => "anyone".to_string(),
                some => format!("{some:?}"),
            };
            write!(
                f,
                ", {count} coordinator{}, {who} suspected at any time{times}",
                plural(count)
            )?;
            write!(f, ", {views} view change{}", plural(views as usize))?;
            match self.swift_leases {
                true => f.write_str(", leases granted at once")?,
                false => write!(f, ", {} more heartbeats", self.heartbeats)?,
            }
        }
        if self.anew {
            f.write_str(", begun anew by an operator's word at any time")?;
        }
        if self.copies > 1 {
            write!(f, ", {} copies", self.copies)?;
        }
        if self.lax {
            f.write_str(" but for the first coordinator, which keeps one")?;
        }
        if !self.given_up.is_empty() {
            write!(f, ", {:?} given up by an operator at any time", self.given_up)?;
        }
        if self.complaints {
            f.write_str(", whoever is not heard is reported")?;
        }
        if self.cut {
            f.write_str(", no update arrives between the first two replicas")?;
        }
        if self.late {
            f.write_str(", a late update of an earlier epoch")?;
        }
        if self.stale_gateways {
            f.write_str(", gateways with an older view")?;
        }
        Ok(())
    }
}
