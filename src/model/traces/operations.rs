//! Which operation each row of a trace is.
//!
//! **Invariant.** Each value of the column is an operation, is left out as it was asked, or is told.

use std::collections::BTreeMap;

use super::{Data, Rows};
use crate::{
    expr::clip,
    model::client::{ClientSpec, OtherRows, RowOperations},
    problem::Problems,
};

/// Stands for the operation of a row that is left out.
pub const LEFT_OUT: u8 = u8::MAX;
/// Values that are no operations and are told by name, at most.
const TOLD: usize = 5;
/// Such values that are told apart, at most.
const APART: usize = 1000;

/// What rows of a trace say of themselves.
pub struct Reader<'a> {
    /// The files.
    pub data: &'a dyn Data,
    /// The trace.
    pub rows: &'a Rows,
    /// Where it stands in the scenario.
    pub path: String,
}

/// Values of a column that are no operations: how often each came.
#[derive(Default)]
struct Strange {
    values: BTreeMap<String, u64>,
    /// Rows with values beyond those.
    more: u64,
    first: Option<u32>,
}

impl Strange {
    fn comes(&mut self, value: &str, row: u32) {
        self.first.get_or_insert(row);
        if let Some(count) = self.values.get_mut(value) {
            *count += 1;
        } else if self.values.len() < APART {
            self.values.insert(value.to_owned(), 1);
        } else {
            self.more += 1;
        }
    }

    fn rows(&self) -> u64 {
        self.values.values().sum::<u64>() + self.more
    }

    /// `` `del` (12 rows), `cas` (2 rows) and 3 others ``, the most frequent first.
    fn shown(&self) -> String {
        let mut all: Vec<_> = self.values.iter().collect();
        all.sort_by_key(|(value, count)| (std::cmp::Reverse(**count), *value));
        let one = |(value, count): &(&String, &u64)| format!("`{}` ({count} rows)", clip(value));
        let told: Vec<String> = all.iter().take(TOLD).map(one).collect();
        let more = all.len().saturating_sub(TOLD);
        let more = if more > 0 { format!(" and {more} others") } else { String::new() };
        format!("{}{more}", told.join(", "))
    }
}

impl Reader<'_> {
    /// The operation of each row by its number in the client; [`LEFT_OUT`] of those that are none.
    pub fn operations(
        &self,
        asked: &RowOperations,
        spec: &ClientSpec,
        problems: &mut Problems,
    ) -> Vec<u8> {
        let known = spec.operations();
        let number = |name: &str| known.iter().position(|known| known.0 == name).map(|i| i as u8);
        let mut of: BTreeMap<&str, u8> =
            known.iter().enumerate().map(|(i, known)| (known.0.as_str(), i as u8)).collect();
        for (value, operation) in &asked.named {
            let number = operation.as_ref().and_then(|name| number(&name.0)).unwrap_or(LEFT_OUT);
            of.insert(value, number);
        }
        let other = asked.other.operation().and_then(|name| number(&name.0));
        let (mut strange, mut skipped) = (Strange::default(), Strange::default());
        let mut all = Vec::new();
        let read = self.data.texts(&self.rows.table, &asked.column, &mut |value| {
            let row = all.len() as u32;
            let number = of.get(value).copied().or(other).unwrap_or_else(|| {
                strange.comes(value, row);
                LEFT_OUT
            });
            if number == LEFT_OUT && of.contains_key(value) {
                skipped.comes(value, row);
            }
            all.push(number);
        });
        if let Err(message) = read {
            problems.error("E-TRACE", &self.path, message);
        }
        let line = |strange: &Strange| {
            let line =
                strange.first.and_then(|row| self.data.line(&self.rows.table, &asked.column, row));
            line.map_or(String::new(), |line| format!(": the first is line {line}"))
        };
        let column = clip(&asked.column);
        let left_out = |strange: &Strange| {
            let (rows, total) = (strange.rows(), all.len());
            let (values, line) = (strange.shown(), line(strange));
            format!(
                "{rows} of {total} rows are left out by what they have in `{column}`, {values}{line}"
            )
        };
        if !strange.values.is_empty() && asked.other == OtherRows::Refused {
            let near =
                mapped(&strange, &known.iter().map(|known| known.0.as_str()).collect::<Vec<_>>());
            let help = format!(
                "`column({column} {near})` takes it for that, `other=skip` leaves such rows out"
            );
            let values = strange.shown();
            let message = format!(
                "column `{column}` has what is no operation of this client: {values}{}",
                line(&strange)
            );
            problems.error_help("E-TRACE", &self.path, message, help);
        } else if !strange.values.is_empty() {
            problems.warn(
                "W-ROWS",
                &self.path,
                left_out(&strange),
                "`other=` with an operation keeps them",
            );
        }
        if !skipped.values.is_empty() {
            problems.warn("W-ROWS", &self.path, left_out(&skipped), "as it is asked");
        }
        all
    }
}

/// How a value that is no operation is taken for one: for the one that differs by capitals, else for the first.
fn mapped(strange: &Strange, known: &[&str]) -> String {
    let same = |value: &str| known.iter().find(|known| known.eq_ignore_ascii_case(value));
    let near = strange.values.keys().find_map(|value| Some((value.as_str(), same(value)?)));
    let first = strange.values.keys().next().map_or("", String::as_str);
    let (value, operation) = near.unwrap_or((first, &known[0]));
    format!("{value}={operation}")
}
