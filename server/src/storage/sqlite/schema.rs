//! The tables, and how a file comes to have them.

use super::statements::STATEMENTS;
use crate::sqlite::{BUSY, Format};

/// Says in the file's header that a SQLite file is Ropewalk's: "RopW".
pub const APPLICATION_ID: u32 = 0x526f_7057;

/// Every step from an empty file to the newest format, oldest first. A file's `user_version` is how many of them
/// it has had. A step that was ever released does not change any more.
const MIGRATIONS: [&str; 10] = [
    FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH, SEVENTH, EIGHTH, NINTH, TENTH,
];

/// Newest format known here.
pub const KNOWN: i64 = FORMAT.known();

/// What a database of documents is known by. Every row of a large one is still checked when read: what only the whole check finds is an
/// index that lost a name, and its document would look as if it never was.
pub const FORMAT: Format = Format {
    application_id: APPLICATION_ID,
    foreign: "its mark as a Ropewalk database is gone",
    migrations: &MIGRATIONS,
    readable: &STATEMENTS,
    checked_whole: 1 << 30,
    busy: BUSY,
};

/// `folded` is the name as `storage::fold` writes it, for the search. `sequence` is the newest in the log or the snapshot, kept here
/// so that a log that lost its end does not look whole. Log rows are short and are read by document: no row id.
const FIRST: &str = "
CREATE TABLE documents (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL,
    folded        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    edited_at_ms  INTEGER NOT NULL,
    length        INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    generation    INTEGER NOT NULL DEFAULT 0,
    deleted_at_ms INTEGER
) STRICT;
CREATE UNIQUE INDEX documents_by_name ON documents (name) WHERE deleted_at_ms IS NULL;
CREATE INDEX documents_deleted ON documents (name) WHERE deleted_at_ms IS NOT NULL;
CREATE INDEX documents_by_edit ON documents (edited_at_ms DESC, id DESC) WHERE deleted_at_ms IS NULL;

CREATE TABLE snapshots (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    generation  INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    crc32       INTEGER NOT NULL,
    data        BLOB NOT NULL
) STRICT;

