"""What the shop holds, what its policy is, and what the customer is like."""

from __future__ import annotations

POLICY = """\
You answer customers of Alder & Finch, a shop for household goods.

1. Before you look at an order or speak of one, make sure who you talk to: ask for mail address and postcode, and use
   identify_customer.
2. An item can be returned within 30 days of its delivery. Nothing else is refunded, also not in part, and there are no
   exceptions.
3. A refund is paid only once the customer has printed the return label: open the return, tell the customer its number
   and ask them to print the label, and pay when they say that it is printed.
4. Say what you will refund before you do it, and never more than was paid.
5. When nothing is left to do, ask whether there is anything else.
"""

FIRST = "Hello, I would like to send two things back and get my money: a kettle that leaks, and a vase I do not like."
PERSONA = "You are polite, somewhat in a hurry, and not used to computers. You write short sentences."
GOAL = """\
Get the money back for the kettle and for the vase. You will accept it when you are told that the vase is too old, but
you do not offer that. You print a label when you are asked to and have its number."""

STOCK = (("kettle", 40, 90), ("vase", 20, 60), ("lamp", 30, 120))


def orders_of(random):
    """Orders of the customer and of somebody else: the kettle is recent, the vase is not."""
    numbers = random.sample(range(1000, 9999), 4)
    prices = {item: random.randint(low, high) for item, low, high in STOCK}
    kettle, vase, lamp, other = (f"A{number}" for number in numbers)
    return {
        kettle: {"customer": "c1", "item": "kettle", "paid": prices["kettle"], "delivered_days_ago": 9},
        vase: {"customer": "c1", "item": "vase", "paid": prices["vase"], "delivered_days_ago": random.randint(34, 80)},
        lamp: {"customer": "c1", "item": "lamp", "paid": prices["lamp"], "delivered_days_ago": 12},
        other: {"customer": "c2", "item": "kettle", "paid": prices["kettle"] + 5, "delivered_days_ago": 3},
    }


def customer_script(address, postcode):
    """What the customer says where no model plays them."""
    labels = [
        {
            "hears": rf"\bR{number}\b",
            "does": {"tool": "print_label", "args": {"number": f"R{number}"}},
            "says": f"I have printed the label R{number}.",
            "once": True,
        }
        for number in range(100, 105)
    ]
    return [
        FIRST,
        {"hears": "post ?code|zip|mail address", "says": f"I am {address}, postcode {postcode}."},
        *labels,
        {"hears": "anything else|all for today", "says": "No, that is all. Thank you!", "ends": "satisfied"},
        {"hears": "vase|30 days|too old|cannot|policy", "says": "That is a pity. Then only the kettle, please."},
        {"hears": "refund|return|order|paid|kettle", "says": "Yes, please."},
    ]
