"""Lets every call of a small merge fail or end the program, and looks at what is left.

Whatever happens, the next run into the output, here one that only prints its plan, must leave the whole old model or
the whole new one and nothing beside it, and the run after that must succeed.
"""

import argparse
import concurrent.futures
import hashlib
import itertools
import os
import pathlib
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
# Errors by name, and their numbers on Linux.
ERRORS = {"EIO": 5, "ENOSPC": 28, "EROFS": 30}
KINDS = [("kill", None), ("after", None)] + [(k, e) for k in ("once", "always") for e in ERRORS]


class Scenario:
    def __init__(self, name, old, arguments, command="mergekit-lua", several=False, link=False, mount=False, notes=False):
        self.name, self.old, self.arguments, self.command = name, old, arguments, command
        self.several, self.link, self.mount, self.notes = several, link, mount, notes


SCENARIOS = [
    Scenario("fresh", False, []),
    Scenario("force", True, ["--force"]),
    Scenario("force-all", True, ["--force-all"], notes=True),
    Scenario("overlay", True, [], command="mergekit-yaml", notes=True),
    Scenario("link", True, ["--force"], link=True),
    Scenario("mount", True, ["--force"], mount=True),
    Scenario("mount-overlay", True, [], command="mergekit-yaml", mount=True, notes=True),
    Scenario("several", False, [], several=True),
    Scenario("several-force", True, ["--force"], several=True),
]


class Bench:
    """A directory with a scenario's files, and a place where they are copied to for each run."""

    def __init__(self, work, binary, library, scenario):
        self.work, self.scenario, self.library = work, scenario, library
        self.binary = work / "bin" / scenario.command
        self.binary.parent.mkdir(parents=True, exist_ok=True)
        if not self.binary.exists():
            self.binary.symlink_to(binary)
        self.file = "recipe.lua" if scenario.several else "config.yml"
        template = work / "template"
        template.mkdir()
        for name, weight in (("old", "0.5"), ("new", "2")):
            text = (RECIPE if scenario.several else CONFIG).replace("WEIGHT", weight)
            (template / f"{name}-{self.file}").write_text(text)
        if scenario.old:
            (template / self.file).write_text((template / f"old-{self.file}").read_text())
            self.must(template, [self.file, "out"], plain=True)
            if scenario.notes:
                (template / "out" / "notes.txt").write_text("mine")
                (template / "out" / "logs").mkdir()
                (template / "out" / "logs" / "a.txt").write_text("mine")
        (template / self.file).write_text((template / f"new-{self.file}").read_text())
        self.template = template
        self.old = self.state(template)
        done = self.fresh(work / "reference")
        self.must(done, self.arguments(done))
        self.new = self.state(done)
        self.remove(done)
        log = work / "calls.log"
        done = self.fresh(work / "count")
        self.run(done, self.arguments(done), {"FAULT_BELOW": str(done), "FAULT_LOG": str(log)})
        self.calls = log.read_text().splitlines()
        self.remove(done)

    def fresh(self, place):
        shutil.copytree(self.template, place, symlinks=True)
        if self.scenario.link:
            (place / "out").rename(place / "real")
            (place / "out").symlink_to("real")
        if self.scenario.mount:
            (place / "out").rename(place / "held")
            (place / "out").mkdir()
            subprocess.run(["mount", "--bind", place / "held", place / "out"], check=True)
        return place

    def remove(self, place):
        if self.scenario.mount:
            subprocess.run(["umount", place / "out"], check=True)
        shutil.rmtree(place)

    def arguments(self, place):
        return [self.file, "out"] + self.scenario.arguments

    def run(self, place, arguments, environment=None, plain=False):
        binary = self.binary.parent / "mergekit-lua" if plain else self.binary
        if plain and not binary.exists():
            binary.symlink_to(os.path.realpath(self.binary))
        values = dict(os.environ, TMPDIR="/tmp")
        if environment:
            values.update(environment, LD_PRELOAD=str(self.library))
        return subprocess.run([binary, *arguments, "--quiet", "-j1"], cwd=place, env=values, capture_output=True, timeout=120)

    def must(self, place, arguments, plain=False):
        outcome = self.run(place, arguments, plain=plain)
        if outcome.returncode:
            sys.exit(f"{self.scenario.name}: {outcome.stderr.decode()}")

    def state(self, place):
        """All that is there but the inputs, with what the files hold."""
        found = {}
        for folder, folders, files in os.walk(place):
            folders.sort()
            for name in files:
                path = pathlib.Path(folder) / name
                relative = str(path.relative_to(place))
                if relative.startswith("held/") or relative.endswith(self.file) and "/" not in relative:
                    continue
                if path.is_symlink():
                    found[relative] = os.readlink(path)
                else:
                    found[relative.replace("real/", "out/", 1)] = hashlib.sha256(path.read_bytes()).hexdigest()
            # Staging directories and trash.
            for name in folders:
                if ".mergekit" in name:
                    found[str((pathlib.Path(folder) / name).relative_to(place))] = "left over"
        found.pop("out", None)
        return found

    def check(self, number, kind, error):
        """What is wrong after a fault; None if all is well."""
        place = self.fresh(self.work / f"{number}-{kind}-{error}")
        try:
            environment = {"FAULT_AT": str(number), "FAULT_KIND": kind, "FAULT_BELOW": str(place)}
            if error:
                environment["FAULT_ERRNO"] = str(ERRORS[error])
            first = self.run(place, self.arguments(place), environment)
            plan = self.run(place, [self.file, "out", "--dry-run"])
            if plan.returncode:
                return f"the plan is refused: {plan.stderr.decode()}"
            state = self.state(place)
            if state not in (self.old, self.new):
                # What the faulty run was only to remove may be left: the next run removes it.
                return f"mixed (exit {first.returncode}, {first.stderr.decode().strip()}): {self.difference(state)}"
            if first.returncode == 0 and state != self.new:
                return "said to be written, and is not"
            if not self.scenario.old and state == self.new:
                return None
            if self.scenario.name == "force-all" and state == self.new:
                return None
            again = self.run(place, self.arguments(place))
            if again.returncode:
                return f"the next run is refused: {again.stderr.decode()}"
            if self.state(place) != self.new:
                return "the next run leaves something else"
            return None
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
    parser.add_argument("--scenario", action="append", help="only this one")
    parser.add_argument("--step", type=int, default=1, help="every so many calls")
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
        cases = list(itertools.product(numbers, KINDS))
        bad = 0
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            for (number, (kind, error)), problem in zip(cases, pool.map(lambda c: bench.check(c[0], *c[1]), cases)):
                if problem:
                    bad += 1
                    print(f"{scenario.name}: call {bench.calls[number - 1]}: {kind} {error or ''}: {problem}", flush=True)
        print(f"{scenario.name}: {len(bench.calls)} calls, {len(cases)} faults, {bad} bad", flush=True)
        failures += bad
        shutil.rmtree(work)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
