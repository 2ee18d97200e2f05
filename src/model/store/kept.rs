//! What a store keeps, in bytes: as many keys as it holds of the mean size each.
//!
//! **Invariant.** Nothing is guessed: a number that the file does not say is an error.

use super::StoreSpec;
use crate::{
    model::{
        client::{KeyLaw, KeysSpec},
        ids::NodeId,
        names::Names,
    },
    units::ValueError,
};

impl StoreSpec {
    /// Keys and the mean size of a value, in bytes.
    ///
    /// # Errors
    /// The file does not say one of them.
    pub fn keeps(&self, id: NodeId, names: &Names) -> Result<(u64, f64), ValueError> {
        let size = self.mean_size()?;
        match self.keys {
            Some(keys) => Ok((keys.0, size)),
            None => Ok((keys_asked(id, names)?, size)),
        }
    }

    fn mean_size(&self) -> Result<f64, ValueError> {
        let Some(size) = &self.value_size else {
            let message = "what it keeps has no size";
            return Err(ValueError::new("E-MISSING", message).help("give `value_size: 2KB`"));
        };
        let mean = size.mean_of_law().filter(|mean| mean.is_finite());
        if let Some(mean) = mean.filter(|_| size.attributes().next().is_none()) {
            return Ok(mean);
        }
        let message = format!("the mean of `value_size: {size}` is not known beforehand");
        let help = "a constant, or a law with a mean and without attributes or files";
        Err(ValueError::new("E-CONFLICT", message).help(help))
    }
}

/// The keys that clients who reach a node can ask for: 1 to the largest.
fn keys_asked(id: NodeId, names: &Names) -> Result<u64, ValueError> {
    let unknown = |why: String| {
        ValueError::new("E-MISSING", format!("how many keys it holds is not known: {why}"))
            .help("give `keys: 1M` here")
    };
    let calls = names.calls();
    let mut most = 0;
    for (name, client) in &names.design.clients {
        if !names.reached_by(client, &calls, |_| true).contains(&usize::from(id)) {
            continue;
        }
        let laws = client.keys.iter().flat_map(KeysSpec::laws).map(KeyLaw::count);
        let counts: Option<Vec<u64>> = laws.collect();
        let Some(counts) = counts else {
            return Err(unknown(format!("those of `{}` stand in a file", name.0)));
        };
        let largest = counts.into_iter().max();
        most = most.max(largest.ok_or_else(|| unknown(format!("`{}` has no `keys`", name.0)))?);
    }
    if most == 0 {
        return Err(unknown("no client reaches it".to_owned()));
    }
    Ok(most)
}
