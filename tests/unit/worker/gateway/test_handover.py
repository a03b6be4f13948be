"""The handover sheet on the board, and by command: for whoever is signed in, in their language."""

from click.testing import CliRunner

from tests.support.desk import Desk, words
from tests.support.stored_ward import SITE, Clock, crs2, send
from worker.cli import main
from worker.processing.advance import advance
from worker.store.shard import Store


def test_the_board_leads_to_the_sheet_of_the_present_ward(desk: Desk) -> None:
    desk.sign_in()
    assert "/board/handover" in desk.get("/board").text
    assert "1 answer(s) owed" not in words(desk.get("/board/handover"))
    desk.fall_ill()
    shown = words(desk.get("/board/handover"))
    assert "CRS" in shown
    assert "Nobody has it yet" in shown
    assert "tocilizumab 0 of" in shown
    assert "<form" not in desk.get("/board/handover").text, "a sheet that is printed has no buttons"


def test_without_a_session_there_is_no_sheet(desk: Desk) -> None:
    desk.fall_ill()
    shown = desk.get("/board/handover")
    assert shown.status_code == 401
    assert "HAEM-2" not in shown.text


def test_the_command_prints_the_same(service: Store, clock: Clock) -> None:
    send(service, crs2())
    for shard in service.keys.all():
        advance(service, shard, clock, SITE)
    shown = CliRunner().invoke(main, ["handover"])
    assert shown.exit_code == 0, shown.output
    assert "HAEM-2/12  P1" in shown.output
    assert "Consegna" in CliRunner().invoke(main, ["handover", "--language", "it"]).output
    assert CliRunner().invoke(main, ["handover", "--language", "xx"]).exit_code == 2
