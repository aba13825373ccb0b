"""Objects for programs: strict JSON, one object a line, and what every object of this program begins with.

The file ``objects.schema.json`` beside this module says what every object may hold, as a JSON Schema.
"""

from __future__ import annotations

import json
import math
import numbers
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

SCHEMA_VERSION = 1
"""The version of the schema. It is raised when a program that reads the objects has to change; new kinds of objects and
new fields do not raise it."""
_SCHEMA_FILE = Path(__file__).with_name("objects.schema.json")
_NOT_UNICODE = re.compile("[\ud800-\udfff]")
"""What Python puts in the place of the bytes of a file name that are not UTF-8; JSON has no way to write it."""
_FIRST_ESCAPED_BYTE = 0xDC00


def json_line(event: str, values: Mapping[str, Any]) -> str:
    r"""Write one object as a line of strict JSON.

    A number that is not finite becomes ``null``, as JSON has none, and a byte of a file name that is not UTF-8 becomes
    an escape such as ``\xe9``.

    Args:
        event: What the object is about, such as ``score``; it is the object's first field.
        values: The other fields. Paths become text, and numbers of NumPy become plain ones.

    Returns:
        The line with its end: an object whose first fields are ``event``, ``time`` (when it was written, ISO 8601 in
        UTC) and ``schema`` (`SCHEMA_VERSION`).
    """
    begins = {"event": event, "time": now(), "schema": SCHEMA_VERSION}
    return json.dumps({**begins, **_strict(values)}, allow_nan=False) + "\n"


def write_object(event: str, values: Mapping[str, Any]) -> None:
    """Write one object on standard output at once; see `json_line`."""
    sys.stdout.write(json_line(event, values))
    sys.stdout.flush()


def now() -> str:
    """The time of day in UTC, to the millisecond, as ISO 8601 writes it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def schema() -> dict[str, Any]:
    """The JSON Schema of all objects."""
    found: dict[str, Any] = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    return found


def _strict(value: Any) -> Any:
    """A value as strict JSON can have it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, Path)):
        return _NOT_UNICODE.sub(_escaped, str(value))
    if isinstance(value, Mapping):
        return {_strict(key): _strict(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(each) for each in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    raise TypeError(f"an object for programs cannot hold a {type(value).__name__}")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    byte = code - _FIRST_ESCAPED_BYTE
    return f"\\x{byte:02x}" if 0 <= byte <= 0xFF else f"\\u{code:04x}"
