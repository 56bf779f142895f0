"""An executable that is run in one home folder, at a time that is chosen."""

import json
import os
import subprocess
from datetime import datetime, timedelta

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


class Ran:
    """How a command ended and what it printed."""

    def __init__(self, args, code, stdout, stderr):
        self.args, self.code, self.stdout, self.stderr = args, code, stdout, stderr

    def json(self):
        return json.loads(self.stdout)

    def must(self, *codes):
        if self.code not in codes:
            raise SystemExit(f"{self.args} ended with {self.code}, not {codes}\n{self.stdout}\n{self.stderr}")
        return self


class Machine:
    """`root` holds the home folder, the source folder and what is handed out. The clock does not move while a command runs."""

    def __init__(self, executable, root, now, env=()):
        self.executable, self.root, self.now, self.env = executable, root, now, dict(env)

    def home(self, *parts):
        return os.path.join(self.root, "home", *parts)

    def after(self, **time):
        self.now += timedelta(**time)
        return self

    def run(self, *args, program=None, kill=None, input=None, json=True, env=()):
        """Runs at this machine's time, which goes on by a second afterwards. `kill` names the step at which the process dies."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": self.root,
            "HOLDFAST_HOME": self.home(),
            "HOLDFAST_SET_KEYS__PLACE": "file",
            "TZ": "UTC",
            "LD_PRELOAD": FAKETIME,
            "FAKETIME": f"{self.now:%Y-%m-%d %H:%M:%S}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            **self.env,
            **dict(env),
        }
        if kill:
            environment["HOLDFAST_KILL_AT"] = kill
        argv = [program or self.executable, *args] + (["--json"] if json else [])
        input = input and input.encode()
        done = subprocess.run(argv, cwd=self.root, env=environment, input=input, capture_output=True, timeout=120)
        self.after(seconds=1)
        return Ran(argv[1:], done.returncode, done.stdout.decode(), done.stderr.decode())

    def do(self, *args, **how):
        """Runs what must end well and gives its document."""
        return self.run(*args, **how).must(0).json()

    def die(self, step, *args):
        """Runs until the process dies at this step."""
        self.run(*args, kill=step).must(-9)


def moment(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
