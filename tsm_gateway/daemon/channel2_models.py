"""The JSON of channel 2: scripts for cards and what the cards answered.

Octets are standard base64 as on channel 1, ids are lower-case hexadecimal.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

from tsm_gateway.daemon.channel_models import Answered, Asked, Octets, base64_octets, base64_schema

RESPONSE_OCTETS = 258  # of a short R-APDU: 256 of data and the status word (ISO/IEC 7816-4 §5.1)
MOST_RESPONSES = 64  # of one script
SESSION = r"^[0-9a-f]{32}$"

ResponseIn = Annotated[
    bytes, BeforeValidator(base64_octets(RESPONSE_OCTETS)), WithJsonSchema(base64_schema(RESPONSE_OCTETS))
]
Session = Annotated[str, StringConstraints(pattern=SESSION)]
HexId = Annotated[
    bytes,
    PlainSerializer(bytes.hex, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^(?:[0-9a-f]{2})+$"}),
]
Count = Annotated[int, Field(ge=0)]


class Responses(Asked):
    """What the card answered to a script; without a session the wish for a first one."""

    session: Annotated[Session | None, Field(description="as the gateway named it")] = None
    number: Annotated[
        int, Field(ge=0, le=1_000_000, description="of the script that is answered; 0 without a session")
    ] = 0
    responses: Annotated[
        list[ResponseIn],
        Field(
            default_factory=list,
            max_length=MOST_RESPONSES,
            description="R-APDUs in order, up to the first that is not 9000",
        ),
    ]


class Job(Answered):
    """What is being done on the card."""

    job_id: HexId
    kind: Annotated[str, Field(description="renew-keys, install, remove, personalise, inventory")]
    application: str
    version: str
    blocks_done: Count
    blocks_total: Count


class Script(Answered):
    """The next commands for the card; done: there are none, come again after retry_after_s."""

    session: str
    number: Count
    commands: Annotated[tuple[Octets, ...], Field(description="short C-APDUs, to be given in this order")]
    done: bool
    job: Job | None
    retry_after_s: Annotated[Count | None, Field(description="seconds; null = at once, with the responses")]


class Application(Answered):
    """One application of the device."""

    name: str
    version: str
    state: Annotated[str, Field(description="assigned, loading, installed, failed, removed")]


class DeliveryStanding(Answered):
    """Where the device behind an agent stands."""

    app_se: HexId
    device_id: str | None
    device_state: str | None
    applications: tuple[Application, ...]
    jobs_waiting: Count
    session: Annotated[bool, Field(description="whether a session is under way")]
    last_failed_job: Annotated[
        str | None, Field(description="id of the newest job that was given up; null = none is remembered")
    ]
