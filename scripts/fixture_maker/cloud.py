"""An archive in S3 with everything else in one DynamoDB table: the table's items and the ledger's objects are kept."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time

import boto3
from botocore.exceptions import EndpointConnectionError

from home import Receiver, Story
from media import Drop, sidecar, tone, wav
from pack import archive
from record import Recorder, place

NAME = "holdfast-fixture"
CONFIG = """[person]
name = "Sam Sample"

[archive]
backend = "s3"

[archive.s3]
media_bucket = "@NAME@"
force_path_style = true

[archiver]
organisation = "acme"

[[archiver.sources]]
name = "drop"
folder = "@ROOT@/drop"
stable_s = 120

[index]
backend = "dynamodb"

[index.dynamodb]
table = "@NAME@"

[aws]
region = "us-east-1"
endpoint_url = "@SERVER@"
s3_endpoint_url = "@S3@"
dynamodb_endpoint_url = "@DYNAMODB@"

[notify]
matter_names = true

[[notify.webhook]]
name = "cases"
url = "http://127.0.0.1:@PORT@/hooks/holdfast"
"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


def key_schema(partition, sort):
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]


class Servers:
    """S3 as the tests have it, DynamoDB of its own."""

    def __init__(self, work):
        environment = {**os.environ, "HOLDFAST_TEST_SERVERS": os.path.join(work, "servers")}
        argv = [os.environ["CLOUDS"], "aws"]
        self.clouds = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.s3 = json.loads(self.clouds.stdout.readline())["url"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.dynamodb = f"http://127.0.0.1:{port}"
        data = os.path.join(work, "dynamodb.sqlite")
        argv = ["dynoxide", "serve", "--host", "127.0.0.1", "--port", str(port), "--db-path", data]
        self.dynoxide = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def client(self, service, url):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)

    def make(self):
        """The bucket and the table, as `holdfast provision` would."""
        bucket = self.client("s3", self.s3)
        bucket.create_bucket(Bucket=NAME, ObjectLockEnabledForBucket=True)
        table = self.client("dynamodb", self.dynamodb)
        definition = {
            "TableName": NAME,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": a, "AttributeType": "S"} for a in ("pk", "sk", "gk", "gs")],
            "KeySchema": key_schema("pk", "sk"),
            "GlobalSecondaryIndexes": [{
                "IndexName": "by_state",
                "KeySchema": key_schema("gk", "gs"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["p"]},
            }],
        }
        for _ in range(100):
            try:
                table.create_table(**definition)
                return bucket, table
            except EndpointConnectionError:
                time.sleep(0.1)
        raise SystemExit("dynoxide does not answer")

    def names(self):
        return {"@NAME@": NAME, "@SERVER@": self.s3, "@S3@": self.s3, "@DYNAMODB@": self.dynamodb}

    def say(self, *words):
        self.clouds.stdin.write(" ".join(words) + "\n")
        self.clouds.stdin.flush()
        return json.loads(self.clouds.stdout.readline())

    def stop(self):
        self.clouds.stdin.close()
        self.clouds.wait()
        self.dynoxide.terminate()
        self.dynoxide.wait()


class SharedStory(Story):
    """The same people with a shared archive."""

    def __init__(self, executable, root, servers):
        super().__init__(executable, root)
        self.servers = servers
        self.m.env = dict(KEYS)

    def configure(self, port=9):
        text = CONFIG
        for name, value in {**self.servers.names(), "@ROOT@": self.m.root, "@PORT@": str(port)}.items():
            text = text.replace(name, value)
        with open(self.m.home("holdfast.toml"), "w") as file:
            file.write(text)
        self.m.env = {**KEYS, "HOLDFAST_SECRET_WEBHOOK_CASES": "thirty characters to sign with"}

    def take_in(self):
        drop = Drop(os.path.join(self.m.root, "drop"), self.m)
        for n in range(1, 4):
            drop.recording(f"cold-{n}", "wav", wav(tone(600 + 10 * n, 300)), sidecar(f"cold-{n}", f"2024-03-{n:02}", 300))
        self.ingest(0)
        self.servers.say("cool", NAME, "GLACIER")
        self.m.after(hours=20).do("index", "refresh")
        first = sidecar("hot-1", "2026-10-05", transcript="I want to dispute a charge.", external_ids={"case": "C-77"})
        drop.recording("hot-1", "wav", wav(tone(440, 400), tone(550, 400)), first)
        for n in range(2, 6):
            trade = sidecar(f"hot-{n}", f"2026-10-{n + 4:02}", 300, queue="trading")
            drop.recording(f"hot-{n}", "wav", wav(tone(500 + 10 * n, 300)), trade)
        text = b"Jane Doe: Where is the branch?\n"
        drop.recording("message-1", "txt", text, sidecar("message-1", "2026-10-15", media="message"))
        drop.put("orphan.wav", wav(tone(720, 200)))
        drop.recording("cut", "wav", wav(tone(730, 400))[:3000], sidecar("cut", "2026-10-18"))
        drop.put("later.wav", wav(tone(790, 300)), age_s=10)
        drop.put("later.json", sidecar("later", "2026-11-01", 300), age_s=10)
        self.ingest()
        self.find()

    def live(self):
        self.begin()
        self.m.do("ledger", "create")
        self.take_in()
        held = self.matter("Held", "hot-1", "message-1")
        self.m.do("matter", "hold", held, "--reason", "Duty to preserve from receipt of the subpoena.")
        self.plan(self.matter("Planned", "cold-1", "hot-1"))
        closed = self.matter("Closed", "hot-2")
        self.m.do("matter", "close", closed, "--reason", "Settled.")
        with Receiver() as port:
            self.configure(port)
            whole = self.matter("Whole", "hot-1", "hot-3")
            self.retrieve(whole)
            self.m.do("export", "--matter", whole)
            self.m.after(seconds=30).run("jobs", "--watch").must(0, 5)
        self.configure()
        self.m.do("link", self.ids["hot-1"], "--matter", held, "--reason", "For counsel.")
        waiting = self.matter("Waiting", "hot-4", "cold-2", "cold-3")
        self.retrieve(waiting, "--plan", self.plan(waiting), code=5)
        self.m.do("jobs", "--matter", waiting, "--cancel", "--id", self.ids["cold-3"])
        downloading = self.matter("Downloading", "hot-5")
        self.m.die("retrieval.downloaded", "retrieve", "--matter", downloading)
        drop = Drop(os.path.join(self.m.root, "drop"), self.m)
        drop.recording("unfinished", "wav", wav(tone(888, 300)), sidecar("unfinished", "2026-10-30", 300))
        self.m.die("ingest.manifest", "archiver", "run", "--once")
        return self.m


