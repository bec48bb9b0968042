"""Server-sent events, as answers of models are streamed."""

from __future__ import annotations

from terrarium.core.errors import ModelFault

EVENT_LIMIT = 16 * 1024 * 1024  # bytes of one event


class EventStream:
    """Takes the bytes of a stream as they come, and gives the data of each event.

    Args:
        limit: Bytes of the whole stream, at most.
    """

    def __init__(self, limit: int = 4 * EVENT_LIMIT) -> None:
        self._limit = limit
        self._taken = 0
        self._rest = bytearray()  # of a line that has not ended
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that end in `chunk`.

        Raises:
            ModelFault: The stream or an event is too large, or no text.
        """
        self._taken += len(chunk)
        if self._taken > self._limit:
            raise ModelFault(f"the answer is larger than {self._limit >> 20} MiB")
        self._rest += chunk
        if len(self._rest) + self._size > EVENT_LIMIT + len(chunk):
            raise ModelFault(f"an event of the answer is larger than {EVENT_LIMIT >> 20} MiB")
        if b"\n" not in chunk:
            return []
        *lines, rest = bytes(self._rest).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        return [event for line in lines if (event := self._line(line)) is not None]

    def end(self) -> list[str]:
        """The event that nothing followed, where there is one: some servers forget the empty line at the end."""
        rest, self._rest = bytes(self._rest), bytearray()
        found = [self._line(rest), self._line(b"")]
        return [event for event in found if event is not None]

    def _line(self, line: bytes) -> str | None:
        line = line.removesuffix(b"\r")
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._size += len(line)
            return None
        if line or not self._data:
            return None  # a comment, or a field that says nothing here
        data, self._data, self._size = b"\n".join(self._data), [], 0
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ModelFault("the answer is malformed: it is no UTF-8") from None
