# bench/machine.py — the machine, the versions, processor time and memory of processes.
import os
import pathlib
import platform
import subprocess

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process with all its threads, and of children it has waited for."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[i]) for i in (11, 12, 13, 14)) / TICK


def memory_kb(pid, what="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    return 0


def anonymous_kb(pid):
    """What is the process' own: resident memory without pages of files, which it shares with everybody."""
    return memory_kb(pid, "RssAnon")


def threads_cpu(pid):
    """Processor seconds by thread name, to see who is the limit."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            continue
        name = text[text.index("(") + 1:text.rindex(")")]
        fields = text.rsplit(")", 1)[1].split()
        found[name] = round(found.get(name, 0) + (int(fields[11]) + int(fields[12])) / TICK, 2)
    return {k: v for k, v in found.items() if v >= 0.02}


def first(path, key):
    try:
        for line in pathlib.Path(path).read_text().splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return "unknown"


def describe():
    return {
        "cpu": first("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)), "memory": first("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(), "load_average_at_start": os.getloadavg(),
    }


def output(*args):
    try:
        return subprocess.run(args, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"