CREATE TABLE log (
    document_id    INTEGER NOT NULL REFERENCES documents (id),
    first_sequence INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    written_at_ms  INTEGER NOT NULL,
    crc32          INTEGER NOT NULL,
    payload        BLOB NOT NULL,
    PRIMARY KEY (document_id, first_sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE probe (writes INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (0);
";

/// Snapshots say the order of what is in them, which older ones do not know to read. The tables stay as they are.
const SECOND: &str = "";

/// Log rows say who made each update and when, and go into the history when a snapshot takes their place. The rows that
/// are there keep their framing: see `Framing` in `rows.rs`. The snapshot before the last is kept, and what was found damaged
/// is set aside.
const THIRD: &str = "
ALTER TABLE log ADD COLUMN framing INTEGER NOT NULL DEFAULT 0;

CREATE TABLE history (
    id             INTEGER PRIMARY KEY,
    document_id    INTEGER NOT NULL REFERENCES documents (id),
    first_sequence INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    last_at_ms     INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    crc32          INTEGER NOT NULL,
    payload        BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX history_by_document ON history (document_id, first_sequence);

CREATE TABLE former_snapshots (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    generation  INTEGER NOT NULL,
    through     INTEGER NOT NULL,
    crc32       INTEGER NOT NULL,
    data        BLOB NOT NULL
) STRICT;

CREATE TABLE damaged (
    id             INTEGER PRIMARY KEY,
    document_id    INTEGER NOT NULL REFERENCES documents (id),
    found_at_ms    INTEGER NOT NULL,
    what           TEXT NOT NULL,
    first_sequence INTEGER NOT NULL,
    last_sequence  INTEGER NOT NULL,
    payload        BLOB NOT NULL
) STRICT;
";

/// Documents have a lineage: how often the database was restored when each was begun or stamped, what names stood for before,
/// and the edits of whoever did not know. Clients that ask for an edit twice are told the same.
const FOURTH: &str = "
CREATE TABLE restores (
    id    INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT;
ALTER TABLE documents ADD COLUMN restores INTEGER NOT NULL DEFAULT 0;

CREATE TABLE pasts (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id),
    stamp       INTEGER,
    crc32       INTEGER NOT NULL,
    vector      BLOB NOT NULL
) STRICT;

CREATE TABLE strays (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    at_ms       INTEGER NOT NULL,
    client      INTEGER,
    name        TEXT NOT NULL,
    crc32       INTEGER NOT NULL,
    payload     BLOB NOT NULL
) STRICT;
CREATE INDEX strays_by_document ON strays (document_id, id);

CREATE TABLE receipts (
    document_id INTEGER NOT NULL REFERENCES documents (id),
    sequence    INTEGER NOT NULL,
    client      TEXT NOT NULL,
    request     TEXT NOT NULL,
    restores    INTEGER NOT NULL,
    inserted    INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    length      INTEGER NOT NULL,
    crc32       INTEGER NOT NULL,
    PRIMARY KEY (document_id, sequence)
) STRICT, WITHOUT ROWID;
";

/// Documents belong to whoever began them: the number of a person in the accounts, which are a database of their own.
const FIFTH: &str = "
ALTER TABLE documents ADD COLUMN owner INTEGER;
";

/// What is deleted is kept for a while: such a document is a tombstone that has its content still. `vector` is all that it held. What is left
/// of those that are gone for good is removed bit by bit. A tombstone with `moved_to` stands where a document was before it came
/// back from the trash under another name. People come back to what they had open: the newest visits of each.
const SIXTH: &str = "
CREATE TABLE trash (
    document_id  INTEGER PRIMARY KEY REFERENCES documents (id),
    kept_from_ms INTEGER NOT NULL,
    person       INTEGER,
    crc32        INTEGER NOT NULL,
    vector       BLOB NOT NULL
) STRICT;
CREATE INDEX trash_by_age ON trash (kept_from_ms);
CREATE TABLE erasing (
    document_id INTEGER PRIMARY KEY REFERENCES documents (id)
) STRICT;
ALTER TABLE documents ADD COLUMN moved_to INTEGER;
CREATE INDEX documents_moved ON documents (moved_to) WHERE moved_to IS NOT NULL;

CREATE TABLE visits (
    person      INTEGER NOT NULL,
    document_id INTEGER NOT NULL REFERENCES documents (id),
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (person, document_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX visits_by_document ON visits (document_id);
";

/// Who wrote what: from a clock of a client id on, until the next row of that id.
const SEVENTH: &str = "
CREATE TABLE wrote (
    document_id INTEGER NOT NULL REFERENCES documents (id),
    client      INTEGER NOT NULL,
    clock       INTEGER NOT NULL,
    person      INTEGER,
    is_relayed  INTEGER NOT NULL,
    crc32       INTEGER NOT NULL,
    PRIMARY KEY (document_id, client, clock)
) STRICT, WITHOUT ROWID;
";

/// What was asked stands beside what was answered. The trash is listed by when something was deleted, and time that passes is counted, as
/// clocks jump.
const EIGHTH: &str = "
ALTER TABLE receipts ADD COLUMN digest INTEGER;

ALTER TABLE trash ADD COLUMN deleted_at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE trash SET deleted_at_ms =
    coalesce((SELECT deleted_at_ms FROM documents WHERE documents.id = trash.document_id), 0);
CREATE INDEX trash_by_deletion ON trash (deleted_at_ms DESC, document_id DESC);
CREATE TABLE clock (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    seen_ms INTEGER NOT NULL
) STRICT;
";

/// What a name stood for is read in the order in which it was deleted.
const NINTH: &str = "
DROP INDEX documents_deleted;
CREATE INDEX documents_deleted ON documents (name, deleted_at_ms DESC, id DESC) WHERE deleted_at_ms IS NOT NULL;
";

/// Strays say who brought them, and whether they are of another document, which had the name before. Of those that are there it is known where
/// the name never stood for another one.
const TENTH: &str = "
ALTER TABLE strays ADD COLUMN person INTEGER;
ALTER TABLE strays ADD COLUMN is_of_another INTEGER NOT NULL DEFAULT 1;
UPDATE strays SET is_of_another = 0
    WHERE document_id IN (SELECT document_id FROM pasts WHERE stamp IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM documents AS own JOIN documents AS other
            ON other.name = own.name AND other.deleted_at_ms IS NOT NULL AND other.id <> own.id
            WHERE own.id = document_id);
";
