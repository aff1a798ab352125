//! The links between nodes: each message may be lost, repeated, delayed and overtaken, and each direction of
//! each pair may be cut or slow for a while. Worse than the transport, which keeps the order of a connection.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use shoal_replication::Class;

/// How long a message takes at least and at most, in µs, in the ordinary case.
const LATENCY_US: std::ops::Range<u64> = 200..5_000;
/// How much longer a straggler takes, in µs.
const STRAGGLE_US: std::ops::Range<u64> = 5_000..100_000;

/// What befalls messages on every link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weather {
    /// Share of messages lost.
    pub loss: f64,
    /// Share of messages that arrive twice.
    pub duplication: f64,
    /// Share of messages that others overtake by far.
    pub straggling: f64,
}

/// One direction of a pair of nodes, by their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Direction {
    /// The sender.
    pub from: usize,
    /// The receiver.
    pub to: usize,
}

/// All links.
#[derive(Debug)]
pub struct Links {
    rng: StdRng,
    /// What befalls messages now.
    pub weather: Weather,
    /// A node that never gets frames: no production fault, but one that the checkers must see.
    pub starved: Option<usize>,
    cuts: BTreeMap<Direction, Duration>,
    slow: BTreeMap<Direction, (Duration, Duration)>,
}

impl Links {
    /// Links in a weather.
    pub fn new(rng: StdRng, weather: Weather) -> Self {
        Self { rng, weather, starved: None, cuts: BTreeMap::new(), slow: BTreeMap::new() }
    }

    /// Cuts a direction until a time; of two cuts the longer counts.
    pub fn cut(&mut self, direction: Direction, until: Duration) {
        let end = self.cuts.entry(direction).or_default();
        *end = until.max(*end);
    }

    /// Makes messages of a direction take so much longer until a time.
    pub fn slow(&mut self, direction: Direction, until: Duration, by: Duration) {
        self.slow.insert(direction, (until, by));
    }

    /// Mends every cut and every slow link.
    pub fn mend(&mut self) {
        self.cuts.clear();
        self.slow.clear();
    }

    /// When a message that is sent now arrives: never, once or twice.
    pub fn carry(&mut self, now: Duration, direction: Direction, class: Class) -> [Option<Duration>; 2] {
        let is_starved = self.starved == Some(direction.to) && class != Class::Control;
        let is_cut = self.cuts.get(&direction).is_some_and(|until| now < *until);
        if is_starved || is_cut || self.happens(self.weather.loss) {
            return [None, None];
        }
        let again = self.happens(self.weather.duplication).then(|| self.arrival(now, direction));
        [Some(self.arrival(now, direction)), again]
    }

    fn arrival(&mut self, now: Duration, direction: Direction) -> Duration {
        let straggles = self.happens(self.weather.straggling);
        let extra = if straggles { self.rng.random_range(STRAGGLE_US) } else { 0 };
        let slow = self.slow.get(&direction).filter(|(until, _)| now < *until);
        let by = slow.map_or(Duration::ZERO, |(_, by)| *by);
        now + Duration::from_micros(self.rng.random_range(LATENCY_US) + extra) + by
    }

    /// Draws only where there is something to draw: most messages travel in fair weather.
    fn happens(&mut self, share: f64) -> bool {
        share > 0.0 && self.rng.random_bool(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::generator;

    const THERE: Direction = Direction { from: 0, to: 1 };
    const BACK: Direction = Direction { from: 1, to: 0 };

    fn links(weather: Weather) -> Links {
        Links::new(generator(1, "links"), weather)
    }

    #[test]
    fn a_cut_and_a_slow_link_hold_one_way_until_their_end() {
        let mut links = links(Weather::default());
        let (end, by) = (Duration::from_secs(1), Duration::from_secs(3));
        links.cut(THERE, end);
        links.cut(THERE, Duration::ZERO);
        assert_eq!(links.carry(Duration::ZERO, THERE, Class::Control), [None, None]);
        assert!(links.carry(Duration::ZERO, BACK, Class::Control)[0].is_some());
        assert!(links.carry(end, THERE, Class::Control)[0].is_some_and(|at| at > end));
        links.slow(BACK, end, by);
        assert!(links.carry(Duration::ZERO, BACK, Class::Control)[0].is_some_and(|at| at > by));
        assert!(links.carry(end, BACK, Class::Control)[0].is_some_and(|at| at < end + by));
    }

    #[test]
    fn weather_loses_repeats_and_reorders() {
        let mut links = links(Weather { loss: 0.3, duplication: 0.3, straggling: 0.3 });
        let arrivals: Vec<_> = (0..100).map(|_| links.carry(Duration::ZERO, THERE, Class::Frames)).collect();
        assert!(arrivals.iter().any(|times| times[0].is_none()));
        assert!(arrivals.iter().any(|times| times[1].is_some()));
        let first: Vec<_> = arrivals.iter().filter_map(|times| times[0]).collect();
        assert!(!first.is_sorted());
    }
}
