//! Object storage, web servers and folders alike: the one place that knows `object_store` and its runtime.
//!
//! Every call waits for its answer, but not for long and not after the user wants to stop. Credentials come from
//! the environment by the library's own rules, and nothing of what it says gets out: its messages may hold
//! parts of a request. Does not know what the names stand for.

use std::error::Error as _;
use std::io::{ErrorKind, Read};
use std::path::{Path as FilePath, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, ClientOptions, Error, GetResultPayload, ObjectStore, ObjectStoreExt,
    RetryConfig, WriteMultipart,
};
use tokio::runtime::Runtime;

use super::outside::Version;
use super::trouble::Trouble;

/// How long a connection may take to come about.
const CONNECT: &str = "5 seconds";

/// How long a server may take for one step: an answer, the next bytes, a part taken over.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that must at least go a second, for a step that sends some.
const SLOWEST: u64 = 100_000;

/// How often a call looks whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Objects above this size go in parts of it, or of more where there would be too many.
const PART: u64 = 8 << 20;
const MOST_PARTS: u64 = 9_000;

/// Parts on their way at once.
const PARTS_AT_ONCE: usize = 3;

/// Bytes of a file read at once.
const BLOCK: usize = 1 << 20;

/// What an error says that is of signing in: the machine's own service, asked where the environment says nothing.
const SIGN_IN: [&str; 4] =
    ["169.254.169.254", "metadata.google.internal", "token request", "get-access-token"];

/// A place with names and bytes.
pub struct Storage {
    /// There until the end, which takes it apart.
    runtime: Option<Runtime>,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Whether it takes objects in parts.
    parts: bool,
    stop: Arc<AtomicBool>,
}

impl Storage {
    /// A place by its URL, or by the path of a folder from the project's root; nothing is asked of it yet.
    pub fn open(url: &str, root: &FilePath, stop: &Arc<AtomicBool>) -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("custem-remote")
            .enable_all()
            .build()?;
        let (store, prefix) = place(url, root)?;
        let parts = !url.starts_with("http");
        Ok(Self { runtime: Some(runtime), store, prefix, parts, stop: Arc::clone(stop) })
    }

    /// The bytes under a name, which must not be more than `most`.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, Trouble> {
        let mut bytes = Vec::new();
        self.stream(name, &mut |block| {
            bytes.extend_from_slice(block);
            Ok(bytes.len() as u64 <= most)
        })?;
        Ok(bytes)
    }

    /// Hands the bytes under a name over, block by block, until there are no more or `take` wants none.
    pub fn stream(
        &self,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<bool, Trouble>,
    ) -> Result<(), Trouble> {
        let found = self.wait(self.store.get(&self.path(name)))?;
        if let GetResultPayload::File(file, _) = found.payload {
            return blocks(file, take);
        }
        let mut stream = found.into_stream();
        while let Some(block) = self.wait(async { Ok(stream.next().await) })? {
            if !take(&block.map_err(|error| trouble(&error))?)? {
                break;
            }
        }
        Ok(())
    }

    /// What tells the bytes under a name from others; nothing when nothing is there.
    pub fn version(&self, name: &str) -> Result<Option<Version>, Trouble> {
        match self.wait(self.store.head(&self.path(name))) {
            Ok(meta) => {
                let modified = meta.last_modified.timestamp_micros();
                Ok(Some(Version { size: meta.size, tag: meta.e_tag, modified }))
            }
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// How many bytes are under a name; nothing when nothing is.
    pub fn size(&self, name: &str) -> Result<Option<u64>, Trouble> {
        match self.wait(self.store.head(&self.path(name))) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(Trouble::Missing) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    /// Puts bytes under a name, all at once.
    pub fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), Trouble> {
        let sent = bytes.len() as u64;
        self.wait_sending(sent, self.store.put(&self.path(name), bytes.into())).map(drop)
    }

    /// Puts the bytes of a file under a name: they appear whole or not at all.
    pub fn upload(&self, name: &str, path: &FilePath) -> Result<(), Trouble> {
        let mut file = fs_err::File::open(path)?;
        let size = file.metadata()?.len();
        if size <= PART || !self.parts {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            return self.write(name, bytes);
        }
        let part = PART.max(size.div_ceil(MOST_PARTS));
        let upload = self.wait(self.store.put_multipart(&self.path(name)))?;
        let part = usize::try_from(part).unwrap_or(usize::MAX);
        let ahead = (part * PARTS_AT_ONCE) as u64;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
        match self.in_parts(&mut file, part, &mut writer) {
            Ok(()) => self.wait_sending(ahead, writer.finish()).map(drop),
            Err(trouble) => {
                // What is left of it goes with time where it can't be told to go now.
                let _ = self.wait(writer.abort());
                Err(trouble)
            }
        }
    }

    fn in_parts(
        &self,
        file: &mut fs_err::File,
        part: usize,
        writer: &mut WriteMultipart,
    ) -> Result<(), Trouble> {
        loop {
            let mut bytes = Vec::with_capacity(part);
            file.take(part as u64).read_to_end(&mut bytes)?;
            if bytes.is_empty() {
                return Ok(());
            }
            let ahead = (part * PARTS_AT_ONCE) as u64;
            self.wait_sending(ahead, writer.wait_for_capacity(PARTS_AT_ONCE))?;
            self.wait(async {
                writer.put(bytes.into());
                Ok(())
            })?;
        }
    }

    /// The names in a folder with their sizes.
    pub fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Trouble> {
        let path = self.path(folder);
        let mut stream = self.store.list(Some(&path));
        let mut found = Vec::new();
        while let Some(meta) = self.wait(async { Ok(stream.next().await) })? {
            let meta = meta.map_err(|error| trouble(&error))?;
            let rest = meta.location.prefix_match(&path);
            let name = rest.map(|parts| parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>());
            found.extend(name.map(|name| (name.join("/"), meta.size)));
        }
        Ok(found)
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Waits for an answer.
    fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
        self.wait_sending(0, answer)
    }

    /// Waits for an answer to so many bytes.
    fn wait_sending<T>(
        &self,
        bytes: u64,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        let start = Instant::now();
        let patience = PATIENCE + Duration::from_secs(bytes / SLOWEST);
        let runtime = self.runtime.as_ref().ok_or(Trouble::Stopped)?;
        runtime.block_on(async {
            let mut answer = pin!(answer);
            loop {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Trouble::Stopped);
                }
                match tokio::time::timeout(LOOK, &mut answer).await {
                    Ok(answer) => return answer.map_err(|error| trouble(&error)),
                    Err(_) if start.elapsed() > patience => return Err(late()),
                    Err(_) => {}
                }
            }
        })
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // A name that is still being looked up must not keep the process from ending.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Storage")
    }
}

