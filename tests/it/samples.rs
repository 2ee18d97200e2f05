//! Logs as programs write them: ten lines of each, read by one line of a scenario.

use crate::{design::number, traces::results};
use serde_json::Value;

/// A client that replays a file before one service with `read` and `write`; both take what `took` says.
fn replay(duration: &str, client: &str, service: &str) -> String {
    format!(
        "windtunnel: 1\nname: sample\nduration: {duration}\nclients:\n  a:\n    to: s\n    {client}\n\
         nodes:\n  s: {{service: {{workers: 99, {service}}}}}\n"
    )
}

const ENDPOINTS: &str = "endpoints: {read: [{work: 1ms}], write: [{work: 5ms}]}";

/// Requests that were answered, of all and of each operation.
fn counts(found: &Value) -> [f64; 3] {
    let of = |op: &str| number(found, &format!("clients.a.operations.{op}.requests.ok"));
    [number(found, "summary.requests.ok"), of("read"), of("write")]
}

#[test]
fn twitter_s_cache_traces() {
    let client = "arrivals: 'trace(file=t.csv header=none column=#1 spread=1s)'\n    \
        keys: trace(file=t.csv header=none column=#2)\n    attributes: {bytes: column(#4)}\n    \
        operation: column(#6 get=read gets=read set=write add=write other=skip)\n    operations: {read: {}, write: {}}";
    let file = [("t.csv", include_str!("../data/logs/twitter.csv"))];
    // One row of ten is a delete.
    assert_eq!(counts(&results(&replay("5s", client, ENDPOINTS), &file)), [9.0, 7.0, 2.0]);
    // Four keys are texts: each limited to one request, four pass.
    let limited = "work: 1ms, inbound: {rate_limit: fixed_window(limit=1 window=1m per=key)}";
    let found =
        results(&replay("5s", &client.replace(" other=skip", " other=write"), limited), &file);
    assert_eq!(number(&found, "summary.requests.ok"), 4.0);
}

#[test]
fn block_traces_of_msr_cambridge() {
    let client = "arrivals: trace(file=m.csv header=none column=#1 unit=filetime)\n    \
        keys: trace(file=m.csv header=none column=#5)\n    attributes: {took: column(#7)}\n    \
        operation: column(#4 Read=read Write=write)\n    operations: {read: {}, write: {}}";
    let file = [("m.csv", include_str!("../data/logs/msr.csv"))];
    // The first at 17:00:00.3061629, the last 9.0969558 s after it.
    let found = results(&replay("10s", client, "work: 100ns * took"), &file);
    assert_eq!(counts(&found), [10.0, 4.0, 6.0]);
    assert_eq!(number(&found, "summary.latency.max"), 0.009_021);
    let found = results(&replay("9.0969558s", client, "work: 1ms"), &file);
    assert_eq!(number(&found, "summary.requests.issued"), 9.0);
    // Their count begins in 1601: this is the same instant.
    let later = client.replace("unit=filetime", "unit=filetime start=2007-02-22T17:00:00.3061630Z");
    assert_eq!(
        number(&results(&replay("10s", &later, "work: 1ms"), &file), "summary.requests.ok"),
        9.0
    );
}

#[test]
fn wikibench_s_requests() {
    let client = "arrivals: trace(file=w.txt separator=blank header=none column=#2)\n    \
        keys: trace(file=w.txt separator=blank header=none column=#3)\n    \
        operation: 'column(#4 -=read save=write)'\n    operations: {read: {}, write: {}}";
    let file = [("w.txt", include_str!("../data/logs/wikibench.txt"))];
    assert_eq!(counts(&results(&replay("1s", client, ENDPOINTS), &file)), [10.0, 9.0, 1.0]);
}

#[test]
fn traces_of_cachelib() {
    let client = "arrivals: trace(file=k.csv column=op_time count=op_count spread=1s)\n    \
        keys: trace(file=k.csv column=key)\n    attributes: {bytes: column(size)}\n    \
        operation: column(op GET=read GET_LEASE=read SET=write DELETE=skip)\n    operations: {read: {}, write: {}}";
    let file = [("k.csv", include_str!("../data/logs/kvcache.csv"))];
    // A row stands for several requests: 3 + 1 + 5 + 1 + 2 + 1 + 1 reads.
    assert_eq!(counts(&results(&replay("4s", client, ENDPOINTS), &file)), [16.0, 14.0, 2.0]);
}

