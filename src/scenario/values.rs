//! The part of the reference that no type of the schema tells: forms of values with their units, laws,
//! figures of targets, codes.
//!
//! **Invariant.** Every form listed here is read by the type it stands for; tests read each of them.

use std::fmt::Write as _;

use crate::{cause::Cause, problem::CODES};

/// Types of values: name, forms, and what is to be known.
pub(super) const VALUES: &[(&str, &str, &str)] = &[
    (
        "duration",
        "`250ns` `250us` `5ms` `2s` `10m` `1h` `7d`",
        "units ns, us, ms, s, m (minutes), h, d; whole nanoseconds; no blank before the unit",
    ),
    (
        "rate",
        "`1200/s` `2k/s` `90/min` `5/h` `5M/day` `3/ms` `1/us`",
        "a number, perhaps with k, M, G or T, per s, min, h, day, ms or us",
    ),
    (
        "size",
        "`512B` `2KB` `2MB` `10GB` `1TB` `1PB` `2KiB` `2MiB` `1GiB`",
        "KB is 1000 bytes, KiB 1024",
    ),
    (
        "bandwidth",
        "`1Gbps` `100Mbps` `64kbps` `100MB/s` `1GiB/s`",
        "bits per second end in bps, bytes per second in B/s",
    ),
    ("count", "`8` `10k` `1M` `1.5M`", "a whole number; k, M, G and T multiply"),
    ("fraction", "`99.9%` `0.2` `1`", "0..1, or 0%..100%"),
    ("number", "`1.6` `3`", "decimal digits, no exponent"),
    ("money", "`$900` `$0.50`", "US dollars, of which the sign stands first; no other currency"),
    (
        "price",
        "`$0.17/h` `$0.20/1M` `$0.023/GB/month` `$0.09/GB`",
        "of an instance, of calls, of data kept, of traffic; a GB is 10^9 bytes, a month 730 h",
    ),
    ("name", "`api` `us-east-a` `db_2`", "small letters, digits, `_` and `-`, at most 64"),
];

/// Laws: a form, and what it is.
pub(super) const LAWS: &[(&str, &str)] = &[
    ("5ms", "always the same"),
    ("exp(mean=5ms)", "exponential"),
    ("lognormal(median=3ms p99=25ms)", "log-normal by median and 99th percentile"),
    ("lognormal(mean=5ms cv=1.5)", "log-normal by mean and standard deviation / mean"),
    ("gamma(mean=5ms cv=0.6)", "gamma"),
    ("erlang(k=3 mean=6ms)", "a sum of k exponential parts"),
    ("weibull(scale=1h shape=0.7)", "Weibull"),
    ("uniform(1ms 9ms)", "anything between two values"),
    ("normal(mean=5ms sd=1ms)", "normal, cut off at 0"),
    ("pareto(min=2ms alpha=2.5 max=10s)", "Pareto with a heavy tail; `max` may be left out"),
    ("hyperexp(90% 1ms; 10% 40ms)", "exponential of one of several means"),
    ("mix(95% lognormal(median=3ms p99=20ms); 5% 250ms)", "one of several laws"),
    ("quantiles(p0=1ms p50=3ms p90=9ms p99=40ms p100=2s)", "what was measured, straight between"),
    ("empirical(file=x.csv column=ms unit=ms)", "drawn from the rows of a file"),
    ("quantiles(file=x.hgrm unit=ms)", "those of a file: `HdrHistogram`'s, or two columns"),
    ("hdr(file=x.hgrm unit=ms)", "the percentiles that `HdrHistogram` prints"),
    ("shift(0.5ms exp(mean=1ms))", "a law and something added"),
];

/// Laws of keys.
pub(super) const KEY_LAWS: &[(&str, &str)] = &[
    ("zipf(n=1M s=0.99)", "key k is asked for in proportion to 1/k^s"),
    ("uniform(n=10k)", "all alike"),
    ("hot(n=1M hot=1% share=80%)", "a share of the requests goes to few of the keys"),
    ("sequential(n=1M)", "one after the other"),
    ("trace(file=keys.csv.gz column=key)", "those of a file, row by row"),
];

