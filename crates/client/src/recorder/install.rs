//! Two lines in an application: a thread of its own with a runtime of its own sends the metrics, so that it
//! does not matter whether and how the application uses tokio.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{BUCKETS, Recorder};
use crate::client::{BuildError, Client};
use crate::limits::{FINISH, INTERVAL};
use crate::session::{Session, SessionConfig};

/// How an application's metrics are recorded and sent.
#[derive(Clone, Debug)]
pub struct RecorderConfig {
    /// Nodes to begin with, `host:port`.
    pub seeds: Vec<String>,
    /// The bearer token that the nodes ask for.
    pub token: Option<String>,
    /// How often values are sent, on whole intervals of the clock.
    pub interval: Duration,
    /// Upper bounds of the buckets of all histograms, without infinity.
    pub buckets: Vec<f64>,
    /// Labels for all series, bounds, and how to write.
    pub session: SessionConfig,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            token: None,
            interval: INTERVAL,
            buckets: BUCKETS.to_vec(),
            session: SessionConfig::default(),
        }
    }
}

/// Why no recorder was installed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The configuration is at fault.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The system gave no thread or no runtime.
    #[error("cannot start the thread that sends metrics: {0}")]
    Thread(#[from] std::io::Error),
    /// The application has a recorder already.
    #[error("a metrics recorder is installed already")]
    Taken,
}

/// Makes a cluster the destination of the `metrics` macros; `labels` are added to every series.
///
/// ```no_run
/// let shoal = shoal_client::install(["127.0.0.1:7400"], [("job", "web")])?;
/// metrics::counter!("requests_total").increment(1);
/// # drop(shoal);
/// # Ok::<(), shoal_client::InstallError>(())
/// ```
pub fn install<S: Into<String>, N: Into<String>, V: Into<String>>(
    seeds: impl IntoIterator<Item = S>,
    labels: impl IntoIterator<Item = (N, V)>,
) -> Result<Installed, InstallError> {
    let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    let session = SessionConfig { labels, ..SessionConfig::default() };
    let seeds = seeds.into_iter().map(Into::into).collect();
    RecorderConfig { seeds, session, ..RecorderConfig::default() }.install()
}

impl RecorderConfig {
    /// Makes a cluster the destination of the `metrics` macros.
    pub fn install(self) -> Result<Installed, InstallError> {
        let (stop, stopped) = oneshot::channel();
        let (made, session) = mpsc::sync_channel(1);
        let config = self.clone();
        let thread = thread::Builder::new()
            .name("shoal-client".to_owned())
            .spawn(move || send_until_stopped(config, &made, stopped))?;
        let session = session.recv().expect("the thread says how it began")?;
        let installed = Installed { session, stop: Some(stop), thread: Some(thread) };
        let recorder = Recorder::new(installed.session.clone(), &self.buckets);
        metrics::set_global_recorder(recorder).map_err(|_| InstallError::Taken)?;
        Ok(installed)
    }
}

/// Keep it for as long as the application runs: when it is dropped, the last values are sent, for which it
/// blocks up to five seconds.
#[derive(Debug)]
#[must_use = "metrics are sent until this is dropped"]
pub struct Installed {
    session: Session,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Installed {
    /// The session behind the recorder.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that sends metrics panicked");
        }
    }
}

fn send_until_stopped(
    config: RecorderConfig,
    made: &mpsc::SyncSender<Result<Session, InstallError>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let begun = runtime.map_err(InstallError::from).and_then(|runtime| {
        let session = runtime.block_on(async { start(config) })?;
        Ok((runtime, session))
    });
    let (runtime, session) = match begun {
        Ok((runtime, session)) => (runtime, session),
        Err(error) => return drop(made.send(Err(error))),
    };
    drop(made.send(Ok(session.clone())));
    runtime.block_on(finish_when_stopped(session, stopped));
}

fn start(config: RecorderConfig) -> Result<Session, InstallError> {
    let client = Client::builder().seeds(config.seeds);
    let client = config.token.into_iter().fold(client, |client, token| client.token(token));
    let session = Session::new(client.build()?, config.session);
    session.start(config.interval);
    Ok(session)
}

async fn finish_when_stopped(session: Session, stopped: oneshot::Receiver<()>) {
    // An error says that the other end is gone, which is as good a reason to stop.
    _ = stopped.await;
    match tokio::time::timeout(FINISH, session.finish()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last metrics could not be sent"),
        Err(_) => tracing::warn!("the last metrics could not be sent in time"),
    }
}
