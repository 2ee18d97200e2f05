//! Data files a scenario refers to: columns of tables and logs, keys, matrices.
//!
//! Only the numbers asked for are kept.
//!
//! **Invariant.** Every number handed out is finite, every time is at or after the one before unless
//! sorting was asked for, and a file that is refused is refused with its row.

use std::{borrow::Cow, cell::Cell, io::Read as _};

use super::{
    key_file,
    load::Files,
    paths::{folder, inside},
    problems::shown,
    table::{Cells, MAX_VALUES, table, unreadable},
    unpack::{MAX_UNPACKED, unpacked},
};
use crate::{
    engine::{
        law::{Table, Tables},
        random::text_key,
    },
    model::{
        client::{
            TraceUnit,
            curve::{Curve, CurveSpec, Times, Values},
        },
        network::MatrixSpec,
        traces::{Data, Stamps, Tally, UNKNOWN},
    },
    units::instant,
};

/// Most regions of a matrix.
const MAX_REGIONS: usize = 2000;

/// The data files of one scenario.
pub struct DataFiles<'f> {
    files: &'f dyn Files,
    root: String,
    taken: Cell<usize>,
    /// What became of the lines of the column that was read last.
    last: Cell<Tally>,
}

impl std::fmt::Debug for DataFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFiles").field("root", &self.root).finish_non_exhaustive()
    }
}

impl<'f> DataFiles<'f> {
    /// The files beside the scenario at `path`.
    pub fn new(path: &str, files: &'f dyn Files) -> Self {
        Self::below(folder(path), files)
    }

    /// The files below a folder, which ends with a slash or is empty.
    pub fn below(root: String, files: &'f dyn Files) -> Self {
        Self { files, root, taken: Cell::new(0), last: Cell::default() }
    }

    fn bytes(&self, file: &str) -> Result<Vec<u8>, String> {
        let path = inside(&self.root, &self.root, file)?;
        self.files.read(&path).map_err(|why| format!("`{}` {why}", shown(file)))
    }

