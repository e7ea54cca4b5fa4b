//! What a node of a chain says of itself.

use crate::board::ActorStatus;
use crate::operate::Context;
use crate::operate::context::yes_or_no;
use crate::protocol::ChainProtocol;
use crate::protocol::Role;
use crate::resp::Lines;
use crate::status::{
    CoordinatorStatus, GatewayStatus, NodeStatus, ReplicaStatus, ViewStatus, number,
};
use chainring_model::chain::View;
use stateright::actor::Id;

/// What `INFO` says of the actors.
pub(super) fn lines(node: &Context<ChainProtocol>) -> Lines {
    let line = |name: &str, value: String| (name.to_string(), value);
    let mut lines = Vec::new();
    for actor in node.board.with_role(Role::Replica) {
        let view = view(actor);
        let members: Vec<_> = view.chain.iter().map(|id| node.node_of(*id)).collect();
        let status = actor.status();
        lines.extend([
            line("chain_number", actor.config.chain.to_string()),
            line("chain_role", role(&view, actor.config.id).to_string()),
            line("chain", members.join(" ")),
            line("epoch", view.epoch.to_string()),
            line("lease", lease(status.lease, &view).map_or("not needed", yes_or_no).to_string()),
            line("committed", status.committed.to_string()),
            line("received", status.received.to_string()),
            line("keys", status.keys.to_string()),
            line("retained_from", status.retained.to_string()),
            line("retained_bytes", status.retained_bytes.to_string()),
            line("returns_caught_up", status.went_on.to_string()),
            line("returns_begun_anew", status.began_anew.to_string()),
            line("last_return_missed", status.missed.to_string()),
        ]);
    }
    for actor in node.board.with_role(Role::Coordinator) {
        let status = actor.status();
        let suspects: Vec<_> = status.suspects.iter().map(|id| node.node_of(*id)).collect();
        lines.extend([
            line("coordinator_epoch", view(actor).epoch.to_string()),
            line("coordinator_suspects", suspects.join(" ")),
            line("coordinator_false_suspicions", status.wrong.to_string()),
        ]);
    }
    lines
}

/// The reply to `CHAINRING STATUS`.
pub(super) fn status(node: &Context<ChainProtocol>) -> String {
    let replica = node.board.with_role(Role::Replica).next().map(|actor| {
        let (view, status) = (view(actor), actor.status());
        ReplicaStatus {
            actor: number(actor.config.id),
            chain: actor.config.chain,
            lease: lease(status.lease, &view),
            view: ViewStatus::from(&view),
            committed: status.committed,
            received: status.received,
            keys: status.keys,
            learning: status.learning,
            min_copies: node.with_roster(|cluster| cluster.copies(actor.config.chain)),
        }
    });
    let gateways = node.board.with_role(Role::Gateway).zip(&node.doors);
    let gateways = gateways.map(|(actor, door)| GatewayStatus {
        actor: number(actor.config.id),
        chain: actor.config.chain,
        view: ViewStatus::from(&view(actor)),
        under_way: door.under_way(),
    });
    let coordinator = node.board.with_role(Role::Coordinator).next().map(|actor| {
        let status = actor.status();
        CoordinatorStatus {
            actor: number(actor.config.id),
            chain: actor.config.chain,
            view: ViewStatus::from(&view(actor)),
            suspects: status.suspects.into_iter().map(number).collect(),
            joining: status.joining.into_iter().map(number).collect(),
            deciding: status.deciding,
            false_suspicions: status.wrong,
            patience: 1 << status.doubt.min(16),
        }
    });
    let Some(replica) = replica else { return "{}".to_string() }; // every node has one
    let status = NodeStatus {
        cluster: node.cluster(),
        node: node.node.id,
        version: env!("CARGO_PKG_VERSION").to_string(),
        replica,
        gateways: gateways.collect(),
        coordinator,
        settings: node.settings(),
        links: node.links(),
        differences: node.differences(),
    };
    // Numbers, words and lists of them: all have a JSON form.
    serde_json::to_string(&status).unwrap_or_default()
}

fn view(actor: &ActorStatus<ChainProtocol>) -> View {
    actor.view().unwrap_or_else(|| View::new(0, Vec::new()))
}

/// Whether a replica has a lease; `None` in a chain without coordinators, which grant them.
fn lease(is_live: bool, view: &View) -> Option<bool> {
    (!view.coordinators.is_empty()).then_some(is_live)
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