def asked(story):
    """What is asked of the table. Nothing that writes: all ask the same one."""
    held = story.matters["Held"]
    yield "status", "status"
    yield "search-all", "search", "--facets"
    for name, value in (
        *(("queue", "trading"), ("participant", "Jane Doe"), ("agent", "dana"), ("interaction", "C-77"), ("tag", "pci")),
        *(("tier", "cold"), ("media", "message"), ("matter", held), ("from", "2026-10-06"), ("to", "2024-03-02")),
    ):
        yield f"search-{name}", "search", f"--{name}", value
    yield "search-text", "search", "dispute"
    yield "matter-list", "matter", "list"
    for name, matter in story.matters.items():
        yield f"matter-show-{name.lower()}", "matter", "show", matter
    yield "jobs", "jobs"
    yield "jobs-all", "jobs", "--all"
    yield "notify-list", "notify", "list"
    yield "archiver-status", "archiver", "status"
    yield "quarantine-list", "archiver", "quarantine", "list"
    yield "ledger-show", "ledger", "show", "--from", "0", "--limit", "1000"
    yield "ledger-show-recording", "ledger", "show", "--id", story.ids["hot-1"]
    yield "ledger-show-matter", "ledger", "show", "--matter", held
    yield "ledger-verify", "ledger", "verify"
    yield "ledger-checkpoint", "ledger", "checkpoint"


def printed(value):
    """A value as JSON: bytes as base64."""
    (kind, of), = value.items()
    return {kind: base64.b64encode(of).decode() if isinstance(of, bytes) else of}


def items(table):
    """All items, in order, as DynamoDB's own tools print them."""
    found, more = [], {}
    while True:
        page = table.scan(TableName=NAME, ConsistentRead=True, **more)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    plain = [{name: printed(value) for name, value in sorted(item.items())} for item in found]
    return sorted(plain, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def make(executable, root, to):
    """The fixture of a shared archive in the folder `to`."""
    os.makedirs(to)
    servers = Servers(root)
    try:
        bucket, table = servers.make()
        story = SharedStory(executable, os.path.join(root, "desk"), servers)
        machine = story.live().after(minutes=15)
        with open(os.path.join(to, "items.json"), "w") as file:
            file.write("[\n" + ",\n".join(json.dumps(item) for item in items(table)) + "\n]\n")
        ledger = os.path.join(root, "objects")
        for entry in bucket.list_objects_v2(Bucket=NAME, Prefix="ledger/")["Contents"]:
            path = os.path.join(ledger, entry["Key"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(bucket.get_object(Bucket=NAME, Key=entry["Key"])["Body"].read())
        archive(ledger, ["ledger"], os.path.join(to, "ledger.tar.gz"), moment=machine.now)
        place(machine.root, machine.root, "@ROOT@")
        recorder = Recorder(machine, os.path.join(to, "json"))
        for name, *args in asked(story):
            recorder.keep(name, *args)
        with open(machine.home("holdfast.toml"), "w") as file:
            file.write(CONFIG.replace("@PORT@", "9"))
        shutil.rmtree(machine.home("exports"))
        archive(machine.root, ["home"], os.path.join(to, "home.tar.gz"))
    finally:
        servers.stop()
        shutil.rmtree(root)
