//! What all replications of a scenario share: its names and the heavy tables.
//!
//! **Invariant.** Whatever a replication does is a function of the plan and its seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    engine::{
        law::{Format, Table, Tables, check_column},
        popularity::Popularity,
    },
    model::{
        client::{
            Arrivals, AttributeSpec, ClientSpec, KeyLaw, KeysSpec, LoadSpec,
            check::MAX_REQUESTS,
            curve::{Curve, CurveUnit},
            load::Profile,
        },
        names::Names,
        network::ground::Ground,
        traces::{
            Data, Rows,
            operations::{LEFT_OUT, Reader},
            rows,
        },
    },
    problem::Problems,
    units::{Rate, SimDuration},
};

/// Heavy tables made once and shared by all replications.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Key popularity by the law's text.
    pub popularity: BTreeMap<String, Popularity>,
    /// Rows of each client that replays a trace.
    pub rows: BTreeMap<String, Rows>,
    /// Columns of such a trace by (client, attribute), in the order of its rows.
    pub attributes: BTreeMap<(String, String), Arc<[f64]>>,
    /// Columns laws read, by (table, column).
    pub columns: BTreeMap<(Table, String), Arc<[f64]>>,
    /// Keys of a file by the law's text.
    pub keys: BTreeMap<String, Arc<[u64]>>,
    /// Those of a client's own trace, as its rows come, by (client, law).
    pub arranged_keys: BTreeMap<(String, String), Arc<[u64]>>,
    /// Operation of each row of a client's trace, where rows say it.
    pub operations: BTreeMap<String, Arc<[u8]>>,
    /// Loads that follow a file, by client.
    pub curves: BTreeMap<String, Arc<Curve>>,
    /// Latencies between regions.
    pub matrix: Vec<(String, String, f64)>,
    /// Where everything stands.
    pub ground: Ground,
}

impl Tables for Prepared {
    fn column(&self, table: &Table, column: &str) -> Result<Vec<f64>, String> {
        let known = self.columns.get(&(table.clone(), column.to_owned()));
        known
            .map(|c| c.to_vec())
            .ok_or_else(|| format!("column `{column}` of `{}` was not loaded", table.file))
    }
}

impl Prepared {
    /// Loads and builds what the design needs; problems are reported at their paths.
    pub fn new(names: &Names, data: &dyn Data, problems: &mut Problems) -> Self {
        let design = names.design.as_ref();
        let rows = rows(design, data, problems);
        let mut prepared = Self { rows, ground: Ground::of(names), ..Self::default() };
        for (name, client) in &design.clients {
            prepared.replayed(&name.0, client, (names, data), problems);
            prepared.keys(&name.0, client, data, problems);
            prepared.curve(&name.0, client, (design.duration, data), problems);
        }
        prepared.check_words(names, problems);
        let mut unreadable = BTreeSet::new();
        for (path, table, column) in design.files() {
            let entry = (table.clone(), column.clone());
            if prepared.columns.contains_key(&entry) {
                continue;
            }
            match data.column(&table, &column) {
                Ok(values) => {
                    data.left_out().warn(&table.file, &path, problems);
                    prepared.columns.insert(entry, values.into());
                    if let Err(message) = check_column(&table, &column, &prepared) {
                        problems.error("E-TRACE", path, message);
                    }
                }
                // A law that needs two columns of a file says once that it cannot be read.
                Err(_) if table.format == Format::Percentiles && !unreadable.insert(table) => {}
                Err(message) => problems.error("E-TRACE", path, message),
            }
        }
        if let Some(matrix) = &design.network.regions {
            match data.matrix(matrix) {
                Ok(rows) => prepared.matrix = rows,
                Err(message) => problems.error("E-TRACE", "network.regions", message),
            }
        }
        prepared
    }

    /// The keys a law of a client reads from a file.
    pub fn keys_of(&self, client: &str, law: &KeyLaw) -> &Arc<[u64]> {
        let law = law.to_string();
        let own = self.arranged_keys.get(&(client.to_owned(), law.clone()));
        own.unwrap_or_else(|| &self.keys[&law])
    }

