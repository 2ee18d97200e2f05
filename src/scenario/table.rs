//! The cells of data files: tables with a separator, logs of web servers, lists of percentiles.
//!
//! **Invariant.** Every row is handed on, counted as left out, or refused with its row and line; none is dropped in silence.

use std::{
    borrow::Cow,
    cell::Cell,
    io::{BufRead as _, BufReader, Read as _},
};

use csv::ByteRecord;

use super::{
    problems::{shown, suggest},
    unpack,
};
use crate::{
    engine::law::{BLANK, Format, Table},
    model::traces::Tally,
};

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

/// Columns of a log of an application load balancer, as AWS calls them, and two more of its request.
const ALB: [&str; 24] = [
    "type",
    "time",
    "elb",
    "client",
    "target",
    "request_processing_time",
    "target_processing_time",
    "response_processing_time",
    "elb_status_code",
    "target_status_code",
    "received_bytes",
    "sent_bytes",
    "request",
    "user_agent",
    "ssl_cipher",
    "ssl_protocol",
    "target_group",
    "trace_id",
    "domain_name",
    "chosen_cert",
    "matched_rule_priority",
    "request_creation_time",
    "method",
    "url",
];
/// Where the request stands.
const REQUEST: usize = 12;

/// A file's bytes and how to read them, and what all columns together may take.
pub(super) struct Cells<'a> {
    pub table: &'a Table,
    pub bytes: &'a [u8],
    pub taken: &'a Cell<usize>,
}

type Take<'t> = &'t mut dyn FnMut(&str) -> Result<(), String>;
/// Gets the cells of each row, and what tells its line.
type Each<'t> = &'t mut dyn FnMut(Row<'_>, &dyn Fn() -> u64) -> Result<(), String>;
/// A cell of a row: those of the columns asked for, and behind them those of conditions; `None` where the row has none.
pub(super) type Row<'t> = &'t dyn Fn(usize) -> Result<Option<Cow<'t, str>>, String>;

/// What becomes of the lines of a file one after the other.
struct Walk<'a> {
    cells: &'a Cells<'a>,
    each: Each<'a>,
    /// Columns asked for.
    wanted: usize,
    row: usize,
    tally: Tally,
}

impl Walk<'_> {
    /// The next row, or why it is none.
    fn row(&mut self, line: &dyn Fn() -> u64, row: Result<Row<'_>, String>) -> Result<(), String> {
        self.row += 1;
        let number = self.row;
        let place = |why: String| format!("row {number} (line {}): {why}", line());
        let table = self.cells.table;
        let cell = match row {
            Ok(cell) => cell,
            Err(_) if table.skips_bad => {
                self.tally.unreadable += 1;
                self.tally.first.get_or_insert_with(line);
                return Ok(());
            }
            Err(why) => return Err(place(why)),
        };
        for i in 0..table.rows.columns().count() {
            let text = cell(self.wanted + i).map_err(place)?;
            if !table.rows.holds(i, text.as_deref().unwrap_or_default().trim()) {
                self.tally.filtered += 1;
                return Ok(());
            }
        }
        self.cells.count().map_err(place)?;
        self.tally.rows += 1;
        (self.each)(cell, line).map_err(place)
    }

    /// A cell that is not there or no text: where bad rows are skipped whoever reads it says that.
    fn missing(&self, why: String) -> Result<Option<Cow<'static, str>>, String> {
        if self.cells.table.skips_bad { Ok(None) } else { Err(why) }
    }
}

