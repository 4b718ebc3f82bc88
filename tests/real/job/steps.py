"""What is done to the cluster, and what the audit must say of it."""

import json
import re
import subprocess

from cluster import NAMESPACE, NODES, REAL, Cluster, wait
from faults import FAULTS
from one_off import one_off, one_off_everywhere
from schedule import only_change, scheduled

# leftover tokens: RBAC cannot grant the names of Secrets without their content, so nothing that is shipped asks for them
NEEDS_SECRETS = {"3.1.2", "3.1.3"}
PTRACE = ("--add-capability", "SYS_PTRACE")
READS = ("get", "list")


class Held:
    """What was held, and what differs."""

    def __init__(self) -> None:
        self.count, self.differences = 0, []

    def that(self, true: bool, what: str, found="") -> None:
        """Notes that something is so, or what is found instead."""
        self.count += 1
        if not true:
            self.differences.append(f"{what}: {str(found)[:600]}")


def stock(cluster: Cluster, held: Held) -> None:
    """Three of three nodes, and what stays unknown is what the manifest says stays unknown."""
    audit = cluster.audit(remove=False)
    report = audit.report
    held.that(audit.ended == "Complete" and audit.code == 0, "the Job completes", (audit.ended, audit.code))
    seen = (report["coverage"]["nodes_seen"], report["coverage"]["nodes_expected"])
    held.that(seen == (3, 3), "3 of 3 nodes are seen", (seen, audit.unseen(), audit.limits()))
    roles = {node["name"]: node["roles"] for node in report["nodes"]}
    held.that(roles == {"cp1": ["control-plane", "etcd"], "w1": ["worker"], "w2": ["worker"]}, "roles", roles)
    text = audit.log.split("kube-assay/frame/")[0]
    held.that("3 of 3 nodes" in text, "the text says so", text[:500])
    unknown = [(one["id"], one["groups"][0]["found"]) for one in report["controls"] if one["verdict"] == "unknown"]
    others = {number for number, found in unknown if "the environment of" not in found}
    held.that(others == NEEDS_SECRETS, "else unknown is only what rests on an environment", unknown)
    told = re.search(r"node (\d+) controls more", (REAL.parent.parent / "docs/running.md").read_text())[1]
    held.that(len(unknown) - len(others) == int(told), f"and that is as many as the documentation says, {told}", unknown)


