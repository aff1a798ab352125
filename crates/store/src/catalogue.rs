//! The catalogue: which series and streams there are, found by identity or by label. A place is this node's
//! own number for a stream; it never leaves the node.

use std::collections::{BTreeMap, HashMap};

use shoal_merge::StreamMix;
use shoal_model::{Family, Kind, Labels, Matcher, MatcherOp, SeriesId, Stream, StreamId, Writer};

/// A series and the places of its streams.
#[derive(Debug)]
pub struct Series {
    /// Its labels.
    pub labels: Labels,
    /// Its streams in order of (writer, kind).
    pub streams: BTreeMap<(Writer, Kind), u32>,
}

impl Series {
    /// The first family in rank among its streams.
    pub fn family(&self) -> Option<Family> {
        self.streams.keys().map(|(_, kind)| kind.family()).min()
    }
}

struct Entry {
    series: u32,
    writer: Writer,
    kind: Kind,
    mix: StreamMix,
}

/// All series and streams that this node knows.
#[derive(Default)]
pub struct Catalogue {
    series: Vec<Series>,
    by_id: HashMap<SeriesId, u32>,
    postings: BTreeMap<String, BTreeMap<String, Vec<u32>>>,
    places: HashMap<StreamId, u32>,
    streams: Vec<Entry>,
}

impl Catalogue {
    /// The place of a stream, which is taken in if it is new.
    pub fn define(&mut self, stream: &Stream) -> u32 {
        let id = stream.id();
        if let Some(place) = self.places.get(&id) {
            return *place;
        }
        let place = self.streams.len() as u32;
        let series = self.series_number(id.series, &stream.labels);
        self.streams.push(Entry {
            series,
            writer: stream.writer,
            kind: stream.kind,
            mix: StreamMix::new(&id),
        });
        self.places.insert(id, place);
        if let Some(series) = self.series.get_mut(series as usize) {
            series.streams.insert((stream.writer, stream.kind), place);
        }
        place
    }

    /// The stream at a place.
    pub fn stream(&self, place: u32) -> Option<Stream> {
        let entry = self.streams.get(place as usize)?;
        let labels = self.series.get(entry.series as usize)?.labels.clone();
        Some(Stream { labels, writer: entry.writer, kind: entry.kind })
    }

    /// The stream's part of every digest of its points.
    pub fn mix(&self, place: u32) -> Option<StreamMix> {
        self.streams.get(place as usize).map(|entry| entry.mix)
    }

    /// A series by identity.
    pub fn series(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(*self.by_id.get(&id)? as usize)
    }

    /// The series that all matchers fit, in order of labels.
    pub fn select(&self, matchers: &[Matcher]) -> Vec<&Series> {
        let fits = |series: &&Series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels));
        let mut found: Vec<&Series> = match self.shortest_posting(matchers) {
            Some(posting) => {
                posting.iter().filter_map(|n| self.series.get(*n as usize)).filter(fits).collect()
            }
            None => self.series.iter().filter(fits).collect(),
        };
        found.sort_by(|a, b| a.labels.iter().cmp(b.labels.iter()));
        found
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many streams there are.
    pub fn stream_count(&self) -> usize {
        self.streams.len()
    }

    fn series_number(&mut self, id: SeriesId, labels: &Labels) -> u32 {
        if let Some(number) = self.by_id.get(&id) {
            return *number;
        }
        let number = self.series.len() as u32;
        for (name, value) in labels.iter() {
            let values = self.postings.entry(name.to_owned()).or_default();
            values.entry(value.to_owned()).or_default().push(number);
        }
        self.series.push(Series { labels: labels.clone(), streams: BTreeMap::new() });
        self.by_id.insert(id, number);
        number
    }

    /// The shortest list that an equality matcher leads to; `None` where every series must be looked at.
    fn shortest_posting(&self, matchers: &[Matcher]) -> Option<&[u32]> {
        let equal = matchers.iter().filter(|m| m.op() == MatcherOp::Equal && !m.value().is_empty());
        let posting = |m: &Matcher| self.postings.get(m.name()).and_then(|values| values.get(m.value()));
        equal.map(|m| posting(m).map_or(&[][..], Vec::as_slice)).min_by_key(|posting| posting.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, job: &str, writer: u8, kind: Kind) -> Stream {
        let labels = Labels::new([("__name__", name), ("job", job)]).unwrap();
        Stream { labels, writer: Writer([writer; 16]), kind }
    }

    #[test]
    fn matchers_select_series_in_order_of_labels() {
        let mut catalogue = Catalogue::default();
        for (name, job) in [("up", "b"), ("up", "a"), ("down", "a")] {
            catalogue.define(&stream(name, job, 1, Kind::Gauge));
        }
        let check = |name: &str, op, value: &str, expected: &[&str]| {
            let found = catalogue.select(&[Matcher::new(name, op, value).unwrap()]);
            assert_eq!(found.iter().map(|s| s.labels.to_string()).collect::<Vec<_>>(), expected);
        };
        check("__name__", MatcherOp::Equal, "up", &[r#"up{job="a"}"#, r#"up{job="b"}"#]);
        check("job", MatcherOp::NotEqual, "a", &[r#"up{job="b"}"#]);
        check("job", MatcherOp::Regex, "a|c", &[r#"down{job="a"}"#, r#"up{job="a"}"#]);
        check("zone", MatcherOp::Equal, "", &[r#"down{job="a"}"#, r#"up{job="a"}"#, r#"up{job="b"}"#]);
        check("job", MatcherOp::Equal, "none", &[]);
    }

    #[test]
    fn a_stream_has_one_place_and_a_series_the_first_family_in_rank() {
        let mut catalogue = Catalogue::default();
        let place = catalogue.define(&stream("up", "a", 1, Kind::Gauge));
        assert_eq!(catalogue.define(&stream("up", "a", 1, Kind::Gauge)), place);
        let counter = stream("up", "a", 2, Kind::Counter);
        assert_ne!(catalogue.define(&counter), place);
        assert_eq!(catalogue.stream(1), Some(counter.clone()));
        assert_eq!(catalogue.series(counter.id().series).and_then(Series::family), Some(Family::Totals));
        assert_eq!((catalogue.series_count(), catalogue.stream_count()), (1, 2));
    }
}
