//! What a recorded pipeline says about its trackers: its table `[track]`, checked and resolved already.

use std::time::Duration;

/// The table `[track]` of a resolved pipeline.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The trackers.
    pub to: Vec<String>,
    /// The project in each of them.
    pub project: String,
    /// What runs belong to.
    pub group: Option<String>,
    /// Words to find them by.
    pub tags: Vec<String>,
    /// What they are about.
    pub notes: Option<String>,
    /// How long the end of a run waits.
    pub wait: Duration,
    table: toml::Table,
}

impl Settings {
    /// The settings of a resolved pipeline; those of one without a table `[track]` name no tracker.
    pub fn of(config: &toml::Table) -> Self {
        let table = config.get("track").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let name = config.get("pipeline").and_then(|head| head.get("name")?.as_str());
        let wait = table.get("wait").and_then(|wait| wait.as_str()?.strip_suffix('s')?.parse().ok());
        let text = |key: &str| Some(table.get(key)?.as_str()?.to_owned());
        let list = |key: &str| table.get(key).and_then(toml::Value::as_array).map(|list| texts(list));
        Self {
            to: list("to").unwrap_or_default(),
            project: text("project").or(name.map(str::to_owned)).unwrap_or_default(),
            group: text("group"),
            tags: list("tags").unwrap_or_default(),
            notes: text("notes"),
            wait: wait
                .and_then(|wait| Duration::try_from_secs_f64(wait).ok())
                .unwrap_or(Duration::from_secs(10)),
            table,
        }
    }

    /// Sets a setting of one tracker.
    pub fn change(&mut self, tracker: &str, key: &str, value: &str) {
        let own = self.table.entry(tracker).or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Table(own) = own {
            // A folder and an address exclude each other.
            own.retain(|other, _| !(matches!(other, "dir" | "url") && matches!(key, "dir" | "url")));
            own.insert(key.to_owned(), value.into());
        }
    }

    /// A setting of one tracker.
    pub fn own(&self, tracker: &str, key: &str) -> Option<&str> {
        self.table.get(tracker)?.get(key)?.as_str()
    }
}

fn texts(list: &[toml::Value]) -> Vec<String> {
    list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