#[test]
fn jmeter_s_results() {
    // JMeter writes a sample when it ends, stamped with its beginning.
    let client = "arrivals: trace(file=j.jtl column=timeStamp unit=ms sort=true)\n    \
        attributes: {took: column(elapsed)}\n    where: success == true\n    \
        operation: column(label home=read search=read checkout=write)\n    operations: {read: {}, write: {}}";
    let file = [("j.jtl", include_str!("../data/logs/jmeter.jtl"))];
    let found = results(&replay("2s", client, "work: 1ms * took"), &file);
    assert_eq!(counts(&found), [8.0, 7.0, 1.0]);
    assert_eq!(number(&found, "summary.latency.max"), 0.212);
}

#[test]
fn k6_in_both_forms() {
    let law = "'empirical(file=k6.csv column=metric_value unit=ms where=\"metric_name == http_req_duration\")'";
    let client = "arrivals: trace(file=k6.csv column=timestamp)\n    where: metric_name == http_reqs\n    \
        operation: column(method GET=read POST=write)\n    operations: {read: {}, write: {}}";
    let file = [("k6.csv", include_str!("../data/logs/k6.csv"))];
    let found = results(&replay("3s", client, &format!("work: {law}")), &file);
    assert_eq!(counts(&found), [3.0, 2.0, 1.0]);
    assert!((0.039..0.089).contains(&number(&found, "summary.latency.mean")));
    let client = "arrivals: trace(file=k6.json format=jsonl column=data.time unit=datetime)\n    \
        where: type == Point and metric == http_req_duration\n    attributes: {took: column(data.value)}\n    \
        keys: trace(file=k6.json format=jsonl column=data.tags.url)\n    \
        operation: column(data.tags.method GET=read POST=write)\n    operations: {read: {}, write: {}}";
    let file = [("k6.json", include_str!("../data/logs/k6.json"))];
    let found = results(&replay("3s", client, "work: 1ms * took"), &file);
    assert_eq!(counts(&found), [3.0, 2.0, 1.0]);
    assert_eq!(number(&found, "summary.latency.max"), 0.088_914);
}

#[test]
fn access_logs_of_a_load_balancer_at_aws() {
    let client = "arrivals: trace(file=alb.log format=alb sort=true)\n    keys: trace(file=alb.log format=alb)\n    \
        attributes: {took: column(target_processing_time)}\n    where: elb_status_code < 500\n    \
        operation: column(method GET=read POST=write)\n    operations: {read: {}, write: {}}";
    let file = [("alb.log", include_str!("../data/logs/alb.log"))];
    let found = results(&replay("3s", client, "work: 1s * took"), &file);
    assert_eq!(counts(&found), [9.0, 6.0, 3.0]);
    assert_eq!(number(&found, "summary.latency.max"), 0.213);
    // The agent of each has quotes within: `url` would be another column otherwise. Six addresses, asked once each.
    let limited = "work: 1ms, inbound: {rate_limit: fixed_window(limit=1 window=1m per=key)}";
    assert_eq!(number(&results(&replay("3s", client, limited), &file), "summary.requests.ok"), 6.0);
}

#[test]
fn invocations_per_minute_of_azure_functions() {
    let load = |more: &str| {
        format!(
            "arrivals: constant(1/s)\n    load: 'curve(file=f.csv columns=1..6 unit=count every=1m{more})'"
        )
    };
    let file = [("f.csv", include_str!("../data/logs/azure_functions.csv"))];
    let run = |more: &str, duration: &str| {
        let found = results(&replay(duration, &load(more), "work: 1ms"), &file);
        number(&found, "summary.requests.issued")
    };
    // Minutes of all functions together: 63, 190, 302, 125, 92, 62; the last of all would come at the end itself.
    assert_eq!(run("", "1m"), 62.0);
    assert_eq!(run("", "2m"), 252.0);
    assert_eq!(run("", "6m"), 833.0);
    assert_eq!(run(" where=\"HashFunction == f1\"", "6m"), 210.0);
    assert_eq!(run(" where=\"Trigger == timer\"", "6m"), 7.0);
}
