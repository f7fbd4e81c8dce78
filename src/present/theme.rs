//! The look of everything that is drawn or written: colours with their dark twins, and type sizes.
//!
//! Knows nothing of charts or pages. The series colours keep apart under the three kinds of colour
//! blindness and stand out from the paper by at least 3 to 1 (WCAG 2.2, non-text contrast); text
//! by at least 4.5 to 1. The tests compute both.

use std::fmt::Write as _;

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// `#RRGGBB`, as SVG and CSS write it.
    pub fn hex(self) -> String {
        format!("#{:02X}{:02X}{:02X}", self.0, self.1, self.2)
    }

    /// The colour a part of the way (0 to 1) to another one.
    #[must_use]
    pub fn towards(self, other: Self, part: f64) -> Self {
        Self(mix(self.0, other.0, part), mix(self.1, other.1, part), mix(self.2, other.2, part))
    }

    /// Relative luminance from 0 (black) to 1 (white), as WCAG 2.2 defines it.
    pub fn luminance(self) -> f64 {
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// Contrast ratio from 1 to 21, as WCAG 2.2 defines it.
    pub fn contrast(self, other: Self) -> f64 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}

/// The background.
pub const PAPER: Rgb = Rgb(0xFF, 0xFF, 0xFF);
/// Titles and values.
pub const INK: Rgb = Rgb(0x1B, 0x21, 0x29);
/// Axis names, tick labels, notes.
pub const MUTED: Rgb = Rgb(0x59, 0x63, 0x70);
/// Grid lines.
pub const GRID: Rgb = Rgb(0xE4, 0xE8, 0xEC);
/// The line that bars stand on, and reference lines.
pub const AXIS: Rgb = Rgb(0x8C, 0x96, 0xA2);
/// What is not in focus: the rest of the series or points.
pub const REST: Rgb = Rgb(0x86, 0x90, 0x9C);
/// The interval around a forecast.
pub const BAND: Rgb = Rgb(0xF8, 0xD9, 0xCF);
/// The middle of a diverging scale; the same on dark paper.
pub const NEUTRAL: Rgb = Rgb(0xF3, 0xF4, 0xF5);
/// The low end of a diverging scale; the same on dark paper.
pub const BELOW: Rgb = Rgb(0x1F, 0x5F, 0xA8);
/// The high end of a diverging scale; the same on dark paper.
pub const ABOVE: Rgb = Rgb(0xC2, 0x4A, 0x12);
/// Text on a light cell; the same on dark paper.
pub const CELL_DARK: Rgb = Rgb(0x00, 0x00, 0x01);
/// Text on a dark cell; the same on dark paper.
pub const CELL_LIGHT: Rgb = Rgb(0xFF, 0xFF, 0xFE);

/// Colours of series, most important first.
pub const SERIES: [Rgb; 7] = [
    Rgb(0x08, 0x42, 0x9B),
    Rgb(0xCE, 0x31, 0x01),
    Rgb(0x11, 0x80, 0x6A),
    Rgb(0x7F, 0x0E, 0x55),
    Rgb(0x2C, 0x94, 0xFF),
    Rgb(0x34, 0x24, 0x0B),
    Rgb(0xCB, 0x5A, 0xB9),
];

/// What is measured or known.
pub const MAIN: Rgb = SERIES[0];
/// What is expected, or stands out.
pub const ACCENT: Rgb = SERIES[1];
/// The bands low, medium and high.
pub const LEVELS: [Rgb; 3] = [SERIES[4], SERIES[0], SERIES[1]];

/// Each colour that changes on dark paper, with its twin.
pub const TWINS: [(Rgb, Rgb); 14] = [
    (PAPER, Rgb(0x17, 0x1B, 0x21)),
    (INK, Rgb(0xE9, 0xEC, 0xEF)),
    (MUTED, Rgb(0xA9, 0xB2, 0xBC)),
    (GRID, Rgb(0x2E, 0x35, 0x3E)),
    (AXIS, Rgb(0x6B, 0x76, 0x83)),
    (REST, Rgb(0x78, 0x83, 0x90)),
    (BAND, Rgb(0x52, 0x33, 0x1C)),
    (SERIES[0], Rgb(0x28, 0x70, 0xD5)),
    (SERIES[1], Rgb(0xFF, 0x76, 0x0D)),
    (SERIES[2], Rgb(0x2A, 0xB7, 0x71)),
    (SERIES[3], Rgb(0xAE, 0x52, 0x7E)),
    (SERIES[4], Rgb(0x90, 0xC2, 0xFF)),
    (SERIES[5], Rgb(0xDF, 0xDD, 0x8C)),
    (SERIES[6], Rgb(0xFF, 0x92, 0xB9)),
];

/// Type sizes in CSS pixels.
pub mod size {
    /// The finding above a chart.
    pub const TITLE: f64 = 16.0;
    /// The line under it, and the names of panels.
    pub const SUBTITLE: f64 = 12.0;
    /// Axis names, tick labels, values at bars.
    pub const LABEL: f64 = 11.0;
    /// Numbers in cells.
    pub const SMALL: f64 = 10.0;
}

