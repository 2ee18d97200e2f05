//! Data files a scenario refers to: columns of CSV files, plain or packed, and matrices.
//!
//! Files are unpacked and read as a stream; only the numbers asked for are kept. `.xz` is the
//! exception: its decoder only writes, so such a file is unpacked in memory first.
//!
//! **Invariant.** Every number handed out is finite, every time is at or after the one before, and a
//! file that is refused is refused with its row.

use std::{
    cell::Cell,
    io::{self, BufReader, Read},
};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::{
    key_file,
    load::{Files, folder, inside},
    problems::{shown, suggest},
};
use crate::{
    engine::law::Tables,
    model::{build::Data, client::TraceUnit, network::MatrixSpec},
};

/// Most numbers of all columns of one scenario together.
const MAX_VALUES: usize = 200_000_000;
/// Most bytes a file may unpack to.
const MAX_UNPACKED: u64 = 4 << 30;
/// Most bytes an `.xz` file may unpack to: it is held in memory.
const MAX_UNPACKED_XZ: usize = 1 << 30;
/// Longest line; a longer one is no table.
const MAX_LINE: u64 = 1 << 20;
/// Most regions of a matrix.
const MAX_REGIONS: usize = 2000;

/// The data files of one scenario.
#[derive(Clone)]
pub struct DataFiles<'f> {
    files: &'f dyn Files,
    root: String,
    taken: Cell<usize>,
}

impl std::fmt::Debug for DataFiles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataFiles").field("root", &self.root).finish_non_exhaustive()
    }
}

impl<'f> DataFiles<'f> {
    /// The files beside the scenario at `path`.
    pub fn new(path: &str, files: &'f dyn Files) -> Self {
        Self { files, root: folder(path), taken: Cell::new(0) }
    }

    fn bytes(&self, file: &str) -> Result<Vec<u8>, String> {
        let path = inside(&self.root, &self.root, file)?;
        self.files.read(&path).map_err(|why| format!("`{}` {why}", shown(file)))
    }

    /// Feeds every cell of a column to `take`.
    fn cells(
        &self,
        file: &str,
        column: &str,
        take: &mut dyn FnMut(&str) -> Result<(), String>,
    ) -> Result<(), String> {
        let bytes = self.bytes(file)?;
        let wrong = |why: String| format!("`{}`: {why}", shown(file));
        let mut table = reader(file, &bytes).map_err(wrong)?;
        let header = table.byte_headers().map_err(|e| wrong(unreadable(&e)))?.clone();
        let index = column_index(&header, column).map_err(wrong)?;
        let mut record = ByteRecord::new();
        let mut row = 0_usize;
        while table.read_byte_record(&mut record).map_err(|e| wrong(unreadable(&e)))? {
            row += 1;
            let line = record.position().map_or(0, csv::Position::line);
            let place = |why: String| wrong(format!("row {row} (line {line}): {why}"));
            if record.len() != header.len() {
                let (found, wanted) = (record.len(), header.len());
                return Err(place(format!("{found} cells where the header has {wanted}")));
            }
            self.taken.set(self.taken.get() + 1);
            if self.taken.get() > MAX_VALUES {
                return Err(place(format!("more than {MAX_VALUES} values in all")));
            }
            let cell = std::str::from_utf8(&record[index])
                .map_err(|_| place("the cell is not valid UTF-8".to_owned()))?;
            take(cell.trim()).map_err(place)?;
        }
        Ok(())
    }
}

impl Tables for DataFiles<'_> {
    fn column(&self, file: &str, column: &str) -> Result<Vec<f64>, String> {
        let mut values = Vec::new();
        self.cells(file, column, &mut |cell| {
            values.push(finite(cell)?);
            Ok(())
        })?;
        Ok(values)
    }
}

