#!/usr/bin/env bash
# Fills fuzz/corpus with small sound files of every format, made by the program: seed.sh [PROGRAM]
# With HILUM_SHARED small real files join them.
set -euo pipefail
cd "$(dirname "$0")"
program=${1:-}
if [ -z "$program" ]; then
    cargo build --quiet --manifest-path ../Cargo.toml --bin hilum
    program=${CARGO_TARGET_DIR:-../target}/debug/hilum
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$program" sample ct --dims 12,10,6 --spacing 9,9,20 --out "$work/a.nii" --truth "$work/m.nii" >/dev/null
put() { mkdir -p "corpus/$1" && cp "$2" "corpus/$1/"; }
put nifti "$work/a.nii"
for name in a.nii.gz a.nrrd a.mha; do "$program" convert "$work/a.nii" "$work/$name" >/dev/null; done
put nifti "$work/a.nii.gz"
put nrrd "$work/a.nrrd"
put meta_image "$work/a.mha"
number=0
for name in m.nii m.seg.nrrd m.mha m.dcm; do
    [ -e "$work/$name" ] || "$program" convert "$work/m.nii" "$work/$name" --labels --image "$work/a.nii" >/dev/null
    mkdir -p corpus/labels
    { printf "\\x0$number"; cat "$work/$name"; } >"corpus/labels/$name"
    number=$((number + 1))
done
put dicom "$work/m.dcm"
mkdir -p corpus/project corpus/worklist
number=0
for name in project.json journal-3.bin snapshot-3.bin; do
    { printf "\\x0$number"; cat "../core/src/project/store/fixtures/v2/$name"; } >"corpus/project/$name"
    number=$((number + 1))
done
mkdir -p corpus/{card,recipe,weights,server_list,web_answer,multipart}
for card in ../resources/weights/*/card.json; do
    # The target writes the checksum of its own weights there.
    sed 's/"weights_sha256": *"[^"]*"/"weights_sha256": "SHA256"/' "$card" >"corpus/card/$(basename "$(dirname "$card")").json"
done
cp ../resources/recipes/*.toml corpus/recipe/
header='{"a":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[],"data_offsets":[4,8]}}'
{ printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header"; printf 'abcdefgh'; } >corpus/weights/two.safetensors
printf '[[server]]\nname = "a"\nurl = "https://a.example/dicom-web"\nauth = { kind = "basic", user = "u" }\n' >corpus/server_list/one.toml
printf '[{"0020000D":{"vr":"UI","Value":["1.2.3"]},"00100010":{"vr":"PN","Value":[{"Alphabetic":"A^B"}]},"00201208":{"vr":"IS","Value":["3"]}}]' \
    >corpus/web_answer/study.json
printf '{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2"]}}]},"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[272]}}]}}' \
    >corpus/web_answer/stored.json
printf '\003multipart/related; type="application/dicom"; boundary=b\n--b\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--b\r\n\r\ndef\r\n--b--\r\n' \
    >corpus/multipart/two
shared=${HILUM_SHARED:-../../shared}
if [ -d "$shared/golden" ]; then
    find "$shared/golden" -type f \( -name '*.pt' -o -name '*.pth' -o -name '*.safetensors' \) -size -64k -exec cp {} corpus/weights/ \;
fi
if [ -d "$shared/data" ]; then
    for pair in dicom:dcm raster:png raster:jpg raster:tif nifti:nii nrrd:nrrd meta_image:mha; do
        find "$shared/data" -type f -name "*.${pair#*:}" -size -64k | head -60 | while read -r file; do
            mkdir -p "corpus/${pair%%:*}"
            cp "$file" "corpus/${pair%%:*}/$(sha256sum "$file" | cut -c1-16).${pair#*:}"
        done
    done
fi
mkdir -p corpus/deidentify
cp corpus/dicom/* corpus/deidentify/
find corpus -type f | cut -d/ -f2 | sort | uniq -c
