#!/usr/bin/env bash
# Writes a version to every place that names it: build/version.sh 0.3.0. Without an argument
# it writes the one of the file VERSION again. A test of build/repository compares the places.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

version=${1:-$(<VERSION)}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "a version is three numbers such as 0.3.0, not '$version'"

# put FILE EXPRESSION: the expression of sed must find its line.
put() {
  sed -E --in-place=.before "$2" "$1"
  rm "$1.before"
  grep -qF "$version" "$1" || die "$1 has no place for a version: look at build/version.sh"
}

echo "$version" >VERSION
put server/server.go "s/^(const Version = \")[^\"]*/\1$version/"
put buf.gen.yaml "s/^(    opt: version=).*/\1$version/"
put SPEC.md "s/^(Version )[0-9.]+[0-9]/\1$version/"
put sdk/typescript/package.json "/\"name\": \"@b2b-protocol\/sdk\"/{n;s/(\"version\": \")[^\"]*/\1$version/}"
put sdk/python/pyproject.toml "/^name = \"b2b-protocol\"/{n;s/(version = \")[^\"]*/\1$version/}"
put package-lock.json "/\"name\": \"@b2b-protocol\/sdk\"/{n;s/(\"version\": \")[^\"]*/\1$version/}"
