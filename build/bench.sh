#!/usr/bin/env bash
# Runs the benchmark on SQLite and, if PostgreSQL is installed, on a PostgreSQL server that it
# starts in a temporary folder, and compares the table with that of the last release. Arguments are
# passed to the benchmark.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

args=()
last=$(compgen -G 'bench/results/v*.json' | sort -V | tail -n 1 || true)
if [ -n "$last" ]; then args+=(-compare "$last"); fi
args+=("$@") # a later flag takes precedence
bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)
if [ -z "$bin" ]; then
  left_out "the benchmark on PostgreSQL" "initdb is not installed (Debian: postgresql)"
else
  folder=$(mktemp -d)
  as=()
  if [ "$(id -u)" = 0 ]; then # PostgreSQL does not run as root
    chown postgres "$folder"
    as=(runuser -u postgres --)
  fi
  trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/db" -m immediate stop >/dev/null; rm -rf "$folder"' EXIT
  (cd "$folder" && "${as[@]}" "$bin/initdb" -D db -U b2b --auth trust >/dev/null)
  # A Unix socket instead of a TCP port avoids conflicts with other servers.
  "${as[@]}" "$bin/pg_ctl" -D "$folder/db" -w -o "-c listen_addresses='' -k $folder" -l "$folder/log" start >/dev/null
  args+=(-postgres "postgres:///postgres?host=$folder&user=b2b")
fi
go run ./bench "${args[@]}"
