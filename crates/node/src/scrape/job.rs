//! A job as it is meant: whole, checked, with the files that it names found beside the file it stands in.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::http::Uri;
use shoal_model::limits::REQUEST_BYTES_MAX;

use super::fetch::{Credentials, Fetcher, TlsError};
use super::relabel::{Rule, RuleError, TypedRule};
use super::typed::{
    DnsType, Scheme, Secret, TypedAccess, TypedAuthorization, TypedBasic, TypedFile, TypedGlobal, TypedGroup,
    TypedHttpSource, TypedJob,
};

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
const HTTP_REFRESH: Duration = Duration::from_secs(60);
const DNS_REFRESH: Duration = Duration::from_secs(30);
/// Bytes of one scrape where no limit is set: four requests' worth.
const BODY_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;

/// A file that no node can scrape by. Whoever wrote it must correct it; what ran before goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrapeConfigError {
    /// The file, or one that it names, cannot be read.
    #[error("--scrape {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It is no YAML of this form.
    #[error("--scrape {0}: {1}")]
    Form(PathBuf, String),
    /// A job that cannot be.
    #[error("--scrape: job {0:?}: {1}")]
    Job(String, Box<BadJob>),
}

/// What is wrong with a job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadJob {
    #[error("job_name is missing, or given twice")]
    Name,
    #[error("scrape_timeout is longer than scrape_interval")]
    Timeout,
    #[error("{0:?} is no address of a server")]
    Url(String),
    #[error("only one of basic_auth, authorization and bearer_token can be")]
    Credentials,
    #[error("records of type A, AAAA and MX need a port")]
    DnsPort,
    #[error(transparent)]
    Rule(RuleError),
    #[error(transparent)]
    Tls(TlsError),
}

/// What limits one scrape; none is `usize::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) body_bytes: usize,
    pub(super) samples: usize,
    pub(super) labels: usize,
    pub(super) label_name_bytes: usize,
    pub(super) label_value_bytes: usize,
    pub(super) targets: usize,
}

/// One job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) name: String,
    /// A hash of all that the file says of it: nodes with another job of the name do not share its targets.
    pub(super) fingerprint: String,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) path: String,
    pub(super) scheme: Scheme,
    pub(super) params: BTreeMap<String, Vec<String>>,
    pub(super) honor_labels: bool,
    pub(super) honor_timestamps: bool,
    pub(super) track_timestamps_staleness: bool,
    pub(super) limits: Limits,
    pub(super) sources: Vec<Source>,
    pub(super) relabel: Vec<Rule>,
    pub(super) metric_relabel: Vec<Rule>,
    pub(super) fetcher: Fetcher,
}

/// Where targets come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Static(Vec<TypedGroup>),
    Files(Vec<PathBuf>),
    Http { url: Uri, every: Duration, fetcher: Box<Fetcher> },
    Dns { names: Vec<String>, kind: DnsType, port: u16, every: Duration },
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<String, ScrapeConfigError> {
    std::fs::read_to_string(path).map_err(|error| ScrapeConfigError::Unreadable(path.to_owned(), error))
}

