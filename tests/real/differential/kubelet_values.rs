//! What stands in a kubelet's configuration: values of each field that its validation lets pass, in every way to write them, and others.

use kube_assay::evidence::components::FieldSpec;

use crate::random::Random;

/// Fields whose values depend on one another, on a feature gate or on the machine; every kubelet refuses most of theirs.
const LEFT_OUT: [&str; 20] = [
    "systemCgroups",
    "systemReservedCgroup",
    "reservedSystemCPUs",
    "reservedMemory",
    "qosReserved",
    "runOnce",
    "enableSystemLogQuery",
    "singleProcessOOMKill",
    "shutdownGracePeriodByPodPriority",
    "shutdownGracePeriodCriticalPods",
    "preloadedImagesVerificationAllowlist",
    "showHiddenMetricsForVersion",
    "logging.format",
    "logging.options.json.infoBufferSize",
    "logging.options.json.splitStream",
    "logging.options.text.infoBufferSize",
    "logging.options.text.splitStream",
    "logging.vmodule",
    "tlsCurvePreferences",
    "userNamespaces.idsPerPod",
];

/// Gates that may be on or off by themselves in every version from 1.34.
pub const GATES: [&str; 5] = [
    "ContainerCheckpoint",
    "KubeletServiceAccountTokenForCredentialProviders",
    "RemoteRequestHeaderUID",
    "RotateKubeletServerCertificate",
    "ServiceAccountNodeAudienceRestriction",
];

/// True when the cases set this field.
pub fn is_set(path: &str, spec: &FieldSpec, minor: u16) -> bool {
    let gated = ["crashLoopBackOff.maxContainerRestartPeriod", "imagePullCredentialsVerificationPolicy"];
    let opaque = matches!(spec.kind.as_str(), "object-list" | "map" | "any");
    let refused = minor < 35 && gated.contains(&path);
    !(LEFT_OUT.contains(&path) || path == "failCgroupV1" || opaque || refused)
}

/// A value that fits the field, as JSON.
#[rustfmt::skip]
pub fn fitting(random: &mut Random, path: &str, kind: &str) -> String {
    let from: &[&str] = match path {
        "address" => &["\"0.0.0.0\"", "\"127.0.0.1\"", "\"::\"", "\"192.0.2.7\""],
        "authorization.mode" => &["\"Webhook\"", "\"AlwaysAllow\""],
        "cgroupDriver" => &["\"cgroupfs\"", "\"systemd\""],
        "cgroupsPerQOS" => &["true"],
        "configMapAndSecretChangeDetectionStrategy" => &["\"Watch\"", "\"Cache\"", "\"Get\""],
        "containerLogMaxFiles" => &["2", "5", "17"],
        "containerLogMaxWorkers" => &["1", "3"],
        "containerLogMonitorInterval" => &["\"3s\"", "\"10s\"", "\"1m\""],
        "containerLogMaxSize" => &["\"10Mi\"", "\"1Gi\""],
        "cpuCFSQuotaPeriod" => &["\"100ms\"", "\"0.1s\""],
        "cpuManagerPolicy" => &["\"none\"", "\"static\""],
        "crashLoopBackOff.maxContainerRestartPeriod" => &["\"1s\"", "\"5m\"", "\"300s\""],
        "enforceNodeAllocatable" => &["[\"pods\"]", "[]", "[\"none\"]"],
        "evictionMaxPodGracePeriod" => &["0", "60", "-1"],
        "evictionHard" | "evictionSoft" => &["{\"memory.available\": \"100Mi\"}", "{\"nodefs.available\": \"10%\", \"memory.available\": \"1Gi\"}", "{}"],
        "evictionSoftGracePeriod" => &["{\"memory.available\": \"1m\"}", "{\"nodefs.available\": \"30s\", \"memory.available\": \"1m30s\"}", "{}"],
        "featureGates" => return gates(random),
        "hairpinMode" => &["\"promiscuous-bridge\"", "\"hairpin-veth\"", "\"none\""],
        "healthzPort" | "readOnlyPort" => &["0", "10248", "10255", "1", "65535"],
        "imageGCHighThresholdPercent" => &["81", "90", "100"],
        "imageGCLowThresholdPercent" => &["0", "10", "80"],
        "imageMaximumGCAge" => &["\"0s\"", "\"1000h\""],
        "imageMinimumGCAge" => &["\"2m\"", "\"1h30m\""],
        "imagePullCredentialsVerificationPolicy" => &["\"NeverVerify\"", "\"AlwaysVerify\"", "\"NeverVerifyPreloadedImages\""],
        "iptablesDropBit" | "iptablesMasqueradeBit" => &["0", "1", "15", "31"],
        "maxParallelImagePulls" => &["1"],
        "memoryManagerPolicy" | "memoryReservationPolicy" => &["\"None\""],
        "memorySwap.swapBehavior" => &["\"\"", "\"NoSwap\"", "\"LimitedSwap\""],
        "memoryThrottlingFactor" => &["0.5", "1", "0.9", "0.001"],
        "nodeStatusMaxImages" => &["-1", "0", "50", "200"],
        "oomScoreAdj" => &["-999", "0", "1000"],
        "podLogsDir" => &["\"/var/log/pods\"", "\"/x/y\""],
        "port" => &["1", "10250", "65535"],
        "shutdownGracePeriod" => &["\"0s\"", "\"30s\"", "\"1m\""],
        "tlsCipherSuites" => &[
            "[\"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"]",
            "[\"TLS_AES_128_GCM_SHA256\", \"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384\"]",
            "[\"TLS_RSA_WITH_AES_128_CBC_SHA\"]",
            "[]",
        ],
        "tlsMinVersion" => &["\"\"", "\"VersionTLS12\"", "\"VersionTLS13\"", "\"VersionTLS10\""],
        "topologyManagerPolicy" => &["\"none\"", "\"best-effort\"", "\"restricted\"", "\"single-numa-node\""],
        "topologyManagerScope" => &["\"container\"", "\"pod\""],
        "tracing.samplingRatePerMillion" => &["0", "1", "1000000"],
        "tracing.endpoint" => &["\"localhost:4317\"", "\"\""],
        _ => match kind {
            "bool" => &["true", "false"],
            "int32" | "int64" | "uint32" => &["1", "7", "42", "100", "2147483647"],
            "float" => &["0.5", "1"],
            "duration" | "durationOrNanoseconds" => &["\"10s\"", "\"1m\"", "\"1h30m\"", "\"90s\"", "\"0.5h\"", "\"100ms\"", "\"4h0m0s\""],
            "list" => &["[\"a\"]", "[\"a\", \"b c\"]", "[]", "[\"10.96.0.10\", \"fd00::a\"]"],
            "mapStringString" => &["{\"a\": \"b\"}", "{\"cpu\": \"100m\", \"memory\": \"1Gi\"}", "{}", "{\"cpu\": \"2\"}"],
            "mapStringBool" => &["{\"a\": true}", "{}"],
            "string" if path.ends_with("File") || path.ends_with("Path") || path.ends_with("Dir") || path == "resolvConf" => {
                &["\"/etc/x\"", "\"x/y\"", "\"./z\"", "\"../up\"", "\"a/../b\""]
            }
            _ => &["\"x\"", "\"/etc/x\"", "\"a b\"", "\"yes\"", "\"0x1\"", "\"é\"", "\"unix:///run/x.sock\""],
        },
    };
    random.word(from).to_owned()
}

