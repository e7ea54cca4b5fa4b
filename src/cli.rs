//! The command line of Chainring.

/// Prints a line. A reader that has gone away (`chainring check | head`) is no reason to panic.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

/// Shows on standard error how far something is, where a reader that has gone away is no reason to
/// panic either.
macro_rules! show {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = write!(std::io::stderr(), $($text)*);
    }};
}

mod check;
mod cluster;
mod demo;
mod file;
mod forget;
mod join;
mod log;
mod mutant;
mod node;
mod plan;
mod reform;
mod shell;
mod simulate;
mod status;

use chainring::tell;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A replicated key-value store whose replica code is exhaustively model-checked, and then run
/// unchanged.
#[derive(Parser, Debug)]
#[command(name = "chainring", version, about)]
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
    /// Print the cluster file of a new cluster on several machines.
    Plan(plan::PlanArgs),
    /// Make the stores of a node, once in its life.
    Init(node::StoresArgs),
    /// Run one node of a cluster.
    Node(node::NodeArgs),
    /// Add a node to a cluster, which may be running, and make the node's stores.
    Join(join::JoinArgs),
    /// Take a node out of a running ring.
    Leave(join::LeaveArgs),
    /// Remove a node from the cluster file that is no member and does not run.
    Forget(forget::ForgetArgs),
    /// Give up nodes of a ring that will never come back, where ranges have lost their majority.
    Reform(reform::ReformArgs),
    /// Say how a running cluster is, first in a word: its exit code is 0 if it is healthy, 1 if
    /// degraded, 2 if down.
    Status(status::StatusArgs),
    /// Execute the traces of nodes again: every step must agree.
    Replay(node::ReplayArgs),
    /// Check the chain, start a cluster, break it and mend it: what this is, in seconds.
    Demo,
    /// Print a script that completes this command line in a shell.
    Completions(shell::CompletionsArgs),
    /// Print the manual's page.
    Man(shell::ManArgs),
}

/// Runs the command that was typed.
pub fn run() -> ExitCode {
    let command = Cli::parse().command;
    // What cannot be written is dropped and counted, and nothing waits for it.
    tell::catch_panics();
    log::init(tell::log);
    let done = match command {
        Command::Check(args) => check::check(&args),
        Command::Explore(args) => check::explore(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Init(args) => node::init(&args),
        Command::Node(args) => node::run(&args),
        Command::Join(args) => join::run(&args),
        Command::Leave(args) => join::leave(&args),
        Command::Forget(args) => forget::run(&args),
        Command::Reform(args) => reform::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Replay(args) => node::replay(&args),
        Command::Demo => demo::run(),
        Command::Completions(args) => shell::completions::<Cli>(&args),
        Command::Man(args) => shell::man::<Cli>(&args),
    };
    let code = done.unwrap_or_else(|error| {
        tell::complain(format_args!("chainring: {error}"));
        ExitCode::FAILURE
    });
    tell::finish();
    code
}

/// This program as it was called, for hints that can be typed again.
pub fn me() -> String {
    let typed = std::env::args().next().unwrap_or_default();
    if typed.is_empty() { "chainring".to_string() } else { typed }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl serde::Serialize) {
    // Reports hold strings and numbers only, which always have a JSON form.
    say!("{}", serde_json::to_string_pretty(value).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
