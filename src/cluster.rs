//! `chainring cluster`: a cluster of processes on this machine.

use chainring_runtime::config::{Cluster, NodeConfig, Protocol};
use chainring_runtime::node;
use clap::{Args, ValueEnum};
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Which cluster to start, and where.
#[derive(Args, Debug)]
pub struct ClusterArgs {
    /// The protocol.
    protocol: ProtocolName,
    /// How many nodes; an existing cluster's number cannot be changed. [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    nodes: Option<u32>,
    /// Where the cluster file and the nodes' data are.
    #[arg(long, default_value = "chainring-data")]
    dir: PathBuf,
    /// The first node's port for Redis clients; the others' follow. 0 takes any that are free.
    #[arg(long, default_value_t = 6380)]
    resp_port: u16,
    /// Record every node's steps in `trace-N` there, for `chainring replay`.
    #[arg(long)]
    trace: bool,
}

/// The protocols that a cluster can run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolName {
    /// Chain replication.
    Chain,
}

/// A running cluster of processes. Dropping it kills them.
pub struct Processes {
    dir: PathBuf,
    trace: bool,
    children: Vec<(u32, Child)>,
}

/// How long a node may take to start: it reads its whole store.
const START_TIME: Duration = Duration::from_secs(120);

/// The name of the cluster file in its directory.
const CLUSTER_FILE: &str = "cluster.toml";

/// Starts the cluster, and waits until Ctrl-C, SIGTERM, or the end of its last node.
pub fn run(args: &ClusterArgs) -> Result<ExitCode, String> {
    let ProtocolName::Chain = args.protocol;
    let _lock = lock(&args.dir)?;
    let cluster = prepare(&args.dir, args.nodes, args.resp_port)?;
    let mut processes = Processes::new(&args.dir, args.trace);
    for node in &cluster.nodes {
        processes.start(node.id)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for signals: {error}"))?;
    runtime.block_on(async {
        // Before anybody can know that the cluster is ready to be ended.
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return Err("cannot wait for signals".to_string());
        };
        say!("ready");
        for node in &cluster.nodes {
            say!("  node {} at {}: redis-cli -p {}", node.id, node.resp, node.resp.port());
        }
        say!("data in {}; Ctrl-C ends it", args.dir.display());
        let _ = std::io::stdout().flush();
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = look.tick() => {}
            }
            for (id, status) in processes.reap() {
                say!(
                    "node {id} has ended ({status}); `chainring node --config {} --id {id}` \
                          brings it back",
                    args.dir.join(CLUSTER_FILE).display()
                );
                let _ = std::io::stdout().flush();
            }
            if processes.children.is_empty() {
                return Err(format!("no node is left; their logs are in {}", args.dir.display()));
            }
        }
        processes.stop();
        Ok(ExitCode::SUCCESS)
    })
}

/// Makes this process the only one that runs the cluster of a directory: another one would choose other
/// ports, and write them into the file that a node reads when it is brought back.
fn lock(dir: &Path) -> Result<File, String> {
    let path = dir.join("cluster.lock");
    let failed = |error| format!("cannot lock {}: {error}", path.display());
    fs::create_dir_all(dir).map_err(failed)?;
    let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another `chainring cluster` runs the cluster in {}; stop it first, or choose another \
             --dir",
            dir.display()
        )),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Reads the cluster that is in the directory, or makes one there; its ports are chosen anew each time.
pub fn prepare(dir: &Path, nodes: Option<u32>, resp_port: u16) -> Result<Cluster, String> {
    let file = dir.join(CLUSTER_FILE);
    let failed = |what: &str| {
        let place = file.display().to_string();
        let what = what.to_string();
        move |error: std::io::Error| format!("cannot {what} {place}: {error}")
    };
    let fresh = !file.exists();
    let mut cluster = if fresh {
        fs::create_dir_all(dir).map_err(failed("make the directory of"))?;
        let nodes = nodes.unwrap_or(3);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let node = |number: u32| NodeConfig {
            id: number + 1,
            udp: any,
            resp: any,
            replica: number,
            gateway: nodes + number,
            door: 2 * nodes + number,
            store: None,
            dir: None,
        };
        Cluster {
            cluster: fresh_number()?,
            protocol: Protocol::Chain,
            mtu: 16 << 10,
            nodes: (0..nodes).map(node).collect(),
        }
    } else {
        Cluster::read(&file).map_err(|error| format!("{error} ({})", file.display()))?
    };
    let there = cluster.nodes.len();
    if let Some(nodes) = nodes.filter(|nodes| *nodes as usize != there) {
        return Err(format!(
            "{} holds a cluster of {there} nodes, not {nodes}; leave --nodes out, or choose \
             another --dir",
            dir.display()
        ));
    }
    choose_ports(&mut cluster, resp_port)?;
    if fresh {
        // The file is written last, so that a directory with a file has all its stores.
        for number in 0..cluster.nodes.len() {
            let node = &cluster.nodes[number];
            let identity = node::init(&cluster, node, dir).map_err(|error| error.to_string())?;
            cluster.nodes[number].store = Some(identity.to_string());
        }
    }
    fs::write(&file, cluster.to_text()).map_err(failed("write"))?;
    Ok(cluster)
}

