-- The stream of revocations and the leases of those who follow it: the command line beside a running gateway is another
-- process, and waits for it.
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
