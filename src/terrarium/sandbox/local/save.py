"""Saving a local sandbox: what is sealed by the engine, the rest by a process of the zygote's, everything frozen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from terrarium.core.aside import aside
from terrarium.core.sharing import SEALED
from terrarium.sandbox.inside.saved import UPPER
from terrarium.sandbox.local import packed
from terrarium.sandbox.local.layers import Layers
from terrarium.sandbox.local.life import Life
from terrarium.sandbox.zygote import zygote


async def save(layers: Layers, life: Life | None, to: Path) -> None:
    """Write all layers into the folder `to`.

    Args:
        layers: Of the sandbox.
        life: What runs in it, which stands still meanwhile.
        to: Where to.

    Raises:
        OSError, EngineFault: Something cannot be read or written.
    """
    if layers.packed:
        await aside(lambda: packed.save_again(layers.folder, to))
    elif not layers.lived:
        await layers.wholly(lambda: layers.save(to))
    else:
        (to / SEALED / UPPER).mkdir(parents=True, exist_ok=True)
        # What is sealed needs nobody to stand still. Both are awaited: neither may write once this has ended.
        both = aside(lambda: layers.save_sealed(to)), _save_upper(layers, life, to)
        for error in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error


async def _save_upper(layers: Layers, life: Life | None, to: Path) -> None:
    work: dict[str, Any] = {"folder": str(layers.tree), "to": str(to), "head": layers.head()}
    if life is None:
        await zygote().job("save", **work)
    else:
        await life.still(lambda freeze: zygote().job("save", **work, freeze=freeze))
