#!/bin/sh
# Twenty quick strokes over a CT of 512 x 512 x 300 voxels, in the real window on a virtual screen: prints the memory of the process
# after opening, after each stroke, and the most there ever was.
#
#     docs/benchmarks/strokes.sh target/release/hilum
#
# Needs Xvfb and xdotool. Settings and data of the user are not touched.
set -eu
hilum=$1
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache"
"$hilum" sample ct --out "$home/ct.nii.gz" --dims 512,512,300 --spacing 0.8,0.8,2 >/dev/null
export hilum home
xvfb-run -a -s "-screen 0 1440x900x24" sh -c '
    "$hilum" "$home/ct.nii.gz" 2>/dev/null &
    window=$!
    memory() { sed -n "s/^$1:/$2/p" /proc/$window/status; }
    sleep 60
    xdotool windowfocus $(xdotool search --name Hilum | tail -1)
    xdotool mousemove 400 450
    sleep 3
    memory VmRSS "opened:"
    xdotool key b
    for i in 1 2 3 4; do xdotool key bracketright; done
    sleep 1
    for stroke in $(seq 1 20); do
        xdotool mousemove $((250 + stroke * 8)) $((300 + stroke * 5)) mousedown 1
        for step in 1 2 3 4 5 6 7 8 9 10; do
            xdotool mousemove_relative -- 6 2
            sleep 0.03
        done
        xdotool mouseup 1
        xdotool key Down
        sleep 0.2
        memory VmRSS "stroke $stroke:"
    done
    sleep 6
    memory VmRSS "in the end:"
    memory VmHWM "most:"
    memory RssAnon "own data:"
    memory RssFile "program file and libraries:"
    kill $window
'
