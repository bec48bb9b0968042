"""Equipment: who gets what, and what cannot be given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from terrarium.core.capability import Equipment, Traits
from terrarium.core.equipment import hand_out, shared
from terrarium.core.errors import CapabilityFault
from terrarium.core.secrets import Secrets


class Giver:
    traits = Traits()

    def __init__(self, *given: Any, owned: bool = True) -> None:
        self.given = given
        self.traits = Traits(owned=owned)

    def equipment(self, agent: str) -> Equipment:
        return Equipment(*self.given)


class Taker:
    traits = Traits()

    async def equip(self, given: Any) -> None:
        self.given = given


def handed(*givers: Any, agents: tuple[str, ...] = ("ann",), secrets: Secrets | None = None) -> dict[str, Equipment]:
    taker = Taker()
    there: Any = {f"giver{number}": giver for number, giver in enumerate(givers)} | {"workspace": taker}
    asyncio.run(hand_out(there, agents, (secrets or Secrets()).learn))
    return taker.given


def test_the_first_capability_wins() -> None:
    one = Giver({"TOKEN": "one", "A": "a"}, {"f": b"1"}, (), ("mail.world",))
    two = Giver({"TOKEN": "two"}, {"f": b"2", "g": b"3"}, (), ("mail.world", "calendar.world"))
    wanted = Equipment({"TOKEN": "one", "A": "a"}, {"f": b"1", "g": b"3"}, logins=("mail.world", "calendar.world"))
    assert handed(one, two) == {"ann": wanted}


def test_instances_give_under_their_names_and_one_of_them_without() -> None:
    def given(*specs: str, empty: str = "") -> Equipment:
        taker = Taker()
        there: Any = {spec: Giver() if spec == empty else Giver({"TOKEN": spec}, {"key": b"k"}) for spec in specs}
        asyncio.run(hand_out(there | {"workspace": taker}, ("ann",), Secrets().learn))
        return taker.given["ann"]

    assert given("giver", "giver:two").env == {"TOKEN": "giver", "TWO_TOKEN": "giver:two"}
    assert given("giver:two", "giver").env == {"TOKEN": "giver", "TWO_TOKEN": "giver:two"}
    assert given("giver:a-b", "giver:2").env == {"TOKEN": "giver:a-b", "A_B_TOKEN": "giver:a-b", "_2_TOKEN": "giver:2"}
    assert given("giver", "giver:two", empty="giver").env == {"TOKEN": "giver:two", "TWO_TOKEN": "giver:two"}
    assert given("giver:default").env == {"TOKEN": "giver:default"}
    assert sorted(given("giver", "giver:two").files) == ["key", "two_key"]


def test_agents_that_share_get_what_all_of_them_have() -> None:
    ann = Equipment({"HOST": "api.world", "TOKEN": "ann"}, {"key": b"ann", "all": b"x"}, logins=("a.example", "both"))
    bob = Equipment({"HOST": "api.world", "TOKEN": "bob"}, {"key": b"bob", "all": b"x", "more": b""}, logins=("both",))
    assert shared([ann, bob]) == Equipment({"HOST": "api.world"}, {"all": b"x"}, logins=("both",))
    assert shared([ann]) == ann
    assert shared([]) == Equipment()


@pytest.mark.parametrize(
    "given",
    [
        ({"NO-NAME": "x"},),
        ({"": "x"},),
        ({"X": 5},),
        ({"X": "two\nlines"},),
        ({"X": "\0"},),
        ({"X": "\ud800"},),
        ({}, {"../up": b""}),
        ({}, {".": b""}),
        ({}, {"a": "text"}),
        ({}, {"a": b"x" * 50_000}),
        ({f"X{number}": "" for number in range(201)},),
        ({}, {}, (), ("mail.world\ndefault login x",)),
    ],
)
def test_what_cannot_be_given(given: Any) -> None:
    with pytest.raises(CapabilityFault, match="giver0 equips"):
        handed(Giver(*given))


def test_what_belongs_to_somebody_outside_is_secret() -> None:
    secrets = Secrets()
    handed(Giver({"API_TOKEN": "made-up-here"}, {"key": b"made-up-too"}), secrets=secrets)
    assert secrets.scrub("made-up-here, made-up-too") == "made-up-here, made-up-too"
    outside = Giver(
        {"API_TOKEN": "real-token", "API_HOST": "api.example"}, {"key.json": b'{"k": "real-key"}'}, owned=False
    )
    handed(outside, secrets=secrets)
    handed(outside, secrets=secrets)
    assert secrets.scrub({"x": "real-token at api.example"}) == {"x": "[secret] at api.example"}
    assert secrets.scrub(b'say {"k": "real-key"}!') == b"say [secret]!"
    handed(_Told(), secrets=secrets)
    assert secrets.scrub("told-so") == "[secret]"


class _Told(Giver):
    def equipment(self, agent: str) -> Equipment:
        return Equipment({"A": "x told-so"}, secrets=("told-so",))
