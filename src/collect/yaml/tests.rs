use super::*;

fn json(text: &str) -> Option<String> {
    read(text.as_bytes()).ok().and_then(|value| serde_json::to_string(&value).ok())
}

#[test]
fn scalars_are_yaml_1_1() {
    let text = "a: yes\nb: 'yes'\nc: 0777\nd: 08\ne: 1_000\nf: 1.0\ng: ~\nh: 0x1F\ni: !!str 12\nj: 2001-01-01\n";
    let expected = r#"{"a":true,"b":"yes","c":511,"d":8,"e":1000,"f":1,"g":null,"h":31,"i":"12","j":"2001-01-01"}"#;
    assert_eq!(json(text).as_deref(), Some(expected));
}

#[test]
fn keys_documents_and_merges() {
    assert_eq!(json("a: 1\na: 2\n---\nb: [\n").as_deref(), Some(r#"{"a":2}"#));
    assert_eq!(json("yes: 1\n2: x\n").as_deref(), Some(r#"{"2":"x","true":1}"#));
    assert_eq!(
        json("base: &b {x: 1, z: 2}\nall:\n  <<: *b\n  z: 3\n").as_deref(),
        Some(r#"{"all":{"x":1,"z":3},"base":{"x":1,"z":2}}"#)
    );
    assert_eq!(json("a: *missing\n"), None);
    assert_eq!(json("a: &a [*a]\n"), None);
    assert_eq!(json("~: 1\n"), None);
    assert_eq!(json("a: {\n"), None);
}

#[test]
fn bombs_end() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let uses = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{uses}]\n"));
    }
    assert_eq!(read(bomb.as_bytes()), Err(YamlError::TooMuch));
    assert_eq!(read("[".repeat(100_000).as_bytes()), Err(YamlError::TooMuch));
}

/// Each of these is what go-yaml makes of it; newer readers differ in all of them.
#[test]
fn the_scanner_is_the_one_of_go_yaml() {
    for (text, expected) in [
        ("a: |\n b", Some(r#"{"a":"b"}"#)),
        (">1\n  ", Some(r#"" ""#)),
        ("|+\n a\n\n", Some(r#""a\n\n""#)),
        ("\"\\", None),
        ("%YAML 1.2\n---\na: 1\n", None),
        ("%YAML 1.1\n---\na: 1\n", Some(r#"{"a":1}"#)),
        (r#""\/""#, None),
        ("[a:]", Some(r#"["a:"]"#)),
        ("[x?]", None),
        ("!,", Some(r#""""#)),
        ("a:\tb\n\tc\n", None),
        ("k: .inf\nk: 1\n", Some(r#"{"k":1}"#)),
        ("k: .inf\n", None),
        ("9615741.0: a\n", Some(r#"{"9.615741e+06":"a"}"#)),
        ("a: 081122185732173109\n", Some(r#"{"a":81122185732173100}"#)),
        ("!!binary 4781", Some("\"\u{fffd}\u{fffd}5\"")),
    ] {
        assert_eq!(json(text).as_deref(), expected, "{text:?}");
    }
}

#[test]
fn other_encodings_and_broken_ones() {
    let wide: Vec<u8> = "\u{feff}a: é😀\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&wide).map(|value| value.to_string()), Ok("a=é😀".to_owned()));
    assert!(read(&wide[..wide.len() - 1]).is_err());
    assert!(read(b"a: \xff\n").is_err());
    assert!(read(b"a: \x00\n").is_err());
    assert_eq!(read(b""), Ok(Value::Null));
}

/// Whatever it is given, the reader ends and does not panic.
#[test]
fn every_cut_of_a_document_ends() {
    let text = "%TAG !e! x:\n--- &a\n? !e!k [a, {b: *a, \"c\\x41\": 'd''e'}]\n: |2-\n   x\n- y\n... # z\n";
    for start in 0..text.len() {
        for end in start..text.len() {
            let _ = read_strictly(&text.as_bytes()[start..end]);
        }
    }
}
