"""`kube-assay run` in the real cluster: reports come home, and the objects are those of before, also when it is interrupted."""

import json
import shutil
import subprocess

from cluster import REAL, Cluster, wait

# what the cluster itself makes anew all the time
OWN = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses")
COMMAND = ("run", "--kubeconfig", "/etc/kubernetes/admin.conf", "--yes", "--deadline", "60")


def objects(cluster: Cluster) -> set[str]:
    """Kind, namespace, name and UID of everything that the API lists."""
    names = [name for name in cluster.kubectl("api-resources", "--verbs=list", "-o", "name").split() if name not in OWN]
    listed = json.loads(cluster.kubectl("get", ",".join(names), "-A", "-o", "json"))["items"]
    return {" ".join((one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"], one["metadata"]["uid"]))
            for one in listed}


def interrupted(cluster: Cluster, at: str) -> tuple[int, str]:
    """A run that gets SIGINT as soon as it says a line that begins so: exit code and what it said."""
    child = subprocess.Popen([REAL / "in", "cp1", cluster.binary, *COMMAND], env=cluster.environment, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = []
    for line in child.stderr:
        said.append(line)
        if line.startswith(at):
            # nsenter does not hand signals on
            cluster.run("cp1", "pkill", "-INT", "-f", f"^{cluster.binary} {COMMAND[0]} ")
            break
    said.append(child.stderr.read())
    return child.wait(), "".join(said)


def one_off(cluster: Cluster, held, steps=(9,), later=("the auditor is at work",)) -> None:
    """A whole run, then interrupted ones."""
    before = objects(cluster)
    out = cluster.state / "one-off"
    shutil.rmtree(out, ignore_errors=True)
    done = subprocess.run([REAL / "in", "cp1", cluster.binary, *COMMAND, "-o", out], env=cluster.environment, text=True,
                          capture_output=True, check=False)
    held.that(done.returncode == 0, "run ends well", (done.returncode, done.stderr[-500:]))
    held.that("3 of 3 nodes" in done.stdout, "the text comes home", done.stdout[:300])
    report = json.loads((out / "report.json").read_text()) if (out / "report.json").exists() else {"coverage": {}}
    held.that(report["coverage"].get("nodes_seen") == 3, "3 of 3 nodes", report["coverage"])
    held.that((out / "report.html").exists(), "the page too", list(out.glob("*")))
    held.that(all(f"{node}: its collector runs" in done.stderr for node in ("cp1", "w1", "w2")), "node by node", done.stderr)
    held.that(objects(cluster) == before, "nothing stays", sorted(objects(cluster) ^ before)[:5])
    created = [line.strip() for line in done.stderr.splitlines() if line.startswith("created ")]
    held.that(len(created) > 15, "what is created is said", created)
    points = [*(created[at] for at in steps), *later]
    for point in points:
        code, said = interrupted(cluster, point)
        held.that(code in (0, 3) if point.startswith("the auditor is") else code == 3, f"interrupted at {point}", (code, said[-400:]))
        if "--remove" in said:
            again = [REAL / "in", "cp1", cluster.binary, *COMMAND[:4], "--remove"]
            subprocess.run(again, env=cluster.environment, check=False, capture_output=True)
            wait(60, "the namespace is gone", lambda: not cluster.kubectl("get", "namespace", "kube-assay", "--ignore-not-found"))
        after = objects(cluster)
        held.that(after == before, f"nothing stays of a run that was interrupted at {point}", sorted(after ^ before)[:5])


def one_off_everywhere(cluster: Cluster, held) -> None:
    """Interrupted at each of its steps."""
    count = cluster.manifests("job").count("\n---\n") + 1
    one_off(cluster, held, range(count), ("the auditor is at work", "removed Namespace"))


one_off_everywhere.long = True
