"""One real node: brought up, looked at, restarted piece by piece, audited from inside and from outside, taken down."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import yaml

REAL = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "kube-assay/k8s/1.36.3"
ASSETS = Path(os.environ.get("EXTRA_BIN") or os.environ.get("K8S_BIN") or os.environ.get("KUBEBUILDER_ASSETS") or CACHE)
STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
COMPONENTS = (*STATIC, "kubelet", "kube-proxy")
# where each one listens when it serves
PORTS = {"etcd": 2381, "kube-apiserver": 6443, "kube-controller-manager": 10257, "kube-scheduler": 10259,
         "kubelet": 10250, "kube-proxy": 10249}
MANIFESTS = "/etc/kubernetes/manifests"
BENCHMARKS = ("cis-1.12", "cis-1.11", "cis-2.0", "cis-2.1")


class Trouble(Exception):
    """Something of the node did not come about; what was tried is in the message."""


def wait(seconds: float, what: str, condition):
    """The first true value of `condition`."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Trouble(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)


class Node:
    """The control-plane node cp1 of a cluster of its own."""

    def __init__(self, state: Path, binary: Path) -> None:
        self.state = state
        self.binary = binary
        self.environment = {**os.environ, "STATE": str(state), "WORKERS": ""}
        self.init = 0
        self.network = ""

    # ---- its life ----------------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Brings it up; what an earlier run left behind is taken down first."""
        self.down()
        log = self.state / "up.log"
        with log.open("w") as out:
            done = subprocess.run([REAL / "up"], env=self.environment, stdout=out, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise Trouble(f"tests/real/up failed:\n{log.read_text()[-3000:]}")
        self.attach()
        shutil.copy(self.binary, self.path("/usr/local/bin/kube-assay"))
        # a program that waits, whatever its words, for pods that only look like something
        shutil.copy(ASSETS / "pause/pause", self.path("/usr/local/bin/pause-for-assay"))
        self.settle({})

    def attach(self) -> None:
        """Finds the node's first process."""
        self.init = int((self.state / "cp1/pid").read_text())
        self.network = os.readlink(f"/proc/{self.init}/ns/net")

    def down(self) -> None:
        """Ends it and what belongs to it; images stay for the next time."""
        subprocess.run([REAL / "down"], env=self.environment, check=False)

    # ---- looking at it -----------------------------------------------------------------------------------------------

    def path(self, path: str) -> Path:
        """A path of the node as this process reaches it."""
        return Path(f"/proc/{self.init}/root{path}")

    def run(self, *words: str, stdin: str | None = None, fails: bool = False) -> str:
        """Standard output of a command inside the node."""
        done = subprocess.run([REAL / "in", "cp1", *words], env=self.environment, input=stdin, text=True,
                              capture_output=True, check=False)
        if done.returncode and not fails:
            raise Trouble(f"{' '.join(words[:6])} ... exit {done.returncode}: {(done.stderr or done.stdout)[-800:]}")
        return done.stdout

    def processes(self) -> dict[str, list[int]]:
        """Pids by component: what has its executable and the node's own network (a tenant has another)."""
        found: dict[str, list[int]] = {}
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                name = os.path.basename(os.readlink(f"/proc/{entry}/exe"))
                if name in COMPONENTS and os.readlink(f"/proc/{entry}/ns/net") == self.network:
                    found.setdefault(name, []).append(int(entry))
            except OSError:
                continue
        return found

    def pid(self, component: str) -> int:
        """The one process of a component; 0 when there is none, or not one."""
        pids = self.processes().get(component, [])
        return pids[0] if len(pids) == 1 else 0

    @staticmethod
    def words(pid: int) -> list[str]:
        """Its command line."""
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        except OSError:
            return []

    @staticmethod
    def age(pid: int) -> float:
        """Seconds since it started."""
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")

    def listening(self) -> set[int]:
        """TCP ports that somebody listens on in the node's network."""
        ports = set()
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{self.init}/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    ports.add(int(fields[1].rsplit(":", 1)[1], 16))
        return ports

    # ---- changing what runs ------------------------------------------------------------------------------------------

    def end(self, pid: int, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends one recorded process and waits until it is gone."""
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return
        gone = lambda: not Path(f"/proc/{pid}/cmdline").exists() or not self.words(pid)  # noqa: E731
        wait(40, f"the end of pid {pid}", gone)

    def settle(self, old: dict[str, int], ignored: list[str] = (), seconds: float = 90) -> None:
        """Waits until every component runs once, not as the pid in `old`, with its manifest's words, and listens."""
        wanted = {name: self.manifest_words(name) for name in STATIC}

        def pending() -> list[str]:
            running, ports = self.processes(), self.listening()
            waiting = []
            for name in (name for name in COMPONENTS if name not in ignored):
                pids = running.get(name, [])
                if len(pids) != 1:
                    waiting.append(f"{name} runs {len(pids)} times")
                elif pids[0] == old.get(name):
                    waiting.append(f"{name} has not been restarted")
                elif name in wanted and self.words(pids[0]) != wanted[name]:
                    waiting.append(f"{name} runs with other words")
                elif PORTS[name] not in ports:
                    waiting.append(f"{name} does not listen")
            return waiting

        end = time.monotonic() + seconds
        while waiting := pending():
            if time.monotonic() > end:
                raise Trouble(f"the node did not settle in {seconds:.0f} s: {'; '.join(waiting)}\n{self.tail()}")
            time.sleep(0.1)

    def manifest_words(self, component: str) -> list[str]:
        """The command line that a static pod's manifest asks for."""
        pod = yaml.safe_load(self.path(f"{MANIFESTS}/{component}.yaml").read_text())
        container = pod["spec"]["containers"][0]
        return [*container.get("command", []), *container.get("args", [])]

    def tail(self) -> str:
        """Last words of the kubelet and of the static pods, for an error's message."""
        texts = [f"kubelet: {self.run('tail', '-3', '/var/log/kubelet.log', fails=True)}"]
        for name in STATIC:
            command = f"tail -qn2 $(ls -t /var/log/pods/kube-system_{name}-cp1_*/*/*.log | head -1)"
            texts.append(f"{name}: {self.run('sh', '-c', command, fails=True)}")
        return "\n".join(texts)[:4000]

    def restart(self, components: set[str], change, ignored: list[str] = ()) -> None:
        """Does `change` while the kubelet is down and what has to change is ended; the node's loop starts the kubelet
        again, and that starts the static pods. Waiting for the kubelet to notice alone takes 15 to 40 s a time, because
        the API server waits for its watchers before it ends. With etcd the API server is restarted too: one that hangs
        without etcd holds a starting kubelet up for a minute, one that is not there does not."""
        if "etcd" in components:
            components = {*components, "kube-apiserver"}
        old = {name: self.pid(name) for name in (*components, "kubelet")}
        missing = [name for name, pid in old.items() if not pid and name not in ignored]
        if missing:
            raise Trouble(f"not running once each: {missing}")
        stop = self.path("/run/kubelet.stop")
        stop.touch()
        self.end(old["kubelet"], signal.SIGTERM)
        change()
        for name in components - {"kubelet"}:
            if old[name]:
                self.end(old[name])
        stop.unlink()
        self.settle(old, ignored)

    def let_restart(self, components: set[str], change, ignored: list[str] = ()) -> None:
        """Does `change` and leaves the rest to the kubelet, as an administrator would."""
        old = {name: self.pid(name) for name in components}
        change()
        self.settle(old, ignored)

    # ---- audits ------------------------------------------------------------------------------------------------------

    def audit(self, outside: bool = False, before: tuple[str, ...] = ()) -> dict[str, dict]:
        """Reports by benchmark. `outside`: through the node's root as a collector sees it; `before`: words that start the
        auditor with less than it has (inside only)."""
        options = ["audit", "--quiet", "--format", "json"]
        for benchmark in BENCHMARKS:
            options += ["--benchmark", benchmark]
        out = self.state / ("outside" if outside else "inside")
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(mode=0o777)
        out.chmod(0o777)
        if outside:
            words = [str(self.binary), *options, "--host-root", f"/proc/{self.init}/root", "--output", str(out)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Trouble(f"the audit from outside: exit {done.returncode}: {done.stderr}")
        else:
            # with a kubeconfig at hand it would ask the API instead of looking at this host
            words = ["env", "-u", "KUBECONFIG", "/usr/local/bin/kube-assay", *options, "--output", str(out)]
            self.run(*before, *words)
        return {benchmark: json.loads((out / f"report-{benchmark}.json").read_text()) for benchmark in BENCHMARKS}

    def effective_kubelet(self) -> dict:
        """The kubelet's effective settings, as the product merges them for the version that runs."""
        version = ".".join(self.run("/usr/bin/kubelet", "--version").split()[-1].lstrip("v").split(".")[:2])
        text = self.run("env", "-u", "KUBECONFIG", "/usr/local/bin/kube-assay", "effective", "kubelet", "--format", "json",
                        "--kubernetes-version", f"kubelet={version}")
        return json.loads(text)[0]["settings"]
