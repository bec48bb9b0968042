"""Names and certificates inside a local sandbox: real clients, with nothing said to them."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import pytest
from local_box import needs_namespaces, out, root_filesystem, use

from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.network import Network
from terrarium.core.sandbox import Ground
from terrarium.core.seeds import Rng
from terrarium.http.host import WebHost
from terrarium.sandbox.local.sandbox import LocalSandbox
from terrarium.sandbox.zygote import zygote

pytestmark = needs_namespaces

FETCH = "import urllib.request; print(urllib.request.urlopen('{}').read().decode())"
CLIENTS = {
    "curl": "curl -sS {}",
    "node": "node -e \"fetch('{}').then(answer => answer.text()).then(console.log)\"",
    "python3": f'python3 -c "{FETCH}"',
    "wget": "wget -qO- {}",
}


async def _app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    host, caller = dict(scope["headers"])[b"host"].decode(), scope["extensions"]["terrarium"]["caller"]
    said = f"{scope['scheme']} {host} {caller.name}"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said.encode()})


def _site(network: Network, folder: Any) -> Site:
    return Site(
        name="web",
        folder=folder,
        config={},
        clock=Clock(),
        rng=Rng(0),
        agents=["ann"],
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: None,  # type: ignore[arg-type, return-value]
        network=network,
    )


def _inside(tmp_path: Any, work: Any, **ground: Any) -> Any:
    async def go(box: LocalSandbox) -> Any:
        return await work(box)

    async def all_of_it() -> Any:
        network = Network()
        host = WebHost(_site(network, tmp_path / "web"), ["api.notion.com", "files.slack.com"], _app)
        await host.open()
        box = LocalSandbox(Ground(network=network, agent="ann", **ground))
        await box.open(tmp_path / "box")
        try:
            return await go(box)
        finally:
            await box.close()
            await host.close()
            await network.close()
            zygote().close()

    return asyncio.run(all_of_it())


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_reach_hosts_by_name_and_believe_them(tmp_path, client):
    if shutil.which(client, path="/usr/bin") is None:
        pytest.skip(f"there is no {client} in /usr/bin")

    async def go(box):
        for host in ("api.notion.com", "files.slack.com"):
            for scheme in ("https", "http"):
                said = await out(box, CLIENTS[client].format(f"{scheme}://{host}/"))
                assert said.strip() == f"{scheme} {host} ann"

    _inside(tmp_path, go)


def test_the_system_trusts_the_worlds_authority_and_nobody_else(tmp_path):
    async def go(box):
        before = await box.read("/etc/ssl/certs/ca-certificates.crt")
        trusted = (await out(box, "cat /etc/ssl/certs/ca-certificates.crt")).encode()
        assert trusted == before == box._ground.network.authority.certificate
        assert (await out(box, 'cat "$SSL_CERT_FILE" "$NODE_EXTRA_CA_CERTS"')).encode() == 2 * trusted
        without = "env -u SSL_CERT_FILE -u CURL_CA_BUNDLE"
        assert await out(box, f"{without} curl -sS https://api.notion.com/") == "https api.notion.com ann"
        assert (await box.exec("echo >> /etc/ssl/certs/ca-certificates.crt")).exit_code != 0
        assert (await box.exec("rm -f /etc/ssl/certs/ca-certificates.crt")).exit_code != 0
        wrong = "curl -sS --connect-to api.notion.com:443:files.slack.com:443 https://api.notion.com/"
        assert (await box.exec(wrong)).exit_code == 60

    _inside(tmp_path, go)


def test_nothing_else_resolves_or_connects(tmp_path):
    async def go(box):
        for url, code in {"https://example.com/": 6, "https://notion.com/": 6, "https://198.51.100.7/": 7}.items():
            assert (await box.exec(f"curl -sS -m 20 {url}")).exit_code == code
        said = "import socket; socket.create_connection(('2001:db8::1', 443), 20)"
        assert "unreachable" in (await box.exec(["python3", "-c", said])).stderr.lower()
        assert (await box.exec("getent hosts example.com")).exit_code == 2

    _inside(tmp_path, go)


def test_a_root_filesystem_trusts_it_too_and_its_links_stay(tmp_path):
    root = root_filesystem(tmp_path / "root")
    kept = root / "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
    kept.parent.mkdir(parents=True)
    kept.write_text("of the base\n")
    (root / "etc/ssl").mkdir()
    (root / "etc/ssl/certs").symlink_to("../pki/ca-trust/extracted/pem")

    async def go(box):
        said = await out(box, "cat /etc/ssl/certs/tls-ca-bundle.pem")
        assert said.encode() == box._ground.network.authority.certificate
        assert {row.key for row in box.rows()} <= {"/etc", "/etc/hosts", "/dev", "/proc"}

    _inside(tmp_path, go, settings={"rootfs": str(root)})


def test_what_is_saved_holds_no_certificate(tmp_path):
    async def go(box):
        await out(box, "echo kept > /root/file; cat /etc/ssl/certs/ca-certificates.crt")
        await box.save(tmp_path / "saved")
        assert {row.key for row in box.rows()} == {"/root", "/root/file"}
        for path in (tmp_path / "saved").rglob("*"):
            assert path.is_dir() or b"CERTIFICATE" not in path.read_bytes()

    _inside(tmp_path, go)
    network = Network()
    ground = Ground(network=network)
    assert "CERTIFICATE" in use(tmp_path / "saved", lambda box: out(box, 'cat /root/file "$SSL_CERT_FILE"'), ground)
    use(tmp_path / "alone", _alone)


async def _alone(box: LocalSandbox) -> None:
    """Where there is no network there is nobody to trust, and the base is as it is."""
    assert await out(box, "echo $SSL_CERT_FILE") == "\n"
    await out(box, "test -e /etc/ssl/certs/ca-certificates.crt")
