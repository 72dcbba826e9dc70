//! How SQLite goes about each statement: none may read more the more documents there are, but those that are meant to.
#![allow(clippy::unwrap_used)]

use rusqlite::Connection;

use super::statements::STATEMENTS;
use super::{owned, schema, statements, trash, visits};

/// Those that read all of a table, or sort what they find.
const MEANT: [&str; 7] = [
    statements::PROBE,
    owned::ANY,
    trash::ERASING,
    trash::KEEP_LONGER,
    trash::KEEP_ON,
    // Of one person these are few.
    visits::FORGET,
    visits::LIST,
];

#[test]
fn no_statement_reads_all_but_those_that_are_meant_to() {
    let mut connection = Connection::open_in_memory().unwrap();
    schema::FORMAT.migrate(&mut connection).unwrap();
    let mut wrong = Vec::new();
    for statement in STATEMENTS {
        let plan = format!("EXPLAIN QUERY PLAN {statement}");
        let mut plan = connection.prepare(&plan).unwrap();
        let mut rows = plan.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get::<_, String>(3).unwrap());
        }
        let reads_all = steps.iter().any(|step| {
            // What was found damaged is little.
            let is_little = step == "SCAN CONSTANT ROW" || step == "SCAN damaged";
            (step.starts_with("SCAN ") && !is_little) || step.contains("TEMP B-TREE FOR ORDER BY")
        });
        if reads_all != MEANT.contains(&statement) {
            wrong.push((statement, steps));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
