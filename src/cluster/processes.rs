//! The nodes of a cluster as child processes.

use super::CLUSTER_FILE;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A running cluster of processes. Dropping it kills them.
pub struct Processes {
    dir: PathBuf,
    trace: bool,
    children: Vec<(u32, Child)>,
}

/// How long a node may take to start: it reads its whole store.
const START_TIME: Duration = Duration::from_secs(120);

impl Processes {
    /// No process yet, of the cluster in this directory.
    pub fn new(dir: &Path, trace: bool) -> Self {
        Processes { dir: dir.to_path_buf(), trace, children: Vec::new() }
    }

    /// Starts nodes, all at once, and waits until each serves: what one of them needs to start may be
    /// another one.
    pub fn start(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<(), String> {
        let mut starting = Vec::new();
        for id in ids {
            starting.push((id, self.spawn(id)?));
        }
        starting.into_iter().try_for_each(|(id, said)| self.wait_for(id, &said))
    }

    /// Starts a node; what is returned tells when it serves. Its log goes to `log-ID`.
    fn spawn(&mut self, id: u32) -> Result<Receiver<()>, String> {
        let failed = |error| format!("cannot start node {id}: {error}");
        let log = File::options().create(true).append(true).open(self.log(id)).map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["node", "--with-parent", "--config"]).arg(self.dir.join(CLUSTER_FILE));
        command.arg("--id").arg(id.to_string());
        if self.trace {
            command.arg("--trace").arg(self.dir.join(format!("trace-{id}")));
        }
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().map_err(failed)?;
        let said = child.stdout.take();
        self.children.push((id, child));
        let said = said.ok_or_else(|| format!("cannot hear what node {id} says"))?;
        Ok(first_line(said))
    }

    fn wait_for(&self, id: u32, said: &Receiver<()>) -> Result<(), String> {
        let log_path = self.log(id);
        match said.recv_timeout(START_TIME) {
            Ok(()) => Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("node {id} does not serve; its log is {}", log_path.display()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                let last = log.lines().last().unwrap_or("it has said nothing");
                Err(format!("node {id} did not start: {last}"))
            }
        }
    }

    fn log(&self, id: u32) -> PathBuf {
        self.dir.join(format!("log-{id}"))
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, id: u32) -> Result<(), String> {
        let place = self.children.iter().position(|(child, _)| *child == id);
        let place = place.ok_or(format!("node {id} does not run"))?;
        let (_, mut child) = self.children.remove(place);
        let killed = child.kill().and_then(|()| child.wait());
        killed.map(drop).map_err(|error| format!("cannot kill node {id}: {error}"))
    }

    /// The nodes that have ended since the last call.
    pub fn reap(&mut self) -> Vec<(u32, ExitStatus)> {
        let mut ended = Vec::new();
        self.children.retain_mut(|(id, child)| match child.try_wait() {
            Ok(Some(status)) => {
                ended.push((*id, status));
                false
            }
            _ => true,
        });
        ended
    }

    /// Asks all nodes to end, and waits for them.
    pub fn stop(&mut self) {
        for (_, child) in &self.children {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
                // One that has ended needs no signal.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
        for (_, child) in &mut self.children {
            let _ = child.wait();
        }
        self.children.clear();
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            // One that has ended needs no signal.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Tells when a node has said its first line, which is that it serves.
fn first_line(said: impl std::io::Read + Send + 'static) -> Receiver<()> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        let mut lines = BufReader::new(said).lines();
        if let Some(Ok(_)) = lines.next() {
            let _ = tell.send(());
        }
        // Reads on, so that the node never waits for a reader.
        for _ in lines.map_while(Result::ok) {}
    });
    told
}
