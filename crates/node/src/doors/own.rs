//! The node's own metrics, `shoal_*`: what it holds, how far the others are, what its doors refused.

use shoal_replication::{Counters, Readiness, RepairStatus};

use super::Context;
use crate::engine::Status;
use crate::figures::{Figure, FigureKind};

/// All figures of this node itself.
pub fn figures(context: &Context, status: &Status) -> Vec<Figure> {
    let mut figures = held(status);
    figures.extend(repair(status));
    figures.extend(links(status));
    figures.extend(replication(status));
    figures.extend(doors(context));
    figures.extend(transport(context));
    figures.extend(standing(status));
    figures.extend(disk(context));
    figures.extend(context.timing.figures());
    figures.extend(context.engine.meter().figures());
    figures
}

fn counter(
    family: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> Figure {
    Figure { family, suffix: "", kind: FigureKind::Counter, help, labels, value: value as f64 }
}

fn gauge(
    family: &'static str,
    help: &'static str,
    labels: Vec<(&'static str, String)>,
    value: u64,
) -> Figure {
    Figure { family, suffix: "", kind: FigureKind::Gauge, help, labels, value: value as f64 }
}

/// What alerts are made of: whether the node is in service, whether it takes writes, and up to when it has everything.
fn standing(status: &Status) -> Vec<Figure> {
    use shoal_replication::Status as Standing;
    let is_ready = status.readiness == Readiness::Ready;
    let members = [Standing::Joined, Standing::Left, Standing::Forgotten].map(|standing| {
        let count = status.members.iter().filter(|member| member.member.status == standing).count();
        let labels = vec![("state", standing.word().to_owned())];
        gauge("shoal_members", "Nodes that belong or belonged, by state.", labels, count as u64)
    });
    let mut figures = vec![
        gauge(
            "shoal_build_info",
            "The release that runs.",
            vec![("version", env!("CARGO_PKG_VERSION").to_owned())],
            1,
        ),
        gauge("shoal_ready", "Whether the node is in service.", vec![], u64::from(is_ready)),
        gauge(
            "shoal_journal_failed",
            "Whether the journal takes no more writes until a restart.",
            vec![],
            u64::from(status.failure.is_some()),
        ),
    ];
    figures.extend(members);
    figures.extend(status.complete_until.map(|until_ms| Figure {
        value: until_ms as f64 / 1000.0,
        ..gauge(
            "shoal_complete_until_timestamp_seconds",
            "Up to which time, by this node's clock, all that the members held is here.",
            vec![],
            0,
        )
    }));
    figures
}

/// The file system of the data directory.
fn disk(context: &Context) -> Vec<Figure> {
    let Ok(room) = rustix::fs::statvfs(&context.about.data) else { return Vec::new() };
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    vec![
        gauge(
            "shoal_disk_free_bytes",
            "What the node may still take of its data directory's file system.",
            vec![],
            bytes(room.f_bavail),
        ),
        gauge(
            "shoal_disk_size_bytes",
            "Size of the data directory's file system.",
            vec![],
            bytes(room.f_blocks),
        ),
    ]
}

fn held(status: &Status) -> Vec<Figure> {
    let totals = status.totals;
    vec![
        gauge("shoal_points", "Points held.", vec![], totals.points),
        gauge("shoal_streams", "Streams known.", vec![], totals.streams),
        gauge("shoal_series", "Series known.", vec![], totals.series),
        gauge("shoal_block_bytes", "Bytes of the blocks on disk.", vec![], totals.block_bytes),
        gauge("shoal_journal_bytes", "Bytes of the journal on disk.", vec![], totals.journal_bytes),
        counter(
            "shoal_records_unreadable_total",
            "Records passed over, unreadable as written.",
            vec![],
            totals.unreadable_records,
        ),
        gauge(
            "shoal_holes",
            "Frames that were held and cannot be read any more.",
            vec![],
            status.holes.len() as u64,
        ),
        counter(
            "shoal_scrubbed_bytes_total",
            "Bytes on disk whose checksums were verified in the background.",
            vec![],
            totals.scrubbed_bytes,
        ),
        gauge(
            "shoal_damaged_chunks",
            "Damaged parts of blocks whose points may be missing here.",
            vec![],
            status.damage.len() as u64,
        ),
    ]
}

fn repair(status: &Status) -> Vec<Figure> {
    let repair = status.repair.as_ref();
    let of = |field: fn(&RepairStatus) -> u64| repair.map_or(0, field);
    vec![
        gauge(
            "shoal_repair_running",
            "Whether missing points are being fetched.",
            vec![],
            u64::from(repair.is_some()),
        ),
        gauge(
            "shoal_repair_windows",
            "Windows to be compared in all.",
            vec![],
            of(|repair| repair.windows as u64),
        ),
        gauge(
            "shoal_repair_windows_left",
            "Windows not compared yet.",
            vec![],
            of(|repair| repair.windows_left as u64),
        ),
        gauge(
            "shoal_repair_points",
            "Points fetched by the repair under way.",
            vec![],
            of(|repair| repair.points),
        ),
    ]
}

fn links(status: &Status) -> Vec<Figure> {
    let members = status.members.iter().filter(|m| m.member.status == shoal_replication::Status::Joined);
    let figures = members.flat_map(|member| {
        let labels =
            || vec![("member", member.member.name.clone()), ("node", member.member.node.to_string())];
        [
            gauge(
                "shoal_member_reachable",
                "Whether a member answers.",
                labels(),
                u64::from(member.is_reachable),
            ),
            gauge(
                "shoal_member_alive",
                "Whether gossip holds a member for alive.",
                labels(),
                u64::from(member.is_alive),
            ),
            gauge(
                "shoal_member_lag_frames",
                "Own frames that a member does not hold yet.",
                labels(),
                member.lag_frames,
            ),
            gauge(
                "shoal_member_lag_bytes",
                "Bytes of own frames that a member does not hold yet.",
                labels(),
                member.lag_bytes,
            ),
        ]
    });
    figures.collect()
}

fn replication(status: &Status) -> Vec<Figure> {
    let Counters { frames_applied, frames_known, pulls, frames_voided, debts_written_off, remnants } =
        status.counters;
    let outcome = |outcome: &str| vec![("outcome", outcome.to_owned())];
    const FRAMES: &str = "Frames of other nodes by what became of them.";
    let mut figures = vec![
        counter("shoal_replication_frames_total", FRAMES, outcome("applied"), frames_applied),
        counter("shoal_replication_frames_total", FRAMES, outcome("known"), frames_known),
        counter("shoal_replication_pulls_total", "Pulls sent.", vec![], pulls),
        counter(
            "shoal_replication_frames_lost_total",
            "Frames given up because no member had them.",
            vec![],
            frames_voided,
        ),
        counter(
            "shoal_replication_debts_written_off_total",
            "Debts ended by joining what the members had, since none was whole.",
            vec![],
            debts_written_off,
        ),
        counter(
            "shoal_replication_remnants_total",
            "Frames written because points of a frame that was given up are here.",
            vec![],
            remnants,
        ),
    ];
    let faults = status.faults.iter().map(|(node, fault, count)| {
        let labels = vec![("node", node.to_string()), ("reason", fault.word().to_owned())];
        counter("shoal_replication_refused_total", "What was refused of other nodes.", labels, count)
    });
    figures.extend(faults);
    figures
}

fn doors(context: &Context) -> Vec<Figure> {
    let counts = context.refusals.counts();
    let accepted = counts.accepted.into_iter().map(|(door, points)| {
        counter(
            "shoal_points_accepted_total",
            "Points accepted by door.",
            vec![("door", door.word().to_owned())],
            points,
        )
    });
    let refused = counts.refused.into_iter().map(|((door, reason), points)| {
        let labels = vec![("door", door.word().to_owned()), ("reason", reason.to_owned())];
        counter("shoal_points_refused_total", "Points refused by door and reason.", labels, points)
    });
    let requests = [
        gauge("shoal_request_bytes", "Bytes of the requests in work.", vec![], context.intake.spent()),
        counter(
            "shoal_requests_refused_total",
            "Requests refused because too many were in work.",
            vec![],
            context.intake.refused(),
        ),
    ];
    accepted.chain(refused).chain(requests).collect()
}

fn transport(context: &Context) -> Vec<Figure> {
    let stats = context.mesh.stats();
    let refused = stats.greetings_refused.iter().map(|(refusal, count)| {
        let reason = format!("{refusal:?}").to_ascii_lowercase();
        (reason, *count)
    });
    let refused = refused.chain([
        ("certificate".to_owned(), stats.handshakes_refused),
        ("stranger".to_owned(), stats.strangers_refused),
    ]);
    let way = |way: &str| vec![("direction", way.to_owned())];
    let versions = stats.versions.iter().map(|(version, peers)| {
        let labels = vec![("version", version.to_string())];
        gauge("shoal_peer_protocol_version", "Peers connected by version of the protocol.", labels, *peers)
    });
    let mut figures = vec![
        gauge("shoal_peer_connections", "Peer connections that are open.", vec![], stats.connections),
        counter("shoal_peer_messages_total", "Messages exchanged with peers.", way("in"), stats.messages_in),
        counter(
            "shoal_peer_messages_total",
            "Messages exchanged with peers.",
            way("out"),
            stats.messages_out,
        ),
        counter(
            "shoal_peer_bytes_total",
            "Bytes of messages exchanged with peers.",
            way("in"),
            stats.bytes_in,
        ),
        counter(
            "shoal_peer_bytes_total",
            "Bytes of messages exchanged with peers.",
            way("out"),
            stats.bytes_out,
        ),
        counter(
            "shoal_peer_messages_dropped_total",
            "Messages given up for want of room.",
            way("in"),
            stats.dropped_in,
        ),
        counter(
            "shoal_peer_messages_dropped_total",
            "Messages given up for want of room.",
            way("out"),
            stats.dropped_out,
        ),
        counter(
            "shoal_peer_dials_failed_total",
            "Dials of peers that led nowhere.",
            vec![],
            stats.dials_failed,
        ),
    ];
    figures.extend(versions);
    figures.extend(refused.map(|(reason, count)| {
        counter(
            "shoal_peer_connections_refused_total",
            "Peers refused by reason.",
            vec![("reason", reason)],
            count,
        )
    }));
    figures
}
