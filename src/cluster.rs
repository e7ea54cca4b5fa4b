//! `chainring cluster`: a cluster of processes on this machine.

mod plan;
mod processes;

pub use plan::{Plan, somewhere};
pub use processes::Processes;

use chainring_runtime::config::Protocol;
use chainring_runtime::tell;
use clap::{Args, ValueEnum};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
    /// How many chains, which share the keys; an existing cluster's number cannot be changed. [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    chains: Option<u32>,
    /// How many of each chain's nodes, or the ring's, decide who is in it; a majority of them has to live.
    /// [default: 3, or 1 where there are fewer nodes]
    #[arg(long, value_parser = ["1", "3", "5"])]
    coordinators: Option<String>,
    /// Of a ring: how many replicas a key has; an existing cluster's number cannot be changed. [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Option<u8>,
    /// Of a ring: how many tokens a node has; an existing cluster's number cannot be changed. [default: 64]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: Option<u32>,
    /// Where the cluster file and the nodes' data are.
    #[arg(long, default_value = "chainring-data")]
    dir: PathBuf,
    /// The first node's port for Redis clients; the others' follow. 0 takes any that are free.
    #[arg(long, default_value_t = 6380)]
    resp_port: u16,
    /// Record every node's steps in `trace-N` there, for `chainring replay`.
    #[arg(long)]
    trace: bool,
    /// Make the cluster file and the stores, and start nothing.
    #[arg(long)]
    only_init: bool,
}

/// The protocols that a cluster can run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ProtocolName {
    /// Chain replication.
    Chain,
    /// A quorum ring.
    Ring,
}

/// The name of the cluster file in its directory.
pub const CLUSTER_FILE: &str = "cluster.toml";

/// Starts the cluster, and waits until Ctrl-C, SIGTERM, or the end of its last node.
pub fn run(args: &ClusterArgs) -> Result<ExitCode, String> {
    let _lock = lock(&args.dir)?;
    let plan = Plan {
        protocol: match args.protocol {
            ProtocolName::Chain => Protocol::Chain,
            ProtocolName::Ring => Protocol::Ring,
        },
        replicas: args.replicas,
        tokens: args.tokens,
        nodes: args.nodes,
        chains: args.chains,
        coordinators: args.coordinators.as_ref().and_then(|number| number.parse().ok()),
        resp_port: args.resp_port,
    };
    let cluster = plan.prepare(&args.dir)?;
    if args.only_init {
        say!("the cluster is in {}", args.dir.join(CLUSTER_FILE).display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut processes = Processes::new(&args.dir, args.trace);
    processes.start(cluster.nodes.iter().map(|node| node.id))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for signals: {error}"))?;
    runtime.block_on(async {
        // Before anybody can know that the cluster is ready to be ended.
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            return Err("cannot wait for signals".to_string());
        };
        // Nobody may read this; the cluster runs all the same.
        tell::say("ready");
        for node in &cluster.nodes {
            let (id, resp) = (node.id, node.resp);
            tell::say(format_args!("  node {id} at {resp}: redis-cli -p {}", resp.port()));
        }
        tell::say(format_args!("data in {}; Ctrl-C ends it", args.dir.display()));
        let mut look = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = look.tick() => {}
            }
            for (id, status) in processes.reap() {
                tell::say(format_args!(
                    "node {id} has ended ({status}); `chainring node --config {} --id {id}` brings it \
                     back",
                    args.dir.join(CLUSTER_FILE).display()
                ));
            }
            if processes.is_empty() {
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
