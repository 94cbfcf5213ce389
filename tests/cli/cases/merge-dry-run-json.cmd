stkit merge tiny -o out --dry-run --json --max-shard-size 1MB && test ! -e out
