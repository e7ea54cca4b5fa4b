//! A node: a replica and a gateway of the chain, their stores, a socket and a front door, in one process.
//!
//! The actors are the values that the proofs check, [`ChainActor`] over a [`Store`]; here the store is
//! LMDB, the interpreter is the [driver](crate::driver), and the gateway's client is a [`Door`].
//!
//! [`Store`]: chainring_model::store::Store

use crate::config::{Cluster, NodeConfig};
use crate::disk::DiskError;
use crate::door::Door;
use crate::driver::{Driver, DriverConfig, DriverError, Handle, Observer, Router, Routes, Step};
use crate::resp::{Limits, Server};
use crate::store::{Identity, LmdbDisk, LmdbOptions, LmdbStore};
use crate::trace::{TraceFile, Tracer};
use crate::transport::{
    AddressBook, Endpoint, Faults, Transport, TransportConfig, TransportCounters, TransportError,
};
use chainring_model::chain::{
    ChainActor, ChainState, Gateway, Key, Msg, Replica, Row, Timeouts, View,
};
use chainring_model::store::Store;
use stateright::actor::Id;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use thiserror::Error;
use tokio::sync::mpsc;

/// The store of a running actor.
pub type NodeStore = LmdbStore<Key, Row>;

/// A running actor.
pub type NodeActor = ChainActor<NodeStore>;

/// Why a node did not start, or ended.
#[derive(Debug, Error)]
pub enum NodeError {
    /// When a store is not the one that the cluster file names.
    #[error(
        "the replica's store in {} has the identity {found}, and the cluster file names {named}. A \
         store that was made anew does not hold what the chain relies on it for: bring the old one \
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
    },
    /// When a store was made for another chain.
    #[error(
        "the replica's store in {} was made for another chain than the cluster file describes. The \
         members of a chain and their order are fixed when its stores are made: restore the file",
        dir.display()
    )]
    OtherView {
        /// The node's directory.
        dir: PathBuf,
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
    /// Make its links misbehave on purpose, for tests.
    pub faults: Option<Faults>,
}

/// Makes the stores of a node, once in its life, and returns the identity of its replica's.
///
/// # Errors
/// When there are stores already, or they cannot be made.
pub fn init(cluster: &Cluster, node: &NodeConfig, base: &Path) -> Result<Identity, NodeError> {
    let dir = node.directory(base);
    let number = cluster.cluster;
    let kind = kind(GATEWAY, node.gateway);
    LmdbDisk::init(&dir.join(GATEWAY), number, &kind, options(GATEWAY), Gateway::init)?;
    let kind = self::kind(REPLICA, node.replica);
    let fill = |store: &mut NodeStore| Replica::init(store, view(cluster));
    Ok(LmdbDisk::init(&dir.join(REPLICA), number, &kind, options(REPLICA), fill)?)
}

/// What a store is for, as it says itself: nobody else's store is taken for an actor's own.
fn kind(role: &str, id: u32) -> String {
    format!("{role} {id}")
}

/// Whether a node's stores are there.
pub fn is_initialised(node: &NodeConfig, base: &Path) -> bool {
    [REPLICA, GATEWAY].iter().any(|role| node.directory(base).join(role).exists())
}

const REPLICA: &str = "replica";
const GATEWAY: &str = "gateway";

fn options(role: &str) -> LmdbOptions {
    let map_size = if role == REPLICA { 64 << 20 } else { 1 << 20 };
    LmdbOptions { map_size, ..LmdbOptions::default() }
}

/// Opens a node's stores, of its replica and of its gateway, if they are what the cluster file says.
fn open(
    cluster: &Cluster,
    node: &NodeConfig,
    base: &Path,
) -> Result<[LmdbDisk<Key, Row>; 2], NodeError> {
    let dir = node.directory(base);
    let open = |role: &str, id| {
        LmdbDisk::open(&dir.join(role), cluster.cluster, &kind(role, id), options(role))
    };
    let (replica, gateway) = (open(REPLICA, node.replica)?, open(GATEWAY, node.gateway)?);
    let found = replica.identity().to_string();
    if let Some(named) = node.store.as_ref().filter(|named| **named != found) {
        return Err(NodeError::OtherStore { dir, named: named.clone(), found });
    }
    let stored = replica.store().get(&Key::View);
    if stored != Some(Row::View(view(cluster))) {
        return Err(NodeError::OtherView { dir });
    }
    Ok([replica, gateway])
}

