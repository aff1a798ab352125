//! The catalogue against a list of streams that is looked through from end to end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shoal_model::{Matcher, MatcherOp};

use super::*;

/// Streams by place: what the catalogue must agree with.
pub(super) type Model = BTreeMap<u32, Stream>;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Define(Stream),
    /// Frees every place whose bit is set, counted modulo 64.
    Recycle(u64),
}

pub(super) fn stream(pairs: &[(&str, &str)], writer: u8, kind: Kind) -> Stream {
    let labels = Labels::new([("__name__", "m")].iter().chain(pairs).copied()).unwrap();
    Stream { labels, writer: Writer([writer; 16]), kind }
}

pub(super) fn define(catalogue: &mut Catalogue, stream: &Stream) -> u32 {
    catalogue.define(stream, &stream.id())
}

pub(super) fn any_stream() -> impl Strategy<Value = Stream> {
    let value = || prop::sample::select(vec!["", "x", "y", "xy", "x.y", "z\n", "é"]);
    let kind = prop::sample::select(Kind::ALL.to_vec());
    let metric = prop::sample::select(vec!["up", "down"]);
    ((metric, value(), value(), value()), 0..3_u8, kind).prop_map(|((metric, a, b, c), writer, kind)| {
        let labels = Labels::new([("__name__", metric), ("a", a), ("b", b), ("c", c)]).unwrap();
        Stream { labels, writer: Writer([writer; 16]), kind }
    })
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![9 => any_stream().prop_map(Step::Define), 1 => any::<u64>().prop_map(Step::Recycle)]
}

pub(super) fn run(catalogue: &mut Catalogue, model: &mut Model, step: &Step) {
    match step {
        Step::Define(stream) => {
            let place = define(catalogue, stream);
            assert!(model.get(&place).is_none_or(|other| other == stream), "a place is one stream's");
            model.insert(place, stream.clone());
        }
        Step::Recycle(bits) => {
            let chosen: Vec<u32> =
                model.keys().copied().filter(|place| bits >> (place % 64) & 1 == 1).collect();
            catalogue.recycle(&chosen.iter().collect());
            model.retain(|place, _| !chosen.contains(place));
        }
    }
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let name = prop::sample::select(vec!["__name__", "a", "b", "c", "none"]);
    let op = prop::sample::select(vec![
        MatcherOp::Equal,
        MatcherOp::NotEqual,
        MatcherOp::Regex,
        MatcherOp::NotRegex,
    ]);
    let expressions =
        ["", "x", "up", "x|y", "x|", "(x|xy)", ".*", ".+", "x.*", "x.+", "x.?", "[^x]*", r"x\.y", "z."];
    (name, op, prop::sample::select(expressions.to_vec()))
        .prop_map(|(name, op, value)| Matcher::new(name, op, value).unwrap())
}

pub(super) fn assert_equal(catalogue: &Catalogue, model: &Model, matchers: &[Matcher]) {
    let fits = |stream: &&Stream| matchers.iter().all(|matcher| matcher.matches_labels(&stream.labels));
    let mut expected: BTreeMap<Vec<(&str, &str)>, SeriesEntry> = BTreeMap::new();
    for (place, stream) in model.iter().filter(|(_, stream)| fits(stream)) {
        let empty = || SeriesEntry { labels: stream.labels.clone(), streams: Vec::new() };
        let entry = expected.entry(stream.labels.iter().collect()).or_insert_with(empty);
        entry.streams.push((stream.writer, stream.kind, *place));
        entry.streams.sort_unstable();
    }
    let names: BTreeSet<&str> = expected.keys().flatten().map(|(name, _)| *name).collect();
    let values: BTreeSet<&str> =
        expected.keys().flatten().filter(|(name, _)| *name == "a").map(|(_, value)| *value).collect();
    assert_eq!(catalogue.label_names(matchers), names.into_iter().collect::<Vec<_>>());
    assert_eq!(catalogue.label_values("a", matchers), values.into_iter().collect::<Vec<_>>());
    assert_eq!(catalogue.select(matchers), expected.into_values().collect::<Vec<_>>());
}