/// The jobs of a file's text; files that it names stand beside it.
pub(super) fn parse(text: &str, path: &Path) -> Result<Vec<Arc<Job>>, ScrapeConfigError> {
    let TypedFile { global, scrape_configs, .. } = if text.trim().is_empty() {
        TypedFile::default()
    } else {
        serde_saphyr::from_str(text)
            .map_err(|error| ScrapeConfigError::Form(path.to_owned(), error.without_snippet().to_string()))?
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut names = HashSet::new();
    let jobs = scrape_configs.into_iter().map(|typed| {
        let name = typed.job_name.clone();
        let is_new = !name.is_empty() && names.insert(name.clone());
        let job = if is_new { job(typed, &global, folder) } else { Err(BadJob::Name) };
        job.map(Arc::new).map_err(|error| ScrapeConfigError::Job(name, Box::new(error)))
    });
    jobs.collect()
}

fn job(mut typed: TypedJob, global: &TypedGlobal, folder: &Path) -> Result<Job, BadJob> {
    let fingerprint = blake3::hash(format!("{global:?}{typed:?}").as_bytes()).to_hex()[..16].to_owned();
    let interval = typed.scrape_interval.or(global.scrape_interval).map_or(INTERVAL, |span| span.0);
    let timeout = match typed.scrape_timeout.or(global.scrape_timeout) {
        Some(timeout) if timeout.0 > interval => return Err(BadJob::Timeout),
        timeout => timeout.map_or(TIMEOUT, |span| span.0).min(interval),
    };
    let limits = limits(&typed, global);
    let fetcher = fetcher(typed.take_access(), folder)?;
    let mut sources = vec![Source::Static(typed.static_configs)];
    let files = typed.file_sd_configs.into_iter().flat_map(|source| source.files);
    let files: Vec<_> = files.map(|file| folder.join(file)).collect();
    if !files.is_empty() {
        sources.push(Source::Files(files));
    }
    for source in typed.http_sd_configs {
        sources.push(http_source(source, folder)?);
    }
    for source in typed.dns_sd_configs {
        let every = source.refresh_interval.map_or(DNS_REFRESH, |span| span.0);
        let port = match source.kind {
            DnsType::Srv => 0,
            DnsType::A | DnsType::Aaaa | DnsType::Mx => source.port.ok_or(BadJob::DnsPort)?,
        };
        sources.push(Source::Dns { names: source.names, kind: source.kind, port, every });
    }
    Ok(Job {
        name: typed.job_name,
        fingerprint,
        interval,
        timeout,
        path: typed.metrics_path.unwrap_or_else(|| "/metrics".to_owned()),
        scheme: typed.scheme.unwrap_or_default(),
        params: typed.params,
        honor_labels: typed.honor_labels,
        honor_timestamps: typed.honor_timestamps.unwrap_or(true),
        track_timestamps_staleness: typed.track_timestamps_staleness,
        limits,
        sources,
        relabel: rules(typed.relabel_configs)?,
        metric_relabel: rules(typed.metric_relabel_configs)?,
        fetcher,
    })
}

fn rules(typed: Vec<TypedRule>) -> Result<Vec<Rule>, BadJob> {
    typed.into_iter().map(|rule| rule.try_into().map_err(BadJob::Rule)).collect()
}

/// A limit of 0 is none, but for the body, which is always held in memory.
fn limits(job: &TypedJob, global: &TypedGlobal) -> Limits {
    let limit = |own: Option<usize>, all: Option<usize>| match own.or(all) {
        None | Some(0) => usize::MAX,
        Some(limit) => limit,
    };
    let body = job.body_size_limit.or(global.body_size_limit).map(|size| size.0);
    Limits {
        body_bytes: limit(body, None).min(BODY_BYTES_MAX),
        samples: limit(job.sample_limit, global.sample_limit),
        labels: limit(job.label_limit, global.label_limit),
        label_name_bytes: limit(job.label_name_length_limit, global.label_name_length_limit),
        label_value_bytes: limit(job.label_value_length_limit, global.label_value_length_limit),
        targets: limit(job.target_limit, global.target_limit),
    }
}

fn http_source(mut typed: TypedHttpSource, folder: &Path) -> Result<Source, BadJob> {
    let url: Uri = typed.url.parse().map_err(|_| BadJob::Url(typed.url.clone()))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.authority().is_none() {
        return Err(BadJob::Url(typed.url));
    }
    let fetcher = fetcher(typed.take_access(), folder)?;
    let every = typed.refresh_interval.map_or(HTTP_REFRESH, |span| span.0);
    Ok(Source::Http { url, every, fetcher: Box::new(fetcher) })
}

/// Who asks, and how.
fn fetcher(access: TypedAccess, folder: &Path) -> Result<Fetcher, BadJob> {
    let TypedAccess { basic_auth, authorization, bearer_token, bearer_token_file, tls, follow_redirects } =
        access;
    let credentials = credentials(basic_auth, authorization, (bearer_token, bearer_token_file), folder)?;
    Fetcher::new(&tls, folder, credentials, follow_redirects).map_err(BadJob::Tls)
}

fn credentials(
    basic: Option<TypedBasic>,
    authorization: Option<TypedAuthorization>,
    (token, token_file): (Option<Secret>, Option<String>),
    folder: &Path,
) -> Result<Option<Credentials>, BadJob> {
    let bearer = token.is_some() || token_file.is_some();
    match (basic, authorization) {
        (None, None) if !bearer => Ok(None),
        (Some(basic), None) if !bearer => Ok(Some(Credentials::Basic {
            username: basic.username,
            username_file: basic.username_file.map(|file| folder.join(file)),
            password: basic.password.unwrap_or_default(),
            password_file: basic.password_file.map(|file| folder.join(file)),
        })),
        (None, Some(authorization)) if !bearer => Ok(Some(Credentials::Token {
            kind: authorization.kind.unwrap_or_else(|| "Bearer".to_owned()),
            token: authorization.credentials.unwrap_or_default(),
            file: authorization.credentials_file.map(|file| folder.join(file)),
        })),
        (None, None) => Ok(Some(Credentials::Token {
            kind: "Bearer".to_owned(),
            token: token.unwrap_or_default(),
            file: token_file.map(|file| folder.join(file)),
        })),
        _ => Err(BadJob::Credentials),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) -> Result<Vec<Arc<Job>>, String> {
        parse(text, Path::new("/etc/prometheus.yml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_whole_prometheus_file_is_read() {
        let text = "
global:
  scrape_interval: 15s
  evaluation_interval: 15s
  external_labels: {monitor: x}
  sample_limit: 100
rule_files: [rules.yml]
alerting: {alertmanagers: []}
scrape_configs:
  - job_name: node
    static_configs:
      - targets: ['localhost:9100', 'b:9100']
        labels: {zone: a}
  - job_name: other
    scrape_interval: 1m30s
    scrape_timeout: 20s
    metrics_path: /m
    scheme: https
    params: {collect: [cpu, mem]}
    honor_labels: true
    honor_timestamps: false
    body_size_limit: 10MB
    sample_limit: 0
    authorization: {credentials_file: token}
    tls_config: {insecure_skip_verify: true, server_name: inner}
    file_sd_configs: [{files: ['targets/*.json'], refresh_interval: 5m}]
    http_sd_configs: [{url: 'http://sd:80/x', refresh_interval: 10s}]
    dns_sd_configs: [{names: [headless], type: A, port: 9100}]
    relabel_configs: [{source_labels: [__address__], regex: '(.*):.*', target_label: host}]
    metric_relabel_configs: [{source_labels: [__name__], regex: 'go_.*', action: drop}]
";
        let jobs = check(text).unwrap();
        let [node, other] = jobs.as_slice() else { panic!("{jobs:?}") };
        assert_eq!((node.interval, node.timeout), (Duration::from_secs(15), TIMEOUT));
        assert_eq!((node.path.as_str(), node.limits.samples), ("/metrics", 100));
        assert!(node.honor_timestamps && !node.honor_labels);
        assert_eq!((other.interval, other.timeout), (Duration::from_secs(90), Duration::from_secs(20)));
        assert_eq!((other.limits.samples, other.limits.body_bytes), (usize::MAX, 10 << 20));
        assert!(other.honor_labels && !other.honor_timestamps);
        assert_eq!((other.sources.len(), other.relabel.len(), other.metric_relabel.len()), (4, 1, 1));
        assert_ne!(node.fingerprint, other.fingerprint);
        assert_eq!(check(text).unwrap()[0].fingerprint, node.fingerprint);
        assert_eq!(check("").unwrap().len(), 0);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_name() {
        let job = |rest: &str| check(&format!("scrape_configs:\n- job_name: j\n  {rest}\n"));
        for (rest, part) in [
            ("kubernetes_sd_configs: []", "unknown field `kubernetes_sd_configs`"),
            ("scrape_timeout: 2m", "job \"j\": scrape_timeout is longer"),
            ("scrape_interval: 10", "a duration is written like"),
            ("dns_sd_configs: [{names: [x], type: TXT}]", "unknown variant `TXT`"),
            ("dns_sd_configs: [{names: [x], type: A}]", "need a port"),
            ("dns_sd_configs: [{names: [x], type: MX}]", "need a port"),
            ("http_sd_configs: [{url: 'sd/x'}]", "no address of a server"),
            ("relabel_configs: [{regex: '('}]", "relabelling"),
            ("{basic_auth: {}, bearer_token: x}", ""),
            ("body_size_limit: 10 MB", "a size is written like"),
        ] {
            let error = job(rest).unwrap_err();
            assert!(error.contains(part), "{rest}: {error}");
        }
        assert!(check("scrape_configs: [{job_name: a}, {job_name: a}]").unwrap_err().contains("given twice"));
        assert!(check("scrape_configs: [{}]").unwrap_err().contains("missing"));
    }

    #[test]
    fn no_log_shows_a_secret() {
        let text = "scrape_configs: [{job_name: a, basic_auth: {username: u, password: hidden}}]";
        assert!(!format!("{:?}", check(text).unwrap()).contains("hidden"));
    }

    /// Words of the file's own, so that some of it is understood.
    const WORDS: &str = "(scrape_configs|global|job_name|j|: |\n|\n- |\n  |\\[|\\]|\\{|\\}|, |static_configs|targets|labels|\
        relabel_configs|regex|action|drop|replace|scrape_interval|15s|tls_config|&a|\\*a|<<|\"|'|#|0|-1|1e9|null|true|é)";

    proptest! {
        #[test]
        fn hostile_files_do_not_panic(words in prop::collection::vec(WORDS, 0..40), bytes: Vec<u8>) {
            let _ = check(&words.concat());
            let _ = check(&format!("scrape_configs:\n- job_name: j\n  {}", words.concat()));
            let _ = check(&String::from_utf8_lossy(&bytes));
        }
    }
}
