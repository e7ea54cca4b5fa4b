//! Opening a model in stateright's Explorer.

use crate::catalogue::{Entry, Steps, System};
use crate::checked::Pruning;
use chainring_model::Mechanisms;
use stateright::Model;
use std::net::{SocketAddr, TcpListener};

/// Serves the Explorer on `entry` until the process ends.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve<M: Mechanisms>(
    entry: &Entry,
    mechanisms: &M,
    addr: SocketAddr,
) -> Result<(), std::io::Error> {
    // The Explorer panics where it cannot bind; finding out first gives the user a sentence.
    drop(TcpListener::bind(addr)?);
    match (&entry.system, entry.steps) {
        (System::Chain(setup), Steps::Torn(order)) => {
            setup.torn(mechanisms, order).checker().threads(2).serve(addr);
        }
        (System::Chain(setup), _) => {
            setup.model(mechanisms, Pruning::On).checker().threads(2).serve(addr);
        }
        (System::Ring(setup), _) => {
            setup.model(mechanisms, Pruning::On).checker().threads(2).serve(addr);
        }
    }
    Ok(())
}
