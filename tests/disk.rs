//! What becomes of a node whose disk is taken away under it.

mod harness;

use harness::{Cluster, Process, Protocol, eventually, has_tool, output};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

macro_rules! for_both_protocols {
    ($($test:ident)*) => {
        mod chain { $(#[test] fn $test() { super::$test(super::Protocol::Chain); })* }
        mod ring { $(#[test] fn $test() { super::$test(super::Protocol::Ring); })* }
    };
}

for_both_protocols! {
    a_node_whose_directory_is_removed_ends_and_acknowledges_nothing
    a_node_that_does_nothing_notices_it_as_well
    a_sync_that_fails_ends_the_node_and_its_clients_hear_of_it
    deleting_a_lock_file_lets_no_second_node_in
}

/// Starts the only node of a cluster, with its log in a file.
fn start(protocol: Protocol) -> (Cluster, Process) {
    start_with(protocol, |_, _| {})
}

/// The same, with something changed about the command that runs it.
fn start_with(
    protocol: Protocol,
    change: impl FnOnce(&Cluster, &mut Command),
) -> (Cluster, Process) {
    let mut cluster = Cluster::of(protocol, 1);
    cluster.stop();
    let log = fs::File::create(cluster.log_file(0)).expect("a file of ours");
    let mut command = cluster.command(0);
    change(&cluster, &mut command);
    let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("the program starts");
    let node = Process(child);
    eventually("it serves", || {
        chainring_client::connect(cluster.resp[0], Duration::from_secs(5)).is_ok_and(
            |mut connection| {
                redis::cmd("SET").arg("a").arg("1").query::<()>(&mut connection).is_ok()
            },
        )
    });
    (cluster, node)
}

/// How a node ends, and what it says of it.
fn end(cluster: &Cluster, node: &mut Process) -> (Option<i32>, String) {
    let mut ended = None;
    eventually("the node ends", || {
        ended = node.0.try_wait().expect("a child");
        ended.is_some()
    });
    let log = fs::read_to_string(cluster.log_file(0)).expect("a file of ours");
    (ended.and_then(|status| status.code()), log)
}

fn a_node_whose_directory_is_removed_ends_and_acknowledges_nothing(protocol: Protocol) {
    let (cluster, mut node) = start(protocol);
    let mut connection = cluster.connect(0);
    let mut set = |value: u32| redis::cmd("SET").arg("a").arg(value).query::<()>(&mut connection);
    set(2).expect("it serves");
    fs::remove_dir_all(cluster.dir.path().join("node-1")).expect("it is there");
    let removed = Instant::now();
    let refused = set(3);
    assert!(refused.is_err(), "acknowledged on a disk that is gone");
    let waited = removed.elapsed();
    // Its deadline is 5 s.
    assert!(waited < Duration::from_secs(4), "a client waited for {waited:?}");
    let (code, log) = end(&cluster, &mut node);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("not at its place any more"), "{log}");
    println!("its client waited {waited:?}, and it ended after {:?}", removed.elapsed());
}

fn a_node_that_does_nothing_notices_it_as_well(protocol: Protocol) {
    let (cluster, mut node) = start(protocol);
    let away = cluster.dir.path().join("elsewhere");
    fs::rename(cluster.dir.path().join("node-1"), away).expect("it is there");
    let moved = Instant::now();
    let (code, log) = end(&cluster, &mut node);
    println!("noticed after {:?}", moved.elapsed());
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("not at its place any more"), "{log}");
}

/// A disk that fails: the system says EIO when a file is to be synced. A library that is loaded
/// before the system's says so.
fn a_sync_that_fails_ends_the_node_and_its_clients_hear_of_it(protocol: Protocol) {
    if !has_tool("cc", &["--version"]) {
        return;
    }
    let mut switch = None;
    let (cluster, mut node) = start_with(protocol, |cluster, command| {
        let library = cluster.dir.path().join("failing_sync.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/disk/failing_sync.c");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
        assert!(output(&mut compile).status.success());
        let file = cluster.dir.path().join("the-disk-fails");
        command.env("LD_PRELOAD", library).env("FAILING_SYNC", &file);
        switch = Some(file);
    });
    let mut connection = cluster.connect(0);
    let mut set = |value: u32| redis::cmd("SET").arg("a").arg(value).query::<()>(&mut connection);
    set(2).expect("it serves");
    fs::write(switch.expect("it was started"), "").expect("a directory of ours");
    let failed = Instant::now();
    let refused = set(3);
    let waited = failed.elapsed();
    assert!(refused.is_err(), "acknowledged without a sync");
    // Its deadline is 5 s.
    assert!(waited < Duration::from_secs(4), "a client waited for {waited:?}");
    let (code, log) = end(&cluster, &mut node);
    assert_eq!(code, Some(1), "{log}");
    let sentence = log.lines().find(|line| line.contains("Input/output error"));
    assert!(sentence.is_some_and(|line| line.contains("node-1")), "it says which file: {log}");
    println!(
        "its client waited {waited:?}, and it ended after {:?}: {sentence:?}",
        failed.elapsed()
    );
}

fn deleting_a_lock_file_lets_no_second_node_in(protocol: Protocol) {
    let (cluster, mut node) = start(protocol);
    for part in fs::read_dir(cluster.dir.path().join("node-1")).expect("it is there") {
        let lock = part.expect("it is there").path().join("owner.lock");
        fs::remove_file(lock).expect("it is there");
    }
    let second = cluster.command(0).output().expect("the program starts");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another process has it open"), "{said}");
    assert!(node.0.try_wait().expect("a child").is_none(), "the first one ended");
}
