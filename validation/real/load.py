"""An open-loop generator: requests start when they are due, whatever has become of those before."""
import asyncio, time


class Request(asyncio.Protocol):
    """One HTTP request on a connection of its own."""

    def __init__(self, path, done):
        self.path, self.done, self.data = path, done, b""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % self.path)

    def data_received(self, data):
        self.data += data

    def connection_lost(self, _):
        status = self.data[9:12]
        self.done(int(status) if status.isdigit() else 0)


async def http(port, rows, begin, results):
    """Sends rows of (due, milliseconds); results get (due, latency, status)."""
    loop = asyncio.get_running_loop()

    async def connect(due, path):
        def done(status):
            results.append((due, loop.time() - begin - due, status))
        try:
            await loop.create_connection(lambda: Request(path, done), "127.0.0.1", port)
        except OSError:
            done(0)

    await paced(rows, begin, lambda due, ms: connect(due, b"/?ms=%.3f" % ms), results)


class Postgres(asyncio.Protocol):
    """A connection on which one query at a time is asked."""

    def __init__(self, user):
        self.user, self.data, self.waiter, self.failed = user, b"", None, False

    def connection_made(self, transport):
        self.transport = transport
        body = b"\x00\x03\x00\x00user\x00" + self.user + b"\x00database\x00" + self.user + b"\x00\x00"
        transport.write((len(body) + 4).to_bytes(4, "big") + body)
        self.waiter = asyncio.get_running_loop().create_future()

    def connection_lost(self, _):
        self.failed = True
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def data_received(self, data):
        self.data += data
        while len(self.data) >= 5:
            size = int.from_bytes(self.data[1:5], "big") + 1
            if len(self.data) < size:
                return
            kind, self.data = self.data[:1], self.data[size:]
            if kind == b"E":
                self.failed = True
            if kind == b"Z" and self.waiter and not self.waiter.done():
                self.waiter.set_result(None)

    async def query(self, text):
        self.waiter, self.failed = asyncio.get_running_loop().create_future(), False
        body = text + b"\x00"
        self.transport.write(b"Q" + (len(body) + 4).to_bytes(4, "big") + body)
        await self.waiter
        return not self.failed


async def postgres(port, user, rows, begin, results, connections=120):
    """The same by `select pg_sleep`, on connections that are open already."""
    loop = asyncio.get_running_loop()
    idle = []
    for _ in range(connections):
        _, connection = await loop.create_connection(lambda: Postgres(user), "127.0.0.1", port)
        await asyncio.wait_for(connection.waiter, 20)
        idle.append(connection)
    begin = begin or loop.time() + 0.2

    async def ask(due, ms):
        connection = idle.pop()
        ok = await connection.query(b"select pg_sleep(%.6f)" % (ms / 1000))
        results.append((due, loop.time() - begin - due, 200 if ok else 0))
        idle.append(connection)

    await paced(rows, begin, ask, results)


async def connecting(port, user, rows, results):
    """The same, with a connection for each query, which the server may refuse."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + 0.2

    async def ask(due, ms):
        try:
            _, connection = await loop.create_connection(lambda: Postgres(user), "127.0.0.1", port)
        except OSError:
            results.append((due, loop.time() - begin - due, 0))
            return
        await connection.waiter
        ok = not connection.failed and await connection.query(b"select pg_sleep(%.6f)" % (ms / 1000))
        results.append((due, loop.time() - begin - due, 200 if ok else 0))
        connection.transport.close()

    await paced(rows, begin, ask, results)


async def paced(rows, begin, start, results):
    loop = asyncio.get_running_loop()
    tasks, sent = set(), 0
    for due, ms in rows:
        wait = begin + due - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        task = asyncio.ensure_future(start(due, ms))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        sent += 1
    end = time.monotonic() + 20
    while len(results) < sent and time.monotonic() < end:
        await asyncio.sleep(0.05)
