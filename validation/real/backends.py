#!/usr/bin/env python3
"""Backends that sleep: one port each, with a first-in-first-out queue before so many workers.

GET /?ms=12.5 sleeps 12.5 ms on a worker. With `fails` a request fails with that chance, at once. With `keep`
connections stay open, until nothing has come for so many seconds; else they end with the answer. A line
"down 9001" or "up 9001" on standard input has a backend die (what it had is reset, new connections are
refused) or come back; "count 9001" prints how many requests it was sent, or with `keep` how many connections.
"""
import asyncio, collections, json, random, sys

import fine

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
FAILED = b"HTTP/1.1 500 Failed\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"


class Backend:
    def __init__(self, port, workers, fails, keep):
        self.keep = keep
        self.port, self.free, self.fails = port, workers, fails
        self.waiting, self.server, self.connections, self.count = collections.deque(), None, set(), 0
        self.workers, self.life, self.draws = workers, 0, random.Random(port)

    async def up(self):
        loop = asyncio.get_running_loop()
        self.free, self.life = self.workers, self.life + 1
        self.waiting.clear()
        self.server = await loop.create_server(
            lambda: Connection(self), "127.0.0.1", self.port, backlog=512, reuse_address=True)

    def down(self):
        self.server.close()
        self.life += 1
        for connection in list(self.connections):
            connection.transport.abort()

    def take(self, connection, seconds):
        self.count += not self.keep
        if self.fails and self.draws.random() < self.fails:
            return connection.answer(FAILED)
        if self.free:
            self.free -= 1
            self.work(connection, seconds)
        else:
            self.waiting.append((connection, seconds))

    def work(self, connection, seconds):
        asyncio.get_running_loop().call_later(seconds, self.done, connection, self.life)

    def done(self, connection, life):
        if life != self.life:
            return
        if self.waiting:
            self.work(*self.waiting.popleft())
        else:
            self.free += 1
        connection.answer(OK)


class Connection(asyncio.Protocol):
    def __init__(self, backend):
        self.backend, self.data, self.idle = backend, b"", None

    def connection_made(self, transport):
        self.transport = transport
        self.backend.connections.add(self)
        self.backend.count += bool(self.backend.keep)

    def connection_lost(self, _):
        self.backend.connections.discard(self)

    def data_received(self, data):
        self.data += data
        if self.idle:
            self.idle.cancel()
        if b"\r\n\r\n" in self.data:
            path = self.data.split(b" ", 2)[1]
            self.data = b""
            self.backend.take(self, float(path.partition(b"ms=")[2] or 0) / 1000)

    def answer(self, text):
        if self.transport.is_closing():
            return
        if self.backend.keep:
            self.transport.write(text.replace(b"Connection: close\r\n", b""))
            self.idle = asyncio.get_running_loop().call_later(self.backend.keep, self.transport.close)
        else:
            self.transport.write(text)
            self.transport.close()


async def main():
    backends = {}
    for port, workers, fails, keep in json.loads(sys.argv[1]):
        backends[port] = Backend(port, workers, fails, keep)
        await backends[port].up()
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    lines = asyncio.Queue()
    loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
    while line := await lines.get():
        word, port = line.split()
        backend = backends[int(port)]
        if word == "up":
            await backend.up()
        elif word == "down":
            backend.down()
        print(backend.count, flush=True)


fine.run(main())
