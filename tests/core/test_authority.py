"""The authority: who it vouches for, and who believes it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from functools import partial

import pytest

from terrarium.core.authority import Authority, authority, variables
from terrarium.core.network import Caller, Network


async def _shake_hands(connection: socket.socket, caller: Caller, context: ssl.SSLContext) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)
    transport.write(b"hello")
    await reader.read()
    transport.abort()


async def _greeted(shown: str, called: str, trusting: ssl.SSLContext) -> bytes:
    network = Network()
    await network.serve("a.world", 443, partial(_shake_hands, context=network.authority.server(shown)))
    ours = network.connect("a.world", 443, Caller("ann"))
    try:
        reader, writer = await asyncio.open_connection(sock=ours, ssl=trusting, server_hostname=called)
        said = await reader.readexactly(5)
        writer.close()
        return said
    finally:
        await network.close()


def test_a_client_believes_a_host_under_its_own_name_only() -> None:
    trusting = authority().client()
    assert asyncio.run(_greeted("api.notion.com", "api.notion.com", trusting)) == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError, match="match"):
        asyncio.run(_greeted("api.notion.com", "slack.com", trusting))


def test_nobody_else_believes_it() -> None:
    for other in (ssl.create_default_context(), Authority().client()):
        with pytest.raises(ssl.SSLCertVerificationError):
            asyncio.run(_greeted("a.world", "a.world", other))


def test_strict_clients_believe_it() -> None:
    strict = ssl.create_default_context(cadata=authority().certificate.decode())
    strict.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN  # as Python 3.13 does
    assert asyncio.run(_greeted("long-" * 10 + "name.world", "long-" * 10 + "name.world", strict)) == b"hello"


def test_a_name_that_no_certificate_can_have() -> None:
    with pytest.raises(ValueError, match="hyphen"):
        Authority().server("ab--c.world")


def test_worlds_of_a_process_share_it_and_it_is_loaded_late() -> None:
    assert Network().authority is Network().authority
    said = (
        "import sys, terrarium.core.network as n; n.Network(); print('cryptography' in sys.modules)\n"
        "print(b'CERTIFICATE' in n.Network().authority.certificate, 'cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_programs_are_told_of_it() -> None:
    assert variables("/somewhere.pem")["SSL_CERT_FILE"] == "/somewhere.pem"
