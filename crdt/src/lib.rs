//! The documents of Ropewalk.
