"""What breaks while an audit runs, and what its coverage and exit code say then."""

import json
import re
import threading
import time

from cluster import NAMESPACE, NODES, Cluster, wait

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
    audit = cluster.audit("--deadline", "25", change=little)
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


def replayed(cluster: Cluster, held) -> None:
    """The frames of another node's collector in a node's log: they count for nothing, and that is said."""
    text = strict(cluster.manifests("job"))
    job = "---" + text.split("---")[-1].replace("  name: kube-assay\n", "  name: second\n", 1).replace("--deadline=120", "--deadline=5")
    try:
        cluster.remove(text)
        cluster.kubectl("apply", "-f", "-", stdin=text)
        whole = cluster.result()
        held.that(whole.code == 0, "with all nodes seen --min-coverage is reached", whole.report["coverage"])
        # after 30 s it is said again, and then not before 120 s: until then its log is what root on its node makes of it
        wait(60, "w2 has said it again", lambda: cluster.run("w2", "cat", log_of(cluster, "w2")).count("frame/1") >= 2)
        other = cluster.run("w1", "cat", log_of(cluster, "w1"))
        cluster.run("w2", "tee", log_of(cluster, "w2"), stdin=other)
        cluster.kubectl("apply", "-f", "-", stdin=job)
        audit = cluster.result("second")
        held.that(audit.unseen() == {"w2": ("missing", "its collector's log holds frames of another pod (replayed)")},
                  "w2 is missing, because its log was forged", audit.unseen())
        held.that(audit.code == 3, "--min-coverage makes it the exit code", audit.code)
        control = audit.control("4.2.1")
        held.that((control["verdict"], control["seen_verdict"]) == ("unknown", "pass"), "the others' verdicts stay", control["groups"])
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


def scheduled(cluster: Cluster, held) -> None:
    """The CronJob audits twice, each time what was collected anew."""
    text = cluster.manifests("cronjob", "--schedule", "* * * * *", "--every", "20", "--deadline", "40")
    cluster.remove(text)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    try:
        def done() -> list[str]:
            jobs = cluster.objects("jobs", "-n", NAMESPACE)
            kinds = {one["metadata"]["name"]: [kind["type"] for kind in one.get("status", {}).get("conditions", [])] for one in jobs}
            ended = sorted(name for name, found in kinds.items() if "Complete" in found or "Failed" in found)
            return ended if len(ended) >= 2 else []
        names = wait(240, "two audits by schedule", done)
        audits = [cluster.result(name) for name in names[:2]]
        for audit in audits:
            seen(cluster, held, audit, "by schedule")
        times = [audit.report["nodes"][0]["collected_at"] for audit in audits]
        held.that(times[0] < times[1], "the second rests on newer evidence", times)
    finally:
        cluster.remove(text)


FAULTS = (tainted, out_of_memory, log_rotated, api_server_restarted, etcd_slowed, replayed, clock_off, scheduled)
for fault in FAULTS[1:]:
    fault.long = True
