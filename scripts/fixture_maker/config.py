"""Configurations with as many settings as is realistic, and what is said of them."""

import os
import shutil
import tempfile

from machine import Machine
from record import SETTINGS, write


def make(machine, to):
    shutil.copytree(SETTINGS, to)
    os.makedirs(os.path.join(to, "json"))
    for name in ("local", "s3", "azure"):
        keep(machine, to, f"{name}.check", "config", "check")
        keep(machine, to, f"{name}.credentials", "credentials", "list")
    keep(machine, to, "local.show", "config", "show")
    # Every setting as it was understood. The backends are replaced: opening them needs a cloud.
    here = ("--set", "archive.backend=local", "--set", "index.backend=sqlite")
    for name, policy in (("s3", "holdfast-archiver.iam.json"), ("azure", "holdfast-archiver.role.json")):
        keep(machine, to, f"{name}.show", "config", "show", *here)
        keep(machine, to, f"{name}.emit", "provision", "emit", "--only", policy)


def keep(machine, to, name, *args):
    with tempfile.TemporaryDirectory(prefix="holdfast-fixture-") as root:
        other = Machine(machine.executable, root, machine.now, machine.env)
        os.makedirs(other.home())
        os.makedirs(os.path.join(root, "config"))
        for file in os.listdir(SETTINGS):
            with open(os.path.join(SETTINGS, file)) as source, open(os.path.join(root, "config", file), "w") as target:
                target.write(source.read().replace("@ROOT@", root))
        shutil.copy(os.path.join(root, "config", name.split(".")[0] + ".toml"), other.home("holdfast.toml"))
        write(os.path.join(to, "json", f"{name}.json"), args, machine.now, other.run(*args).must(0), root)
