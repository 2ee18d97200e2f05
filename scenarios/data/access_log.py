"""Writes the log of the scenario `yesterdays-log`: python3 access_log.py | gzip -9n > access.log.gz"""

import datetime
import random

draw = random.Random(7)
start = datetime.datetime(2024, 5, 1, 19, 0, 0)
pages = [("GET", f"/item/{n}", 0.045, 14000) for n in range(1, 41)]
pages += [("GET", "/", 0.020, 9000), ("GET", "/search?q=tea", 0.110, 21000), ("POST", "/cart", 0.070, 400)]
pages += [("POST", "/checkout", 0.240, 700), ("HEAD", "/health", 0.001, 0)]
weights = [30 / n for n in range(1, 41)] + [40, 25, 22, 7, 6]
lines, at = [], 0.0
while at < 300:
    # A newsletter goes out after two minutes.
    at += draw.expovariate(34 if 120 <= at < 180 else 8)
    method, path, usual, size = draw.choices(pages, weights)[0]
    took = usual * draw.lognormvariate(0, 0.5)
    status = 502 if draw.random() < 0.004 else 200
    ended = start + datetime.timedelta(seconds=int(at + took))
    host = f"192.0.2.{draw.randrange(1, 255)}"
    stamp = ended.strftime("%d/%b/%Y:%H:%M:%S +0000")
    line = f'{host} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "Mozilla/5.0" {took:.3f}'
    lines.append((at + took, line))
# Requests are logged when they end; the last line is where the log was rotated.
lines = [line for _, line in sorted(lines)]
print("\n".join(lines))
print(lines[-1][:53])
