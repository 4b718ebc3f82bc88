//! The page holds everything, says nothing but text, asks for nothing, and stays light.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{SCRIPT, STYLE, TEMPLATES, render, text};
use crate::audit::report::Report;
use crate::render::Layout;

/// What evidence may hold.
const HOSTILE: [&str; 8] = [
    "</script><img src=x onerror=alert(1)>",
    "\u{202e}gnp.exe\u{2066}\u{200f}\u{61c}\u{200b}\u{feff}",
    "\u{0}\u{1b}[31mred\u{7f}\u{85}\r\n",
    "{{ 7 * 7 }}{% raw %}{# c #}",
    "'\"><svg/onload=alert(1)>&amp;",
    "\u{2028}\u{2029}\u{fffe}\u{e0041}\u{ad}",
    "`</code><b>`x",
    "]]><!--",
];

fn control(id: &str, section: &str, verdict: &str, offenders: usize) -> Value {
    let offender = |at: usize| json!({"what": format!("Pod shop/web-{at}, spec.hostNetwork"), "found": "true"});
    let gap = if verdict == "unknown" { json!({"gap": "denied"}) } else { json!({}) };
    let mut group = json!({
        "verdict": verdict, "required": "profiling = false", "found": "true on {node}", "origins": ["argv of pid 458"],
        "offenders": (0..offenders).map(offender).collect::<Vec<_>>(), "subjects": {"nodes": [0]},
        "instances": ["kube-apiserver, pid 458"], "count": 1,
    });
    if let (Some(group), Some(gap)) = (group.as_object_mut(), gap.as_object()) {
        group.extend(gap.clone());
    }
    json!({
        "id": id, "slug": format!("check-{id}"), "title": format!("Title of {id}"), "verdict": verdict, "seen_verdict": verdict,
        "severity": "high", "level": 1, "status": "automated", "section": section, "scope": "control-plane",
        "reason": "Because `it` matters.", "groups": [group],
        "remediation": {"kubeadm": {"text": "Set it.", "patch": "profiling: \"false\"\n"}, "k3s": {"text": "Set it there."}},
        "references": {"nist-800-53": ["CM-7"]},
    })
}

fn counts(of: [usize; 5]) -> Value {
    json!({"pass": of[0], "fail": of[1], "review": of[2], "unknown": of[3], "not_applicable": of[4]})
}

fn report() -> Value {
    let score = |percent: Option<f64>, why: Option<&str>| {
        let mut score = json!({"numerator": 1, "denominator": 4, "percent": percent, "formula": "1 pass of 4"});
        if let Some(why) = why {
            score["none_because"] = json!(why);
        }
        score
    };
    json!({
        "schema": "kube-assay.report/v1",
        "run": {
            "tool": {"name": "kube-assay", "version": "0.1.0"},
            "benchmark": {"id": "cis-1.12", "title": "CIS Kubernetes Benchmark", "version": "1.12", "sha256": "ab"},
            "checks_sha256": "cd", "evidence_sha256": ["ef"], "subjects": ["host cp1"], "kubernetes": ["1.33"],
            "collected_at": "2026-11-23T23:00:07Z", "level": 1, "chosen": "it covers 1.33",
        },
        "scores": {"cis": score(Some(25.0), None), "full": score(None, Some("nothing could be assessed"))},
        "coverage": {
            "covered": 3, "applicable": 4, "percent": 75.0, "nodes_seen": 1, "nodes_expected": 3,
            "gaps": [{"reason": "denied", "detail": "/etc/x: permission denied", "controls": ["1.2.2"]}], "limits": ["one limit"],
        },
        "nodes": [{
            "name": "cp1", "roles": ["control-plane"], "os": "Debian 12", "kernel": null, "kind": "live",
            "collected_at": "2026-11-23T23:00:07Z", "collector": "uid 0, without SYS_PTRACE",
            "instances": [
                {"component": "kube-apiserver", "pid": 458, "pod": null, "ownership": "own", "versions": ["1.33"], "version_from": "image tag"},
                {"component": "etcd", "pid": 9, "pod": "x", "ownership": "tenant", "versions": [], "version_from": "nothing tells"},
            ],
            "notes": ["manifest and process differ"],
        }],
        "sections": [
            {"id": "1", "title": "Control plane", "counts": counts([1, 1, 1, 1, 0])},
            {"id": "1.2", "title": "API server", "counts": counts([1, 1, 1, 1, 0])},
            {"id": "2", "title": "etcd", "counts": counts([0, 0, 0, 0, 1])},
        ],
        "controls": [
            control("1.2.1", "1.2", "fail", 2), control("1.2.2", "1.2", "unknown", 0), control("1.2.3", "1.2", "review", 0),
            control("1.2.4", "1.2", "pass", 0), control("2.1", "2", "not-applicable", 0), control("9.9", "no such section", "pass", 0),
        ],
        "own_checks": [control("acme-1", "own", "fail", 0)],
        "waivers": [{
            "id": "SEC-1", "accepted_by": "platform", "reason": "planned", "until": "2027-01-31", "state": "valid", "controls": ["1.2.1"],
        }],
    })
}

