"""A real account instead of the emulated one: the same face over gspread and Google's own servers."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from terrarium.capability.google_sheets.face import found_in, plain, records
from terrarium.capability.google_sheets.fault import Fault
from terrarium.core.capability import Site
from terrarium.core.errors import CapabilityFault, ConfigError, NotFound, Refused
from terrarium.core.values import Value

FOLDER = "application/vnd.google-apps.folder"
FILES = "https://www.googleapis.com/drive/v3/files"


def connect(site: Site) -> ApiFace:
    """The face of the account that the configuration names, with a folder for this session.

    Raises:
        ConfigError: gspread is not installed, or no credentials are named.
        CapabilityFault: The account cannot be reached.
    """
    try:
        import gspread
        from google.oauth2.credentials import Credentials
    except ImportError:
        raise ConfigError("a real account needs gspread: pip install 'terrarium[google-sheets]'") from None
    told = site.config.get("authorized_user_file") or site.config.get("credentials_file")
    path = told or os.environ.get("GOOGLE_SHEETS_CREDENTIALS_FILE")
    if not path:
        raise ConfigError(f"{site.name}: set credentials_file or GOOGLE_SHEETS_CREDENTIALS_FILE for a real account")
    try:
        about = json.loads(Path(str(path)).read_text("utf-8"))
        if about.get("type") == "service_account":
            client = gspread.service_account_from_dict(about)
        else:
            credentials = Credentials.from_authorized_user_info(about)  # type: ignore[no-untyped-call]
            client = gspread.authorize(credentials)
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise ConfigError(f"{site.name}: {path} holds no credentials of Google's: {error}") from error
    root = str(site.config.get("root_folder_name", "Terrarium"))
    return ApiFace(client, root, f"_session_{site.rng.token(site.name, 8)}", str(path))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What gspread raises, as errors of ours."""
    from google.auth.exceptions import GoogleAuthError
    from gspread.exceptions import APIError, GSpreadException, SpreadsheetNotFound, WorksheetNotFound
    from requests.exceptions import RequestException

    try:
        yield
    except (SpreadsheetNotFound, WorksheetNotFound) as error:
        raise NotFound(f"there is no such spreadsheet or worksheet: {error}", code="404") from error
    except APIError as error:
        kind = {404: NotFound, 400: Refused, 403: Refused}.get(error.code, CapabilityFault)
        raise kind(str(error), code=str(error.code)) from error
    except (GSpreadException, RequestException, GoogleAuthError) as error:
        raise CapabilityFault(f"Google Sheets did not do it: {error}") from error
    except PermissionError as error:  # what gspread makes of a 403
        raise Refused(f"the account may not do that: {error}", code="403") from error
    except Fault as fault:
        raise fault.for_program() from None


