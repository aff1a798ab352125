//! Selectors as tables: what is taken, what is refused and how it is named, and hostile text.

use super::*;
use proptest::prelude::*;

fn shown(text: &str) -> Result<Vec<String>, SelectorError> {
    Ok(parse_selector(text)?.iter().map(Matcher::to_string).collect())
}

#[test]
fn a_bare_selector_becomes_its_matchers() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(shown(text), Ok(expected.iter().map(|s| s.to_string()).collect()), "{text}");
    };
    check("up", &[r#"__name__="up""#]);
    check(" up { } ", &[r#"__name__="up""#]);
    check(r#"up{job="x",}"#, &[r#"__name__="up""#, r#"job="x""#]);
    check(r#"{job='x'}"#, &[r#"job="x""#]);
    check(r#"{__name__=~"a.*"}"#, &[r#"__name__=~"a.*""#]);
    check(r#"{"http.requests", job="x"}"#, &[r#"__name__="http.requests""#, r#"job="x""#]);
    check(r#"{"métrique", "tag.ß"="1"}"#, &[r#"__name__="métrique""#, r#"tag.ß="1""#]);
    check(r#"a:b{c!="d",e!~"f|g"}"#, &[r#"__name__="a:b""#, r#"c!="d""#, r#"e!~"f|g""#]);
    check("up{job=\"x\"} # a comment", &[r#"__name__="up""#, r#"job="x""#]);
    check(r#"up{path="\"\\\n"}"#, &[r#"__name__="up""#, r#"path="\"\\\n""#]);
    check(r#"up{tag="\xc3\x9f"}"#, &[r#"__name__="up""#, r#"tag="ß""#]);
    check("up{path=`C:\\x`}", &[r#"__name__="up""#, r#"path="C:\\x""#]);
}

#[test]
fn what_is_not_a_bare_selector_is_refused_by_name() {
    let check = |text: &str, part: &str| {
        assert!(
            matches!(shown(text), Err(SelectorError::NotBare(p)) if p == part),
            "{text}: {:?}",
            shown(text)
        );
    };
    check("up offset 5m", "an offset");
    check("up offset -5m", "an offset");
    check("up @ 100", "an @ modifier");
    check("up @ end()", "an @ modifier");
    check("up[5m]", "a range");
    check("up[5m:1m]", "a subquery");
    check("rate(up[5m])", "a function");
    check("sum by (job) (up)", "an aggregation");
    check("-up", "a sign");
    check("up + up", "an operator");
    check("(up)", "parentheses");
    check("1", "a number");
    check("\"up\"", "a lone string");
    check(r#"{a="1" or b="2"}"#, "\"or\" between matchers");
}

#[test]
fn text_that_is_no_promql_is_refused() {
    let broken = ["", " ", "up{", "up}", "up{job}", "up{job=x}", "up{job=\"x\"} 1", "up;", "\u{0}"];
    let meaningless = ["up{a=~\"(\"}", "up{a=\"\\xff\"}", "up offset 1e30", "up[1e30]"];
    for text in broken.into_iter().chain(meaningless) {
        assert!(matches!(shown(text), Err(SelectorError::Syntax(_))), "{text}: {:?}", shown(text));
    }
}

#[test]
fn a_selector_of_everything_is_refused() {
    for text in ["{}", r#"{job=""}"#, r#"{job=~".*"}"#, r#"{job!="x"}"#, r#"{job!~".+", a=~"b?"}"#] {
        assert!(matches!(shown(text), Err(SelectorError::Syntax(_))), "{text}");
    }
    assert!(shown(r#"{job!=""}"#).is_ok());
    assert!(shown(r#"{job=~".*", a=~".+"}"#).is_ok());
}

#[test]
fn regular_expressions_match_whole_values_and_know_gos_braces() {
    let check = |pattern: &str, value: &str, expected: bool| {
        let matchers = parse_selector(&format!("{{l=~\"{pattern}\"}}")).unwrap();
        assert_eq!(matchers[0].matches(value), expected, "{pattern} {value}");
    };
    check("a|b", "b", true);
    check("a|b", "ab", false);
    check("a.b", "a\nb", true);
    check("a{x}", "a{x}", true);
    check("a{2}", "aa", true);
    check("(?i)a", "A", true);
}

#[test]
fn a_series_is_a_selector_with_equals_only() {
    let labels = parse_series(r#"{"http.requests", job="x", zone=""}"#).unwrap();
    assert_eq!(labels, Labels::new([("__name__", "http.requests"), ("job", "x")]).unwrap());
    assert_eq!(parse_series("up").unwrap().to_string(), "up");
}

#[test]
fn what_names_no_series_is_refused() {
    let check = |text: &str, expected: SelectorError| assert_eq!(parse_series(text), Err(expected), "{text}");
    check(r#"up{job!="x"}"#, SelectorError::NotEqual(r#"job!="x""#.into()));
    check(r#"up{job=~"x"}"#, SelectorError::NotEqual(r#"job=~"x""#.into()));
    check(r#"{job="x"}"#, SelectorError::Labels(LabelError::NoMetricName));
    check(r#"up{a="1",a="2"}"#, SelectorError::Labels(LabelError::Duplicate("a".into())));
    check("up[5m]", SelectorError::NotBare("a range"));
}

#[test]
fn hostile_text_is_refused_without_a_panic() {
    let deep = [
        "(".repeat(SELECTOR_BYTES_MAX),
        "-".repeat(SELECTOR_BYTES_MAX - 2) + "up",
        "(".repeat(8_000) + "up" + &")".repeat(8_000),
        "up".to_owned() + &"[1m:1m]".repeat(2_000),
        "abs(".repeat(3_000) + "up" + &")".repeat(3_000),
        "up+".repeat(5_000) + "up",
    ];
    for text in deep {
        assert!(parse_selector(&text).is_err());
    }
    let long = "u".repeat(SELECTOR_BYTES_MAX + 1);
    assert_eq!(shown(&long), Err(SelectorError::TooLong(SELECTOR_BYTES_MAX + 1)));
    for text in [
        "up @ 1e300",
        "up @ NaN",
        "up @ -Inf",
        "up offset 9999999999999999y",
        "up[9999999999999y]",
        "up[0s]",
        "1e999999",
        "0x",
        "0xffffffffffffffffff",
        "\"\\x",
        "\"\\777\"",
        "\"\\8\"",
        "'\\ud800'",
        "{\"",
        "up{\"é",
        "up{a=~\"(((((((((((a{1000}){1000}){1000}){1000}){1000}\"}",
        "𝒳{}",
    ] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = parse_series(&text);
    }

    #[test]
    fn no_text_of_promqls_own_words_panics(
        words in prop::collection::vec(prop::sample::select(vec![
            "up", "{", "}", "(", ")", "[", "]", "5m", ":", "@", "offset", "-", "=", "=~", "!~", "!=", ",", "\"a\"",
            "'", "\"", "`", "\\", "1e9", "0x", "Inf", "sum", "by", "or", "and", "rate", "é", "#", "\n", "start", "bool",
        ]), 0..14),
        space in prop::sample::select(vec!["", " "]),
    ) {
        let _ = parse_series(&words.join(space));
    }

    #[test]
    fn any_labels_are_read_back_from_their_selector(
        pairs in prop::collection::btree_map("[a-z]{1,5}(\\.é)?", "[ -~é\n\t]{1,9}", 0..5),
    ) {
        let labels = Labels::new(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([("__name__", "m.x")]));
        let text: Vec<String> = pairs.iter().map(|(n, v)| format!("{n:?}={v:?}")).collect();
        prop_assert_eq!(parse_series(&format!("{{\"m.x\",{}}}", text.join(","))), labels.map_err(SelectorError::from));
    }
}

#[test]
fn every_selector_of_an_expression_is_found() {
    let expr = crate::parse("sum(rate(a{x=\"1\"}[5m])) / b + max_over_time(c[1h:1m])").unwrap();
    let found: Vec<String> = selectors_of(&expr)
        .unwrap()
        .iter()
        .map(|matchers| matchers.iter().map(Matcher::value).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(found, ["a 1", "b", "c"]);
}
