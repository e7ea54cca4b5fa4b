//! What a node of a chain says aloud in its log: that there are few copies, that no coordinator
//! decides, that timeouts are too short. It tells, and changes nothing.

use crate::operate::Context;
use crate::protocol::{ChainProtocol, Role};
use chainring_model::chain::View;
use stateright::actor::Id;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(500);

/// For how long a member is without a lease before that is said: longer than any change of a view
/// takes.
const LEASELESS: Duration = Duration::from_secs(5);

/// How long the same is not said again.
const AGAIN: Duration = Duration::from_secs(60);

/// How many false suspicions in a row are worth a word.
const WRONG: u64 = 3;

/// What was said, and what was seen.
#[derive(Default)]
struct Notes {
    leaseless: Option<Instant>,
    said_leaseless: Option<Instant>,
    few: Option<u64>,
    wrong: u64,
}

/// Looks again and again; ends with the node.
pub(super) async fn tell(node: &Context<ChainProtocol>) {
    let chain = node.node.chain;
    let copies = node.with_roster(|cluster| cluster.copies(chain));
    if copies == 1 {
        tracing::warn!(
            chain,
            "min-copies = 1: the chain goes on with a single member, and what it acknowledges then is on one disk"
        );
    }
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut notes = Notes::default();
    loop {
        look.tick().await;
        notes.leases(node);
        notes.copies(node, copies);
        notes.suspicions(node);
    }
}

impl Notes {
    /// A member that lives and has no lease for long hears no majority of the coordinators.
    fn leases(&mut self, node: &Context<ChainProtocol>) {
        let Some(actor) = node.board.with_role(Role::Replica).next() else { return };
        let Some(view) = actor.view() else { return };
        let needs = view.chain.contains(&actor.config.id) && !view.coordinators.is_empty();
        if !needs || actor.status().lease {
            if self.said_leaseless.take().is_some() && needs {
                tracing::info!("a majority of the chain's coordinators is heard again");
            }
            self.leaseless = None;
            return;
        }
        let since = *self.leaseless.get_or_insert_with(Instant::now);
        let is_said = self.said_leaseless.is_some_and(|said| said.elapsed() < AGAIN);
        if since.elapsed() < LEASELESS || is_said {
            return;
        }
        self.said_leaseless = Some(Instant::now());
        tracing::warn!(
            coordinators = coordinators(node, &view),
            "no majority of the chain's coordinators has answered for {} s: strong reads are refused, and no view \
             can change. Start those nodes again. A coordinator whose disk is lost cannot be replaced: where that is a \
             majority, keep this node's data",
            since.elapsed().as_secs()
        );
    }

    /// A chain of fewer members than copies are to be kept takes no writes, or does by an
    /// operator's word.
    fn copies(&mut self, node: &Context<ChainProtocol>, copies: usize) {
        let Some(actor) = node.board.with_role(Role::Replica).next() else { return };
        let Some(view) = actor.view() else { return };
        let few = (view.chain.len() < copies && !view.chain.is_empty()).then_some(view.epoch);
        if few.is_some() && few != self.few {
            let (members, epoch) = (view.chain.len(), view.epoch);
            if view.has_copies(copies) {
                tracing::warn!(
                    epoch,
                    members,
                    copies,
                    "fewer copies than are to be kept, by an operator's word"
                );
            } else {
                tracing::warn!(
                    epoch,
                    members,
                    copies,
                    "fewer copies than are to be kept: writes wait for a member"
                );
            }
        }
        self.few = few;
    }

    /// A coordinator whose suspicions are false again and again has timeouts that are too short for
    /// the machine.
    fn suspicions(&mut self, node: &Context<ChainProtocol>) {
        let Some(actor) = node.board.with_role(Role::Coordinator).next() else { return };
        let (wrong, doubt) = {
            let status = actor.status();
            (status.wrong, status.doubt)
        };
        if wrong >= self.wrong + WRONG {
            self.wrong = wrong;
            let suspect = node.with_roster(|cluster| cluster.timeouts.views().suspect.start);
            tracing::warn!(
                wrong,
                "this coordinator has suspected live members again and again, and waits {} times as long now: \
                 `suspect = {}` in [timeouts] is too short for these machines",
                1_u32 << doubt.min(16),
                suspect.as_millis()
            );
        }
    }
}

/// The nodes of a view's coordinators, as people number them.
fn coordinators(node: &Context<ChainProtocol>, view: &View) -> String {
    let node_of = |id: &Id| {
        node.with_roster(|cluster| {
            let node = cluster.nodes.iter().find(|node| node.coordinator() == Some(*id));
            node.map_or("?".to_string(), |node| format!("node {}", node.id))
        })
    };
    view.coordinators.iter().map(node_of).collect::<Vec<_>>().join(", ")
}
