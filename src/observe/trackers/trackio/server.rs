//! A running Trackio server or a Space. It stamps metrics with the moment at which they arrive.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value as Json, json};

use super::{Batch, Entry, manifest};
use crate::observe::trackers::http::{Client, Refused};
use crate::observe::trackers::{Artifact, Spec, text};

/// What stands between the parts of an upload.
const BOUNDARY: &str = "custem-4a1f0b6c9d";

/// A server by its address.
pub struct Server {
    client: Client,
    /// What a Space asks for; other servers want nothing there.
    token: Option<String>,
    /// What to set where the server refuses: the token that isn't set.
    lacks: Option<&'static str>,
}

impl Server {
    /// The server at an address; the tokens that it asks for come from the environment.
    pub fn at(url: &str, wait: Duration) -> Self {
        let secret = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let write = secret("TRACKIO_WRITE_TOKEN");
        let headers = write.iter().map(|token| ("X-Trackio-Write-Token", token.clone())).collect();
        let client = Client::new(url, wait, headers);
        let space = client.host().ends_with(".hf.space");
        let token = secret("HF_TOKEN").filter(|_| space);
        let lacks = match (&token, &write) {
            (None, _) if space => Some("HF_TOKEN isn't set, which a Space asks for"),
            (_, None) if !space => Some("TRACKIO_WRITE_TOKEN isn't set: `trackio show` prints it"),
            _ => None,
        };
        let client = client.quoting(token.iter().chain(&write).cloned().collect());
        Self { client, token, lacks }
    }

    /// Its address.
    pub fn place(&self) -> &str {
        &self.client.base
    }

    /// Sends what has been told.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn write(&self, run: &Spec, batch: &Batch<'_>) -> Result<()> {
        let end = text::id(&[&run.id, "end"]);
        let last = batch.last.then(|| log(run, batch.config, 0, &json!({}), &end));
        let metrics = batch.entries.iter().filter_map(|entry| match entry {
            Entry::Metrics { step, json, id, .. } => {
                Some(log(run, batch.config, *step, &serde_json::from_str(json).unwrap_or_default(), id))
            }
            _ => None,
        });
        let logs: Vec<_> = metrics.chain(last).collect();
        for logs in logs.chunks(500) {
            self.call("bulk_log", json!({ "logs": logs }))?;
        }
        let alerts: Vec<_> = batch.entries.iter().filter_map(|entry| alert(run, entry)).collect();
        if !alerts.is_empty() {
            self.call("bulk_alert", json!({ "alerts": alerts }))?;
        }
        for entry in batch.entries {
            if let Entry::Artifact { artifact, .. } = entry {
                self.artifact(run, artifact)?;
            }
        }
        Ok(())
    }

    /// Sends a picture of a run.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn media(&self, run: &Spec, step: u64, file: &str, bytes: &[u8]) -> Result<()> {
        let mut body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{file}\"\r\nContent-Type: image/png\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(bytes);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let form = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = self.client.send("/api/upload", &form, &body).map_err(|error| self.hinted(error))?;
        let path = answer["paths"].get(0).or_else(|| answer["data"]["paths"].get(0));
        let uploaded = json!({ "path": path, "orig_name": file, "meta": { "_type": "gradio.FileData" } });
        let upload = json!({
            "project": run.project, "run": run.name, "run_id": run.id, "step": step, "relative_path": null,
            "uploaded_file": uploaded,
        });
        self.call("bulk_upload_media", json!({ "uploads": [upload] }))
    }

    fn artifact(&self, run: &Spec, artifact: &Artifact) -> Result<()> {
        self.call(
            "artifact_log",
            json!({
                "project": run.project, "name": text::file_name(&artifact.name), "type": artifact.kind,
                "description": null, "metadata": null, "manifest": [manifest::entry(artifact)], "aliases": null,
                "run_name": run.name, "run_id": run.id,
            }),
        )
    }

    fn call(&self, name: &str, mut arguments: Json) -> Result<()> {
        arguments["hf_token"] = self.token.clone().into();
        self.client.post(&format!("/api/{name}"), &arguments).map(drop).map_err(|error| self.hinted(error))
    }

    /// A refusal with what to set, where that may be why.
    fn hinted(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast::<Refused>() {
            Ok(refused) if matches!(refused.status, 400 | 401 | 403) => refused.hinted(self.lacks).into(),
            Ok(refused) => refused.into(),
            Err(error) => error,
        }
    }
}

fn log(run: &Spec, config: &Json, step: u64, metrics: &Json, id: &str) -> Json {
    json!({
        "project": run.project, "run": run.name, "run_id": run.id, "metrics": metrics, "step": step,
        "config": config, "log_id": id,
    })
}

fn alert(run: &Spec, entry: &Entry) -> Option<Json> {
    let Entry::Alert { alert, id } = entry else { return None };
    Some(json!({
        "project": run.project, "run": run.name, "run_id": run.id, "title": alert.title, "text": alert.text,
        "level": super::level(alert.level), "step": null, "timestamp": text::moment(alert.time), "alert_id": id,
    }))
}
