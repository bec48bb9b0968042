"""An object store with Amazon's own client, and with clients that mean no good."""

from __future__ import annotations

import io
import os
import re
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from object_store_stand import StoreStand

from effort import examples
from terrarium.core.errors import ConfigError, NotFound, Refused


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[StoreStand]:
    with StoreStand(tmp_path, {"buckets": {"reports": {"other": "read"}, "private": {"agent": "none"}}}) as stand:
        yield stand


def _expires(url: str) -> datetime:
    """When a signed address expires, of either version."""
    told = dict(parse_qsl(urlsplit(url).query))
    if "Expires" in told:
        return datetime.fromtimestamp(int(told["Expires"]), UTC)
    return datetime.strptime(told["X-Amz-Date"], "%Y%m%dT%H%M%S%z") + timedelta(seconds=int(told["X-Amz-Expires"]))


def code(error: Any) -> str:
    return str(error.value.response["Error"]["Code"])


def test_what_one_side_stores_the_other_reads(stand: StoreStand) -> None:
    client = stand.client()
    stand.store.put_object("reports", "q1/α β.csv", "a,b\n1,2\n", metadata={"Author": "Ann"})

    found = client.get_object(Bucket="reports", Key="q1/α β.csv")
    client.put_object(Bucket="reports", Key="q2.bin", Body=bytes(range(256)), Metadata={"by": "x"}, ContentType="a/b")

    assert found["Body"].read() == b"a,b\n1,2\n"
    assert (found["ContentType"], found["Metadata"]) == ("text/plain", {"author": "Ann"})
    assert stand.store.get_object("reports", "q2.bin") == bytes(range(256))
    shown = stand.store.head_object("reports", "q2.bin")
    assert (shown["type"], shown["metadata"], shown["by"], shown["size"]) == ("a/b", {"by": "x"}, "agent", 256)
    assert [each["key"] for each in stand.store.list_objects("reports")] == ["q1/α β.csv", "q2.bin"]


