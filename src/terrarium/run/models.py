"""The models of a process: one client for each model and its settings, shared by all trials that ask it."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import os
import re
import weakref
from collections.abc import Mapping
from typing import Any

from terrarium.core.errors import ConfigError, TerrariumError, UsageError
from terrarium.core.model import Model
from terrarium.core.registry import find
from terrarium.core.secrets import is_secret
from terrarium.core.values import dumps
from terrarium.model.prices import Price, price_of

PRICE = "price"  # the setting that says what tokens cost
WORKERS = "TERRARIUM_WORKERS"  # the variable that tells a worker how many there are
CASSETTE = "cassette"  # the setting that wraps a model into a recording

_SHARED_OUT = ("at_once", "per_minute")  # settings that are about the whole run

_shared: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Model]] = weakref.WeakKeyDictionary()


def model_class(spec: str) -> tuple[Any, str]:
    """What makes the model of `provider/name` or `package.module:Class/name`, and the name.

    Raises:
        NotRegistered: There is no such provider.
        ConfigError: It is not of that form.
    """
    provider, _, name = spec.partition("/")
    if not provider or not name:
        raise ConfigError(f"a model is named as provider/name, such as openai/gpt-5 or vllm/qwen3-8b, not {spec!r}")
    return find("model", provider), name


def make_model(spec: str, settings: Mapping[str, Any]) -> Model:
    """The model called `provider/name`, with settings of its client; on the loop that will ask it.

    A client is made once for each loop, and stays open until its process ends, unless its class says `shared = False`;
    whoever gets one here does not close it. The setting `price`
    says what its tokens cost, where the table of prices is not to be asked; see `terrarium.model.prices`. The setting
    `cassette` names a file in which answers are recorded, and from which they come where the same is asked again.

    Of `at_once` and `per_minute`, which are about a whole run, each worker of it has an equal share.

    Raises:
        ConfigError: A setting that the client refuses, or a key among the settings.
        NotRegistered: There is no such provider.
    """
    made, name = model_class(spec)
    _without_keys(settings)
    own = {key: value for key, value in settings.items() if key != CASSETTE}
    if not getattr(made, "shared", True):
        return _recorded(_made(made, name, own), settings)
    there = _shared.setdefault(asyncio.get_running_loop(), {})
    key = dumps([spec, dict(settings)])
    if key not in there:
        there[key] = _recorded(_made(made, name, own), settings)
    return there[key]


def look_at(spec: str, settings: Mapping[str, Any]) -> None:
    """See that the client called `provider/name` takes these settings, before anything is run; nothing is asked.

    Raises:
        ConfigError: It refuses them, or there is a key among them.
        NotRegistered: There is no such provider.
    """
    made, name = model_class(spec)
    _without_keys(settings)
    if getattr(made, "provider", None) is not None and ":" not in spec:  # others may read files, or do what they like
        _made(made, name, {key: value for key, value in settings.items() if key != CASSETTE})


def price_for(spec: str, settings: Mapping[str, Any]) -> Price | None:
    """What answers of the model called `provider/name` cost, for whoever reads them without its client.

    Raises:
        ConfigError: The setting `price` is none.
    """
    made, name = model_class(spec)
    provider: str | None = getattr(made, "provider", None)
    return None if provider is None else price_of(provider, name, settings.get(PRICE))


async def close_models() -> None:
    """Close the shared models of this loop."""
    for model in _shared.pop(asyncio.get_running_loop(), {}).values():
        await model.close()


def _without_keys(settings: Mapping[str, Any]) -> None:
    for key in settings:
        if is_secret(key):
            raise ConfigError(f"{key!r} cannot be a setting of a model: keys come from the environment or from .env")


def _made(made: Any, name: str, settings: Mapping[str, Any]) -> Model:
    workers = int(os.environ.get(WORKERS, "1"))
    shares = {key: max(1, settings[key] // workers) for key in _SHARED_OUT if isinstance(settings.get(key), int)}
    priced = {key: value for key, value in settings.items() if key != PRICE} | shares
    provider: str | None = getattr(made, "provider", None)
    if provider is not None:
        priced[PRICE] = price_of(provider, name, settings.get(PRICE))
    elif settings.get(PRICE) is not None:
        raise ConfigError(f"the model {name!r} is no provider's, and says itself what it costs: it takes no price")
    try:
        model: Model = made(name, **priced)
    except UsageError:
        raise
    except TerrariumError as error:
        raise ConfigError(str(error)) from error
    except TypeError as error:
        raise ConfigError(f"the model {name!r} refuses its settings: {_told(made, error)}") from error
    return model


def _told(made: Any, error: TypeError) -> str:
    """What is wrong with settings; of one that there is not, the nearest."""
    unknown = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if unknown is None or not isinstance(made, type):
        return str(error)
    inits = [vars(kind)["__init__"] for kind in made.__mro__[:-1] if "__init__" in vars(kind)]
    named = {one for init in inits for one in inspect.signature(init).parameters} - {"self", "model", "args", "kwargs"}
    near = difflib.get_close_matches(unknown[1], sorted(named), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else f"; there are: {', '.join(sorted(named))}"
    return f"there is no setting {unknown[1]!r}{hint}"


def _recorded(model: Model, settings: Mapping[str, Any]) -> Model:
    path = settings.get(CASSETTE)
    if path is None:
        return model
    recorded: Model = find("model", "cassette")(path, model)
    return recorded
