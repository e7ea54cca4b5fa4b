//! What the programs that measure clusters share: processes of the built program, in a temporary
//! directory.

use chainring_client::Connection;
use redis::RedisResult;
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a client waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a program here comes to, or why it does not.
pub type Anything<T> = Result<T, Box<dyn Error>>;

/// The built `chainring` beside the program that runs.
///
/// # Errors
/// When it is not there.
pub fn program() -> Anything<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("chainring");
    if !program.exists() {
        let wanted = program.display();
        return Err(format!("there is no {wanted}: build it with `cargo build --release`").into());
    }
    Ok(program)
}

/// Sets its flag when it goes, so that load ends also where something failed.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A cluster of processes; dropping it kills them.
pub struct Cluster {
    program: PathBuf,
    resp: Vec<SocketAddr>,
    nodes: Vec<Child>,
    // The last field, so that it is removed when it is not used any more.
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Makes a cluster of so many nodes in one chain, and starts them.
    ///
    /// # Errors
    /// When it cannot be made, or a node does not start.
    pub fn start(program: &Path, nodes: usize) -> Anything<Self> {
        Self::start_of(program, &["chain"], nodes)
    }

    /// Makes a cluster of so many nodes, as `chainring cluster` with these arguments does, and
    /// starts them.
    ///
    /// # Errors
    /// When it cannot be made, or a node does not start.
    pub fn start_of(program: &Path, arguments: &[&str], nodes: usize) -> Anything<Self> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new(program);
        command.arg("cluster").args(arguments);
        command.args(["--only-init", "--resp-port", "0", "--nodes"]);
        command.arg(nodes.to_string()).arg("--dir").arg(dir.path());
        if !command.stdout(Stdio::null()).status()?.success() {
            return Err("the cluster could not be made".into());
        }
        let program = program.to_path_buf();
        let mut cluster = Cluster { program, resp: Vec::new(), nodes: Vec::new(), dir };
        cluster.read_addresses()?;
        for _ in 0..nodes {
            cluster.spawn()?;
        }
        for id in 1..=nodes {
            let log = cluster.log(&id.to_string());
            serves(&mut cluster.nodes[id - 1], &log)?;
        }
        Ok(cluster)
    }

    /// Adds a node, starts it, and waits until it serves.
    ///
    /// # Errors
    /// When any of that cannot be done.
    pub fn join(&mut self) -> Anything<()> {
        let mut command = Command::new(&self.program);
        command.arg("join").arg("--config").arg(self.file()).stdout(Stdio::null());
        if !command.status()?.success() {
            return Err("no node could be added".into());
        }
        self.read_addresses()?;
        self.spawn()?;
        let log = self.log(&self.nodes.len().to_string());
        let newcomer = self.nodes.last_mut().ok_or("there is no node")?;
        serves(newcomer, &log)
    }

    /// Where a node's front door is.
    pub fn address(&self, node: usize) -> SocketAddr {
        self.resp[node]
    }

    /// A connection to a node's front door.
    ///
    /// # Errors
    /// When no process listens there.
    pub fn connect(&self, node: usize) -> RedisResult<Connection> {
        chainring_client::connect(self.resp[node], PATIENCE)
    }

    /// Writes so many keys, by [`name`], with values of so many bytes, through all nodes.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn fill(&self, keys: u64, value_bytes: usize) -> Anything<()> {
        /// How many keys a pipeline writes.
        const BATCH: u64 = 1000;
        let value = "0".repeat(value_bytes);
        let count = self.nodes.len() as u64;
        std::thread::scope(|scope| {
            let filling: Vec<_> = (0..count)
                .map(|node| {
                    let value = &value;
                    let mut connection = self.connect(node as usize)?;
                    Ok(scope.spawn(move || -> RedisResult<()> {
                        for first in (node * BATCH..keys).step_by((count * BATCH) as usize) {
                            let mut pipe = redis::pipe();
                            for number in first..(first + BATCH).min(keys) {
                                pipe.set(name(number), value).ignore();
                            }
                            pipe.exec(&mut connection)?;
                        }
                        Ok(())
                    }))
                })
                .collect::<RedisResult<_>>()?;
            for filled in filling {
                filled.join().map_err(|_| "a client panicked")??;
            }
            Ok(())
        })
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self, node: usize) -> std::io::Result<()> {
        self.nodes[node].kill()
    }

    /// What `chainring status --json` says.
    ///
    /// # Errors
    /// When it says nothing.
    pub fn status(&self) -> Anything<serde_json::Value> {
        let mut command = Command::new(&self.program);
        let said = command.args(["status", "--json", "--dir"]).arg(self.dir.path()).output()?;
        Ok(serde_json::from_slice(&said.stdout)?)
    }

    /// Ends all nodes, so that their stores can be read.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub fn stop(&mut self) -> std::io::Result<()> {
        for node in &mut self.nodes {
            node.kill()?;
            node.wait()?;
        }
        Ok(())
    }

    /// The cluster file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("cluster.toml")
    }

    fn read_addresses(&mut self) -> Anything<()> {
        let text = std::fs::read_to_string(self.file())?;
        let resp = text.lines().filter_map(|line| line.strip_prefix("resp = "));
        self.resp = resp.map(|at| at.trim_matches('"').parse()).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Where a node logs.
    fn log(&self, id: &str) -> PathBuf {
        self.dir.path().join(format!("log-{id}"))
    }

    /// Starts the node after the last one.
    fn spawn(&mut self) -> std::io::Result<()> {
        let id = (self.nodes.len() + 1).to_string();
        let mut command = Command::new(&self.program);
        command.arg("node").arg("--config").arg(self.file()).args(["--id", &id]);
        let log = File::options().create(true).append(true).open(self.log(&id))?;
        command.arg("--with-parent").stdout(Stdio::piped()).stderr(log);
        self.nodes.push(command.spawn()?);
        Ok(())
    }
}

/// The key of this number.
pub fn name(number: u64) -> String {
    format!("key:{number:012}")
}

/// Waits until a node says that it serves; where it does not, its log says why.
fn serves(node: &mut Child, log: &Path) -> Anything<()> {
    let said = node.stdout.take().ok_or("a node has no output")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    if !line.contains("serves") {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        return Err(format!("a node said {line:?}, and in its log: {log}").into());
    }
    Ok(())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // One that has ended needs no signal.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}
