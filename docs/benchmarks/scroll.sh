#!/bin/sh
# Scrolls through a CT of 512 x 512 x 150 voxels with a label on it, in the real window on a virtual screen, and takes a
# picture of the status bar, where the frame times stand.
#
#     docs/benchmarks/scroll.sh target/release/hilum OUT
#
# Needs Xvfb, xdotool and ImageMagick. Settings and data of the user are not touched.
set -eu
hilum=$1 out=$2
mkdir -p "$out"
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache"
"$hilum" sample ct --out "$home/ct.nii.gz" --dims 512,512,150 --spacing 0.8,0.8,2.5
export hilum out home
xvfb-run -a -s "-screen 0 1440x900x24" sh -c '
    "$hilum" "$home/ct.nii.gz" &
    window=$!
    sleep 40
    # The read-out; a large ball of the active label at the crosshair.
    xdotool windowfocus $(xdotool search --name Hilum | tail -1)
    xdotool mousemove 400 450
    xdotool key shift+F12
    sleep 1
    xdotool key d b
    for i in 1 2 3 4 5 6 7 8; do xdotool key bracketright; done
    xdotool key ctrl+Return
    sleep 8
    import -window root "$out/before.png"
    xdotool click --repeat 600 --delay 12 5
    import -window root "$out/scroll.png"
    sleep 3
    xdotool key F4
    sleep 6
    xdotool mousemove 300 300
    xdotool click --repeat 600 --delay 12 4
    import -window root "$out/scroll-four.png"
    kill $window
'
