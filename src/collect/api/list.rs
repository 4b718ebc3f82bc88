//! One list: page after page, begun again when its pages expire, so that no object is missed or counted twice.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use serde::de::DeserializeOwned;

use super::ask::{Asker, Refused, Taker};
use super::page::{Cutter, Wrong};
use crate::evidence::objects::{
    ApiNode, Binding, Listing, Meta, Namespace, NetworkPolicy, Pod, Role, ServiceAccount, Workload,
};
use crate::evidence::{Gap, Reason, Value};

/// Objects of a page.
const PAGE: u32 = 500;
/// How often a list is begun.
const BEGINNINGS: u32 = 4;
/// Pages without any object that may follow one another.
const EMPTY_PAGES: u32 = 8;
/// Objects of one list; Kubernetes itself is good for 150,000 pods.
const MOST_OBJECTS: usize = 4_000_000;

/// What is listed.
pub(super) trait Object: DeserializeOwned {
    /// Namespace and name, which tell one from another.
    fn key(&self) -> (&str, &str);
}

macro_rules! objects {
    ($($kind:ty),+) => { $(impl Object for $kind {
        fn key(&self) -> (&str, &str) {
            (&self.metadata.namespace, &self.metadata.name)
        }
    })+ };
}

objects!(ApiNode, Binding, Namespace, NetworkPolicy, Pod, Policy, Role, ServiceAccount, Workload);

/// An object's metadata, with its spec where whole objects are asked for.
#[derive(serde::Deserialize, Default)]
#[serde(default)]
pub(super) struct Policy {
    pub(super) metadata: Meta,
    pub(super) spec: Option<Value>,
    pub(super) webhooks: Option<Value>,
}

/// What to list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// Path, such as `/api/v1/pods`.
    pub path: &'a str,
    /// The resource as a role names it, such as `pods`.
    pub what: &'a str,
    /// Only the metadata of each object.
    pub metadata_only: bool,
    /// A kind that every API server serves: where it is not, something is wrong.
    pub always_served: bool,
}

impl<'a> Request<'a> {
    /// A kind of Kubernetes itself.
    pub(super) const fn built_in(path: &'a str, what: &'a str) -> Self {
        Self { path, what, metadata_only: false, always_served: true }
    }
}

/// A list as far as it was read.
struct Read<T> {
    items: Vec<T>,
    /// Objects that are no such objects: their kind's fields have other types.
    refused: usize,
    tokens: HashSet<String>,
    first_names: HashSet<u64>,
}

impl Asker {
    /// A whole list; `each` sees every object once, as soon as it is decoded.
    ///
    /// What cannot be read leaves a gap, with what was read before it.
    pub(super) async fn list<T: Object>(
        &self,
        request: Request<'_>,
        mut each: impl FnMut(&mut T),
    ) -> Result<Listing<T>, Refused> {
        let what = request.what;
        for beginning in 1.. {
            let mut read = Read { items: Vec::new(), refused: 0, tokens: HashSet::new(), first_names: HashSet::new() };
            let refused = match self.pages(request, &mut read, &mut each).await {
                Ok(()) if read.refused == 0 => return Ok(Listing { items: read.items, gap: None }),
                Ok(()) => Refused::Gap(Gap::new(
                    Reason::Malformed,
                    format!("{what}: {} of the objects are not as the API describes them", read.refused),
                )),
                // what was read so far is of another moment
                Err(Refused::Expired) if beginning < BEGINNINGS => continue,
                Err(Refused::NotServed) if read.tokens.is_empty() && !request.always_served => {
                    return Ok(Listing { items: Vec::new(), gap: None });
                }
                Err(Refused::NotServed) if !read.tokens.is_empty() => {
                    Refused::Gap(Gap::new(Reason::Raced, format!("{what}: no longer served while it was read")))
                }
                Err(Refused::Unauthenticated) => return Err(Refused::Unauthenticated),
                Err(refused) => refused,
            };
            read.items.shrink_to_fit();
            return Ok(Listing { items: read.items, gap: Some(refused.into_gap(what)) });
        }
        Ok(Listing::unread(Refused::Expired.into_gap(what)))
    }

