//! Scraping (`--scrape FILE`): this node's share of the targets in Prometheus' `scrape_configs`.
//!
//! ```text
//!  file → jobs → sources ──groups──→ targets ──division──→ turns: fetch → sampling → engine
//!                                                 ↑
//!                       claims of the others, read from the store
//! ```
//!
//! One task owns all of it: it hears what sources found, once a second looks who else scrapes, and starts and ends
//! the turns of targets. What it knows stands on a board for `/api/v1/targets`.

mod claims;
mod discovery;
mod division;
mod dns;
mod fetch;
mod handover;
mod job;
mod relabel;
mod sampling;
mod target;
mod trust;
mod turn;
mod typed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shoal_model::{Labels, NodeId, stale};
use shoal_replication::Readiness;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

use crate::doors::Context;
use discovery::{Found, SourceId};
use division::{Division, JobKey};
pub(crate) use job::ScrapeConfigError;
use job::{Job, Source};
use relabel::LabelMap;
use target::{Target, TargetId, Targets};
pub(crate) use turn::{Health, SharedHealth};
use turn::{Order, TEXT_BYTES_MAX, Turn};

/// How often the others are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often the file is read again.
const READ_EVERY: Duration = Duration::from_secs(5);
/// How long a node that starts listens to the others' claims before it scrapes.
const LISTEN: Duration = Duration::from_secs(1);
/// What sources found and nobody has taken in yet.
const BACKLOG: usize = 64;

/// What is known of targets, for whoever asks.
#[derive(Default)]
pub struct Board(Mutex<Listing>);

/// All targets at one moment.
#[derive(Clone, Default)]
pub(crate) struct Listing {
    /// Those that are scraped, by this node or another.
    pub(crate) active: Vec<Listed>,
    /// Those that relabelling dropped: the job, and the labels found.
    pub(crate) dropped: Vec<(String, LabelMap)>,
}

/// A target that is scraped.
#[derive(Clone)]
pub(crate) struct Listed {
    /// Its job's name.
    pub(crate) job: String,
    /// Where it is asked.
    pub(crate) url: String,
    /// What its samples are labelled with.
    pub(crate) labels: LabelMap,
    /// What was found, before relabelling.
    pub(crate) discovered: LabelMap,
    /// How often it is asked.
    pub(crate) interval: Duration,
    /// How long it may take.
    pub(crate) timeout: Duration,
    /// How the last scrape went, if it is this node that scrapes it.
    pub(crate) health: Option<SharedHealth>,
    /// The series that says whether it is up.
    pub(crate) up: Option<Labels>,
}

impl Board {
    /// What stands there now.
    pub(crate) fn listing(&self) -> Listing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn show(&self, listing: Listing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = listing;
    }
}

/// The running task.
pub(crate) struct Scraper {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scraper {
    /// Reads the file and begins to scrape once the node is in service.
    pub(crate) fn start(context: Context, path: PathBuf) -> Result<Self, ScrapeConfigError> {
        let text = job::read(&path)?;
        let jobs = job::parse(&text, &path)?;
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Scraping::new(context, path, text, jobs).run(stopped));
        Ok(Self { stop, task })
    }

    /// Scrapes no more; the series go on with another node.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        // A task that broke has said so.
        let _ = self.task.await;
    }
}

struct Scraping {
    context: Context,
    path: PathBuf,
    /// What stood in the file last, good or not.
    text: String,
    jobs: Vec<Arc<Job>>,
    /// Which reading of the file this is.
    reading: u64,
    sources: JoinSet<()>,
    found: BTreeMap<SourceId, Vec<typed::TypedGroup>>,
    /// What the jobs come to, as far as their sources have told; `None` when that has changed.
    made: Option<Vec<Made>>,
    division: Division,
    turns: HashMap<Arc<TargetId>, RunningTurn>,
    /// Bytes of texts that may be in work.
    room: Arc<Semaphore>,
    /// Turns that end by themselves.
    ending: JoinSet<()>,
}

/// A job with its targets; `None` while a source has not told yet.
struct Made {
    job: Arc<Job>,
    targets: Option<Targets>,
}

struct RunningTurn {
    target: Target,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
    health: SharedHealth,
}

