//! The little expressions inside YAML strings: `name(argument key=value; part)`.
