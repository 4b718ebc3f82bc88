//! Values for flags: what each type takes, in every way to write it, and what it refuses.

use crate::random::Random;

/// A value that the type takes.
#[rustfmt::skip]
pub fn good(random: &mut Random, name: &str, kind: &str) -> String {
    let from: &[&str] = match kind {
        "bool" => &["true", "false", "1", "0", "t", "F", "TRUE", "False", "T", "f"],
        "int" | "int32" | "int64" => &[
            "0", "1", "-1", "42", "0x10", "0X1f", "010", "0o17", "0b101", "1_000", "0x_f", "+5", "-0x8", "2147483647",
            "-2147483648", "00",
        ],
        "uint" | "uint32" | "uint64" => &["0", "1", "0x10", "017", "4294967295", "0b1", "0_7"],
        "Level" => &["1", "2", "+3", "010", "9"],
        "float32" | "float64" => &[
            "0", "1", "-1.5", "0.001", "1e3", ".5", "5.", "+2", "0x1p-2", "1e-7", "123456789.125", "1_0.5", "0x1_0p0",
            "inf", "-Inf", "NaN", "1e38",
        ],
        "duration" => &[
            "0", "1s", "1m30s", "1.5h", "100ms", "1us", "-5m", "+3s", "1h1m1s1ms1us1ns", ".5s", "5.s",
            "2562047h47m16.854775807s", "1µs", "0.3ns",
        ],
        // an empty one leaves what it was and prints as nothing
        "ipText" => &["1.2.3.4", "0.0.0.0", "::1", "::ffff:1.2.3.4", "010.0.0.01", "2001:DB8::1", "::"],
        "ip" => &[
            "1.2.3.4", "0.0.0.0", "::1", "::ffff:1.2.3.4", " 10.0.0.1 ", "2001:DB8::1", "::", "", "fe80::1:0:0:2",
            "1:2:3:4:5:6:7:8",
        ],
        "stringSlice" => &[
            "a", "a,b", "", "\"a,b\",c", "a, b", " a", "\"\"", "\"a\"\"b\"", ",", "a,,b", "a b", "é,日本", "x\ny",
            "\"x\ny\",z", "a=b", "a\\b", "\\.", "\r", "a\r\n", "\n\na", "a,\r\nb",
        ],
        "stringArray" => &["a", "a,b", "", "\"a", " b", "https://kubernetes.default.svc", "a\nb", "\"a,b\",c"],
        "int32Slice" => &["1", "1,2", "23,24,25", "29", "-1,+2", "007"],
        // looked into as soon as the flags are read
        "configurationMap" if name == "node-labels" => &["example.com/a=b", "a=b,c=d", "a=b", "", "a", " a = b "],
        "configurationMap" => &["a", "a,b=c", "api/all=true", "", ",", " a = b ", "a=1,a", "a=b=c"],
        "mapStringStringNoSplit" => &["a=b", "a=b,c=d", "a=", "=b", " a = b ", "a=1,a=2"],
        "langleSeparatedMapStringString" => &["memory.available<100Mi", "nodefs.available<10%,memory.available<1Gi", "", " a < b ", "a<b<c", "a=b<c"],
        "mapStringString" => &[
            "a=b", "a=b,c=d", "", ",", "a=", "=b", "a=b=c", " a = b , c = d ", "a=1,a=2", "cpu=100m,memory=1Gi", "a\"b=c",
        ],
        "stringToString" => &["a=b", "a=b,c=d", "a=b,\"c=d,e\"", "a=b,c", "\"a=b\"", "a=", "m,l='x,y'", "a=b=c"],
        "colonSeparatedMultimapStringStringKeyed" => &["a:b", "a:b,a:c,d:e", "", ",", " a : b ", "a:b:c", "A:,B:x"],
        "quantity" => &["0", "1", "1Ki", "1024", "1k", "0.5", "1e3", "100m", "1.5Gi", "+1"],
        "portRange" | "port-range" => &["30000-32767", "1-2", "80", "80+10", "", "0-0", " 8080 - 8090 "],
        "namedCertKey" => &["a,b", "a,b:x", "a,b:x,*.y", "a,b: x , y"],
        "ipport" => &["0.0.0.0:10256", "1.2.3.4", "[::1]:80", "::1", "127.0.0.1:0"],
        "LocalMode" => &["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"],
        "ProxyMode" => &["iptables", "ipvs", "nftables", ""],
        "cidrs" => &["10.0.0.0/8", "10.0.0.0/8,192.168.0.0/16", "10.1.2.3/8"],
        "pattern=N,..." => &["", "a=1", "a=1,b*=2", ",", "a=1,,b=2", "a=0", "gopher*=3"],
        "[]v1.Taint" => &["a=b:NoSchedule", "a:NoExecute", "a=b:NoSchedule,c=d:PreferNoSchedule", "a=:NoSchedule"],
        "reserved-memory" => &["0:memory=1Gi", "0:memory=1Gi,hugepages-2Mi=2Mi", "0:memory=1Gi;1:memory=2Gi"],
        "string" if name == "show-hidden-metrics-for-version" => &[""],
        "string" if name == "hostname-override" => &["node", "a.b"],
        _ => &[
            "a", "", "a b", "/etc/kubernetes/x.yaml", "a,b", "\"q\"", "--profiling", "-v=9", "=", "a=b", "é", "127.0.0.1",
            "tab\there", "line\nbreak", "\\", "''", "10.0.0.0/8", "-", "%d", "\u{7f}\u{a0}\u{2028}",
        ],
    };
    random.word(from).to_owned()
}

