#!/usr/bin/env python3
"""Checks a Holdfast ledger without Holdfast: Python's standard library, and openssl for signatures.

    check_ledger.py log FOLDER PUBLIC.PEM            a published log: FOLDER/checkpoint and FOLDER/tile/...
    check_ledger.py proof ENTRY.json ENTRY.tlog-proof PUBLIC.PEM
    check_ledger.py vectors FOLDER                   the test vectors of docs/formats/ledger.md

Exit status: 0 everything holds, 1 something does not (said on standard error), 2 usage.
"""

import base64, hashlib, hmac, json, re, struct, subprocess, sys, tempfile
from pathlib import Path


FORMATS = ("holdfast-event/1", "holdfast-event/2")
LATER = {"mac_key_id", "previous_of_matter", "previous_of_recording"}


class Fault(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Fault(what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(entry):
    return sha256(b"\0", entry)


def node_hash(left, right):
    return sha256(b"\1", left, right)


def root(leaves):
    """MTH of RFC 6962, section 2.1, without recursion over the left side."""
    peaks = []
    for n, node in enumerate(leaves):
        while n & 1:
            node, n = node_hash(peaks.pop(), node), n >> 1
        peaks.append(node)
    if not peaks:
        return sha256()
    node = peaks.pop()
    while peaks:
        node = node_hash(peaks.pop(), node)
    return node


def included(index, size, leaf, path):
    """The root that an audit path leads to (RFC 9162, section 2.1.3.2); None when it fits no tree of that size."""
    if index >= size:
        return None
    at, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    return node if last == 0 else None


def consistent(old_size, old_root, new_size, new_root, path):
    """RFC 9162, section 2.1.4.2."""
    if old_size == new_size:
        return not path and old_root == new_root
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not path:
        return False
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, node)
        at, last = at >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def checkpoint(text, pem):
    """Checks a C2SP checkpoint's signature with openssl and returns its size and root."""
    body, signatures = text.rsplit("\n\n", 1)
    body += "\n"
    origin, size, root_line = body.split("\n")[:3]
    der = base64.b64decode("".join(Path(pem).read_text().split("\n")[1:-2]))
    key_id = sha256(origin.encode(), b"\n\1", der[-32:])[:4]
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded)
        if dash == "\u2014" and name == origin and raw[:4] == key_id:
            with tempfile.TemporaryDirectory() as folder:
                message, signature = Path(folder, "message"), Path(folder, "signature")
                message.write_bytes(body.encode())
                signature.write_bytes(raw[4:])
                command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(pem), "-rawin"]
                command += ["-in", str(message), "-sigfile", str(signature)]
                done = subprocess.run(command, capture_output=True)
            need(done.returncode == 0, "the checkpoint's signature does not verify")
            return int(size), base64.b64decode(root_line)
    raise Fault("the checkpoint has no signature by this key")


def entry(sequence, data, previous, mac_key=None):
    """Checks one entry's form, place and link; with the secret, its MAC too."""
    try:
        value = json.loads(data)
        canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        event = value["event"]
    except (ValueError, KeyError, TypeError):
        raise Fault(f"entry {sequence} is no entry")
    need(canonical.encode() == data, f"entry {sequence} is not in canonical form")
    need(event["format"] in FORMATS, f"entry {sequence} is of another format")
    later = event["format"] == FORMATS[1]
    need(later or not LATER.intersection(event), f"entry {sequence} has members of a later format")
    need(event["sequence"] == sequence, f"entry {sequence} claims another place")
    need(previous is None or event["previous"] == previous.hex(), f"entry {sequence} does not follow the one before it")
    if mac_key:
        # The MAC is made over the bytes of the event as they stand in the entry.
        mac = hmac.new(mac_key, data[len('{"event":') : -len(',"mac":""}') - 64], hashlib.sha256).hexdigest()
        need(mac == value["mac"], f"the MAC of entry {sequence} does not verify")
    return event


def follow(sequence, event, last):
    """Checks that an entry names the one before it of its matter and recording; `last` has the last of each."""
    for member, subject in (
        ("previous_of_matter", ("matter", event.get("matter"))),
        ("previous_of_recording", ("recording", event.get("subject", {}).get("archive_id"))),
    ):
        before = last.get(subject) if subject[1] else None
        if event["format"] == FORMATS[1]:
            need(event.get(member) == before, f"entry {sequence} does not name the entry before it in {member}")
        if subject[1]:
            last[subject] = sequence


def indexed(n, width):
    path = f"{n % 1000:03}"
    while n >= 1000:
        n //= 1000
        path = f"x{n % 1000:03}/{path}"
    return path if width == 256 else f"{path}.p/{width}"


