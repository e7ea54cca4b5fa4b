//! `chainring join`: adds a node to a cluster that may be running. `chainring leave`: takes one out
//! of a ring.

use crate::cli::cluster::somewhere;
use crate::cli::file::{explain, read_text};
use crate::cli::status::{self, RingReport, Where};
use chainring::config::{self, Cluster, Protocol};
use chainring::stores;
use clap::Args;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

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
    /// Where its actors will hear those of other nodes. [default: a free port on the loopback
    /// address, where all nodes are there]
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
    /// Wait until it is outside, and say meanwhile what it waits for.
    #[arg(long)]
    wait: bool,
    /// How many seconds --wait waits.
    #[arg(long, requires = "wait", default_value_t = 600)]
    timeout: u32,
    #[command(flatten)]
    cluster: Where,
}

/// Tells a node of a ring to leave it, and says what that waits for.
pub fn leave(args: &LeaveArgs) -> Result<ExitCode, String> {
    let (cluster, id) = (args.cluster.read()?, args.id);
    let node = cluster.node(id).map_err(|error| error.to_string())?;
    if cluster.protocol == Protocol::Chain {
        return Err(of_a_chain(&cluster, id, node.joins, node.coordinator.is_some()));
    }
    let ring = look(args, &cluster)?;
    if ring.nodes.iter().any(|place| place.node == Some(id) && !place.is_in_view()) {
        say!("node {id} is not in the ring: stop it if it is not needed.");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(why) = smallest(&ring, id) {
        return Err(why);
    }
    belong(&cluster, id, "LEAVE")?;
    let start = Instant::now();
    let mut said = String::new();
    loop {
        let waits = waits_for(&look(args, &cluster)?, id);
        let Some(waits) = waits else {
            say!(
                "node {id} is outside the ring. It serves clients still; stop it if it is not needed."
            );
            return Ok(ExitCode::SUCCESS);
        };
        if waits != said {
            say!("node {id} is leaving: {waits}.");
            said = waits;
        }
        if !args.wait && start.elapsed() >= FIRST_LOOK {
            break;
        }
        if args.wait && start.elapsed() >= Duration::from_secs(args.timeout.into()) {
            return Err(format!("node {id} is still in the ring after {} s", args.timeout));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    say!(
        "`{} status` shows it outside when that is done; `leave {id} --wait` waits for it.",
        crate::cli::me()
    );
    say!("It serves clients all the while, and afterwards; stop it then if it is not needed.");
    Ok(ExitCode::SUCCESS)
}

/// How long it takes until there is something to be said of a node that leaves.
const FIRST_LOOK: Duration = Duration::from_secs(2);

fn look(args: &LeaveArgs, cluster: &Cluster) -> Result<RingReport, String> {
    Ok(RingReport::of(cluster, &status::ask_all(&args.cluster, cluster)?))
}

/// What there is instead for a chain.
fn of_a_chain(cluster: &Cluster, id: u32, joins: bool, decides: bool) -> String {
    let silence = cluster.timeouts.views().suspect.start.as_millis();
    let mut why = format!(
        "a chain has no `leave`: a member is there while its process is. Stop node {id} (SIGTERM, or Ctrl-C where it \
         runs): after {silence} ms without it the coordinators decide a chain without it, and writes go on. Started \
         again, it comes back by itself"
    );
    if decides {
        why += &format!(
            ". Node {id} is also one of those who decide, for ever: while it is away, fewer of the others may fail"
        );
    }
    if joins {
        why +=
            &format!(". `{} forget {id}` then removes it from the cluster file", crate::cli::me());
    }
    why
}

/// Why no node can leave a ring that is as small as it may be.
fn smallest(ring: &RingReport, id: u32) -> Option<String> {
    let members = ring.nodes.iter().filter(|place| place.is_in_view()).count();
    let replicas = usize::from(ring.replicas);
    (members <= replicas).then(|| {
        format!(
            "the ring has {members} members and keeps {replicas} copies of a key, and it never shrinks below that: \
             node {id} stays. Let another node join first (`{} join`)",
            crate::cli::me()
        )
    })
}

/// What a node that leaves waits for; `None` when it has left.
fn waits_for(ring: &RingReport, id: u32) -> Option<String> {
    let place = ring.nodes.iter().find(|place| place.node == Some(id))?;
    let gone = |place: &&status::NodeOfRing| place.is_in_view() && place.unreachable.is_some();
    let dead: Vec<_> = ring.nodes.iter().filter(gone).filter_map(|place| place.node).collect();
    let dead = match &dead[..] {
        [] => String::new(),
        dead => {
            let dead: Vec<_> = dead.iter().map(u32::to_string).collect();
            format!(", of which some may wait for node {}, which does not answer", dead.join(", "))
        }
    };
    if !place.is_in_view() {
        return None;
    }
    Some(if place.is_leaving() {
        format!("others have {} ranges still to fetch from it{dead}", ring.ranges_left)
    } else if !ring.stable {
        format!(
            "another change is under way, and goes first: {} ranges are still to be fetched{dead}",
            ring.ranges_left
        )
    } else if place.wants_to_leave {
        format!("the coordinators know, and have not decided yet{dead}")
    } else {
        "no coordinator has heard of it yet".to_string()
    })
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
    let base = base_of(file);
    let _lock = lock(base)?;
    let (text, cluster) = read_text(file)?;
    let wrong = |error| explain(&error, file);
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
    // The file is written last, so that every node in it has stores.
    let identity = stores::init(&grown, &node, base).map_err(|error| error.to_string())?;
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
    say!("Start it: {} node --config {} --id {}", crate::cli::me(), file.display(), node.id);
    say!(
        "If it was a mistake: {} forget {} --config {}",
        crate::cli::me(),
        node.id,
        file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The directory of a cluster file.
pub fn base_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Keeps two programs that change the file from choosing the same numbers. The directory itself is
/// what is locked.
pub fn lock(base: &Path) -> Result<File, String> {
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