/// Some gates, on or off.
fn gates(random: &mut Random) -> String {
    let gate = |random: &mut Random| format!("\"{}\": {}", random.word(&GATES), random.word(&["true", "false"]));
    let gates: Vec<String> = (0..random.below(4)).map(|_| gate(random)).collect();
    format!("{{{}}}", gates.join(", "))
}

/// The zero of the type, as JSON.
pub fn zero(kind: &str) -> &'static str {
    match kind {
        "bool" => "false",
        "duration" | "durationOrNanoseconds" => "\"0s\"",
        "list" => "[]",
        "mapStringString" | "mapStringBool" => "{}",
        "string" => "\"\"",
        _ => "0",
    }
}

/// True where a zero that is kept would be refused by the kubelet's validation.
pub fn zero_is_refused(path: &str) -> bool {
    [
        "containerLogMaxFiles",
        "containerLogMaxWorkers",
        "containerLogMonitorInterval",
        "cpuCFSQuotaPeriod",
        "cgroupsPerQOS",
        "imageGCHighThresholdPercent",
        "maxParallelImagePulls",
        "memoryThrottlingFactor",
        "crashLoopBackOff.maxContainerRestartPeriod",
    ]
    .contains(&path)
}

/// Something that the field's type does not take, or takes in a way of its own.
#[rustfmt::skip]
pub fn misfit(random: &mut Random, kind: &str) -> String {
    let from: &[&str] = match kind {
        "bool" => &["\"true\"", "1", "\"yes\"", "[]", "\"\"", "{}"],
        "int32" | "int64" | "uint32" => &["\"1\"", "1.5", "true", "99999999999999999999", "2147483648", "-2147483649", "{}", "[1]", "\"\"", "1e3", "1.0"],
        "float" => &["\"0.5\"", "true", "[]"],
        "duration" | "durationOrNanoseconds" => &["10", "\"10\"", "\"\"", "true", "\"1d\"", "\"1h 30m\"", "{}", "\"-1s\""],
        "string" => &["1", "true", "[]", "{}", "1.5"],
        "list" => &["\"a\"", "[1]", "[true, \"a\"]", "{}", "[null]", "[[\"a\"]]", "\"\""],
        "mapStringString" => &["{\"a\": 1}", "{\"a\": true}", "[]", "\"a=b\"", "{\"a\": null}", "{\"a\": {}}"],
        "mapStringBool" => &["{\"ContainerCheckpoint\": \"true\"}", "{\"ContainerCheckpoint\": 1}", "[]", "\"ContainerCheckpoint=true\"", "{\"ContainerCheckpoint\": null}"],
        _ => &["[]", "true"],
    };
    random.word(from).to_owned()
}

/// The same value as YAML writes it in other ways: 1.1's truth values, bases and underscores, quotes.
pub fn restyled(random: &mut Random, json: &str) -> String {
    if random.percent(60) {
        return json.to_owned();
    }
    if let Some(text) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let plain = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-'))
            && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'/')
            && !matches!(text, "yes" | "true" | "none");
        return match random.below(3) {
            0 if plain => text.to_owned(),
            1 => format!("!!str {json}"),
            _ => format!("'{text}'"),
        };
    }
    match json {
        "true" => random.word(&["yes", "on", "True", "Y", "TRUE", "!!bool true"]).to_owned(),
        "false" => random.word(&["no", "off", "False", "n", "FALSE"]).to_owned(),
        "null" => random.word(&["~", "Null", "", "NULL"]).to_owned(),
        _ => match json.parse::<i64>() {
            Ok(number) if number >= 0 => match random.below(6) {
                0 => format!("{number:#x}"),
                1 => format!("0{number:o}"),
                2 => format!("{number}.0"),
                3 => format!("+{number}"),
                4 => format!("0b{number:b}"),
                _ => format!("{}_{}", &json[..1], &json[1..]).trim_end_matches('_').to_owned(),
            },
            _ => json.to_owned(),
        },
    }
}
