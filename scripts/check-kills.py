"""Kills merges over an existing model at random moments; a whole model must be there each time."""

import argparse
import importlib.util
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--megabytes", type=int, default=100, help="size of the model")
    parser.add_argument("--count", type=int, default=1000)
    options = parser.parse_args()
    path = pathlib.Path(__file__).with_name("check-power.py")
    specification = importlib.util.spec_from_file_location("power", path)
    power = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(power)

    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    models = options.work / "models"
    power.make_model(models / "a", options.megabytes, 1)
    power.make_model(models / "b", options.megabytes, 2)
    out = options.work / "out"
    commands, states = [], []
    for weight in ("0.5", "2"):
        file = options.work / f"{weight}.yml"
        file.write_text(power.CONFIG.format(models=models, weight=weight))
        commands.append([options.binary, file, out, "--force", "--quiet"])
        started = time.monotonic()
        subprocess.run(commands[-1], check=True)
        duration = time.monotonic() - started
        states.append(power.state(out))
    digests = {}

    def state():
        """Names and digests of the output's files; those that nobody has written since they were read are not read again."""
        found = {}
        for path in sorted(out.rglob("*")) if out.exists() else []:
            if path.is_file():
                status = path.stat()
                key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
                if key not in digests:
                    digests[key] = power.digest(path)
                found[str(path.relative_to(out))] = digests[key]
        return found

    counts, bad = {"old": 0, "new": 0}, 0
    present = 1
    for number in range(options.count):
        process = subprocess.Popen(commands[1 - present], stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, 1.1 * duration))
        process.send_signal(signal.SIGKILL)
        # A machine that is busier or less so: one run in six is to reach its end.
        duration *= 0.95 if process.wait() == 0 else 1.01
        now = state()
        if now not in states:
            bad += 1
            print(f"{number}: neither the old nor the new model", flush=True)
            subprocess.run(commands[present], check=True)
            continue
        counts["old" if now == states[present] else "new"] += 1
        present = states.index(now)
        if number % 100 == 99:
            print(f"{number + 1} kills: {counts}, {bad} bad", flush=True)
    rest = [p.name for p in options.work.iterdir() if "mergekit" in p.name]
    subprocess.run(commands[1 - present], check=True)
    after = [p.name for p in options.work.iterdir() if "mergekit" in p.name]
    print(f"{options.count} kills: {counts['old']} times the old model, {counts['new']} times the new one, {bad} bad; "
          f"left over {rest}, after the next run {after}")
    shutil.rmtree(options.work)
    sys.exit(1 if bad or after else 0)


if __name__ == "__main__":
    main()
