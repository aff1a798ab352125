//! What typed settings come to mean, and which are refused.

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn refused(typed: TypedNode) -> String {
    typed.resolve().unwrap_err().to_string()
}

#[test]
fn nothing_typed_means_the_defaults() {
    let config = TypedNode::default().resolve().unwrap();
    assert_eq!(config.data, Path::new("shoal-data"));
    assert_eq!(config.listen.to_string(), "127.0.0.1:7400");
    assert_eq!(config.peer.to_string(), "127.0.0.1:7401");
    assert_eq!(config.cluster, "shoal");
    assert_eq!(config.retention, Duration::from_secs(1_296_000));
    assert_eq!(config.future, Duration::from_secs(600));
    assert_eq!(config.self_metrics, Some(Duration::from_secs(15)));
    assert_eq!(config.drain, Duration::from_secs(5));
    assert!(config.keys.is_development() && config.tokens.is_empty() && config.join.is_empty());
    assert!(config.zone.is_empty() && !config.name.is_empty());
}

#[test]
fn what_was_typed_first_wins() {
    let flags = TypedNode { zone: Some("flag".into()), ..TypedNode::default() };
    let file = TypedNode { zone: Some("file".into()), cluster: Some("file".into()), ..TypedNode::default() };
    let config = flags.or(file).resolve().unwrap();
    assert_eq!((config.zone.as_str(), config.cluster.as_str()), ("flag", "file"));
}

#[test]
fn peers_from_beyond_this_machine_need_a_secret_key() {
    for peer in ["0.0.0.0:7401", "[::]:0", "192.0.2.1:7401"] {
        let typed = TypedNode { peer: peer.parse().ok(), ..TypedNode::default() };
        let error = refused(typed.clone());
        assert!(error.contains("--cluster-key") && error.contains("shoal keygen"), "{error}");
        let key = file(&ClusterKeys::generate());
        let config = TypedNode { cluster_key: Some(key.path().into()), ..typed }.resolve().unwrap();
        assert!(!config.keys.is_development());
    }
}

#[test]
fn clients_from_beyond_this_machine_need_tokens_or_an_open_door() {
    let typed = TypedNode { listen: "0.0.0.0:7400".parse().ok(), ..TypedNode::default() };
    let error = refused(typed.clone());
    assert!(error.contains("--token-file") && error.contains("--open"), "{error}");
    let tokens = file("secret\n");
    let guarded = TypedNode { token_file: Some(tokens.path().into()), ..typed.clone() };
    assert_eq!(guarded.clone().resolve().unwrap().tokens, ["secret"]);
    assert!(TypedNode { open: Some(true), ..typed }.resolve().unwrap().tokens.is_empty());
    assert!(refused(TypedNode { open: Some(true), ..guarded }).contains("one of them"));
}

#[test]
fn values_that_mean_nothing_are_refused_by_flag() {
    let check = |typed: TypedNode, flag: &str| {
        let error = refused(typed);
        assert!(error.starts_with(&format!("--{flag} ")), "{error}");
    };
    for seed in ["", "host", ":7401", "host:", "host:0", "host:70000", "a:b:1", "::1"] {
        check(TypedNode { join: Some(vec![seed.into()]), ..TypedNode::default() }, "join");
    }
    check(TypedNode { name: Some(String::new()), ..TypedNode::default() }, "name");
    check(TypedNode { cluster: Some("a\nb".into()), ..TypedNode::default() }, "cluster");
    check(TypedNode { advertise: "0.0.0.0:1".parse().ok(), ..TypedNode::default() }, "advertise");
    check(TypedNode { advertise_peer: "10.0.0.1:0".parse().ok(), ..TypedNode::default() }, "advertise-peer");
    let often = Every::Interval(Duration::from_millis(10));
    check(TypedNode { self_metrics: Some(often), ..TypedNode::default() }, "self-metrics");
    check(TypedNode { future: Some(Span(Duration::from_secs(1_801))), ..TypedNode::default() }, "future");
    let seeds = ["host:1", "127.0.0.1:1", "[::1]:1"].map(str::to_owned).to_vec();
    assert_eq!(
        TypedNode { join: Some(seeds.clone()), ..TypedNode::default() }.resolve().unwrap().join,
        seeds
    );
}
