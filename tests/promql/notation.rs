//! How scripts write series and samples: `name{label="value"} 1+2x3 _ stale NaN`.

use shoal_query::LabelSet;

/// A series' labels and what is left of the line; none if the line does not begin with a series.
pub fn series(line: &str) -> Option<(LabelSet, &str)> {
    let end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
    let (name, mut rest) = line.split_at(end);
    if name.parse::<f64>().is_ok() {
        return None;
    }
    let mut pairs = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside.trim_start();
        while let Some((pair, after)) = label(rest) {
            pairs.push(pair);
            rest = after.trim_start().trim_start_matches(',').trim_start();
        }
        rest = rest.strip_prefix('}')?;
    }
    pairs.push(("__name__".to_owned(), name.to_owned()));
    Some((LabelSet::new(pairs), rest.trim()))
}

fn label(text: &str) -> Option<((String, String), &str)> {
    let (name, after) = match text.starts_with('"') {
        true => quoted(text)?,
        false => {
            let end = text.find(|c: char| c != '_' && !c.is_alphanumeric())?;
            (text[..end].to_owned(), &text[end..])
        }
    };
    let Some(value) = after.trim_start().strip_prefix('=') else {
        return (!name.is_empty()).then(|| (("__name__".to_owned(), name), after));
    };
    let (value, rest) = quoted(value.trim_start())?;
    Some(((name, value), rest))
}

/// A text in double quotes, with `\"`, `\\` and `\n` inside.
pub fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            _ => value.push(c),
        }
    }
    None
}

/// The values of a row, one a step; none where there is `_`.
pub fn values(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace()
        .flat_map(|word| expanded(word).unwrap_or_else(|| panic!("values {word:?}")))
        .collect()
}

fn expanded(word: &str) -> Option<Vec<Option<f64>>> {
    if let Some(value) = number(word) {
        return Some(vec![Some(value)]);
    }
    let (item, times) = word.rsplit_once('x').unwrap_or((word, "0"));
    let times: usize = times.parse().ok()?;
    if item == "_" {
        return Some(vec![None; times.max(1)]);
    }
    if let Some(value) = number(item) {
        return Some(vec![Some(value); times + 1]);
    }
    let sign = item.rfind(['+', '-']).filter(|at| *at > 0)?;
    let (start, step) = (number(&item[..sign])?, number(&item[sign..])?);
    Some((0..=times).map(|at| Some(start + step * at as f64)).collect())
}

/// A number as scripts write it.
pub fn number(word: &str) -> Option<f64> {
    if word == "stale" { Some(shoal_model::stale()) } else { word.parse().ok() }
}

/// A time or a duration in ms: `90`, `1m30s`, `250ms`, `-5m`.
pub fn millis(word: &str) -> Option<i64> {
    if let Ok(seconds) = word.parse::<f64>() {
        return Some((seconds * 1000.0) as i64);
    }
    if let Some(positive) = word.strip_prefix('-') {
        return millis(positive).map(|ms| -ms);
    }
    let units =
        [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];
    let (mut rest, mut total) = (word, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        let (unit, ms) = units.iter().find(|(unit, _)| {
            let after = rest[digits..].strip_prefix(unit);
            after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphabetic()))
        })?;
        total += count * ms;
        rest = &rest[digits + unit.len()..];
    }
    Some(total)
}
