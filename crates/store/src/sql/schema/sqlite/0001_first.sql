-- `user_id` and `actor` are the text form of a subject: the user id at the default issuer, otherwise
-- `@{issuer}|{user id}` (decision 31). `upstream_session` is written alike.
CREATE TABLE revocations (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    entry          TEXT    NOT NULL CHECK (entry IN ('revoked', 'spared')),
    kind           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    at_ms          INTEGER NOT NULL,
    reason         TEXT    NOT NULL,
    revoked_at_ms  INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL,
    user_id        TEXT,
    token_expires_at_ms INTEGER,
    applied        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX revocations_by_name ON revocations (name, kind);
CREATE INDEX revocations_by_expiry ON revocations (expires_at_ms);
CREATE INDEX revocations_unapplied ON revocations (position) WHERE applied = 0;

CREATE TABLE audit_events (
    id          TEXT    PRIMARY KEY NOT NULL,
    at_ms       INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    actor       TEXT,
    user_id     TEXT,
    target      TEXT,
    ip_address  TEXT,
    request_id  TEXT,
    result      TEXT    NOT NULL,
    detail      TEXT,
    count       INTEGER NOT NULL DEFAULT 1,
    merge_key   TEXT
) STRICT;
CREATE INDEX audit_events_by_time ON audit_events (at_ms, id);
CREATE INDEX audit_events_by_user ON audit_events (user_id);
CREATE INDEX audit_events_by_actor ON audit_events (actor);
CREATE UNIQUE INDEX audit_events_by_merge_key ON audit_events (merge_key) WHERE merge_key IS NOT NULL;

CREATE TABLE outbox (
    id               TEXT    PRIMARY KEY NOT NULL,
    sealed           TEXT    NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_ms  INTEGER NOT NULL,
    leased_until_ms  INTEGER NOT NULL DEFAULT 0,
    flow             TEXT    NOT NULL,
    turn             INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_by_turn ON outbox (turn, id);
CREATE INDEX outbox_untried ON outbox (turn) WHERE attempts = 0;
CREATE INDEX outbox_by_flow ON outbox (flow, turn);

CREATE TABLE unproven_tokens (
    key              TEXT    PRIMARY KEY NOT NULL,
    sealed           TEXT,
    places           INTEGER NOT NULL,
    ip_address       TEXT,
    recorded_at_ms   INTEGER NOT NULL,
    expires_at_ms    INTEGER NOT NULL,
    keep_until_ms    INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_ms  INTEGER NOT NULL,
    leased_until_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX unproven_tokens_due ON unproven_tokens (next_attempt_ms) WHERE sealed IS NOT NULL;
CREATE INDEX unproven_tokens_by_expiry ON unproven_tokens (expires_at_ms);

CREATE TABLE workspaces (
    id    TEXT PRIMARY KEY NOT NULL,
    name  TEXT NOT NULL
) STRICT;
CREATE TABLE workspace_members (
    workspace_id  TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    user_id       TEXT NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
) STRICT;
CREATE INDEX workspace_members_by_user ON workspace_members (user_id);

CREATE TABLE issued_tokens (
    key               TEXT    PRIMARY KEY NOT NULL,
    token_use         TEXT    NOT NULL,
    user_id           TEXT    NOT NULL,
    session           TEXT,
    login_at_ms       INTEGER NOT NULL,
    expires_at_ms     INTEGER NOT NULL,
    superseded_at_ms  INTEGER,
    exchange_until_ms INTEGER,
    client_id         TEXT,
    names_client      INTEGER NOT NULL DEFAULT 0,
    issuer            TEXT,
    upstream_session  TEXT
) STRICT;
CREATE INDEX issued_tokens_by_user ON issued_tokens (user_id);
CREATE INDEX issued_tokens_by_session ON issued_tokens (session);
CREATE INDEX issued_tokens_by_client ON issued_tokens (client_id);
CREATE INDEX issued_tokens_by_issuer ON issued_tokens (issuer);
CREATE INDEX issued_tokens_by_upstream_session ON issued_tokens (upstream_session)
    WHERE upstream_session IS NOT NULL;
CREATE INDEX issued_tokens_by_expiry ON issued_tokens (expires_at_ms);

CREATE TABLE sessions (
    key              TEXT    PRIMARY KEY NOT NULL,
    user_id          TEXT    NOT NULL,
    handle           TEXT    NOT NULL,
    sealed           TEXT    NOT NULL,
    created_at_ms    INTEGER NOT NULL,
    idle_at_ms       INTEGER NOT NULL,
    dead_at_ms       INTEGER NOT NULL,
    ended            INTEGER NOT NULL DEFAULT 0,
    moved_to         TEXT,
    upstream_session TEXT
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id) WHERE ended = 0;
CREATE INDEX sessions_by_upstream ON sessions (upstream_session) WHERE ended = 0;
CREATE INDEX sessions_by_death ON sessions (dead_at_ms);
CREATE INDEX sessions_by_idleness ON sessions (idle_at_ms) WHERE ended = 0;

CREATE TABLE used_codes (
    code           TEXT    PRIMARY KEY NOT NULL,
    claimed_at_ms  INTEGER NOT NULL,
    expires_at_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX used_codes_by_expiry ON used_codes (expires_at_ms);

CREATE TABLE gateway_meta (
    name   TEXT PRIMARY KEY NOT NULL,
    value  TEXT NOT NULL
) STRICT;

-- Answers to exchanges of refresh tokens, by the key of the used token. Sealed, and kept for REFRESH_GRACE_SECONDS.
CREATE TABLE refresh_answers (
    key           TEXT    PRIMARY KEY NOT NULL,
    sealed        TEXT    NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX refresh_answers_by_expiry ON refresh_answers (expires_at_ms);
