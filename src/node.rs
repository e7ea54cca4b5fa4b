//! A node: a replica, its gateways and perhaps a coordinator, their stores, a socket and a front door, in one
//! process.
//!
//! The actors are the values that the proofs check, over a [`Store`]; here the store is LMDB, the interpreter
//! is the [driver](chainring_runtime::driver), and a gateway's client is a `Door`. A node has one replica, in one chain
//! or in the ring; a gateway to each chain, so that it serves every key; and a coordinator if the cluster file
//! says so, of its replica's chain. A node of a ring may also have a member, which takes part in detecting
//! failures. What is different from protocol to protocol is in `system`.
//!
//! [`Store`]: chainring_model::store::Store

mod descriptors;
mod follow;
mod links;

use crate::board::{About, Board, Watch, greeting};
use crate::config::{Cluster, NodeConfig, Protocol};
use crate::front::Front;
use crate::gateway::door::{Courier, Door};
use crate::protocol::{ChainSystem, Part, RingSystem, Role, System, parts as parts_of};
use crate::resp::Server;
use crate::stores;
use crate::trace::{TraceFile, Tracer};
use chainring_runtime::disk::DiskError;
use chainring_runtime::driver::{
    Driver, DriverConfig, DriverError, Handle, Outbox, Router, Routes,
};
use chainring_runtime::transport::{
    AddressBook, Endpoint, Faults, Post, Transport, TransportConfig, TransportCounters,
    TransportError,
};
use serde::Serialize;
use stateright::actor::Id;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use crate::stores::{init, is_initialised};

