//! Writes the tables of RESULTS.md from what a check has found.
//!
//! ```sh
//! cargo run --release -- check --json > check.json
//! cargo run --release -- check --mutants --json > mutants.json
//! cargo run --release -p chainring-examples --bin tables -- RESULTS.md check.json mutants.json
//! ```
//!
//! Each model of the reports has its row replaced. One that has none gets it behind the model that
//! stands before it in the report. The table of mutants is written anew. All other lines stay as
//! they are. A report in which a property fell, and a mutant that was not caught, are refused.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

/// What is read of a report: of a mutant, or of a model.
#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Mutant(Catch),
    Model(Report),
}

/// What is read of a mutant's report.
#[derive(Deserialize)]
struct Catch {
    mutant: String,
    model: String,
    property: String,
    caught: bool,
    length: usize,
    states: usize,
}

/// What is read of a model's report.
#[derive(Deserialize)]
struct Report {
    name: String,
    configuration: String,
    exhaustive: bool,
    unique_states: usize,
    states: usize,
    depth: usize,
    seconds: f64,
    properties: Vec<Verdict>,
}

/// What is read of a property's verdict.
#[derive(Deserialize)]
struct Verdict {
    property: String,
    stands: bool,
}

impl Report {
    /// Why this is no result to write down, if it is none.
    fn mistake(&self) -> Option<String> {
        let fell = self.properties.iter().find(|verdict| !verdict.stands);
        match fell {
            Some(verdict) => Some(format!("{}: `{}` fell", self.name, verdict.property)),
            None => (!self.exhaustive).then(|| format!("{} was explored in part", self.name)),
        }
    }

    fn row(&self) -> String {
        format!(
            "| {} | {} | {} | {} | {} | {:.1} |",
            self.name,
            self.configuration,
            grouped(self.unique_states),
            grouped(self.states),
            self.depth,
            self.seconds
        )
    }
}

impl Catch {
    fn row(&self) -> String {
        let Catch { mutant, property, model, length, .. } = self;
        format!("| {mutant} | {property} | {model} | {length} | {} |", grouped(self.states))
    }
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The model whose row a line is.
fn model(line: &str) -> Option<&str> {
    let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
    let [name, _, _, _, _, seconds] = cells[..] else { return None };
    seconds.parse::<f64>().ok().map(|_| name)
}

/// The text with the rows of these reports.
fn with_rows(text: &str, reports: &[Report]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let mut before = None;
    for report in reports {
        let place = |name: &str| lines.iter().position(|line| model(line) == Some(name));
        match (place(&report.name), before.and_then(place)) {
            (Some(place), _) => lines[place] = report.row(),
            (None, Some(before)) => lines.insert(before + 1, report.row()),
            (None, None) => eprintln!("{} has no row, and stands behind none", report.name),
        }
        before = Some(report.name.as_str());
    }
    lines.join("\n") + "\n"
}

/// The text with the table of mutants written anew.
fn with_mutants(text: &str, catches: &[Catch]) -> Option<String> {
    let (before, table) = text.split_once("| without | property that falls |")?;
    let (header, rows) = table.split_once("|\n|---|---|---|---:|---:|\n")?;
    let rest = rows.find("\n\n").map_or("", |end| &rows[end..]);
    let rows: Vec<_> = catches.iter().map(Catch::row).collect();
    Some(format!(
        "{before}| without | property that falls |{header}|\n|---|---|---|---:|---:|\n{}{rest}",
        rows.join("\n")
    ))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let results =
        arguments.next().ok_or("say which file has the tables, and which have reports")?;
    let (mut reports, mut catches) = (Vec::new(), Vec::new());
    for file in arguments {
        let read: Vec<Found> = serde_json::from_str(&fs::read_to_string(&file)?)?;
        for found in read {
            match found {
                Found::Mutant(catch) => catches.push(catch),
                Found::Model(report) => reports.push(report),
            }
        }
    }
    if let Some(missed) = catches.iter().find(|catch| !catch.caught) {
        return Err(format!("`{}` was not caught", missed.mutant).into());
    }
    if let Some(mistake) = reports.iter().find_map(Report::mistake) {
        return Err(mistake.into());
    }
    let mut text = with_rows(&fs::read_to_string(&results)?, &reports);
    if !catches.is_empty() {
        text = with_mutants(&text, &catches).ok_or("there is no table of mutants")?;
        println!("{} mutants", catches.len());
    }
    fs::write(&results, text)?;
    let models: BTreeMap<_, _> =
        reports.iter().map(|report| (report.name.as_str(), report.unique_states)).collect();
    let (states, seconds) =
        (models.values().sum(), reports.iter().map(|report| report.seconds).sum::<f64>());
    println!("{} models, {} unique states, {seconds:.0} s", models.len(), grouped(states));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &str, unique_states: usize) -> Report {
        let properties = vec![Verdict { property: "linearizable".to_string(), stands: true }];
        let (configuration, seconds) = ("a chain".to_string(), 0.5);
        Report {
            name: name.to_string(),
            configuration,
            exhaustive: true,
            unique_states,
            states: 2 * unique_states,
            depth: 3,
            seconds,
            properties,
        }
    }

    #[test]
    fn rows_are_replaced_and_added_behind_those_before_them() {
        let text = "# Results\n\n| model | x | y | z | d | seconds |\n|---|---|---|---|---|---|\n\
                    | a | old | 1 | 2 | 3 | 0.0 |\n| c | old | 1 | 2 | 3 | 0.0 |\n\nThe end.\n";
        let reports = [report("a", 1_234_567), report("b", 12), report("c", 123)];
        let text = with_rows(text, &reports);
        let rows: Vec<_> = text.lines().filter_map(model).collect();
        assert_eq!(rows, ["a", "b", "c"]);
        assert!(text.contains("| a | a chain | 1,234,567 | 2,469,134 | 3 | 0.5 |\n"), "{text}");
        assert!(text.ends_with("\n\nThe end.\n"));
    }

    #[test]
    fn the_table_of_mutants_is_written_anew() {
        let text = "Before.\n\n| without | property that falls | model | length | states |\n\
                    |---|---|---|---:|---:|\n| old | held | a | 1 | 2 |\n\nAfter.\n";
        let catch = Catch {
            mutant: "no check".to_string(),
            model: "chain".to_string(),
            property: "held".to_string(),
            caught: true,
            length: 3,
            states: 4321,
        };
        let text = with_mutants(text, &[catch]).expect("there is a table");
        assert!(text.ends_with(
            "|---|---|---|---:|---:|\n| no check | held | chain | 3 | 4,321 |\n\nAfter.\n"
        ));
        assert!(text.starts_with("Before.\n\n| without |") && !text.contains("| old |"), "{text}");
    }

    #[test]
    fn what_fell_or_is_not_through_is_no_result() {
        assert_eq!(report("a", 1).mistake(), None);
        let partial = Report { exhaustive: false, ..report("a", 1) };
        assert!(partial.mistake().is_some());
        let mut fallen = report("a", 1);
        fallen.properties[0].stands = false;
        assert_eq!(fallen.mistake().as_deref(), Some("a: `linearizable` fell"));
    }
}
