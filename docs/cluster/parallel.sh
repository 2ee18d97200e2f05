#!/bin/sh
# Eight shards of a sweep over the machines of hosts.txt, which share this folder; then the whole.
parallel --sshloginfile hosts.txt --workdir . windtunnel sweep shop.yaml --quiet --shard {}/8 --out shards ::: 1 2 3 4 5 6 7 8
windtunnel merge shards/shop/sweep-* --out whole
