//! Names of segments, decided by how they differ from all customers.
//!
//! Knows scores by feature; knows nothing of tables or of how segments were found.
//!
//! A score is the mean of a feature in the segment, on the standardised scale of all customers
//! (skewed features after a logarithm). It counts as high from 0.5 and as low from -0.5, where the
//! mean that people see lies a fifth above or below that of all customers, too: on a skewed scale most
//! segments can have high scores, and not all of them can spend more than the average.
//!
//! The noun comes from `frequency` and `monetary`:
//!
//! | frequency | monetary low | monetary middle | monetary high |
//! |---|---|---|---|
//! | mean below 1.5 | One-timers | One-timers | Big-ticket one-timers |
//! | low | Occasional small spenders | Occasional buyers | Occasional big spenders |
//! | middle | Bargain hunters | Regulars | Big spenders |
//! | high | Frequent bargain hunters | Frequent buyers | Frequent big spenders |
//!
//! Regulars whose gaps between purchases vary (`std_gap_days` high) are irregular buyers.
//!
//! At most one word goes before it, the first that fits: `Lapsed` (recency high, and thrice the
//! segment's own gap between purchases, at least a month; a quarter where there is no gap),
//! `New` (recency and tenure low, where the longest tenure is two months or more), both without
//! `Occasional`, or the channel with the highest share score from 0.75, such as `Online`.
//!
//! Segments that still share a name get the trait that sets them apart most among themselves, as
//! an adjective (`Frequent local big spenders`) or behind the noun (`Regulars with short gaps`),
//! a second one where that isn't enough, and at last a number.

use std::collections::BTreeMap;

use super::traits::{Trait, in_words, most_apart};

/// From this score on, a segment is clearly above (or, negated, below) all customers.
const CLEAR: f64 = 0.5;

/// A mean must differ from that of all customers by this part of it for a word to be true.
const SEEN: f64 = 0.2;

/// From this score on, a channel is worth a word.
const STRONG: f64 = 0.75;

/// Mean number of purchases below which customers count as having bought once.
const ONCE: f64 = 1.5;

/// Mean days since the last purchase below which nobody has lapsed, however recently others bought.
const LAPSED: f64 = 30.0;

/// How many of its own gaps between purchases a segment must have let pass to have lapsed: with one
/// or two it may only be waiting.
const GAPS: f64 = 3.0;

/// The same limit in days for a segment of which no gap is known.
const QUARTER: f64 = 91.0;

/// Days that the longest-standing customer must be known for new ones to be told from others.
const KNOWN: f64 = 60.0;

/// Traits that a name may have.
const TRAITS: usize = 2;

/// What naming looks at in a segment.
#[derive(Clone, Debug)]
pub(super) struct Portrait {
    /// The score of each feature, in the same order for all segments.
    pub scores: Vec<f64>,
    /// How far the mean of each feature lies above that of all customers, as a part of it; none where
    /// that isn't known.
    pub plain: Vec<Option<f64>>,
    /// Mean number of purchases, where it is known.
    pub frequency: Option<f64>,
    /// Mean days since the last purchase, where they are known.
    pub idle: Option<f64>,
    /// Mean days between two purchases, where they are known.
    pub gap: Option<f64>,
    /// The longest time that any customer of any segment is known, in days, where that is known.
    pub known: Option<f64>,
}

/// A name in its parts, all in lower case.
#[derive(Clone, Debug)]
struct Name {
    /// What goes before the adjectives: `lapsed`, `frequent`.
    start: Vec<String>,
    adjectives: Vec<String>,
    noun: &'static str,
    /// What goes behind the noun: `short gaps`.
    with: Vec<String>,
}

impl Name {
    fn text(&self) -> String {
        let words: Vec<&str> =
            self.start.iter().chain(&self.adjectives).map(String::as_str).chain([self.noun]).collect();
        let with =
            if self.with.is_empty() { String::new() } else { format!(" with {}", self.with.join(" and ")) };
        capitalised(&words.join(" ")) + &with
    }

    fn add(&mut self, what: Trait) {
        match what {
            Trait::Adjective(word) => self.adjectives.push(word),
            Trait::With(words) => self.with.push(words),
        }
    }
}

