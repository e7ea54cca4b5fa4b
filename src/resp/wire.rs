//! The wire: requests out of hostile bytes, replies into bytes.
//!
//! The format is the `redis-protocol` crate's business, in both directions. Its decoder is made for
//! clients, which trust their server. Three habits of it are not for bytes that any program may
//! send: it calls itself for every nested array, however deep (the stack ends long before the
//! command does); it sets up to 64 KiB aside for every array header that it meets; and it begins
//! again at the first byte whenever a frame is incomplete, so that a frame that drips in costs the
//! square of its length. It also takes any two bytes for the end of a bulk string. So a guard reads
//! ahead of it. [`Reader`] accepts what clients do send, a flat array of bulk strings or one line
//! of text, measures it piecemeal without looking at a byte twice, refuses every length beyond
//! [`Bounds`] as soon as it is announced, and shows the decoder complete, flat, bounded frames
//! only.
//!
//! Nothing is allocated by a length that was sent: the buffer grows by what has arrived.

use redis_protocol::resp2::types::{
    BorrowedFrame as Borrowed2, OwnedFrame as Owned2, RangeFrame, Resp2Frame,
};
use redis_protocol::resp3::types::{
    BorrowedFrame as Borrowed3, FrameMap, FrameSet, OwnedFrame as Owned3, Resp3Frame,
    VerbatimStringFormat,
};
use redis_protocol::{resp2, resp3};
use std::borrow::Cow;
use std::ops::Range;

use chainring_model::kv::Value;

/// The longest inline command, in bytes, as in Redis.
const MAX_INLINE_BYTES: usize = 64 << 10;

/// The longest header line (`*…` or `$…`): a sign, the digits of a 64-bit number, and some air.
const MAX_HEADER_BYTES: usize = 32;

/// How much room the buffer has at least for each read from the socket.
const READ_BYTES: usize = 16 << 10;

/// What a request may measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The longest command, all of its frame counted.
    pub(super) bytes: usize,
    /// The most arguments of a command, its name included.
    pub(super) arguments: usize,
}

/// Why the bytes of a connection make no sense (any more); its text is Redis' own where it has one.
/// Nothing after it can be read, so the connection ends.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum WireError {
    /// When a frame's bytes break the format.
    #[error("ERR Protocol error: {0}")]
    Malformed(Cow<'static, str>),
    /// When a command would be longer than [`Bounds::bytes`].
    #[error("ERR Protocol error: command longer than {0} bytes")]
    TooLong(usize),
    /// When a web browser was talked into sending an HTTP request here; it gets no answer.
    #[error("ERR Possible cross protocol scripting attack")]
    Http,
}

/// A command's arguments, its name first.
pub(super) type Arguments<'a> = Vec<Cow<'a, [u8]>>;

/// [`Arguments`], or some of them, to look at.
pub(super) type Words<'a> = [Cow<'a, [u8]>];

/// Takes the bytes of one connection as they come and hands out its commands.
#[derive(Debug)]
pub(super) struct Reader {
    bounds: Bounds,
    /// What has arrived and was not consumed begins at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// How far from `start` the next frame has been checked.
    checked: usize,
    /// How many bulk strings the next frame still needs; `None` before its header was read.
    missing: Option<usize>,
}

/// The versions of the protocol that a client can ask for by `HELLO`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Protocol {
    /// What a connection begins with.
    Resp2,
    /// With maps, sets and a null of its own.
    Resp3,
}

