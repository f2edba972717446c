"""Writes the table of docs/architectures.md from the results of a sweep.

usage: document.py RESULTS.json docs/architectures.md
"""

import json
import sys
from collections import Counter
from pathlib import Path

import transformers

BEGIN, END = "<!-- sweep: begin -->", "<!-- sweep: end -->"
COLUMNS = {
    "linear": "linear, gradient", "ties": "TIES", "as many": "as many layers", "more": "more", "twice": "each twice",
    "last": "without the first", "modules": "other modules",
}
WORDS = {
    "right": "right", "refused": "refused", "warned": "right, with a warning", "fault": "**fault**",
    "crash": "**crash**", "none": "—", "not tried": "·",
}


def modules(result):
    """The lists of layers, over each of which depth runs from 0 to 1: the one that is stacked, then the others."""
    own = " + ".join(f"`{name}`" for name in result.get("stack") or [])
    each = result["operations"].get("modules", {}).get("each", {})
    others = dict.fromkeys(key.rpartition(": ")[0] for key in each)
    return "; ".join([own or "—", *(f"`{name}`" for name in others)])


def table(results):
    made = {name: result for name, result in results.items() if "cannot make" not in result}
    missing = {name: result["cannot make"] for name, result in results.items() if "cannot make" in result}
    lines = [f"{len(made)} of the {len(results)} classes of transformers {transformers.__version__} were made."]
    if missing:
        lines[0] += " These were not: " + "; ".join(f"`{name}` ({short(why)})" for name, why in missing.items()) + "."
    lines += ["", "| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    counts = {key: Counter(outcome(result, key) for result in made.values()) for key in COLUMNS}
    for kind, word in WORDS.items():
        if any(counts[key][kind] for key in COLUMNS):
            lines.append(f"| {word} | " + " | ".join(str(counts[key][kind]) for key in COLUMNS) + " |")
    titles = ["class", "model type", *COLUMNS.values(), "depth runs over"]
    lines += ["", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, result in sorted(made.items(), key=lambda item: item[0].lower()):
        cells = [WORDS[outcome(result, key)] for key in COLUMNS]
        lines.append(f"| `{name}` | `{result['model_type']}` | " + " | ".join([*cells, modules(result)]) + " |")
    return "\n".join(lines)


def outcome(result, key):
    return result["operations"].get(key, {"outcome": "not tried"})["outcome"]


def short(why):
    """The beginning of an error, without its kind."""
    return (why.partition(": ")[2] or why).partition(" but ")[0].partition(":")[0].rstrip(",")


def main():
    results, path = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    text = path.read_text()
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}")


if __name__ == "__main__":
    main()
