"""Hostile recipes and models, each run under strace in a folder of its own; see scripts/check-sandbox."""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRET = "SECRET-5f1d2c"
HEAD = "local mk = require 'mergekit'\nlocal base = mk.model 'models/base'\n"


class Case:
    """A recipe, and what lies beside it."""

    def __init__(self, name, recipe, prepare=None, arguments=()):
        self.name, self.recipe, self.prepare, self.arguments = name, recipe, prepare, list(arguments)


def link(path, target):
    def prepare(folder):
        place = folder / "work" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(str(target).replace("FOLDER", str(folder)))
    return prepare


def fifo(path):
    def prepare(folder):
        place = folder / "work" / path
        place.unlink(missing_ok=True)
        os.mkfifo(place)
    return prepare


def write(files, then=None):
    def prepare(folder):
        for path, text in files.items():
            place = folder / "work" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        if then:
            then(folder)
    return prepare


def lua_string(text):
    return json.dumps(text)


# What a recipe tries to reach by name.

def names():
    absent = ["io", "os", "debug", "package", "load", "loadfile", "dofile", "loadstring", "module", "setfenv", "getfenv", "newproxy"]
    uses = [
        "local f = {name} return base, f.open('/etc/passwd')",
        "local f = rawget(_G, '{name}') print(f.open and f.open('/etc/passwd') or f('/etc/passwd')) return base",
        "local f = _ENV['{name}'] f('/etc/passwd') return base",
        "local ok, f = pcall(require, '{name}') print(ok and f.open('/etc/passwd'):read 'a') return base",
        "for k, v in pairs(getmetatable('').__index) do if k == '{name}' then v('/etc/passwd') end end return base",
    ]
    for name, (number, use) in itertools.product(absent, enumerate(uses)):
        yield Case(f"name {name} {number}", HEAD + use.format(name=name))


# Where modules, methods and files of a recipe are looked for.

def modules():
    paths = [
        "../secret/secret", "../../secret/secret", "FOLDER/secret/secret", "/etc/passwd", "..", ".", "", "/", "./secret",
        "a/../../secret/secret", "a..b", "link", "link.secret", "folder/secret", "folder.secret", "pipe", "~/secret",
        "secret\\0", "secret\\n", "\\27[31m",
    ]
    uses = [
        "print(require(PATH)) return base",
        "local ok, text = pcall(require, PATH) print(text) return base",
        "return mk.merge { method = PATH .. '.lua', models = { base } }",
        "return mk.moe { base = base, experts = { base, base }, architecture = PATH .. '.lua', gates = 'random', "
        "allow_all_same = true }",
        "for _, p in ipairs { PATH, '../' .. PATH, '/' .. PATH } do print(require('mergekit.core').module_exists(p)) end "
        "return base",
    ]

    def prepare(folder):
        link("link.lua", "FOLDER/secret/secret.lua")(folder)
        link("folder", "FOLDER/secret")(folder)
        fifo("pipe.lua")(folder)

    for path, (number, use) in itertools.product(paths, enumerate(uses)):
        quoted = lua_string(path).replace("\\\\", "\\")
        yield Case(f"module {path!r} {number}", HEAD + use.replace("PATH", quoted), prepare)


# What a model's folder holds in the place of a file.

def models():
    names = [
        "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json",
        "generation_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "preprocessor_config.json",
        "model.safetensors", "modules.json",
    ]
    targets = ["FOLDER/secret/secret.json", "../../../secret/secret.lua", "/proc/self/environ"]
    use = HEAD + "print(pcall(function() return base:chat_template() end)) print(pcall(function() return base.tokenizer end)) return base"
    for name, (number, target) in itertools.product(names, enumerate(targets)):
        yield Case(f"model link {name} {number}", use, link(f"models/base/{name}", target))
    for name in ["tokenizer.model", "config.json", "model.safetensors", "chat_template.jinja", "tokenizer.json"]:
        yield Case(f"model fifo {name}", use, fifo(f"models/base/{name}"))
        yield Case(f"model device {name}", use, link(f"models/base/{name}", "/dev/zero"))
    pooling = write({"models/base/modules.json": '[{"path": "1_Pooling"}]'}, link("models/base/1_Pooling", "FOLDER/secret"))
    yield Case("model folder link", use, pooling)
    for path in ["../secret", "/etc", "..", "1_Pooling/../../../../secret"]:
        yield Case(f"model module {path}", use, write({"models/base/modules.json": json.dumps([{"path": path}])}))
    for shard in ["../../../secret/secret.safetensors", "FOLDER/secret/secret.safetensors", "a/../../x.safetensors"]:
        def index(folder, shard=shard):
            (folder / "work/models/base/model.safetensors").unlink()
            write({"models/base/model.safetensors.index.json": json.dumps(
                {"weight_map": {"x": shard.replace("FOLDER", str(folder))}})})(folder)
        yield Case(f"model shard {shard}", use, index)


