"""Faults at every step of a study: the same command ends with the same bytes, or says why not.

A run is killed, its disk fills, its folder cannot be written, its cache or its input is changed,
its store is locked. What is left behind is whole, and one sentence says what to do.
"""

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from her2.core.places import config_folder

pytestmark = pytest.mark.slow

CACHE_ENTRY, TEMPORARY = re.compile(r"[0-9a-f]{64}"), re.compile(r"\..+\.[0-9a-f]{16}")
# in these are the seconds that a run took, and the place of its cache
TIMED = ("cost.json", "results.json", "report.html", "radiomics.skops", "config.yaml")
INTERRUPTED = "her2: interrupted; the same command with the same run_dir goes on"
REPLACE = Path.replace


@dataclass(frozen=True)
class Study:
    """A study that was not disturbed.

    Attributes
    ----------
    command
        Runs it, or as much of it as a fault lets it.
    words
        Its command line without folders.
    run_dir
        What it left.
    steps
        Names of the files it wrote, in their order; of cache entries ``cache``.
    """

    command: Callable[..., object]
    words: tuple[str, ...]
    run_dir: Path
    steps: tuple[str, ...]

    def again(self, folder: Path, fault: Callable[[], object] = lambda: None) -> tuple[int, str]:
        """Run it in a child process that begins with a fault: status (or -signal) and stderr."""

        def work() -> int:
            fault()
            words = (f"run_dir={folder / 'run'}", f"cache={folder / 'cache'}")
            finished = self.command(*self.words, *words)
            os.write(2, finished.err.encode())
            return finished.status

        return in_child(work)

    def assert_same_bytes(self, folder: Path) -> None:
        """Fail where a finished run in a folder has another file, or other bytes."""
        expected, found = contents(self.run_dir), contents(folder / "run")
        assert found.keys() == expected.keys()
        assert [n for n in found if Path(n).name not in TIMED and found[n] != expected[n]] == []


def contents(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*")) if p.is_file()
    }  # fmt: skip


