"""What breaks while an audit runs, and what its coverage and exit code say then."""

import json
import re
import subprocess
import threading
import time

from cluster import NAMESPACE, NODES, REAL, Cluster, wait

KUBELET = "/var/lib/kubelet/config.yaml"
STRICT = ("        - --frames\n        resources:\n          requests: {cpu: 100m", "        - --frames\n        - --min-coverage=80\n        resources:\n          requests: {cpu: 100m")


def strict(text: str) -> str:
    """The auditor ends with 3 when it could not see everything."""
    changed = text.replace(*STRICT)
    assert changed != text
    return changed


def seen(cluster: Cluster, held, audit, what: str) -> None:
    """All three nodes were seen."""
    held.that(audit.report["coverage"]["nodes_seen"] == 3 and audit.ended == "Complete", f"{what}: 3 of 3 nodes are seen",
              (audit.ended, audit.unseen(), audit.limits()))


def log_of(cluster: Cluster, node: str) -> str:
    """Where the log of a node's collector lies on it."""
    pods = cluster.objects("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=collector")
    of_node = next(one["metadata"] for one in pods if one["spec"]["nodeName"] == node)
    return f"/var/log/pods/{NAMESPACE}_{of_node['name']}_{of_node['uid']}/collector/0.log"


def tainted(cluster: Cluster, held) -> None:
    """A node that throws every pod out keeps its collector."""
    cluster.kubectl("taint", "node", "w1", "broken=yes:NoExecute")
    try:
        seen(cluster, held, cluster.audit(), "a NoExecute taint")
    finally:
        cluster.kubectl("taint", "node", "w1", "broken-")


def out_of_memory(cluster: Cluster, held) -> None:
    """Collectors that get too little memory: missing, and that is why; the exit code tells."""
    little = lambda text: strict(text).replace("memory: 16Mi", "memory: 6Mi").replace("memory: 64Mi", "memory: 6Mi")  # noqa: E731
    # a stock node is collected within 4 MiB, less than which no container starts in: there is more to read here
    for node in NODES:
        cluster.run(node, "sh", "-c", "cp -a /etc/passwd /run/passwd && yes '# no account' | head -c 4000000 >> /etc/passwd")
    try:
        audit = cluster.audit("--deadline", "25", change=little)
    finally:
        for node in NODES:
            cluster.run(node, "cp", "-a", "/run/passwd", "/etc/passwd")
    why = {name: why for name, (_, why) in audit.unseen().items()}
    held.that(set(why) == set(NODES) and all(re.search("out of memory|OOM", text) for text in why.values()),
              "every node is missing for want of memory", why)
    held.that(audit.code == 3 and audit.ended == "Failed", "--min-coverage makes it the exit code", (audit.ended, audit.code))


def log_rotated(cluster: Cluster, held) -> None:
    """A node whose kubelet rotates logs as soon as they hold two collections."""
    before = cluster.run("w1", "cat", KUBELET)
    tiny = "\ncontainerLogMaxSize: 12Ki\ncontainerLogMaxFiles: 2\ncontainerLogMonitorInterval: 3s\n"
    cluster.run("w1", "tee", KUBELET, stdin=before + tiny)
    cluster.restart("w1")
    often = lambda text: text.replace("        - --stay\n", "        - --stay\n        - --every=10\n")  # noqa: E731
    text = often(cluster.manifests("job", "--deadline", "90"))
    try:
        cluster.remove(text)
        cluster.kubectl("apply", "-f", "-", stdin=text)
        seen(cluster, held, cluster.result(), "before a log was rotated")
        rotated = lambda: cluster.run("w1", "sh", "-c", f"ls {log_of(cluster, 'w1')}.*", fails=True)  # noqa: E731
        wait(90, "a log is rotated", rotated)
        job = "---" + text.split("---")[-1].replace("  name: kube-assay\n", "  name: second\n", 1)
        cluster.kubectl("apply", "-f", "-", stdin=job)
        seen(cluster, held, cluster.result("second"), "after a log was rotated")
    finally:
        cluster.remove(text)
        cluster.run("w1", "tee", KUBELET, stdin=before)
        cluster.restart("w1")


def at_work(cluster: Cluster, text: str) -> None:
    """Applies a Job and waits until its auditor runs."""
    cluster.remove(text)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    phase = lambda: cluster.kubectl("-n", NAMESPACE, "get", "pods", "-l", "job-name=kube-assay", "-o",  # noqa: E731
                                    "jsonpath={.items[*].status.phase}", fails=True)
    wait(60, "the auditor runs", lambda: phase() in ("Running", "Succeeded"))


def waiting(text: str) -> str:
    """Collectors that begin late, so that the auditor has to wait for them."""
    return text.replace("      nodeSelector: {kubernetes.io/os: linux}\n      tolerations:\n      - {operator: Exists}",
                        "      nodeSelector: {kubernetes.io/os: linux, late: \"no\"}\n      tolerations:\n      - {operator: Exists}")


def api_server_restarted(cluster: Cluster, held) -> None:
    """The API server ends and comes again while the auditor waits for its nodes."""
    text = waiting(cluster.manifests("job", "--deadline", "180"))
    try:
        at_work(cluster, text)
        cluster.run("cp1", "pkill", "-x", "kube-apiserver")
        wait(120, "the API server is back", lambda: cluster.kubectl("label", "node", "--all", "--overwrite", "late=no", fails=True))
        seen(cluster, held, cluster.result(), "an API server that was restarted")
    finally:
        cluster.kubectl("label", "node", "--all", "late-")
        cluster.remove(text)


