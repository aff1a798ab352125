//! The file of `--scrape` as it is written: Prometheus' `scrape_configs`, alone or inside a whole prometheus.yml.
//! A setting that nothing here follows is an error, but for those that only concern what a node does not do
//! (rules, remote write) or settles itself (protocols, native histograms): these are `Passed` over.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::relabel::TypedRule;
use crate::config::Span;

/// A setting without effect here.
type Passed = Option<IgnoredAny>;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedFile {
    pub(super) global: TypedGlobal,
    pub(super) scrape_configs: Vec<TypedJob>,
    rule_files: Passed,
    alerting: Passed,
    remote_write: Passed,
    remote_read: Passed,
    storage: Passed,
    tracing: Passed,
    otlp: Passed,
    runtime: Passed,
}

/// What holds for all jobs that do not say otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedGlobal {
    pub(super) scrape_interval: Option<Span>,
    pub(super) scrape_timeout: Option<Span>,
    pub(super) body_size_limit: Option<Size>,
    pub(super) sample_limit: Option<usize>,
    pub(super) label_limit: Option<usize>,
    pub(super) label_name_length_limit: Option<usize>,
    pub(super) label_value_length_limit: Option<usize>,
    pub(super) target_limit: Option<usize>,
    evaluation_interval: Passed,
    rule_query_offset: Passed,
    external_labels: Passed,
    scrape_protocols: Passed,
    query_log_file: Passed,
    scrape_failure_log_file: Passed,
    keep_dropped_targets: Passed,
    metric_name_validation_scheme: Passed,
    metric_name_escaping_scheme: Passed,
    scrape_native_histograms: Passed,
    convert_classic_histograms_to_nhcb: Passed,
    always_scrape_classic_histograms: Passed,
}

/// One entry of `scrape_configs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedJob {
    pub(super) job_name: String,
    pub(super) scrape_interval: Option<Span>,
    pub(super) scrape_timeout: Option<Span>,
    pub(super) metrics_path: Option<String>,
    pub(super) scheme: Option<Scheme>,
    pub(super) params: BTreeMap<String, Vec<String>>,
    pub(super) honor_labels: bool,
    pub(super) honor_timestamps: Option<bool>,
    pub(super) track_timestamps_staleness: bool,
    pub(super) body_size_limit: Option<Size>,
    pub(super) sample_limit: Option<usize>,
    pub(super) label_limit: Option<usize>,
    pub(super) label_name_length_limit: Option<usize>,
    pub(super) label_value_length_limit: Option<usize>,
    pub(super) target_limit: Option<usize>,
    basic_auth: Option<TypedBasic>,
    authorization: Option<TypedAuthorization>,
    bearer_token: Option<Secret>,
    bearer_token_file: Option<String>,
    tls_config: TypedTls,
    follow_redirects: Option<bool>,
    enable_http2: Passed,
    enable_compression: Passed,
    scrape_protocols: Passed,
    fallback_scrape_protocol: Passed,
    scrape_failure_log_file: Passed,
    keep_dropped_targets: Passed,
    metric_name_validation_scheme: Passed,
    metric_name_escaping_scheme: Passed,
    scrape_native_histograms: Passed,
    scrape_classic_histograms: Passed,
    always_scrape_classic_histograms: Passed,
    convert_classic_histograms_to_nhcb: Passed,
    native_histogram_bucket_limit: Passed,
    native_histogram_min_bucket_factor: Passed,
    pub(super) static_configs: Vec<TypedGroup>,
    pub(super) file_sd_configs: Vec<TypedFileSource>,
    pub(super) http_sd_configs: Vec<TypedHttpSource>,
    pub(super) dns_sd_configs: Vec<TypedDnsSource>,
    pub(super) relabel_configs: Vec<TypedRule>,
    pub(super) metric_relabel_configs: Vec<TypedRule>,
}

/// Targets that share labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedGroup {
    pub(super) targets: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
}