/// A reply, before it is known in which version of the protocol it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    /// A line such as `OK`.
    Simple(Cow<'static, str>),
    /// An error: a code word and a sentence.
    Error(Cow<'static, str>),
    /// A number.
    Integer(i64),
    /// A stored value, shared with its other holders.
    Value(Value),
    /// Other bytes.
    Text(Vec<u8>),
    /// Text for people, which RESP3 marks as such.
    Verbatim(String),
    /// No value.
    Nil,
    /// A list.
    Array(Vec<Reply>),
    /// Names and what they stand for; RESP2 writes a flat list.
    Map(Vec<(Reply, Reply)>),
    /// A list without order or duplicates.
    Set(Vec<Reply>),
}

impl Protocol {
    /// As `HELLO` has it.
    pub(super) fn number(self) -> i64 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}

impl Reader {
    /// A reader before the first byte.
    pub(super) fn new(bounds: Bounds) -> Self {
        Reader { bounds, buffer: Vec::new(), start: 0, checked: 0, missing: None }
    }

    /// Where the next bytes from the socket go, with room for some.
    pub(super) fn space(&mut self) -> &mut Vec<u8> {
        // Not at each read: what waits behind it may be long.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        // A long command makes room by quarters, since what is reserved counts as held.
        let length = self.buffer.len();
        if self.buffer.capacity() - length < READ_BYTES {
            self.buffer.reserve_exact(READ_BYTES.max(length / 4));
        }
        &mut self.buffer
    }

    /// For how many more bytes there is room.
    pub(super) fn room(&self) -> usize {
        self.buffer.capacity() - self.buffer.len()
    }

    /// Gives its room back if nothing is in it.
    pub(super) fn rest(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
        }
    }

    /// How many bytes wait to be read as commands.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// How many bytes of memory it holds.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next command, or `None` until more bytes have come.
    pub(super) fn next(&mut self) -> Result<Option<Arguments<'_>>, WireError> {
        loop {
            let Some(first) = self.buffer.get(self.start) else {
                return Ok(None);
            };
            let inline = *first != b'*';
            let Some(frame) = (if inline { self.line()? } else { self.frame()? }) else {
                return Ok(None);
            };
            (self.checked, self.missing) = (0, None);
            self.start = frame.end;
            // An empty command is no command: an empty line, `*0` and `*-1` get no reply.
            let bytes = &self.buffer[frame.clone()];
            let empty = if inline { bytes.trim_ascii().is_empty() } else { is_empty_array(bytes) };
            if empty {
                continue;
            }
            // Borrowed anew, for as long as the caller likes: the loop has ended.
            let bytes = &self.buffer[frame];
            return if inline { split_line(bytes) } else { decode(bytes) }.map(Some);
        }
    }

    /// Measures a line of text.
    fn line(&mut self) -> Result<Option<Range<usize>>, WireError> {
        let rest = &self.buffer[self.start..];
        let Some(length) = rest[self.checked..].iter().position(|byte| *byte == b'\n') else {
            self.checked = rest.len();
            if rest.len() > MAX_INLINE_BYTES {
                return malformed("too big inline request");
            }
            return Ok(None);
        };
        Ok(Some(self.start..self.start + self.checked + length + 1))
    }

    /// Measures an array of bulk strings, from where it was left last time.
    fn frame(&mut self) -> Result<Option<Range<usize>>, WireError> {
        let rest = &self.buffer[self.start..];
        if self.missing.is_none() {
            let Some((count, after)) = header(rest, 0, "too big mbulk count string")? else {
                return Ok(None);
            };
            let count = match count {
                Some(count) if count <= 0 => 0,
                Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            if count > self.bounds.arguments {
                return malformed("invalid multibulk length");
            }
            (self.missing, self.checked) = (Some(count), after);
        }
        while let Some(missing @ 1..) = self.missing {
            match rest.get(self.checked) {
                None => return Ok(None),
                Some(b'$') => {}
                Some(other) => {
                    let other = char::from(*other).escape_default();
                    let text = format!("expected '$', got '{other}'");
                    return Err(WireError::Malformed(text.into()));
                }
            }
            let found = header(rest, self.checked, "too big bulk count string")?;
            let Some((length, body)) = found else {
                return Ok(None);
            };
            let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
                return malformed("invalid bulk length");
            };
            if length > self.bounds.bytes {
                return malformed("invalid bulk length");
            }
            // What is added here cannot overflow: `body` is within the buffer.
            if body + length + 2 > self.bounds.bytes {
                return Err(WireError::TooLong(self.bounds.bytes));
            }
            let end = body + length;
            let Some(close) = rest.get(end..end + 2) else {
                return Ok(None);
            };
            if close != b"\r\n" {
                return malformed("expected CRLF after a bulk string");
            }
            (self.missing, self.checked) = (Some(missing - 1), end + 2);
        }
        Ok(Some(self.start..self.start + self.checked))
    }
}

