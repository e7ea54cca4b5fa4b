//! A blocking connection to a front door, for programs and tests that have to know whether it
//! answers.
//!
//! It is the redis crate's commands on a socket of its own. That crate's `Connection` hands on
//! whatever a read returns; and on Linux a read with a timeout returns "Interrupted system call"
//! whenever its process was stopped and continued meanwhile (`signal(7)`, "Interruption of system
//! calls and library functions by stop signals"), be it by a terminal, by a debugger, or by a tool
//! that freezes a container. That says nothing about the operation, so it is no error here: the
//! read goes on.

use redis::{ConnectionLike, ErrorKind, Parser, RedisError, RedisResult, Value};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to a front door. It is closed by the first error that is not an answer of the
/// server.
pub struct Connection {
    stream: TcpStream,
    parser: Parser,
    is_open: bool,
}

/// Connects to a front door. Connecting, and every read and write, fails after `patience`.
///
/// # Errors
/// When no process listens there.
pub fn connect(address: SocketAddr, patience: Duration) -> RedisResult<Connection> {
    let stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(Connection { stream, parser: Parser::new(), is_open: true })
}

/// Reads on after an interruption.
struct Steady<R>(R);

impl<R: Read> Read for Steady<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }
}

impl Connection {
    /// Sends commands, and reads so many answers.
    fn ask(&mut self, packed: &[u8], count: usize) -> RedisResult<Vec<Value>> {
        if !self.is_open {
            return Err(RedisError::from((ErrorKind::Io, "the connection has failed before")));
        }
        let mut asked = || {
            self.stream.write_all(packed)?; // which goes on after interruptions by itself
            (0..count).map(|_| self.parser.parse_value(Steady(&self.stream))).collect()
        };
        let answers: RedisResult<_> = asked();
        self.is_open = answers.is_ok();
        answers
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command(&mut self, packed: &[u8]) -> RedisResult<Value> {
        Ok(self.ask(packed, 1)?.remove(0)) // of exactly one
    }

    fn req_packed_commands(
        &mut self,
        packed: &[u8],
        offset: usize,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let mut answers = self.ask(packed, offset + count)?;
        Ok(answers.split_off(offset))
    }

    fn get_db(&self) -> i64 {
        0
    }

    fn check_connection(&mut self) -> bool {
        redis::cmd("PING").exec(self).is_ok()
    }

    fn is_open(&self) -> bool {
        self.is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const PATIENCE: Duration = Duration::from_secs(30);

    /// What is read from a script: an interruption, or bytes.
    struct Scripted(Vec<Option<&'static [u8]>>);

    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.pop() {
                None => Ok(0),
                Some(None) => Err(io::ErrorKind::Interrupted.into()),
                Some(Some(bytes)) => {
                    buffer[..bytes.len()].copy_from_slice(bytes);
                    Ok(bytes.len())
                }
            }
        }
    }

    #[test]
    fn an_interruption_is_no_end_of_an_answer() {
        let script = || Scripted(vec![Some(b"lo\r\n"), None, Some(b"+hel"), None]);
        assert!(Parser::new().parse_value(script()).is_err(), "the parser alone gives up");
        let read = Parser::new().parse_value(Steady(script()));
        assert_eq!(read, Ok(Value::SimpleString("hello".into())));
    }

    #[test]
    fn answers_come_in_order_and_errors_are_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked, b"*1\r\n$4\r\nPING\r\n");
            stream.write_all(b"-ERR not now\r\n").unwrap();
            stream.read_exact(&mut [0; 28]).unwrap();
            stream.write_all(b":1\r\n:2\r\n").unwrap();
        });
        let mut connection = connect(address, PATIENCE).unwrap();
        let refused = redis::cmd("PING").exec(&mut connection).unwrap_err();
        assert_eq!(refused.detail(), Some("not now"));
        let both: (u8, u8) = redis::pipe().cmd("PING").cmd("PING").query(&mut connection).unwrap();
        assert_eq!(both, (1, 2));
        server.join().unwrap();
        assert!(!connection.check_connection(), "no process is there any more");
        assert!(!connection.is_open());
        let closed = redis::cmd("PING").exec(&mut connection).unwrap_err();
        assert!(closed.to_string().contains("has failed before"), "{closed}");
    }
}
