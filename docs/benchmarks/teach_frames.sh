#!/bin/sh
# Frames of the real window while it teaches, on a virtual screen, where the processor draws: pictures of the status
# bar (median and 99th percentile of the last five seconds) while the wheel turns, before and while a network learns.
#
#     docs/benchmarks/teach_frames.sh target/release/hilum IMAGES MASKS MODEL OUT
#
# IMAGES and MASKS: folders of images and masks of the same names; the first is worked on, all others teach.
# Needs Xvfb, xdotool and ImageMagick. Settings and data of the user are not touched.
set -eu
hilum=$1 images=$2 masks=$3 model=$4 out=$5
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$out" "$home/images" "$home/masks"
export XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_CACHE_HOME="$home/cache"
for image in $(ls "$images" | head -5); do
    cp "$images/$image" "$home/images/"
done
for mask in $(ls "$images" | head -5 | tail -4); do
    cp "$masks/$mask" "$home/masks/"
done
"$hilum" worklist new "$home/list" --model "$model" "$home/images" >/dev/null
"$hilum" worklist masks "$home/list" --import-masks "$home/masks" >/dev/null
export hilum home out
xvfb-run -a -s "-screen 0 1440x900x24" sh -c '
    "$hilum" "$home/list" 2>/dev/null &
    window=$!
    sleep 20
    xdotool windowfocus $(xdotool search --name Hilum | tail -1)
    xdotool key shift+F12 n
    sleep 15
    xdotool mousemove 700 450
    # Hundredths of a second of the thread that draws the window.
    used() { cut -d ")" -f 2 /proc/$window/task/$window/stat | awk "{ print \$12 + \$13 }"; }
    turn() {
        start=$(used)
        for i in $(seq 30); do xdotool click --repeat 15 --delay 16 $((4 + i % 2)); done
        echo "$1: the thread that draws took $((10 * ($(used) - start) / 450)) ms for a notch of the wheel"
        import -window root "$out/$1.png"
    }
    turn before
    xdotool key ctrl+shift+p
    sleep 1
    xdotool type --delay 60 Teach
    sleep 1
    xdotool key Return
    sleep 60
    turn while-1
    turn while-2
    # Share of processor time of every thread.
    ps -L -o comm,ni,pcpu -p $window | sort -k3 -n -r | head -12 >"$out/threads.txt"
    kill $window
'
