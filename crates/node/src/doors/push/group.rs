//! A group of pushed series: its labels, `job` among them, and its two writers. One is a hash of the labels, the same
//! on every node, and writes what is pushed. The other, just after it in order, repeats that once a minute; the lens of
//! samples prefers the first, so a repetition never hides a push, however late the push is seen.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use shoal_model::{Kind, LabelError, Labels, Matcher, MatcherOp, Point, Stream, StreamPoints, Writer};
use shoal_store::View;
use thiserror::Error;

use crate::exposition::Sample;

/// The path that a group's labels follow.
const PATH: &str = "/metrics/";
/// The series that says when a group was pushed.
pub(super) const PUSH_TIME: &str = "push_time_seconds";
/// How far back what was pushed or repeated is looked for.
const REACH_MS: i64 = 3_600_000;
/// The bit of a writer's first byte that tells the second writer of a group from the first.
const REPEATS: u8 = 0x80;

/// A push that names no group. The sender's fault; nothing was stored.
#[derive(Debug, Error)]
pub(super) enum BadGroup {
    #[error("a group begins with its job: /metrics/job/JOB{{/LABEL/VALUE}}, or ?job=JOB")]
    NoJob,
    #[error("label {0:?} has no value")]
    NoValue(String),
    #[error("{0:?} is no base64 of UTF-8")]
    Base64(String),
    #[error("{0:?} is no percent-encoded UTF-8")]
    Percent(String),
    #[error(transparent)]
    Labels(#[from] LabelError),
    #[error("mode {0:?} is none of replace and increment")]
    Mode(String),
}

/// The series that jobs of one name push.
#[derive(Clone, Debug)]
pub(super) struct Group {
    labels: Vec<(String, String)>,
    /// The series that says when it was pushed.
    pub(super) push_time: Labels,
    /// Who writes what is pushed.
    pub(super) pusher: Writer,
    /// Who repeats it.
    pub(super) repeater: Writer,
}

/// One series of a group with its newest points.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupSeries {
    pub(super) labels: Labels,
    /// The newest that was pushed.
    pub(super) pushed: Option<Point>,
    /// The newest repetition.
    pub(super) repeated: Option<Point>,
}

impl GroupSeries {
    /// The newest of both.
    pub(super) fn newest(&self) -> Option<Point> {
        self.repeated.into_iter().chain(self.pushed).max_by_key(|point| point.time)
    }
}

impl Group {
    pub(super) fn new(labels: Vec<(String, String)>) -> Result<Self, BadGroup> {
        if !labels.iter().any(|(name, value)| name == "job" && !value.is_empty()) {
            return Err(BadGroup::NoJob);
        }
        let pairs = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let push_time = Labels::new(pairs.chain([("__name__", PUSH_TIME)]))?;
        let hash = blake3::derive_key("shoal 2026 writer of a pushed group", push_time.canonical());
        let Writer(mut id) = Writer(*hash.first_chunk().expect("a hash is longer than a writer"));
        id[0] &= !REPEATS;
        let pusher = Writer(id);
        id[0] |= REPEATS;
        Ok(Self { labels, push_time, pusher, repeater: Writer(id) })
    }

    /// Reads `job/J/LABEL/VALUE…`, each part percent-encoded; a name ending in `@base64` has such a value.
    pub(super) fn of_path(path: &str) -> Result<Self, BadGroup> {
        let mut parts = path.strip_prefix(PATH).unwrap_or_default().trim_end_matches('/').split('/');
        let mut labels = Vec::new();
        while let Some(name) = parts.next() {
            let name = plain(name)?;
            let value = parts.next().ok_or_else(|| BadGroup::NoValue(name.clone()))?;
            let value = plain(value)?;
            labels.push(match name.strip_suffix("@base64") {
                Some(name) => (name.to_owned(), unpacked(&value)?),
                None => (name, value),
            });
        }
        Self::new(labels)
    }

    /// The group's labels take the place of the sample's own.
    pub(super) fn claim(&self, sample: &mut Sample<'_>) {
        sample.pairs.retain(|(name, _)| !self.labels.iter().any(|(own, _)| own == name));
        let own = self.labels.iter().map(|(name, value)| (name.clone().into(), Cow::Owned(value.clone())));
        sample.pairs.extend(own);
    }

