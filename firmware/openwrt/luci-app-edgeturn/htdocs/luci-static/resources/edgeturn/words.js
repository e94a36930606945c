'use strict';
'require baseclass';
'require dom';
'require ui';

/* How things are shown.
 *
 * Rule 1: whatever isn't written in a view goes into the page inside an array, as text: E('td', {}, [ name ]).
 *         LuCI takes a bare string for HTML, and names are chosen by strangers.
 * Rule 2: a list that is shown anew keeps the keyboard's focus where it was.
 */

const UNITS = [ 'bytes', 'kB', 'MB', 'GB', 'TB' ];
const TIMES = [ [ 86400, 'd' ], [ 3600, 'h' ], [ 60, 'min' ], [ 1, 's' ] ];

return baseclass.extend({
	bytes(count) {
		let unit = 0;

		for (; count >= 1024 && unit < UNITS.length - 1; unit++)
			count /= 1024;

		return '%s %s'.format(unit && count < 100 ? count.toFixed(1) : Math.round(count), UNITS[unit]);
	},

	/* The two largest parts of a time. */
	seconds(count) {
		const told = [];

		for (const [ size, unit ] of TIMES) {
			if (count >= size)
				told.push('%d %s'.format(Math.floor(count / size), unit));

			count %= size;
		}

		return told.slice(0, 2).join(' ') || '0 s';
	},

	/* rows: arrays of texts or nodes. The titles stand in each cell too, for narrow screens. */
	table(titles, rows, empty) {
		const cell = (row, title, at) => E('td', { 'class': 'td', 'data-title': title }, [ row[at] ]);
		const head = E('tr', { 'class': 'tr table-titles' }, titles.map((title) => E('th', { 'class': 'th' }, [ title ])));
		const body = rows.map((row) => E('tr', { 'class': 'tr' }, titles.map((title, at) => cell(row, title, at))));
		const none = E('tr', { 'class': 'tr placeholder' }, [ E('td', { 'class': 'td', 'colspan': titles.length }, [ E('em', {}, [ empty ]) ]) ]);

		return E('table', { 'class': 'table' }, [ head ].concat(rows.length ? body : [ none ]));
	},

	/* pairs: [ title, text or node ]. */
	facts(pairs) {
		return E('table', { 'class': 'table' }, pairs.map(([ title, value ]) => E('tr', { 'class': 'tr' }, [
			E('td', { 'class': 'td left', 'width': '33%' }, [ title ]),
			E('td', { 'class': 'td left', 'style': 'overflow-wrap:anywhere' }, [ value ])
		])));
	},

	section(title, content) {
		return E('div', { 'class': 'cbi-section' }, [ E('h3', {}, [ title ]) ].concat(content));
	},

	lines(texts) {
		return E('div', {}, texts.map((text) => E('div', {}, [ text ])));
	},

	warning(text) {
		return E('div', { 'class': 'alert-message warning', 'role': 'status' }, [ text ]);
	},

	/* How full a pool is. */
	filled(used, most) {
		const percent = most ? Math.round(100 * used / most) : 0;

		return E('div', {
			'class': 'cbi-progressbar', 'title': _('%d of %d').format(used, most),
			'role': 'progressbar', 'aria-valuenow': used, 'aria-valuemin': 0, 'aria-valuemax': most
		}, [
			E('div', { 'style': 'width:%d%%'.format(percent) })
		]);
	},

	button(kind, title, handler, attributes) {
		return E('button', Object.assign({ 'class': 'btn cbi-button cbi-button-' + kind, 'click': handler }, attributes), [ title ]);
	},

	/* What a button has where the session may only look; rpcd refuses it in any case. */
	locked() {
		return L.hasViewPermission() ? {} : { 'disabled': '' };
	},

	/* A labelled field of a form that isn't UCI's. */
	field(title, input, hint) {
		const about = hint ? [ E('div', { 'class': 'cbi-value-description' }, [ hint ]) ] : [];

		return E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title', 'for': input.id }, [ title ]),
			E('div', { 'class': 'cbi-value-field' }, [ input ].concat(about))
		]);
	},

	show(container, content) {
		const kept = container.contains(document.activeElement) ? document.activeElement.id : '';

		dom.content(container, content);

		if (kept && document.getElementById(kept))
			document.getElementById(kept).focus();
	},

	say(text) {
		ui.addNotification(null, E('p', {}, [ text ]), 'info');
	},

	complain(error) {
		ui.addNotification(null, E('p', {}, [ error.message ]), 'warning');
	},

	/* Ask before what can't be undone. */
	confirm(title, text, action, proceed) {
		const go = () => Promise.resolve(proceed()).catch(this.complain).then(ui.hideModal);

		ui.showModal(title, [
			E('p', {}, [ text ]),
			E('div', { 'class': 'right' }, [
				this.button('neutral', _('Cancel'), ui.hideModal),
				' ',
				this.button('negative important', action, ui.createHandlerFn(this, go), { 'id': 'edgeturn-confirm' })
			])
		]);
	},

	/* navigator.clipboard is there by HTTPS only; most routers are looked after by HTTP. */
	copy(text) {
		if (navigator.clipboard && window.isSecureContext)
			return navigator.clipboard.writeText(text);

		const field = E('textarea', { 'style': 'position:fixed;opacity:0' });

		field.value = text;
		document.body.appendChild(field);
		field.select();
		const copied = document.execCommand('copy');
		field.remove();

		return copied ? Promise.resolve() : Promise.reject(new Error(_('The browser does not let us copy: mark the text and copy it yourself.')));
	}
});
