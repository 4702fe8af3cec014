#!/usr/bin/env python3
"""Runs the networks of `hilum bench --networks` in Hilum and in PyTorch, one beside the other: the same weights, the same
input, the same number of threads, each in a process of its own. Compares the answers, then prints seconds and memory.

    pip install torch torchvision monai dynamic-network-architectures safetensors
    python docs/benchmarks/bench_pytorch.py path/to/hilum                      # all networks, on the CPU
    python docs/benchmarks/bench_pytorch.py path/to/hilum unetr hanet --repeats 5 --markdown table.md
    python docs/benchmarks/bench_pytorch.py folder-of-hilum-bench-export       # Hilum's figures as they were exported
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Where answers differ by more of their largest value, something else was computed. The rounding of single precision
# alone makes 4e-4 in DAF_stack, against double precision, and less than 3e-5 in the others.
TOLERANCE = 3e-3


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the program hilum, or a folder from hilum bench --networks --export")
    parser.add_argument("names", nargs="*", help="networks (hilum bench --list); all without a name")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all processors")
    parser.add_argument("--repeats", type=int, default=3, help="runs after the first (default 3)")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON too")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


# One network in PyTorch, in a process of its own.


def peak_mib(forget=False):
    """The most memory held since the last time it was forgotten; None where the system does not tell."""
    try:
        if forget:
            Path("/proc/self/clear_refs").write_text("5")
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def operations(net, x):
    """10⁹ operations of convolutions and matrix products, counted on tensors without values."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net.to("meta")(x.to("meta"))
    return counter.get_total_flops() * 1e-9


def work(folder, name, threads, repeats):
    import torch
    from networks import build
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    case = case_of(folder, name)
    net = build(case["arch"], case["config"])
    net.load_state_dict(load_file(folder / case["weights"]), strict=True)
    tensors = load_file(folder / case["tensors"])
    x, wanted = tensors["in.x"], tensors["out.y"]
    peak_mib(forget=True)
    seconds = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            begun = time.perf_counter()
            found = net(x)
            seconds.append(time.perf_counter() - begun)
    peak = peak_mib()
    if found.shape != wanted.shape:
        raise SystemExit(f"the answer has the shape {list(found.shape)}, Hilum's has {list(wanted.shape)}")
    difference = ((found - wanted).abs().max() / wanted.abs().max()).item()
    return dict(first_seconds=seconds[0], median_seconds=statistics.median(seconds[1:]),
                fastest_seconds=min(seconds[1:]), gflop=operations(net, x), peak_memory_mib=peak,
                difference=difference, torch=torch.__version__)


# Both, one beside the other.


def case_of(folder, name):
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    return next(case for case in cases if case["name"] == name)


def hilum(options, *words):
    """The answer of the program with these words."""
    environment = {**os.environ, "RAYON_NUM_THREADS": str(options.threads)}
    done = subprocess.run([options.source, "--json", *map(str, words)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"hilum: {last_line(done.stderr)}")
    return json.loads(done.stdout)


def last_line(text):
    return (text.strip().splitlines() or ["no reason given"])[-1]


def measure(options, name, folder):
    """What both say of a network; RuntimeError with the reason where one of them does not run it."""
    if options.source.is_dir():
        threads = None
    else:
        threads = hilum(options, "bench", name, "--networks", "--device", "cpu", "--repeats", options.repeats, "--export",
                        folder)["threads"]
    if threads not in (None, options.threads):
        raise RuntimeError(f"hilum used {threads} threads, not {options.threads}")
    command = [sys.executable, __file__, "--worker", folder, name, "--threads", options.threads, "--repeats",
               options.repeats]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"PyTorch: {last_line(done.stderr)} (status {done.returncode})")
    return dict(hilum=case_of(folder, name), pytorch=json.loads(done.stdout))


def rows(options):
    exported = options.source.is_dir()
    if exported:
        known = [case["name"] for case in json.loads((options.source / "cases.json").read_text())["cases"]]
    else:
        known = [case["name"] for case in hilum(options, "bench", "--list")["cases"]]
    unknown = [name for name in options.names if name not in known]
    if unknown:
        sys.exit(f"there is no network {', '.join(unknown)}; there are: {', '.join(known)}")
    for name in options.names or known:
        try:
            if exported:
                row = measure(options, name, options.source)
            else:
                with tempfile.TemporaryDirectory() as folder:
                    row = measure(options, name, Path(folder))
        except RuntimeError as reason:
            row = dict(error=str(reason))
        yield dict(name=name, **row)


# Tables.

HEADER = ("network", "input", "GFLOP", "Hilum s", "PyTorch s", "Hilum / PyTorch", "Hilum GFLOP/s", "PyTorch GFLOP/s",
          "Hilum MiB", "PyTorch MiB", "difference")


def cells(row):
    if "error" in row:
        return [row["name"], row["error"]]
    ours, theirs = row["hilum"], row["pytorch"]
    _, channels, z, y, x = ours["input"]
    # Axes in the order of the array in memory.
    axes = [size for size in (channels if channels > 1 else 0, z if z > 1 else 0, y, x) if size]
    seconds = [side["median_seconds"] for side in (ours, theirs)]
    memory = ["–" if side["peak_memory_mib"] is None else f"{side['peak_memory_mib']:.0f}" for side in (ours, theirs)]
    rates = [f"{ours['gflop'] / second:.0f}" for second in seconds]
    return [row["name"], "×".join(map(str, axes)), f"{ours['gflop']:.0f}", *(f"{second:.2f}" for second in seconds),
            f"{seconds[0] / seconds[1]:.2f}", *rates, *memory, f"{theirs['difference']:.0e}"]


def aligned(lines):
    widths = [max(len(line[column]) for line in lines if len(line) > column and len(line) != 2)
              for column in range(len(HEADER))]
    place = lambda column, cell: cell.ljust(widths[column]) if column == 0 else cell.rjust(widths[column])
    return "\n".join("  ".join(place(column, cell) for column, cell in enumerate(line)).rstrip() for line in lines)


def markdown(lines, about):
    table = ["| " + " | ".join(line + [""] * (len(HEADER) - len(line))) + " |" for line in lines]
    table.insert(1, "|---|---|" + "---:|" * (len(HEADER) - 2))
    return about + "\n\n" + "\n".join(table) + "\n"


def machine(options, versions):
    model = "unknown processor"
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":")[1].strip()
    except (OSError, IndexError):
        pass
    torch = f", PyTorch {versions[0]}" if versions else ""
    return (f"{datetime.date.today()}: {model}, {options.threads} threads{torch}; medians of {options.repeats} runs after "
            f"a warm-up.")


def main():
    options = arguments()
    if options.worker:
        print(json.dumps(work(options.source, options.names[0], options.threads, options.repeats)))
        return 0
    measured = []
    for row in rows(options):
        measured.append(row)
        print("  ".join(cells(row)), file=sys.stderr, flush=True)
    versions = [row["pytorch"]["torch"] for row in measured if "pytorch" in row]
    about, lines = machine(options, versions), [list(HEADER)] + [cells(row) for row in measured]
    print(about + "\n" + aligned(lines))
    if options.markdown:
        options.markdown.write_text(markdown(lines, about))
    if options.json:
        options.json.write_text(json.dumps(dict(about=about, threads=options.threads, rows=measured), indent=1) + "\n")
    failed = [row["name"] for row in measured if "error" in row or not row["pytorch"]["difference"] <= TOLERANCE]
    if failed:
        print(f"failed, or with another answer than Hilum's: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
