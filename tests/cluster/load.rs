//! A load that goes on while nodes come and go, and that no call of may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use shoal_client::{Client, NodeOrder, Session, SessionConfig};

use crate::harness::Cluster;

/// Applications that count, each through a session of its own.
const APPLICATIONS: usize = 4;

/// A load that goes on until it is stopped, and fails with the first call that does.
pub struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    tasks: Vec<tokio::task::JoinHandle<u64>>,
}

impl Load {
    /// Starts to count calls in `calls_total`, at all nodes in turn.
    pub fn start(cluster: &Cluster) -> Self {
        let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let task = |_| {
            let client =
                Client::builder().seeds(cluster.seeds()).order(NodeOrder::RoundRobin).build().unwrap();
            let (stop, calls) = (stop.clone(), calls.clone());
            tokio::spawn(async move {
                let session = Session::new(client, SessionConfig::default());
                let counter = session.counter("calls_total", &[]);
                let mut counted = 0;
                while !stop.load(Ordering::Relaxed) {
                    counter.add(1.0);
                    session.flush().await.expect("no call fails");
                    calls.fetch_add(1, Ordering::Relaxed);
                    counted += 1;
                }
                counted
            })
        };
        Self { tasks: (0..APPLICATIONS).map(task).collect(), stop, calls }
    }

    /// Waits until so many more calls have been answered.
    pub async fn goes_on(&self, cluster: &Cluster, calls: u64) {
        let until = self.calls.load(Ordering::Relaxed) + calls;
        cluster
            .eventually("the load goes on", async || {
                self.calls.load(Ordering::Relaxed) >= until
                    || self.tasks.iter().any(|task| task.is_finished())
            })
            .await;
        assert!(self.tasks.iter().all(|task| !task.is_finished()), "a call failed");
    }

    /// How many calls there were, all of them answered.
    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let mut counted = 0;
        for task in self.tasks {
            counted += task.await.expect("no call failed");
        }
        counted
    }
}
