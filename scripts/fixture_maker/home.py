"""A home folder with recordings, matters, retrievals, quarantine and notifications in every state that lasts."""

import glob
import http.server
import hashlib
import json
import os
import shutil
import threading

from machine import Machine, moment
from media import Drop, encoded, screen, sidecar, tone, wav
from pack import archive, checkpoint
from record import SETTINGS, place

CONFIG = """[person]
name = "Sam Sample"
role = "legal"

[archive]
cold_after_days = 365
keep_days = 3
regions = ["eu-central-1"]

[archive.rehydration.expedited]
expected_s = 300
worst_s = 900

[archive.rehydration.standard]
expected_s = 10800
worst_s = 18000

[archive.rehydration.bulk]
expected_s = 18000
worst_s = 43200

[desk]
prices = "{root}/home/prices.toml"

[archiver]
organisation = "acme"

[[archiver.sources]]
name = "drop"
folder = "{root}/drop"
stable_s = 120

[retention.policy]
classes = [
  {{ name = "standard-7y", years = 7, legal_basis = "default policy of this installation", mode = "governance" }},
  {{ name = "finra-6y", years = 6, legal_basis = "SEC 17a-4(b)(4)", mode = "compliance" }},
]

[[retention.policy.rules]]
name = "default"
class = "standard-7y"

[[retention.policy.rules]]
name = "trades"
class = "finra-6y"
queues = ["trading"]
"""
NOTIFY = """
[notify]
matter_names = true

[[notify.webhook]]
name = "cases"
url = "http://127.0.0.1:{port}/hooks/holdfast"
"""
SECRETS = {"HOLDFAST_SECRET_WEBHOOK_CASES": "thirty characters to sign with"}
MAIL = """From: Jane Doe <jane.doe@example.com>
To: Dana Whitfield <dana@acme.example>
Subject: My mortgage [email-1]
Date: Wed, 14 Oct 2026 10:00:00 +0000
Message-ID: <email-1@example.com>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Please send the papers again.
"""
# A throw-away key, so that the same key signs every time the fixture is made: seed and MAC key.
KEY = "5eed" * 16 + "0a11" * 16