class ApiFace:
    """Spreadsheets of a real account, in a folder of this session.

    Args:
        client: gspread's.
        root: The folder that all sessions are in; made where there is none.
        session: The name of this session's.
        credentials: Where the account's key lies on this machine.
    """

    def __init__(self, client: Any, root: str, session: str, credentials: str = "") -> None:
        self._client = client
        self._credentials = credentials
        self._name = session
        with _told():
            quoted = root.replace("\\", "\\\\").replace("'", "\\'")
            q = f"mimeType='{FOLDER}' and name='{quoted}' and trashed=false"
            found = self._drive("get", "", params={"q": q, "fields": "files(id)"}).get("files", [])
            parent = found[0]["id"] if found else self._folder(root, None)
            self._folder_id = self._folder(session, parent)

    @property
    def connection_info(self) -> dict[str, Value]:
        """The session's folder, and the key."""
        return {
            "session_folder_id": self._folder_id,
            "session_folder_name": self._name,
            "secrets": {"file": {"google_credentials": self._credentials}},
        }

    def close(self) -> None:
        """Remove the session's folder with everything in it."""
        with _told():
            for one in self.list_spreadsheets():  # a service account's files are not removed with their folder
                self._drive("delete", f"/{one['id']}")
            self._drive("delete", f"/{self._folder_id}")

    def _drive(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        response = self._client.http_client.request(method, f"{FILES}{path}", **more)
        told: dict[str, Any] = response.json() if response.content else {}
        return told

    def _folder(self, name: str, parent: str | None) -> str:
        body: dict[str, Any] = {"name": name, "mimeType": FOLDER}
        if parent is not None:
            body["parents"] = [parent]
        id: str = self._drive("post", "", json=body)["id"]
        return id

    def create_spreadsheet(self, title: str) -> dict[str, Value]:
        """Make one."""
        with _told():
            book = self._client.create(title, folder_id=self._folder_id)
            return {"id": book.id, "title": title, "url": book.url}

    def update_spreadsheet(self, id: str, title: str) -> None:
        """Rename one."""
        with _told():
            self._client.open_by_key(id).update_title(title)

    def delete_spreadsheet(self, id: str) -> None:
        """Remove one for good."""
        with _told():
            self._client.del_spreadsheet(id)

    def list_spreadsheets(self) -> list[dict[str, Value]]:
        """Those of the session, by title."""
        with _told():
            found = self._client.list_spreadsheet_files(folder_id=self._folder_id)
            url = "https://docs.google.com/spreadsheets/d/{}/edit"
            told = [{"id": one["id"], "title": one["name"], "url": url.format(one["id"])} for one in found]
            return sorted(told, key=lambda one: (one["title"], one["id"]))

    def add_worksheet(self, id: str, title: str, rows: int, cols: int) -> dict[str, Value]:
        """Add a sheet."""
        with _told():
            return _described(self._client.open_by_key(id).add_worksheet(title, rows, cols))

    def list_worksheets(self, id: str) -> list[dict[str, Value]]:
        """Its sheets, in order."""
        with _told():
            return [_described(sheet) for sheet in self._client.open_by_key(id).worksheets()]

    def update_worksheet(
        self, id: str, worksheet_title: str, new_title: str | None, rows: int | None, cols: int | None
    ) -> None:
        """Rename or resize a sheet."""
        with _told():
            sheet = self._client.open_by_key(id).worksheet(worksheet_title)
            if rows is not None or cols is not None:
                sheet.resize(rows, cols)
            if new_title is not None:
                sheet.update_title(new_title)

    def delete_worksheet(self, id: str, worksheet_title: str) -> None:
        """Remove a sheet."""
        with _told():
            book = self._client.open_by_key(id)
            book.del_worksheet(book.worksheet(worksheet_title))

    def read_range(self, id: str, range: str) -> list[list[Value]]:
        """The values of a range."""
        with _told():
            found: list[list[Value]] = self._client.open_by_key(id).values_get(range).get("values", [])
            return found

    def write_range(self, id: str, range: str, values: list[list[Value]]) -> None:
        """Write values as if typed in."""
        with _told():
            book = self._client.open_by_key(id)
            book.values_update(range, {"valueInputOption": "USER_ENTERED"}, {"values": plain(values)})

    def append_rows(self, id: str, worksheet_title: str, rows: list[list[Value]]) -> None:
        """Write rows after the table of a sheet."""
        with _told():
            sheet = self._client.open_by_key(id).worksheet(worksheet_title)
            sheet.append_rows(plain(rows), value_input_option="USER_ENTERED")

    def insert_rows(self, id: str, worksheet_title: str, rows: list[list[Value]], index: int) -> None:
        """Put rows before row `index`, counted from 1."""
        with _told():
            sheet = self._client.open_by_key(id).worksheet(worksheet_title)
            sheet.insert_rows(plain(rows), index, value_input_option="USER_ENTERED")

    def delete_rows(self, id: str, worksheet_title: str, start: int, end: int) -> None:
        """Take out rows, counted from 1, both included."""
        with _told():
            self._client.open_by_key(id).worksheet(worksheet_title).delete_rows(start, end)

    def clear_range(self, id: str, range: str) -> None:
        """Empty a range."""
        with _told():
            self._client.open_by_key(id).values_clear(range)

    def get_all_records(self, id: str, worksheet_title: str) -> list[dict[str, Value]]:
        """The rows below the first as dicts by its words."""
        with _told():
            sheet = self._client.open_by_key(id).worksheet(worksheet_title)
            options = {"value_render_option": "UNFORMATTED_VALUE", "date_time_render_option": "FORMATTED_STRING"}
            return records([list(line) for line in sheet.get_values(**options)])

    def find(self, id: str, worksheet_title: str, query: str) -> list[dict[str, Value]]:
        """Cells that show exactly a text."""
        with _told():
            return found_in(self._client.open_by_key(id).worksheet(worksheet_title).get_values(), query)

    def share(self, id: str, who: str, role: str) -> None:
        """Give somebody a role on a file, or none; `who` is an address."""
        with _told():
            book = self._client.open_by_key(id)
            if role == "none":
                book.remove_permissions(who, role="any")
            else:
                book.share(who, perm_type="user", role=role, notify=False)

    def shares(self, id: str) -> dict[str, str]:
        """Who may do what with a file, by address."""
        with _told():
            found = self._client.open_by_key(id).list_permissions()
            return {str(one.get("emailAddress", "anyone")): str(one["role"]) for one in found}


def _described(sheet: Any) -> dict[str, Value]:
    return {"title": sheet.title, "id": sheet.id, "rows": sheet.row_count, "cols": sheet.col_count}