/// A text that the type refuses, where it refuses any.
#[rustfmt::skip]
pub fn bad(random: &mut Random, kind: &str) -> String {
    let from: &[&str] = match kind {
        "bool" => &["yes", "no", "", "tRUE", "2", " true", "on", "-1"],
        "int" | "int32" | "int64" | "uint" | "uint32" | "uint64" => &[
            "", "a", "1.5", "08", "1__0", "_1", "1_", "0x", "99999999999999999999", "2147483648", "-2147483649", "1e3",
            " 1", "--1", "4294967296", "0b2", "-1", "0x-1", "+-1",
        ],
        "Level" => &["", "a", "1.5", "0x2", "1_0", "9999999999"],
        "float32" | "float64" => &["", "a", "1e400", "1,5", "0x", "1__0", " 1", "0x1", "1e", "1e39", "infinit", "nano", "_1", "+-1"],
        "duration" => &[
            "", "5", "1", "1d", "s", "1 s", "1h-2m", "99999999h", "1.s.", "..s", "2562047h47m16.854775808s", "1S", "-",
        ],
        "ipText" => &["1.2.3", "a", " 1.2.3.4", "1.2.3.4/8", "1.2.3.256", "[::1]", "1.2.3.4:80"],
        "ip" => &["1.2.3", "a", "1.2.3.04", "1.2.3.4/8", ":::1", "fe80::1%eth0", "1.2.3.256", "[::1]", "1.2.3.4:80"],
        "stringSlice" => &["\"a", "a\"b", "\"a\"b", "\n", "\r\n"],
        "int32Slice" => &["", "a", "1,", "99999999999", "1, 2", "0x1"],
        "mapStringBool" => &["a", "a=b", "a=", "AllAlpha", "AllAlpha=x", "=,x"],
        "mapStringString" => &["a", "a,b=c", "a:b"],
        "mapStringStringNoSplit" => &["a", "", "a,b"],
        "langleSeparatedMapStringString" => &["a", "a<b,c", "a=b"],
        "colonSeparatedMultimapStringStringKeyed" => &["a", "a:b,c"],
        "stringToString" => &["", "a", "a=b,c=d,e", "\"a=b,c=d", "a=b,c=d\"e"],
        "colonSeparatedMultimapStringString" => &["a", "AllAlpha", "a:b", "kube:AllAlpha", "AllAlpha=x", "nosuch:AllAlpha=true"],
        "quantity" => &["", "a", "1x", "--1", "1 Ki", "1ki", "1KiB"],
        "portRange" | "port-range" => &["a", "1-", "-1", "70000", "2-1", "1-70000", "1+", "1-2-3", "0x10", "65535+1"],
        "namedCertKey" => &["", "a", "a,b,c", "a,b:x:y", ",", "a,", ":x", "a,b:,"],
        "ipport" => &["a", "1.2.3.4:a", "1.2.3.4:70000", ":80", "1.2.3", "[::1]", "localhost:80"],
        "cidrs" => &["a", "1.2.3.4", "1.2.3.4/33"],
        "LocalMode" => &["NoSuchMode", "clustercidr", ""],
        "ProxyMode" => &["userspace", "IPVS"],
        "pattern=N,..." => &["a", "a=b", "a=-1", "=1", "a=1=2"],
        "[]v1.Taint" => &["a", "a=b", "a=b:No", "=b:NoSchedule", "a=b:NoSchedule,", "a=b:NoSchedule:x"],
        "reserved-memory" => &["a", "0:memory", "a:memory=1Gi", "0:memory=1Gi;0:memory=1Gi", "0:cpu=1", ""],
        _ => &[""],
    };
    random.word(from).to_owned()
}
