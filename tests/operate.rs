//! What an operator meets: the verdict of `status`, mistakes that can be taken back, signals, logs.

mod harness;

use harness::{Cluster, Protocol, chainring, eventually, output, run, start_cluster};
use rustix::process::Signal;
use serde_json::Value;
use std::process::{Output, Stdio};

/// All that a program said.
fn said(out: &Output) -> String {
    let [said, complained] = [&out.stdout, &out.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{said}{complained}")
}

fn verdict(cluster: &Cluster) -> (String, Option<i32>) {
    let out = run(&["status", "--config", cluster.file().to_str().unwrap()]);
    (said(&out).lines().next().unwrap_or_default().to_string(), out.status.code())
}

#[test]
fn status_says_first_how_a_chain_is_and_its_exit_code_does_too() {
    let mut cluster = Cluster::start(3);
    let file = cluster.file();
    let wait = ["status", "--wait", "healthy", "--config", file.to_str().unwrap()];
    assert!(run(&wait).status.success());
    let (word, code) = verdict(&cluster);
    assert_eq!((word.as_str(), code), ("HEALTHY: 3 of 3 copies, 3 of 3 coordinators", Some(0)));

    cluster.kill(2);
    let (word, code) = verdict(&cluster);
    assert!(word.starts_with("DEGRADED: 2 of 3 copies, 2 of 3 coordinators: the next"), "{word}");
    assert!(word.contains("node 3 is not there: start it"), "{word}");
    assert_eq!(code, Some(1));
    let late = run(&[&wait[..], &["--timeout", "1"]].concat());
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));

    cluster.kill(1);
    let (word, code) = verdict(&cluster);
    assert!(word.starts_with("DOWN: ") && word.contains("start nodes 2, 3"), "{word}");
    assert_eq!(code, Some(2));
    cluster.kill(0);
    let (word, code) = verdict(&cluster);
    assert!(word.starts_with("DOWN: 0 of 3 copies, 0 of 3 coordinators"), "{word}");
    assert_eq!(code, Some(2));

    cluster.restart_all();
    assert!(run(&wait).status.success());
    let report = cluster.report();
    for place in report["chains"][0]["nodes"].as_array().unwrap() {
        assert_eq!(place["version"], env!("CARGO_PKG_VERSION"), "{report}");
    }
    // What cannot be asked about is neither well nor down.
    let nowhere = run(&["status", "--dir", "/no/such"]);
    assert_eq!(nowhere.status.code(), Some(3));
    let said = said(&nowhere);
    assert_eq!(said.matches("/no/such/cluster.toml").count(), 1, "{said}");
    assert!(said.contains("cluster chain`"), "{said}");
}

#[test]
fn status_says_first_how_a_ring_is() {
    let mut cluster = Cluster::of(Protocol::Ring, 3);
    let file = cluster.file();
    let wait = ["status", "--wait", "healthy", "--config", file.to_str().unwrap()];
    assert!(run(&wait).status.success());
    assert_eq!(verdict(&cluster).0, "HEALTHY: 3 of 3 nodes, 3 of 3 coordinators");
    cluster.kill(2);
    let (word, code) = verdict(&cluster);
    assert!(word.contains("2 of 3 nodes, 2 of 3 coordinators: the next failure stops"), "{word}");
    assert_eq!(code, Some(1));
    cluster.kill(1);
    let (word, code) = verdict(&cluster);
    assert!(word.starts_with("DOWN: 1 of 3 nodes") && word.contains("start nodes 2, 3"), "{word}");
    assert_eq!(code, Some(2));
}

#[test]
fn what_a_wrong_join_wrote_can_be_taken_back() {
    let mut cluster = Cluster::start(3);
    let file = cluster.file();
    let file = file.to_str().unwrap();
    for _ in 0..2 {
        assert!(run(&["join", "--config", file]).status.success());
    }
    cluster.add();
    let forget = |id: &str| run(&["forget", id, "--config", file]);
    for (id, why) in [("1", "from the beginning"), ("9", "has no node 9")] {
        let out = forget(id);
        assert!(!out.status.success() && said(&out).contains(why), "{}", said(&out));
    }
    // One that runs is not forgotten, nor one that is a member and does not.
    cluster.restart(4);
    let out = forget("5");
    assert!(!out.status.success() && said(&out).contains("node 5 runs"), "{}", said(&out));
    cluster.until_role(1, 4, "tail");
    cluster.kill(4);
    let mut out = forget("5");
    eventually("it is left out", || {
        let is_over = out.status.success();
        assert!(is_over || said(&out).contains("member"), "{}", said(&out));
        if !is_over {
            out = forget("5");
        }
        is_over
    });
    assert!(forget("4").status.success());
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text.matches("[[node]]").count(), 3, "{text}");

    // Nodes that run take it, and the next newcomer too, which has numbers that no node ever had.
    assert!(run(&["join", "--config", file]).status.success());
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains("id = 6"), "{text}");
    eventually("every node knows", || {
        (0..3).all(|node| {
            let log = std::fs::read_to_string(cluster.log_file(node)).unwrap();
            log.contains("was removed from the cluster file") && log.contains("node=6")
        })
    });
}

