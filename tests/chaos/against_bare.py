"""The same campaign against a bare Celery task that does the same job."""

import json
import time
from collections import Counter
from pathlib import Path

from redis.exceptions import RedisError

from tests.chaos import blows
from tests.chaos.campaign import Campaign, Plan, Result
from tests.chaos.checker import Accepted, State
from tests.chaos.mail import Send
from tests.chaos.scenario import Body, Expected, Patient, Story
from tests.chaos.stand import Bare

CHARTED = ("reading", "treatment")


def run(plan: Plan, folder: Path) -> Result:
    """Carry it out."""
    with Bare(folder) as stand:
        return AgainstBare(plan, stand).run()


class AgainstBare(Campaign):
    """A bare Celery task under the same fire."""

    stand: Bare

    def __init__(self, plan: Plan, stand: Bare) -> None:
        super().__init__(plan, stand)
        for patient in self.patients:
            patient.story = _as_bare(patient)

    def wait_until_up(self) -> None:
        from benchmarks import bare

        self.app = bare.app
        self.app.conf.update(broker_url=self.stand.broker)
        time.sleep(4)

    def sender(self, *_: object) -> Send:
        def send(body: Body) -> None:
            if body["type"] in CHARTED:
                self.app.send_task("reading", (body,), retry=False)

        return send

    def counted(self) -> list[Accepted]:
        """It knows readings and doses, and no corrections."""
        return [message for message in self.mail.accepted if _counts(message.body["id"], message.body["type"])]

    def is_idle(self) -> bool:
        try:
            with blows.direct(self.stand.broker) as broker:
                return not (broker.llen("readings") or broker.hlen("unacked"))
        except RedisError:
            return False

    def state(self) -> State:
        charted = {}
        for name in list(self.stand.redis.scan_iter("chart:*")):
            entries = [json.loads(entry) for entry in self.stand.redis.lrange(name, 0, -1)]
            counted = Counter((message, value) for message, value in entries if _counts(message))
            charted[name.decode().partition(":")[2]] = counted
        return State(charted, {}, {}, {})


def _counts(message: str, kind: str = CHARTED[0]) -> bool:
    return kind in CHARTED and not message.endswith("slip")


def _as_bare(patient: Patient) -> Story:
    """What a task that sees one reading at a time owes of the same story: no grades, and no ladder."""
    said = {
        "fever": "fever",
        "hypotension": "hypotension",
        "pressor": "pressor",
        "confused": "confusion",
        "seizing": "seizure",
        "corrected": "hypotension",
    }
    word = said.get(patient.story.name)
    every = ("fever", "hypotension", "pressor", "confusion", "seizure")
    return Story(patient.story.name, (Expected("", word),) if word else (), every, answered=True)
