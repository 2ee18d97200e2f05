"""Runs the servers, the load and the simulations, and writes the table. Started by `run`."""
import asyncio, bisect, contextlib, csv, datetime, glob, gzip, itertools, json, os, pathlib, random, re
import shutil, signal, statistics, subprocess, sys, tempfile, time

import fine, load

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
QUICK = "--quick" in sys.argv[1:]
LONG = 20 if QUICK else 240       # seconds of the web servers
SHORT = 10 if QUICK else 60       # seconds of PgBouncer and Redis each
BASE = 21000                      # ports on 127.0.0.1 from here on

# name: requests per second, ms of the mean request, workers of a backend, chance of a failure
WEB = {
    "central-queue": (34, 100, 1, 0),
    "queue-timeout": (44, 100, 1, 0),
    "round-robin": (26, 100, 1, 0),
    "least-connections": (26, 100, 1, 0),
    "random-of-two": (26, 100, 1, 0),
    "retries": (40, 20, 100, 0.5),
    "redispatch": (40, 20, 100, 0),
    "health-checks": (40, 20, 100, 0),
}
HAPROXY = {
    "central-queue": ("balance roundrobin", "maxconn 1"),
    "queue-timeout": ("balance roundrobin\n timeout queue 150ms", "maxconn 1"),
    "round-robin": ("balance roundrobin", ""),
    "least-connections": ("balance leastconn", ""),
    "random-of-two": ("balance random(2)", ""),
    "retries": ("balance roundrobin\n retries 2\n retry-on 500\n option redispatch 1", ""),
    "redispatch": ("balance roundrobin\n retries 3\n option redispatch 1", ""),
    "health-checks": ("balance roundrobin", "check inter 200ms fall 10 rise 10"),
}
FRONT = {name: BASE + i for i, name in enumerate(WEB)}
BACK = {name: [BASE + 100 + 10 * i + k for k in range(4)] for i, name in enumerate(WEB)}
LIMITS = {"limit-delay": "", "limit-nodelay": "nodelay"}
NGINX = {name: BASE + 300 + i for i, name in enumerate(LIMITS)}
# Requests per second and ms of the mean one through nginx to a server that closes what is idle for so many seconds.
KEPT, KEPT_FRONT, KEPT_BACK = (20, 5, 0.1), BASE + 310, BASE + 311
BURNER = BASE + 320
POSTGRES, PGBOUNCER, FULL = BASE + 400, BASE + 401, BASE + 402
REDIS = {"evict-lru": ("allkeys-lru", BASE + 500), "evict-lfu": ("allkeys-lfu", BASE + 501)}
ZIPF_KEYS, ZIPF_S, REDIS_RATE, REDIS_ENTRIES = 20_000, 0.9, 4_000, 2_000

started = []


def start(command, user=None, **options):
    """A server in a session of its own, as another user if it refuses to run as root."""
    if user and os.geteuid() == 0:
        command = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + command
    options.setdefault("stdout", subprocess.DEVNULL)
    options.setdefault("stderr", LOG)
    process = subprocess.Popen(command, start_new_session=True, cwd=WORK, **options)
    started.append(process)
    return process


def stop_all():
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in started:
            if process.poll() is None:
                try:
                    # PostgreSQL's fast way out is an interrupt.
                    gentle = number == signal.SIGTERM
                    postgres = gentle and any(a.endswith("/postgres") for a in process.args)
                    os.killpg(process.pid, signal.SIGINT if postgres else number)
                except ProcessLookupError:
                    pass
        end = time.monotonic() + 5
        while time.monotonic() < end and any(p.poll() is None for p in started):
            time.sleep(0.05)


def control_group():
    """A group of processes with 20 ms of a processor in each 100 ms; none where this user may make none."""
    new = {"cpu.max": "20000 100000"}
    old = {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "20000"}
    for root, settings in (("/sys/fs/cgroup", new), ("/sys/fs/cgroup/cpu", old)):
        path = pathlib.Path(root, f"windtunnel-{os.getpid()}")
        try:
            path.mkdir()
            if all((path / name).exists() for name in settings):
                for name, value in settings.items():
                    (path / name).write_text(value)
                return path
            path.rmdir()
        except OSError:
            with contextlib.suppress(OSError):
                path.rmdir()
    return None


