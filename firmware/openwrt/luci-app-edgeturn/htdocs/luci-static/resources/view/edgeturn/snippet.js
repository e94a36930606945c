'use strict';
'require view';
'require ui';
'require uqr';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* What is pasted into an application: the iceServers of RTCPeerConnection, with a credential minted for it. */

const LIFETIMES = [ [ 3600, _('an hour') ], [ 86400, _('a day') ], [ 604800, _('a week') ], [ 31536000, _('a year') ] ];

return view.extend({
	make() {
		const user = document.getElementById('edgeturn-user').value;
		const ttl = parseInt(document.getElementById('edgeturn-lifetime').value, 10);

		return calls.snippet(user || undefined, ttl)
			.then((answer) => words.show(this.shown, this.page(JSON.stringify({ iceServers: answer.iceServers }, null, 2))))
			.catch(words.complain);
	},

	copy(text) {
		return words.copy(text).then(() => words.say(_('Copied.'))).catch(words.complain);
	},

	/* renderSVG makes its picture from black and white squares only; no text comes into it. */
	picture(text) {
		const box = E('div', { 'id': 'edgeturn-picture', 'style': 'max-width:20em;background:white;padding:.5em' });

		box.innerHTML = uqr.renderSVG(JSON.stringify(JSON.parse(text)), { pixelSize: 4 });

		const svg = box.querySelector('svg');

		svg.setAttribute('width', '100%');
		svg.setAttribute('height', '100%');

		return box;
	},

	/* The same module as that of the page of `edgeturn web`; it knows nothing of LuCI. */
	test(text) {
		const servers = JSON.parse(text).iceServers;

		words.show(this.tested, E('p', { 'class': 'spinning' }, [ _('Testing, which takes some seconds …') ]));

		return import(L.resource('../edgeturn/trickle.js'))
			.then((trickle) => trickle.gather(servers).then((report) => {
				const ways = trickle.ways(servers, report);
				const called = ways.length ? trickle.loop(ways[0][1]) : Promise.resolve({ latencies: [] });

				return called.then((call) => words.show(this.tested, this.found(report, call)));
			}))
			.catch((error) => words.show(this.tested, words.warning(error.message)));
	},

	found(report, call) {
		const times = call.latencies.slice().sort((one, other) => one - other);
		const good = times.length > 0;
		const told = good
			? _('Media can flow: a message there and back takes %s ms.').format(times[Math.floor(times.length / 2)].toFixed(1))
			: _('No call came about through the relay.');
		const rows = report.candidates.map((each) => [
			each.type,
			each.relayProtocol || each.protocol,
			each.address ? '%s:%d'.format(each.address, each.port) : '–',
			'%s s'.format(each.at.toFixed(2))
		]);
		const errors = report.errors.map((each) => '%s: %d %s'.format(each.url, each.code, each.text));

		return [
			E('div', { 'id': 'edgeturn-tested', 'class': 'alert-message ' + (good ? 'success' : 'warning'), 'role': 'status' }, [ told ]),
			words.table([ _('Candidate'), _('By'), _('Address'), _('After') ], rows, _('The browser has found none.')),
			words.lines(errors)
		];
	},

	page(text) {
		this.tested = E('div', {});

		return [
			E('pre', { 'id': 'edgeturn-snippet', 'style': 'white-space:pre-wrap;overflow-wrap:anywhere' }, [ text ]),
			words.button('action', _('Copy'), ui.createHandlerFn(this, 'copy', text), { 'id': 'edgeturn-copy' }),
			' ',
			words.button('action', _('Test from this browser'), ui.createHandlerFn(this, 'test', text), { 'id': 'edgeturn-test' }),
			this.tested,
			E('h3', {}, [ _('The same for a camera') ]),
			this.picture(text)
		];
	},

	render() {
		const lifetime = E('select', { 'id': 'edgeturn-lifetime', 'class': 'cbi-input-select' }, LIFETIMES.map(([ seconds, name ]) =>
			E('option', Object.assign({ 'value': seconds }, seconds == 86400 ? { 'selected': '' } : {}), [ name ])));
		const user = E('input', { 'id': 'edgeturn-user', 'type': 'text', 'class': 'cbi-input-text', 'placeholder': 'guest', 'autocomplete': 'off' });

		this.shown = E('div', { 'class': 'cbi-section' });

		return E('div', {}, [
			E('h2', {}, [ _('For applications') ]),
			E('p', {}, [ _('The iceServers that a browser application is given. Who has them can use the relay until the credential ends.') ]),
			words.field(_('User'), user, _('Quotas and logs go by this name.')),
			words.field(_('Valid for'), lifetime),
			words.button('action', _('Make'), ui.createHandlerFn(this, 'make'), { 'id': 'edgeturn-make' }),
			this.shown
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
