"""What one caller does to the wire of a world's hosts: it is bounded, and another caller is served all the while."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from open_world import OpenWorld

from terrarium.core.authority import authority
from terrarium.core.network import CONNECTIONS_LIMIT

HOST = "shop.example"
GET = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWorld]:
    with OpenWorld(tmp_path_factory.mktemp("wire"), {"web": {}, "email": {}, "notion": {}}) as world:
        world["web"].site(HOST, files={"/index.html": "<h1>Shop</h1>"})
        world["web"].site("other.example", files={"/index.html": "another"})
        yield world
        assert world.failures == []


def served(world: OpenWorld, agent: str = "other", host: str = HOST) -> bool:
    """Whether another caller is served, over TLS, by its name."""
    with socket.create_connection(("127.0.0.1", world.port(443, agent, host)), timeout=30) as plain:
        context = authority().client()
        with context.wrap_socket(plain, server_hostname=host) as secure:
            secure.sendall(
                GET.replace(HOST.encode(), host.encode()).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            )
            said = b""
            while part := secure.recv(65536):
                said += part
    return said.startswith(b"HTTP/1.1 200 OK")


def connect(world: OpenWorld, port: int = 80, host: str = HOST) -> socket.socket:
    return socket.create_connection(("127.0.0.1", world.port(port, host=host)), timeout=30)


def talk(world: OpenWorld, data: bytes, port: int = 80) -> bytes:
    """All that comes back until the other end closes."""
    said = b""
    with connect(world, port) as one:
        with contextlib.suppress(ConnectionError):
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while part := one.recv(65536):
                said += part
    return said


def statuses(said: bytes) -> list[bytes]:
    return re.findall(rb"HTTP/1\.1 (\d{3})", said)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 5000,
        os.urandom(4000),
        b"\x16\x03\x01\x02\x00\x01" + b"\xff" * 600,
        b"\x16\x03\x01\x40\x01" + b"a" * 20_000,
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + b"\x00" * 40,
        GET,
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
    ids=["zeros", "noise", "a broken hello", "too long a record", "SSL 2", "no TLS", "an alert"],
)
def test_what_is_no_tls_ends_its_connection(world: OpenWorld, data: bytes) -> None:
    said = talk(world, data, 443)
    assert not said or said[:1] == b"\x15", "at most an alert"
    assert served(world)
    assert served(world, "agent")


def test_half_handshakes_and_drips_hold_up_nobody(world: OpenWorld) -> None:
    hello = ssl.MemoryBIO()
    secure = authority().client().wrap_bio(ssl.MemoryBIO(), hello, server_hostname=HOST)
    with contextlib.suppress(ssl.SSLWantReadError):
        secure.do_handshake()
    begun = hello.read()
    held = [connect(world, 443) for _ in range(40)]
    for number, one in enumerate(held):
        one.sendall(begun[: 1 + number * len(begun) // 40])
    assert served(world)
    assert served(world, "agent")
    for one in held:
        one.close()
    assert served(world, "agent")


def test_renegotiation_is_not_to_be_had(world: OpenWorld) -> None:
    context = authority().client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connect(world, 443) as plain, context.wrap_socket(plain, server_hostname=HOST) as secure:
        assert secure.version() == "TLSv1.2"
        # A second hello in the clear, which is what a renegotiation without its keys looks like.
        with contextlib.suppress(OSError):
            plain.sendall(b"\x16\x03\x03\x00\x05\x01\x00\x00\x01\x00")
    assert served(world)
    assert authority().server(HOST).options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("name", ["nobody.example", "other.example", "127.0.0.1", None])
def test_a_wrong_name_meets_the_certificate_of_the_host_it_has_reached(world: OpenWorld, name: str | None) -> None:
    context = authority().client()
    context.check_hostname = False
    with connect(world, 443) as plain, context.wrap_socket(plain, server_hostname=name) as secure:
        names = dict(secure.getpeercert() or {})["subjectAltName"]
        assert names == (("DNS", HOST),)
        secure.sendall(GET.replace(b"shop.example", b"other.example"))
        assert b"<h1>Shop</h1>" in secure.recv(65536), "who is reached is what the address says, not the header"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"Content-Length: 3\r\nContent-Length: 30", b"400"),
        (b"Content-Length: 3, 30", b"400"),
        (b"Content-Length: +3", b"400"),
        (b"Content-Length: 0x3", b"400"),
        (b"Content-Length: -1", b"400"),
        (b"Content-Length: " + b"9" * 5000, b"400"),
        (b"Content-Length: " + b"9" * 18, b"413"),
        (b"Content-Length : 3", b"400"),
        (b"Transfer-Encoding: chunked, identity", b"501"),
        (b"Transfer-Encoding: \x0bchunked", b"400"),
        (b"Transfer-Encoding: xchunked", b"501"),
        (b"X: a\r\n Content-Length: 3\r\nHost: again", b"400"),
        (b"X: a\nContent-Length: 3\x00", b"400"),
        (b"X-\xff: a", b"400"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"400"),  # RFC 9112, 6.3: may be an attempt at smuggling
    ],
)
def test_a_body_of_two_lengths_is_one_request_at_most(world: OpenWorld, head: bytes, status: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    said = talk(world, b"POST / HTTP/1.1\r\nHost: shop.example\r\n" + head + b"\r\n\r\n" + smuggled)
    assert statuses(said) == [status]
    assert "/smuggled" not in [visit["path"] for visit in world["web"].log(HOST)]
    assert served(world)


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"a" * 1_000_000,
        b"\r\n".join(b"X-%d: %s" % (number, b"a" * 900) for number in range(1000)),
        b"\r\n".join([b"A: b"] * 50_000),
    ],
    ids=["one long header", "many headers", "small headers without end"],
)
def test_a_head_without_end_is_refused(world: OpenWorld, head: bytes) -> None:
    before = memory()
    said = talk(world, b"GET / HTTP/1.1\r\nHost: shop.example\r\n" + head + b"\r\n\r\n")
    assert statuses(said) in ([b"431"], [b"400"], [])
    assert memory() - before < 64 * 1024 * 1024
    assert served(world)


def memory() -> int:
    """Bytes of this process that are resident."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def crowd(world: OpenWorld, host: str, port: int, count: int) -> Iterator[list[socket.socket]]:
    held: list[socket.socket] = []
    try:
        for _ in range(count):
            held.append(connect(world, port, host))
        yield held
    finally:
        for one in held:
            one.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("mail.world", 993),
        *(
            pytest.param(*place, marks=pytest.mark.soak)
            for place in ((HOST, 443), (HOST, 80), ("mail.world", 143), ("mail.world", 25))
        ),
    ],
)
def test_idle_connections_of_one_caller_are_bounded(world: OpenWorld, host: str, port: int) -> None:
    count = CONNECTIONS_LIMIT + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * count:
        pytest.skip("too few descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * count), hard))
    before = descriptors()
    try:
        with crowd(world, host, port, count):
            assert served(world)
            assert served(world, "other")
            assert descriptors() - before <= count + CONNECTIONS_LIMIT + 50
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for _ in range(200):
        with contextlib.suppress(OSError):
            if served(world, "agent"):
                return
    raise AssertionError("connections that have ended still count")


def test_callers_at_once(world: OpenWorld) -> None:
    """One talks nonsense without end while the other works."""
    stop = threading.Event()

    def abuse() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                talk(world, os.urandom(2000), 443)
                talk(world, b"GET / HTTP/1.1\r\n" + os.urandom(200) + b"\r\n\r\n")

    threads = [threading.Thread(target=abuse) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            client = http.client.HTTPConnection("127.0.0.1", world.port(80, "other", HOST), timeout=30)
            client.request("GET", "/", headers={"Host": HOST})
            assert client.getresponse().read() == b"<h1>Shop</h1>"
            client.close()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
