//! Time and size of the column codec per kind of data and points in a chunk, on synthetic columns:
//! `cargo bench -p shoal-store --bench codec`. Prints nanoseconds and bytes per sample; the median of some
//! rounds, so that a busy machine disturbs little.

use std::hint::black_box;
use std::time::Instant;

use rand::{Rng, SeedableRng, rngs::SmallRng};
use shoal_store::codec::{Scratch, decode_times, decode_values, encode_times, encode_values};

const POINTS: usize = 1 << 17;
const ROUNDS: usize = 7;
const LENGTHS: [usize; 4] = [8, 16, 120, 240];

/// A kind of column: its name, its share of a fleet in percent, and a column of this many points.
type Kind<T> = (&'static str, u32, fn(&mut SmallRng, usize) -> Vec<T>);

const VALUES: [Kind<f64>; 11] = [
    ("constant", 36, |rng, n| vec![f64::from(rng.random_range(0_u32..1000)); n]),
    ("counter, slow (0.2)", 20, |rng, n| counter(rng, n, 0.2)),
    ("counter, Poisson (75)", 15, |rng, n| counter(rng, n, 75.0)),
    ("small integers", 8, |rng, n| (0..n).map(|_| poisson(rng, 3.0)).collect()),
    ("walk, 2 decimals", 3, |rng, n| walk(rng, n, 100.0)),
    ("noise, 2 decimals", 3, |rng, n| {
        (0..n).map(|_| ((50.0 + 8.0 * normal(rng)) * 100.0).round() / 100.0).collect()
    }),
    ("bytes (x4096)", 5, |rng, n| {
        walk(rng, n, 1.0).iter().map(|v| (v * 10.0).round() * 4096.0 + 4_096_000_000.0).collect()
    }),
    ("sticky percent", 5, sticky),
    ("counter, float sum", 4, float_sum),
    ("latency, f64", 1, |rng, n| (0..n).map(|_| (-3.0 + 0.5 * normal(rng)).exp()).collect()),
    ("random bits", 0, |rng, n| (0..n).map(|_| f64::from_bits(rng.random())).collect()),
];

const TIMES: [Kind<i64>; 6] = [
    ("on the grid", 0, |rng, n| grid(rng, n, 0.0)),
    ("jitter 0.7 ms", 0, |rng, n| grid(rng, n, 0.7)),
    ("jitter 3 ms", 0, |rng, n| grid(rng, n, 3.0)),
    ("jitter 50 ms", 0, |rng, n| grid(rng, n, 50.0)),
    ("jitter 3 ms, gaps", 0, gaps),
    ("delta axis", 0, |rng, n| {
        grid(rng, n, 0.0).iter().map(|t| t << 20 | rng.random_range(0..1 << 20)).collect()
    }),
];

fn main() {
    let coders = (encode_values as fn(&[f64], &mut Scratch, &mut Vec<u8>), decode_values as _);
    print_table("values", &VALUES, coders);
    print_table("times", &TIMES, (encode_times, decode_times));
}

type Encode<T> = fn(&[T], &mut Scratch, &mut Vec<u8>);
type Decode<T> = fn(&[u8], usize, &mut Vec<T>) -> Result<(), shoal_store::bytes::Malformed>;

fn print_table<T>(title: &str, kinds: &[Kind<T>], (encode, decode): (Encode<T>, Decode<T>)) {
    println!("\n{title:<22} {}", LENGTHS.map(|n| format!("│ n={n:<3} B    enc    dec ")).concat());
    let mut mix = [[0.0; 3]; LENGTHS.len()];
    for (name, share, column) in kinds {
        print!("{name:<22} ");
        for (n, total) in LENGTHS.into_iter().zip(&mut mix) {
            let mut rng = SmallRng::seed_from_u64(1);
            let columns: Vec<Vec<T>> = (0..POINTS / n).map(|_| column(&mut rng, n)).collect();
            let figures = measure(&columns, n, encode, decode);
            print!("{}", cell(figures));
            for (sum, figure) in total.iter_mut().zip(figures) {
                *sum += figure * f64::from(*share) / 100.0;
            }
        }
        println!();
    }
    if mix[0][0] > 0.0 {
        println!("{:<22} {}", "the mix", mix.map(cell).concat());
    }
}

fn cell([bytes, encode, decode]: [f64; 3]) -> String {
    format!("│ {bytes:7.3} {encode:6.1} {decode:6.2} ")
}

/// Bytes, nanoseconds to encode and nanoseconds to decode, per sample.
fn measure<T>(columns: &[Vec<T>], n: usize, encode: Encode<T>, decode: Decode<T>) -> [f64; 3] {
    let mut scratch = Scratch::default();
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let encode_ns = median_ns(|| {
        bytes.clear();
        ends.clear();
        for column in columns {
            encode(black_box(column), &mut scratch, &mut bytes);
            ends.push(bytes.len());
        }
    });
    let mut out = Vec::with_capacity(n);
    let decode_ns = median_ns(|| {
        let mut start = 0;
        for end in &ends {
            out.clear();
            decode(black_box(&bytes[start..*end]), n, &mut out).expect("what was encoded is decoded");
            black_box(&out);
            start = *end;
        }
    });
    let samples = (columns.len() * n) as f64;
    [bytes.len() as f64 / samples, encode_ns / samples, decode_ns / samples]
}

fn median_ns(mut round: impl FnMut()) -> f64 {
    let mut took = [0.0; ROUNDS];
    for slot in &mut took {
        let start = Instant::now();
        round();
        *slot = start.elapsed().as_nanos() as f64;
    }
    took.sort_by(f64::total_cmp);
    took[ROUNDS / 2]
}

fn normal(rng: &mut SmallRng) -> f64 {
    let (a, b): (f64, f64) = (rng.random_range(f64::MIN_POSITIVE..1.0), rng.random());
    (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// Knuth's method: how many factors bring a product below e^−λ.
fn poisson(rng: &mut SmallRng, mean: f64) -> f64 {
    let least = (-mean).exp();
    let mut product: f64 = rng.random();
    let mut count = 0.0;
    while product > least {
        product *= rng.random::<f64>();
        count += 1.0;
    }
    count
}

fn counter(rng: &mut SmallRng, n: usize, mean: f64) -> Vec<f64> {
    let mut total = f64::from(rng.random_range(0_u32..1_000_000));
    (0..n)
        .map(|_| {
            total += poisson(rng, mean);
            total
        })
        .collect()
}

fn walk(rng: &mut SmallRng, n: usize, unit: f64) -> Vec<f64> {
    let mut at = 5000.0;
    (0..n)
        .map(|_| {
            at += 0.4 * normal(rng);
            (at * unit).round() / unit
        })
        .collect()
}

fn sticky(rng: &mut SmallRng, n: usize) -> Vec<f64> {
    let mut at = 50.0;
    (0..n)
        .map(|_| {
            if rng.random_bool(0.1) {
                at = f64::from(rng.random_range(0_u32..1000)) / 10.0;
            }
            at
        })
        .collect()
}

fn float_sum(rng: &mut SmallRng, n: usize) -> Vec<f64> {
    let mut total = rng.random_range(100.0..10_000.0);
    (0..n)
        .map(|_| {
            total += (-3.0 + 0.5 * normal(rng)).exp();
            total
        })
        .collect()
}

const STEP_MS: f64 = 15_000.0;

fn grid(rng: &mut SmallRng, n: usize, jitter_ms: f64) -> Vec<i64> {
    let start = 1_760_000_000_000.0 + rng.random_range(0.0..STEP_MS).floor();
    (0..n).map(|i| (start + STEP_MS * i as f64 + jitter_ms * normal(rng)).round() as i64).collect()
}

/// One scrape in fifty is missing.
fn gaps(rng: &mut SmallRng, n: usize) -> Vec<i64> {
    let mut missing = 0;
    let mut times = grid(rng, n, 3.0);
    for time in &mut times {
        missing += i64::from(rng.random_bool(0.02));
        *time += missing * STEP_MS as i64;
    }
    times
}
