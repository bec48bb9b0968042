"""Who works here, and what they say."""

from __future__ import annotations

ANN, BEN, CLEO = "ann@quay.example", "ben@quay.example", "cleo@quay.example"
CANTEEN = "canteen@quay.example"

PEOPLE = {
    "ann": {"name": "Ann Duvall", "address": ANN, "agent": "agent"},
    "ben": {"name": "Ben Ostrow", "address": BEN, "simulated": True},
    "cleo": {"name": "Cleo Hart", "address": CLEO, "simulated": True},
}

DISHES = ["lentil curry", "fish pie", "mushroom risotto", "goulash", "spinach quiche", "tomato soup"]

TOLD = """\
You are Ann Duvall; ann@quay.example is your mailbox. It is your turn to order lunch for three. Ask Ben
(ben@quay.example) and Cleo (cleo@quay.example) what they would like, and send ONE mail with the order to
canteen@quay.example: the three dishes, yours is the {own}. The canteen takes orders until {until}. It takes no changes,
and people here change their minds, so do not order before {earliest}; what counts is what they want by then."""


def ben_script(first, second):
    """Ben, who answers late and once thinks better of it."""
    return [
        {
            "hears": "you would rather",
            "does": {
                "tool": "email_send",
                "args": {
                    "to": [ANN],
                    "subject": "Lunch again",
                    "body": f"Sorry, I changed my mind: the {second} for me.",
                },
            },
        },
        {"hears": "lunch|dish|eat|order", "says": f"I will have the {first}, please.", "once": True},
        {"hears": "changed|instead|noted|again", "says": f"Yes, the {second}.", "once": True},
    ]


def cleo_script(dish):
    """Cleo, who answers soon and sticks to it."""
    return [{"hears": "lunch|dish|eat|order", "says": f"The {dish} for me. Thanks for asking!", "once": True}]
