//! What a node of a chain says of itself.

use super::{ChainSystem, Shows};
use crate::board::{About, Card, yes_or_no};
use crate::protocol::Lines;
use crate::protocol::Role;
use crate::status::{
    CoordinatorStatus, GatewayStatus, NodeStatus, ReplicaStatus, ViewStatus, number,
};
use chainring_model::chain::View;
use stateright::actor::Id;
use std::sync::atomic::{AtomicU64, Ordering};

/// What `INFO` says of the actors.
pub(super) fn lines(about: &About<ChainSystem>) -> Lines {
    let line = |name: &str, value: String| (name.to_string(), value);
    let mut lines = Vec::new();
    for card in about.board.with_role(Role::Replica) {
        let view = view(card);
        let members: Vec<_> = view.chain.iter().map(|id| about.node_of(*id)).collect();
        let Shows { committed, received, keys, .. } = &card.shows;
        let Shows { retained, retained_bytes, went_on, began_anew, missed, .. } = &card.shows;
        lines.extend([
            line("chain_number", card.place.chain.to_string()),
            line("chain_role", role(&view, card.place.id).to_string()),
            line("chain", members.join(" ")),
            line("epoch", view.epoch.to_string()),
            line("lease", lease(card, &view).map_or("not needed", yes_or_no).to_string()),
            line("committed", read(committed).to_string()),
            line("received", read(received).to_string()),
            line("keys", read(keys).to_string()),
            line("retained_from", read(retained).to_string()),
            line("retained_bytes", read(retained_bytes).to_string()),
            line("returns_caught_up", read(went_on).to_string()),
            line("returns_begun_anew", read(began_anew).to_string()),
            line("last_return_missed", read(missed).to_string()),
        ]);
    }
    for card in about.board.with_role(Role::Coordinator) {
        let rest = card.shows.rest().clone();
        let suspects: Vec<_> = rest.suspects.iter().map(|id| about.node_of(*id)).collect();
        lines.extend([
            line("coordinator_epoch", view(card).epoch.to_string()),
            line("coordinator_suspects", suspects.join(" ")),
            line("coordinator_false_suspicions", rest.wrong.to_string()),
        ]);
    }
    lines
}

/// The reply to `CHAINRING STATUS`.
pub(super) fn status(about: &About<ChainSystem>, under_way: &[usize]) -> String {
    let replica = about.board.with_role(Role::Replica).next().map(|card| {
        let (view, rest) = (view(card), card.shows.rest().clone());
        let Shows { committed, received, keys, .. } = &card.shows;
        ReplicaStatus {
            actor: number(card.place.id),
            chain: card.place.chain,
            lease: lease(card, &view),
            view: ViewStatus::from(&view),
            committed: read(committed),
            received: read(received),
            keys: read(keys),
            learning: rest.learning,
            min_copies: about.with_roster(|cluster| cluster.copies(card.place.chain)),
        }
    });
    let gateways = about.board.with_role(Role::Gateway).zip(under_way);
    let gateways = gateways.map(|(card, under_way)| GatewayStatus {
        actor: number(card.place.id),
        chain: card.place.chain,
        view: ViewStatus::from(&view(card)),
        under_way: *under_way,
    });
    let coordinator = about.board.with_role(Role::Coordinator).next().map(|card| {
        let rest = card.shows.rest().clone();
        CoordinatorStatus {
            actor: number(card.place.id),
            chain: card.place.chain,
            view: ViewStatus::from(&view(card)),
            suspects: rest.suspects.into_iter().map(number).collect(),
            joining: rest.joining.into_iter().map(number).collect(),
            deciding: rest.deciding,
            false_suspicions: rest.wrong,
            patience: 1 << rest.doubt.min(16),
        }
    });
    let Some(replica) = replica else { return "{}".to_string() }; // every node has one
    let status = NodeStatus {
        cluster: about.cluster(),
        node: about.node.id,
        version: env!("CARGO_PKG_VERSION").to_string(),
        replica,
        gateways: gateways.collect(),
        coordinator,
        settings: about.settings(),
        links: about.links(),
        differences: about.differences(),
    };
    // Numbers, words and lists of them: all have a JSON form.
    serde_json::to_string(&status).unwrap_or_default()
}

fn view(card: &Card<ChainSystem>) -> View {
    card.view().unwrap_or_else(|| View::new(0, Vec::new()))
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Whether a replica has a lease; `None` where nobody grants any.
fn lease(replica: &Card<ChainSystem>, view: &View) -> Option<bool> {
    (!view.coordinators.is_empty()).then(|| replica.shows.lease.load(Ordering::Relaxed))
}

/// A replica's part in a view.
fn role(view: &View, replica: Id) -> &'static str {
    match view.chain.iter().position(|member| *member == replica) {
        None if view.learner() == Some(replica) => "learner",
        None => "not a member",
        Some(_) if view.chain.len() == 1 => "head and tail",
        Some(0) => "head",
        Some(place) if place + 1 == view.chain.len() => "tail",
        Some(_) => "middle",
    }
}
