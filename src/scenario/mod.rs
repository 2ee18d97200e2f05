//! YAML text -> tree with spans -> overrides -> typed spec -> all problems -> runnable scenario.

pub mod spec;
mod text;
