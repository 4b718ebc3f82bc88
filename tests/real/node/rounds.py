"""Rounds of misconfigurations: edits of one round are made together, touch different controls, and are undone together.

A round is a mapping (rounds/*.yaml, a list of them a file):
  round: its name                       sample: true where the short run takes it too
  restart: quick | by-the-kubelet | none          default quick; see Node.restart and Node.let_restart
  kubelet: stopped                      with `none`: the kubelet is held still meanwhile, so that it restarts nothing
  also-restart: [COMPONENT]             where only a file that it reads was edited
  misconfigurations: [{what:, edit: [...], flips: {CONTROL: VERDICT}}]      no flips: proven to change nothing
  shows: {CONTROL: TEXT}                must stand in what the report found there; also `notes` of the node, `tenants` listed
  really: [{PROBE: WANTED}]             what the running component itself says, see probes.py
  excused: [COMPONENT]                  cannot work meanwhile; what depends on it is not compared
  auditor: [WORD...]                    what the auditor is started with (it has less rights); inside only
  then: [...]                           further stages, with the edits of the earlier ones still there; `flips` are the
                                        round's and all of this stage's, `baseline` for what is as at first again
A control is one of cis-1.12, or `4.1.11 of cis-2.1`.
"""

import os
import re
import signal
import time
from pathlib import Path

import yaml

import probes
from edits import LIVE, Edits
from node import COMPONENTS, Node, wait

CONTROLS_OF = {"kube-controller-manager": ("1.3.", "1.1.17", "1.1.18"), "kube-scheduler": ("1.4.", "1.1.15", "1.1.16"),
               "kube-proxy": ("4.3.", "4.1.3", "4.1.4")}


def load(directory: Path) -> list[dict]:
    """All rounds, files in the order of their names."""
    return [one for file in sorted(directory.glob("*.yaml")) for one in yaml.safe_load(file.read_text())]


class Expected:
    """The verdicts of a stock node."""

    def __init__(self, file: Path) -> None:
        given = yaml.safe_load(file.read_text())
        self.kubernetes = given["kubernetes"]
        self.really = given["really"]
        self.controls = {str(control): one for control, one in given["controls"].items()}
        self.by_check = {one["check"]: one for one in self.controls.values()}
        self.elsewhere = {f"{control} of {benchmark}": one for benchmark, controls in given["elsewhere"].items()
                          for control, one in controls.items()}
        self.all = {**self.controls, **self.elsewhere}


class Comparison:
    """Counts what was compared, and keeps what differed."""

    def __init__(self) -> None:
        self.compared = 0
        self.differences: list[str] = []

    def same(self, where: str, what: str, found, wanted) -> None:
        """One comparison."""
        self.compared += 1
        if found != wanted:
            self.differences.append(f"{where}: {what} is {found}, not {wanted}")

    def told(self) -> list[str]:
        """The differences, one of those that say the same of other benchmarks and from the other side."""
        found: dict[str, str] = {}
        for difference in self.differences:
            alike = re.sub(r", (inside|outside): [\d.]+( of cis-[\d.]+)? ", ": ", difference)
            found.setdefault(re.sub(r"pid \d+", "pid", alike), difference)
        return list(found.values())

    def reports(self, where: str, reports: dict[str, dict], expected: Expected, flips: dict[str, str],
                shows: dict[str, str], excused: list[str]) -> None:
        """Every control of sections 1 to 4, of every benchmark."""
        prefixes = tuple(prefix for component in excused for prefix in CONTROLS_OF[component])
        of_check = {expected.all[control]["check"]: verdict for control, verdict in flips.items()}
        seen = set()
        for benchmark, report in reports.items():
            for control in report["controls"]:
                if control["id"].startswith("5"):
                    continue
                name = control["id"] if benchmark == "cis-1.12" else f"{control['id']} of {benchmark}"
                check = control["slug"]
                stock = expected.by_check.get(check) or expected.elsewhere.get(name)
                if benchmark == "cis-1.12":
                    stock = expected.controls.get(name)
                if stock is None or stock["check"] != check:
                    self.same(where, f"{name} ({check})", "not in expected.yaml", "known")
                    continue
                if prefixes and control["id"].startswith(prefixes):
                    continue
                wanted = of_check.get(check, stock["verdict"])
                seen.add(check)
                text = evidence_of(control)
                found = control["verdict"] if control["verdict"] == wanted else f"{control['verdict']} ({text[:300]})"
                self.same(where, f"{name} {check}", found, wanted)
                fragment = shows.get(name)
                if fragment is None and check not in of_check and not flips and benchmark == "cis-1.12":
                    fragment = stock["shows"]
                if fragment is not None:
                    self.same(where, f"{name} {check}", fragment if fragment in text else f"explained by {text[:400]}",
                              fragment)
            if "tenants" in shows:
                tenants = sorted(one["component"] for node in report["nodes"] for one in node["instances"]
                                 if one["ownership"] == "tenant")
                self.same(where, f"tenants in {benchmark}", " ".join(tenants), shows["tenants"])
            if "notes" in shows and benchmark == "cis-1.12":
                notes = " ".join(note for node in report["nodes"] for note in node.get("notes", []))
                self.same(where, "notes", shows["notes"] if shows["notes"] in notes else notes, shows["notes"])
        if not prefixes:
            missing = sorted(control for control, one in expected.all.items() if one["check"] not in seen)
            self.same(where, "controls missing from the reports", missing, [])


