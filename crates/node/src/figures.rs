//! Figures: what a node measures of its host and of itself at one moment, before it becomes `/metrics` text or
//! points of its own. Families follow the conventions of Prometheus' exporters, so that dashboards fit.

mod histogram;

use crate::exposition::write_family;

pub(crate) use histogram::{Histogram, MOMENTS, WORK};

/// One value of one family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The family's name, its unit last.
    pub(crate) family: &'static str,
    /// What its name has behind the family's: `_bucket`, `_sum` or `_count` of a histogram.
    pub(crate) suffix: &'static str,
    /// How it moves.
    pub(crate) kind: FigureKind,
    /// A sentence for people.
    pub(crate) help: &'static str,
    /// What tells it from others of its family.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The value.
    pub(crate) value: f64,
}

/// How a figure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FigureKind {
    /// Only up, until its source restarts.
    Counter,
    /// Up and down.
    Gauge,
    /// A part of a classic histogram: only up.
    Histogram,
}

impl FigureKind {
    /// The word of the exposition format.
    pub(crate) fn word(self) -> &'static str {
        match self {
            FigureKind::Counter => "counter",
            FigureKind::Gauge => "gauge",
            FigureKind::Histogram => "histogram",
        }
    }

    /// The same as descriptions number it, after Prometheus' remote write.
    pub(crate) fn number(self) -> u8 {
        match self {
            FigureKind::Counter => 1,
            FigureKind::Gauge => 2,
            FigureKind::Histogram => 3,
        }
    }
}

impl Figure {
    /// A counter without labels.
    pub(crate) fn counter(family: &'static str, help: &'static str, value: f64) -> Self {
        Self { family, suffix: "", kind: FigureKind::Counter, help, labels: Vec::new(), value }
    }

    /// A gauge without labels.
    pub(crate) fn gauge(family: &'static str, help: &'static str, value: f64) -> Self {
        Self { family, suffix: "", kind: FigureKind::Gauge, help, labels: Vec::new(), value }
    }

    /// The name of its series.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", self.family, self.suffix)
    }

    /// The same with one more label.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// The figures as exposition text, each family once, in order of family and labels; the parts of a histogram stay in
/// their order.
pub(crate) fn render(figures: &[Figure]) -> String {
    let mut sorted: Vec<&Figure> = figures.iter().collect();
    let place = |figure: &&Figure| {
        let labels = figure.labels.iter().filter(|(name, _)| *name != "le");
        (figure.family, labels.map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>())
    };
    sorted.sort_by_cached_key(place);
    let mut out = String::new();
    for family in sorted.chunk_by(|a, b| a.family == b.family) {
        let samples = family.iter().map(|figure| (figure.suffix, figure.labels.as_slice(), figure.value));
        write_family(&mut out, family[0].family, family[0].kind.word(), family[0].help, samples);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_gathered_and_sorted() {
        let figures = [
            Figure::gauge("b_bytes", "B.", 2.0).with("device", "y"),
            Figure::counter("a_total", "A.", 1.0),
            Figure::gauge("b_bytes", "B.", 1.5).with("device", "x"),
        ];
        let expected = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n\
            # HELP b_bytes B.\n# TYPE b_bytes gauge\nb_bytes{device=\"x\"} 1.5\nb_bytes{device=\"y\"} 2\n";
        assert_eq!(render(&figures), expected);
    }
}
