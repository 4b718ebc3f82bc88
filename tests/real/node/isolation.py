"""A place of its own for the cluster: `up` names its network namespaces and cgroups after the nodes, so a second cluster on
the same machine would be in its way. Here they are names in a network namespace, a /run/netns and a cgroup of this run alone."""

import os
import subprocess
import sys
import time
from pathlib import Path

MARK = "KUBE_ASSAY_ISOLATED"


def enter() -> None:
    """Starts this program again inside new network and mount namespaces; returns only there."""
    if os.geteuid() != 0:
        sys.exit("run: needs root: a node is made of namespaces, mounts and cgroups")
    if os.environ.get(MARK) != "1":
        os.environ[MARK] = "1"
        os.execvp("unshare", ["unshare", "--net", "--mount", sys.executable, *sys.argv])
    os.makedirs("/run/netns", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Cgroups:
    """A cgroup of this run in every version 1 hierarchy; with version 2 alone `up` makes none, and neither does this."""

    def __init__(self) -> None:
        self.made: list[tuple[Path, Path]] = []
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controller, path = line.split(":", 2)
            if not controller:
                continue
            before = Path("/sys/fs/cgroup", controller.removeprefix("name="), path.strip("/"))
            own = before / f"kube-assay-{os.getpid()}"
            if not before.is_dir() or own.exists():
                continue
            for left in before.glob("kube-assay-*"):        # of a run that was killed
                if not Path("/proc", left.name.rpartition("-")[2]).exists():
                    try:
                        left.rmdir()
                    except OSError:
                        continue
            own.mkdir()
            if controller == "cpuset":
                for name in ("cpuset.cpus", "cpuset.mems"):
                    (own / name).write_text((before / name).read_text())
            (own / "cgroup.procs").write_text(str(os.getpid()))
            self.made.append((before, own))

    def leave(self) -> None:
        """Back to where this process came from; the empty groups are removed."""
        for before, own in reversed(self.made):
            (before / "cgroup.procs").write_text(str(os.getpid()))
            for _ in range(50):
                try:
                    own.rmdir()
                    break
                except OSError:
                    time.sleep(0.1)
