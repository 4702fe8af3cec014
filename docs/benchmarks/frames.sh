#!/bin/sh
# Processor time of the real window for each notch of the wheel and each movement of the mouse, on a virtual screen, where the
# processor draws: what the threads of the program took, which does not depend on what else the machine does.
#
#     docs/benchmarks/frames.sh target/release/hilum [LAYOUT KEY, such as F4]
#
# Needs Xvfb and xdotool. Settings and data of the user are not touched.
set -eu
hilum=$1 layout=${2:-F3}
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache"
"$hilum" sample ct --out "$home/ct.nii.gz" --dims 512,512,150 --spacing 0.8,0.8,2.5 >/dev/null
export hilum home layout
xvfb-run -a -s "-screen 0 1440x900x24" sh -c '
    "$hilum" "$home/ct.nii.gz" 2>/dev/null &
    window=$!
    sleep 30
    # Hundredths of a second of the thread that draws the window and of all others, and memory.
    used() {
        cat /proc/$window/task/$window/stat | cut -d ")" -f 2 | awk "{ print \$12 + \$13 }"
        cat /proc/$window/stat | cut -d ")" -f 2 | awk "{ print \$12 + \$13 }"
        awk "/VmRSS/ { print int(\$2 / 1024) }" /proc/$window/status
    }
    report() { echo "$1: main thread $((10 * ($5 - $2) / 20)) ms, whole program $((10 * ($6 - $3) / 20)) ms; memory $4 then $7 MiB"; }
    xdotool windowfocus $(xdotool search --name Hilum | tail -1)
    xdotool mousemove 400 450
    xdotool key $layout d b
    for i in 1 2 3 4 5 6 7 8; do xdotool key bracketright; done
    xdotool key ctrl+Return
    sleep 10
    before=$(used)
    for i in $(seq 20); do xdotool click 5; sleep 0.6; done
    report "a notch of the wheel" $before $(used)
    before=$(used)
    for i in $(seq 20); do xdotool mousemove_relative 3 2; sleep 0.6; done
    report "a movement of the mouse" $before $(used)
    grep -E "VmHWM|VmRSS" /proc/$window/status
    kill $window
'
