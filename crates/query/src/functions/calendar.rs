//! Dates in UTC from seconds since 1970, by Howard Hinnant's `civil_from_days`: years are counted from March, so
//! that the leap day is the last one.

const DAY_SECONDS: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;

/// A date and the time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// From 1.
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    /// Days since 1970.
    days: i64,
}

impl Civil {
    /// The date of a time in seconds; none for what is no number.
    pub(super) fn of(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() {
            return None;
        }
        let seconds = seconds as i64;
        let (days, of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
        let shifted = days + EPOCH_DAYS;
        let (era, of_era) = (shifted.div_euclid(ERA_DAYS), shifted.rem_euclid(ERA_DAYS));
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Some(Self { year, month, day, hour: of_day / 3600, minute: of_day % 3600 / 60, days })
    }

    /// From 0, a Sunday.
    pub(super) fn day_of_week(&self) -> i64 {
        (self.days + 4).rem_euclid(7)
    }

    /// From 1.
    pub(super) fn day_of_year(&self) -> i64 {
        (1..self.month).map(|month| month_days(self.year, month)).sum::<i64>() + self.day
    }

    pub(super) fn days_in_month(&self) -> i64 {
        month_days(self.year, self.month)
    }
}

fn month_days(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: f64, expected: (i64, i64, i64), week: i64, year: i64| {
            let date = Civil::of(seconds).unwrap();
            assert_eq!((date.year, date.month, date.day), expected, "{seconds}");
            assert_eq!((date.day_of_week(), date.day_of_year()), (week, year), "{seconds}");
        };
        check(0.0, (1970, 1, 1), 4, 1);
        check(-1.0, (1969, 12, 31), 3, 365);
        check(951_782_400.0, (2000, 2, 29), 2, 60);
        check(1_735_603_200.0, (2024, 12, 31), 2, 366);
        assert_eq!(Civil::of(f64::NAN), None);
        assert!(Civil::of(1e300).is_some());
    }
}