type Tested<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn page(report: Value) -> Tested<String> {
    let report: Report = serde_json::from_value(report)?;
    let mut bytes = Vec::new();
    render(&report, &Layout::default(), &mut bytes)?;
    Ok(String::from_utf8(bytes)?)
}

/// Every string but those of closed lists, made hostile.
fn poisoned(value: Value, key: &str, turn: &mut usize) -> Value {
    const CLOSED: [&str; 8] =
        ["verdict", "seen_verdict", "severity", "ownership", "component", "gap", "gaps/reason", "state"];
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| {
                    let path = if key == "gaps" { format!("gaps/{name}") } else { name.clone() };
                    (name, poisoned(field, &path, turn))
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| poisoned(item, key, turn)).collect()),
        Value::String(text) if !CLOSED.contains(&key) => {
            *turn += 1;
            let evil = HOSTILE[*turn % HOSTILE.len()];
            Value::String(if turn.is_multiple_of(3) { format!("{evil} {text}") } else { evil.to_owned() })
        }
        other => other,
    }
}

/// Elements of the page, by their opening tags.
fn elements(page: &str) -> usize {
    let body = page.split_once("</style>").map_or(page, |(_, body)| body);
    body.match_indices('<')
        .filter(|(at, _)| body[at + 1..].starts_with(|next: char| next.is_ascii_alphabetic()))
        .count()
}

#[test]
fn equal_reports_give_equal_bytes() -> Tested {
    assert_eq!(page(report())?, page(report())?);
    Ok(())
}

#[test]
fn every_control_is_there_with_its_reason() -> Tested {
    let page = page(report())?;
    for id in ["1.2.1", "1.2.2", "1.2.3", "1.2.4", "2.1", "9.9", "acme-1"] {
        assert!(page.contains(&format!("<span class=\"id\">{id}</span><h")), "{id}");
        assert!(page.contains(&format!("Title of {id}")), "{id}");
    }
    assert!(page.contains("Because <code>it</code> matters."));
    assert!(page.contains("true on cp1"), "a single node's own name stands in what was found");
    assert!(page.contains("profiling: &quot;false&quot;"));
    assert!(page.contains("no score") && page.contains("Nothing could be assessed. 1 pass of 4"));
    assert!(page.contains("a tenant’s: listed, not judged"));
    assert!(page.contains("They count in no score."));
    Ok(())
}

#[test]
fn the_verdict_is_a_sentence() -> Tested {
    let all = |verdict: &str| -> Tested<String> {
        let mut report = report();
        for control in report["controls"].as_array_mut().into_iter().flatten() {
            control["verdict"] = json!(verdict);
        }
        let page = page(report)?;
        Ok(page
            .split("<p class=\"lede\">")
            .nth(1)
            .and_then(|rest| rest.split("</p>").next())
            .unwrap_or_default()
            .to_owned())
    };
    assert_eq!(all("fail")?, "<b class=\"fail\">6 controls fail</b>, all of them of high severity.");
    assert_eq!(all("unknown")?, "<b class=\"unknown\">Nothing could be read</b>: all 6 controls are unknown.");
    assert_eq!(all("pass")?, "<b class=\"pass\">Every control that applies passes</b>.");
    assert_eq!(
        all("review")?,
        "<b class=\"pass\">No control is known to fail</b>; <b class=\"review\">6 need a person</b>."
    );
    assert_eq!(all("not-applicable")?, "No control applies here.");
    Ok(())
}

#[test]
fn hostile_text_stays_text_and_shows() -> Tested {
    let page = page(poisoned(report(), "", &mut 0))?;
    let body = page.split_once("</style>").map_or("", |(_, body)| body);
    let body = body.rsplit_once("<script>").map_or("", |(body, _)| body);
    for markup in ["<img", "<svg/", "<b>`", "<!--", "</script", "onerror=alert(1)>\""] {
        assert!(!body.contains(markup), "{markup}");
    }
    assert!(body.contains("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;"));
    assert!(body.contains("\\u{202e}gnp.exe\\u{2066}\\u{200f}\\u{61c}\\u{200b}\\u{feff}"));
    assert!(body.contains("\\u{0}\\u{1b}[31mred\\u{7f}\\u{85}"));
    assert!(body.contains("{{ 7 * 7 }}"));
    let unseen =
        |letter: char| letter.is_control() && letter != '\n' || matches!(letter, '\u{202e}' | '\u{2028}' | '\u{fffe}');
    assert!(!body.contains(unseen));
    Ok(())
}

