//! Files with secrets: the cluster's keys and the clients' tokens. Their contents never reach a message.

use std::path::Path;

use shoal_transport::ClusterKeys;

use super::ConfigError;

/// The keys in a key file.
pub(super) fn read_keys(path: &Path) -> Result<ClusterKeys, ConfigError> {
    ClusterKeys::parse(&read(path)?).map_err(|source| ConfigError::Keys { path: path.to_owned(), source })
}

/// The tokens in a token file, at least one: a line each, empty lines passed over.
pub(crate) fn read_tokens(path: &Path) -> Result<Vec<String>, ConfigError> {
    let mut tokens = Vec::new();
    for (index, line) in read(path)?.lines().enumerate() {
        let token = line.trim();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::Token { path: path.to_owned(), line: index + 1 });
        }
        if !token.is_empty() {
            tokens.push(token.to_owned());
        }
    }
    if tokens.is_empty() { Err(ConfigError::NoTokens(path.to_owned())) } else { Ok(tokens) }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[&str], &str>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        match (read_tokens(file.path()), expected) {
            (Ok(tokens), Ok(expected)) => assert_eq!(tokens, expected),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (result, _) => panic!("{text:?}: {result:?}"),
        }
    }

    #[test]
    fn a_token_is_a_line_of_its_own() {
        check("one\n\n  two \n", Ok(&["one", "two"]));
        check(" \n", Err("holds no token"));
        check("one\ntwo words", Err("line 2"));
        check("é", Err("line 1"));
    }
}