    /// The objects at a path, as far as they can be read.
    pub(super) async fn objects<T: Object>(&self, path: &str, what: &str) -> Listing<T> {
        let listed = self.list(Request::built_in(path, what), |_| {}).await;
        listed.unwrap_or_else(|refused| Listing::unread(refused.into_gap(what)))
    }

    async fn pages<T: Object>(
        &self,
        request: Request<'_>,
        read: &mut Read<T>,
        each: &mut impl FnMut(&mut T),
    ) -> Result<(), Refused> {
        let accept = if request.metadata_only {
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
        } else {
            "application/json"
        };
        let what = request.what;
        let gap = |reason, text: &str| Refused::Gap(Gap::new(reason, format!("{what}: {text}")));
        let names = RandomState::new();
        let (mut next, mut empty) = (String::new(), 0);
        loop {
            let mut uri = format!("{}?limit={PAGE}", request.path);
            if !next.is_empty() {
                uri.push_str("&continue=");
                uri.extend(next.bytes().map(encoded));
            }
            let before = read.items.len();
            let mut page = Page { what, read, each, before, refused: 0, cutter: Cutter::new() };
            next = self.ask(&uri, accept, what, &mut page).await?;
            if next.is_empty() {
                return Ok(());
            }
            // a server that never comes to an end is not followed forever
            let repeats = match read.items.get(before) {
                Some(first) => {
                    empty = 0;
                    !read.first_names.insert(names.hash_one(first.key()))
                }
                None => {
                    empty += 1;
                    empty > EMPTY_PAGES
                }
            };
            if repeats || !read.tokens.insert(next.clone()) {
                return Err(gap(Reason::Malformed, "its pages repeat without end"));
            }
            if read.items.len() > MOST_OBJECTS {
                return Err(gap(Reason::TooBig, "more objects than a cluster can hold"));
            }
        }
    }
}

/// Takes one page in.
struct Page<'a, T, E> {
    what: &'a str,
    read: &'a mut Read<T>,
    each: &'a mut E,
    /// Objects of earlier pages.
    before: usize,
    /// Objects of this page that could not be decoded.
    refused: usize,
    cutter: Cutter,
}

impl<T: Object, E: FnMut(&mut T)> Taker for Page<'_, T, E> {
    type Answer = String;

    fn begin(&mut self) {
        self.read.items.truncate(self.before);
        self.refused = 0;
        self.cutter = Cutter::new();
    }

    fn take(&mut self, chunk: &[u8]) -> Result<(), Gap> {
        let Self { read, each, refused, cutter, .. } = self;
        let taken = cutter.feed(chunk, |text| {
            match serde_json::from_slice::<T>(text) {
                Ok(mut object) => {
                    each(&mut object);
                    read.items.push(object);
                }
                Err(error) if error.is_data() => *refused += 1,
                Err(_) => return Err(Wrong::Syntax),
            }
            Ok(())
        });
        taken.map_err(|wrong| self.wrong(wrong))
    }

    fn end(&mut self) -> Result<String, Gap> {
        let cutter = std::mem::replace(&mut self.cutter, Cutter::new());
        let next = cutter.finish().map_err(|wrong| self.wrong(wrong))?;
        self.read.refused += self.refused;
        Ok(next)
    }
}

impl<T, E> Page<'_, T, E> {
    /// Never a piece of the answer: its place says enough.
    fn wrong(&self, wrong: Wrong) -> Gap {
        let what = self.what;
        match wrong {
            Wrong::Syntax => Gap::new(Reason::Malformed, format!("{what}: the answer is no JSON, or not all of it")),
            Wrong::NoList => Gap::new(Reason::Malformed, format!("{what}: the answer is no list of objects")),
            Wrong::TooBig => Gap::new(Reason::TooBig, format!("{what}: an object of more than a cluster can hold")),
        }
    }
}

/// Percent-encoding of what a continue token may hold.
fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