/// Why a node did not start, or ended.
#[derive(Debug, Error)]
pub enum NodeError {
    /// When a store is not the one that the cluster file names.
    #[error(
        "the replica's store in {} has the identity {found}, and the cluster file names {named}. A \
         store that was made anew does not hold what the {what} relies on it for: bring the old one \
         back",
        dir.display()
    )]
    OtherStore {
        /// The node's directory.
        dir: PathBuf,
        /// By the cluster file.
        named: String,
        /// In the store.
        found: String,
        /// A chain or a ring.
        what: &'static str,
    },
    /// When a store was made for another chain, or another ring.
    #[error(
        "the store in {} was made for another {what} than the cluster file describes: it has another \
         first view, other coordinators, or members that are not in the file. The first members of a \
         {what}, their order and its coordinators are fixed when its stores are made: restore the file, \
         with all nodes that have joined since",
        dir.display()
    )]
    OtherView {
        /// The store's directory.
        dir: PathBuf,
        /// A chain or a ring.
        what: &'static str,
    },
    /// When some of a node's stores are there, and some are not.
    #[error(
        "the store of the node's {lost} is not in {}, and others are. If this node has run before, that store is lost, \
         and with it what it has promised: the node must not start without it. Bring the old one back, or leave the node \
         stopped and add another one in its place (`chainring join`). If the node has never run, its `init` was \
         interrupted: remove {} and make its stores again",
        dir.display(),
        dir.display()
    )]
    LostStore {
        /// The node's directory.
        dir: PathBuf,
        /// The name of what is missing.
        lost: String,
    },
    /// When a store holds what another protocol keeps.
    #[error(
        "the store in {} is whole, and a {found}'s; the cluster file says that the cluster runs a {what}. A store never \
         becomes one of another protocol: put `protocol = \"{found}\"` back into the file, or give this node the \
         directory that is its own",
        dir.display()
    )]
    OtherProtocol {
        /// The store's directory.
        dir: PathBuf,
        /// What the store is of.
        found: &'static str,
        /// What the file says.
        what: &'static str,
    },
    /// When a store cannot be made or opened.
    #[error("{0}")]
    Disk(#[from] DiskError),
    /// When the socket cannot be had.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// When an actor did not start, or ended by itself.
    #[error("{0}")]
    Driver(#[from] DriverError),
    /// When the front door cannot be had.
    #[error("could not listen for Redis clients at {address}: {source}. Is something else there?")]
    Resp {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// When an actor ended while the node was starting, and does not say why.
    #[error("an actor ended while the node was starting")]
    EndedEarly,
    /// When the trace cannot be written.
    #[error("cannot write the trace {}: {source}", path.display())]
    Trace {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What a node may be told beyond its cluster file.
#[derive(Clone, Debug, Default)]
pub struct NodeOptions {
    /// Record every step of its actors in this file, behind what is there.
    pub trace: Option<PathBuf>,
    /// Look at this cluster file while the node runs, and learn of nodes that are added to it.
    pub follow: Option<PathBuf>,
    /// Make its links misbehave on purpose, for tests.
    pub faults: Option<Faults>,
}

/// A node that runs.
pub struct Node(Kind);

/// What it runs.
enum Kind {
    Chain(Running<ChainSystem>),
    Ring(Running<RingSystem>),
}

/// A node that runs a protocol.
struct Running<P: System> {
    handles: Vec<Handle<P::Msg>>,
    coordinator: Option<Id>,
    transport: Arc<OnceLock<Transport>>,
    server: Option<Server<Front<P>>>,
    /// What runs beside the actors; ends with the node.
    beside: JoinSet<()>,
    ended: mpsc::UnboundedReceiver<Id>,
    resp: SocketAddr,
}

impl Node {
    /// Opens the node's stores and starts its actors; returns when its front door can be knocked at.
    ///
    /// # Errors
    /// When any part of it cannot start. Nothing of it runs then.
    pub async fn start(
        cluster: &Cluster,
        node: &NodeConfig,
        base: &Path,
        options: NodeOptions,
    ) -> Result<Self, NodeError> {
        Ok(Node(match cluster.protocol {
            Protocol::Chain => Kind::Chain(Running::start(cluster, node, base, options).await?),
            Protocol::Ring => Kind::Ring(Running::start(cluster, node, base, options).await?),
        }))
    }

    /// Where Redis clients connect.
    pub fn resp(&self) -> SocketAddr {
        match &self.0 {
            Kind::Chain(running) => running.resp,
            Kind::Ring(running) => running.resp,
        }
    }

    /// What the node's transport has done and lost.
    pub fn transport(&self) -> TransportCounters {
        let transport = match &self.0 {
            Kind::Chain(running) => running.transport.get(),
            Kind::Ring(running) => running.transport.get(),
        };
        transport.map(Transport::counters).unwrap_or_default()
    }

    /// Serves until `shutdown` completes; then answers what is under way, and stops the actors, with everything
    /// committed that they have computed. If an actor ends by itself, all connections are closed at once, and the
    /// node ends.
    ///
    /// The coordinator stops at once. Where all nodes are shut down together, those that take longer to
    /// answer what is under way would otherwise remove those that have ended, who had to join anew.
    ///
    /// # Errors
    /// When an actor ended by itself: why.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
        match self.0 {
            Kind::Chain(running) => running.serve(shutdown).await,
            Kind::Ring(running) => running.serve(shutdown).await,
        }
    }
}

impl<P: System> Running<P> {
    async fn start(
        cluster: &Cluster,
        node: &NodeConfig,
        base: &Path,
        options: NodeOptions,
    ) -> Result<Self, NodeError> {
        let parts = parts_of::<P>(cluster, node);
        let mut limits = cluster.door.limits();
        let files = descriptors::raise();
        limits.connections = descriptors::connections(limits.connections, parts.len(), files);
        if limits.connections < cluster.door.connections as usize {
            let (connections, files) = (limits.connections, files.unwrap_or_default());
            tracing::info!(
                connections,
                files,
                "fewer connections than the cluster file allows, so that the stores can always open \
                 files; raise the limit of open files (ulimit -n) for more"
            );
        }
        let disks = stores::open(cluster, node, &parts, base)?;
        let trace = match &options.trace {
            Some(path) => Some(
                TraceFile::append(path, cluster, node.id)
                    .map_err(|source| NodeError::Trace { path: path.clone(), source })?,
            ),
            None => None,
        };
        let config = TransportConfig {
            cluster: cluster.wire_number(),
            mtu: cluster.mtu,
            faults: options.faults,
            greeting: greeting(&cluster.settings()),
            ..TransportConfig::default()
        };
        let endpoint = Endpoint::bind(node.udp, config)?;

        let (tell_ended, ended) = mpsc::unbounded_channel();
        let roster = Arc::new(RwLock::new(cluster.clone()));
        let board = Arc::new(Board::of(&parts, &roster));
        let (mut drivers, mut gateways) = (Vec::new(), Vec::new());
        let mut routes = Routes::new();
        for ((Part { place, actor }, disk), card) in parts.into_iter().zip(disks).zip(board.cards())
        {
            let (id, role) = (place.id, place.role);
            let tell_ended = tell_ended.clone();
            let watch = Watch::new(Arc::clone(card), trace.as_ref().map(|_| Tracer::default()));
            let driver = Driver::with(id, actor, disk, DriverConfig::default());
            let driver = driver.at_end(move |id, result| {
                if result.is_err() {
                    // When the node has gone, nobody needs to know.
                    let _ = tell_ended.send(id);
                }
            });
            let driver = match &trace {
                Some(file) => driver.observed(watch, file.clone()),
                None => driver.observed(watch, io::sink()),
            };
            routes = routes.inbox(id, driver.inbox());
            if role == Role::Gateway {
                gateways.push((Arc::clone(card), driver.inbox()));
            }
            drivers.push(driver);
        }
        let post: Arc<OnceLock<Mutex<Out<P::Msg>>>> = Arc::default();
        let courier = courier(Arc::clone(&post));
        let mut doors = Vec::new();
        for (door, (gateway, inbox)) in node.doors().zip(gateways) {
            let made = Door::new(door, (gateway, inbox), Arc::clone(&courier));
            let knock: Door<P> = made.clone();
            routes = routes.door(door, move |src, _, msg| knock.deliver(src, msg));
            doors.push(made);
        }
        let routes = Arc::new(routes);

        let book = cluster.nodes.iter();
        let book = book.flat_map(|node| node.actors().map(|id| (id, node.udp)));
        let started = endpoint.start(book.collect::<AddressBook>(), Arc::clone(&routes))?;
        let transport: Arc<OnceLock<Transport>> = Arc::default();
        let transport_ref = transport.get_or_init(|| started);
        post.get_or_init(|| Mutex::new(Router::new(Arc::clone(&routes), transport_ref.post())));
        let about = About {
            node: node.clone(),
            roster: Arc::clone(&roster),
            board,
            transport: Arc::clone(&transport),
        };
        let front = Front::new(doors, about);

        let mut handles = Vec::new();
        for driver in drivers {
            let router = Router::new(Arc::clone(&routes), transport_ref.post());
            handles.push(driver.spawn(router)?);
        }
        let (server_at, coordinator) = (node.resp, node.coordinator());
        let mut beside = JoinSet::new();
        if let Some(file) = options.follow {
            beside.spawn(follow::follow(file, roster, transport_ref.book().clone()));
        }
        beside.spawn(links::tell(front.clone()));
        if let Some(task) = P::beside(&front) {
            beside.spawn(task);
        }
        let server = None;
        let mut node =
            Running { handles, coordinator, transport, server, beside, ended, resp: server_at };
        let early = tokio::select! {
            () = front.opened() => None,
            ended = node.ended.recv() => ended,
        };
        if early.is_some() {
            return Err(stop(node.handles).await.err().unwrap_or(NodeError::EndedEarly));
        }
        let failed = |source| NodeError::Resp { address: server_at, source };
        let server = Server::bind(server_at, front, limits).await.map_err(failed)?;
        node.resp = server.local_addr().map_err(failed)?;
        node.server = Some(server);
        Ok(node)
    }

    async fn serve(mut self, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
        if let Some(server) = self.server.take() {
            let (handles, ended) = (&self.handles, &mut self.ended);
            let coordinator = handles.iter().find(|handle| Some(handle.id()) == self.coordinator);
            let until = async move {
                shutdown.await;
                if let Some(coordinator) = coordinator {
                    coordinator.stop();
                }
            };
            let failed = tokio::select! {
                () = server.serve(until) => None,
                failed = ended.recv() => failed,
            };
            // The server is gone, and each connection with it: a client that waited would wait in vain.
            if let Some(failed) = failed {
                self.beside.abort_all();
                return Err(fail(self.handles, failed).await);
            }
        }
        self.beside.abort_all();
        stop(self.handles).await
    }
}

/// How long a node in which an actor ended by itself waits for the others, which may hang on the same disk.
const LAST_COMMITS: Duration = Duration::from_millis(500);

/// Stops the actors after one of them ended by itself; why it did.
async fn fail<Msg: Send + 'static>(handles: Vec<Handle<Msg>>, failed: Id) -> NodeError {
    for handle in &handles {
        handle.stop();
    }
    let (first, others) = handles.into_iter().partition(|handle| handle.id() == failed);
    let why = stop(first).await.err().unwrap_or(NodeError::EndedEarly);
    tracing::error!("{why}");
    // Whatever becomes of them, the node ends.
    let _ = tokio::time::timeout(LAST_COMMITS, stop(others)).await;
    why
}

/// Stops the actors, the gateways first, so that their last requests find the replica up.
async fn stop<Msg: Send + 'static>(mut handles: Vec<Handle<Msg>>) -> Result<(), NodeError> {
    let mut result = Ok(());
    while let Some(handle) = handles.pop() {
        handle.stop();
        let joined = tokio::task::spawn_blocking(|| handle.join()).await;
        if let Ok(Err(error)) = joined {
            result = Err(error.into());
        }
    }
    result
}

/// The way out for what is no actor: to the actors of this process, and onto the wire.
type Out<Msg> = Router<Msg, Post<Msg>>;

/// Sends the messages of doors, once there is a way out. They are few: operations do not go this way.
fn courier<Msg>(out: Arc<OnceLock<Mutex<Out<Msg>>>>) -> Arc<Courier<Msg>>
where
    Msg: Serialize + Send + 'static,
{
    Arc::new(move |src, dst, msg| {
        let Some(out) = out.get() else { return };
        let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
        out.flush(); // looks for newer addresses
        out.send(src, dst, msg);
        out.flush();
    })
}
