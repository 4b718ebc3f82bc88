//! Who asks, and through what: tokens, credential plugins, proxies, the pod's own account. None of it may show in any output.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot set up its world ends, with the place"
)]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use support::api_server::{ApiServer, Fault, at, kubeconfig};
use support::binary::{Ran, command};
use support::small_cluster::objects;

const SECRET: &str = "S3CR3T-c4n4ry";

/// Runs an audit in every format and returns all that came out of it, the evidence file included.
fn outputs(config: &Path, variables: &[(&str, &str)]) -> (Ran, String) {
    let scratch = tempfile::tempdir().unwrap();
    let run = |verb: &str, more: &[&str], out: &str| {
        let mut command = command();
        command.args([verb, "--timeout", "20", "--kubeconfig"]).arg(config).args(more);
        command.arg("--output").arg(scratch.path().join(out)).envs(variables.iter().copied());
        Ran::of(&mut command)
    };
    let audit = run("audit", &["--format", "text,json,html", "--verbose"], "reports/");
    let collect = run("collect", &[], "evidence");
    let mut all = format!("{}{}{}{}", audit.out, audit.err, collect.out, collect.err);
    let reports = fs::read_dir(scratch.path().join("reports")).into_iter().flatten();
    for report in reports {
        all.push_str(&fs::read_to_string(report.unwrap().path()).unwrap());
    }
    if let Ok(evidence) = fs::read(scratch.path().join("evidence")) {
        all.push_str(&String::from_utf8_lossy(&zstd::decode_all(evidence.as_slice()).unwrap()));
    }
    (audit, all)
}

fn script(scratch: &Path, name: &str, text: &str) -> PathBuf {
    let path = scratch.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn exec(command: &str) -> Value {
    // as `aws eks update-kubeconfig`, `gcloud container clusters get-credentials` and `az aks get-credentials` write it
    json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command,
        "args": ["--region", "eu-1", "eks", "get-token", "--cluster-name", "c", "--output", "json"],
        "env": [{"name": "AWS_PROFILE", "value": "audit"}], "interactiveMode": "IfAvailable", "provideClusterInfo": false}})
}

#[test]
fn a_credential_plugin_gives_the_token_and_nothing_shows_it() {
    let scratch = tempfile::tempdir().unwrap();
    let server = ApiServer::start(objects()).needs(&format!("Bearer {SECRET}"));
    let answer = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1",
        "status": {"token": SECRET, "expirationTimestamp": "2999-01-01T00:00:00Z"}});
    let text = format!(
        "[ \"$AWS_PROFILE\" = audit ] && [ \"$4\" = get-token ] || exit 9\ncase $KUBERNETES_EXEC_INFO in *ExecCredential*) ;; *) exit 8;; esac\necho '{answer}'"
    );
    script(scratch.path(), "aws-plugin", &text);
    let config = kubeconfig(scratch.path(), &server, &exec("aws-plugin"));
    let path = format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap());
    let (audit, all) = outputs(&config, &[("PATH", &path)]);
    audit.exits(0);
    assert!(server.count("/api/v1/pods") >= 3);
    assert!(!all.contains(SECRET));
}

#[test]
fn a_credential_plugin_that_fails_is_said_without_what_it_printed() {
    let scratch = tempfile::tempdir().unwrap();
    let server = ApiServer::start(objects());
    for (text, said) in [
        (format!("echo 'token {SECRET}'; exit 3"), "its credential plugin failed: exit status: 3"),
        (format!("echo '{{\"status\": {SECRET}'"), "the answer of its credential plugin cannot be decoded"),
        (format!("echo '{{\"kind\": \"ExecCredential\", \"x\": \"{SECRET}\"}}'"), "answered without credentials"),
    ] {
        let plugin = script(scratch.path(), "plugin", &text);
        let config = kubeconfig(scratch.path(), &server, &exec(plugin.to_str().unwrap()));
        let (audit, all) = outputs(&config, &[]);
        audit.exits(2).says(&[said]);
        assert!(!all.contains(SECRET), "{text}");
    }
    let config = kubeconfig(scratch.path(), &server, &exec("/no/such/plugin"));
    outputs(&config, &[]).0.exits(2).says(&["its credential plugin cannot be started"]);
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn a_credential_plugin_that_hangs_is_not_waited_for() {
    let scratch = tempfile::tempdir().unwrap();
    let server = ApiServer::start(objects());
    let pid = scratch.path().join("pid");
    let plugin = script(
        scratch.path(),
        "plugin",
        &format!("echo $$ > {}; exec sleep 60 < /dev/null > /dev/null 2>&1", pid.display()),
    );
    let config = kubeconfig(scratch.path(), &server, &exec(plugin.to_str().unwrap()));
    let mut command = command();
    command.args(["audit", "--timeout", "1", "--kubeconfig"]).arg(&config);
    Ran::of(&mut command).exits(2).says(&["its credential plugin did not answer in time"]);
    let sleeping = fs::read_to_string(pid).unwrap();
    std::process::Command::new("kill").arg(sleeping.trim()).status().unwrap();
}

#[test]
fn tokens_and_passwords_reach_no_output() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("token");
    fs::write(&file, SECRET).unwrap();
    // base64 of the user and the password
    let basic = "Basic YWRtaW46UzNDUjNULWM0bjRyeQ==";
    let bearer = format!("Bearer {SECRET}");
    for (user, needed) in [
        (json!({"token": SECRET}), bearer.as_str()),
        (json!({"tokenFile": file}), &bearer),
        (json!({"username": "admin", "password": SECRET}), basic),
        (
            json!({"auth-provider": {"name": "oidc", "config": {"id-token": SECRET, "idp-issuer-url": "https://issuer.example",
            "client-id": "c", "client-secret": SECRET, "refresh-token": SECRET}}}),
            "none",
        ),
    ] {
        let server = ApiServer::start(objects()).needs(needed);
        let config = kubeconfig(scratch.path(), &server, &user);
        let (audit, all) = outputs(&config, &[]);
        if needed != "none" {
            audit.exits(0);
        }
        assert!(!all.contains(SECRET), "{user}");
        // and none when it is refused, or the server is no API server
        for fault in [Fault::Status(401, &[]), Fault::Body("text/html", format!("<html>{SECRET}"))] {
            let server = ApiServer::start(objects()).breaks(at("/version", fault));
            let config = kubeconfig(scratch.path(), &server, &user);
            let (audit, all) = outputs(&config, &[]);
            audit.exits(3);
            assert!(!all.contains(SECRET), "{user}");
        }
    }
}