impl Reply {
    /// `OK`.
    pub(super) const OK: Reply = Reply::Simple(Cow::Borrowed("OK"));

    /// An error in fixed words.
    pub(super) const fn error(text: &'static str) -> Reply {
        Reply::Error(Cow::Borrowed(text))
    }

    /// Text as a bulk string.
    pub(super) fn text(text: &str) -> Reply {
        Reply::Text(text.as_bytes().to_vec())
    }

    /// About how many bytes of memory the reply holds while it waits.
    pub(super) fn weight(&self) -> usize {
        match self {
            Reply::Value(value) => value.len(),
            Reply::Text(text) => text.len(),
            Reply::Verbatim(text) => text.len(),
            Reply::Array(list) | Reply::Set(list) => list.iter().map(Reply::weight_in_list).sum(),
            Reply::Map(pairs) => pairs.iter().map(|(k, v)| 32 + k.weight() + v.weight()).sum(),
            Reply::Simple(_) | Reply::Error(_) | Reply::Integer(_) | Reply::Nil => 0,
        }
    }

    /// What the reply adds to the weight of a list.
    pub(super) fn weight_in_list(&self) -> usize {
        size_of::<Reply>() + self.weight()
    }

    /// Writes the header of a list; its elements follow one by one. It is the same in both
    /// protocols.
    pub(super) fn begin_array(length: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("*{length}\r\n").as_bytes());
    }

    /// Writes the reply behind what `out` holds already.
    pub(super) fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) {
        let begin = out.len();
        let written = match protocol {
            Protocol::Resp2 => match self.leaf2() {
                Some(frame) => {
                    out.resize(begin + frame.encode_len(false), 0);
                    resp2::encode::encode_borrowed(&mut out[begin..], &frame, false)
                }
                None => {
                    let frame = self.owned2();
                    out.resize(begin + frame.encode_len(false), 0);
                    resp2::encode::encode(&mut out[begin..], &frame, false)
                }
            },
            Protocol::Resp3 => match self.leaf3() {
                Some(frame) => {
                    out.resize(begin + frame.encode_len(false), 0);
                    resp3::encode::complete::encode_borrowed(&mut out[begin..], &frame, false)
                }
                None => {
                    let frame = self.owned3();
                    out.resize(begin + frame.encode_len(false), 0);
                    resp3::encode::complete::encode(&mut out[begin..], &frame, false)
                }
            },
        };
        match written {
            // The crate estimates the length of numbers by a logarithm, never too low.
            Ok(bytes) => out.truncate(begin + bytes),
            Err(error) => {
                tracing::error!(%error, "a reply could not be encoded");
                out.truncate(begin);
                out.extend_from_slice(b"-ERR this reply could not be encoded\r\n");
            }
        }
    }

    /// The reply as a frame that borrows it, if it has no parts.
    fn leaf2(&self) -> Option<Borrowed2<'_>> {
        Some(match self {
            Reply::Simple(text) => Borrowed2::SimpleString(text.as_bytes()),
            Reply::Error(text) => Borrowed2::Error(text),
            Reply::Integer(number) => Borrowed2::Integer(*number),
            Reply::Value(value) => Borrowed2::BulkString(value),
            Reply::Text(text) => Borrowed2::BulkString(text),
            Reply::Verbatim(text) => Borrowed2::BulkString(text.as_bytes()),
            Reply::Nil => Borrowed2::Null,
            Reply::Array(_) | Reply::Map(_) | Reply::Set(_) => return None,
        })
    }

    fn owned2(&self) -> Owned2 {
        match self {
            Reply::Simple(text) => Owned2::SimpleString(text.as_bytes().to_vec()),
            Reply::Error(text) => Owned2::Error(text.to_string()),
            Reply::Integer(number) => Owned2::Integer(*number),
            Reply::Value(value) => Owned2::BulkString(value.to_vec()),
            Reply::Text(text) => Owned2::BulkString(text.clone()),
            Reply::Verbatim(text) => Owned2::BulkString(text.as_bytes().to_vec()),
            Reply::Nil => Owned2::Null,
            Reply::Array(list) | Reply::Set(list) => {
                Owned2::Array(list.iter().map(Reply::owned2).collect())
            }
            Reply::Map(pairs) => {
                Owned2::Array(pairs.iter().flat_map(|(k, v)| [k.owned2(), v.owned2()]).collect())
            }
        }
    }

    /// The reply as a frame that borrows it, if it has no parts.
    fn leaf3(&self) -> Option<Borrowed3<'_>> {
        let attributes = None;
        Some(match self {
            Reply::Simple(text) => Borrowed3::SimpleString { data: text.as_bytes(), attributes },
            Reply::Error(text) => Borrowed3::SimpleError { data: text, attributes },
            Reply::Integer(number) => Borrowed3::Number { data: *number, attributes },
            Reply::Value(value) => Borrowed3::BlobString { data: value, attributes },
            Reply::Text(text) => Borrowed3::BlobString { data: text, attributes },
            Reply::Verbatim(text) => Borrowed3::VerbatimString {
                data: text.as_bytes(),
                format: VerbatimStringFormat::Text,
                attributes,
            },
            Reply::Nil => Borrowed3::Null,
            Reply::Array(_) | Reply::Map(_) | Reply::Set(_) => return None,
        })
    }

    fn owned3(&self) -> Owned3 {
        let attributes = None;
        match self {
            Reply::Simple(text) => {
                Owned3::SimpleString { data: text.as_bytes().to_vec(), attributes }
            }
            Reply::Error(text) => Owned3::SimpleError { data: text.to_string(), attributes },
            Reply::Integer(number) => Owned3::Number { data: *number, attributes },
            Reply::Value(value) => Owned3::BlobString { data: value.to_vec(), attributes },
            Reply::Text(text) => Owned3::BlobString { data: text.clone(), attributes },
            Reply::Verbatim(text) => Owned3::VerbatimString {
                data: text.as_bytes().to_vec(),
                format: VerbatimStringFormat::Text,
                attributes,
            },
            Reply::Nil => Owned3::Null,
            Reply::Array(list) => {
                Owned3::Array { data: list.iter().map(Reply::owned3).collect(), attributes }
            }
            Reply::Map(pairs) => {
                let pairs = pairs.iter().map(|(name, reply)| (name.owned3(), reply.owned3()));
                Owned3::Map { data: pairs.collect::<FrameMap<_, _>>(), attributes }
            }
            Reply::Set(list) => {
                let members = list.iter().map(Reply::owned3).collect::<FrameSet<_>>();
                Owned3::Set { data: members, attributes }
            }
        }
    }
}

