//! Which way the arrows point: what each crate may depend on, what the protocols may name, and that
//! no two modules know each other.
//!
//! The first two are read from `cargo tree`, so they hold whatever the code looks like. The others
//! are read from the code's tokens, in which no comment and no spelling of a `use` can hide a path.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What does IO, or keeps time, or draws random numbers, and is not reached by protocols.
const OUTSIDE: [&str; 15] = [
    "bincode",
    "fastrand",
    "getrandom",
    "heed",
    "lmdb-master-sys",
    "lmdb-sys",
    "mio",
    "nix",
    "quinn-udp",
    "redis-protocol",
    "rustix",
    "socket2",
    "tokio",
    "toml",
    "clap",
];

/// What belongs to a Chainring process, and not to a runtime of any actor.
const ABOVE_THE_RUNTIME: [&str; 9] = [
    "clap",
    "futures-util",
    "redis",
    "redis-protocol",
    "serde_json",
    "sd-notify",
    "tokio",
    "toml",
    "toml_edit",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The crates that cargo would build for a package with edges of these kinds, or those next to it
/// alone.
fn tree(package: &str, edges: &str, depth: Option<&str>) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(root()).args(["tree", "--offline", "--prefix", "none", "--package", package]);
    cargo.args(["--edges", edges]);
    if let Some(depth) = depth {
        cargo.args(["--depth", depth]);
    }
    let output = cargo.output().expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree --package {package}: {errors}");
    let text = String::from_utf8(output.stdout).expect("names of crates are text");
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let others = names.filter(|name| !name.is_empty() && *name != package);
    others.map(str::to_string).collect()
}

