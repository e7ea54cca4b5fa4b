//! What a node of a ring says of itself.

use super::{RingSystem, View};
use crate::board::{About, Card, yes_or_no};
use crate::protocol::Lines;
use crate::protocol::Role;
use crate::status::{
    RingCoordinatorStatus, RingCopiesStatus, RingGatewayStatus, RingLostStatus, RingNodeStatus,
    RingReplicaStatus, RingViewStatus, number,
};
use chainring_model::ring::Span;
use stateright::actor::Id;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How many ranges without a majority are told of one by one.
const LOST_RANGES: usize = 1000;

/// What `INFO` says of the actors.
pub(super) fn lines(about: &About<RingSystem>) -> Lines {
    let line = |name: &str, value: String| (name.to_string(), value);
    let nodes = |ids: BTreeSet<Id>| {
        let nodes: Vec<_> = ids.into_iter().map(|id| about.node_of(id)).collect();
        nodes.join(" ")
    };
    let mut lines = Vec::new();
    for card in about.board.with_role(Role::Replica) {
        let Some(view) = card.view() else { continue };
        let is_member = view.members().contains(&card.place.id);
        // Let go before the lines are made: a guard lives to the end of its statement, and the lock is taken once.
        let (behind, copied) = {
            let repairs = card.shows.repairs();
            (repairs.behind, repairs.copied)
        };
        lines.extend([
            line("epoch", view.epoch.to_string()),
            line("view", if view.is_stable() { "stable" } else { "joint" }.to_string()),
            line("member", yes_or_no(is_member).to_string()),
            line("members", nodes(view.old.members())),
            line("next_members", nodes(view.new.members())),
            line("replicas", view.old.replicas.to_string()),
            line("ranges_to_fetch", left(card).to_string()),
            line("keys_behind", behind.to_string()),
            line("keys_copied", copied.to_string()),
        ]);
    }
    for card in about.board.with_role(Role::Coordinator) {
        let rest = card.shows.rest().clone();
        lines.extend([
            line("coordinator_epoch", card.view().map_or(0, |view| view.epoch).to_string()),
            line("coordinator_suspects", nodes(rest.gone)),
        ]);
    }
    for card in about.board.with_role(Role::Member) {
        let rest = card.shows.rest().clone();
        lines.extend([line("alive", rest.alive.to_string()), line("gone", nodes(rest.gone))]);
    }
    lines
}

/// The reply to `CHAINRING STATUS`.
pub(super) fn status(about: &About<RingSystem>, under_way: &[usize]) -> String {
    let view = |card: &Card<RingSystem>| card.view();
    let numbers = |ids: BTreeSet<Id>| ids.into_iter().map(number).collect::<Vec<_>>();
    let replica = about.board.with_role(Role::Replica).next().and_then(|card| {
        let (view, id) = (view(card)?, card.place.id);
        Some(RingReplicaStatus {
            actor: number(id),
            ranges_left: left(card),
            ranges: view.fetches(id).len() as u64,
            copies: copies(card),
            view: RingViewStatus::from(&view),
        })
    });
    let gateway = about.board.with_role(Role::Gateway).next().and_then(|card| {
        let epoch = view(card)?.epoch;
        let under_way = under_way.iter().sum();
        Some(RingGatewayStatus { actor: number(card.place.id), epoch, under_way })
    });
    let coordinator = about.board.with_role(Role::Coordinator).next().and_then(|card| {
        let (view, rest): (View, _) = (view(card)?, card.shows.rest().clone());
        let lost = view.without_majority(&rest.gone);
        let of_lost = |span: &Span| {
            let replicas = view.old_replicas(span.upto).into_iter();
            let gone = replicas.filter(|id| rest.gone.contains(id)).collect();
            RingLostStatus { upto: format!("{:016x}", span.upto), gone: numbers(gone) }
        };
        Some(RingCoordinatorStatus {
            actor: number(card.place.id),
            without_majority: lost.len() as u64,
            lost_ranges: lost.iter().take(LOST_RANGES).map(of_lost).collect(),
            view: RingViewStatus::from(&view),
            suspects: numbers(rest.gone),
            joining: numbers(rest.joining),
            leaving: numbers(rest.leaving),
            deciding: rest.deciding,
        })
    });
    // Before its actors have started, nobody can ask.
    let (Some(replica), Some(gateway)) = (replica, gateway) else { return "{}".to_string() };
    let status = RingNodeStatus {
        cluster: about.cluster(),
        node: about.node.id,
        version: env!("CARGO_PKG_VERSION").to_string(),
        replica,
        gateway,
        coordinator,
        settings: about.settings(),
        links: about.links(),
        differences: about.differences(),
    };
    // Numbers, words and lists of them: all have a JSON form.
    serde_json::to_string(&status).unwrap_or_default()
}

/// What a node has found in comparing.
fn copies(card: &Card<RingSystem>) -> RingCopiesStatus {
    let known = card.shows.repairs();
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    RingCopiesStatus {
        behind: known.behind as u64,
        copied: known.copied,
        compared_ms_ago: known.ended.map(|ended| millis(ended.elapsed())),
        took_ms: millis(known.took),
        unheard: known.unheard.iter().copied().map(number).collect(),
    }
}

/// How many ranges a node has still to fetch.
fn left(card: &Card<RingSystem>) -> u64 {
    card.shows.left.load(Ordering::Relaxed)
}
