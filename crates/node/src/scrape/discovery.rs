//! Where targets come from, asked again and again. A source that cannot be asked keeps what it said last: that
//! nobody answers does not mean that the targets are gone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use shoal_model::limits::REQUEST_BYTES_MAX;
use tokio::sync::mpsc;

use super::dns::{Host, LookupError, Records, Resolver};
use super::fetch::{FetchError, Fetcher};
use super::job::Source;
use super::typed::{DnsType, TypedGroup};

/// How often files are looked at.
const FILES_EVERY: Duration = Duration::from_secs(5);
/// How long a server that lists targets may take.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a source said nothing new.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{0}: {1}")]
    File(PathBuf, String),
    #[error("{0}: {1}")]
    Http(Uri, FetchError),
    #[error("{0}: no answer within {HTTP_TIMEOUT:?}")]
    Late(Uri),
    #[error("{0}: no list of groups of targets: {1}")]
    Form(Uri, serde_json::Error),
    #[error("{0}: {1}")]
    Addresses(String, std::io::Error),
    #[error("{0}: {1}")]
    Records(String, LookupError),
}

/// What a source says, whenever that changes.
pub(super) struct Found {
    /// Which source it is, as the caller numbers it.
    pub(super) source: SourceId,
    pub(super) groups: Vec<TypedGroup>,
}

/// A source of one reading of the file: its reading, its job, and its place in the job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SourceId {
    pub(super) reading: u64,
    pub(super) job: String,
    pub(super) place: usize,
}

/// Asks a source until nobody listens any more.
pub(super) async fn watch(id: SourceId, source: Source, found: mpsc::Sender<Found>) {
    let mut files = BTreeMap::new();
    let mut last = None;
    loop {
        let asked = match &source {
            Source::Static(groups) => Ok(groups.clone()),
            Source::Files(patterns) => Ok(read_files(patterns, &mut files)),
            Source::Http { url, fetcher, .. } => ask_server(url, fetcher).await,
            Source::Dns { names, kind, port, .. } => resolve(names, *kind, *port).await,
        };
        match asked {
            Ok(groups) if last.as_ref() != Some(&groups) => {
                last = Some(groups.clone());
                if found.send(Found { source: id.clone(), groups }).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(job = id.job, %error, "targets could not be looked up"),
        }
        let every = match &source {
            Source::Static(_) => return,
            Source::Files(_) => FILES_EVERY,
            Source::Http { every, .. } | Source::Dns { every, .. } => *every,
        };
        tokio::time::sleep(every).await;
    }
}

/// The groups of all files that fit; of a file that is broken, what it said last.
fn read_files(patterns: &[PathBuf], known: &mut BTreeMap<PathBuf, Vec<TypedGroup>>) -> Vec<TypedGroup> {
    let paths: Vec<_> = patterns.iter().flat_map(|pattern| expand(pattern)).collect();
    known.retain(|path, _| paths.contains(path));
    for path in paths {
        match read_groups(&path) {
            Ok(groups) => drop(known.insert(path, groups)),
            Err(error) => tracing::warn!(%error, "a file of targets is not understood"),
        }
    }
    known.values().flatten().cloned().collect()
}

/// The files that a pattern fits; its last part may hold `*`.
fn expand(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name().and_then(|name| name.to_str()))
    else {
        return Vec::new();
    };
    let Some((before, after)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let fits = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(fits).collect();
    paths.sort();
    paths
}

/// JSON is YAML too.
fn read_groups(path: &Path) -> Result<Vec<TypedGroup>, SourceError> {
    let wrong = |text: String| SourceError::File(path.to_owned(), text);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let groups: Vec<TypedGroup> =
        serde_saphyr::from_str(&text).map_err(|error| wrong(error.without_snippet().to_string()))?;
    Ok(marked(groups, "__meta_filepath", &path.display().to_string()))
}

async fn ask_server(url: &Uri, fetcher: &Fetcher) -> Result<Vec<TypedGroup>, SourceError> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("application/json"))]);
    let asked = tokio::time::timeout(HTTP_TIMEOUT, fetcher.get(url, &headers, REQUEST_BYTES_MAX)).await;
    let fetched = asked
        .map_err(|_| SourceError::Late(url.clone()))?
        .map_err(|error| SourceError::Http(url.clone(), error))?;
    let groups =
        serde_json::from_slice(&fetched.bytes).map_err(|error| SourceError::Form(url.clone(), error))?;
    Ok(marked(groups, "__meta_url", &url.to_string()))
}

