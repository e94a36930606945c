'use strict';
'require view';
'require poll';
'require ui';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* The allocations, every five seconds, and a button that ends one. */

const EVERY = 5;

return view.extend({
	load() {
		return calls.sessions().catch((error) => ({ error: error.message }));
	},

	kick(session) {
		return calls.kick(session).then(() => this.refresh()).catch(words.complain);
	},

	refresh() {
		return this.load().then((found) => words.show(this.shown, this.page(found)));
	},

	row(each) {
		return [
			'%d'.format(each.session),
			each.user,
			'%s %s'.format(each.client, each.transport.toUpperCase()),
			words.lines(each.relayed),
			words.lines(each.peers.length ? each.peers : [ '–' ]),
			words.seconds(each.age_seconds),
			words.seconds(each.idle_seconds),
			_('%s up, %s down').format(words.bytes(each.up_bytes), words.bytes(each.down_bytes)),
			_('%d, %d in the kernel').format(each.channels, each.kernel_channels),
			words.button('remove', _('End'), ui.createHandlerFn(this, 'kick', each.session), Object.assign({ 'id': 'edgeturn-end-%d'.format(each.session) }, words.locked()))
		];
	},

	page(found) {
		if (found.error)
			return [ words.warning(found.error) ];

		const titles = [
			_('ID'), _('User'), _('Client'), _('Relayed address'), _('Peers'), _('Age'), _('Idle'), _('Bytes'), _('Channels'), _('Action')
		];
		const table = words.table(titles, found.sessions.map((each) => this.row(each)), _('No session.'));
		const more = found.total - found.sessions.length;

		return [ table ].concat(more ? [ E('p', {}, [ _('and %d more').format(more) ]) ] : []);
	},

	render(found) {
		this.shown = E('div', { 'class': 'cbi-section' }, this.page(found));
		poll.add(() => this.refresh(), EVERY);

		return E('div', {}, [
			E('h2', {}, [ _('Sessions') ]),
			E('p', {}, [ _('A client may come back at once. Remove its user or secret to keep it away.') ]),
			this.shown
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
