//! What a block costs a point: writing one, merging four, reading a million points. Real files in a temporary
//! directory, one thread, the best of three runs; `cargo bench -p shoal-store --bench block`.

use std::sync::Arc;
use std::time::Instant;

use shoal_merge::StreamMix;
use shoal_model::{Kind, SeriesId, StreamId, Writer as Who};
use shoal_store::block::{Block, ShardDigests, ShardMix, WINDOW_MS, Writer, merge};
use shoal_store::codec::{self, Scratch};
use shoal_store::{Disk, RealDisk};

const TARGETS: u32 = 100;
const STREAMS_PER_TARGET: u32 = 200;
const STREAMS: u32 = TARGETS * STREAMS_PER_TARGET;
const POINTS: usize = 480;
const BLOCKS: usize = 4;
const WINDOW: i64 = 236_111;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk = RealDisk::new(directory.path());
    let load = Load::new();
    codecs(&load);
    let blocks: Vec<Arc<Block>> = (0..BLOCKS).map(|part| flush(&disk, &load, part)).collect();
    let merged = merges(&disk, &blocks);
    digests(&load);
    println!("at rest {:.2} B/point", merged.meta().bytes as f64 / merged.meta().points as f64);
    let picked = 1_000_000 / POINTS as u32 + 1;
    let consecutive: Vec<u32> = (5_000..5_000 + picked).collect();
    let scattered: Vec<u32> = (0..picked).map(|i| i * (STREAMS / picked)).collect();
    for (name, places) in [("consecutive", consecutive), ("scattered", scattered)] {
        read(&format!("read 1M points, {name}, merged"), &places, &[Arc::clone(&merged)]);
        read(&format!("read 1M points, {name}, {BLOCKS} blocks"), &places, &blocks);
    }
}

/// Streams of a fleet: every target's share their jittered times; half are constant.
struct Load {
    times: Vec<Vec<i64>>,
    values: Vec<Vec<f64>>,
}

impl Load {
    fn new() -> Self {
        let mut state = 7_u64;
        let mut random = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33
        };
        let times = (0..TARGETS).map(|target| {
            (0..POINTS as i64)
                .map(|i| WINDOW * WINDOW_MS + i * 15_000 + i64::from(target) * 90 + (random() % 7) as i64)
                .collect()
        });
        let times = times.collect();
        let values = (0..STREAMS).map(|stream| {
            let mut value = (random() % 100_000) as f64;
            (0..POINTS)
                .map(|_| {
                    match stream % 8 {
                        0..4 => {}
                        4 => value += (random() % 10 / 9) as f64,
                        5 => value += (random() % 150) as f64,
                        6 => value = ((random() % 10_000) as f64) / 100.0,
                        _ => value += (random() % 1000) as f64 / 997.0,
                    }
                    value
                })
                .collect()
        });
        Self { values: values.collect(), times }
    }

    fn stream(&self, place: u32) -> (&[i64], &[f64]) {
        (&self.times[(place / STREAMS_PER_TARGET) as usize], &self.values[place as usize])
    }
}

type Seal<'a> = Option<&'a dyn Fn(u32) -> Option<ShardMix>>;

fn mix_of(place: u32) -> Option<ShardMix> {
    let series = SeriesId([place as u8; 16]);
    Some(ShardMix {
        shard: place as u8,
        mix: StreamMix::new(&StreamId { series, writer: Who::NONE, kind: Kind::Sample }),
    })
}

/// Prints the best of three runs, in ns a point, and gives the last run's result.
fn measure<T>(name: &str, points: usize, mut run: impl FnMut() -> T) -> T {
    let mut timed = || {
        let start = Instant::now();
        let result = run();
        (start.elapsed(), result)
    };
    let (first, second, (third, result)) = (timed().0, timed().0, timed());
    let best = first.min(second).min(third);
    println!(
        "{name}: {:.1} ns/point, {:.1} ms",
        best.as_nanos() as f64 / points as f64,
        best.as_secs_f64() * 1e3
    );
    result
}