/// The colour of a series by its place; beyond the palette all are [`REST`].
pub fn series(place: usize) -> Rgb {
    SERIES.get(place).copied().unwrap_or(REST)
}

/// A diverging scale from -1 ([`BELOW`]) over 0 ([`NEUTRAL`]) to 1 ([`ABOVE`]).
pub fn diverging(value: f64) -> Rgb {
    let end = if value < 0.0 { BELOW } else { ABOVE };
    NEUTRAL.towards(end, value.abs().min(1.0))
}

/// The readable one of the two text colours for a cell.
pub fn text_on(cell: Rgb) -> Rgb {
    if cell.contrast(CELL_DARK) >= cell.contrast(CELL_LIGHT) { CELL_DARK } else { CELL_LIGHT }
}

/// CSS that turns the colours of charts inside `scope` into their dark twins.
pub fn dark_rules(scope: &str) -> String {
    TWINS.iter().fold(String::new(), |mut css, (light, dark)| {
        let (light, dark) = (light.hex(), dark.hex());
        let _ = write!(
            css,
            "{scope} [fill=\"{light}\"]{{fill:{dark}}}{scope} [stroke=\"{light}\"]{{stroke:{dark}}}"
        );
        css
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the mix of two bytes is a byte")]
fn mix(from: u8, to: u8, part: f64) -> u8 {
    (f64::from(from) + (f64::from(to) - f64::from(from)) * part).round() as u8
}

fn linear(channel: u8) -> f64 {
    let value = f64::from(channel) / 255.0;
    if value <= 0.04045 { value / 12.92 } else { libm::pow((value + 0.055) / 1.055, 2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Machado, Oliveira & Fernandes (2009), "A physiologically-based model for simulation of
    /// color vision deficiency", severity 1.0: full vision, protanopia, deuteranopia, tritanopia.
    const SIGHTS: [[[f64; 3]; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    fn times(matrix: &[[f64; 3]; 3], v: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum())
    }

    /// OKLab (Ottosson 2020) of a colour as an eye sees it.
    fn seen(color: Rgb, sight: &[[f64; 3]; 3]) -> [f64; 3] {
        let light =
            times(sight, [linear(color.0), linear(color.1), linear(color.2)]).map(|v| v.clamp(0.0, 1.0));
        let cones = [
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ];
        let lab = [
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ];
        times(&lab, times(&cones, light).map(f64::cbrt))
    }

    fn distance(a: Rgb, b: Rgb) -> f64 {
        let apart = |sight| {
            let (a, b) = (seen(a, sight), seen(b, sight));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        SIGHTS.iter().map(apart).fold(f64::INFINITY, f64::min)
    }

    fn dark(color: Rgb) -> Rgb {
        TWINS.iter().find(|(light, _)| *light == color).unwrap().1
    }

    #[test]
    fn contrast_matches_the_published_ends() {
        assert!((Rgb(0, 0, 0).contrast(PAPER) - 21.0).abs() < 1e-9);
        // WebAIM's contrast checker: #767676 on white is the lightest grey at 4.54.
        assert!((Rgb(0x76, 0x76, 0x76).contrast(PAPER) - 4.54).abs() < 0.01);
    }

    #[test]
    fn series_stand_out_from_the_paper() {
        for color in SERIES.into_iter().chain([REST]) {
            assert!(color.contrast(PAPER) >= 3.0, "{color:?}");
            assert!(dark(color).contrast(dark(PAPER)) >= 3.0, "{color:?} on dark paper");
        }
    }

    #[test]
    fn text_is_readable_on_paper_and_on_every_cell() {
        for color in [INK, MUTED] {
            assert!(color.contrast(PAPER) >= 4.5, "{color:?}");
            assert!(dark(color).contrast(dark(PAPER)) >= 4.5, "{color:?} on dark paper");
        }
        for step in -20..=20 {
            let cell = diverging(f64::from(step) / 20.0);
            assert!(cell.contrast(text_on(cell)) >= 4.5, "{cell:?}");
        }
    }

    #[test]
    fn series_differ_for_every_kind_of_eye() {
        for (at, a) in SERIES.into_iter().enumerate() {
            for b in SERIES.into_iter().skip(at + 1) {
                assert!(distance(a, b) > 0.1, "{a:?} {b:?} {}", distance(a, b));
                assert!(distance(dark(a), dark(b)) > 0.1, "dark {a:?} {b:?}");
            }
        }
    }

    #[test]
    fn the_ends_of_the_diverging_scale_differ_for_every_kind_of_eye() {
        assert!(distance(BELOW, ABOVE) > 0.15);
    }

    #[test]
    fn every_twin_has_one_light_colour() {
        for (at, (light, _)) in TWINS.iter().enumerate() {
            assert!(TWINS.iter().skip(at + 1).all(|(other, _)| other != light));
        }
    }
}
