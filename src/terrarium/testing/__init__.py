"""Conformance suites: what an implementation must keep, checked against the contract of its family.

```python
from terrarium.testing import check_capability

def test_my_capability():
    check_capability(MyCapability, exercise=lambda mine: mine.add("a note"))
```

Each is a plain function for pytest or a script. It opens the thing on temporary folders, uses it as the engine does,
and raises `AssertionError` naming the clause that does not hold.
"""

from __future__ import annotations

from terrarium.testing.agent import check_agent
from terrarium.testing.capability import check_capability
from terrarium.testing.model import check_model
from terrarium.testing.sandbox.suite import check_sandbox
from terrarium.testing.serving import serving

__all__ = ["check_agent", "check_capability", "check_model", "check_sandbox", "serving"]
