"""The CronJob: audits by schedule, and the history that they keep in a volume of one node."""

import json
import re

from cluster import NAMESPACE, Cluster, wait
from faults import log_of, seen

KUBELET = "/var/lib/kubelet/config.yaml"
PLACE = "/var/lib/kube-assay-history"
# the volume's node is where the auditor runs then; group and mode of the directory are the kubelet's work (fsGroup)
CLAIM = f"""
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: audits}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  persistentVolumeReclaimPolicy: Retain
  claimRef: {{namespace: {NAMESPACE}, name: audits}}
  local: {{path: {PLACE}}}
  nodeAffinity:
    required: {{nodeSelectorTerms: [{{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [w2]}}]}}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: audits, namespace: {NAMESPACE}}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ""
  volumeName: audits
  resources: {{requests: {{storage: 1Gi}}}}
"""


def jobs(cluster: Cluster) -> list[str]:
    """Jobs that there are, in the order of their times."""
    return sorted(one["metadata"]["name"] for one in cluster.objects("jobs", "-n", NAMESPACE))


def suspend(cluster: Cluster, yes: bool) -> None:
    """No Job by schedule any more, or again."""
    cluster.kubectl("-n", NAMESPACE, "patch", "cronjob", "kube-assay", "--type=merge", "-p", json.dumps({"spec": {"suspend": yes}}))


def runs(cluster: Cluster) -> list[dict]:
    """The runs of the history, oldest first, as the product tells them on the volume's node."""
    told = json.loads(cluster.run("w2", str(cluster.binary), "history", PLACE, "--format", "json"))
    return told["runs"]


def only_change(held, drift: dict, nodes: list[str], change: tuple[str, str, str, list[str]]) -> None:
    """A drift tells this new failure (control, verdict before, after, nodes), and nothing else."""
    found = [(one["id"], moved["before"], moved["after"], [nodes[at] for at in moved["subjects"].get("nodes", [])])
             for one in drift["new_failures"] for moved in one["moved"]]
    held.that(found == [change], f"{change[0]} is the new failure", drift["new_failures"])
    others = {name: told for name, told in drift.items() if isinstance(told, list) and told and name not in ("new_failures", "nodes")}
    held.that(not others, "and nothing else changed", others)


def confined(cluster: Cluster, held, job: str) -> None:
    """What the container of an auditor that ended was given: by the runtime's own record, not by the manifest."""
    pod = cluster.objects("pods", "-n", NAMESPACE, "-l", f"job-name={job}")[0]
    held.that(pod["spec"]["nodeName"] == "w2", "the auditor runs where its history lies", pod["spec"]["nodeName"])
    container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    spec = json.loads(cluster.run("w2", "ctr", "-n", "k8s.io", "containers", "info", container))["Spec"]
    process = spec["process"]
    held.that((process["user"]["uid"], process["user"]["gid"]) == (65532, 65532), "the auditor is not root", process["user"])
    held.that(spec["root"].get("readonly") is True, "its root file system is read-only", spec["root"])
    rights = [name for names in process.get("capabilities", {}).values() for name in names or []]
    held.that(not rights and process.get("noNewPrivileges") is True, "no capability, no new privileges", process.get("capabilities"))
    held.that("seccomp" in spec["linux"], "seccomp", list(spec["linux"]))
    own = {"/history", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/shm", "/dev/termination-log"}
    places = {one["destination"] for one in spec["mounts"] if "rw" in one["options"] and one["type"] == "bind"}
    held.that(places <= own and "/history" in places, "what it may write to is its history", sorted(places))
    policies = {one["metadata"]["name"]: one["spec"] for one in cluster.objects("networkpolicies", "-n", NAMESPACE)}
    held.that(policies.get("nothing-in") == {"podSelector": {}, "policyTypes": ["Ingress"]}, "nothing may come in", policies)


def scheduled(cluster: Cluster, held) -> None:
    """The CronJob audits twice, and between them a worker is changed: the second says exactly that."""
    cluster.run("w2", "sh", "-c", f"rm -rf {PLACE} && mkdir -m 0700 {PLACE}")
    text = cluster.manifests("cronjob", "--schedule", "* * * * *", "--every", "20", "--deadline", "40", "--history", "pvc://audits") + CLAIM
    before = cluster.run("w1", "cat", KUBELET)
    changed = re.sub(r"(anonymous:\s+enabled: )false", r"\1true", before)
    assert changed != before
    cluster.remove(text)
    cluster.kubectl("apply", "-f", "-", stdin=text)
    try:
        first = wait(120, "an audit by schedule", lambda: jobs(cluster))[0]
        suspend(cluster, True)
        audit = cluster.result(first)
        seen(cluster, held, audit, "the first by schedule")
        held.that(audit.code == 0, "the first by schedule ends well", audit.code)
        told = audit.report["history"]
        held.that("previous" not in told and len(told["trend"]) == 1, "the first has none before it", told)
        kept = runs(cluster)
        held.that(len(kept) == 1, "the history holds one run", kept)
        confined(cluster, held, first)

        cluster.run("w1", "tee", KUBELET, stdin=changed)
        cluster.restart("w1")
        said = lambda: cluster.run("w1", "cat", log_of(cluster, "w1")).count("frame/1")  # noqa: E731
        # the next one may have begun before
        enough = said() + 2
        wait(90, "w1 is collected anew", lambda: said() >= enough)
        suspend(cluster, False)
        second = wait(120, "another audit by schedule", lambda: [name for name in jobs(cluster) if name != first])[0]
        suspend(cluster, True)
        audit = cluster.result(second)
        seen(cluster, held, audit, "the second by schedule")
        held.that(audit.code == 0, "the second by schedule ends well", audit.code)

        after = runs(cluster)
        held.that(len(after) == 2 and after[0] == kept[0], "the history has grown by one, and the first is as it was", after)
        told = audit.report["history"]
        held.that(told.get("previous", {}).get("with") == kept[0]["run"], "the second is compared with the first", told)
        drift = told["previous"]["drift"]
        only_change(held, told["previous"]["drift"], [node["name"] for node in audit.report["nodes"]], ("4.2.1", "pass", "fail", ["w1"]))
        held.that("1 new failure" in cluster.run("w2", str(cluster.binary), "history", PLACE), "the history's table says so")
        again = json.loads(cluster.run("w2", str(cluster.binary), "diff", "--history", PLACE, "previous", "latest", "--format", "json"))
        only_change(held, again, again["nodes"], ("4.2.1", "pass", "fail", ["w1"]))
        owners = cluster.run("w2", "find", PLACE, "-type", "f", "-printf", "%U %m\n").split("\n")
        held.that(set(owners) - {""} == {"65532 600"}, "files are the auditor's own", sorted(set(owners)))
    finally:
        cluster.remove(text)
        cluster.run("w1", "tee", KUBELET, stdin=before)
        cluster.restart("w1")
        cluster.run("w2", "rm", "-rf", PLACE)


scheduled.long = True
