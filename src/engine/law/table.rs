//! Data files and how they are read: `file=x.csv separator=; header=none`, `file=access.log
//! format=combined`.
//!
//! **Invariant.** Two laws that name the same file in the same way read the same table.

use std::fmt;

use crate::{
    expr::{Expr, Taker, quoted, unknown},
    units::ValueError,
};

/// A data file and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// The file, plain or packed; relative to the scenario.
    pub file: String,
    /// What its lines are.
    pub format: Format,
}

/// What the lines of a data file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Cells in columns.
    Cells {
        /// Between two cells.
        separator: u8,
        /// Whether the first line names the columns; else they are `1`, `2`, ...
        header: bool,
    },
    /// The combined log format of nginx and Apache, with or without a time at the end.
    Combined,
    /// Percentiles as `HdrHistogram` prints them.
    Percentiles,
}

/// Columns of files.
pub trait Tables {
    /// The numbers of a column.
    fn column(&self, table: &Table, column: &str) -> Result<Vec<f64>, String>;
}

/// Columns of percentile files: values, and the percentiles they stand at.
pub(super) const PERCENTILES: [&str; 2] = ["Value", "Percentile"];

const COMMA: u8 = b',';

impl Table {
    /// A table with comma-separated cells under a header.
    pub fn plain(file: &str) -> Self {
        Self { file: file.to_owned(), format: Format::Cells { separator: COMMA, header: true } }
    }

    /// The table among the arguments of a call.
    pub fn take(t: &mut Taker<'_>) -> Result<Self, ValueError> {
        let file = t.need("file")?.need_word()?.to_owned();
        let separator = t.key("separator").map(separator).transpose()?;
        let header = match t.key("header").map(Expr::need_word).transpose()? {
            None => None,
            Some("none") => Some(false),
            Some("first") => Some(true),
            Some(other) => return Err(unknown("value of `header`", other, &["none", "first"])),
        };
        let format = match t.key("format").map(Expr::need_word).transpose()? {
            None | Some("csv") => Format::Cells {
                separator: separator.unwrap_or(COMMA),
                header: header.unwrap_or(true),
            },
            Some("combined") if separator.is_some() || header.is_some() => {
                return Err(
                    t.error("a log in the combined format has neither separator nor header")
                );
            }
            Some("combined") => Format::Combined,
            Some(other) => return Err(unknown("format", other, &["csv", "combined"])),
        };
        Ok(Self { file, format })
    }

    /// The column its times stand in, unless another is named.
    pub fn time_column(&self) -> Option<&'static str> {
        (self.format == Format::Combined).then_some("time")
    }

    /// The column its keys stand in, unless another is named.
    pub fn key_column(&self) -> Option<&'static str> {
        (self.format == Format::Combined).then_some("path")
    }

    /// What is said besides the file, as it is written.
    pub(crate) fn print_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Format::Cells { separator, header } => {
                match separator {
                    COMMA => {}
                    b'\t' => f.write_str(" separator=tab")?,
                    other => {
                        let sign = char::from(other).to_string();
                        write!(f, " separator={}", quoted(&sign))?;
                    }
                }
                f.write_str(if header { "" } else { " header=none" })
            }
            Format::Combined => f.write_str(" format=combined"),
            Format::Percentiles => Ok(()),
        }
    }
}

fn separator(expr: &Expr) -> Result<u8, ValueError> {
    match expr.need_word()?.as_bytes() {
        b"tab" => Ok(b'\t'),
        [sign] if sign.is_ascii_punctuation() && !b"\"'.-".contains(sign) => Ok(*sign),
        _ => Err(ValueError::new("E-EXPR", "a separator is one sign, or `tab`")
            .help("write `separator=;` or `separator=tab`")),
    }
}
