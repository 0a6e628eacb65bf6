#!/usr/bin/env bash
# Builds the documents as a site in dist/site. The build fails on a broken link or anchor, and
# on a page that is not in the navigation of mkdocs.yml.
set -euo pipefail
cd "$(dirname "$0")/.."

# mkdocs reads one folder: copy the documents, with the same relative paths.
rm -rf dist/docs dist/site
git ls-files -z --cached --others --exclude-standard -- ':(glob)*.md' docs api/openapi.json sdk/REQUIREMENTS.md ':(glob)sdk/*/README.md' sdk/testdata LICENSE |
  while IFS= read -r -d '' file; do
    [ -e "$file" ] || continue # removed, and not committed yet
    mkdir -p "dist/docs/$(dirname "$file")"
    cp "$file" "dist/docs/$file"
  done
rm -f dist/docs/docs/requirements.txt
node_modules/.bin/typedoc --options sdk/typescript/typedoc.json --logLevel Warn --out dist/docs/reference/typescript
# pdoc warns of each field that a TypedDict has from another one.
PYTHONPATH=sdk/python/src PYTHONDONTWRITEBYTECODE=1 .venv/bin/python -W ignore -m pdoc --no-search --no-show-source \
  --output-directory dist/docs/reference/python b2b_protocol b2b_protocol.gen.rest.types b2b_protocol.{bridges,errors,webhook,testing,files}
NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build
