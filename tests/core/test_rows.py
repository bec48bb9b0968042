"""Rows: one store, one way to write, equal after opening again."""

from __future__ import annotations

import gc
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrarium.core.errors import CapabilityFault, NotFound, Refused, ValueNotPlain
from terrarium.core.rows import Change, Row, Rows, digest_rows

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
FIELDS = st.dictionaries(
    st.sampled_from(["a", "b", "$c"]), st.integers() | st.text(max_size=3) | st.binary(max_size=3), max_size=3
)
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["insert", "update", "delete"]), st.sampled_from("xy"), KEYS, FIELDS)
    | st.tuples(st.just("reopen"), st.just(""), st.just(""), st.just({}))
    | st.tuples(st.just("copy"), st.just(""), st.just(""), st.just({})),
    max_size=25,
)


@settings(max_examples=60)
@given(ACTIONS)
def test_rows_agree_with_a_dict_also_after_opening_again(actions):
    model: dict[tuple[str, str], dict] = {}
    changes: list[Change] = []
    with tempfile.TemporaryDirectory() as home:
        folder, copies = Path(home) / "0", 0
        rows = Rows(folder, changes.append)
        for what, table, key, fields in actions:
            before, count = model.get((table, key)), len(changes)
            if what == "insert":
                if before is None:
                    rows.insert("me", table, key, fields)
                    model[table, key] = fields
                else:
                    with pytest.raises(Refused):
                        rows.insert("me", table, key, fields)
            elif (what == "update" and before is None) or (what == "delete" and before is None):
                with pytest.raises(NotFound):
                    rows.update("me", table, key) if what == "update" else rows.delete("me", table, key)
            elif what == "update":
                after = {**before, **fields}
                assert rows.change("me", table, key, before, after) is None
                model[table, key] = after
            elif what == "delete":
                rows.delete("me", table, key)
                del model[table, key]
            else:
                if what == "copy":
                    copies += 1
                    rows.save(Path(home) / str(copies))
                    folder = Path(home) / str(copies)
                rows.close()
                rows = Rows(folder, changes.append)
            if len(changes) > count:
                assert (changes[-1].table, changes[-1].key, changes[-1].before) == (table, key, before)
                assert changes[-1].after == model.get((table, key))
            assert list(rows.all()) == [Row(*place, model[place]) for place in sorted(model)]
            assert digest_rows(rows.all()) == digest_rows(list(rows.all())), "what was kept of rows is theirs"
            assert rows.count("x") == sum(place[0] == "x" for place in model)
        rows.close()


def test_nothing_is_on_disk_before_the_first_write(tmp_path: Path):
    rows = Rows(tmp_path / "state")
    assert rows.get("t", "k") is None
    assert list(rows.table("t")) == []
    rows.save(tmp_path / "copy")
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "copy").exists()
    rows.close()
    rows.close()


def test_what_is_read_back_is_the_same_before_and_after_opening_again(tmp_path: Path):
    rows = Rows(tmp_path)
    mine = {"tags": ["a"], "pair": (1, 2)}
    rows.insert("me", "t", "k", mine)
    mine["tags"].append("not written")
    now = rows.get("t", "k")
    rows.close()
    again = Rows(tmp_path)
    assert now == again.get("t", "k") == {"tags": ["a"], "pair": [1, 2]}
    again.close()


def test_an_update_that_changes_nothing_is_not_written(tmp_path: Path):
    changes: list[Change] = []
    rows = Rows(tmp_path, changes.append)
    rows.insert("me", "t", "k", {"a": 1})
    rows.update("me", "t", "k", a=1)
    assert len(changes) == rows.version == 1
    assert rows.update("me", "t", "k", b=2) == {"a": 1, "b": 2}
    assert len(changes) == rows.version == 2
    rows.close()


def test_prefixes(tmp_path: Path):
    rows = Rows(tmp_path)
    for key in ("a/1", "a/2", "a0", "b", "ab", "a"):
        rows.insert("me", "t", key, {})
    assert [row.key for row in rows.table("t", "a/")] == ["a/1", "a/2"]
    assert [row.key for row in rows.table("t", "a")] == ["a", "a/1", "a/2", "a0", "ab"]
    assert [row.key for row in rows.table("t", "c")] == []
    rows.close()


