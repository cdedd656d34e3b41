-- Hash indexes stand where an outsider chooses the text: a B-tree refuses a row over 2.7 kB.
CREATE TABLE revocations (
    position       BIGINT  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry          TEXT    NOT NULL CHECK (entry IN ('revoked', 'spared')),
    kind           TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    at_ms          BIGINT  NOT NULL,
    reason         TEXT    NOT NULL,
    revoked_at_ms  BIGINT  NOT NULL,
    expires_at_ms  BIGINT  NOT NULL,
    user_id        TEXT,
    token_expires_at_ms BIGINT,
    applied        BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX revocations_by_name ON revocations USING hash (name);
CREATE INDEX revocations_by_expiry ON revocations (expires_at_ms);
CREATE INDEX revocations_unapplied ON revocations (position) WHERE applied = 0;

CREATE TABLE audit_events (
    id          TEXT    PRIMARY KEY NOT NULL,
    at_ms       BIGINT  NOT NULL,
    kind        TEXT    NOT NULL,
    actor       TEXT,
    user_id     TEXT,
    target      TEXT,
    ip_address  TEXT,
    request_id  TEXT,
    result      TEXT    NOT NULL,
    detail      TEXT
);
CREATE INDEX audit_events_by_time ON audit_events (at_ms, id);
CREATE INDEX audit_events_by_user ON audit_events USING hash (user_id);
CREATE INDEX audit_events_by_actor ON audit_events USING hash (actor);

CREATE TABLE outbox (
    id               TEXT    PRIMARY KEY NOT NULL,
    sealed           TEXT    NOT NULL,
    created_at_ms    BIGINT  NOT NULL,
    attempts         BIGINT  NOT NULL,
    next_attempt_ms  BIGINT  NOT NULL,
    leased_until_ms  BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX outbox_due ON outbox (next_attempt_ms);

CREATE TABLE workspaces (
    id    TEXT PRIMARY KEY NOT NULL,
    name  TEXT NOT NULL
);
CREATE TABLE workspace_members (
    workspace_id  TEXT NOT NULL REFERENCES workspaces (id) ON DELETE CASCADE,
    user_id       TEXT NOT NULL,
    PRIMARY KEY (workspace_id, user_id)
);
CREATE INDEX workspace_members_by_user ON workspace_members USING hash (user_id);

CREATE TABLE issued_tokens (
    key               TEXT    PRIMARY KEY NOT NULL,
    token_use         TEXT    NOT NULL,
    user_id           TEXT    NOT NULL,
    session           TEXT,
    login_at_ms       BIGINT  NOT NULL,
    expires_at_ms     BIGINT  NOT NULL,
    superseded_at_ms  BIGINT,
    exchange_until_ms BIGINT
);
CREATE INDEX issued_tokens_by_user ON issued_tokens USING hash (user_id);
CREATE INDEX issued_tokens_by_session ON issued_tokens (session);
CREATE INDEX issued_tokens_by_expiry ON issued_tokens (expires_at_ms);

CREATE TABLE gateway_meta (
    name   TEXT PRIMARY KEY NOT NULL,
    value  TEXT NOT NULL
);
