"""The kubelet's configuration as the product merges it against what the running kubelet answers at /configz.

Every field of the kubelet's table is compared. What /configz cannot show (reference: staging/src/k8s.io/component-base/configz
and cmd/kubelet/app/server.go): zero values are left out; tlsCertFile and tlsPrivateKeyFile are those of the pair that the kubelet
signs itself when none is configured; --seccomp-default is no field of the configuration, so it is not used here.
Not compared, and counted: nodeStatusReportFrequency where the main file sets nodeStatusUpdateFrequency. Its default is then that value
(SetDefaults_KubeletConfiguration), which the product does not follow; no check reads the field.
"""

import json
import random
import time
from pathlib import Path

import yaml

from edits import Edits
from node import REAL, Node, Trouble
from rounds import Comparison

TABLE = REAL.parents[1] / "benchmarks/components/kubelet.yaml"
DIRECTORY = "/etc/kubernetes/kubelet.conf.d"
HEAD = {"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration"}
ZERO = (None, "", 0, False, [], {}, "0s", "0")
SUITES = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
          "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"]
PAIR = ("/var/lib/kubelet/pki/kubelet.crt", "/var/lib/kubelet/pki/kubelet.key")

# values with which a kubelet still runs and answers: dotted field -> values, and the flag that the field has
FIELDS = {
    "authentication.anonymous.enabled": (True, False),
    "authentication.webhook.enabled": (True, False),
    "authorization.mode": ("Webhook", "AlwaysAllow"),
    "readOnlyPort": (0, 10255),
    "streamingConnectionIdleTimeout": ("0s", "5m", "1h30m0.5s", "300s"),
    "makeIPTablesUtilChains": (True, False),
    "eventRecordQPS": (0, 1, 50, 100),
    "eventBurst": (1, 100),
    "rotateCertificates": (True, False),
    "podPidsLimit": (-1, 1024, 0x1000),
    "seccompDefault": (True, False),
    "tlsCipherSuites": (SUITES, SUITES[:2], SUITES[1:3]),
    "tlsMinVersion": ("VersionTLS12", "VersionTLS13", ""),
    "tlsCertFile": PAIR[:1],
    "featureGates": ({"RotateKubeletServerCertificate": False}, {"RotateKubeletServerCertificate": True, "AllAlpha": False}, {}),
    "maxPods": (64, 110),
    "registryPullQPS": (0, 5),
    "containerLogMaxSize": ("5Mi", "10Mi"),
    "nodeStatusUpdateFrequency": ("0s", "7s"),
    "protectKernelDefaults": (False,),
    "serverTLSBootstrap": (False,),
}
FLAGS = {
    "authentication.anonymous.enabled": ("--anonymous-auth", "--anonymous-auth=false", "--anonymous_auth=T"),
    "authentication.webhook.enabled": ("--authentication-token-webhook=0", "--authentication-token-webhook"),
    "authorization.mode": ("--authorization-mode Webhook", "--authorization-mode=AlwaysAllow"),
    "readOnlyPort": ("--read-only-port=0", "--read-only-port 0x280f"),
    "streamingConnectionIdleTimeout": ("--streaming-connection-idle-timeout=0", "--streaming-connection-idle-timeout 90m"),
    "makeIPTablesUtilChains": ("--make-iptables-util-chains=false", "--make-iptables-util-chains"),
    "eventRecordQPS": ("--event-qps=7", "--event_qps 0x10 --event-qps=9", "--event-qps=0"),
    "rotateCertificates": ("--rotate-certificates=false", "--rotate-certificates"),
    "podPidsLimit": ("--pod-max-pids=2048", "--pod-max-pids -1"),
    "tlsCipherSuites": (f"--tls-cipher-suites={SUITES[0]} --tls-cipher-suites={SUITES[2]}", f"--tls-cipher-suites {','.join(SUITES)}"),
    "tlsMinVersion": ("--tls-min-version=VersionTLS13",),
    "featureGates": ("--feature-gates=AllAlpha=false", "--feature-gates=RotateKubeletServerCertificate=true --feature-gates=AllAlpha=false"),
    "maxPods": ("--max-pods=70",),
}
# configurations that every run holds
CHOSEN = [
    {"file": {}, "drop-ins": [], "flags": []},
    {"file": {"readOnlyPort": 10255, "podPidsLimit": 4096},
     "drop-ins": [("10.conf", {"readOnlyPort": None, "podPidsLimit": None}), ("20.conf", {"eventRecordQPS": 0})], "flags": []},
    {"file": {"featureGates": {"RotateKubeletServerCertificate": False}, "tlsCipherSuites": SUITES},
     "drop-ins": [("b/1.conf", {"tlsCipherSuites": SUITES[:1]}), ("a.yaml", {"maxPods": 3}), ("c.conf", {"featureGates": {"AllAlpha": False}})],
     "flags": ["--feature-gates=RotateKubeletServerCertificate=true", "--event-qps=7"]},
    {"file": {"authentication": {"anonymous": {"enabled": True}, "x509": {"clientCAFile": ""}}, "authorization": {"mode": "AlwaysAllow"}},
     "drop-ins": [], "flags": ["--streaming-connection-idle-timeout=0"]},
]


