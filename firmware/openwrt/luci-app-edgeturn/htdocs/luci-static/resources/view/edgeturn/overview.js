'use strict';
'require view';
'require poll';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* What the relay is and does, every five seconds. */

const EVERY = 5;

const counts = (found) => Object.keys(found).sort().map((name) => '%s: %d'.format(name, found[name])).join(', ') || _('none');

function problems(status) {
	const certificate = status.certificate ? status.certificate.problems : [];
	const external = status.external.reduce((found, each) => found.concat(each.problems), []);
	const away = status.addresses_away.map((ip) => _('%s is away now: no new allocation there').format(ip));

	return status.not_listening.concat(certificate, external, away);
}

function listening(status) {
	const ways = [ status.dtls ? _('UDP and DTLS') : _('UDP') ];

	if (status.listening_tcp.length)
		ways.push(status.certificate ? _('TCP and TLS') : _('TCP'));

	return words.lines(status.listening.concat([ _('by %s').format(ways.join(', ')) ]));
}

function known(status) {
	const elsewhere = status.external.filter((each) => each.address != each.relay_address);

	return words.lines(elsewhere.length
		? elsewhere.map((each) => _('%s, for %s').format(each.address || '?', each.relay_address))
		: [ _('by its own addresses') ]);
}

function certificate(found) {
	if (!found)
		return _('none: no TLS');

	const left = found.expires_seconds > 0
		? _('expires in %s').format(words.seconds(found.expires_seconds))
		: _('has expired');

	return '%s, %s'.format(found.names.join(', ') || '?', left);
}

/* The state that the status has, and whether the program is attached, which the kernel knows. */
function kernelPath(path, kernel) {
	if (path.state == 'on')
		return _('attached; carries %d channels').format(path.channels);

	const why = path.reason || (kernel.attached || kernel.error ? '' : _('nothing is attached'));

	return why ? _('media stays in user space: %s').format(why) : _('media stays in user space');
}

function pools(status) {
	const rows = [ [ _('Allocations'), status.allocations, status.max_allocations ] ];

	if (status.streams)
		rows.push([ _('TCP and TLS connections'), status.streams.connections, status.streams.max_connections ]);

	if (status.dtls)
		rows.push([ _('DTLS sessions'), status.dtls.sessions, status.dtls.max_sessions ]);

	return words.facts(rows.map(([ title, used, most ]) => [ title, words.filled(used, most) ]));
}

function relayed(traffic) {
	const row = (title, way) => [ title, '%d'.format(traffic[way + '_packets']), words.bytes(traffic[way + '_bytes']) ];

	return words.table([ _('Relayed'), _('Packets'), _('Bytes') ], [
		row(_('up, from clients to peers'), 'up'),
		row(_('down, from peers to clients'), 'down'),
		row(_('of it in the kernel'), 'kernel')
	], '');
}

function relay(status, kernel) {
	return words.facts([
		[ _('Version'), '%s, %s'.format(status.version, status.interpreter) ],
		[ _('State'), status.draining ? _('draining: admits no new sessions') : _('running') ],
		[ _('Running for'), words.seconds(status.uptime_seconds) ],
		[ _('Realm'), status.realm ],
		[ _('Listening on'), listening(status) ],
		[ _('Relaying from'), words.lines(status.relay_addresses) ],
		[ _('Known to the world'), known(status) ],
		[ _('Certificate'), certificate(status.certificate) ],
		[ _('Kernel path'), kernelPath(status.kernel, kernel) ],
		[ _('Memory'), words.bytes(status.memory_bytes) ]
	]);
}

function advice(kernel) {
	const list = kernel.to_do || [];

	return list.length ? [ words.section(_('To do for the kernel path'), [ words.lines(list) ]) ] : [];
}

function page([ status, kernel ]) {
	if (status.error)
		return [ words.warning(status.error) ];

	return problems(status).map(words.warning).concat([
		words.section(_('Relay'), [ relay(status, kernel) ]),
		words.section(_('Pools'), [ pools(status) ]),
		words.section(_('Traffic'), [ relayed(status.traffic) ]),
		words.section(_('Refused and dropped'), [ words.facts([
			[ _('Requests refused, by STUN error code'), counts(status.refused) ],
			[ _('Packets dropped, by reason'), counts(status.dropped) ]
		]) ])
	], advice(kernel));
}

const failed = (error) => ({ error: error.message });

return view.extend({
	load() {
		return Promise.all([ calls.status().catch(failed), calls.kernel().catch(failed) ]);
	},

	/* Each call starts an interpreter on the router: what seldom changes is asked once. */
	render([ status, kernel ]) {
		const shown = E('div', { 'id': 'edgeturn-overview' }, page([ status, kernel ]));

		poll.add(() => calls.status().catch(failed).then((found) => words.show(shown, page([ found, kernel ]))), EVERY);

		return E('div', {}, [ E('h2', {}, [ _('TURN relay') ]), shown ]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
