"""The admin face of `notion`: the same over the emulated workspace and over the network, and what each agent may do."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import notion_client
import pytest
from notion_world import LiveNotion

from terrarium.capability.notion.notion import Notion
from terrarium.core.capability import Site
from terrarium.core.clock import Clock
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused, Unsupported
from terrarium.core.seeds import Rng


def site(folder: Path, config: dict[str, Any], agents: tuple[str, ...] = ("agent",)) -> Site:
    return Site(
        name="notion",
        folder=folder,
        config=config,
        clock=Clock(),
        rng=Rng(3),
        agents=agents,
        changed=lambda change: None,
        actor=lambda: "task",
        wait=asyncio.run,
        sandbox=lambda: None,  # type: ignore[arg-type, return-value]
    )


@pytest.fixture
def world(tmp_path):
    with LiveNotion(tmp_path, agents=("agent", "other")) as world:
        yield world


@pytest.fixture(params=["emulated", "api"])
def face(request, world, tmp_path):
    """The workspace by itself, and through the official client over HTTP."""
    if request.param == "emulated":
        yield world.notion
        return
    remote = Notion()
    config = {"backend": "api", "auth_token": world.token(), "base_url": world.url()}
    asyncio.run(remote.open(site(tmp_path / "remote", config)))
    yield remote
    asyncio.run(remote.close())


def text(content: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": {"content": content}}]


def test_the_face_is_one_for_both_backends(face):
    page = face.create_page("Notes", children=[{"paragraph": {"rich_text": text("hello")}}])
    assert page["parent"]["page_id"] == face.connection_info["session_page_id"]
    assert [block["type"] for block in face.list_blocks(page["id"])] == ["paragraph"]
    assert face.list_blocks(page["id"])[0]["paragraph"]["rich_text"][0]["plain_text"] == "hello"
    new = face.append_blocks(page["id"], "\n".join(f"- {n}" for n in range(230)))
    assert len(new) == 230
    assert len(face.list_blocks(page["id"])) == 231
    face.update_block(new[0]["id"], bulleted_list_item={"rich_text": text("first")})
    assert face.get_block(new[0]["id"])["bulleted_list_item"]["rich_text"][0]["plain_text"] == "first"
    assert face.delete_block(new[1]["id"])["in_trash"]
    assert face.markdown(page["id"]).startswith("hello\n- first\n- 2\n")
    assert face.update_page(page["id"], {"title": {"title": text("Other")}})["id"] == page["id"]
    assert face.get_page(page["id"])["properties"]["title"]["title"][0]["plain_text"] == "Other"
    columns = {"Name": {"title": {}}, "Points": {"number": {}}}
    database = face.create_database("Tasks", columns, parent_id=page["id"])
    for number in range(120):
        face.add_database_record(database["id"], {"Points": {"number": number}})
    assert len(face.query_database(database["id"])) == 120
    condition = {"property": "Points", "number": {"less_than": 3}}
    sorts = [{"property": "Points", "direction": "ascending"}]
    found = face.query_database(database["id"], condition, sorts)
    assert [row["properties"]["Points"]["number"] for row in found] == [0, 1, 2]
    face.update_database(database["id"], "Chores", {"Points": {"name": "Effort"}})
    assert face.get_database(database["id"])["title"][0]["plain_text"] == "Chores"
    assert set(face.get_data_source(database["id"])["properties"]) == {"Name", "Effort"}
    assert [thing["id"] for thing in face.search("chores", "database")] == [
        thing["id"] for thing in face.get_database(database["id"])["data_sources"]
    ]
    other = face.create_page("Elsewhere")
    assert face.move_page(other["id"], page["id"])["parent"]["page_id"] == page["id"]
    face.add_comment(page["id"], "Well?")
    assert [comment["rich_text"][0]["plain_text"] for comment in face.comments(page["id"])] == ["Well?"]
    assert {user["type"] for user in face.users()} == {"person", "bot"}
    assert face.delete_database(database["id"])["in_trash"]
    assert face.delete_page(page["id"])["in_trash"]
    assert face.search("other", "page") == []
    with pytest.raises(NotFound, match="Could not find page"):
        face.get_page("0" * 32)
    with pytest.raises(Refused, match="archived"):
        face.append_blocks(page["id"], "x")
    with pytest.raises(Refused, match=r"body\.children\[0\]\.type should be"):
        face.append_blocks(face.create_page("Third")["id"], [{"nonsense": {}}])


def test_the_real_notion_is_somebody_elses(world, tmp_path):
    remote = Notion()
    config = {"backend": "api", "auth_token": world.token(), "base_url": world.url()}
    asyncio.run(remote.open(site(tmp_path / "remote", config)))
    traits = remote.traits
    assert not (traits.owned)
    assert not (traits.deterministic)
    assert not (traits.snapshots)
    assert not (traits.sees_writes)
    session = remote.connection_info["session_page_id"]
    assert world.notion.get_page(session)["properties"]["title"]["title"][0]["plain_text"].startswith("_terrarium_")
    assert world.token() not in str(remote.connection_info)
    [tool] = [tool for tool in remote.tools("agent") if tool.name == "notion_create_page"]
    made = asyncio.run(tool.function(title="By tool", content="- a"))
    assert remote.markdown(made["id"]) == "- a"
    with pytest.raises(Unsupported):
        remote.share(session, "agent")
    with pytest.raises(Unsupported):
        asyncio.run(remote.save(tmp_path / "saved"))
    asyncio.run(remote.close())
    asyncio.run(remote.close())
    assert world.notion.get_page(session)["in_trash"]


@pytest.mark.parametrize(
    ("config", "error", "told"),
    [
        ({"bakend": "api"}, ConfigError, "backend"),
        ({"backend": "cloud"}, ConfigError, "'emulated' or 'api'"),
        ({"backend": "api"}, ConfigError, "NOTION_TOKEN"),
        ({"backend": "api", "auth_token": "x", "base_url": "http://127.0.0.1:1"}, CapabilityFault, "cannot be used"),
        ({"access": "all"}, ConfigError, "none, read, write"),
        ({"access": {"nobody": "read"}}, ConfigError, "nobody"),
        ({"tokens": {"agent": "a b"}}, ConfigError, "without spaces"),
        ({"storage_bytes": -1}, ConfigError, "above 0"),
        ({"root_page_name": ""}, ConfigError, "short text"),
    ],
)
def test_configurations_that_cannot_be(tmp_path, monkeypatch, config, error, told):
    monkeypatch.delenv("NOTION_TOKEN", raising=False)
    with pytest.raises(error, match=told):
        asyncio.run(Notion().open(site(tmp_path, config)))


def test_what_is_saved_goes_on(tmp_path):
    async def opened(folder: Path) -> Notion:
        notion = Notion()
        await notion.open(site(folder, {}))
        return notion

    one = asyncio.run(opened(tmp_path / "one"))
    page = one.create_page("Page")["id"]
    first, second = (one.append_blocks(page, word)[0]["id"] for word in ("first", "second"))
    client = one._client
    for place in ("a", "b"):
        body = {"children": [{"paragraph": {"rich_text": text(place)}}], "after": first}
        client.call("PATCH", f"blocks/{page}/children", None, body)
    database = one.create_database("D", {"Name": {"title": {}}, "No": {"unique_id": {}}})["id"]
    one.add_database_record(database, {})
    asyncio.run(one.save(tmp_path / "saved"))
    shutil.copytree(tmp_path / "saved", tmp_path / "two")
    two = asyncio.run(opened(tmp_path / "two"))
    assert list(two.rows()) == list(one.rows())
    assert two.connection_info == one.connection_info
    assert two.markdown(page) == "first\nb\na\nsecond"
    assert two.append_blocks(page, "third")[0]["id"] != second
    assert two.markdown(page).endswith("third")
    assert two.add_database_record(database, {})["properties"]["No"]["unique_id"]["number"] == 2
    assert one.markdown(page).endswith("second")
    for notion in (one, two):
        asyncio.run(notion.close())


def test_who_is_who(world):
    page = world.ask(world.notion.create_page, "Page")["id"]
    mine = world.client().pages.create(parent={"page_id": page}, properties={})
    task, agent, other = (
        world.notion.get_page(page)["created_by"]["id"],
        world.notion.user("agent")["bot_id"],
        world.notion.user("other")["bot_id"],
    )
    assert mine["created_by"]["id"] == mine["last_edited_by"]["id"] == agent
    world.client("other").pages.update(mine["id"], icon={"emoji": "🌍"})
    held = world.notion.get_page(mine["id"])
    assert (held["created_by"]["id"], held["last_edited_by"]["id"]) == (agent, other)
    made = world.use("create_page", "other", title="By tool")
    assert world.notion.get_page(made["id"])["created_by"]["id"] == other
    assert len({task, agent, other}) == 3
    world.clock.move(world.clock.micros + 90_000_000)
    later = world.client().pages.update(mine["id"], icon=None)
    assert (later["created_time"], later["last_edited_time"]) == (
        "2030-01-07T09:00:00.000Z",
        "2030-01-07T09:01:00.000Z",
    )
    assert {change.actor for change in world.changes} == {"task", "agent", "other"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "unauthorized"),
        ({"authorization": "Bearer nonsense"}, 401, "unauthorized"),
        ({"authorization": "Basic {token}"}, 401, "unauthorized"),
        ({"authorization": "Bearer \xff"}, 401, "unauthorized"),
        ({"authorization": "Bearer {token}"}, 400, "missing_version"),
        ({"authorization": "Bearer {token}", "notion-version": "2031-01-01"}, 400, "validation_error"),
        ({"authorization": "bearer {token}", "notion-version": "2025-09-03"}, 200, None),
    ],
)
def test_logging_in(world, headers, status, code):
    sent = {name: value.replace("{token}", world.token()).encode("latin-1") for name, value in headers.items()}
    answer = httpx.get(f"{world.url()}/v1/users/me", headers=sent)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_a_token_is_its_agents_own(tmp_path):
    with LiveNotion(tmp_path, config={"tokens": {"other": "secret_known"}}) as world:
        thief = world.client("agent", auth=world.token("other"))
        assert thief.users.me()["id"] == world.notion.user("other")["bot_id"]  # the task has given it away
        thief = world.client("other", auth=world.token("agent"))
        with pytest.raises(notion_client.APIResponseError) as refused:
            thief.users.me()
    assert refused.value.status == 401


def test_what_is_shared(tmp_path):
    with LiveNotion(tmp_path, config={"access": {"agent": "none", "other": "read"}}) as world:
        face = world.notion
        a, b = (face.create_page(name)["id"] for name in ("a", "b"))
        inner = face.create_page("inner", a)["id"]
        mine, other = world.client(), world.client("other")
        assert mine.search()["results"] == []
        for call in (mine.pages.retrieve, mine.blocks.children.list):
            with pytest.raises(notion_client.APIResponseError) as refused:
                call(a)
            assert refused.value.status == 404
        with pytest.raises(notion_client.APIResponseError) as refused:
            other.pages.update(a, in_trash=True)
        assert (refused.value.status, refused.value.code) == (403, "restricted_resource")
        world.ask(face.share, a, "agent", "write")
        world.ask(face.share, inner, "agent", "read")
        assert {page["id"] for page in mine.search()["results"]} == {a, inner}
        mine.blocks.children.append(a, children=[{"divider": {}}])
        for call in (lambda: mine.blocks.children.append(inner, children=[]), lambda: mine.comments.create(
            parent={"page_id": inner}, rich_text=text("x"))):  # fmt: skip
            with pytest.raises(notion_client.APIResponseError) as refused:
                call()
            assert refused.value.status == 403
        for parent in ({"page_id": b}, {"workspace": True}):
            with pytest.raises(notion_client.APIResponseError) as refused:
                mine.pages.create(parent=parent, properties={})
            assert refused.value.status in (403, 404)
        mention = [{"mention": {"page": {"id": b}}}]  # what one does not see, one cannot mention, nor learn its title
        with pytest.raises(notion_client.APIResponseError):
            mine.blocks.children.append(a, children=[{"quote": {"rich_text": mention}}])
        with pytest.raises(NotFound):
            world.use("get_page", page=b)
        world.ask(face.share, inner, "agent", "none")
        assert [block["type"] for block in mine.blocks.children.list(a)["results"]] == ["divider"]
        assert len(other.blocks.children.list(a)["results"]) == 2


def test_trouble_on_request(world):
    world.ask(world.notion.fail_requests, "agent", 2, retry_after=7)
    http = world.http()
    answers = [http.get("users/me") for _ in range(3)]
    assert [(answer.status_code, answer.headers.get("retry-after")) for answer in answers] == [
        (429, "7"),
        (429, "7"),
        (200, None),
    ]
    assert answers[0].json()["code"] == "rate_limited"
    assert world.http("other").get("users/me").status_code == 200
    world.ask(world.notion.fail_requests, "agent", 1, "conflict_error")
    assert http.get("users/me").status_code == 409
    world.ask(world.notion.fail_requests, "agent", 1, retry_after=0)
    patient = world.client(retry=notion_client.client.RetryOptions())
    assert patient.users.me()["type"] == "bot"


def test_what_agents_store_is_bounded(tmp_path):
    with LiveNotion(tmp_path, config={"storage_bytes": 700_000}) as world:
        http = world.http()
        page = world.notion.connection_info["session_page_id"]
        body = {"children": [{"paragraph": {"rich_text": text("x" * 2000)}}] * 100}
        statuses = [http.patch(f"blocks/{page}/children", json=body).status_code for _ in range(3)]
        assert statuses == [200, 200, 400]
        assert http.get(f"pages/{page}").status_code == 200
        world.ask(world.notion.append_blocks, page, "The program may.")
        deep: dict[str, Any] = {"quote": {"rich_text": []}}
        for _ in range(3):
            deep = {"quote": {"rich_text": [], "children": [deep]}}
    with LiveNotion(tmp_path / "deep") as world:
        http = world.http()
        for children in ([deep], [{"divider": {}}] * 101):
            answer = http.patch(f"blocks/{page}/children", json={"children": children})
            assert answer.json()["code"] == "validation_error"
        made = [page]
        while not answer.is_error or len(made) == 1:
            answer = http.post("pages", json={"parent": {"page_id": made[-1]}, "properties": {}})
            made.append(answer.json().get("id"))
        assert "nested" in answer.json()["message"]
        assert 20 < len(made) < 100
        assert not world.notion.get_block(made[-2])["has_children"]


def test_places_between_are_never_used_up(world):
    page = world.ask(world.notion.create_page, "Page")["id"]
    http = world.http()
    first = http.patch(f"blocks/{page}/children", json={"children": [{"divider": {}}]}).json()["results"][0]["id"]
    for number in range(60):
        block = {"code": {"rich_text": text(str(number))}}
        http.patch(f"blocks/{page}/children", json={"children": [block] * 3, "after": first})
    listed = world.notion.list_blocks(page)
    told = [block["code"]["rich_text"][0]["plain_text"] for block in listed[1:]]
    assert told == [str(number) for number in range(59, -1, -1) for _ in range(3)]


def test_pages_of_results(world):
    page = world.ask(world.notion.create_page, "Page")["id"]
    world.ask(world.notion.append_blocks, page, "\n".join("- x" for _ in range(25)))
    http = world.http()
    seen, cursor = 0, None
    while True:
        asked = {"page_size": 10} | ({"start_cursor": cursor} if cursor else {})
        answer = http.get(f"blocks/{page}/children", params=asked).json()
        seen += len(answer["results"])
        cursor = answer["next_cursor"]
        assert answer["has_more"] is (cursor is not None)
        if cursor is None:
            break
    assert seen == 25
    for bad in (
        {"page_size": "0"},
        {"page_size": "101"},
        {"page_size": "x"},
        {"start_cursor": "x"},
        {"start_cursor": page},
    ):
        assert http.get(f"blocks/{page}/children", params=bad).json()["code"] == "validation_error"
    plain = page.replace("-", "")
    assert http.get(f"pages/{plain}").json()["id"] == http.get(f"pages/{plain.upper()}").json()["id"] == page
    assert http.get("pages/nonsense").json()["code"] == "validation_error"
    assert http.put(f"pages/{page}").json()["code"] == "invalid_request_url"
    assert http.get("nowhere").json()["code"] == "invalid_request_url"
