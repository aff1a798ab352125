//! A merged counter never falls from one read to the next, on whatever node, as long as the second read sees all
//! that the first one saw.

use shoal_merge::Frontier;

/// Somebody who reads the counter now here, now there.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    seen: Option<(Frontier, f64)>,
    /// Reads since then that did not see all that was seen.
    passed_by: u32,
}

/// After so many reads what was seen is nowhere: its origins are below the horizon.
const PASSED_BY_MAX: u32 = 20;

impl Reader {
    /// Reads a value of a node that has synced all that it shows.
    pub fn read(&mut self, node: &str, frontier: &Frontier, value: f64) -> Result<(), String> {
        match &self.seen {
            Some((seen, _)) if !frontier.covers(seen) && self.passed_by < PASSED_BY_MAX => {
                self.passed_by += 1;
                return Ok(());
            }
            Some((seen, _)) if !frontier.covers(seen) => {}
            Some((_, last)) if value < *last => {
                return Err(format!(
                    "the counter read {last}, and now {value} on {node}, which has all that was seen"
                ));
            }
            _ => {}
        }
        *self = Self { seen: Some((frontier.clone(), value)), passed_by: 0 };
        Ok(())
    }

    /// A disk was harmed: what was seen there may be nowhere.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shoal_model::Origin;

    #[test]
    fn a_fall_is_found_only_where_all_is_seen_that_was_seen() {
        let frontier = |seq| Frontier::from_entries([(Origin([1; 16]), seq)]);
        let mut reader = Reader::default();
        assert!(reader.read("a", &frontier(5), 9.0).is_ok());
        assert!(reader.read("b", &frontier(4), 7.0).is_ok(), "it has not all that was seen");
        assert!(reader.read("b", &frontier(6), 8.0).is_err());
        reader.forget();
        assert!(reader.read("b", &frontier(6), 8.0).is_ok());
    }
}
