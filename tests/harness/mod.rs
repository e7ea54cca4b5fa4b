//! Real clusters for tests: processes of the built program, on free loopback ports, in a temporary
//! directory, none of which outlives the test.
#![allow(dead_code, reason = "each test program uses a part of it")]

use chainring_client::Connection;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Timeouts for machines that do other work too: no node is suspected that only waits for a turn.
const PATIENT: &str = "[timeouts]\nheartbeat = 100\nlease = 1000\ngrant = 1200\nsuspect = 1200\n";

/// The program under test.
pub fn chainring() -> Command {
    Command::new(env!("CARGO_BIN_EXE_chainring"))
}

/// Runs the program to its end. A test that fails shows all that it said.
pub fn run(args: &[&str]) -> Output {
    output(chainring().args(args))
}

/// Runs any program to its end. A test that fails shows all that it said.
pub fn output(command: &mut Command) -> Output {
    let out = command.output().expect("the program starts");
    let [said, complained] = [&out.stdout, &out.stderr].map(|text| String::from_utf8_lossy(text));
    println!("$ {command:?}: {}\n{said}{complained}", out.status);
    out
}

/// Shows what nodes have logged when the test has failed that had them.
fn show_logs(dir: &Path) {
    /// As much of each as is shown.
    const LINES: usize = 100;
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("log-")
    };
    let mut logs: Vec<_> = files.map(|file| file.path()).filter(is_log).collect();
    logs.sort();
    for log in logs {
        let text = std::fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(LINES)..];
        println!("{} ends:\n{}", log.display(), last.join("\n"));
    }
}

thread_local! {
    /// Where this test's `chainring cluster` has its logs.
    static DIRECTORIES: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
}

/// A process that is killed when the test is done with it.
pub struct Process(pub Child);

impl Process {
    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, signal).expect("the process is there");
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        self.0.kill().expect("the process is there");
        self.0.wait().expect("the process has ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            DIRECTORIES.with_borrow_mut(|all| all.drain(..).for_each(|dir| show_logs(&dir)));
        }
    }
}

/// What the nodes of a cluster run.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    #[default]
    Chain,
    Ring,
}

impl Protocol {
    /// As the command line spells it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Chain => "chain",
            Protocol::Ring => "ring",
        }
    }
}

/// What a cluster is to be.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    pub protocol: Protocol,
    /// Options of `chainring cluster`.
    pub options: &'a [&'a str],
    /// What the table `[ring]` says of lost quorums, where that is not the default.
    pub on_quorum_loss: Option<&'a str>,
    /// Whether every node is traced.
    pub trace: bool,
    /// What the nodes log.
    pub log: Option<&'static str>,
}

/// A cluster whose nodes are processes of their own.
pub struct Cluster {
    pub dir: TempDir,
    pub resp: Vec<SocketAddr>,
    nodes: Vec<Option<Process>>,
    trace: bool,
    log: Option<&'static str>,
}

impl Cluster {
    /// Makes a chain and starts its nodes.
    pub fn start(nodes: usize) -> Self {
        Self::of(Protocol::Chain, nodes)
    }

    /// Makes a cluster with this protocol and starts its nodes.
    pub fn of(protocol: Protocol, nodes: usize) -> Self {
        let options = ["--nodes", &nodes.to_string()];
        Self::set_up(Setup { protocol, options: &options, ..Setup::default() })
    }

    /// The same, with every node traced.
    pub fn traced(protocol: Protocol, nodes: usize) -> Self {
        let options = ["--nodes", &nodes.to_string()];
        Self::set_up(Setup { protocol, options: &options, trace: true, ..Setup::default() })
    }

    /// Makes a chain, or several, with these options of `chainring cluster` and starts their nodes.
    pub fn made(options: &[&str]) -> Self {
        Self::set_up(Setup { options, ..Setup::default() })
    }

