//! What one scrape comes to, pure: the target's text, its labels and rules in, points out. It remembers which
//! series the last scrape had: what is missing now has ended, and says so by a stale marker.
//!
//! The writer is the scraping node. Where a target moves, the next node writes the same series under its own
//! name, and the lens of samples shows one of them at a time: nothing is doubled and nothing needs to end.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use shoal_model::{Kind, Labels, Point, Stream, StreamPoints, Writer, stale};
use shoal_store::Exemplar;

use super::fetch::Fetched;
use super::job::Limits;
use super::relabel::{LabelMap, relabel};
use super::target::Target;
use crate::engine::Notes;
use crate::exposition::{self, Bounds, Exposed, Format, Sample};

/// Put before a label of the target's text that its own labels take, as Prometheus does.
const EXPORTED: &str = "exported_";

/// A scrape that as a whole is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadScrape {
    #[error("{0} samples are over sample_limit {1}")]
    Samples(usize, usize),
    #[error("series {0} has {1} labels, over label_limit {2}")]
    Labels(String, usize, usize),
    #[error("a label name of {0} bytes is over label_name_length_limit {1}")]
    LabelName(usize, usize),
    #[error("a label value of {0} bytes is over label_value_length_limit {1}")]
    LabelValue(usize, usize),
    #[error("no line of the text can be read; line {0}: {1}")]
    Nothing(usize, String),
}

/// What a scrape came to.
#[derive(Debug, Default)]
pub(super) struct Scraped {
    /// All that is to be written.
    pub(super) streams: Vec<StreamPoints>,
    /// What the metrics mean, and the exemplars that the last scrape did not have.
    pub(super) notes: Notes,
    /// Lines that were refused.
    pub(super) refused: u64,
    /// The first of them and why.
    pub(super) reason: Option<String>,
}

/// One target's series from scrape to scrape.
pub(super) struct Sampling {
    writer: Writer,
    previous: HashSet<Labels>,
    /// The exemplars of the last scrape, without the times that they had from it.
    exemplars: BTreeSet<Exemplar>,
}

#[derive(Default)]
struct Counts {
    scraped: usize,
    kept: usize,
    added: usize,
}