/// Hands a file over in blocks.
fn blocks(
    mut file: std::fs::File,
    take: &mut dyn FnMut(&[u8]) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(count) if take(&block[..count])? => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(of_system(error.kind())),
        }
    }
}

/// What holds a place, and where in it names start.
fn place(url: &str, root: &FilePath) -> Result<(Arc<dyn ObjectStore>, Path), Trouble> {
    let odd = |_| Trouble::Away("its path can't be one of object storage".to_owned());
    let Some((scheme, rest)) = url.split_once("://") else {
        let prefix = Path::from_absolute_path(plain(&root.join(url))?).map_err(odd)?;
        return Ok((Arc::new(LocalFileSystem::new()), prefix));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = Path::from_url_path(path).map_err(odd)?;
    let store: Result<Arc<dyn ObjectStore>, Error> = match scheme {
        "s3" => s3(host),
        "gs" => gs(host),
        "az" => az(host),
        "file" => Ok(Arc::new(LocalFileSystem::new())),
        _ => http(scheme, host),
    };
    // The reason may name what the environment says.
    let lacking = |_| Trouble::Away("the environment lacks what it takes: see docs/remote.md".to_owned());
    Ok((store.map_err(lacking)?, prefix))
}

/// The path of a folder without links and steps back; it need not be there.
fn plain(folder: &FilePath) -> std::io::Result<PathBuf> {
    match (fs_err::canonicalize(folder), folder.parent(), folder.file_name()) {
        (Err(error), Some(parent), Some(name)) if error.kind() == ErrorKind::NotFound => {
            let parent = if parent.as_os_str().is_empty() { FilePath::new(".") } else { parent };
            Ok(plain(parent)?.join(name))
        }
        (found, ..) => found,
    }
}

fn s3(bucket: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let client = AmazonS3ConfigKey::Client;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry());
    for (key, value) in client_settings() {
        builder = builder.with_config(client(key), value);
    }
    // Whoever names an endpoint without TLS in the environment means it.
    let endpoints = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
    let is_plain = |key| builder.get_config_value(&key).is_some_and(|url| url.starts_with("http://"));
    if endpoints.into_iter().any(is_plain) {
        builder = builder.with_config(client(ClientConfigKey::AllowHttp), "true");
    }
    Ok(Arc::new(builder.build()?))
}

fn gs(bucket: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry());
    for (key, value) in client_settings() {
        builder = builder.with_config(GoogleConfigKey::Client(key), value);
    }
    Ok(Arc::new(builder.build()?))
}

fn az(container: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container).with_retry(retry());
    for (key, value) in client_settings() {
        builder = builder.with_config(AzureConfigKey::Client(key), value);
    }
    Ok(Arc::new(builder.build()?))
}

