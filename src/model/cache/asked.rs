//! Who asks a cache for which keys, as far as the file says.

use crate::{
    model::{client::KeyLaw, names::Names, service::StepSpec},
    units::Name,
};

/// Keys a cache is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The node they are of: its place among those behind the cache.
    pub source: usize,
    /// Which.
    pub law: KeyLaw,
    /// Requests per second, where that is known of all; else 1.
    pub weight: f64,
}

impl Names {
    /// What a cache is asked for, by whom and how often.
    pub fn asked(&self, cache: &str, sources: &[String]) -> Vec<Asked> {
        // Who reads past it: the service, the node behind it, the key.
        let mut readers: Vec<(&str, usize, Option<&Name>)> = Vec::new();
        for (name, spec) in &self.design.nodes {
            let Some(service) = spec.steps() else { continue };
            for steps in service.lists() {
                reads(steps, cache, &mut |store, key| {
                    let source = sources.iter().position(|source| source == store);
                    readers.extend(source.map(|source| (name.0.as_str(), source, key)));
                });
            }
        }
        let direct = readers.is_empty().then_some((cache, 0, None));
        let calls = self.calls();
        let mut asking: Vec<(Option<f64>, Vec<(usize, &KeyLaw)>)> = Vec::new();
        for client in self.design.clients.values() {
            let reached = self.reached_by(client, &calls, |call| !call.by_itself);
            let mut laws = Vec::new();
            for &(node, source, key) in readers.iter().chain(&direct) {
                let law = client.keys.as_ref().and_then(|keys| keys.law(key));
                let comes = reached.iter().any(|&at| self.name(at) == node);
                let new = law.map(|law| (source, law)).filter(|new| comes && !laws.contains(new));
                laws.extend(new);
            }
            if !laws.is_empty() {
                asking.push((client.mean_rate(), laws));
            }
        }
        let known = asking.iter().all(|(rate, _)| rate.is_some());
        let mut found: Vec<Asked> = Vec::new();
        for (rate, laws) in asking {
            let weight = rate.filter(|_| known).unwrap_or(1.0);
            for (source, law) in laws {
                let same = |asked: &&mut Asked| asked.source == source && asked.law == *law;
                match found.iter_mut().find(same) {
                    Some(asked) => asked.weight += weight,
                    None => found.push(Asked { source, law: law.clone(), weight }),
                }
            }
        }
        found
    }
}

/// Every read of these steps that looks into a cache first: its store and its key.
fn reads<'s>(steps: &'s [StepSpec], cache: &str, found: &mut dyn FnMut(&str, Option<&'s Name>)) {
    for step in steps {
        if let (Some((tiers, None)), Some((store, _, key, _))) = (step.caching(), step.target())
            && tiers.0.iter().any(|tier| tier.0 == cache)
        {
            found(&store, key);
        }
        step.inner().iter().for_each(|(_, steps)| reads(steps, cache, found));
    }
}