    /// Feeds every cell of a column to `take`.
    fn cells(
        &self,
        table: &Table,
        column: &str,
        take: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<Tally, String> {
        self.with(table, |cells| cells.feed(column, take))
    }

    /// Reads a file by its cells; what is wrong is said with its name.
    fn with<T>(
        &self,
        table: &Table,
        read: impl FnOnce(&Cells<'_>) -> Result<T, String>,
    ) -> Result<T, String> {
        let bytes = self.bytes(&table.file)?;
        read(&Cells { table, bytes: &bytes, taken: &self.taken })
            .map_err(|why| format!("`{}`: {why}", shown(&table.file)))
    }

    /// The points of a curve, in the order of its file.
    fn points(&self, spec: &CurveSpec) -> Result<(Vec<(i128, f64)>, Tally), String> {
        let (table, mut points) = (&spec.table, Vec::new());
        match (&spec.values, &spec.times) {
            (Values::Columns(first, last), Times::Every(every)) => {
                let names: Vec<String> = (*first..=*last).map(|name| name.to_string()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let mut sums = vec![0.0; names.len()];
                let tally = self.with(table, |cells| {
                    cells.walk(&names, &mut |row, _| {
                        for (i, sum) in sums.iter_mut().enumerate() {
                            *sum += number(row(i)?.as_deref().unwrap_or_default().trim(), table)?;
                        }
                        Ok(())
                    })
                })?;
                let sums = sums.into_iter().take(if tally.rows > 0 { names.len() } else { 0 });
                points
                    .extend(sums.enumerate().map(|(i, sum)| (i as i128 * i128::from(*every), sum)));
                Ok((points, tally))
            }
            (Values::Column(column), times) => {
                let mut columns = vec![column.as_str()];
                if let Times::Column(time, _) = times {
                    columns.push(time);
                }
                let mut bad = Tally::default();
                let mut next = 0;
                let mut tally = self.with(table, |cells| {
                    cells.walk(&columns, &mut |row, line| {
                        let cell = |i: usize| row(i).map(Option::unwrap_or_default);
                        let point = || {
                            let at = match times {
                                Times::Every(_) => next,
                                Times::Column(_, unit) => {
                                    instant_of(cell(1)?.trim(), (*unit, table))?
                                }
                            };
                            Ok((at, number(cell(0)?.trim(), table)?))
                        };
                        let point: Result<(i128, f64), String> = point();
                        if let Times::Every(every) = times {
                            next += i128::from(*every);
                        }
                        match point {
                            Ok(point) => points.push(point),
                            Err(_) if table.skips_bad => bad.misses(line),
                            Err(why) => return Err(why),
                        }
                        Ok(())
                    })
                })?;
                tally.add(bad);
                Ok((points, tally))
            }
            (Values::Columns(..), Times::Column(..)) => {
                unreachable!("it was refused when it was read")
            }
        }
    }
}

impl Tables for DataFiles<'_> {
    fn column(&self, table: &Table, column: &str) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        let mut bad = Tally::default();
        let mut tally = self.with(table, |cells| {
            cells.walk(&[column], &mut |row, line| {
                match number(row(0)?.as_deref().unwrap_or_default().trim(), table) {
                    Ok(value) => values.push(value),
                    // Of a law each row is by itself.
                    Err(_) if table.skips_bad => bad.misses(line),
                    Err(why) => return Err(why),
                }
                Ok(())
            })
        })?;
        tally.add(bad);
        self.last.set(tally);
        Ok(values)
    }
}

impl Data for DataFiles<'_> {
    fn times(
        &self,
        table: &Table,
        column: &str,
        (unit, sort): (TraceUnit, bool),
    ) -> Result<Stamps, String> {
        let mut stamps = Stamps::default();
        let mut last = None;
        stamps.tally = self.cells(table, column, &mut |cell| {
            let time = match instant_of(cell, (unit, table)) {
                Ok(time) => time,
                Err(_) if table.skips_bad => {
                    stamps.since.push(UNKNOWN);
                    return Ok(());
                }
                Err(why) => return Err(why),
            };
            if last.is_none() {
                stamps.first = time;
            }
            let since = i64::try_from(time - stamps.first).ok().filter(|since| *since != UNKNOWN);
            let since = since.ok_or_else(|| {
                format!("`{}` is too far from the first row: is `unit=` right?", shown(cell))
            })?;
            if !sort && last.is_some_and(|last| last > since) {
                return Err(format!(
                    "`{}` is before the row above: `sort=true` puts rows in order of time",
                    shown(cell)
                ));
            }
            last = Some(since);
            stamps.since.push(since);
            Ok(())
        })?;
        Ok(stamps)
    }

