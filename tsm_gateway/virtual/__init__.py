"""The virtual parties: SMSC, handset, secure elements, provider, air and clock.

They serve the demo, the tests and whoever integrates.

They read the wire formats literally, from the page and not from the gateway's code, so that gateway and
parties can only agree when both are right.
"""
