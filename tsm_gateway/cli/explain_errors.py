"""What to do about each error code; what it means is the docstring of its class."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_RETRY_BY_ITSELF = "Nothing: it is tried again by itself. If it stays, see `tsm-gateway status` and `doctor`."
_DEFECT = "This is a defect: report it with the log lines around it."
_PEER_OCTETS = "Nothing here: the peer sent it. If one peer goes on, ask its operator, with the log lines."
_TEST_ONLY = "For tests only: see `tsm-gateway virtual --help`."

REMEDIES: Mapping[str, str] = {
    # configuration and secrets
    "failed": _DEFECT,
    "config-invalid": "Run `tsm-gateway config check` and mend every line it names.",
    "secret-unreadable": "Make the file readable for its owner only (chmod 600) and owned by the "
    "gateway's user; a credential needs LoadCredential= in the unit.",
    "file-unreadable": "See the path it names: it has to exist and be readable for the gateway's user.",
    "listen-failed": "Another program has the port of [metrics] listen: `ss -ltnp` names it; stop it or "
    "choose another port. If none has it, the unit forbids the port: see SocketBindAllow= there.",
    # the command line
    "input-invalid": "Give the argument or file as the message says; --help shows an example.",
    "not-found": "Look with the verb `list`; `tsm-gateway explain` alone lists every code.",
    "ambiguous": "Give more digits of the message id: `tsm-gateway queue list` shows them whole.",
    "not-movable": "See `tsm-gateway queue show ID`: the table of states says what is possible from there.",
    "file-exists": "Name another file, or move the old one away if its key is no longer wanted.",
    "file-exposed": "chmod 600 the file and chown it to who uses it (a link is not taken). If others read "
    "it, its keys are known: ask who issued them for new ones.",
    "file-denied": "Write to a directory that belongs to you, or run the command as its owner.",
    "gateway-running": "Stop the gateway (`systemctl stop tsm-gateway`), or use the steps of `key "
    "rotate --help`.",
    "number-wanted": "Give the device its number with `device number ID +…`, or order the key with "
    "--delivery channel.",
    "master-version-awaited": "Reload the process it names (SIGHUP; a restart where keys.master is a "
    "credential), then run the same command again. If it was: `daemon.reload_refused` in its log says why "
    "that came to nothing.",
    "gateway-unreachable": "See `systemctl status tsm-gateway`, and whether --config names the file it "
    "runs with.",
    # the registry
    "address-invalid": 'Give "+" and 7 to 15 digits, a short code of 3 to 8 digits, or sp: and a name.',
    "move-not-allowed": "See the state with `device show` or `provider show`: --help of the verb names "
    "those allowed.",
    "not-known": "Look with `device list`, `provider list` or `queue list`; the name must be exact.",
    "already-known": "Choose another name, address, kid or file, or retire what holds it.",
    "key-not-waiting": "Nothing here: the device asks for a new challenge and proves its newest key. If one "
    "device goes on, `device rekey` makes it a new key.",
    "secure-element-taken": "`audit list` names the elements and their holder: if that was replaced, `device "
    "replace` or `device terminate` frees them; if it never had them, suspend it and free them with `device "
    "elements ID --forget`.",
    "elements-changed": "If its secure elements were replaced indeed, `device elements ID --forget` lets it "
    "register with the new ones; if not, suspend it.",
    "proof-wanted": "Let the handset reach channel 1, where it proves itself; without a data connection it "
    "does so with a new key: `device rekey ID --delivery sms`. If its crypto SE is gone, `device replace` or "
    "`device terminate`.",
    "device-certificate-unusable": "Register the device with an X.509 certificate over a key of EC P-256, "
    "Ed25519, or RSA of 2048 to 4096 bits.",
    "signing-key-unusable": "Use a certificate over EC P-256, Ed25519, or RSA of 2048 to 4096 bits.",
    "x509-unusable": "Ask for a new certificate: PEM or DER, valid now, allowed to sign.",
    "recipient-unusable": "Ask the provider for a certificate over P-256, X25519, or RSA of 2048 bits "
    "or more.",
    # master key and wrapped keys
    "key-unwrap-failed": "Run `store check`. If the row was altered or its store is old, give the owner "
    "a new key; if the master key file is the wrong one, restore the right one.",
    "master-key-missing": "Reload the gateway if a version was just added; otherwise restore the master "
    "key file from its copy.",
    "master-reference-invalid": 'Write keys.master as "file:/absolute/path" or "credential:NAME".',
    "master-file-missing": "Make one with `tsm-gateway key init`, or restore it: without it no stored "
    "key opens.",
    "master-file-exists": "Keep it. To replace the key use `tsm-gateway key rotate`.",
    "master-file-exposed": "chmod 600 the file; if others may have read it, `tsm-gateway key rotate`.",
    "master-file-foreign": "chown the file to the user who runs the gateway, or run the command as that "
    "user.",
    "master-file-indirect": "Name the regular file itself, not a link or directory.",
    "master-file-garbled": "Restore the file from its copy; do not edit it by hand.",
    "master-file-busy": "Wait for the other change; if there is none, remove the .new file it names.",
    "master-rotated": "Nothing: the key is made again under the new master key.",
    "master-file-unreadable": "See the error number (`errno -l`): the disk or the directory does not "
    "allow it.",
    "master-credential-missing": "Add LoadCredential=NAME:/path to the unit; at a terminal give "
    "--master FILE.",
    # the store
    "store-full": "Free disk space where the store lies; payments wait at the message centre meanwhile.",
    "store-busy": _RETRY_BY_ITSELF,
    "store-broken": "See the kernel's log for the disk. The next start recovers; if it comes again, "
    "replace the disk, restore a copy and run `store resync`.",
    "store-conflict": _RETRY_BY_ITSELF,
    "store-locked": "One gateway per store: stop the process with the pid it names.",
    "store-unsafe": "Set owner and mode of the path it names as the message says.",
    "store-unreadable": "Restore a copy made by `store backup`, then run `store resync`.",
    "store-rolled-back": "Find out whether a copy was restored. Then `tsm-gateway store resync`, or put "
    "the right store back.",
    "schema-newer": "Install the release that wrote the store, or a later one.",
    "row-damaged": "Run `store check`, which names the row; restore a copy or register its owner anew.",
    # formats
    "malformed": _PEER_OCTETS,
    "not-authentic": _PEER_OCTETS,
    "certificate-malformed": _PEER_OCTETS,
    "certificate-invalid": "If one device goes on, its certificate was replaced: register it anew.",
    "piv-exhausted": "Give the owner a new key: `provider rotate-key` or `device rotate-key`.",
    "self-test-failed": "Do not run this installation: reinstall the cryptography library; check the "
    "machine's memory.",
    "packet-too-long": _DEFECT,
    "address": _PEER_OCTETS,
    "address-octets": _PEER_OCTETS,
    "header-malformed": _PEER_OCTETS,
    "header-overflow": _DEFECT,
    "tpdu": _PEER_OCTETS,
    "tpdu-malformed": "Nothing here: `reason` says what is wrong with the octets the modem gave. If it goes "
    "on with every message, the modem or its line garbles them: see `modem probe`.",
    "tpdu-compressed": _PEER_OCTETS,
    "tpdu-not-octets": "Nothing: somebody sent the modem's number a text, a voice mail notice or the like. "
    "Payments come as 8-bit data; if a device sends none, see its data coding.",
    "tpdu-overflow": _DEFECT,
    "modem-pdu-malformed": "Look at the cable, the speed and the flow control of the modem's port: `reason` "
    "says what is wrong with the line. If only one message is so, it is that message.",
    # provisioning, as a crypto SE is told
    "device-unknown": "The device's agent has to enrol first: PUT /v1/enrolment.",
    "device-terminated": "Nothing: it is final. A new crypto SE enrols as a new device; `device replace` "
    "hands the number over.",
    "device-suspended": "See why with `device show`; `device resume` brings it back, or a proof by its "
    "crypto SE where one is wanted.",
    "identity-conflict": "Two keys share one device id, which chance does not do: look at both certificates "
    "(`device show`) and at their issuer.",
    "no-key-package": "Nothing: the device has the key it needs. `device rekey` orders a new one.",
    "challenge-stale": "Nothing: the device's agent asks for a new challenge and answers that one.",
    "hybrid-key-required": "Enrol a crypto SE that has an X-Wing key, or set [provisioning] hybrid to "
    '"offered".',
    "hybrid-key-not-offered": 'Set [provisioning] hybrid = "offered" if devices shall use X-Wing keys.',
    "number-invalid": 'The device\'s agent has to give its number as "+" and 7 to 15 digits, '
    "no 0 first, or none.",
    "proof-malformed": _PEER_OCTETS,
    "proof-refused": _PEER_OCTETS,
    "proof-not-authentic": "The device has to sign with the key of its registered certificate, by the "
    "algorithm of that key; see `device show`.",
    "proof-wrong-device": _PEER_OCTETS,
    "proof-wrong-key": "The device's agent has to install the newest key package and prove that key.",
    "challenge-mismatch": "Nothing: the device's agent asks for a new challenge and answers that one.",
    "confirmation-wrong": "The crypto SE holds another key than the package carried: `device rekey` makes it "
    "a new one. If it comes again, suspend the device.",
    "element-id-mismatch": "Compare `openssl x509 -subject` of the device's certificate with the crypto SE's "
    'id: its serialNumber has to be that id in hexadecimal; or set the issuer\'s element_id to "claimed".',
    "elements-equal": "The handset has to report two physically separate secure elements.",
    "hybrid-key-malformed": _PEER_OCTETS,
    "hybrid-key-not-authentic": _PEER_OCTETS,
    "hybrid-key-wrong-device": _PEER_OCTETS,
    "key-certificate-missing": "The device has to enrol with a key certificate (X25519) or a hybrid key.",
    "test-device-refused": "Enrol a real crypto SE, or for tests set [gateway] test_parties = true.",
    "key-too-early": "Nothing: it is made a second later. If it stays, the clock was put back: note the "
    "device's number once more (`device number`), and order the key again.",
    "number-unknown": "Give the device its number with `device number`, or order the key over channel 1.",
    "key-not-installable": "The device's agent fetches the key package first: GET /v1/key-package.",
    # certificates of devices and of their issuers
    "certificate-refused": _PEER_OCTETS,
    "certificate-unreadable": _PEER_OCTETS,
    "certificate-untrusted": "If the device is genuine, add its issuer's root and intermediates to "
    "[[provisioning.issuer]] and reload; otherwise nothing.",
    "certificate-expired": "The device needs a new certificate over the same key from its issuer.",
    "certificate-not-yet-valid": "Compare this machine's clock with true time; then ask the issuer.",
    "certificate-usage": "Ask the issuer for certificates with digitalSignature and clientAuth (to sign), "
    "keyAgreement (X25519) among their uses, and no cA.",
    "certificate-signature-weak": "Ask the issuer to sign with SHA-256 or better.",
    "certificate-revoked": "Nothing: the issuer withdrew it. If the device is known, `device terminate` it.",
    "revocation-unknown": "Fetch the issuer's newest revocation list (`pki status` shows which is out of "
    "date) and reload, or see whether its OCSP responder can be reached.",
    "issuer-expired": "`tsm-gateway pki status` shows which: get the issuer's new certificate and reload.",
    "issuer-unusable": "Mend the file of [[provisioning.issuer]] as the message says, and reload.",
    "crl-unusable": "Fetch the list anew from the issuer: a complete one, in PEM or DER.",
    "ocsp-answer-unusable": "If it stays, ask the issuer about its OCSP responder, with the reason told.",
    "pki-file-exists": "Use `tsm-gateway pki renew` to replace it, or name another --dir or --out.",
    "pki-file-missing": "Make it with `tsm-gateway pki init`, or bring it with `pki import`; a root's key "
    "kept elsewhere is needed for `init` and `renew`.",
    "pki-file-busy": "Wait for the other change; if there is none, remove the .new file it names.",
    "pki-file-exposed": "chmod 600 the key and chown it to who uses it (a link is not taken); if others "
    "read it, `tsm-gateway pki renew --new-key`.",
    "pki-file-unreadable": "See the error number (`errno -l`): the disk or the directory does not allow it.",
    "pki-unfit": "Mend what the message names; `tsm-gateway pki import --help` tells what is needed.",
    "key-weak": "The device needs a new key: whoever sees its certificate can find the private one.",
    "key-unsupported": "Enrol devices with a signing key of EC P-256, Ed25519 or RSA, and an X25519 key "
    "certificate beside Ed25519.",
    "agent-names-no-element": "Issue the agent a certificate that says which app SE it is for: "
    "`pki agent --csr FILE --app-se ID`, or have its issuer put the id (hexadecimal) into serialNumber.",
    "device-not-registered": "Let the device register on channel 1 first; `device show ID` tells which app "
    "SE it registered with, and the agent's certificate has to name that one.",
    "card-unknown": "Import the manifest with this app SE's key set: `card import FILE`.",
    "session-over": "Nothing: the agent begins anew. If it happens again and again, two agents work at one "
    "card.",
    "script-out-of-turn": "The agent has to answer each script once and in order. If it happens again and "
    "again, two agents work at one card.",
    "responses-malformed": "The agent has to bring back what the card answered, unchanged: see its own log.",
    "too-many-sessions": "Agents come again by themselves. If it lasts, look at "
    "`tsm_provisioning_delivery_sessions_open` and whether agents leave sessions half done.",
    "agent-silent": "Nothing: the job is begun again when the agent comes. If it happens again and again, "
    "the handset loses its connection, or its card.",
    "application-not-signed": "`application sign --all` where the present key has not signed it. Where the "
    "card verifies with an earlier key (`card show`: dap_key), `application sign NAME --version V --key "
    "OLDKEY --also-for OLDCERT.pem` adds its signature; once the issuer replaced the key on the cards, "
    "`card dap-key` says so. Then `application retry`.",
    "application-gone": "Queue the job anew: for an application that was published, and for parameters for "
    "one that belongs to a provider, while [provisioning.delivery] gateway_number is known.",
    "delivery-off": "Restart provisioning: [provisioning.delivery] is gone from its settings.",
    "key-certificate-mismatch": "The device's agent has to send the key certificate of this very device: "
    "same subject, same issuer.",
    # applications
    "application-error": _DEFECT,
    "cap-malformed": "Convert the application anew with the Java Card converter (compact format), and give "
    "the .cap file it wrote.",
    "application-key-mismatch": "Name the right key with --key; or, if the key was replaced, the new "
    "certificate in [provisioning.delivery] signing_certificate. To sign with an earlier key for cards that "
    "verify with it still, name its certificate: `application sign --key OLDKEY --also-for OLDCERT.pem`.",
    "application-origin-unknown": "Sign it from the CAP file it was published from: `application sign NAME "
    "--version V --cap FILE`. Where an older application-signing certificate was kept, name that with "
    "--signed-by. If nobody published this version, whoever may write the database put it there: "
    "`application retire` it, and find out who.",
    "cap-not-published": "Give the very CAP file the version was published from; another one is another "
    "version: `application publish`.",
    "load-file-too-large": "Publish a smaller application, or one without its Descriptor: a card counts 256 "
    "blocks, and the secure channel leaves less than 240 octets in each.",
    "application-key-unfit": "Give a private key over EC P-256, or RSA of 2048 bits: `pki import` brings it.",
    "application-not-authentic": "Sign the application with the present key: `application sign`. If it was "
    "signed by it, the load file was altered: publish it anew.",
    "application-mismatch": "Nobody but whoever may write the database can have altered the catalogue: find "
    "out who. Then retire the version (`application retire`), and publish the CAP file under a higher one.",
    "receipt-not-authentic": "Compare the receipt key with the manifest, and see what the card holds: "
    "`card inventory`.",
    "receipt-malformed": _PEER_OCTETS,
    # cards behind channel 2
    "card-error": _PEER_OCTETS,
    "card-answer-malformed": "The card, or the agent in front of it, sent something else than was asked for. "
    "If one device goes on, ask its maker, with the log lines.",
    "card-command-malformed": _DEFECT,
    "card-refused": "See the status word beside it and the step of the job: the card says why.",
    "card-protocol-unsupported": "Compare the card's parameter i with the issuer's manifest (`card show`): "
    "cards have to speak SCP03 with R-MAC and R-ENC.",
    "card-key-version-mismatch": "Compare the key version with the issuer's manifest (`card show`).",
    "card-not-authentic": "The card holds other keys than those imported: ask its issuer for the right "
    "manifest. Do not try again and again: cards count and lock.",
    "card-challenge-not-pseudo-random": "Compare the security domain's AID and i with the issuer's manifest "
    "(`card show`); if they are right, suspend the device: its card repeats challenges.",
    "card-response-not-authentic": "An answer was altered or replayed on the way, or the card errs; the "
    "session ended. If one device goes on, suspend it and ask its maker.",
    "card-session-over": "Nothing: the next session begins anew.",
    "card-key-check-mismatch": "Nothing was given up: the card is asked which keys it holds at the next "
    "session. If it comes again, ask the card's maker.",
    "manifest-malformed": "Mend the line of the manifest: `card import --help` shows the members it has. "
    "Nothing was imported.",
    "card-keys-malformed": "Mend the line of the manifest: enc, mac and dek are 16, 24 or 32 octets each and "
    "of one length, the key version is 1 to 127.",
    # deliveries to cards
    "not-for-an-app-element": _DEFECT,
    "secret-bound-for-app-element": "Nothing left. It names the secret: find out how that came into the "
    "application or its parameters, retire the version (`application retire`), and give the device new keys "
    "(`device rekey`).",
    "card-too-weak": "The card's issuer has to hand over cards with i = 60, 61, 70 or 71 (SCP03 with R-MAC "
    "and R-ENC), and a manifest that says so.",
    "script-answers-malformed": "The agent has to stop behind the first answer that is not 9000, and to "
    "bring back all answers so far, unchanged: see its own log.",
    "card-content-unexpected": "See what the card holds (`card inventory`); the job begins anew by itself.",
    "card-content-not-vouched": "The card's agent said that something is not there, the card itself did not: "
    "it is tried again. If it comes again on one device, suspend it and examine its agent. A card that "
    "neither lists load files nor counts its applications (GET DATA FF21) cannot prove it: ask its issuer.",
    "card-step-failed": "See the step and status word beside it: the card says why. It is tried again.",
    "card-memory-full": "Remove an application from the device (`application remove`), or publish a smaller "
    "version; then `application retry`.",
    "card-load-file-refused": "Compare the card's verifying key with the one the version is signed with "
    "(`card show`, `application show`); sign it anew (`application sign`), then `application retry`.",
    "card-install-refused": "See what the application demands when it is installed (AIDs, privileges), "
    "publish a version that asks for no more, then `application retry`.",
    "card-parameters-refused": "The application does not take the parameters of this gateway (DGI 0101): ask "
    "who wrote it; then `application retry`.",
    "card-keys-refused": "The card takes no key set of this length or version: ask its issuer.",
    "card-conditions-not-met": "Another application may use what is to go: see `card inventory`. It is tried "
    "again.",
    "card-channel-lost": _RETRY_BY_ITSELF,
    "card-content-missing": _RETRY_BY_ITSELF,
    "card-domain-missing": "Compare `sd_aid` of the issuer's manifest with what `card show` has; where the "
    "manifest was wrong, `card forget` and import a right one. It is tried again.",
    "card-locked": "Ask the card's issuer to unlock it: it is tried again.",
    "card-command-unknown": "See the step and status word beside it, and ask the card's issuer whether it "
    "does that. It is tried again.",
    "card-trouble": _RETRY_BY_ITSELF,
    # channel 1 itself
    "request-malformed": _PEER_OCTETS,
    "path-unknown": "The device's agent asks for a path that is not in the description: "
    "`tsm-gateway provisioning --openapi`.",
    "method-not-allowed": "The device's agent uses a method that is not in the description: "
    "`tsm-gateway provisioning --openapi`.",
    "expectation-unknown": _PEER_OCTETS,
    "body-too-long": "The device's agent sends too much; [provisioning] body_octets is the bound.",
    "body-unsupported": "The device's agent has to send application/json in UTF-8, not compressed.",
    "body-malformed": _PEER_OCTETS,
    "body-invalid": "The answer names the member: compare with `tsm-gateway provisioning --openapi`.",
    "too-many-requests": "Nothing: the agent waits as Retry-After says. [provisioning] requests_per_minute "
    "is the bound of one device.",
    "too-many-keys": "A device has keys sealed for it that it never proves, and asks for more: its agent is "
    "broken, or wants the store to grow. The next is made an hour after the last; `device show` has them.",
    "too-many-changes": "A device changes its certificates or its registration again and again: see `audit "
    "list`. Four changes an hour are taken; an agent that uses two certificates by turns must settle on one.",
    "channel-listen-failed": "Another program has the port of [provisioning] listen: `ss -ltnp` names it; "
    "stop it or choose another port. If none has it, the unit forbids the port: see SocketBindAllow= there.",
    "channel-tls-unusable": "See the file of the setting it names: PEM, readable, the key belongs to the "
    "certificate and has no passphrase. `tsm-gateway pki status` shows them.",
    # modems
    "at-line-too-long": "Nothing, once in a while: the modem's line carries noise. If it stays, see cable, "
    "power supply and port: another function of the same stick may be behind it.",
    "at-command-invalid": _DEFECT,
    # SMPP
    "smpp-frame-length": "The stream is lost and the link binds again. If it comes back, something "
    "between speaks no SMPP: compare host, port and TLS; max_pdu bounds the length.",
    "smpp-body-malformed": _PEER_OCTETS,
    "smpp-unknown-command": _PEER_OCTETS,
    "smpp-field-invalid": "Compare the bind's settings (addresses, service_type) with what the carrier "
    "allows.",
    "smpp-field-too-long": "Shorten the setting it names: SMPP 3.4 bounds every field.",
    "smpp-tls-unusable": "See the file of the setting it names: PEM, readable, the key belongs to the "
    "certificate.",
    # demo and virtual parties
    "demo-failed": "Read the gateway's last lines above it; run `tsm-gateway demo` again.",
    "virtual-failed": _TEST_ONLY,
    "virtual-channel-broken": "See whether `tsm-gateway provisioning` runs and --url names it. Then enrol "
    "again: it goes on where it was cut off. " + _TEST_ONLY,
    "virtual-channel-refused": "`tsm-gateway explain` the code it names; for a TLS alert see the log of "
    "`tsm-gateway provisioning`. " + _TEST_ONLY,
    "virtual-key-lost": "Run `virtual enrol` again; if it stays, `device rekey` and `virtual enrol`. "
    + _TEST_ONLY,
    "virtual-nothing-enrolled": "Run `virtual enrol` again. " + _TEST_ONLY,
    "virtual-package-refused": "Compare --tsm-root and [gateway] id with the gateway that sent it. "
    + _TEST_ONLY,
    "virtual-application-not-installed": "Let the app element have its payment application through channel 2 "
    "(`application assign`, then `virtual deliver`). " + _TEST_ONLY,
    "virtual-amount-invalid": 'Write the amount as "12.50" and the currency as three letters. ' + _TEST_ONLY,
    "virtual-biometric-mismatch": "The virtual finger is not the one enrolled. " + _TEST_ONLY,
    "virtual-card-foreign": "`card forget` the one the store knows, or enrol a new handset. " + _TEST_ONLY,
    "virtual-card-torn": "Put the card in again: nothing of it is half done. " + _TEST_ONLY,
    "virtual-counter-exhausted": "Enrol a new virtual handset. " + _TEST_ONLY,
    "virtual-delivery-broken-off": "See the log of `tsm-gateway provisioning`: another agent may be at work "
    "on the same app element. Then run `virtual deliver` again. " + _TEST_ONLY,
    "virtual-delivery-incomplete": "`device show` tells what came of it and when it is tried again; then run "
    "`virtual deliver` again. " + _TEST_ONLY,
    "virtual-device-unknown": "The provider's file does not list this handset: enrol both together. "
    + _TEST_ONLY,
    "virtual-fault-spec-invalid": "Write the fault as `virtual smsc --help` shows. " + _TEST_ONLY,
    "virtual-malformed": "What was read is not of the format. " + _TEST_ONLY,
    "virtual-not-authentic": "The packet is for another party, or was altered. " + _TEST_ONLY,
    "virtual-party-file-invalid": "Enrol again into an empty folder. " + _TEST_ONLY,
    "virtual-party-refused": "Register a real device. For tests use a configuration of their own: one "
    "whose binds stay on this machine, or one with [gateway] test_parties = true.",
    "virtual-payment-refused": "The virtual provider refused it for the reason given. " + _TEST_ONLY,
    "virtual-provider-foreign": "Use the folder the provider was enrolled into, or another name. "
    + _TEST_ONLY,
    "virtual-provider-unfiled": "Give --out the folder of its provider.json, or another name. " + _TEST_ONLY,
    "virtual-reader-unreachable": "See whether pcscd runs with its virtual reader (vpcd), and whether "
    "--vpcd names its port: the first is 35963. " + _TEST_ONLY,
    "virtual-smsc-full": "Wait until the gateway has taken some, or send fewer. " + _TEST_ONLY,
    "virtual-store-foreign": "Give --config the configuration of the gateway that --url names. " + _TEST_ONLY,
    "virtual-tunnel-broken": "The virtual tunnel was disturbed on purpose. " + _TEST_ONLY,
}
