#!/usr/bin/env bash
# Builds the documents as a site in dist/site. A link or an anchor that leads nowhere, and a
# page that the navigation of mkdocs.yml lacks, fail the build.
set -euo pipefail
cd "$(dirname "$0")/.."

# The site's generator reads one folder: what belongs to the site, where it is here.
rm -rf dist/docs dist/site
git ls-files -z --cached --others --exclude-standard -- ':(glob)*.md' docs api/openapi.json LICENSE |
  while IFS= read -r -d '' file; do
    [ -e "$file" ] || continue # removed, and not committed yet
    mkdir -p "dist/docs/$(dirname "$file")"
    cp "$file" "dist/docs/$file"
  done
rm -f dist/docs/docs/requirements.txt
NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build
