import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrarium.capability.address import Address, distinct, header_text, parse_address, parse_addresses, plain_text
from terrarium.core.errors import Refused


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("ann@corp.example", "", "ann@corp.example"),
        ("  <ann@corp.example> ", "", "ann@corp.example"),
        ("Ann Lee <Ann@Corp.example>", "Ann Lee", "Ann@Corp.example"),
        ('"Lee, Ann \\"AL\\"" <a@x>', 'Lee, Ann "AL"', "a@x"),
        ('"ceo@bank.example" <evil@x>', "ceo@bank.example", "evil@x"),
        ("Jörg <jörg@größe.de>", "Jörg", "jörg@größe.de"),
        ("Ann (boss) <a+tag/x@localhost>", "Ann (boss)", "a+tag/x@localhost"),
    ],
)
def test_reads_an_address(text: str, name: str, spec: str) -> None:
    assert parse_address(text) == Address(name, spec)


@pytest.mark.parametrize(
    "text",
    [
        "rubbish", "@x", "a@", "a@b@c", "<>", "a b@x", "a@x <b@y>", "ceo@bank.example <evil@x>", "a@x; b@y", "a@x,",
        ",", "a@x,,b@y", "Doe, Jane <j@x>", "Group: a@x;", '"a b"@x', '"open <a@x>', "a@x/y", ".a@x", "a.@x", "a..b@x",
        "a@x.", "a@x\nBcc: c@d", "a@x\r", "a@x\x00", "Ann\n <a@x>", "a\u2028@x", "\ud800@x", "<a@x", "Ann <a@x> junk",
        "a" * 400 + "@x", 5, {"a": 1}, b"a@x",
    ],
)  # fmt: skip
def test_refuses_rubbish(text: object) -> None:
    with pytest.raises(Refused):
        parse_addresses(text)


@pytest.mark.parametrize("text", ["", " ", None, [], "a@x, b@y", ["a@x", "b@y"]])
def test_one_address_is_one(text: object) -> None:
    with pytest.raises(Refused):
        parse_address(text)


def test_lists_and_texts_of_several() -> None:
    wanted = ["a@x", "b@y", "c@z"]
    assert [a.spec for a in parse_addresses('A <a@x>, "B, b" <b@y>, c@z')] == wanted
    assert [a.spec for a in parse_addresses(["a@x", "b@y, c@z", ""])] == wanted
    assert parse_addresses(None) == parse_addresses("  ") == []


def test_a_long_list_takes_linear_time() -> None:
    assert len(parse_addresses(", ".join(f"a{n}@x" for n in range(20_000)))) == 20_000
    with pytest.raises(Refused):
        parse_addresses('"' * 100_001)


def test_compares_without_case() -> None:
    addresses = parse_addresses("Ann <A@X.example>, a@x.EXAMPLE, b@x")
    assert distinct(addresses) == [addresses[0], addresses[2]]
    assert distinct(addresses, besides=["a@x.example"]) == [addresses[2]]


@given(st.text(max_size=30))
def test_what_is_written_can_be_read(name: str) -> None:
    try:
        name = header_text("name", name).strip()
    except Refused:
        return
    address = Address(name, "a@x.example")
    assert parse_addresses(f"{address}, b@y") == [address, Address("", "b@y")]


def test_lone_surrogates_become_replacement_characters() -> None:
    assert plain_text("x", "a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert plain_text("x", "\ud83d\ude00") == "😀"
    assert plain_text("x", "größe\r\n") == "größe\r\n"
