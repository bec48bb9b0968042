"""PostgreSQL as a kind of database: its scripts and settings, and how a world's server is prepared."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terrarium.capability.database.binaries import Binaries
from terrarium.capability.database.house import LARGEST, SETUP_SECONDS
from terrarium.capability.database.kind import Kind, Reached
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import Session
from terrarium.capability.postgres.binaries import VARIABLE, find
from terrarium.capability.postgres.session import PORT, connect, connect_to
from terrarium.capability.postgres.wire import enter, writes
from terrarium.core.errors import NotFound
from terrarium.core.sandbox import Sandbox

USER, PASSWORD, DATABASE = "postgres", "terrarium", "main"
_DATA = "/var/lib/postgresql/data"
_SETTINGS = """
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 2MB
max_wal_size = 64MB
checkpoint_timeout = 1d
autovacuum = off
jit = off
shared_buffers = 16MB
temp_file_limit = 512MB
max_connections = 100
max_worker_processes = 2
max_parallel_workers = 0
max_parallel_workers_per_gather = 0
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = fatal
log_min_error_statement = panic
bgwriter_delay = 10s
wal_writer_delay = 10s
"""
_MAKE = """
set -e
mkdir -p /run/postgresql
printf %s "$PASSWORD" > /tmp/password
make() {
    "$BIN/initdb" -D "$DATA" -U "$ADMIN" --auth=scram-sha-256 --pwfile=/tmp/password \
        --encoding=UTF8 "$@" --no-sync --wal-segsize=1
}
make --lc-collate=C --lc-ctype=C.UTF-8 --lc-messages=C --lc-monetary=C --lc-numeric=C --lc-time=C || {
    rm -rf "$DATA"
    make --locale=C
}
cat >> "$DATA/postgresql.conf"
printf 'local all all trust\nhost all all all scram-sha-256\n' > "$DATA/pg_hba.conf"
echo "CREATE DATABASE $DATABASE" | "$BIN/postgres" --single -F -D "$DATA" postgres
rm /tmp/password
"""
_START = """
mkdir -p /run/postgresql
rm -f "$DATA/postmaster.pid" /run/postgresql/.s.PGSQL.5432 /run/postgresql/.s.PGSQL.5432.lock
"$BIN/postgres" -D "$DATA" -p 5432 -c listen_addresses=127.0.0.1 -c unix_socket_directories=/run/postgresql $MORE \
    < /dev/null >> /var/lib/postgresql/log 2>&1 &
echo $!
"""


def _settings(binaries: Binaries) -> str:
    return _SETTINGS + ("io_method = sync\n" if int(binaries.series) >= 18 else "")


async def _ready(box: Sandbox) -> bool:
    try:
        lines = (await box.read(f"{_DATA}/postmaster.pid")).decode("ascii", "replace").splitlines()
    except NotFound:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


async def _prepare(server: Reached, session: Session, admin: Role, others: Sequence[Role], database: str) -> None:
    lines: list[tuple[str, tuple[str, ...] | None]] = []
    lines.append((f'ALTER ROLE "{USER}" PASSWORD %s', (admin.password,)))
    if admin.name != USER:
        lines.append((f'CREATE ROLE "{admin.name}" SUPERUSER CREATEDB CREATEROLE LOGIN PASSWORD %s', (admin.password,)))
        lines.append((f'ALTER DATABASE "{DATABASE}" OWNER TO "{admin.name}"', None))
    for role in others:
        rights = "SUPERUSER " if role.superuser else ""
        lines.append((f'CREATE ROLE "{role.name}" {rights}LOGIN PASSWORD %s', (role.password,)))
    for sql, params in lines:
        await session.run(sql, params, seconds=SETUP_SECONDS, limit=0, largest=LARGEST)
    if database != DATABASE:
        await session.close()
        other = await connect(server, Role(USER, PASSWORD, True), "postgres")
        rename = f'ALTER DATABASE "{DATABASE}" RENAME TO "{database}"'
        await other.run(rename, seconds=SETUP_SECONDS, limit=0, largest=LARGEST)
        await other.close()


KIND = Kind(
    name="postgres",
    label="PostgreSQL",
    user=USER,
    password=PASSWORD,
    database=DATABASE,
    port=PORT,
    suffix="db.world",
    scheme="postgresql",
    dsn_secret=r"password\s*=|://[^/@\s]*:[^/@\s]*@",
    names=re.compile(r"[A-Za-z_][A-Za-z0-9_$.@-]{0,62}"),
    reserved=lambda name: name.startswith("pg_"),
    uid=26,
    folder="/var/lib/postgresql",
    data=_DATA,
    socket="/run/postgresql/.s.PGSQL.5432",
    door="/.s.PGSQL.5432",
    variable=VARIABLE,
    version=4,
    settings=_settings,
    make=_MAKE,
    start=_START,
    read_only="-c default_transaction_read_only=on",
    ready=_ready,
    find=find,
    connect=connect,
    connect_to=connect_to,
    prepare=_prepare,
    checkpoint="CHECKPOINT",
    system="postgres",
    enter=enter,
    writes=writes,
)
