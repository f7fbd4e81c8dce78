//! Amounts as people write them: `20GB`, `30d`.

use std::time::Duration;

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

/// A time span: a number with `s`, `m` (minutes), `h`, `d` or `w`.
///
/// # Errors
/// When it is no such amount.
pub fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return Err("give a time such as 30d, 12h, 90m or 2w".to_owned()),
    };
    let seconds = scaled(number, seconds).ok_or("give a time such as 30d, 12h, 90m or 2w")?;
    Ok(Duration::from_secs(seconds))
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
    use super::{bytes, span};

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
        for bad in ["", "30", "d", "-1d", "1y"] {
            assert_eq!(span(bad).unwrap_err(), "give a time such as 30d, 12h, 90m or 2w", "{bad}");
        }
    }
}