pub(super) fn assert_same(catalogue: &Catalogue, model: &Model) {
    let series: BTreeSet<&Labels> = model.values().map(|stream| &stream.labels).collect();
    assert_eq!((catalogue.stream_count(), catalogue.series_count()), (model.len(), series.len()));
    for place in 0..=model.keys().max().map_or(0, |max| max + 1) {
        let stream = model.get(&place);
        let id = stream.map(Stream::id);
        assert_eq!(catalogue.stream(place).as_ref(), stream);
        assert_eq!(catalogue.id(place), id);
        assert_eq!(catalogue.kind(place), stream.map(|stream| stream.kind));
        assert_eq!(catalogue.mix(place), id.as_ref().map(StreamMix::new));
        assert_eq!(id.and_then(|id| catalogue.place(&id)), stream.map(|_| place));
    }
    for labels in series {
        let family =
            model.values().filter(|stream| stream.labels == *labels).map(|stream| stream.kind.family()).min();
        assert_eq!(catalogue.family(&labels.series_id()), family);
    }
    assert_equal(catalogue, model, &[]);
}

proptest! {
    #[test]
    fn the_index_says_what_the_list_says(
        steps in prop::collection::vec(any_step(), 0..120),
        selections in prop::collection::vec(prop::collection::vec(any_matcher(), 0..4), 1..8),
    ) {
        let (mut catalogue, mut model) = Default::default();
        for step in &steps {
            run(&mut catalogue, &mut model, step);
        }
        assert_same(&catalogue, &model);
        for matchers in &selections {
            assert_equal(&catalogue, &model, matchers);
        }
    }
}

#[test]
fn a_stream_has_one_place_and_a_series_the_first_family_in_rank() {
    let mut catalogue = Catalogue::default();
    let (gauge, counter) = (stream(&[], 1, Kind::Gauge), stream(&[], 2, Kind::Counter));
    assert_eq!([&gauge, &gauge, &counter].map(|stream| define(&mut catalogue, stream)), [0, 0, 1]);
    let series = gauge.labels.series_id();
    assert_eq!(catalogue.family(&series), Some(Family::Totals));
    catalogue.recycle(&[1, 1, 7].into());
    assert_eq!(catalogue.family(&series), Some(Family::Gauge));
    catalogue.recycle(&[0].into());
    assert_eq!((catalogue.family(&series), catalogue.select(&[])), (None, vec![]));
    assert_eq!(catalogue.place(&gauge.id()), None);
}

#[test]
fn the_least_free_place_is_used_again() {
    let mut catalogue = Catalogue::default();
    for n in 0..5 {
        define(&mut catalogue, &stream(&[("n", &n.to_string())], 1, Kind::Gauge));
    }
    catalogue.recycle(&[3, 1].into());
    let new = |catalogue: &mut Catalogue, n: &str| define(catalogue, &stream(&[("n", n)], 1, Kind::Gauge));
    assert_eq!(["a", "b", "c"].map(|n| new(&mut catalogue, n)), [1, 3, 5]);
}

#[test]
fn many_writers_of_one_series_are_each_found() {
    let mut catalogue = Catalogue::default();
    let of = |n: u32| {
        let writer = Writer(std::array::from_fn(|i| (n >> (8 * (i % 4))) as u8));
        Stream { writer, ..stream(&[], 0, Kind::Counter) }
    };
    let places: Vec<u32> = (0..1000).map(|n| define(&mut catalogue, &of(n))).collect();
    catalogue.recycle(&places[..500].iter().collect());
    assert!((0..500).all(|n| catalogue.place(&of(n).id()).is_none()));
    assert!((500..1000).all(|n| catalogue.place(&of(n).id()) == Some(places[n as usize])));
    assert!((1000..1500).all(|n| places.contains(&define(&mut catalogue, &of(n)))));
    assert_eq!(catalogue.streams.writers.all().len(), 1000, "a writer that is gone leaves its number");
    let found = catalogue.select(&[]);
    assert!(found[0].streams.is_sorted() && found[0].streams.len() == 1000);
}

#[test]
fn memory_of_series_that_are_gone_is_used_again() {
    let (mut catalogue, mut model) = (Catalogue::default(), Model::new());
    let mut most = 0;
    for round in 0..40 {
        for n in 0..500 {
            let pod = format!("a-pod-with-a-long-name-{round}-{n}");
            let stream = stream(&[("pod", &pod)], 0, Kind::Gauge);
            model.insert(define(&mut catalogue, &stream), stream);
        }
        let old: Vec<u32> = model.keys().copied().filter(|place| place % 500 != 7).collect();
        catalogue.recycle(&old.iter().collect());
        model.retain(|place, _| !old.contains(place));
        if round == 4 {
            most = catalogue.memory_bytes() * 2;
        }
    }
    assert_same(&catalogue, &model);
    assert!(catalogue.memory_bytes() < most, "{} of {most}", catalogue.memory_bytes());
}
