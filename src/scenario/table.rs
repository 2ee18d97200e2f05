//! The cells of data files: tables with a separator, logs of web servers, lists of percentiles.
//!
//! **Invariant.** Every row is handed on or refused with its row and line; none is dropped in silence.

use std::{
    cell::Cell,
    io::{BufRead as _, BufReader, Read as _},
};

use csv::ByteRecord;

use super::{
    problems::{shown, suggest},
    unpack,
};
use crate::engine::law::{Format, Table};

/// Most numbers of all columns of one scenario together.
pub(super) const MAX_VALUES: usize = 200_000_000;

/// Columns of a log in the combined format.
const COMBINED: [&str; 11] = [
    "host",
    "user",
    "time",
    "request",
    "method",
    "path",
    "status",
    "bytes",
    "referer",
    "agent",
    "request_time",
];

/// A file's bytes and how to read them, and what all columns together may take.
pub(super) struct Cells<'a> {
    pub table: &'a Table,
    pub bytes: &'a [u8],
    pub taken: &'a Cell<usize>,
}

type Take<'t> = &'t mut dyn FnMut(&str) -> Result<(), String>;

impl Cells<'_> {
    /// Feeds every cell of a column to `take`.
    pub(super) fn feed(&self, column: &str, take: Take<'_>) -> Result<(), String> {
        match self.table.format {
            Format::Cells { separator, header } => {
                self.table_cells(column, separator, header, take)
            }
            Format::Combined => self.log_cells(column, take),
            Format::Percentiles => self.percentiles(column, take),
        }
    }

    fn count(&self) -> Result<(), String> {
        self.taken.set(self.taken.get() + 1);
        if self.taken.get() > MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values in all"));
        }
        Ok(())
    }

    fn table_cells(
        &self,
        column: &str,
        separator: u8,
        header: bool,
        take: Take<'_>,
    ) -> Result<(), String> {
        let mut table = table(&self.table.file, self.bytes, separator, header)?;
        let first = table.byte_headers().map_err(|e| unreadable(&e))?.clone();
        let index = if header { column_index(&first, column) } else { numbered(&first, column) }?;
        let mut record = ByteRecord::new();
        let mut row = 0_usize;
        while table.read_byte_record(&mut record).map_err(|e| unreadable(&e))? {
            row += 1;
            let start = record.position().map_or(0, csv::Position::byte);
            let place = |why: String| format!("row {row} (line {}): {why}", self.line_at(start));
            if record.len() != first.len() {
                let (found, wanted) = (record.len(), first.len());
                let above = if header { "the header" } else { "the first row" };
                return Err(place(format!("{found} cells where {above} has {wanted}")));
            }
            self.count().map_err(place)?;
            let cell = std::str::from_utf8(&record[index])
                .map_err(|_| place("the cell is not valid UTF-8".to_owned()))?;
            take(cell.trim()).map_err(place)?;
        }
        Ok(())
    }

    /// The line of the record that the reader began at a byte: it skips ends of lines (the second
    /// half of CRLF, blank lines) only when it goes on to the next record.
    fn line_at(&self, start: u64) -> u64 {
        let Ok(mut text) = unpack::text(&self.table.file, self.bytes) else { return 0 };
        let mut line = 1;
        let mut before = 0;
        for (at, byte) in BufReader::new(&mut text).bytes().map_while(Result::ok).enumerate() {
            if at as u64 >= start && byte != b'\n' && byte != b'\r' {
                break;
            }
            // Each of LF, CRLF and a CR by itself ends a line.
            line += u64::from(byte == b'\r' || byte == b'\n' && before != b'\r');
            before = byte;
        }
        line
    }

    fn log_cells(&self, column: &str, take: Take<'_>) -> Result<(), String> {
        let known = COMBINED.iter().position(|name| *name == column);
        let index = known.ok_or_else(|| {
            let help = suggest(column, COMBINED);
            let help = help.map_or(String::new(), |help| format!("; {help}"));
            format!("a log has no column `{}`{help}", shown(column))
        })?;
        let mut row = 0_usize;
        for (i, line) in unpack::text(&self.table.file, self.bytes)?.lines().enumerate() {
            let line = line.map_err(|e| format!("cannot be read: {}", shown(&e.to_string())))?;
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            row += 1;
            let place = |why: String| format!("row {row} (line {}): {why}", i + 1);
            let cells = combined(line)
                .ok_or_else(|| place("no line of the combined log format".to_owned()))?;
            let cell = cells[index].ok_or_else(|| place(format!("the line has no `{column}`")))?;
            self.count().map_err(place)?;
            // A reply without a body is logged as `-`.
            let cell = if column == "bytes" && cell == "-" { "0" } else { cell };
            take(cell).map_err(place)?;
        }
        Ok(())
    }

    /// `Value Percentile TotalCount 1/(1-Percentile)`, by blanks or commas, around it a header and
    /// notes that begin with `#`.
    fn percentiles(&self, column: &str, take: Take<'_>) -> Result<(), String> {
        let index = usize::from(column != "Value");
        let mut row = 0_usize;
        for (i, line) in unpack::text(&self.table.file, self.bytes)?.lines().enumerate() {
            let line = line.map_err(|e| format!("cannot be read: {}", shown(&e.to_string())))?;
            let mut cells =
                line.split(|c: char| c.is_whitespace() || c == ',').filter(|c| !c.is_empty());
            let (first, second) = (cells.next(), cells.next());
            let about = first.is_none_or(|c| c.starts_with('#') || c.trim_matches('"') == "Value");
            if about {
                continue;
            }
            row += 1;
            let place = |why: String| format!("row {row} (line {}): {why}", i + 1);
            let cell = [first, second][index]
                .ok_or_else(|| place("a value and its percentile are needed".to_owned()))?;
            self.count().map_err(place)?;
            take(cell).map_err(place)?;
        }
        Ok(())
    }
}

