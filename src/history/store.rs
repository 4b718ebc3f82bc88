//! A place where files are kept by name: a directory, or a prefix in an object store.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode};
use tokio::runtime::Runtime;

/// Longest time of one operation, whatever its store does.
const OPERATION: Duration = Duration::from_secs(180);
/// What a build without object stores says of them.
const WITHOUT_STORES: &str = "it takes a kube-assay that was built with `--features object-stores`, as the image's is";
/// Objects that are read at once.
const AT_ONCE: usize = 8;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text names no place.
    #[error("{text} is no place to keep files: {why}")]
    Location {
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// The store refused, or could not be reached.
    #[error("cannot {what} {place}: {why}")]
    Refused {
        /// `read`, `write`, `list` or `remove`.
        what: &'static str,
        /// Which file.
        place: String,
        /// Its own words.
        why: String,
    },
    /// There is another file of that name, and none may be replaced.
    #[error("{place} is there already")]
    Exists {
        /// Which file.
        place: String,
    },
    /// There is no such file.
    #[error("{place} is not there")]
    Missing {
        /// Which file.
        place: String,
    },
    /// The file is larger than any that belongs there.
    #[error("{place} has {bytes} bytes, more than the {most} that it may have")]
    TooBig {
        /// Which file.
        place: String,
        /// Its size in bytes.
        bytes: u64,
        /// Largest size in bytes.
        most: u64,
    },
}

/// A directory, or a prefix in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory; it is made when something is written.
    Directory(PathBuf),
    /// `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`.
    Url(String),
}

impl Location {
    /// The same, where this build can reach it: told before an audit is made for a store that cannot be had.
    ///
    /// # Errors
    /// An object store without the feature `object-stores`.
    pub fn within_reach(self) -> Result<Self, StoreError> {
        match &self {
            Self::Url(url) if !cfg!(feature = "object-stores") => {
                Err(StoreError::Location { text: url.clone(), why: WITHOUT_STORES.to_owned() })
            }
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(out, "{}", path.display()),
            Self::Url(url) => out.write_str(url),
        }
    }
}

impl std::str::FromStr for Location {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let wrong = |why: &str| Err(StoreError::Location { text: text.to_owned(), why: why.to_owned() });
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { wrong("it is empty") } else { Ok(Self::Directory(text.into())) };
        };
        let bucket = rest.split('/').next().unwrap_or_default();
        match scheme {
            "file" if rest.starts_with('/') => Ok(Self::Directory(rest.into())),
            "file" => wrong("a file URL has three slashes: file:///DIRECTORY"),
            // what is given in a URL stands in process lists and logs
            "s3" | "gs" | "az" if bucket.contains('@') => {
                wrong("credentials belong into the environment, not into a URL")
            }
            "s3" | "gs" | "az" if rest.contains(['?', '#']) => wrong("options belong into the environment"),
            "s3" | "gs" | "az" if bucket.is_empty() => wrong("it names no bucket"),
            "s3" | "gs" | "az" => Ok(Self::Url(text.trim_end_matches('/').to_owned())),
            _ => wrong("known are a directory, file://, s3://, gs:// and az://"),
        }
    }
}

/// Files by name, `/` between a directory and what is in it.
pub struct Store {
    location: Location,
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Runtime,
}

/// What lies at a place.
#[derive(Debug, Default)]
pub struct Listing {
    /// Names of files, in order.
    pub files: Vec<String>,
    /// What is no file, or has no name that one of ours could have, each with what it is.
    pub others: Vec<(String, &'static str)>,
}

impl Store {
    /// Opens a place to write to: a directory that is not there is made. An object store is asked nothing yet.
    ///
    /// # Errors
    /// As [`Store::open`]; and when the directory cannot be made.
    pub fn make(location: &Location) -> Result<Self, StoreError> {
        if let Location::Directory(directory) = location {
            // as reports are: for their owner only
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
            fs::create_dir_all(directory).map_err(|error| StoreError::Refused {
                what: "make the directory",
                place: location.to_string(),
                why: error.to_string(),
            })?;
        }
        Self::open(location)
    }

    /// Opens a place. An object store is asked nothing yet.
    ///
    /// # Errors
    /// When there is no such directory, or the environment holds what the store's client cannot work with.
    pub fn open(location: &Location) -> Result<Self, StoreError> {
        let wrong = |why: String| StoreError::Location { text: location.to_string(), why };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(2).build();
        let runtime = runtime.map_err(|error| wrong(error.to_string()))?;
        let mut prefix = Path::default();
        let objects: Arc<dyn ObjectStore> = match location {
            Location::Directory(directory) => {
                let whole = fs::canonicalize(directory).map_err(|error| wrong(error.to_string()))?;
                let objects = LocalFileSystem::new_with_prefix(whole).map_err(|error| wrong(plain(&error)))?;
                Arc::new(objects.with_fsync(true))
            }
            Location::Url(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                if let Some((_, path)) = rest.split_once('/') {
                    prefix = Path::parse(path).map_err(|error| wrong(error.to_string()))?;
                }
                remote(scheme, url).map_err(wrong)?
            }
        };
        Ok(Self { location: location.clone(), objects, prefix, runtime })
    }

