//! PromQL over a store in memory: what the lenses make of writers and families, and what damage costs.

use std::sync::Arc;
use std::time::Duration;

use shoal_model::{Batch, Kind, Labels, Origin, Point, Stream, StreamPoints, Writer};
use shoal_query::{Options, Range, Value, evaluate_instant, evaluate_range};
use shoal_store::{MemoryDisk, Options as StoreOptions, Store};

use super::*;

const HOUR: i64 = 3_600_000;

struct Rig {
    disk: MemoryDisk,
    store: Store,
}

impl Rig {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let options =
            StoreOptions { retention: Duration::from_secs(3600 * 24 * 365 * 100), ..StoreOptions::default() };
        let store = Store::open(Arc::new(disk.clone()), Origin([1; 16]), options).unwrap().store;
        Self { disk, store }
    }

    fn write(&mut self, name: &str, (writer, kind): (u8, Kind), points: &[(i64, f64)]) {
        let labels = Labels::new([("__name__", name)]).unwrap();
        let stream = Stream { labels, writer: Writer([writer; 16]), kind };
        let points = points.iter().map(|(time, value)| Point::new(*time, *value)).collect();
        let batch = Batch { streams: vec![StreamPoints { stream, points }] };
        self.store.append(&batch, &[]).unwrap();
    }

    /// Everything in blocks.
    fn flush(&mut self, now_ms: i64) {
        let job = self.store.poll_sync().unwrap();
        let result = job.run();
        self.store.handle_synced(&job, result);
        self.store.freeze();
        while let Some(job) = self.store.poll_job(now_ms) {
            self.store.handle_done(job.run());
        }
    }

    /// The answer at a time, as text, and the warnings of the data.
    fn ask(&self, expr: &str, at_ms: i64) -> (String, Vec<String>) {
        let view = self.store.view();
        let source = Lensed::new(&view);
        let answer = evaluate_instant(&source, expr, at_ms, Options::default()).unwrap();
        let Value::Vector(elements) = answer.value else { panic!("{expr} is no vector") };
        let shown = elements.iter().map(|one| format!("{} {}", one.labels, one.sample.v));
        (shown.collect::<Vec<_>>().join("; "), source.warnings())
    }
}

#[test]
fn writers_of_a_counter_add_up_whatever_lies_before_the_range() {
    let mut rig = Rig::new();
    for writer in 1..=3 {
        let points: Vec<_> = (0..20).map(|n| (n * HOUR, (n * i64::from(writer)) as f64)).collect();
        rig.write("clicks_total", (writer, Kind::Counter), &points);
    }
    for is_flushed in [false, true] {
        if is_flushed {
            rig.flush(100 * HOUR);
        }
        let at = 10 * HOUR + 60_000;
        assert_eq!(rig.ask("clicks_total", at), ("{__name__=\"clicks_total\"} 60".to_owned(), Vec::new()));
        assert_eq!(rig.ask("sum_over_time(clicks_total[2h1m])", at).0, "{} 114");
    }
}

#[test]
fn a_second_family_is_shown_with_its_kind_and_a_warning() {
    let mut rig = Rig::new();
    rig.write("m", (1, Kind::Gauge), &[(1_000, 5.0)]);
    rig.write("m", (2, Kind::Counter), &[(1_000, 7.0)]);
    let (shown, warnings) = rig.ask("{__name__=\"m\"}", 2_000);
    assert_eq!(shown, "{__kind__=\"gauge\", __name__=\"m\"} 5; {__name__=\"m\"} 7");
    assert!(warnings.len() == 1 && warnings[0].contains("__kind__"), "{warnings:?}");
}

#[test]
fn damage_is_read_around_with_a_warning() {
    let mut rig = Rig::new();
    rig.write("damaged", (0, Kind::Sample), &[(1_000, 1.0), (2_000, 2.5)]);
    rig.write("whole", (0, Kind::Sample), &[(1_000, 3.0)]);
    rig.flush(0);
    let block = rig.disk.files().into_iter().find(|path| path.ends_with(".blk")).expect("a block");
    // The first chunk stands behind the header.
    assert!(rig.disk.rot(&block, 20, 1));
    let view = rig.store.view();
    let source = Lensed::new(&view);
    let range = Range { start_ms: 0, end_ms: 3_000, step_ms: 1_000 };
    let answer = evaluate_range(&source, "sum(whole)", range, Options::default()).unwrap();
    let Value::Matrix(series) = answer.value else { panic!("a range gives a matrix") };
    assert_eq!(series[0].samples.len(), 3);
    let (shown, warnings) = rig.ask("damaged", 3_000);
    assert!(shown.is_empty() && warnings.iter().any(|warning| warning.contains("damaged")), "{warnings:?}");
}

#[test]
fn many_warnings_are_counted() {
    let rig = Rig::new();
    let view = rig.store.view();
    let source = Lensed::new(&view);
    source.warn((0..40).map(|number| format!("warning {number:02}")));
    source.warn(["warning 00".to_owned()]);
    let told = source.warnings();
    assert_eq!((told.len(), told.last().map(String::as_str)), (33, Some("8 more warnings about series")));
}