def in_child(work: Callable[[], int]) -> tuple[int, str]:
    """Status of a child process that does some work, or minus its signal, and its stderr."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which wait for work
        child = os.fork()
    if not child:
        status = 99
        try:
            os.dup2(writer, 2)
            status = work()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        said = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def step_of(path: Path) -> str:
    return "cache" if CACHE_ENTRY.fullmatch(path.name) else path.name


def disturb(step: str, act: Callable[[], object], *, after: bool = False) -> Callable[[], None]:
    """Fault that acts just before, or after, a file gets its name."""

    def renamed(path: Path, target: Path) -> Path:
        is_here = step_of(Path(target)) == step
        if is_here and not after:
            act()
        done = REPLACE(path, target)
        if is_here and after:
            act()
        return done

    return lambda: setattr(Path, "replace", renamed)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sentences(said: str) -> list[str]:
    assert "Traceback" not in said
    return [line for line in said.splitlines() if line.startswith("her2: ")]


@contextmanager
def noted_steps() -> Iterator[list[str]]:
    steps: list[str] = []

    def renamed(path: Path, target: Path) -> Path:
        if step_of(Path(target)) not in steps:
            steps.append(step_of(Path(target)))
        return REPLACE(path, target)

    with mock.patch.object(Path, "replace", renamed):
        yield steps


@pytest.fixture(scope="module")
def undisturbed(undrawn_command, image_cohort, tiny, tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("undisturbed")
    root = folder / "cohort"
    shutil.copytree(image_cohort, root)
    (folder / "p.yaml").write_text("imageType: {Original: {}}\nfeatureClass: {firstorder: []}\n")
    words = (
        "classify", "cohort=folder", f"cohort.root={root}", "cohort.clinical=[age,er]",
        f"radiomics.params={folder / 'p.yaml'}", *tiny,
    )  # fmt: skip
    with noted_steps() as steps:
        done = undrawn_command(*words, f"run_dir={folder / 'run'}", f"cache={folder / 'cache'}")
    assert done.status == 0, done.err
    return Study(undrawn_command, words, folder / "run", tuple(steps))


@pytest.fixture
def with_cohort(undisturbed, tmp_path) -> tuple[Study, Path]:
    """Return the study with a cohort of its own, in the same place for every command."""
    old = next(w for w in undisturbed.words if w.startswith("cohort.root="))
    root = tmp_path / "cohort"
    shutil.copytree(old.removeprefix("cohort.root="), root)
    words = tuple(f"cohort.root={root}" if w == old else w for w in undisturbed.words)
    return Study(undisturbed.command, words, undisturbed.run_dir, undisturbed.steps), root


def test_a_run_that_is_killed_at_every_step_ends_with_the_same_bytes(undisturbed, tmp_path):
    tables = [s for s in undisturbed.steps if s.endswith(".csv")][2:-2]
    steps = [s for s in undisturbed.steps if s not in tables]
    named = "config.yaml split.json features.parquet predictions.parquet report.html results.json"
    assert set(named.split()) <= set(steps)
    for i, step in enumerate(steps):
        status, said = undisturbed.again(tmp_path, disturb(step, kill, after=bool(i % 2)))
        assert status == -signal.SIGKILL, f"{step}: {status} {said}"
    status, said = undisturbed.again(tmp_path)
    assert (status, sentences(said)) == (0, [])
    undisturbed.assert_same_bytes(tmp_path)


def test_a_full_disk_is_one_sentence_and_leaves_nothing_half_written(undisturbed, tmp_path):
    whole = contents(undisturbed.run_dir)
    for most_bytes in (0, 1000, 5000, 10_000, 30_000):
        limits = (most_bytes, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
        full = lambda limits=limits: resource.setrlimit(resource.RLIMIT_FSIZE, limits)  # noqa: E731
        status, said = undisturbed.again(tmp_path, full)
        assert status == 2
        (sentence,) = sentences(said)
        assert re.search(r"expected files that .* found /.*: File too large", sentence)
        for name, content in contents(tmp_path / "run").items():
            assert Path(name).name in TIMED or content == whole[name], name
    assert undisturbed.again(tmp_path)[0] == 0
    undisturbed.assert_same_bytes(tmp_path)


@pytest.fixture
def locked(tmp_path) -> Iterator[Path]:
    """Folder in which nothing can be made."""
    if os.geteuid() == 0:  # who may write everywhere but here
        yield Path("/proc/sys")
        return
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    yield tmp_path / "locked"
    (tmp_path / "locked").chmod(0o700)


@pytest.mark.parametrize("command", ["check", "features", "classify"])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    undisturbed, her2_command, locked, command
):
    words = [w for w in undisturbed.words if w.startswith("cohort")]
    done = her2_command(command, *words, f"run_dir={locked / 'run'}", "tracking=none")
    assert done.status == 2
    assert len(sentences(done.err)) == 1
    assert done.out == ""


def test_a_cache_that_cannot_be_written_is_one_sentence(undisturbed, locked, tmp_path):
    words = (*undisturbed.words, f"run_dir={tmp_path / 'run'}", f"cache={locked / 'cache'}")
    done = undisturbed.command(*words)
    assert done.status == 2
    assert len(sentences(done.err)) == 1


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_cache_that_was_changed_in_between_changes_nothing(undisturbed, tmp_path, harm):
    kill_late = disturb("predictions.parquet", kill)
    assert undisturbed.again(tmp_path, kill_late)[0] == -signal.SIGKILL
    entries = sorted(p for p in (tmp_path / "cache").rglob("*") if CACHE_ENTRY.fullmatch(p.name))
    assert len(entries) > 10
    if harm == "gone":
        shutil.rmtree(tmp_path / "cache")
    else:
        first, second, third = (entry.read_bytes() for entry in entries[:3])
        flipped = bytes([*third[:-5], third[-5] ^ 1, *third[-4:]])
        for entry, content in zip(entries, (second, first, flipped, b""), strict=False):
            entry.write_bytes(content)
    assert undisturbed.again(tmp_path)[0] == 0
    undisturbed.assert_same_bytes(tmp_path)


def brighter(root: Path) -> None:
    path = root / "images" / "i001.png"
    with Image.open(path) as picture:
        pixels = np.asarray(picture) // 2 + 60
    Image.fromarray(pixels).save(path)


def other_outcome(root: Path) -> None:
    text = (root / "cohort.csv").read_text()
    (root / "cohort.csv").write_text(re.sub(r"(703,.*?,.*?,0\.1,)1", r"\g<1>0", text))


CHANGES = {
    "image": brighter,
    "mask gone": lambda root: (root / "masks" / "m001.png").unlink(),
    "outcome": other_outcome,
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_input_that_changed_while_a_run_was_stopped_is_not_mixed(with_cohort, tmp_path, change):
    """Other patients are refused; with other data of the same all is as in a new folder."""
    study, root = with_cohort
    assert study.again(tmp_path, disturb("predictions.parquet", kill))[0] == -signal.SIGKILL
    before = contents(root)
    CHANGES[change](root)
    assert contents(root) != before
    status, said = study.again(tmp_path)
    if status == 2:
        (sentence,) = sentences(said)
        assert "choose another run_dir" in sentence
        assert not (tmp_path / "run" / "predictions.parquet").exists()
        return
    assert status == 0
    assert study.again(tmp_path / "new")[0] == 0
    replace(study, run_dir=tmp_path / "new" / "run").assert_same_bytes(tmp_path)
    assert contents(tmp_path / "run")["cohort.json"] != contents(study.run_dir)["cohort.json"]


@pytest.fixture
def hears_interrupts() -> Iterator[None]:
    """Let SIGINT interrupt: a shell's background job begins with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupted_run_goes_on(undisturbed, tmp_path):
    interrupt = disturb("predictions.parquet", lambda: os.kill(os.getpid(), signal.SIGINT))
    status, said = undisturbed.again(tmp_path, interrupt)
    assert status == 130
    assert sentences(said) == [INTERRUPTED]
    assert undisturbed.again(tmp_path)[0] == 0
    undisturbed.assert_same_bytes(tmp_path)


