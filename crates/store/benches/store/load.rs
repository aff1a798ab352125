//! The load: a fleet whose targets expose a thousand streams each and are scraped every 15 s, with values of the
//! kinds that fleets have. All points of one scrape of one target share a time.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use shoal_model::{Kind, Labels, Point, Stream, Writer};
use shoal_store::block::WINDOW_MS;
use shoal_store::{KnownPoints, Store};

/// Streams of one target, and points of one frame.
pub const TARGET_STREAMS: usize = 1000;
/// Milliseconds between two scrapes.
pub const STEP_MS: i64 = 15_000;
/// The window that the load begins with.
pub const FIRST_WINDOW: i64 = 236_111;

/// A fleet and where its values stand.
pub struct Load {
    rng: SmallRng,
    values: Vec<f64>,
}

impl Load {
    /// A fleet with this many streams, which must be whole targets.
    pub fn new(streams: usize) -> Self {
        assert!(streams.is_multiple_of(TARGET_STREAMS), "whole targets of {TARGET_STREAMS} streams");
        let mut rng = SmallRng::seed_from_u64(1);
        let values = (0..streams).map(|_| f64::from(rng.random_range(0_u32..100_000))).collect();
        Self { rng, values }
    }

    /// How many targets there are.
    pub fn targets(&self) -> usize {
        self.values.len() / TARGET_STREAMS
    }

    /// Takes the streams into the catalogue, a target at a time; their places.
    pub fn places(&self, store: &mut Store) -> Vec<u32> {
        (0..self.values.len()).map(|number| store.place(&stream(number))).collect()
    }

    /// One scrape of one target, as points of the streams at these places.
    pub fn scrape(&mut self, places: &[u32], target: usize, scrape_ms: i64) -> KnownPoints {
        let offset = target as i64 * 14_000 / self.targets() as i64;
        let time = scrape_ms + offset + self.rng.random_range(0..=6);
        let streams = target * TARGET_STREAMS..(target + 1) * TARGET_STREAMS;
        let points = streams.clone().map(|number| {
            let value = next(number, self.values[number], &mut self.rng);
            self.values[number] = value;
            Point::new(time, value)
        });
        let points = points.collect();
        KnownPoints { streams: places[streams].iter().map(|place| (*place, 1)).collect(), points }
    }
}

/// Ten labels, as an orchestrator gives them.
fn stream(number: usize) -> Stream {
    let (target, metric) = (number / TARGET_STREAMS, number % TARGET_STREAMS);
    let labels = [
        ("__name__", format!("fleet_metric_{}_total", metric / 4)),
        ("code", format!("{}", 200 + metric % 4)),
        ("cluster", format!("eu-{}", target % 3)),
        ("namespace", format!("team-{}", target % 40)),
        ("deployment", format!("service-{}", target % 200)),
        ("pod", format!("service-{}-{target:08x}", target % 200)),
        ("instance", format!("10.{}.{}.7:9100", target / 250, target % 250)),
        ("job", "kubernetes-pods".to_owned()),
        ("node", format!("node-{}", target % 97)),
        ("zone", format!("zone-{}", target % 3)),
    ];
    let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
    Stream { labels: Labels::new(labels).expect("sound labels"), writer: Writer::NONE, kind: Kind::Sample }
}

/// A stream's next value: its number draws its kind, in the shares of a fleet.
fn next(number: usize, value: f64, rng: &mut SmallRng) -> f64 {
    match (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xffff_ffff {
        draw if draw % 100 < 36 => value,
        draw => match draw % 100 {
            36..56 => value + f64::from(u8::from(rng.random_bool(0.2))),
            56..71 => value + (75.0 + 8.7 * normal(rng)).round().max(0.0),
            71..79 => f64::from(rng.random_range(0_u32..4) + rng.random_range(0_u32..4)),
            79..82 => ((value + 0.4 * normal(rng)) * 100.0).round() / 100.0,
            82..85 => ((50.0 + 8.0 * normal(rng)) * 100.0).round() / 100.0,
            85..90 => ((value / 4096.0 + 40.0 * normal(rng)).round() + 1.0).abs() * 4096.0,
            90..95 if rng.random_bool(0.9) => value,
            90..95 => f64::from(rng.random_range(0_u32..1000)) / 10.0,
            95..99 => value + (-3.0 + 0.5 * normal(rng)).exp(),
            _ => (-3.0 + 0.5 * normal(rng)).exp(),
        },
    }
}

/// About normal: the sum of four even draws.
fn normal(rng: &mut SmallRng) -> f64 {
    let sum: f64 = (0..4).map(|_| rng.random::<f64>()).sum();
    (sum - 2.0) * 3.0_f64.sqrt()
}

/// The first millisecond of the load.
pub fn start_ms() -> i64 {
    FIRST_WINDOW * WINDOW_MS
}