def resource(folder, kind, n, width):
    """A tile or bundle: the partial one, or the full one that took its place."""
    for w in (width, 256):
        path = Path(folder, "tile", kind, indexed(n, w))
        if path.is_file():
            return path.read_bytes()
    raise Fault(f"tile/{kind}/{indexed(n, width)} is missing")


def log(folder, pem, mac_key=None):
    """Checks a whole published log and returns its leaf hashes."""
    size, signed_root = checkpoint(Path(folder, "checkpoint").read_text("utf-8"), pem)
    leaves, previous, last = [], bytes(32), {}
    for n in range((size + 255) // 256):
        width = min(256, size - 256 * n)
        bundle, hashes, at = resource(folder, "entries", n, width), resource(folder, "0", n, width), 0
        for i in range(width):
            sequence = 256 * n + i
            need(at + 2 <= len(bundle), f"entry {sequence} is missing")
            (length,) = struct.unpack_from(">H", bundle, at)
            data, at = bundle[at + 2 : at + 2 + length], at + 2 + length
            leaf = leaf_hash(data)
            need(leaf == hashes[32 * i : 32 * i + 32], f"entry {sequence} is not the one that its tile has the hash of")
            follow(sequence, entry(sequence, data, previous, mac_key), last)
            leaves.append(leaf)
            previous = leaf
    level, row = 1, [root(leaves[i : i + 256]) for i in range(0, size - 255, 256)]
    while row:
        for n in range((len(row) + 255) // 256):
            want = b"".join(row[256 * n : 256 * n + 256])
            found = resource(folder, str(level), n, len(want) // 32)
            need(found[: len(want)] == want, f"tile/{level}/{indexed(n, 256)} does not hold the hashes that it must")
        level, row = level + 1, [root(row[i : i + 256]) for i in range(0, len(row) - 255, 256)]
    need(root(leaves) == signed_root, "the entries are not those that the checkpoint was signed for")
    return leaves


def proof(entry_path, proof_path, pem):
    """Checks one entry with its C2SP tlog-proof and returns the checkpoint's size and root."""
    head, note = Path(proof_path).read_text("utf-8").split("\n\n", 1)
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a C2SP tlog-proof")
    if lines[0].startswith("extra "):
        lines.pop(0)
    index = int(re.fullmatch("index (0|[1-9][0-9]*)", lines.pop(0))[1])
    size, signed_root = checkpoint(note, pem)
    data = Path(entry_path).read_bytes()
    found = included(index, size, leaf_hash(data), [base64.b64decode(line) for line in lines])
    need(found == signed_root, f"the entry is not number {index} of the ledger that was signed")
    entry(index, data, None)
    return size, signed_root


def vectors(folder):
    folder = Path(folder)
    keys, pem = json.loads((folder / "keys.json").read_text()), folder / "public.pem"
    leaves = log(folder / "log", pem, bytes.fromhex(keys["mac_key"]))
    need([h.hex() for h in leaves] == (folder / "leaves.txt").read_text().split(), "leaves.txt differs")
    roots = [root(leaves[:n]) for n in range(len(leaves) + 1)]
    need([h.hex() for h in roots] == (folder / "roots.txt").read_text().split(), "roots.txt differs")
    for n in range(len(leaves)):
        found = proof(folder / f"entry-{n}.json", folder / f"entry-{n}.tlog-proof", pem)
        need(found == (len(leaves), roots[-1]), f"the proof of entry {n} is of another checkpoint")
    need(checkpoint((folder / "checkpoint-4").read_text("utf-8"), pem) == (4, roots[4]), "checkpoint-4 differs")
    for n in range(1, len(leaves) + 1):
        path = json.loads((folder / f"consistency-{n}-{len(leaves)}.json").read_text())
        hashes = [bytes.fromhex(h) for h in path["hashes"]]
        need(consistent(n, roots[n], len(leaves), roots[-1], hashes), f"the consistency proof from {n} does not hold")
    return f"{len(leaves)} entries with their MACs, {len(leaves)} inclusion proofs, {len(leaves)} consistency proofs hold"


def main(arguments):
    try:
        if len(arguments) == 3 and arguments[0] == "log":
            print(f"{len(log(*arguments[1:]))} entries hold")
        elif len(arguments) == 4 and arguments[0] == "proof":
            size, signed_root = proof(*arguments[1:])
            print(f"the entry stands in the ledger of {size} entries with root {signed_root.hex()}")
        elif len(arguments) == 2 and arguments[0] == "vectors":
            print(vectors(arguments[1]))
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except (Fault, OSError) as fault:
        print(f"does not hold: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
