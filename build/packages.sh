#!/usr/bin/env bash
# Installs the missing Debian packages that the build and the tests need. Without root on Debian
# it installs nothing: it fails if a required one is missing, and lists the tests that cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }
has_venv() { python3 -c 'import ensurepip' 2>/dev/null; }

missing=()
command -v git >/dev/null || missing+=(git)
command -v make >/dev/null || missing+=(make)
command -v curl >/dev/null || missing+=(curl ca-certificates)
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
has_venv || missing+=(python3 python3-venv)
has_postgres || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
[ ${#missing[@]} -gt 0 ] || exit 0

if is_root_on_debian; then
  heading "apt-get install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # At run level 1 the packages do not start their servers. The tests start their own, on free
  # ports in temporary folders.
  RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

command -v git >/dev/null || die "git is needed"
command -v curl >/dev/null || die "curl is needed: a test runs the curl commands of the documentation"
has_venv || die "python3 with the venv module is needed (Debian: python3-venv)"
command -v gcc >/dev/null || left_out "the race detector" "it needs a C compiler (Debian: gcc libc6-dev)"
has_postgres || left_out "the tests on PostgreSQL" "initdb is not installed (Debian: postgresql)"
command -v redis-server >/dev/null || left_out "the tests of the notifier on Redis" "redis-server is not installed (Debian: redis-server)"
