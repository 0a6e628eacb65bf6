# shellcheck shell=bash
# Sourced by the other scripts: how they talk, and how they leave something out.

heading() { printf '\n== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# left_out WHAT WHY: says what will not run here. With CI=true that is a failure.
left_out() {
  printf 'LEFT OUT: %s: %s\n' "$1" "$2" >&2
  [ "${CI:-}" != true ] || die "with CI=true nothing may be left out"
}

is_root_on_debian() {
  [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null
}
