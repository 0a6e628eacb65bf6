#!/usr/bin/env bash
# Builds the release of the version in the file VERSION in dist/release: a static binary for
# each platform, its SBOM (CycloneDX: the modules in the binary, with their licences), the manual
# pages, the packages of the SDKs (npm tarball, Python wheel and sdist), and SHA256SUMS. Builds are
# reproducible: the same commit, tag and versions of Go and of the pinned tools give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
. build/say.sh

version=$(<VERSION)
out=dist/release
bin=dist/tools
sbom=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

# The binary contains the id of its commit, so the working tree must equal the commit.
[ -z "$(git status --porcelain)" ] || die "the working tree has uncommitted changes: commit them before a release"
tag=$(git tag --points-at HEAD --list "v$version")
[ -n "$tag" ] || printf 'note: this commit has no tag v%s\n' "$version" >&2

rm -rf "$out"
mkdir -p "$out" "$bin"
# Settings of this machine must not change the result.
export CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOEXPERIMENT= GOFLAGS=
GOBIN=$PWD/$bin GOFLAGS=-mod=mod go install "$sbom"

for platform in linux/{amd64,arm64} darwin/{amd64,arm64} windows/{amd64,arm64}; do
  os=${platform%/*} arch=${platform#*/}
  file=b2b-$version-$os-$arch
  name=$file
  [ "$os" != windows ] || name=$file.exe
  GOOS=$os GOARCH=$arch go build -buildvcs=true -trimpath -ldflags='-s -w' -o "$out/$name" ./cmd/b2b
  output=$("$bin/cyclonedx-gomod" bin -json -std -noserial -notimestamp -licenses \
    -version "v$version" -output "$out/$file.cdx.json" "$out/$name" 2>&1) || die "$output"
  printf '%-32s %5.1f MB\n' "$name" "$(($(wc -c <"$out/$name") / 10000))e-2"
done

pages=$(mktemp -d)
trap 'rm -rf "$pages"' EXIT
go run ./cmd/b2b man --dir "$pages/man1" >/dev/null
tar --create --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
  --mtime="@$(git log -1 --format=%ct)" --directory="$pages" man1 | gzip --no-name >"$out/b2b-$version-man.tar.gz"

build/sdkpackages.sh "$out"

cd "$out"
sha256sum b2b[-_]* >SHA256SUMS
printf '%s/SHA256SUMS names %s files\n' "$out" "$(wc -l <SHA256SUMS)"
