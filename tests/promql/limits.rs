//! What stops a query: its size, its depth, its samples, its time, or that nobody waits for it any more.

use shoal_query::{LabelSet, Options, QueryError, Range, Sample, Stop, evaluate_instant, evaluate_range};

use crate::memory::Memory;

fn memory() -> Memory {
    let mut memory = Memory::default();
    let samples = (0..100).map(|step| Sample { t_ms: step * 1_000, v: step as f64 });
    memory.add(LabelSet::new([("__name__", "m")]), samples);
    memory
}

fn refused(expr: &str, options: Options<'_>) -> QueryError {
    evaluate_instant(&memory(), expr, 100_000, options).expect_err("a refusal")
}

#[test]
fn too_many_samples_are_an_execution_error() {
    let options = Options { samples_max: 50, ..Options::default() };
    let error = refused("sum_over_time(m[5m])", options);
    assert_eq!(error.kind(), "execution");
    assert!(evaluate_instant(&memory(), "m @ 10", 0, Options { samples_max: 50, ..options }).is_ok());
    let error = refused("sum_over_time(vector(1)[100y:1ms])", Options::default());
    assert_eq!(error.kind(), "execution");
}

#[test]
fn too_many_series_are_an_execution_error() {
    let error = refused("sum(m)", Options { series_max: 0, ..Options::default() });
    assert_eq!(error.kind(), "execution");
    assert!(
        evaluate_instant(&memory(), "sum(m)", 0, Options { series_max: 1, ..Options::default() }).is_ok()
    );
}

#[test]
fn too_many_groups_are_an_execution_error() {
    let options = Options { samples_max: 120, ..Options::default() };
    let range = Range { start_ms: 0, end_ms: 99_000, step_ms: 1_000 };
    let sum = |expr: &str| evaluate_range(&memory(), expr, range, options).map_err(|error| error.kind());
    assert_eq!(sum("sum(m @ 0)").map(|_| ()), Err("execution"));
    assert!(sum("group(m @ 0)").is_ok());
}

#[test]
fn an_evaluation_stops_when_told() {
    let check = |stop, kind| {
        let asked = move || Some(stop);
        assert_eq!(refused("m", Options { stop: &asked, ..Options::default() }).kind(), kind);
    };
    check(Stop::Timeout, "timeout");
    check(Stop::Canceled, "canceled");
}

#[test]
fn deep_nesting_is_refused_without_exhausting_the_stack() {
    let depth = 8_000;
    let expressions = [
        "(".repeat(depth) + "1" + &")".repeat(depth),
        "-".repeat(2 * depth - 10) + "m",
        "abs(".repeat(depth / 3) + "m" + &")".repeat(depth / 3),
        "m".to_owned() + &"+m".repeat(depth - 10),
        "m".to_owned() + &"[5m:1m]".repeat(depth / 4),
    ];
    for expr in expressions {
        assert_eq!(refused(&expr, Options::default()).kind(), "bad_data", "{}", &expr[..20]);
    }
    let deepest = "abs(-".repeat(90) + "m" + &")".repeat(90);
    assert!(evaluate_instant(&memory(), &deepest, 0, Options::default()).is_ok());
    assert_eq!(refused(&"1".repeat(20_000), Options::default()).kind(), "bad_data");
}

#[test]
fn a_range_has_a_direction_a_step_and_not_too_many_points() {
    let check = |start_ms, end_ms, step_ms| {
        let range = Range { start_ms, end_ms, step_ms };
        let error = evaluate_range(&memory(), "m", range, Options::default()).expect_err("a refusal");
        assert_eq!(error.kind(), "bad_data", "{range:?}");
    };
    check(0, 10, 0);
    check(0, 10, -1);
    check(10, 0, 1);
    check(0, 11_000, 1);
    check(i64::MIN, i64::MAX, 1);
    let range = Range { start_ms: 0, end_ms: 10_999, step_ms: 1 };
    assert!(evaluate_range(&memory(), "m", range, Options::default()).is_ok());
}

#[test]
fn times_at_the_ends_of_the_axis_are_only_empty() {
    for at_ms in [i64::MIN, i64::MAX, 0] {
        for expr in
            ["m offset 100y", "rate(m[100y])", "m offset -100y", "max_over_time(m[1h:30m] offset 100y)"]
        {
            let answer = evaluate_instant(&memory(), expr, at_ms, Options::default());
            assert!(answer.is_ok(), "{expr} at {at_ms}: {answer:?}");
        }
    }
}

#[test]
fn numbers_that_are_no_times_are_refused_or_empty() {
    let numbers = [
        "1e300",
        "1e19",
        "9223372036854775808",
        "inf",
        "nan",
        "-1e300",
        "-5",
        "0",
        "0.0001",
        "1e-300",
        "0x1p5",
    ];
    let frames = [
        "m[N]",
        "m offset N",
        "m @ N",
        "m[5m:N]",
        "m[N:1m]",
        "m[5m] offset -N",
        "m[5m:1m] @ N",
        "m offset Ny",
        "m[Nw]",
    ];
    for expr in numbers.iter().flat_map(|number| frames.map(|frame| frame.replace('N', number))) {
        for expr in [format!("count_over_time({expr})"), expr] {
            if let Err(error) = evaluate_instant(&memory(), &expr, 10_000, Options::default()) {
                assert!(matches!(error.kind(), "bad_data" | "execution"), "{expr}: {error:?}");
            }
        }
    }
    for text in ["inf", "nan", "-5", "1e300", "5", "", "1h30", "99999999999999999999y"] {
        let duration = shoal_query::parse_duration_ms(text);
        assert!(duration.is_none_or(|ms| ms >= 0), "{text}");
    }
}
