//! A place for files does the same wherever it is: a directory, and the object store that `KUBE_ASSAY_STORE` names (tests/real/stores/run).

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

use std::fs;

use kube_assay::history::{Location, Store, StoreError};

/// A file that is in nobody's way.
const MOST: u64 = 1 << 20;

fn each(test: impl Fn(&Store)) {
    let scratch = tempfile::tempdir().unwrap();
    // names that a URL would write otherwise
    for name in ["plain", "with space", "a%20b", "a#1", "ä+b"] {
        let directory = Location::Directory(scratch.path().join(name));
        test(&Store::make(&directory).unwrap());
        assert!(scratch.path().join(name).is_dir());
    }
    if let Ok(url) = std::env::var("KUBE_ASSAY_STORE") {
        let own = format!("{url}/{}-{:?}", std::process::id(), std::thread::current().id());
        test(&Store::make(&own.parse().unwrap()).unwrap());
    }
}

#[test]
fn a_file_is_created_once() {
    each(|store| {
        store.create("a/one", b"first").unwrap();
        // the same again is an answer that was lost, another is somebody else's
        store.create("a/one", b"first").unwrap();
        for other in [&b"other"[..], b"longer than the first"] {
            assert!(matches!(store.create("a/one", other), Err(StoreError::Exists { .. })));
        }
        assert_eq!(store.read("a/one", MOST).unwrap(), b"first");
        store.write("a/one", b"second").unwrap();
        assert_eq!(store.read("a/one", MOST).unwrap(), b"second");
        assert!(matches!(store.read("a/one", 5), Err(StoreError::TooBig { bytes: 6, most: 5, .. })));
    });
}

#[test]
fn files_are_listed_and_removed() {
    each(|store| {
        assert!(store.list("b").unwrap().files.is_empty());
        assert!(matches!(store.read("b/one", MOST), Err(StoreError::Missing { .. })));
        for name in ["b/two", "b/one", "b/three/deep"] {
            store.create(name, name.as_bytes()).unwrap();
        }
        let listing = store.list("b").unwrap();
        assert_eq!(listing.files, ["one", "two"]);
        assert_eq!(listing.others.len(), 1);
        assert_eq!(store.directories("b").unwrap(), ["three"]);
        let read = store.read_all(&["b/two".to_owned(), "b/none".to_owned(), "b/one".to_owned()], MOST);
        assert_eq!(read[0].as_ref().unwrap(), b"b/two");
        assert!(matches!(read[1], Err(StoreError::Missing { .. })));
        assert_eq!(read[2].as_ref().unwrap(), b"b/one");
        store.remove("b/one").unwrap();
        store.remove("b/one").unwrap();
        assert_eq!(store.list("b").unwrap().files, ["two"]);
        store.remove("b/three/deep").unwrap();
        assert!(store.directories("b").unwrap().is_empty());
    });
}

#[test]
fn one_of_many_creates_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    let mut places = vec![Location::Directory(scratch.path().to_owned())];
    // a store that cannot put on a condition promises less
    let conditional = std::env::var_os("AWS_CONDITIONAL_PUT").is_none();
    if let (Ok(url), true) = (std::env::var("KUBE_ASSAY_STORE"), conditional) {
        places.push(format!("{url}/race-{}", std::process::id()).parse().unwrap());
    }
    for place in places {
        let created = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8_u8)
                .map(|writer| {
                    let place = &place;
                    scope.spawn(move || Store::make(place).unwrap().create("one", &[writer; 4096]).is_ok())
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).filter(|created| *created).count()
        });
        assert_eq!(created, 1, "{place}");
    }
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "a half-written file was left");
}
