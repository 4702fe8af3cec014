#!/usr/bin/env bash
# Starts packages in a Debian that has never seen a compiler or a graphics driver: try.sh FOLDER PICTURE [ROOT]
#
# FOLDER holds what package.sh made. The .deb is installed and the tarball unpacked; each must answer on the command
# line, and say so where there is no display; then the AppImage opens its window without any graphics driver that it could load, under
# Xvfb, and PICTURE is a screenshot of it. ROOT keeps the bare system for the next time.
# Needs root, debootstrap and a Debian mirror; ends with 77 where it cannot be tried.
set -euo pipefail

packages=$(realpath "$1")
picture=$(realpath -m "$2")
base=$(realpath -m "${3:-$HOME/.cache/hilum/tools/debian}")

skip() {
    echo "skipped: $1"
    exit 77
}
[ "$(id -u)" -eq 0 ] || skip "not root, a clean system cannot be entered"
command -v debootstrap >/dev/null || skip "debootstrap is missing"

if [ ! -e "$base.tar" ]; then
    mkdir -p "$base"
    debootstrap --variant=minbase bookworm "$base" >"$base.log" 2>&1 || { rm -rf "$base"; skip "debootstrap failed, see $base.log"; }
    tar --create --file "$base.tar.part" --directory "$base" .
    mv "$base.tar.part" "$base.tar"
    rm -rf "$base"
fi

clean=$(mktemp -d)
leave() {
    umount -l "$clean/proc" "$clean/dev/shm" 2>/dev/null || true
    rm -rf "$clean"
}
trap leave EXIT
tar --extract --file "$base.tar" --directory "$clean"
cp -L /etc/resolv.conf "$clean/etc/" 2>/dev/null || true
cp -r /etc/apt/. "$clean/etc/apt/" 2>/dev/null || true
mkdir -p "$clean/packages"
cp "$packages"/* "$clean/packages/"
mount -t proc proc "$clean/proc" 2>/dev/null || skip "this system may not mount, a clean one cannot be entered"
mount -t tmpfs shm "$clean/dev/shm" 2>/dev/null || true

inside() {
    env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        chroot "$clean" bash -euo pipefail -c "$1"
}

echo "== no graphics driver: the .deb and the tarball"
inside '
    dpkg --install /packages/*.deb >/dev/null
    hilum --version
    hilum sample ct --out /root/ct.nii.gz
    hilum info /root/ct.nii.gz
    hilum doctor
    test -s /usr/share/man/man1/hilum.1.gz
    mkdir /root/tar && tar --extract --gzip --file /packages/hilum-*.tar.gz --directory /root/tar
    /root/tar/hilum-*/bin/hilum --version
    if hilum /root/ct.nii.gz 2>/root/said; then echo "a window without a display?"; exit 1; fi
    cat /root/said
'
echo "== a display without a graphics driver: the AppImage"
inside 'apt-get update -qq 2>/dev/null' || skip "no Debian mirror is reached: the packages answer, but NO window was opened"
inside '
    apt-get install -y -qq --no-install-recommends xvfb xauth imagemagick libxkbcommon-x11-0 libx11-xcb1 libxcursor1 \
        libxi6 >/dev/null 2>&1
    if ldconfig -p | grep -E "libEGL[.]so|libvulkan[.]so"; then echo "there is a driver that it could load"; exit 1; fi
    cat >/root/look <<LOOK
/packages/Hilum-*.AppImage /root/ct.nii.gz 2>/root/said &
for i in \$(seq 40); do
    sleep 3
    import -window root /root/window.png
    # More than a bare screen: the window has thousands of colours once the image is drawn.
    [ "\$(identify -format %k /root/window.png)" -gt 200 ] && sleep 5 && import -window root /root/window.png && exit 0
done
cat /root/said
exit 1
LOOK
    xvfb-run -a -s "-screen 0 1440x900x24 -extension GLX" bash /root/look
'
cp "$clean/root/window.png" "$picture"
echo "the packages start in a clean system; the window: $picture"
