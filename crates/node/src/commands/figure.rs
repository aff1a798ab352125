//! How numbers are written for people and programs: values as Prometheus writes them, times in UTC, ids in
//! hexadecimal digits.

/// A value; infinities and NaN as Prometheus writes them.
pub(crate) fn value_text(value: f64) -> String {
    if value.is_finite() || value.is_nan() {
        value.to_string()
    } else if value > 0.0 {
        "+Inf".to_owned()
    } else {
        "-Inf".to_owned()
    }
}

/// A time in ms since 1970 as `2026-01-31 23:59:59.999Z`.
pub(super) fn time_text(ms: i64) -> String {
    let (days, ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years begin in March here, so that the
/// leap day is the last of its year: <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let check = |ms, expected| assert_eq!(time_text(ms), expected);
        check(0, "1970-01-01 00:00:00.000Z");
        check(-1, "1969-12-31 23:59:59.999Z");
        check(951_782_400_000, "2000-02-29 00:00:00.000Z");
        check(1_709_251_199_123, "2024-02-29 23:59:59.123Z");
        check(4_107_542_400_000, "2100-03-01 00:00:00.000Z");
    }

    #[test]
    fn any_time_can_be_written() {
        for ms in [i64::MIN, i64::MAX] {
            assert!(time_text(ms).ends_with('Z'));
        }
    }

    #[test]
    fn values_are_written_as_prometheus_writes_them() {
        let check = |value, expected| assert_eq!(value_text(value), expected);
        check(42.0, "42");
        check(0.1, "0.1");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        check(f64::NAN, "NaN");
    }
}
