//! Parameters of the Prometheus API, from the URL or from a form: texts, times (seconds or RFC 3339), durations
//! (seconds or `1m30s`) and limits.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use shoal_proto::{Token, header};
use shoal_store::FrameId;
use thiserror::Error;

/// A parameter that is missing or says nothing; the caller's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("invalid parameter {name:?}: {reason}")]
pub(super) struct BadParam {
    name: String,
    reason: String,
}

impl BadParam {
    pub(super) fn new(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), reason: reason.into() }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::new(name, "it is missing")
    }
}

/// All parameters of a request, those of the form first, and its headers.
pub(super) struct Params {
    pairs: Vec<(String, String)>,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let query = request.uri().query().unwrap_or_default().as_bytes().to_vec();
        let headers = request.headers().clone();
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let mut pairs = Vec::new();
        if kind.starts_with("application/x-www-form-urlencoded") {
            let body = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
            pairs.extend(form_urlencoded::parse(&body).into_owned());
        }
        pairs.extend(form_urlencoded::parse(&query).into_owned());
        Ok(Self { pairs, headers })
    }
}

impl Params {
    /// All values of a parameter.
    pub(super) fn all<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p str> {
        self.pairs.iter().filter(move |pair| pair.0 == name).map(|pair| pair.1.as_str())
    }

    /// A value that is not empty.
    pub(super) fn text<'p>(&'p self, name: &'p str) -> Option<&'p str> {
        self.all(name).find(|value| !value.is_empty())
    }

    pub(super) fn required<'p>(&'p self, name: &'p str) -> Result<&'p str, BadParam> {
        self.text(name).ok_or_else(|| BadParam::missing(name))
    }

    /// A time in ms since 1970.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, BadParam> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let ms = seconds_as_ms(text).or_else(|| rfc3339_ms(text));
        let refused = || BadParam::new(name, format!("cannot parse {text:?} to a valid timestamp"));
        ms.map(Some).ok_or_else(refused)
    }

    pub(super) fn required_time(&self, name: &str) -> Result<i64, BadParam> {
        self.time(name)?.ok_or_else(|| BadParam::missing(name))
    }

    /// A duration in ms.
    pub(super) fn duration(&self, name: &str) -> Result<Option<i64>, BadParam> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let ms = seconds_as_ms(text).or_else(|| shoal_query::parse_duration_ms(text));
        let refused = || BadParam::new(name, format!("cannot parse {text:?} to a valid duration"));
        ms.map(Some).ok_or_else(refused)
    }

    /// The writes that the answer has to contain: tokens in headers, several also separated by commas.
    pub(super) fn tokens(&self) -> Result<Vec<FrameId>, BadParam> {
        let values = self.headers.get_all(header::TOKEN).iter();
        let texts = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
        let frame = |text: &str| {
            let token: Token =
                text.trim().parse().map_err(|error| BadParam::new(header::TOKEN, format!("{error}")))?;
            Ok(FrameId { origin: token.origin, seq: token.seq })
        };
        texts.map(frame).collect()
    }

    /// Whether an answer that lacks these writes is wanted all the same.
    pub(super) fn may_be_late(&self) -> bool {
        self.headers.get(header::TOKEN_LATE).is_some_and(|value| value == "warn")
    }

    /// Whether the client reads gzip.
    pub(super) fn accepts_gzip(&self) -> bool {
        let values = self.headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let refused =
            |rest: &str| rest.replace(' ', "").trim_start_matches(";q=0").trim_matches(['.', '0']).is_empty();
        let mut codings = values.flat_map(|value| value.split(',')).map(str::trim);
        codings
            .any(|coding| coding.strip_prefix("gzip").is_some_and(|rest| rest.is_empty() || !refused(rest)))
    }

    /// How many elements an answer may have; none or 0: as many as there are.
    pub(super) fn limit(&self) -> Result<Option<usize>, BadParam> {
        let Some(text) = self.text("limit") else { return Ok(None) };
        let limit: usize = text.parse().map_err(|_| BadParam::new("limit", "it is no number from 0 on"))?;
        Ok((limit > 0).then_some(limit))
    }
}

fn seconds_as_ms(text: &str) -> Option<i64> {
    let ms = (text.parse::<f64>().ok()? * 1000.0).round();
    (ms.is_finite() && ms.abs() < i64::MAX as f64).then_some(ms as i64)
}

/// `2024-02-29T12:00:00.5Z`, or with an offset like `+01:00`.
fn rfc3339_ms(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(zone_at);
    let [year, month, day] = numbers(date, '-')?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(whole, ':')?;
    let is_valid = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second)
        && (0..=9999).contains(&year);
    let fraction_ms = format!("0.{fraction}0").parse::<f64>().ok()? * 1000.0;
    let offset = match zone {
        "Z" | "z" => 0,
        _ => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    is_valid.then_some(seconds * 1000 + fraction_ms.floor() as i64)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parsed: Option<Vec<i64>> = text.split(separator).map(|part| part.parse().ok()).collect();
    parsed?.try_into().ok()
}

/// Days since 1970, by Howard Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_dates() {
        let check = |text: &str, expected: Option<i64>| {
            let params =
                Params { pairs: vec![("time".to_owned(), text.to_owned())], headers: HeaderMap::new() };
            assert_eq!(params.time("time").ok().flatten(), expected, "{text}");
        };
        check("1.5", Some(1_500));
        check("-3", Some(-3_000));
        check("1970-01-01T00:00:01Z", Some(1_000));
        check("2024-02-29T12:00:00.25+01:00", Some(1_709_204_400_250));
        check("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781));
        check("yesterday", None);
        check("2024-13-01T00:00:00Z", None);
        check("NaN", None);
    }

    #[test]
    fn gzip_is_accepted_where_it_is_asked_for() {
        let check = |value: &'static str, expected| {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(Params { pairs: Vec::new(), headers }.accepts_gzip(), expected, "{value}");
        };
        check("gzip", true);
        check("deflate, gzip;q=0.5, br", true);
        check("gzip;q=0", false);
        check("gzip; q=0.0", false);
        check("identity", false);
    }
}
