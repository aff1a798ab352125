//! Data points by kind of metric. What a data point cannot be turned into is refused by itself.

use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, Exemplar, Gauge, Histogram, HistogramDataPoint, NumberDataPoint,
    Sum, Summary, SummaryDataPoint, exemplar,
};
use shoal_model::time::delta_time;
use shoal_model::{Kind, LabelError, Labels, Point, Stream, StreamPoints, Writer, stale};

use super::Translated;
use super::labels::{Pairs, Target, series};
use super::writers::Source;

/// Where data points of one scope go.
pub(super) struct Points<'a> {
    pub(super) target: &'a Target,
    pub(super) source: &'a Source,
    pub(super) newest_ns: &'a mut u64,
    pub(super) out: &'a mut Translated,
}

/// How a cumulative or delta total is kept.
#[derive(Clone, Copy)]
struct Axis {
    kind: Kind,
    writer: Writer,
    time: i64,
    /// Whether the value is what had been counted before anyone looked.
    is_base: bool,
}

/// Why a data point is not kept.
enum Unfit {
    /// Its labels name no series.
    Labels(LabelError),
    /// There is no room for it, and the request is refused whole.
    Oversize,
}

impl From<LabelError> for Unfit {
    fn from(error: LabelError) -> Self {
        Self::Labels(error)
    }
}

/// A data point's times and flags.
#[derive(Clone, Copy)]
struct When {
    start_ns: u64,
    time_ns: u64,
    flags: u32,
}

impl When {
    fn time_ms(self) -> i64 {
        (self.time_ns / 1_000_000) as i64
    }

    fn has_no_value(self) -> bool {
        self.flags & DataPointFlags::NoRecordedValueMask as u32 != 0
    }
}

