#!/usr/bin/env bash
# Makes Hilum.app, and on macOS a disk image of it: bundle.sh PROGRAM FOLDER [SBOM]
#
# With SIGN_AS (a "Developer ID Application" identity in the key chain) the app is signed for notarisation; without it
# only for the machine that makes it, and others must allow it in their settings. Needs python3 with Pillow for the icon.
set -euo pipefail

program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
installers=$(realpath "$(dirname "$0")/..")
version=${VERSION:-$("$program" --version | awk '{print $2}')}
contents=$out/Hilum.app/Contents

rm -rf "$out/Hilum.app"
mkdir -p "$contents/MacOS" "$contents/Resources"
install -m 755 "$program" "$contents/MacOS/hilum"
sed "s/@VERSION@/$version/" "$installers/macos/Info.plist" >"$contents/Info.plist"
printf 'APPL????' >"$contents/PkgInfo"
icons=$(mktemp -d)
python3 "$installers/icon/draw.py" "$icons"
cp "$icons/hilum.icns" "$contents/Resources/hilum.icns"
cp "$installers/../LICENSE-MIT" "$installers/../LICENSE-APACHE" "$contents/Resources/"
if [ $# -ge 3 ]; then cp "$3" "$contents/Resources/hilum.cdx.json"; fi

if ! command -v hdiutil >/dev/null; then
    echo "$out/Hilum.app is made; a disk image needs macOS"
    exit 0
fi
stamp=--timestamp=none
if [ -n "${SIGN_AS:-}" ]; then stamp=--timestamp; fi
codesign --force --options runtime "$stamp" \
    --sign "${SIGN_AS:--}" "$out/Hilum.app"
staging=$(mktemp -d)
cp -R "$out/Hilum.app" "$staging/"
ln -s /Applications "$staging/Applications"
hdiutil create -quiet -fs HFS+ -format UDZO -volname "Hilum $version" -srcfolder "$staging" -ov \
    "$out/Hilum-$version-$(uname -m).dmg"
