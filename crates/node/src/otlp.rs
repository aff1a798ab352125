//! OTLP metrics in the model's words: who counts becomes a writer, a data point becomes points, and names become
//! Prometheus' (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>). Pure; whether
//! values and times are acceptable is for admission.
//!
//! | metric | kind | writer |
//! |---|---|---|
//! | gauge, quantiles of a summary, `target_info` | gauge | resource and scope |
//! | sum that falls, cumulative | updown | resource and scope: what reports again goes on |
//! | sum, histogram, summary's sum and count: cumulative with a start | counter | resource, scope and start |
//! | the same without a start | sample | resource and scope |
//! | sum, histogram: delta | delta, at a place that (start, end) fix | resource and scope |

mod labels;
mod names;
mod points;
mod size;
#[cfg(test)]
mod tests;
mod writers;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics, metric};
use shoal_model::StreamPoints;
use shoal_model::limits::{BATCH_STREAMS_MAX, REQUEST_BYTES_MAX};

use crate::admission::Oversize;
use crate::engine::Notes;
use labels::Target;
use points::Points;
pub(crate) use size::{judge_json, judge_protobuf};
use writers::Source;

/// What a request holds.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    /// Points by stream, each with the number of the data point that it belongs to.
    pub(crate) parts: Vec<(usize, StreamPoints)>,
    /// What is taken off totals again, with the same numbers: it had been counted before anyone looked. Below zero,
    /// which only this may be.
    pub(crate) bases: Vec<(usize, StreamPoints)>,
    /// What metrics mean, and exemplars.
    pub(crate) notes: Notes,
    /// How many data points there are in all.
    pub(crate) data_points: usize,
    /// Data points that cannot be translated.
    pub(crate) refused: Vec<Refused>,
    /// Why no more was translated, if there is more than one write holds.
    pub(crate) oversize: Option<Oversize>,
    /// Bytes of all labels so far.
    label_bytes: usize,
}

/// Data points that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// How many.
    pub(crate) data_points: usize,
    /// The word under which they are counted.
    pub(crate) word: &'static str,
    /// Why.
    pub(crate) reason: String,
}

/// Bytes of all labels of a request, spelled out for each series.
const LABEL_BYTES_MAX: usize = 2 * REQUEST_BYTES_MAX;

/// Numbers of parts that are no data point of the request.
pub(crate) const NO_DATA_POINT: usize = usize::MAX;

impl Translated {
    /// Whether there is no room for another stream. A small message may stand for many.
    fn is_full(&mut self) -> bool {
        if self.parts.len() >= BATCH_STREAMS_MAX {
            self.oversize = Some(Oversize::Streams(self.parts.len() + 1));
        } else if self.label_bytes > LABEL_BYTES_MAX {
            self.oversize = Some(Oversize::Labels(LABEL_BYTES_MAX));
        }
        self.oversize.is_some()
    }

    fn refuse(&mut self, data_points: usize, word: &'static str, reason: String) {
        self.refused.push(Refused { data_points, word, reason });
    }
}

/// Translates a request.
pub(crate) fn translate(request: ExportMetricsServiceRequest, now_ms: i64) -> Translated {
    let ExportMetricsServiceRequest { resource_metrics } = request;
    let mut out = Translated::default();
    for ResourceMetrics { resource, scope_metrics, schema_url: _ } in resource_metrics {
        let resource = resource.unwrap_or_default();
        let target = Target::new(&resource.attributes);
        let mut newest_ns = 0;
        for ScopeMetrics { scope, metrics, schema_url: _ } in scope_metrics {
            let source = Source::new(&resource.attributes, scope.as_ref());
            for metric in metrics {
                let mut points =
                    Points { target: &target, source: &source, newest_ns: &mut newest_ns, out: &mut out };
                take(metric, now_ms, &mut points);
            }
        }
        let source = Source::new(&resource.attributes, None);
        out.parts.extend(target.info(&source, newest_ns).map(|part| (NO_DATA_POINT, part)));
    }
    out
}

fn take(metric: Metric, now_ms: i64, points: &mut Points<'_>) {
    let Metric { name, description, unit, metadata: _, data } = metric;
    let Some(data) = data else { return };
    let name = names::metric(&name, &unit, &data);
    points.out.notes.describe(&name, metric_type(&data), &description, &unit, now_ms);
    match data {
        metric::Data::Gauge(gauge) => points.gauge(&name, gauge),
        metric::Data::Sum(sum) => points.sum(&name, sum),
        metric::Data::Histogram(histogram) => points.histogram(&name, histogram),
        metric::Data::Summary(summary) => points.summary(&name, summary),
        metric::Data::ExponentialHistogram(histogram) => {
            let count = histogram.data_points.len();
            points.out.data_points += count;
            points.out.refuse(count, "histogram", format!("{name}: exponential histograms are not kept"));
        }
    }
}

/// The type of a metric, as remote write numbers them.
fn metric_type(data: &metric::Data) -> u8 {
    match data {
        metric::Data::Sum(sum) if sum.is_monotonic => 1,
        metric::Data::Gauge(_) | metric::Data::Sum(_) => 2,
        metric::Data::Histogram(_) | metric::Data::ExponentialHistogram(_) => 3,
        metric::Data::Summary(_) => 5,
    }
}
