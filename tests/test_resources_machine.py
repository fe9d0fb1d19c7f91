"""What the machine has, how busy it is and whether memory runs short: real trees of files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from miyabi_tui.engine.hierarchy import V2, cpu_list, groups
from miyabi_tui.engine.resources.hardware import GB, HardwareLimits
from miyabi_tui.engine.resources.load import LoadMeter, memory_share
from miyabi_tui.engine.resources.pressure import Pressure, read_pressure
from miyabi_tui.engine.terms import Governing, Sandboxing

NO_LIMIT = "9223372036854771712"
GOVERNING = Governing()


class Machine:
    """A machine's `/proc` and `/sys` in a folder."""

    def __init__(self, root: Path, *, memory_gb: int = 64, cpus: str = "0-15") -> None:
        self.root = root
        self.mounts = 30
        self.write("proc/meminfo", f"MemTotal:       {memory_gb * 2**20} kB\nMemFree: 1 kB\n")
        self.write("proc/self/status", f"Name:\tpython\nCpus_allowed_list:\t{cpus}\n")
        self.write("sys/devices/system/cpu/online", "0-15\n")
        self.write("proc/self/mountinfo", "22 1 254:1 / / rw,relatime - ext4 /dev/vda rw\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def belongs(self, *lines: str) -> None:
        """To these groups, as `/proc/self/cgroup` says it."""
        self.write("proc/self/cgroup", "".join(f"{line}\n" for line in lines))

    def mount(self, at: str, controllers: str = V2, *, shown: str = "/") -> None:
        self.mounts += 1
        kind = f"cgroup cgroup rw,{controllers}" if controllers else "cgroup2 cgroup2 rw,nsdelegate"
        line = f"{self.mounts} 22 0:{self.mounts} {shown} {at} rw,nosuid shared:9 - {kind}\n"
        (self.root / at.strip("/").replace("\\040", " ")).mkdir(parents=True, exist_ok=True)
        with (self.root / "proc/self/mountinfo").open("a") as file:
            file.write(line)

    def has(self, memory_gb: float, cores: float) -> None:
        limits = HardwareLimits.detect(self.root, self.root)
        assert (limits.memory_bytes / GB, limits.cores) == (memory_gb, cores)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def v2(machine: Machine, group: str = "/user.slice/app.scope") -> str:
    """The machine with one hierarchy; the folder of its own group."""
    machine.mount("/sys/fs/cgroup")
    machine.belongs(f"0::{group}")
    folder = f"sys/fs/cgroup{group}"
    (machine.root / folder).mkdir(parents=True, exist_ok=True)
    return folder


# The table of the requirement


@pytest.mark.parametrize(
    ("memory", "cores", "disk", "worlds", "why"),
    [
        (32, 8, 500, 4, "cores"),
        (4, 8, 500, 2, "memory"),
        (32, 8, 12, 2, "disk"),
        (32, 64, 500, 16, "memory"),
        (31.9, 64, 500, 15, "memory"),
        (1, 1, 1, 1, "cores"),
        (32, 1.5, 500, 1, "cores"),
        (32, 5.5, 500, 2, "cores"),
    ],
)
def test_the_least_quotient_says_how_many_worlds_fit(
    memory: float, cores: float, disk: float, worlds: int, why: str
) -> None:
    limits = HardwareLimits(int(memory * GB), cores, int(disk * GB))

    assert limits.max_concurrent_worktrees(Sandboxing()) == worlds
    assert why in limits.reason(Sandboxing())


def test_what_a_world_needs_can_be_set() -> None:
    limits = HardwareLimits(32 * GB, 0.3, 500 * GB)

    assert limits.max_concurrent_worktrees(Sandboxing(cpus=0.1)) == 3
    assert limits.reason(Sandboxing(cpus=0.1)) == "0.3 cores, 0.1 for each world"


# The size of a machine


def test_without_control_groups_it_is_what_the_machine_has(machine: Machine) -> None:
    machine.has(64, 16)


def test_only_the_cpus_it_may_run_on_count(tmp_path: Path) -> None:
    Machine(tmp_path, cpus="2-5,8,40-47").has(64, 5)  # there is no 40: not online


def test_the_disk_is_what_is_free_where_the_repository_is(tmp_path: Path) -> None:
    found = HardwareLimits.detect(tmp_path).disk_bytes

    assert found == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"):
        HardwareLimits.detect(tmp_path / "gone")


def test_this_machine_is_never_larger_than_what_the_kernel_gives() -> None:
    found = HardwareLimits.detect(Path.cwd())

    assert 0 < found.memory_bytes <= psutil.virtual_memory().total
    assert 0 < found.cores <= len(os.sched_getaffinity(0))


def test_a_system_without_proc_is_asked_otherwise(tmp_path: Path) -> None:
    found = HardwareLimits.detect(tmp_path, tmp_path)

    assert found.memory_bytes == psutil.virtual_memory().total
    assert found.cores == len(os.sched_getaffinity(0))


def test_v2_its_own_group(machine: Machine) -> None:
    own = v2(machine)
    machine.write(f"{own}/memory.max", f"{8 * GB}\n")
    machine.write(f"{own}/cpu.max", "250000 100000\n")

    machine.has(8, 2.5)


def test_v2_the_tightest_limit_above_it_holds(machine: Machine) -> None:
    own = v2(machine)
    machine.write(f"{own}/memory.max", f"{32 * GB}\n")
    machine.write(f"{own}/cpu.max", "max 100000\n")
    machine.write("sys/fs/cgroup/user.slice/memory.max", f"{6 * GB}\n")
    machine.write("sys/fs/cgroup/user.slice/cpu.max", "300000 100000\n")

    machine.has(6, 3)


def test_v2_in_a_container_the_root_that_is_seen_has_the_limit(machine: Machine) -> None:
    v2(machine, "/")
    machine.write("sys/fs/cgroup/memory.max", f"{4 * GB}\n")
    machine.write("sys/fs/cgroup/cpu.max", "50000 100000\n")
    machine.write("sys/fs/cgroup/cpuset.cpus.effective", "0-1\n")

    machine.has(4, 0.5)


def test_v2_no_limits(machine: Machine) -> None:
    own = v2(machine)
    machine.write(f"{own}/memory.max", "max\n")
    machine.write(f"{own}/cpu.max", "max 100000\n")

    machine.has(64, 16)


def test_v1_limits_of_its_groups(machine: Machine) -> None:
    machine.mount("/sys/fs/cgroup/memory", "memory")
    machine.mount("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct")
    machine.mount("/sys/fs/cgroup/cpuset", "cpuset")
    machine.belongs("4:memory:/jobs/one", "3:cpu,cpuacct:/jobs/one", "2:cpuset:/jobs")
    machine.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", f"{NO_LIMIT}\n")
    machine.write("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", f"{10 * GB}\n")
    machine.write("sys/fs/cgroup/cpu,cpuacct/jobs/one/cpu.cfs_quota_us", "700000\n")
    machine.write("sys/fs/cgroup/cpu,cpuacct/jobs/one/cpu.cfs_period_us", "100000\n")
    machine.has(10, 7)

    machine.write("sys/fs/cgroup/cpuset/jobs/cpuset.cpus", "0-2,7\n")
    machine.has(10, 4)


def test_v1_no_limits(machine: Machine) -> None:
    machine.mount("/sys/fs/cgroup/memory", "memory")
    machine.mount("/sys/fs/cgroup/cpu", "cpu")
    machine.belongs("4:memory:/", "1:cpu:/")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{NO_LIMIT}\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    machine.has(64, 16)


def test_v1_in_a_container_whose_groups_are_named_as_outside(machine: Machine) -> None:
    machine.mount("/sys/fs/cgroup/memory", "memory", shown="/docker/4f2a")
    machine.mount("/sys/fs/cgroup/cpu", "cpu", shown="/docker/4f2a")
    machine.belongs("4:memory:/docker/4f2a", "1:cpu:/../sibling")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", f"{3 * GB}\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")

    machine.has(3, 1.5)


def test_hybrid_both_hierarchies_count(machine: Machine) -> None:
    machine.mount("/sys/fs/cgroup/memory", "memory")
    machine.mount("/sys/fs/cgroup/unified")
    machine.belongs("4:memory:/jobs", "1:name=systemd:/", "0::/jobs")
    machine.write("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", f"{12 * GB}\n")
    machine.write("sys/fs/cgroup/unified/jobs/cpu.max", "600000 100000\n")

    machine.has(12, 6)


def test_mounts_with_odd_names_and_broken_lines(machine: Machine) -> None:
    machine.write("proc/self/mountinfo", "nonsense\n1 2 - x\n\n")
    machine.mount("/sys/fs/my\\040groups")
    machine.belongs("0::/deep", "what", "")
    machine.write("sys/fs/my groups/deep/memory.max", f"{2 * GB}\n")

    machine.has(2, 16)
    assert groups(machine.root, "memory") == ()


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-3,8\n", {0, 1, 2, 3, 8}), ("5", {5}), ("", set()), ("a-b", set()), ("1,x", {1})],
)
def test_lists_of_cpus(text: str, cpus: set[int]) -> None:
    assert cpu_list(text) == cpus