/// Figures of targets of all or some requests: one each that is checked by a test.
const FIGURES: &[(&str, &str)] = &[
    ("availability >= 99%", "ok or degraded and in time, of all decided"),
    ("goodput >= 1/s", "ok or degraded ones in time, per second"),
    ("throughput >= 1/s", "answered ones per second"),
    ("attempts_per_request <= 2", "attempts and second copies per request"),
    ("p99(latency) <= 1s", "`mean`, `p50` to `p9999`; what failed is slower than any limit"),
    ("p99(latency_all) <= 1s", "the same of all that were decided, however they ended"),
    (
        "requests.timeout <= 1% of requests.issued",
        "counts: `issued`, `ok`, `timeout`, `rejected` and the other outcomes",
    ),
    (
        "nodes.api.utilisation <= 80%",
        "of a node also `in_system`, `in_queue`, `wait_probability`, `throughput`, of a queue `depth.max`, `lost`, of a log `nodes.events.groups.search.lag.max`",
    ),
    (
        "links.uplink.forth.utilisation <= 80%",
        "of a link with `bandwidth`, each way (`forth`, `back`): also `saturated`, `throughput`, `in_transfer`, \
         `p99(links.uplink.forth.transfer_time)`, `waiting_time`",
    ),
    (
        "cost.per_month <= $900",
        "also `per_hour`, `per_million_ok`, `traffic.cross_zone.per_month`, of a node `nodes.api.cost.per_month`; \
         where something has a price",
    ),
    (
        "stale_read_fraction <= 1%",
        "what clients saw of the data: `stale_reads`, `staleness_age.p99`, `staleness_versions.max`, `violations`, \
         `lost_acked_writes`, `read_your_writes_violations`, `monotonic_read_violations`, `monotonic_write_violations`, \
         `writes_follow_reads_violations`, `conflicts` (of `version_vector`), `lost_updates` (where visits \
         write what they have read, or by `cas`), `duplicate_applies`, `lock_overlaps` (of locks in stores), `torn_transactions` (where transactions write; there also `nodes.db.in_doubt.max`), of a view `nodes.search.view.lag.p99`, `nodes.search.view.inversions`; of one store `nodes.db.consistency.stale_reads`; \
         of one side of a cut `stale_read_fraction(during=cut side=a)`, `lost_acked_writes(during=cut side=a)`; where a store is \
         written",
    ),
    (
        "rpo(cut) <= 5s",
        "what a fault cost the data: from the first acknowledgement of a write that it lost to its beginning, or to the last \
         one; `lost_acked_writes(cut)`; without a fault the worst of all, `rpo`, also of one store",
    ),
    (
        "rto.write(cut) <= 30s",
        "from its beginning to the first write that was answered again, in each shard where one failed; 0 where none did; \
         `rto.read(cut)`; without a fault the longest",
    ),
    (
        "convergence_time(cut) <= 60s",
        "from its end until each replica that is alive holds, of every key, the newest version that any held then (or was \
         restored with, where none held anything), or a newer one; of faults that part replicas or hit some; without a fault the longest",
    ),
    (
        "linearizable == true",
        "whether one order of all operations explains every answer; where a store is written",
    ),
    (
        "p99(waiting_time node=api) <= 1s",
        "of a node also `service_time`, `response_time`, of a queue `age`, `done`, of a log `p99(done node=events group=search)`. A message that is not done is slower than any limit; one that is younger than the limit as the run ends is left out",
    ),
];

/// What is told of a replication that was looked at closely.
const CLOSELY: &[(&str, &str)] = &[
    ("step", "time from one look at the instances to the next"),
    ("one_in", "messages of one request in so many are listed: of all there were more than 20,000"),
    ("spans[].from, to", "from when until when"),
    (
        "spans[].nodes.NAME",
        "by instance, look by look: `busy` (of its capacity), `waiting` (mean number), `down` (share of the time), `struck` (1: a fault is at work at it); what never was is left out. Of a node with more than 64 instances one entry for all",
    ),
    (
        "spans[].messages",
        "those that arrived in the span, by the way they went: `from`, `to`, `answer` (of a call), `times`: `[sent, arrived]` each",
    ),
    (
        "calls",
        "how many calls went from whom to whom, by window of the time series (`counted`): those of the first sixteenth of each window",
    ),
];

/// What a span of a single request says.
const SPAN: &[(&str, &str)] = &[
    ("id", "its number in the request, from 0"),
    ("parent", "the span that led to it; null: an attempt of the client"),
    (
        "node",
        "the node or client it is at; `instance`: which of its instances (of a client the place), from 0",
    ),
    (
        "kind",
        "`attempt` of a client, `call` of a node, `send` that nobody waits for; `visit` of a node, `copy` (by a message that came twice), `branch` of a visit, `background` (after its answer), `message` (a visit that works one off)",
    ),
    ("start", "an attempt or call: when it begins to wait to be sent; a visit: when it arrives"),
    (
        "end",
        "an attempt or call: when its answer is there or it is given up; a visit: when its answer leaves; null: never",
    ),
    (
        "waiting",
        "how much of it it waited: for a worker, a core, a lock; an attempt or call for a permit, a connection, a token",
    ),
    ("work", "how much of it it was at work on a core"),
    ("outcome", "how it ended: an outcome, `cancelled`, `crashed`; null: it did not"),
    ("to", "an attempt, call or send: the node and instance called"),
    (
        "parts",
        "what it was at, `[name, from, to]` without gaps: `waiting`, `work`, `pause` (time without a core), `calling`, `backoff`, `permit`; of the request: `calling`, `backoff`, `permit`",
    ),
    (
        "why",
        "why the request was looked at: `asked`, `slowest`, `p50`, `p95`, `p99`, its outcome, `after` a fault",
    ),
];