    /// Makes such a cluster and starts its nodes.
    pub fn set_up(setup: Setup<'_>) -> Self {
        let _starting = starting();
        let Setup { protocol, options, on_quorum_loss, trace, log } = setup;
        let dir = TempDir::new().expect("a temporary directory");
        let mut cluster = Cluster { dir, resp: Vec::new(), nodes: Vec::new(), trace, log };
        let mut text = String::new();
        eventually("its ports are nobody else's", || {
            // A cluster file that is there is never written again, so every try has a place of its
            // own.
            cluster.dir = TempDir::new().expect("a temporary directory");
            let mut command = chainring();
            let name = protocol.name();
            command.args(["cluster", name, "--only-init", "--resp-port", "0", "--dir"]);
            let out = command.arg(cluster.dir.path()).args(options).output();
            let out = out.expect("the program starts");
            let complained = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "{complained}{}", String::from_utf8_lossy(&out.stdout));
            text = std::fs::read_to_string(cluster.file()).expect("it was just written");
            are_new(&text)
        });
        let usual = "on-quorum-loss = \"wait\"\nreform-after = 10\n";
        let text = on_quorum_loss.map_or(text.clone(), |other| text.replace(usual, other));
        let (head, nodes) = text.split_once("[[node]]").expect("there are nodes");
        let text = format!("{head}{PATIENT}\n[[node]]{nodes}");
        std::fs::write(cluster.file(), &text).expect("a file of ours");
        cluster.resp = addresses(&text);
        cluster.nodes = cluster.resp.iter().map(|_| None).collect();
        cluster.restart_all();
        cluster
    }

    /// The cluster file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("cluster.toml")
    }

    /// The cluster file of a node: one of its own, if it was given one.
    pub fn file_of(&self, node: usize) -> PathBuf {
        let own = self.dir.path().join(format!("cluster-{}.toml", node + 1));
        if own.exists() { own } else { self.file() }
    }

    /// Gives a node a cluster file of its own, for its next start: the others', changed.
    pub fn give_file(&self, node: usize, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.file()).expect("a file of ours");
        let own = self.dir.path().join(format!("cluster-{}.toml", node + 1));
        std::fs::write(own, change(text)).expect("a directory of ours");
    }

    /// Where node `node` (from 0) writes its trace.
    pub fn trace_file(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("trace-{node}"))
    }

    /// Where an actor of a node has its data.
    pub fn data_file(&self, node: usize, actor: &str) -> PathBuf {
        self.dir.path().join(format!("node-{}", node + 1)).join(actor).join("data.mdb")
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].take().expect("the node runs").kill();
    }

    /// The process of a node.
    pub fn process(&self, node: usize) -> &Process {
        self.nodes[node].as_ref().expect("the node runs")
    }

    /// The command that runs a node.
    pub fn command(&self, node: usize) -> Command {
        let mut command = chainring();
        command.arg("node").arg("--config").arg(self.file_of(node));
        command.args(["--with-parent", "--id", &(node + 1).to_string()]);
        if let Some(log) = self.log {
            command.env("CHAINRING_LOG", log);
        }
        if self.trace {
            command.arg("--trace").arg(self.trace_file(node));
        }
        command
    }

    /// Starts a node and waits until it serves.
    pub fn restart(&mut self, node: usize) {
        let said = self.spawn(node);
        self.serves(node, said);
    }

    /// Starts all nodes, and waits until all serve.
    pub fn restart_all(&mut self) {
        let said: Vec<_> = (0..self.nodes.len()).map(|node| self.spawn(node)).collect();
        for (node, said) in said.into_iter().enumerate() {
            self.serves(node, said);
        }
    }

    /// Waits until a node says that it serves.
    fn serves(&self, node: usize, said: ChildStdout) {
        let line = first_line(said);
        let log = || std::fs::read_to_string(self.log_file(node)).unwrap_or_default();
        assert!(
            line.contains("serves"),
            "node {} said {line:?}, and in its log: {}",
            node + 1,
            log()
        );
    }

    fn spawn(&mut self, node: usize) -> ChildStdout {
        let mut command = self.command(node);
        let log = File::options().create(true).append(true).open(self.log_file(node));
        command.stdout(Stdio::piped()).stderr(log.expect("a log file"));
        let mut process = Process(command.spawn().expect("the program starts"));
        let said = process.0.stdout.take().expect("it is piped");
        self.nodes[node] = Some(process);
        said
    }

    /// Where node `node` writes its log.
    pub fn log_file(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("log-{}", node + 1))
    }

    /// Takes a node that was added to the cluster file among these, without starting it.
    pub fn add(&mut self) {
        let text = std::fs::read_to_string(self.file()).expect("a file of ours");
        self.resp = addresses(&text);
        self.nodes.resize_with(self.resp.len(), || None);
    }

    /// What `chainring status` says, in words.
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&self.ask(&[]).stdout).into_owned()
    }

    /// What `chainring status --json` says.
    pub fn report(&self) -> Value {
        let out = self.ask(&["--json"]);
        let report: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let state = report["verdict"]["state"].as_str();
        let code = ["healthy", "degraded", "down"].iter().position(|it| Some(*it) == state);
        assert_eq!(out.status.code(), code.map(|code| code as i32), "{report}");
        report
    }

    /// Asks for the status, which tests do often: only a failure to ask is shown.
    fn ask(&self, options: &[&str]) -> Output {
        let mut command = chainring();
        let out = command.arg("status").args(options).arg("--config").arg(self.file()).output();
        let out = out.expect("the program starts");
        let complained = String::from_utf8_lossy(&out.stderr);
        assert!(matches!(out.status.code(), Some(0..=2)), "{}: {complained}", out.status);
        out
    }

    /// What it says of a chain.
    pub fn status(&self, chain: usize) -> Value {
        self.report()["chains"][chain - 1].take()
    }

    /// Waits until a node has a role in the newest view of its chain, and returns the chain's
    /// status.
    pub fn until_role(&self, chain: usize, node: usize, role: &str) -> Value {
        let mut status = Value::Null;
        eventually(&format!("node {} is {role}", node + 1), || {
            status = self.status(chain);
            role_of(&status, node) == role
        });
        status
    }

    /// A connection to a node's front door.
    pub fn connect(&self, node: usize) -> Connection {
        connect(self.resp[node])
    }

    /// Asks every node to end, and expects success.
    pub fn stop(&mut self) {
        for node in self.nodes.iter().flatten() {
            node.signal(rustix::process::Signal::TERM);
        }
        for mut node in self.nodes.iter_mut().filter_map(Option::take) {
            assert!(node.0.wait().expect("it ends").success());
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        if std::thread::panicking() {
            show_logs(self.dir.path());
        }
    }
}

