"""A spreadsheet with formulas, by gspread: rows move and prices change between two looks at it."""

from __future__ import annotations

from pathlib import Path

from terrarium import allowed, check, entry, run_checkers

from .content import BRIEF, ITEMS, deliveries, stock

CLIENT = Path(__file__).with_name("client.py")


@entry(
    capabilities=["google_sheets", "workspace"],
    capabilities_config={"workspace": {"network": "sandbox", "packages": ["gspread"]}},
)
def stock_sheet(env, agent):
    sheets, random = env.google_sheets, env.random
    newcomer, *items = random.sample(ITEMS, 6)
    rows, early = stock(random, items), deliveries(random, items, 2, 4)
    late = deliveries(random, items, 0, 2)
    pieces, price = random.randint(2, 90), random.randint(300, 9000) / 100
    repriced, new_price = random.randrange(len(items)), random.randint(300, 9000) / 100

    book = sheets.create_spreadsheet("Store")["id"]
    sheets.update_worksheet(book, "Sheet1", "Stock")
    for title, told in {
        "Stock": [["item", "left", "price", "value"], *rows, ["total", "", "", f"=SUM(D2:D{len(rows) + 1})"]],
        "Deliveries": [["item", "pieces", "booked"], *early],
        "Report": [["worth", ""]],
    }.items():
        if title != "Stock":
            sheets.add_worksheet(book, title, 60, 8)
        sheets.write_range(book, f"{title}!A1", told)

    def begun():
        return len([row for row in sheets.read_range(book, "Deliveries!C2:C99") if row == ["yes"]]) > 2

    def meanwhile():
        """Two more deliveries, another price, and a new item above all others: their rows move."""
        sheets.append_rows(book, "Deliveries", late)
        sheets.insert_rows(book, "Stock", [[newcomer, pieces, price, "=B2*C2"]], 2)
        sheets.write_range(book, f"Stock!D{len(rows) + 3}", [[f"=SUM(D2:D{len(rows) + 2})"]])
        where = [row[0] for row in sheets.read_range(book, "Stock!A1:A20")].index(items[repriced]) + 1
        sheets.write_range(book, f"Stock!C{where}", [[new_price]])

    env.when(begun, meanwhile)
    agent.act(BRIEF)

    delivered = [*early[2:], *late]
    left = {row[0]: row[1] + sum(d[1] for d in delivered if d[0] == row[0]) for row in rows} | {newcomer: pieces}
    prices = {row[0]: row[2] for row in rows} | {items[repriced]: new_price, newcomer: price}
    worth = sum(left[item] * prices[item] for item in left)

    def records(title):
        return sheets.get_all_records(book, title)

    ids = {sheet["title"]: sheet["id"] for sheet in sheets.list_worksheets(book)}
    return run_checkers(
        {
            "the stock is right": check(
                lambda: {r["item"]: r["left"] for r in records("Stock") if r["item"] != "total"} == left, weight=2
            ),
            "every delivery is booked": lambda: (
                [(r["item"], r["pieces"], r["booked"]) for r in records("Deliveries")]
                == [(item, count, "yes") for item, count, _ in [*early, *late]]
            ),
            "the report has the last figure": lambda: (
                abs(float(sheets.read_range(book, "Report!B1")[0][0].replace(",", "")) - worth) < 0.01
            ),
            "the formulas calculate": lambda: abs(records("Stock")[-1]["value"] - worth) < 0.01,
            "changed nothing else": check(
                lambda: env.unchanged_except(
                    allowed(f"google_sheets:cells:{book}/{ids['Stock']:010d}/*", fields=["B"]),
                    allowed(f"google_sheets:cells:{book}/{ids['Deliveries']:010d}/*", fields=["C"]),
                    allowed(f"google_sheets:cells:{book}/{ids['Report']:010d}/*", fields=["B"]),
                    "workspace",
                ),
                required=True,
                weight=0,
            ),
        }
    )


@stock_sheet.solution
def solve(seat):
    seat.call("workspace_write", path="book.py", content=CLIENT.read_text("utf-8"))
    while "booked: 0" not in seat.call("workspace_exec", command="python3 book.py").stdout:
        pass
    return "Every delivery is booked."
