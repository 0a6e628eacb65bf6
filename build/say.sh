# shellcheck shell=bash
# Output functions for the other scripts, which source this file.

heading() { printf '\n== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# left_out WHAT WHY: reports that something cannot run on this machine. With CI=true it fails.
left_out() {
  printf 'LEFT OUT: %s: %s\n' "$1" "$2" >&2
  [ "${CI:-}" != true ] || die "with CI=true everything must run: install what is missing"
}

is_root_on_debian() {
  [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}
