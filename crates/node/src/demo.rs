//! `shoal demo`: a cluster of node processes on this machine, an application that counts on it, and a table of
//! what each node answers. Nodes can be killed and started again while it runs. It leaves nothing behind.

mod application;
mod cluster;
mod look;
mod order;
mod process;
mod report;
mod screen;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use application::{Application, Tally};
use cluster::Cluster;
use look::{Look, Lookout};
use order::Order;
use screen::Screen;

/// What is typed after `shoal demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// How many nodes, 1 to 9
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    nodes: u8,

    /// Keep the nodes' data in DIR, instead of a temporary directory that is removed
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Why the demo ended before the user wished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The system lacks something that the demo needs.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A node ended instead of starting.
    #[error("{name} did not start: {last_words}")]
    Ended {
        /// Which node.
        name: String,
        /// The end of its log.
        last_words: String,
    },
    /// A node runs and does not say where.
    #[error("{0} did not listen within {START:?}")]
    Silent(String),
    /// The nodes run and do not become one cluster.
    #[error("the nodes did not agree within {START:?}")]
    Disagree,
    /// The SDK cannot be used.
    #[error(transparent)]
    Client(#[from] shoal_client::BuildError),
}

impl DemoError {
    fn system(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}

/// Generous, for machines that compile beside it; usually it takes a few seconds.
const START: Duration = Duration::from_secs(60);
/// How often the nodes are asked while they start.
const PROGRESS: Duration = Duration::from_millis(200);
/// The application writes on whole seconds; half-way between, the nodes have what it wrote.
const LOOK_OFFSET_MS: u64 = 600;

impl Demo {
    pub(crate) fn run(self) -> Result<(), DemoError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(DemoError::system("runtime"))?.block_on(self.play())
    }

    /// However it ends, the processes are ended first and the directory is removed then.
    async fn play(self) -> Result<(), DemoError> {
        let mut interruption = Interruption::new().map_err(DemoError::system("signals"))?;
        let temporary = match &self.dir {
            Some(_) => None,
            None => Some(
                tempfile::Builder::new()
                    .prefix("shoal-demo-")
                    .tempdir()
                    .map_err(DemoError::system("temporary directory"))?,
            ),
        };
        let dir = temporary.as_ref().map(|dir| dir.path().to_owned()).or(self.dir).unwrap_or_default();
        let mut cluster = Cluster::new(&dir, self.nodes);
        let outcome = tokio::select! {
            outcome = perform(&mut cluster) => outcome,
            () = interruption.wait() => Ok(()),
        };
        cluster.kill_all().await;
        // Below what the user was typing; where nobody reads it, there is nothing to say.
        _ = Screen::new().say("\nall nodes are stopped");
        let removed = temporary.map_or(Ok(()), tempfile::TempDir::close);
        outcome.and(removed.map_err(DemoError::system("removing the temporary directory")))
    }
}

/// The signals by which people and systems end a program.
struct Interruption {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interruption {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

async fn perform(cluster: &mut Cluster) -> Result<(), DemoError> {
    let mut screen = Screen::new();
    cluster.start_all(&mut screen).await?;
    let lookout = Lookout::new(&cluster.clients())?;
    screen.say("waiting until they agree")?;
    wait_for_agreement(cluster, &lookout).await?;
    let application = Application::start(&cluster.clients())?;
    screen.begin(report::introduction(&cluster.clients()));
    Watch { cluster, lookout, tally: application.tally(), screen, note: String::new() }
        .run(order::listen())
        .await
}

async fn wait_for_agreement(cluster: &mut Cluster, lookout: &Lookout) -> Result<(), DemoError> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        cluster.check()?;
        if report::is_one_cluster(&lookout.look(cluster).await) {
            return Ok(());
        }
        sleep(PROGRESS).await;
    }
    Err(DemoError::Disagree)
}

/// The demo while it is watched.
struct Watch<'a> {
    cluster: &'a mut Cluster,
    lookout: Lookout,
    tally: watch::Receiver<Tally>,
    screen: Screen,
    /// What came of the last order.
    note: String,
}

impl Watch<'_> {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Result<(), DemoError> {
        loop {
            tokio::select! {
                Some(order) = orders.recv() => {
                    if self.obey(order).await.is_break() {
                        return Ok(());
                    }
                    self.screen.refresh();
                }
                () = sleep(until_next_look()) => {
                    let looks = self.lookout.look(self.cluster).await;
                    self.show(&looks)?;
                }
            }
        }
    }

    async fn obey(&mut self, order: Order) -> std::ops::ControlFlow<()> {
        self.note = match order {
            Order::Quit => return std::ops::ControlFlow::Break(()),
            // Nobody is there to type the rest.
            Order::End if self.screen.is_terminal() => return std::ops::ControlFlow::Break(()),
            Order::End | Order::Nothing => return std::ops::ControlFlow::Continue(()),
            Order::Kill(number) => self.cluster.kill(number).await,
            Order::Start(number) => self.cluster.start(number),
            Order::Unknown(text) => format!("{text:?} is no order: k N, s N or q"),
        };
        std::ops::ControlFlow::Continue(())
    }

    fn show(&mut self, looks: &[Look]) -> Result<(), DemoError> {
        let report = report::report(looks, &self.tally.borrow());
        self.screen.show(&report, &self.note)
    }
}

fn until_next_look() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let into_second = u64::from(now.subsec_millis());
    Duration::from_millis((1_000 + LOOK_OFFSET_MS - into_second - 1) % 1_000 + 1)
}
