//! Opening a model in stateright's Explorer.

use crate::catalogue::{Entry, Steps, Subject};
use crate::checker::model::Pruning;
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use stateright::Model;
use std::net::{SocketAddr, TcpListener};

/// Serves the Explorer on `entry`, of the protocol as it is or without a mechanism, until the process
/// ends. Calls `announce` when the address can be had.
///
/// With [`Pruning::Steps`] every step is one. A path that somebody has from a check counts steps as the check takes them:
/// with [`Pruning::On`], unless a schedule was followed.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(
    entry: &Entry,
    lacks: Option<Mechanism>,
    pruning: Pruning,
    addr: SocketAddr,
    announce: impl FnOnce(),
) -> Result<(), std::io::Error> {
    // The Explorer panics where it cannot bind; finding out first gives the user a sentence.
    drop(TcpListener::bind(addr)?);
    announce();
    match lacks {
        None => serve_with(entry, &Intact, pruning, addr),
        Some(mechanism) => serve_with(entry, &Without(mechanism), pruning, addr),
    }
    Ok(())
}

fn serve_with<M: Mechanisms>(entry: &Entry, mechanisms: &M, pruning: Pruning, addr: SocketAddr) {
    match (&entry.subject, entry.steps) {
        (Subject::Chain(setup), Steps::Whole | Steps::Graph) => {
            setup.model(mechanisms, pruning).checker().threads(2).serve(addr);
        }
        (Subject::Chain(setup), Steps::CrashPoints(order)) => {
            setup.crash_points(mechanisms, order).checker().threads(2).serve(addr);
        }
        (Subject::Membership(members), _) => {
            members.model(mechanisms, pruning).checker().threads(2).serve(addr);
        }
        (Subject::Ring(setup), _) => {
            setup.model(mechanisms, pruning).checker().threads(2).serve(addr);
        }
        (Subject::Coordinators(council), _) => {
            council.model(mechanisms, pruning).checker().threads(2).serve(addr);
        }
    }
}
