"""Lets every call of a small merge fail or end the program, and looks at what is left.

Whatever happens, the next run into the output, here one that only prints its plan, must leave the whole old model or
the whole new one and nothing beside it, and the run after that must succeed.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

CONFIG = """merge_method: linear
models:
  - {model: ../models/base, parameters: {weight: 1}}
  - {model: ../models/math, parameters: {weight: WEIGHT}}
"""
RECIPE = """local mk = require "mergekit"
local base, math_ = mk.model "../models/base", mk.model "../models/math"
local function blend(w) return mk.merge { method = "linear", models = { { base, weight = 1 }, { math_, weight = w } } } end
return { a = blend(WEIGHT), b = blend(WEIGHT + 1) }
"""
STAGES = """name: blend
merge_method: linear
models:
  - {model: ../models/base, parameters: {weight: 1}}
  - {model: ../models/math, parameters: {weight: WEIGHT}}
---
merge_method: linear
models:
  - {model: blend, parameters: {weight: WEIGHT}}
  - {model: ../models/code, parameters: {weight: 1}}
"""
# Errors by name, and their numbers on Linux.
ERRORS = {"EIO": 5, "ENOSPC": 28, "EROFS": 30}
KINDS = [("kill", None), ("after", None)] + [(k, e) for k in ("once", "always") for e in ERRORS]
# A full or read-only disk fails no reading, and a kill after that is one before the next call.
KINDS_OF_READING = [("kill", None), ("once", "EIO"), ("always", "EIO")]
CHANGES = {
    "create", "write", "pwrite", "fallocate", "ftruncate", "fsync", "fdatasync", "sync_file_range", "close", "flock", "mkdir",
    "rmdir", "unlink", "remove", "chmod", "rename", "renameat2",
}


class Scenario:
    """A way of writing an output, over an old one or not; with `notes`, other files lie in the old one."""

    def __init__(self, name, old, arguments, command="mergekit-lua", text=CONFIG, link=False, mount=False, notes=False):
        self.name, self.old, self.arguments, self.command = name, old, arguments, command
        self.text, self.link, self.mount, self.notes = text, link, mount, notes


SCENARIOS = [
    Scenario("fresh", False, []),
    Scenario("force", True, ["--force"]),
    Scenario("force-all", True, ["--force-all"], notes=True),
    Scenario("overlay", True, [], command="mergekit-yaml", notes=True),
    Scenario("link", True, ["--force"], link=True),
    Scenario("mount", True, ["--force"], mount=True),
    Scenario("mount-overlay", True, [], command="mergekit-yaml", mount=True, notes=True),
    Scenario("several", False, [], text=RECIPE),
    Scenario("several-force", True, ["--force"], text=RECIPE),
    # Both documents are made; the first is there already; both are there, and stale.
    Scenario("stages", False, ["-I", "stages"], text=STAGES),
    Scenario("stages-force", True, ["-I", "stages", "--force"], text=STAGES),
    Scenario("stages-stale", True, ["-I", "stages"], text=STAGES),
]


class Bench:
    """A directory with a scenario's files, and a place where they are copied to for each run."""

    def __init__(self, work, binary, library, scenario):
        self.work, self.scenario, self.library = work, scenario, library
        self.verdicts, self.left = {}, {}
        for name in {"mergekit-lua", scenario.command}:
            (work / "bin").mkdir(exist_ok=True)
            (work / "bin" / name).symlink_to(binary)
        self.file = "recipe.lua" if scenario.text is RECIPE else "config.yml"
        self.template = work / "template"
        self.template.mkdir()
        if scenario.old:
            (self.template / self.file).write_text(scenario.text.replace("WEIGHT", "0.5"))
            options = ["-I", "stages"] if scenario.text is STAGES else []
            self.must(self.template, "mergekit-lua", [self.file, "out", *options])
            if scenario.notes:
                (self.template / "out" / "notes.txt").write_text("mine")
                (self.template / "out" / "logs").mkdir()
                (self.template / "out" / "logs" / "a.txt").write_text("mine")
        (self.template / self.file).write_text(scenario.text.replace("WEIGHT", "2"))
        self.old = self.state(self.template)
        self.arguments = [self.file, "out", *scenario.arguments]
        done = self.fresh(work / "reference")
        self.must(done, scenario.command, self.arguments)
        self.new = self.state(done)
        self.remove(done)
        assert self.new != self.old
        self.calls = self.counted(self.fresh(work / "count"), self.arguments)

    def counted(self, place, arguments):
        """The calls of a run in a place, which is removed."""
        log = self.work / "calls.log"
        log.unlink(missing_ok=True)
        self.run(place, self.scenario.command, arguments, {"FAULT_LOG": str(log)})
        self.remove(place)
        return log.read_text().splitlines()

    def fresh(self, place, source=None):
        shutil.copytree(source or self.template, place, symlinks=True)
        if source is None and self.scenario.link:
            (place / "out").rename(place / "real")
            (place / "out").symlink_to("real")
        if self.scenario.mount:
            if source is None:
                (place / "out").rename(place / "held")
                (place / "out").mkdir()
            subprocess.run(["mount", "--bind", place / "held", place / "out"], check=True)
        return place

    def remove(self, place):
        if self.scenario.mount:
            subprocess.run(["umount", place / "out"], check=True)
        shutil.rmtree(place)

    def run(self, place, command, arguments, faults=None):
        values = dict(os.environ, TMPDIR="/tmp")
        if faults:
            values.update(faults, FAULT_BELOW=str(self.work), LD_PRELOAD=str(self.library))
        return subprocess.run(
            [self.work / "bin" / command, *arguments, "--quiet", "-j1"], cwd=place, env=values, capture_output=True, timeout=120)

    def must(self, place, command, arguments):
        outcome = self.run(place, command, arguments)
        if outcome.returncode:
            sys.exit(f"{self.scenario.name}: {outcome.stderr.decode()}")

    def plan(self, place, faults=None):
        """The next run: one that writes nothing itself."""
        return self.run(place, self.scenario.command, [*self.arguments, "--dry-run"], faults)

    # What is there

    def state(self, place):
        """All that is there but the inputs, with what the files hold."""
        found = {}
        for folder, folders, files in os.walk(place):
            folders.sort()
            for name in files:
                path = pathlib.Path(folder) / name
                relative = str(path.relative_to(place))
                if relative.startswith("held/") or relative == self.file:
                    continue
                if path.is_symlink():
                    found[relative] = os.readlink(path)
                else:
                    found[relative.replace("real/", "out/", 1)] = self.contents(path, place)
            # Staging directories and trash.
            for name in folders:
                if ".mergekit" in name:
                    found[str((pathlib.Path(folder) / name).relative_to(place))] = "left over"
        found.pop("out", None)
        return found

    def contents(self, path, place):
        """A digest of a file; without the times and numbers that differ from run to run."""
        data = path.read_bytes()
        if path.name in ("commit.json", "commit.json.new", "mergekit_stage.json"):
            text = data.decode().replace(str(place), "PLACE")
            text = re.sub(r'"modified": "[0-9.]+"', '"modified": ""', text)
            # Which directory is meant, by where it stands now.
            for inode in re.findall(r'"inode": "([0-9]+)"', text):
                text = text.replace(f'"{inode}"', f'"{self.named(int(inode), place)}"')
            data = re.sub(r'"device": "[0-9]+"', "", text).encode()
        elif path.name == "owner":
            return "owner" if data else "empty owner"
        return hashlib.sha256(data).hexdigest()

    def named(self, inode, place):
        """The directories of a number, by their paths."""
        found = [
            os.path.join(folder, name) for folder, folders, _ in os.walk(place) for name in folders
            if os.lstat(os.path.join(folder, name)).st_ino == inode
        ]
        return re.sub("-trash-[a-z0-9]+", "-trash", " ".join(os.path.relpath(p, place) for p in sorted(found)))

    def signature(self, place):
        """The state with all that is in staging directories, and the directories themselves."""
        found = self.state(place)
        for folder, folders, _ in os.walk(place):
            for name in folders:
                path = pathlib.Path(folder) / name
                if not path.is_symlink():
                    found.setdefault(str(path.relative_to(place)), "folder")
        return tuple(sorted((re.sub("-trash-[a-z0-9]{6}", "-trash", k), v) for k, v in found.items()))

    # What must be

    def check(self, number, kind, error):
        """What is wrong after a fault; None if all is well."""
        place = self.fresh(self.work / f"{number}-{kind}-{error}")
        try:
            first = self.run(place, self.scenario.command, self.arguments, self.faults(number, kind, error))
            key = (first.returncode == 0, self.signature(place))
            if key not in self.verdicts:
                if any(name.endswith(".mergekit") for name, _ in key[1]):
                    kept = self.work / "left" / str(len(self.left))
                    shutil.copytree(place, kept, symlinks=True)
                    self.left[key] = kept
                self.verdicts[key] = self.judge(place, first)
            return self.verdicts[key]
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            self.remove(place)

    def faults(self, number, kind, error):
        faults = {"FAULT_AT": str(number), "FAULT_KIND": kind}
        if error:
            faults["FAULT_ERRNO"] = str(ERRORS[error])
        return faults

    def judge(self, place, first):
        plan = self.plan(place)
        if plan.returncode:
            return f"the plan is refused: {plan.stderr.decode()}"
        state = self.state(place)
        if state not in (self.old, self.new):
            return f"mixed (exit {first.returncode}, {first.stderr.decode().strip()}): {self.difference(state)}"
        if first.returncode == 0 and state != self.new:
            return "said to be written, and is not"
        if state == self.new and (not self.scenario.old or self.scenario.name == "force-all"):
            return None
        again = self.run(place, self.scenario.command, self.arguments)
        if again.returncode:
            return f"the next run is refused: {again.stderr.decode()}"
        if self.state(place) != self.new:
            return f"the next run leaves something else: {self.difference(self.state(place))}"
        return None

    def recoveries(self):
        """Cases of what was left, with the calls of the run that settles it."""
        for kept in self.left.values():
            calls = self.counted(self.fresh(self.work / "count", kept), [*self.arguments, "--dry-run"])
            # What comes after the last change is the same as after a fault's own.
            last = max((n for n, c in enumerate(calls, 1) if c.split()[1] in CHANGES - {"close", "flock"}), default=0)
            for number in range(1, last + 1):
                for kind, error in KINDS_OF_READING:
                    yield kept, calls[number - 1], number, kind, error

    def check_recovery(self, kept, _, number, kind, error):
        place = self.fresh(self.work / f"recovery-{kept.name}-{number}-{kind}", kept)
        try:
            first = self.plan(place, self.faults(number, kind, error))
            key = ("recovery", self.signature(place))
            if key not in self.verdicts:
                self.verdicts[key] = self.judge(place, argparse.Namespace(returncode=1, stderr=first.stderr))
            return self.verdicts[key]
        except subprocess.TimeoutExpired:
            return "hangs"
        finally:
            self.remove(place)

    def difference(self, state):
        return [
            (name, "old" if state.get(name) == self.old.get(name) else "new" if state.get(name) == self.new.get(name) else state.get(name))
            for name in sorted(set(state) | set(self.new) | set(self.old))
            if state.get(name) != self.new.get(name) or state.get(name) != self.old.get(name)
        ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--scenario", action="append", choices=[s.name for s in SCENARIOS], help="only this one")
    parser.add_argument("--step", type=int, default=1, help="every so many calls")
    parser.add_argument("--recovery", action="store_true", help="let the run that settles what was left fail, too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    failures = 0
    for scenario in SCENARIOS:
        if options.scenario and scenario.name not in options.scenario:
            continue
        if scenario.mount and os.geteuid() != 0:
            print(f"{scenario.name}: needs root for a mount, left out")
            continue
        work = options.work / scenario.name
        work.mkdir()
        shutil.copytree(options.models, work / "models", symlinks=False)
        bench = Bench(work, options.binary, options.library, scenario)
        numbers = range(1, len(bench.calls) + 1, options.step)
        cases = [
            (n, k, e) for n in numbers
            for k, e in (KINDS if bench.calls[n - 1].split()[1] in CHANGES else KINDS_OF_READING)
        ]
        bad = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for case, problem in zip(cases, pool.map(lambda c: bench.check(*c), cases)):
                if problem:
                    bad += 1
                    print(f"{scenario.name}: call {bench.calls[case[0] - 1]}: {case[1]} {case[2] or ''}: {problem}", flush=True)
            print(f"{scenario.name}: {len(bench.calls)} calls, {len(cases)} faults, {len(bench.verdicts)} different ends, "
                  f"{bad} bad", flush=True)
            failures += bad
            if options.recovery:
                cases, bad = list(bench.recoveries())[:: options.step], 0
                for case, problem in zip(cases, pool.map(lambda c: bench.check_recovery(*c), cases)):
                    if problem:
                        bad += 1
                        print(f"{scenario.name}: recovery of {case[0].name}: call {case[1]}: {case[3]}: {problem}", flush=True)
                print(f"{scenario.name}: recovery of {len(bench.left)} ends: {len(cases)} faults, {bad} bad", flush=True)
                failures += bad
        shutil.rmtree(work)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
