//! Clients that write and ask without a pause through one address, and take no failure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shoal_client::{Session, SessionConfig};
use tokio::task::JoinSet;

use crate::http::Http;

/// Enough that whatever node dies is working on a write.
const WRITERS: usize = 6;
/// Points of one request.
const POINTS: u64 = 10;
/// Comments of a kilobyte in the requests of every other writer: more than proxies hold of a request unless told.
const COMMENTS: usize = 30;
/// Between two requests of one client: a load, not a race for the processor.
const PACE: Duration = Duration::from_millis(10);

/// What the clients have done so far.
#[derive(Default)]
pub struct Tally {
    /// Requests that wrote.
    pub writes: AtomicU64,
    /// Requests that asked.
    pub questions: AtomicU64,
    /// Increments by the SDK over gRPC.
    pub increments: AtomicU64,
    /// Requests that wrote, were answered 502 or 503 and sent again.
    pub repeated: AtomicU64,
}

/// Clients at work.
pub struct Traffic {
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Traffic {
    /// Starts clients that write and ask by HTTP, as Prometheus does, and one that counts by gRPC.
    pub fn start(http: SocketAddr, grpc: SocketAddr) -> Self {
        let (tally, stop) = (Arc::<Tally>::default(), Arc::new(AtomicBool::new(false)));
        let mut clients = JoinSet::new();
        for writer in 0..WRITERS {
            clients.spawn(write(http, writer, tally.clone(), stop.clone()));
        }
        clients.spawn(ask(http, tally.clone(), stop.clone()));
        clients.spawn(count(grpc, tally.clone(), stop.clone()));
        Self { tally, stop, clients }
    }

    /// How many writes had to be sent again so far.
    pub fn repeated(&self) -> u64 {
        self.tally.repeated.load(Ordering::SeqCst)
    }

    /// Waits until every kind of client has done that much more.
    pub async fn goes_on(&mut self, much: u64) {
        let done = |tally: &Tally| {
            [&tally.writes, &tally.questions, &tally.increments].map(|count| count.load(Ordering::SeqCst))
        };
        let before = done(&self.tally);
        let mut tick = tokio::time::interval(PACE);
        while done(&self.tally).iter().zip(before).any(|(now, before)| *now < before + much) {
            // A client that fails ends, with its reason.
            if let Some(ended) = self.clients.try_join_next() {
                ended.expect("no request fails");
            }
            tick.tick().await;
        }
    }

    /// Ends the clients; what they did.
    pub async fn end(mut self) -> Sums {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("no request fails");
        }
        Sums {
            points: self.tally.writes.load(Ordering::SeqCst) * POINTS,
            increments: self.tally.increments.load(Ordering::SeqCst),
            requests: self.tally.writes.load(Ordering::SeqCst) + self.tally.questions.load(Ordering::SeqCst),
        }
    }
}

/// What was acknowledged.
pub struct Sums {
    /// Points written by HTTP.
    pub points: u64,
    /// Increments by gRPC.
    pub increments: u64,
    /// Requests by HTTP.
    pub requests: u64,
}

async fn write(to: SocketAddr, writer: usize, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    let client = Http::new();
    let began_ms = now_ms() - 60_000;
    let mut tick = tokio::time::interval(PACE);
    let mut point = 0;
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        let times = (point..point + POINTS).map(|place| began_ms + place as i64);
        let mut lines: String =
            times.map(|time| format!("proxied{{writer=\"{writer}\"}} 1 {time}\n")).collect();
        if writer.is_multiple_of(2) {
            lines += &format!("# {:1021}\n", "long").repeat(COMMENTS);
        }
        point += POINTS;
        loop {
            match client.post(to, "/api/v1/import/prometheus", lines.clone()).await {
                Ok((204, _)) => break,
                Ok((502 | 503, _)) => tally.repeated.fetch_add(1, Ordering::SeqCst),
                failed => panic!("a write: {failed:?}"),
            };
            tick.tick().await;
        }
        tally.writes.fetch_add(1, Ordering::SeqCst);
    }
}

async fn ask(to: SocketAddr, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    let client = Http::new();
    let mut tick = tokio::time::interval(PACE);
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        let answer = client.get(to, "/api/v1/query?query=count(proxied)").await;
        assert!(matches!(answer, Ok((200, _))), "a question: {answer:?}");
        tally.questions.fetch_add(1, Ordering::SeqCst);
    }
}

async fn count(to: SocketAddr, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    let client = shoal_client::Client::builder().seeds([to.to_string()]).only_seeds().build().unwrap();
    let session = Session::new(client, SessionConfig::default());
    let counter = session.counter("counted_total", &[]);
    let mut tick = tokio::time::interval(PACE);
    while !stop.load(Ordering::SeqCst) {
        tick.tick().await;
        counter.add(1.0);
        session.flush().await.expect("no call of the SDK fails");
        tally.increments.fetch_add(1, Ordering::SeqCst);
    }
    session.finish().await.expect("no call of the SDK fails");
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
