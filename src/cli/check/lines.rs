//! What a check prints: a line for each model, how far it is, and a table of all at the end.

use super::known::Known;
use chainring_proofs::checker::run::{Expectation, Finding, Progress, Report, Verdict, grouped};
use std::fmt::Write as _;

/// A model's place among those that are checked, as `[12/80]`.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// How far a model is: `[12/80] chain-views 93,892 of 141,276 (66 %), 2 s left`.
pub fn progress(place: Numbered, name: &str, known: Option<Known>, at: &Progress) -> String {
    let Numbered { number, of } = place;
    let seconds = at.elapsed.as_secs_f64();
    let found = grouped(at.unique_states);
    let rest = match known {
        Some(known) if at.unique_states <= known.states => {
            let left =
                (known.states - at.unique_states) as f64 * seconds / at.unique_states.max(1) as f64;
            let percent = at.unique_states * 100 / known.states.max(1);
            format!("{found} of {} ({percent} %), {left:.0} s left", grouped(known.states))
        }
        _ => format!("{found} states, {seconds:.0} s"),
    };
    format!("[{number}/{of}] {name} {rest}")
}

/// Whether words are coloured.
#[derive(Clone, Copy, Debug)]
pub struct Colours(pub bool);

impl Colours {
    /// What is well in green, and what is not in red.
    pub fn mark(self, is_well: bool) -> String {
        let word = if is_well { "ok  " } else { "FAIL" };
        match (self.0, is_well) {
            (false, _) => word.to_string(),
            (true, true) => format!("\x1b[32m{word}\x1b[0m"),
            (true, false) => format!("\x1b[31m{word}\x1b[0m"),
        }
    }
}

/// A model in a line.
pub fn line(report: &Report, width: usize, colours: Colours) -> String {
    let always = report.properties.iter().filter(|verdict| is_always(verdict)).count();
    let reached = report.properties.len() - always;
    format!(
        "{}  {:width$}  {:>9} states, depth {:>2}, {always:>2} always, {reached:>2} sometimes, {:.1} s",
        colours.mark(report.stands()),
        report.name,
        grouped(report.unique_states),
        report.depth,
        report.seconds,
    )
}

fn is_always(verdict: &Verdict) -> bool {
    verdict.expectation != Expectation::Sometimes
}

/// Models and properties: which holds in which, with a letter for each property. What a model has
/// to reach is in one column, for each has its own.
pub fn matrix(reports: &[Report]) -> String {
    let mut properties: Vec<&str> = Vec::new();
    for verdict in reports.iter().flat_map(|report| &report.properties) {
        if is_always(verdict) && !properties.contains(&verdict.property) {
            properties.push(verdict.property);
        }
    }
    let letters: Vec<char> = ('a'..='z').chain('A'..='Z').collect();
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    let _ = write!(text, "{:width$}  ", ""); // a String takes everything
    text.extend(letters.iter().take(properties.len()));
    text.push_str("  reached\n");
    for report in reports {
        let _ = write!(text, "{:width$}  ", report.name);
        for property in properties.iter().take(letters.len()) {
            text.push(match report.verdict(property).map(|verdict| verdict.finding) {
                None => ' ',
                Some(Finding::Falls | Finding::Never) => 'X',
                Some(Finding::NotJudged | Finding::NotReached) => '?',
                Some(Finding::Holds | Finding::Reached) => '+',
            });
        }
        let sometimes = || report.properties.iter().filter(|verdict| !is_always(verdict));
        let reached = sometimes().filter(|verdict| verdict.finding == Finding::Reached).count();
        let _ = writeln!(text, "  {reached} of {}", sometimes().count());
    }
    text.push_str("+ holds in every state, X falls, ? not judged, since the search stopped\n");
    for (letter, property) in letters.iter().zip(&properties) {
        let _ = writeln!(text, "  {letter}  {property}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn report(name: &str, exhaustive: bool, properties: Vec<Verdict>) -> Report {
        Report {
            name: name.to_string(),
            configuration: String::new(),
            exhaustive,
            unique_states: 1234,
            states: 5678,
            depth: 9,
            seconds: 1.25,
            properties,
        }
    }

    #[test]
    fn progress_says_which_model_how_far_and_how_long() {
        let at = |unique_states, seconds| Progress {
            unique_states,
            states: 9 * unique_states,
            depth: 3,
            elapsed: Duration::from_secs(seconds),
        };
        let place = Numbered { number: 12, of: 80 };
        let known = Some(Known { states: 141_276, seconds: 5.1 });
        assert_eq!(
            progress(place, "chain-views", known, &at(93_892, 4)),
            "[12/80] chain-views 93,892 of 141,276 (66 %), 2 s left"
        );
        // A protocol that has changed has other numbers than the record.
        let more = progress(place, "chain-views", known, &at(150_000, 6));
        assert_eq!(more, "[12/80] chain-views 150,000 states, 6 s");
        assert_eq!(progress(place, "new", None, &at(0, 0)), "[12/80] new 0 states, 0 s");
    }

    #[test]
    fn a_line_for_a_model_and_a_table_for_all() {
        let verdict =
            |name, expectation, exhaustive| Verdict::new(name, expectation, None, exhaustive);
        let (always, sometimes) = (|| Expectation::Always, || Expectation::Sometimes);
        let holds = report("chain-one", true, vec![verdict("linearizable", always(), true)]);
        let stopped = report(
            "ring-two",
            false,
            vec![verdict("held", always(), false), verdict("finished", sometimes(), false)],
        );
        assert_eq!(
            line(&holds, 10, Colours(false)),
            "ok    chain-one       1,234 states, depth  9,  1 always,  0 sometimes, 1.2 s"
        );
        assert!(line(&stopped, 10, Colours(true)).starts_with("\x1b[31mFAIL\x1b[0m  ring-two"));
        let expected = "           ab  reached
chain-one  +   0 of 0
ring-two    ?  0 of 1
+ holds in every state, X falls, ? not judged, since the search stopped
  a  linearizable
  b  held
";
        assert_eq!(matrix(&[holds, stopped]), expected);
    }
}
