//! Instants of the world outside: what traces and logs have in their column of times.
//!
//! **Invariant.** An instant is exact to the nanosecond; digits below are cut.

/// `12.345` times a unit, without the rounding of floating point; digits below 1 ns are cut.
pub fn exact(cell: &str, unit: u64) -> Option<i128> {
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

/// Windows' count of 100 ns since 1601 -> ns since 1970.
pub fn filetime(cell: &str) -> Option<i128> {
    const FROM_1601: i128 = 11_644_473_600_000_000_000;
    exact(cell, 100).map(|since| since - FROM_1601)
}

/// `2023-11-16 18:15:46.6805900`, `2023-11-16T18:15:46Z`, `…+01:00`, and as web servers write it
/// `16/Nov/2023:18:15:46 +0000` -> ns since 1970.
pub fn datetime(cell: &str) -> Option<i128> {
    if let Some((day, rest)) = cell.split_once('/') {
        let (month, rest) = rest.split_once('/')?;
        let (year, clock) = rest.split_once(':')?;
        let month = 1 + MONTHS.iter().position(|name| *name == month)?;
        return datetime(&format!("{year}-{month:02}-{day} {clock}"));
    }
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

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

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
