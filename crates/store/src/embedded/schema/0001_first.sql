-- `user_id` is the text form of a subject: the user id at the default issuer, otherwise `@{issuer}|{user id}`
-- (decision 31).
CREATE TABLE revoked (
    kind           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    cutoff_ms      INTEGER,
    reason         TEXT    NOT NULL,
    revoked_at_ms  INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL,
    user_id        TEXT,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_by_expiry ON revoked (expires_at_ms);
CREATE INDEX revoked_by_user ON revoked (user_id) WHERE user_id IS NOT NULL;

CREATE TABLE spared (
    kind           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    began_at_ms    INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL,
    user_id        TEXT    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX spared_by_expiry ON spared (expires_at_ms);

CREATE TABLE user_tokens (
    user_id        TEXT    NOT NULL,
    token          TEXT    NOT NULL,
    expires_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (user_id, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_tokens_by_expiry ON user_tokens (expires_at_ms);

CREATE TABLE meta (
    name   TEXT PRIMARY KEY NOT NULL,
    value  TEXT NOT NULL
) STRICT;
