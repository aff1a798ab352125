//! The state of the StatsD door, pure: datagrams go in, and once a second the points come out. This node is
//! the writer of what it counts, under an id drawn for the process: its totals are cumulative, so a second
//! whose write failed is made good by the next, and a node that starts anew adds to what it had counted.
//!
//! ```text
//!  datagram → line → alias (the bytes of name and tags) → slot ── once a second ──→ points
//!                      └ new bytes → name and labels ──────┘
//! ```

use std::collections::{BTreeMap, HashMap};

use hashbrown::Equivalent;
use rand::RngCore;
use shoal_model::{Labels, StreamPoints, Writer};

use super::line::{Line, LineError, Sort};
use super::series::Base;
use super::slot::Slot;

/// Series that this node counts at once: each is some hundred bytes of memory here and in the catalogue.
const SERIES_MAX: usize = 1_000_000;
/// Ways of writing name and tags that are remembered: what is beyond is read anew each time.
const ALIASES_MAX: usize = 2 * SERIES_MAX;
/// A metric without a line for so long is no longer written.
const IDLE_MS: i64 = 3_600_000;
/// Streams of one part of a flush, about; each has at most two points, so a part fits one write.
const FLUSH_STREAMS: usize = 20_000;

/// What came since the last time of asking.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Intake {
    /// Values that count.
    pub(super) accepted: u64,
    /// Lines and values that do not, by word.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// The first of them and why.
    pub(super) first: Option<(String, LineError)>,
}

/// Everything that this node counts by StatsD.
pub(super) struct Aggregate {
    bounds: Vec<f64>,
    instance: String,
    writer: Writer,
    aliases: hashbrown::HashMap<Alias, u32>,
    series: HashMap<(Labels, bool), u32>,
    slots: Vec<Slot>,
    series_count: usize,
    intake: Intake,
    last_ms: i64,
    swept_ms: i64,
}

#[derive(PartialEq, Eq, Hash)]
struct Alias {
    sort: Sort,
    name: Box<[u8]>,
    tags: Box<[u8]>,
}

#[derive(Hash)]
struct AliasOf<'a> {
    sort: Sort,
    name: &'a [u8],
    tags: &'a [u8],
}

impl Equivalent<Alias> for AliasOf<'_> {
    fn equivalent(&self, alias: &Alias) -> bool {
        *self.name == *alias.name && *self.tags == *alias.tags && self.sort == alias.sort
    }
}

impl Aggregate {
    /// Counts nothing yet. `bounds` are those of histograms, in ascending order; `instance` names this node.
    pub(super) fn new(bounds: Vec<f64>, instance: String, rng: &mut impl RngCore) -> Self {
        Self {
            bounds,
            instance,
            writer: Writer::random(rng),
            aliases: hashbrown::HashMap::new(),
            series: HashMap::new(),
            slots: Vec::new(),
            series_count: 0,
            intake: Intake::default(),
            last_ms: i64::MIN,
            swept_ms: i64::MIN,
        }
    }