fn malformed<T>(text: &'static str) -> Result<T, WireError> {
    Err(WireError::Malformed(Cow::Borrowed(text)))
}

/// Reads the header line at `at`: its number (`None` if it is none), and where the line ends.
/// `Ok(None)` until the whole line has come.
fn header(
    bytes: &[u8],
    at: usize,
    too_long: &'static str,
) -> Result<Option<(Option<i64>, usize)>, WireError> {
    let rest = &bytes[at + 1..];
    let seen = &rest[..rest.len().min(MAX_HEADER_BYTES)];
    let Some(length) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return if seen.len() == MAX_HEADER_BYTES { malformed(too_long) } else { Ok(None) };
    };
    let digits = &seen[..length];
    let plain = digits.first().is_some_and(|first| *first == b'-' || first.is_ascii_digit());
    let number = std::str::from_utf8(digits).ok().filter(|_| plain);
    Ok(Some((number.and_then(|digits| digits.parse().ok()), at + 1 + length + 2)))
}

fn is_empty_array(frame: &[u8]) -> bool {
    !frame.contains(&b'$')
}

/// A complete, flat, bounded frame into its arguments.
fn decode(frame: &[u8]) -> Result<Arguments<'_>, WireError> {
    let Ok(Some((RangeFrame::Array(items), _))) = resp2::decode::decode_range(frame) else {
        return malformed("expected an array of bulk strings");
    };
    let argument = |item| match item {
        RangeFrame::BulkString((begin, end)) => frame.get(begin..end).map(Cow::Borrowed),
        _ => None,
    };
    match items.into_iter().map(argument).collect() {
        Some(arguments) => Ok(arguments),
        None => malformed("expected an array of bulk strings"),
    }
}

