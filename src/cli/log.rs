//! What the program logs, and how: `CHAINRING_LOG` and `CHAINRING_LOG_FORMAT`.
//!
//! A setting that cannot be meant is said, and the usual one taken: it only tells, so it ends
//! nothing. The filter's own parser is no help there: it takes `inof` for the name of a target, of
//! which then everything is logged, and that is nothing.

use chainring::tell;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What is logged where nothing is asked for: what becomes of each operation is not.
const USUAL: &str = "info,chainring::operations=off";

/// The words for how much is logged.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Begins to log, to this writer.
pub fn init(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let asked = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut wrong = Vec::new();
    let filter = match asked("CHAINRING_LOG").map(|asked| filter(&asked)) {
        Some(Ok(filter)) => filter,
        Some(Err(why)) => {
            wrong.push(format!("CHAINRING_LOG: {why}. Logged is what is usual: {USUAL}"));
            EnvFilter::new(USUAL)
        }
        None => EnvFilter::new(USUAL),
    };
    let is_json = match asked("CHAINRING_LOG_FORMAT").as_deref() {
        Some("json") => true,
        None | Some("text") => false,
        Some(other) => {
            wrong.push(format!("CHAINRING_LOG_FORMAT: `{other}` is neither `text` nor `json`"));
            false
        }
    };
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let log = tracing_subscriber::fmt();
    let log = log.with_env_filter(filter).with_writer(writer).log_internal_errors(false);
    if is_json {
        log.json().flatten_event(true).init();
    } else {
        log.with_ansi(colours).init();
    }
    for what in wrong {
        tell::complain(format_args!("chainring: {what}"));
    }
}

/// Reads `info,chainring::operations=debug`, and refuses what would log nothing by mistake.
fn filter(asked: &str) -> Result<EnvFilter, String> {
    for part in asked.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (target, level) = match part.rsplit_once('=') {
            Some((target, level)) => (Some(target), Some(level)),
            None if is_level(part) => (None, Some(part)),
            None => (Some(part), None),
        };
        if let Some(level) = level.filter(|level| !is_level(level)) {
            return Err(format!("`{level}` is no level; the levels are {}", LEVELS.join(", ")));
        }
        let is_ours = |target: &str| target.starts_with("chainring") || target.starts_with('[');
        if let Some(target) = target.filter(|target| !is_ours(target)) {
            return Err(format!(
                "`{target}` is neither a level ({}) nor a target, which begins with `chainring`",
                LEVELS.join(", ")
            ));
        }
    }
    EnvFilter::try_new(asked).map_err(|error| format!("`{asked}` cannot be read: {error}"))
}

fn is_level(word: &str) -> bool {
    LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word))
        || matches!(word, "0" | "1" | "2" | "3" | "4" | "5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_filter_is_refused_with_what_is_wrong_in_it() {
        for fine in [
            USUAL,
            "debug",
            "WARN",
            "off",
            "2",
            "chainring=trace",
            "chainring::node",
            "info,,chainring::operations=debug",
        ] {
            assert!(filter(fine).is_ok(), "{fine}");
        }
        for (asked, what) in [
            ("inof", "`inof` is neither a level"),
            ("verbose", "`verbose` is neither a level"),
            ("chainring=lots", "`lots` is no level"),
            ("info,operations=debug", "`operations` is neither a level"),
            ("chainring[", "cannot be read"),
        ] {
            let why = filter(asked).err().unwrap_or_default();
            assert!(why.contains(what), "{asked}: {why}");
        }
    }
}