def evidence_of(control: dict) -> str:
    """What a report says about a control's verdict."""
    parts = []
    for group in control["groups"]:
        parts += [group.get("found", ""), *group.get("origins", [])]
        parts += [f"{one['what']}: {one['found']}" for one in group.get("offenders", [])]
    return "; ".join(parts)


class Runner:
    """Runs rounds on a node."""

    def __init__(self, node: Node, expected: Expected, comparison: Comparison, say) -> None:
        self.node, self.expected, self.comparison, self.say = node, expected, comparison, say
        self.misconfigurations = 0

    def baseline(self, where: str) -> None:
        """The stock verdicts, from inside and from outside."""
        self._compare(where, {}, {}, {})

    def probe(self, where: str, wanted: list[dict]) -> None:
        """What running components do themselves."""
        for (kind, answer), in (probe.items() for probe in wanted):
            ask = getattr(probes, kind.replace("-", "_"))
            # an API server that has just come up knows no roles yet, and refuses what it will allow
            end = time.monotonic() + 20
            while (found := ask(self.node, answer)) != answer and time.monotonic() < end:
                time.sleep(0.2)
            self.comparison.same(where, f"really {kind}", found, answer)

    def _compare(self, where: str, one: dict, flips: dict, shows: dict) -> None:
        excused, auditor = one.get("excused", []), one.get("auditor")
        # a component that lost its lease while the API server was away comes back by itself: audit what stands still
        for _ in range(5):
            if one.get("kubelet") != "stopped":
                self.node.settle({}, excused)
            running = self.node.processes()
            inside = self.node.audit(before=tuple(auditor or ()))
            outside = None if auditor else self.node.audit(outside=True)
            if self.node.processes() == running:
                break
        self.comparison.reports(f"{where}, inside", inside, self.expected, flips, shows, excused)
        if outside:
            self.comparison.reports(f"{where}, outside", outside, self.expected, flips, shows, excused)

    def run(self, one: dict) -> None:
        """One round: edit, restart, compare; further stages; undo, restart, compare."""
        began, before = time.monotonic(), len(self.comparison.differences)
        edits, flips = Edits(self.node), {}
        name = one["round"]
        stages = [one, *one.get("then", [])]
        restarted: set[str] = set()
        held = 0
        if one.get("kubelet") == "stopped":
            held = self.node.pid("kubelet")
            os.kill(held, signal.SIGSTOP)
        for stage in stages:
            where = name if stage is one else f"{name}, then {stage['what']}"
            restarted |= self._apply(stage, edits, first=stage is one)
            for entry in stage.get("misconfigurations", [stage]):
                flips.update({str(control): verdict for control, verdict in entry.get("flips", {}).items()})
            flips = {control: verdict for control, verdict in flips.items() if verdict != "baseline"}
            shows = {str(control): text for control, text in stage.get("shows", {}).items()}
            self._compare(where, {**one, **stage}, flips, shows)
            self.probe(where, stage.get("really", []))
        self._undo(one, edits, restarted)
        if held:
            os.kill(held, signal.SIGCONT)
            self.node.settle({})
        self.baseline(f"after {name}")
        entries = [entry for stage in stages for entry in stage.get("misconfigurations", [stage])]
        self.misconfigurations += len(entries)
        differ = len(self.comparison.differences) - before
        self.say(f"{name}: {len(entries)} edits, {len(flips)} verdicts flip, "
                 f"{differ} differ, {time.monotonic() - began:.1f} s")

    def _apply(self, stage: dict, edits: Edits, first: bool) -> set[str]:
        given = [edit for entry in stage.get("misconfigurations", [stage]) for edit in as_list(entry.get("edit", []))]
        files = [edit for edit in given if not LIVE & edit.keys()]
        how = stage.get("restart", "quick" if first else "none")
        if how == "none":
            # what changes within two seconds of a start counts as read: times of files and processes are that coarse
            wait(10, "processes older than their files", self._old_enough)

        def write() -> None:
            for edit in files:
                edits.apply(edit)

        restart = set() if how == "none" else {*components_of(files), *stage.get("also-restart", [])}
        if restart:
            {"quick": self.node.restart, "by-the-kubelet": self.node.let_restart}[how](
                restart, write, ignored=stage.get("excused", []))
        else:
            write()
        for edit in given:
            if LIVE & edit.keys():
                edits.apply(edit)
        return restart

    def _old_enough(self) -> bool:
        ages = [self.node.age(pid) for pids in self.node.processes().values() for pid in pids]
        return min(ages) > 3.5

    def _undo(self, one: dict, edits: Edits, restarted: set[str]) -> None:
        edits.undo_live()
        if restarted:
            how = self.node.let_restart if one.get("restart") == "by-the-kubelet" else self.node.restart
            how(restarted, edits.undo_files)
        else:
            edits.undo_files()


def as_list(thing) -> list:
    """One edit or several."""
    return thing if isinstance(thing, list) else [thing]


def components_of(files: list[dict]) -> set[str]:
    """What edits of files must restart."""
    found = {edit["words"]["of"] for edit in files if "words" in edit}
    if any({"kubelet", "kubelet-arguments", "kubelet-directory", "kubelet-unit"} & edit.keys() for edit in files):
        found.add("kubelet")
    assert found <= set(COMPONENTS)
    return found