def fill(drop, root):
    """What the contact centre delivered."""
    put = drop.recording
    spoken = "Thank you for calling Acme. I want to dispute a charge."
    put("hot-1", "wav", wav(tone(440, 400), tone(550, 400)), sidecar("hot-1", "2026-10-05", transcript=spoken))
    trade = {"queue": "trading", "direction": "outbound", "tags": ["finra"], "classification": "confidential"}
    put("hot-2", "wav", encoded(460, 400, "-c:a", "pcm_mulaw", "-f", "wav"), sidecar("hot-2", "2026-10-06", **trade))
    pause = {"kind": "secure_pause", "start_ms": 100, "end_ms": 200, "shortens_media": False}
    mp3 = encoded(480, 400, "-c:a", "libmp3lame", "-b:a", "16k", "-f", "mp3")
    put("hot-3", "mp3", mp3, sidecar("hot-3", "2026-10-07", pauses=[pause]))
    opus = encoded(500, 400, "-c:a", "libopus", "-b:a", "12k", "-f", "ogg")
    put("hot-4", "ogg", opus, sidecar("hot-4", "2026-10-08", vendor="nice", external_ids={"case": "C-77"}, notes="called back"))
    for n in range(5, 8):
        put(f"hot-{n}", "wav", wav(tone(500 + 10 * n, 300)), sidecar(f"hot-{n}", f"2026-10-{n + 4:02}", 300))
    for n in range(1, 8):
        meta = sidecar(f"cold-{n}", f"2024-03-{n:02}", 300, residency_region="eu-central-1")
        put(f"cold-{n}", "wav", wav(tone(600 + 10 * n, 300)), meta)
    put("screen-1", "mp4", screen(root), sidecar("screen-1", "2026-10-12", 500, media="screen"))
    messages = [("Jane Doe", "10:00:00", "Is my refund on its way?"), ("Dana", "10:00:20", "It left us on Monday.")]
    messages = [{"from": who, "time": f"2026-10-13T{time}Z", "text": text} for who, time, text in messages]
    chat = json.dumps({"conversation": "chat-1", "messages": messages}).encode()
    put("chat-1", "json", chat, sidecar("chat-1", "2026-10-13", 240, media="chat"))
    put("email-1", "eml", MAIL.replace("\n", "\r\n").encode(), sidecar("email-1", "2026-10-14", media="email"))
    text = b"Jane Doe: Where is the branch?\nDana: Next to the station.\n"
    put("message-1", "txt", text, sidecar("message-1", "2026-10-15", media="message"))
    put("tampered", "wav", wav(tone(700, 400)), sidecar("tampered", "2026-09-01"))
    put("blocked", "wav", wav(tone(710, 300)), sidecar("blocked", "2026-10-16", 300))
    # What cannot be archived as it is.
    drop.put("orphan.wav", wav(tone(720, 200)))
    drop.put("lonely.json", sidecar("lonely", "2026-10-17"))
    put("cut", "wav", wav(tone(730, 400))[:3000], sidecar("cut", "2026-10-18"))
    put("longer", "wav", wav(tone(740, 400)), sidecar("longer", "2026-10-19", 9_000))
    put("empty", "wav", b"", sidecar("empty", "2026-10-20"))
    put("broken", "wav", wav(tone(750, 200)), b'{"vendor": "genesys", ')
    nameless = sidecar("nameless", "2026-10-21")
    del nameless["interaction_id"]
    put("nameless", "wav", wav(tone(760, 200)), nameless)
    put("abroad", "wav", wav(tone(770, 200)), sidecar("abroad", "2026-10-22", 200, residency_region="us-east-1"))
    put("kind", "wav", wav(tone(780, 400)), sidecar("kind", "2026-10-23", media="screen"))
    os.symlink("/etc/hostname", drop.path("link.wav"))
    os.symlink("nowhere.wav", drop.path("gone.wav"))


class Receiver:
    """Takes every webhook."""

    def __enter__(self):
        class Take(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Take)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self.server.server_port

    def __exit__(self, *_):
        self.server.shutdown()


