'use strict';
// An SMSC on the `smpp` package, driven by JSON lines: orders on stdin, events on stdout.
//
//   in   {"id", "source", "destination", "dcs", "pid", "udh", "data"}   deliver this part (udh, data in hex;
//                                                                       udh with its length octet)
//   out  {"event": "listening", "port"}             {"event": "bound", "system_id", "mode"}
//        {"event": "answered", "id", "status"}      the ESME's deliver_sm_resp
//        {"event": "submitted", "source", "destination", "dcs", "pid", "udh", "data", "registered", "message_id"}
//        {"event": "unbound"}                       {"event": "trouble", "text"}
//
// Options: --ids same|hex-dec|dec-hex   form of a message id in the response and in its receipt
//          --receipts                   send a receipt for whatever asks for one
//          --redeliver-ms N             wait before a part refused with a temporary error is delivered again
// A destination's last two digits choose a fault: 91 throttled once, 92 queue full once, 93 never answered once.

const readline = require('readline');
const { parseArgs } = require('util');
const smpp = require('smpp');

const { values: options } = parseArgs({
  options: {
    ids: { type: 'string', default: 'same' },
    receipts: { type: 'boolean', default: false },
    'redeliver-ms': { type: 'string', default: '100' },
  },
});
const SPELLINGS = { same: [10, 10], 'hex-dec': [16, 10], 'dec-hex': [10, 16] };
const [responseBase, receiptBase] = SPELLINGS[options.ids];
const FAULTS = { 91: smpp.ESME_RTHROTTLED, 92: smpp.ESME_RMSGQFUL, 93: null };
const TEMPORARY = new Set([smpp.ESME_RX_T_APPN, smpp.ESME_RMSGQFUL, smpp.ESME_RTHROTTLED, smpp.ESME_RSYSERR]);
const TON_OF = (address) => (address.startsWith('+') ? 1 : 0);

const faultsShown = new Set();
const waiting = []; // orders that came before anybody was bound to receive
let receivers = [];
let lastId = 0xab0000;

const tell = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);

function deliver(order) {
  const session = receivers[0];
  if (!session) {
    waiting.push(order);
    return;
  }
  const udh = Buffer.from(order.udh, 'hex');
  session.deliver_sm({
    source_addr: order.source.replace('+', ''),
    source_addr_ton: TON_OF(order.source),
    source_addr_npi: 1,
    destination_addr: order.destination.replace('+', ''),
    dest_addr_ton: TON_OF(order.destination),
    dest_addr_npi: 1,
    esm_class: order.receipt ? 0x04 : udh.length ? 0x40 : 0,
    protocol_id: order.pid,
    data_coding: order.dcs,
    short_message: Buffer.concat([udh, Buffer.from(order.data, 'hex')]),
    ...order.tlvs,
  }, (response) => {
    tell('answered', { id: order.id, status: response.command_status });
    if (TEMPORARY.has(response.command_status)) setTimeout(deliver, Number(options['redeliver-ms']), order);
  });
}

function receipt(pdu, id) {
  const at = new Date().toISOString().replace(/[-T:]/g, '').slice(2, 12);
  const shown = id.toString(receiptBase);
  const text = `id:${shown} sub:001 dlvrd:001 submit date:${at} done date:${at} stat:DELIVRD err:000 text:`;
  deliver({
    id: null, receipt: true, source: pdu.destination_addr, destination: pdu.source_addr, dcs: 0, pid: 0, udh: '',
    data: Buffer.from(text, 'latin1').toString('hex'),
    tlvs: { receipted_message_id: shown, message_state: 2 },
  });
}

function submitted(session, pdu) {
  const fault = pdu.destination_addr.slice(-2);
  if (fault in FAULTS && !faultsShown.has(fault)) {
    faultsShown.add(fault);
    tell('fault', { fault });
    if (FAULTS[fault] !== null) session.send(pdu.response({ command_status: FAULTS[fault] }));
    return;
  }
  const id = (lastId += 1);
  // This library hands the header over without its length octet and cut into elements: put both back.
  const elements = Buffer.concat(pdu.short_message.udh || []);
  const udh = elements.length ? Buffer.concat([Buffer.from([elements.length]), elements]) : elements;
  tell('submitted', {
    source: pdu.source_addr, destination: pdu.destination_addr, dcs: pdu.data_coding, pid: pdu.protocol_id,
    udh: udh.toString('hex'), data: Buffer.from(pdu.short_message.message).toString('hex'),
    registered: pdu.registered_delivery, message_id: id.toString(responseBase),
  });
  session.send(pdu.response({ message_id: id.toString(responseBase) }));
  if (options.receipts && pdu.registered_delivery & 1) receipt(pdu, id);
}

function bind(session, pdu, mode) {
  session.send(pdu.response({ system_id: 'node-smsc' }));
  tell('bound', { system_id: pdu.system_id, mode });
  if (mode === 'transmitter') return;
  receivers.push(session);
  waiting.splice(0).forEach(deliver);
}

const server = smpp.createServer((session) => {
  const gone = () => { receivers = receivers.filter((other) => other !== session); };
  for (const mode of ['transceiver', 'receiver', 'transmitter']) {
    session.on(`bind_${mode}`, (pdu) => bind(session, pdu, mode));
  }
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => session.send(pdu.response()));
  session.on('unknown', (pdu) => session.send(pdu.response()));
  session.on('unbind', (pdu) => { gone(); tell('unbound'); session.send(pdu.response()); session.close(); });
  session.on('close', gone);
  session.on('error', (error) => { gone(); tell('trouble', { text: String(error) }); });
});
server.listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));
readline.createInterface({ input: process.stdin }).on('line', (line) => deliver(JSON.parse(line)))
  .on('close', () => process.exit(0));
