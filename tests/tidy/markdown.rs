//! What is looked at in Markdown files.

use super::files::{self, File};
use std::collections::BTreeSet;
use std::path::Path;

/// The lines that may be as wide as they are: rows of tables, and what programs print (blocks of
/// `text`).
pub fn lines_that_cannot_be_wrapped(file: &File) -> BTreeSet<usize> {
    let mut is_output = false;
    let mut lines = BTreeSet::new();
    for (number, line) in file.lines() {
        if line.starts_with("```") {
            is_output = line == "```text";
        } else if is_output || line.starts_with('|') {
            lines.insert(number);
        }
    }
    lines
}

/// The lines outside of blocks of code.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    file.lines().filter(move |(_, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        !is_code
    })
}

/// What stands between two marks, again and again.
fn between<'a>(line: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    line.split(open).skip(1).filter_map(move |rest| rest.split_once(close)).map(|(inner, _)| inner)
}

/// What stands in backticks.
pub fn code(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Links to files that are not there, or to headings that are not in them.
pub fn broken_links(texts: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    for file in texts {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, line) in prose(file) {
            for link in between(line, "](", ')').filter(|link| !link.contains("://")) {
                let (path, heading) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() {
                    file.path.clone()
                } else {
                    normal(&folder.join(path).to_string_lossy())
                };
                let place = Path::new(env!("CARGO_MANIFEST_DIR")).join(&target);
                if !place.exists() {
                    found.push(format!("{}:{number}: there is no {target}", file.path));
                } else if !heading.is_empty() && !headings(&target).contains(heading) {
                    found.push(format!("{}:{number}: {target} has no #{heading}", file.path));
                }
            }
        }
    }
    found
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            "." | "" => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The headings of a file, as links name them.
fn headings(path: &str) -> BTreeSet<String> {
    let file = files::read(path);
    let titles = prose(&file).filter(|(_, line)| line.starts_with('#'));
    let slug = |title: &str| -> String {
        let title = title.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    titles.map(|(_, line)| slug(line)).collect()
}

/// The cells of a table's row.
pub fn cells(line: &str) -> Vec<&str> {
    let Some(inner) = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|')) else {
        return Vec::new();
    };
    inner.split(" | ").map(str::trim).collect()
}

/// The properties that the guarantees name: the first column of the tables under "Properties",
/// where `;` stands between several. What is in italics says whose they are.
pub fn properties(guarantees: &File) -> BTreeSet<String> {
    let section = guarantees.text.split("\n## ").find(|part| part.starts_with("Properties"));
    let rows = section.unwrap_or_default().lines().filter(|line| line.starts_with("| "));
    let mut names = BTreeSet::new();
    for first in rows.filter_map(|row| cells(row).first().copied()).filter(|c| *c != "property") {
        let plain = first.split('*').step_by(2).collect::<String>();
        names.extend(plain.split(';').map(|name| name.trim().to_string()));
    }
    names
}

/// Words in backticks that are names of tests: four words or more, with `_` between them.
pub fn named_tests(file: &File) -> Vec<(usize, String)> {
    let is_name = |word: &&str| {
        word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            && word.matches('_').count() >= 3
    };
    let named = |(number, line)| code(line).filter(is_name).map(move |w| (number, w.to_string()));
    prose(file).flat_map(named).collect()
}

/// Words that are names of models, as far as their first part tells.
pub fn named_models(file: &File) -> Vec<(usize, String)> {
    const FAMILIES: [&str; 7] =
        ["chain-", "copies-", "ends-", "grow-", "members-", "return-", "ring-"];
    let mut found = Vec::new();
    for (number, line) in prose(file).filter(|(_, line)| !line.contains("]:")) {
        let line = line.replace("\\*", "*");
        // A hyphen after a word may also make a compound: names stand in italics, code or a table.
        for quoted in line.split(['`', '*', '|']) {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let name = quoted.trim();
            if FAMILIES.iter().any(|family| name.starts_with(family)) && name.chars().all(is_name) {
                let is_open = name.ends_with('-');
                let name = if is_open { format!("{name}*") } else { name.to_string() };
                found.push((number, name));
            }
        }
    }
    found
}

/// The models of RESULTS.md, with configuration and unique states.
pub fn rows_of_models(results: &File) -> Vec<(&str, (String, usize))> {
    let row = |line| {
        let [name, configuration, unique, _, _, _] = cells(line)[..] else { return None };
        let unique = unique.replace(',', "").parse().ok()?;
        Some((name, (configuration.to_string(), unique)))
    };
    results.text.lines().filter_map(row).collect()
}

/// The mutants of RESULTS.md.
pub fn rows_of_mutants(results: &File) -> Vec<&str> {
    let table = results.text.split("| without |").nth(1).unwrap_or_default();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.filter_map(|line| cells(line).first().copied()).collect()
}
