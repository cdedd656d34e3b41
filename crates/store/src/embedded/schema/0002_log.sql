-- The revocation stream and the leases of its followers. The command line is another process than the running
-- gateway, and waits for the lease of the gateway.
CREATE TABLE log (
    position  INTEGER PRIMARY KEY AUTOINCREMENT,
    line      TEXT NOT NULL
) STRICT;

CREATE TABLE leases (
    holder    TEXT PRIMARY KEY NOT NULL,
    renewal   INTEGER NOT NULL,
    applied   INTEGER NOT NULL,
    lease_us  INTEGER NOT NULL
) STRICT;
