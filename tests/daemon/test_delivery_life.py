"""Deliveries from the first contact with a card to its last: keys, applications, upgrades, removals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.daemon.delivery_world import DeliveryRig, delivered, installed

if TYPE_CHECKING:
    from pathlib import Path


def test_the_first_contact_renews_the_keys_installs_and_activates(tmp_path: Path) -> None:
    async def story(rig: DeliveryRig) -> None:
        application = await rig.publish()
        await rig.assign()
        handset = await rig.handset()
        assert rig.state(handset) == "registered"
        last = await handset.agent.run()
        assert (last.done, last.session, last.commands) == (True, "", ())
        assert last.retry_after_s == 86_400
        assert rig.jobs(handset) == [("renew-keys", "done"), ("install", "done")]
        assert rig.applications(handset) == {"pay": ("1.0.0", "installed")}
        assert rig.card_keys(handset) == [(0x31, "current"), (0x30, "retired")]
        assert [keys.kvn for keys in handset.card.state.key_sets] == [0x31]
        assert rig.state(handset) == "active"
        assert installed(handset.card) == [application.digest.hex()]
        (instance,) = handset.card.state.instances
        assert (instance.aid, instance.is_selectable) == (application.applet_aids[0], True)

    delivered(tmp_path, story)