def etcd_slowed(cluster: Cluster, held) -> None:
    """etcd answers for a third of the time only."""
    over = threading.Event()

    def slow() -> None:
        while not over.is_set():
            cluster.run("cp1", "pkill", "-STOP", "-x", "etcd", fails=True)
            over.wait(1)
            cluster.run("cp1", "pkill", "-CONT", "-x", "etcd", fails=True)
            over.wait(0.5)

    text = cluster.manifests("job", "--deadline", "120")
    cluster.remove(text)
    thread = threading.Thread(target=slow)
    try:
        cluster.kubectl("apply", "-f", "-", stdin=text)
        thread.start()
        cluster.finished()
        over.set()
        thread.join()
        seen(cluster, held, cluster.result(), "a slow etcd")
    finally:
        over.set()
        thread.join()
        cluster.run("cp1", "pkill", "-CONT", "-x", "etcd", fails=True)
        cluster.remove(text)


def frames(cluster: Cluster, where: str, uid: str, root: str = "/", **environment: str) -> str:
    """The log of a collector of pod `uid` that looked at a host's root, as a node's container runtime keeps it."""
    variables = [f"{name}={value}" for name, value in {"KUBE_ASSAY_POD_UID": uid, **environment}.items()]
    printed = cluster.run(where, "env", *variables, str(cluster.binary), "collect", "--host-root", root, "--frames")
    return "".join(f"{time.strftime('%Y-%m-%dT%H:%M:%S.000000000Z', time.gmtime())} stdout F {line}\n" for line in printed.splitlines())


def replayed(cluster: Cluster, held) -> None:
    """Frames that are not of a node's own collector, now, in its log: they count for nothing, and that is said."""
    recorded = cluster.state / "recorded"
    recorded.mkdir(exist_ok=True)
    subprocess.run(["tar", "--zstd", "-xf", REAL.parent / "data/recorded/w1.tar.zst", "-C", recorded], check=True)
    text = strict(cluster.manifests("job"))
    job = "---" + text.split("---")[-1].replace("  name: kube-assay\n", "  name: second\n", 1).replace("--deadline=120", "--deadline=5")
    try:
        # an installation that is gone, and one after it
        logs = []
        for _ in range(2):
            cluster.remove(text)
            cluster.kubectl("apply", "-f", "-", stdin=text)
            whole = cluster.result()
            held.that(whole.code == 0, "with all nodes seen --min-coverage is reached", whole.report["coverage"])
            logs.append(cluster.run("w2", "cat", log_of(cluster, "w2")))
        # after 30 s it is said again, and then not before 120 s: until then its log is what root on its node makes of it
        wait(60, "w2 has said it again", lambda: cluster.run("w2", "cat", log_of(cluster, "w2")).count("frame/1") >= 2)
        own = next(one["metadata"]["uid"] for one in cluster.objects("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=collector")
                   if one["spec"]["nodeName"] == "w2")
        of_pod = ("missing", "its collector's log holds frames of another pod (replayed)")
        forged = {
            "another node": (cluster.run("w1", "cat", log_of(cluster, "w1")), of_pod),
            "an earlier installation": (logs[0], of_pod),
            "another cluster": (frames(cluster, "w2", "5d1c2f0e-0000-4000-8000-000000000001", str(recorded)), of_pod),
            "another cluster, with this pod's UID": (frames(cluster, "w2", own, str(recorded)), (
                "missing", "its evidence is of another machine (machine-id differs from the node's)")),
            "this node an hour ago, with this pod's UID": (frames(cluster, "w2", own, SOURCE_DATE_EPOCH=str(int(time.time()) - 3600)), (
                "stale", "its evidence is older than its collector (replayed)")),
        }
        for what, (log, why) in forged.items():
            cluster.run("w2", "tee", log_of(cluster, "w2"), stdin=log)
            cluster.kubectl("apply", "-f", "-", stdin=job)
            audit = cluster.result("second")
            held.that(audit.unseen() == {"w2": why}, f"frames of {what}: w2 is not seen, and that is why", audit.unseen())
            held.that(audit.code == 3, f"frames of {what}: --min-coverage makes it the exit code", audit.code)
            control = audit.control("4.2.1")
            held.that((control["verdict"], control["seen_verdict"]) == ("unknown", "pass"),
                      f"frames of {what}: the others' verdicts stay", control["groups"])
            cluster.kubectl("delete", "-f", "-", stdin=job)
    finally:
        cluster.remove(text)


def clock_off(cluster: Cluster, held) -> None:
    """A node whose clock is an hour ahead, as its evidence and its lease tell: named, and its evidence is not old or of the future."""
    before = cluster.run("w1", "cat", KUBELET)
    # the kubelet leaves its lease alone for a quarter of an hour, and another hand renews it by the other clock
    cluster.run("w1", "tee", KUBELET, stdin=before + "\nnodeLeaseDurationSeconds: 3600\n")
    cluster.restart("w1")
    over = threading.Event()

    def renew() -> None:
        while not over.is_set():
            then = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() + 3600))
            patch = json.dumps({"spec": {"renewTime": then}})
            cluster.kubectl("-n", "kube-node-lease", "patch", "lease", "w1", "--type=merge", "-p", patch, fails=True)
            over.wait(3)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        cluster.image("w1", SOURCE_DATE_EPOCH=str(int(time.time()) + 3600))
        audit = cluster.audit()
        seen(cluster, held, audit, "a clock that is off")
        held.that(re.search(r"node w1: its clock is about 3[56]\d\d s ahead", audit.limits()), "its clock is named", audit.limits())
    finally:
        over.set()
        thread.join()
        cluster.run("w1", "tee", KUBELET, stdin=before)
        cluster.restart("w1")
        cluster.image("w1")


FAULTS = (tainted, out_of_memory, log_rotated, api_server_restarted, etcd_slowed, replayed, clock_off)
for fault in FAULTS[1:]:
    fault.long = True
