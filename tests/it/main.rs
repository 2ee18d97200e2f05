//! The integration tests: one binary, each area in a file of its own.

mod cli;
mod determinism;
