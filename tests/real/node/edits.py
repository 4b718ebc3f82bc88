"""Edits of a node, as data, each remembered so that it can be undone to the byte, the mode, the owner and the time.

An edit is a mapping with one key:
  words: {of: COMPONENT, set: {FLAG: VALUE}, drop: [FLAG], append: [WORD], env: {NAME: VALUE}, mount: [DIRECTORY]}
                                        a static pod's manifest
  file: {path:, text: | yaml:, mode: "0600", owner: "0:0"}     a file, its directories made
  replace: {path:, old:, new:}          a text within a file, in place
  mode: {PATH: "0644"}                  owner: {PATH: "1000:0"}
  replace-by-rename: {path:, mode:}     the same content as a new file of that name, as many editors write it
  link: {path:, to:}                    the file moves to `to`, a link to it takes its place
  kubelet: {set: {DOTTED.FIELD: VALUE}, drop: [DOTTED.FIELD]}  the kubelet's config.yaml
  kubelet-arguments: "--x --y"          KUBELET_EXTRA_ARGS
  kubelet-directory: PATH               --config-dir, in the unit's drop-in
  kubelet-unit: {old:, new:}            a text of the unit's drop-in
  append: {path:, text:}                at the end of a file          join: {path:, of: [PATH...]}     files, one after another
  kube-proxy: {set: {DOTTED.FIELD: VALUE}, mount: PATH}   its ConfigMap, a file of the host into its pods; they are made again
  objects: [OBJECT...]                  pods, made through the API and waited for
"""

import os
import shutil
import stat
import time
from pathlib import Path

import yaml

from node import MANIFESTS, Node, wait

KUBELET_CONFIGURATION = "/var/lib/kubelet/config.yaml"
KUBELET_ARGUMENTS = "/etc/default/kubelet"
LIVE = {"objects", "kube-proxy"}      # through the running cluster, after what must restart has restarted
KUBELET_UNIT = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"


