#!/usr/bin/env bash
# Writes a version to every place that names it: build/version.sh 0.3.0. The default is the
# version in the file VERSION. A test of build/repository compares the places.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

version=${1:-$(<VERSION)}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || die "'$version' is not a version: want three numbers such as 0.3.0"

# put FILE EXPRESSION: edits a file with a sed expression, which must match.
put() {
  sed -E --in-place=.before "$2" "$1"
  rm "$1.before"
  grep -qF "$version" "$1" || die "$1 has no line that matches: correct its expression in build/version.sh"
}

echo "$version" >VERSION
put server/server.go "s/^(const Version = \")[^\"]*/\1$version/"
put go.mod "s/^(\tgithub.com\/b2b-protocol\/b2b\/sdk\/go v).*/\1$version/"
put buf.gen.yaml "s/^(    opt: version=).*/\1$version/"
put SPEC.md "s/^(Version )[0-9.]+[0-9]/\1$version/"
put docs/operate/container.md "s/(docker build -t b2b:| b2b:)[0-9.]+[0-9]/\1$version/"
put docs/operate/install.md "s/(b2b-)[0-9.]+[0-9](-linux-amd64 )/\1$version\2/"
put sdk/typescript/package.json "/\"name\": \"@b2b-protocol\/sdk\"/{n;s/(\"version\": \")[^\"]*/\1$version/}"
put sdk/python/pyproject.toml "/^name = \"b2b-protocol\"/{n;s/(version = \")[^\"]*/\1$version/}"
put package-lock.json "/\"name\": \"@b2b-protocol\/sdk\"/{n;s/(\"version\": \")[^\"]*/\1$version/}"
