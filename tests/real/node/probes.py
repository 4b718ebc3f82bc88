"""What a running component itself does: the product's verdicts are held against behaviour, not only against its words.

Each probe is called with the node and with what the round wants, and answers in the same shape."""

import base64
import json
import sys
import time

from node import ASSETS, Node, Trouble

ASK = """
import json, ssl, sys, urllib.error, urllib.request
context = ssl._create_unverified_context()
def ask(url):
    try:
        return urllib.request.urlopen(url, timeout=5, context=context).status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError as trouble:
        return type(getattr(trouble, 'reason', trouble)).__name__
print(json.dumps({url: ask(url) for url in json.loads(sys.argv[1])}))
"""
# the suites of TLS 1.2 that a server with an RSA key could use, as OpenSSL calls them
SUITES = {
    "ECDHE-RSA-AES128-GCM-SHA256": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305": "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-RSA-AES128-SHA": "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "ECDHE-RSA-AES256-SHA": "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "AES128-SHA": "TLS_RSA_WITH_AES_128_CBC_SHA",
    "AES256-SHA": "TLS_RSA_WITH_AES_256_CBC_SHA",
    "AES128-GCM-SHA256": "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "AES256-GCM-SHA384": "TLS_RSA_WITH_AES_256_GCM_SHA384",
}
SHAKE = """
import json, socket, ssl, sys
port, names = int(sys.argv[1]), json.loads(sys.argv[2])
accepted = []
for name in names:
    context = ssl._create_unverified_context()
    context.maximum_version = context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.set_ciphers(name + '@SECLEVEL=0')
        with socket.create_connection(('127.0.0.1', port), timeout=60) as plain:
            with context.wrap_socket(plain):
                accepted.append(name)
    except (ssl.SSLError, ConnectionError):
        pass
print(json.dumps(accepted))
"""


def _python(node: Node, program: str, *words: str):
    return json.loads(node.run(sys.executable, "-c", program, *words))


def anonymous(node: Node, wanted: dict) -> dict:
    """HTTP status by URL, asked without any credential."""
    return _python(node, ASK, json.dumps(list(wanted)))


def listens(node: Node, wanted: dict) -> dict:
    """Whether somebody listens, by port."""
    ports = node.listening()
    return {port: port in ports for port in wanted}


def suites(node: Node, wanted: dict) -> dict:
    """TLS 1.2 suites that a port really negotiates, IANA names, by port."""
    found = {}
    for port in wanted:
        accepted = _python(node, SHAKE, str(port), json.dumps(list(SUITES)))
        found[port] = sorted(SUITES[name] for name in accepted)
    return found


def stored_secret(node: Node, _wanted: str) -> str:
    """How a new Secret begins on etcd's disk: the name of what encrypted it, or `plain`."""
    name = f"assay-{time.monotonic_ns()}"
    end = time.monotonic() + 30
    while True:
        try:
            node.run("kubectl", "-n", "default", "create", "secret", "generic", name, "--from-literal=word=nothing")
            break
        except Trouble:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
    try:
        pki = "/etc/kubernetes/pki/etcd"
        text = node.run(str(ASSETS / "etcd/etcdctl"), "--endpoints=https://127.0.0.1:2379", f"--cacert={pki}/ca.crt",
                        f"--cert={pki}/healthcheck-client.crt", f"--key={pki}/healthcheck-client.key",
                        "get", f"/registry/secrets/default/{name}", "--write-out=json")
        value = base64.b64decode(json.loads(text)["kvs"][0]["value"])
    finally:
        node.run("kubectl", "-n", "default", "delete", "secret", name)
    if value.startswith(b"k8s:enc:"):
        return value.split(b":")[2].decode()
    return "plain" if value.startswith(b"k8s\0") else "something else"


def admission_plugins(node: Node, wanted: dict) -> dict:
    """Whether a plugin is among those that the API server logged as loaded; `count` is how many it loaded."""
    log = node.run("sh", "-c", "cat $(ls -t /var/log/pods/kube-system_kube-apiserver-cp1_*/*/*.log | head -1)")
    loaded = set()
    for line in log.splitlines():
        if "admission controller(s) successfully in the following order:" in line:
            loaded |= set(line.rpartition("order: ")[2].rstrip('."').split(","))
    return {name: len(loaded) if name == "count" else name in loaded for name in wanted}
