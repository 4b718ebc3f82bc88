"""A real cluster of one control-plane node and two workers, with the product's image on each, and what an audit in it says."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from node import Trouble, wait  # of ../node: run puts it on the path

REAL = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kube-assay/k8s/1.36.3"
ASSETS = Path(os.environ.get("K8S_BIN") or os.environ.get("KUBEBUILDER_ASSETS") or CACHE)
NODES = ("cp1", "w1", "w2")
NAMESPACE = "kube-assay"
# every request of the two identities, and nothing else
POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: Metadata, users: ["system:serviceaccount:kube-assay:auditor", "system:serviceaccount:kube-assay:collector"]}
- {level: None}
"""
KUBEADM = """apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 198.51.100.11}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
networking: {{podSubnet: 10.244.0.0/16}}
apiServer:
  extraArgs:
  - {{name: audit-policy-file, value: /etc/audit/policy.yaml}}
  - {{name: audit-log-path, value: /etc/audit/log.jsonl}}
  extraVolumes:
  - {{name: audit, hostPath: {audit}, mountPath: /etc/audit, pathType: Directory}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
evictionHard: {{memory.available: 100Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}}
imageGCHighThresholdPercent: 100
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack: {{maxPerCore: 0}}
"""


class Audit:
    """What one Job came to: its log, its reports, how it ended."""

    def __init__(self, ended: str, log: str, report: dict, reason: int) -> None:
        self.ended, self.log, self.report, self.code = ended, log, report, reason

    def control(self, number: str) -> dict:
        """A control by its id."""
        return next(one for one in self.report["controls"] if one["id"] == number)

    def unseen(self) -> dict[str, tuple[str, str]]:
        """State and reason of the nodes that were not seen."""
        return {one["name"]: (one["state"], one["why"]) for one in self.report["nodes"] if "state" in one}

    def limits(self) -> str:
        """What else was said of the coverage."""
        return "\n".join(self.report["coverage"].get("limits", []))

    def verdicts(self, nodes_apart: bool = False) -> dict[str, str]:
        """Verdict by control."""
        return {one["id"]: one["seen_verdict" if nodes_apart else "verdict"] for one in self.report["controls"]}


