//! The files of this repository.

use std::fs;
use std::path::Path;

/// The folders that hold what is ours; what a cluster or a build leaves beside them is not looked
/// at.
const FOLDERS: [&str; 8] =
    ["client", "docs", "examples", "model", "proofs", "runtime", "src", "tests"];

/// A text file.
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl File {
    /// Its lines, numbered from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(place, line)| (place + 1, line))
    }

    /// The lines that are too wide, but for those that may be.
    pub fn wide(&self, columns: usize, may: impl Fn(usize) -> bool) -> Vec<String> {
        let width = |line: &str| line.chars().count();
        let wide = self.lines().filter(|(number, line)| width(line) > columns && !may(*number));
        wide.map(|(number, line)| format!("{}:{number}: {} columns", self.path, width(line)))
            .collect()
    }
}

/// Fails if anything was found, and says all of it.
pub fn assert_none(what_to_do: &str, found: &[String]) {
    assert!(found.is_empty(), "{what_to_do} ({} of them):\n{}", found.len(), found.join("\n"));
}

/// One file.
pub fn read(path: &str) -> File {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
    let text = text.unwrap_or_else(|why| panic!("{path}: {why}"));
    File { path: path.to_string(), text }
}

/// All Rust and Markdown files.
pub fn all() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for entry in fs::read_dir(root).expect("the root") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if FOLDERS.contains(&name.as_str()) {
            walk(&root.join(&name), &name, &mut paths);
        } else if name.ends_with(".md") {
            paths.push(name);
        }
    }
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// All files of one kind.
pub fn with_ending(ending: &str) -> Vec<File> {
    let is = |file: &File| file.path.rsplit_once('.').is_some_and(|(_, last)| last == ending);
    all().into_iter().filter(is).collect()
}

fn walk(folder: &Path, path: &str, paths: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let (place, path) = (entry.path(), format!("{path}/{name}"));
        if place.is_dir() {
            walk(&place, &path, paths);
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            paths.push(path);
        }
    }
}
