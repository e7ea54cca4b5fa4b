//! The nodes of a cluster as child processes.

use crate::cli::file::CLUSTER_FILE;
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

/// How large a log may become before it begins anew: what was in it is in `log-N.1` then.
const LARGEST_LOG: u64 = 16 << 20;

/// How long a node may take to start: it reads its whole store.
const START_TIME: Duration = Duration::from_secs(120);

impl Processes {
    /// No process yet, of the cluster in this directory.
    pub fn new(dir: &Path, trace: bool) -> Self {
        Processes { dir: dir.to_path_buf(), trace, children: Vec::new() }
    }

    /// Starts nodes, all at once, and waits until each serves: what one of them needs to start may
    /// be another one.
    pub fn start(&mut self, ids: impl IntoIterator<Item = u32>) -> Result<(), String> {
        let mut starting = Vec::new();
        for id in ids {
            starting.push((id, self.spawn(id)?));
        }
        starting.into_iter().try_for_each(|(id, said)| self.wait_for(id, &said))
    }

    /// Starts a node; what is returned tells when it serves. Its log goes to `log-ID`.
    fn spawn(&mut self, id: u32) -> Result<Receiver<()>, String> {
        let _ = bound(&self.log(id), &self.dir.join(format!("log-{id}.1")), LARGEST_LOG);
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

    /// Begins logs anew that have become too large. The nodes write at the end of a file that stays
    /// the same one, so what it holds is copied and cut off; a line that comes between the two is
    /// lost.
    pub fn bound_logs(&self) {
        for (id, _) in &self.children {
            let log = self.log(*id);
            // A log that cannot be bounded now may be at the next look: nothing ends because of it.
            let _ = bound(&log, &self.dir.join(format!("log-{id}.1")), LARGEST_LOG);
        }
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

/// Moves what is in a log that is larger than that to another file, in place of what was there.
fn bound(log: &Path, old: &Path, largest: u64) -> std::io::Result<()> {
    if fs::metadata(log)?.len() <= largest {
        return Ok(());
    }
    fs::copy(log, old)?;
    File::options().write(true).open(log)?.set_len(0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_log_begins_anew_when_it_is_too_large_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, old) = (dir.path().join("log-1"), dir.path().join("log-1.1"));
        let mut writer = File::options().create(true).append(true).open(&log).expect("a file");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        for (line, now, before) in
            [("one\n", "one\n", ""), ("two\n", "", "one\ntwo\n"), ("3\n", "3\n", "one\ntwo\n")]
        {
            writer.write_all(line.as_bytes()).expect("room");
            bound(&log, &old, 5).expect("ours");
            assert_eq!((read(&log).as_str(), read(&old).as_str()), (now, before));
        }
    }
}
