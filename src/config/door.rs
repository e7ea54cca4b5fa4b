//! What the cluster file says of the nodes' front doors: the table `[door]`.

use crate::resp::Limits;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a node's front door takes on.
///
/// Each node keeps its own bounds, so the copies of the file may differ in them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct DoorConfig {
    /// How many connections there may be; fewer where the process may not open so many files.
    pub connections: u32,
    /// How many MiB of commands, and of replies, may wait for one connection. The longest command
    /// and the longest reply are that long, or 64 MiB if that is less.
    pub waiting_mib: u32,
    /// How many MiB all connections may hold together; beyond that those that hold the most are
    /// closed.
    pub memory_mib: u32,
    /// After how many seconds a command that was begun and does not go on ends its connection.
    pub unfinished_after: u32,
}

impl Default for DoorConfig {
    fn default() -> Self {
        DoorConfig { connections: 10_000, waiting_mib: 64, memory_mib: 256, unfinished_after: 60 }
    }
}

impl DoorConfig {
    /// The limits of a front door with these.
    pub fn limits(&self) -> Limits {
        let usual = Limits::default();
        let waiting_bytes = (self.waiting_mib as usize) << 20;
        Limits {
            connections: self.connections as usize,
            waiting_bytes,
            memory_bytes: (self.memory_mib as usize) << 20,
            unfinished_time: Duration::from_secs(self.unfinished_after.into()),
            command_bytes: usual.command_bytes.min(waiting_bytes),
            reply_bytes: usual.reply_bytes.min(waiting_bytes),
            ..usual
        }
    }

    /// What is wrong with it, in a sentence.
    pub(super) fn mistake(&self) -> Option<String> {
        let DoorConfig { connections, waiting_mib, memory_mib, unfinished_after } = *self;
        if !(1..=1_000_000).contains(&connections) {
            return Some(format!("connections = {connections} is not between 1 and 1000000"));
        }
        if !(2..=4096).contains(&waiting_mib) {
            return Some(format!("waiting-mib = {waiting_mib} is not between 2 and 4096"));
        }
        if memory_mib < 4 * waiting_mib.min(64) || memory_mib > 1 << 20 {
            return Some(format!(
                "memory-mib = {memory_mib} is not between {} and 1048576: the longest command and the \
                 longest reply have to fit while they are worked on, which takes four times their length",
                4 * waiting_mib.min(64)
            ));
        }
        if !(1..=86_400).contains(&unfinished_after) {
            return Some(format!(
                "unfinished-after = {unfinished_after} is not between 1 and 86400 seconds"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_doors() {
        let (ours, usual) = (DoorConfig::default().limits(), Limits::default());
        assert_eq!(format!("{ours:?}"), format!("{usual:?}"));
        assert_eq!(DoorConfig::default().mistake(), None);
        let small = DoorConfig { waiting_mib: 2, memory_mib: 8, ..DoorConfig::default() };
        assert_eq!(small.mistake(), None);
        assert_eq!((small.limits().command_bytes, small.limits().reply_bytes), (2 << 20, 2 << 20));
    }
}
