//! The cluster file of `chainring cluster`: made once, with free ports and its nodes' stores, and
//! from then on only read.

use crate::cli::file::{CLUSTER_FILE, read};
use chainring::config::{
    Cluster, DoorConfig, GivenOut, NodeConfig, PerChain, Protocol, RingConfig, TimeoutsConfig,
    write,
};
use chainring::stores;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;

/// What a cluster is to be; what is left out is what it is already, or the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// What its nodes run.
    pub protocol: Protocol,
    /// Of a ring: how many replicas a key has.
    pub replicas: Option<u8>,
    /// Of a ring: how many tokens a node has.
    pub tokens: Option<u32>,
    /// How many nodes; 3 by default.
    pub nodes: Option<u32>,
    /// How many chains; 1 by default.
    pub chains: Option<u32>,
    /// How many coordinators each chain has; by default 3, or 1 where there are less than 3 nodes.
    pub coordinators: Option<u32>,
    /// The first node's port for Redis clients; 0 for any that are free; 6380 by default.
    pub resp_port: Option<u16>,
}

/// A cluster of which nothing is on disk yet, or all.
#[derive(Debug)]
pub struct Draft {
    cluster: Cluster,
    is_fresh: bool,
}

/// Where Redis clients of a first node connect if nothing else is said.
const RESP_PORT: u16 = 6380;

impl Plan {
    /// Reads the cluster that is in the directory, or makes one there.
    pub fn prepare(&self, dir: &Path) -> Result<Cluster, String> {
        self.draft(dir)?.settle(dir)
    }

    /// Reads the cluster that is in the directory, or thinks one up. Touches nothing, so that a
    /// mistake leaves nothing behind.
    pub fn draft(&self, dir: &Path) -> Result<Draft, String> {
        if dir.exists() && !dir.is_dir() {
            return Err(format!("{} is a file; choose another --dir", dir.display()));
        }
        let file = dir.join(CLUSTER_FILE);
        if file.exists() {
            let cluster = read(&file)?;
            self.compare(&cluster, dir)?;
            return Ok(Draft { cluster, is_fresh: false });
        }
        let mut cluster = self.make()?;
        choose_ports(&mut cluster, self.resp_port.unwrap_or(RESP_PORT))?;
        Ok(Draft { cluster, is_fresh: true })
    }

    /// A new cluster, without ports. `Id`s are given out to the replicas first, then to gateways,
    /// doors, coordinators and members. The nodes of a chain stand together.
    pub fn make(&self) -> Result<Cluster, String> {
        let (nodes, chains) = (self.nodes.unwrap_or(3), self.chains.unwrap_or(1));
        let ring = match self.protocol {
            Protocol::Chain if self.replicas.is_some() || self.tokens.is_some() => {
                return Err("--replicas and --tokens are of a ring; leave them out".to_string());
            }
            Protocol::Ring if chains != 1 => {
                return Err("a ring spreads its keys by itself; leave --chains out".to_string());
            }
            _ => {
                let usual = RingConfig::default();
                let tokens = self.tokens.unwrap_or(usual.tokens);
                RingConfig { tokens, replicas: self.replicas.unwrap_or(usual.replicas), ..usual }
            }
        };
        if nodes < chains {
            return Err(format!(
                "{chains} chains need {chains} nodes at least, and --nodes is {nodes}; give more nodes"
            ));
        }
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let actors = |from: u32, node: u32| -> PerChain {
            (0..chains).map(|chain| from + chain * nodes + node).collect()
        };
        let mut coordinators = (nodes + 2 * nodes * chains)..;
        let members = nodes * 2 + 2 * nodes * chains;
        let mut made: Vec<NodeConfig> = Vec::new();
        for chain in 0..chains {
            let length = nodes / chains + u32::from(chain < nodes % chains);
            let deciding = self.coordinators.unwrap_or(if length < 3 { 1 } else { 3 });
            if deciding > length {
                return Err(format!(
                    "--coordinators {deciding} needs {deciding} nodes at least in a chain or a ring, and \
                     {} has {length}; give more nodes, or fewer coordinators",
                    match self.protocol {
                        Protocol::Chain => format!("chain {}", chain + 1),
                        Protocol::Ring => "the ring".to_string(),
                    }
                ));
            }
            for place in 0..length {
                let number = made.len() as u32; // at most `nodes`
                made.push(NodeConfig {
                    id: number + 1,
                    chain: chain + 1,
                    udp: any,
                    resp: any,
                    replica: number,
                    gateway: actors(nodes, number),
                    door: actors(nodes + nodes * chains, number),
                    coordinator: if place < deciding { coordinators.next() } else { None },
                    member: match self.protocol {
                        Protocol::Chain => None,
                        Protocol::Ring => Some(members + number),
                    },
                    joins: false,
                    store: None,
                    dir: None,
                });
            }
        }
        Ok(Cluster {
            cluster: fresh_number()?,
            protocol: self.protocol,
            mtu: 16 << 10,
            min_copies: None,
            timeouts: TimeoutsConfig::default(),
            ring,
            retain_bytes: None,
            given_out: GivenOut::default(),
            door: DoorConfig::default(),
            nodes: made,
        })
    }

