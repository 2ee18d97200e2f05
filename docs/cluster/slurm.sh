#!/bin/sh
#SBATCH --array=1-8
# A shard of a sweep for each task of the array: sbatch slurm.sh; then: windtunnel merge shards/shop/sweep-* --out whole
windtunnel sweep shop.yaml --quiet --jobs "${SLURM_CPUS_PER_TASK:-1}" --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" --out shards
