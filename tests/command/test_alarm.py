"""The alarm: a command ends at --deadline also where its own work holds up the loop, or runs where there is none."""

from __future__ import annotations

import io
import signal
import time

import pytest

from llmcli.cli.main import main
from llmcli.errors import DeadlinePassed, OutOfTime, Terminated
from llmcli.loop import alarm
from llmcli.loop.runner import drive
from llmcli.loop.watch import Watch
from llmcli.request.template import Template
from llmcli.world import World

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(autouse=True)
def _as_it_was():
    before = signal.getsignal(signal.SIGALRM)
    yield
    alarm.disarm()
    signal.signal(signal.SIGALRM, before)


def work() -> None:
    """What neither waits nor asks what time it is for us."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        pass


def test_python_code_is_interrupted_a_moment_after_the_deadline():
    began = time.monotonic()
    alarm.arm(0.1)
    with pytest.raises(OutOfTime):
        work()
    assert 0.3 <= time.monotonic() - began < 10


def test_an_alarm_that_something_caught_rings_again():
    began = time.monotonic()
    alarm.arm(0.0)
    for _ in range(2):
        with pytest.raises(OutOfTime):
            work()
    assert time.monotonic() - began >= 1.2


def test_a_deadline_that_has_passed_rings_at_once():
    began = time.monotonic()
    alarm.arm(-5.0)
    with pytest.raises(OutOfTime):
        time.sleep(30)
    assert time.monotonic() - began < 10


def test_no_alarm_rings_where_the_work_is_ending():
    alarm.arm(0.0)
    with alarm.held(lambda: True):
        time.sleep(0.4)
    with pytest.raises(OutOfTime):  # at the next
        time.sleep(30)


def test_no_alarm_rings_behind_the_end():
    alarm.arm(0.0)
    alarm.disarm()
    time.sleep(0.4)


def test_work_that_holds_up_the_loop():
    async def busy() -> None:
        work()

    world = World(io.BytesIO(), io.BytesIO(), io.BytesIO(), {})
    alarm.arm(0.1)
    with pytest.raises(DeadlinePassed, match="--deadline passed while waiting for the work"):
        drive(world, waiting_for("the work"), busy(), None)


def waiting_for(what: str) -> Watch:
    watch = Watch()
    watch.waits_for(what)
    return watch


@pytest.mark.parametrize("end", [OutOfTime, KeyboardInterrupt, Terminated])
def test_the_end_of_the_program_inside_a_template_is_what_it_is_elsewhere(end):
    def ring(_number, _frame):
        raise end("now") if end is Terminated else end

    signal.signal(signal.SIGALRM, ring)
    template = Template(ENDLESS)
    signal.setitimer(signal.ITIMER_REAL, 0.01)  # native code sees it when it gives up
    with pytest.raises(end):
        template.render({})


def test_a_command_leaves_no_alarm_behind(cli):
    assert cli("ask", "-m", "offline/echo", "--deadline", "60", "hi").code == 0
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


class Interrupting(io.BytesIO):
    """stdin where a signal arrives in the middle of making a class, as it does during an import."""

    def __init__(self, end: BaseException) -> None:
        super().__init__()
        self.end = end

    def read(self, _size: int | None = -1) -> bytes:
        raise RuntimeError("Error calling __set_name__ on 'Field'") from self.end


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (KeyboardInterrupt(), 130, b"llmcli: interrupted: SIGINT arrived\n"),
        (Terminated("SIGTERM arrived"), 143, b"llmcli: terminated: SIGTERM arrived\n"),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_signal_that_an_import_wrapped_in_an_error_is_no_traceback(end, code, said):
    out, err = io.BytesIO(), io.BytesIO()
    world = World(Interrupting(end), out, err, {})
    assert (main(["ask", "-m", "offline/echo"], world), out.getvalue(), err.getvalue()) == (code, b"", said)