#[test]
fn a_chain_has_no_leave_and_says_what_there_is() {
    let cluster = Cluster::start(3);
    let out = run(&["leave", "2", "--config", cluster.file().to_str().unwrap()]);
    let said = said(&out);
    assert!(!out.status.success(), "{said}");
    for what in ["a chain has no `leave`", "Stop node 2", "after 1200 ms", "also one of those who"]
    {
        assert!(said.contains(what), "{said}");
    }
}

#[test]
fn who_leaves_a_ring_hears_what_that_waits_for() {
    let cluster = Cluster::of(Protocol::Ring, 4);
    let file = cluster.file();
    let leave = |id: &str| run(&["leave", id, "--wait", "--config", file.to_str().unwrap()]);
    let out = leave("4");
    assert!(out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("node 4 is leaving: "), "{}", said(&out));
    assert!(said(&out).contains("node 4 is outside the ring"), "{}", said(&out));
    assert!(said(&leave("4")).contains("node 4 is not in the ring"));
    // As small as it may be: it says so, rather than that it is leaving.
    let out = leave("3");
    assert!(!out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("it never shrinks below that: node 3 stays"), "{}", said(&out));
}

#[test]
fn a_cluster_keeps_its_file_and_says_who_goes_on_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cluster, _, _) = start_cluster(Protocol::Chain, dir.path(), 3);
    let file = dir.path().join("cluster.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let at = before.lines().find_map(|line| line.strip_prefix("resp = ")).unwrap().to_string();
    cluster.signal(Signal::TERM);
    assert!(cluster.0.wait().unwrap().success());
    // A node that was started by hand already has its port, so the cluster says which, and starts
    // nothing.
    let mut command = chainring();
    command.args(["node", "--with-parent", "--id", "1", "--config"]).arg(&file);
    let node = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let node = harness::Process(node);
    let at = at.trim_matches('"').parse().unwrap();
    eventually("it serves", || std::net::TcpStream::connect::<std::net::SocketAddr>(at).is_ok());
    let out = run(&["cluster", "chain", "--dir", dir.path().to_str().unwrap()]);
    assert!(!out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("node 1 cannot have UDP"), "{}", said(&out));
    drop(node);
    let (cluster, _, _) = start_cluster(Protocol::Chain, dir.path(), 3);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
    drop(cluster);
}

#[test]
fn a_member_brought_back_by_hand_is_named_when_the_cluster_ends() {
    use std::io::Read;
    let dir = tempfile::tempdir().unwrap();
    let (cluster, resp, mut lines) = start_cluster(Protocol::Chain, dir.path(), 3);
    let pid = rustix::process::Pid::from_child(&cluster.0);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let of_node = |pid: &&str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.ends_with(b"--id\x003\x00")
    };
    let third: i32 = children.split_whitespace().find(of_node).unwrap().parse().unwrap();
    let third = rustix::process::Pid::from_raw(third).unwrap();
    rustix::process::kill_process(third, Signal::KILL).unwrap();
    eventually("it is gone", || std::net::TcpStream::connect(resp[2]).is_err());
    let mut command = chainring();
    command
        .args(["node", "--with-parent", "--id", "3", "--config"])
        .arg(dir.path().join("cluster.toml"));
    let node = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let _node = harness::Process(node);
    eventually("it serves", || std::net::TcpStream::connect(resp[2]).is_ok());
    cluster.signal(Signal::TERM);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("node 3 goes on: it was started by itself"), "{rest}");
}

