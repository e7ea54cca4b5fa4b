//! Redis' glob patterns: `*`, `?`, `[a-c]`, `[^x]` and `\` before a byte that means itself.
//!
//! Redis' own matcher calls itself at each star, which a pattern with many stars turns into an
//! exponential search, and reads a class again for each byte of a key. Here a pattern is bounded
//! and compiled once, a class into a set of bytes, and only the last star is ever tried again. So a
//! key costs the number of its bytes times the number of tokens behind that star, at the most.

use super::wire::Reply;

/// The longest pattern, in bytes: more than any key with a backslash before each of its bytes.
pub(super) const LONGEST_PATTERN: usize = 1024;

/// A pattern, ready to be compared with many keys.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Clone, Debug)]
enum Token {
    /// Any number of bytes.
    Star,
    /// Any byte.
    Any,
    /// This byte.
    Byte(u8),
    /// A byte of this set: one bit for each.
    Class([u64; 4]),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// The reply to one that is too long.
    pub(super) fn new(pattern: &[u8]) -> Result<Self, Reply> {
        if pattern.len() > LONGEST_PATTERN {
            let text = format!(
                "ERR pattern of {} bytes is longer than the limit of {LONGEST_PATTERN} bytes",
                pattern.len()
            );
            return Err(Reply::Error(text.into()));
        }
        let (mut tokens, mut rest) = (Vec::new(), pattern);
        loop {
            let (token, after) = match rest {
                [] => return Ok(Pattern(tokens)),
                [b'*', after @ ..] => (Token::Star, after),
                [b'?', after @ ..] => (Token::Any, after),
                [b'[', class @ ..] => compile_class(class),
                [b'\\', literal, after @ ..] | [literal, after @ ..] => {
                    (Token::Byte(*literal), after)
                }
            };
            tokens.push(token);
            rest = after;
        }
    }

    /// Whether the whole of `text` matches.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        let (mut rest, mut at) = (&self.0[..], 0);
        // Behind the last star: what must match, and from where in `text` to try next.
        let mut retry: Option<(&[Token], usize)> = None;
        loop {
            if let [Token::Star, after @ ..] = rest {
                (retry, rest) = (Some((after, at)), after);
                continue;
            }
            match (rest, text.get(at)) {
                ([], None) => return true,
                ([token, after @ ..], Some(byte)) if token.takes(*byte) => {
                    (rest, at) = (after, at + 1);
                    continue;
                }
                _ => {}
            }
            match retry {
                Some((after, from)) if from < text.len() => {
                    (retry, rest, at) = (Some((after, from + 1)), after, from + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Token::Star => false,
            Token::Any => true,
            Token::Byte(literal) => *literal == byte,
            Token::Class(set) => set[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0,
        }
    }
}

/// A class (what follows `[`) as a set, and what follows the class. One that is never closed ends
/// with the pattern, as in Redis.
fn compile_class(class: &[u8]) -> (Token, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut set = [0_u64; 4];
    let mut add = |from: u8, to: u8| {
        for byte in from.min(to)..=from.max(to) {
            set[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
    };
    let after = loop {
        rest = match rest {
            [] => break rest,
            [b']', after @ ..] => break after,
            [b'\\', literal, after @ ..] => {
                add(*literal, *literal);
                after
            }
            [from, b'-', to, after @ ..] => {
                add(*from, *to);
                after
            }
            [literal, after @ ..] => {
                add(*literal, *literal);
                after
            }
        };
    };
    if negated {
        set = set.map(|bits| !bits);
    }
    (Token::Class(set), after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        Pattern::new(pattern).expect("not too long").matches(text)
    }

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("a**c*", "ac", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a", "ha", true),
            ("h[", "h[", false),
            ("h[]a", "ha", false),
            ("h[^]a", "hxa", true),
            ("h[^a-y]", "hz", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[\\]]", "]", true),
            ("user:*:name", "user:1:2:name", true),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_longest_pattern_and_key_take_a_bounded_time() {
        let begun = Instant::now();
        let key = "a".repeat(510);
        for pattern in [
            "a*".repeat(LONGEST_PATTERN / 2 - 1) + "b",
            "*".to_string() + &"?".repeat(300) + "b",
            "*".to_string() + &"a".repeat(500) + "b",
            "*[".to_string() + &"b".repeat(LONGEST_PATTERN - 2),
            "*[ab]".repeat(200),
        ] {
            assert_eq!(matches(pattern.as_bytes(), key.as_bytes()), pattern.starts_with("*[ab]"));
        }
        // Each is some hundred thousand steps; what Redis' matcher does would not end.
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_longer_pattern_is_refused() {
        assert!(Pattern::new(&[b'b'; LONGEST_PATTERN]).is_ok());
        let Err(Reply::Error(text)) = Pattern::new(&[b'b'; 131_072]) else { panic!("taken") };
        assert_eq!(text, "ERR pattern of 131072 bytes is longer than the limit of 1024 bytes");
    }
}
