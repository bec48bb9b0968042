"""A web shop as a capability of the task's own: an ASGI application whose carts and orders are rows."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from html import escape
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from terrarium.core.capability import Traits, reads, writes
from terrarium.http.host import WebHost

HOST = "lamps.example"
FRAME = """\
<!doctype html><title>{title}</title><h1>{title}</h1>
{body}
<p><a href="/">Lamps</a> <a href="/cart">Cart</a>
"""
LAMP = """\
<h2>{name}</h2>
<p>{lumen} lumen, {price} EUR, {stock}.
<form method="post" action="/cart"><input type="hidden" name="lamp" value="{key}">
<label>Pieces of {name} <input name="pieces" inputmode="numeric"></label> <button>Add {name}</button></form>
"""
ORDER = """\
<form method="post" action="/order">
<label>Reference <input name="reference"></label>
<label>Delivery <select name="delivery"><option>Express<option>Standard</select></label>
<button>Order</button></form>
"""
LINE = """\
<li>{pieces} × {name}: {total} EUR{note}
<form method="post" action="/remove"><input type="hidden" name="lamp" value="{key}">
<button>Remove {name}</button></form>
"""


class Shop:
    """A shop at lamps.example: a list of lamps, a cart for each agent, orders."""

    traits = Traits()

    async def open(self, site):
        self.site, self.store = site, site.rows()
        routes = [
            Route("/", self._front),
            Route("/cart", self._cart),
            Route("/cart", self._add, methods=["POST"]),
            Route("/remove", self._remove, methods=["POST"]),
            Route("/order", self._order, methods=["POST"]),
            Route("/order/{number}", self._thanks),
        ]
        self.host = WebHost(site, [HOST], Starlette(routes=routes))
        await self.host.open()

    @writes(silent=True)
    def put(self, key: str, name: str, lumen: int, price: int, sold_out: bool = False) -> None:
        """Put a lamp on sale, or say what is so now of one that is."""
        fields = {"name": name, "lumen": lumen, "price": price, "sold_out": sold_out}
        self.store.change(self.site.actor(), "lamp", key, self.store.get("lamp", key), fields)

    @reads
    def orders(self) -> list[dict]:
        """The orders, oldest first: `by`, `lines` (pieces by lamp), `reference`, `delivery`, `total`."""
        return [dict(row.fields) for row in self.store.table("order")]

    @reads
    def cart(self, agent: str) -> dict[str, int]:
        """Pieces by lamp."""
        return {row.key.partition("/")[2]: row.fields["pieces"] for row in self.store.table("cart", f"{agent}/")}

    def tools(self, agent):
        return []

    def rows(self):
        return self.store.all()

    def deeds(self, changes):
        """What lies in a cart is nothing yet."""
        return [change for change in changes if change.table != "cart"]

    async def save(self, to):
        self.store.save(to)

    async def close(self):
        await self.host.close()
        self.store.close()

    # -- pages ----------------------------------------------------------------------------------------------------

    async def _front(self, request):
        async with self._asked(request):
            lamps = [(row.key, row.fields) for row in self.store.table("lamp")]
        told = [
            LAMP.format(key=key, **{**lamp, "stock": "sold out" if lamp["sold_out"] else "in stock"})
            for key, lamp in lamps
        ]
        return _page("Lamps", "".join(told))

    async def _cart(self, request):
        async with self._asked(request) as who:
            return self._cart_page(who)

    async def _add(self, request):
        said = await _form(request)
        async with self._asked(request) as who:
            lamp = self.store.get("lamp", said.get("lamp", ""))
            pieces = re.fullmatch(r"\s*([1-9][0-9]{0,2})\s*", said.get("pieces", ""))
            if lamp is None or lamp["sold_out"]:
                return _page("Sorry", "<p>This lamp is sold out.", 409)
            if pieces is None:
                return _page("Sorry", "<p>Please say how many pieces you want, 1 to 999.", 400)
            key = f"{who}/{said['lamp']}"
            self.store.change(self.site.actor(), "cart", key, self.store.get("cart", key), {"pieces": int(pieces[1])})
        return RedirectResponse("/cart", 303)

    async def _remove(self, request):
        said = await _form(request)
        async with self._asked(request) as who:
            key = f"{who}/{said.get('lamp', '')}"
            if self.store.get("cart", key) is not None:
                self.store.delete(self.site.actor(), "cart", key)
        return RedirectResponse("/cart", 303)

    async def _order(self, request):
        said = await _form(request)
        async with self._asked(request) as who:
            lines = self.cart(who)
            lamps = {key: self.store.get("lamp", key) for key in lines}
            if not lines or any(lamp["sold_out"] for lamp in lamps.values()):
                return self._cart_page(who, 409)
            number = f"{self.store.count('order') + 1:04d}"
            total = sum(lamps[key]["price"] * pieces for key, pieces in lines.items())
            told = {name: said.get(name, "").strip()[:200] for name in ("reference", "delivery")}
            actor = self.site.actor()
            self.store.insert(actor, "order", number, {"by": who, "lines": lines, "total": total, **told})
            for key in lines:
                self.store.delete(actor, "cart", f"{who}/{key}")
        return RedirectResponse(f"/order/{number}", 303)

    async def _thanks(self, request):
        return _page("Thank you", f"<p>Your order has the number {escape(request.path_params['number'])}.")

    def _cart_page(self, who: str, status: int = 200) -> HTMLResponse:
        lines, body = self.cart(who), []
        for key, pieces in lines.items():
            lamp = self.store.get("lamp", key)
            note = ", SOLD OUT: please remove it" if lamp["sold_out"] else ""
            total = lamp["price"] * pieces
            body.append(LINE.format(key=key, pieces=pieces, name=lamp["name"], total=total, note=note))
        return _page("Cart", f"<ul>{''.join(body)}</ul>{ORDER if lines else '<p>It is empty.'}", status)

    @asynccontextmanager
    async def _asked(self, request):
        """The world holds still meanwhile; gives who asks."""
        caller = request.scope["extensions"]["terrarium"]["caller"]
        async with self.site.request(caller):
            yield caller.name


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(FRAME.format(title=title, body=body), status)


async def _form(request) -> dict[str, str]:
    body = (await request.body())[:10_000].decode("utf-8", "replace")
    return {name: values[0] for name, values in parse_qs(body).items()}
