#!/usr/bin/env python3
"""A server that works: GET /?ms=12.5 takes 12.5 ms of a processor, one request after the other, first come first served."""
import socket, sys, time

server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
print("ready", flush=True)
while True:
    connection, _ = server.accept()
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(4096)
    end = time.thread_time() + float(data.split(b" ", 2)[1].partition(b"ms=")[2] or 0) / 1000
    while time.thread_time() < end:
        pass
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    connection.close()