/// The view that a cluster file describes: its nodes' replicas, in the order of the file.
fn view(cluster: &Cluster) -> View {
    View::new(1, cluster.nodes.iter().map(NodeConfig::replica).collect())
}

/// The actors of a node, as values: what the driver runs, and what a replay runs again.
pub fn actors(cluster: &Cluster, node: &NodeConfig) -> [(Id, NodeActor); 2] {
    let timeouts = Timeouts::default();
    let replica = Replica::new(timeouts.clone());
    let gateway = Gateway::new(node.door(), Some(node.replica()), view(cluster), timeouts);
    [(node.replica(), ChainActor::Replica(replica)), (node.gateway(), ChainActor::Gateway(gateway))]
}

/// A node that runs.
pub struct Node {
    handles: Vec<Handle<Msg>>,
    transport: Arc<OnceLock<Transport>>,
    server: Option<Server<Door>>,
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
        let disks = open(cluster, node, base)?;
        let trace = match &options.trace {
            Some(path) => Some(
                TraceFile::append(path, cluster, node.id)
                    .map_err(|source| NodeError::Trace { path: path.clone(), source })?,
            ),
            None => None,
        };
        let config = TransportConfig {
            cluster: cluster.cluster,
            mtu: cluster.mtu,
            faults: options.faults,
            ..TransportConfig::default()
        };
        let endpoint = Endpoint::bind(node.udp, config)?;
        let server_at = node.resp;

        let (tell_ended, ended) = mpsc::unbounded_channel();
        let progress = Arc::new(Progress::default());
        let mut drivers = Vec::new();
        for ((id, actor), disk) in actors(cluster, node).into_iter().zip(disks) {
            let tell_ended = tell_ended.clone();
            let watch = Watch {
                progress: Arc::clone(&progress),
                tracer: trace.as_ref().map(|_| Tracer::default()),
            };
            let driver = Driver::with(id, actor, disk, DriverConfig::default());
            // When the node has gone, nobody needs to know.
            let driver = driver.at_end(move |id, _| {
                let _ = tell_ended.send(id);
            });
            drivers.push(match &trace {
                Some(file) => driver.observed(watch, file.clone()),
                None => driver.observed(watch, io::sink()),
            });
        }
        let [replica, gateway] = [drivers[0].inbox(), drivers[1].inbox()];

        let book = cluster.nodes.iter().flat_map(|node| {
            [node.replica(), node.gateway(), node.door()].map(|id| (id, node.udp))
        });
        let transport: Arc<OnceLock<Transport>> = Arc::default();
        let about = About {
            cluster: cluster.clone(),
            node: node.clone(),
            progress,
            transport: Arc::clone(&transport),
        };
        let door = Door::new(
            node.door(),
            (node.gateway(), gateway.clone()),
            replica.clone(),
            Box::new(move || about.lines()),
        );
        let knock = door.clone();
        let routes = Routes::new()
            .inbox(node.replica(), replica)
            .inbox(node.gateway(), gateway)
            .door(node.door(), move |_, _, msg| knock.deliver(msg));
        let routes = Arc::new(routes);
        let started = endpoint.start(book.collect::<AddressBook>(), Arc::clone(&routes))?;
        let transport_ref = transport.get_or_init(|| started);

