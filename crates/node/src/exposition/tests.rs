//! Exposition text as tables, round trips of everything a label set can hold, and hostile bytes.

use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_000;

fn read(text: &str) -> Parsed {
    read_bytes(text.as_bytes(), Format::Text)
}

fn read_bytes(text: &[u8], format: Format) -> Parsed {
    parse(exposed(text, format), &mut |_| Some(Kind::Sample))
}

fn exposed(bytes: &[u8], format: Format) -> Exposed<'_> {
    Exposed { bytes, format, now_ms: NOW, bounds: Bounds::NONE }
}

/// The one point of a text of one line.
fn only(text: &str) -> Result<(String, i64, f64), String> {
    let parsed = read(text);
    match (parsed.streams.as_slice(), parsed.refused.as_slice()) {
        ([part], []) => Ok((part.stream.labels.to_string(), part.points[0].time, part.points[0].value)),
        ([], [refused]) => Err(refused.reason.clone()),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_line_becomes_a_point() {
    let check = |text: &str, series: &str, time: i64, value: f64| {
        assert_eq!(only(text), Ok((series.to_owned(), time, value)), "{text}");
    };
    check("up 1", "up", NOW, 1.0);
    check("up 1 5", "up", 5, 1.0);
    check("  up\t1.5e3   -5 \r", "up", -5, 1_500.0);
    check("a:b{} 1", "a:b", NOW, 1.0);
    check(r#"up{job="x"} 1"#, r#"up{job="x"}"#, NOW, 1.0);
    check(r#"up { job = "x" , } 1"#, r#"up{job="x"}"#, NOW, 1.0);
    check(r#"up{job="x"}1"#, r#"up{job="x"}"#, NOW, 1.0);
    check(r#"up{job="x",zone=""} 1"#, r#"up{job="x"}"#, NOW, 1.0);
    check(r#"up{path="a\\b\"c\nd\e"} 1"#, r#"up{path="a\\b\"c\nd\\e"}"#, NOW, 1.0);
    check(r#"up{a="}# {,"} 1"#, r#"up{a="}# {,"}"#, NOW, 1.0);
    check(r#"{"my.metric", label="x"} 1"#, r#"my.metric{label="x"}"#, NOW, 1.0);
    check(r#"{label="x","my.metric"} 1"#, r#"my.metric{label="x"}"#, NOW, 1.0);
    check(r#"{"métrique","é.ß"="ü"} 1 7"#, r#"métrique{é.ß="ü"}"#, 7, 1.0);
    check("up +Inf", "up", NOW, f64::INFINITY);
    check("up -Inf", "up", NOW, f64::NEG_INFINITY);
}

#[test]
fn every_nan_is_the_one_that_is_not_stale() {
    for text in ["up NaN", "up nan", "up -NaN"] {
        assert_eq!(only(text).unwrap().2.to_bits(), f64::NAN.to_bits(), "{text}");
    }
}

#[test]
fn a_bad_line_is_refused_by_name() {
    let check = |text: &str, reason: &str| assert_eq!(only(text), Err(reason.to_owned()), "{text}");
    check("up", r#""" is no value"#);
    check("up x", r#""x" is no value"#);
    check("up 1_000", r#""1_000" is no value"#);
    check("up 1 1.5", r#""1.5" is no timestamp in milliseconds"#);
    check("up 1 99999999999999999999", r#""99999999999999999999" is no timestamp in milliseconds"#);
    check("up 1 2 3", r#""3" is left over after the timestamp"#);
    check("{} 1", "a metric name is expected");
    check("1up 1", "a metric name is expected");
    check(r#"{a="b"} 1"#, "a metric name is expected");
    check(r#"{""} 1"#, "a series needs at least one label with a value");
    check(r#"up{"up"} 1"#, "the metric name is given twice");
    check(r#"up{__name__="x"} 1"#, r#"label "__name__" is given twice"#);
    check(r#"up{a="1",a="2"} 1"#, r#"label "a" is given twice"#);
    check(r#"up{""="1"} 1"#, "a label has an empty name");
    check(r#"up{a="1 1"#, "a quotation mark is not closed");
    check(r#"up{a="1\"#, "a quotation mark is not closed");
    check(r#"up{a="1" 1"#, r#", or } is expected at "1""#);
    check(r#"up{a="1"b="2"} 1"#, r#", or } is expected at "b=\"2\"} 1""#);
    check("up{a} 1", r#"= and a quoted value are expected after label "a""#);
    check("up{a=1} 1", r#"= and a quoted value are expected after label "a""#);
    check("up{,} 1", r#"a label name is expected at ",} 1""#);
    check("up{a:b=\"1\"} 1", r#"= and a quoted value are expected after label "a""#);
    check("# TYPE up speed", r#""speed" is no metric type"#);
    check("# TYPE", r#""" is no metric type"#);
    check(
        &format!("up{{a=\"{}\"}} 1", "x".repeat(LINE_BYTES_MAX)),
        "a line of 65546 bytes is over the limit of 65536",
    );
}

#[test]
fn comments_help_types_and_the_end_mark_are_no_points() {
    let text =
        "# HELP up Whether it is \\n up.\n# TYPE up gauge\n#\n# any words\n\nup 1\n# UNIT up bytes\n# EOF\n";
    let parsed = read(text);
    assert_eq!((parsed.streams.len(), parsed.refused_total), (1, 0));
}

#[test]
fn a_bad_line_leaves_the_others_alone() {
    let parsed = read_bytes(b"a 1\nb{ 2\nc \xff\nd 4", Format::Text);
    let names: Vec<&str> = parsed.streams.iter().map(|part| part.stream.labels.metric()).collect();
    assert_eq!(names, ["a", "d"]);
    let lines: Vec<usize> = parsed.refused.iter().map(|refused| refused.line).collect();
    assert_eq!(lines, [2, 3]);
    assert_eq!(parsed.refused[1].reason, "the line is not UTF-8");
}

#[test]
fn only_the_first_refusals_are_named_and_all_are_counted() {
    let parsed = read(&"up\n".repeat(250));
    assert_eq!((parsed.refused.len(), parsed.refused_total), (REFUSALS_NAMED_MAX, 250));
}

#[test]
fn points_of_one_series_share_a_stream_whatever_the_order_of_their_labels() {
    let parsed = read("m{a=\"1\",b=\"2\"} 1 10\nn 1 10\nm{b=\"2\",a=\"1\"} 2 20\n");
    assert_eq!(parsed.streams.len(), 2);
    assert_eq!(parsed.streams[0].points, [Point::new(10, 1.0), Point::new(20, 2.0)]);
    assert_eq!(
        (parsed.streams[0].stream.kind, parsed.streams[0].stream.writer),
        (Kind::Sample, Writer::NONE)
    );
}

#[test]
fn a_missing_time_is_the_default_and_counted() {
    assert_eq!(read("a 1\nb 1 5\n").without_time, 1);
}

#[test]
fn a_sample_becomes_what_its_reader_says() {
    let text = "# TYPE a counter\na_total 1\na_created 5\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\n\
        # TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1\n# TYPE g gauge\ng 1 7\nx 1\n";
    let mut seen = Vec::new();
    let parsed = parse(exposed(text.as_bytes(), Format::Text), &mut |sample| {
        seen.push((sample.pairs[0].1.to_string(), sample.is_total));
        sample.pairs.push(("job".into(), "j".into()));
        sample.is_total.then_some(Kind::Counter)
    });
    let totals: Vec<_> = seen.iter().filter(|(_, is_total)| *is_total).map(|(name, _)| name).collect();
    assert_eq!(totals, ["a_total", "h_bucket", "h_sum", "s_count"]);
    assert_eq!((parsed.streams.len(), parsed.without_time), (4, 4));
    assert_eq!(parsed.streams[0].stream.labels.to_string(), r#"a_total{job="j"}"#);
}

#[test]
fn openmetrics_has_seconds_exemplars_and_an_end() {
    let text = "# TYPE a counter\na_total 1 1.5 # {trace_id=\"x y\"} 0.5 1.2\nb 2 # {} 1\nc 3 1e-3\n# EOF\n";
    let parsed = read_bytes(text.as_bytes(), Format::OpenMetrics);
    let points: Vec<_> = parsed.streams.iter().map(|part| part.points[0]).collect();
    assert_eq!(points, [Point::new(1_500, 1.0), Point::new(NOW, 2.0), Point::new(1, 3.0)]);
    assert_eq!(parsed.refused_total, 0);
    let refused = |text: &str| read_bytes(text.as_bytes(), Format::OpenMetrics).refused;
    let reasons: Vec<_> = refused("a 1 x\n# EOF\nb 1\n").into_iter().map(|refused| refused.reason).collect();
    assert_eq!(reasons, [r#""x" is no timestamp in seconds"#, "the text goes on after # EOF"]);
    assert!(refused("a 1\n")[0].reason.contains("ends without # EOF"));
    assert!(refused("a 1 1e300\n# EOF\n")[0].reason.contains("no timestamp in seconds"));
}

#[test]
fn an_exemplar_belongs_to_its_series_and_a_bad_one_spoils_nothing_else() {
    let read = |line: &str| {
        let parsed = read_bytes(format!("{line}\n# EOF\n").as_bytes(), Format::OpenMetrics);
        assert_eq!((parsed.streams.len(), parsed.refused_total), (1, 0), "{line}");
        let rules = crate::admission::Rules {
            now_ms: NOW,
            retention: std::time::Duration::from_secs(60),
            future: std::time::Duration::from_secs(60),
        };
        let mut notes = parsed.notes;
        let refused = notes.admit(&rules);
        (notes.exemplars().to_vec(), refused, parsed.streams[0].stream.labels.series_id())
    };
    let check = |line: &str, labels: &[(&str, &str)], value: f64, time_ms: i64| {
        let (exemplars, refused, series) = read(line);
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let expected = Exemplar { time_ms, series, value_bits: value.to_bits(), labels };
        assert_eq!((exemplars, refused), (vec![expected], 0), "{line}");
    };
    check("a_total{x=\"1\"} 1 # {trace_id=\"a # b\"} 0.5 1.25", &[("trace_id", "a # b")], 0.5, 1_250);
    check("a_total 1 # {z=\"1\",y=\"2\"} 2", &[("y", "2"), ("z", "1")], 2.0, NOW);
    check("a_total 1 0.5 # {} 2", &[], 2.0, 500);
    for bad in [
        "#",
        "# {",
        "# {a=\"1\"}",
        "# {a=\"1\"} x",
        "# {a=\"1\"} 1 x",
        "# {a=\"1\"} 1 1 1",
        "# {a=\"1\",a=\"2\"} 1",
        "# {\"name\"} 1",
        "# {a=\"1\"} 1 9999",
    ] {
        let (exemplars, refused, _) = read(&format!("a_total 1 {bad}"));
        assert_eq!((exemplars.len(), refused), (0, 1), "{bad}");
    }
}

#[test]
fn comments_say_what_families_mean() {
    let text = "# HELP a What\\n a \\\\is.\n# TYPE a counter\n# UNIT a seconds\n# HELP \"b c\" Dots.\n#TYPE d histogram\n# x y z\n";
    let mut expected = Notes::default();
    expected.describe("a", 1, "What\n a \\is.", "seconds", NOW);
    expected.describe("b c", 0, "Dots.", "", NOW);
    expected.describe("d", 3, "", "", NOW);
    assert_eq!(read(text).notes, expected);
    let quoted = "# HELP a \\\"x\\\"\n# EOF\n";
    let mut expected = Notes::default();
    expected.describe("a", 0, "\"x\"", "", NOW);
    assert_eq!(read_bytes(quoted.as_bytes(), Format::OpenMetrics).notes, expected);
}

#[test]
fn no_more_is_read_than_asked_for() {
    let bounded = |text: &str, streams: usize, points: usize| {
        let bounds = Bounds { streams, points };
        let text = Exposed { bounds, ..exposed(text.as_bytes(), Format::Text) };
        let parsed = parse(text, &mut |_| Some(Kind::Sample));
        (parsed.streams.len(), parsed.streams.iter().map(|part| part.points.len()).sum::<usize>())
    };
    assert_eq!(bounded("a 1\nb 1\nc 1\nd 1\n", 2, 10), (3, 3));
    assert_eq!(bounded("a 1\na 2\nb 1\na 3\na 4\n", 10, 3), (2, 4));
    assert_eq!(bounded("a 1\na 2\nb 1\n", 2, 3), (2, 3));
}

#[test]
fn a_content_type_names_the_format() {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(Format::of_content_type(openmetrics), Format::OpenMetrics);
    assert_eq!(Format::of_content_type("text/plain; version=0.0.4"), Format::Text);
    assert_eq!(Format::of_content_type(""), Format::Text);
}

#[test]
fn a_family_is_written_as_prometheus_writes_it() {
    let mut out = String::new();
    let (none, some) = ([], [("path", "C:\\\"\n"), ("x.y", "1")]);
    write_family(
        &mut out,
        "a_total",
        "counter",
        "Back\\slash \"and\"\nline.",
        [("", &none[..], 1.0), ("", &some[..], 0.25)],
    );
    write_family(&mut out, "a.b", "gauge", "Dots.", [("", &none[..], f64::NAN), ("", &some[1..], 1e300)]);
    let expected = r##"# HELP a_total Back\\slash "and"\nline.
# TYPE a_total counter
a_total 1
a_total{path="C:\\\"\n","x.y"="1"} 0.25
# HELP "a.b" Dots.
# TYPE "a.b" gauge
{"a.b"} NaN
{"a.b","x.y"="1"} 1e300
"##;
    assert_eq!(out, expected);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        name in "\\PC{1,12}",
        pairs in prop::collection::btree_map("\\PC{1,8}", "[\\PC\n\\\\\"]{1,12}", 0..5),
        value: f64,
    ) {
        prop_assume!(!pairs.contains_key("__name__"));
        let pairs: Vec<(String, String)> = pairs.into_iter().collect();
        let mut out = String::new();
        write_family(&mut out, &name, "gauge", "A \\ help\nof two lines.", [("", &pairs[..], value)]);
        let parsed = read(&out);
        prop_assert_eq!(&parsed.refused, &[]);
        let all = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([("__name__", name.as_str())]);
        prop_assert_eq!(&parsed.streams[0].stream.labels, &Labels::new(all).unwrap());
        prop_assert!(parsed.streams[0].points[0].value == value || value.is_nan());
    }

    #[test]
    fn hostile_bytes_do_not_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in [Format::Text, Format::OpenMetrics] {
            let parsed = read_bytes(&text, format);
            prop_assert!(parsed.without_time <= parsed.streams.len() as u64 + 200);
        }
    }

    #[test]
    fn hostile_text_of_the_formats_own_signs_does_not_panic(text in "(a|1|é|[{}\"\\\\=,#\n \t.+-]|NaN|# TYPE ){0,60}") {
        let parsed = read(&text);
        prop_assert_eq!(parsed.refused.len() as u64, parsed.refused_total.min(100));
        let points: usize = parsed.streams.iter().map(|part| part.points.len()).sum();
        prop_assert!(points as u64 + parsed.refused_total <= text.lines().count() as u64 + 1);
    }
}
