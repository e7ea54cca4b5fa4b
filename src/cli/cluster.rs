//! `chainring cluster`: a cluster of processes on this machine.

mod plan;
mod processes;

pub use plan::{Plan, copies, somewhere};
pub use processes::Processes;

use crate::cli::file::CLUSTER_FILE;
use crate::cli::status;
use chainring::config::{Cluster, Protocol};
use chainring::tell;
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
    /// How many chains, which share the keys; an existing cluster's number cannot be changed.
    /// [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    chains: Option<u32>,
    /// How many of each chain's nodes, or the ring's, are coordinators: they decide its views, and
    /// a majority of them has to live. [default: 3, or 1 where there are fewer nodes]
    #[arg(long, value_parser = ["1", "3", "5"])]
    coordinators: Option<String>,
    /// Of a ring: how many replicas a key has; an existing cluster's number cannot be changed.
    /// [default: 3]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
    replicas: Option<u8>,
    /// Of a ring: how many tokens a node has; an existing cluster's number cannot be changed.
    /// [default: 64]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4096))]
    tokens: Option<u32>,
    /// Where the cluster file and the nodes' data are.
    #[arg(long, default_value = "chainring-data")]
    dir: PathBuf,
    /// The first node's port for Redis clients; the others' follow. 0 takes any that are free. An
    /// existing cluster's ports stay as they are in its file. [default: 6380]
    #[arg(long)]
    resp_port: Option<u16>,
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

impl From<ProtocolName> for Protocol {
    fn from(name: ProtocolName) -> Self {
        match name {
            ProtocolName::Chain => Protocol::Chain,
            ProtocolName::Ring => Protocol::Ring,
        }
    }
}

/// Starts the cluster, and waits until Ctrl-C, SIGTERM, or the end of its last node.
pub fn run(args: &ClusterArgs) -> Result<ExitCode, String> {
    let plan = Plan {
        protocol: args.protocol.into(),
        replicas: args.replicas,
        tokens: args.tokens,
        nodes: args.nodes,
        chains: args.chains,
        coordinators: args.coordinators.as_ref().and_then(|number| number.parse().ok()),
        resp_port: args.resp_port,
    };
    let draft = plan.draft(&args.dir)?;
    let _lock = lock(&args.dir)?;
    let cluster = draft.settle(&args.dir)?;
    if let Some(note) = copies(&cluster) {
        say!("note: {note}");
    }
    if args.only_init {
        say!("the cluster is in {}", args.dir.join(CLUSTER_FILE).display());
        return Ok(ExitCode::SUCCESS);
    }
    let mut processes = Processes::new(&args.dir, args.trace);
    processes.start(cluster.nodes.iter().map(|node| node.id))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot wait for signals: {error}"))?;
    runtime.block_on(async {
        // Before a reader can know that the cluster is ready to be ended.
        let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals.map(signal) else {
            return Err("cannot wait for signals".to_string());
        };
        // Even if this is not read, the cluster runs.
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
                _ = hangup.recv() => break, // its terminal has gone
                _ = look.tick() => processes.bound_logs(),
            }
            for (id, status) in processes.reap() {
                tell::say(format_args!(
                    "node {id} has ended ({status}); `{} node --config {} --id {id}` brings it back, and \
                     has to be ended by itself then",
                    crate::cli::me(),
                    args.dir.join(CLUSTER_FILE).display()
                ));
            }
            if processes.is_empty() {
                say_who_is_left(&cluster);
                return Err(format!("no node is left; their logs are in {}", args.dir.display()));
            }
        }
        processes.stop();
        say_who_is_left(&cluster);
        Ok(ExitCode::SUCCESS)
    })
}

/// Says which nodes go on without this process: those that were brought back, or joined, by hand.
fn say_who_is_left(cluster: &Cluster) {
    for node in &cluster.nodes {
        let answer: Result<String, String> = status::tell(node, &["STATUS"]);
        let Ok(text) = answer else { continue };
        let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        if said["cluster"] == cluster.cluster && said["node"] == node.id {
            tell::say(format_args!(
                "node {} goes on: it was started by itself (`chainring node`), and is ended where that was \
                 done",
                node.id
            ));
        }
    }
}

/// Makes this process the only one that runs the cluster of a directory: another one would start
/// its nodes a second time, or make other stores where these are.
fn lock(dir: &Path) -> Result<File, String> {
    if dir.exists() && !dir.is_dir() {
        return Err(format!("{} is a file; choose another --dir", dir.display()));
    }
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