#[test]
fn a_mistake_on_the_command_line_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("z1");
    let new_text = new.to_str().unwrap();
    for (args, what) in [
        (vec!["cluster", "chain", "--tokens", "5", "--dir", new_text], "are of a ring"),
        (vec!["cluster", "ring", "--chains", "2", "--dir", new_text], "leave --chains out"),
        (vec!["cluster", "chain", "--resp-port", "65535", "--dir", new_text], "leaves no ports"),
        (vec!["cluster", "chain", "--dir", "/etc/passwd"], "/etc/passwd is a file"),
    ] {
        let out = run(&args);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {}", said(&out));
        assert!(said(&out).contains(what), "{args:?}: {}", said(&out));
        assert!(!new.exists(), "{args:?}");
    }
    // Fewer nodes than copies are possible, and said.
    let options = ["--nodes", "2", "--only-init", "--resp-port", "0", "--dir", new_text];
    let out = run(&[&["cluster", "ring"], &options[..]].concat());
    assert!(out.status.success(), "{}", said(&out));
    assert!(said(&out).contains("there are 2 copies of a key, not 3"), "{}", said(&out));
}

#[test]
fn a_node_that_has_lost_its_coordinators_store_is_told_so_by_both() {
    let mut cluster = Cluster::start(3);
    cluster.stop();
    let dir = cluster.dir.path().join("node-3");
    std::fs::remove_dir_all(dir.join("coordinator")).unwrap();
    let config = cluster.file();
    for out in [
        output(&mut cluster.command(2)),
        run(&["init", "--config", config.to_str().unwrap(), "--id", "3"]),
    ] {
        assert_eq!(out.status.code(), Some(1), "{}", said(&out));
        assert!(
            said(&out).contains("the store of the node's coordinator is not in"),
            "{}",
            said(&out)
        );
        assert!(said(&out).contains("chainring join"), "{}", said(&out));
    }
}

#[test]
fn a_store_of_another_protocol_is_called_that() {
    let mut cluster = Cluster::start(1);
    cluster.stop();
    let text = std::fs::read_to_string(cluster.file()).unwrap();
    let (before, after) = text.split_once("[timeouts]").unwrap();
    let nodes = after.split_once("[[node]]").unwrap().1;
    let before = before.replace("protocol = \"chain\"", "protocol = \"ring\"");
    std::fs::write(cluster.file(), format!("{before}[[node]]{nodes}")).unwrap();
    let out = output(&mut cluster.command(0));
    assert_eq!(out.status.code(), Some(1), "{}", said(&out));
    assert!(said(&out).contains("is whole, and a chain's"), "{}", said(&out));
    assert!(!said(&out).contains("damaged"), "{}", said(&out));
}

#[test]
fn a_hangup_ends_no_node() {
    let mut cluster = Cluster::start(1);
    let log = || std::fs::read_to_string(cluster.log_file(0)).unwrap();
    for times in 1..=2 {
        cluster.process(0).signal(Signal::HUP);
        eventually("it has heard", || log().matches("SIGHUP").count() == times);
    }
    assert_eq!(verdict(&cluster).1, Some(0));
    cluster.stop();
}

#[test]
fn settings_of_the_log_that_cannot_be_meant_are_said() {
    let check = |name: &str, value: &str| {
        said(&output(chainring().args(["check", "chain-lossy"]).env(name, value)))
    };
    let text = check("CHAINRING_LOG", "inof");
    assert!(text.contains("CHAINRING_LOG: `inof` is neither a level"), "{text}");
    let text = check("CHAINRING_LOG_FORMAT", "yaml");
    assert!(text.contains("`yaml` is neither `text` nor `json`"), "{text}");
    assert!(!check("CHAINRING_LOG", "debug").contains("CHAINRING_LOG"));
}

#[test]
fn logs_are_json_where_that_is_asked_for() {
    let mut cluster = Cluster::start(1);
    cluster.stop();
    let log = cluster.log_file(0);
    std::fs::write(&log, "").unwrap();
    let file = std::fs::File::options().append(true).open(&log).unwrap();
    let mut command = cluster.command(0);
    command.env("CHAINRING_LOG_FORMAT", "json").stdout(Stdio::null()).stderr(file);
    let node = harness::Process(command.spawn().unwrap());
    let text = || std::fs::read_to_string(&log).unwrap();
    eventually("it serves", || text().contains("serving"));
    drop(node);
    for line in text().lines() {
        let entry: Value = serde_json::from_str(line).expect(line);
        assert!(entry["level"].is_string() && entry["message"].is_string(), "{entry}");
    }
}