# Where a script writes, and what.

def saves():
    paths = [
        "FOLDER/secret/saved", "../saved", "saved", ".", "/", "", "models/base", "models/base/sub", "models",
        "out/../saved", "out", "~/saved", "link/saved", "recipe.lua", "out/link/saved", "FOLDER/home/.config",
    ]
    for path, force in itertools.product(paths, ["", ", { force = true }"]):
        def prepare(folder, path=path):
            link("link", "FOLDER/secret")(folder)
            if path.startswith("out/link"):
                link("out/link", "FOLDER/secret")(folder)
        recipe = HEAD + f"print(pcall(function() base:save({lua_string(path)}{force}) end)) return base"
        yield Case(f"save {path} {force}", recipe, prepare, ["--force"] if force else [])
    code = write({
        "models/base/config.json": json.dumps({**CONFIG, "auto_map": {"AutoModel": "evil.Model"}}),
        "models/base/evil.py": "print('run')", "models/base/sitecustomize.py": "print('run')",
    })
    for path in ["code", "../code", "FOLDER/home", "out/code"]:
        recipe = HEAD + f"print(pcall(function() base:save {lua_string(path)} end)) return base"
        yield Case(f"save code {path}", recipe, code)
    names = ["../x", "/x", "a/b", "..", ".", "", "a\\0b", "x\\n", "link"]
    for name in names:
        yield Case(f"result {name}", HEAD + f'return {{ ["{name}"] = base }}', link("out/link", "FOLDER/secret") if name == "link" else None)


# What takes time or memory.

def resources():
    loops = [
        "while true do end", "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()", "local function f() f() f() end f()",
        "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", "return ('x'):rep(1 << 40)",
        "string.rep('x', 1 << 30, 'y')", "('a'):rep(30000):find(('a*'):rep(40) .. 'b')",
        "while true do coroutine.wrap(function() while true do coroutine.yield() end end)() end",
        "local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) return t[1]",
        "xpcall(function() while true do end end, function() while true do end end)",
        "table.concat(setmetatable({}, { __len = function() return 1 << 40 end }))",
        "local s = 'x' while true do s = s .. s end", "table.unpack({}, 1, 1e8)",
        "local t = mk.zeros { 1 } while true do t = t + 1 end", "local t = mk.zeros { 1 << 46 } print(t:sum():item())",
        "mk.zeros { 1 << 24, 16 }:rank(1):sum():item()", "mk.tensor({ 1, 2 }):item()",
        "mk.defer({ 1 }, function() while true do end end, 1):item()",
        "for i = 1, 1e9 do mk.randn { 1000 } end", "mk.rand { 1 << 30 }:kth_largest(1 << 29):item()",
        "base:map(function(t) while true do end end):tensor(base:names()[1])",
    ]
    for number, loop in enumerate(loops):
        yield Case(f"resource {number}", HEAD + f"do {loop if not loop.startswith('return') else 'print((function() ' + loop + ' end)())'} end return base",
                   arguments=["--time-limit", "5", "--memory-limit", "64MB"])


# What changes the ground that the API stands on.

def metatables():
    tricks = [
        "setmetatable({}, { __gc = function() io.open 'x' end }) collectgarbage()",
        "setmetatable(_G, {})", "getmetatable('').__index = nil", "getmetatable(base).__gc(base)",
        "string.format = nil", "pcall = error", "error = print", "setmetatable(mk, { __index = function() return io end }) mk.x()",
        "local c <close> = setmetatable({}, { __close = function() while true do end end })",
        "coroutine.close(coroutine.running())", "debug = { getregistry = 1 }", "require = nil",
        "_G._G = nil _ENV = {}", "warn '@on' warn(('x'):rep(1 << 20))", "print(('\\27]0;x\\7'):rep(10))",
        "collectgarbage('stop')", "collectgarbage('generational')", "math.randomseed(os)", "string.dump(print)",
        "next(setmetatable({}, { __pairs = error }))",
    ]
    for number, trick in enumerate(tricks):
        yield Case(f"trick {number}", HEAD + f"print(pcall(function() {trick} end)) return base", arguments=["--time-limit", "5"])


CONFIG = json.loads((ROOT / "Tests/Fixtures/models/base/config.json").read_text())


# Running.

def setup(folder, case):
    work = folder / "work"
    work.mkdir(parents=True)
    shutil.copytree(ROOT / "Tests/Fixtures/models", work / "models", symlinks=False)
    for name, text in {"secret.txt": SECRET, "secret.lua": f"{SECRET} = ", "secret.json": json.dumps({"chat_template": SECRET})}.items():
        (folder / "secret").mkdir(exist_ok=True)
        (folder / "secret" / name).write_text(text)
    (folder / "home/.config").mkdir(parents=True)
    (folder / "home/.config/settings").write_text(SECRET)
    (folder / "tmp").mkdir()
    (work / "recipe.lua").write_text(case.recipe.replace("FOLDER", str(folder)))
    if case.prepare:
        case.prepare(folder)


