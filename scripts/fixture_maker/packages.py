"""The packages that a matter's work gave, and what the verifiers say of them."""

import os
import shutil
import tempfile

from machine import Machine
from pack import archive
from record import write

# Nobody's key: the public one that goes with a seed of ones.
OTHER = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"


def make(machine, matters, key, to):
    os.makedirs(to)
    for name in ("whole", "partial", "mismatch"):
        folder = machine.home("exports") if name == "whole" else os.path.join(machine.root, "out", name)
        package = f"{matters[name.capitalize()]}_evidence"
        archive(folder, [package], os.path.join(to, f"{name}.tar.gz"))
        verifier = os.path.join(os.path.dirname(machine.executable), "holdfast-verify")
        for variant, known in (("known-key", key), ("other-key", OTHER)):
            keep(machine, os.path.join(folder, package), os.path.join(to, f"{name}.{variant}.json"), verifier, known)


def keep(machine, package, to, verifier, key):
    with tempfile.TemporaryDirectory(prefix="holdfast-fixture-") as root:
        name = os.path.basename(package)
        shutil.copytree(package, os.path.join(root, name))
        args = (name, "--key", key)
        ran = Machine(machine.executable, root, machine.now).run(*args, program=verifier).must(0, 4)
        write(to, args, machine.now, ran, root, program=os.path.basename(verifier))