impl Scraping {
    fn new(context: Context, path: PathBuf, text: String, jobs: Vec<Arc<Job>>) -> Self {
        Self {
            division: Division::new(context.engine.node()),
            context,
            path,
            text,
            jobs,
            reading: 0,
            sources: JoinSet::new(),
            found: BTreeMap::new(),
            made: None,
            turns: HashMap::new(),
            room: Arc::new(Semaphore::new(TEXT_BYTES_MAX)),
            ending: JoinSet::new(),
        }
    }

    async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut readiness = self.context.engine.readiness();
        tokio::select! {
            ready = readiness.wait_for(|readiness| *readiness == Readiness::Ready) => {
                if ready.is_err() {
                    return;
                }
            }
            _ = stopped.changed() => return,
        }
        let (tell, mut heard) = mpsc::channel(BACKLOG);
        self.ask_sources(&tell);
        self.claim().await;
        let mut look = tokio::time::interval_at(Instant::now() + LISTEN, LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut claimed, mut read) = (Instant::now(), Instant::now());
        loop {
            tokio::select! {
                _ = stopped.changed() => break,
                Some(Found { source, groups }) = heard.recv() => {
                    if source.reading == self.reading {
                        self.found.insert(source, groups);
                        self.made = None;
                    }
                    continue;
                }
                _ = look.tick() => {}
            }
            if read.elapsed() >= READ_EVERY {
                read = Instant::now();
                self.read_again(&tell).await;
            }
            match claims::others(&self.context).await {
                Ok(others) => self.observe(others),
                Err(error) => tracing::debug!(%error, "who else scrapes is not known now"),
            }
            self.settle();
            if claimed.elapsed() >= claims::EVERY {
                claimed = Instant::now();
                self.claim().await;
            }
        }
        self.leave().await;
    }

    /// Asks every source of this reading of the file.
    fn ask_sources(&mut self, tell: &mpsc::Sender<Found>) {
        self.sources.abort_all();
        self.reading += 1;
        self.found.clear();
        self.made = None;
        for job in &self.jobs {
            for (place, source) in job.sources.iter().enumerate() {
                let id = SourceId { reading: self.reading, job: job.name.clone(), place };
                if let Source::Static(groups) = source {
                    self.found.insert(id, groups.clone());
                } else {
                    self.sources.spawn(discovery::watch(id, source.clone(), tell.clone()));
                }
            }
        }
    }

    /// Takes a changed file up; a broken one changes nothing.
    async fn read_again(&mut self, tell: &mpsc::Sender<Found>) {
        let read = job::read(&self.path).and_then(|text| {
            let is_new = text != self.text;
            self.text.clone_from(&text);
            if is_new { job::parse(&text, &self.path).map(Some) } else { Ok(None) }
        });
        let jobs = match read {
            Ok(Some(jobs)) => jobs,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "--scrape: the jobs go on as they were"),
        };
        tracing::info!(jobs = jobs.len(), "the file of --scrape has changed");
        let before = std::mem::replace(&mut self.jobs, jobs);
        let kept: BTreeSet<_> = self.jobs.iter().map(|job| key(job)).collect();
        let gone = before.iter().map(|job| (key(job), stale())).filter(|(job, _)| !kept.contains(job));
        claims::claim(&self.context, gone).await;
        self.ask_sources(tell);
        self.claim().await;
    }

    /// Tells the others which jobs this node has, and how many targets of each it scrapes.
    async fn claim(&self) {
        let count = |job: &Job| self.turns.values().filter(|turn| turn.target.job.name == job.name).count();
        claims::claim(&self.context, self.jobs.iter().map(|job| (key(job), count(job) as f64))).await;
    }

    fn observe(&mut self, mut others: BTreeMap<JobKey, BTreeSet<NodeId>>) {
        let now = std::time::Instant::now();
        for job in &self.jobs {
            let key = key(job);
            let nodes = others.remove(&key).unwrap_or_default();
            self.division.observe(now, key, nodes);
        }
    }

    /// Starts and ends turns as targets come, go and move.
    fn settle(&mut self) {
        while self.ending.try_join_next().is_some() {}
        let now = std::time::Instant::now();
        let (mut listing, mut known) = (Listing::default(), BTreeSet::new());
        let made = self.made.take().unwrap_or_else(|| self.make());
        for Made { job, targets } in &made {
            let Some(targets) = targets else {
                // Targets that a source has not told of yet are not gone.
                known.extend(self.turns.keys().filter(|id| id.job == job.name).cloned());
                continue;
            };
            let dropped = targets.dropped.iter().map(|labels| (job.name.clone(), labels.clone()));
            listing.dropped.extend(dropped);
            for target in &targets.active {
                known.insert(Arc::clone(&target.id));
                let health = self.place(now, target);
                listing.active.push(listed(target, health));
            }
        }
        self.made = Some(made);
        let gone: Vec<_> = self.turns.keys().filter(|id| !known.contains(*id)).cloned().collect();
        gone.iter().for_each(|id| self.finish(id, Order::End));
        self.context.scraped.show(listing);
    }

    /// Makes the targets of every job whose sources have all told.
    fn make(&self) -> Vec<Made> {
        let made = self.jobs.iter().map(|job| {
            let id = |place| SourceId { reading: self.reading, job: job.name.clone(), place };
            let told: Option<Vec<_>> =
                (0..job.sources.len()).map(|place| self.found.get(&id(place))).collect();
            let mut targets = told.map(|told| target::targets(job, told.into_iter().flatten()));
            if let Some(targets) = &mut targets {
                note(job, targets);
            }
            Made { job: Arc::clone(job), targets }
        });
        made.collect()
    }

    /// Sees to it that a target has its turn here if it is this node's; gives its health if so.
    fn place(&mut self, now: std::time::Instant, target: &Target) -> Option<SharedHealth> {
        let running = self.turns.get(&target.id);
        // The file was read anew: credentials and the like may be others.
        let has_changed = running.is_some_and(|turn| !Arc::ptr_eq(&turn.target.job, &target.job));
        let is_mine = self.division.is_mine(now, target, running.is_some());
        if running.is_some() && (has_changed || !is_mine) {
            self.finish(&Arc::clone(&target.id), Order::GiveUp);
        }
        if is_mine && !self.turns.contains_key(&target.id) {
            self.begin(target);
        }
        self.turns.get(&target.id).map(|turn| Arc::clone(&turn.health))
    }

    fn begin(&mut self, target: &Target) {
        let (orders, heard) = watch::channel(Order::Scrape);
        let health = SharedHealth::default();
        let turn = Turn {
            context: self.context.clone(),
            target: target.clone(),
            health: Arc::clone(&health),
            is_taken_over: self.division.is_taken_over(target),
            room: Arc::clone(&self.room),
        };
        let task = tokio::spawn(turn.run(heard));
        let running = RunningTurn { target: target.clone(), orders, task, health };
        self.turns.insert(Arc::clone(&target.id), running);
    }

    fn finish(&mut self, id: &Arc<TargetId>, order: Order) {
        if let Some(RunningTurn { orders, task, .. }) = self.turns.remove(id) {
            orders.send_replace(order);
            self.ending.spawn(async move {
                // A turn that broke has said so.
                let _ = task.await;
                drop(orders);
            });
        }
    }

    /// Leaves all targets to the others.
    async fn leave(mut self) {
        let ids: Vec<_> = self.turns.keys().cloned().collect();
        ids.iter().for_each(|id| self.finish(id, Order::GiveUp));
        claims::claim(&self.context, self.jobs.iter().map(|job| (key(job), stale()))).await;
        self.ending.join_all().await;
    }
}

/// Says what is wrong with the targets of a job, and takes all away where there are too many.
fn note(job: &Job, targets: &mut Targets) {
    if let Some(bad) = targets.bad.first() {
        tracing::warn!(job = job.name, count = targets.bad.len(), %bad, "targets cannot be scraped");
    }
    let count = targets.active.len();
    if count > job.limits.targets {
        tracing::warn!(job = job.name, count, "the targets are over target_limit: none is scraped");
        targets.active.clear();
    }
}

fn key(job: &Job) -> JobKey {
    (job.name.clone(), job.fingerprint.clone())
}

fn listed(target: &Target, health: Option<SharedHealth>) -> Listed {
    Listed {
        job: target.job.name.clone(),
        url: target.id.url.clone(),
        labels: target.id.labels.clone(),
        discovered: target.discovered.clone(),
        interval: target.interval,
        timeout: target.timeout,
        health,
        up: sampling::report_labels(target, "up"),
    }
}