    fn numbers(
        &self,
        table: &Table,
        column: &str,
        word: Option<&dyn Fn(&str) -> f64>,
    ) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        self.cells(table, column, &mut |cell| {
            let value = match (number(cell, table), word) {
                (Ok(value), _) => value,
                (Err(_), Some(word)) => word(cell),
                (Err(_), None) if table.skips_bad => f64::NAN,
                (Err(why), None) => return Err(why),
            };
            values.push(value);
            Ok(())
        })?;
        Ok(values)
    }

    fn texts(&self, table: &Table, column: &str, take: &mut dyn FnMut(&str)) -> Result<(), String> {
        self.cells(table, column, &mut |cell| {
            take(cell);
            Ok(())
        })
        .map(drop)
    }

    fn line(&self, table: &Table, column: &str, row: u32) -> Option<u64> {
        let mut left = row;
        let mut found = None;
        // It ends with an error of its own making at the row that was asked for.
        let read = self.with(table, |cells| {
            cells.walk(&[column], &mut |_, line| {
                if left == 0 {
                    found = Some(line());
                    return Err(String::new());
                }
                left -= 1;
                Ok(())
            })
        });
        read.err().and(found)
    }

    fn left_out(&self) -> Tally {
        self.last.get()
    }

    fn curve(&self, spec: &CurveSpec) -> Result<(Curve, Tally), String> {
        let (points, tally) = self.points(spec)?;
        let curve = Curve::new(spec, &points)
            .map_err(|why| format!("`{}`: {why}", shown(&spec.table.file)))?;
        Ok((curve, tally))
    }

    fn keys(&self, table: &Table, column: Option<&str>) -> Result<Vec<u64>, String> {
        let file = &table.file;
        let wrong = |why: String| format!("`{}`: {why}", shown(file));
        let mut keys = Vec::new();
        if let Some(column) = column.or_else(|| table.key_column()) {
            let tally = self.cells(table, column, &mut |cell| {
                if cell.is_empty() {
                    return Err("an empty cell where a key is needed".to_owned());
                }
                keys.push(cell.parse().unwrap_or_else(|_| text_key(cell)));
                Ok(())
            })?;
            self.last.set(tally);
            return Ok(keys);
        }
        self.last.take();
        if file.to_ascii_lowercase().contains(".csv") {
            return Err(wrong("which `column=` has the keys?".to_owned()));
        }
        let bytes = self.bytes(file)?;
        let unpacked = unpacked(file, &bytes).map_err(wrong)?.take(MAX_UNPACKED);
        let most = MAX_VALUES - self.taken.get();
        keys = key_file::keys(file, unpacked, most).map_err(wrong)?;
        self.taken.set(self.taken.get() + keys.len());
        Ok(keys)
    }

    fn matrix(&self, spec: &MatrixSpec) -> Result<Vec<(String, String, f64)>, String> {
        let wrong = |why: String| format!("`{}`: {why}", shown(&spec.file));
        let unit = nanoseconds(&spec.unit).ok_or_else(|| {
            wrong(format!("unknown unit `{}`: ns, us, ms or s", shown(&spec.unit)))
        })?;
        let scale = if spec.round_trip { unit / 2.0 } else { unit };
        let bytes = self.bytes(&spec.file)?;
        let mut table = table(&spec.file, &bytes, b',', true).map_err(wrong)?;
        let header = table.byte_headers().map_err(|e| wrong(unreadable(&e)))?.clone();
        if header.len() > MAX_REGIONS {
            return Err(wrong(format!("more than {MAX_REGIONS} regions")));
        }
        let name = |cell: &[u8]| String::from_utf8_lossy(cell).trim().to_owned();
        let to: Vec<String> = header.iter().skip(1).map(name).collect();
        let mut all = Vec::new();
        let mut from: Vec<String> = Vec::new();
        for (row, record) in table.byte_records().enumerate() {
            let record = record.map_err(|e| wrong(unreadable(&e)))?;
            let place = |why: String| wrong(format!("row {}: {why}", row + 1));
            if record.len() != header.len() {
                return Err(place(format!(
                    "{} cells, the header has {}",
                    record.len(),
                    header.len()
                )));
            }
            let this = name(&record[0]);
            if from.contains(&this) {
                return Err(place(format!("`{}` has two rows", shown(&this))));
            }
            for (cell, to) in record.iter().skip(1).zip(&to) {
                let cell = name(cell);
                if cell.is_empty() {
                    continue;
                }
                let value = finite(&cell).map_err(place)?;
                if value < 0.0 {
                    return Err(place(format!("`{}` is negative", shown(&cell))));
                }
                all.push((this.clone(), to.clone(), value * scale));
            }
            from.push(this);
        }
        Ok(all)
    }
}

fn finite(cell: &str) -> Result<f64, String> {
    if cell.is_empty() {
        return Err("an empty cell where a number is needed".to_owned());
    }
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("`{}` is not a finite number", shown(cell))),
    }
}

/// A number of a table, with a comma within where it says so.
fn number(cell: &str, table: &Table) -> Result<f64, String> {
    if !table.decimal_comma {
        return finite(cell);
    }
    if cell.contains('.') {
        return Err(format!("`{}` has a point beside `decimal=comma`", shown(cell)));
    }
    finite(&cell.replace(',', "."))
}

