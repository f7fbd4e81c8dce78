//! Amounts as people write and read them: `20GB`, `30d`.

use std::time::Duration;

/// Units of time, in milliseconds.
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Bytes: a number with a unit of powers of a thousand (`kB`) or of 1,024 (`KiB`); without one, bytes.
///
/// # Errors
/// When it is no such amount.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1000 * 1000,
        "g" | "gb" => 1000 * 1000 * 1000,
        "t" | "tb" => 1000 * 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1_u64 << 40,
        _ => return Err("give a size such as 20GB, 500MB or 1.5GiB".to_owned()),
    };
    scaled(number, factor).ok_or_else(|| "give a size such as 20GB, 500MB or 1.5GiB".to_owned())
}

/// A time span: a number with `ms`, `s`, `m` (minutes), `h`, `d` or `w`, to the millisecond.
///
/// # Errors
/// When it is no such amount.
pub fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let millis = match unit {
        "ms" => 1,
        "s" => SECOND,
        "m" | "min" => MINUTE,
        "h" => HOUR,
        "d" => 24 * HOUR,
        "w" => 7 * 24 * HOUR,
        _ => return Err("give a time such as 30d, 12h, 90m or 2w".to_owned()),
    };
    let millis = scaled(number, millis).ok_or("give a time such as 30d, 12h, 90m or 2w")?;
    Ok(Duration::from_millis(millis))
}

/// A time for a sentence: `90 s`, `5 min`, `0.25 s`.
pub fn time(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, word) in [(HOUR, "h"), (MINUTE, "min")] {
        let unit = u128::from(unit);
        if millis > 0 && millis.is_multiple_of(unit) {
            return format!("{} {word}", millis / unit);
        }
    }
    format!("{} s", span.as_secs_f64())
}

/// A number of bytes for a sentence: `4 GB`, `1.5 GB`, `512 B`.
pub fn size(bytes: u64) -> String {
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    #[expect(clippy::cast_precision_loss, reason = "a tenth of a unit is shown")]
    let number = bytes as f64;
    match units.into_iter().find(|(_, unit)| number >= *unit) {
        Some((word, unit)) => format!("{} {word}", (number / unit * 10.0).round() / 10.0),
        None => format!("{bytes} B"),
    }
}

/// The number and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

/// A number times a factor, to the nearest whole.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    #[expect(clippy::cast_precision_loss, reason = "factors are far below 2^53")]
    let product = number.parse::<f64>().ok()? * factor as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "digits make no negative number"
    )]
    (product < 1e18).then_some(product.round() as u64)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, size, span, time};

    #[test]
    fn sizes_have_units_of_both_families() {
        let sizes = ["0", "12", "1_000 B", "20GB", "1.5 kb", "2KiB", "1.5GiB"];
        let found: Vec<_> = sizes.iter().map(|text| bytes(text).unwrap()).collect();
        assert_eq!(found, [0, 12, 1000, 20_000_000_000, 1500, 2048, 1_610_612_736]);
        for bad in ["", "GB", "-1", "1 XB", "1.2.3GB", "99999999999TB"] {
            assert_eq!(bytes(bad).unwrap_err(), "give a size such as 20GB, 500MB or 1.5GiB", "{bad}");
        }
    }

    #[test]
    fn times_need_a_unit() {
        let found: Vec<_> = ["0s", "90m", "12h", "30d", "2w", "0.5d"]
            .iter()
            .map(|text| span(text).unwrap().as_secs())
            .collect();
        assert_eq!(found, [0, 5400, 43_200, 2_592_000, 1_209_600, 43_200]);
        assert_eq!(["250ms", "0.25s"].map(|text| span(text).unwrap().as_millis()), [250, 250]);
        for bad in ["", "30", "d", "-1d", "1y"] {
            assert_eq!(span(bad).unwrap_err(), "give a time such as 30d, 12h, 90m or 2w", "{bad}");
        }
    }

    #[test]
    fn amounts_are_told_in_the_unit_that_suits_them() {
        let told = [90_000, 120_000, 7_200_000, 250, 0].map(|millis| time(Duration::from_millis(millis)));
        assert_eq!(told, ["90 s", "2 min", "2 h", "0.25 s", "0 s"]);
        let told = [512, 1500, 4_000_000_000, 8_255_000_000, 2_000_000_000_000].map(size);
        assert_eq!(told, ["512 B", "1.5 kB", "4 GB", "8.3 GB", "2 TB"]);
    }
}
