//! What can be held of layout and words is held here, so that reviews can be about other things.
//! (Which way imports point is in `layers.rs`.)
//!
//! Each test collects all that it finds and prints it as `file:line: what, and what to do`. The
//! exceptions stand beside the rule that they are exceptions from, with their reason; a number in
//! [`RATCHET`](words::RATCHET) may fall and never rise.

#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/map.rs"]
mod map;
#[path = "tidy/markdown.rs"]
mod markdown;
#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/words.rs"]
mod words;

use chainring_model::Mechanism;
use chainring_proofs::catalogue::{self, Effort};
use files::{File, all, assert_none, with_ending};
use std::collections::{BTreeMap, BTreeSet};

/// How wide a line may be.
const COLUMNS: usize = 100;

/// How long a function may be.
const LINES: usize = 100;

/// Functions that are lists, a case after the other, and how long they are at most. They may get
/// shorter.
const LISTS: [(&str, &str, usize); 4] = [
    ("proofs/examples/check.rs", "main", 110),
    ("proofs/src/chain/setup/display.rs", "fmt", 120),
    ("tests/golden.rs", "chain_messages", 110),
    ("tests/golden.rs", "ring_messages", 115),
];

#[test]
fn no_line_is_wider_than_a_hundred_columns() {
    let mut found = Vec::new();
    for file in with_ending("rs") {
        let free = rust::lines_that_cannot_be_wrapped(&file);
        found.extend(file.wide(COLUMNS, |number| free.contains(&number)));
    }
    for file in with_ending("md") {
        let free = markdown::lines_that_cannot_be_wrapped(&file);
        found.extend(file.wide(COLUMNS, |number| free.contains(&number)));
    }
    assert_none("Wrap these lines", &found);
}

#[test]
fn no_function_is_longer_than_a_hundred_lines() {
    let most = |path: &str, name: &str| {
        let list = LISTS.iter().find(|(of, list, _)| *of == path && *list == name);
        list.map_or(LINES, |(_, _, lines)| *lines)
    };
    let of = |file: &File| {
        let path = file.path.clone();
        rust::functions(file).into_iter().filter(move |f| f.lines > most(&path, &f.name))
    };
    let said = |file: &File, function: rust::Function| {
        let rust::Function { name, line, lines } = function;
        format!("{}:{line}: `{name}` has {lines} lines", file.path)
    };
    let files = with_ending("rs");
    let found: Vec<_> = (files.iter())
        .flat_map(|file| of(file).map(|function| said(file, function)).collect::<Vec<_>>())
        .collect();
    assert_none("Make several functions of each of these", &found);
}

#[test]
fn every_source_file_is_on_the_map_and_the_map_has_no_others() {
    assert_none("Mend the map in ARCHITECTURE.md", &map::differences(&all()));
}

#[test]
fn an_ignored_test_says_why_and_a_skipped_one_that_it_was() {
    let mut found = Vec::new();
    for file in with_ending("rs").iter().filter(|file| !file.path.starts_with("tests/tidy")) {
        for (number, line) in file.lines() {
            let line = line.trim();
            let captured = ["print!(", "println!(", "eprint!(", "eprintln!("];
            if line == "#[ignore]" {
                found.push(format!("{}:{number}: say why: #[ignore = \"…\"]", file.path));
            }
            if line.contains("NOT TESTED") && captured.iter().any(|print| line.contains(print)) {
                let what = "a passing test's output is hidden: use `harness::not_tested`";
                found.push(format!("{}:{number}: {what}", file.path));
            }
        }
    }
    assert_none("Mend these", &found);
}

#[test]
fn links_resolve() {
    assert_none("Mend these links", &markdown::broken_links(&with_ending("md")));
}