/// Names for segments that are described by the same features: readable, and no two the same.
pub(super) fn names(features: &[String], portraits: &[Portrait]) -> Vec<String> {
    let mut names: Vec<Name> = portraits.iter().map(|portrait| base(features, portrait)).collect();
    // Where nobody is known for long, how long says nothing.
    let tenure = |portrait: &Portrait| {
        let place = features.iter().position(|feature| feature == "tenure_days");
        place.filter(|_| !is_known_long(portrait)).into_iter().collect::<Vec<_>>()
    };
    let mut used: Vec<_> = portraits.iter().map(tenure).collect();
    for _ in 0..TRAITS {
        for group in shared(&texts(&names)) {
            for segment in &group {
                if let Some((feature, high)) = most_apart(portraits, &group, *segment, &used[*segment]) {
                    used[*segment].push(feature);
                    names[*segment].add(in_words(&features[feature], high));
                }
            }
        }
    }
    let mut names = texts(&names);
    for group in shared(&names) {
        for (number, segment) in group.iter().enumerate().skip(1) {
            names[*segment] = format!("{} ({})", names[*segment], number + 1);
        }
    }
    names
}

fn texts(names: &[Name]) -> Vec<String> {
    names.iter().map(Name::text).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Low,
    Middle,
    High,
}

/// How high a feature is: by its score, and by its mean where that is known.
fn level(score: f64, plain: Option<f64>) -> Level {
    if score >= CLEAR && plain.is_none_or(|above| above >= SEEN) {
        Level::High
    } else if score <= -CLEAR && plain.is_none_or(|above| above <= -SEEN) {
        Level::Low
    } else {
        Level::Middle
    }
}

fn base(features: &[String], portrait: &Portrait) -> Name {
    let place = |name: &str| features.iter().position(|feature| feature == name);
    let score = |name: &str| portrait.scores.get(place(name)?).copied();
    let plain = |name: &str| portrait.plain.get(place(name)?).copied().flatten();
    let of = |name: &str| level(score(name).unwrap_or(0.0), plain(name));
    let bought = score("frequency").is_some() || score("monetary").is_some();
    let (often, noun) = if bought {
        noun(portrait.frequency, of("frequency"), of("monetary"), of("std_gap_days"))
    } else {
        ("", "customers")
    };
    let word = match (of("recency_days"), of("tenure_days")) {
        (Level::High, _) if has_lapsed(portrait) => Some("lapsed".to_owned()),
        (Level::Low, Level::Low) if is_known_long(portrait) => Some("new".to_owned()),
        _ => channel(features, portrait),
    };
    // Who is new has had no time to buy often, and who has left buys no more.
    let aged = matches!(word.as_deref(), Some("lapsed" | "new"));
    let often = Some(often).filter(|often| !(often.is_empty() || aged && *often == "occasional"));
    let start = word.into_iter().chain(often.map(str::to_owned)).collect();
    Name { start, adjectives: Vec::new(), noun, with: Vec::new() }
}

/// Whether a segment has let pass far more time than it uses to between purchases. Who has bought
/// once has no such time.
fn has_lapsed(portrait: &Portrait) -> bool {
    let once = portrait.frequency.is_some_and(|purchases| purchases < ONCE);
    let gap = portrait.gap.filter(|gap| !once && gap.is_finite());
    let limit = gap.map_or(QUARTER, |gap| (GAPS * gap).max(LAPSED));
    portrait.idle.is_none_or(|days| days >= limit)
}

/// Whether customers are known for so long that new ones can be told from others.
fn is_known_long(portrait: &Portrait) -> bool {
    portrait.known.is_none_or(|days| days >= KNOWN)
}

/// How often, and who: `frequent`, `big spenders`.
fn noun(
    purchases: Option<f64>,
    frequency: Level,
    monetary: Level,
    unevenness: Level,
) -> (&'static str, &'static str) {
    let once = purchases.is_some_and(|purchases| purchases < ONCE);
    match (frequency, monetary) {
        (_, Level::High) if once => ("", "big-ticket one-timers"),
        _ if once => ("", "one-timers"),
        (Level::Low, Level::Low) => ("occasional", "small spenders"),
        (Level::Low, Level::Middle) => ("occasional", "buyers"),
        (Level::Low, Level::High) => ("occasional", "big spenders"),
        (Level::Middle, Level::Low) => ("", "bargain hunters"),
        (Level::Middle, Level::Middle) if unevenness == Level::High => ("irregular", "buyers"),
        (Level::Middle, Level::Middle) => ("", "regulars"),
        (Level::Middle, Level::High) => ("", "big spenders"),
        (Level::High, Level::Low) => ("frequent", "bargain hunters"),
        (Level::High, Level::Middle) => ("frequent", "buyers"),
        (Level::High, Level::High) => ("frequent", "big spenders"),
    }
}

