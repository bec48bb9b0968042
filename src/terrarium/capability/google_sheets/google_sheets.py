"""Google Sheets for a world: spreadsheets that agents, Google's clients and the task program share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from terrarium.capability.google_sheets.account import Account, Accounts, accounts_of, claims_of
from terrarium.capability.google_sheets.deed import deeds_of
from terrarium.core.capability import Equipment, Site, Traits, reads, writes
from terrarium.core.errors import NotFound, Unsupported
from terrarium.core.rows import Row, Rows
from terrarium.core.tool import Tool
from terrarium.core.values import Value
from terrarium.http.host import WebHost

if TYPE_CHECKING:
    from terrarium.capability.google_sheets.app import SheetsServer
    from terrarium.capability.google_sheets.desk import Office
    from terrarium.capability.google_sheets.external import ApiFace
    from terrarium.capability.google_sheets.face import Face

HOSTS = ("sheets.googleapis.com", "www.googleapis.com", "oauth2.googleapis.com", "accounts.google.com")


class GoogleSheets:
    """Spreadsheets, at the addresses that Google's clients know: Sheets v4, Drive v3, and service accounts.

    Every agent has a service account, whose key is in its sandbox. Files of the task program lie in a folder that the
    agents may write in, unless `agents_role` says otherwise; an agent's own are nobody else's before it shares them.

    Configuration:
        agents_role (text, default "writer"): What agents may do with the files that the task program makes: `none`,
            `reader`, `commenter` or `writer`.
        owner (text, default "admin@world.example"): The address that owns those files.
        project (text, default "terrarium-world"): Service accounts are `<agent>@<project>.iam.gserviceaccount.com`.
        requests_per_minute (int, default 0): What one account may ask of the API in a minute of world time; then it
            answers 429. 0: no limit.
        root_folder_name (text, default "Terrarium"): The folder of the task program's files.
        backend (text, default "embedded"): `api`: a real account, by gspread; so it is where `credentials_file` is.
        credentials_file (text, default $GOOGLE_SHEETS_CREDENTIALS_FILE): With `api`: the key of an account, or a login.
        authorized_user_file (text, default none): With `api`: the latter, where it is another file.

    Shapes:
        worksheet: `title`, `id` (int), `rows`, `cols`.
        range: In A1 notation: `Sheet1!A1:C5`, `Sheet1!A:B`, `'My sheet'!2:3`, `Sheet1`, the name of a named range.
    """

    traits: ClassVar[Traits] = Traits()

    async def open(self, site: Site) -> None:
        """Begin, or continue with what the site's folder holds.

        Raises:
            ConfigError: An unknown key, a value that cannot be one, or a library that is not installed.
            Refused: Another capability serves its hosts.
            CapabilityFault: The state cannot be read, or the real account not be reached.
        """
        self._site = site
        self._accounts: Accounts = accounts_of(site.config, site.agents, site.people, site.rng.seed, site.name)
        self._rows: Rows | None = None
        self._api: ApiFace | None = None
        self._served: SheetsServer | None = None
        self._opened: Office | None = None
        self._host: WebHost | None = None
        self.traits = claims_of(site.config)  # type: ignore[misc]
        if not self.traits.owned:
            from terrarium.capability.google_sheets.external import connect

            self._api = connect(site)
            return
        self._rows = site.rows()
        host = WebHost(site, HOSTS, self._serve, name="ESF")
        await host.open()
        self._host = host

    def tools(self, agent: str) -> Sequence[Tool]:
        """What the agent may do, with its own account.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        if self._api is not None:
            return []
        from terrarium.capability.google_sheets.tools import SheetsTools

        return SheetsTools(self._office, account).tools(self._site.name)

    def rows(self) -> Iterator[Row]:
        """The state.

        Tables:
            cells: `spreadsheet/sheet/row`: the cells of one row by column: a value, or a table of `value` or `formula`,
                `format`, `note`, `validation`. What formulas give is not state.
            file: By id: a spreadsheet or a folder, whose it is, when it was made and changed.
            named_range: `spreadsheet/id`: a name and its range.
            permission: `file/permission`: who may do what with it.
            sheet: `spreadsheet/sheet`: a sheet's title, place, size, merged ranges and looks.
        """
        return self._rows.all() if self._rows is not None else iter(())

    claims, deeds = staticmethod(claims_of), staticmethod(deeds_of)

    async def save(self, to: Path) -> None:
        """Copy the state into the folder `to`.

        Raises:
            Unsupported: It is a real account.
        """
        if self._rows is None:
            raise Unsupported("the state of a real account cannot be copied; use the embedded backend")
        self._rows.save(to)

    async def close(self) -> None:
        """Serve nobody any more and close the file; idempotent."""
        host, self._host = self._host, None
        if host is not None:
            await host.close()
        if self._opened is not None:
            from terrarium.capability.google_sheets.calculator import calculator

            calculator().leave(self)
        api, self._api = self._api, None
        if api is not None:
            api.close()
        if self._rows is not None:
            self._rows.close()

    def equipment(self, agent: str) -> Equipment:
        """The key of the agent's service account, where Google's libraries look for it.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        if self._api is not None:
            return Equipment()
        from terrarium.capability.google_sheets.key import Keys

        keys = Keys(self._accounts)
        files = {"google_credentials": keys.credentials(account)}
        files["google_authorized_user"] = keys.authorized_user(account)
        return Equipment({"GOOGLE_APPLICATION_CREDENTIALS": "/run/secrets/google_credentials"}, files)

    @property
    def _office(self) -> Office:
        """The files; their code is loaded when somebody first asks for one."""
        if self._opened is None:
            from terrarium.capability.google_sheets.calculator import calculator
            from terrarium.capability.google_sheets.desk import Office

            assert self._rows is not None
            self._opened = Office(self._site, self._rows, self._accounts)
            calculator().use(self)
        return self._opened

    @property
    def _face(self) -> Face | ApiFace:
        if self._api is not None:
            return self._api
        from terrarium.capability.google_sheets.face import Face

        return Face(self._office, None)

    def _account(self, agent: str) -> Account:
        if agent not in self._accounts.agents:
            raise NotFound(f"there is no agent {agent!r}; the agents are: {', '.join(self._accounts.agents)}")
        return self._accounts.agents[agent]

    async def _serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """One request of a client; the server is made with the first."""
        if self._served is None:
            from terrarium.capability.google_sheets.app import SheetsServer
            from terrarium.capability.google_sheets.key import Keys

            self._served = SheetsServer(self._office, Keys(self._accounts))
        await self._served.serve(scope, receive, send)

    @property
    @reads
    def connection_info(self) -> dict[str, Value]:
        """The folder of the task program's files, and where an agent's key lies in its sandbox.

        `session_folder_id`, `session_folder_name`, `secrets`.
        """
        if self._api is not None:
            return self._api.connection_info
        return {
            "session_folder_id": self._accounts.folder,
            "session_folder_name": self._accounts.folder_name,
            "secrets": {"file": {"google_credentials": "/run/secrets/google_credentials"}},
        }

    @reads
    def account(self, agent: str = "agent") -> dict[str, Value]:
        """Who an agent is: `address`, as files name it, and `service_account`, as its key does.

        Raises:
            NotFound: There is no such agent.
        """
        account = self._account(agent)
        return {"address": account.address, "service_account": account.service}

    @writes(silent=True)
    def create_spreadsheet(self, title: str) -> dict[str, Value]:
        """Make a spreadsheet with one worksheet, `Sheet1`; gives `id`, `title`, `url`.

        Raises:
            Refused: The title cannot be one, or there are too many.
        """
        return self._face.create_spreadsheet(title)

    @writes(silent=True)
    def update_spreadsheet(self, id: str, title: str) -> None:
        """Rename a spreadsheet.

        Raises:
            NotFound: There is none.
            Refused: The title cannot be one.
        """
        self._face.update_spreadsheet(id, title)

    @writes(silent=True)
    def delete_spreadsheet(self, id: str) -> None:
        """Remove a spreadsheet for good.

        Raises:
            NotFound: There is none.
        """
        self._face.delete_spreadsheet(id)

    @reads
    def list_spreadsheets(self) -> list[dict[str, Value]]:
        """All spreadsheets that are not in the bin, whoever made them, by title: `id`, `title`, `url`."""
        return self._face.list_spreadsheets()

    @writes(silent=True)
    def add_worksheet(self, id: str, title: str, rows: int = 1000, cols: int = 26) -> dict[str, Value]:
        """Add a worksheet after those there are; gives the `worksheet`.

        Raises:
            NotFound: There is no such spreadsheet.
            Refused: The title is taken, or the size cannot be.
        """
        return self._face.add_worksheet(id, title, rows, cols)

    @reads
    def list_worksheets(self, id: str) -> list[dict[str, Value]]:
        """The worksheets of a spreadsheet, in order: each a `worksheet`.

        Raises:
            NotFound: There is no such spreadsheet.
        """
        return self._face.list_worksheets(id)

    @writes(silent=True)
    def update_worksheet(
        self,
        id: str,
        worksheet_title: str,
        new_title: str | None = None,
        rows: int | None = None,
        cols: int | None = None,
    ) -> None:
        """Rename a worksheet, or give it another size; what is beyond a smaller one is lost.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: The title is taken, or the size cannot be.
        """
        self._face.update_worksheet(id, worksheet_title, new_title, rows, cols)

    @writes(silent=True)
    def delete_worksheet(self, id: str, worksheet_title: str) -> None:
        """Remove a worksheet.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: It is the only one.
        """
        self._face.delete_worksheet(id, worksheet_title)

    @reads
    def read_range(self, id: str, range: str) -> list[list[Value]]:
        """What the cells of a range show, as text; rows without the empty cells at their ends.

        Raises:
            NotFound: There is no such spreadsheet.
            Refused: The range is none.
        """
        return self._face.read_range(id, range)

    @writes(silent=True)
    def write_range(self, id: str, range: str, values: list[list[Value]]) -> None:
        """Write rows of cells as if typed in: `=A1+1` is a formula, `2030-01-07` a date, `'5` a text.

        Args:
            id: The spreadsheet.
            range: Where; the cell at the top left is enough.
            values: None leaves a cell as it is, "" empties it; dates are typed in.

        Raises:
            NotFound: There is no such spreadsheet.
            Refused: The range is none, or the values reach beyond it or hold what no cell can.
        """
        self._face.write_range(id, range, values)

    @writes(silent=True)
    def append_rows(self, id: str, worksheet_title: str, rows: list[list[Value]]) -> None:
        """Write rows after the last filled one of a worksheet, as if typed in.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: They hold what no cell can, or are too many.
        """
        self._face.append_rows(id, worksheet_title, rows)

    @writes(silent=True)
    def insert_rows(self, id: str, worksheet_title: str, rows: list[list[Value]], index: int = 1) -> None:
        """Put new rows before row `index`, counted from 1; what was there moves down.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: The place is beyond the grid, or they hold what no cell can.
        """
        self._face.insert_rows(id, worksheet_title, rows, index)

    @writes(silent=True)
    def delete_rows(self, id: str, worksheet_title: str, start: int, end: int) -> None:
        """Take out rows, counted from 1, `end` included; what is below moves up.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: There are no such rows, or no other ones.
        """
        self._face.delete_rows(id, worksheet_title, start, end)

    @writes(silent=True)
    def clear_range(self, id: str, range: str) -> None:
        """Empty the cells of a range; their formats stay.

        Raises:
            NotFound: There is no such spreadsheet.
            Refused: The range is none.
        """
        self._face.clear_range(id, range)

    @reads
    def get_all_records(self, id: str, worksheet_title: str) -> list[dict[str, Value]]:
        """The rows below the first, each a dict by the words of the first; numbers are numbers, dates text.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
            Refused: Two columns have the same word.
        """
        return self._face.get_all_records(id, worksheet_title)

    @reads
    def find(self, id: str, worksheet_title: str, query: str) -> list[dict[str, Value]]:
        """The cells that show exactly this text: `row` and `col`, counted from 1, and `value`.

        Raises:
            NotFound: There is no such spreadsheet or worksheet.
        """
        return self._face.find(id, worksheet_title, query)

    @writes(notifies="person")
    def share(self, id: str, person: str, role: str = "writer") -> None:
        """Let somebody use a file: an agent is told.

        Args:
            id: The file.
            person: An agent, a person by id, or a mail address.
            role: `reader`, `commenter`, `writer`, `owner`, or `none` to take it away.

        Raises:
            NotFound: There is no such file or person.
            Refused: There is no such role, or it is the owner's.
        """
        self._face.share(id, person, role)

    @reads
    def shares(self, id: str) -> dict[str, str]:
        """Who may do what with a file itself: roles by address, `anyone` for everybody; its folder may give more.

        Raises:
            NotFound: There is no such file.
        """
        return self._face.shares(id)