/// Files with groups of targets, as JSON or YAML; the last part of a path may hold `*`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedFileSource {
    pub(super) files: Vec<String>,
    #[serde(default, rename = "refresh_interval")]
    _refresh_interval: Passed,
}

/// A server that lists groups of targets as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedHttpSource {
    pub(super) url: String,
    #[serde(default)]
    pub(super) refresh_interval: Option<Span>,
    #[serde(default)]
    basic_auth: Option<TypedBasic>,
    #[serde(default)]
    authorization: Option<TypedAuthorization>,
    #[serde(default)]
    bearer_token: Option<Secret>,
    #[serde(default)]
    bearer_token_file: Option<String>,
    #[serde(default)]
    tls_config: TypedTls,
    #[serde(default)]
    follow_redirects: Option<bool>,
}

/// How a server is asked: what a job and an HTTP source say in the same words.
pub(super) struct TypedAccess {
    pub(super) basic_auth: Option<TypedBasic>,
    pub(super) authorization: Option<TypedAuthorization>,
    pub(super) bearer_token: Option<Secret>,
    pub(super) bearer_token_file: Option<String>,
    pub(super) tls: TypedTls,
    pub(super) follow_redirects: bool,
}

impl TypedJob {
    /// How the targets are asked.
    pub(super) fn take_access(&mut self) -> TypedAccess {
        TypedAccess {
            basic_auth: self.basic_auth.take(),
            authorization: self.authorization.take(),
            bearer_token: self.bearer_token.take(),
            bearer_token_file: self.bearer_token_file.take(),
            tls: std::mem::take(&mut self.tls_config),
            follow_redirects: self.follow_redirects.unwrap_or(true),
        }
    }
}

impl TypedHttpSource {
    /// How the server is asked.
    pub(super) fn take_access(&mut self) -> TypedAccess {
        TypedAccess {
            basic_auth: self.basic_auth.take(),
            authorization: self.authorization.take(),
            bearer_token: self.bearer_token.take(),
            bearer_token_file: self.bearer_token_file.take(),
            tls: std::mem::take(&mut self.tls_config),
            follow_redirects: self.follow_redirects.unwrap_or(true),
        }
    }
}

/// Names that resolve to targets.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TypedDnsSource {
    pub(super) names: Vec<String>,
    #[serde(default, rename = "type")]
    pub(super) kind: DnsType,
    #[serde(default)]
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) refresh_interval: Option<Span>,
}

/// The records that are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum DnsType {
    #[default]
    #[serde(rename = "SRV")]
    Srv,
    #[serde(rename = "MX")]
    Mx,
    A,
    #[serde(rename = "AAAA")]
    Aaaa,
}

/// `basic_auth`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedBasic {
    pub(super) username: String,
    pub(super) username_file: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) password_file: Option<String>,
}

/// `authorization`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedAuthorization {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) credentials: Option<Secret>,
    pub(super) credentials_file: Option<String>,
}

/// `tls_config`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedTls {
    pub(super) ca_file: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) insecure_skip_verify: bool,
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    /// The scheme as it stands in an address.
    pub(super) fn word(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// A text that no log shows.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A number of bytes as Prometheus writes them: `512KB`, `10MB`, `1GiB`; units are powers of 1024, and 0 is no
/// limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub(super) usize);

/// A text that names no number of bytes.
#[derive(Debug, thiserror::Error)]
#[error("a size is written like 512KB, 10MB or 1GB")]
pub(super) struct ParseSizeError;

impl FromStr for Size {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "" | "B" => 0,
            "KB" | "KiB" => 10,
            "MB" | "MiB" => 20,
            "GB" | "GiB" => 30,
            _ => return Err(ParseSizeError),
        };
        let number: usize = number.parse().map_err(|_| ParseSizeError)?;
        number.checked_mul(1 << shift).map(Self).ok_or(ParseSizeError)
    }
}

impl TryFrom<String> for Size {
    type Error = ParseSizeError;

    fn try_from(text: String) -> Result<Self, ParseSizeError> {
        text.parse()
    }
}