#[test]
fn a_broken_kubeconfig_is_said_without_its_content() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("kubeconfig");
    let server = ApiServer::start(objects());
    let with = |key: &str, value: &str| {
        let written = fs::read_to_string(kubeconfig(scratch.path(), &server, &json!({key: value}))).unwrap();
        fs::write(&path, &written).unwrap();
        written
    };
    let whole = with("token", SECRET);
    let cases = [
        (format!("users: [{{name: u, user: {{token: {SECRET}\n"), "the kubeconfig cannot be decoded"),
        (format!("users: {SECRET}\n"), "the kubeconfig cannot be decoded"),
        (with("client-key-data", SECRET).replace("127.0.0.1", "localhost"), "cannot be used"),
        (whole.replace("http://", "h ttp://"), "is no URL"),
        (whole.replace("\"current-context\":\"test\"", "\"current-context\":\"none\""), "it has no context none"),
        (whole.replace(&server.url(), &format!("http://me:{SECRET}@127.0.0.1:1")), "cannot be asked"),
    ];
    for (text, said) in cases {
        fs::write(&path, &text).unwrap();
        let (audit, all) = outputs(&path, &[]);
        assert!(matches!(audit.code, Some(2 | 3)) || said == "cannot be used", "{text}: {audit:?}");
        if said != "cannot be used" {
            audit.says(&[said]);
        }
        assert!(!all.contains(SECRET), "{text}: {all}");
    }
    outputs(Path::new("/no/such/kubeconfig"), &[]).0.exits(2).says(&["/no/such/kubeconfig cannot be read"]);
}

/// A proxy that tells the first line of every request and then answers nothing useful.
fn proxy() -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let _ = tell.send((first, head.join("\n")));
            let _ = (&stream as &TcpStream).write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n");
        }
    });
    (address, told)
}

#[test]
fn proxies_are_used_as_configured_and_their_password_is_not_shown() {
    let scratch = tempfile::tempdir().unwrap();
    let (address, told) = proxy();
    let named = |proxy: Option<String>| {
        let mut cluster = json!({"server": "https://api.example:6443"});
        if let Some(proxy) = proxy {
            cluster["proxy-url"] = json!(proxy);
        }
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "t",
            "clusters": [{"name": "c", "cluster": cluster}], "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "t", "context": {"cluster": "c", "user": "u"}}]});
        let path = scratch.path().join("kubeconfig");
        fs::write(&path, config.to_string()).unwrap();
        path
    };
    let with_password = format!("http://me:{SECRET}@{address}");
    let (audit, all) = outputs(&named(Some(with_password)), &[]);
    audit.exits(3);
    let (first, head) = told.recv().unwrap();
    assert_eq!(first, "CONNECT api.example:6443 HTTP/1.1");
    assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
    assert!(!all.contains(SECRET));
    while told.try_recv().is_ok() {}

    // the environment's, unless NO_PROXY names the server
    let variable = format!("http://{address}");
    outputs(&named(None), &[("HTTPS_PROXY", &variable)]).0.exits(3);
    assert_eq!(told.recv().unwrap().0, "CONNECT api.example:6443 HTTP/1.1");
    while told.try_recv().is_ok() {}
    let server = ApiServer::start(objects());
    let config = kubeconfig(scratch.path(), &server, &json!({}));
    outputs(&config, &[("HTTP_PROXY", &variable), ("NO_PROXY", "127.0.0.0/8")]).0.exits(0);
    assert!(told.try_recv().is_err(), "this machine itself is asked directly");
}

#[test]
fn a_redirection_takes_no_credential_elsewhere() {
    let elsewhere = ApiServer::start(objects());
    let location: &'static str = Box::leak(format!("{}/api/v1/pods", elsewhere.url()).into_boxed_str());
    let headers: &'static [(&str, &str)] = Box::leak(Box::new([("Location", location)]));
    let server = ApiServer::start(objects()).breaks(at("/api/v1/pods", Fault::Status(307, headers)));
    let scratch = tempfile::tempdir().unwrap();
    let config = kubeconfig(scratch.path(), &server, &json!({"token": SECRET}));
    outputs(&config, &[]).0.exits(0);
    assert_eq!(elsewhere.asked().len(), 0);
}
