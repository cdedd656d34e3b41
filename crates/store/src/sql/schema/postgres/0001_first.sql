-- Hash indexes are on columns whose text a client chooses: a B-tree refuses a key over 2.7 kB.
-- `user_id` and `actor` are the text form of a subject: the user id at the default issuer, otherwise
-- `@{issuer}|{user id}` (decision 31). `upstream_session` is written alike.
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
    detail      TEXT,
    count       BIGINT  NOT NULL DEFAULT 1,
    merge_key   TEXT
);
CREATE INDEX audit_events_by_time ON audit_events (at_ms, id);
CREATE INDEX audit_events_by_user ON audit_events USING hash (user_id);
CREATE INDEX audit_events_by_actor ON audit_events USING hash (actor);
CREATE UNIQUE INDEX audit_events_by_merge_key ON audit_events (merge_key) WHERE merge_key IS NOT NULL;

CREATE TABLE outbox (
    id               TEXT    PRIMARY KEY NOT NULL,
    sealed           TEXT    NOT NULL,
    created_at_ms    BIGINT  NOT NULL,
    attempts         BIGINT  NOT NULL,
    next_attempt_ms  BIGINT  NOT NULL,
    leased_until_ms  BIGINT  NOT NULL DEFAULT 0,
    flow             TEXT    NOT NULL,
    turn             BIGINT  NOT NULL
);
CREATE INDEX outbox_by_turn ON outbox (turn, id);
CREATE INDEX outbox_untried ON outbox (turn) WHERE attempts = 0;
CREATE INDEX outbox_by_flow ON outbox (flow, turn);

CREATE TABLE unproven_tokens (
    key              TEXT    PRIMARY KEY NOT NULL,
    sealed           TEXT,
    places           BIGINT  NOT NULL,
    ip_address       TEXT,
    recorded_at_ms   BIGINT  NOT NULL,
    expires_at_ms    BIGINT  NOT NULL,
    keep_until_ms    BIGINT  NOT NULL,
    attempts         BIGINT  NOT NULL,
    next_attempt_ms  BIGINT  NOT NULL,
    leased_until_ms  BIGINT  NOT NULL DEFAULT 0
);
CREATE INDEX unproven_tokens_due ON unproven_tokens (next_attempt_ms) WHERE sealed IS NOT NULL;
CREATE INDEX unproven_tokens_by_expiry ON unproven_tokens (expires_at_ms);

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
    exchange_until_ms BIGINT,
    client_id         TEXT,
    names_client      BIGINT  NOT NULL DEFAULT 0,
    issuer            TEXT,
    upstream_session  TEXT
);
CREATE INDEX issued_tokens_by_user ON issued_tokens USING hash (user_id);
CREATE INDEX issued_tokens_by_session ON issued_tokens (session);
CREATE INDEX issued_tokens_by_client ON issued_tokens USING hash (client_id);
CREATE INDEX issued_tokens_by_issuer ON issued_tokens USING hash (issuer);
CREATE INDEX issued_tokens_by_upstream_session ON issued_tokens USING hash (upstream_session)
    WHERE upstream_session IS NOT NULL;
CREATE INDEX issued_tokens_by_expiry ON issued_tokens (expires_at_ms);

CREATE TABLE sessions (
    key              TEXT    PRIMARY KEY NOT NULL,
    user_id          TEXT    NOT NULL,
    handle           TEXT    NOT NULL,
    sealed           TEXT    NOT NULL,
    created_at_ms    BIGINT  NOT NULL,
    idle_at_ms       BIGINT  NOT NULL,
    dead_at_ms       BIGINT  NOT NULL,
    ended            BIGINT  NOT NULL DEFAULT 0,
    moved_to         TEXT,
    upstream_session TEXT
);
-- Sealed contents do not compress: trying costs only time.
ALTER TABLE sessions ALTER COLUMN sealed SET STORAGE EXTERNAL;
CREATE INDEX sessions_by_user ON sessions USING hash (user_id) WHERE ended = 0;
CREATE INDEX sessions_by_upstream ON sessions USING hash (upstream_session) WHERE ended = 0;
CREATE INDEX sessions_by_death ON sessions (dead_at_ms);
CREATE INDEX sessions_by_idleness ON sessions (idle_at_ms) WHERE ended = 0;

CREATE TABLE used_codes (
    code           TEXT    PRIMARY KEY NOT NULL,
    claimed_at_ms  BIGINT  NOT NULL,
    expires_at_ms  BIGINT  NOT NULL
);
CREATE INDEX used_codes_by_expiry ON used_codes (expires_at_ms);

CREATE TABLE gateway_meta (
    name   TEXT PRIMARY KEY NOT NULL,
    value  TEXT NOT NULL
);

-- Answers to exchanges of refresh tokens, by the key of the used token. Sealed, and kept for REFRESH_GRACE_SECONDS.
CREATE TABLE refresh_answers (
    key           TEXT    PRIMARY KEY NOT NULL,
    sealed        TEXT    NOT NULL,
    expires_at_ms BIGINT  NOT NULL
);
CREATE INDEX refresh_answers_by_expiry ON refresh_answers (expires_at_ms);