def state(folder):
    """All files outside of OUT, with their contents."""
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if relative.parts[:2] == ("work", "out") or relative.parts[0] in ("tmp", "trace"):
            continue
        if path.is_symlink():
            found[str(relative)] = os.readlink(path)
        elif path.is_file():
            found[str(relative)] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[str(relative)] = "folder" if path.is_dir() else "special"
    return found


CALL = re.compile(r'^\d+ +(\w+)\((.*)\) += (-?\d+)')
PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


def accesses(trace, work):
    """(kind, path) of each successful access: read, write or run."""
    first = True
    for line in trace.read_text(errors="replace").splitlines():
        match = CALL.match(line)
        if not match:
            continue
        call, arguments, result = match[1], match[2], int(match[3])
        if result < 0:
            continue
        paths = [work / p for p in PATH.findall(arguments)]
        if call == "execve":
            if not first:
                yield "run", paths[0]
            first = False
        elif call in ("open", "openat", "creat"):
            writes = re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", arguments)
            # The names in OUT are the user's own, whatever a link there leads to.
            if writes or not ("O_DIRECTORY" in arguments and paths[0].is_relative_to(work / "out")):
                yield ("write" if writes else "read"), paths[0]
        elif call in ("socket", "connect", "bind"):
            yield "network", work
        elif call in ("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "symlink",
                      "symlinkat", "link", "linkat", "chmod", "fchmodat", "chown", "truncate", "mknod", "mknodat"):
            for path in paths:
                yield "write", path


def outside(kind, path, folder, known):
    work = folder / "work"
    real = Path(os.path.realpath(path.parent)) / path.name if kind == "write" else Path(os.path.realpath(path))
    text = str(real)
    if kind in ("run", "network"):
        return True
    if kind == "write":
        # The staging folder stands beside OUT, scratch files in TMPDIR.
        relative = os.path.relpath(text, work)
        name = relative.split("/")[0]
        return not (name == "out" or name.startswith(".out") or text.startswith(str(folder / "tmp")) or text == "/dev/null")
    # Who owns a staging directory is told by the state and the start of the process that made it.
    is_ownership = re.fullmatch(r"/proc/\d+/stat|/proc/sys/kernel/random/boot_id", text)
    return not (
        text.startswith(str(work)) or text in known or text.startswith(str(folder / "tmp"))
        or text.startswith("/proc/self/") or is_ownership)


def run(binary, case, folder, known):
    setup(folder, case)
    before = state(folder)
    trace = folder / "trace"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp"), "SECRET": SECRET}
    command = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%file,%network,execve", "-o", trace, binary, "recipe.lua", "out", "--quiet"]
    problems = []
    try:
        outcome = subprocess.run(command + case.arguments, cwd=folder / "work", env=environment, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return ["it hangs"], set()
    if outcome.returncode not in (0, 1):
        problems.append(f"exit status {outcome.returncode}: {outcome.stderr[-200:]}")
    if SECRET.encode() in outcome.stdout + outcome.stderr:
        problems.append("what it says has the secret")
    after = state(folder)
    problems += [f"{path} has changed" for path in sorted(set(before) | set(after)) if before.get(path) != after.get(path)]
    for path in (folder / "work").glob("out/**/*"):
        if path.is_symlink():
            continue
        if path.is_file() and SECRET.encode() in path.read_bytes():
            # The recipe itself and its modules may name it; what they read may not.
            if path.name != "recipe.lua":
                problems.append(f"{path.name} of the output has the secret")
        if path.suffix == ".py" and path.parent != folder / "work/out":
            problems.append(f"code was written to {path}")
    reads = set()
    for kind, path in accesses(trace, folder / "work"):
        reads.add(os.path.realpath(path))
        if known is not None and outside(kind, path, folder, known):
            problems.append(f"{kind} {path}")
    return problems, reads


def main():
    binary = sys.argv[1]
    cases = [case for group in (names, modules, models, saves, resources, metatables) for case in group()]
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(os.path.realpath(temporary))
        # What a harmless run reads of the system, any may.
        problems, known = run(binary, Case("harmless", HEAD + "return base"), temporary / "harmless", None)
        assert not problems, problems
        failures = 0
        with ThreadPoolExecutor(2) as pool:
            jobs = [(case, pool.submit(run, binary, case, temporary / f"case-{n}", known)) for n, case in enumerate(cases)]
            for case, job in jobs:
                problems, _ = job.result()
                if problems:
                    failures += 1
                    print(f"{case.name}: " + "; ".join(dict.fromkeys(problems)))
    print(f"{len(cases)} hostile recipes and models, {failures} with an effect that none may have")
    sys.exit(1 if failures else 0)


main()
