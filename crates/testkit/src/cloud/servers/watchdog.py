# Runs a test server and ends it when no test has touched it for a while. Argument: its plan (JSON).
import ctypes, fcntl, json, os, shutil, signal, subprocess, sys, time

plan = json.load(open(sys.argv[1]))
folder, idle_s = plan["folder"], plan["idle_s"]
touched = os.path.join(folder, "touched")
PR_SET_PDEATHSIG = 1  # so that nothing stays where the watchdog itself is killed
libc = ctypes.CDLL(None)
base = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH")}
children = []


def end(*_):
    for signum, patience_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        for child in children:
            if child.poll() is None:
                child.send_signal(signum)
        until = time.monotonic() + patience_s
        while time.monotonic() < until and any(c.poll() is None for c in children):
            time.sleep(0.1)


def idle():
    try:
        return time.time() - os.stat(touched).st_mtime > idle_s
    except FileNotFoundError:
        return True


def stop(*_):
    end()
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
for n, program in enumerate(plan["programs"]):
    log = open(os.path.join(folder, f"{n}.log"), "wb")
    children.append(subprocess.Popen(program["argv"], env={**base, **program["env"]}, cwd=folder,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)))
while True:
    time.sleep(1)
    dead = [c.args[0] for c in children if c.poll() is not None]
    if dead:
        print("ended by itself:", dead, flush=True)
        end()
        sys.exit(1)
    if not idle():
        continue
    # Under the lock that every newcomer takes: nobody finds a server that is about to end.
    with open(plan["lock"], "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not idle():
            continue
        end()
        try:
            if json.load(open(plan["note"]))["folder"] == folder:
                os.remove(plan["note"])
        except FileNotFoundError:
            pass
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit(0)
