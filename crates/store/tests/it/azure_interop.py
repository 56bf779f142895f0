"""Reads what Holdfast wrote and writes what an older archiver wrote, with the Azure SDK for Python. Orders come as JSON on
stdin, findings go as JSON to stdout; anything unexpected ends it with an error."""

import hashlib
import json
import sys
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, StandardBlobTier


class AnyToken:
    def get_token(self, *scopes, **kwargs):
        return AccessToken("a-token-of-tests", int(time.time()) + 86400)


def refused(what, call):
    try:
        call()
    except HttpResponseError as e:
        return e.error_code if isinstance(e.error_code, str) else e.error_code.value
    raise AssertionError(f"{what} was not refused")


order = json.load(sys.stdin)
service = BlobServiceClient(
    order["url"],
    credential=AnyToken(),
    connection_verify=order["ca"],
    max_single_put_size=64 << 10,
    max_block_size=64 << 10,
    retry_total=2,
)
container = service.get_container_client(order["container"])

listed = {b.name: b for b in container.list_blobs(include=["metadata", "versions", "tags", "immutabilitypolicy", "legalhold"])}
findings = {"read": {}, "refused": {}, "wrote": {}}
for wrote in order["written"]:
    name = wrote["name"]
    blob = container.get_blob_client(name, version_id=wrote["version"])
    digest = hashlib.sha256(blob.download_blob().readall()).hexdigest()
    seen = blob.get_blob_properties()
    entry = listed[name]
    assert digest == wrote["sha256"] == seen.metadata["sha256"] == entry.metadata["sha256"], (name, digest, seen.metadata)
    assert entry.version_id == wrote["version"] and entry.size == seen.size, entry
    policy = seen.immutability_policy
    findings["read"][name] = {
        "metadata": seen.metadata,
        "tags": blob.get_blob_tags(),
        "type": seen.content_settings.content_type,
        "tier": seen.blob_tier,
        "policy": policy.policy_mode,
        "until": policy.expiry_time and policy.expiry_time.isoformat(),
        "hold": seen.has_legal_hold,
        "archive_status": seen.archive_status,
    }
    if wrote["protected"]:
        findings["refused"][name] = [
            refused("a delete of the version", blob.delete_blob),
            refused("new metadata", lambda: container.get_blob_client(name).set_blob_metadata({"a": "b"})),
        ]
        # Both make the version a previous one, and nothing of it is lost.
        container.get_blob_client(name).upload_blob(b"forged", overwrite=True)
        container.get_blob_client(name).delete_blob()
        assert not container.get_blob_client(name).exists()
        assert hashlib.sha256(blob.download_blob().readall()).hexdigest() == wrote["sha256"]

for name, size in (("python/small.wav", 1000), ("python/large.wav", 300_000)):
    data = bytes(i * 31 % 251 for i in range(size))
    digest = hashlib.sha256(data).hexdigest()
    metadata = {"sha256_hash": digest, "retention_class": "finra-6y", "conversation_id": "c-77"}
    if "large" in name:
        metadata["sha256hash"] = metadata.pop("sha256_hash")
    blob = container.get_blob_client(name)
    answer = blob.upload_blob(data, metadata=metadata, tags={"classification": "restricted"}, standard_blob_tier=StandardBlobTier.COOL)
    findings["wrote"][name] = {"sha256": digest, "version": answer["version_id"], "size": size}

cold = container.get_blob_client(order["cold"])
assert refused("reading from Archive", lambda: cold.download_blob().readall()) == "BlobArchived"
cold.set_standard_blob_tier(StandardBlobTier.HOT, rehydrate_priority="Standard")
assert cold.get_blob_properties().archive_status == "rehydrate-pending-to-hot"
json.dump(findings, sys.stdout)
