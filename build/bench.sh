#!/usr/bin/env bash
# Measures the server beside its floor, on SQLite and, where PostgreSQL can be
# had, on a server of its own in a temporary folder. Arguments go to the bench.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

args=("$@")
bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1 || true)
if [ -z "$bin" ]; then
  left_out "the bench on PostgreSQL" "no initdb here (Debian: postgresql)"
else
  folder=$(mktemp -d)
  as=()
  if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses root
    chown postgres "$folder"
    as=(runuser -u postgres --)
  fi
  trap '"${as[@]}" "$bin/pg_ctl" -D "$folder/db" -m immediate stop >/dev/null; rm -rf "$folder"' EXIT
  (cd "$folder" && "${as[@]}" "$bin/initdb" -D db -U b2b --auth trust >/dev/null)
  # Without a TCP port there is none to collide with.
  "${as[@]}" "$bin/pg_ctl" -D "$folder/db" -w -o "-c listen_addresses='' -k $folder" -l "$folder/log" start >/dev/null
  args+=(-postgres "postgres:///postgres?host=$folder&user=b2b")
fi
go run ./bench "${args[@]}"
