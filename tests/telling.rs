//! What only tells ends nothing that serves: logs without a reader, on a full disk, and in a pipe
//! without a reader.

mod harness;

use harness::{Cluster, PATIENCE, Process, Protocol, eventually};
use rustix::process::Signal;
use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, pipe};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Nodes log much: a ring's gateway logs every operation.
const OPERATIONS: &str = "trace,chainring::operations=debug";

/// Starts a node anew, with its log in `log`.
fn start(cluster: &Cluster, node: usize, log: impl Into<Stdio>) -> Process {
    let mut command = cluster.command(node);
    command.env("CHAINRING_LOG", OPERATIONS).stdout(Stdio::null()).stderr(log);
    Process(command.spawn().expect("the program starts"))
}

/// Whether a node serves, and what `INFO` says of a number.
fn number(cluster: &Cluster, node: usize, name: &str) -> Option<u64> {
    let mut connection = chainring_client::connect(cluster.resp[node], PATIENCE).ok()?;
    let text: String = redis::cmd("INFO").query(&mut connection).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

fn lost(cluster: &Cluster, node: usize) -> u64 {
    number(cluster, node, "log_lines_lost").unwrap_or(0)
}

/// Writes a thousand times through a node; it logs each.
fn write(cluster: &Cluster, node: usize) -> redis::RedisResult<()> {
    let mut connection = chainring_client::connect(cluster.resp[node], PATIENCE)?;
    let mut writes = redis::pipe();
    for n in 0..1000 {
        writes.set(n, "value").ignore();
    }
    writes.query(&mut connection)
}

/// Writes through every node that is given, until each has acknowledged a write.
fn all_serve(cluster: &Cluster, nodes: &[usize]) {
    for node in nodes {
        let mut written = Ok(());
        eventually(&format!("node {} acknowledges a write", node + 1), || {
            written = write(cluster, *node);
            written.is_ok()
        });
    }
}

/// Reads one line, and goes.
fn read_one_line(reader: PipeReader) {
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).expect("text");
    assert!(!line.is_empty(), "it has logged nothing");
}

/// A pipe that has room for nothing.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    let flags = rustix::fs::fcntl_getfl(&writer).expect("flags");
    rustix::fs::fcntl_setfl(&writer, flags | rustix::fs::OFlags::NONBLOCK).expect("flags");
    while rustix::io::write(&writer, &[b'\n'; 1 << 12]).is_ok() {}
    while rustix::io::write(&writer, b"\n").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).expect("flags");
    (reader, writer)
}

/// Node 1's log is a pipe whose reader goes after a line, node 2's is on a full disk, and node 3's
/// is a pipe that no process reads. A pause then makes all of them speak.
#[test]
fn nodes_outlive_their_logs() {
    let mut cluster = Cluster::start(3);
    cluster.stop();
    let (leaving, to_leaving) = pipe().expect("a pipe");
    let (silent, to_silent) = full_pipe();
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let mut nodes =
        [start(&cluster, 0, to_leaving), start(&cluster, 1, full), start(&cluster, 2, to_silent)];
    read_one_line(leaving);
    all_serve(&cluster, &[0, 1, 2]);

    nodes[2].signal(Signal::STOP);
    all_serve(&cluster, &[0, 1]);
    nodes[2].signal(Signal::CONT);
    all_serve(&cluster, &[0, 1, 2]);
    for node in 0..2 {
        eventually(&format!("node {} has lost a line of its log", node + 1), || {
            all_serve(&cluster, &[node]);
            lost(&cluster, node) > 0
        });
    }
    for (number, node) in nodes.iter_mut().enumerate() {
        assert!(node.0.try_wait().expect("a child").is_none(), "node {} has ended", number + 1);
    }

    // A node whose log has no room does not wait for it at its end either.
    let asked = Instant::now();
    for node in &nodes {
        node.signal(Signal::TERM);
    }
    for node in &mut nodes {
        assert!(node.0.wait().expect("a child").success());
    }
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    drop(silent);
}

/// What finds no room costs lines and no time, on standard output as well.
#[test]
fn a_pipe_that_nobody_reads_holds_up_nothing() {
    let mut cluster = Cluster::of(Protocol::Ring, 1);
    cluster.stop();
    let (reader, writer) = full_pipe();
    let mut command = cluster.command(0);
    command.env("CHAINRING_LOG", OPERATIONS).stderr(writer.try_clone().expect("a descriptor"));
    let mut node = Process(command.stdout(writer).spawn().expect("the program starts"));
    eventually("lines are lost", || {
        all_serve(&cluster, &[0]);
        lost(&cluster, 0) > 0
    });
    node.signal(Signal::TERM);
    assert!(node.0.wait().expect("a child").success());
    drop(reader);
}

/// When a reader comes, the log goes on, and says what is missing.
#[test]
fn a_log_says_how_much_of_it_is_lost() {
    let mut cluster = Cluster::of(Protocol::Ring, 1);
    cluster.stop();
    let fifo = cluster.dir.path().join("log");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0)
        .expect("a pipe");
    // For reading and writing, as otherwise it waits for the other end.
    let both = File::options().read(true).write(true).open(&fifo).expect("a pipe");
    let writer = File::options().write(true).open(&fifo).expect("a pipe");
    let _node = start(&cluster, 0, writer);
    drop(both);
    all_serve(&cluster, &[0]);
    eventually("a line is lost", || lost(&cluster, 0) > 0);

    let reader = BufReader::new(File::open(&fifo).expect("a pipe"));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let said = |line: &String| line.contains("lines of this log could not be written");
        let _ = tell.send(reader.lines().map_while(Result::ok).find(said));
    });
    let mut line = None;
    eventually("the log says what is lost", || {
        all_serve(&cluster, &[0]);
        line = told.try_recv().ok().flatten();
        line.is_some()
    });
    let line = line.expect("it was just there");
    assert!(line.contains("WARN") && line.contains("lost"), "{line}");
}

/// A program whose errors have no reader ends as it says it does, and does not panic.
#[test]
fn an_error_without_a_reader_is_an_error() {
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    let mut command = harness::chainring();
    command.args(["status", "--dir", "/nowhere"]).stderr(writer);
    let status = command.status().expect("the program starts");
    assert_eq!(status.code(), Some(3), "it has no cluster file to read");
}