impl Cells<'_> {
    /// Feeds every cell of a column to `take`.
    pub(super) fn feed(&self, column: &str, take: Take<'_>) -> Result<Tally, String> {
        let each = &mut |row: Row<'_>, _: &dyn Fn() -> u64| {
            take(row(0)?.as_deref().unwrap_or_default().trim())
        };
        self.walk(&[column], each)
    }

    /// Feeds the cells of some columns to `each`, row by row.
    pub(super) fn walk(&self, columns: &[&str], each: Each<'_>) -> Result<Tally, String> {
        let mut walk =
            Walk { cells: self, each, wanted: columns.len(), row: 0, tally: Tally::default() };
        let names: Vec<&str> = columns.iter().copied().chain(self.table.rows.columns()).collect();
        match self.table.format {
            Format::Cells { separator: BLANK, header } => self.words(&names, header, &mut walk),
            Format::Cells { separator, header } => {
                self.table_cells(&names, (separator, header), &mut walk)
            }
            Format::JsonLines => self.objects(&names, &mut walk),
            Format::Combined => self.log_cells((&COMBINED, combined), &names, &mut walk),
            Format::Alb => self.log_cells((&ALB, alb), &names, &mut walk),
            Format::Percentiles => self.percentiles(columns[0], &mut walk),
        }?;
        Ok(walk.tally)
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
        names: &[&str],
        (separator, header): (u8, bool),
        walk: &mut Walk<'_>,
    ) -> Result<(), String> {
        let mut table = table(&self.table.file, self.bytes, separator, header)?;
        let first = table.byte_headers().map_err(|e| unreadable(&e))?.clone();
        let first: Vec<String> =
            first.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
        let at = indices(&first, header, names)?;
        let mut record = ByteRecord::new();
        while table.read_byte_record(&mut record).map_err(|e| unreadable(&e))? {
            let start = record.position().map_or(0, csv::Position::byte);
            let wrong = walk.missing("the cell is not valid UTF-8".to_owned());
            let cell = |i: usize| match std::str::from_utf8(&record[at[i]]) {
                Ok(text) => Ok(Some(Cow::Borrowed(text))),
                Err(_) => wrong.clone(),
            };
            let whole = as_long(record.len(), first.len(), header);
            walk.row(&|| self.line_at(start), whole.map(|()| &cell as Row<'_>))?;
        }
        Ok(())
    }

    /// Lines of words parted by blanks and tabs, in quotes where they have some within.
    fn words(&self, names: &[&str], header: bool, walk: &mut Walk<'_>) -> Result<(), String> {
        let mut columns: Option<(Vec<String>, Vec<usize>)> = None;
        self.lines(&mut |number, line| {
            let cells = blank_parted(line);
            let Some((first, at)) = &columns else {
                let first: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
                let at = indices(&first, header, names)?;
                columns = Some((first, at.clone()));
                let cell = |i: usize| Ok(Some(Cow::Borrowed(cells[at[i]])));
                return if header { Ok(()) } else { walk.row(&|| number, Ok(&cell)) };
            };
            let cell = |i: usize| Ok(Some(Cow::Borrowed(cells[at[i]])));
            let whole = as_long(cells.len(), first.len(), header);
            walk.row(&|| number, whole.map(|()| &cell as Row<'_>))
        })?;
        // A file without lines has no columns.
        if columns.is_none() { indices(&[], header, names).map(drop) } else { Ok(()) }
    }

    fn objects(&self, names: &[&str], walk: &mut Walk<'_>) -> Result<(), String> {
        self.lines(&mut |number, line| {
            let object = serde_json::from_str(line).ok().filter(serde_json::Value::is_object);
            let Some(object) = object else {
                return walk.row(&|| number, Err("no JSON object".to_owned()));
            };
            let cell = |i: usize| Ok(inside(&object, names[i]).and_then(text_of));
            walk.row(&|| number, Ok(&cell))
        })
    }

    /// The lines of a file that are not blank, with their numbers.
    fn lines(&self, each: &mut dyn FnMut(u64, &str) -> Result<(), String>) -> Result<(), String> {
        let mut number = 0;
        let mut bytes = Vec::new();
        let mut text = unpack::text(&self.table.file, self.bytes)?;
        loop {
            bytes.clear();
            let read = text.read_until(b'\n', &mut bytes);
            if read.map_err(|e| format!("cannot be read: {}", shown(&e.to_string())))? == 0 {
                return Ok(());
            }
            number += 1;
            let line = String::from_utf8_lossy(&bytes);
            if !line.trim().is_empty() {
                each(number, line.trim())?;
            }
        }
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

    /// A log whose columns have names of their own, and how a line is taken apart.
    fn log_cells(
        &self,
        (columns, parse): (&[&str], for<'l> fn(&'l str) -> Option<Vec<Option<&'l str>>>),
        names: &[&str],
        walk: &mut Walk<'_>,
    ) -> Result<(), String> {
        let known = |column: &&str| {
            columns.iter().position(|name| name == column).ok_or_else(|| {
                let help = suggest(column, columns.iter().copied());
                let help = help.map_or(String::new(), |help| format!("; {help}"));
                format!("a log has no column `{}`{help}", shown(column))
            })
        };
        let at = names.iter().map(known).collect::<Result<Vec<_>, _>>()?;
        self.lines(&mut |number, line| {
            let Some(cells) = parse(line) else {
                let format = if self.table.format == Format::Alb { "ALB" } else { "combined" };
                let why = format!("no line of the {format} log format");
                return walk.row(&|| number, Err(why));
            };
            let wanted = walk.wanted;
            let wrong = walk.missing(format!("the line has no `{}`", names[0]));
            let cell = |i: usize| match cells[at[i]] {
                // A reply without a body is logged as `-`.
                Some("-") if names[i] == "bytes" => Ok(Some(Cow::Borrowed("0"))),
                Some(text) => Ok(Some(Cow::Borrowed(text))),
                None if i >= wanted => Ok(None),
                None => wrong.clone(),
            };
            walk.row(&|| number, Ok(&cell))
        })
    }

    /// `Value Percentile TotalCount 1/(1-Percentile)`, by blanks or commas, with what the programs that print it write
    /// around it; or two columns of which the first is called otherwise.
    fn percentiles(&self, column: &str, walk: &mut Walk<'_>) -> Result<(), String> {
        let cells = |line: &str| -> Vec<String> {
            let parts = line.split(|c: char| c.is_whitespace() || ",;".contains(c));
            let cells = parts.filter(|cell| !cell.is_empty());
            cells.map(|cell| cell.trim_matches('"').to_owned()).collect()
        };
        let mut header = None;
        self.lines(&mut |number, line| {
            let first = cells(line).first().map(|cell| cell.to_lowercase());
            let known = first.filter(|cell| LEVELS.contains(&cell.as_str()) || cell == "value");
            header = header.take().or(known.map(|known| (number, known != "value")));
            Ok(())
        })?;
        let (below, swapped) = header.unwrap_or((0, false));
        let index = usize::from((column != "Value") != swapped);
        let (mut begun, mut over) = (false, false);
        self.lines(&mut |number, line| {
            // Notes behind the rows begin with `#`; what follows them is not the histogram's.
            over |= line.starts_with('#') && begun && below > 0;
            if number <= below || over || line.starts_with('#') {
                return Ok(());
            }
            begun = true;
            let all = cells(line);
            let Some(cell) = all.get(index).filter(|_| all.len() > 1) else {
                return walk
                    .row(&|| number, Err("a value and its percentile are needed".to_owned()));
            };
            let level = (column != "Value").then(|| percent(cell)).flatten();
            let cell = level.as_deref().unwrap_or(cell);
            walk.row(&|| number, Ok(&|_| Ok(Some(Cow::Borrowed(cell)))))
        })
    }
}

/// What a column of percentiles is called, if it is the first.
const LEVELS: [&str; 5] = ["percentile", "quantile", "level", "p", "q"];

/// `p99.9` and `99.9%` as a fraction.
fn percent(cell: &str) -> Option<String> {
    let text = cell.strip_prefix('p').or(cell.strip_suffix('%'))?;
    text.parse::<f64>().ok().map(|percent| (percent / 100.0).to_string())
}

/// Where columns stand, by the names in the first row or by number.
fn indices(first: &[String], header: bool, names: &[&str]) -> Result<Vec<usize>, String> {
    let one = |name: &&str| if header { column_index(first, name) } else { numbered(first, name) };
    names.iter().map(one).collect()
}

/// A row has as many cells as the first line.
fn as_long(found: usize, wanted: usize, header: bool) -> Result<(), String> {
    let above = if header { "the header" } else { "the first row" };
    if found == wanted { Ok(()) } else { Err(format!("{found} cells where {above} has {wanted}")) }
}

/// The value that a name of an object stands for; dots lead into inner ones, numbers into lists.
fn inside<'v>(value: &'v serde_json::Value, name: &str) -> Option<&'v serde_json::Value> {
    if let serde_json::Value::Array(list) = value {
        let (first, rest) = name.split_once('.').map_or((name, None), |(a, b)| (a, Some(b)));
        let item = list.get(first.parse::<usize>().ok()?)?;
        return rest.map_or(Some(item), |rest| inside(item, rest));
    }
    // A name may have dots of its own.
    value.get(name).or_else(|| {
        name.match_indices('.')
            .find_map(|(dot, _)| inside(value.get(&name[..dot])?, &name[dot + 1..]))
    })
}

/// A value of an object as the text of a cell.
fn text_of(value: &serde_json::Value) -> Option<Cow<'_, str>> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// The words of a line.
fn blank_parted(line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let (cell, after) = in_quotes(rest)
            .unwrap_or_else(|| rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())));
        all.push(cell);
        rest = after.trim_start();
    }
    all
}

