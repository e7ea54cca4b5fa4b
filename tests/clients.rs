//! Client libraries that others wrote, and an exporter, through each node of a chain and of a ring.
//!
//! The programs in `clients/` are run with packages that are installed into a temporary place:
//! redis-py in three of its major versions, Valkey GLIDE, ioredis and node-redis. What cannot be
//! installed here is said to be not tested, unless `CHAINRING_ALL_TOOLS` asks for it.

mod harness;

use harness::{Cluster, Protocol, eventually, has_tool, not_tested};
use redis::{Commands, FromRedisValue};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

/// Packages of Python, as pip names them, each by itself in a folder; and the program that uses it.
const PYTHON: [(&str, &str); 4] = [
    ("redis==5.3.1", "redis_py.py"),
    ("redis==6.4.0", "redis_py.py"),
    ("redis==8.1.0", "redis_py.py"),
    ("valkey-glide==2.6.0", "valkey_glide.py"),
];

/// Packages of Node.js, together in a folder.
const NODE: [&str; 2] = ["ioredis@6", "redis@6"];

fn clusters() -> [Cluster; 2] {
    [Protocol::Chain, Protocol::Ring].map(|protocol| Cluster::of(protocol, 3))
}

/// Runs a program to its end; what it said, if it failed.
fn run(command: &mut Command) -> Result<(), String> {
    let out = command.output().map_err(|why| format!("{command:?}: {why}"))?;
    let said = [out.stdout, out.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    if out.status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended by {}:\n{}", out.status, said.concat()))
}

/// Installs packages; whether that was possible.
fn installs(what: &str, command: &mut Command) -> bool {
    let installed = run(command);
    let asked = std::env::var_os("CHAINRING_ALL_TOOLS").is_some();
    match installed {
        Ok(()) => true,
        Err(why) if asked => panic!("{what} cannot be installed: {why}"),
        Err(why) => {
            not_tested(&format!("{what} cannot be installed: {why}"));
            false
        }
    }
}

fn program(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn ports(cluster: &Cluster) -> Vec<String> {
    cluster.resp.iter().map(|address| address.port().to_string()).collect()
}

#[test]
fn libraries_of_python() {
    if !has_tool("python3", &["-m", "pip", "--version"]) {
        return;
    }
    let clusters = clusters();
    for (package, uses) in PYTHON {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut pip = Command::new("python3");
        let pip = pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        if !installs(package, pip.arg("--target").arg(dir.path()).arg(package)) {
            continue;
        }
        for cluster in &clusters {
            let mut python = Command::new("python3");
            let python = python.env("PYTHONPATH", dir.path()).arg(program(uses));
            run(python.args(ports(cluster))).unwrap_or_else(|why| panic!("{package}: {why}"));
        }
    }
}

#[test]
fn libraries_of_node() {
    if !has_tool("npm", &["--version"]) {
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix"])
        .arg(dir.path());
    if !installs("ioredis and node-redis", npm.args(NODE).current_dir(dir.path())) {
        return;
    }
    for cluster in clusters() {
        let mut node = Command::new("node");
        let node = node.current_dir(dir.path()).arg(program("node.mjs")).args(ports(&cluster));
        run(node).unwrap_or_else(|why| panic!("{why}"));
    }
}

#[test]
fn the_library_of_rust() {
    for cluster in clusters() {
        for address in &cluster.resp {
            let client = redis::Client::open(format!("redis://{address}")).expect("an address");
            let mut connection = client.get_connection().expect("a node");
            let _: () = connection.set("rs", "v").expect("a write");
            let (found, counted): (String, i64) = redis::pipe()
                .get("rs")
                .incr("rs:n", 1)
                .query(&mut connection)
                .expect("answers to a pipeline");
            assert_eq!((&found[..], counted), ("v", 1));
            let keys = connection.scan_match("rs*").expect("a scan");
            let mut keys: Vec<String> = keys.map(|key| key.expect("a key")).collect();
            keys.sort();
            assert_eq!(keys, ["rs", "rs:n"]);
            let deleted: i64 = connection.del(&["rs", "rs:n"]).expect("a delete");
            assert_eq!(deleted, 2);
        }
    }
}

/// A client that lists all nodes as its sentinels goes on when the one that it talks to dies.
#[test]
fn sentinels_name_a_node_that_lives() {
    let mut cluster = Cluster::of(Protocol::Chain, 3);
    let address = |cluster: &Cluster, node: usize| {
        let mut ask = redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg("anything");
        let found: (String, u16) = ask.query(&mut cluster.connect(node)).expect("an address");
        let others: Vec<Vec<String>> = redis::cmd("SENTINEL")
            .arg("sentinels")
            .arg("anything")
            .query(&mut cluster.connect(node))
            .expect("the other nodes");
        assert_eq!(others.len(), 2, "{others:?}");
        found
    };
    for (node, own) in cluster.resp.iter().enumerate() {
        assert_eq!(address(&cluster, node), (own.ip().to_string(), own.port()));
    }
    cluster.kill(0);
    let (host, port) = address(&cluster, 1);
    let found: SocketAddr = format!("{host}:{port}").parse().expect("an address");
    assert_eq!(found, cluster.resp[1]);
    eventually("the rest of the chain goes on", || {
        let mut connection = harness::connect(found);
        redis::cmd("SET").arg("key").arg("value").query::<()>(&mut connection).is_ok()
    });
}

#[test]
fn a_flush_empties_the_cluster() {
    for cluster in clusters() {
        let mut connection = cluster.connect(0);
        let mut fill = redis::pipe();
        for number in 0..2500 {
            fill.set(format!("key:{number}"), number).ignore();
        }
        fill.query::<()>(&mut connection).expect("writes");
        fn ask<T: FromRedisValue>(cluster: &Cluster, node: usize, word: &str) -> T {
            redis::cmd(word).query(&mut cluster.connect(node)).expect("an answer")
        }
        assert_eq!(ask::<i64>(&cluster, 1, "DBSIZE"), 2500);
        assert_eq!(ask::<String>(&cluster, 2, "FLUSHALL"), "OK");
        for node in 0..3 {
            assert_eq!(ask::<i64>(&cluster, node, "DBSIZE"), 0);
        }
    }
}

#[test]
fn an_exporter_shows_the_number_of_keys() {
    const EXPORTER: &str = "prometheus-redis-exporter";
    if !has_tool(EXPORTER, &["--version"]) {
        return;
    }
    for cluster in clusters() {
        let mut fill = redis::pipe();
        for number in 0..7 {
            fill.set(number, number).ignore();
        }
        fill.query::<()>(&mut cluster.connect(0)).expect("writes");
        for node in &cluster.resp {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            let free = free.expect("a free port").to_string();
            let mut exporter = Command::new(EXPORTER);
            exporter.args([
                "-redis.addr",
                &format!("redis://{node}"),
                "-web.listen-address",
                &free,
            ]);
            let exporter = exporter.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            let _exporter = harness::Process(exporter.expect("it starts"));
            let mut shown = String::new();
            eventually("the exporter counts the keys", || {
                shown = metrics(&free).unwrap_or_default();
                shown.contains("redis_db_keys{db=\"db0\"} 7\n")
            });
            assert!(shown.contains("redis_up 1\n"), "{shown}");
        }
    }
}

/// What an exporter says.
fn metrics(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}
