"""A small MCP server over standard input and output, with Python's own library alone. It runs inside a sandbox."""

import json
import os
import sys
import time
from pathlib import Path

HOW = sys.argv[1] if len(sys.argv) > 1 else ""
OBJECT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
TOOLS = [
    {"name": "echo", "description": "Say it again.", "inputSchema": OBJECT},
    {"name": "note/keep", "description": "Keep it in a file.", "inputSchema": OBJECT},
    {"name": "note_keep", "inputSchema": {"type": "object"}},
    {"name": "sum", "description": "Add.", "inputSchema": {"type": "object"}},
    {"name": "fail", "inputSchema": {"type": "object"}},
    {"name": "error", "inputSchema": {"type": "object"}},
    {"name": "hang", "inputSchema": {"type": "object"}},
    {"name": "spoil", "inputSchema": {"type": "object"}},
    {"name": "exit", "inputSchema": {"type": "object"}},
    {"name": "huge", "inputSchema": {"type": "object"}},
    {"name": "big", "inputSchema": {"type": "object"}},
    {"name": "flood", "inputSchema": {"type": "object"}},
    {"name": "where", "inputSchema": {"type": "object"}},
    {"name": "nonsense", "inputSchema": {"type": "object"}},
]
if HOW == "schemas":
    deep = {"type": "object"}
    TOOLS = [
        {"name": "odd", "inputSchema": {"type": "object", "properties": {"x": {"type": "no type"}}}},
        {"name": "large", "inputSchema": {"type": "object", "description": "x" * 100_000}},
        {"name": "x" * 300, "inputSchema": {"type": "object"}},
        {"name": "long" * 30, "inputSchema": {"type": "object"}},
    ]
if HOW == "bad schema":
    TOOLS[0]["inputSchema"] = {"type": "array"}


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def used(name, arguments):
    text = arguments.get("text", "")
    if name == "echo":
        return {"content": [{"type": "text", "text": text}]}
    if name.startswith("note"):
        with Path("/root/notes").open("a") as notes:
            notes.write(text + "\n")
        return {"content": [{"type": "text", "text": Path("/root/notes").read_text()}]}
    if name == "sum":
        return {"content": [], "structuredContent": {"sum": sum(arguments.values())}}
    if name == "fail":
        return {"content": [{"type": "text", "text": "it went wrong"}], "isError": True}
    if name == "hang":
        time.sleep(3600)
    if name == "spoil":
        Path(__file__).write_text("raise SystemExit('spoilt')")
        os._exit(0)
    if name == "exit":
        print("the end", file=sys.stderr)
        os._exit(3)
    if name == "huge":
        return {"content": [{"type": "text", "text": "x" * 10_000_000}]}
    if name == "big":
        return {"content": [{"type": "text", "text": "x" * 3_000_000}]}
    if name == "flood":
        while True:
            print("no JSON at all")
    if name == "where":
        seen = [path for path in ("/root/.ssh", "/work", "/proc/1/root/work") if Path(path).exists()]
        return {"content": [{"type": "text", "text": json.dumps([seen, os.environ.get("FLAVOUR"), str(Path.cwd())])}]}
    return {"content": "no list"}


print("servers print things")
if HOW == "exits":
    sys.exit("no way")
if HOW == "silent":
    time.sleep(3600)
if HOW == "floods":
    while True:
        print("x" * 1000)
for line in sys.stdin:
    asked = json.loads(line)
    method, number = asked["method"], asked.get("id")
    if number is None:
        continue
    if method == "initialize":
        told = {
            "protocolVersion": asked["params"]["protocolVersion"],
            "capabilities": {"tools": {}, "resources": {}},
            "serverInfo": {"name": "small", "version": "1"},
        }
        send({"id": number, "result": told})
    elif method == "tools/list":
        send({"id": number, "result": {"tools": 7 if HOW == "no tools" else TOOLS}})
    elif method == "resources/list":
        send({"id": number, "result": {"resources": [{"uri": "file:///a", "name": "a"}]}})
    elif method == "resources/read":
        send({"id": number, "result": {"contents": [{"uri": "file:///a", "text": "content of a"}]}})
    elif method == "tools/call" and asked["params"]["name"] == "error":
        send({"id": number, "error": {"code": -32000 - 7, "message": "the server says no"}})
    elif method == "tools/call":
        send({"id": number, "result": used(asked["params"]["name"], asked["params"].get("arguments") or {})})
    else:
        send({"id": number, "error": {"code": -32601, "message": "no such method"}})