@pytest.mark.parametrize(
    ("number", "status", "said", "pattern"),
    [
        (signal.SIGTERM, 130, [INTERRUPTED], "run/split.json"),
        (signal.SIGKILL, -9, [], "cache/**/" + "[0-9a-f]" * 64),
    ],
)
def test_a_signal_ends_a_run_that_goes_on(undisturbed, tmp_path, number, status, said, pattern):
    words = (f"run_dir={tmp_path / 'run'}", f"cache={tmp_path / 'cache'}")
    process = started(*undisturbed.words, *words)
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob(pattern)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, sentences(err)) == (status, "", said)
    assert undisturbed.again(tmp_path)[0] == 0
    undisturbed.assert_same_bytes(tmp_path)


def started(*words: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(config_folder().parent), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "her2", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("n_lines", [0, 1])
def test_a_reader_who_leaves_early_is_no_fault(undisturbed, tmp_path, n_lines):
    words = [w for w in undisturbed.words if w.startswith("cohort")]
    process = started("check", *words, f"run_dir={tmp_path / 'run'}")
    with process:
        for _ in range(n_lines):
            assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert sentences(said) == []
    assert (tmp_path / "run" / "quarantine.csv").is_file()


@contextmanager
def held(file: Path) -> Iterator[None]:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


@contextmanager
def of_another_version(file: Path) -> Iterator[None]:
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()
    yield


@pytest.mark.parametrize("fault", [held, of_another_version])
def test_a_store_that_cannot_be_used_costs_a_note_and_not_the_study(
    undisturbed, new_store, tmp_path, fault
):
    uri = new_store()
    words = tuple(w for w in undisturbed.words if w != "tracking=none")
    study = Study(undisturbed.command, (*words, f"tracking.uri={uri}"), undisturbed.run_dir, ())
    with fault(Path(uri.removeprefix("sqlite:///"))):
        start = time.monotonic()
        status, said = study.again(tmp_path)
    assert status == 0, said
    assert time.monotonic() - start < 60
    assert "tracking: " in said and "Traceback" not in said
    for name in ("predictions.parquet", "split.json", "features.parquet"):
        expected = (undisturbed.run_dir / name).read_bytes()
        assert (tmp_path / "run" / name).read_bytes() == expected
