//! What is said to a chain's coordinators on an operator's behalf.

use crate::board::ActorStatus;
use crate::operate::Context;
use crate::protocol::{ChainProtocol, Role};
use chainring_model::chain::{Msg, Report};
use chainring_model::coordinator;
use stateright::actor::Id;
use std::collections::BTreeSet;

/// Tells the coordinators of this node's chain that these members will never come back.
///
/// # Errors
/// When that cannot be: a sentence.
pub(super) fn order(
    node: &Context<ChainProtocol>,
    epoch: u64,
    named: &[u32],
) -> Result<(), String> {
    let place = (node.node.chain as usize).saturating_sub(1);
    let door = node.doors.get(place).ok_or("the node has no gateway")?; // every node has one
    let view = node
        .gateway(place)
        .and_then(ActorStatus::view)
        .ok_or("the node's gateway has not started")?;
    if view.coordinators.is_empty() {
        return Err("this chain has no coordinators, so its members are fixed".to_string());
    }
    if epoch != view.epoch {
        return Err(format!(
            "the chain's view is of epoch {}, not {epoch}: look at it again before you give anybody up",
            view.epoch
        ));
    }
    let lost: BTreeSet<_> = named.iter().map(|id| Id::from(*id as usize)).collect();
    if let Some(stranger) = lost.iter().find(|id| !view.chain.contains(id)) {
        return Err(format!("{stranger} is the replica of no member of the chain"));
    }
    if lost.is_empty() || view.chain.iter().all(|member| lost.contains(member)) {
        return Err("of a chain some members are given up, and not all: say whose".to_string());
    }
    tracing::warn!(
        epoch,
        ?lost,
        "an operator gives members up: the chain goes on with fewer copies than it is to keep"
    );
    let report = Report::Reform { epoch, lost };
    for coordinator in &view.coordinators {
        door.send(*coordinator, Msg::Views(coordinator::Msg::Report(report.clone())));
    }
    Ok(())
}

/// Tells this node's replica that the chain is to begin anew from what it holds. It decides whether
/// that can be, and tells the coordinators, which decide in turn.
///
/// # Errors
/// When that cannot be: a sentence.
pub(super) fn begin_anew(node: &Context<ChainProtocol>, epoch: u64) -> Result<(), String> {
    let place = (node.node.chain as usize).saturating_sub(1);
    let door = node.doors.get(place).ok_or("the node has no gateway")?; // every node has one
    let actor = node.board.with_role(Role::Replica).next().ok_or("the node has no replica")?;
    let view = actor.view().ok_or("the node's replica has not started")?;
    let replica = node.node.replica();
    if view.coordinators.is_empty() {
        return Err("this chain has no coordinators, so its members are fixed".to_string());
    }
    if epoch != view.epoch {
        return Err(format!(
            "the newest view that this node knows is of epoch {}, not {epoch}: look at it again before you give anybody up",
            view.epoch
        ));
    }
    if view.chain.contains(&replica) || view.chain.len() != 1 {
        return Err(
            "a chain begins anew from a node that is no member, where the only member is lost"
                .to_string(),
        );
    }
    if view.learner() == Some(replica) {
        return Err("this node is being taught, so that its own data may be gone, and the member's are not all here: \
                    begin from another one"
            .to_string());
    }
    let committed = actor.status().committed;
    tracing::warn!(
        epoch,
        committed,
        "an operator wants the chain to begin anew from this node's older data: what only the lost member acknowledged \
         is gone"
    );
    let report = Report::BeginAnew { epoch };
    door.send(replica, Msg::Views(coordinator::Msg::Report(report)));
    Ok(())
}
