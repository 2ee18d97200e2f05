//! Data files and how they are read: `file=x.csv separator=; header=none`, `file=access.log
//! format=combined`, `file=k6.json format=jsonl where="metric == http_reqs"`.
//!
//! **Invariant.** Two laws that name the same file in the same way read the same table.

use std::fmt;

use super::Selection;
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
    /// Numbers have a comma where others have a point.
    pub decimal_comma: bool,
    /// Lines that are no rows, and rows whose time or number cannot be read, are left out; else they are errors.
    pub skips_bad: bool,
    /// The rows that are read.
    pub rows: Selection,
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
    /// A JSON object in each line; columns are the names of its values, those of inner objects behind dots.
    JsonLines,
    /// The combined log format of nginx and Apache, with or without a time at the end.
    Combined,
    /// Access logs of AWS application load balancers.
    Alb,
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
/// Runs of blanks and tabs between two cells.
pub(crate) const BLANK: u8 = b' ';

impl Table {
    /// All rows of a file.
    pub fn new(file: &str, format: Format) -> Self {
        let (file, rows) = (file.to_owned(), Selection::default());
        Self { file, format, decimal_comma: false, skips_bad: false, rows }
    }

    /// A table with comma-separated cells under a header.
    pub fn plain(file: &str) -> Self {
        Self::new(file, Format::Cells { separator: COMMA, header: true })
    }

    /// Whether two read the same lines of the same file, each perhaps other rows of it.
    pub fn is_same_file(&self, other: &Self) -> bool {
        (&self.file, self.format) == (&other.file, other.format)
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
            Some(other) => {
                let format = match other {
                    "combined" => Format::Combined,
                    "alb" => Format::Alb,
                    "jsonl" => Format::JsonLines,
                    _ => {
                        return Err(unknown("format", other, &["csv", "combined", "alb", "jsonl"]));
                    }
                };
                if separator.is_some() || header.is_some() {
                    return Err(
                        t.error(format!("`format={other}` has neither separator nor header"))
                    );
                }
                format
            }
        };
        let decimal_comma = match t.key("decimal").map(Expr::need_word).transpose()? {
            None | Some("point" | ".") => false,
            Some("comma" | ",") => true,
            Some(other) => return Err(unknown("value of `decimal`", other, &["point", "comma"])),
        };
        if decimal_comma && matches!(format, Format::Cells { separator: COMMA, .. }) {
            return Err(
                t.error("a comma cannot part cells and stand within numbers: write `separator=;`")
            );
        }
        let skips_bad = match t.key("bad").map(Expr::need_word).transpose()? {
            None | Some("refuse") => false,
            Some("skip") => true,
            Some(other) => return Err(unknown("value of `bad`", other, &["refuse", "skip"])),
        };
        let rows = t.key("where").map(|rows| rows.need_word()?.parse()).transpose()?;
        Ok(Self { file, format, decimal_comma, skips_bad, rows: rows.unwrap_or_default() })
    }

    /// Whether its columns have names of their own.
    fn is_log(&self) -> bool {
        matches!(self.format, Format::Combined | Format::Alb)
    }

    /// The column its times stand in, unless another is named.
    pub fn time_column(&self) -> Option<&'static str> {
        self.is_log().then_some("time")
    }

    /// The column its keys stand in, unless another is named.
    pub fn key_column(&self) -> Option<&'static str> {
        match self.format {
            Format::Combined => Some("path"),
            Format::Alb => Some("url"),
            _ => None,
        }
    }

    /// What is said besides the file, as it is written.
    pub(crate) fn print_options(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.format {
            Format::Cells { separator, header } => {
                match separator {
                    COMMA => {}
                    BLANK => f.write_str(" separator=blank")?,
                    b'\t' => f.write_str(" separator=tab")?,
                    other => {
                        let sign = char::from(other).to_string();
                        write!(f, " separator={}", quoted(&sign))?;
                    }
                }
                f.write_str(if header { "" } else { " header=none" })?;
            }
            Format::Combined => f.write_str(" format=combined")?,
            Format::Alb => f.write_str(" format=alb")?,
            Format::JsonLines => f.write_str(" format=jsonl")?,
            Format::Percentiles => {}
        }
        f.write_str(if self.decimal_comma { " decimal=comma" } else { "" })?;
        f.write_str(if self.skips_bad { " bad=skip" } else { "" })?;
        if self.rows.is_all() { Ok(()) } else { write!(f, " where=\"{}\"", self.rows) }
    }
}

fn separator(expr: &Expr) -> Result<u8, ValueError> {
    match expr.need_word()?.as_bytes() {
        b"tab" => Ok(b'\t'),
        b"blank" | b" " => Ok(BLANK),
        [sign] if sign.is_ascii_punctuation() && !b"\"'.-".contains(sign) => Ok(*sign),
        _ => Err(ValueError::new("E-EXPR", "a separator is one sign, `tab` or `blank`")
            .help("write `separator=;`, `separator=tab` or `separator=blank`")),
    }
}