/// The channel that a segment uses far more than others, as a word to begin a name with.
fn channel(features: &[String], portrait: &Portrait) -> Option<String> {
    let shares = features.iter().zip(&portrait.scores).enumerate().filter_map(|(at, (feature, score))| {
        let channel = feature.strip_prefix("channel_").filter(|channel| !channel.is_empty())?;
        let seen = portrait.plain.get(at).copied().flatten().is_none_or(|above| above >= SEEN);
        (*score >= STRONG && seen).then_some((channel, *score))
    });
    let best = shares.reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    Some(best.0.replace('_', "-"))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Groups of segments that share a name, in the order of the names.
fn shared(names: &[String]) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (segment, name) in names.iter().enumerate() {
        groups.entry(name).or_default().push(segment);
    }
    groups.into_values().filter(|group| group.len() > 1).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Portrait, names};

    fn named(features: &[&str], segments: &[(&[f64], Option<f64>)]) -> Vec<String> {
        let features: Vec<String> = features.iter().map(|name| (*name).to_owned()).collect();
        let portraits: Vec<Portrait> =
            segments.iter().map(|(scores, frequency)| portrait(scores, *frequency)).collect();
        names(&features, &portraits)
    }

    fn portrait(scores: &[f64], frequency: Option<f64>) -> Portrait {
        let plain = vec![None; scores.len()];
        Portrait { scores: scores.to_vec(), plain, frequency, idle: None, gap: None, known: None }
    }

    const RFM: [&str; 5] = ["recency_days", "frequency", "monetary", "tenure_days", "channel_online"];

    #[test]
    fn the_table_of_nouns() {
        let found = named(
            &RFM,
            &[
                (&[0.0, 1.0, 1.0, 0.0, 0.0], Some(20.0)),
                (&[0.0, 0.5, 0.0, 0.0, 0.0], Some(9.0)),
                (&[0.0, 0.6, -0.5, 0.0, 0.0], Some(9.0)),
                (&[0.0, 0.0, 0.5, 0.0, 0.0], Some(5.0)),
                (&[0.0, 0.49, -0.49, 0.0, 0.0], Some(5.0)),
                (&[0.0, 0.0, -1.0, 0.0, 0.0], Some(5.0)),
                (&[0.0, -1.0, 2.0, 0.0, 0.0], Some(2.0)),
                (&[0.0, -1.0, 0.0, 0.0, 0.0], Some(2.0)),
                (&[0.0, -1.0, -1.0, 0.0, 0.0], Some(1.5)),
                (&[0.0, -1.0, -1.0, 0.0, 0.0], Some(1.4)),
                (&[0.0, -1.0, 0.9, 0.0, 0.0], Some(1.0)),
            ],
        );
        assert_eq!(
            found,
            [
                "Frequent big spenders",
                "Frequent buyers",
                "Frequent bargain hunters",
                "Big spenders",
                "Regulars",
                "Bargain hunters",
                "Occasional big spenders",
                "Occasional buyers",
                "Occasional small spenders",
                "One-timers",
                "Big-ticket one-timers",
            ]
        );
    }

    /// On the logarithmic scale of scores three of four segments can lie high; on the plain one, which
    /// people read, a big spender spends more than the average.
    #[test]
    fn a_name_is_true_on_the_scale_that_people_read() {
        let features: Vec<String> = RFM.map(str::to_owned).to_vec();
        let named = |scores: [f64; 5], plain: [f64; 5]| {
            let plain = plain.map(Some).to_vec();
            names(&features, &[Portrait { plain, ..portrait(&scores, Some(5.0)) }]).remove(0)
        };
        let frequent_and_rich = [0.0, 0.9, 0.8, 0.0, 0.0];
        assert_eq!(named(frequent_and_rich, [0.0, 1.5, 0.2, 0.0, 0.0]), "Frequent big spenders");
        // 2,114 against an average of 2,887.
        assert_eq!(named(frequent_and_rich, [0.0, 1.5, -0.27, 0.0, 0.0]), "Frequent buyers");
        assert_eq!(named(frequent_and_rich, [0.0, 0.1, 0.19, 0.0, 0.0]), "Regulars");
        assert_eq!(named([0.0, -0.9, -0.8, 0.0, 0.0], [0.0, -0.5, -0.1, 0.0, 0.0]), "Occasional buyers");
        let (young, web) = ([-0.9, 0.0, 0.0, -0.9, 0.0], [0.0, 0.0, 0.0, 0.0, 0.9]);
        assert_eq!(named(young, [-0.5, 0.0, 0.0, -0.5, 0.0]), "New regulars");
        assert_eq!(named(young, [-0.5, 0.0, 0.0, 0.1, 0.0]), "Regulars");
        assert_eq!(named([0.9, 0.0, 0.0, 0.0, 0.0], [0.1, 0.0, 0.0, 0.0, 0.0]), "Regulars");
        assert_eq!(named(web, [0.0, 0.0, 0.0, 0.0, 0.3]), "Online regulars");
        assert_eq!(named(web, [0.0, 0.0, 0.0, 0.0, 0.1]), "Regulars");
    }

    /// A trait that scores and means disagree about is passed over for one that both see.
    #[test]
    fn a_trait_is_true_on_the_scale_that_people_read() {
        let features = ["frequency", "mean_amount", "local_share"].map(str::to_owned);
        let of = |scores: [f64; 3], plain: [f64; 3]| Portrait {
            plain: plain.map(Some).to_vec(),
            ..portrait(&scores, None)
        };
        let (one, two) = ([0.0, 0.4, 0.1], [0.0, -0.4, -0.1]);
        let agreed = [of(one, [0.0, 0.3, 0.1]), of(two, [0.0, -0.3, -0.1])];
        assert_eq!(names(&features, &agreed), ["Large-basket regulars", "Small-basket regulars"]);
        let turned = [of(one, [0.0, -0.1, 0.1]), of(two, [0.0, 0.1, -0.1])];
        assert_eq!(names(&features, &turned), ["Local regulars", "Visiting regulars"]);
    }

    #[test]
    fn regulars_are_regular() {
        let features = ["frequency", "monetary", "std_gap_days"];
        let two: &[(&[f64], Option<f64>)] = &[(&[0.0, 0.0, 0.5], None), (&[0.0, 0.0, 0.4], None)];
        assert_eq!(named(&features, two), ["Irregular buyers", "Regulars"]);
    }

    #[test]
    fn one_word_goes_before_the_noun() {
        let found = named(
            &RFM,
            &[
                (&[1.0, -1.0, -1.0, -1.0, 2.0], Some(1.0)),
                (&[-1.0, 0.0, 0.0, -1.0, 2.0], Some(4.0)),
                (&[0.0, 0.0, -1.0, 0.0, 0.8], Some(4.0)),
                (&[0.0, 0.0, 1.0, 0.0, 0.7], Some(4.0)),
                (&[-1.0, -1.0, -1.0, -1.0, 0.0], Some(2.0)),
            ],
        );
        let expected = [
            "Lapsed one-timers",
            "New regulars",
            "Online bargain hunters",
            "Big spenders",
            "New small spenders",
        ];
        assert_eq!(found, expected);
        let stores = named(&["monetary", "channel_in_store", "channel_web"], &[(&[0.0, 0.8, 0.9], None)]);
        assert_eq!(stores, ["Web regulars"]);
        assert_eq!(named(&["monetary", "channel_in_store"], &[(&[0.0, 0.8], None)]), ["In-store regulars"]);
    }

    /// In a week of data the fifth day after a purchase is late, and still nobody has left.
    #[test]
    fn a_short_history_has_no_lapsed_and_no_new_customers() {
        let features: Vec<String> = RFM.map(str::to_owned).to_vec();
        let (old, young) = ([1.0, -1.0, -1.0, 3.0, 0.0], [-1.0, -1.0, -1.0, -3.0, 0.0]);
        let named = |idle: f64, known: f64| {
            let portraits = [&old, &young].map(|scores| Portrait {
                idle: Some(idle),
                known: Some(known),
                ..portrait(scores, Some(1.0))
            });
            names(&features, &portraits)
        };
        assert_eq!(named(91.0, 99.0), ["Lapsed one-timers", "New one-timers"]);
        let expected = ["One-timers with an older last purchase", "One-timers with a recent purchase"];
        assert_eq!(named(5.0, 6.0), expected);
    }

    /// A last purchase of a month ago is nothing to those who buy once a month.
    #[test]
    fn a_segment_lapses_by_its_own_gap() {
        let features: Vec<String> = RFM.map(str::to_owned).to_vec();
        let named = |frequency: f64, idle: f64, gap: Option<f64>| {
            let scores = [1.0, 0.0, 0.0, 0.0, 0.0];
            let portrait = Portrait { idle: Some(idle), gap, ..portrait(&scores, Some(frequency)) };
            names(&features, &[portrait]).remove(0)
        };
        assert_eq!(named(5.0, 32.0, Some(30.0)), "Regulars");
        assert_eq!(named(5.0, 89.0, Some(30.0)), "Regulars");
        assert_eq!(named(5.0, 90.0, Some(30.0)), "Lapsed regulars");
        assert_eq!(named(5.0, 29.0, Some(2.0)), "Regulars");
        assert_eq!(named(5.0, 30.0, Some(2.0)), "Lapsed regulars");
        assert_eq!(named(5.0, 90.0, None), "Regulars");
        assert_eq!(named(5.0, 91.0, None), "Lapsed regulars");
        // The gap of the few among one-timers who came again is not theirs.
        assert_eq!(named(1.2, 90.0, Some(5.0)), "One-timers");
    }

    #[test]
    fn equal_names_get_the_trait_that_sets_them_apart() {
        let features = ["frequency", "mean_amount", "local_share"];
        let two: &[(&[f64], Option<f64>)] = &[(&[0.0, 0.4, 0.1], None), (&[0.0, -0.4, -0.1], None)];
        assert_eq!(named(&features, two), ["Large-basket regulars", "Small-basket regulars"]);
        // The first two share their first trait; the second trait parts them.
        let three: &[(&[f64], Option<f64>)] =
            &[(&[0.0, 0.4, 0.1], None), (&[0.0, 0.4, -0.1], None), (&[0.0, -0.4, 0.0], None)];
        assert_eq!(
            named(&features, three),
            ["Large-basket local regulars", "Large-basket visiting regulars", "Small-basket regulars"]
        );
    }

    #[test]
    fn an_adjective_stands_before_its_noun() {
        let features = ["frequency", "monetary", "local_share"];
        let two: &[(&[f64], Option<f64>)] = &[(&[1.0, 1.0, 0.7], None), (&[1.0, 1.0, -1.4], None)];
        let expected = ["Frequent local big spenders", "Frequent visiting big spenders"];
        assert_eq!(named(&features, two), expected);
        let two: &[(&[f64], Option<f64>)] = &[(&[0.0, 0.2], None), (&[0.0, -0.2], None)];
        let expected = ["Regulars with long gaps", "Regulars with short gaps"];
        assert_eq!(named(&["monetary", "mean_gap_days"], two), expected);
    }

    #[test]
    fn equal_segments_get_numbers() {
        let same: &[(&[f64], Option<f64>)] = &[(&[0.0], None), (&[0.0], None), (&[0.001], None)];
        assert_eq!(named(&["frequency"], same), ["Regulars", "Regulars (2)", "Regulars (3)"]);
    }

    #[test]
    fn own_features_are_named_as_they_are() {
        let found = named(&["shoe_size"], &[(&[1.0], None), (&[-1.0], None)]);
        assert_eq!(found, ["Customers with high shoe size", "Customers with low shoe size"]);
        let found = named(&["category_garden_tools"], &[(&[1.0], None), (&[-1.0], None)]);
        assert_eq!(
            found,
            ["Customers with more garden tools purchases", "Customers with fewer garden tools purchases"]
        );
        assert_eq!(named(&[], &[(&[], None), (&[], None)]), ["Customers", "Customers (2)"]);
    }

    #[test]
    fn names_are_unique_whatever_the_scores() {
        // A full grid of three levels in four features, and every segment twice.
        let levels = [-1.0, 0.0, 1.0];
        let mut segments: Vec<Portrait> = Vec::new();
        for at in 0..81_usize {
            let scores: Vec<f64> = (0..4).map(|place| levels[at / 3_usize.pow(place) % 3]).collect();
            let portrait = portrait(&scores, Some(3.0));
            segments.extend([portrait.clone(), portrait]);
        }
        let features: Vec<String> =
            ["frequency", "monetary", "recency_days", "channel_web"].map(str::to_owned).to_vec();
        let found = names(&features, &segments);
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len());
        assert_eq!(found, names(&features, &segments));
    }
}