def isolation(cluster: Cluster, held: Held) -> None:
    """What is in force in the collectors of the step before."""
    for node in NODES:
        pids = cluster.run(node, "pgrep", "-f", "collect --host-root").split()
        held.that(len(pids) == 1, f"{node}: one collector stays", pids)
        status = dict(line.split(":\t", 1) for line in
                      cluster.run(node, "cat", f"/proc/{pids[0]}/status").splitlines() if ":\t" in line)
        held.that(status["Uid"].split()[0] == "0", f"{node}: uid", status["Uid"])
        held.that(int(status["CapEff"], 16) == 0, f"{node}: no capability", status["CapEff"])
        held.that(status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", f"{node}: seccomp, no new privileges", status)
        mounts = [line.split()[4:6] for line in cluster.run(node, "cat", f"/proc/{pids[0]}/mountinfo").splitlines()]
        options = {place: words.split(",") for place, words in mounts}
        held.that("ro" in options["/"] and "ro" in options["/host"], f"{node}: root and host are read-only", mounts[:4])
        # through the collector's own mounts, with all rights of the node's root
        tried = cluster.run(node, "sh", "-c", f"touch /proc/{pids[0]}/root/host/kube-assay-wrote; echo $?").strip()
        held.that(tried == "1", f"{node}: a write below the host's mount fails", tried)
        if "ro" not in options.get("/host/proc", ["rw"]):
            print(f"{node}: the container runtime here ignores recursiveReadOnly: file systems mounted below the host's root stay writable",
                  flush=True)
        held.that("/var/run/secrets/kubernetes.io/serviceaccount" not in options, f"{node}: no token", list(options))
        resident = int(status["VmRSS"].split()[0])
        # a static build; one that is linked with shared libraries maps those too
        most = 4096 if cluster.is_static() else 8192
        held.that(resident <= most, f"{node}: an idle collector takes at most {most // 1024} MiB", f"{resident} KiB")
    # a write into the host's root fails, whoever asks
    pod = cluster.objects("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=collector")[0]
    held.that(pod["spec"]["priority"] == 0 and pod["spec"]["preemptionPolicy"] == "Never", "priority", pod["spec"])
    namespace = json.loads(cluster.kubectl("get", "namespace", NAMESPACE, "-o", "json"))
    held.that(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged", "labels", namespace)


def identity(cluster: Cluster, held: Held) -> None:
    """The API server's own log: the auditor read and wrote nothing, was refused nothing, and collectors asked nothing."""
    # lists that the server is slow to log
    requests = wait(10, "requests in the audit log", lambda: [
        json.loads(line) for line in cluster.audit_log.read_text().splitlines()])
    of = {name: [one for one in requests if one["user"]["username"].endswith(f":{name}")]
          for name in ("auditor", "collector")}
    held.that(len(of["auditor"]) > 30, "the auditor asked", len(of["auditor"]))
    held.that(not of["collector"], "collectors ask nothing", of["collector"][:1])
    writes = [one for one in of["auditor"] if one["verb"] not in READS]
    # what an identity asks of its own rights leaves nothing behind
    writes = [one for one in writes if not one["requestURI"].startswith("/apis/authorization.k8s.io/v1/selfsubject")]
    held.that(not writes, "nothing is written", [(one["verb"], one["requestURI"]) for one in writes])
    refused = {one["requestURI"] for one in of["auditor"] if one["responseStatus"]["code"] in (401, 403)}
    # not granted: what they tell of the API server, its node tells too
    refused -= {"/metrics", "/flagz"}
    held.that(not refused, "nothing is refused that is asked for", sorted(refused)[:5])
    account = "system:serviceaccount:kube-assay:auditor"
    able = cluster.kubectl("auth", "can-i", "--list", "--as", account, "-n", NAMESPACE)
    wrong = [line for line in able.splitlines()[1:] if line.split("[")[-1].rstrip("] ").split() not in
             (["get"], ["list"], ["get", "list"], ["list", "get"], ["create"])]
    held.that(not wrong, "rights are to read", wrong)
    creates = [line.split()[0] for line in able.splitlines()[1:] if "[create]" in line]
    held.that(all(name.startswith("self") for name in creates), "what may be created are self-reviews", creates)
    for words in (("get", "secrets"), ("create", "pods"), ("get", "nodes/proxy"), ("create", "pods/exec")):
        said = cluster.kubectl("auth", "can-i", *words, "--as", account, "-A", fails=True).strip()
        held.that(said == "no", f"the auditor may not {' '.join(words)}", said)


def every_control(cluster: Cluster, held: Held) -> None:
    """With SYS_PTRACE every control is decided, and a node that differs is the outlier."""
    place = "/var/lib/kubelet/config.yaml"
    before = cluster.run("w2", "cat", place)
    cluster.run("w2", "tee", place, stdin=before + "\nreadOnlyPort: 10255\n")
    cluster.restart("w2")
    try:
        audit = cluster.audit(*PTRACE)
        unknown = [(one["id"], one["groups"][0]["found"]) for one in audit.report["controls"]
                   if one["verdict"] == "unknown"]
        held.that({number for number, _ in unknown} == NEEDS_SECRETS, "every control is decided but what needs Secrets", unknown)
        control = audit.control("4.2.4")
        nodes = [node["name"] for node in audit.report["nodes"]]
        groups = {group["verdict"]: [nodes[at] for at in group["subjects"].get("nodes", [])] or
                  group["subjects"].get("all_except") for group in control["groups"]}
        held.that(control["verdict"] == "fail" and groups.get("fail") == ["w2"], "w2 is the outlier", control["groups"])
        others = [group for group in control["groups"] if group["verdict"] == "pass"]
        held.that(sum(group["count"] for group in others) == 2, "the other two pass", control["groups"])
    finally:
        cluster.run("w2", "tee", place, stdin=before)
        cluster.restart("w2")


def right_removed(cluster: Cluster, held: Held) -> None:
    """A rule that is taken away costs the controls that it names, and nothing else."""
    whole = cluster.audit()
    audit = cluster.audit(change=lambda text: text.replace("resources: [networkpolicies]", "resources: [nothing]"))
    changed = {number for number, verdict in audit.verdicts().items() if verdict != whole.verdicts()[number]}
    held.that(changed == {"5.3.2"} and audit.control("5.3.2")["verdict"] == "unknown", "5.3.2 alone is unknown", changed)
    logs = cluster.audit("--deadline", "10", change=lambda text: text.replace("pods/log", "pods/nothing"))
    held.that({why for _, why in logs.unseen().values()} ==
              {"its collector's log cannot be read: needs get on pods/log in the collectors' namespace"},
              "without pods/log no node is seen, and that is why", logs.unseen())
    held.that(logs.report["coverage"]["nodes_seen"] == 0, "0 of 3", logs.report["coverage"]["nodes_seen"])


def image_missing(cluster: Cluster, held: Held) -> None:
    """A node that cannot have the image is missing, with the reason; the others' verdicts stay."""
    names = [line for line in cluster.run("w1", "ctr", "-n", "k8s.io", "images", "ls", "-q").split() if "kube-assay" in line]
    for name in names:
        cluster.run("w1", "ctr", "-n", "k8s.io", "images", "rm", name)
    try:
        pinned = lambda text: text.replace("      automountServiceAccountToken: true\n",  # noqa: E731
                                           "      automountServiceAccountToken: true\n      nodeName: w2\n")
        audit = cluster.audit("--deadline", "12", change=pinned)
        held.that(audit.unseen().get("w1", ("", ""))[0] == "missing" and list(audit.unseen()) == ["w1"], "w1 is missing",
                  audit.unseen())
        held.that("image cannot be had" in audit.unseen().get("w1", ("", ""))[1], "because of its image", audit.unseen())
        held.that("image cannot be had" in audit.log, "the text says why", audit.log[:200])
        control = audit.control("4.2.1")
        held.that((control["verdict"], control["seen_verdict"]) == ("unknown", "pass"), "4.2.1 passes where it was seen",
                  control["groups"])
    finally:
        cluster.image()


def look_alike(cluster: Cluster, held: Held) -> None:
    """Pods that print frames and only look like collectors: named, and their frames count for nothing."""
    image = cluster.manifests("job").split("image: ")[1].split("\n")[0]
    pod = f"""apiVersion: v1
kind: Pod
metadata: {{name: collector-0000a, namespace: {NAMESPACE}}}
spec:
  nodeName: w1
  automountServiceAccountToken: false
  containers:
  - {{name: collector, image: "{image}", args: [collect, --frames, --stay, --host-root=/]}}
"""
    audit = cluster.audit(change=lambda text: pod.replace("apiVersion", text.split("---")[0] + "---\napiVersion", 1)
                          + "---\n" + text)
    held.that("collector-0000a calls itself a collector" in audit.limits(), "the pod is named", audit.limits())
    held.that(audit.report["coverage"]["nodes_seen"] == 3, "3 of 3 nodes", audit.unseen())


def kubelet_stopped(cluster: Cluster, held: Held) -> None:
    """A node whose kubelet stopped is missing, because of that."""
    cluster.stop("w1")
    try:
        pinned = lambda text: text.replace("      automountServiceAccountToken: true\n",  # noqa: E731
                                           "      automountServiceAccountToken: true\n      nodeName: w2\n")
        audit = cluster.audit("--deadline", "10", change=pinned, remove=False)
        state, why = audit.unseen().get("w1", ("", ""))
        held.that(state == "missing" and why.startswith("the node is not ready: its kubelet does not report any more"),
                  "w1 is missing because of its kubelet", audit.unseen())
        held.that(audit.report["coverage"]["nodes_seen"] == 2, "2 of 3", audit.report["coverage"]["nodes_seen"])
    finally:
        cluster.start("w1")
        cluster.remove(cluster.manifests("job"))


def two_at_once(cluster: Cluster, held: Held) -> None:
    """Two auditors read the same collectors and say the same."""
    text = cluster.manifests("job")
    job = "---".join(text.split("---")[-1:]).replace("  name: kube-assay\n", "  name: second\n", 1)
    cluster.remove(text)
    cluster.kubectl("apply", "-f", "-", stdin=text + "---" + job)
    try:
        first, second = cluster.result(), cluster.result("second")
        held.that(first.verdicts() == second.verdicts(), "both say the same", "")
        held.that(second.report["coverage"]["nodes_seen"] == 3, "3 of 3", second.unseen())
    finally:
        cluster.remove(text + "---" + job)


def footprint(cluster: Cluster, held: Held) -> None:
    """What installing changes in an audit: the published list (docs/in-cluster.md), and nothing else."""
    def asked() -> dict[str, tuple]:
        report = json.loads(cluster.run("cp1", str(cluster.binary), "audit", "--kubeconfig",
                                        "/etc/kubernetes/admin.conf", "--format", "json", "-q"))
        def told(one: dict, text: str) -> str:
            # how many events the API server has logged so far
            return re.sub(r"\d+", "N", text) if one["section"].startswith("3.2") else text
        return {one["id"]: (one["verdict"], [(told(one, group["found"]), group.get("offenders")) for group in one["groups"]])
                for one in report["controls"]}
    text = cluster.manifests("job", "--deadline", "10")
    cluster.remove(text)
    before = asked()
    cluster.kubectl("apply", "-f", "-", stdin=text)
    try:
        report = cluster.result().report
        after = asked()
    finally:
        cluster.remove(text)
    changed = {number for number in before if before[number] != after[number]}
    held.that(changed == FOOTPRINT, "installing changes the published list", sorted(changed ^ FOOTPRINT))
    known = {(one["what"], one["found"]) for number in before for _, list_ in before[number][1] for one in list_ or []}
    new = [one for control in report["controls"] if control["id"] in FOOTPRINT for group in control["groups"]
           for one in group.get("offenders", []) if (one["what"], one["found"]) not in known]
    held.that(new and all(one.get("own") for one in new), "what is new in them is marked as its own", new)
    marked = {one["what"].split(":")[0] for control in report["controls"] for group in control["groups"]
              for one in group.get("offenders", []) if one.get("own")}
    held.that(marked == {f"{NAMESPACE}/DaemonSet collector", f"namespace {NAMESPACE}"}, "and nothing else is", marked)
    worse = {number for number in changed if after[number][0] == "fail" and before[number][0] != "fail"}
    held.that(worse == {"5.2.1", "5.2.7", "5.2.11"}, "and makes three controls fail on a stock cluster", sorted(worse))


def drift(cluster: Cluster, held: Held) -> None:
    """A setting changed on one node between two audits: exactly that is told."""
    place = "/var/lib/kubelet/config.yaml"
    first = cluster.state / "first.json"
    first.write_text(json.dumps(cluster.audit(*PTRACE).report))
    before = cluster.run("w1", "cat", place)
    cluster.run("w1", "tee", place, stdin=before + "\nreadOnlyPort: 10255\n")
    cluster.restart("w1")
    try:
        second = cluster.state / "second.json"
        second.write_text(json.dumps(cluster.audit(*PTRACE).report))
    finally:
        cluster.run("w1", "tee", place, stdin=before)
        cluster.restart("w1")
    told = json.loads(subprocess.run([cluster.binary, "diff", "--format", "json", first, second], check=True, text=True,
                                     capture_output=True).stdout)
    only_change(held, told, told["nodes"], ("4.2.4", "pass", "fail", ["w1"]))


def published() -> set[str]:
    """The controls that the documentation says an installation changes."""
    text = (REAL.parent.parent / "docs/in-cluster.md").read_text().split("| control | why |")[1].split("\n\n")[0]
    numbers = set()
    for first, last in re.findall(r"\b(5\.\d+\.\d+)(?: to (5\.\d+\.\d+))?", "\n".join(line.split("|")[1] for line in text.splitlines() if "|" in line)):
        section, start = first.rsplit(".", 1)
        numbers |= {f"{section}.{at}" for at in range(int(start), int((last or first).rsplit(".", 1)[1]) + 1)}
    return numbers


FOOTPRINT = published()

# a sample of them is what CI has time for
for step in (right_removed, image_missing, look_alike, kubelet_stopped, two_at_once, drift):
    step.long = True

STEPS = (stock, isolation, identity, every_control, one_off, right_removed, image_missing, look_alike, kubelet_stopped, two_at_once,
         footprint, drift, *FAULTS, scheduled, one_off_everywhere)
