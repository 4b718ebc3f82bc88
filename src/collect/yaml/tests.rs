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
