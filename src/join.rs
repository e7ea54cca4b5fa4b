//! `chainring join`: adds a node to a cluster that may be running. `chainring leave`: takes one out of a ring.

use crate::cluster::somewhere;
use crate::status::{self, Where};
use chainring_runtime::config::{self, Cluster};
use chainring_runtime::node;
use clap::Args;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where to add a node, and with which addresses.
#[derive(Args, Debug)]
pub struct JoinArgs {
    /// The cluster file.
    #[arg(long)]
    config: PathBuf,
    /// The chain that its replica joins. [default: the one with the fewest nodes]
    #[arg(long)]
    chain: Option<u32>,
    /// Where Redis clients will connect. [default: a free port of the --udp address]
    #[arg(long)]
    resp: Option<SocketAddr>,
    /// Where its actors will hear those of other nodes. [default: a free port on the loopback address, where
    /// all nodes are there]
    #[arg(long)]
    udp: Option<SocketAddr>,
    /// Of a ring: adds no node, but brings back this one, which has left.
    #[arg(long, conflicts_with_all = ["chain", "resp", "udp"])]
    id: Option<u32>,
}

/// Which node is to leave.
#[derive(Args, Debug)]
pub struct LeaveArgs {
    /// The node's number.
    id: u32,
    #[command(flatten)]
    cluster: Where,
}

/// Tells a node of a ring to leave it.
pub fn leave(args: &LeaveArgs) -> Result<ExitCode, String> {
    let cluster = args.cluster.read()?;
    belong(&cluster, args.id, "LEAVE")?;
    say!(
        "node {} is leaving: when others have what it holds, `chainring status` shows it outside.",
        args.id
    );
    say!("It serves clients all the while, and afterwards; stop it then if it is not needed.");
    Ok(ExitCode::SUCCESS)
}

/// Tells a node that it is to be in the ring, or out of it.
fn belong(cluster: &Cluster, id: u32, word: &str) -> Result<(), String> {
    let node = cluster.node(id).map_err(|error| error.to_string())?;
    status::tell::<()>(node, &[word]).map_err(|why| {
        format!("node {id} was not told: {why}. It sees to this itself, so it has to run")
    })
}

/// Makes a node's stores, and then adds it to the cluster file.
pub fn run(args: &JoinArgs) -> Result<ExitCode, String> {
    let file = &args.config;
    let base = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _lock = lock(base)?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the cluster file {}: {error}", file.display()))?;
    let wrong = |error| format!("{error} ({})", file.display());
    let cluster = Cluster::parse(&text).map_err(wrong)?;
    if let Some(id) = args.id {
        belong(&cluster, id, "JOIN")?;
        say!(
            "node {id} is joining: it fetches what it is to hold, and `chainring status` shows how far it is."
        );
        return Ok(ExitCode::SUCCESS);
    }
    let (udp, resp) = addresses(args, &cluster)?;
    let mut node = cluster.newcomer(args.chain, udp, resp, base)?;
    let (grown, _) = Cluster::append(&text, &node).map_err(wrong)?;
    // The file is written last, so that whoever is in it has stores.
    let identity = node::init(&grown, &node, base).map_err(|error| error.to_string())?;
    node.store = Some(identity.to_string());
    let (_, text) = Cluster::append(&text, &node).map_err(wrong)?;
    config::write(file, &text).map_err(|error| {
        format!(
            "cannot write {}: {error}. The stores of the new node in {} are nobody's: remove them",
            file.display(),
            node.directory(base).display()
        )
    })?;
    say!("node {} is in {}, to join {}", node.id, file.display(), grown.name_of(node.chain));
    say!(
        "nodes that run with this file know it within a second; copy it to machines that have their own."
    );
    say!("Start it: chainring node --config {} --id {}", file.display(), node.id);
    Ok(ExitCode::SUCCESS)
}

/// Keeps two joins from choosing the same numbers. The directory itself is what is locked.
fn lock(base: &Path) -> Result<File, String> {
    let failed = |error| format!("cannot lock {}: {error}", base.display());
    let directory = File::open(base).map_err(failed)?;
    directory.lock().map_err(failed)?;
    Ok(directory)
}

/// The node's addresses: those that were asked for, or free ones that the others can reach.
fn addresses(args: &JoinArgs, cluster: &Cluster) -> Result<(SocketAddr, SocketAddr), String> {
    let all_local = cluster.nodes.iter().all(|node| node.udp.ip().is_loopback());
    let udp = match args.udp {
        Some(udp) => udp,
        None if all_local => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
        None => {
            return Err(
                "the other nodes are not all on this machine's loopback address, so the new one \
                        needs an address that they can send to: give --udp"
                    .to_string(),
            );
        }
    };
    let resp = args.resp.unwrap_or(SocketAddr::new(udp.ip(), 0));
    let none = |error| format!("there is no free port: {error}");
    // Both are held until both are chosen.
    let (mut chosen, mut held) = ((udp, resp), None);
    if udp.port() == 0 {
        let at = |port| SocketAddr::new(udp.ip(), port);
        let socket = somewhere(|port| UdpSocket::bind(at(port))).map_err(none)?;
        chosen.0 = socket.local_addr().map_err(none)?;
        held = Some(socket);
    }
    if resp.port() == 0 {
        let at = |port| SocketAddr::new(resp.ip(), port);
        let listener = somewhere(|port| TcpListener::bind(at(port))).map_err(none)?;
        chosen.1 = listener.local_addr().map_err(none)?;
    }
    drop(held);
    Ok(chosen)
}
