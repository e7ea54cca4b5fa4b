//! Live traces, replayed through the very handlers that were proved.

mod harness;

use harness::{Cluster, Protocol, eventually, output, run};
use redis::Commands;
use std::sync::atomic::{AtomicU64, Ordering};

/// Coordinators are traced as well: how they replaced a view is executed again, and how the member
/// that was left out came back.
#[test]
fn a_change_of_the_view_replays_step_by_step() {
    let mut cluster = Cluster::traced(Protocol::Chain, 3);
    let mut connection = cluster.connect(1);
    for value in 0..50 {
        let _: () = connection.set("key", value).unwrap();
    }
    cluster.kill(0);
    eventually("writes are accepted again", || connection.set::<_, _, ()>("key", 50).is_ok());
    cluster.until_role(1, 0, "removed");
    cluster.restart(0);
    let _: () = cluster.connect(0).set("key", 51).unwrap();
    cluster.until_role(1, 0, "tail");
    cluster.stop();
    let files: Vec<_> = (0..3).map(|node| cluster.trace_file(node)).collect();
    let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let out = run(&[&["replay", "--json"], &files[..]].concat());
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["files"], &report["starts"]), (&3.into(), &4.into()), "{said}");
    assert!(report["received"].as_u64() > Some(300), "{said}");
}

#[test]
fn a_chain_with_a_kill_in_it_replays_step_by_step_and_a_forged_one_does_not() {
    a_run_with_a_kill_in_it_replays_and_a_forged_one_does_not(Protocol::Chain);
}

#[test]
fn a_ring_with_a_kill_in_it_replays_step_by_step_and_a_forged_one_does_not() {
    a_run_with_a_kill_in_it_replays_and_a_forged_one_does_not(Protocol::Ring);
}

fn a_run_with_a_kill_in_it_replays_and_a_forged_one_does_not(protocol: Protocol) {
    let mut cluster = Cluster::traced(protocol, 3);
    let written = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for writer in 0..6_u64 {
            let mut connection = cluster.connect([0, 2][writer as usize % 2]);
            let written = &written;
            scope.spawn(move || {
                for value in 0..150 {
                    let key = format!("key:{}", (writer + value) % 7);
                    match connection.incr::<_, _, i64>(&key, 1) {
                        Ok(_) => {}
                        // A key of a ring that many write at once may go on without telling.
                        Err(error) if protocol == Protocol::Ring => {
                            assert_eq!(error.code(), Some("UNKNOWN"), "{error}");
                        }
                        Err(error) => panic!("{error}"),
                    }
                    let _: i64 = connection.get(&key).unwrap();
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("some were written", || written.load(Ordering::Relaxed) > 100);
        cluster.kill(1);
        cluster.restart(1);
    });
    cluster.stop();
    let files: Vec<_> = (0..3).map(|node| cluster.trace_file(node)).collect();
    let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let replay = |files: &[&str]| run(&[&["replay", "--json"], files].concat());

    let out = replay(&files);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["files"], &report["starts"]), (&3.into(), &4.into()), "{said}");
    assert!(report["steps"].as_u64() > Some(5_000), "{said}");
    assert!(report["received"].as_u64() > Some(4_000), "{said}");

    // The controls. A trace that ends early is what a killed node leaves, but then others have
    // received what this node seems not to have sent. A flipped bit is damage.
    let whole = std::fs::read(files[0]).unwrap();
    std::fs::write(files[0], &whole[..whole.len() / 2]).unwrap();
    let out = replay(&files);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("had not sent"), "{said}");
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    std::fs::write(files[0], &bytes).unwrap();
    let out = replay(&files);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("damaged behind byte"), "{said}");
    std::fs::write(files[0], &whole).unwrap();

    // What is no trace is neither replayed nor written over.
    let letter = cluster.dir.path().join("letter");
    std::fs::write(&letter, "Dear all, this is no trace, and it is dear to us.").unwrap();
    let out = replay(&[files[0], letter.to_str().unwrap()]);
    assert!(!out.status.success());
    let mut command = harness::chainring();
    command.args(["node", "--id", "1", "--config"]).arg(cluster.file());
    let out = output(command.arg("--trace").arg(&letter));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!out.status.success() && said.contains("no trace"), "{said}");
    assert!(std::fs::read_to_string(&letter).unwrap().starts_with("Dear all"));
}
