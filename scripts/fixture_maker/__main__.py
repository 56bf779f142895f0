"""Makes the fixtures of one generation: `scripts/fixtures VERSION EXECUTABLE`."""

import os
import shutil
import sys

import cloud
import commands
import config
import home
import packages
from pack import sums
from record import Recorder

FIXTURES = os.path.join("tests", "fixtures")


def main(version, executable):
    to = os.path.join(FIXTURES, version)
    if os.path.exists(to):
        raise SystemExit(f"{to} is there: a generation is made once and never again")
    # Some rows name folders in full: always the same ones.
    root = f"/tmp/holdfast-fixture-{version}"
    shutil.rmtree(root, ignore_errors=True)
    os.makedirs(to)
    executable = os.path.abspath(executable)
    print("home", flush=True)
    story = home.Story(executable, os.path.join(root, "local"))
    # By then every lease of a process that died has expired.
    machine = story.live().after(minutes=15)
    home.put_away(machine, os.path.join(root, "kept"))
    recorder = Recorder(machine, os.path.join(to, "json"))
    for name, *args in commands.commands(story):
        recorder.keep(name, *args)
    for name, input, *args in commands.with_input():
        recorder.keep(name, *args, input=input)
    recorder.keep("costs-csv", "costs", "--csv", json_form=False)
    print("packages", flush=True)
    packages.make(machine, story.matters, story.key, os.path.join(to, "packages"))
    print("config", flush=True)
    config.make(machine, os.path.join(to, "config"))
    home.pack(machine, os.path.join(to, "home.tar.gz"))
    print("dynamodb", flush=True)
    cloud.make(executable, os.path.join(root, "shared"), os.path.join(to, "dynamodb"))
    sums(FIXTURES)
    shutil.rmtree(root)


main(*sys.argv[1:])