impl Sampling {
    /// Nothing was scraped yet.
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer, previous: HashSet::new(), exemplars: BTreeSet::new() }
    }

    /// Takes in what the target said at `now_ms`.
    pub(super) fn take(
        &mut self,
        target: &Target,
        fetched: &Fetched,
        now_ms: i64,
        took: Duration,
    ) -> Result<Scraped, BadScrape> {
        let job = &target.job;
        let format = Format::of_content_type(&fetched.content_type);
        let (mut counts, mut bad) = (Counts::default(), None);
        let mut shape = |sample: &mut Sample<'_>| {
            if bad.is_some() {
                return None;
            }
            counts.scraped += 1;
            shape(target, sample)?;
            counts.kept += 1;
            bad = bad.take().or_else(|| over(&job.limits, sample, counts.kept));
            Some(Kind::Sample)
        };
        let text = Exposed { bytes: &fetched.bytes, format, now_ms, bounds: Bounds::NONE };
        let mut parsed = exposition::parse(text, &mut shape);
        if let Some(bad) = bad {
            return Err(bad);
        }
        let first = parsed.refused.first();
        if let (true, Some(first)) = (parsed.streams.is_empty(), first) {
            return Err(BadScrape::Nothing(first.line, first.reason.clone()));
        }
        let reason = first.map(|first| format!("line {}: {}", first.line, first.reason));
        self.leave_out_known(&mut parsed.notes, now_ms);
        let mut streams = parsed.streams;
        let mut present = HashSet::with_capacity(streams.len());
        for part in &mut streams {
            part.stream.writer = self.writer;
            if !job.honor_timestamps {
                part.points.iter_mut().for_each(|point| point.time = now_ms);
            }
            // Who stamps its points itself does not stop a series by leaving it out.
            let is_tracked =
                job.track_timestamps_staleness || part.points.iter().any(|point| point.time == now_ms);
            if is_tracked {
                counts.added += usize::from(!self.previous.contains(&part.stream.labels));
                present.insert(part.stream.labels.clone());
            }
        }
        self.end_all_but(&present, now_ms, &mut streams);
        self.previous = present;
        self.report(target, now_ms, Some(&counts), took, &mut streams);
        Ok(Scraped { streams, notes: parsed.notes, refused: parsed.refused_total, reason })
    }

    /// A target shows the same exemplar scrape after scrape, until it has another.
    fn leave_out_known(&mut self, notes: &mut Notes, now_ms: i64) {
        let mut present = BTreeSet::new();
        notes.retain_exemplars(|exemplar| {
            let mut timeless = exemplar.clone();
            timeless.time_ms = if exemplar.time_ms == now_ms { 0 } else { exemplar.time_ms };
            let is_new = !self.exemplars.contains(&timeless);
            present.insert(timeless);
            is_new
        });
        self.exemplars = present;
    }

    /// The target gave nothing at `now_ms`: its series end, and `up` is 0.
    pub(super) fn fail(&mut self, target: &Target, now_ms: i64, took: Duration) -> Vec<StreamPoints> {
        let mut streams = Vec::new();
        self.end_all_but(&HashSet::new(), now_ms, &mut streams);
        self.previous.clear();
        self.report(target, now_ms, None, took, &mut streams);
        streams
    }

    /// The target is no more: all of its series end, those that report on it too.
    pub(super) fn end(&mut self, target: &Target, now_ms: i64) -> Vec<StreamPoints> {
        let mut streams = self.fail(target, now_ms, Duration::ZERO);
        streams.iter_mut().flat_map(|part| &mut part.points).for_each(|point| point.value = stale());
        streams
    }

    fn end_all_but(&self, present: &HashSet<Labels>, now_ms: i64, out: &mut Vec<StreamPoints>) {
        let gone = self.previous.difference(present);
        out.extend(gone.map(|labels| self.point(labels.clone(), now_ms, stale())));
    }

    /// The series that report on the scrape itself.
    fn report(
        &self,
        target: &Target,
        now_ms: i64,
        counts: Option<&Counts>,
        took: Duration,
        out: &mut Vec<StreamPoints>,
    ) {
        let none = Counts::default();
        let Counts { scraped, kept, added } = counts.unwrap_or(&none);
        let series = [
            ("up", f64::from(u8::from(counts.is_some()))),
            ("scrape_duration_seconds", took.as_secs_f64()),
            ("scrape_samples_scraped", *scraped as f64),
            ("scrape_samples_post_metric_relabeling", *kept as f64),
            ("scrape_series_added", *added as f64),
        ];
        for (name, value) in series {
            out.extend(report_labels(target, name).map(|labels| self.point(labels, now_ms, value)));
        }
    }

    fn point(&self, labels: Labels, time: i64, value: f64) -> StreamPoints {
        let stream = Stream { labels, writer: self.writer, kind: Kind::Sample };
        StreamPoints { stream, points: vec![Point::new(time, value)] }
    }
}

/// A series that reports on a target; none where its labels are no labels.
pub(super) fn report_labels(target: &Target, name: &str) -> Option<Labels> {
    let labels = target.id.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    Labels::new(labels.filter(|(label, _)| *label != "__name__").chain([("__name__", name)])).ok()
}

/// Gives a sample the target's labels and follows the job's rules; `None` where they drop it.
fn shape(target: &Target, sample: &mut Sample<'_>) -> Option<()> {
    let job = &target.job;
    for (name, value) in &target.id.labels {
        let own = sample.pairs.iter().position(|(given, _)| given == name);
        match own {
            Some(_) if job.honor_labels => continue,
            Some(own) => {
                let renamed = exported(name, sample, &target.id.labels);
                sample.pairs[own].0 = Cow::Owned(renamed);
            }
            None => {}
        }
        sample.pairs.push((Cow::Owned(name.clone()), Cow::Owned(value.clone())));
    }
    if job.metric_relabel.is_empty() {
        return Some(());
    }
    let pairs = sample.pairs.drain(..).map(|(name, value)| (name.into_owned(), value.into_owned()));
    let mut labels: LabelMap = pairs.collect::<BTreeMap<_, _>>();
    let is_kept = relabel(&job.metric_relabel, &mut labels);
    sample.pairs.extend(labels.into_iter().map(|(name, value)| (Cow::Owned(name), Cow::Owned(value))));
    is_kept.then_some(())
}