class Cluster:
    """The cluster; `on` names the state of one that runs already."""

    def __init__(self, state: Path, binary: Path) -> None:
        self.state, self.binary = state, binary
        self.environment = {**os.environ, "STATE": str(state), "WORKERS": "w1 w2",
                            "KUBEADM_CONFIG": str(state / "kubeadm.yaml")}
        self.audit_log = state / "audit/log.jsonl"

    def up(self) -> None:
        """Brings it up; what an earlier run left behind is taken down first."""
        self.down()
        version = subprocess.run([ASSETS / "kubeadm", "version", "-o", "short"], check=True, text=True,
                                 capture_output=True).stdout.strip()
        shutil.rmtree(self.audit_log.parent, ignore_errors=True)
        self.audit_log.parent.mkdir(parents=True)
        (self.audit_log.parent / "policy.yaml").write_text(POLICY)
        (self.state / "kubeadm.yaml").write_text(KUBEADM.format(version=version, audit=self.audit_log.parent))
        log = self.state / "up.log"
        with log.open("w") as out:
            done = subprocess.run([REAL / "up"], env=self.environment, stdout=out, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise Trouble(f"tests/real/up failed:\n{log.read_text()[-3000:]}")

    def down(self) -> None:
        """Ends it."""
        subprocess.run([REAL / "down"], env=self.environment, check=False)

    def run(self, node: str, *words: str, stdin: str | None = None, fails: bool = False) -> str:
        """Standard output of a command inside a node."""
        done = subprocess.run([REAL / "in", node, *words], env=self.environment, input=stdin, text=True,
                              capture_output=True, check=False)
        if done.returncode and not fails:
            raise Trouble(f"{node}: {' '.join(words[:6])} ... exit {done.returncode}: {(done.stderr or done.stdout)[-800:]}")
        return done.stdout

    def kubectl(self, *words: str, stdin: str | None = None, fails: bool = False) -> str:
        """kubectl as the cluster's administrator."""
        return self.run("cp1", "kubectl", *words, stdin=stdin, fails=fails)

    def objects(self, *words: str) -> list[dict]:
        """Objects of the API."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))["items"]

    def is_static(self) -> bool:
        """Whether the product is linked statically, as its image is when the Dockerfile makes it."""
        return subprocess.run(["ldd", self.binary], capture_output=True, check=False).returncode != 0

    def image(self, *nodes: str, **environment: str) -> None:
        """Packs the image, with an environment of its own, and gives it to nodes (all without any named)."""
        packed = self.state / "image.tar"
        variables = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        subprocess.run([Path(__file__).parent / "image", self.binary, packed, *variables], check=True)
        for node in nodes or NODES:
            self.run(node, "ctr", "-n", "k8s.io", "images", "import", str(packed))

    def manifests(self, *arguments: str) -> str:
        """What the product prints for this cluster."""
        return subprocess.run([self.binary, "manifests", *arguments], check=True, text=True, capture_output=True).stdout

    def remove(self, text: str) -> None:
        """Takes away what was applied, to its end."""
        self.kubectl("delete", "--ignore-not-found", "--wait=true", "-f", "-", stdin=text)

    def start(self, node: str, seconds: float = 60) -> None:
        """Lets a stopped kubelet run again."""
        self.run(node, "rm", "-f", "/run/kubelet.stop")
        wait(seconds, f"{node} is ready", lambda: self.ready(node))

    def stop(self, node: str) -> None:
        """Stops a kubelet, and waits until the control plane has noticed."""
        self.run(node, "touch", "/run/kubelet.stop")
        self.run(node, "pkill", "-x", "kubelet")
        wait(120, f"{node} is not ready", lambda: not self.ready(node))

    def restart(self, node: str) -> None:
        """Starts a kubelet anew."""
        before = self.run(node, "pgrep", "-x", "kubelet")
        self.run(node, "pkill", "-x", "kubelet")
        wait(30, f"{node}: another kubelet",
             lambda: self.run(node, "pgrep", "-x", "kubelet", fails=True) not in ("", before))
        wait(60, f"{node} is ready", lambda: self.ready(node))

    def ready(self, node: str) -> bool:
        """What the API says of a node."""
        status = self.kubectl("get", "node", node, "-o",
                              "jsonpath={.status.conditions[?(@.type=='Ready')].status}", fails=True)
        return status == "True"

    def finished(self, job: str = "kube-assay", seconds: float = 240) -> str:
        """How a Job ended."""
        def ended() -> str:
            kinds = self.kubectl("-n", NAMESPACE, "get", "job", job, "-o", "jsonpath={.status.conditions[*].type}",
                                 fails=True).split()
            return next((kind for kind in kinds if kind in ("Complete", "Failed")), "")
        return wait(seconds, f"job {job} ends", ended)

    def result(self, job: str = "kube-assay") -> Audit:
        """Log and reports of a Job that ended."""
        ended = self.finished(job)
        log = self.kubectl("-n", NAMESPACE, "logs", f"job/{job}")
        out = self.state / "out"
        shutil.rmtree(out, ignore_errors=True)
        done = subprocess.run([self.binary, "unpack", "-o", out], input=log, text=True, capture_output=True, check=False)
        if done.returncode:
            raise Trouble(f"unpack: exit {done.returncode}: {done.stderr}\n{log[:3000]}")
        pods = self.objects("pods", "-n", NAMESPACE, "-l", f"job-name={job}")
        code = pods[0]["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]
        return Audit(ended, log, json.loads((out / "report.json").read_text()), code)

    def audit(self, *arguments: str, change=lambda text: text, remove: bool = True) -> Audit:
        """Applies the Job's manifests, waits, and takes everything away again."""
        text = change(self.manifests("job", *arguments))
        self.remove(text)
        self.kubectl("apply", "-f", "-", stdin=text)
        try:
            return self.result()
        finally:
            if remove:
                self.remove(text)
