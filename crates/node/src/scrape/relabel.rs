//! Relabelling, as Prometheus' `relabel_configs` and `metric_relabel_configs` describe it: rules that rewrite a
//! label set one after the other, and may drop it. An empty value is the same as no label.

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use regex::Regex;
use serde::Deserialize;
use shoal_model::whole_value_regex;

/// A label set on its way.
pub(super) type LabelMap = BTreeMap<String, String>;

/// One rule as it is written in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedRule {
    source_labels: Vec<String>,
    separator: String,
    target_label: String,
    regex: String,
    modulus: u64,
    replacement: String,
    action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

impl Default for TypedRule {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            target_label: String::new(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            replacement: "$1".to_owned(),
            action: Action::Replace,
        }
    }
}

/// A rule that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuleError {
    #[error("relabelling: {0}")]
    Regex(#[from] regex::Error),
    #[error("relabelling: action {0:?} needs a target_label")]
    NoTarget(Action),
    #[error("relabelling: action hashmod needs a modulus")]
    NoModulus,
}

/// One rule, ready to be followed.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    typed: TypedRule,
    regex: Regex,
}

impl TryFrom<TypedRule> for Rule {
    type Error = RuleError;

    fn try_from(typed: TypedRule) -> Result<Self, RuleError> {
        let needs_target = matches!(
            typed.action,
            Action::Replace
                | Action::HashMod
                | Action::Lowercase
                | Action::Uppercase
                | Action::KeepEqual
                | Action::DropEqual
        );
        if needs_target && typed.target_label.is_empty() {
            return Err(RuleError::NoTarget(typed.action));
        }
        if typed.action == Action::HashMod && typed.modulus == 0 {
            return Err(RuleError::NoModulus);
        }
        let regex = whole_value_regex(&typed.regex)?;
        Ok(Self { typed, regex })
    }
}

/// Follows the rules; whether the set is kept.
pub(super) fn relabel(rules: &[Rule], labels: &mut LabelMap) -> bool {
    let is_kept = rules.iter().all(|rule| rule.follow(labels));
    labels.retain(|_, value| !value.is_empty());
    is_kept
}

impl Rule {
    fn follow(&self, labels: &mut LabelMap) -> bool {
        let TypedRule { source_labels, separator, target_label, modulus, action, .. } = &self.typed;
        let values: Vec<&str> =
            source_labels.iter().map(|name| labels.get(name).map_or("", String::as_str)).collect();
        let value = values.join(separator);
        let target = || labels.get(target_label).map_or("", String::as_str);
        match action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual => return value == target(),
            Action::DropEqual => return value != target(),
            Action::Replace => self.replace(&value, labels),
            Action::Lowercase => set(labels, target_label, value.to_lowercase()),
            Action::Uppercase => set(labels, target_label, value.to_uppercase()),
            Action::HashMod => set(labels, target_label, (hash(&value) % modulus).to_string()),
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
        }
        true
    }

    fn replace(&self, value: &str, labels: &mut LabelMap) {
        let Some(found) = self.regex.captures(value) else { return };
        let (mut name, mut text) = (String::new(), String::new());
        found.expand(&self.typed.target_label, &mut name);
        found.expand(&self.typed.replacement, &mut text);
        if !name.is_empty() {
            set(labels, &name, text);
        }
    }

    fn map(&self, labels: &mut LabelMap) {
        let renamed = labels.iter().filter_map(|(name, value)| {
            let mut new = String::new();
            self.regex.captures(name)?.expand(&self.typed.replacement, &mut new);
            Some((new, value.clone()))
        });
        let renamed: Vec<_> = renamed.collect();
        labels.extend(renamed.into_iter().filter(|(name, _)| !name.is_empty()));
    }
}

fn set(labels: &mut LabelMap, name: &str, value: String) {
    if value.is_empty() {
        labels.remove(name);
    } else {
        labels.insert(name.to_owned(), value);
    }
}

/// The hash that Prometheus divides targets by: the last eight bytes of MD5.
fn hash(value: &str) -> u64 {
    let digest = Md5::digest(value.as_bytes());
    digest.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> LabelMap {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Follows a rule on `a="foo", b="bar", c="baz"`.
    fn check(rule: &str, expected: Option<&[(&str, &str)]>) {
        let typed: TypedRule = serde_saphyr::from_str(rule).unwrap();
        let mut labels = map(&[("a", "foo"), ("b", "bar"), ("c", "baz")]);
        let is_kept = relabel(&[Rule::try_from(typed).unwrap()], &mut labels);
        assert_eq!(is_kept.then_some(labels), expected.map(map), "{rule}");
    }

    const SAME: &[(&str, &str)] = &[("a", "foo"), ("b", "bar"), ("c", "baz")];

    #[test]
    fn rules_replace() {
        let replaced = [("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "choo-choo")];
        check(
            "{source_labels: [a], regex: 'f(.*)', target_label: d, replacement: 'ch${1}-ch${1}'}",
            Some(&replaced),
        );
        check("{source_labels: [a], regex: 'o', target_label: d, replacement: x}", Some(SAME));
        check(
            "{source_labels: [a, b], regex: 'foo;bar', target_label: a, replacement: ''}",
            Some(&SAME[1..]),
        );
        check("{source_labels: [a, c], separator: '-', target_label: c}", {
            Some(&[("a", "foo"), ("b", "bar"), ("c", "foo-baz")])
        });
        check("{source_labels: [a], target_label: '${1}', replacement: x}", {
            Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("foo", "x")])
        });
        check("{source_labels: [a], action: uppercase, target_label: a}", {
            Some(&[("a", "FOO"), ("b", "bar"), ("c", "baz")])
        });
        check("{source_labels: [c], action: hashmod, target_label: d, modulus: 1000}", {
            Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("d", "976")])
        });
    }

    #[test]
    fn rules_keep_and_drop() {
        check("{source_labels: [a], regex: 'f.*', action: keep}", Some(SAME));
        check("{source_labels: [a], regex: 'f', action: keep}", None);
        check("{source_labels: [a], regex: 'fo+', action: drop}", None);
        check("{source_labels: [missing], regex: '.+', action: drop}", Some(SAME));
        check("{source_labels: [a], target_label: b, action: keepequal}", None);
        check("{source_labels: [a], target_label: b, action: dropequal}", Some(SAME));
    }

    #[test]
    fn rules_rename_and_leave_labels_out() {
        check("{regex: '(b|c)', action: labelmap, replacement: 'x_$1'}", {
            Some(&[("a", "foo"), ("b", "bar"), ("c", "baz"), ("x_b", "bar"), ("x_c", "baz")])
        });
        check("{regex: 'a|b', action: labeldrop}", Some(&SAME[2..]));
        check("{regex: 'a|b', action: labelkeep}", Some(&SAME[..2]));
    }

    #[test]
    fn a_rule_that_cannot_be_followed_is_refused() {
        for rule in ["{regex: '('}", "{action: replace}", "{action: hashmod, target_label: a}"] {
            let typed: TypedRule = serde_saphyr::from_str(rule).unwrap();
            assert!(Rule::try_from(typed).is_err(), "{rule}");
        }
        for rule in ["{action: x}", "{sources: [a]}"] {
            assert!(serde_saphyr::from_str::<TypedRule>(rule).is_err(), "{rule}");
        }
    }
}