fn nanoseconds(unit: &str) -> Option<f64> {
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        .into_iter()
        .find_map(|(name, nanoseconds)| (name == unit).then_some(nanoseconds))
}

/// A time of a trace in nanoseconds from some origin.
fn instant_of(cell: &str, (unit, table): (TraceUnit, &Table)) -> Result<i128, String> {
    let digits =
        if table.decimal_comma { Cow::Owned(cell.replace(',', ".")) } else { Cow::Borrowed(cell) };
    match unit {
        TraceUnit::Nanoseconds(unit) => match instant::exact(&digits, unit) {
            Some(time) => Ok(time),
            None => {
                let time = number(cell, table)? * unit as f64;
                if time.abs() < 1e27 {
                    Ok(time as i128)
                } else {
                    Err(format!("`{}` is too large", shown(cell)))
                }
            }
        },
        TraceUnit::Filetime => instant::filetime(cell)
            .ok_or_else(|| format!("`{}` is no count of 100 ns since 1601", shown(cell))),
        TraceUnit::Datetime => instant::datetime(&digits).ok_or_else(|| {
            format!("`{}` is not a date and time such as 2023-11-16 18:15:46.680", shown(cell))
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    struct One(Vec<u8>);

    impl Files for One {
        fn read(&self, _: &str) -> Result<Vec<u8>, String> {
            Ok(self.0.clone())
        }
    }

    const SECONDS: TraceUnit = TraceUnit::Nanoseconds(1_000_000_000);

    fn column(file: &str, bytes: &[u8], name: &str) -> Result<Vec<f64>, String> {
        DataFiles::new("a/s.yaml", &One(bytes.to_vec())).column(&Table::plain(file), name)
    }

    fn times(text: &str, unit: TraceUnit) -> Result<Vec<i64>, String> {
        let files = One(text.as_bytes().to_vec());
        let data = DataFiles::new("s.yaml", &files);
        data.times(&Table::plain("f.csv"), "t", (unit, false)).map(|stamps| stamps.since)
    }

    fn first(text: &str, unit: TraceUnit) -> i128 {
        let files = One(text.as_bytes().to_vec());
        let data = DataFiles::new("s.yaml", &files);
        data.times(&Table::plain("f.csv"), "t", (unit, false)).unwrap().first
    }

    #[test]
    fn columns_are_read_by_name_from_every_packing() {
        let text = b"\xef\xbb\xbft,\"latency (ms)\"\r\n0,1.5\r\n1, 2\r\n";
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(text).unwrap();
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut &text[..], &mut xz).unwrap();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let zst = ruzstd::encoding::compress_to_vec(&text[..], level);
        let packed =
            [("f.csv", text.to_vec()), ("f.csv.gz", gz.finish().unwrap()), ("f.csv.xz", xz)];
        for (file, bytes) in packed.into_iter().chain([("f.csv.zst", zst)]) {
            let values = column(file, &bytes, "latency (ms)").unwrap();
            assert_eq!(values, [1.5, 2.0], "{file}");
            assert!(
                column(file, &bytes[..bytes.len() / 2], "t").is_err() || file == "f.csv",
                "{file}"
            );
        }
    }

    #[test]
    fn a_zst_file_may_have_several_frames() {
        let level = || ruzstd::encoding::CompressionLevel::Fastest;
        let mut bytes = ruzstd::encoding::compress_to_vec(&b"t\n1\n"[..], level());
        bytes.extend(ruzstd::encoding::compress_to_vec(&b"2\n"[..], level()));
        assert_eq!(column("f.zst", &bytes, "t").unwrap(), [1.0, 2.0]);
    }

    #[test]
    fn wrong_cells_are_named_with_their_row() {
        for (text, phrase) in [
            ("t,b\n1,2\nNaN,2\n", "row 2 (line 3): `NaN` is not a finite number"),
            ("t,b\n1,2\ninf,2\n", "`inf`"),
            ("t,b\n=1+2,2\n", "row 1 (line 2): `=1+2`"),
            ("t,b\n,2\n", "an empty cell"),
            ("t,b\n1\n", "1 cells where the header has 2"),
            ("t,b\n1,2,3\n", "3 cells"),
            ("tt,b\n1,2\n", "did you mean `tt`"),
            ("x,y\n1,2\n", "known here: `x`, `y`"),
            ("t,t\n1,2\n", "two columns"),
            ("", "there is no column `t`"),
        ] {
            let error = column("f.csv", text.as_bytes(), "t").unwrap_err();
            assert!(error.starts_with("`f.csv`: ") && error.contains(phrase), "{error}");
        }
        let long = format!("t\n{}\n", "1".repeat(3 << 20));
        assert!(column("f.csv", long.as_bytes(), "t").unwrap_err().contains("longer than 1 MiB"));
        assert!(column("../f.csv", b"t\n1\n", "t").unwrap_err().contains("leaves the folder"));
        assert!(column("f.gz", b"t\n1\n", "t").unwrap_err().contains("cannot be read"));
    }

    #[test]
    fn times_count_from_the_first_row_exactly() {
        let text = "t\n1700000000.123456789\n1700000000.123456790\n1700000001\n";
        assert_eq!(times(text, SECONDS).unwrap(), [0, 1, 876_543_211]);
        assert_eq!(times("t\n-2\n-1.5\n1e0\n", SECONDS).unwrap(), [0, 500_000_000, 3_000_000_000]);
        let text = "t\n2023-11-16 18:15:46.6805900\n2023-11-16T18:15:47Z\n2023-11-16T19:15:48+01:00\n2024-02-29 00:00\n";
        let day = 86_400 * 1_000_000_000_i64;
        let to_midnight = (5 * 3600 + 44 * 60 + 14) * 1_000_000_000 - 680_590_000;
        let expected = [0, 319_410_000, 1_319_410_000, to_midnight + day * (14 + 31 + 31 + 28)];
        assert_eq!(times(text, TraceUnit::Datetime).unwrap(), expected);
        for text in ["t\n2024-05-01T10:00:00.25Z\n", "t\n01/May/2024:12:00:00.25 +0200\n"] {
            let found = first(text, TraceUnit::Datetime);
            assert_eq!(found, 1_714_557_600_250_000_000, "{text}");
        }
        assert_eq!(
            first("t\n1714557600000\n", TraceUnit::Nanoseconds(1_000_000)),
            1_714_557_600_000_000_000
        );
    }

    /// The reader skips ends of lines only when it goes on: what it says is the row before's.
    #[test]
    fn the_line_told_is_the_row_s_own() {
        for (text, place) in [
            ("t\n1\nx\n", "row 2 (line 3)"),
            ("t\r\n1\r\nx\r\n", "row 2 (line 3)"),
            ("t\n\n1\n\n\nx\n", "row 2 (line 6)"),
            ("t\r\n\r\n1\r\n\r\nx\r\n", "row 2 (line 5)"),
            ("\u{feff}t\r\n1\r\nx", "row 2 (line 3)"),
            ("t\r1\rx\r", "row 2 (line 3)"),
            ("\nt\n\"1\"\nx\n", "row 2 (line 4)"),
        ] {
            let error = column("f.csv", text.as_bytes(), "t").unwrap_err();
            assert!(error.contains(place), "{text:?}: {error}");
        }
    }

    #[test]
    fn tables_are_split_as_they_say() {
        let cells = |text: &str, law: &str| {
            let law: crate::engine::law::NumberLaw = law.parse().unwrap();
            let (table, column) = law.tables().pop().unwrap();
            DataFiles::new("s.yaml", &One(text.as_bytes().to_vec())).column(&table, &column)
        };
        assert_eq!(cells("a;b\n1;2\n", "empirical(file=f column=b separator=;)").unwrap(), [2.0]);
        assert_eq!(
            cells("a\tb\n1\t2\n", "empirical(file=f column=b separator=tab)").unwrap(),
            [2.0]
        );
        assert_eq!(
            cells("1,2\n3,4\n", "empirical(file=f column=2 header=none)").unwrap(),
            [2.0, 4.0]
        );
        for (law, phrase) in [
            ("empirical(file=f column=b)", "write `separator=;`"),
            ("empirical(file=f column=3 separator=; header=none)", "`3` is none of 1 to 2"),
        ] {
            assert!(cells("a;b\n1;2\n", law).unwrap_err().contains(phrase));
        }
    }

    #[test]
    fn logs_give_their_columns() {
        let log = "192.0.2.7 - ann [01/May/2024:10:00:02 +0000] \"GET /a?b=1 HTTP/1.1\" 200 512 \"-\" \"x \\\" y\" 0.250\n\n\
                   192.0.2.8 - - [01/May/2024:10:00:01 +0000] \"-\" 408 - \"-\" \"-\" 31\r\n";
        let files = One(log.as_bytes().to_vec());
        let data = DataFiles::new("s.yaml", &files);
        let table = Table::new("a.log", crate::engine::law::Format::Combined);
        let numbers = |column: &str| data.column(&table, column).unwrap();
        assert_eq!(numbers("request_time"), [0.25, 31.0]);
        assert_eq!((numbers("status"), numbers("bytes")), (vec![200.0, 408.0], vec![512.0, 0.0]));
        let keys = |column: Option<&str>| data.keys(&table, column).unwrap();
        assert_eq!(keys(None), [text_key("/a?b=1"), text_key("-")]);
        assert_eq!(keys(Some("method"))[0], text_key("GET"));
        assert_eq!(keys(Some("agent"))[0], text_key("x \\\" y"));
        assert_eq!(keys(Some("user"))[0], text_key("ann"));
        let error = data.times(&table, "time", (TraceUnit::Datetime, false)).unwrap_err();
        assert!(error.contains("row 2 (line 3)") && error.contains("`sort=true`"), "{error}");
        let stamps = data.times(&table, "time", (TraceUnit::Datetime, true)).unwrap();
        assert_eq!(stamps.since, [0, -1_000_000_000]);
        assert!(data.column(&table, "bites").unwrap_err().contains("did you mean `bytes`"));
        let other = One(b"a\tb\n".to_vec());
        let error = DataFiles::new("s.yaml", &other).column(&table, "status").unwrap_err();
        assert!(error.contains("row 1 (line 1): no line of the combined"), "{error}");
    }

    #[test]
    fn times_do_not_go_back() {
        for (text, unit, phrase) in [
            ("t\n1\n3\n2\n", SECONDS, "row 3 (line 4): `2` is before the row above"),
            ("t\n1\n0\n", SECONDS, "is before the row above"),
            ("t\n0\n1e20\n", SECONDS, "too"),
            ("t\n2023-13-16 18:15:46\n", TraceUnit::Datetime, "is not a date"),
            ("t\n2023-11-16\n", TraceUnit::Datetime, "is not a date"),
            ("t\nä\n", TraceUnit::Datetime, "is not a date"),
        ] {
            let error = times(text, unit).unwrap_err();
            assert!(error.contains(phrase), "{error}");
        }
    }

    #[test]
    fn a_matrix_gives_each_direction() {
        let text = b"from,a,b\na,0,70\nb,80,\n".to_vec();
        let files = One(text);
        let data = DataFiles::new("s.yaml", &files);
        let spec = MatrixSpec { file: "m.csv".to_owned(), unit: "ms".to_owned(), round_trip: true };
        let all = data.matrix(&spec).unwrap();
        let wanted = [("a", "a", 0.0), ("a", "b", 35e6), ("b", "a", 40e6)];
        assert_eq!(all, wanted.map(|(from, to, ns)| (from.to_owned(), to.to_owned(), ns)));
    }
}
