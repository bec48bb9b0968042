"""What PostgreSQL's own catalogs are asked, so that a database can be told of as rows."""

from __future__ import annotations

_OURS = """NOT EXISTS (SELECT FROM pg_depend x WHERE x.objid = {oid} AND x.classid = '{of}'::regclass
    AND x.deptype = 'e')
    AND {schema} NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_' OR nspname = 'information_schema')"""
_ACL = "(SELECT array_agg(a::text ORDER BY a::text) FROM unnest({}) a)"


def _ours(oid: str, of: str, schema: str) -> str:
    return _OURS.format(oid=oid, of=of, schema=schema)


CLUSTER = f"""
SELECT 'database' AS kind, datname::text AS key, jsonb_build_object(
    'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collation', datcollate,
    'type', datctype, 'connections', datconnlimit, 'template', datistemplate, 'acl', {_ACL.format("datacl")},
    'settings', (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting r, unnest(setconfig) s
        WHERE r.setdatabase = d.oid AND r.setrole = 0), 'comment', shobj_description(oid, 'pg_database')) AS fields
FROM pg_database d WHERE datname NOT IN ('template0', 'template1', 'postgres')
UNION ALL SELECT 'role', rolname::text, jsonb_build_object(
    'superuser', rolsuper, 'inherits', rolinherit, 'create_role', rolcreaterole, 'create_database', rolcreatedb,
    'login', rolcanlogin, 'replication', rolreplication, 'bypass_rls', rolbypassrls, 'connections', rolconnlimit,
    'until', rolvaliduntil::text, 'member_of', (SELECT array_agg(pg_get_userbyid(m.roleid)::text ORDER BY 1)
        FROM pg_auth_members m WHERE m.member = r.oid),
    'settings', (SELECT array_agg(s ORDER BY s) FROM pg_db_role_setting x, unnest(setconfig) s
        WHERE x.setrole = r.oid AND x.setdatabase = 0), 'comment', shobj_description(oid, 'pg_authid'))
FROM pg_roles r WHERE rolname !~ '^pg_'
"""

