//! Cluster files on disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a cluster file, whole or not at all: a program that reads it at any moment, a crash of
/// this machine included, finds the old text or the new one.
///
/// # Errors
/// What the operating system says.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let mut file = File::create(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}