fn codecs(load: &Load) {
    let mut scratch = Scratch::default();
    for points in [POINTS / BLOCKS, POINTS] {
        let mut bytes = vec![Vec::new(); STREAMS as usize];
        measure(
            &format!("codec alone, encode values in chunks of {points}"),
            STREAMS as usize * points,
            || {
                for (values, out) in load.values.iter().zip(&mut bytes) {
                    out.clear();
                    codec::encode_values(&values[..points], &mut scratch, out);
                }
            },
        );
        let mut values = Vec::new();
        measure(
            &format!("codec alone, decode values in chunks of {points}"),
            STREAMS as usize * points,
            || {
                for bytes in &bytes {
                    values.clear();
                    codec::decode_values(bytes, points, &mut values).expect("just encoded");
                }
            },
        );
    }
}

fn flush(disk: &RealDisk, load: &Load, part: usize) -> Arc<Block> {
    let path = format!("flush{part}");
    let range = part * POINTS / BLOCKS..(part + 1) * POINTS / BLOCKS;
    let points = STREAMS as usize * range.len();
    let meta = measure(&format!("write, {} points a stream", range.len()), points, || {
        let _ = disk.remove(&path);
        let mut writer = Writer::create(disk, &path, WINDOW, part as u64, 0).expect("a new file");
        for place in 0..STREAMS {
            let (times, values) = load.stream(place);
            writer.add_columns(place, &times[range.clone()], &values[range.clone()]).expect("in order");
        }
        writer.finish(None).expect("a block")
    });
    Arc::new(Block::open(disk, &path, &meta).expect("the block just written"))
}

fn merges(disk: &RealDisk, blocks: &[Arc<Block>]) -> Arc<Block> {
    let points = STREAMS as usize * POINTS;
    let make = |name: &str, inputs: &[Arc<Block>], seal: Seal<'_>| {
        let merged = measure(name, points, || {
            let _ = disk.remove("merged");
            let writer = Writer::create(disk, "merged", WINDOW, 9, 1).expect("a new file");
            merge(inputs, writer, |_| true, seal).expect("a merge")
        });
        assert!(merged.rot.is_empty() && merged.meta.points == points as u64);
        Arc::new(Block::open(disk, "merged", &merged.meta).expect("the block just merged"))
    };
    make("merge of 4", blocks, None);
    let sealed = make("merge of 4, sealed", blocks, Some(&mix_of));
    disk.rename("merged", "sealed").expect("a rename");
    make("merge of 2 equal ones (every point joins)", &[Arc::clone(&sealed), Arc::clone(&sealed)], None);
    interleaved(disk, &make);
    sealed
}

/// The worst case: no two points in a row come from one input.
fn interleaved(disk: &RealDisk, make: &impl Fn(&str, &[Arc<Block>], Seal<'_>) -> Arc<Block>) {
    let halves: Vec<_> = (0..2)
        .map(|half| {
            let path = format!("half{half}");
            let mut writer = Writer::create(disk, &path, WINDOW, half, 0).expect("a new file");
            let times: Vec<i64> = (0..POINTS as i64 / 2)
                .map(|i| WINDOW * WINDOW_MS + i * 30_000 + half as i64 * 15_000 / 2)
                .collect();
            for place in 0..STREAMS {
                writer.add_columns(place, &times, &vec![1.0; times.len()]).expect("in order");
            }
            let meta = writer.finish(None).expect("a block");
            Arc::new(Block::open(disk, &path, &meta).expect("the block just written"))
        })
        .collect();
    make("merge of 2 that alternate", &halves, None);
}

fn digests(load: &Load) {
    measure("digest", STREAMS as usize * POINTS, || {
        let mut digests = ShardDigests::new();
        for place in 0..STREAMS {
            let (times, values) = load.stream(place);
            digests.add(mix_of(place).expect("known"), times, values);
        }
        digests
    });
}

fn read(name: &str, places: &[u32], blocks: &[Arc<Block>]) {
    let (mut points, mut sum) = (0, 0.0);
    measure(name, places.len() * POINTS, || {
        points = 0;
        for block in blocks {
            let read = block.read_many(places, i64::MIN..=i64::MAX, |_, times, values| {
                points += times.len();
                sum += values.iter().sum::<f64>();
            });
            assert!(read.is_empty(), "a sound block");
        }
    });
    assert!(points == places.len() * POINTS && sum.is_finite());
}