/// Properties have one name, in the code and in the page that says what is claimed.
#[test]
fn properties_are_called_the_same_in_code_and_guarantees() {
    let guarantees = files::read("docs/guarantees.md");
    let told = markdown::properties(&guarantees);
    let claimed: BTreeSet<String> = words::claims();
    let difference = |one: &BTreeSet<String>, other: &BTreeSet<String>, what: &str| {
        one.difference(other).map(|name| format!("docs/guarantees.md: `{name}` {what}")).collect()
    };
    let mut found: Vec<String> = difference(&told, &claimed, "is no property of the code");
    found.extend::<Vec<String>>(difference(&claimed, &told, "is missing"));
    assert_none("Mend the tables of properties", &found);
}

/// What the pages name as proof of what they say exists: tests by their functions, models by the
/// catalogue.
#[test]
fn models_and_tests_that_are_named_exist() {
    let functions: BTreeSet<String> =
        with_ending("rs").iter().flat_map(rust::functions).map(|function| function.name).collect();
    let all = catalogue::all().into_iter().chain(catalogue::endings());
    let models: BTreeSet<&str> = all.map(|entry| entry.name).collect();
    let mut found = Vec::new();
    for file in with_ending("md").iter().filter(|file| file.path != "CHANGELOG.md") {
        for (number, name) in markdown::named_tests(file) {
            if !functions.contains(&name) && !words::OTHER_NAMES.contains(&name.as_str()) {
                found.push(format!("{}:{number}: there is no test `{name}`", file.path));
            }
        }
        for (number, name) in markdown::named_models(file) {
            let first = name.strip_suffix('*').filter(|first| {
                models.iter().any(|model| model.starts_with(first.trim_end_matches('-')))
            });
            if first.is_none() && !models.contains(name.as_str()) {
                found.push(format!("{}:{number}: there is no model `{name}`", file.path));
            }
        }
    }
    assert_none("Mend these names", &found);
}

/// The tables of RESULTS.md are those of the catalogue, with the numbers that are pinned.
#[test]
fn results_are_those_of_the_catalogue() {
    let results = files::read("RESULTS.md");
    let rows: BTreeMap<_, _> = markdown::rows_of_models(&results).into_iter().collect();
    let pinned = words::pinned(&files::read("proofs/tests/agreement.rs"));
    let mut found = Vec::new();
    for entry in catalogue::all() {
        let name = entry.name;
        match (rows.get(name), entry.effort) {
            (None, Effort::Default) => found.push(format!("RESULTS.md: no row of {name}")),
            (Some((configuration, _)), _) if *configuration != entry.configuration() => {
                found.push(format!("RESULTS.md: {name} is now: {}", entry.configuration()));
            }
            (Some((_, states)), Effort::Default) if Some(states) != pinned.get(name) => {
                found.push(format!("RESULTS.md: {name} has {:?} states", pinned.get(name)));
            }
            _ => {}
        }
    }
    let mutants: Vec<_> = Mechanism::ALL.iter().map(|lacks| lacks.mutant()).collect();
    if markdown::rows_of_mutants(&results) != mutants {
        found.push("RESULTS.md: the table of mutants has other names".to_string());
    }
    let said = format!("{} mutants", mutants.len());
    if !files::read("README.md").text.contains(&said) {
        found.push(format!("README.md: there are {said} now"));
    }
    assert_none("Write the tables anew, by the command at their head", &found);
}

/// The README is one page, and the code on it is that of an example.
#[test]
fn the_readme_is_one_page_and_its_code_is_built() {
    let readme = files::read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= 100, "README.md has {lines} lines: move what is too much to docs/");
    let example = files::read("runtime/examples/counter.rs");
    let code = readme.text.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let built = |line: &&str| example.lines().any(|(_, known)| known.trim() == line.trim());
    let code = code.expect("the README shows an actor of one's own");
    let found: Vec<_> = code.lines().filter(|line| !built(line)).map(str::to_string).collect();
    assert_none("These lines of README.md are in no example", &found);
}

#[test]
fn pronouns_for_actors_get_fewer() {
    assert_none("Name the actor", &words::pronouns(&all()));
}
