//! What is known of models from their last run on record: the tables of RESULTS.md.

use std::collections::BTreeMap;

/// The record.
const RESULTS: &str = include_str!("../../../RESULTS.md");

/// What a model's last run on record came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// How many different states it has.
    pub states: usize,
    /// How long it took.
    pub seconds: f64,
}

/// Every model that is on record.
pub fn known() -> BTreeMap<&'static str, Known> {
    RESULTS.lines().filter_map(row).collect()
}

/// Reads `| model | configuration | unique states | states | depth | seconds |`.
fn row(line: &'static str) -> Option<(&'static str, Known)> {
    let cells: Vec<_> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [name, _, unique, _, _, seconds] = cells[..] else { return None };
    let states = unique.trim().replace(',', "").parse().ok()?;
    Some((name.trim(), Known { states, seconds: seconds.trim().parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_read() {
        let line = "| chain-views | 3 replicas, 1 coordinator | 141,276 | 634,559 | 26 | 5.1 |";
        assert_eq!(row(line), Some(("chain-views", Known { states: 141_276, seconds: 5.1 })));
        for other in ["", "|---|---|---:|---:|---:|---:|", "| a | b |", "| a | b | c | d | e | f |"]
        {
            assert_eq!(row(other), None, "{other}");
        }
        let known = known();
        assert!(known.len() > 80 && known.contains_key("chain-four"), "{known:?}");
    }
}
