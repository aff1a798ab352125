//! Everything that happened, as a hash that two runs of a seed must share, and the part of it that people want to
//! read when a seed fails.

use std::time::Duration;

/// Lines of the story that are kept, the last ones: more than ten minutes have.
const STORY_LINES_MAX: usize = 20_000;

/// Bytes that are hashed at once.
const HASHED_BYTES: usize = 1 << 16;

/// The record of one run.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: blake3::Hasher,
    /// What is not in the hash yet: much at once is hashed quicker.
    unhashed: Vec<u8>,
    story: std::collections::VecDeque<String>,
    events: u64,
}

impl Trace {
    /// Takes an event into the hash: when, what, at which node, with which bytes.
    pub fn note(&mut self, at: Duration, what: &str, node: usize, bytes: &[u8]) {
        self.events += 1;
        self.unhashed.extend_from_slice(&(at.as_nanos() as u64).to_le_bytes());
        self.unhashed.extend_from_slice(what.as_bytes());
        self.unhashed.extend_from_slice(&(node as u64).to_le_bytes());
        self.unhashed.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.unhashed.extend_from_slice(bytes);
        if self.unhashed.len() >= HASHED_BYTES {
            self.hasher.update(&self.unhashed);
            self.unhashed.clear();
        }
    }

    /// Takes an event in that belongs into the story too.
    pub fn tell(&mut self, at: Duration, line: &str) {
        self.note(at, "story", 0, line.as_bytes());
        if self.story.len() == STORY_LINES_MAX {
            self.story.pop_front();
        }
        self.story.push_back(format!("{:>10.4} s  {line}", at.as_secs_f64()));
    }

    /// Puts another line in place of the story's last one.
    pub fn retell(&mut self, at: Duration, line: &str) {
        self.story.pop_back();
        self.tell(at, line);
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash of all events so far.
    pub fn hash(&self) -> u128 {
        let mut half = [0; 16];
        let hash = self.hasher.clone().update(&self.unhashed).finalize();
        half.copy_from_slice(&hash.as_bytes()[..16]);
        u128::from_be_bytes(half)
    }

    /// The story's last lines, in order.
    pub fn into_story(self) -> Vec<String> {
        self.story.into()
    }
}