/// Sections after those of the types.
pub(super) fn sections() -> String {
    let mut text = String::from("\n## Values\n\n| value | forms | to be known |\n|---|---|---|\n");
    for (name, forms, known) in VALUES {
        writeln!(text, "| {name} | {forms} | {known} |").expect("a text grows");
    }
    text.push_str(
        "\n## Laws\n\nWhere a law of durations is expected. Laws of sizes and numbers have the same \
         forms with `KB` or without unit. Arguments are parted by blanks.\n\n",
    );
    lines(LAWS, &mut text);
    text.push_str("\n## Laws of keys\n\n");
    lines(KEY_LAWS, &mut text);
    text.push_str(
        "\n## Figures\n\nWhat [objectives](#objectives) are of, each with an example:\n\n",
    );
    lines(FIGURES, &mut text);
    text.push_str(
        "\nSelectors inside the parentheses: `client=`, `operation=`, `node=`, `group=` (of those that read a log), `outcome=ok`, `to=` \
         (a mark), `window=`, and `before=`, `during=`, `after=` a fault; of a `partition` also `side=`, the first name \
         of a list of it, or `rest`. Names of `results.json` that are not listed here are figures too.\n",
    );
    text.push_str(
        "\n## Causes\n\nWhat nodes count besides outcomes, as `nodes.api.causes.queue_full` of `results.json`; what never came up is 0. A \
         visit that ends may be counted under one cause, a call under others.\n\n",
    );
    for cause in Cause::ALL {
        writeln!(text, "- `{cause}`: {}", cause.means()).expect("a text grows");
    }
    text.push_str(
        "\n## Single requests\n\n`windtunnel explain FILE --request users/7870 --format json` and `watched.json` of a result folder are \
         lists of `{request, spans, why, parts}`, times in seconds. Of `request`: `replication`, `client`, `operation`, `number`, \
         `intended`, `latency` (null: open as the run ended), `attempts`, `outcome`, `key`.\n\n",
    );
    lines(SPAN, &mut text);
    text.push_str(
        "\n## Looked at closely\n\n`closely.json` of a result folder has what was seen of one replication around its first three faults, or in \
         the spans of `report DIR --watch 58s..70s`: `{replication, step, one_in, spans, calls}`, times in seconds.\n\n",
    );
    lines(CLOSELY, &mut text);
    text.push_str(
        "\n## Codes\n\nEach problem that is told of a scenario has a code: E- must be mended before \
         it runs, W- is a warning.\n\n",
    );
    lines(CODES, &mut text);
    text
}

fn lines(list: &[(&str, &str)], text: &mut String) {
    for (form, meaning) in list {
        writeln!(text, "- `{form}`: {meaning}").expect("a text grows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::law::DurationLaw,
        model::client::KeyLaw,
        units::{
            Bandwidth, CallPrice, Count, Fraction, HourPrice, Money, Name, Number, Rate,
            SimDuration, Size, StoragePrice, TrafficPrice,
        },
    };

    #[test]
    fn every_form_that_is_listed_is_read() {
        for (name, forms, _) in VALUES {
            for form in forms.split('`').filter(|form| !form.trim().is_empty()) {
                let read = match *name {
                    "duration" => form.parse::<SimDuration>().is_ok(),
                    "rate" => form.parse::<Rate>().is_ok(),
                    "size" => form.parse::<Size>().is_ok(),
                    "bandwidth" => form.parse::<Bandwidth>().is_ok(),
                    "count" => form.parse::<Count>().is_ok(),
                    "fraction" => form.parse::<Fraction>().is_ok(),
                    "number" => form.parse::<Number>().is_ok(),
                    "money" => form.parse::<Money>().is_ok(),
                    "price" => {
                        form.parse::<HourPrice>().is_ok()
                            || form.parse::<CallPrice>().is_ok()
                            || form.parse::<StoragePrice>().is_ok()
                            || form.parse::<TrafficPrice>().is_ok()
                    }
                    _ => form.parse::<Name>().is_ok(),
                };
                assert!(read, "{name} {form}");
            }
        }
        for (form, _) in LAWS {
            assert!(form.parse::<DurationLaw>().is_ok(), "{form}");
        }
        for (form, _) in KEY_LAWS {
            assert!(form.parse::<KeyLaw>().is_ok(), "{form}");
        }
    }

    #[test]
    fn every_law_is_listed() {
        let listed = |list: &[(&str, &str)], help: &str| {
            let known = help.rsplit("known: ").next().unwrap().to_owned();
            for name in known.split(", ") {
                assert!(
                    list.iter().any(|(form, _)| form.starts_with(&format!("{name}("))),
                    "{name}"
                );
            }
        };
        listed(LAWS, &"zzzzzz(1)".parse::<DurationLaw>().unwrap_err().help.unwrap());
        listed(KEY_LAWS, &"zzzzzz(1)".parse::<KeyLaw>().unwrap_err().help.unwrap());
    }
}