/// Gives every node a free UDP port, and the ports for Redis clients from `resp_port` on.
fn choose_ports(cluster: &mut Cluster, resp_port: u16) -> Result<(), String> {
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let none = |error| format!("there is no free port: {error}");
    // All are held until all are chosen, so that they differ.
    let (mut udp, mut tcp) = (Vec::new(), Vec::new());
    for (number, node) in cluster.nodes.iter_mut().enumerate() {
        let socket = UdpSocket::bind(local(0)).map_err(none)?;
        node.udp = socket.local_addr().map_err(none)?;
        udp.push(socket);
        let port = match resp_port {
            0 => 0,
            first => u16::try_from(number).ok().and_then(|n| first.checked_add(n)).ok_or(
                format!("--resp-port {first} leaves no ports for all nodes; choose a lower one"),
            )?,
        };
        let listener = TcpListener::bind(local(port)).map_err(|error| {
            format!("port {port} for Redis clients is taken ({error}); choose another --resp-port")
        })?;
        node.resp = listener.local_addr().map_err(none)?;
        tcp.push(listener);
    }
    Ok(())
}

/// A number that no other cluster has, small enough for TOML.
fn fresh_number() -> Result<u64, String> {
    let number = getrandom::u64().map_err(|error| format!("got no random number: {error}"))?;
    Ok(number >> 1)
}

impl Processes {
    /// No process yet, of the cluster in this directory.
    pub fn new(dir: &Path, trace: bool) -> Self {
        Processes { dir: dir.to_path_buf(), trace, children: Vec::new() }
    }

    /// Starts a node, and waits until it serves. Its log goes to `log-ID`.
    pub fn start(&mut self, id: u32) -> Result<(), String> {
        let failed = |error| format!("cannot start node {id}: {error}");
        let log_path = self.dir.join(format!("log-{id}"));
        let log = File::options().create(true).append(true).open(&log_path).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["node", "--with-parent", "--config"]).arg(self.dir.join(CLUSTER_FILE));
        command.arg("--id").arg(id.to_string());
        if self.trace {
            command.arg("--trace").arg(self.dir.join(format!("trace-{id}")));
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(failed)?;
        let said = child.stdout.take().map(first_line);
        self.children.push((id, child));
        match said.map(|said| said.recv_timeout(START_TIME)) {
            Some(Ok(())) => Ok(()),
            Some(Err(RecvTimeoutError::Timeout)) => {
                Err(format!("node {id} does not serve; its log is {}", log_path.display()))
            }
            _ => {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it has said nothing");
                Err(format!("node {id} did not start: {last}"))
            }
        }
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, id: u32) -> Result<(), String> {
        let place = self.children.iter().position(|(child, _)| *child == id);
        let place = place.ok_or(format!("node {id} does not run"))?;
        let (_, mut child) = self.children.remove(place);
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|error| format!("cannot kill node {id}: {error}"))
    }

    /// The nodes that have ended since the last call.
    fn reap(&mut self) -> Vec<(u32, ExitStatus)> {
        let mut ended = Vec::new();
        self.children.retain_mut(|(id, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((*id, status));
                false
            }
            _ => true,
        });
        ended
    }

    /// Asks all nodes to end, and waits for them.
    pub fn stop(&mut self) {
        for (_, child) in &self.children {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                // One that has ended needs no signal.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for (_, child) in &mut self.children {
            let _ = child.wait();
        }
        self.children.clear();
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // One that has ended needs no signal.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Tells when a node has said its first line, which is that it serves.
fn first_line(said: impl std::io::Read + Send + 'static) -> Receiver<()> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(said).lines();
        if let Some(Ok(_)) = lines.next() {
            let _ = tell.send(());
        }
        // Reads on, so that the node never waits for a reader.
        for _ in lines.map_while(Result::ok) {}
    });
    told
}