@pytest.mark.parametrize(("key", "fields"), [("k", {"x": object()}), ("\ud800", {}), ("k", {"x": {1, 2}})])
def test_what_cannot_be_written_down_changes_nothing_and_is_not_told(tmp_path: Path, key, fields):
    changes: list[Change] = []
    rows = Rows(tmp_path, changes.append)
    with pytest.raises(ValueNotPlain):
        rows.insert("me", "t", key, fields)
    assert not changes
    assert list(rows.all()) == []
    rows.close()


def test_whoever_is_told_may_forbid(tmp_path: Path):
    def no(change: Change) -> None:
        raise Refused("not now")

    rows = Rows(tmp_path, no)
    with pytest.raises(Refused):
        rows.insert("me", "t", "k", {})
    assert rows.get("t", "k") is None
    rows.close()


def test_a_file_of_something_else_is_a_fault(tmp_path: Path):
    (tmp_path / "rows.sqlite").write_bytes(b"hello" * 1000)
    with pytest.raises(CapabilityFault, match="not a state file"):
        Rows(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_fault(tmp_path: Path):
    (tmp_path / "file").touch()
    rows = Rows(tmp_path / "file" / "state")
    rows.insert("me", "t", "k", {})
    with pytest.raises(CapabilityFault):
        rows.save(tmp_path / "file" / "saved")
    with pytest.raises(CapabilityFault):
        rows.close()


def test_a_store_that_is_not_kept_leaves_no_file(tmp_path: Path):
    rows = Rows(tmp_path / "a", keep=False)
    rows.insert("me", "t", "k", {"x": 1})
    rows.save(tmp_path / "b")
    rows.insert("me", "t", "l", {"x": 2})
    rows.close()
    assert not (tmp_path / "a").exists()
    assert [row.key for row in Rows(tmp_path / "b").all()] == ["k"]


def test_a_store_that_is_kept_holds_what_came_after_a_snapshot(tmp_path: Path):
    rows = Rows(tmp_path / "a")
    rows.insert("me", "t", "k", {"x": 1})
    rows.insert("me", "t", "gone", {})
    rows.save(tmp_path / "b")
    rows.delete("me", "t", "gone")
    rows.insert("me", "t", "l", {"x": 2})
    rows.close()
    assert [row.key for row in Rows(tmp_path / "a").all()] == ["k", "l"]


def test_saved_blobs_are_independent_of_the_original(tmp_path: Path):
    rows = Rows(tmp_path / "a")
    name = rows.blobs.put(b"z" * 100)
    rows.insert("me", "t", "k", {"blob": name})
    rows.save(tmp_path / "b")
    (rows.blobs.folder / name).unlink()
    rows.close()
    copy = Rows(tmp_path / "b")
    assert copy.blobs.get(name) == b"z" * 100
    copy.close()


def test_a_watcher_is_told_of_what_is_stored_until_it_ends(tmp_path):
    rows = Rows(tmp_path)
    told: list[tuple[str, object]] = []
    end = rows.subscribe(lambda change: told.append((change.key, rows.get("t", change.key))))
    others: list[str] = []
    rows.subscribe(lambda change: others.append(change.key))
    rows.insert("me", "t", "1", {"a": 1})
    rows.update("me", "t", "1", a=1)  # nothing differs
    rows.delete("me", "t", "1")
    end()
    end()
    rows.insert("me", "t", "2", {})
    assert told == [("1", {"a": 1}), ("1", None)]
    assert others == ["1", "1", "2"]


def test_a_store_that_is_only_read_and_dropped_leaves_nothing_open(tmp_path):
    store = Rows(tmp_path)
    store.insert("task", "note", "001", {"text": "x"})
    store.close()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "rows.sqlite").write_bytes(b"no database at all" * 100)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert [row.key for row in Rows(tmp_path).all()] == ["001"]
        with pytest.raises(CapabilityFault):
            Rows(tmp_path / "bad")
        gc.collect()
    assert [str(one.message) for one in seen if one.category is ResourceWarning] == []