class Edits:
    """What was done to a node since the last undo."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.saved: dict[str, tuple | None] = {}
        self.made: list[str] = []
        self.renamed: list[tuple[Path, Path]] = []
        self.live: list = []

    def apply(self, edit: dict) -> None:
        """Does one edit."""
        (kind, given), = edit.items()
        getattr(self, f"_{kind.replace('-', '_')}")(given)

    def undo_live(self) -> None:
        """Takes back what was done through the running cluster; the node must be in order for it."""
        for step in reversed(self.live):
            step()
        self.live = []

    def undo_files(self) -> None:
        """Every file as it was, last things first."""
        for old, place in reversed(self.renamed):
            old.rename(place)
        self.renamed = []
        for path, before in reversed(self.saved.items()):
            self._restore(path, before)
        self.saved = {}
        for directory in reversed(self.made):
            shutil.rmtree(self.node.path(directory))
        self.made = []

    # ---- files -------------------------------------------------------------------------------------------------------

    def _save(self, path: str) -> Path:
        place = self.node.path(path)
        if path in self.saved:
            return place
        try:
            facts = place.lstat()
        except FileNotFoundError:
            self.saved[path] = None
            return place
        content = place.read_bytes() if stat.S_ISREG(facts.st_mode) else None
        self.saved[path] = (content, stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid, facts.st_mtime_ns)
        return place

    def _restore(self, path: str, before: tuple | None) -> None:
        place = self.node.path(path)
        if before is None:
            place.unlink(missing_ok=True)
            return
        content, mode, user, group, modified = before
        if content is not None:
            if place.is_symlink():
                place.unlink()
            if not place.exists() or place.read_bytes() != content:
                self._write(path, content)
        os.chown(place, user, group)
        place.chmod(mode)
        if content is not None:
            os.utime(place, ns=(modified, modified))

    def _write(self, path: str, content: bytes) -> None:
        place = self.node.path(path)
        if path.startswith(f"{MANIFESTS}/"):
            # the kubelet must never read half a manifest
            half = self.node.path(f"/etc/kubernetes/.{place.name}")
            half.write_bytes(content)
            half.chmod(0o600)
            half.rename(place)
        else:
            # in place: a container that has this very file mounted sees it too
            place.write_bytes(content)

    def _file(self, given: dict) -> None:
        path = given["path"]
        missing = [parent for parent in Path(path).parents if not self.node.path(str(parent)).is_dir()]
        for parent in reversed(missing):
            self.node.path(str(parent)).mkdir(mode=0o755)
            self.made.append(str(parent))
        place = self._save(path)
        text = given["text"] if "text" in given else yaml.safe_dump(given["yaml"], sort_keys=False)
        self._write(path, text.encode())
        place.chmod(int(given.get("mode", "0600"), 8))
        self._chown(place, given.get("owner", "0:0"))

    def _replace(self, given: dict) -> None:
        place = self._save(given["path"])
        text = place.read_text()
        if given["old"] not in text:
            raise ValueError(f"{given['path']} holds no {given['old']!r}")
        self._write(given["path"], text.replace(given["old"], given["new"]).encode())

    def _append(self, given: dict) -> None:
        place = self._save(given["path"])
        self._write(given["path"], place.read_bytes() + given["text"].encode())

    def _join(self, given: dict) -> None:
        parts = [self.node.path(path).read_text() for path in given["of"]]
        self._file({"path": given["path"], "text": "".join(parts), "mode": given["mode"]})

    def _mode(self, given: dict) -> None:
        for path, mode in given.items():
            self._save(path).chmod(int(mode, 8))

    def _owner(self, given: dict) -> None:
        for path, owner in given.items():
            self._chown(self._save(path), owner)

    @staticmethod
    def _chown(place: Path, owner: str) -> None:
        user, group = owner.split(":")
        os.chown(place, int(user), int(group))

    def _replace_by_rename(self, given: dict) -> None:
        place = self._save(given["path"])
        other = place.with_name(f".{place.name}.new")
        other.write_bytes(place.read_bytes())
        other.chmod(int(given["mode"], 8))
        old = place.with_name(f".{place.name}.old")
        os.link(place, old)
        other.rename(place)
        # undone by name as well: a process may have the old file mounted
        self.saved.pop(given["path"])
        self.renamed.append((old, place))

    def _link(self, given: dict) -> None:
        place, target = self.node.path(given["path"]), self.node.path(given["to"])
        self._save(given["path"])
        self.saved.setdefault(given["to"], None)
        target.write_bytes(place.read_bytes())
        target.chmod(int(given["mode"], 8))
        place.unlink()
        place.symlink_to(given["to"])

    # ---- components --------------------------------------------------------------------------------------------------

    def _words(self, given: dict) -> None:
        path = f"{MANIFESTS}/{given['of']}.yaml"
        pod = yaml.safe_load(self._save(path).read_text())
        container = pod["spec"]["containers"][0]
        command = container["command"]
        for flag in [*given.get("drop", []), *given.get("set", {})]:
            command[:] = [word for word in command if word.split("=")[0] != f"--{flag}"]
        command += [f"--{flag}={value}" for flag, value in given.get("set", {}).items()]
        command += given.get("append", [])
        for name, value in given.get("env", {}).items():
            container.setdefault("env", []).append({"name": name, "value": value})
        for directory in given.get("mount", []):
            mount_of(pod, directory)
        self._write(path, yaml.safe_dump(pod, sort_keys=False, width=1000).encode())

    def _kubelet(self, given: dict) -> None:
        configuration = yaml.safe_load(self._save(KUBELET_CONFIGURATION).read_text())
        change(configuration, given)
        self._write(KUBELET_CONFIGURATION, yaml.safe_dump(configuration).encode())

    def _kubelet_arguments(self, given: str) -> None:
        text = self._save(KUBELET_ARGUMENTS).read_text().strip().removeprefix("KUBELET_EXTRA_ARGS=").strip("'")
        self._write(KUBELET_ARGUMENTS, f"KUBELET_EXTRA_ARGS='{text} {given}'\n".encode())

    def _kubelet_directory(self, given: str) -> None:
        self._replace({"path": KUBELET_UNIT, "old": "--config=/var/lib/kubelet/config.yaml",
                       "new": f"--config=/var/lib/kubelet/config.yaml --config-dir={given}"})

    def _kubelet_unit(self, given: dict) -> None:
        self._replace({"path": KUBELET_UNIT, **given})

    def _kube_proxy(self, given: dict) -> None:
        before = self._get("configmap"), self._get("daemonset")
        self.live.append(lambda: self._put(*before))
        settings, pods = yaml.safe_load(yaml.safe_dump(list(before)))
        configuration = yaml.safe_load(settings["data"]["config.conf"])
        change(configuration, given)
        settings["data"]["config.conf"] = yaml.safe_dump(configuration)
        if "mount" in given:
            mount_of(pods["spec"]["template"], given["mount"], "File")
        self._put(settings, pods)

    def _objects(self, given: list[dict]) -> None:
        text = "---\n".join(yaml.safe_dump(thing) for thing in given)
        self._kubectl("apply", "-f", "-", stdin=text)
        self.live.append(lambda: self._kubectl("delete", "-f", "-", "--grace-period=1", "--wait=true", stdin=text))
        self._kubectl("wait", "-f", "-", "--for=condition=Ready", "--timeout=60s", stdin=text)

    def _get(self, kind: str) -> dict:
        thing = yaml.safe_load(self._kubectl("-n", "kube-system", "get", kind, "kube-proxy", "-o", "yaml"))
        for key in ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"):
            thing["metadata"].pop(key, None)
        thing.pop("status", None)
        return thing

    def _put(self, settings: dict, pods: dict) -> None:
        """Puts both objects in place and waits for a kube-proxy that started with them."""
        old = self.node.pid("kube-proxy")
        pods["spec"]["template"]["metadata"].setdefault("annotations", {})["assay/started-after"] = str(old)
        for thing in (settings, pods):
            self._kubectl("replace", "-f", "-", stdin=yaml.safe_dump(thing))
        self._kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-proxy", "--timeout=150s")
        wait(60, "a new kube-proxy", lambda: self.node.pid("kube-proxy") not in (0, old))
        self.node.settle({"kube-proxy": old})

    def _kubectl(self, *words: str, stdin: str | None = None) -> str:
        end = time.monotonic() + 30
        while True:
            try:
                return self.node.run("kubectl", *words, stdin=stdin)
            except Exception:
                # the API server has just come up, or its watchers have not
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)


def change(configuration: dict, given: dict) -> None:
    """Sets and drops fields by dotted path."""
    for path, value in given.get("set", {}).items():
        *parents, last = path.split(".")
        place = configuration
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    for path in given.get("drop", []):
        *parents, last = path.split(".")
        place = configuration
        for key in parents:
            place = place.get(key, {})
        place.pop(last, None)


def mount_of(pod: dict, path: str, kind: str = "DirectoryOrCreate") -> None:
    """A path of the host at the same place in the pod's container."""
    name = f"assay-{len(pod['spec'].get('volumes', []))}"
    pod["spec"].setdefault("volumes", []).append({"name": name, "hostPath": {"path": path, "type": kind}})
    mounts = pod["spec"]["containers"][0].setdefault("volumeMounts", [])
    mounts.append({"name": name, "mountPath": path, "readOnly": kind == "File"})
