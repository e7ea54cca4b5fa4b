//! How a node of a ring answers.

mod lists;
mod status;

use super::{Context, Operate};
use crate::board::ActorStatus;
use crate::protocol::RingProtocol;
use crate::resp::{Lines, Order, Position, ScanPage};
use chainring_model::coordinator;
use chainring_model::ring::msg::Belong;
use chainring_model::ring::{Msg, Report, View};
use stateright::actor::Id;
use std::collections::BTreeSet;

impl Operate for RingProtocol {
    async fn list(node: &Context<Self>, from: Position, limit: usize) -> Option<ScanPage> {
        lists::list(node, from, limit).await
    }

    async fn size(node: &Context<Self>) -> Option<u64> {
        lists::size(node).await
    }

    fn order(node: &Context<Self>, order: Order) -> Result<(), String> {
        let door = node.doors.first().ok_or("the node has no gateway")?; // every node has one
        let view = node.gateway(0).and_then(ActorStatus::view);
        let view = view.ok_or("the node's gateway has not started")?;
        if view.coordinators.is_empty() {
            return Err("this ring has no coordinators, so its members are fixed".to_string());
        }
        let report = match order {
            Order::BeginAnew(_) => {
                return Err(
                    "a ring gives up nodes, not its data: `chainring reform --all`".to_string()
                );
            }
            Order::Belong(false) if view.old.has(node.node.replica()) && !view.can_spare_one() => {
                return Err(cannot_spare(&view));
            }
            Order::Belong(wanted) => {
                door.send(node.node.replica(), Msg::Belong(Belong { wanted }));
                return Ok(());
            }
            Order::Reform(epoch, _) if epoch != view.epoch => {
                return Err(format!(
                    "the ring's view is of epoch {}, not {epoch}: look at it again before you give \
                     anybody up",
                    view.epoch
                ));
            }
            Order::Reform(epoch, named) if named.is_empty() => {
                Report::Reform { epoch, lost: view.old.members() }
            }
            Order::Reform(epoch, named) => {
                let lost: BTreeSet<_> = named.iter().map(|id| Id::from(*id as usize)).collect();
                if let Some(stranger) = lost.difference(&view.old.members()).next() {
                    return Err(format!("{stranger} is the replica of no member of the ring"));
                }
                Report::Reform { epoch, lost }
            }
        };
        for coordinator in &view.coordinators {
            door.send(*coordinator, Msg::Views(coordinator::Msg::Report(report.clone())));
        }
        Ok(())
    }

    fn info(node: &Context<Self>) -> Lines {
        status::lines(node)
    }

    fn status(node: &Context<Self>) -> String {
        status::status(node)
    }
}

/// Why no node can leave.
fn cannot_spare(view: &View) -> String {
    let (members, replicas) = (view.old.members().len(), view.old.replicas);
    if members == 1 {
        return "this is the only node of the ring, and has everything: a ring of none keeps nothing"
            .to_string();
    }
    format!(
        "a ring of {members} nodes that keeps {replicas} copies of each key cannot lose one of them: let another \
         node join first (`chainring join`, and start it), wait until `chainring status` shows it as a \
         member, and say `leave` again"
    )
}
