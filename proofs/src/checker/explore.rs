//! Opening a model in stateright's Explorer.

use stateright::Model;
use std::fmt::Debug;
use std::hash::Hash;
use std::net::{SocketAddr, TcpListener};

/// Serves the Explorer on a model until the process ends. Calls `announce` when the address can be
/// had.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve<W>(model: W, addr: SocketAddr, announce: impl FnOnce()) -> Result<(), std::io::Error>
where
    W: Model<State: Clone + Debug + Hash + PartialEq + Send + Sync> + Send + Sync + 'static,
    W::Action: Clone + Debug + PartialEq + Send + Sync,
{
    // The Explorer panics where it cannot bind; finding out first gives the user a sentence.
    drop(TcpListener::bind(addr)?);
    announce();
    model.checker().threads(2).serve(addr);
    Ok(())
}
