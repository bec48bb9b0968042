"""Who a task says there is, and what it may not say."""

from __future__ import annotations

import pytest

from terrarium.core.errors import ConfigError
from terrarium.core.person import Person, declared, person_of
from terrarium.core.task import entry


def test_people_are_told_in_full_or_in_short():
    people = declared(
        {
            "ann": {"name": "Ann Lee", "address": "ann@corp.example", "password": "lavender", "agent": "agent"},
            "bob": "Bob O'Neil <bob.o'neil@corp.example>",
            "cleo": "cleo@corp.example",
            "dan": {},
        },
        ["agent"],
    )
    assert list(people.values()) == [
        Person("ann", "Ann Lee", "ann@corp.example", "lavender", "agent"),
        Person("bob", "Bob O'Neil", "bob.o'neil@corp.example"),
        Person("cleo", "cleo", "cleo@corp.example"),
        Person("dan", "dan", "dan@world.example"),
    ]
    assert person_of(people, "agent") == people["ann"]
    assert person_of(people, "other") is None
    assert person_of(people, None) is None
    assert "lavender" not in repr(people)


def test_an_agent_called_like_a_person_is_that_person():
    people = declared({"buyer": {}, "boss": {"agent": "seller"}}, ["buyer", "seller"])
    assert {id: person.agent for id, person in people.items()} == {"buyer": "buyer", "boss": "seller"}


def test_programs_are_told_who_it_is():
    person = declared({"ann": "Ann Lee <ann@corp.example>"}, [])["ann"]
    assert person.environment == {"USER": "ann", "LOGNAME": "ann", "EMAIL": "ann@corp.example"}


@pytest.mark.parametrize(
    ("people", "told"),
    [
        (["ann"], "must be a table of people"),
        ({"ann": ["Ann"]}, "must be 'Name <address>' or a table"),
        ({"ann": None}, "must be 'Name <address>' or a table"),
        ({"ann": {"adress": "ann@corp.example"}}, "people: 'ann': unknown key 'adress'; did you mean 'address'"),
        ({"ann": {"name": 7}}, "name must be text"),
        ({"ann": {"name": "Ann\nLee"}}, "name must be one line"),
        ({"ann": {"name": "A" * 201}}, "name must be one line"),
        ({"ann": "Ann Lee"}, "'Ann Lee' is not a mail address"),
        ({"ann": {"address": ""}}, "'' is not a mail address"),
        ({"ann": {"address": "ann@corp example"}}, "is not a mail address"),
        ({"ann": {"address": "a@b@c"}}, "is not a mail address"),
        ({"ann": {"address": "Ann <ann@corp.example>"}}, "is not a mail address"),
        ({"ann": {"address": ".@corp.example"}}, "is not a mail address"),
        ({"ann": {"address": "a" * 250 + "@corp.example"}}, "is not a mail address"),
        ({"ann": {"password": ""}}, "the password must be"),
        ({"ann": {"password": "two words"}}, "the password must be"),
        ({"ann": {"password": "line\nbreak"}}, "the password must be"),
        ({"ann": {"password": '"quoted"'}}, "the password must be"),
        ({"ann": {"password": "\ud800"}}, "the password must be"),
        ({"ann": {"agent": "agnet"}}, r"no agent 'agnet' \(did you mean 'agent'\?\); there are: agent, other"),
        ({"agent": {"agent": "other"}}, "'agent' is called like an agent, so it cannot be the agent 'other'"),
        ({"ann": {"agent": "agent"}, "bob": {"agent": "agent"}}, "agent 'agent' cannot be both 'ann' and 'bob'"),
        ({"ann": "a@corp.example", "bob": "A@Corp.example"}, "'ann' and 'bob' have the same address"),
        ({"ann": "bob@world.example", "bob": {}}, "'ann' and 'bob' have the same address"),
        ({"Ann Lee": {}}, "cannot be an id"),
        ({"": {}}, "cannot be an id"),
        ({"a" * 33: {}}, "cannot be an id"),
        ({"../ann": {}}, "cannot be an id"),
        ({"root": {}}, "cannot be an id.*taken"),
        ({7: {}}, "cannot be an id"),
    ],
)
def test_mistakes_are_named(people, told):
    with pytest.raises(ConfigError, match=told):
        entry(people=people, agents=["agent", "other"])


def test_a_password_in_a_mistake_is_not_shown():
    for password in ("my lavender", ["lavender"]):
        with pytest.raises(ConfigError) as caught:
            declared({"ann": {"password": password}}, [])
        assert "lavender" not in str(caught.value)
