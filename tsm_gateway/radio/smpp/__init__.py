"""SMPP 3.4: values, codec, bind life and link of one carrier connection.

Read in this order: `commands` and `pdu` (what can be said), `framing` and `codec` (octets to values and
back), `inbound`, `receipt` and `status` (what it means to the gateway), then the session and its link.
"""