fn marked(mut groups: Vec<TypedGroup>, label: &str, value: &str) -> Vec<TypedGroup> {
    for group in &mut groups {
        group.labels.insert(label.to_owned(), value.to_owned());
    }
    groups
}

async fn resolve(names: &[String], kind: DnsType, port: u16) -> Result<Vec<TypedGroup>, SourceError> {
    let mut groups = Vec::new();
    for name in names {
        match kind {
            DnsType::A => groups.push(addresses(name, port, IpAddr::is_ipv4).await?),
            DnsType::Aaaa => groups.push(addresses(name, port, IpAddr::is_ipv6).await?),
            DnsType::Srv => groups.extend(hosts(name, Records::Srv, port).await?),
            DnsType::Mx => groups.extend(hosts(name, Records::Mx, port).await?),
        }
    }
    Ok(groups)
}

async fn addresses(name: &str, port: u16, fits: fn(&IpAddr) -> bool) -> Result<TypedGroup, SourceError> {
    let found = tokio::net::lookup_host((name, port)).await;
    let found = found.map_err(|error| SourceError::Addresses(name.to_owned(), error))?;
    let mut targets: Vec<_> =
        found.filter(|address| fits(&address.ip())).map(|address| address.to_string()).collect();
    targets.sort();
    targets.dedup();
    let labels = BTreeMap::from([("__meta_dns_name".to_owned(), name.to_owned())]);
    Ok(TypedGroup { targets, labels })
}

async fn hosts(name: &str, records: Records, port: u16) -> Result<Vec<TypedGroup>, SourceError> {
    let wrong = |error| SourceError::Records(name.to_owned(), error);
    let found = Resolver::of_system().map_err(wrong)?.hosts(name, records).await.map_err(wrong)?;
    Ok(found.into_iter().map(|host| group_of(name, host, port)).collect())
}

/// A host is a group of its own: each has other labels. Names in labels end in a dot, as Prometheus has them.
fn group_of(name: &str, host: Host, port: u16) -> TypedGroup {
    let target = format!("{}:{}", host.name, host.port.unwrap_or(port));
    let labels = match host.port {
        Some(port) => vec![
            ("__meta_dns_srv_record_target", format!("{}.", host.name)),
            ("__meta_dns_srv_record_port", port.to_string()),
        ],
        None => vec![("__meta_dns_mx_record_target", format!("{}.", host.name))],
    };
    let labels = labels.into_iter().chain([("__meta_dns_name", name.to_owned())]);
    let labels = labels.map(|(label, value)| (label.to_owned(), value)).collect();
    TypedGroup { targets: vec![target], labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_pattern_are_read_and_a_broken_one_keeps_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.json"), r#"[{"targets": ["a:1"], "labels": {"x": "y"}}]"#).unwrap();
        std::fs::write(path("b.json"), "- targets: ['b:1']\n").unwrap();
        std::fs::write(path("c.txt"), "no").unwrap();
        let mut known = BTreeMap::new();
        let mut read = || {
            let groups = read_files(&[path("*.json")], &mut known);
            groups.into_iter().map(|group| group.targets.join(",")).collect::<Vec<_>>()
        };
        assert_eq!(read(), ["a:1", "b:1"]);
        std::fs::write(path("a.json"), "[{").unwrap();
        std::fs::write(path("b.json"), "[]").unwrap();
        assert_eq!(read(), ["a:1"]);
        std::fs::remove_file(path("a.json")).unwrap();
        assert_eq!(read(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn names_resolve_to_targets() {
        let groups = resolve(&["localhost".to_owned()], DnsType::A, 9100).await.unwrap();
        assert_eq!(groups[0].targets, ["127.0.0.1:9100"]);
        assert_eq!(groups[0].labels["__meta_dns_name"], "localhost");
    }

    #[test]
    fn a_host_of_a_record_is_a_target_with_its_labels() {
        let check = |port: Option<u16>, target: &str, labels: &[(&str, &str)]| {
            let group = group_of("_app._tcp.example", Host { name: "a.example".to_owned(), port }, 25);
            assert_eq!(group.targets, [target]);
            let all = labels.iter().chain(&[("__meta_dns_name", "_app._tcp.example")]);
            let all = all.map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
            assert_eq!(group.labels, all);
        };
        let srv = [("__meta_dns_srv_record_target", "a.example."), ("__meta_dns_srv_record_port", "9100")];
        check(Some(9100), "a.example:9100", &srv);
        check(None, "a.example:25", &[("__meta_dns_mx_record_target", "a.example.")]);
    }
}