    /// Refuses what would make another cluster of one that is there.
    fn compare(&self, cluster: &Cluster, dir: &Path) -> Result<(), String> {
        if cluster.protocol != self.protocol {
            return Err(format!(
                "{} holds a cluster that runs a {}, not a {}; choose another --dir",
                dir.display(),
                cluster.protocol.name(),
                self.protocol.name()
            ));
        }
        let coordinators = |chain| {
            cluster.nodes_of(chain).filter(|node| node.coordinator.is_some()).count() as u32
        };
        let chains = cluster.chains().count() as u32;
        let deciding = cluster.chains().map(coordinators).max().unwrap_or(0);
        for (option, what, there, wanted) in [
            ("nodes", "nodes", cluster.nodes.len() as u32, self.nodes),
            ("chains", "chains", chains, self.chains),
            ("coordinators", "coordinators a chain", deciding, self.coordinators),
            (
                "replicas",
                "replicas a key",
                cluster.ring.replicas.into(),
                self.replicas.map(u32::from),
            ),
            ("tokens", "tokens a node", cluster.ring.tokens, self.tokens),
        ] {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != there) {
                return Err(format!(
                    "{} holds a cluster of {there} {what}, not {wanted}; leave --{option} out, or \
                     choose another --dir",
                    dir.display()
                ));
            }
        }
        let first = cluster.nodes.first().map_or(0, |node| node.resp.port());
        match self.resp_port {
            Some(wanted) if wanted != 0 && wanted != first => Err(format!(
                "{} holds a cluster whose node 1 serves Redis clients at port {first}, not {wanted}; leave \
                 --resp-port out, or write other ports into {} while none of its nodes runs",
                dir.display(),
                dir.join(CLUSTER_FILE).display()
            )),
            _ => Ok(()),
        }
    }
}

impl Draft {
    /// Makes the file and the stores, if they are not there, or else sees whether the ports are
    /// free.
    pub fn settle(self, dir: &Path) -> Result<Cluster, String> {
        let Draft { mut cluster, is_fresh } = self;
        let file = dir.join(CLUSTER_FILE);
        if !is_fresh {
            are_free(&cluster, &file)?;
            return Ok(cluster);
        }
        if file.exists() {
            return Err(format!(
                "{} was made by another process just now; try again",
                file.display()
            ));
        }
        std::fs::create_dir_all(dir)
            .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
        // The file is written last, so that a directory with a file has all its stores.
        for number in 0..cluster.nodes.len() {
            let node = &cluster.nodes[number];
            let identity = stores::init(&cluster, node, dir).map_err(|error| error.to_string())?;
            cluster.nodes[number].store = Some(identity.to_string());
        }
        write(&file, &cluster.to_text())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(cluster)
    }
}

/// Whether a cluster has fewer copies of a key than its file names, in a sentence.
pub fn copies(cluster: &Cluster) -> Option<String> {
    let nodes = cluster.nodes.iter().filter(|node| !node.joins).count();
    let wanted = usize::from(cluster.ring.replicas);
    (cluster.protocol == Protocol::Ring && nodes < wanted).then(|| {
        format!(
            "with {nodes} node{} there {} of a key, not {wanted}, and {} of them have to live: it has {wanted} \
             when more nodes join",
            if nodes == 1 { "" } else { "s" },
            if nodes == 1 { "is 1 copy".to_string() } else { format!("are {nodes} copies") },
            nodes / 2 + 1
        )
    })
}

/// Sees whether the ports of a cluster that was made before are free.
fn are_free(cluster: &Cluster, file: &Path) -> Result<(), String> {
    let taken = |node: &NodeConfig, what: &str, address: SocketAddr, error: io::Error| {
        format!(
            "node {} cannot have {what} {address}, which {} gives it ({error}). Perhaps it runs already; or else \
             end what is there, or write another address into the file while none of its nodes runs",
            node.id,
            file.display()
        )
    };
    for node in &cluster.nodes {
        UdpSocket::bind(node.udp).map_err(|error| taken(node, "UDP", node.udp, error))?;
        TcpListener::bind(node.resp).map_err(|error| taken(node, "TCP", node.resp, error))?;
    }
    Ok(())
}

/// Gives every node a free UDP port, and the ports for Redis clients from `resp_port` on.
fn choose_ports(cluster: &mut Cluster, resp_port: u16) -> Result<(), String> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let none = |error| format!("there is no free port: {error}");
    // All are held until all are chosen, so that they differ.
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    for (number, node) in cluster.nodes.iter_mut().enumerate() {
        let socket = somewhere(|port| UdpSocket::bind(local(port))).map_err(none)?;
        node.udp = socket.local_addr().map_err(none)?;
        udp.push(socket);
        let listener = if resp_port == 0 {
            somewhere(|port| TcpListener::bind(local(port))).map_err(none)?
        } else {
            let port = u16::try_from(number).ok().and_then(|n| resp_port.checked_add(n)).ok_or(
                format!(
                    "--resp-port {resp_port} leaves no ports for all nodes; choose a lower one"
                ),
            )?;
            TcpListener::bind(local(port)).map_err(|error| {
                format!(
                    "port {port} for Redis clients is taken ({error}); choose another --resp-port"
                )
            })?
        };
        node.resp = listener.local_addr().map_err(none)?;
        tcp.push(listener);
    }
    Ok(())
}

/// Binds to a free port that the system does not hand out by itself (Linux: from 32768 on), so that
/// no connection that a program opens takes it before its node starts, or while its node is down.
pub fn somewhere<T>(bind: impl Fn(u16) -> io::Result<T>) -> io::Result<T> {
    /// How often a port is drawn before any will do.
    const DRAWN: usize = 100;
    let ports = 10_000..32_768_u32;
    for _ in 0..DRAWN {
        let Ok(number) = getrandom::u32() else { break };
        let port = ports.start + number % (ports.end - ports.start);
        if let Ok(bound) = bind(port as u16) {
            return Ok(bound);
        }
    }
    bind(0)
}

/// A number that no other cluster has, small enough for TOML.
fn fresh_number() -> Result<u64, String> {
    let number = getrandom::u64().map_err(|error| format!("got no random number: {error}"))?;
    Ok(number >> 1)
}
