//! A node: a replica, its gateways and perhaps a coordinator, their stores, a socket and a front
//! door, in one process.
//!
//! The actors are the values that the proofs check, over a [`Store`]; here the store is LMDB, the
//! interpreter is the [driver](chainring_runtime::driver), and a gateway's client is a `Door`. A
//! node has one replica, in one chain or in the ring; a gateway to each chain, so that it serves
//! every key; and a coordinator if the cluster file says so, of its replica's chain. A node of a
//! ring may also have a member, which takes part in detecting failures. What is different from
//! protocol to protocol is in `protocol`, `board` and `operate`; this file puts them together, and
//! is the only one that knows all.
//!
//! [`Store`]: chainring_model::store::Store

mod descriptors;
mod follow;
mod links;

use crate::board::{ActorStatus, Board, Watch};
use crate::config::{self, Cluster, NodeConfig};
use crate::front::Front;
use crate::gateway::door::{Courier, Door};
use crate::operate::{Context, Operate, greeting};
use crate::protocol::{ActorConfig, ChainProtocol, Protocol, RingProtocol, Role, actors};
use crate::resp::{Limits, Server};
use crate::stores::{self, DiskOf, StoresError};
use chainring_runtime::driver::{
    Driver, DriverConfig, DriverError, Handle, Outbox, Router, Routes,
};
use chainring_runtime::trace::{TraceFile, Tracer};
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

/// Why a node did not start, or ended.
#[derive(Debug, Error)]
pub enum NodeError {
    /// When a store is missing, or not the one that it has to be.
    #[error("{0}")]
    Stores(#[from] StoresError),
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
    Chain(Running<ChainProtocol>),
    Ring(Running<RingProtocol>),
}

/// A node that runs a protocol.
struct Running<P: Operate> {
    handles: Vec<Handle<P::Msg>>,
    coordinator: Option<Id>,
    transport: Arc<OnceLock<Transport>>,
    server: Option<Server<Front<P>>>,
    /// Tasks beside the actors; they end with the node.
    beside: JoinSet<()>,
    ended: mpsc::UnboundedReceiver<Id>,
    resp: SocketAddr,
}

impl Node {
    /// Opens the node's stores and starts its actors; returns when its front door can be knocked
    /// at.
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
            config::Protocol::Chain => {
                Kind::Chain(Running::start(cluster, node, base, options).await?)
            }
            config::Protocol::Ring => {
                Kind::Ring(Running::start(cluster, node, base, options).await?)
            }
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

    /// Serves until `shutdown` completes; then answers what is under way, and stops the actors,
    /// with everything committed that they have computed. If an actor ends by itself, all
    /// connections are closed at once, and the node ends.
    ///
    /// The coordinator stops at once. Where all nodes are shut down together, those that take
    /// longer to answer what is under way would otherwise remove those that have ended, which had
    /// to join anew.
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

impl<P: Operate> Running<P> {
    async fn start(
        cluster: &Cluster,
        node: &NodeConfig,
        base: &Path,
        options: NodeOptions,
    ) -> Result<Self, NodeError> {
        let actors = actors::<P>(cluster, node);
        let limits = limits(cluster, actors.len());
        let disks = stores::open::<P>(cluster, node, &actors, base)?;
        let trace = options.trace.map(|path| open_trace(path, cluster, node.id)).transpose()?;
        let endpoint = Endpoint::bind(node.udp, transport_config(cluster, options.faults))?;

        let (tell_ended, ended) = mpsc::unbounded_channel();
        let roster = Arc::new(RwLock::new(cluster.clone()));
        let board = Board::of(&actors, &roster);
        let drivers = drivers::<P>(actors, disks, &board, trace.as_ref(), &tell_ended);
        let post: Arc<OnceLock<Mutex<Out<P::Msg>>>> = Arc::default();
        let doors = doors(node, &board, &drivers, &courier(Arc::clone(&post)));
        let routes = Arc::new(routes(node, &drivers, &doors));

        let book = cluster.nodes.iter();
        let book = book.flat_map(|node| node.actors().map(|id| (id, node.udp)));
        let started = endpoint.start(book.collect::<AddressBook>(), Arc::clone(&routes))?;
        let transport: Arc<OnceLock<Transport>> = Arc::default();
        let transport_ref = transport.get_or_init(|| started);
        post.get_or_init(|| Mutex::new(Router::new(Arc::clone(&routes), transport_ref.post())));
        let mut handles = Vec::new();
        for driver in drivers {
            let router = Router::new(Arc::clone(&routes), transport_ref.post());
            handles.push(driver.spawn(router)?);
        }
        let mut beside = JoinSet::new();
        if let Some(file) = options.follow {
            let (roster, book) = (Arc::clone(&roster), transport_ref.book().clone());
            beside.spawn(follow::follow(file, roster, book));
        }
        let transport_of = Arc::clone(&transport);
        let context = Context { node: node.clone(), doors, roster, board, transport: transport_of };
        let context = Arc::new(context);
        beside.spawn(links::tell(Arc::clone(&context)));
        beside.spawn(P::warn(Arc::clone(&context)));
        let (coordinator, server) = (node.coordinator(), None);
        let running =
            Running { handles, coordinator, transport, server, beside, ended, resp: node.resp };
        running.open(context, limits).await
    }