    /// Takes the lines of a datagram in.
    pub(super) fn take_datagram(&mut self, datagram: &[u8], now_ms: i64) {
        for line in datagram.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            match self.take_line(line, now_ms) {
                Ok((taken, refused)) => {
                    self.intake.accepted += taken;
                    if let Some((error, count)) = refused {
                        self.refuse(line, error, count);
                    }
                }
                Err(error) => self.refuse(line, error, 1),
            }
        }
    }

    fn take_line(&mut self, line: &[u8], now_ms: i64) -> Result<(u64, Option<(LineError, u64)>), LineError> {
        let line = Line::parse(line)?;
        let known = AliasOf { sort: line.sort, name: line.name, tags: line.tags };
        let place = match self.aliases.get(&known) {
            Some(place) => *place,
            None => self.learn(&line, now_ms)?,
        };
        let slot = self.slots.get_mut(place as usize).ok_or(LineError::SeriesLimit)?;
        Ok(slot.take(&line, &self.bounds, now_ms))
    }

    /// The slot of a line whose bytes are new.
    fn learn(&mut self, line: &Line, now_ms: i64) -> Result<u32, LineError> {
        let base = Base::new(line.sort, line.name, line.tags, &self.instance)?;
        let is_histogram = matches!(line.sort, Sort::Timer | Sort::Histogram);
        let plain = base.plain().map_err(|_| LineError::Labels)?;
        let place = match self.series.get(&(plain.clone(), is_histogram)) {
            Some(place) => *place,
            None => {
                let series = if is_histogram {
                    base.histogram(&self.bounds).map_err(|_| LineError::Labels)?
                } else {
                    vec![plain.clone()]
                };
                if self.series_count + series.len() > SERIES_MAX {
                    return Err(LineError::SeriesLimit);
                }
                let place = u32::try_from(self.slots.len()).map_err(|_| LineError::SeriesLimit)?;
                self.series_count += series.len();
                self.slots.push(Slot::new(line.sort, series, self.writer, now_ms));
                self.series.insert((plain, is_histogram), place);
                place
            }
        };
        if self.slots.get(place as usize).is_some_and(|slot| !slot.fits(line.sort)) {
            return Err(LineError::Type);
        }
        if self.aliases.len() < ALIASES_MAX {
            let (name, tags) = (line.name.into(), line.tags.into());
            self.aliases.insert(Alias { sort: line.sort, name, tags }, place);
        }
        Ok(place)
    }

    fn refuse(&mut self, line: &[u8], error: LineError, count: u64) {
        *self.intake.refused.entry(error.word()).or_default() += count;
        self.intake.first.get_or_insert_with(|| {
            let shown = &line[..line.len().min(80)];
            (String::from_utf8_lossy(shown).into_owned(), error)
        });
    }

    /// What came since the last time.
    pub(super) fn take_intake(&mut self) -> Intake {
        std::mem::take(&mut self.intake)
    }

    /// The points of the second that ends at `now_ms`, in parts that each fit one write.
    pub(super) fn flush(&mut self, now_ms: i64) -> Vec<Vec<StreamPoints>> {
        // A clock that was set back must not bring a time twice.
        let now_ms = now_ms.max(self.last_ms.saturating_add(1));
        self.last_ms = now_ms;
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        for slot in &mut self.slots {
            slot.flush(now_ms, &mut part);
            if part.len() >= FLUSH_STREAMS {
                parts.push(std::mem::take(&mut part));
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        self.sweep(now_ms);
        parts
    }

    /// Forgets what is idle. A metric that comes back begins at zero, and therefore as another writer.
    fn sweep(&mut self, now_ms: i64) {
        if now_ms.saturating_sub(self.swept_ms) < IDLE_MS {
            return;
        }
        self.swept_ms = now_ms;
        let before = self.slots.len();
        let mut places = vec![None; before];
        let mut kept = Vec::with_capacity(before);
        for (place, slot) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            if slot.is_touched_since(now_ms.saturating_sub(IDLE_MS)) {
                places[place] = u32::try_from(kept.len()).ok();
                kept.push(slot);
            }
        }
        self.slots = kept;
        if self.slots.len() == before {
            return;
        }
        self.aliases.clear();
        self.series.retain(|_, place| {
            let moved = places.get(*place as usize).copied().flatten();
            *place = moved.unwrap_or(*place);
            moved.is_some()
        });
        self.series_count = self.slots.iter().map(Slot::series_count).sum();
        self.writer = Writer::random(&mut rand::rng());
    }
}

#[cfg(test)]
mod tests {
    //! Datagrams in, points out: what a second comes to, on one node and merged over several.

    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;
    use shoal_merge::lens::{WriterPoints, value_at};
    use shoal_model::{Kind, Point};

    const SECOND: i64 = 1_000;

    fn aggregate(seed: u64) -> Aggregate {
        Aggregate::new(vec![0.1, 1.0], "n:1".to_owned(), &mut SmallRng::seed_from_u64(seed))
    }

    /// What a flush wrote: each series with its points.
    fn flushed(aggregate: &mut Aggregate, now_ms: i64) -> Vec<(String, Vec<(i64, f64)>)> {
        let parts = aggregate.flush(now_ms).into_iter().flatten();
        parts
            .map(|part| {
                let points = part.points.iter().map(|point| (point.time, point.value)).collect();
                (part.stream.labels.to_string(), points)
            })
            .collect()
    }

    fn check(datagram: &str, expected: &[(&str, f64)]) {
        let mut aggregate = aggregate(1);
        aggregate.take_datagram(datagram.as_bytes(), 0);
        let found: Vec<_> = flushed(&mut aggregate, 10 * SECOND)
            .into_iter()
            .map(|(name, points)| (name, points.last().unwrap().1))
            .collect();
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(found, expected, "{datagram}");
    }

