//! The catalogue at a million series of ten labels, as a Kubernetes fleet has them: cost of a new series, memory,
//! selections, and loading from the log and from a snapshot. CPU time of this thread where it says so, because
//! machines are shared. `cargo bench -p shoal-store --bench catalogue`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use shoal_model::{Kind, Labels, Matcher, MatcherOp, Stream, StreamId, Writer};
use shoal_store::catalogue::{Catalogue, CatalogueFile};
use shoal_store::{Disk, RealDisk};

const SERIES: usize = 1_000_000;
const METRICS: usize = 200;

/// The `n`-th stream: every pod has every metric; pods share nodes, namespaces and containers.
fn stream(n: usize) -> Stream {
    let (pod, metric) = (n / METRICS, n % METRICS);
    let labels = Labels::new([
        ("__name__", format!("container_metric_{metric}_total")),
        ("cluster", format!("eu-central-{}", pod % 3)),
        ("container", format!("container-{}", pod % 120)),
        ("endpoint", "http-metrics".to_owned()),
        ("image", format!("registry.example.com/team/app-{}:v1.2.{}", pod % 120, pod % 7)),
        ("instance", format!("10.{}.{}.{}:8080", pod % 4, pod / 250 % 250, pod % 250)),
        ("job", format!("kubelet-{}", pod % 40)),
        ("namespace", format!("namespace-{}", pod % 60)),
        ("node", format!("ip-10-0-{}-{}.internal", pod % 500 / 250, pod % 250)),
        ("pod", format!("app-{}-7d9c5b6f-{pod:05x}", pod % 120)),
    ]);
    Stream { labels: labels.expect("sound labels"), writer: Writer::NONE, kind: Kind::Sample }
}

fn main() {
    let root = tempfile::tempdir().expect("a directory");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(root.path()));
    let (mut catalogue, mut file) = CatalogueFile::load(Arc::clone(&disk), 0).expect("an empty catalogue");
    define(&mut catalogue);
    look_up(&catalogue);
    timed("append to the log", || file.append(&mut catalogue).expect("space"));
    file.sync().expect("a disk");
    select(&catalogue);
    let upto = file.len();
    println!("log: {:.1} bytes a stream", upto as f64 / SERIES as f64);
    timed("load from the log", || CatalogueFile::load(Arc::clone(&disk), upto).expect("a whole log"));
    timed("write a snapshot", || file.snapshot(&catalogue).expect("space"));
    let snapshot = disk.open("catalogue/snapshot").and_then(|file| file.len()).expect("a snapshot");
    println!("snapshot: {:.1} bytes a stream", snapshot as f64 / SERIES as f64);
    drop(catalogue);
    let load = || CatalogueFile::load(Arc::clone(&disk), upto).expect("a whole snapshot").0;
    let mut catalogue = timed("load from the snapshot", load);
    println!(
        "then: {:.1} bytes a stream by its own estimate",
        catalogue.memory_bytes() as f64 / SERIES as f64
    );
    let half: Vec<u32> =
        (0..SERIES as u32).filter(|place| (place / METRICS as u32).is_multiple_of(2)).collect();
    timed("recycle half of the streams", || catalogue.recycle(&half.iter().collect()));
}

fn define(catalogue: &mut Catalogue) {
    let start = resident_bytes();
    let mut spent = 0.0;
    for first in (0..SERIES).step_by(1000) {
        let batch: Vec<(Stream, StreamId)> =
            (first..first + 1000).map(stream).map(|stream| (stream.clone(), stream.id())).collect();
        let begun = cpu_seconds();
        batch.iter().for_each(|(stream, id)| {
            black_box(catalogue.define(stream, id));
        });
        spent += cpu_seconds() - begun;
    }
    let per = |bytes: usize| bytes as f64 / SERIES as f64;
    println!("define: {:.0} ns a series (CPU)", spent * 1e9 / SERIES as f64);
    println!("memory: {:.1} bytes a stream resident", per(resident_bytes() - start));
    println!("memory: {:.1} bytes a stream by its own estimate", per(catalogue.memory_bytes()));
}

fn look_up(catalogue: &Catalogue) {
    let ids: Vec<StreamId> = (0..100_000).map(|n| stream(n * 7919 % SERIES).id()).collect();
    let begun = cpu_seconds();
    assert!(ids.iter().all(|id| black_box(catalogue.place(id)).is_some()));
    println!("place: {:.0} ns, in random order (CPU)", (cpu_seconds() - begun) * 1e9 / ids.len() as f64);
}

fn select(catalogue: &Catalogue) {
    let equal = |name: &str, value: &str| Matcher::new(name, MatcherOp::Equal, value).expect("a matcher");
    let regex = |name: &str, value: &str| Matcher::new(name, MatcherOp::Regex, value).expect("a matcher");
    let unequal =
        |name: &str, value: &str| Matcher::new(name, MatcherOp::NotEqual, value).expect("a matcher");
    let metric = equal("__name__", "container_metric_7_total");
    let check = |what: &str, matchers: &[Matcher]| {
        let begun = Instant::now();
        let found = catalogue.select(matchers);
        println!("select {what}: {} series in {:?}", found.len(), begun.elapsed());
        let begun = Instant::now();
        let values = catalogue.label_values("pod", matchers).len();
        println!("    {values} values of pod in {:?}", begun.elapsed());
    };
    let namespace = equal("namespace", "namespace-5");
    check("3 x =", &[namespace.clone(), equal("cluster", "eu-central-2"), equal("endpoint", "http-metrics")]);
    check("metric", std::slice::from_ref(&metric));
    check("metric, namespace", &[metric.clone(), namespace.clone()]);
    check("metric, container!=\"\"", &[metric.clone(), unequal("container", "")]);
    check(
        "metric, pod=~a|b|c",
        &[metric.clone(), regex("pod", "app-1-7d9c5b6f-00001|app-2-7d9c5b6f-00002|x")],
    );
    check("pod=~prefix.*", &[regex("pod", "app-11.*")]);
    check("metric, pod=~.*-1[0-9]-.*", &[metric.clone(), regex("pod", ".*-1[0-9]-.*")]);
    check("metric, namespace, pod=~.*5", &[metric, namespace, regex("pod", ".*5")]);
    check("metric=~.*_17_.*", &[regex("__name__", ".*_17_.*")]);
    check("everything", &[]);
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let result = run();
    println!("{what}: {:.3} s CPU, {:.3} s", cpu_seconds() - cpu, begun.elapsed().as_secs_f64());
    result
}

/// CPU time of this thread, from the scheduler.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let spent = text.split(' ').next().and_then(|field| field.parse::<f64>().ok());
    spent.expect("nanoseconds") / 1e9
}

/// Resident memory, in pages of 4 KiB.
fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}
