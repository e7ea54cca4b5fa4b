//! The command line of Chainring.

mod check;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check(args) => check::check(&args),
        Command::Explore(args) => check::explore(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("chainring: {error}");
        ExitCode::FAILURE
    })
}
