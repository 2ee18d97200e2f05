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
        client::{AttributeSpec, ClientSpec, KeyLaw, KeysSpec},
        names::Names,
        traces::{Data, Rows, rows},
    },
    problem::Problems,
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
    /// Those of a client's own trace whose rows are rearranged, by (client, law).
    pub arranged_keys: BTreeMap<(String, String), Arc<[u64]>>,
    /// Latencies between regions.
    pub matrix: Vec<(String, String, f64)>,
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
        let mut prepared = Self { rows: rows(design, data, problems), ..Self::default() };
        for (name, client) in &design.clients {
            prepared.keys(&name.0, client, data, problems);
            prepared.attributes(&name.0, client, (names, data), problems);
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
        let shared = &self.keys[&law];
        self.arranged_keys.get(&(client.to_owned(), law)).unwrap_or(shared)
    }

    fn keys(&mut self, name: &str, spec: &ClientSpec, data: &dyn Data, problems: &mut Problems) {
        for law in spec.keys.iter().flat_map(KeysSpec::laws) {
            let text = law.to_string();
            if let Some(popularity) = law.popularity() {
                self.popularity.entry(text.clone()).or_insert_with(popularity);
            }
            let KeyLaw::Trace { table, column } = law else { continue };
            let path = || format!("clients.{name}.keys");
            if !self.keys.contains_key(&text) {
                match data.keys(table, column.as_deref()) {
                    Ok(keys) if keys.is_empty() => {
                        let message = format!("`{}` has no keys", table.file);
                        problems.error("E-TRACE", path(), message);
                    }
                    Ok(keys) => drop(self.keys.insert(text.clone(), keys.into())),
                    Err(message) => problems.error("E-TRACE", path(), message),
                }
            }
            let rows = self.rows.get(name).filter(|rows| rows.rearranged());
            if let (Some(rows), Some(keys)) = (rows, self.keys.get(&text))
                && spec.trace_table() == Some(table)
            {
                let keys = rows.arranged(keys.to_vec()).into();
                self.arranged_keys.insert((name.to_owned(), text), keys);
            }
        }
    }

    fn attributes(
        &mut self,
        name: &str,
        spec: &ClientSpec,
        (names, data): (&Names, &dyn Data),
        problems: &mut Problems,
    ) {
        let (Some(table), Some(rows)) = (spec.trace_table(), self.rows.get(name)) else { return };
        for (attribute, source) in &spec.attributes {
            let AttributeSpec::Column(column) = source else { continue };
            let number = |text: &str| names.word(text);
            let values = if names.compared.contains_key(&attribute.0) {
                data.words(table, column, &number)
            } else {
                data.column(table, column)
            };
            match values {
                Ok(values) => {
                    let values = rows.arranged(values).into();
                    self.attributes.insert((name.to_owned(), attribute.0.clone()), values);
                }
                Err(message) => {
                    let path = format!("clients.{name}.attributes.{}", attribute.0);
                    problems.error("E-TRACE", path, message);
                }
            }
        }
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
