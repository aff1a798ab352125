//! A target: what discovery found, made into an address to ask and the labels of what comes back, by the job's
//! settings and its relabelling, in the order in which Prometheus does it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;

use super::job::Job;
use super::relabel::{LabelMap, relabel};
use super::typed::TypedGroup;
use crate::config::Span;

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const PATH: &str = "__metrics_path__";
const INTERVAL: &str = "__scrape_interval__";
const TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";

/// What names a target, on every node alike: its job, its address and its labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct TargetId {
    pub(super) job: String,
    pub(super) url: String,
    pub(super) labels: LabelMap,
}

/// One target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: Arc<TargetId>,
    pub(super) job: Arc<Job>,
    pub(super) url: Uri,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    /// The labels before relabelling.
    pub(super) discovered: LabelMap,
}

/// A target that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("{0:?} is no host and port")]
    Address(String),
    #[error("scheme {0:?} is none of http and https")]
    Scheme(String),
    #[error("the address {0:?} cannot be asked")]
    Url(String),
    #[error("interval or timeout is no duration, or the timeout is longer")]
    Times,
}

/// What a job's groups come to.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// Targets to be scraped, each once.
    pub(super) active: Vec<Target>,
    /// The labels of those that relabelling dropped.
    pub(super) dropped: Vec<LabelMap>,
    /// What is wrong with the others; the first is named in the log.
    pub(super) bad: Vec<BadTarget>,
}

/// Makes the targets of a job.
pub(super) fn targets<'a>(job: &Arc<Job>, groups: impl Iterator<Item = &'a TypedGroup>) -> Targets {
    let mut targets = Targets::default();
    let mut seen = BTreeSet::new();
    for group in groups {
        for address in &group.targets {
            let discovered = discovered(job, group, address);
            let mut labels = discovered.clone();
            if !relabel(&job.relabel, &mut labels) || !labels.contains_key(ADDRESS) {
                targets.dropped.push(discovered);
                continue;
            }
            match target(job, discovered, labels) {
                Ok(target) if seen.insert(Arc::clone(&target.id)) => targets.active.push(target),
                Ok(_) => {}
                Err(error) => targets.bad.push(error),
            }
        }
    }
    targets
}

/// Labels before relabelling: the group's win over the job's.
fn discovered(job: &Job, group: &TypedGroup, address: &str) -> LabelMap {
    let own = [
        ("job", job.name.clone()),
        (INTERVAL, seconds(job.interval)),
        (TIMEOUT, seconds(job.timeout)),
        (PATH, job.path.clone()),
        (SCHEME, job.scheme.word().to_owned()),
    ];
    let first =
        |(name, values): (&String, &Vec<String>)| Some((format!("{PARAM}{name}"), values.first()?.clone()));
    let params = job.params.iter().filter_map(first);
    let mut labels: LabelMap =
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(params).collect();
    labels.extend(group.labels.clone());
    labels.insert(ADDRESS.to_owned(), address.to_owned());
    labels.retain(|_, value| !value.is_empty());
    labels
}

fn seconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn target(job: &Arc<Job>, discovered: LabelMap, mut labels: LabelMap) -> Result<Target, BadTarget> {
    let of = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let address = of(ADDRESS);
    if address.contains('/') || address.contains('@') {
        return Err(BadTarget::Address(address));
    }
    let scheme = of(SCHEME);
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(BadTarget::Scheme(scheme));
    }
    let duration = |name: &str| of(name).parse::<Span>().map(|span| span.0).map_err(|_| BadTarget::Times);
    let (interval, timeout) = (duration(INTERVAL)?, duration(TIMEOUT)?);
    if timeout > interval {
        return Err(BadTarget::Times);
    }
    let url = format!("{scheme}://{address}{}{}", of(PATH), query(job, &labels));
    let parsed: Uri = url.parse().map_err(|_| BadTarget::Url(url.clone()))?;
    labels.entry("instance".to_owned()).or_insert(address);
    labels.retain(|name, value| !name.starts_with("__") && !value.is_empty());
    let id = Arc::new(TargetId { job: job.name.clone(), url, labels });
    Ok(Target { id, job: Arc::clone(job), url: parsed, interval, timeout, discovered })
}

/// The job's parameters; relabelling may have changed the first value of each, or added others.
fn query(job: &Job, labels: &LabelMap) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (label, value) in labels {
        if let Some(name) = label.strip_prefix(PARAM) {
            query.append_pair(name, value);
        }
    }
    for (name, values) in &job.params {
        query.extend_pairs(values.iter().skip(1).map(|value| (name, value)));
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The jobs of a file.
    pub(in crate::scrape) fn jobs(text: &str) -> Vec<Arc<Job>> {
        crate::scrape::job::parse(text, std::path::Path::new("prometheus.yml")).unwrap()
    }

    fn group(targets: &[&str], labels: &[(&str, &str)]) -> TypedGroup {
        TypedGroup {
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    fn shown(target: &Target) -> String {
        let labels: Vec<_> = target.id.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", target.id.url, labels.join(","))
    }

    #[test]
    fn a_target_has_an_address_and_labels() {
        let job = &jobs("scrape_configs: [{job_name: j, params: {m: [a, b]}}]")[0];
        let group = group(&["h:1", "h:1", "x/y", ""], &[("zone", "z"), ("__meta_x", "y")]);
        let found = targets(job, [&group].into_iter());
        assert_eq!(
            found.active.iter().map(shown).collect::<Vec<_>>(),
            ["http://h:1/metrics?m=a&m=b instance=h:1,job=j,zone=z"]
        );
        assert_eq!((found.bad.len(), found.dropped.len()), (1, 1));
        assert_eq!(found.active[0].interval, Duration::from_secs(60));
    }

    #[test]
    fn relabelling_changes_everything() {
        let job = &jobs(
            "
scrape_configs:
- job_name: j
  relabel_configs:
  - {source_labels: [__address__], regex: 'drop.*', action: drop}
  - {source_labels: [__address__], target_label: __param_target}
  - {target_label: __address__, replacement: 'probe:1'}
  - {target_label: __scheme__, replacement: https}
  - {target_label: __metrics_path__, replacement: /probe}
  - {target_label: __scrape_interval__, replacement: 5s}
  - {target_label: __scrape_timeout__, replacement: 4s}
  - {source_labels: [__param_target], target_label: instance}
  - {target_label: job, replacement: renamed}
",
        )[0];
        let found = targets(job, [&group(&["a.b", "drop:1"], &[])].into_iter());
        assert_eq!(
            found.active.iter().map(shown).collect::<Vec<_>>(),
            ["https://probe:1/probe?target=a.b instance=a.b,job=renamed"]
        );
        assert_eq!(
            (found.active[0].interval, found.active[0].timeout),
            (Duration::from_secs(5), Duration::from_secs(4))
        );
        assert_eq!(found.dropped.len(), 1);
    }
}