/// Which node, after how long a silence, and once a node, whichever of its actors has found out.
#[test]
fn a_log_says_once_who_is_missed_and_for_how_long() {
    let mut cluster = Cluster::start(3);
    let file = cluster.file();
    let wait = ["status", "--wait", "healthy", "--config", file.to_str().unwrap()];
    assert!(run(&wait).status.success());
    cluster.kill(1);
    let log = |node: usize| std::fs::read_to_string(cluster.log_file(node)).unwrap();
    let out = "a new view: node 2 is left out";
    eventually("both have heard of the view", || {
        [0, 2].iter().all(|node| log(*node).contains(out))
    });
    let suspected = |log: String| {
        let line = log.lines().find(|line| line.contains("node 2 is suspected: nothing was heard"));
        line?.split("silence_ms=").nth(1)?.trim().parse::<u64>().ok()
    };
    let silence = [0, 2].into_iter().find_map(|node| suspected(log(node)));
    assert!(silence >= Some(1_200), "{silence:?}: {}", log(0));
    for node in [0, 2] {
        assert_eq!(log(node).matches(out).count(), 1, "{}", log(node));
        assert!(!log(node).contains("Id("), "{}", log(node));
    }
}

#[test]
fn a_new_store_is_named_in_the_file_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cluster.toml");
    let hosts = ["--host", "a=127.0.0.2", "--host", "b=127.0.0.3", "--host", "c=127.0.0.4"];
    let out = run(&[&["plan", "chain"], &hosts[..]].concat());
    assert!(out.status.success(), "{}", said(&out));
    std::fs::write(&file, &out.stdout).unwrap();
    let path = file.to_str().unwrap();
    let inits = ["1", "2", "3"].map(|id| {
        let mut command = chainring();
        command.args(["init", "--write", "--config", path, "--id", id]).stdout(Stdio::null());
        command.spawn().unwrap()
    });
    for mut init in inits {
        assert!(init.wait().unwrap().success());
    }
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("store = ").count(), 3, "{text}");
    assert!(text.contains("[[node]] # b"), "{text}");
    // Its stores are made once.
    let again = run(&["init", "--write", "--config", path, "--id", "2"]);
    assert!(!again.status.success() && said(&again).contains("already"), "{}", said(&again));
}

/// What systemd is told with `Type=notify`.
#[test]
fn a_node_tells_its_service_manager_when_it_serves_and_when_it_ends() {
    let mut cluster = Cluster::start(1);
    cluster.stop();
    let at = cluster.dir.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&at).unwrap();
    manager.set_read_timeout(Some(harness::PATIENCE)).unwrap();
    let mut command = cluster.command(0);
    command.env("NOTIFY_SOCKET", &at).stdout(Stdio::null()).stderr(Stdio::null());
    let mut node = harness::Process(command.spawn().unwrap());
    let told = || {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_string()
    };
    assert_eq!(told(), "READY=1");
    assert!(std::net::TcpStream::connect(cluster.resp[0]).is_ok(), "it serves");
    node.signal(Signal::TERM);
    assert_eq!(told(), "STOPPING=1");
    assert!(node.0.wait().unwrap().success());
}

#[test]
fn a_check_says_what_it_has_found_and_which_model_was_meant() {
    let out = run(&["check", "chain-raeds"]);
    assert!(said(&out).contains("`chain-reads`"), "{}", said(&out));
    let out = run(&["check", "chain-reads"]);
    let text = said(&out);
    assert!(text.starts_with("ok    chain-reads "), "{text}");
    assert!(text.contains("\n1 model holds, exhaustively: 126 unique states in "), "{text}");
    let out = run(&["check", "--list", "--json"]);
    let list: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let views = list.as_array().unwrap().iter().find(|it| it["name"] == "chain-views").unwrap();
    assert!(views["unique_states"].as_u64() > Some(100_000), "{views}");
    let out = run(&["check", "chain-lossy", "--mutants", "--json"]);
    let catches: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert!(catches.as_array().is_some_and(|it| !it.is_empty()), "{catches}");

    // A search that stops at a failure has not judged the rest.
    let out = run(&["check", "chain-count", "--mutants", "--json"]);
    let catches: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let first = &catches[0]["report"];
    let findings = first["properties"].as_array().unwrap().iter().map(|it| &it["finding"]);
    let findings: Vec<_> = findings.filter_map(Value::as_str).collect();
    assert!(findings.contains(&"falls") && findings.contains(&"not judged (stopped)"), "{first}");
    assert!(!findings.contains(&"never reached"), "{first}");
}

#[test]
fn shells_and_man_know_the_command_line() {
    for shell in ["bash", "zsh", "fish"] {
        let out = run(&["completions", shell]);
        assert!(out.status.success() && said(&out).contains("forget"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    let out = run(&["man", "--dir", dir.path().to_str().unwrap()]);
    assert!(out.status.success(), "{}", said(&out));
    for page in ["chainring.1", "chainring-status.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).expect(page);
        assert!(text.contains(".TH"), "{text}");
    }
}