/// A name for a label of the text that neither the text nor the target has.
fn exported(name: &str, sample: &Sample<'_>, target: &LabelMap) -> String {
    let mut renamed = format!("{EXPORTED}{name}");
    while target.contains_key(&renamed) || sample.pairs.iter().any(|(given, _)| *given == renamed) {
        renamed.insert_str(0, EXPORTED);
    }
    renamed
}

fn over(limits: &Limits, sample: &Sample<'_>, kept: usize) -> Option<BadScrape> {
    let Limits { samples, labels, label_name_bytes, label_value_bytes, body_bytes: _, targets: _ } = *limits;
    if kept > samples {
        return Some(BadScrape::Samples(kept, samples));
    }
    if sample.pairs.len() > labels {
        let name = sample.pairs.iter().find(|(name, _)| name == "__name__").map_or("", |(_, name)| name);
        return Some(BadScrape::Labels(name.to_owned(), sample.pairs.len(), labels));
    }
    sample.pairs.iter().find_map(|(name, value)| {
        if name.len() > label_name_bytes {
            Some(BadScrape::LabelName(name.len(), label_name_bytes))
        } else {
            (value.len() > label_value_bytes).then(|| BadScrape::LabelValue(value.len(), label_value_bytes))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::target::{targets, tests::jobs};
    use crate::scrape::typed::TypedGroup;

    const NOW: i64 = 1_000;

    fn target(settings: &str) -> Target {
        let job = &jobs(&format!("scrape_configs: [{{job_name: j, {settings}}}]"))[0];
        let group = TypedGroup { targets: vec!["h:1".to_owned()], labels: BTreeMap::new() };
        targets(job, [&group].into_iter()).active.remove(0)
    }

    fn fetched(text: &str) -> Fetched {
        Fetched { bytes: text.to_owned().into(), content_type: String::new() }
    }

    fn shown(streams: &[StreamPoints]) -> Vec<String> {
        let shown = streams.iter().flat_map(|part| {
            let value = |point: &Point| match point.value {
                value if shoal_model::is_stale(value) => "stale".to_owned(),
                value => value.to_string(),
            };
            part.points
                .iter()
                .map(move |point| format!("{} {} {}", part.stream.labels, value(point), point.time))
        });
        shown.filter(|line| !line.starts_with("scrape_")).collect()
    }

    fn check(settings: &str, text: &str, expected: &[&str]) {
        let mut sampling = Sampling::new(Writer([1; 16]));
        let scraped = sampling.take(&target(settings), &fetched(text), NOW, Duration::ZERO).unwrap();
        let mut found = shown(&scraped.streams);
        assert_eq!(found.pop().as_deref(), Some(r#"up{instance="h:1",job="j"} 1 1000"#));
        assert_eq!(found, expected, "{settings}");
        assert!(scraped.streams.iter().all(|part| part.stream.writer == Writer([1; 16])));
    }

    #[test]
    fn samples_get_the_targets_labels() {
        check(
            "",
            "a 1\nb{x=\"y\"} 2 500\n",
            &[r#"a{instance="h:1",job="j"} 1 1000"#, r#"b{instance="h:1",job="j",x="y"} 2 500"#],
        );
        check("honor_timestamps: false", "b 2 500\n", &[r#"b{instance="h:1",job="j"} 2 1000"#]);
        check(
            "",
            "a{job=\"own\",exported_job=\"x\"} 1\n",
            &[r#"a{exported_exported_job="own",exported_job="x",instance="h:1",job="j"} 1 1000"#],
        );
        check("honor_labels: true", "a{job=\"own\"} 1\n", &[r#"a{instance="h:1",job="own"} 1 1000"#]);
        let rules = "metric_relabel_configs: [{source_labels: [__name__], regex: a, action: drop}, \
            {regex: x, action: labeldrop}]";
        check(rules, "a 1\nb{x=\"y\"} 2\n", &[r#"b{instance="h:1",job="j"} 2 1000"#]);
    }

    #[test]
    fn what_is_gone_has_ended() {
        let mut sampling = Sampling::new(Writer([1; 16]));
        let target = target("");
        let mut take = |text: &str, now_ms| {
            let scraped = sampling.take(&target, &fetched(text), now_ms, Duration::ZERO).unwrap();
            shown(&scraped.streams)
        };
        take("a 1\nb 1\nc 1 5\n", 1);
        let second = take("a 2\n", 2);
        assert_eq!(
            second,
            [
                r#"a{instance="h:1",job="j"} 2 2"#,
                r#"b{instance="h:1",job="j"} stale 2"#,
                r#"up{instance="h:1",job="j"} 1 2"#,
            ]
        );
        assert_eq!(
            shown(&sampling.fail(&target, 3, Duration::ZERO)),
            [r#"a{instance="h:1",job="j"} stale 3"#, r#"up{instance="h:1",job="j"} 0 3"#,]
        );
        assert_eq!(shown(&sampling.end(&target, 4)), [r#"up{instance="h:1",job="j"} stale 4"#]);
    }

    #[test]
    fn an_exemplar_is_told_once_as_long_as_the_target_shows_it() {
        let mut sampling = Sampling::new(Writer::NONE);
        let target = target("");
        let mut take = |exemplar: &str, now_ms| {
            let text = format!("a_total 1 # {{t=\"{exemplar}\"}} 1\nb_total 1 # {{t=\"b\"}} 1 0.5\n# EOF\n");
            let content_type = "application/openmetrics-text".to_owned();
            let fetched = Fetched { bytes: text.into(), content_type };
            let scraped = sampling.take(&target, &fetched, now_ms, Duration::ZERO).unwrap();
            scraped
                .notes
                .exemplars()
                .iter()
                .map(|one| (one.labels[0].1.clone(), one.time_ms))
                .collect::<Vec<_>>()
        };
        let told = |trace: &str, time_ms| (trace.to_owned(), time_ms);
        assert_eq!(take("a", 1), [told("a", 1), told("b", 500)]);
        assert_eq!(take("a", 2), []);
        assert_eq!(take("c", 3), [told("c", 3)]);
        assert_eq!(take("a", 4), [told("a", 4)]);
    }

    #[test]
    fn the_reports_count_what_came() {
        let rules = "metric_relabel_configs: [{source_labels: [__name__], regex: a, action: drop}]";
        let (target, mut sampling) = (target(rules), Sampling::new(Writer::NONE));
        let scraped =
            sampling.take(&target, &fetched("a 1\nb 1\nc{ 1\n"), NOW, Duration::from_millis(250)).unwrap();
        let of = |name: &str| {
            let part = scraped.streams.iter().find(|part| part.stream.labels.metric() == name);
            part.map(|part| part.points[0].value)
        };
        assert_eq!(of("scrape_duration_seconds"), Some(0.25));
        assert_eq!(of("scrape_samples_scraped"), Some(2.0));
        assert_eq!(of("scrape_samples_post_metric_relabeling"), Some(1.0));
        assert_eq!(of("scrape_series_added"), Some(1.0));
        assert_eq!(scraped.refused, 1);
        assert!(scraped.reason.unwrap().starts_with("line 3: "));
    }

    #[test]
    fn a_scrape_over_a_limit_is_none() {
        let check = |settings: &str, part: &str| {
            let mut sampling = Sampling::new(Writer::NONE);
            let error =
                sampling.take(&target(settings), &fetched("a{x=\"yyy\"} 1\nb 1\n"), NOW, Duration::ZERO);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(part), "{settings}: {error}");
        };
        check("sample_limit: 1", "2 samples are over sample_limit 1");
        check("label_limit: 3", "series a has 4 labels");
        check("label_name_length_limit: 7", "a label name of 8 bytes");
        check("label_value_length_limit: 2", "a label value of 3 bytes");
        let mut sampling = Sampling::new(Writer::NONE);
        let html = sampling.take(&target(""), &fetched("<html>\n"), NOW, Duration::ZERO);
        assert!(matches!(html, Err(BadScrape::Nothing(1, _))), "{html:?}");
    }
}
