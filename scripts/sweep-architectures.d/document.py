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
    "last": "without the first",
}
WORDS = {
    "right": "right", "refused": "refused", "warned": "right, with a warning", "fault": "**fault**",
    "crash": "**crash**", "none": "—",
}


def table(results):
    made = {name: result for name, result in results.items() if "cannot make" not in result}
    lines = [
        f"{len(made)} classes of transformers {transformers.__version__} were made; {len(results) - len(made)} could not"
        " be made tiny.", "",
        "| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|",
    ]
    counts = {key: Counter(result["operations"][key]["outcome"] for result in made.values()) for key in COLUMNS}
    for outcome, word in WORDS.items():
        if any(counts[key][outcome] for key in COLUMNS):
            lines.append(f"| {word} | " + " | ".join(str(counts[key][outcome]) for key in COLUMNS) + " |")
    lines += ["", "| class | model type | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, result in sorted(made.items(), key=lambda item: item[0].lower()):
        cells = [WORDS[result["operations"][key]["outcome"]] for key in COLUMNS]
        lines.append(f"| `{name}` | `{result['model_type']}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    results, path = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    text = path.read_text()
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{head}{BEGIN}\n{table(results)}\n{END}{tail}")


if __name__ == "__main__":
    main()
