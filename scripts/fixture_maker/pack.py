"""Packs what was made, so that the same files give the same bytes."""

import gzip
import hashlib
import io
import os
import sqlite3
import tarfile


def checkpoint(folder):
    """Puts what SQLite's write-ahead logs hold into the databases, and takes the logs away."""
    for at, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".sqlite"):
                path = os.path.join(at, name)
                database = sqlite3.connect(path)
                database.execute("pragma wal_checkpoint(truncate)").fetchall()
                database.close()
                for more in ("-wal", "-shm"):
                    if os.path.exists(path + more):
                        os.remove(path + more)


def archive(folder, names, to, moment=None):
    """`names` below `folder` as a compressed archive: sorted, without owners. Modes are kept, and times where none is given."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        def add(path):
            info = tar.gettarinfo(os.path.join(folder, path), arcname=path)
            info.uid = info.gid = 0
            info.uname = info.gname = ""
            info.mtime = int(moment.timestamp() if moment else info.mtime)
            if info.type == tarfile.LNKTYPE:
                raise SystemExit(f"{path} is linked twice")
            if info.isreg():
                with open(os.path.join(folder, path), "rb") as file:
                    tar.addfile(info, file)
                return
            tar.addfile(info)
            if info.isdir():
                for name in sorted(os.listdir(os.path.join(folder, path))):
                    add(os.path.join(path, name))
        for name in names:
            add(name)
    with open(to, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9, mtime=0, filename="") as packed:
        packed.write(raw.getvalue())


def sums(folder):
    """SHA-256 of every fixture, in the form of sha256sum. What is no fixture is not in it."""
    lines = []
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(at, name), folder)
            if path in ("README.md", "SHA256SUMS", "rules.json"):
                continue
            with open(os.path.join(folder, path), "rb") as file:
                lines.append(f"{hashlib.sha256(file.read()).hexdigest()}  {path}\n")
    with open(os.path.join(folder, "SHA256SUMS"), "w") as file:
        file.writelines(sorted(lines, key=lambda line: line.split("  ", 1)[1]))
