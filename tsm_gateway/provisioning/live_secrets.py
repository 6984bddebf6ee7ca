"""What must never reach an app SE, in the one form the guard needs: short runs of every live secret.

A secret is cut into its runs of eight octets, forwards and backwards. Outgoing octets that hold one of
them hold a piece of the secret: by chance that happens once in some 10**12 applications.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from tsm_gateway.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from tsm_gateway.provisioning.card_keys import KeySet

GRAM_OCTETS: Final = 8


class LiveSecrets:
    """The secrets of one device at this moment, each under a label fit for a log; it never shows them.

    Give it what is random throughout: a key, a handle hash, a signature, the sealed part of a package. Of a
    record with names and numbers in it, give the random fields only: an app SE's own id, found in an
    answer to it, would be an alarm without a cause.
    """

    __slots__ = ("_layers",)

    def __init__(self, *layers: Mapping[bytes, str]) -> None:
        """Use `of`; each of `layers` names the secret that each of its runs of eight octets belongs to."""
        self._layers = layers

    @property
    def grams(self) -> AbstractSet[bytes]:
        """Every run of eight octets."""
        return frozenset().union(*self._layers)

    @classmethod
    def of(cls, secrets: Iterable[tuple[str, Secret]]) -> LiveSecrets:
        """Take labelled secrets, for example ("device key, epoch 3", key); eight octets each at least.

        Raises TypeError for what is no `Secret`, ValueError for one that is too short to be told from chance.
        """
        labels: dict[bytes, str] = {}
        for label, secret in secrets:
            for gram in _grams(secret):
                labels.setdefault(gram, label)
        return cls(labels)

    @classmethod
    def of_keys(cls, *key_sets: KeySet, receipt_key: Secret | None = None) -> LiveSecrets:
        """Take the keys of a card's own key sets, and that of its receipts where it has one."""
        of_sets = cls.of(
            (f"card key set {keys.kvn:02x}", key)
            for keys in key_sets
            for key in (keys.enc, keys.mac, keys.dek)
        )
        return of_sets if receipt_key is None else of_sets | cls.of([("card receipt key", receipt_key)])

    def __or__(self, other: LiveSecrets) -> LiveSecrets:
        """Both together, nothing copied; a run in both keeps the label it has here."""
        return LiveSecrets(*self._layers, *other._layers)

    def found_in(self, outgoing: AbstractSet[bytes]) -> str | None:
        """The label of a secret that has a run among `outgoing`; None when there is none.

        It costs what the smaller of both costs, outgoing octets or secrets.
        """
        for layer in self._layers:
            if not layer.keys().isdisjoint(outgoing):
                return layer[next(iter(layer.keys() & outgoing))]
        return None

    def __repr__(self) -> str:
        """Say that there are secrets, and not how many."""
        return "LiveSecrets(…)"

    def __reduce__(self) -> NoReturn:
        """Refuse pickle and copy."""
        message = "live secrets are never serialised"
        raise TypeError(message)


NO_SECRETS: Final = LiveSecrets({})


def _grams(secret: Secret) -> Iterable[bytes]:
    if type(secret) is not Secret:
        message = "only a Secret is kept here"
        raise TypeError(message)
    if len(secret) < GRAM_OCTETS:
        message = f"a secret below {GRAM_OCTETS} octets cannot be told from chance"
        raise ValueError(message)
    octets = secret.reveal()
    for way in (octets, octets[::-1]):
        for start in range(len(way) - GRAM_OCTETS + 1):
            yield way[start : start + GRAM_OCTETS]
