//! A one-off audit put into a cluster and taken away again: the only code that ever writes to one.
//!
//! Each object that is created bears the mark of its run, and only what bears it is removed, by its UID: an object of the same name
//! that somebody else made is neither changed nor removed. Nothing of what was created needs to be remembered, so a request whose
//! answer was lost leaves nothing behind. Server-side apply was rejected: it would take over what is there.

mod object;
mod write;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::collect::api::Connection;
pub use object::Object;
use write::There;

/// A namespace that does not go in this time holds something that does not.
const GOING: Duration = Duration::from_secs(180);

/// Why a step did not come about.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// What is to be created is not what it should be.
    #[error("the manifests cannot be used: {0}")]
    Manifest(String),
    /// Objects of these names are there and not of this run.
    #[error("there already: {}; nothing of it is touched", .0.join(", "))]
    There(Vec<String>),
    /// A request that was refused, or not answered.
    #[error("cannot {what} {object}: {why}")]
    Failed {
        /// The step.
        what: &'static str,
        /// The object.
        object: String,
        /// Why.
        why: String,
    },
    /// It was told to stop.
    #[error("stopped")]
    Stopped,
    /// The namespace is still there.
    #[error("namespace {0} is still being deleted; what holds it: kubectl get namespace {0} -o yaml")]
    Stays(String),
}

/// The objects of one run in one cluster.
pub struct Installation<'a> {
    connection: &'a Connection,
    namespace: String,
    run: String,
    /// In the order in which they are created.
    pub objects: Vec<Object>,
}

impl<'a> Installation<'a> {
    /// What the manifests hold, for this run.
    ///
    /// # Errors
    /// Manifests that hold something else than expected.
    pub fn new(
        connection: &'a Connection,
        namespace: &str,
        manifests: &str,
        run: String,
    ) -> Result<Self, InstallError> {
        let objects = Object::of_stream(manifests, &run)?;
        Ok(Self { connection, namespace: namespace.to_owned(), run, objects })
    }

    /// Whether nothing of it is there yet.
    ///
    /// # Errors
    /// [`InstallError::There`] with what is, or why it cannot be told.
    pub async fn check(&self) -> Result<(), InstallError> {
        let mut there = Vec::new();
        for object in self.objects.iter().filter(|object| !object.is_there_by_itself()) {
            if write::look_up(self.connection.client(), object).await?.is_some() {
                there.push(object.to_string());
            }
        }
        if there.is_empty() { Ok(()) } else { Err(InstallError::There(there)) }
    }

    /// Creates all of it, in order; `each` hears of every object when it is there.
    ///
    /// # Errors
    /// The first object that could not be created, or [`InstallError::Stopped`] when `stop` said so; those before it are there.
    pub async fn create(&self, mut each: impl FnMut(&Object), stop: impl Fn() -> bool) -> Result<(), InstallError> {
        for object in &self.objects {
            if stop() {
                break;
            }
            write::create(self.connection.client(), object, &self.run).await?;
            each(object);
        }
        if stop() { Err(InstallError::Stopped) } else { Ok(()) }
    }

    /// Removes what is there of this run, or of any run, and waits until it is gone; `each` hears of every object that is deleted.
    ///
    /// # Errors
    /// The last obstacle; everything else was removed.
    pub async fn remove(&self, of_any_run: bool, mut each: impl FnMut(&Object)) -> Result<(), InstallError> {
        let ours = |there: &There| match &there.run {
            Some(run) => of_any_run || *run == self.run,
            None => false,
        };
        let (mut obstacle, mut namespace) = (None, None);
        // the namespace first: with it go the pods
        for object in self.objects.iter().filter(|object| !object.goes_with(&self.namespace)) {
            let client = self.connection.client();
            let removed = match write::look_up(client, object).await {
                Ok(Some(there)) if ours(&there) => {
                    write::delete(client, object, &there.uid).await.map(|()| Some(there))
                }
                Ok(_) => Ok(None),
                Err(error) => Err(error),
            };
            match removed {
                Ok(Some(there)) => {
                    each(object);
                    if object.kind == "Namespace" {
                        namespace = Some((object, there.uid));
                    }
                }
                Ok(None) => {}
                Err(error) => obstacle = Some(error),
            }
        }
        if let Some((object, uid)) = namespace {
            self.gone(object, &uid).await?;
        }
        obstacle.map_or(Ok(()), Err)
    }

    async fn gone(&self, namespace: &Object, uid: &str) -> Result<(), InstallError> {
        let end = Instant::now() + GOING;
        while write::look_up(self.connection.client(), namespace).await?.is_some_and(|there| there.uid == uid) {
            if Instant::now() > end {
                return Err(InstallError::Stays(namespace.name.clone()));
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }
}
