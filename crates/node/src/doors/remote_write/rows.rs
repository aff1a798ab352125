//! From a request's columns to a write: each series' bytes lead to its stream's place, and only what was never seen
//! is parsed. Points that cannot be taken are left out and counted; nothing else of the request is lost.

use std::collections::BTreeMap;

use shoal_model::{Kind, Stream, Writer};
use shoal_proto::remote_write::{self, Columns};
use shoal_replication::{Acks, Receipt};
use shoal_store::{Exemplar, KnownPoints};

use crate::admission::Rules;
use crate::doors::Context;
use crate::doors::known::Key;
use crate::engine::{Notes, Placed, Unfit, WriteError};

/// How often places are looked up because the catalogue changed between looking and writing.
const LOOKUPS_MAX: usize = 3;

/// What was stored and refused of one request.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Samples stored.
    pub(super) samples: u64,
    /// Exemplars stored.
    pub(super) exemplars: u64,
    /// Exemplars refused, which is no reason to refuse more.
    pub(super) exemplars_refused: u64,
    /// What was refused, by reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// The first reason in words.
    pub(super) first_reason: Option<String>,
}

impl Tally {
    /// Whether nothing was stored, and only because there are too many streams.
    pub(super) fn is_full(&self) -> bool {
        self.samples == 0 && self.refused.keys().eq(["series_limit"].iter())
    }

    pub(super) fn refuse(&mut self, word: &'static str, count: u64, reason: impl FnOnce() -> String) {
        if count > 0 {
            *self.refused.entry(word).or_default() += count;
            self.first_reason.get_or_insert_with(reason);
        }
    }
}

/// Where a row's points go: to a place, or nowhere, for the reason of that number.
#[derive(Clone, Copy, Debug)]
enum Target {
    Place(u32),
    Nowhere(u32),
}

/// The targets of all rows, as they are at a revision of the catalogue.
#[derive(Default)]
struct Targets {
    revision: u64,
    rows: Vec<Target>,
    reasons: Vec<(&'static str, String)>,
}

/// Writes what can be taken of a request, and counts the rest; nothing is written if nothing is left.
pub(super) async fn write(
    context: &Context,
    writer: Writer,
    columns: &Columns<'_>,
    acks: Acks,
    tally: &mut Tally,
) -> Result<Option<Receipt>, WriteError> {
    let mut lookups = 1;
    loop {
        let mut attempt = Tally::default();
        match write_once(context, writer, columns, acks, &mut attempt).await {
            Err(WriteError::Outdated(revision)) if lookups < LOOKUPS_MAX => {
                context.known.forget_before(revision);
                lookups += 1;
            }
            written => {
                if written.is_ok() {
                    *tally = attempt;
                }
                return written;
            }
        }
    }
}

async fn write_once(
    context: &Context,
    writer: Writer,
    columns: &Columns<'_>,
    acks: Acks,
    tally: &mut Tally,
) -> Result<Option<Receipt>, WriteError> {
    let targets = find(context, writer, columns).await?;
    let known = targets.sort(columns, context.about.rules(), tally);
    let notes = notes(context, columns, tally);
    if known.points.is_empty() && notes.is_empty() {
        return Ok(None);
    }
    Ok(context.engine.write_known(targets.revision, known, notes, acks).await?.receipt)
}

/// Finds each row's stream by its bytes; those that are new to this door are parsed, and looked up by the engine.
async fn find(context: &Context, writer: Writer, columns: &Columns<'_>) -> Result<Targets, WriteError> {
    let seed = context.known.seed(writer);
    let keys: Vec<Key> = columns.series.iter().map(|row| Key::new(seed, columns.labels(row))).collect();
    let (mut targets, unknown) = look_up(context, &keys);
    if unknown.is_empty() {
        return Ok(targets);
    }
    let (rows, streams) = targets.parse(context, writer, columns, &unknown);
    let Placed { revision, places, streams } = context.engine.place(streams).await?;
    let found = rows.iter().zip(&places).filter_map(|(row, place)| Some((keys[*row], *place.as_ref().ok()?)));
    context.known.remember(revision, streams, found);
    if revision != targets.revision && unknown.len() < keys.len() {
        return Err(WriteError::Outdated(revision));
    }
    targets.revision = revision;
    for (row, place) in rows.into_iter().zip(places) {
        match place {
            Ok(place) => targets.rows[row] = Target::Place(place),
            Err(Unfit { word, reason }) => targets.refuse(row, word, reason),
        }
    }
    Ok(targets)
}

/// The targets that are remembered, and the rows of the others.
fn look_up(context: &Context, keys: &[Key]) -> (Targets, Vec<usize>) {
    let mut known = context.known.read();
    let mut unknown = Vec::new();
    let rows = keys.iter().enumerate().map(|(row, key)| match known.place(*key) {
        Some(place) => Target::Place(place),
        None => {
            unknown.push(row);
            Target::Nowhere(0)
        }
    });
    let rows = rows.collect();
    (Targets { revision: known.revision(), rows, reasons: Vec::new() }, unknown)
}

impl Targets {
    fn refuse(&mut self, row: usize, word: &'static str, reason: String) {
        self.rows[row] = Target::Nowhere(self.reasons.len() as u32);
        self.reasons.push((word, reason));
    }

