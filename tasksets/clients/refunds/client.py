"""Pays back what was charged twice; what the reference solution runs in its sandbox."""

import psycopg

DOUBLE = """
SELECT id, amount FROM charges AS later
WHERE status = 'paid' AND EXISTS (
    SELECT FROM charges AS earlier
    WHERE earlier.id < later.id AND earlier.status = 'paid'
    AND (earlier.customer, earlier.invoice, earlier.amount) = (later.customer, later.invoice, later.amount)
)
"""

with psycopg.connect() as connection:
    found = connection.execute(DOUBLE).fetchall()
    for charge, amount in found:
        connection.execute("INSERT INTO refunds VALUES (%s, %s)", (charge, amount))
        connection.execute("UPDATE charges SET status = 'refunded' WHERE id = %s", (charge,))
print("paid back:", len(found))
