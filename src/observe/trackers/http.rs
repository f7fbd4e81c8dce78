//! Requests to a tracker's server. Every one ends in a given time, whatever the server does.
//!
//! Of what a server says about a failure only its number and its code in capitals are shown, unless the tracker wants
//! its words: these may repeat what it was sent, so a line with a token in it isn't shown.

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
    /// What must not be in a refusal's words; none where these aren't wanted.
    secrets: Option<Vec<String>>,
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
        Self {
            agent: config.build().into(),
            base: url.trim_end_matches('/').to_owned(),
            headers,
            call,
            secrets: None,
        }
    }

    /// The same client, whose errors have a refusal's own words, unless one of these is in them.
    pub fn quoting(self, secrets: Vec<String>) -> Self {
        Self { secrets: Some(secrets), ..self }
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
            let words = self.secrets.as_deref().and_then(|secrets| words(&text, secrets));
            bail!(Refused { place: place(), status: response.status().as_u16(), code, words, hint: None });
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
    /// The server's own words.
    words: Option<String>,
    /// What to do about it.
    hint: Option<&'static str>,
}

impl Refused {
    /// The same with what to do about it, where that is known.
    pub fn hinted(self, hint: Option<&'static str>) -> Self {
        Self { hint, ..self }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let access = if matches!(self.status, 401 | 403) { ": access is denied" } else { "" };
        let words = self.words.as_ref().map(|words| format!(": \"{words}\"")).unwrap_or_default();
        let hint = self.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        write!(f, "{} answers with status {}{code}{access}{words}{hint}", self.place, self.status)
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

/// The first line of a refusal: what its JSON calls the error, or of plain text; none with a secret in it.
fn words(text: &str, secrets: &[String]) -> Option<String> {
    const MOST: usize = 200;
    let json = serde_json::from_str::<Json>(text).ok();
    let named = |json: &Json| {
        ["error", "detail", "message"].iter().find_map(|key| Some(json.get(key)?.as_str()?.to_owned()))
    };
    let said = match &json {
        Some(json) => named(json)?,
        None => text.to_owned(),
    };
    let line = said.lines().find(|line| !line.trim().is_empty())?.trim();
    let secret = secrets.iter().any(|secret| !secret.is_empty() && line.contains(secret.as_str()));
    if secret || line.starts_with('<') {
        return None;
    }
    let short: String = line.chars().filter(|c| !c.is_control()).take(MOST).collect();
    Some(if line.chars().count() > MOST { short + "…" } else { short })
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

    use super::{code, host, is_here, words};

    #[test]
    fn hosts_are_told_from_addresses() {
        assert_eq!((host("http://a.b:5000/x"), host("https://a")), ("a.b", "a"));
        assert!(
            is_here("http://127.0.0.1:5000") && is_here("http://localhost/") && is_here("http://[::1]:80")
        );
        assert!(!is_here("http://127-0-0-1.example/"));
    }

    #[test]
    fn words_of_a_refusal_are_one_line_without_secrets() {
        let said = |text: &str| words(text, &["t0ken".to_owned(), String::new()]);
        assert_eq!(said("{\"error\": \"A token is required.\"}").unwrap(), "A token is required.");
        assert_eq!(said("\nno \u{1b}such call\r\nat line 3").unwrap(), "no such call");
        assert_eq!(said("{\"error\": \"bad token t0ken\"}"), None);
        assert_eq!(said("<html>t</html>").or(said("{\"x\": 1}")).or(said("")), None);
        assert_eq!(said(&"x".repeat(201)).unwrap(), format!("{}…", "x".repeat(200)));
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