def burner(group):
    process = start([sys.executable, str(HERE / "burner.py"), str(BURNER)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", "the burner did not start"
    (group / "cgroup.procs").write_text(str(process.pid))


async def quota():
    quiet, results = [], []
    begin = asyncio.get_running_loop().time() + 0.2
    await load.http(BURNER, even(2, 5, 5 if QUICK else 15), begin, quiet)
    await load.http(BURNER, rows(5, 20, LONG), asyncio.get_running_loop().time() + 0.2, results)
    return statistics.median(latencies(quiet)) - 5, results


def configurations():
    lines = ["global\n maxconn 4000\n nbthread 1\n",
             "defaults\n mode http\n timeout connect 1s\n timeout client 60s\n timeout server 60s",
             " timeout queue 60s\n retries 0\n option httpclose\n"]
    for name, (policy, server) in HAPROXY.items():
        lines.append(f"listen {name}\n bind 127.0.0.1:{FRONT[name]}\n {policy}")
        lines += [f" server s{k} 127.0.0.1:{port} {server}" for k, port in enumerate(BACK[name])]
        lines.append("")
    (WORK / "haproxy.cfg").write_text("\n".join(lines))
    zones = "".join(f"limit_req_zone $server_port zone={n}:1m rate=20r/s;\n" for n in LIMITS)
    servers = "".join(
        f"server {{ listen 127.0.0.1:{NGINX[n]}; location / {{ limit_req zone={n} burst=10 {how};"
        f" empty_gif; }} }}\n" for n, how in LIMITS.items())
    (WORK / "nginx.conf").write_text(
        f"daemon off; pid {WORK}/nginx.pid; error_log {WORK}/nginx.log crit; worker_processes 1;\n"
        f"events {{ worker_connections 2000; }}\nhttp {{ access_log off; keepalive_timeout 0;\n"
        + "".join(f"{k}_temp_path {WORK}/{k};\n" for k in
                  ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        + zones + servers
        + f"upstream kept {{ server 127.0.0.1:{KEPT_BACK}; keepalive 16; }}\n"
        + f"server {{ listen 127.0.0.1:{KEPT_FRONT}; location / {{ proxy_pass http://kept;"
        + " proxy_http_version 1.1; proxy_set_header Connection \"\"; } }\n}\n")
    (WORK / "users.txt").write_text('"postgres" ""\n')
    for port, most in ((PGBOUNCER, 500), (FULL, 20)):
        (WORK / f"pgbouncer-{port}.ini").write_text(
            f"[databases]\npostgres = host=127.0.0.1 port={POSTGRES} dbname=postgres user=postgres\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = trust\n"
            f"auth_file = {WORK}/users.txt\npool_mode = transaction\ndefault_pool_size = 5\n"
            f"max_client_conn = {most}\nunix_socket_dir =\n")


def rows(rate, mean, seconds):
    """The trace at this rate: (seconds, milliseconds of work)."""
    with gzip.open(HERE / "poisson.csv.gz", "rt") as file:
        table = [(float(r["t"]) / rate, float(r["w"]) * mean) for r in csv.DictReader(file)]
    return list(itertools.takewhile(lambda row: row[0] < seconds, table))


def even(rate, ms, seconds):
    return [(i / rate, ms) for i in range(int(rate * seconds))]


def quantile(values, q):
    values = sorted(values)
    at = q * (len(values) - 1)
    low = int(at)
    return values[low] + (at - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def latencies(results):
    return [seconds * 1000 for _, seconds, status in results if status == 200]


async def tell(backends, line):
    backends.stdin.write(line + "\n")
    backends.stdin.flush()
    return int(await asyncio.get_running_loop().run_in_executor(None, backends.stdout.readline))


async def web(backends):
    """All of HAProxy and nginx at once, after a while at low load that says what a hop costs."""
    loop = asyncio.get_running_loop()
    quiet = {"round-robin": [], "limit-nodelay": []}
    begin = loop.time() + 0.2
    await asyncio.gather(
        load.http(FRONT["round-robin"], even(10, 20, 5 if QUICK else 15), begin, quiet["round-robin"]),
        load.http(NGINX["limit-nodelay"], even(10, 0, 5 if QUICK else 15), begin, quiet["limit-nodelay"]))
    hops = {"haproxy": statistics.median(latencies(quiet["round-robin"])) - 20,
            "nginx": statistics.median(latencies(quiet["limit-nodelay"]))}
    results = {name: [] for name in [*WEB, *LIMITS, "kept-alive"]}
    begin = loop.time() + 0.5
    jobs = [load.http(FRONT[n], rows(rate, ms, LONG), begin, results[n])
            for n, (rate, ms, _, _) in WEB.items()]
    jobs += [load.http(NGINX[n], rows(30, 0, LONG), begin, results[n]) for n in LIMITS]
    jobs.append(load.http(KEPT_FRONT, rows(*KEPT[:2], LONG), begin, results["kept-alive"]))

    async def deaths():
        victim = BACK["health-checks"][0]
        for at in itertools.takewhile(lambda t: t < LONG, range(5, 10_000, 20)):
            await asyncio.sleep(max(0, begin + at - loop.time()))
            await tell(backends, f"down {victim}")
            await asyncio.sleep(max(0, begin + at + 10 - loop.time()))
            await tell(backends, f"up {victim}")

    for port in BACK["redispatch"][:2]:
        await tell(backends, f"down {port}")
    death = asyncio.ensure_future(deaths())
    await asyncio.gather(*jobs)
    death.cancel()
    attempts = [await tell(backends, f"count {port}") for port in BACK["retries"]]
    return hops, results, sum(attempts), await tell(backends, f"count {KEPT_BACK}")


async def pool():
    quiet, results, full = [], [], []
    await load.postgres(PGBOUNCER, b"postgres", even(10, 20, 3 if QUICK else 10), None, quiet, 20)
    await load.postgres(PGBOUNCER, b"postgres", rows(40, 100, SHORT), None, results)
    await load.connecting(FULL, b"postgres", rows(60, 100, SHORT), full)
    return statistics.median(latencies(quiet)) - 20, results, full


class Redis:
    """What is needed of the protocol, in blocks: a pause of a few keys' time is nothing to a cache."""

    def __init__(self, port):
        import socket
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        return self.pipeline([words])[0]

    def pipeline(self, commands):
        out = bytearray()
        for words in commands:
            out += b"*%d\r\n" % len(words)
            for word in words:
                word = word if isinstance(word, bytes) else str(word).encode()
                out += b"$%d\r\n%b\r\n" % (len(word), word)
        self.socket.sendall(out)
        return [self.reply() for _ in commands]

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"-":
            raise RuntimeError(line)
        return rest


def evict(name, seed):
    """A Zipf stream of reads, each miss written; the hit ratio and the entries of the second half."""
    policy, port = REDIS[name]
    redis = Redis(port)
    draws = random.Random(seed)
    sums = list(itertools.accumulate(k ** -ZIPF_S for k in range(1, ZIPF_KEYS + 1)))
    order = list(range(ZIPF_KEYS))
    draws.shuffle(order)
    value = b"v" * 100
    # So much memory that about so many entries fit.
    redis.ask("flushall")
    before = int(re.search(rb"used_memory:(\d+)", redis.ask("info", "memory"))[1])
    redis.pipeline([("set", f"k{order[i]:05}", value) for i in range(REDIS_ENTRIES)])
    after = int(re.search(rb"used_memory:(\d+)", redis.ask("info", "memory"))[1])
    redis.ask("flushall")
    redis.ask("config", "set", "maxmemory-policy", policy)
    redis.ask("config", "set", "maxmemory", after)
    hits = lookups = 0
    sizes, block, begin = [], 40, time.monotonic()
    for i in range(SHORT * REDIS_RATE // block):
        wait = begin + i * block / REDIS_RATE - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        keys = [f"k{order[bisect.bisect(sums, draws.random() * sums[-1])]:05}" for _ in range(block)]
        found = redis.ask("mget", *keys)
        absent = {k for k, v in zip(keys, found) if v is None}
        if absent:
            redis.pipeline([("set", k, value) for k in dict.fromkeys(k for k in keys if k in absent)])
        if i >= SHORT * REDIS_RATE // block // 2:
            lookups += block
            # One that is asked for twice in a block is there the second time.
            hits += block - len(absent)
            if i % 20 == 0:
                sizes.append(redis.ask("dbsize"))
    return hits / lookups, statistics.mean(map(int, sizes))


def simulate(name, seconds, hop_ms, legs, sets=(), replications=20):
    """results.json of a scenario of this folder."""
    leg = f"{max(hop_ms, 0) / legs * 1000:.0f}us"
    sets = [f"duration={seconds}s", f"network.same_zone={leg}", f"network.internet={leg}", *sets]
    command = [os.environ["WINDTUNNEL"], "run", str(HERE / f"{name}.yaml"), "--format", "json",
               "-n", str(2 if QUICK else replications), "--out", str(WORK / "simulated"), "--force"]
    for item in sets:
        command += ["--set", item]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout)


def figure(measured, path):
    for key in path.split("."):
        measured = measured[key]
    return measured.get("value", measured) if isinstance(measured, dict) else measured


def versions():
    def first(command):
        done = subprocess.run(command, capture_output=True, text=True)
        return re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)[0]
    return {"HAProxy": first(["haproxy", "-v"]), "nginx": first(["nginx", "-v"]),
            "PgBouncer": first(["pgbouncer", "--version"]), "PostgreSQL": first([POSTGRES_BIN + "/postgres", "--version"]),
            "Redis": first(["redis-server", "--version"])}


def ms(value):
    return f"{value:.1f} ms"


def percent(value):
    return f"{value * 100:.1f} %"


def main():
    configurations()
    ports = [(p, workers, fails, 0) for n, (_, _, workers, fails) in WEB.items() for p in BACK[n]]
    ports = json.dumps([*ports, (KEPT_BACK, 100, 0, KEPT[2])])
    backends = start([sys.executable, str(HERE / "backends.py"), ports], text=True,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert backends.stdout.readline() == "ready\n", "the backends did not start"
    start(["haproxy", "-db", "-f", str(WORK / "haproxy.cfg")])
    start(["nginx", "-p", str(WORK), "-c", str(WORK / "nginx.conf")])
    time.sleep(1)
    table = Table()
    note("HAProxy and nginx", LONG)
    hops, real, attempts, opened = fine.run(web(backends))
    stop_all()
    for name in ("central-queue", "round-robin", "least-connections", "random-of-two"):
        simulated = simulate(name, LONG, hops["haproxy"], 4)
        took = latencies(real[name])
        table.add("HAProxy", name, "mean", statistics.mean(took), figure(simulated, "summary.latency.mean") * 1000, ms)
        table.add("HAProxy", name, "p50", quantile(took, 0.5), figure(simulated, "summary.latency.p50") * 1000, ms)
        table.add("HAProxy", name, "p99", quantile(took, 0.99), figure(simulated, "summary.latency.p99") * 1000, ms)
    simulated = simulate("queue-timeout", LONG, hops["haproxy"], 4)
    took = latencies(real["queue-timeout"])
    table.add("HAProxy", "queue-timeout", "refused", refused(real["queue-timeout"]), 1 - figure(simulated, "summary.availability"), percent)
    table.add("HAProxy", "queue-timeout", "p99", quantile(took, 0.99), figure(simulated, "summary.latency.p99") * 1000, ms)
    simulated = simulate("retries", LONG, hops["haproxy"], 6)
    sent = len(real["retries"])
    table.add("HAProxy", "retries", "failed", refused(real["retries"]), 1 - figure(simulated, "summary.availability"), percent)
    outcomes = figure(simulated, "nodes.servers.outcomes")
    per_request = sum(outcomes.values()) / figure(simulated, "summary.requests.issued")
    table.add("HAProxy", "retries", "attempts", attempts / sent, per_request, lambda x: f"{x:.3f}")
    simulated = simulate("redispatch", LONG, hops["haproxy"], 6)
    table.add("HAProxy", "redispatch", "failed", refused(real["redispatch"]), 1 - figure(simulated, "summary.availability"), percent)
    table.add("HAProxy", "redispatch", "mean", statistics.mean(latencies(real["redispatch"])), figure(simulated, "summary.latency.mean") * 1000, ms)
    simulated = simulate("health-checks", LONG, hops["haproxy"], 4)
    table.add("HAProxy", "health-checks", "failed", refused(real["health-checks"]), 1 - figure(simulated, "summary.availability"), lambda x: f"{x * 100:.2f} %")
    for name in LIMITS:
        if not (HERE / f"{name}.yaml").exists():
            continue
        simulated = simulate(name, LONG, hops["nginx"], 2)
        took = latencies(real[name])
        table.add("nginx", name, "served", 1 - refused(real[name]), figure(simulated, "summary.availability"), percent)
        if name == "limit-delay":
            table.add("nginx", name, "mean", statistics.mean(took), figure(simulated, "summary.latency.mean") * 1000, ms)
            table.add("nginx", name, "p99", quantile(took, 0.99), figure(simulated, "summary.latency.p99") * 1000, ms)

    simulated = simulate("kept-alive", LONG, hops["nginx"], 4)
    sent = len(real["kept-alive"])
    setups = figure(simulated, "nodes.nginx.pools.backend.setups") * LONG / sent
    table.add("nginx", "kept-alive", "connections a request", opened / sent, setups, lambda x: f"{x:.3f}")

    if group := control_group():
        try:
            burner(group)
            note("a control group", LONG)
            hop, results = fine.run(quota())
        finally:
            stop_all()
            group.rmdir()
        simulated = simulate("quota", LONG, hop, 2)
        took = latencies(results)
        table.add("Linux", "quota", "mean", statistics.mean(took), figure(simulated, "summary.latency.mean") * 1000, ms)
        table.add("Linux", "quota", "p50", quantile(took, 0.5), figure(simulated, "summary.latency.p50") * 1000, ms)
        table.add("Linux", "quota", "p99", quantile(took, 0.99), figure(simulated, "summary.latency.p99") * 1000, ms)
    else:
        note("no control group can be made here: left out quota", 0)

    owner = "postgres"
    shutil.chown(WORK, owner)
    for file in WORK.iterdir():
        if file.is_file():
            shutil.chown(file, owner)
    data = str(WORK / "data")
    as_owner = ["setpriv", "--reuid", owner, "--regid", owner, "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*as_owner, POSTGRES_BIN + "/initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
                   check=True, stdout=subprocess.DEVNULL, stderr=LOG, cwd=WORK)
    start([POSTGRES_BIN + "/postgres", "-D", data, "-h", "127.0.0.1", "-p", str(POSTGRES), "-k", "", "-F"], owner)
    for _ in range(100):
        if subprocess.run([POSTGRES_BIN + "/pg_isready", "-h", "127.0.0.1", "-p", str(POSTGRES)], stdout=subprocess.DEVNULL).returncode == 0:
            break
        time.sleep(0.2)
    for port in (PGBOUNCER, FULL):
        start(["pgbouncer", str(WORK / f"pgbouncer-{port}.ini")], owner)
    time.sleep(1)
    note("PgBouncer", 2 * SHORT)
    hop, results, full = fine.run(pool())
    stop_all()
    hops["pgbouncer"] = hop
    simulated = simulate("pool-of-five", SHORT, hop, 4)
    took = latencies(results)
    table.add("PgBouncer", "pool-of-five", "mean", statistics.mean(took), figure(simulated, "summary.latency.mean") * 1000, ms)
    table.add("PgBouncer", "pool-of-five", "p99", quantile(took, 0.99), figure(simulated, "summary.latency.p99") * 1000, ms)

    simulated = simulate("clients-refused", SHORT, hop, 4)
    table.add("PgBouncer", "clients-refused", "refused", refused(full), 1 - figure(simulated, "summary.availability"), percent)
    table.add("PgBouncer", "clients-refused", "mean", statistics.mean(latencies(full)), figure(simulated, "summary.latency.mean") * 1000, ms)

    for seed, name in enumerate(REDIS):
        if not (HERE / f"{name}.yaml").exists():
            continue
        start(["redis-server", "--port", str(REDIS[name][1]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(WORK)])
        time.sleep(1)
        note(f"Redis, {name}", SHORT)
        ratio, entries = evict(name, seed + 1)
        stop_all()
        simulated = simulate(name, SHORT, 0, 2, [f"warm_up={SHORT // 2}s", f"nodes.redis.cache.capacity={entries:.0f}"], 5)
        table.add("Redis", name, "hit ratio", ratio, figure(simulated, "nodes.redis.hit_ratio"), percent)
    table.write(hops)


def refused(results):
    return sum(status != 200 for _, _, status in results) / len(results)


def note(what, seconds):
    print(f"{what}: {seconds} s", file=sys.stderr, flush=True)


# Why a figure may differ by more than a tenth.
REASONS = {}


class Table:
    def __init__(self):
        self.rows = []

    def add(self, server, name, what, real, simulated, shown):
        off = simulated / real - 1 if real else 0.0
        reason = REASONS.get((name, what), "") if abs(off) > 0.1 else ""
        self.rows.append((server, name, what, shown(real), shown(simulated), f"{off * 100:+.1f} %", reason))
        print(*self.rows[-1], file=sys.stderr, flush=True)

    def write(self, hops):
        known = versions()
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT)
        lines = [
            "", "Servers as people run them, on 127.0.0.1 of one machine, with backends that sleep and an",
            "open-loop generator of Poisson arrivals; the simulation is given the same arrivals and the same",
            "work, request by request, in the scenarios of `validation/real/`. Nothing is fitted but the cost",
            "of a hop, the median of a quiet minute: " + ", ".join(f"{k} {v:.2f} ms" for k, v in hops.items()) + ".",
            f"Written by `validation/real/run` at commit {commit.stdout.strip()}, {datetime.date.today()}, on "
            f"{os.cpu_count()} cores; " + ", ".join(f"{k} {v}" for k, v in known.items()) + ".", "",
            "| server | scenario | figure | real | simulated | difference | why more than 10 % |",
            "| --- | --- | --- | ---: | ---: | ---: | --- |"]
        lines += ["| " + " | ".join((r[0], f"[{r[1]}](../validation/real/{r[1]}.yaml)", *r[2:])) + " |" for r in self.rows]
        text = "\n".join(lines) + "\n"
        print(text)
        if QUICK:
            return
        path = ROOT / "docs/VALIDATION.md"
        old = path.read_text()
        head, found, rest = old.partition("<!-- real systems -->\n")
        _, ended, tail = rest.partition("<!-- end of real systems -->\n")
        if not (found and ended):
            sys.exit("docs/VALIDATION.md has lost its markers")
        path.write_text(head + found + text + "\n" + ended + tail)


if __name__ == "__main__":
    POSTGRES_BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
    WORK = pathlib.Path(tempfile.mkdtemp(prefix="windtunnel-real-"))
    WORK.chmod(0o755)
    LOG = open(WORK / "log", "wb")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except BaseException:
        LOG.flush()
        print((WORK / "log").read_text(errors="replace")[-3000:], file=sys.stderr)
        raise
    finally:
        stop_all()
        shutil.rmtree(WORK, ignore_errors=True)