/// A line that a person typed into its words, as Redis splits it: by white space, with "double
/// quotes" (which know `\n`, `\x41` and so on) and 'single quotes' (which know `\'`).
fn split_line(line: &[u8]) -> Result<Arguments<'_>, WireError> {
    const UNBALANCED: &str = "unbalanced quotes in request";
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while let Some(first) = rest.first() {
        let mut word = Vec::new();
        if let quote @ (b'"' | b'\'') = *first {
            rest = &rest[1..];
            loop {
                let (byte, used) = match (quote, rest) {
                    (_, []) => return malformed(UNBALANCED),
                    (_, [byte, ..]) if *byte == quote => break,
                    (b'"', [b'\\', b'x', high, low, ..])
                        if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
                    {
                        (hex(*high) << 4 | hex(*low), 4)
                    }
                    (b'"', [b'\\', escaped, ..]) => (unescape(*escaped), 2),
                    (b'\'', [b'\\', b'\'', ..]) => (b'\'', 2),
                    (_, [byte, ..]) => (*byte, 1),
                };
                word.push(byte);
                rest = &rest[used..];
            }
            rest = &rest[1..];
            if rest.first().is_some_and(|next| !next.is_ascii_whitespace()) {
                return malformed(UNBALANCED);
            }
            words.push(Cow::Owned(word));
        } else {
            let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            words.push(Cow::Borrowed(&rest[..length]));
            rest = &rest[length..];
        }
        rest = rest.trim_ascii_start();
    }
    let http = words.first().is_some_and(|name| {
        name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:")
    });
    if http { Err(WireError::Http) } else { Ok(words) }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes: 1 << 20, arguments: 1 << 10 };

    fn read(bytes: &[u8]) -> Result<Vec<Vec<Vec<u8>>>, WireError> {
        let mut reader = Reader::new(BOUNDS);
        reader.space().extend_from_slice(bytes);
        let mut commands = Vec::new();
        while let Some(arguments) = reader.next()? {
            commands.push(arguments.into_iter().map(Cow::into_owned).collect());
        }
        Ok(commands)
    }

    fn words(bytes: &[u8]) -> Vec<String> {
        let commands = read(bytes).expect("well formed");
        let words = commands.into_iter().flatten();
        words.map(|word| word.escape_ascii().to_string()).collect()
    }

    #[test]
    fn arrays_and_lines_are_commands() {
        assert_eq!(words(b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n"), ["ECHO", r"\r\n"]);
        assert_eq!(words(b"PING\r\n\r\n  \nGET  k\n"), ["PING", "GET", "k"]);
        assert_eq!(words(b"SET k \"a \\x41\\n\\\"\" \r\n"), ["SET", "k", r#"a A\n\""#]);
        assert_eq!(words(b"SET k 'a\\'b\\n'\n"), ["SET", "k", r"a\'b\\n"]);
        assert_eq!(words(b"*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n"), ["PING"]);
        assert_eq!(words(b"*1\r\n$0\r\n\r\n"), [""]);
    }

    #[test]
    fn bytes_may_come_one_by_one() {
        let frames = b"*2\r\n$3\r\nGET\r\n$3\r\nk\r\n\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n";
        let mut reader = Reader::new(BOUNDS);
        let mut seen = Vec::new();
        for byte in frames {
            reader.space().push(*byte);
            while let Some(arguments) = reader.next().expect("well formed") {
                seen.push(arguments.len());
            }
        }
        assert_eq!(seen, [2, 1, 1]);
    }

    #[test]
    fn nothing_is_allocated_by_an_announcement() {
        let mut reader = Reader::new(BOUNDS);
        reader.space().extend_from_slice(b"*1000\r\n$1000000\r\nbegin");
        for _ in 0..100 {
            assert_eq!(reader.next(), Ok(None));
            reader.space().push(b'x');
        }
        assert!(reader.buffer.capacity() < 3 * READ_BYTES);
    }

    #[test]
    fn absurd_lengths_are_refused_when_they_are_announced() {
        for (bytes, text) in [
            (&b"*1025\r\n"[..], "invalid multibulk length"),
            (b"*9223372036854775807\r\n", "invalid multibulk length"),
            (b"*99999999999999999999\r\n", "invalid multibulk length"),
            (b"*+1\r\n", "invalid multibulk length"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$x\r\n", "invalid bulk length"),
            (b"*1\r\n$1\r\nabc", "expected CRLF after a bulk string"),
            (b"*1\r\n*1\r\n", "expected '$', got '*'"),
            (b"*1\r\n:1\r\n", "expected '$', got ':'"),
            (b"*1000000000000000000000000000000000000000", "too big mbulk count string"),
            (b"*1\r\n$1000000000000000000000000000000000000", "too big bulk count string"),
            (b"SET \"a\n", "unbalanced quotes in request"),
            (b"SET \"a\"b\n", "unbalanced quotes in request"),
        ] {
            let expected = Err(WireError::Malformed(text.into()));
            assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
        }
        assert_eq!(read(b"*1\r\n$1048576\r\n"), Err(WireError::TooLong(1 << 20)));
        let invalid = || Err(WireError::Malformed("invalid bulk length".into()));
        assert_eq!(read(b"*1\r\n$1048577\r\n"), invalid());
        assert_eq!(read(b"*1\r\n$9223372036854775807\r\n"), invalid());
        assert_eq!(read(b"POST / HTTP/1.1\r\n"), Err(WireError::Http));
        assert!(read(&[b'a'; MAX_INLINE_BYTES + 1]).is_err());
    }

    #[test]
    fn numbers_of_every_length_are_encoded() {
        let mut numbers = vec![i64::MIN, i64::MAX, 0];
        for power in 0..19 {
            let power = 10_i64.pow(power);
            numbers.extend([power - 1, power, power + 1, 1 - power, -power]);
        }
        for number in numbers {
            for protocol in [Protocol::Resp2, Protocol::Resp3] {
                let mut out = Vec::new();
                Reply::Integer(number).encode(protocol, &mut out);
                assert_eq!(out, format!(":{number}\r\n").as_bytes());
                out.clear();
                Reply::Array(vec![Reply::Integer(number)]).encode(protocol, &mut out);
                assert_eq!(out, format!("*1\r\n:{number}\r\n").as_bytes());
            }
        }
        for length in [0, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000, 1 << 20] {
            let mut out = Vec::new();
            Reply::Text(vec![b'x'; length]).encode(Protocol::Resp2, &mut out);
            assert_eq!(out.len(), format!("${length}\r\n\r\n").len() + length);
        }
    }
}