        let mut handles = Vec::new();
        for driver in drivers {
            let router = Router::new(Arc::clone(&routes), transport_ref.post());
            handles.push(driver.spawn(router)?);
        }
        let mut node = Node { handles, ended, transport, server: None, resp: server_at };
        let early = tokio::select! {
            _ = door.opened() => None,
            ended = node.ended.recv() => ended,
        };
        if early.is_some() {
            return Err(stop(node.handles).await.err().unwrap_or(NodeError::EndedEarly));
        }
        let failed = |source| NodeError::Resp { address: server_at, source };
        let server = Server::bind(server_at, door, Limits::default()).await.map_err(failed)?;
        node.resp = server.local_addr().map_err(failed)?;
        node.server = Some(server);
        Ok(node)
    }

    /// Where Redis clients connect.
    pub fn resp(&self) -> SocketAddr {
        self.resp
    }

    /// What the node's transport has done and lost.
    pub fn transport(&self) -> TransportCounters {
        self.transport.get().map(Transport::counters).unwrap_or_default()
    }

    /// Serves until `shutdown` completes, or until an actor ends by itself; then answers what is under way,
    /// and stops the actors, with everything committed that they have computed.
    ///
    /// # Errors
    /// When an actor ended by itself: why.
    pub async fn serve(mut self, shutdown: impl Future<Output = ()>) -> Result<(), NodeError> {
        let mut ended = self.ended;
        let until = async move {
            tokio::select! {
                () = shutdown => {}
                _ = ended.recv() => {}
            }
        };
        if let Some(server) = self.server.take() {
            server.serve(until).await;
        }
        stop(self.handles).await
    }
}

/// Stops the actors, the gateway first, so that its last requests find the replica up.
async fn stop(mut handles: Vec<Handle<Msg>>) -> Result<(), NodeError> {
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

/// How far the replica is, for INFO.
#[derive(Default)]
struct Progress {
    epoch: AtomicU64,
    committed: AtomicU64,
    last: AtomicU64,
    keys: AtomicU64,
}

/// Looks at every step: notes how far the replica is, and traces if asked to.
struct Watch {
    progress: Arc<Progress>,
    tracer: Option<Tracer>,
}

impl Observer<NodeActor> for Watch {
    fn step(&mut self, step: Step<'_, NodeActor>, trace: &mut Vec<u8>) {
        if let ChainState::Replica(replica) = step.state {
            let Progress { epoch, committed, last, keys } = &*self.progress;
            epoch.store(replica.view.epoch, Ordering::Relaxed);
            committed.store(replica.committed, Ordering::Relaxed);
            last.store(replica.last(), Ordering::Relaxed);
            keys.store(replica.keys, Ordering::Relaxed);
        }
        if let Some(tracer) = &mut self.tracer {
            tracer.step(step, trace);
        }
    }
}

/// What INFO says of a node.
struct About {
    cluster: Cluster,
    node: NodeConfig,
    progress: Arc<Progress>,
    transport: Arc<OnceLock<Transport>>,
}

impl About {
    fn lines(&self) -> Vec<(String, Vec<(String, String)>)> {
        let line = |name: &str, value: String| (name.to_string(), value);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let place = self.cluster.nodes.iter().position(|node| node.id == self.node.id);
        let place = place.unwrap_or_default();
        let length = self.cluster.nodes.len();
        let role = match place {
            _ if length == 1 => "head and tail",
            0 => "head",
            _ if place + 1 == length => "tail",
            _ => "middle",
        };
        let chain: Vec<_> = self.cluster.nodes.iter().map(|node| node.id.to_string()).collect();
        let chainring = vec![
            line("protocol", "chain".to_string()),
            line("node", self.node.id.to_string()),
            line("chain_role", role.to_string()),
            line("chain", chain.join(" ")),
            line("epoch", read(&self.progress.epoch)),
            line("committed", read(&self.progress.committed)),
            line("received", read(&self.progress.last)),
            line("keys", read(&self.progress.keys)),
        ];
        let counters = self.transport.get().map(Transport::counters).unwrap_or_default();
        let transport = counters.named().map(|(name, count)| line(name, count.to_string()));
        vec![("Chainring".to_string(), chainring), ("Transport".to_string(), transport.collect())]
    }
}