fn http(scheme: &str, host: &str) -> Result<Arc<dyn ObjectStore>, Error> {
    let settings = client_settings().into_iter();
    let options =
        settings.fold(ClientOptions::new(), |options, (key, value)| options.with_config(key, value));
    let options = options.with_allow_http(scheme == "http");
    let builder = HttpBuilder::new().with_url(format!("{scheme}://{host}")).with_retry(retry());
    Ok(Arc::new(builder.with_client_options(options).build()?))
}

/// A request may take as long as its bytes do; [`Storage::wait`] sees to it that they flow.
fn client_settings() -> [(ClientConfigKey, &'static str); 2] {
    [(ClientConfigKey::ConnectTimeout, CONNECT), (ClientConfigKey::Timeout, "1 hour")]
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(1),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(20) }
}

fn late() -> Trouble {
    Trouble::Away("it doesn't answer in time".to_owned())
}

/// An error in our own words.
fn trouble(error: &Error) -> Trouble {
    match error {
        Error::NotFound { .. } => return Trouble::Missing,
        Error::PermissionDenied { .. } => return Trouble::Refused("access is denied"),
        Error::Unauthenticated { .. } => return Trouble::Refused("the credentials are not accepted"),
        Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            return Trouble::Refused("it can't do what is asked of it");
        }
        _ => {}
    }
    let mut cause = error.source();
    let mut found = None;
    while let Some(error) = cause {
        let text = error.to_string();
        if SIGN_IN.iter().any(|words| text.contains(words)) {
            return Trouble::Refused("the environment has no credentials for it");
        }
        found = found.or_else(|| of_cause(error, &text));
        cause = error.source();
    }
    found.unwrap_or_else(|| Trouble::Away("it fails".to_owned()))
}

/// What one error of a chain says.
fn of_cause(error: &(dyn std::error::Error + 'static), text: &str) -> Option<Trouble> {
    if let Some(http) = error.downcast_ref::<HttpError>() {
        return Some(match http.kind() {
            HttpErrorKind::Connect => Trouble::Away("nobody answers there".to_owned()),
            HttpErrorKind::Timeout => late(),
            _ => Trouble::Away("the connection fails".to_owned()),
        });
    }
    if let Some(system) = error.downcast_ref::<std::io::Error>() {
        return Some(of_system(system.kind()));
    }
    // The library's own type for answers is closed, so its text has to do.
    let status = text.split("status code: ").nth(1)?.get(..3)?;
    match status {
        "401" | "403" => Some(Trouble::Refused("access is denied")),
        "404" => Some(Trouble::Missing),
        "405" | "501" => Some(Trouble::Refused("it can't do what is asked of it")),
        _ if status.bytes().all(|digit| digit.is_ascii_digit()) => {
            Some(Trouble::Away(format!("it answers with status {status}")))
        }
        _ => None,
    }
}

fn of_system(kind: ErrorKind) -> Trouble {
    match kind {
        ErrorKind::NotFound => Trouble::Missing,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Trouble::Refused("access is denied"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Trouble::Refused("it is full"),
        other => Trouble::Away(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::{Error, Storage, trouble};

    fn said(source: impl std::error::Error + Send + Sync + 'static) -> String {
        format!("{:?}", trouble(&Error::Generic { store: "S3", source: Box::new(source) }))
    }

    #[test]
    fn errors_are_told_in_our_own_words() {
        let system = |kind: io::ErrorKind| said(io::Error::new(kind, "secret"));
        assert_eq!(system(io::ErrorKind::NotFound), "Missing");
        assert_eq!(system(io::ErrorKind::PermissionDenied), "Refused(\"access is denied\")");
        assert_eq!(system(io::ErrorKind::ReadOnlyFilesystem), "Refused(\"access is denied\")");
        assert_eq!(system(io::ErrorKind::StorageFull), "Refused(\"it is full\")");
        let text = |text: &str| said(io::Error::other(text.to_owned()));
        assert!(!text("secret").contains("secret"));
        assert_eq!(
            text("Error performing GET http://169.254.169.254/ in 5s"),
            "Refused(\"the environment has no credentials for it\")"
        );
    }

    #[test]
    fn names_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().join("not/yet/there").display().to_string();
        let storage = Storage::open(&url, folder.path(), &Arc::new(AtomicBool::new(false))).unwrap();
        assert_eq!(storage.size("a/b").unwrap(), None);
        storage.write("a/b", b"rows".to_vec()).unwrap();
        assert_eq!(storage.size("a/b").unwrap(), Some(4));
        assert_eq!(storage.read("a/b", 100).unwrap(), b"rows");
        assert_eq!(storage.list("a").unwrap(), [("b".to_owned(), 4)]);
        assert!(storage.list("c").unwrap().is_empty());
    }

    #[test]
    fn nobody_waits_after_the_user_wants_to_stop() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open("shared", folder.path(), &Arc::new(AtomicBool::new(true))).unwrap();
        assert!(matches!(storage.size("a"), Err(super::Trouble::Stopped)));
    }
}
