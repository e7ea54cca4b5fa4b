//! The program: a command line before the library.

mod cli;

use std::process::ExitCode;

/// The checker lives from making and dropping small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