    /// A point of one of the group's series, by one of its writers.
    pub(super) fn point(&self, writer: Writer, labels: Labels, time: i64, value: f64) -> StreamPoints {
        let stream = Stream { labels, writer, kind: Kind::Sample };
        StreamPoints { stream, points: vec![Point::new(time, value)] }
    }

    /// The group's series of late, up to a time.
    pub(super) fn series(&self, view: &View, until_ms: i64) -> Vec<GroupSeries> {
        let equal = |(name, value): &(String, String)| Matcher::new(name, MatcherOp::Equal, value).ok();
        let matchers: Vec<_> = self.labels.iter().filter_map(equal).collect();
        let (mut found, mut places) = (Vec::new(), Vec::new());
        for series in view.select(&matchers) {
            for (writer, kind, place) in series.streams {
                if kind == Kind::Sample && (writer == self.pusher || writer == self.repeater) {
                    found.push((series.labels.clone(), writer));
                    places.push((place, kind));
                }
            }
        }
        let reads = view.read_many(&places, until_ms - REACH_MS..=until_ms);
        let mut all: Vec<GroupSeries> = Vec::new();
        for ((labels, writer), read) in found.into_iter().zip(reads) {
            if all.last().is_none_or(|last| last.labels != labels) {
                all.push(GroupSeries { labels, pushed: None, repeated: None });
            }
            if let Some(last) = all.last_mut() {
                let newest = read.points.last().copied();
                if writer == self.pusher { last.pushed = newest } else { last.repeated = newest }
            }
        }
        all
    }
}

fn plain(part: &str) -> Result<String, BadGroup> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| BadGroup::Percent(part.to_owned()))
}

/// Clients write an empty value as `=`, for no part of a path is empty.
fn unpacked(value: &str) -> Result<String, BadGroup> {
    let trimmed = value.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD.decode(trimmed).or_else(|_| URL_SAFE.decode(value));
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| BadGroup::Base64(value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn group(path: &str) -> Result<Vec<(String, String)>, String> {
        Group::of_path(path).map(|group| group.labels).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_names_a_group() {
        let pairs = |pairs: &[(&str, &str)]| {
            Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert_eq!(group("/metrics/job/batch"), pairs(&[("job", "batch")]));
        assert_eq!(group("/metrics/job/a%2Fb/instance/h:1/"), pairs(&[("job", "a/b"), ("instance", "h:1")]));
        assert_eq!(
            group("/metrics/job@base64/L3RtcA==/path@base64/L3Zhcg/empty@base64/="),
            pairs(&[("job", "/tmp"), ("path", "/var"), ("empty", "")])
        );
    }

    #[test]
    fn other_paths_are_refused() {
        let check = |path: &str, part: &str| {
            let error = group(path).unwrap_err();
            assert!(error.contains(part), "{path}: {error}");
        };
        check("/metrics/job/", "label \"job\" has no value");
        check("/metrics/job/a/b", "label \"b\" has no value");
        check("/metrics/instance/a", "begins with its job");
        check("/metrics/job/a/job/b", "given twice");
        check("/metrics/job@base64/!", "no base64");
        check("/metrics/job/%ff", "no percent-encoded");
    }

    #[test]
    fn a_group_is_one_writer_wherever_it_is_pushed_and_however_it_is_spelled() {
        let writer = |path: &str| Group::of_path(path).unwrap().pusher;
        assert_eq!(writer("/metrics/job/a/x/1/y/2"), writer("/metrics/job/a/y/2/x/1"));
        assert_ne!(writer("/metrics/job/a"), writer("/metrics/job/b"));
        let group = Group::of_path("/metrics/job/a").unwrap();
        assert!(group.pusher < group.repeater, "the lens prefers what was pushed");
    }

    proptest! {
        #[test]
        fn hostile_paths_do_not_panic_and_name_a_job_where_they_name_a_group(
            parts in prop::collection::vec("(job|job@base64|[\\PC]{0,6}|%[0-9a-f]{2}|=|L3Zhcg){1,2}", 0..8),
        ) {
            if let Ok(labels) = group(&format!("/metrics/{}", parts.join("/"))) {
                prop_assert!(labels.iter().any(|(name, _)| name == "job"));
                prop_assert!(labels.iter().all(|(name, _)| !name.is_empty()));
            }
        }
    }
}
