//! Redis' glob patterns: `*`, `?`, `[a-c]`, `[^x]` and `\` before a byte that means itself.
//!
//! Redis' own matcher calls itself at each star, which a pattern with many stars turns into an
//! exponential search. Only the last star ever needs to be tried again, so this one takes time
//! proportional to pattern times key at most.

/// Whether the whole of `text` matches `pattern`.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    // Behind the last star: what must match, and from where in `text` to try next.
    let mut retry: Option<(&[u8], usize)> = None;
    loop {
        if let [b'*', after @ ..] = rest {
            (retry, rest) = (Some((after, at)), after);
            continue;
        }
        if at == text.len() && rest.is_empty() {
            return true;
        }
        if let Some(after) = text.get(at).and_then(|byte| step(rest, *byte)) {
            (rest, at) = (after, at + 1);
            continue;
        }
        match retry {
            Some((after, from)) if from < text.len() => {
                (retry, rest, at) = (Some((after, from + 1)), after, from + 1);
            }
            _ => return false,
        }
    }
}

/// What is left of the pattern, which does not begin with a star, after it took `byte`.
fn step(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', class @ ..] => {
            let (found, rest) = in_class(class, byte);
            found.then_some(rest)
        }
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// Whether a class (what follows `[`) holds `byte`, and what follows the class. One that is never
/// closed ends with the pattern, as in Redis.
fn in_class(class: &[u8], byte: u8) -> (bool, &[u8]) {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != negated, rest),
            [b']', after @ ..] => return (found != negated, after),
            [b'\\', literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
            [from, b'-', to, after @ ..] => {
                let (low, high) = (from.min(to), from.max(to));
                found |= (low..=high).contains(&&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

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
    fn many_stars_do_not_take_for_ever() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(500).as_bytes()));
    }
}
