"""How an agent does `budget` almost right, or right in another way."""

from __future__ import annotations

import re


def types_over_the_formula(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "google_sheets_write_range" and seat.counts[tool] == 1:
        seat.do(tool, spreadsheet=args["spreadsheet"], range=args["range"].replace("!E", "!F"), values=[[1]])
    return result


def takes_dollars_for_euros(seat, tool, args):
    result = seat.do(tool, **args)
    if args.get("range") == "Rates":
        result["values"] = [[currency, "1"] for currency, _ in result["values"]]
    return result


def knows_the_rates_by_heart(seat, tool, args):
    if args.get("range") == "Rates":
        return seat.notes.setdefault("rates", seat.do(tool, **args))
    return seat.do(tool, **args)


def knows_the_rows_by_heart(seat, tool, args):
    result = seat.do(tool, **args)
    if args.get("range", "").startswith("Departments!A"):
        rows = result["values"][1:-1]
        known = seat.notes.setdefault("rows", [row[0] for row in rows])
        rows.sort(key=lambda row: known.index(row[0]) if row[0] in known else len(known))
        result["values"][1:-1] = rows
    return result


def believes_everybody(seat, tool, args):
    result = seat.do(tool, **args)
    if args.get("range", "").startswith("Departments!A"):
        seat.notes["heads"] = {row[0]: row[1] for row in result["values"][1:-1]}
    if tool == "email_search":
        for mail in result["mails"]:
            head = seat.notes["heads"][mail["subject"].removeprefix("March, ")]
            mail["from"] = f"{head} <{head.lower().replace(' ', '.')}@larkfield.example>"
    return result


def reads_its_mail_once(seat, tool, args):
    if tool == "email_search" and seat.counts[tool] > 1:
        return {"mails": []}
    return seat.do(tool, **args)


def tidies_the_rates(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "google_sheets_write_range" and seat.counts[tool] == 1:
        seat.do(tool, spreadsheet=args["spreadsheet"], range="Rates!B2", values=[["1.17"]])
    return result


def types_a_formula(seat, tool, args):
    result = None
    if tool == "google_sheets_write_range" and "dollars" in seat.notes:
        [[euros]] = args["values"]
        if abs(euros / seat.notes["dollars"] - seat.notes["rate"]) < 0.0005:
            args["values"] = [[f"=ROUND({seat.notes['dollars']}*Rates!$B$3,0)"]]
    result = seat.do(tool, **args)
    if tool == "email_read" and (found := re.search(r"USD ([\d,]+) in March", result["body"])):
        seat.notes["dollars"] = int(found[1].replace(",", ""))
    if args.get("range") == "Rates":
        seat.notes["rate"] = float(result["values"][2][1])
    return result
