"""A web shop in a browser: what lies in the cart is sold out before it is ordered."""

from __future__ import annotations

import re

from terrarium import allowed, check, entry, run_checkers

from .content import BRIEF, lamps


@entry(capabilities=["browser", "shop"], capabilities_config={"shop": {"import_path": "shop:Shop"}})
def lamp_shop(env, agent):
    pieces, lumen = env.random.randint(3, 40), env.random.randrange(500, 1200, 50)
    reference = f"LK-{env.random.randint(1000, 9999)}"
    told = lamps(env.random, lumen)
    for name, bright, price, sold_out in told:
        env.shop.put(name.lower(), name, bright, price, sold_out)
    (first, bright, price, _), (second, _, cost, _), *_ = told

    env.when(
        lambda: first.lower() in env.shop.cart("agent"),
        lambda: env.shop.put(first.lower(), first, bright, price, sold_out=True),
    )
    agent.act(BRIEF.format(pieces=pieces, lumen=lumen, reference=reference))

    def order():
        [one] = env.shop.orders()
        return one

    return run_checkers(
        {
            "ordered the right lamps": check(lambda: order()["lines"] == {second.lower(): pieces}, weight=3),
            "with the reference": lambda: order()["reference"] == reference,
            "with the right delivery": lambda: order()["delivery"] == "Standard",
            "did nothing else": check(
                lambda: env.unchanged_except(
                    allowed("shop:order", kind="added", where={"total": pieces * cost}, times=1), "workspace"
                ),
                required=True,
                weight=0,
            ),
        }
    )


@lamp_shop.solution
def solve(seat):
    pieces, lumen, reference = re.search(
        r"Order (\d+) lamps.*least (\d+) lumen.*reference is (LK-\d+)", seat.instruction
    ).groups()
    while True:
        seat.call("browser_open", url="https://lamps.example/")
        found = re.findall(r"(\w+)\s+(\d+) lumen, (\d+) EUR, in stock", seat.call("browser_read"))
        _, name = min((int(price), name) for name, bright, price in found if int(bright) >= int(lumen))
        seat.call("browser_type", element=f'textbox "Pieces of {name}"', text=pieces)
        seat.call("browser_click", element=f'button "Add {name}"')
        seat.call("browser_type", element='textbox "Reference"', text=reference)
        seat.call("browser_select", element='combobox "Delivery"', options=["Standard"])
        if "Thank you" in seat.call("browser_click", element='button "Order"'):
            return f"{pieces} {name} are ordered."
        seat.call("browser_click", element=f'button "Remove {name}"')