    #[test]
    fn each_sort_of_line_comes_to_its_series() {
        check("a:1|c\na:2|c|@0.5\r\n\nb:3:4|c|#k:v", &[("a", 5.0), (r#"b{k="v"}"#, 7.0)]);
        check("g:5|g\ng:+2|g\ng:-10|g", &[(r#"g{instance="n:1"}"#, -3.0)]);
        check("u:joe|s\nu:ann:joe|s", &[(r#"u{instance="n:1"}"#, 2.0)]);
        let histogram = [
            (r#"t_bucket{le="0.1"}"#, 2.0),
            (r#"t_bucket{le="1"}"#, 3.0),
            (r#"t_bucket{le="+Inf"}"#, 4.0),
            ("t_sum", 2.85),
            ("t_count", 4.0),
        ];
        check("t:50|ms\nt:100|ms\nt:700|ms\nt:2000|ms", &histogram);
        check("t:0.05|h\nt:0.1|d\nt:0.7|h\nt:2|h", &histogram);
    }

    #[test]
    fn tags_in_another_order_are_the_same_series() {
        check("a:1|c|#x:1,y:2\na:1|c|#y:2,x:1", &[(r#"a{x="1",y="2"}"#, 2.0)]);
    }

    #[test]
    fn totals_grow_from_zero_and_are_repeated_once_a_minute() {
        let mut aggregate = aggregate(1);
        aggregate.take_datagram(b"a:2|c", 0);
        assert_eq!(flushed(&mut aggregate, SECOND), [("a".to_owned(), vec![(0, 0.0), (SECOND, 2.0)])]);
        assert_eq!(flushed(&mut aggregate, 2 * SECOND), []);
        aggregate.take_datagram(b"a:1|c", 0);
        assert_eq!(flushed(&mut aggregate, 3 * SECOND), [("a".to_owned(), vec![(3 * SECOND, 3.0)])]);
        assert_eq!(flushed(&mut aggregate, 62 * SECOND), []);
        assert_eq!(flushed(&mut aggregate, 63 * SECOND), [("a".to_owned(), vec![(63 * SECOND, 3.0)])]);
        aggregate.take_datagram(b"a:1|c", 0);
        assert_eq!(
            flushed(&mut aggregate, 5 * SECOND),
            [("a".to_owned(), vec![(63 * SECOND + 1, 4.0)])],
            "a clock that was set back brings no time twice"
        );
    }

    #[test]
    fn a_set_is_counted_over_ten_seconds() {
        let mut aggregate = aggregate(1);
        aggregate.take_datagram(b"u:a:b|s", 0);
        assert_eq!(flushed(&mut aggregate, 9 * SECOND), []);
        let name = r#"u{instance="n:1"}"#.to_owned();
        assert_eq!(flushed(&mut aggregate, 10 * SECOND), [(name.clone(), vec![(10 * SECOND, 2.0)])]);
        assert_eq!(flushed(&mut aggregate, 20 * SECOND), [(name, vec![(20 * SECOND, 0.0)])]);
    }

    #[test]
    fn what_is_idle_is_forgotten_and_comes_back_as_another_writer() {
        let mut aggregate = aggregate(1);
        let writer = aggregate.writer;
        aggregate.take_datagram(b"a:2|c\nb:1|c", 0);
        aggregate.flush(SECOND);
        aggregate.take_datagram(b"b:1|c", IDLE_MS);
        aggregate.flush(2 * IDLE_MS);
        assert_eq!((aggregate.slots.len(), aggregate.series_count), (1, 1));
        assert_ne!(aggregate.writer, writer);
        aggregate.take_datagram(b"a:1|c\nb:1|c", 2 * IDLE_MS);
        let parts: Vec<_> = aggregate.flush(2 * IDLE_MS + SECOND).into_iter().flatten().collect();
        let found: Vec<_> = parts
            .iter()
            .map(|part| (part.stream.writer == writer, part.points.last().unwrap().value))
            .collect();
        assert_eq!(found, [(true, 3.0), (false, 1.0)]);
    }

    #[test]
    fn a_bad_line_refuses_itself_and_is_counted() {
        let mut aggregate = aggregate(1);
        aggregate.take_datagram(
            b"a:x:1|c\nnonsense\nt:-1|ms\n_e{1,1}:a|b\na:1|c\nu:a|s\nu:1|g\nb:1|c|#k:1,k:2\n\xff:1|c",
            0,
        );
        let intake = aggregate.take_intake();
        assert_eq!(intake.accepted, 3);
        let refused: Vec<_> = intake.refused.into_iter().collect();
        assert_eq!(refused, [("labels", 2), ("no_metric", 1), ("syntax", 1), ("type", 1), ("value", 2)]);
        assert_eq!(intake.first, Some(("a:x:1|c".to_owned(), LineError::Value)));
        assert_eq!(aggregate.take_intake(), Intake::default());
    }

    proptest! {
        /// Lines sprayed over nodes that die at any time without a word add up to what was written of them.
        #[test]
        fn sprayed_lines_add_up(lines in prop::collection::vec((0_usize..3, 1_u32..100, any::<bool>()), 1..60)) {
            let mut nodes: Vec<_> = (0..3).map(aggregate).collect();
            let mut streams: HashMap<Writer, Vec<Point>> = HashMap::new();
            let (mut sum, mut lives) = (0.0, 3);
            for (second, (node, value, dies)) in (1..).zip(&lines) {
                nodes[*node].take_datagram(format!("hits:{value}|c").as_bytes(), 0);
                sum += f64::from(*value);
                for node in &mut nodes {
                    for part in node.flush(second * SECOND).into_iter().flatten() {
                        prop_assert_eq!(part.stream.kind, Kind::Counter);
                        streams.entry(part.stream.writer).or_default().extend(part.points);
                    }
                }
                if *dies {
                    lives += 1;
                    nodes[*node] = aggregate(lives);
                }
            }
            let parts: Vec<_> = streams
                .iter()
                .map(|(writer, points)| WriterPoints { writer: *writer, kind: Kind::Counter, points })
                .collect();
            let now = lines.len() as i64 * SECOND;
            prop_assert_eq!(value_at(&parts, now).map(|point| point.value), Some(sum));
        }

        #[test]
        fn no_datagram_breaks_the_state(datagrams: Vec<Vec<u8>>) {
            let mut aggregate = aggregate(1);
            datagrams.iter().for_each(|datagram| aggregate.take_datagram(datagram, 0));
            aggregate.flush(SECOND);
        }
    }
}