def invent(source: random.Random) -> dict:
    """A configuration by chance."""
    def some(pool, most: int) -> list:
        return source.sample(sorted(pool), source.randint(0, min(most, len(pool))))

    def document(most: int, nulls: bool) -> dict:
        made: dict = {}
        for field in some(FIELDS, most):
            value = None if nulls and source.random() < 0.2 else source.choice(FIELDS[field])
            place, (*parents, last) = made, field.split(".")
            for key in parents:
                place = place.setdefault(key, {})
            place[last] = value
        if "tlsCertFile" in made:       # one without the other is a kubelet that cannot serve
            made["tlsPrivateKeyFile"] = made["tlsCertFile"] and PAIR[1]
        return made

    names = ["10-a.conf", "20-b.conf", "20-b.d/x.conf", "30.yaml", "zz.conf", "20-A.conf"]
    drop_ins = [(name, document(6, True)) for name in some(names, 4)] if source.random() < 0.8 else []
    flags = [source.choice(FLAGS[field]) for field in some(FLAGS, 4)] if source.random() < 0.7 else []
    return {"file": document(9, False), "drop-ins": drop_ins, "flags": flags}


def merged(one: dict, other: dict) -> dict:
    """`other` over `one`, maps within maps."""
    result = dict(one)
    for key, value in other.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def at(thing, path: str):
    """The value at a dotted path."""
    for key in path.split("."):
        if not isinstance(thing, dict) or key not in thing:
            return None
        thing = thing[key]
    return thing


def compare(node: Node, comparison: Comparison, seed: int, count: int, say) -> None:
    """`count` configurations, the chosen ones first."""
    source = random.Random(seed)
    fields = yaml.safe_load(TABLE.read_text())["fields"]
    before, began = comparison.compared, time.monotonic()
    differences = len(comparison.differences)
    base = yaml.safe_load(node.path("/var/lib/kubelet/config.yaml").read_text())
    edits, left_out = Edits(node), 0
    for number in range(count):
        given = CHOSEN[number] if number < len(CHOSEN) else invent(source)

        def write(given=given) -> None:
            edits.undo_files()
            put(edits, base, given)

        node.restart({"kubelet"}, write)
        derived = given["file"].get("nodeStatusUpdateFrequency", "0s") not in ZERO
        left_out += derived
        compared = [field for field in fields if not (derived and field == "nodeStatusReportFrequency")]
        one(node, comparison, compared, f"configz {number} {json.dumps(given)}")
    node.restart({"kubelet"}, edits.undo_files)
    say(f"{count} kubelet configurations through /configz: {comparison.compared - before} compared, "
        f"{len(comparison.differences) - differences} differ, {left_out} left out, {time.monotonic() - began:.0f} s")


def put(edits: Edits, base: dict, given: dict) -> None:
    """Writes a configuration: file, drop-ins, arguments."""
    edits.apply({"file": {"path": "/var/lib/kubelet/config.yaml", "yaml": merged(base, given["file"]), "mode": "0644"}})
    for name, document in given["drop-ins"]:
        edits.apply({"file": {"path": f"{DIRECTORY}/{name}", "yaml": {**HEAD, **document}}})
    if given["drop-ins"]:
        edits.apply({"kubelet-directory": DIRECTORY})
    if given["flags"]:
        edits.apply({"kubelet-arguments": " ".join(given["flags"])})


def one(node: Node, comparison: Comparison, fields: list[str], where: str) -> None:
    """These fields of the running kubelet."""
    end = time.monotonic() + 30
    while True:
        try:
            running = json.loads(node.run("kubectl", "get", "--raw", "/api/v1/nodes/cp1/proxy/configz"))["kubeletconfig"]
            break
        except Trouble:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    settings = node.effective_kubelet()
    for field in fields:
        theirs = at(running, field)
        if field not in settings:
            comparison.same(where, field, "absent", "absent" if theirs is None else theirs)
            continue
        setting = settings[field]
        ours = setting["value"] if "unknown" not in setting else f"unknown: {setting['unknown']}"
        signed_itself = field in ("tlsCertFile", "tlsPrivateKeyFile") and theirs in PAIR and ours == ""
        if signed_itself or (theirs in ZERO and ours in ZERO):
            theirs = ours
        comparison.same(where, field, ours, theirs)
