//! The tables of the accounts, and how a file comes to have them.

use super::file::BUSY;
use crate::sqlite::Format;

/// Says in the file's header that a SQLite file has a Ropewalk's accounts: "RopA".
pub const APPLICATION_ID: u32 = 0x526f_7041;

/// As those of the documents: every step from an empty file to the newest format, oldest first. A step that was ever released does
/// not change any more.
const MIGRATIONS: [&str; 3] = [FIRST, SECOND, THIRD];

/// Newest format known here.
pub const KNOWN: i64 = FORMAT.known();

/// What a database of accounts is known by. An empty file is none: it is never taken for a server without accounts.
pub const FORMAT: Format = Format {
    application_id: APPLICATION_ID,
    foreign: "it is not a database of a Ropewalk's accounts",
    migrations: &MIGRATIONS,
    readable: &READABLE,
    checked_whole: 256 << 20,
    busy: BUSY,
};

/// Has to be readable in a file of the newest format.
const READABLE: [&str; 15] = [
    "SELECT changes, key, backed_up_at_ms FROM state",
    "SELECT id, login, name, color, password, is_admin, issuer, subject, added_at_ms, disabled_at_ms FROM people",
    "SELECT id, hash, former_hash, former_until_ms, person_id, begun_at_ms, seen_at_ms, expires_at_ms, agent, address, rotated_at_ms FROM sessions",
    "SELECT session_id, link_id, followed_at_ms FROM session_links",
    "SELECT id, hash, kind, person_id, login, name, is_admin, made_by, made_at_ms, expires_at_ms FROM invitations",
    "SELECT invitation_id, group_id FROM invitation_groups",
    "SELECT id, hash, person_id, name, access, scope, path, made_at_ms, expires_at_ms, used_at_ms FROM tokens",
    "SELECT id, name, folded FROM groups",
    "SELECT group_id, person_id FROM members",
    "SELECT id, scope, path, document, person_id, group_id, access FROM grants",
    "SELECT id, hash, scope, path, document, access, password, made_by, made_at_ms, expires_at_ms FROM links",
    "SELECT id, at_ms, person_id, login, action, about, address FROM audit",
    "SELECT group_id, person_id FROM given_members",
    "SELECT person_id FROM given_admins",
    "SELECT document, path FROM moves",
];

/// What access is for is a `scope` and a `path`, as a document may have the name `team/*`, and of a document that is shared its identity. Identities never come again: somebody may
/// still hold one. A grant without a person and a group is for everyone.
pub(super) const FIRST: &str = "
CREATE TABLE state (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL,
    key     BLOB
) STRICT;
INSERT INTO state VALUES (1, 0, NULL);

CREATE TABLE people (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    login          TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    color          TEXT,
    password       TEXT,
    is_admin       INTEGER NOT NULL,
    issuer         TEXT,
    subject        TEXT,
    added_at_ms    INTEGER NOT NULL,
    disabled_at_ms INTEGER,
    UNIQUE (issuer, subject),
    CHECK ((issuer IS NULL) = (subject IS NULL))
) STRICT;

CREATE TABLE groups (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    name   TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE members (
    group_id  INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    person_id INTEGER NOT NULL REFERENCES people (id),
    PRIMARY KEY (group_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_person ON members (person_id);

CREATE TABLE links (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    hash          BLOB NOT NULL UNIQUE,
    scope         TEXT NOT NULL,
    path          TEXT NOT NULL,
    document      INTEGER,
    access        TEXT NOT NULL,
    password      TEXT,
    made_by       INTEGER REFERENCES people (id),
    made_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER
) STRICT;
CREATE INDEX links_by_target ON links (scope, path);
CREATE INDEX links_by_document ON links (document) WHERE document IS NOT NULL;

CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    hash            BLOB NOT NULL UNIQUE,
    former_hash     BLOB,
    former_until_ms INTEGER,
    person_id       INTEGER REFERENCES people (id),
    begun_at_ms     INTEGER NOT NULL,
    seen_at_ms      INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    agent           TEXT NOT NULL,
    address         TEXT
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person_id, seen_at_ms);
CREATE INDEX sessions_by_end ON sessions (expires_at_ms);

CREATE TABLE session_links (
    session_id     INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    link_id        INTEGER NOT NULL REFERENCES links (id) ON DELETE CASCADE,
    followed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (session_id, link_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_links_by_link ON session_links (link_id);

CREATE TABLE invitations (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    hash          BLOB NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    person_id     INTEGER REFERENCES people (id),
    login         TEXT,
    name          TEXT,
    is_admin      INTEGER NOT NULL,
    made_by       INTEGER REFERENCES people (id),
    made_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE invitation_groups (
    invitation_id INTEGER NOT NULL REFERENCES invitations (id) ON DELETE CASCADE,
    group_id      INTEGER NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    PRIMARY KEY (invitation_id, group_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_groups_by_group ON invitation_groups (group_id);

CREATE TABLE tokens (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    hash          BLOB NOT NULL UNIQUE,
    person_id     INTEGER NOT NULL REFERENCES people (id),
    name          TEXT NOT NULL,
    access        TEXT NOT NULL,
    scope         TEXT NOT NULL,
    path          TEXT NOT NULL,
    made_at_ms    INTEGER NOT NULL,
    expires_at_ms INTEGER,
    used_at_ms    INTEGER
) STRICT;
CREATE INDEX tokens_by_person ON tokens (person_id);

CREATE TABLE grants (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    scope     TEXT NOT NULL,
    path      TEXT NOT NULL,
    document  INTEGER,
    person_id INTEGER REFERENCES people (id),
    group_id  INTEGER REFERENCES groups (id) ON DELETE CASCADE,
    access    TEXT NOT NULL,
    CHECK (person_id IS NULL OR group_id IS NULL)
) STRICT;
CREATE UNIQUE INDEX grants_by_target
    ON grants (scope, path, ifnull(document, 0), ifnull(person_id, 0), ifnull(group_id, 0));
CREATE INDEX grants_by_document ON grants (document) WHERE document IS NOT NULL;
CREATE INDEX grants_by_person ON grants (person_id);
CREATE INDEX grants_by_group ON grants (group_id);

CREATE TABLE audit (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms     INTEGER NOT NULL,
    person_id INTEGER,
    login     TEXT,
    action    TEXT NOT NULL,
    about     TEXT,
    address   TEXT
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
    BEGIN SELECT raise(ABORT, 'the audit log is only added to'); END;
";

/// What somebody is because another system says so; it says at each signing in whether that still is so.
const SECOND: &str = "
CREATE TABLE given_members (
    group_id  INTEGER NOT NULL,
    person_id INTEGER NOT NULL,
    PRIMARY KEY (group_id, person_id),
    FOREIGN KEY (group_id, person_id) REFERENCES members (group_id, person_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX given_members_by_person ON given_members (person_id);

CREATE TABLE given_admins (
    person_id INTEGER PRIMARY KEY REFERENCES people (id)
) STRICT;
";

/// When a session has got its secret, if not at its begin: the secret from before has no end (`former_until_ms`) until that one is used.
/// When the last backup was made. And documents that are about to get another name, which is written elsewhere: what was given of them
/// follows when they have it.
const THIRD: &str = "
ALTER TABLE sessions ADD COLUMN rotated_at_ms INTEGER;
UPDATE sessions SET rotated_at_ms = former_until_ms - 60000 WHERE former_until_ms IS NOT NULL;
ALTER TABLE state ADD COLUMN backed_up_at_ms INTEGER;

CREATE TABLE moves (
    document INTEGER PRIMARY KEY,
    path     TEXT NOT NULL
) STRICT;
";
