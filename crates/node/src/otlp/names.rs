//! Names as Prometheus wants them: other characters become underscores, units are spelled out as a suffix, totals
//! end in `_total` and ratios in `_ratio`.

use opentelemetry_proto::tonic::metrics::v1::metric::Data;

/// Units by their code in UCUM and their Prometheus name.
const UNITS: [(&str, &str); 31] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("kBy", "kilobytes"),
    ("B", "bytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
    ("$", "dollars"),
    ("KB", "kilobytes"),
    ("MB", "megabytes"),
];

/// Units that stand behind a stroke.
const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

/// The name of a metric family.
pub(super) fn metric(name: &str, unit: &str, data: &Data) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let mut words: Vec<String> =
        name.split(|c| !is_name(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    append_unit(&mut words, unit);
    match data {
        Data::Sum(sum) if sum.is_monotonic => move_to_end(&mut words, "total"),
        Data::Gauge(_) if unit == "1" => move_to_end(&mut words, "ratio"),
        _ => {}
    }
    let joined = words.join("_");
    if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("_{joined}") } else { joined }
}

/// The name of a label.
pub(super) fn label(name: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let clean: String = name.chars().map(|c| if is_name(c) { c } else { '_' }).collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) {
        format!("key_{clean}")
    } else if clean.starts_with('_') && !clean.starts_with("__") {
        format!("key{clean}")
    } else {
        clean
    }
}

/// A unit is the last word, unless the name has it; what stands in braces is a remark and no unit.
fn append_unit(words: &mut Vec<String>, unit: &str) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = spelled(&UNITS, main);
    if !main.is_empty() && !words.contains(&main) {
        words.push(main);
    }
    let per = spelled(&PER_UNITS, per);
    if !per.is_empty() && !words.contains(&per) {
        words.extend(["per".to_owned(), per]);
    }
}

fn spelled(units: &[(&str, &str)], code: &str) -> String {
    let code = code.trim();
    if code.contains(['{', '}']) {
        return String::new();
    }
    let word = units.iter().find(|(known, _)| *known == code).map_or(code, |(_, word)| word);
    let clean: String = word.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    clean.trim_matches('_').to_owned()
}

fn move_to_end(words: &mut Vec<String>, last: &str) {
    words.retain(|word| word != last);
    words.push(last.to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::{Gauge, Histogram, Sum};

    #[test]
    fn metrics_are_named_as_prometheus_names_them() {
        let gauge = Data::Gauge(Gauge::default());
        let sum = Data::Sum(Sum { is_monotonic: true, ..Sum::default() });
        let histogram = Data::Histogram(Histogram::default());
        let check = |name, unit, data: &Data, expected| assert_eq!(metric(name, unit, data), expected);
        check("http.server.duration", "ms", &histogram, "http_server_duration_milliseconds");
        check("http.server.request.duration", "s", &histogram, "http_server_request_duration_seconds");
        check("system.network.io", "By", &sum, "system_network_io_bytes_total");
        check("requests", "{requests}", &sum, "requests_total");
        check("total.requests", "1", &sum, "requests_total");
        check("system.cpu.utilization", "1", &gauge, "system_cpu_utilization_ratio");
        check("speed", "m/s", &gauge, "speed_meters_per_second");
        check("storage_bytes", "By", &gauge, "storage_bytes");
        check("2xx", "", &gauge, "_2xx");
        check("odd--name..here", "", &gauge, "odd_name_here");
    }

    #[test]
    fn labels_are_named_as_prometheus_names_them() {
        assert_eq!(label("http.status_code"), "http_status_code");
        assert_eq!(label("2nd"), "key_2nd");
        assert_eq!(label("_private"), "key_private");
    }
}