    /// Waits until the actors have started, and opens the front door.
    async fn open(mut self, context: Arc<Context<P>>, limits: Limits) -> Result<Self, NodeError> {
        let opened = async {
            for door in &context.doors {
                door.opened().await;
            }
        };
        let early = tokio::select! {
            () = opened => None,
            ended = self.ended.recv() => ended,
        };
        if early.is_some() {
            return Err(stop(self.handles).await.err().unwrap_or(NodeError::EndedEarly));
        }
        let address = self.resp;
        let failed = |source| NodeError::Resp { address, source };
        let server = Server::bind(address, Front::of(context), limits).await.map_err(failed)?;
        self.resp = server.local_addr().map_err(failed)?;
        self.server = Some(server);
        Ok(self)
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
            // The server is gone, and each connection with it: a client that waited would wait in
            // vain.
            if let Some(failed) = failed {
                self.beside.abort_all();
                return Err(fail(self.handles, failed).await);
            }
        }
        self.beside.abort_all();
        stop(self.handles).await
    }
}

/// The front door's limits: fewer connections than the cluster file allows where there are too few
/// open files.
fn limits(cluster: &Cluster, stores: usize) -> Limits {
    let mut limits = cluster.door.limits();
    let files = descriptors::raise();
    limits.connections = descriptors::connections(limits.connections, stores, files);
    if limits.connections < cluster.door.connections as usize {
        let (connections, files) = (limits.connections, files.unwrap_or_default());
        tracing::info!(
            connections,
            files,
            "fewer connections than the cluster file allows, so that the stores can always open \
             files; raise the limit of open files (ulimit -n) for more"
        );
    }
    limits
}

fn open_trace(path: PathBuf, cluster: &Cluster, node: u32) -> Result<TraceFile, NodeError> {
    TraceFile::append(&path, node, &cluster.to_text())
        .map_err(|source| NodeError::Trace { path, source })
}

fn transport_config(cluster: &Cluster, faults: Option<Faults>) -> TransportConfig {
    let (number, mtu) = (cluster.wire_number(), cluster.mtu);
    let greeting = greeting(&cluster.settings());
    TransportConfig { cluster: number, mtu, faults, greeting, ..TransportConfig::default() }
}

type DriverOf<P> = Driver<<P as Protocol>::Actor, DiskOf<P>>;

/// A driver for each actor, which keeps its status and says when it ends by itself.
fn drivers<P: Operate>(
    actors: Vec<(ActorConfig, P::Actor)>,
    disks: Vec<DiskOf<P>>,
    board: &Board<P>,
    trace: Option<&TraceFile>,
    tell_ended: &mpsc::UnboundedSender<Id>,
) -> Vec<DriverOf<P>> {
    let mut drivers = Vec::new();
    for (((config, actor), disk), status) in actors.into_iter().zip(disks).zip(board.actors()) {
        let watch = Watch::new(Arc::clone(status), trace.map(|_| Tracer::default()));
        let driver = Driver::with(config.id, actor, disk, DriverConfig::default());
        let tell_ended = tell_ended.clone();
        let driver = driver.at_end(move |id, result| {
            if result.is_err() {
                // When the node has gone, no one needs to know.
                let _ = tell_ended.send(id);
            }
        });
        drivers.push(match trace {
            Some(file) => driver.observed(watch, file.clone()),
            None => driver.observed(watch, io::sink()),
        });
    }
    drivers
}

/// A door before each gateway.
fn doors<P: Operate>(
    node: &NodeConfig,
    board: &Board<P>,
    drivers: &[DriverOf<P>],
    courier: &Arc<Courier<P::Msg>>,
) -> Vec<Door<P>> {
    let gateways = board.actors().iter().zip(drivers);
    let gateways = gateways.filter(|(status, _)| status.config.role == Role::Gateway);
    let door = |(door, (status, driver)): (Id, (&Arc<ActorStatus<P>>, &DriverOf<P>))| {
        Door::new(door, (status.config.id, driver.inbox()), Arc::clone(courier))
    };
    node.doors().zip(gateways).map(door).collect()
}

/// The ways to what is in this process: actors, and doors.
fn routes<P: Operate>(
    node: &NodeConfig,
    drivers: &[DriverOf<P>],
    doors: &[Door<P>],
) -> Routes<P::Msg> {
    let mut routes = Routes::new();
    for driver in drivers {
        routes = routes.inbox(driver.id(), driver.inbox());
    }
    for (id, door) in node.doors().zip(doors) {
        let door: Door<P> = door.clone();
        routes = routes.door(id, move |src, _, msg| door.deliver(src, msg));
    }
    routes
}

/// How long a node in which an actor ended by itself waits for the others, which may hang on the
/// same disk.
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

/// Sends the messages of doors, once there is a way out. They are few: operations do not go this
/// way.
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
