"""How an agent does `stocktake` almost right, or right in another way."""

from __future__ import annotations


def _asking(old, new):
    def alter(seat, tool, args):
        if "sql" in args:
            assert old in args["sql"] or tool == "postgres_execute" or "was" in old
            args["sql"] = args["sql"].replace(old, new)
        return seat.do(tool, **args)

    return alter


counts_void_ones = _asking("AND NOT void ", "")
forgets_what_has_moved = _asking("AND moved > last.counted", "AND false")
adds_whatever_has_moved = _asking("AND moved > last.counted", "")
takes_the_first_count = _asking("ORDER BY counted DESC", "ORDER BY counted")
corrects_blocked_items = _asking("WHERE NOT blocked", "")
keeps_adjustments_that_are_none = _asking("DELETE FROM adjustments WHERE was = became", "SELECT 1")


def thinks_that_it_is_over(seat, tool, args):
    if tool == "postgres_query" and seat.counts[tool] == 2:
        return {"rows": []}
    return seat.do(tool, **args)


def tells_keiko_of_everything(seat, tool, args):
    result = seat.do(tool, **args)
    if tool == "postgres_query":
        seat.notes["lines"] = [f"{row['item']}: {row['there']}" for row in result["rows"]]
    if tool == "email_send":
        seat.do(tool, **args | {"body": "\n".join(seat.notes["lines"])})
    return result


def says_the_same_twice(seat, tool, args):
    """A line for each item that it has corrected, and one more at the end."""
    if tool == "postgres_execute":
        args["sql"] += "; INSERT INTO adjustments SELECT item, pieces, pieces FROM stock ON CONFLICT DO NOTHING"
    return seat.do(tool, **args)


def tries_what_it_may_not(seat, tool, args):
    if tool == "postgres_execute":
        for sql in ("UPDATE items SET price = 0", "UPDATE stock SET blocked = false", "DELETE FROM counts"):
            assert seat.result(tool, sql=sql).error
    return seat.do(tool, **args)
