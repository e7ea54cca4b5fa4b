//! Real processes: what clients of one node cannot do to the others, and to the node.

mod harness;

use harness::{Cluster, Process, connect, eventually};
use redis::Commands;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn idle_connections_leave_descriptors_for_the_store() {
    let mut cluster = Cluster::start(1);
    cluster.kill(0);
    // Of 256 descriptors, more than 100 are not for clients.
    let node = cluster.command(0);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -Sn 100; ulimit -Hn 256; exec \"$0\" \"$@\""]);
    shell.arg(node.get_program()).args(node.get_args());
    shell.stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process(shell.spawn().expect("there is a shell"));
    let at = cluster.resp[0];
    eventually("it serves", || TcpStream::connect(at).is_ok());
    let mut writer = connect(at);
    let _: () = writer.set("first", "1").unwrap();

    let mut idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(at).unwrap()).collect();
    let mut words = String::new();
    for client in &mut idle {
        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let _ = client.read_to_string(&mut words);
    }
    let refused = words.matches("-ERR max number of clients reached\r\n").count();
    assert!((150..250).contains(&refused), "{refused} of 300 were refused");

    let value = vec![b'v'; 1_000_000];
    for at in 0..100 {
        let _: () = writer.set(format!("large {at}"), &value).unwrap();
    }
    assert!(process.0.try_wait().unwrap().is_none(), "the node has ended");
    drop(idle);
    // Their places are free again.
    eventually("another one is served", || {
        let mut client = TcpStream::connect(at).unwrap();
        let mut reply = [0; 7];
        client.write_all(b"PING\r\n").is_ok()
            && client.read_exact(&mut reply).is_ok()
            && reply == *b"+PONG\r\n"
    });
}

#[test]
fn what_stands_behind_a_refused_multi_is_not_carried_out_and_the_client_goes_on() {
    let cluster = Cluster::start(1);
    let mut client = connect(cluster.resp[0]);
    let mut transaction = redis::pipe();
    transaction.atomic().set("m", 1).ignore().incr("m", 1);
    // This library reads all replies and shows the last of the errors in words of its own.
    assert!(transaction.query::<()>(&mut client).is_err());
    let error = redis::cmd("MULTI").query::<()>(&mut client).unwrap_err().to_string();
    assert!(error.contains("transactions are not supported"), "{error}");
    let error = redis::cmd("GET").arg("m").query::<()>(&mut client).unwrap_err().to_string();
    assert!(error.contains("stands behind a MULTI"), "{error}");
    let _: () = redis::cmd("DISCARD").query(&mut client).unwrap();
    assert_eq!(client.get::<_, Option<String>>("m").unwrap(), None);
    let _: () = client.set("m", 2).unwrap();
    assert_eq!(client.get::<_, i64>("m").unwrap(), 2);
}