    /// A file's place, for people.
    pub fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.location.to_string().trim_end_matches('/'))
    }

    /// Writes a file whole or not at all, and only where none of that name is: `Exists` otherwise.
    ///
    /// Where the store has no conditional put (a file system without hard links, a store that answers `NotImplemented`), it is asked
    /// first whether the file is there. Two writers at the same moment are then kept apart by their names alone.
    ///
    /// # Errors
    /// `Exists`, `Refused`.
    pub fn create(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let mut tried_again = false;
        loop {
            let put = self.objects.put_opts(&path, bytes.to_vec().into(), PutMode::Create.into());
            let Err(error) = self.wait(put) else { return Ok(()) };
            let exists = matches!(error, object_store::Error::AlreadyExists { .. });
            // an answer may be lost on its way: what is there may be what was sent
            match self.read(name, bytes.len() as u64) {
                Ok(found) if found == bytes => return Ok(()),
                Ok(_) | Err(StoreError::TooBig { .. }) => return Err(StoreError::Exists { place: self.place(name) }),
                Err(StoreError::Missing { .. }) if is_unconditional(&error) => return self.write(name, bytes),
                Err(StoreError::Missing { .. }) if !exists && !tried_again => tried_again = true,
                Err(_) => return Err(self.refused("write", name, &error)),
            }
        }
    }

    /// Writes a file whole or not at all, in place of one of that name.
    ///
    /// # Errors
    /// `Refused`.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.path(name);
        let put = self.objects.put(&path, bytes.to_vec().into());
        self.wait(put).map(drop).map_err(|error| self.refused("write", name, &error))
    }

    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// `Missing`, `TooBig`, `Refused`.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, StoreError> {
        let read = async { Ok(self.reading(name, most).await) };
        self.wait(read).unwrap_or_else(|error| Err(self.refused("read", name, &error)))
    }

    /// Reads several files, each as [`Store::read`] does; answers come in the order of the names.
    pub fn read_all(&self, names: &[String], most: u64) -> Vec<Result<Vec<u8>, StoreError>> {
        let each = names.iter().map(|name| async move {
            let read = tokio::time::timeout(OPERATION, self.reading(name, most)).await;
            read.unwrap_or_else(|_| Err(self.refused("read", name, &late())))
        });
        let all: Vec<_> = each.collect();
        self.runtime.block_on(futures_util::stream::iter(all).buffered(AT_ONCE).collect())
    }

    async fn reading(&self, name: &str, most: u64) -> Result<Vec<u8>, StoreError> {
        let refused = |error: object_store::Error| match error {
            object_store::Error::NotFound { .. } => StoreError::Missing { place: self.place(name) },
            error => self.refused("read", name, &error),
        };
        let found = self.objects.get(&self.path(name)).await.map_err(refused)?;
        if found.meta.size > most {
            return Err(StoreError::TooBig { place: self.place(name), bytes: found.meta.size, most });
        }
        Ok(found.bytes().await.map_err(refused)?.to_vec())
    }

    /// Removes a file; one that is not there is removed.
    ///
    /// # Errors
    /// `Refused`.
    pub fn remove(&self, name: &str) -> Result<(), StoreError> {
        match self.wait(self.objects.delete(&self.path(name))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(self.refused("remove", name, &error)),
        }
        if let (Location::Directory(directory), Some((parent, _))) = (&self.location, name.rsplit_once('/')) {
            // a directory that others still use stays; one that is empty is nothing in an object store
            let _ = fs::remove_dir(directory.join(parent));
        }
        Ok(())
    }

    /// What lies in a directory of the store; nothing where there is none.
    ///
    /// # Errors
    /// `Refused`.
    pub fn list(&self, directory: &str) -> Result<Listing, StoreError> {
        let mut listing = match &self.location {
            Location::Directory(root) => files_in(&root.join(directory)).map_err(|error| {
                self.refused(
                    "list",
                    directory,
                    &object_store::Error::Generic { store: "directory", source: error.into() },
                )
            })?,
            Location::Url(_) => {
                let prefix = self.path(directory);
                let all = self.objects.list(Some(&prefix)).map_ok(|object| object.location).try_collect::<Vec<_>>();
                let all = self.wait(all).map_err(|error| self.refused("list", directory, &error))?;
                let mut listing = Listing::default();
                for path in all {
                    let mut parts: Vec<String> =
                        path.prefix_match(&prefix).into_iter().flatten().map(|part| part.as_ref().to_owned()).collect();
                    match parts.pop() {
                        Some(name) if parts.is_empty() => listing.files.push(name),
                        Some(name) => listing.others.push((format!("{}/{name}", parts.join("/")), "lies deeper")),
                        None => {}
                    }
                }
                listing
            }
        };
        listing.files.sort();
        listing.others.sort();
        Ok(listing)
    }

    /// Names of the directories in a directory of the store.
    ///
    /// # Errors
    /// `Refused`.
    pub fn directories(&self, directory: &str) -> Result<Vec<String>, StoreError> {
        let found = self.wait(self.objects.list_with_delimiter(Some(&self.path(directory))));
        match found {
            Ok(found) => {
                Ok(found.common_prefixes.iter().filter_map(|path| path.filename()).map(ToOwned::to_owned).collect())
            }
            Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(self.refused("list", directory, &error)),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }

    fn wait<T>(&self, work: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
        self.runtime.block_on(async { tokio::time::timeout(OPERATION, work).await.unwrap_or_else(|_| Err(late())) })
    }

    fn refused(&self, what: &'static str, name: &str, error: &object_store::Error) -> StoreError {
        StoreError::Refused { what, place: self.place(name), why: plain(error) }
    }
}

