//! `chainring init`, `chainring node` and `chainring replay`.

use crate::cli::file;
use crate::cli::join::{base_of, lock};
use chainring::config::{self, Cluster};
use chainring::node::{Node, NodeOptions};
use chainring::stores;
use chainring::{tell, trace};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Which node of which cluster.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// The cluster file.
    #[arg(long)]
    config: PathBuf,
    /// The node's id in it.
    #[arg(long)]
    id: u32,
}

/// Which node's stores to make.
#[derive(Args, Debug)]
pub struct StoresArgs {
    #[command(flatten)]
    node: InitArgs,
    /// Write the store's identity into the cluster file, rather than say what to write.
    #[arg(long)]
    write: bool,
}

/// Which node to run, and how.
#[derive(Args, Debug)]
pub struct NodeArgs {
    #[command(flatten)]
    node: InitArgs,
    /// Record every step of the node's actors in this file, for `chainring replay`.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// End when the process that started this one does.
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// What to replay.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Traces of `chainring node --trace`; give those of all nodes to check what passed between
    /// them.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The cluster file, and the directory that its paths are relative to.
fn read(config: &Path) -> Result<(Cluster, PathBuf), String> {
    let cluster = file::read(config)?;
    let base = config.parent().unwrap_or(Path::new(""));
    Ok((cluster, base.to_path_buf()))
}

/// Makes a node's stores.
pub fn init(args: &StoresArgs) -> Result<ExitCode, String> {
    let StoresArgs { node: InitArgs { config, id }, write } = args;
    // The stores of several nodes of one file may be made at the same time.
    let _lock = if *write { Some(lock(base_of(config))?) } else { None };
    let (cluster, base) = read(config)?;
    let node = cluster.node(*id).map_err(|error| error.to_string())?;
    let identity = stores::init(&cluster, node, &base).map_err(|error| error.to_string())?;
    say!("node {} has its stores in {}", node.id, node.directory(&base).display());
    if *write {
        let (text, _) = file::read_text(config)?;
        let text = Cluster::with_store(&text, *id, &identity.to_string())?;
        config::write(config, &text).map_err(|error| {
            format!(
                "cannot write {}: {error}. Write it yourself, into the node's [[node]]: store = \
                 \"{identity}\"",
                config.display()
            )
        })?;
        say!("{} names it; copy it to machines that have their own.", config.display());
        return Ok(ExitCode::SUCCESS);
    }
    say!("add to its [[node]], in every copy of the cluster file, so that no other store is ever");
    say!("taken for this one: store = \"{identity}\"");
    Ok(ExitCode::SUCCESS)
}

/// Runs a node until SIGTERM or Ctrl-C.
pub fn run(args: &NodeArgs) -> Result<ExitCode, String> {
    if args.with_parent {
        let term = Some(rustix::process::Signal::TERM);
        rustix::process::set_parent_process_death_signal(term)
            .map_err(|error| format!("cannot ask to end with the parent process: {error}"))?;
    }
    let (cluster, base) = read(&args.node.config)?;
    let node = cluster.node(args.node.id).map_err(|error| error.to_string())?;
    if !stores::is_initialised(&cluster, node, &base) {
        return Err(format!(
            "node {} has no stores in {}. If it is new, make them: `{} init --config {} --id {}`. If it \
             has run before, its disk is lost, and it must not start from nothing",
            node.id,
            node.directory(&base).display(),
            crate::cli::me(),
            args.node.config.display(),
            node.id
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start the runtime: {error}"))?;
    let done = runtime.block_on(async {
        let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = signals.map(signal) else {
            return Err("cannot wait for signals".to_string());
        };
        let follow = Some(args.node.config.clone());
        let options = NodeOptions { trace: args.trace.clone(), follow, faults: None };
        let running = Node::start(&cluster, node, &base, options).await;
        let running = running.map_err(|error| format!("node {}: {error}", node.id))?;
        // A parent that waits for this line may have gone, or may not read.
        tell::say(format_args!("node {} serves {}", node.id, running.resp()));
        tracing::info!(node = node.id, resp = %running.resp(), udp = %node.udp, "serving");
        tell_service_manager(sd_notify::NotifyState::Ready);
        let shutdown = async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => break tracing::info!("SIGTERM: shutting down"),
                    _ = interrupt.recv() => break tracing::info!("SIGINT: shutting down"),
                    // A terminal that closes, or a tool that has moved a log away, is no reason to
                    // end.
                    _ = hangup.recv() => tracing::info!(
                        "SIGHUP: nothing to do, since the log goes to standard error and the cluster file is \
                         followed anyway"
                    ),
                }
            }
            tell_service_manager(sd_notify::NotifyState::Stopping);
        };
        running.serve(shutdown).await.map_err(|error| format!("node {}: {error}", node.id))?;
        tracing::info!(node = node.id, "stopped");
        Ok(ExitCode::SUCCESS)
    });
    // A thread that hangs on a disk is not waited for.
    runtime.shutdown_background();
    done
}

/// Tells systemd how far this node is, where it is its service manager.
fn tell_service_manager(state: sd_notify::NotifyState<'_>) {
    // Without `Type=notify` no service manager listens.
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

/// Executes traces again.
pub fn replay(args: &ReplayArgs) -> Result<ExitCode, String> {
    let replayed = trace::replay(&args.files).map_err(|error| error.to_string())?;
    if args.json {
        // Numbers only, which always have a JSON form.
        say!("{}", serde_json::to_string_pretty(&replayed).unwrap_or_default());
    } else {
        say!("{replayed}");
    }
    Ok(ExitCode::SUCCESS)
}