fn of(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// The crates of this workspace among these.
fn ours(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().filter(|name| name.starts_with("chainring")).cloned().collect()
}

#[test]
fn the_runtime_knows_no_protocol_and_no_client() {
    // Its tests neither: `cargo test --package chainring-runtime` builds without the protocols.
    let all = tree("chainring-runtime", "normal,build,dev", None);
    assert_eq!(ours(&all), of(&["chainring-store"]));
    let all = tree("chainring-runtime", "normal,build", None);
    let too_high: Vec<_> = ABOVE_THE_RUNTIME.iter().filter(|name| all.contains(**name)).collect();
    // stateright has serde_json for its Explorer; the runtime itself does not name it.
    assert_eq!(too_high, [&"serde_json"], "reached by chainring-runtime");
    let direct = tree("chainring-runtime", "normal", Some("1"));
    assert!(!direct.contains("serde_json"), "{direct:?}");
}

#[test]
fn protocols_reach_no_network_disk_or_clock_of_ours() {
    assert_eq!(tree("chainring-store", "normal,build", None), of(&[]));
    let direct = tree("chainring-model", "normal,build", Some("1"));
    assert_eq!(direct, of(&["chainring-store", "serde", "stateright"]));
    let all = tree("chainring-model", "normal", None);
    // getrandom is what stateright's own random numbers come from; see below for who names it.
    let reached: Vec<_> = OUTSIDE.iter().filter(|name| all.contains(**name)).collect();
    assert!(
        reached.iter().all(|name| **name == "getrandom"),
        "chainring-model reaches {reached:?}"
    );
}

#[test]
fn proofs_and_protocols_stand_below_the_process() {
    assert_eq!(
        ours(&tree("chainring-proofs", "normal", None)),
        of(&["chainring-model", "chainring-store"])
    );
    assert_eq!(ours(&tree("chainring-client", "normal", None)), of(&[]));
}

/// Of the standard library, what is the same at each run and touches nothing outside.
const PURE: [&str; 24] = [
    "std::borrow",
    "std::cell",
    "std::cmp",
    "std::collections::BTreeMap",
    "std::collections::BTreeSet",
    "std::collections::VecDeque",
    "std::collections::btree_map",
    "std::collections::btree_set",
    "std::collections::hash_map::DefaultHasher",
    "std::convert",
    "std::error",
    "std::fmt",
    "std::hash",
    "std::iter",
    "std::marker",
    "std::mem",
    "std::num",
    "std::ops",
    "std::rc",
    "std::slice",
    "std::str",
    "std::sync::Arc",
    "std::vec",
    "std::time::Duration",
];

/// Names that do what protocols may not, from wherever they come.
const IMPURE: [&str; 19] = [
    "Explorer",
    "HashMap",
    "HashSet",
    "Instant",
    "RandomState",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "dbg",
    "env",
    "eprint",
    "eprintln",
    "extern",
    "include_bytes",
    "include_str",
    "print",
    "println",
    "spawn",
    "thread_local",
];

#[test]
fn protocols_name_no_io_clock_thread_or_random_number() {
    for folder in ["model/src", "model/store/src"] {
        for file in files(&root().join(folder)) {
            let tokens = tokens(&file);
            let mut paths = Vec::new();
            collect_paths(
                tokens.clone(),
                &["std", "core", "alloc", "rand", "getrandom"],
                &mut paths,
            );
            for path in paths {
                let is_pure = PURE.iter().any(|pure| {
                    path == *pure || path.strip_prefix(pure).is_some_and(|on| on.starts_with("::"))
                });
                assert!(is_pure, "{} names {path}", file.display());
            }
            let named = names(tokens);
            let impure: Vec<_> = IMPURE.iter().filter(|name| named.contains(**name)).collect();
            assert!(impure.is_empty(), "{} names {impure:?}", file.display());
        }
    }
}

#[test]
fn no_spelling_of_a_use_hides_what_it_names() {
    let paths = |code: &str| {
        let mut paths = Vec::new();
        collect_paths(code.parse().expect("it is Rust"), &["std"], &mut paths);
        paths
    };
    let both = ["std::fs", "std::net::UdpSocket"];
    assert_eq!(paths("use std::{fs, net::UdpSocket};"), both);
    assert_eq!(paths("use ::std::{fs as f, net::{UdpSocket}};"), both);
    assert_eq!(
        paths("fn f() { let _ = std::fs::read(\"std::net\"); } // std::io"),
        ["std::fs::read"]
    );
    assert_eq!(paths("use std as s;"), ["std"]);
    assert_eq!(paths("use std::{self as s};"), ["std::self"]);
    assert_eq!(paths("use std::*; /* std::io */"), ["std::*"]);
    assert_eq!(paths("format!(\"{}\", std::env::args().count())"), ["std::env::args"]);
}

/// The rooms of the library, from below; a file names rooms below its own alone.
const FLOORS: [&[&str]; 8] = [
    &["resp", "status", "tell"],
    &["config"],
    &["protocol"],
    &["stores", "trace", "gateway"],
    &["board"],
    &["operate"],
    &["front"],
    &["node"],
];

#[test]
fn rooms_of_the_library_name_rooms_below_them_alone() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let (modules, arrows) = arrows(&root().join("src"), &["main", "cli"]);
    let rooms: BTreeSet<_> = modules.iter().filter_map(|path| path.first().cloned()).collect();
    let known = FLOORS.iter().flat_map(|rooms| rooms.iter().map(|room| room.to_string()));
    assert_eq!(rooms, known.collect(), "the rooms of src/");
    for (from, to) in arrows {
        let (Some(from_room), Some(to_room)) = (from.first(), to.first()) else { continue };
        assert!(
            from_room == to_room || floor(from_room) > floor(to_room),
            "{} names {}, which is not below it",
            from.join("::"),
            to.join("::")
        );
    }
}

