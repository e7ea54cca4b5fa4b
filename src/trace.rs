//! The traces of nodes: their actors are those of a cluster file, which stands in each trace's
//! header.
//!
//! What a trace is, and what a replay holds it to, is said in [`chainring_runtime::trace`]. Tables
//! that grow with the load (a replica's window, a gateway's lanes) are in the digest of every 256th
//! step whole, and in the others by their bounds: see `Protocol::digest`.

use crate::config::{self, Cluster};
use crate::protocol::{ChainProtocol, Protocol, RingProtocol, actors};
use chainring_runtime::trace::{self, Traced};
use stateright::actor::Id;
use std::marker::PhantomData;
use std::path::PathBuf;

pub use chainring_runtime::trace::{ReplayError, Replayed};

/// The actors of a protocol, as a trace knows them.
pub(crate) struct Trace<P>(PhantomData<P>);

impl<P: Protocol> Traced for Trace<P> {
    type Key = P::Key;
    type Row = P::Row;
    type Msg = P::Msg;
    type Timer = P::Timer;
    type State = P::State;
    type Actor = P::Actor;

    fn digest(state: &P::State, step: u64) -> u64 {
        P::digest(state, step)
    }

    fn stopped() -> P::State {
        P::stopped()
    }

    fn actors(node: u32, file: &str) -> Result<Vec<(Id, P::Actor)>, String> {
        let cluster = Cluster::parse(file).map_err(|error| error.to_string())?;
        if cluster.protocol.name() != P::NAME {
            return Err(format!("it is not of a {}, as the first one is", P::NAME));
        }
        let node = cluster.node(node).map_err(|error| error.to_string())?;
        let actors = actors::<P>(&cluster, node).into_iter();
        Ok(actors.map(|(config, actor)| (config.id, actor)).collect())
    }
}

/// Executes the steps of these nodes' traces again.
///
/// # Errors
/// At the first step that does not agree, or message that was never sent.
pub fn replay(paths: &[PathBuf]) -> Result<Replayed, ReplayError> {
    match protocol(paths)? {
        config::Protocol::Chain => trace::replay::<Trace<ChainProtocol>>(paths),
        config::Protocol::Ring => trace::replay::<Trace<RingProtocol>>(paths),
    }
}

/// What the nodes of these traces ran, as the first one says.
fn protocol(paths: &[PathBuf]) -> Result<config::Protocol, ReplayError> {
    let Some(path) = paths.first() else { return Ok(config::Protocol::Chain) };
    let no_trace = |what: String| ReplayError::NoTrace { path: path.clone(), what };
    let cluster = Cluster::parse(&trace::about(path)?);
    Ok(cluster.map_err(|error| no_trace(error.to_string()))?.protocol)
}
