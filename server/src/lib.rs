//! The Ropewalk server: documents that several people edit at once, kept safely.

pub mod name;