    /// The rows among `unknown` whose labels name a series, and their streams.
    fn parse(
        &mut self,
        context: &Context,
        writer: Writer,
        columns: &Columns<'_>,
        unknown: &[usize],
    ) -> (Vec<usize>, Vec<Stream>) {
        let replica_label = context.about.replica_label.as_deref();
        let (mut rows, mut streams) = (Vec::with_capacity(unknown.len()), Vec::with_capacity(unknown.len()));
        for row in unknown {
            match remote_write::labels(columns.labels(&columns.series[*row]), replica_label) {
                Ok((labels, replica)) => {
                    // Hashed here, on one of many threads, and not by the one that owns the catalogue.
                    labels.series_id();
                    let writer = replica.map_or(writer, |replica| replica_writer(writer, &replica));
                    rows.push(*row);
                    streams.push(Stream { labels, writer, kind: Kind::Sample });
                }
                Err(bad) => self.refuse(*row, "labels", bad.to_string()),
            }
        }
        (rows, streams)
    }

    /// The points that can be taken, by place.
    fn sort(&self, columns: &Columns<'_>, rules: Rules, tally: &mut Tally) -> KnownPoints {
        let mut known = KnownPoints {
            streams: Vec::with_capacity(columns.series.len()),
            points: Vec::with_capacity(columns.points.len()),
        };
        let mut points = columns.points.as_slice();
        for (series, target) in columns.series.iter().zip(&self.rows) {
            let (own, rest) = points.split_at(series.points as usize);
            points = rest;
            let place = match target {
                Target::Place(place) => *place,
                Target::Nowhere(reason) => {
                    let (word, text) = &self.reasons[*reason as usize];
                    tally.refuse(word, own.len().max(1) as u64, || text.clone());
                    continue;
                }
            };
            let before = known.points.len();
            for point in own {
                match rules.judge(Kind::Sample, point) {
                    None => known.points.push(*point),
                    Some(reason) => tally.refuse(reason.word(), 1, || reason.to_string()),
                }
            }
            if known.points.len() > before {
                known.streams.push((place, (known.points.len() - before) as u32));
            }
        }
        tally.samples = known.points.len() as u64;
        tally.refuse("histogram", columns.histograms, || "native histograms are not kept".to_owned());
        known
    }
}

/// What the request tells beside its points.
fn notes(context: &Context, columns: &Columns<'_>, tally: &mut Tally) -> Notes {
    let (rules, mut notes) = (context.about.rules(), Notes::default());
    let labels = |row: u32| {
        let row = columns.series.get(row as usize)?;
        Some(remote_write::labels(columns.labels(row), context.about.replica_label.as_deref()).ok()?.0)
    };
    for row in &columns.metadata {
        let family = match row.family {
            Ok(family) => Some(family.to_owned()),
            Err(series) => labels(series).map(|labels| family(labels.metric(), row.kind).to_owned()),
        };
        if let Some(family) = family.filter(|family| !family.is_empty()) {
            notes.describe(
                &family,
                u8::try_from(row.kind).unwrap_or_default(),
                row.help,
                row.unit,
                rules.now_ms,
            );
        }
    }
    for row in &columns.exemplars {
        let Some(labels) = labels(row.series) else {
            notes.refuse();
            continue;
        };
        let pairs = row.labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        notes.exemplify(Exemplar {
            time_ms: row.time_ms,
            series: labels.series_id(),
            value_bits: row.value.to_bits(),
            labels: pairs.collect(),
        });
    }
    tally.exemplars_refused = notes.admit(&rules);
    tally.exemplars = notes.exemplars().len() as u64;
    notes
}

/// The family of a metric that is one series of a histogram or summary, as remote write numbers types.
fn family(metric: &str, kind: u64) -> &str {
    let suffixes: &[&str] = if matches!(kind, 3..=5) { &["_bucket", "_count", "_sum"] } else { &[] };
    suffixes.iter().find_map(|suffix| metric.strip_suffix(suffix)).unwrap_or(metric)
}

/// The writer that a replica of a server is, alike on every node.
fn replica_writer(writer: Writer, replica: &str) -> Writer {
    let mut id = [0; 16];
    let hash = blake3::Hasher::new_derive_key("shoal replica label")
        .update(&writer.0)
        .update(replica.as_bytes())
        .finalize();
    id.copy_from_slice(&hash.as_bytes()[..16]);
    Writer(id)
}
