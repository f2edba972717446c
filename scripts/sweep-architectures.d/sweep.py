"""Merges tiny models of every architecture of transformers and judges the results: see scripts/sweep-architectures."""

import argparse
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
import transformers as tf
from safetensors import safe_open

import checks
import models
from checks import Wrong, require
from classes import model_classes
from models import CannotMake

warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)
torch.set_num_threads(1)

# The layers of each stack as fractions of the main module's: (model, first, last), the last one exclusive.
STACKS = {
    "as many": lambda n: [("a", 0, n // 2), ("b", n // 2 - 1, n - 1)] if n % 2 == 0 else [("a", 0, n // 2 + 1), ("b", n // 2, n - 1)],
    "more": lambda n: [("a", 0, n - 2 if n > 3 else n - 1), ("b", 2 if n > 3 else 1, n)],
    "twice": lambda n: [("a", i, i + 1) for i in range(n) for _ in range(2)],
    "last": lambda n: [("a", n // 3, n - 2), ("b", n - 2, n)] if n > 3 else [("a", n - 1, n), ("b", n - 1, n)],
}
OPERATIONS = ["linear", "ties", *STACKS, "modules"]
# What is done with modules beside the model's own.
OF_MODULES = ["more", "last"]
MOST_MODULES = 4
TIMEOUT = 300  # seconds for a class


def recipe(operation, folder, count, module=None):
    a, b = folder / "a", folder / "b"
    head = f'local mk = require "mergekit"\nlocal a, b = mk.model "{a}", mk.model "{b}"\n'
    if operation == "linear":
        return head + ('return mk.merge { method = "linear", models = { { a, weight = { 0.9, 0.1 } },'
                       " { b, weight = { 0.1, 0.9 } } } }\n")
    if operation == "ties":
        return head + ('return mk.merge { method = "ties", base = a, models = { { a, weight = 0.5, density = 0.5 },'
                       " { b, weight = 0.5, density = 0.5 } } }\n")
    parts = ", ".join(f"{{ {m}, layers = {{ {first}, {last} }} }}" for m, first, last in STACKS[operation](count))
    which = f', module = "{module}"' if module else ""
    return head + f"return mk.stack {{ {parts}{which} }}\n"


def published(path):
    """Names, dtypes and shapes of a checkpoint's tensors."""
    found = {}
    for file in sorted(Path(path).glob("*.safetensors")):
        with safe_open(file, "pt") as handle:
            for name in handle.keys():
                view = handle.get_slice(name)
                found[name] = (view.get_dtype(), tuple(view.get_shape()))
    return found


def tensors(path):
    """All tensors of a checkpoint."""
    found = {}
    for file in sorted(Path(path).glob("*.safetensors")):
        with safe_open(file, "pt") as handle:
            found.update({name: handle.get_tensor(name) for name in handle.keys()})
    return found


class Subject:
    """The two models of a class, and what is known of them."""

    def __init__(self, name, model_type, folder):
        self.name, self.folder = name, folder
        self.model_class = getattr(tf, name)
        self.models = models.make_pair(name, model_type, folder)
        a = self.models[0]
        self.stacks = models.stacks(a)
        self.mains = models.main_stacks(a, self.stacks)
        self.main = self.mains[0] if self.mains else None
        self.traits = [{id(model): checks.traits(model, stack) for model in self.models} for stack in self.mains]
        stored = tensors(folder / "a")
        others = [s for s in self.stacks if s.is_strict and not any(s is main for main in self.mains)]
        self.others = [(s, prefix) for s in others if (prefix := models.stored_prefix(a, s, stored))][:MOST_MODULES]
        self.other_traits = [{id(m): checks.traits(m, s) for m in self.models} for s, _ in self.others]
        self.inputs = models.working_inputs(a)
        self.order = models.call_order(a, self.inputs) if self.inputs else {}

    def judge(self, operation, out, other=None):
        if operation == "ties":
            require(published(out) == published(self.folder / "a"), "names, shapes or dtypes differ from the input's")
            return
        try:
            merged = models.load(self.model_class, out)
        except Exception as error:
            raise Wrong(f"does not load: {words(error)}") from error
        if operation == "linear":
            checks.check_linear(merged, *self.models, self.stacks, published(self.folder / "a"))
            require(published(out) == published(self.folder / "a"), "names, shapes or dtypes differ from the input's")
        elif other:
            traits = next(t for (s, _), t in zip(self.others, self.other_traits) if s is other)
            self.judge_stack(merged, operation, other, traits)
        else:
            found = []
            for main, traits in zip(self.mains, self.traits):
                try:
                    self.judge_stack(merged, operation, main, traits)
                    break
                except Wrong as error:
                    found.append(error)
            if len(found) == len(self.mains):
                raise found[0]
        if self.inputs:
            try:
                models.forward(merged, self.inputs)
            except Exception as error:
                raise Wrong(f"does not run: {words(error)}") from error

    def judge_stack(self, merged, operation, main, traits):
        pair = dict(zip("ab", self.models))
        is_main = any(main is own for own in self.mains)
        parts = STACKS[operation](self.main.count if is_main else main.count)  # as the recipe has them
        origins = [(pair[m], layer) for m, first, last in parts for layer in range(first, last)]
        checks.check_layers(merged, origins, main)
        checks.check_traits(merged, origins, main, traits)
        if is_main:
            checks.check_config(merged, origins, main.count)
        # What precedes and what follows is said of the model's own layers.
        order = self.order if is_main else {}
        checks.check_others(merged, (pair[parts[0][0]], pair[parts[-1][0]]), main, order, origins)


def words(error):
    text = " ".join(str(error).split())
    if not isinstance(error, Wrong):
        text = f"{type(error).__name__}: {text}"
    return text if len(text) <= 300 else text[:299] + "…"


def merge(binary, options, subject, operation, other=None):
    """The outcome of one merge: right, warned, refused or a fault.

    `other` is a module beside the model's own, with its name.
    """
    out, path = subject.folder / "out", subject.folder / "recipe.lua"
    shutil.rmtree(out, ignore_errors=True)
    stack, module = other or (subject.main, None)
    path.write_text(recipe(operation, subject.folder, stack.count if stack else 0, module))
    done = subprocess.run([binary, path, out, "--quiet", *options], capture_output=True, text=True, timeout=TIMEOUT)
    said = done.stderr.replace(f"{subject.folder}/", "").strip()
    if done.returncode not in (0, 1, 64, 65):
        return {"outcome": "crash", "detail": f"exit status {done.returncode}", "said": said}
    if done.returncode and other and "has no module" in said:
        return {"outcome": "none", "said": said}
    if done.returncode:
        return {"outcome": "refused" if said else "fault", "said": said, "status": done.returncode}
    try:
        subject.judge(operation, out, other and other[0])
    except Wrong as error:
        is_warned = isinstance(error, checks.Unlike) and "warning" in said
        return {"outcome": "warned" if is_warned else "fault", "detail": words(error), "said": said}
    return {"outcome": "right", "said": said}


# The outcomes, the worst first.
WORST = ["crash", "fault", "refused", "warned", "right", "none"]


def merge_modules(binary, options, subject):
    """The worst outcome of stacks of the modules beside the model's own, and that of each."""
    found = {}
    for other in subject.others:
        for operation in OF_MODULES:
            found[f"{other[1]}: {operation}"] = merge(binary, options, subject, operation, other)
    if not found:
        return {"outcome": "none", "detail": "no other layers to stack"}
    name, worst = min(found.items(), key=lambda item: WORST.index(item[1]["outcome"]))
    return worst | {"module": name, "each": {key: value["outcome"] for key, value in found.items()}}


def sweep(task):
    (name, model_type, mapping), arguments = task
    result = {"model_type": model_type, "mapping": mapping, "operations": {}}
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(TimeoutError()))
    signal.alarm(TIMEOUT)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(arguments.keep) / name if arguments.keep else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            subject = Subject(name, model_type, folder)
            result["forward"] = bool(subject.inputs)
            result["stack"] = subject.main and subject.main.lists
            extra = ["--stdlib", arguments.stdlib] if arguments.stdlib else []
            for operation in arguments.operations.split(","):
                if operation == "modules":
                    result["operations"][operation] = merge_modules(arguments.binary, extra, subject)
                    continue
                if operation in STACKS and (not subject.main or not subject.main.is_strict):
                    result["operations"][operation] = {"outcome": "none", "detail": "no layers to stack"}
                    continue
                result["operations"][operation] = merge(arguments.binary, extra, subject, operation)
    except CannotMake as error:
        result["cannot make"] = str(error)
    except TimeoutError:
        result["cannot make"] = "takes too long"
    except Exception as error:
        result["cannot make"] = "error of the sweep: " + words(error)
    finally:
        signal.alarm(0)
    return name, result


def save(results, path):
    """Replaces the file whole, so that a sweep that is killed can be resumed."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(results, indent=1))
    beside.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", nargs="?", default=".build/release/mergekit-lua")
    parser.add_argument("--only", default="", help="classes or model types, with commas between them")
    parser.add_argument("--first", default="", help="classes or model types that come before the others")
    parser.add_argument("--again", type=Path, help="only the classes that have a fault in this JSON")
    parser.add_argument("--resume", action="store_true", help="go on with what is not in the JSON yet")
    parser.add_argument("--operations", default=",".join(OPERATIONS))
    parser.add_argument("--json", type=Path, help="where the results go")
    parser.add_argument("--stdlib", help="an edited standard library")
    parser.add_argument("--keep", help="a folder for models and outputs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--quiet", action="store_true", help="print the sums alone")
    arguments = parser.parse_args()
    only = {word for word in arguments.only.split(",") if word}
    if arguments.again:
        old = json.loads(arguments.again.read_text())
        only |= {name for name, result in old.items()
                 if any(o["outcome"] in ("fault", "crash", "warned") for o in result["operations"].values())}
    chosen = [item for item in model_classes() if not only or item[0] in only or item[1] in only]
    tf.utils.logging.disable_progress_bar()
    results = {}
    if arguments.resume and arguments.json.exists():
        results = json.loads(arguments.json.read_text())
    first = {word for word in arguments.first.split(",") if word}
    tasks = [(item, arguments) for item in chosen if item[0] not in results]
    tasks.sort(key=lambda task: not first & set(task[0]))
    with Pool(arguments.jobs, maxtasksperchild=40) as pool:
        for name, result in pool.imap_unordered(sweep, tasks):
            results[name] = result
            if arguments.json:  # a sweep that is ended early leaves what it has
                save(results, arguments.json)
            for operation, outcome in result["operations"].items():
                if outcome["outcome"] in ("fault", "crash", "warned") and not arguments.quiet:
                    where = f" of {outcome['module']}" if "module" in outcome else ""
                    print(f"{name}: {operation}{where}: {outcome['outcome']}: {outcome.get('detail', '')}", flush=True)
    results = {item[0]: results[item[0]] for item in chosen}
    if arguments.json:
        save(results, arguments.json)
    made = [result for result in results.values() if "cannot make" not in result]
    print(f"{len(made)} classes, {len(results) - len(made)} that cannot be made tiny")
    for operation in arguments.operations.split(","):
        counts = Counter(result["operations"][operation]["outcome"] for result in made)
        print(f"{operation}: " + ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()))


if __name__ == "__main__":
    main()
