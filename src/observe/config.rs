//! The resolved pipeline of a run as values by path: `segments.k`, `pipeline.seed`.

use toml::{Table, Value};

/// Every value that is no table, by its path. Stages go by their names alone.
pub fn leaves(config: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, value) in config {
        match value {
            Value::Table(stages) if name == "stages" => {
                stages.iter().for_each(|(stage, value)| collect(stage, value, &mut found));
            }
            _ => collect(name, value, &mut found),
        }
    }
    found
}

fn collect(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            table.iter().for_each(|(key, value)| collect(&format!("{path}.{key}"), value, found));
        }
        _ => found.push((path.to_owned(), value.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::leaves;

    #[test]
    fn stages_go_by_their_names() {
        let config = "[pipeline]\nseed = 3\n[stages.s]\nkind = 'segment'\nscan = { from = 2 }\nfeatures = ['a', 'b']\nenv = {}\n";
        let found: Vec<_> = leaves(&config.parse().unwrap())
            .into_iter()
            .map(|(path, value)| format!("{path}={value}"))
            .collect();
        assert_eq!(
            found,
            [
                "pipeline.seed=3",
                "s.env={}",
                "s.features=[\"a\", \"b\"]",
                "s.kind=\"segment\"",
                "s.scan.from=2"
            ]
        );
    }
}
