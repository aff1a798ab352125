//! The configuration file: TOML whose keys are the flags' names. A key that is no flag is an error, because a
//! setting that is silently without effect is worse than a node that does not start.

use std::path::Path;

use super::{ConfigError, TypedNode};

impl TypedNode {
    /// Reads a configuration file.
    pub(crate) fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count();
            let reason = error.message().lines().collect::<Vec<_>>().join(" ");
            ConfigError::File { path: path.to_owned(), line, reason }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::config::LogFormat;
    use crate::config::duration::{Every, Span};

    fn parse(text: &str) -> Result<TypedNode, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        TypedNode::from_file(file.path())
            .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
    }

    #[test]
    fn a_file_has_the_names_of_the_flags() {
        let text = "peer = '[::1]:1'\njoin = ['a:1', 'b:2']\nadvertise-peer = '10.0.0.1:2'\nopen = true\n\
                    retention = '1h30m'\nself-metrics = 'off'\nlog-format = 'json'";
        let typed = parse(text).unwrap();
        assert_eq!(typed.peer, "[::1]:1".parse().ok());
        assert_eq!(typed.join, Some(vec!["a:1".to_owned(), "b:2".to_owned()]));
        assert_eq!(typed.advertise_peer, "10.0.0.1:2".parse().ok());
        assert_eq!(typed.open, Some(true));
        assert_eq!(typed.retention, Some(Span(Duration::from_secs(5_400))));
        assert_eq!(typed.self_metrics, Some(Every::Off));
        assert_eq!(typed.log_format, Some(LogFormat::Json));
        assert_eq!(parse(""), Ok(TypedNode::default()));
    }

    #[test]
    fn what_is_no_flag_is_refused_by_line() {
        let error = parse("zone = 'a'\nretension = '15d'").unwrap_err();
        assert!(error.starts_with("FILE, line 2: unknown field `retension`"), "{error}");
        let error = parse("retention = '15 days'").unwrap_err();
        assert!(error.starts_with("FILE, line 1: a duration is written like"), "{error}");
        for text in ["zone =", "config = 'x'", "listen = 7400"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
