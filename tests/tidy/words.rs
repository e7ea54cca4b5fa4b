//! What is called what.

use super::files::File;
use chainring_proofs::claim::Claim;
use std::collections::{BTreeMap, BTreeSet};

/// How often pronouns stand for actors where the actor could be named, by the kind of file. These
/// numbers may fall; lower them when they do.
pub const RATCHET: [(&str, usize); 2] = [("md", 42), ("rs", 30)];

/// The pronouns.
const PRONOUNS: [&str; 9] =
    ["whoever", "somebody", "anybody", "nobody", "everybody", "someone", "anyone", "whom", "who"];

/// Words in backticks that look like the name of a test and are none.
pub const OTHER_NAMES: [&str; 0] = [];

/// Too many pronouns.
pub fn pronouns(files: &[File]) -> Vec<String> {
    let of = |ending: &str| -> usize {
        let files = files.iter().filter(|file| file.path.ends_with(&format!(".{ending}")));
        files.filter(|file| !file.path.starts_with("tests/tidy")).map(count).sum()
    };
    let kinds = RATCHET.into_iter().map(|(ending, most)| (ending, most, of(ending)));
    let too_many = kinds.filter(|(_, most, count)| count > most);
    too_many
        .map(|(ending, most, count)| format!("*.{ending}: {count} pronouns for actors, not {most}"))
        .collect()
}

/// Of Markdown all lines count, of Rust the comments.
fn count(file: &File) -> usize {
    let is_rust = file.path.ends_with(".rs");
    let lines = file.lines().map(|(_, line)| line);
    let told =
        lines.filter_map(
            |line| if is_rust { line.split_once("//").map(|(_, c)| c) } else { Some(line) },
        );
    told.flat_map(|line| line.split(|c: char| !c.is_alphabetic()))
        .filter(|word| PRONOUNS.contains(&word.to_lowercase().as_str()))
        .count()
}

/// The pinned numbers of unique states.
pub fn pinned(agreement: &File) -> BTreeMap<String, usize> {
    let row = |line: &str| {
        let (name, states) =
            line.trim().strip_prefix("(\"")?.strip_suffix("),")?.split_once("\", ")?;
        Some((name.to_string(), states.replace('_', "").parse().ok()?))
    };
    agreement.text.lines().filter_map(row).collect()
}

/// What the proofs claim.
pub fn claims() -> BTreeSet<String> {
    Claim::ALL.iter().map(|claim| claim.name().to_string()).collect()
}
