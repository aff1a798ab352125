//! What the whole store costs on a real disk: appending, a peer's frames, flushes and merges, memory, bytes on the
//! disk, reads and restarts. Times are CPU times of the one thread that does all of it, the kernel's part included,
//! unless they say wall. `cargo bench -p shoal-store --bench store -- --streams 100000 --points 480`; without
//! arguments a run of that and one of a million streams with 64 points each.

mod load;
mod meter;
mod reading;
mod run;

use run::Run;

fn main() {
    let mut sizes = vec![(100_000, 480), (1_000_000, 64)];
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<usize>().ok()
    };
    if let Some(streams) = number("--streams") {
        sizes = vec![(streams, number("--points").unwrap_or(64))];
    }
    for (streams, points) in sizes {
        println!("\n{streams} streams, {points} points each");
        Run::new(streams, points).all();
    }
}

/// Prints one line of the table.
fn line(what: &str, figure: f64, unit: &str) {
    println!("{what:<62} {figure:>9.2} {unit}");
}