# Its load


def test_the_load_of_this_machine(tmp_path: Path) -> None:
    meter = LoadMeter(tmp_path)
    first = meter.read()
    deadline = os.times().user + 0.15
    while os.times().user < deadline:
        sum(range(1000))
    second = meter.read()

    assert first.cpu == 0.0
    assert 0.5 / len(os.sched_getaffinity(0)) < second.cpu <= 1.0
    assert 0.0 < second.memory < 1.0
    assert second.disk == pytest.approx(psutil.disk_usage(str(tmp_path)).percent / 100, abs=0.05)


def test_a_groups_memory_counts_but_for_what_can_be_taken_back(machine: Machine) -> None:
    own = v2(machine)
    machine.write(f"{own}/memory.max", f"{1000}\n")
    machine.write(f"{own}/memory.current", "990\n")
    machine.write(f"{own}/memory.stat", "anon 960\ninactive_file 15\nactive_file 4\nodd\n")

    assert memory_share(machine.root) == pytest.approx(0.971)


def test_a_v1_groups_memory(machine: Machine) -> None:
    machine.mount("/sys/fs/cgroup/memory", "memory")
    machine.belongs("4:memory:/")
    machine.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n")
    machine.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1005\n")
    machine.write("sys/fs/cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 25\n")

    assert memory_share(machine.root) == pytest.approx(0.98)


