"""The site of the canary: a synthetic patient whose page goes the whole way and reaches nobody.

The canary's message stands in an inbox, is evaluated by the same step, becomes a page in an outbox, is delivered by
the same code and produces a receipt. The canary has a shard and a site of its own: no list of patients includes it, and
its ladder leads to no person.
"""

from datetime import timedelta
from typing import Any

from apprise.decorators import notify

from config.rota import always
from config.site import URGENCIES, Channel, Ladder, Person, Site, Step
from worker.store.keys import SYNTHETIC

SCHEMA = "cwcanary"
"""The scheme of an address without a network: every page sent there arrives."""


@notify(on=SCHEMA, name="cartwatch canary")  # type: ignore[no-untyped-call, untyped-decorator]
def _arrived(*_: Any, **__: Any) -> bool:
    return True


def site_of(site: Site, channel: str | None) -> Site:
    """The canary's site: one fictitious person, on one channel."""
    known = site.on_call.channels.get(channel) if channel else None
    way = known or Channel(url=f"{SCHEMA}://here")
    ladder = Ladder(steps=(Step(after=timedelta(0), notify=(SYNTHETIC,)),))
    on_call = site.on_call.model_copy(
        update={
            "people": {SYNTHETIC: Person(name=SYNTHETIC, channels=(SYNTHETIC,))},
            "roles": {SYNTHETIC: always(SYNTHETIC)},
            "channels": {SYNTHETIC: way},
            "ladders": dict.fromkeys(URGENCIES, ladder),
            "last_resort": (SYNTHETIC,),
        }
    )
    return site._replace(on_call=on_call)
