//! The Explorer opens the runs that checks print.

mod harness;

use harness::{Process, chainring, eventually, run};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

/// What the Explorer says at a path: what can happen there.
fn states(addr: SocketAddr, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(addr).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /.states/{path} HTTP/1.0\r\n\r\n").ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    let (_, body) = said.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// Of mutants that are searched for, and of one that follows a script: the last step that
/// was printed is what the Explorer offers where the path but for its last number leads.
#[test]
fn a_path_that_a_check_prints_leads_to_its_last_step() {
    for (model, mutant) in [
        ("chain-count", "no deduplication"),
        ("ring-write", "accept below the promise"),
        ("ring-purge", "purge without ballot floor"),
        ("members-two", "a suspicion not refuted"),
    ] {
        let out = run(&["check", model, "--mutants", "--json"]);
        let catches: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let catches = catches.as_array().expect("a list");
        let catch = catches.iter().find(|catch| catch["mutant"] == mutant);
        let catch = catch.unwrap_or_else(|| panic!("{mutant} is not of {model}: {catches:?}"));
        let properties = catch["report"]["properties"].as_array().expect("a list");
        let fallen = properties.iter().find(|it| it["property"] == catch["property"]);
        let trace = &fallen.expect("it fell")["trace"];
        let path = trace["path"].as_str().expect("a path");
        let steps = trace["steps"].as_array().expect("a list");
        let (before, last) = path.rsplit_once('/').expect("there are steps");
        assert_eq!(path.split('/').count(), steps.len() + 1, "a start, and the steps");

        let open = || {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
            let addr = free.expect("a free port");
            let mut command = chainring();
            command.args(["explore", model, "--mutant", mutant, "--path", path]);
            command.args(["--addr", &addr.to_string()]).stdout(Stdio::null());
            (Process(command.spawn().expect("the program starts")), addr)
        };
        let mut explorer = open();
        let mut offered = None;
        eventually("the Explorer answers", || {
            if explorer.0.0.try_wait().is_ok_and(|ended| ended.is_some()) {
                explorer = open(); // another program took the port
            }
            offered = states(explorer.1, before);
            offered.is_some()
        });
        let offered = offered.expect("it was found");
        let offered = offered.as_array().expect("a list");
        let index: usize = last.parse().expect("a number");
        let view = offered.iter().find(|view| view["actionIndex"] == index);
        let view = view.unwrap_or_else(|| panic!("{mutant}: {path} leads nowhere"));
        // A script calls actors by other names: `g0 > n1: Accept { … }`.
        let step = steps.last().and_then(Value::as_str).expect("text");
        let said = step.split_once(": ").filter(|(who, _)| who.contains(" > "));
        let said = said.map_or(step, |(_, said)| said);
        let action = view["action"].as_str().expect("text");
        assert!(action.contains(said), "{mutant}: {action} is not {step}");
        assert!(!view["state"].is_null(), "{mutant}: it does not happen");
    }
}