impl Data for DataFiles<'_> {
    fn times(&self, file: &str, column: &str, unit: TraceUnit) -> Result<Vec<u64>, String> {
        let mut times = Vec::new();
        let mut first = 0;
        self.cells(file, column, &mut |cell| {
            let time = instant(cell, unit)?;
            if times.is_empty() {
                first = time;
            }
            let since = u64::try_from(time - first)
                .map_err(|_| format!("`{}` is too far from the first row", shown(cell)));
            // Before the first row is before the previous one, too.
            match times.last() {
                Some(last) if time < first || *last > since.clone()? => Err(format!(
                    "`{}` is before the row above: times must not go back",
                    shown(cell)
                )),
                _ => {
                    times.push(since?);
                    Ok(())
                }
            }
        })?;
        Ok(times)
    }

    fn keys(&self, file: &str, column: Option<&str>) -> Result<Vec<u64>, String> {
        let wrong = |why: String| format!("`{}`: {why}", shown(file));
        let mut keys = Vec::new();
        if let Some(column) = column {
            self.cells(file, column, &mut |cell| {
                let key = cell.parse().map_err(|_| format!("`{}` is not a key", shown(cell)))?;
                keys.push(key);
                Ok(())
            })?;
            return Ok(keys);
        }
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
        let mut table = reader(&spec.file, &bytes).map_err(wrong)?;
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

type Table<'b> = csv::Reader<Box<dyn Read + 'b>>;

/// A table over the bytes of a file.
fn reader<'b>(file: &str, bytes: &'b [u8]) -> Result<Table<'b>, String> {
    let unpacked = unpacked(file, bytes)?;
    let bounded = Bounded { inner: BufReader::new(unpacked), left: MAX_UNPACKED, line: 0 };
    let mut bounded = BufReader::new(bounded);
    skip_mark(&mut bounded).map_err(|e| format!("cannot be read: {}", shown(&e.to_string())))?;
    let plain: Box<dyn Read + 'b> = Box::new(bounded);
    Ok(csv::ReaderBuilder::new().flexible(true).from_reader(plain))
}

/// The bytes of a file, unpacked by its extension.
fn unpacked<'b>(file: &str, bytes: &'b [u8]) -> Result<Box<dyn Read + 'b>, String> {
    let lower = file.to_ascii_lowercase();
    let has = |extension: &str| lower.ends_with(extension);
    Ok(if has(".gz") {
        Box::new(MultiGzDecoder::new(bytes))
    } else if has(".zst") {
        Box::new(Frames { rest: bytes, decoder: None })
    } else if has(".xz") {
        Box::new(io::Cursor::new(unpack_xz(bytes)?))
    } else {
        Box::new(bytes)
    })
}

/// Drops a byte order mark.
fn skip_mark<R: Read>(reader: &mut BufReader<R>) -> io::Result<()> {
    use io::BufRead as _;
    if reader.fill_buf()?.starts_with(&[0xef, 0xbb, 0xbf]) {
        reader.consume(3);
    }
    Ok(())
}

fn unpack_xz(bytes: &[u8]) -> Result<Vec<u8>, String> {
    struct Most(Vec<u8>);
    impl io::Write for Most {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() + bytes.len() > MAX_UNPACKED_XZ {
                return Err(io::Error::other("it unpacks to more than 1 GiB"));
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut unpacked = Most(Vec::new());
    let mut packed = bytes;
    lzma_rs::xz_decompress(&mut packed, &mut unpacked)
        .map_err(|e| format!("cannot be unpacked: {}", shown(&e.to_string())))?;
    Ok(unpacked.0)
}

/// The frames of a `.zst` file one after the other.
struct Frames<'b> {
    rest: &'b [u8],
    decoder: Option<StreamingDecoder<&'b [u8], ruzstd::decoding::FrameDecoder>>,
}

impl Read for Frames<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                if self.rest.is_empty() {
                    return Ok(0);
                }
                let decoder = StreamingDecoder::new(self.rest).map_err(io::Error::other)?;
                self.decoder = Some(decoder);
                continue;
            };
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.rest = self.decoder.take().map_or(&[], StreamingDecoder::into_inner);
        }
    }
}

/// Refuses what unpacks to too much, and lines no table has.
struct Bounded<R> {
    inner: R,
    left: u64,
    line: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("it unpacks to more than 4 GiB"))?;
        match buffer[..read].iter().rposition(|b| *b == b'\n' || *b == b'\r') {
            Some(newline) => self.line = (read - newline) as u64,
            None => self.line += read as u64,
        }
        if self.line > MAX_LINE {
            return Err(io::Error::other("a line is longer than 1 MiB"));
        }
        Ok(read)
    }
}

fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(cause) => format!("cannot be read: {}", shown(&cause.to_string())),
        _ => shown(&error.to_string()),
    }
}

fn column_index(header: &ByteRecord, column: &str) -> Result<usize, String> {
    let names: Vec<String> =
        header.iter().map(|cell| String::from_utf8_lossy(cell).trim().to_owned()).collect();
    let mut here = names.iter().enumerate().filter(|(_, name)| *name == column);
    match (here.next(), here.next()) {
        (Some((index, _)), None) => Ok(index),
        (Some(_), Some(_)) => Err(format!("two columns are called `{}`", shown(column))),
        (None, _) => {
            let help = suggest(column, names.iter().map(String::as_str));
            let help = help.map_or(String::new(), |help| format!("; {help}"));
            Err(format!("there is no column `{}`{help}", shown(column)))
        }
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

fn nanoseconds(unit: &str) -> Option<f64> {
    [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)]
        .into_iter()
        .find_map(|(name, nanoseconds)| (name == unit).then_some(nanoseconds))
}

/// A time of a trace in nanoseconds from some origin.
fn instant(cell: &str, unit: TraceUnit) -> Result<i128, String> {
    match unit {
        TraceUnit::Nanoseconds(unit) => match exact(cell, unit) {
            Some(time) => Ok(time),
            None => {
                let time = finite(cell)? * unit as f64;
                if time.abs() < 1e27 {
                    Ok(time as i128)
                } else {
                    Err(format!("`{}` is too large", shown(cell)))
                }
            }
        },
        TraceUnit::Datetime => datetime(cell).ok_or_else(|| {
            format!("`{}` is not a date and time such as 2023-11-16 18:15:46.680", shown(cell))
        }),
    }
}

/// `12.345` times a unit, without the rounding of floating point; digits below 1 ns are cut.
fn exact(cell: &str, unit: u64) -> Option<i128> {
    let (negative, digits) = match cell.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, cell),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() > 18 {
        return None;
    }
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_i128.pow(fraction.len() as u32);
    let whole: i128 = whole.parse().ok()?;
    let part: i128 = fraction.parse().ok()?;
    let time = whole * i128::from(unit) + part * i128::from(unit) / scale;
    Some(if negative { -time } else { time })
}

/// `2023-11-16 18:15:46.6805900`, `2023-11-16T18:15:46Z`, `…+01:00` -> ns since 1970.
fn datetime(cell: &str) -> Option<i128> {
    let (date, clock) = cell.split_once(['T', ' '])?;
    let (clock, offset) = match clock.find(['Z', 'z', '+', '-']) {
        Some(at) => (clock[..at].trim_end(), zone(&clock[at..])?),
        None => (clock, 0),
    };
    let mut date = date.split('-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(digits);
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let sane = date.next().is_none()
        && parts.next().is_none()
        && (1..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    digits(fraction)?;
    let nanoseconds: i128 = format!("{fraction:0<9}")[..9].parse().ok()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    sane.then(|| i128::from(seconds) * 1_000_000_000 + nanoseconds)
}

/// The offset of `Z`, `+01:00`, `-0530`, `+02` in seconds.
fn zone(text: &str) -> Option<i64> {
    let sign = match text.as_bytes().first()? {
        b'Z' | b'z' => return (text.len() == 1).then_some(0),
        b'-' => -1,
        _ => 1,
    };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let number = self::digits(&digits)?;
    match digits.len() {
        2 => Some(sign * number * 3600),
        4 => Some(sign * (number / 100 * 3600 + number % 100 * 60)),
        _ => None,
    }
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
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
        DataFiles::new("a/s.yaml", &One(bytes.to_vec())).column(file, name)
    }

    fn times(text: &str, unit: TraceUnit) -> Result<Vec<u64>, String> {
        DataFiles::new("s.yaml", &One(text.as_bytes().to_vec())).times("f.csv", "t", unit)
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
        let day = 86_400 * 1_000_000_000_u64;
        let to_midnight = (5 * 3600 + 44 * 60 + 14) * 1_000_000_000 - 680_590_000;
        let expected = [0, 319_410_000, 1_319_410_000, to_midnight + day * (14 + 31 + 31 + 28)];
        assert_eq!(times(text, TraceUnit::Datetime).unwrap(), expected);
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
