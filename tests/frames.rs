//! Frames come through whatever a log does to them, or the reader says what is wrong: never other bytes than were sent.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends, with the place")]

use kube_assay::evidence::frames::{
    Content, FrameError, Header, Limits, OF_A_NODE, OF_REPORTS, Reader, Stream, compressed, frames, inflated,
};
use proptest::prelude::*;

fn header(name: &str) -> Header {
    Header {
        content: Content::File,
        name: name.to_owned(),
        pod: "3b0b0c6e".to_owned(),
        at: "2026-01-01T00:00:00Z".to_owned(),
        encryption: None,
    }
}

fn read<S: AsRef<str>>(limits: Limits, lines: &[S]) -> (Vec<Stream>, Vec<FrameError>) {
    let mut reader = Reader::new(limits);
    lines.iter().for_each(|line| reader.line(line.as_ref()));
    reader.finish()
}

/// Bytes that do not compress, so that a stream has several frames.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        u8::try_from(state >> 24).unwrap()
    };
    (0..length).map(next).collect()
}

#[test]
fn the_form_of_a_line_stays() {
    // a collector and an auditor of different versions meet during an upgrade
    let lines = frames(&header("a"), b"body").unwrap();
    assert_eq!(
        lines,
        [
            "kube-assay/frame/1 943c72898a401509a03aae239c2d054d 1/1 321dcafe eyJjb250ZW50IjoiZmlsZSIsIm5hbWUiOiJhIiwicG9kIjoiM2IwYjBjNmUiLCJhdCI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn0KYm9keQ=="
        ]
    );
}

#[test]
fn a_line_fits_what_runtimes_keep_whole() {
    for line in frames(&header("a"), &noise(40_000)).unwrap() {
        assert!(line.len() < 8 << 10, "{} bytes", line.len());
    }
}

#[test]
fn every_obstacle_has_its_name() {
    let body = noise(20_000);
    let sent = frames(&header("a"), &body).unwrap();
    assert_eq!(sent.len(), 4);
    let error = |lines: &[String]| {
        let (streams, mut errors) = read(OF_A_NODE, lines);
        assert!(streams.is_empty());
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    };
    // a log rotated in the middle
    assert!(matches!(error(&sent[2..]), FrameError::Truncated { found: 2, total: 4, .. }));
    // another stream's piece under this one's name, with a checksum that fits: who forges a line can do that
    let other = frames(&header("b"), &noise(19_000)).unwrap();
    let (streams, errors) = read(OF_A_NODE, &[&sent[..2], &other[2..]].concat());
    assert!(streams.is_empty());
    assert!(errors.iter().all(|error| matches!(error, FrameError::Truncated { found: 2, .. })), "{errors:?}");
    // a line cut or changed
    let cut: Vec<String> = sent.iter().map(|line| line[..line.len() - 4].to_owned()).collect();
    assert_eq!(error(&cut), FrameError::Damaged { lines: 4 });
    // larger than the bound, told after the first frame
    let (_, errors) = read(Limits { stream: 10_000, kept: 1 }, &sent);
    assert!(matches!(errors[..], [FrameError::TooBig { limit: 10_000, .. }]), "{errors:?}");
    // a later form, an encrypted stream
    let later: Vec<String> = sent.iter().map(|line| line.replace("frame/1 ", "frame/2 ")).collect();
    assert!(matches!(error(&later), FrameError::Unsupported { .. }));
    let secret = Header { encryption: Some("age".to_owned()), ..header("a") };
    assert!(matches!(error(&frames(&secret, &body).unwrap()), FrameError::Unsupported { .. }));
}

#[test]
fn a_log_full_of_beginnings_holds_little() {
    let begun: Vec<String> =
        (0..100).map(|number| frames(&header(&number.to_string()), &noise(20_000)).unwrap().remove(0)).collect();
    let whole = frames(&header("whole"), &noise(20_000)).unwrap();
    let (streams, errors) = read(OF_A_NODE, &[begun, whole].concat());
    assert_eq!(streams.len(), 1);
    assert!(errors.contains(&FrameError::TooMany { streams: 93 }), "{errors:?}");
}

#[test]
fn the_last_streams_are_kept() {
    let all: Vec<String> = (0..5).flat_map(|number| frames(&header(&number.to_string()), b"x").unwrap()).collect();
    let (streams, errors) = read(OF_A_NODE, &all);
    let names: Vec<&str> = streams.iter().map(|stream| stream.header.name.as_str()).collect();
    assert_eq!((names, errors), (vec!["3", "4"], vec![]));
}

#[test]
fn what_inflates_is_bounded() {
    let body = compressed(&vec![0; 1 << 20]).unwrap();
    assert!(body.len() < 200, "{}", body.len());
    assert!(inflated(&body, 1 << 20).is_ok());
    assert!(inflated(&body, (1 << 20) - 1).is_err());
    assert!(inflated(b"no zstd", 100).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bytes_come_back(
        body in proptest::collection::vec(any::<u8>(), 0..40_000),
        others in proptest::collection::vec("[ -~]{0,80}", 0..20),
        seed in any::<u64>(),
        twice in any::<bool>(),
    ) {
        let sent = frames(&header("a"), &body).unwrap();
        let mut lines: Vec<String> = sent.iter().cloned().chain(others).collect();
        if twice {
            lines.extend(sent.iter().map(|line| format!("2026-01-01T00:00:00.1Z {line}")));
        }
        // any order
        let mut state = seed | 1;
        for at in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            lines.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let (streams, errors) = read(OF_REPORTS, &lines);
        prop_assert_eq!(errors, vec![]);
        prop_assert_eq!(streams.len(), 1);
        prop_assert_eq!(&streams[0].header, &header("a"));
        prop_assert_eq!(&streams[0].body, &body);
    }

    #[test]
    fn what_is_missing_is_told(body in proptest::collection::vec(any::<u8>(), 12_000..40_000), lost in any::<prop::sample::Index>()) {
        let mut lines = frames(&header("a"), &body).unwrap();
        let total = lines.len();
        lines.remove(lost.index(total));
        let (streams, errors) = read(OF_REPORTS, &lines);
        prop_assert!(streams.is_empty());
        let told = matches!(&errors[..], [FrameError::Truncated { found, total: all, .. }] if *found + 1 == total && *all == total);
        prop_assert!(told, "{:?}", errors);
    }

    #[test]
    fn other_bytes_never_come_back(
        body in proptest::collection::vec(any::<u8>(), 0..20_000),
        line in any::<prop::sample::Index>(),
        letter in any::<prop::sample::Index>(),
        by in "[ -~]",
    ) {
        let mut lines = frames(&header("a"), &body).unwrap();
        let line = line.index(lines.len());
        let at = letter.index(lines[line].len());
        lines[line].replace_range(at..=at, &by);
        let (streams, _) = read(OF_REPORTS, &lines);
        prop_assert!(streams.iter().all(|stream| stream.body == body && stream.header == header("a")));
    }

    #[test]
    fn no_line_ends_the_reader(lines in proptest::collection::vec("(kube-assay/frame/)?[0-9a-f /=]{0,60}\\PC{0,9}", 0..40)) {
        let (streams, _) = read(OF_A_NODE, &lines);
        prop_assert!(streams.is_empty());
    }
}
