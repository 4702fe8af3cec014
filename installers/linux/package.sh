#!/usr/bin/env bash
# Makes the Linux packages of a built program: package.sh PROGRAM FOLDER [SBOM]
#
# Leaves hilum-VERSION-ARCH.tar.gz, hilum_VERSION_ARCH.deb, Hilum-VERSION-ARCH.AppImage and SHA256SUMS in FOLDER.
# Needs cargo (for the beginning of the AppImage), dpkg-deb, mksquashfs (squashfs-tools) and objdump (binutils).
set -euo pipefail

program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
sbom=${3:+$(realpath "$3")}
installers=$(realpath "$(dirname "$0")/..")
root=$(realpath "$installers/..")

version=$("$program" --version | awk '{print $2}')
machine=$(uname -m)
debian=$(dpkg --print-architecture)
# The same bytes from the same commit: times are that of the commit, where there is one.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fill PREFIX : the files of an installation below PREFIX, as the File System Hierarchy wants them.
fill() {
    local share=$1/share
    install -D -m 755 "$program" "$1/bin/hilum"
    strip --strip-debug "$1/bin/hilum"
    install -D -m 644 "$installers/linux/hilum.desktop" "$share/applications/hilum.desktop"
    install -D -m 644 "$installers/linux/hilum-mime.xml" "$share/mime/packages/hilum.xml"
    install -D -m 644 "$installers/icon/hilum.svg" "$share/icons/hicolor/scalable/apps/hilum.svg"
    install -D -m 644 "$installers/icon/hilum.png" "$share/icons/hicolor/256x256/apps/hilum.png"
    mkdir -p "$share/man/man1" "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
        "$share/fish/vendor_completions.d"
    "$program" man "$share/man/man1"
    gzip -9 --no-name "$share"/man/man1/*.1
    "$program" completions bash >"$share/bash-completion/completions/hilum"
    "$program" completions zsh >"$share/zsh/vendor-completions/_hilum"
    "$program" completions fish >"$share/fish/vendor_completions.d/hilum.fish"
    local doc=$share/doc/hilum
    install -D -m 644 -t "$doc" "$root/README.md" "$root/CHANGELOG.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE"
    if [ -n "$sbom" ]; then install -D -m 644 "$sbom" "$doc/hilum.cdx.json"; fi
    find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

tarball() {
    local name=hilum-$version-$machine
    fill "$work/$name"
    tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        --directory "$work" "$name" | gzip -9 --no-name >"$out/$name.tar.gz"
}

# The C library that the program was linked with is the oldest that it runs with.
oldest_libc() {
    objdump --dynamic-syms "$program" | grep -o 'GLIBC_[0-9.]*' | sort --version-sort --unique | tail -1 | cut -d_ -f2
}

deb() {
    local tree=$work/deb
    fill "$tree/usr"
    mkdir -p "$tree/DEBIAN"
    # What opens a window is loaded at run time, so that the command line works without it: no tool can see it.
    cat >"$tree/DEBIAN/control" <<CONTROL
Package: hilum
Version: $version
Architecture: $debian
Maintainer: The Hilum developers <hilum@localhost>
Installed-Size: $(du -sk "$tree/usr" | cut -f1)
Depends: libc6 (>= $(oldest_libc)), libgcc-s1
Recommends: libegl1, libgl1, libvulkan1, libwayland-client0, libx11-6, libx11-xcb1, libxcursor1, libxi6, libxkbcommon0, libxkbcommon-x11-0, mesa-vulkan-drivers | vulkan-icd
Suggests: xdg-desktop-portal
Section: science
Priority: optional
Description: Desktop workstation for segmentation with attention networks
 A click on a lesion in a medical image gives its outline in three dimensions; optic disc and cup, vessels, lungs
 and more are labelled at once; every correction can teach the network. For research use; not for diagnosis.
CONTROL
    dpkg-deb --root-owner-group --build "$tree" "$out/hilum_${version}_$debian.deb" >/dev/null
}

appimage() {
    local tree=$work/AppDir to=$out/Hilum-$version-$machine.AppImage
    local build=${CARGO_TARGET_DIR:-$installers/appimage/target}
    fill "$tree/usr"
    ln -s usr/bin/hilum "$tree/AppRun"
    cp "$installers/linux/hilum.desktop" "$tree/"
    cp "$installers/icon/hilum.png" "$tree/hilum.png"
    ln -s hilum.png "$tree/.DirIcon"
    (cd "$installers/appimage" && CARGO_TARGET_DIR=$build cargo build --quiet --release --locked)
    cp "$build/release/hilum-appimage" "$to"
    # "AI" and the type of the image (specification, type 2), in bytes that ELF leaves free.
    printf 'AI\002' | dd of="$to" bs=1 seek=8 conv=notrunc status=none
    # mksquashfs takes the times from SOURCE_DATE_EPOCH.
    mksquashfs "$tree" "$work/squashed" -comp gzip -root-owned -noappend -no-xattrs -quiet -no-progress >/dev/null
    cat "$work/squashed" >>"$to"
    chmod 755 "$to"
}

tarball
deb
appimage
(cd "$out" && sha256sum hilum-* hilum_* Hilum-* >SHA256SUMS && cat SHA256SUMS)
