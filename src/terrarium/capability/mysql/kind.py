"""MariaDB as a kind of database: its scripts and settings, and how a world's server is prepared."""

from __future__ import annotations

import re
from collections.abc import Sequence

from terrarium.capability.database.binaries import Binaries
from terrarium.capability.database.house import LARGEST, SETUP_SECONDS
from terrarium.capability.database.kind import Kind, Reached
from terrarium.capability.database.role import Role
from terrarium.capability.database.session import Params, Session
from terrarium.capability.mysql.binaries import VARIABLE, find
from terrarium.capability.mysql.session import USER, connect, connect_to
from terrarium.capability.mysql.statement import writes
from terrarium.capability.mysql.wire import enter
from terrarium.core.sandbox import Sandbox

PASSWORD, DATABASE = "terrarium", "main"
SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_RESERVED = frozenset([*SYSTEM, "mariadb.sys", "none", "public"])
_SETTINGS = """[mariadbd]
datadir = /var/lib/mysql/data
socket = /run/mysqld/mysqld.sock
pid-file = /run/mysqld/mysqld.pid
port = 3306
bind-address = 127.0.0.1
skip-name-resolve
lc-messages-dir = {share}
character-sets-dir = {share}/charsets
character-set-server = utf8mb4
collation-server = utf8mb4_general_ci
default-time-zone = +00:00
default-storage-engine = InnoDB
local-infile = 0
secure-file-priv = {share}/charsets
skip-log-bin
performance-schema = off
log-warnings = 0
tmpdir = /tmp
max-connections = 100
max-allowed-packet = 64M
thread-stack = 512K
key-buffer-size = 64K
delay-key-write = OFF
aria-pagecache-buffer-size = 1M
innodb-buffer-pool-size = 16M
innodb-log-file-size = 4M
innodb-log-buffer-size = 2M
innodb-data-file-path = ibdata1:4M:autoextend
innodb-autoextend-increment = 1
innodb-temp-data-file-path = ibtmp1:2M:autoextend:max:512M
innodb-undo-tablespaces = 0
innodb-flush-log-at-trx-commit = 2
innodb-flush-method = nosync
innodb-use-native-aio = 0
innodb-buffer-pool-dump-at-shutdown = 0
innodb-buffer-pool-load-at-startup = 0
innodb-stats-persistent = 0
"""
# The server measures its timers as it starts, and would wait forever for a clock that stands: until it has come up, its
# own clock runs from world time.
_CLOCK = """
mkdir -p /run/mysqld "$DATA"
real=$FAKETIME_TIMESTAMP_FILE
if [ -n "$real" ]; then
    rm -f /run/mysqld/time
    printf '@%s' "$(date +%s)" > /run/mysqld/time
    export FAKETIME_TIMESTAMP_FILE=/run/mysqld/time
fi
"""
_MAKE = (
    "set -e\n"
    + _CLOCK
    + r"""
cat > /var/lib/mysql/my.cnf
cd "$SHARE"
{
    printf 'CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n'
    cat mysql_system_tables.sql mysql_performance_tables.sql mysql_system_tables_data.sql
    cat maria_add_gis_sp_bootstrap.sql
    printf "DELETE FROM global_priv WHERE Host <> 'localhost';\nDELETE FROM proxies_priv;\nFLUSH PRIVILEGES;\n"
    printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$ADMIN" "$PASSWORD"
    printf "GRANT ALL ON *.* TO '%s'@'%%' WITH GRANT OPTION;\nCREATE DATABASE %s;\n" "$ADMIN" "$DATABASE"
} | "$BIN/mariadbd" --defaults-file=/var/lib/mysql/my.cnf --bootstrap --innodb-fast-shutdown=0 >&2
"""
)
_START = (
    _CLOCK
    + """
rm -f /run/mysqld/mysqld.*
"$BIN/mariadbd" --defaults-file=/var/lib/mysql/my.cnf $MORE < /dev/null >> /var/lib/mysql/log 2>&1 &
pid=$!
while [ ! -S /run/mysqld/mysqld.sock ] && kill -0 $pid 2> /dev/null; do sleep 0.005; done
if [ -n "$real" ]; then ln -sf "$real" /run/mysqld/time; fi
echo $pid
"""
)


def _settings(binaries: Binaries) -> str:
    return _SETTINGS.format(share=binaries.env["SHARE"])


async def _ready(box: Sandbox) -> bool:
    return True  # whoever connects waits


async def _prepare(server: Reached, session: Session, admin: Role, others: Sequence[Role], database: str) -> None:
    lines: list[tuple[str, Params]] = []
    if admin.name == USER:
        lines.append((f"ALTER USER '{USER}'@'%%' IDENTIFIED BY %s", (admin.password,)))
    else:
        lines.append((f"DROP USER '{USER}'@'%'", None))
    for role in (admin, *others):
        if role.name != USER:
            lines.append((f"CREATE USER '{role.name}'@'%%' IDENTIFIED BY %s", (role.password,)))
            if role.superuser:
                lines.append((f"GRANT ALL ON *.* TO '{role.name}'@'%' WITH GRANT OPTION", None))
    if database != DATABASE:
        lines += [(f"DROP DATABASE {DATABASE}", None), (f"CREATE DATABASE `{database}`", None)]
    for sql, params in lines:
        await session.run(sql, params, seconds=SETUP_SECONDS, limit=0, largest=LARGEST)


KIND = Kind(
    name="mysql",
    label="MariaDB",
    user=USER,
    password=PASSWORD,
    database=DATABASE,
    port=3306,
    suffix="mysql.world",
    scheme="mysql",
    dsn_secret=r"://[^/@\s]*:[^/@\s]*@",
    names=re.compile(r"[A-Za-z_][A-Za-z0-9_$.@-]{0,62}"),
    reserved=lambda name: name.lower() in _RESERVED,
    uid=27,
    folder="/var/lib/mysql",
    data="/var/lib/mysql/data",
    socket="/run/mysqld/mysqld.sock",
    door="",
    variable=VARIABLE,
    version=2,
    settings=_settings,
    make=_MAKE,
    start=_START,
    read_only="--transaction-read-only=1",
    ready=_ready,
    find=find,
    connect=connect,
    connect_to=connect_to,
    prepare=_prepare,
    checkpoint="",
    system="mysql",
    enter=enter,
    writes=writes,
)