SCHEMA = f"""
SELECT 'schema' AS kind, nspname::text AS key, jsonb_build_object(
    'owner', pg_get_userbyid(nspowner), 'acl', {_ACL.format("nspacl")}, 'comment', obj_description(oid, 'pg_namespace'))
    AS fields
FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND NOT (nspname = 'public' AND nspacl = (SELECT initprivs FROM pg_init_privs i WHERE i.objoid = n.oid
        AND i.classoid = 'pg_namespace'::regclass) AND obj_description(oid, 'pg_namespace') = 'standard public schema')
UNION ALL SELECT 'extension', extname::text, jsonb_build_object('version', extversion, 'schema',
        extnamespace::regnamespace)
FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL SELECT 'table', n.nspname || '.' || c.relname, jsonb_build_object(
    'owner', pg_get_userbyid(relowner), 'kind', relkind, 'persistence', relpersistence,
    'columns', (SELECT jsonb_agg(jsonb_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
            'required', attnotnull, 'default', pg_get_expr(adbin, adrelid), 'identity', attidentity,
            'generated', attgenerated, 'acl', {_ACL.format("attacl")},
            'comment', col_description(c.oid, attnum)) ORDER BY attnum)
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON (adrelid, adnum) = (attrelid, attnum)
        WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    'constraints', (SELECT jsonb_object_agg(conname,
        pg_get_constraintdef(o.oid)) FROM pg_constraint o WHERE conrelid = c.oid),
    'indexes', (SELECT jsonb_object_agg(indexrelid::regclass,
        pg_get_indexdef(indexrelid)) FROM pg_index WHERE indrelid = c.oid),
    'triggers', (SELECT jsonb_object_agg(tgname, pg_get_triggerdef(t.oid) || ' ' || tgenabled::text)
        FROM pg_trigger t WHERE tgrelid = c.oid AND NOT tgisinternal),
    'rules', (SELECT jsonb_object_agg(rulename, definition) FROM pg_rules
        WHERE (schemaname, tablename) = (n.nspname, c.relname)),
    'row_security', relrowsecurity, 'forced', relforcerowsecurity,
    'policies', (SELECT jsonb_object_agg(policyname, jsonb_build_array(permissive, roles::text[], cmd, qual,
        with_check))
        FROM pg_policies WHERE (schemaname, tablename) = (n.nspname, c.relname)),
    'parents', (SELECT array_agg(inhparent::regclass::text ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
    'bound', pg_get_expr(relpartbound, c.oid), 'partition_by', CASE relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
    'acl', {_ACL.format("relacl")}, 'comment', obj_description(c.oid, 'pg_class'))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'f') AND relpersistence <> 't' AND c.oid <> ALL (%(locked)s) AND {
    _ours("c.oid", "pg_class", "relnamespace")
}
UNION ALL SELECT 'view', n.nspname || '.' || c.relname, jsonb_build_object(
    'owner', pg_get_userbyid(relowner), 'materialized', relkind = 'm', 'filled', relispopulated,
    'definition', pg_get_viewdef(c.oid), 'acl', {_ACL.format("relacl")}, 'comment', obj_description(c.oid, 'pg_class'))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind IN ('v', 'm') AND relpersistence <> 't' AND c.oid <> ALL (%(locked)s) AND {
    _ours("c.oid", "pg_class", "relnamespace")
}
UNION ALL SELECT 'sequence', n.nspname || '.' || c.relname, jsonb_build_object(
    'owner', pg_get_userbyid(relowner), 'type', format_type(seqtypid, NULL), 'start', seqstart, 'by', seqincrement,
    'from', seqmin, 'to', seqmax, 'cycles', seqcycle, 'acl', {_ACL.format("relacl")},
    'of', (SELECT refobjid::regclass::text || '.' || attname FROM pg_depend JOIN pg_attribute
        ON (attrelid, attnum) = (refobjid, refobjsubid) WHERE objid = c.oid AND deptype IN ('a', 'i')
    AND refobjsubid > 0
        AND classid = 'pg_class'::regclass LIMIT 1))
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_sequence ON seqrelid = c.oid
WHERE relpersistence <> 't' AND {_ours("c.oid", "pg_class", "relnamespace")}
UNION ALL SELECT 'function', p.oid::regprocedure::text, jsonb_build_object(
    'owner', pg_get_userbyid(proowner), 'definition',
        CASE prokind WHEN 'a' THEN 'aggregate' ELSE pg_get_functiondef(p.oid) END,
    'acl', {_ACL.format("proacl")})
FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {_ours("p.oid", "pg_proc", "pronamespace")}
UNION ALL SELECT 'type', n.nspname || '.' || t.typname, jsonb_build_object(
    'owner', pg_get_userbyid(typowner), 'kind', typtype, 'base', CASE typtype WHEN 'd' THEN format_type(typbasetype,
        typtypmod) END,
    'default', typdefault, 'required', typnotnull,
    'labels', (SELECT array_agg(enumlabel::text ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
    'constraints', (SELECT jsonb_object_agg(conname,
        pg_get_constraintdef(oid)) FROM pg_constraint WHERE contypid = t.oid),
    'fields', (SELECT jsonb_agg(jsonb_build_array(attname, format_type(atttypid, atttypmod)) ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped))
FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
WHERE typtype IN ('d', 'e', 'c', 'r') AND (typrelid = 0 OR (SELECT relkind FROM pg_class WHERE oid = typrelid) = 'c')
    AND {_ours("t.oid", "pg_type", "typnamespace")}
"""

LOCKED = """
SELECT coalesce(array_agg(relation), '{}') AS locked FROM pg_locks
WHERE mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid() AND relation IS NOT NULL
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

TABLES = f"""
SELECT n.nspname || '.' || c.relname AS name, c.oid::regclass::text AS quoted, c.oid <> ALL (%(locked)s) AS free,
        relkind,
    coalesce((SELECT array_agg(attname::text ORDER BY place) FROM unnest(indkey) WITH ORDINALITY k (number, place)
        JOIN pg_attribute ON (attrelid, attnum) = (c.oid, number)), '{{}}') AS primary_key,
    coalesce((SELECT array_agg(CASE WHEN atttypid::regtype IN ('text', 'varchar', 'bpchar', 'bytea')
            THEN 'octet_length(' ELSE 'pg_column_size(' END || quote_ident(attname) || ')' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '{{}}') AS sizes
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    LEFT JOIN pg_index i ON indrelid = c.oid AND indisprimary
WHERE relkind IN ('r', 'm', 'S') AND (relkind <> 'm' OR relispopulated) AND relpersistence <> 't'
    AND {_ours("c.oid", "pg_class", "relnamespace")} ORDER BY 1
"""
