//! Laws: distributions over durations, sizes and plain numbers.
