//! Which others an actor that watches them has heard, and for how long not: for the log.
//!
//! An actor's state says which others it suspects, and not since when nothing was heard: time is no
//! part of a state. An observer sees every message with the reading of the clock, so it can tell.

use super::{ActorStatus, Observe};
use chainring_runtime::driver::{Event, Step};
use stateright::actor::Id;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What an observer remembers of the nodes that its actor watches.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    /// When each node was heard last.
    heard: BTreeMap<u32, Duration>,
    /// The nodes that are suspected, and since when.
    suspected: BTreeMap<u32, Duration>,
}

impl Hearing {
    /// Looks at a step of the actor, which suspects these replicas after it, and logs what has
    /// changed.
    pub fn look<'a, P: Observe>(
        &mut self,
        of: &ActorStatus<P>,
        step: &Step<'_, P::Actor>,
        suspects: impl IntoIterator<Item = &'a Id>,
    ) {
        if let Event::Deliver { src, .. } = step.event
            && let Some(node) = of.node_of(*src)
        {
            self.heard.insert(node, step.now);
        }
        let suspects = suspects.into_iter().filter_map(|replica| of.node_of(*replica));
        for change in self.changes(step.now, suspects.collect()) {
            match change {
                Change::Suspected { node, silence: Some(silence) } => tracing::warn!(
                    node,
                    silence_ms = silence.as_millis() as u64,
                    "node {node} is suspected: nothing was heard of it for {} ms",
                    silence.as_millis()
                ),
                Change::Suspected { node, silence: None } => tracing::warn!(
                    node,
                    "node {node} is suspected: nothing was heard of it since this node started, or \
                     another one says that it is gone"
                ),
                Change::Back { node } => {
                    tracing::info!(node, "node {node} is heard again, and suspected no more");
                }
            }
        }
    }

    /// What has changed now that these are suspected.
    fn changes(&mut self, now: Duration, suspects: BTreeSet<u32>) -> Vec<Change> {
        let mut changes = Vec::new();
        for node in suspects.iter().filter(|node| !self.suspected.contains_key(node)) {
            let silence = self.heard.get(node).map(|heard| now.saturating_sub(*heard));
            changes.push(Change::Suspected { node: *node, silence });
        }
        for (node, since) in &self.suspected {
            // One that is suspected no more because it was left out has not been heard.
            if !suspects.contains(node) && self.heard.get(node).is_some_and(|heard| heard > since) {
                changes.push(Change::Back { node: *node });
            }
        }
        self.suspected.retain(|node, _| suspects.contains(node));
        for node in suspects {
            self.suspected.entry(node).or_insert(now);
        }
        changes
    }
}

/// What has changed in an actor's suspicions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    /// When a node is suspected, after such a silence.
    Suspected { node: u32, silence: Option<Duration> },
    /// When one was heard again.
    Back { node: u32 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_said_once_and_so_is_its_end() {
        let ms = Duration::from_millis;
        let mut hearing = Hearing::default();
        hearing.heard.insert(2, ms(1_000));
        assert_eq!(hearing.changes(ms(1_200), [].into()), []);
        let suspected = Change::Suspected { node: 2, silence: Some(ms(310)) };
        assert_eq!(hearing.changes(ms(1_310), [2].into()), [suspected]);
        assert_eq!(hearing.changes(ms(1_400), [2].into()), []);
        let never = Change::Suspected { node: 3, silence: None };
        assert_eq!(hearing.changes(ms(1_500), [2, 3].into()), [never]);
        hearing.heard.insert(2, ms(1_600));
        // Node 3 was left out of the view, and no node has heard it.
        assert_eq!(hearing.changes(ms(1_600), [].into()), [Change::Back { node: 2 }]);
        assert_eq!(hearing.changes(ms(1_700), [].into()), []);
    }
}
