"""MCP over standard input and output, for clients that start a program: `python3 /run/secrets/mcp_bridge.py`.

Runs inside a sandbox with nothing but Python's own library. Each line that comes in is one JSON-RPC message; it is
posted to `MCP_URL` with the token `TERRARIUM_MCP_TOKEN`, and what is answered goes out as a line.
"""

import http.client
import json
import os
import sys
import urllib.error
import urllib.request

SECONDS = 600.0
LINE = 4 * 1024 * 1024


def main() -> int:
    """Carry messages until the input ends; the exit code is 2 where it is not known where to."""
    url = os.environ.get("TERRARIUM_MCP_URL") or os.environ.get("MCP_URL")
    token = os.environ.get("TERRARIUM_MCP_TOKEN")
    if not url or not token:
        print("mcp_bridge: TERRARIUM_MCP_URL and TERRARIUM_MCP_TOKEN say where the tools are", file=sys.stderr)
        return 2
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    try:
        for line in iter(lambda: sys.stdin.buffer.readline(LINE + 1), b""):
            if line.strip():
                for answer in _carried(opener, url, headers, line):
                    sys.stdout.buffer.write(answer + b"\n")
                    sys.stdout.buffer.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    finally:
        if "Mcp-Session-Id" in headers:
            try:
                opener.open(urllib.request.Request(url, headers=headers, method="DELETE"), timeout=5.0).close()
            except (OSError, http.client.HTTPException):
                pass
    return 0


def _carried(opener: urllib.request.OpenerDirector, url: str, headers: dict[str, str], line: bytes) -> list[bytes]:
    """The answers to one message. The session and the protocol's version that it brings are kept in `headers`."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    asked = message if isinstance(message, dict) else {}
    own = dict(headers)
    version = _version(asked)
    if version:
        own.update({"MCP-Protocol-Version": version, "Mcp-Method": str(asked.get("method", ""))})
        params = asked.get("params")
        if isinstance(params, dict) and isinstance(params.get("name"), str) and params["name"].isascii():
            own["Mcp-Name"] = params["name"]
    try:
        with opener.open(urllib.request.Request(url, line, own), timeout=SECONDS) as reply:
            session = reply.headers.get("Mcp-Session-Id")
            answers = _messages(reply)
            if session:
                headers["Mcp-Session-Id"] = session
    except urllib.error.HTTPError as error:
        return _failed(asked, error.read(65536), f"HTTP {error.code}")
    except (OSError, ValueError, http.client.HTTPException) as error:
        return _failed(asked, b"", str(error))
    if asked.get("method") == "initialize":
        for answer in answers:
            told = json.loads(answer).get("result") or {}
            if isinstance(told.get("protocolVersion"), str):
                headers["MCP-Protocol-Version"] = told["protocolVersion"]
    return answers


def _version(asked: dict[str, object]) -> str:
    """The version that a message without a session names itself, or nothing."""
    params = asked.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    version = meta.get("io.modelcontextprotocol/protocolVersion") if isinstance(meta, dict) else None
    return version if isinstance(version, str) and version.isascii() and version.isprintable() else ""


def _messages(reply: object) -> list[bytes]:
    """The messages of an answer, which is JSON or a stream of events; nothing where it was only taken note of."""
    body = reply.read()  # type: ignore[attr-defined]
    if reply.headers.get("Content-Type", "").startswith("text/event-stream"):  # type: ignore[attr-defined]
        return [part[5:].strip() for part in body.splitlines() if part.startswith(b"data:") and part[5:].strip()]
    return [b" ".join(body.split(b"\n"))] if body.strip() else []


def _failed(asked: dict[str, object], body: bytes, why: str) -> list[bytes]:
    """What a client is told whose message was not taken: an error of its own request, where it was one."""
    if "id" not in asked and asked:
        return []
    code = -32603
    try:
        error = json.loads(body)["error"]
        code, why = int(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        pass
    told = {"jsonrpc": "2.0", "id": asked.get("id"), "error": {"code": code, "message": why}}
    return [json.dumps(told).encode()]


if __name__ == "__main__":
    sys.exit(main())