#[test]
fn the_policy_names_exactly_the_page_s_own_blocks() -> Tested {
    use sha2::{Digest, Sha256};
    let page = page(poisoned(report(), "", &mut 0))?;
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        assert_eq!(page.matches(open).count(), 1);
        let block = page.split(open).nth(1).and_then(|rest| rest.split(close).next()).unwrap_or_default();
        let digest = format!("&#39;sha256-{}&#39;", text::base64(&Sha256::digest(block.as_bytes())));
        assert!(page.contains(&digest), "{open}");
    }
    Ok(())
}

#[test]
fn templates_escape_all_but_their_blocks_and_carry_nothing_inline() {
    for (name, template) in TEMPLATES {
        let safe: Vec<&str> = template.lines().filter(|line| line.contains("safe")).collect();
        let allowed: &[&str] = if name == "report.html" {
            &[
                "<style>{{ style | safe }}</style>",
                "{% if data %}<script type=\"application/json\" id=\"data\">{{ data | safe }}</script>",
                "<script>{{ script | safe }}</script>",
            ]
        } else {
            &[]
        };
        assert_eq!(safe, allowed, "{name}");
        let handler = |attribute: &str| {
            attribute
                .split_once('=')
                .is_some_and(|(name, _)| name.starts_with("on") && name.bytes().all(|byte| byte.is_ascii_lowercase()))
        };
        assert!(!template.contains(" style=") && !template.split_whitespace().any(handler), "{name}");
        assert!(!template.contains("autoescape"), "{name}");
    }
    assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    assert!(STYLE.len() + SCRIPT.len() <= 60 * 1024);
}

#[test]
fn anchors_are_unique_and_links_lead_somewhere() -> Tested {
    let mut twice = report();
    let again = twice["controls"][0].clone();
    if let Some(controls) = twice["controls"].as_array_mut() {
        controls.push(again);
    }
    for page in [page(twice)?, page(poisoned(report(), "", &mut 0))?] {
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len());
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(unique.contains(link), "{link}");
        }
    }
    Ok(())
}

#[test]
fn the_page_stays_light_whatever_was_found() -> Tested {
    let mut many = report();
    many["controls"] = (0..131).map(|at| control(&format!("1.2.{at}"), "1.2", "fail", 300)).collect();
    let many = page(many)?;
    assert!(elements(&many) < 6_000);
    assert!(many.len() < 1_000_000, "{} bytes", many.len());
    assert!(many.contains(" more in the JSON form"), "what is left out is counted");

    let mut nodes = report();
    let node = nodes["nodes"][0].clone();
    let named = |at: usize| {
        let mut node = node.clone();
        node["name"] = json!(format!("n{at}"));
        node["kernel"] = json!(format!("6.1.{}", at % 60));
        node
    };
    nodes["nodes"] = (0..5_000).map(named).collect();
    let page = page(nodes)?;
    assert!(elements(&page) < 2_000);
    assert!(page.contains("cp1") || page.contains("n0"));
    Ok(())
}

#[test]
fn names_of_many_nodes_cannot_end_their_block() -> Tested {
    let mut many = report();
    let node = many["nodes"][0].clone();
    let named = |at: usize| {
        let mut node = node.clone();
        node["name"] = json!(format!("{}{at}", HOSTILE[at % HOSTILE.len()]));
        node
    };
    many["nodes"] = (0..40).map(named).collect();
    many["controls"][0]["groups"][0]["subjects"]["nodes"] = json!((0..20).collect::<Vec<_>>());
    let page = page(many)?;
    let block = page
        .split("<script type=\"application/json\" id=\"data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let block = block.unwrap_or_default();
    assert!(!block.contains(['<', '>', '&', '\u{202e}', '\u{2028}', '\0']), "{block}");
    let data: Value = serde_json::from_str(block)?;
    assert_eq!(data["names"].as_str().unwrap_or_default().lines().count(), 40);
    assert_eq!(data["sets"][0], "0.k");
    assert_eq!(data["verdicts"][0], json!(["c-1-2-1", [["fail", "0.k"]]]));
    Ok(())
}

#[test]
fn an_empty_report_is_a_page() -> Tested {
    let mut empty = report();
    empty["controls"] = json!([]);
    empty["own_checks"] = json!([]);
    empty["nodes"] = json!([]);
    empty["sections"] = json!([]);
    let page = page(empty)?;
    assert!(page.contains("There is no control to judge"));
    assert!(page.contains("No node’s evidence is here."));
    Ok(())
}

#[test]
fn base64_has_its_padding() {
    let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
    for (plain, encoded) in cases {
        assert_eq!(text::base64(plain.as_bytes()), encoded);
    }
}

#[test]
fn long_text_is_cut_with_how_much_is_missing() {
    assert_eq!(text::cut("abc", 3), "abc");
    assert_eq!(text::cut(&"ä".repeat(2_000), 3), "äää … (1,997 more characters in the JSON form)");
    assert_eq!(text::short("ääää", 3), "äää…");
}
