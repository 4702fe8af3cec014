#!/usr/bin/env bash
# Writes the list of everything that the program is built of (SBOM, CycloneDX 1.5): sbom.sh FILE [TARGET]
# Needs cargo-cyclonedx.
set -euo pipefail
out=$(realpath -m "$1")
root=$(realpath "$(dirname "$0")/..")
target=${2:-$(rustc -vV | sed -n 's/^host: //p')}
cd "$root"
# The tool writes beside every manifest; ours are the crates of the workspace, the program's list has them all.
trap 'find "$root" -maxdepth 2 -name hilum-sbom.json -delete' EXIT
cargo cyclonedx --quiet --manifest-path app/Cargo.toml --format json --spec-version 1.5 --target "$target" \
    --override-filename hilum-sbom
mkdir -p "$(dirname "$out")"
# Where this checkout lies is nobody's business.
sed "s#path+file://$root/#path+file:///#g" app/hilum-sbom.json >"$out"
python3 - "$out" <<'CHECK'
import json, sys
bill = json.load(open(sys.argv[1]))
names = {component["name"] for component in bill["components"]}
missing = {"burn", "eframe", "wgpu", "dicom-object"} - names
assert bill["bomFormat"] == "CycloneDX" and not missing, missing
unlicensed = [c["name"] for c in bill["components"] if not c.get("licenses")]
print(f"{sys.argv[1]}: {len(names)} components, {len(unlicensed)} without a licence: {unlicensed}")
CHECK
