#!/usr/bin/env bash
# Checks the links of the documentation: check.sh [BOOK]
#
# Every relative link and anchor in the Markdown of the project leads to a file and a heading that are there, and every
# page stands in docs/SUMMARY.md. BOOK is the folder that `mdbook build docs` wrote (target/book where nothing is said);
# its HTML is checked as well if it is there, and must be there if it was named. Needs python3.
set -euo pipefail
given=${1:+$(realpath -m "$1")}
cd "$(dirname "$0")/.."

outcome=0
mapfile -t pages < <(printf '%s\n' README.md ARCHITECTURE.md CHANGELOG.md installers/README.md; find docs -name '*.md' | sort)
python3 docs/links.py pages "${pages[@]}" || outcome=1
book=${given:-target/book}
if [ -n "$given" ] || [ -d "$book" ]; then
    python3 docs/links.py book "$book" || outcome=1
else
    echo "skipped: there is no book in $book, its pages are NOT checked (mdbook build docs)"
fi
exit $outcome
