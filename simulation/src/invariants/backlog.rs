//! No queue grows without bound: what a replica wants sent after one event is little, and over a second it is not
//! a storm.

use std::time::Duration;

/// Messages after one event, for each other node that was ever known.
const STEP_MESSAGES_MAX: usize = 16;
/// Messages of one node within a second.
const SECOND_MESSAGES_MAX: u64 = 3_000;

/// Counts one node's messages.
#[derive(Clone, Debug, Default)]
pub struct Backlog {
    second: u64,
    messages: u64,
}

impl Backlog {
    /// A node was drained after one event.
    pub fn note(&mut self, now: Duration, messages: usize, others: usize) -> Result<(), String> {
        if self.second != now.as_secs() {
            *self = Self { second: now.as_secs(), messages: 0 };
        }
        self.messages += messages as u64;
        if messages > STEP_MESSAGES_MAX * others {
            return Err(format!("{messages} messages to {others} others after one event"));
        }
        if self.messages > SECOND_MESSAGES_MAX {
            self.messages = 0;
            return Err(format!("more than {SECOND_MESSAGES_MAX} messages within a second"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_a_storm_are_found() {
        let mut backlog = Backlog::default();
        assert!(backlog.note(Duration::ZERO, STEP_MESSAGES_MAX, 1).is_ok());
        assert!(backlog.note(Duration::ZERO, STEP_MESSAGES_MAX + 1, 1).is_err());
        let storm = |backlog: &mut Backlog, ms| {
            (0..SECOND_MESSAGES_MAX)
                .filter(|n| backlog.note(Duration::from_millis(ms * n), 1, 1).is_err())
                .count()
        };
        assert_eq!(storm(&mut Backlog::default(), 1), 0);
        assert!(storm(&mut backlog, 0) > 0);
    }
}
