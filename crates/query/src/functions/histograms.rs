//! `histogram_quantile` and `histogram_fraction` over classic histograms: series with a bucket's bound in `le`.

use std::collections::BTreeMap;

use shoal_model::labels::METRIC_NAME;

use super::argument;
use super::buckets::{self, Bucket};
use crate::error::QueryError;
use crate::eval::{ABSENT, Computed, Evaluator, Grid, Row};
use crate::labels::LabelSet;
use crate::plan::Node;

/// The label of a bucket's upper bound.
const BOUND: &str = "le";

/// The rows of one histogram, each with its bound.
type Histogram<'r> = Vec<(f64, &'r Row)>;

pub(super) fn quantile(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let quantiles = evaluator.scalars(argument(args, 0)?, grid)?;
    evaluator.check_quantiles(&quantiles);
    let rows = evaluator.rows(argument(args, 1)?, grid)?;
    let mut is_forced = false;
    let made = over_histograms(evaluator, &rows, grid, |step, buckets| {
        is_forced |= buckets::make_monotonic(buckets);
        buckets::quantile(quantiles[step], buckets)
    });
    if is_forced {
        evaluator.inform(
            "input to histogram_quantile needed to be fixed for monotonicity (see \
             https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
        );
    }
    Ok(Computed::Rows(made))
}

pub(super) fn fraction(
    evaluator: &mut Evaluator<'_>,
    args: &[Node],
    grid: &Grid,
) -> Result<Computed, QueryError> {
    let lows = evaluator.scalars(argument(args, 0)?, grid)?;
    let highs = evaluator.scalars(argument(args, 1)?, grid)?;
    let rows = evaluator.rows(argument(args, 2)?, grid)?;
    let made = over_histograms(evaluator, &rows, grid, |step, buckets| {
        buckets::make_monotonic(buckets);
        buckets::fraction(lows[step], highs[step], buckets)
    });
    Ok(Computed::Rows(made))
}

/// Asks about each histogram at each step at which it has a bucket.
fn over_histograms(
    evaluator: &mut Evaluator<'_>,
    rows: &[Row],
    grid: &Grid,
    mut value: impl FnMut(usize, &mut Vec<Bucket>) -> f64,
) -> Vec<Row> {
    let mut buckets = Vec::new();
    let mut made = Vec::new();
    for (labels, histogram) in histograms(evaluator, rows) {
        let mut at = |step: usize| {
            buckets.clear();
            let live = histogram.iter().filter_map(|(upper, row)| Some((*upper, row.at(step)?)));
            buckets.extend(live.map(|(upper, count)| Bucket { upper, count }));
            buckets::in_order(&mut buckets);
            if buckets.is_empty() { ABSENT } else { value(step, &mut buckets) }
        };
        let values = (0..grid.count).map(&mut at).collect();
        made.push(Row { labels, drops_name: true, values });
    }
    made
}

fn histograms<'r>(evaluator: &mut Evaluator<'_>, rows: &'r [Row]) -> BTreeMap<LabelSet, Histogram<'r>> {
    let mut histograms: BTreeMap<LabelSet, Histogram<'r>> = BTreeMap::new();
    for row in rows {
        let bound = row.labels.value(BOUND);
        let Ok(upper) = bound.parse::<f64>() else {
            let name = row.labels.value(METRIC_NAME);
            evaluator.warn(format!(
                "bucket label {BOUND:?} is missing or has a malformed value of {bound:?} for metric with name \
                 {name:?}"
            ));
            continue;
        };
        // Histograms of two names stay two; should they be the same without their names, that is an error.
        let labels = row.labels.filtered(|name| name != BOUND);
        histograms.entry(labels).or_default().push((upper, row));
    }
    histograms
}
