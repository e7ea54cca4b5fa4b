//! The map in ARCHITECTURE.md.

use super::files::{self, File};
use super::markdown::{cells, code};

/// Folders whose files the map tells of; tests of whole clusters and pages of text are not on it
/// one by one.
const MAPPED: [&str; 6] =
    ["client/src/", "examples/src/", "model/", "proofs/src/", "runtime/src/", "src/"];

/// Files that no row has, and rows that have no file.
pub fn differences(all: &[File]) -> Vec<String> {
    let map = files::read("ARCHITECTURE.md");
    let rows: Vec<_> = (map.text.lines())
        .filter_map(|line| cells(line).first().copied().filter(|first| first.contains('`')))
        .flat_map(|first| code(first).map(str::to_string).collect::<Vec<_>>())
        .filter(|path| path.contains('/'))
        .collect();
    let patterns: Vec<_> = rows.iter().flat_map(|row| spelled_out(row)).collect();
    let mut found = Vec::new();
    for file in all.iter().filter(|file| file.path.ends_with(".rs")) {
        let is_mapped = MAPPED.iter().any(|folder| file.path.starts_with(folder));
        if is_mapped && !patterns.iter().any(|pattern| fits(pattern, &file.path)) {
            found.push(format!("ARCHITECTURE.md: {} is in no row", file.path));
        }
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for pattern in &patterns {
        let is_there = match pattern.contains('*') {
            true => all.iter().any(|file| fits(pattern, &file.path)),
            false => root.join(pattern).exists(),
        };
        if !is_there {
            found.push(format!("ARCHITECTURE.md: there is no {pattern}"));
        }
    }
    found
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn spelled_out(row: &str) -> Vec<String> {
    let Some((before, rest)) = row.split_once('{') else { return vec![row.to_string()] };
    let Some((inner, after)) = rest.split_once('}') else { return vec![row.to_string()] };
    inner
        .split(',')
        .flat_map(|one| spelled_out(&format!("{before}{}{after}", one.trim())))
        .collect()
}

/// Whether a path is what a row says: `*` stands for any name in a folder. A folder alone stands
/// for itself.
fn fits(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((first, last)) => {
            let inner = path.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
            inner.is_some_and(|inner| !inner.is_empty() && !inner.contains('/'))
        }
    }
}
