//! Opening a model in stateright's Explorer.

use crate::catalogue::{Entry, Steps, Subject};
use crate::checked::Pruning;
use chainring_model::{Intact, Mechanism, Mechanisms, Without};
use stateright::Model;
use std::net::{SocketAddr, TcpListener};

/// Serves the Explorer on `entry`, of the protocol as it is or without a mechanism, until the process
/// ends. Calls `announce` when the address can be had.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(
    entry: &Entry,
    lacks: Option<Mechanism>,
    addr: SocketAddr,
    announce: impl FnOnce(),
) -> Result<(), std::io::Error> {
    // The Explorer panics where it cannot bind; finding out first gives the user a sentence.
    drop(TcpListener::bind(addr)?);
    announce();
    match lacks {
        None => serve_with(entry, &Intact, addr),
        Some(mechanism) => serve_with(entry, &Without(mechanism), addr),
    }
    Ok(())
}

fn serve_with<M: Mechanisms>(entry: &Entry, mechanisms: &M, addr: SocketAddr) {
    match (&entry.subject, entry.steps) {
        (Subject::Chain(setup), Steps::Whole | Steps::Graph) => {
            setup.model(mechanisms, Pruning::Steps).checker().threads(2).serve(addr);
        }
        (Subject::Chain(setup), Steps::Torn(order)) => {
            setup.torn(mechanisms, order).checker().threads(2).serve(addr);
        }
        (Subject::Membership(members), _) => {
            members.model(mechanisms, Pruning::Steps).checker().threads(2).serve(addr);
        }
        (Subject::Ring(setup), _) => {
            setup.model(mechanisms, Pruning::Steps).checker().threads(2).serve(addr);
        }
        (Subject::Council(council), _) => {
            council.model(mechanisms, Pruning::Steps).checker().threads(2).serve(addr);
        }
    }
}
