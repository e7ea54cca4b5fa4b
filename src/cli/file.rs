//! The cluster file as commands read it: what is wrong with it is said in the same words by all.

use chainring::config::{Cluster, ConfigError};
use std::fs;
use std::path::Path;

/// The name of the cluster file in its directory.
pub const CLUSTER_FILE: &str = "cluster.toml";

/// Reads a cluster file.
pub fn read(file: &Path) -> Result<Cluster, String> {
    Cluster::read(file).map_err(|error| explain(&error, file))
}

/// The same, and its text.
pub fn read_text(file: &Path) -> Result<(String, Cluster), String> {
    let failed = |source| ConfigError::Read { path: file.to_path_buf(), source };
    let text = fs::read_to_string(file).map_err(|error| explain(&failed(error), file))?;
    let cluster = Cluster::parse(&text).map_err(|error| explain(&error, file))?;
    Ok((text, cluster))
}

/// What is wrong with a cluster file, and which.
pub fn explain(error: &ConfigError, file: &Path) -> String {
    match error {
        ConfigError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            format!(
                "{error}. Start a cluster (`{} cluster chain`), or say with --dir or --config where one is",
                crate::cli::me()
            )
        }
        ConfigError::Read { .. } => error.to_string(), // names the file
        error => format!("{error} ({})", file.display()),
    }
}
