//! Requests to a tracker's server. Every one ends in a given time, whatever the server does.
//!
//! Of what a server says about a failure only its number and its code in capitals are shown: the rest may repeat
//! what it was sent, tokens included.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value as Json;
use ureq::http::Response;
use ureq::{Agent, Body, Error};

/// How long a request may take as a whole: as long as a run waits at its end, between these.
const CALL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// A server by its address.
pub struct Client {
    agent: Agent,
    /// Without a slash at its end.
    pub base: String,
    headers: Vec<(&'static str, String)>,
    call: Duration,
}

impl Client {
    /// A client of a server for runs that wait so long, with headers for every request.
    pub fn new(url: &str, wait: Duration, headers: Vec<(&'static str, String)>) -> Self {
        let call = wait.clamp(CALL.0, CALL.1);
        let config = Agent::config_builder()
            .timeout_global(Some(call))
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            .user_agent(concat!("custem/", env!("CARGO_PKG_VERSION")));
        // A proxy has no way to what runs on this machine.
        let config = if is_here(url) { config.proxy(None) } else { config };
        Self { agent: config.build().into(), base: url.trim_end_matches('/').to_owned(), headers, call }
    }

    /// The host's name.
    pub fn host(&self) -> &str {
        host(&self.base)
    }

    /// Sends JSON; the answer is JSON.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn post(&self, path: &str, body: &Json) -> Result<Json> {
        self.send(path, "application/json", &serde_json::to_vec(body)?)
    }

    /// Sends bytes of a type; the answer is JSON.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn send(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Json> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).content_type(content_type);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.answer(request.send(body))
    }

    /// Puts bytes.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Result<()> {
        let mut request = self.agent.put(format!("{}{path}", self.base)).content_type(content_type);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.answer(request.send(body)).map(drop)
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// When the server doesn't answer in time, or refuses.
    pub fn get(&self, path: &str) -> Result<Json> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        self.answer(request.call())
    }

    fn answer(&self, answer: Result<Response<Body>, Error>) -> Result<Json> {
        let place = || format!("the server at {}", self.base);
        let mut response = answer.map_err(|error| anyhow!("{} {}", place(), self.reason(&error)))?;
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|error| anyhow!("{} {}", place(), self.reason(&error)))?;
        let json = serde_json::from_str(&text);
        if !response.status().is_success() {
            let code = code(json.as_ref().unwrap_or(&Json::Null));
            bail!(Refused { place: place(), status: response.status().as_u16(), code });
        }
        if text.trim().is_empty() {
            return Ok(Json::Null);
        }
        json.with_context(|| format!("{} gives an answer that isn't JSON: is it another program's?", place()))
    }

    fn reason(&self, error: &Error) -> String {
        match error {
            Error::Timeout(_) => format!("doesn't answer within {} s", self.call.as_secs_f64()),
            Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                "can't be reached: nobody listens there".to_owned()
            }
            Error::HostNotFound => "can't be reached: no such host is known".to_owned(),
            Error::Io(error) => format!("can't be reached: {error}"),
            Error::ConnectionFailed => "can't be reached".to_owned(),
            _ => "breaks off or gives no answer of HTTP".to_owned(),
        }
    }
}

/// A server's refusal.
#[derive(Debug)]
pub struct Refused {
    place: String,
    /// The status.
    pub status: u16,
    /// The error's name, in capitals.
    pub code: Option<String>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let access = if matches!(self.status, 401 | 403) { ": access is denied" } else { "" };
        write!(f, "{} answers with status {}{code}{access}", self.place, self.status)
    }
}

impl std::error::Error for Refused {}

/// The name of an error, when it is nothing but one.
fn code(answer: &Json) -> Option<String> {
    let code = answer.get("error_code")?.as_str()?;
    let plain =
        !code.is_empty() && code.len() <= 60 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    plain.then(|| code.to_owned())
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn is_here(url: &str) -> bool {
    matches!(host(url), "localhost" | "[::1]") || host(url).starts_with("127.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{code, host, is_here};

    #[test]
    fn hosts_are_told_from_addresses() {
        assert_eq!((host("http://a.b:5000/x"), host("https://a")), ("a.b", "a"));
        assert!(
            is_here("http://127.0.0.1:5000") && is_here("http://localhost/") && is_here("http://[::1]:80")
        );
        assert!(!is_here("http://127-0-0-1.example/"));
    }

    #[test]
    fn only_names_of_errors_are_repeated() {
        assert_eq!(
            code(&json!({ "error_code": "RESOURCE_ALREADY_EXISTS" })).unwrap(),
            "RESOURCE_ALREADY_EXISTS"
        );
        assert_eq!(code(&json!({ "error_code": "token abc" })), None);
        assert_eq!(code(&json!({ "message": "X" })), None);
    }
}