/// The cells of a line `host ident user [time] "request" status bytes "referer" "agent" .. time`, in
/// the order of [`COMBINED`]; what comes after `bytes` may be missing (the common format).
fn combined(line: &str) -> Option<[Option<&str>; 11]> {
    let (host, rest) = line.split_once(' ')?;
    let (_, rest) = rest.split_once(' ')?;
    let (user, rest) = rest.split_once(" [")?;
    let (time, rest) = rest.split_once("] ")?;
    let (request, rest) = in_quotes(rest)?;
    let (status, rest) = word(rest);
    let (bytes, rest) = word(rest);
    let (mut referer, mut agent, mut rest) = (None, None, rest);
    for place in [&mut referer, &mut agent] {
        if let Some((text, after)) = in_quotes(rest) {
            (*place, rest) = (Some(text), after);
        }
    }
    let last = rest.split_whitespace().next_back().map(|cell| cell.trim_matches('"'));
    // What is no HTTP (a client that says nothing is logged as `-`) has no method.
    let mut parts = request.split(' ');
    let (method, path) = match (parts.next(), parts.next()) {
        (Some(method), Some(path)) => (method, path),
        _ => ("-", request),
    };
    Some([
        Some(host),
        Some(user),
        Some(time),
        Some(request),
        Some(method),
        Some(path),
        Some(status?),
        Some(bytes?),
        referer,
        agent,
        last,
    ])
}

/// The text in quotes that a line begins with, and what comes after; `\"` does not end it.
fn in_quotes(text: &str) -> Option<(&str, &str)> {
    let inside = text.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|b| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends
    })?;
    Some((&inside[..end], &inside[end + 1..]))
}

fn word(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_start();
    let end = text.find(' ').unwrap_or(text.len());
    ((end > 0).then_some(&text[..end]), &text[end..])
}

pub(super) type Csv<'b> = csv::Reader<Box<dyn std::io::BufRead + 'b>>;

/// A table over the bytes of a file.
pub(super) fn table<'b>(
    file: &str,
    bytes: &'b [u8],
    separator: u8,
    header: bool,
) -> Result<Csv<'b>, String> {
    let mut builder = csv::ReaderBuilder::new();
    builder.flexible(true).delimiter(separator).has_headers(header);
    Ok(builder.from_reader(unpack::text(file, bytes)?))
}

pub(super) fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(cause) => format!("cannot be read: {}", shown(&cause.to_string())),
        _ => shown(&error.to_string()),
    }
}

/// The column of this number, from 1.
fn numbered(first: &ByteRecord, column: &str) -> Result<usize, String> {
    let number = column.parse().ok().filter(|n| (1..=first.len().max(1)).contains(n));
    let number: Option<usize> = number;
    number.map(|n| n - 1).ok_or_else(|| {
        format!(
            "without a header columns are numbers: `{}` is none of 1 to {}",
            shown(column),
            first.len()
        )
    })
}

fn column_index(header: &ByteRecord, column: &str) -> Result<usize, String> {
    let names: Vec<String> =
        header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let mut here = names.iter().enumerate().filter(|(_, name)| *name == column);
    match (here.next(), here.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => Err(format!("two columns are called `{}`", shown(column))),
        (None, _) => {
            let help = split_otherwise(&names)
                .or_else(|| suggest(column, names.iter().map(String::as_str)));
            let help = help.map_or(String::new(), |help| format!("; {help}"));
            Err(format!("there is no column `{}`{help}", shown(column)))
        }
    }
}

/// Advice when the whole header became one name because something else separates its cells.
fn split_otherwise(names: &[String]) -> Option<String> {
    let [only] = names else { return None };
    let signs = [(';', ";"), ('\t', "tab"), ('|', "|")];
    let (_, name) = signs.iter().find(|(sign, _)| only.contains(*sign))?;
    Some(format!("its first line is `{}`: write `separator={name}`", shown(only)))
}
