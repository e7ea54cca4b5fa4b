//! The tables of COMMANDS.md, written from the table of commands and from what is left out.
//!
//! A test holds the file to them; with `UPDATE=1` in its environment it writes them into the file.

use super::command::Command;
use super::commands::COMMANDS;
use super::left_out;
use super::syntax;
use std::fmt::Write;

/// What differs from Redis beyond single commands: where, and what.
const EVERYWHERE: &[(&str, &str)] = &[
    (
        "writes and reads of a key",
        "an error `TRYAGAIN …` if no node could do it in time, and `UNKNOWN …` if it may or may \
         not have been done",
    ),
    (
        "commands on several keys, FLUSHALL",
        "one operation for each key: not atomic; an error that counts them where not all were \
         carried out",
    ),
    ("patterns", "up to 1,024 bytes long"),
    ("keys and values", "keys up to 510 bytes (of a ring 502), values up to 1 MiB"),
    ("a command that is left out", "an error that says so"),
];

/// What differs from Redis on purpose: a row for each thing, the commands in the order of the
/// table.
fn differences() -> String {
    let mut table = String::from("| where | what is different |\n|---|---|\n");
    let of_commands = every().filter_map(|(_, command)| command.differs);
    for (place, what) in EVERYWHERE.iter().copied().chain(of_commands) {
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {place} | {what} |");
    }
    table
}

/// All commands: a row for every command and subcommand, its syntax and what it does.
fn commands() -> String {
    let mut table = String::from("| command | what it does |\n|---|---|\n");
    // A container without arguments of its own is only the first word of others.
    let rows = every().filter(|(_, row)| row.subcommands.is_empty() || row.arity == -1);
    for (name, command) in rows {
        let arguments = syntax::join(command.arguments, " ");
        let syntax = format!("{name} {arguments}").trim_end().replace('|', "\\|");
        let _ = writeln!(table, "| `{syntax}` | {} |", command.summary);
    }
    table
}

/// Every command and subcommand with its whole name, in the order of the table.
fn every() -> impl Iterator<Item = (String, &'static Command)> {
    COMMANDS.iter().copied().flat_map(|command| {
        let sub = |sub: &'static Command| (format!("{} {}", command.name, sub.name), sub);
        std::iter::once((command.name.to_string(), command))
            .chain(command.subcommands.iter().map(sub))
    })
}

/// COMMANDS.md with its tables written anew; each stands where one with the same header stood.
///
/// # Errors
/// The header that is missing.
pub fn commands_md(file: &str) -> Result<String, String> {
    let mut file = file.to_string();
    for table in [differences(), left_out::table(), commands()] {
        let header = table.lines().next().unwrap_or_default();
        let at = file.find(header).ok_or(header)?;
        let end = file[at..].find("\n\n").map_or(file.len(), |end| at + end + 1);
        file.replace_range(at..end, &table);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/COMMANDS.md");

    #[test]
    fn the_tables_are_in_commands_md() {
        let file = std::fs::read_to_string(PATH).expect("COMMANDS.md can be read");
        let whole = commands_md(&file).expect("each table has its header in COMMANDS.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(PATH, &whole).expect("COMMANDS.md can be written");
            return;
        }
        assert!(file == whole, "COMMANDS.md is to be as follows; UPDATE=1 writes it:\n{whole}");
    }

    #[test]
    fn the_tables_have_a_row_for_each() {
        let table = commands();
        assert!(table.contains("| `SET key value [NX \\| XX \\| IFEQ comparison-value] [GET]` |"));
        assert!(table.contains("| `MSET key value [key value …]` |"));
        assert!(table.contains("| `CLIENT SETNAME connection-name` |"));
        assert!(differences().contains("| CLIENT LIST | memory is that of what waits"));
    }
}
