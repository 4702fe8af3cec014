#!/usr/bin/env python3
"""Lists links that lead nowhere: links.py pages FILE… | links.py book FOLDER

`pages` reads Markdown as it lies in the repository, `book` the HTML that mdBook made of it. Only what lies in the
project is looked at, nothing in the network. Every finding is a line; the exit code is 1 if there is one.
"""

import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,}).*?(?:^ {0,3}\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE = re.compile(r"\]\(\s*<?([^)<>\s]+)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)")
DEFINITION = re.compile(r"^ {0,3}\[([^\]^][^\]]*)\]:\s*<?([^\s>]+)>?", re.MULTILINE)
REFERENCE = re.compile(r"\]\[([^\]]+)\]")
INCLUDE = re.compile(r"\{\{#include\s+([^:}\s]+)(?::([\w-]+))?\s*\}\}")
HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def is_local(target):
    """Whether a link stays in the project: no scheme, no host."""
    parts = urlsplit(target)
    return not parts.scheme and not parts.netloc


def include(page, findings, depth=0):
    """The text of a page with the parts of other files that it includes."""
    def replace(match):
        source = (page.parent / match[1]).resolve()
        if not source.is_file() or depth > 5:
            findings.append(f"{name(page)}: includes {match[1]}, which is not there")
            return ""
        text = include(source, findings, depth + 1)
        if match[2] is None:
            return text
        part = re.search(rf"ANCHOR: {match[2]}\b[^\n]*\n(.*?)\n[^\n]*ANCHOR_END: {match[2]}\b", text, re.DOTALL)
        if part is None:
            findings.append(f"{name(page)}: {match[1]} has no part {match[2]}")
            return ""
        return part[1]
    return INCLUDE.sub(replace, page.read_text(encoding="utf-8"))


def name(path):
    """A path as people write it."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def slug(heading, seen):
    """The anchor of a heading, as GitHub and mdBook make it."""
    text = re.sub(r"\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])", r"\1", heading)
    text = "".join(c for c in text.lower().strip() if c.isalnum() or c in " -_").replace(" ", "-")
    count = seen.get(text, 0)
    seen[text] = count + 1
    return text if count == 0 else f"{text}-{count}"


@cache
def anchors(page):
    """All anchors of a Markdown page."""
    seen = {}
    text = COMMENT.sub("", FENCE.sub("", include(page, [])))
    return {slug(heading.replace("`", "").replace("*", ""), seen) for heading in HEADING.findall(text)}


def check_page(page, findings):
    """Every link and image of a page, and every reference's definition."""
    if not page.is_file():
        findings.append(f"{name(page)}: is not there")
        return
    text = include(page, findings)
    plain = COMMENT.sub("", CODE.sub("", FENCE.sub("", text)))
    defined = {label.lower(): target for label, target in DEFINITION.findall(plain)}
    for label in REFERENCE.findall(plain):
        if label.lower() not in defined:
            findings.append(f"{name(page)}: [{label}] is defined nowhere")
    for target in INLINE.findall(plain) + list(defined.values()):
        if not is_local(target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / unquote(path)).resolve() if path else page
        if not found.exists():
            findings.append(f"{name(page)}: {target} is not there")
        elif not found.is_relative_to(ROOT):
            findings.append(f"{name(page)}: {target} lies outside the project")
        elif anchor and found.suffix == ".md" and unquote(anchor) not in anchors(found):
            findings.append(f"{name(page)}: {name(found)} has no heading #{anchor}")


def check_summary(findings):
    """Every page of the book's folder stands in its table of contents, once."""
    docs = ROOT / "docs"
    summary = docs / "SUMMARY.md"
    listed = [(docs / target).resolve() for target in INLINE.findall(summary.read_text(encoding="utf-8"))]
    for page in sorted(docs.rglob("*.md")):
        times = listed.count(page.resolve())
        if page != summary and times != 1:
            findings.append(f"docs/SUMMARY.md: names {name(page)} {times} times instead of once")


class Page(HTMLParser):
    """Anchors and links of a page of HTML."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.anchors.update(values[key] for key in ("id", "name") if values.get(key))
        link = values.get("href") if tag in ("a", "link") else values.get("src")
        if link and tag != "base":
            self.links.append(link)


def check_book(book, findings):
    """Every link and image of the pages that mdBook wrote."""
    pages = {path.resolve(): Page(path) for path in sorted(book.rglob("*.html"))}
    if not pages:
        findings.append(f"{book}: there is no page of HTML; run mdbook build docs first")
    for path, page in pages.items():
        # The page for wrong addresses is shown at any depth; its links begin where the book is served.
        if path.name == "404.html":
            continue
        for link in page.links:
            if not is_local(link) or link.startswith("/"):
                continue
            parts = urlsplit(link)
            found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not found.is_file():
                findings.append(f"{path.relative_to(book.resolve())}: {link} is not there")
            elif parts.fragment and found in pages and unquote(parts.fragment) not in pages[found].anchors:
                findings.append(f"{path.relative_to(book.resolve())}: {link}: no such anchor")


def main(arguments):
    """Runs the check that the first argument names."""
    findings = []
    match arguments:
        case ["pages", *pages] if pages:
            for page in pages:
                check_page(Path(page).resolve(), findings)
            check_summary(findings)
        case ["book", folder]:
            check_book(Path(folder), findings)
        case _:
            sys.exit(__doc__)
    print("\n".join(dict.fromkeys(findings)) or f"{arguments[0]}: every link leads somewhere")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
