//! What a node of a ring says of itself.

use crate::board::{ActorStatus, Repairs};
use crate::gateway::door::Door;
use crate::operate::Context;
use crate::operate::context::yes_or_no;
use crate::protocol::{RingProtocol, Role};
use crate::resp::Lines;
use crate::status::{
    RingCoordinatorStatus, RingCopiesStatus, RingGatewayStatus, RingLostStatus, RingNodeStatus,
    RingReplicaStatus, RingViewStatus, number,
};
use chainring_model::ring::{Span, View};
use stateright::actor::Id;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many ranges without a majority are told of one by one.
const LOST_RANGES: usize = 1000;

/// What `INFO` says of the actors.
pub(super) fn lines(node: &Context<RingProtocol>) -> Lines {
    let line = |name: &str, value: String| (name.to_string(), value);
    let nodes = |ids: BTreeSet<Id>| {
        let nodes: Vec<_> = ids.into_iter().map(|id| node.node_of(id)).collect();
        nodes.join(" ")
    };
    let mut lines = Vec::new();
    for actor in node.board.with_role(Role::Replica) {
        let Some(view) = actor.view() else { continue };
        let is_member = view.members().contains(&actor.config.id);
        // Let go before the lines are made: a guard lives to the end of its statement, and the lock
        // is taken once.
        let (left, behind, copied) = {
            let status = actor.status();
            (status.left, status.repairs.behind, status.repairs.copied)
        };
        lines.extend([
            line("epoch", view.epoch.to_string()),
            line("view", if view.is_stable() { "stable" } else { "joint" }.to_string()),
            line("member", yes_or_no(is_member).to_string()),
            line("members", nodes(view.old.members())),
            line("next_members", nodes(view.new.members())),
            line("replicas", view.old.replicas.to_string()),
            line("ranges_to_fetch", left.to_string()),
            line("keys_behind", behind.to_string()),
            line("keys_copied", copied.to_string()),
        ]);
    }
    for actor in node.board.with_role(Role::Coordinator) {
        let status = actor.status();
        lines.extend([
            line("coordinator_epoch", actor.view().map_or(0, |view| view.epoch).to_string()),
            line("coordinator_suspects", nodes(status.gone)),
        ]);
    }
    for actor in node.board.with_role(Role::Member) {
        let status = actor.status();
        lines.extend([line("alive", status.alive.to_string()), line("gone", nodes(status.gone))]);
    }
    lines
}

/// The reply to `CHAINRING STATUS`.
pub(super) fn status(node: &Context<RingProtocol>) -> String {
    let view = |actor: &ActorStatus<RingProtocol>| actor.view();
    let numbers = |ids: BTreeSet<Id>| ids.into_iter().map(number).collect::<Vec<_>>();
    let replica = node.board.with_role(Role::Replica).next().and_then(|actor| {
        let (view, id) = (view(actor)?, actor.config.id);
        Some(RingReplicaStatus {
            actor: number(id),
            ranges_left: actor.status().left,
            ranges: view.fetches(id).len() as u64,
            copies: copies(&actor.status().repairs),
            view: RingViewStatus::from(&view),
        })
    });
    let gateway = node.board.with_role(Role::Gateway).next().and_then(|actor| {
        let epoch = view(actor)?.epoch;
        let under_way = node.doors.iter().map(Door::under_way).sum();
        Some(RingGatewayStatus { actor: number(actor.config.id), epoch, under_way })
    });
    let coordinator = node.board.with_role(Role::Coordinator).next().and_then(|actor| {
        let (view, status): (View, _) = (view(actor)?, actor.status());
        let lost = view.without_majority(&status.gone);
        let of_lost = |span: &Span| {
            let replicas = view.old_replicas(span.upto).into_iter();
            let gone = replicas.filter(|id| status.gone.contains(id)).collect();
            RingLostStatus { upto: format!("{:016x}", span.upto), gone: numbers(gone) }
        };
        Some(RingCoordinatorStatus {
            actor: number(actor.config.id),
            without_majority: lost.len() as u64,
            lost_ranges: lost.iter().take(LOST_RANGES).map(of_lost).collect(),
            view: RingViewStatus::from(&view),
            suspects: numbers(status.gone),
            joining: numbers(status.joining),
            leaving: numbers(status.leaving),
            deciding: status.deciding,
        })
    });
    // Before its actors have started, no client can ask.
    let (Some(replica), Some(gateway)) = (replica, gateway) else { return "{}".to_string() };
    let status = RingNodeStatus {
        cluster: node.cluster(),
        node: node.node.id,
        version: env!("CARGO_PKG_VERSION").to_string(),
        replica,
        gateway,
        coordinator,
        settings: node.settings(),
        links: node.links(),
        differences: node.differences(),
    };
    // Numbers, words and lists of them: all have a JSON form.
    serde_json::to_string(&status).unwrap_or_default()
}

/// What a node has found in comparing.
fn copies(known: &Repairs) -> RingCopiesStatus {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    RingCopiesStatus {
        behind: known.behind as u64,
        copied: known.copied,
        compared_ms_ago: known.ended.map(|ended| millis(ended.elapsed())),
        took_ms: millis(known.took),
        unheard: known.unheard.iter().copied().map(number).collect(),
    }
}
