//! The command line of Chainring.

/// Prints a line. A reader that has gone away (`chainring check | head`) is no reason to panic.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Shows on standard error how far something is, where a reader that has gone away is no reason to panic either.
macro_rules! show {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($text)*);
    }};
}

mod check;
mod cluster;
mod demo;
mod join;
mod node;
mod reform;
mod simulate;
mod status;

use chainring_runtime::tell;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The checker lives from making and dropping small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A replicated key-value store whose replica code is exhaustively model-checked, and then run unchanged.
#[derive(Parser, Debug)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Model-check the protocols exhaustively.
    Check(check::CheckArgs),
    /// Open a model in stateright's Explorer, with sequence diagrams.
    Explore(check::ExploreArgs),
    /// Start a cluster of processes on this machine, and serve Redis clients.
    Cluster(cluster::ClusterArgs),
    /// Make the stores of a node, once in its life.
    Init(node::InitArgs),
    /// Run one node of a cluster.
    Node(node::NodeArgs),
    /// Add a node to a cluster, which may be running, and make the node's stores.
    Join(join::JoinArgs),
    /// Take a node out of a running ring.
    Leave(join::LeaveArgs),
    /// Give up nodes of a ring that will never come back, where ranges have lost their majority.
    Reform(reform::ReformArgs),
    /// Say how a running cluster is: its members, who lags, who fetches, and who is suspected.
    Status(status::StatusArgs),
    /// Execute the traces of nodes again: every step must agree.
    Replay(node::ReplayArgs),
    /// Check the chain, start a cluster, break it and mend it: what this is, in seconds.
    Demo,
}

fn main() -> ExitCode {
    // What becomes of each operation is logged only where it is asked for.
    let filter = tracing_subscriber::EnvFilter::try_from_env("CHAINRING_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,chainring::operations=off"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // What cannot be written is dropped and counted, and nothing waits for it.
    tell::catch_panics();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(tell::log)
        .log_internal_errors(false)
        .init();
    let done = match Cli::parse().command {
        Command::Check(args) => check::check(&args),
        Command::Explore(args) => check::explore(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Init(args) => node::init(&args),
        Command::Node(args) => node::run(&args),
        Command::Join(args) => join::run(&args),
        Command::Leave(args) => join::leave(&args),
        Command::Reform(args) => reform::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Replay(args) => node::replay(&args),
        Command::Demo => demo::run(),
    };
    let code = done.unwrap_or_else(|error| {
        tell::complain(format_args!("chainring: {error}"));
        ExitCode::FAILURE
    });
    tell::finish();
    code
}
