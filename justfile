# The one default target does everything; the others are its parts.

# the theme announces its successor at every import
export NO_MKDOCS_2_WARNING := "1"
export PATH := justfile_directory() / ".venv/bin:" + env("PATH")

# format, then check everything
default: fmt check

# everything a change must pass
check: lint types layers size test docs

fmt:
    ruff format
    ruff check --fix

lint:
    ruff format --check
    ruff check

types:
    mypy

# rooms point downward only
layers:
    lint-imports

# no file over 400 lines
size:
    python scripts/sizes.py

# all tests: in two processes, then one by one those that need the machine for themselves; with arguments: what they name
[positional-arguments]
test *args:
    #!/bin/sh
    if [ $# -gt 0 ]; then exec pytest -m "not bench and not soak" "$@"; fi
    failed=0
    pytest -n 2 --dist loadfile -m "not bench and not soak and not alone" || failed=$?
    pytest -m "alone and not bench and not soak" || failed=$?
    exit $failed

# the manual, without warnings
docs:
    python scripts/cli_reference.py --check
    python scripts/capability_reference.py --check
    mkdocs build --quiet --strict

# measurements, with ratios in the same run; writes bench/results.md
bench *args:
    python -m bench {{args}}

# tests that take minutes on purpose, and those with made-up input with ten times as much of it
soak:
    pytest -m soak --timeout 1800
    TERRARIUM_EFFORT=10 pytest -m "not soak and not bench" --timeout 1800 tests/capability \
        -k "fuzz or nonsense or dialogue or worlds_apart"