/// The addresses for Redis clients in a cluster file.
fn addresses(text: &str) -> Vec<SocketAddr> {
    let resp = text.lines().filter_map(|line| line.strip_prefix("resp = "));
    resp.map(|at| at.trim_matches('"').parse().expect("an address")).collect()
}

/// The role of a node (from 0) in the status of its chain.
pub fn role_of(status: &Value, node: usize) -> &str {
    let places = status["nodes"].as_array().expect("a list");
    let place = places.iter().find(|place| place["node"] == node + 1);
    place.and_then(|place| place["role"].as_str()).unwrap_or("not there")
}

/// A connection to a front door.
pub fn connect(address: SocketAddr) -> Connection {
    chainring_client::connect(address, PATIENCE).expect("it listens")
}

/// Starts `chainring cluster` on free ports, and returns it with its front doors when it is ready.
pub fn start_cluster(
    protocol: Protocol,
    dir: &Path,
    nodes: usize,
) -> (Process, Vec<SocketAddr>, BufReader<ChildStdout>) {
    let _starting = starting();
    let mut command = chainring();
    let nodes_text = nodes.to_string();
    command.args(["cluster", protocol.name(), "--resp-port", "0", "--nodes", &nodes_text, "--dir"]);
    let child = command.arg(dir).stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut process = Process(child);
    DIRECTORIES.with_borrow_mut(|all| all.push(dir.to_path_buf()));
    let said = process.0.stdout.take().expect("it is piped");
    let mut reader = BufReader::new(said);
    let mut lines = Vec::new();
    while lines.len() <= nodes {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).expect("text"), 0, "it said only {lines:?}");
        lines.push(line);
    }
    assert_eq!(lines[0], "ready\n");
    let address = |line: &String| {
        let word = line.split_whitespace().nth(3).expect("node N at ADDRESS: …");
        word.trim_end_matches(':').parse().expect("an address")
    };
    let resp = lines[1..].iter().map(address).collect();
    (process, resp, reader)
}

/// One cluster at a time: ports that are free for one that has not started yet are free for another
/// one, too.
fn starting() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether no test of this process has had one of the ports in a cluster file. A port of a node
/// that is down is free, but not for any other.
fn are_new(text: &str) -> bool {
    static USED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let lines = text.lines().filter(|line| line.starts_with("udp =") || line.starts_with("resp ="));
    let ports = lines.filter_map(|line| line.trim_matches('"').rsplit(':').next()?.parse().ok());
    let ports: BTreeSet<u16> = ports.collect();
    let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
    let are_new = used.is_disjoint(&ports);
    used.extend(ports);
    are_new
}

/// Sets a flag when it goes, so that the threads of a test that fails do not run for ever.
pub struct Stop<'a>(pub &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until a condition holds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a program that some tests use is installed. Where `CHAINRING_ALL_TOOLS` is set, as in
/// CI, it has to be.
pub fn has_tool(name: &str, args: &[&str]) -> bool {
    let there = Command::new(name).args(args).output().is_ok_and(|out| out.status.success());
    assert!(
        there || std::env::var_os("CHAINRING_ALL_TOOLS").is_none(),
        "{name} is not installed, and CHAINRING_ALL_TOOLS asks for it"
    );
    if !there {
        not_tested(&format!("{name} is not installed"));
    }
    there
}

/// Says that something is not tested, and why. The test passes, so what it prints would be hidden:
/// this is written past the capture of outputs.
pub fn not_tested(why: &str) {
    // A report that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr(), "\nNOT TESTED: {why}");
}

fn first_line(said: ChildStdout) -> String {
    let mut reader = BufReader::new(said);
    let mut line = String::new();
    reader.read_line(&mut line).expect("text");
    // Reads on, so that the process never waits for a reader.
    std::thread::spawn(move || for _ in reader.lines().map_while(Result::ok) {});
    line
}