#[test]
fn no_two_modules_know_each_other() {
    let mut found = Vec::new();
    for (folder, without) in [
        ("model/src", &[][..]),
        ("model/store/src", &[]),
        ("proofs/src", &[]),
        ("runtime/src", &[]),
        ("src", &["main", "cli"]),
        ("src/cli", &[]),
    ] {
        let (_, arrows) = arrows(&root().join(folder), without);
        found.extend(circles(&arrows).into_iter().map(|circle| format!("{folder}: {circle}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// A module, as the names of its path from the crate.
type Module = Vec<String>;

/// The modules of a crate, and which of them names which other, tests left out.
fn arrows(folder: &Path, without: &[&str]) -> (BTreeSet<Module>, BTreeSet<(Module, Module)>) {
    let of_file = |file: &Path| {
        let path = file.strip_prefix(folder).expect("a file in it").with_extension("");
        let names = path.iter().map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name != "lib").collect::<Module>()
    };
    let files = files(folder).into_iter().map(|file| (of_file(&file), file));
    let is_meant = |path: &Module| {
        path.first().is_none_or(|room| !without.contains(&&**room))
            && path.last().is_none_or(|name| name != "tests")
    };
    let files: BTreeMap<_, _> = files.filter(|(path, _)| is_meant(path)).collect();
    let modules: BTreeSet<_> = files.keys().cloned().collect();
    let mut arrows = BTreeSet::new();
    for (module, file) in &files {
        let mut paths = Vec::new();
        let code = without_tests(tokens(file));
        collect_paths(code, &["crate", "self", "super"], &mut paths);
        for path in paths {
            let target = resolve(module, &path, folder.ends_with("cli"));
            // The longest module that the path leads to.
            let ends = (0..=target.len()).rev().map(|end| target[..end].to_vec());
            let Some(target) = ends.into_iter().find(|end| modules.contains(end)) else { continue };
            if target != *module {
                arrows.insert((module.clone(), target));
            }
        }
    }
    (modules, arrows)
}

/// The absolute path of what a module names.
fn resolve(module: &[String], path: &str, is_cli: bool) -> Module {
    let mut at: Module = Vec::new();
    for (place, name) in path.split("::").enumerate() {
        match name {
            "crate" => at.clear(),
            "self" if place == 0 => at = module.to_vec(),
            "super" if place == 0 => at = module[..module.len().saturating_sub(1)].to_vec(),
            "super" => drop(at.pop()),
            "cli" if is_cli && place == 1 => {}
            name => at.push(name.to_string()),
        }
    }
    at
}

/// Brothers and sisters that name each other, directly or around some corners; at each level of
/// folders.
fn circles(arrows: &BTreeSet<(Module, Module)>) -> Vec<String> {
    let mut between: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for (from, to) in arrows {
        let common = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // A child may name its parent's items, and a parent its child's.
        if common < from.len() && common < to.len() {
            let child = |path: &[String]| path[..=common].to_vec();
            between.entry(child(from)).or_default().insert(child(to));
        }
    }
    let reaches = |from: &Module, to: &Module| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            for on in between.get(at).into_iter().flatten() {
                if seen.insert(on) {
                    next.push(on);
                }
            }
        }
        seen.contains(to)
    };
    let nodes = between.keys().filter(|node| reaches(node, node));
    nodes.map(|node| format!("{} is in a circle", node.join("::"))).collect()
}

/// All Rust files of a folder and those in it, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn tokens(file: &Path) -> TokenStream {
    let text = fs::read_to_string(file).expect("the file can be read");
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// What is left where `#[cfg(test)]` and the item behind it is left out.
fn without_tests(tokens: TokenStream) -> TokenStream {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_attribute = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '#')
            && tokens.peek().is_some_and(|next| next.to_string().replace(' ', "") == "[cfg(test)]");
        if !is_attribute {
            kept.push(token);
            continue;
        }
        let ends = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        while tokens.next().is_some_and(|token| !ends(&token)) {}
    }
    kept.into_iter().collect()
}

/// All names in some code; comments and texts have none.
fn names(tokens: TokenStream) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => drop(found.insert(name.to_string())),
            TokenTree::Group(group) => found.extend(names(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// Finds the paths that begin with one of these names, wherever they stand, and spells the trees of
/// a `use` out.
fn collect_paths(tokens: TokenStream, heads: &[&str], paths: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(name)
                if heads.contains(&&*name.to_string()) && !is_inside(&tokens, at) =>
            {
                at = spell(&tokens, at, String::new(), paths);
            }
            TokenTree::Group(group) => {
                collect_paths(group.stream(), heads, paths);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Whether the name here goes on a path that began with another name: `other::std`.
fn is_inside(tokens: &[TokenTree], at: usize) -> bool {
    // `use ::std` begins with what stands before the colons, and is no path of it.
    const KEYWORDS: [&str; 6] = ["as", "dyn", "impl", "in", "return", "use"];
    at >= 3 && colons(tokens, at - 2) && {
        let before = tokens[at - 3].to_string();
        matches!(tokens[at - 3], TokenTree::Ident(_)) && !KEYWORDS.contains(&&*before)
    }
}

fn colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
        _ => false,
    };
    is_colon(at) && is_colon(at + 1)
}

/// Spells the path out that begins here; where it ends.
fn spell(tokens: &[TokenTree], mut at: usize, mut path: String, paths: &mut Vec<String>) -> usize {
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => path += &name.to_string(),
            Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => path.push('*'),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<_> = group.stream().into_iter().collect();
                let is_comma = |token: &TokenTree| match token {
                    TokenTree::Punct(punct) => punct.as_char() == ',',
                    _ => false,
                };
                for tree in inner.split(is_comma).filter(|tree| !tree.is_empty()) {
                    spell(tree, 0, path.clone(), paths);
                }
                return at + 1;
            }
            // `Vec::<T>::new`: what is between the brackets is looked at by the caller.
            _ => {
                paths.push(path.trim_end_matches("::").to_string());
                return at;
            }
        }
        at += 1;
        if !colons(tokens, at) {
            paths.push(path);
            return at;
        }
        path += "::";
        at += 2;
    }
}