#[cfg(feature = "object-stores")]
fn remote(scheme: &str, url: &str) -> Result<Arc<dyn ObjectStore>, String> {
    super::remote::open(scheme, url).map_err(|error| plain(&error))
}

#[cfg(not(feature = "object-stores"))]
fn remote(_scheme: &str, _url: &str) -> Result<Arc<dyn ObjectStore>, String> {
    Err(WITHOUT_STORES.to_owned())
}

fn late() -> object_store::Error {
    let why = format!("no answer within {} s", OPERATION.as_secs());
    object_store::Error::Generic { store: "store", source: io::Error::other(why).into() }
}

/// The files of a directory. Not by `object_store`: its list ends at the first name that it cannot take.
fn files_in(directory: &std::path::Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let is_file = fs::metadata(entry.path()).is_ok_and(|facts| facts.is_file());
        match entry.file_name().into_string() {
            Ok(name) if is_file => listing.files.push(name),
            Ok(name) => listing.others.push((name, "is no file")),
            Err(name) => listing.others.push((name.to_string_lossy().into_owned(), "has a name that is no text")),
        }
    }
    Ok(listing)
}

/// True where the store cannot put on a condition.
fn is_unconditional(error: &object_store::Error) -> bool {
    if let object_store::Error::NotImplemented { .. } = error {
        return true;
    }
    let mut below: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = below {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // link(2): EPERM from file systems without hard links, EOPNOTSUPP from network file systems
            return error.raw_os_error().is_some_and(|number| {
                [nix::errno::Errno::EPERM, nix::errno::Errno::EOPNOTSUPP, nix::errno::Errno::ENOSYS]
                    .iter()
                    .any(|errno| *errno as i32 == number)
            });
        }
        below = error.source();
    }
    // the S3 error of a store that does not know the header (RFC 9110, 15.6.2)
    let text = error.to_string();
    text.contains("501 Not Implemented") || text.contains("<Code>NotImplemented</Code>")
}

/// A store's error in a line: what it says, without the whole document that it may come with.
fn plain(error: &object_store::Error) -> String {
    const MOST: usize = 400;
    let mut text = match error {
        object_store::Error::Generic { source, .. } => source.to_string(),
        other => other.to_string(),
    };
    let mut below = std::error::Error::source(error);
    while let Some(error) = below {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        below = error.source();
    }
    // S3 and Azure answer with a document, of which two elements are for people
    if let (Some((head, _)), Some(code)) = (text.split_once("<?xml"), element(&text, "Code")) {
        text = format!("{head} {code}: {}", element(&text, "Message").unwrap_or_default());
    }
    if text.contains("://169.254.169.254/") {
        text = format!("there are no credentials in the environment, and none of this machine: {text}");
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > MOST { line.chars().take(MOST).chain("...".chars()).collect() } else { line }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn places_are_told_apart() {
        for (text, place) in [
            ("out/history", Location::Directory("out/history".into())),
            ("file:///var/lib/a", Location::Directory("/var/lib/a".into())),
            ("s3://bucket/a/b/", Location::Url("s3://bucket/a/b".to_owned())),
            ("az://container", Location::Url("az://container".to_owned())),
        ] {
            assert_eq!(text.parse::<Location>().ok(), Some(place), "{text}");
        }
        for text in ["", "file://a", "s3://", "s3://key:word@bucket/a", "gs://b/?x=1", "https://a/b", "ftp://a"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
    }
}