/// The cells of a line `host ident user [time] "request" status bytes "referer" "agent" .. time`, in
/// the order of [`COMBINED`]; what comes after `bytes` may be missing (the common format).
fn combined(line: &str) -> Option<Vec<Option<&str>>> {
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
    let (method, path) = method_and_url(request);
    let all = [host, user, time, request, method, path].map(Some);
    Some(all.into_iter().chain([Some(status?), Some(bytes?), referer, agent, last]).collect())
}

/// What is no HTTP (a client that says nothing is logged as `-`) has no method.
fn method_and_url(request: &str) -> (&str, &str) {
    let mut parts = request.split(' ');
    match (parts.next(), parts.next()) {
        (Some(method), Some(url)) => (method, url),
        _ => ("-", request),
    }
}

/// The cells of a line in the order of [`ALB`]: what it has, then method and address of its request. Later fields may be missing.
fn alb(line: &str) -> Option<Vec<Option<&str>>> {
    let words = blank_parted(line);
    let request = *words.get(REQUEST)?;
    let (method, url) = method_and_url(request);
    let fields = (0..ALB.len() - 2).map(|i| words.get(i).copied());
    Some(fields.chain([Some(method), Some(url)]).collect())
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
fn numbered(first: &[String], column: &str) -> Result<usize, String> {
    let number = column
        .strip_prefix('#')
        .unwrap_or(column)
        .parse()
        .ok()
        .filter(|n| (1..=first.len().max(1)).contains(n));
    let number: Option<usize> = number;
    number.map(|n| n - 1).ok_or_else(|| {
        format!(
            "columns without a name are numbers: `{}` is none of 1 to {}",
            shown(column),
            first.len()
        )
    })
}

/// The column of this name, or `#3` of this number.
fn column_index(names: &[String], column: &str) -> Result<usize, String> {
    let mut here = names.iter().enumerate().filter(|(_, name)| *name == column);
    match (here.next(), here.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => Err(format!("two columns are called `{}`", shown(column))),
        (None, _) if column.starts_with('#') => numbered(names, column),
        (None, _) => {
            let help = split_otherwise(names)
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
