"""What a body must look like: messages of known fields, read as Google reads them.

A shape is `STR`, `INT`, `NUM`, `BOOL`, a set of the words an enumeration has, `[shape]` for a list, a dict of shapes by
field for a message, or `ANY` for what is looked at elsewhere.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from terrarium.capability.google_sheets.fault import Fault, bad

STR, INT, NUM, BOOL, ANY = "TYPE_STRING", "TYPE_INT32", "TYPE_DOUBLE", "TYPE_BOOL", "ANY"

_DEPTH = 40
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS = re.compile(r"-?[0-9]{1,15}")


def load(body: bytes) -> Any:
    """The JSON of a body, finite, of bounded depth, in real characters; `{}` for none.

    Raises:
        Fault: It is none.
    """
    if not body.strip():
        return {}
    try:
        tree = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
        _look(tree, 0)
    except (ValueError, RecursionError):
        raise bad("Invalid JSON payload received. It cannot be parsed.") from None
    return tree


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _look(tree: Any, depth: int) -> None:
    if isinstance(tree, str):
        if not tree.isascii() and _SURROGATE.search(tree):
            raise ValueError("a lone surrogate")
    elif isinstance(tree, float):
        if not math.isfinite(tree):
            raise ValueError("a number out of range")
    elif isinstance(tree, (list, dict)):
        if depth > _DEPTH:
            raise ValueError("too deep")
        if isinstance(tree, dict):
            for key in tree:
                _look(key, depth)
            tree = tree.values()
        for item in tree:
            _look(item, depth + 1)


def read(value: Any, shape: Any, path: str = "") -> Any:
    """A body checked against its shape; fields that are null are left out.

    Raises:
        Fault: A field that does not exist, or a value of another type.
    """
    if isinstance(shape, dict):
        return _message(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            value = [value]  # as Google's parser does
        return [read(item, shape[0], f"{path}[{n}]") for n, item in enumerate(value)]
    if isinstance(shape, (set, frozenset)):
        if value not in shape if isinstance(value, str) else True:
            raise _wrong(path, "TYPE_ENUM", value)
        return value
    if shape == STR and isinstance(value, str):
        return value
    if shape == BOOL and isinstance(value, bool):
        return value
    if shape == ANY:
        return value
    if shape == INT and not isinstance(value, bool):
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if isinstance(value, (int, float)) and value == int(value) and abs(value) < 2**31:
            return int(value)
    if shape == NUM and isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    raise _wrong(path, shape, value)


def number(value: int | float) -> int | float:
    """A number as a cell holds it: a double, written as a whole number where it is one.

    Raises:
        Fault: It is out of range.
    """
    try:
        double = float(value)
    except OverflowError:
        raise bad("Invalid JSON payload received. A number is out of range.") from None
    if not math.isfinite(double):
        raise bad("Invalid JSON payload received. A number is out of range.")
    return int(double) if double.is_integer() and abs(double) < 2**53 else double


def _message(value: Any, shape: dict[str, Any], path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, "message", value)
    found = {}
    for key, item in value.items():
        if key not in shape:
            said = f'Invalid JSON payload received. Unknown name "{key[:100]}"' + (f" at '{path}'" if path else "")
            raise Fault(400, f"{said}: Cannot find field.", violations=[(path, f"{said}: Cannot find field.")])
        if item is not None:
            found[key] = read(item, shape[key], f"{path}.{key}" if path else key)
    return found


def _wrong(path: str, kind: Any, value: Any) -> Fault:
    said = f"Invalid value at '{path}' ({kind}), {json.dumps(value)[:100]}"
    return Fault(400, said, violations=[(path, said)])


COLOR = {"red": NUM, "green": NUM, "blue": NUM, "alpha": NUM}
COLOR_STYLE = {"rgbColor": COLOR, "themeColor": STR}
BORDER = {"style": STR, "width": INT, "color": COLOR, "colorStyle": COLOR_STYLE}
TEXT_FORMAT = {
    "foregroundColor": COLOR,
    "foregroundColorStyle": COLOR_STYLE,
    "fontFamily": STR,
    "fontSize": INT,
    "bold": BOOL,
    "italic": BOOL,
    "strikethrough": BOOL,
    "underline": BOOL,
    "link": {"uri": STR},
}
NUMBER_FORMAT = {
    "type": {
        *("NUMBER_FORMAT_TYPE_UNSPECIFIED", "TEXT", "NUMBER", "PERCENT", "CURRENCY"),
        *("DATE", "TIME", "DATE_TIME", "SCIENTIFIC"),
    },
    "pattern": STR,
}
CELL_FORMAT = {
    "numberFormat": NUMBER_FORMAT,
    "backgroundColor": COLOR,
    "backgroundColorStyle": COLOR_STYLE,
    "borders": {"top": BORDER, "bottom": BORDER, "left": BORDER, "right": BORDER},
    "padding": {"top": INT, "right": INT, "bottom": INT, "left": INT},
    "horizontalAlignment": {"HORIZONTAL_ALIGN_UNSPECIFIED", "LEFT", "CENTER", "RIGHT"},
    "verticalAlignment": {"VERTICAL_ALIGN_UNSPECIFIED", "TOP", "MIDDLE", "BOTTOM"},
    "wrapStrategy": {"WRAP_STRATEGY_UNSPECIFIED", "OVERFLOW_CELL", "LEGACY_WRAP", "CLIP", "WRAP"},
    "textDirection": {"TEXT_DIRECTION_UNSPECIFIED", "LEFT_TO_RIGHT", "RIGHT_TO_LEFT"},
    "textFormat": TEXT_FORMAT,
    "hyperlinkDisplayType": {"HYPERLINK_DISPLAY_TYPE_UNSPECIFIED", "LINKED", "PLAIN_TEXT"},
    "textRotation": {"angle": INT, "vertical": BOOL},
}
VALIDATION = {
    "condition": {"type": STR, "values": [{"userEnteredValue": STR, "relativeDate": STR}]},
    "inputMessage": STR,
    "strict": BOOL,
    "showCustomUi": BOOL,
}
EXTENDED_VALUE = {"numberValue": NUM, "stringValue": STR, "boolValue": BOOL, "formulaValue": STR}
CELL = {
    "userEnteredValue": EXTENDED_VALUE,
    "userEnteredFormat": CELL_FORMAT,
    "note": STR,
    "dataValidation": VALIDATION,
    # what clients send back as they got it
    "effectiveValue": ANY,
    "effectiveFormat": ANY,
    "formattedValue": ANY,
    "hyperlink": ANY,
}
ROWS = [{"values": [CELL]}]
GRID_RANGE = {"sheetId": INT, "startRowIndex": INT, "endRowIndex": INT, "startColumnIndex": INT, "endColumnIndex": INT}
COORDINATE = {"sheetId": INT, "rowIndex": INT, "columnIndex": INT}
DIMENSION = {"ROWS", "COLUMNS"}
DIMENSION_RANGE = {"sheetId": INT, "dimension": DIMENSION, "startIndex": INT, "endIndex": INT}
SHEET_PROPERTIES = {
    "sheetId": INT,
    "title": STR,
    "index": INT,
    "sheetType": {"SHEET_TYPE_UNSPECIFIED", "GRID", "OBJECT", "DATA_SOURCE"},
    "gridProperties": {
        "rowCount": INT,
        "columnCount": INT,
        "frozenRowCount": INT,
        "frozenColumnCount": INT,
        "hideGridlines": BOOL,
        "rowGroupControlAfter": BOOL,
        "columnGroupControlAfter": BOOL,
    },
    "hidden": BOOL,
    "tabColor": COLOR,
    "tabColorStyle": COLOR_STYLE,
    "rightToLeft": BOOL,
}
BOOK_PROPERTIES = {
    "title": STR,
    "locale": STR,
    "timeZone": STR,
    "autoRecalc": {"RECALCULATION_INTERVAL_UNSPECIFIED", "ON_CHANGE", "MINUTE", "HOUR"},
    "defaultFormat": ANY,
    "spreadsheetTheme": ANY,
    "iterativeCalculationSettings": ANY,
}
NAMED_RANGE = {"namedRangeId": STR, "name": STR, "range": GRID_RANGE}
DATA_FILTER = {"a1Range": STR, "gridRange": GRID_RANGE}
VALUE_RANGE = {"range": STR, "majorDimension": {"DIMENSION_UNSPECIFIED", *DIMENSION}, "values": ANY}