class Story:
    """What people and machine did, in order."""

    def __init__(self, executable, root):
        self.m = Machine(executable, root, moment("2026-11-02 09:00:00"))
        self.ids, self.matters = {}, {}

    def configure(self, port=None):
        text = CONFIG.format(root=self.m.root) + (NOTIFY.format(port=port) if port else "")
        with open(self.m.home("holdfast.toml"), "w") as file:
            file.write(text)
        self.m.env = SECRETS if port else {}

    def begin(self):
        """An empty home folder with this key."""
        os.makedirs(self.m.home(), mode=0o700)
        self.configure()
        self.m.do("credentials", "list")
        shutil.copy(os.path.join(SETTINGS, "prices.toml"), self.m.home("prices.toml"))
        os.makedirs(self.m.home("keys"), mode=0o700)
        path = self.m.home("keys", "ledger-" + hashlib.sha256(self.m.home().encode()).hexdigest()[:16])
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(KEY)

    def ingest(self, code=3):
        return self.m.run("archiver", "run", "--once").must(code).json()

    def find(self):
        for row in self.m.do("search", "--limit", "1000")["results"]:
            self.ids[row["interaction_id"]] = row["archive_id"]

    def matter(self, name, *interactions, deadline="2026-11-20"):
        made = self.m.do(
            *("matter", "create", "--name", f"{name} v. Acme", "--reference", f"26-CV-{len(self.matters) + 1}"),
            *("--justification", f"Subpoena in the case of {name}.", "--deadline", deadline, "--requester", "General Counsel"),
        )
        self.matters[name] = made["matter_id"]
        if interactions:
            self.m.do("matter", "add", made["matter_id"], *[self.ids[i] for i in interactions])
        return made["matter_id"]

    def plan(self, matter, *arguments):
        return self.m.do("plan", "--matter", matter, *arguments)["plan_id"]

    def retrieve(self, matter, *arguments, code=0):
        return self.m.run("retrieve", "--matter", matter, *arguments).must(code).json()

    def take_in(self):
        """Items that are archived, awaited, quarantined, decided on and given up."""
        drop = Drop(os.path.join(self.m.root, "drop"), self.m)
        fill(drop, self.m.root)
        # A file that is not the store's lies where one recording is to go: that item fails until it is given up.
        folder = self.m.home("archive", "media", "hot", "recordings", "2026", "10", "16", "genesys.acme.blocked")
        blocked = os.path.join(folder, "blocked-r0.wav")
        os.makedirs(folder)
        with open(blocked, "wb") as file:
            file.write(b"not a recording")
        for _ in range(3):
            self.ingest()
            self.m.after(minutes=5)
        # Other bytes under the ids of what is archived.
        drop.put("hot-7.wav", wav(tone(999, 300)))
        # Metadata that was corrected.
        drop.put("broken.json", sidecar("broken", "2026-10-24", 200))
        self.ingest()
        self.decide()
        self.find()

    def decide(self):
        items = self.m.do("archiver", "quarantine", "list")["items"]
        by_name = {i["item"].rsplit("/", 1)[-1].split(".")[0]: i["id"] for i in items}
        for name, decision, reason in (
            ("orphan", "explain", "Test tone of the recorder."),
            ("longer", "accept", "The recorder stopped early; its log says so."),
            ("empty", "retry", "The recorder wrote it again."),
        ):
            resolve = ("archiver", "quarantine", "resolve", by_name[name], "--decision", decision, "--reason", reason)
            self.m.run(*resolve).must(0, 1)

    def tamper(self):
        """Changes one bit of an archived recording with other tools."""
        (path,) = glob.glob(self.m.home("archive", "media", "hot", "**", "tampered-r0.wav"), recursive=True)
        with open(path, "rb") as file:
            data = bytearray(file.read())
        data[1000] ^= 1
        os.chmod(path, 0o644)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, 0o444)

    def matters_without_retrieval(self):
        self.m.after(hours=1)
        self.matter("Empty")
        planned = self.matter("Planned", "cold-1", "hot-1")
        self.plan(planned)
        held = self.matter("Held", "hot-1", "cold-2", "chat-1")
        self.m.do("matter", "hold", held, "--reason", "Duty to preserve from receipt of the subpoena.")
        released = self.matter("Released", "hot-2", "cold-2")
        self.m.do("matter", "hold", released, "--reason", "Duty to preserve.")
        self.m.do("matter", "hold", released, "--release", "--reason", "The claim was withdrawn.")
        closed = self.matter("Closed", "hot-3")
        self.m.do("matter", "hold", closed, "--reason", "Duty to preserve.")
        self.m.do("matter", "close", closed, "--reason", "Settled.", "--release-holds")
        holding = self.matter("Closed-holding", "email-1")
        self.m.do("matter", "hold", holding, "--reason", "Regulator's order.")
        self.m.do("matter", "close", holding, "--reason", "Settled; the order goes on.")

    def whole(self):
        """One matter from request to package, with everything verified; copies of its recordings go to `out`."""
        self.m.after(hours=1)
        matter = self.matter("Whole", "hot-1", "cold-3", "screen-1", "chat-1", "email-1", deadline="2026-11-05")
        plan = self.plan(matter, "--speed", "expedited")
        self.retrieve(matter, "--plan", plan, code=5)
        self.m.after(minutes=20)
        self.retrieve(matter, "--plan", plan, "--to", os.path.join(self.m.root, "out", "copies"))
        self.m.do("export", "--matter", matter)

    def mismatch(self):
        """One matter of which one recording is not what was archived."""
        matter = self.matter("Mismatch", "tampered", "hot-2", "message-1")
        self.retrieve(matter, code=4)
        self.m.run("export", "--matter", matter).must(1, 2, 4)
        self.m.do("export", "--matter", matter, "--partial", "--to", os.path.join(self.m.root, "out", "mismatch"))
        self.m.run("play", self.ids["tampered"], "--reason", "To hear what is wrong.").must(4)

    def notified(self):
        """Notifications that were sent and given up; `soon` leaves one that is still to be sent."""
        with Receiver() as port:
            self.configure(port)
            sent = self.matter("Notified", "hot-4")
            self.retrieve(sent)
            self.m.after(seconds=30)
            self.m.run("jobs", "--watch").must(0, 4)
        self.configure(9)
        unreachable = self.matter("Unreachable", "hot-5")
        self.retrieve(unreachable)
        self.m.after(hours=25)
        self.m.run("jobs", "--watch").must(0, 4)

    def partial(self):
        """One matter with a recording that is still rehydrating and one whose retrieval was cancelled."""
        matter = self.matter("Partial", "hot-3", "hot-6", "cold-4", "cold-5", deadline="2026-12-20")
        plan = self.plan(matter, "--speed", "bulk")
        self.retrieve(matter, "--plan", plan, code=5)
        self.m.do("jobs", "--matter", matter, "--cancel", "--id", self.ids["cold-5"])
        self.m.do("export", "--matter", matter, "--partial", "--to", os.path.join(self.m.root, "out", "partial"))

    def soon(self):
        """A recording that has just come back, and a matter whose notification is still to be sent."""
        matter = self.matter("Available", "cold-6")
        self.retrieve(matter, "--plan", self.plan(matter, "--speed", "expedited"), code=5)
        exporting = self.matter("Exporting", "hot-7")
        self.retrieve(exporting)
        self.m.after(minutes=16)
        # First claimed as rehydrating, then as available: it dies at the second claim.
        self.m.die("retrieval.claimed:2", "retrieve", "--matter", matter)
        self.m.die("retrieval.exhibit_packed", "export", "--matter", exporting)

    def cut_off(self):
        """Processes that died. Their leases last a minute, so the commands that follow leave their work alone."""
        for step, name, interaction in (
            ("retrieval.download_intended", "Downloading", "hot-2"),
            ("retrieval.downloaded", "Downloaded", "hot-3"),
            ("retrieval.verification_intended", "Verifying", "hot-4"),
            # The last: it has no lease, and the next command would continue it.
            ("retrieval.jobs_approved", "Approved", "hot-1"),
        ):
            matter = self.matter(name, interaction)
            self.plan(matter)
            self.m.die(step, "retrieve", "--matter", matter)
        drop = Drop(os.path.join(self.m.root, "drop"), self.m)
        # Still being written.
        drop.put("later.wav", wav(tone(790, 300)), age_s=10)
        drop.put("later.json", sidecar("later", "2026-11-01", 300), age_s=10)
        self.ingest()
        drop.recording("unfinished", "wav", wav(tone(888, 300)), sidecar("unfinished", "2026-10-30", 300))
        self.m.die("ingest.manifest", "archiver", "run", "--once")

    def fill_ledger(self, entries):
        """Verifications until the ledger has more entries than this, so that its first tiles are full."""
        while self.m.do("ledger", "checkpoint")["size"] <= entries:
            for name in ("hot-1", "screen-1", "chat-1", "email-1"):
                self.m.do("verify", self.ids[name])

    def live(self):
        self.begin()
        self.take_in()
        self.tamper()
        self.matters_without_retrieval()
        self.whole()
        self.mismatch()
        self.notified()
        self.m.do("costs")
        self.partial()
        self.fill_ledger(300)
        self.key = self.m.do("status")["ledger_key"]
        self.quarantine = self.m.do("archiver", "quarantine", "list")["items"]
        self.soon()
        self.cut_off()
        return self.m


def put_away(machine, to):
    """Moves what was made to another folder. Rows that name folders in full name one that is gone, as after every unpacking."""
    checkpoint(machine.root)
    place(machine.root, machine.root, "@ROOT@")
    os.rename(machine.root, to)
    machine.root = to


def pack(machine, to):
    archive(machine.root, ["home", "drop", os.path.join("out", "copies")], to)
