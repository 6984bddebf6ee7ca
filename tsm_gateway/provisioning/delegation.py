"""Delegated management: tokens put into what changes a card's content, and the receipts it gives for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tsm_gateway.provisioning.app_command import Delete, InstallForInstall, InstallForLoad, LoadBlock
from tsm_gateway.provisioning.receipts import read_receipt, verify_receipt
from tsm_gateway.provisioning.tokens import with_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tsm_gateway.provisioning.apdu import Response
    from tsm_gateway.provisioning.app_command import AppSeCommand
    from tsm_gateway.provisioning.signing import ApplicationSigner
    from tsm_gateway.provisioning.tokens import Delegated
    from tsm_gateway.secret import Secret


class Delegation(NamedTuple):
    """What one card's issuer delegated: the key its tokens are made with, and the one of its receipts."""

    signer: ApplicationSigner  # EC P-256
    receipt_key: Secret | None  # None: receipts are not looked at

    def authorise(self, commands: Sequence[AppSeCommand]) -> tuple[AppSeCommand, ...]:
        """The same commands, with a token where one belongs. Raises ApplicationKeyUnfit."""
        return tuple(map(self._authorised, commands))

    def confirm(self, commands: Sequence[AppSeCommand], answers: Sequence[Response]) -> None:
        """Check the receipts in the answers to `commands`; a card may give none.

        Raises ReceiptMalformed, ReceiptNotAuthentic.
        """
        if self.receipt_key is None:
            return
        announced: InstallForLoad | None = None
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(command, InstallForLoad):
                announced = command  # its receipt comes with the last block
            elif isinstance(command, LoadBlock) and command.last and announced is not None:
                self._check(answer, announced)
            elif isinstance(command, InstallForInstall | Delete):
                self._check(answer, command)

    def _authorised(self, command: AppSeCommand) -> AppSeCommand:
        match command:
            case InstallForLoad():
                return with_token(command, self.signer)
            case InstallForInstall():
                return with_token(command, self.signer)
            case Delete():
                return with_token(command, self.signer)
        return command

    def _check(self, answer: Response, command: Delegated) -> None:
        receipt = read_receipt(answer.data)
        if receipt is not None and self.receipt_key is not None:
            verify_receipt(self.receipt_key, receipt, command)
