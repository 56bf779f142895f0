"""Runs commands over copies of a fixture and keeps what they print."""

import json
import os
import shutil
import tempfile

from machine import Machine

SETTINGS = os.path.join("scripts", "fixture_maker", "settings")
RULES = os.path.join("tests", "fixtures", "rules.json")


def rules():
    """How output is compared: `tests/fixtures/README.md` says what each list is for."""
    with open(RULES) as file:
        return json.load(file)


def named(patterns, path):
    return any(path == p or (p.startswith("*.") and (path == p[2:] or path.endswith(p[1:]))) for p in patterns)


def kind(value):
    for name, of in (("boolean", bool), ("number", (int, float)), ("string", str), ("array", list), ("object", dict)):
        if isinstance(value, of):
            return name
    return "null"


def differences(rules, recorded, found, path=""):
    """What of `recorded` is missing or other in `found`, as crates/cli/tests/it/fixtures/compare.rs has it. Without `changed`: both
    are of one executable."""
    sentence = isinstance(recorded, list) or " " in f"{recorded}{found}"
    if sentence and named(rules["sentences"], path) or named(rules["volatile"], path):
        return [] if kind(recorded) == kind(found) else [f"{path}: {kind(recorded)}, now {kind(found)}"]
    if isinstance(recorded, dict) and isinstance(found, dict):
        out = []
        for name, value in recorded.items():
            at = f"{path}.{name}" if path else name
            out += differences(rules, value, found[name], at) if name in found else [f"{at}: is missing"]
        return out
    if isinstance(recorded, list) and isinstance(found, list):
        if named(rules["growing"], path):
            left = iter(found)
            lost = [v for v in recorded if not any(not differences(rules, v, f, path) for f in left)]
            return [f"{path}: {json.dumps(lost[0])[:200]} is missing"] if lost else []
        if len(recorded) == len(found):
            return [d for a, b in zip(recorded, found) for d in differences(rules, a, b, path)]
    same = kind(recorded) == kind(found) and recorded == found
    return [] if same else [f"{path}: {json.dumps(recorded)[:200]}, now {json.dumps(found)[:200]}"]


class Recorder:
    """Keeps the output of commands in `folder`. Each runs over a copy of its own, twice, to see that it says the same again."""

    def __init__(self, machine, folder):
        self.machine, self.folder, self.rules = machine, folder, rules()
        os.makedirs(folder, exist_ok=True)

    def once(self, args, **how):
        m = self.machine
        with tempfile.TemporaryDirectory(prefix="holdfast-fixture-") as root:
            shutil.copytree(m.root, root, symlinks=True, dirs_exist_ok=True)
            place(root, "@ROOT@", root)
            copy = Machine(m.executable, root, m.now, m.env)
            return root, copy.run(*[a.replace("@ROOT@", root) for a in args], **how)

    def keep(self, name, *args, input=None, json_form=True):
        (root, ran), (other, again) = [self.once(args, input=input, json=json_form) for _ in range(2)]
        print(f"  {ran.code:3} {name}: {' '.join(args)[:100]}", flush=True)
        path = os.path.join(self.folder, f"{name}.json")
        kept = write(path, args, self.machine.now, ran, root, json_form=json_form, stdin=input)
        if json_form:
            found = json.loads(again.stdout.replace(other, "@ROOT@"))
            changed = differences(self.rules, kept["document"], found)
            if changed or again.code != ran.code:
                codes = f"({ran.code}, {again.code})"
                raise SystemExit(f"{args} prints something else the second time {codes}:\n" + "\n".join(changed))


def write(path, args, now, ran, root, json_form=True, **more):
    """Keeps what a command printed, with the folder it ran in as `@ROOT@`."""
    record = {"args": list(args), "at": f"{now:%Y-%m-%d %H:%M:%S}", "exit": ran.code}
    record.update({name: value for name, value in more.items() if value})
    text = ran.stdout.replace(root, "@ROOT@")
    if not text:
        raise SystemExit(f"{args} printed nothing\n{ran.stderr}")
    record["document" if json_form else "text"] = json.loads(text) if json_form else text
    with open(path, "w") as file:
        json.dump(record, file, indent=0, ensure_ascii=False)
        file.write("\n")
    return record


def place(root, before, after):
    """The configuration names folders in `before`: it names those in `after` then."""
    path = os.path.join(root, "home", "holdfast.toml")
    with open(path) as file:
        text = file.read()
    with open(path, "w") as file:
        file.write(text.replace(before, after))