@pytest.mark.parametrize("hierarchy", ["v1", "v2"])
def test_a_groups_cpu_time_counts_against_what_it_may_have(
    machine: Machine, hierarchy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = psutil.cpu_times(percpu=True)
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: still)
    now = 100.0

    def used(seconds: float) -> None:
        if hierarchy == "v2":
            machine.write("sys/fs/cgroup/cpu.stat", f"usage_usec {int(seconds * 1e6)}\nx y z\n")
        else:
            machine.write("sys/fs/cgroup/cpuacct.usage", f"{int(seconds * 1e9)}\n")

    if hierarchy == "v2":
        v2(machine, "/")
        machine.write("sys/fs/cgroup/cpu.max", "50000 100000\n")
    else:
        machine.mount("/sys/fs/cgroup", "cpu,cpuacct")
        machine.belongs("1:cpu,cpuacct:/")
        machine.write("sys/fs/cgroup/cpu.cfs_quota_us", "50000\n")
        machine.write("sys/fs/cgroup/cpu.cfs_period_us", "100000\n")
    meter = LoadMeter(machine.root, machine.root, lambda: now)
    used(7.0)
    meter.read()
    now = 110.0
    used(11.9)  # 4.9 s of 10 s, where half a core is 5 s

    assert meter.read().cpu == pytest.approx(0.98)


# Its pressure


def stalled(some: str) -> str:
    return (
        f"some avg10={some} avg60=1.00 avg300=0.00 total=9\nfull avg10=99.00 avg60=0.00 total=1\n"
    )


def test_the_pressure_of_the_machine_or_of_its_own_group(machine: Machine) -> None:
    machine.write("proc/pressure/memory", stalled("12.50"))
    assert read_pressure(machine.root) == Pressure(12.5)

    own = v2(machine)
    machine.write(f"{own}/memory.pressure", stalled("34.00"))
    assert read_pressure(machine.root) == Pressure(34.0)

    machine.write(f"{own}/memory.pressure", stalled("1.00"))
    assert read_pressure(machine.root) == Pressure(12.5)


@pytest.mark.parametrize(
    ("pressure", "trouble"),
    [
        (Pressure(0.0), ""),
        (Pressure(20.0), ""),
        (Pressure(20.6), "tasks stalled for it 21 % of the last 10 s"),
        (Pressure(0.0, 0.01), ""),
        (Pressure(None, 0.05), ""),
        (Pressure(None, 0.049), "4.9 % of it is left"),
    ],
)
def test_when_nothing_new_should_begin(pressure: Pressure, trouble: str) -> None:
    assert pressure.trouble(GOVERNING) == trouble


def test_a_kernel_that_tells_no_pressure(machine: Machine) -> None:
    machine.write("proc/pressure/memory", "")
    machine.mount("/sys/fs/cgroup")
    machine.belongs("0::/")
    machine.write("sys/fs/cgroup/memory.max", "1000\n")
    machine.write("sys/fs/cgroup/memory.current", "970\n")

    found = read_pressure(machine.root)

    assert found.stalled is None
    assert found.trouble(GOVERNING) == "3.0 % of it is left"