    fn keys(&mut self, name: &str, spec: &ClientSpec, data: &dyn Data, problems: &mut Problems) {
        for law in spec.keys.iter().flat_map(KeysSpec::laws) {
            let text = law.to_string();
            if let Some(popularity) = law.popularity() {
                self.popularity.entry(text.clone()).or_insert_with(popularity);
            }
            let KeyLaw::Trace { table, column } = law else { continue };
            let path = || format!("clients.{name}.keys");
            let (table, own) = spec.key_table(table);
            if !own && self.keys.contains_key(&text) {
                continue;
            }
            let keys = match data.keys(&table, column.as_deref()) {
                Ok(keys) if keys.is_empty() => {
                    let message = format!("`{}` has no keys", table.file);
                    problems.error("E-TRACE", path(), message);
                    continue;
                }
                Ok(keys) => {
                    // Of the trace's own file it is told.
                    if !own {
                        data.left_out().warn(&table.file, &path(), problems);
                    }
                    keys
                }
                Err(message) => {
                    problems.error("E-TRACE", path(), message);
                    continue;
                }
            };
            match self.rows.get(name).filter(|_| own) {
                Some(rows) => {
                    let keys = rows.arranged(keys).into();
                    self.arranged_keys.insert((name.to_owned(), text), keys);
                }
                None => drop(self.keys.insert(text, keys.into())),
            }
        }
    }

    /// Reads what rows of a client's trace say besides their time, leaves out those that are none, and puts all in order.
    fn replayed(
        &mut self,
        name: &str,
        spec: &ClientSpec,
        (names, data): (&Names, &dyn Data),
        problems: &mut Problems,
    ) {
        let Arrivals::Trace(trace) = &spec.arrivals else { return };
        let Some(mut rows) = self.rows.remove(name) else { return };
        let path = format!("clients.{name}");
        let mut told = Problems::default();
        let operations = spec.operation.as_ref().map(|asked| {
            let read = Reader { data, rows: &rows, path: format!("{path}.operation") };
            read.operations(asked, spec, &mut told)
        });
        let read = |column: &str,
                    word: Option<&dyn Fn(&str) -> f64>,
                    path: String,
                    told: &mut Problems| {
            let read = data.numbers(&rows.table, column, word);
            read.inspect_err(|message| told.error("E-TRACE", path, message.clone())).ok()
        };
        let mut columns = Vec::new();
        for (attribute, source) in &spec.attributes {
            let AttributeSpec::Column(column) = source else { continue };
            let word = |text: &str| names.word(text);
            let word: Option<&dyn Fn(&str) -> f64> =
                if names.compared.contains_key(&attribute.0) { Some(&word) } else { None };
            let path = format!("{path}.attributes.{}", attribute.0);
            columns.extend(read(column, word, path, &mut told).map(|values| (attribute, values)));
        }
        let path = format!("{path}.arrivals");
        let counts = trace.count.as_ref();
        let counts = counts.and_then(|column| read(column, None, path.clone(), &mut told));
        let wrong = told.any_error();
        told.into_vec().into_iter().for_each(|problem| problems.add(problem));
        if wrong {
            return;
        }
        let numbers = || columns.iter().map(|column| &column.1).chain(&counts);
        let bad = |row: usize| numbers().any(|values| values[row].is_nan());
        let left_out = |row: usize| operations.as_ref().is_some_and(|all| all[row] == LEFT_OUT);
        rows.skip(&bad, &left_out, (data, &trace.column));
        if let Some(counts) = &counts
            && let Err(message) = rows.repeat(counts)
        {
            return problems.error("E-TRACE", path, message);
        }
        if rows.times.is_empty() {
            let message = format!("no row of `{}` is left", rows.table.file);
            return problems.error("E-TRACE", path, message);
        }
        rows.compare((trace, names.design.duration), (data, &path), problems);
        for (attribute, values) in columns {
            let values = rows.arranged(values).into();
            self.attributes.insert((name.to_owned(), attribute.0.clone()), values);
        }
        if let Some(operations) = operations {
            self.operations.insert(name.to_owned(), rows.arranged(operations).into());
        }
        self.rows.insert(name.to_owned(), rows);
    }

