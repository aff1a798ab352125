//! What a node gathers itself (StatsD's totals, scrapes) on its way into the engine: judged like what clients
//! send, and counted by door. There is nobody to reply to, so the outcome goes back to who gathered it.

use shoal_model::StreamPoints;
use shoal_model::limits::{BATCH_POINTS_MAX, BATCH_STREAMS_MAX};
use shoal_replication::Acks;

use super::{Context, Door};
use crate::admission::Admitted;
use crate::engine::{Notes, UnfitStream, WriteError, Written};

/// What became of the points.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Points that were written.
    pub accepted: u64,
    /// Points that were refused, for their time, value or family.
    pub refused: u64,
    /// Why the first of them was.
    pub reason: Option<String>,
}

/// Writes what was gathered; more than one write holds is split.
pub async fn write(
    context: &Context,
    door: Door,
    streams: Vec<StreamPoints>,
) -> Result<Gathered, WriteError> {
    write_noted(context, door, streams, Notes::default()).await
}

/// The same with what is told beside the points.
pub async fn write_noted(
    context: &Context,
    door: Door,
    mut streams: Vec<StreamPoints>,
    mut notes: Notes,
) -> Result<Gathered, WriteError> {
    let mut gathered = Gathered::default();
    context.refusals.refuse(door, "exemplar", notes.admit(&context.about.rules()));
    while !streams.is_empty() {
        let rest = streams.split_off(fitting(&streams));
        let (part, notes) = (std::mem::replace(&mut streams, rest), std::mem::take(&mut notes));
        write_part(context, door, part, notes, &mut gathered).await?;
    }
    Ok(gathered)
}

/// How many streams from the front fit one write; at least one.
fn fitting(streams: &[StreamPoints]) -> usize {
    let mut points = 0;
    let fits = |part: &&StreamPoints| {
        points += part.points.len();
        points <= BATCH_POINTS_MAX
    };
    streams.iter().take(BATCH_STREAMS_MAX).take_while(fits).count().max(1)
}

async fn write_part(
    context: &Context,
    door: Door,
    streams: Vec<StreamPoints>,
    notes: Notes,
    gathered: &mut Gathered,
) -> Result<(), WriteError> {
    let points: usize = streams.iter().map(|part| part.points.len()).sum();
    let Ok(Admitted { batch, refused, .. }) =
        context.about.rules().admit(streams.into_iter().enumerate().collect())
    else {
        // One stream with more points than a write holds.
        context.refusals.refuse(door, "oversize", points as u64);
        gathered.refused += points as u64;
        return Ok(());
    };
    for refused in &refused {
        context.refusals.refuse(door, refused.reason.word(), 1);
        gathered.reason.get_or_insert_with(|| refused.reason.to_string());
    }
    gathered.refused += refused.len() as u64;
    let sizes: Vec<_> = batch.streams.iter().map(|part| part.points.len() as u64).collect();
    let Written { unfit, .. } = match context.engine.write_noted(batch, notes, Acks::Auto).await {
        Ok(written) => written,
        Err(error) => {
            context.refusals.refuse(door, "not_written", sizes.iter().sum());
            return Err(error);
        }
    };
    let mut accepted = sizes.iter().sum::<u64>();
    for UnfitStream { stream, why } in unfit {
        let points = sizes.get(stream).copied().unwrap_or_default();
        context.refusals.refuse(door, why.word, points);
        gathered.refused += points;
        accepted -= points;
        gathered.reason.get_or_insert(why.reason);
    }
    context.refusals.accept(door, accepted);
    gathered.accepted += accepted;
    Ok(())
}
