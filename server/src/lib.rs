//! The Ropewalk server: documents that several people edit at once, kept safely.

pub mod journal;
pub mod name;
pub mod storage;
