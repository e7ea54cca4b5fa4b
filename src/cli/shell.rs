//! `chainring completions` and `chainring man`: what a shell and `man` want to know of this command
//! line.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// For which shell.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell; the script goes to standard output.
    shell: Shell,
}

/// Where to.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// A directory for a page for each command; without it, the main page goes to standard output.
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Prints the script that completes this command line.
pub fn completions<C: CommandFactory>(args: &CompletionsArgs) -> Result<ExitCode, String> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut C::command(), "chainring", &mut script);
    print(&script);
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual's page, or writes all of them.
pub fn man<C: CommandFactory>(args: &ManArgs) -> Result<ExitCode, String> {
    let command = C::command().disable_help_subcommand(true);
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        let made = clap_mangen::Man::new(command).render(&mut page);
        made.map_err(|error| format!("cannot make the page: {error}"))?;
        print(&page);
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |error| format!("cannot write the pages to {}: {error}", dir.display());
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)?;
    say!(
        "the pages are in {}; `man -l {}/chainring.1` shows the first",
        dir.display(),
        dir.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A reader that has gone away is no reason to panic.
fn print(text: &[u8]) {
    let _ = io::stdout().write_all(text);
}
