'use strict';
'require view';
'require ui';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* The relay, tested as a client would, from the router itself. */

/* What matters most comes first. */
const STATES = [ 'failed', 'warned', 'skipped', 'passed' ];
const MARKS = { passed: '✓', failed: '✗', skipped: '–', warned: '!' };

return view.extend({
	run() {
		words.show(this.shown, E('p', { 'class': 'spinning' }, [ _('Testing, which takes some seconds …') ]));

		return calls.check()
			.then((answer) => words.show(this.shown, this.page(answer)))
			.catch((error) => words.show(this.shown, words.warning(error.message)));
	},

	row(each) {
		const place = [ each.transport.toUpperCase(), each.server ].filter((word) => word).join(' ');
		const advice = [ each.meaning, each.advice ].filter((text) => text);

		return [
			E('span', { 'title': each.state }, [ MARKS[each.state] || each.state ]),
			place || '–',
			'%s %s'.format(each.relayed, each.step).trim(),
			words.lines([ each.detail ].concat(advice))
		];
	},

	page(answer) {
		const bad = answer.steps.filter((each) => each.state == 'failed').length;
		const steps = answer.steps.slice().sort((one, other) => STATES.indexOf(one.state) - STATES.indexOf(other.state));
		const told = bad ? _('It does not work yet: %d of %d steps failed.') : _('It works.');

		return [
			E('div', { 'id': 'edgeturn-verdict', 'class': 'alert-message ' + (bad ? 'warning' : 'success'), 'role': 'status' }, [ told.format(bad, answer.steps.length) ]),
			words.table([ '', _('Where'), _('Step'), _('Result') ], steps.map((each) => this.row(each)), _('Nothing was tested.'))
		];
	},

	render() {
		this.shown = E('div', { 'class': 'cbi-section' });

		return E('div', {}, [
			E('h2', {}, [ _('Check') ]),
			E('p', {}, [ _('Tests the relay as a client would, from this router. Whether the world reaches it, only a client outside can tell.') ]),
			words.button('action', _('Start'), ui.createHandlerFn(this, 'run'), Object.assign({ 'id': 'edgeturn-check' }, words.locked())),
			this.shown
		]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
