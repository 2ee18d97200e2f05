//! YAML text -> tree with spans -> overrides -> typed spec -> all problems -> runnable scenario.
//!
//! **Invariant.** Whatever the bytes, reading ends with a scenario or with problems that name their
//! place: no panic, bounded time, bounded memory.

mod advice;
pub mod axis;
pub mod cells;
mod changes;
mod comma;
mod de;
mod fault;
mod import;
mod key_file;
pub mod load;
pub mod loads;
mod openslo;
mod overrides;
mod paths;
mod places;
mod print;
pub mod problems;
pub mod reference;
pub mod render;
pub mod required;
pub mod requirements;
mod reserved;
pub mod rest;
pub mod scale;
pub mod schema;
mod settings;
pub mod sizing;
pub mod spec;
pub mod swarm;
pub mod sweep;
mod table;
mod text;
#[cfg(test)]
mod text_tests;
pub mod trace;
pub mod tree;
mod unpack;
mod values;
mod variants;
