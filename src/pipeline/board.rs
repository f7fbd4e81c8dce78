//! What the leaderboard of a sweep was made from, told by its parameters: a sweep writes a row a variant, and
//! people think of axes.

use std::collections::BTreeMap;

/// The kind of the stage that a sweep makes.
pub const KIND: &str = "leaderboard";

/// The name of that stage.
pub const LABEL: &str = super::wire::LEADERBOARD;

/// The parameters of a leaderboard by path, its rows put together to axes: `axes."segments.k"` is `[3, 4]`.
pub fn axes(params: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let made = |path: &str| ["axes", "variants"].contains(&path.split('.').next().unwrap_or_default());
    let mut own: BTreeMap<_, _> = params
        .iter()
        .filter(|(path, _)| !made(path))
        .map(|(path, value)| (path.clone(), value.clone()))
        .collect();
    let names = (0..).map_while(|at| params.get(&format!("axes.{at}")));
    own.extend(
        names
            .enumerate()
            .map(|(at, name)| (format!("axes.\"{name}\""), format!("[{}]", values(params, at).join(", ")))),
    );
    own
}

/// The axis that a path of [`axes`] is about.
pub fn axis(path: &str) -> Option<&str> {
    path.strip_prefix("axes.\"")?.strip_suffix('"')
}

/// The values on an axis in the order in which variants have them.
fn values(params: &BTreeMap<String, String>, axis: usize) -> Vec<&str> {
    let rows = (0..).take_while(|row| params.contains_key(&format!("variants.{row}.label")));
    let mut values: Vec<&str> = Vec::new();
    for row in rows {
        let value = params.get(&format!("variants.{row}.values.{axis}")).map(String::as_str);
        // A variant without that axis has no value on it.
        if let Some(value) = value.filter(|value| !value.is_empty() && !values.contains(value)) {
            values.push(value);
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{axes, axis};

    #[test]
    fn rows_are_put_together_to_axes() {
        let params = [
            ("axes.0", "s.k"),
            ("axes.1", "s.scale"),
            ("goal", "max"),
            ("variants.0.label", "k=2, scale=none"),
            ("variants.0.values.0", "2"),
            ("variants.0.values.1", "none"),
            ("variants.1.label", "k=2, scale=log"),
            ("variants.1.values.0", "2"),
            ("variants.1.values.1", "log"),
            ("variants.2.label", "k=2"),
            ("variants.2.values.0", "2"),
            ("variants.2.values.1", ""),
        ];
        let params: BTreeMap<_, _> = params.map(|(path, value)| (path.to_owned(), value.to_owned())).into();
        let axes = axes(&params);
        let told: Vec<_> = axes.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        assert_eq!(told, ["axes.\"s.k\" = [2]", "axes.\"s.scale\" = [none, log]", "goal = max"]);
        assert_eq!(
            axes.keys().map(|path| axis(path)).collect::<Vec<_>>(),
            [Some("s.k"), Some("s.scale"), None]
        );
    }
}