    /// Reads the file a client's load follows.
    fn curve(
        &mut self,
        name: &str,
        spec: &ClientSpec,
        (duration, data): (u64, &dyn Data),
        problems: &mut Problems,
    ) {
        let Some(LoadSpec::Curve(curve)) = &spec.load else { return };
        let (path, file) = (format!("clients.{name}.load"), &curve.table.file);
        let (read, tally) = match data.curve(curve) {
            Ok(read) => read,
            Err(message) => return problems.error("E-TRACE", path, message),
        };
        tally.warn(file, &path, problems);
        if read.before > 0 {
            let message =
                format!("{} rows of `{file}` are before `start` and are left out", read.before);
            problems.warn("W-ROWS", &path, message, "an earlier `start` keeps them");
        }
        if let Some(end) = read.ends().filter(|end| *end < duration - duration / 10) {
            let (end, until) = (SimDuration(end), SimDuration(duration));
            let message = format!(
                "`{file}` ends at {end}, the run goes on until {until}: nothing comes then"
            );
            problems.warn(
                "W-TRACE",
                &path,
                message,
                "`at_end=hold`, `at_end=repeat`, or a shorter `duration`",
            );
        }
        let rate = match &spec.arrivals {
            Arrivals::Poisson { rate, .. } | Arrivals::Constant(rate) => Some(rate.0),
            _ => None,
        };
        if let Some(rate) = rate.filter(|rate| curve.unit != CurveUnit::Factor && *rate != 1.0) {
            let message = format!(
                "the rates of `{file}` are multiplied by {rate}, as the rate beside them is {}",
                Rate(rate)
            );
            problems.warn(
                "W-TRACE",
                &path,
                message,
                "beside `poisson(1/s)` they are as they stand",
            );
        }
        let expected = rate.map(|rate| Profile::new(rate, None, None).along(read.clone().into()));
        match expected.map(|profile| profile.expected(duration)) {
            Some(Some(expected)) if expected > MAX_REQUESTS => {
                let message =
                    format!("about {expected:.1e} requests; the limit is {MAX_REQUESTS:.0e}");
                return problems.error_help(
                    "E-BUDGET",
                    path,
                    message,
                    "a shorter time, or a smaller `scale=`",
                );
            }
            Some(Some(0.0)) => {
                let message = "this client sends nothing: its load is 0 throughout";
                problems.warn("W-SILENT", path, message, "are `start=` and the column right?");
            }
            _ => {}
        }
        self.curves.insert(name.to_owned(), Arc::new(read));
    }

    /// Warns of names that columns are compared with and never hold.
    fn check_words(&self, names: &Names, problems: &mut Problems) {
        for (attribute, words) in &names.compared {
            let columns: Vec<_> = self.attributes.iter().filter(|c| c.0.1 == *attribute).collect();
            let Some(((client, _), _)) = columns.first() else { continue };
            for word in words.iter().filter(|word| !names.literals.contains_key(*word)) {
                let number = names.word(word).to_bits();
                if !columns.iter().any(|(_, c)| c.iter().any(|v| v.to_bits() == number)) {
                    let path = format!("clients.{client}.attributes.{attribute}");
                    let message =
                        format!("`when:` asks for `{word}`, which no row of its column is");
                    problems.warn("W-TRACE", path, message, "capitals count: `GET` is not `get`");
                }
            }
        }
    }
}

impl KeyLaw {
    /// How to build its sampler, if it is drawn.
    fn popularity(&self) -> Option<impl FnOnce() -> Popularity + use<>> {
        let law = self.clone();
        let drawn = !matches!(law, Self::Sequential { .. } | Self::Trace { .. });
        drawn.then_some(move || match law {
            Self::Zipf { n, s } => Popularity::zipf(n, s),
            Self::Uniform { n } => Popularity::uniform(n),
            Self::Hot { n, hot, share } => Popularity::hot(n, hot.0, share.0),
            Self::Sequential { .. } | Self::Trace { .. } => unreachable!("not drawn"),
        })
    }
}

/// A scenario that was checked: what all its replications share.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names.
    pub names: Names,
    /// Tables.
    pub prepared: Prepared,
}