impl Points<'_> {
    pub(super) fn gauge(&mut self, name: &str, gauge: Gauge) {
        let Gauge { data_points } = gauge;
        for point in data_points {
            let (when, value) = number(&point);
            let place = self.begin(when);
            let value = if when.has_no_value() { stale() } else { value };
            let pairs = self.target.labels(&point.attributes);
            let axis = Axis {
                kind: Kind::Gauge,
                writer: self.source.writer(),
                time: when.time_ms(),
                is_base: false,
            };
            self.put_or_refuse(|points| points.put(place, axis, name, &pairs, None, value).map(drop));
        }
    }

    pub(super) fn sum(&mut self, name: &str, sum: Sum) {
        let Sum { data_points, aggregation_temporality, is_monotonic } = sum;
        let temporality = AggregationTemporality::try_from(aggregation_temporality);
        for point in data_points {
            let (when, value) = number(&point);
            let place = self.begin(when);
            let axis = match (temporality, is_monotonic) {
                (Ok(AggregationTemporality::Cumulative), false) => Ok(self.level(when)),
                (Ok(AggregationTemporality::Delta), false) => Err("a delta sum that may fall"),
                (temporality, true) => self.axis(when, temporality.unwrap_or_default()),
                _ => Err("a sum without temporality"),
            };
            let pairs = self.target.labels(&point.attributes);
            self.put_total(axis, when, |points, axis| {
                let labels = points.put(place, axis, name, &pairs, None, value)?;
                points.exemplify(&labels, &point.exemplars, |_| true);
                Ok(())
            });
        }
    }

    pub(super) fn histogram(&mut self, name: &str, histogram: Histogram) {
        let Histogram { data_points, aggregation_temporality } = histogram;
        let temporality = AggregationTemporality::try_from(aggregation_temporality).unwrap_or_default();
        for point in data_points {
            let when = When {
                start_ns: point.start_time_unix_nano,
                time_ns: point.time_unix_nano,
                flags: point.flags,
            };
            let place = self.begin(when);
            if !point.bucket_counts.is_empty() && point.bucket_counts.len() != point.explicit_bounds.len() + 1
            {
                let reason = format!(
                    "{name}: {} buckets for {} bounds",
                    point.bucket_counts.len(),
                    point.explicit_bounds.len()
                );
                self.out.refuse(1, "buckets", reason);
                continue;
            }
            let axis = self.axis(when, temporality);
            let pairs = self.target.labels(&point.attributes);
            self.put_total(axis, when, |points, axis| points.buckets(place, axis, name, &pairs, &point));
        }
    }

    pub(super) fn summary(&mut self, name: &str, summary: Summary) {
        let Summary { data_points } = summary;
        for point in data_points {
            let SummaryDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                quantile_values,
                flags,
            } = point;
            let when = When { start_ns: start_time_unix_nano, time_ns: time_unix_nano, flags };
            let place = self.begin(when);
            let axis = self.axis(when, AggregationTemporality::Cumulative);
            let pairs = self.target.labels(&attributes);
            self.put_total(axis, when, |points, axis| {
                points.put(place, axis, &format!("{name}_count"), &pairs, None, count as f64)?;
                points.put(place, axis, &format!("{name}_sum"), &pairs, None, sum)?;
                let level =
                    Axis { kind: Kind::Gauge, writer: points.source.writer(), is_base: false, ..axis };
                quantile_values.iter().try_for_each(|quantile| {
                    let extra = ("quantile", quantile.quantile.to_string());
                    let extra = Some((extra.0, extra.1.as_str()));
                    points.put(place, level, name, &pairs, extra, quantile.value).map(drop)
                })
            });
        }
    }

    /// A histogram's counts, each with all that is below it, its sum and its count.
    fn buckets(
        &mut self,
        place: usize,
        axis: Axis,
        name: &str,
        pairs: &Pairs,
        point: &HistogramDataPoint,
    ) -> Result<(), Unfit> {
        let bucket = format!("{name}_bucket");
        let (mut below, mut above) = (0, f64::NEG_INFINITY);
        for (bound, count) in point.explicit_bounds.iter().zip(&point.bucket_counts) {
            below = u64::saturating_add(below, *count);
            let le = Some(("le", &*bound.to_string()));
            let labels = self.put(place, axis, &bucket, pairs, le, below as f64)?;
            self.exemplify(&labels, &point.exemplars, |value| above < value && value <= *bound);
            above = *bound;
        }
        let labels = self.put(place, axis, &bucket, pairs, Some(("le", "+Inf")), point.count as f64)?;
        self.exemplify(&labels, &point.exemplars, |value| value > above);
        self.put(place, axis, &format!("{name}_count"), pairs, None, point.count as f64)?;
        match point.sum {
            Some(sum) => self.put(place, axis, &format!("{name}_sum"), pairs, None, sum).map(drop),
            None => Ok(()),
        }
    }

    /// Counts a data point, and names it.
    fn begin(&mut self, when: When) -> usize {
        *self.newest_ns = when.time_ns.max(*self.newest_ns);
        self.out.data_points += 1;
        self.out.data_points - 1
    }

    /// How a value that rises and falls is kept: by the one that reports it, whenever that began.
    fn level(&self, when: When) -> Axis {
        Axis { kind: Kind::UpDown, writer: self.source.writer(), time: when.time_ms(), is_base: false }
    }

    /// How a total is kept.
    fn axis(&self, when: When, temporality: AggregationTemporality) -> Result<Axis, &'static str> {
        let When { start_ns, time_ns, .. } = when;
        match temporality {
            AggregationTemporality::Cumulative => Ok(Axis {
                kind: if start_ns == 0 { Kind::Sample } else { Kind::Counter },
                writer: if start_ns == 0 { self.source.writer() } else { self.source.writer_from(start_ns) },
                time: when.time_ms(),
                is_base: start_ns == time_ns,
            }),
            AggregationTemporality::Delta => {
                let time =
                    delta_time((start_ns / 1_000_000) as i64, when.time_ms(), &span_key(start_ns, time_ns));
                let time = time.ok_or("a time that is off the axis")?;
                Ok(Axis { kind: Kind::Delta, writer: self.source.writer(), time, is_base: false })
            }
            AggregationTemporality::Unspecified => Err("a total without temporality"),
        }
    }

    /// Puts a total, unless the data point says that there is none: a total needs no word of its end.
    fn put_total(
        &mut self,
        axis: Result<Axis, &'static str>,
        when: When,
        put: impl FnOnce(&mut Self, Axis) -> Result<(), Unfit>,
    ) {
        match axis {
            Err(reason) => self.out.refuse(1, "temporality", format!("{reason} is not kept")),
            Ok(_) if when.has_no_value() => {}
            Ok(axis) => self.put_or_refuse(|points| put(points, axis)),
        }
    }

    /// A data point is kept whole or not at all.
    fn put_or_refuse(&mut self, put: impl FnOnce(&mut Self) -> Result<(), Unfit>) {
        let (parts, bases) = (self.out.parts.len(), self.out.bases.len());
        if let Err(error) = put(self) {
            self.out.parts.truncate(parts);
            self.out.bases.truncate(bases);
            if let Unfit::Labels(error) = error {
                self.out.refuse(1, "labels", error.to_string());
            }
        }
    }

    fn put(
        &mut self,
        place: usize,
        axis: Axis,
        name: &str,
        pairs: &Pairs,
        extra: Option<(&str, &str)>,
        value: f64,
    ) -> Result<Labels, Unfit> {
        if self.out.is_full() {
            return Err(Unfit::Oversize);
        }
        let Axis { kind, writer, time, is_base } = axis;
        let labels = series(name, pairs, extra)?;
        self.out.label_bytes += labels.canonical().len();
        if is_base && kind == Kind::Counter && value != 0.0 {
            // Counted before anyone looked, maybe by a writer that is known already: it is taken off again.
            let time = delta_time(time, time, b"base").unwrap_or(time);
            let stream = Stream { labels: labels.clone(), writer, kind: Kind::Delta };
            self.out.bases.push((place, StreamPoints { stream, points: vec![Point::new(time, -value)] }));
        }
        let stream = Stream { labels: labels.clone(), writer, kind };
        self.out.parts.push((place, StreamPoints { stream, points: vec![Point::new(time, value)] }));
        Ok(labels)
    }

    /// Takes a series' exemplars, with the trace that each belongs to.
    fn exemplify(&mut self, labels: &Labels, exemplars: &[Exemplar], is_own: impl Fn(f64) -> bool) {
        for exemplar in exemplars {
            let value = match exemplar.value {
                Some(exemplar::Value::AsDouble(value)) => value,
                Some(exemplar::Value::AsInt(value)) => value as f64,
                None => continue,
            };
            if is_own(value) {
                let mut pairs = Pairs::new();
                for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
                    if !id.is_empty() {
                        pairs.insert(name.to_owned(), id.iter().map(|byte| format!("{byte:02x}")).collect());
                    }
                }
                self.out.notes.exemplify(shoal_store::Exemplar {
                    time_ms: (exemplar.time_unix_nano / 1_000_000) as i64,
                    series: labels.series_id(),
                    value_bits: value.to_bits(),
                    labels: pairs.into_iter().collect(),
                });
            }
        }
    }
}

fn number(point: &NumberDataPoint) -> (When, f64) {
    let when =
        When { start_ns: point.start_time_unix_nano, time_ns: point.time_unix_nano, flags: point.flags };
    let value = match point.value {
        Some(Value::AsDouble(value)) => value,
        Some(Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    (when, value)
}

/// Tells increments of one stream apart that end in the same millisecond.
fn span_key(start_ns: u64, time_ns: u64) -> [u8; 16] {
    (u128::from(start_ns) << 64 | u128::from(time_ns)).to_le_bytes()
}