def test_listing_by_folders_and_pages(stand: StoreStand) -> None:
    client = stand.client()
    for key in ("a", "b/1", "b/2", "b/c/3", "d/4", "é +&<>"):
        client.put_object(Bucket="reports", Key=key, Body=b"x")

    top = client.list_objects_v2(Bucket="reports", Delimiter="/")
    pages = client.get_paginator("list_objects_v2").paginate(
        Bucket="reports", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    older = client.list_objects(Bucket="reports", Delimiter="/", MaxKeys=2)

    assert [each["Key"] for each in top["Contents"]] == ["a", "é +&<>"]
    assert [each["Prefix"] for each in top["CommonPrefixes"]] == ["b/", "d/"]
    walked = [page.get("Contents", []) + page.get("CommonPrefixes", []) for page in pages]
    assert [[each.get("Key") or each["Prefix"] for each in page] for page in walked] == [
        ["a"],
        ["b/"],
        ["d/"],
        ["é +&<>"],
    ]
    assert (older["IsTruncated"], older["NextMarker"]) == (True, "b/")
    inner = client.list_objects_v2(Bucket="reports", Prefix="b/", Delimiter="/", StartAfter="b/1")
    assert [each["Key"] for each in inner["Contents"]] == ["b/2"]


def test_uploads_in_parts_and_streams(stand: StoreStand) -> None:
    client = stand.client()
    big = bytes(range(256)) * 50_000
    client.upload_fileobj(io.BytesIO(big), "reports", "big.bin")  # over 8 MiB: in parts

    begun = client.create_multipart_upload(Bucket="reports", Key="x", Metadata={"a": "b"})["UploadId"]
    part = client.upload_part(Bucket="reports", Key="x", UploadId=begun, PartNumber=2, Body=b"tail")
    copied = client.upload_part_copy(
        Bucket="reports",
        Key="x",
        UploadId=begun,
        PartNumber=1,
        CopySource="reports/big.bin",
        CopySourceRange="bytes=0-5999999",
    )
    listed = client.list_parts(Bucket="reports", Key="x", UploadId=begun)["Parts"]
    tags = [copied["CopyPartResult"]["ETag"], part["ETag"]]
    parts = [{"PartNumber": number + 1, "ETag": tag} for number, tag in enumerate(tags)]
    client.complete_multipart_upload(Bucket="reports", Key="x", UploadId=begun, MultipartUpload={"Parts": parts})

    assert stand.store.get_object("reports", "big.bin") == big
    assert [each["Size"] for each in listed] == [6_000_000, 4]
    found = client.get_object(Bucket="reports", Key="x", Range="bytes=-6")
    assert (found["Body"].read(), found["Metadata"]) == (big[5_999_998:6_000_000] + b"tail", {"a": "b"})
    assert found["ETag"].endswith('-2"')
    assert not [row for row in stand.store.rows() if row.table in ("part", "upload")]
    with pytest.raises(ClientError) as wrong:
        client.complete_multipart_upload(Bucket="reports", Key="x", UploadId=begun, MultipartUpload={"Parts": parts})
    assert code(wrong) == "NoSuchUpload"


def test_conditions_copies_and_removal(stand: StoreStand) -> None:
    client = stand.client()
    tag = client.put_object(Bucket="reports", Key="a", Body=b"one", IfNoneMatch="*")["ETag"]
    client.copy_object(Bucket="reports", Key="b", CopySource="reports/a")

    with pytest.raises(ClientError) as taken:
        client.put_object(Bucket="reports", Key="a", Body=b"two", IfNoneMatch="*")
    with pytest.raises(ClientError) as same:
        client.get_object(Bucket="reports", Key="a", IfNoneMatch=tag)
    gone = client.delete_objects(Bucket="reports", Delete={"Objects": [{"Key": "a"}, {"Key": "b"}, {"Key": "none"}]})

    assert (code(taken), code(same)) == ("PreconditionFailed", "304")
    assert [each["Key"] for each in gone["Deleted"]] == ["a", "b", "none"]
    with pytest.raises(NotFound):
        stand.store.get_object("reports", "a")
    with pytest.raises(ClientError) as missing:
        client.head_object(Bucket="reports", Key="a")
    assert code(missing) == "404"
    client.create_bucket(Bucket="mine")
    client.delete_bucket(Bucket="mine")
    assert stand.store.list_buckets() == ["private", "reports"]


def test_clients_that_are_told_nothing_ask_for_new_buckets_where_somebody_answers(
    stand: StoreStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket that is not there yet has no host of its own, and there is no DNS."""
    for name, value in stand.store.equipment("agent").env.items():
        monkeypatch.setenv(name, value)
    for region in (None, "eu-central-1"):
        client = boto3.Session().client("s3", region_name=region)
        asked = client.generate_presigned_url("create_bucket", {"Bucket": "fresh"})
        assert asked.startswith(f"{stand.store.connection_info['endpoint_url']}/fresh?")


def test_who_may_do_what(stand: StoreStand) -> None:
    mine, theirs = stand.client("agent"), stand.client("other")
    mine.put_object(Bucket="reports", Key="a", Body=b"x")

    assert theirs.get_object(Bucket="reports", Key="a")["Body"].read() == b"x"
    for wrong in (
        lambda: theirs.put_object(Bucket="reports", Key="a", Body=b"y"),
        lambda: theirs.delete_object(Bucket="reports", Key="a"),
        lambda: mine.list_objects_v2(Bucket="private"),
    ):
        with pytest.raises(ClientError) as denied:
            wrong()
        assert code(denied) == "AccessDenied"
    assert [each["Name"] for each in mine.list_buckets()["Buckets"]] == ["reports"]
    with pytest.raises(ClientError) as stolen:
        stand.client("agent", key_of="other").list_buckets()
    assert code(stolen) == "InvalidAccessKeyId"
    assert stand.plain("GET", "/reports/a")[0] == 403
    stand.store.create_bucket("open", public=True)
    stand.store.put_object("open", "a", "hello")
    assert stand.plain("GET", "/open/a") == (200, b"hello")
    assert stand.plain("GET", "/a", Host="open.s3.amazonaws.com") == (200, b"hello")
    assert stand.plain("PUT", "/open/b", b"x")[0] == 403


@pytest.mark.parametrize("version", ["s3v4", None])
def test_signed_addresses(stand: StoreStand, version: str | None) -> None:
    client = stand.client(signature_version=version)
    stand.store.put_object("reports", "a b", "hello")
    url = client.generate_presigned_url("get_object", {"Bucket": "reports", "Key": "a b"}, ExpiresIn=60)

    assert urllib.request.urlopen(url).read() == b"hello"
    later, cut = re.sub(r"Expires=\d+", "Expires=4102444800", url), re.sub(r"Signature=..", "Signature=", url)
    for spoiled in (url.replace("a%20b", "a%20c"), later, cut, f"{url}&acl", f"{url}&Expires=0"):
        with pytest.raises(HTTPError) as error:
            urllib.request.urlopen(spoiled)
        assert error.value.code in (400, 403)
        error.value.close()
    left = _expires(url) - stand.clock.now  # 60 s of the machine's time, which has gone on since the world began
    stand.clock.move(stand.clock.micros + left // timedelta(microseconds=1))
    assert urllib.request.urlopen(url).read() == b"hello"
    stand.clock.move(stand.clock.micros + 1_000_000)
    with pytest.raises(HTTPError, match="403") as expired:
        urllib.request.urlopen(url)
    expired.value.close()


def test_agents_fill_it_up_to_its_cap_and_no_further(tmp_path: Path) -> None:
    with StoreStand(tmp_path, {"buckets": ["box"], "storage": "1m"}) as stand:
        client = stand.client()
        for _ in range(3):  # what was replaced counts no more, on the disk neither
            client.put_object(Bucket="box", Key="a", Body=_noise(700_000))
        assert len(list((tmp_path / "object_store" / "blobs").iterdir())) == 1
        with pytest.raises(ClientError) as full:
            client.put_object(Bucket="box", Key="c", Body=_noise(700_000))
        assert code(full) == "EntityTooLarge"
        stand.store.put_object("box", "c", _noise(700_000))


def test_tools(stand: StoreStand) -> None:
    use = stand.use
    use("write", bucket="reports", key="a.txt", content="hello")
    use("copy", bucket="reports", key="a.txt", to_key="b.txt")
    assert use("read", bucket="reports", key="b.txt") == "hello"
    assert use("list") == [{"bucket": "reports", "access": "write"}]
    assert [each["key"] for each in use("list", bucket="reports")] == ["a.txt", "b.txt"]
    use("delete", bucket="reports", key="a.txt")
    with pytest.raises(Refused):
        use("delete", bucket="reports", key="a.txt")
    with pytest.raises(Refused, match="may not read"):
        use("list", bucket="private")


@pytest.mark.parametrize(
    "config",
    [{"buckets": ["A"]}, {"buckets": {"ab": 1}}, {"acess": "read"}, {"access": "all"}, {"storage": "x"}, {"host": 1}],
)
def test_a_configuration_that_cannot_be(tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        StoreStand(tmp_path, config)


METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "XYZ")
PATHS = ("/", "/reports", "/reports/a", "/reports/%ff", "/reports/%00", "/no/x", "//", "/reports/" + "k" * 3000)
QUERIES = (
    "", "list-type=2&max-keys=x", "list-type=2&continuation-token=%25", "delete", "uploads", "uploadId=1&partNumber=0",
    "uploadId=1", "acl", "policy", "versions", "X-Amz-Signature=1", "X-Amz-Signature=1&X-Amz-Date=9", "max-keys=-1",
    "a&" * 200, "response-content-type=%0d%0aX:1", "%ff=%fe",
)  # fmt: skip
TOLD = {
    "Authorization": (f"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature={'0' * 64}", "Basic x"),
    "Range": ("bytes=5-1", "bytes=-", "bytes=99999-", "x"),
    "x-amz-copy-source": ("reports/none", "/", "%ff", "private/a"),
    "x-amz-content-sha256": ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64),
    "x-amz-meta-a": ("x" * 5000, "\x80"),
    "Content-MD5": ("x",),
    "If-Match": ('"x"', "*"),
}  # fmt: skip
BODIES = (
    b"",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffff\r\n",
    b"<Delete>" * 2000,
    b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
    b"\xff",
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreStand]:
    config = {"buckets": {"private": {"agent": "none"}}}
    with StoreStand(tmp_path_factory.mktemp("target"), config) as stand:
        stand.store.create_bucket("reports", public=True)
        stand.store.put_object("reports", "a", "hello")
        yield stand


@settings(max_examples=examples(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(METHODS),
    st.sampled_from(PATHS),
    st.sampled_from(QUERIES),
    st.dictionaries(st.sampled_from(sorted(TOLD)), st.integers(0, 9), max_size=3),
    st.one_of(st.sampled_from(BODIES), st.binary(max_size=60)),
)
def test_nonsense_is_refused_and_changes_nothing(
    target: StoreStand, method: str, path: str, query: str, picked: dict[str, int], body: bytes
) -> None:
    before = list(target.store.rows())
    headers = {name: TOLD[name][number % len(TOLD[name])] for name, number in picked.items()}

    status, answer = target.plain(method, f"{path}?{query}", body, **headers)

    assert status < 500 or status == 501, answer
    assert list(target.store.rows()) == before


def _noise(size: int) -> bytes:
    return os.urandom(size)
