"""A conversation at a shop's desk: policy, database, and a customer who has to do a part of it.

The customer is simulated: by a model where the job names one for people, else by a script. What counts is the database
at the end, not what was said.
"""

from __future__ import annotations

import copy
import re

from terrarium import check, entry, run_checkers

from .content import GOAL, PERSONA, POLICY, customer_script, orders_of


@entry(limits={"turns": 40})
def returns_desk(env, agent):
    address, postcode = "ada.quist@home.example", str(env.random.randint(10000, 99999))
    people = {"c1": {"mail": address, "postcode": postcode}, "c2": {"mail": "ida@home.example", "postcode": "11111"}}
    orders = orders_of(env.random)
    before, returns, refunds, known, faults = copy.deepcopy(orders), {}, [], set(), []

    def identify_customer(mail: str, postcode: str) -> str:
        """Find a customer by mail address and postcode; gives the customer's number."""
        for number, person in people.items():
            if (person["mail"], person["postcode"]) == (mail.strip().lower(), postcode.strip()):
                known.add(number)
                return number
        return "there is no such customer"

    def list_orders(customer: str) -> list:
        """List the orders of a customer, each with item, paid (EUR) and delivered_days_ago."""
        if customer not in known:
            faults.append(f"looked at the orders of {customer}")
        return [{"order": number, **order} for number, order in orders.items() if order["customer"] == customer]

    def open_return(order: str) -> str:
        """Open a return for an order; gives the number of the return."""
        if order not in orders:
            return "there is no such order"
        number = f"R{100 + len(returns)}"
        returns[number] = {"order": order, "printed": False}
        return number

    def pay_refund(number: str, euros: int) -> str:
        """Pay a refund for an open return."""
        if number not in returns:
            return "there is no such return"
        refunds.append({"number": number, "euros": euros, "printed": returns[number]["printed"]})
        return "paid"

    def print_label(number: str) -> str:
        """Print the label of a return on your printer at home."""
        if number not in returns:
            return "the shop knows no return of that number"
        returns[number]["printed"] = True
        return "printed"

    agent.system_prompt = POLICY
    agent.register_tools(identify_customer, list_orders, open_return, pay_refund)
    customer = env.user(
        "customer",
        persona=PERSONA,
        goal=GOAL,
        knows=f"Your mail address is {address}, your postcode {postcode}. You do not know order numbers.",
        tools=[print_label],
        script=customer_script(address, postcode),
        turns=20,
    )

    message = customer.start()
    while not customer.done:
        message = customer.answer(agent.act(message).text)

    [kettle] = [n for n, order in before.items() if (order["customer"], order["item"]) == ("c1", "kettle")]
    paid = [one for one in refunds if returns[one["number"]]["order"] == kettle]
    return run_checkers(
        {
            "the kettle is refunded, once and in full": check(
                lambda: [one["euros"] for one in paid] == [before[kettle]["paid"]], required=True, weight=3
            ),
            "the label was printed before": check(lambda: bool(paid) and all(one["printed"] for one in paid), weight=2),
            "the customer is content": lambda: customer.outcome == "satisfied",
            "something else was refunded": check(lambda: len(refunds) > len(paid), forbidden=True),
            "orders of strangers were looked at": check(lambda: bool(faults), forbidden=True),
            "orders were changed": check(lambda: orders != before, forbidden=True),
        }
    )


@returns_desk.solution
def solve(seat):
    said = yield "Gladly. Please tell me your mail address and your postcode."
    mail, postcode = re.search(r"\S+@[\w.]+\w", said)[0], re.search(r"\b\d{5}\b", said)[0]
    customer = seat.call("identify_customer", mail=mail, postcode=postcode)
    orders = seat.call("list_orders", customer=customer)
    [kettle] = [order for order in orders if order["item"] == "kettle"]
    yield "The vase was delivered more than 30 days ago, so it cannot come back. The kettle can."
    number = seat.call("open_return", order=kettle["order"])
    yield f"I will refund {kettle['paid']} euros. Your return is {number}: print its label and tell me, please."
    seat.call("pay_refund", number=number, euros=kettle["paid"])
    yield f"The {kettle['paid']} euros are on their way. Is there anything else?"
    return "Good-bye."
