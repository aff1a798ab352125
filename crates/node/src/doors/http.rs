//! The HTTP doors: health, the cluster's state as JSON, metrics as text, and import of text.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post, put};
use serde_json::{Value, json};
use shoal_model::limits::REQUEST_BYTES_MAX;
use shoal_proto::v1;
use shoal_replication::Readiness;

use super::{Context, cluster, elsewhere, import, otlp, own, page, prometheus, push, remote_write};
use crate::engine::phase;
use crate::figures;
use crate::host;

/// The HTTP routes.
pub(super) fn routes(context: Context) -> Router {
    Router::new()
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/cluster", get(cluster_state))
        .route("/api/v1/members/{node}/{call}", get(elsewhere::ask).post(elsewhere::ask))
        .route("/api/v1/import/prometheus", post(import::import))
        .route("/metrics/job/{*group}", gateway())
        .route("/metrics/job@base64/{*group}", gateway())
        .route("/api/v1/write", post(remote_write::write))
        .route("/v1/metrics", post(otlp::export_http))
        .route("/api/v1/otlp/v1/metrics", post(otlp::export_http))
        .merge(prometheus::routes())
        .merge(page::routes())
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .with_state(context)
}

/// What Pushgateway does with a group.
fn gateway() -> axum::routing::MethodRouter<Context> {
    put(push::gateway).post(push::gateway).delete(push::gateway)
}

/// An error in Prometheus' own form.
pub(super) fn error(status: StatusCode, kind: &str, text: &str) -> Response {
    let body = Json(json!({"status": "error", "errorType": kind, "error": text}));
    match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            (status, [("retry-after", "1")], body).into_response()
        }
        _ => (status, body).into_response(),
    }
}

async fn ready(State(context): State<Context>) -> Response {
    let readiness = *context.engine.readiness().borrow();
    match readiness {
        Readiness::Ready => "ready\n".into_response(),
        waiting => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", phase(waiting))).into_response(),
    }
}

async fn metrics(State(context): State<Context>) -> Response {
    match context.engine.status().await {
        Ok(status) => {
            let figures = [own::figures(&context, &status), host::of_process()].concat();
            let text = figures::render(&figures);
            ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(stopped) => error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &stopped.to_string()),
    }
}

/// `?digest=true` adds a digest of every point, which takes reading them.
async fn cluster_state(
    State(context): State<Context>,
    Query(asked): Query<Vec<(String, String)>>,
) -> Response {
    let reply = match cluster::members(&context).await {
        Ok(reply) => reply,
        Err(stopped) => return error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &stopped.to_string()),
    };
    let mut state = cluster_json(reply);
    if asked.iter().any(|(name, value)| name == "digest" && value == "true") {
        match context.engine.digest().await {
            Ok(digest) => state["digest"] = json!(format!("{digest:032x}")),
            Err(failed) => return error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", &failed.to_string()),
        }
    }
    Json(state).into_response()
}

fn cluster_json(reply: v1::MembersReply) -> Value {
    let v1::MembersReply {
        node,
        cluster,
        members,
        points,
        streams,
        series,
        frontier,
        warnings,
        holes,
        damage,
        repair,
        complete_until,
        time_ms,
        usage,
        doors,
        snapshot,
        journal_failure,
    } = reply;
    let hole = |hole: v1::Hole| json!({"origin": hex(&hole.origin), "seq": hole.seq, "reason": hole.reason});
    json!({
        "node": hex(&node),
        "cluster": cluster,
        "members": members.into_iter().map(member_json).collect::<Vec<_>>(),
        "points": points,
        "streams": streams,
        "series": series,
        "frontier": hex(&frontier),
        "complete_until": (complete_until != 0).then_some(complete_until),
        "warnings": warnings,
        "holes": holes.into_iter().map(hole).collect::<Vec<_>>(),
        "damage": damage.into_iter().map(damage_json).collect::<Vec<_>>(),
        "repair": repair.map(repair_json),
        "time_ms": time_ms,
        "usage": usage.map(usage_json),
        "doors": doors.into_iter().map(door_json).collect::<serde_json::Map<_, _>>(),
        "journal_failure": (!journal_failure.is_empty()).then_some(journal_failure),
        "snapshot": snapshot.map(|v1::SnapshotProgress { files, files_all }| {
            json!({"files": files, "files_all": files_all})
        }),
    })
}

fn usage_json(usage: v1::Usage) -> Value {
    let v1::Usage {
        started_ms,
        cpu_seconds,
        resident_bytes,
        memory_bytes,
        journal_bytes,
        block_bytes,
        disk_free_bytes,
        disk_bytes,
        peer_bytes_in,
        peer_bytes_out,
        frames_applied,
        requests_refused,
        retention_ms,
    } = usage;
    json!({
        "started_ms": started_ms,
        "cpu_seconds": cpu_seconds,
        "resident_bytes": resident_bytes,
        "memory_bytes": memory_bytes,
        "journal_bytes": journal_bytes,
        "block_bytes": block_bytes,
        "disk_free_bytes": disk_free_bytes,
        "disk_bytes": disk_bytes,
        "peer_bytes_in": peer_bytes_in,
        "peer_bytes_out": peer_bytes_out,
        "frames_applied": frames_applied,
        "requests_refused": requests_refused,
        "retention_ms": retention_ms,
    })
}

fn door_json(counts: v1::DoorCounts) -> (String, Value) {
    let v1::DoorCounts { door, accepted, refused } = counts;
    let refused = refused.into_iter().map(|v1::Refused { reason, count }| (reason, json!(count)));
    let refused: serde_json::Map<_, _> = refused.collect();
    (door, json!({"accepted": accepted, "refused": refused}))
}

fn repair_json(repair: v1::Repair) -> Value {
    let v1::Repair { lender, windows, windows_left, points, running_ms, left_ms } = repair;
    json!({
        "lender": hex(&lender),
        "windows": windows,
        "windows_left": windows_left,
        "points": points,
        "running_ms": running_ms,
        "left_ms": (left_ms != 0).then_some(left_ms),
    })
}

fn damage_json(damage: v1::Damage) -> Value {
    let v1::Damage { from_ms, to_ms, first_place, last_place, part } = damage;
    json!({
        "from_ms": from_ms,
        "to_ms": to_ms,
        "first_place": first_place,
        "last_place": last_place,
        "part": part,
    })
}

fn member_json(member: v1::Member) -> Value {
    let state = member.state().as_str_name().trim_start_matches("MEMBER_STATE_").to_ascii_lowercase();
    let v1::Member {
        node,
        name,
        zone,
        version,
        client_address,
        peer_address,
        state: _,
        reachable,
        phase,
        incarnation,
        origin,
        lag_frames,
        last_seen_ms,
        lag_bytes,
        faults,
    } = member;
    let faults = faults.into_iter().map(|fault| (fault.reason, json!(fault.count)));
    json!({
        "node": hex(&node),
        "name": name,
        "zone": zone,
        "version": version,
        "client_address": client_address,
        "peer_address": peer_address,
        "state": state,
        "reachable": reachable,
        "phase": phase,
        "incarnation": incarnation,
        "origin": hex(&origin),
        "lag_frames": lag_frames,
        "lag_bytes": lag_bytes,
        "faults": faults.collect::<serde_json::Map<_, _>>(),
        "last_seen_ms": last_seen_ms,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
