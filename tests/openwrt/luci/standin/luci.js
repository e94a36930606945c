'use strict';
/* A stand-in for LuCI's client: as much of its documented API (openwrt.github.io/luci/jsapi) as the views call.
 *
 * Rule 1: what can hurt is as there: a bare string among the children of an element is HTML, in an array it is text; an
 *         array's null becomes the word null; %-directives that aren't known here are an error.
 * Rule 2: what the views don't use isn't there, so that a view that uses more fails here.
 */

String.prototype.format = function(...values) {
	return this.replace(/%(.)/g, (directive, kind) => {
		if (kind == '%')
			return '%';

		const value = values.shift();

		switch (kind) {
		case 's': return String(value);
		case 'd': return String(Math.trunc(Number(value)));
		default: throw new Error('the stand-in knows no ' + directive);
		}
	});
};

const _ = (text) => text;

/* LuCI.dom */
const dom = {
	elem: (value) => value instanceof Node,

	append(node, children) {
		if (Array.isArray(children))
			children.forEach((each) => node.appendChild(dom.elem(each) ? each : document.createTextNode(`${each}`)));
		else if (dom.elem(children))
			node.appendChild(children);
		else if (children !== null && children !== undefined)
			node.innerHTML = `${children}`;

		return node.lastChild;
	},

	content(node, children) {
		node.replaceChildren();

		return dom.append(node, children);
	},

	create(tag, attributes, children) {
		if (attributes === null || typeof(attributes) != 'object' || Array.isArray(attributes) || dom.elem(attributes))
			[ attributes, children ] = [ {}, attributes ];

		const node = document.createElement(tag);

		for (const [ name, value ] of Object.entries(attributes)) {
			if (value === null || value === undefined)
				continue;
			else if (typeof(value) == 'function')
				node.addEventListener(name, value);
			else
				node.setAttribute(name, value);
		}

		dom.append(node, children);

		return node;
	}
};

const E = (...given) => dom.create(...given);

/* LuCI.baseclass */
class Base {
	constructor(...given) {
		if (this.__init__)
			this.__init__(...given);
	}

	static extend(properties) {
		const made = class extends this {};

		Object.assign(made.prototype, properties);

		return made;
	}
}

/* LuCI.view: load, then render, then the buttons of a page that has something to save. */
class View extends Base {
	async start(place) {
		const data = await Promise.resolve(this.load ? this.load() : null);
		const content = await Promise.resolve(this.render(data));

		dom.content(place, content);
		dom.append(place, this.addFooter());
	}

	addFooter() {
		const button = (id, title, handler) => handler ? [ E('button', { 'id': id, 'class': 'btn cbi-button', 'click': ui.createHandlerFn(this, handler) }, [ title ]) ] : [];

		return E('div', { 'class': 'cbi-page-actions' }, [
			...button('apply', 'Save & Apply', this.handleSaveApply), ...button('save', 'Save', this.handleSave)
		]);
	}

	handleSave() {
		return Promise.all([ ...document.querySelectorAll('.cbi-map') ].map((node) => node.map.save()));
	}

	handleSaveApply() {
		return View.prototype.handleSave.call(this).then(() => ubus('uci', 'apply', { rollback: true })).then(() => ui.addNotification(null, E('p', {}, [ 'Applied.' ])));
	}
}

/* LuCI.rpc */
let requests = 0;

async function ubus(object, method, given) {
	const message = { jsonrpc: '2.0', id: ++requests, method: 'call', params: [ L.env.sessionid, object, method, given ] };
	const reply = await fetch(L.url('admin/ubus') + '/' + object + '.' + method, { method: 'POST', body: JSON.stringify(message) });
	const { result, error } = await reply.json();

	if (error)
		throw new Error('RPC call to %s/%s failed with error %d: %s'.format(object, method, error.code, error.message));

	return result;
}

const rpc = {
	declare({ object, method, params, expect, reject }) {
		return async (...given) => {
			const named = Object.fromEntries((params || []).map((name, at) => [ name, given[at] ]));
			const result = await ubus(object, method, named);

			if (reject && result[0] !== 0)
				throw new Error('RPC call to %s/%s failed with ubus code %d'.format(object, method, result[0]));

			const data = result.length > 1 ? result[1] : result[0];

			return L.isObject(data) || !expect ? data : expect[''];
		};
	}
};

/* LuCI.poll: at once, and then by seconds. */
const poll = {
	add(callback, seconds) {
		setInterval(() => Promise.resolve(callback()).catch((error) => console.error(error)), seconds * 1000);
	}
};

/* LuCI.ui */
const ui = {
	createHandlerFn(context, handler, ...given) {
		const call = typeof(handler) == 'function' ? handler : context[handler];

		return function(event) {
			const button = event.currentTarget;

			button.classList.add('spinning');
			button.disabled = true;

			return Promise.resolve(call.call(context, ...given, event)).finally(() => {
				button.classList.remove('spinning');
				button.disabled = false;
			});
		};
	},

	addNotification(title, children, ...classes) {
		const node = E('div', { 'class': [ 'alert-message', ...classes ].join(' '), 'role': 'alert' }, [ E('button', { 'class': 'btn', 'click': () => node.remove() }, [ 'Dismiss' ]) ]);

		if (title)
			dom.append(node, E('h4', {}, title));

		dom.append(node, children);
		document.getElementById('maincontent').prepend(node);

		return node;
	},

	showModal(title, children) {
		const node = document.getElementById('modal');

		dom.content(node, [ E('h4', {}, title) ].concat(children));
		node.showModal();
	},

	hideModal() {
		document.getElementById('modal').close();
	}
};

/* LuCI.uci, of the file that a map has loaded. */
const uci = {
	get: (config, section, option) => uci.loaded[section][option]
};

/* LuCI.form, for one UCI file: a map with tabbed sections. */
class Option {
	constructor(name, title, description) {
		Object.assign(this, { name, title, description, words: [], inputs: [] });
	}

	value(word, title) {
		this.words.push([ word, title ]);
	}

	input(value) {
		const node = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'placeholder': this.placeholder, 'id': 'cbid.' + this.name });

		node.value = value === undefined ? '' : value;
		node.addEventListener('blur', () => this.judge(node));
		this.inputs.push(node);

		return [ node ];
	}

	judge(node) {
		const verdict = this.validate ? this.validate('main', node.value) : true;

		node.classList.toggle('cbi-input-invalid', verdict !== true);
		node.title = verdict === true ? '' : verdict;

		return verdict === true;
	}

	isValid() {
		return this.inputs.map((node) => this.judge(node)).every((good) => good);
	}

	chosen() {
		return this.inputs[0].value || null;
	}

	load(section) {
		return uci.get('edgeturn', section, this.name);
	}

	render(section) {
		const value = this.load(section);

		return E('div', { 'class': 'cbi-value', 'data-name': this.name }, [
			E('label', { 'class': 'cbi-value-title', 'for': 'cbid.' + this.name }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, this.input(value).concat([ E('div', { 'class': 'cbi-value-description' }, this.description) ]))
		]);
	}
}

class Flag extends Option {
	input(value) {
		const node = E('input', { 'type': 'checkbox', 'id': 'cbid.' + this.name });

		node.checked = (value === undefined ? this.default : value) == '1';
		this.inputs.push(node);

		return [ node ];
	}

	isValid() {
		return true;
	}

	chosen() {
		const value = this.inputs[0].checked ? '1' : '0';

		return this.rmempty && value == this.default ? null : value;
	}
}

class ListValue extends Option {
	input(value) {
		const node = E('select', { 'class': 'cbi-input-select', 'id': 'cbid.' + this.name }, this.words.map(([ word, title ]) => E('option', { 'value': word }, [ title ])));

		node.value = value === undefined ? this.default : value;
		this.inputs.push(node);

		return [ node ];
	}

	chosen() {
		return this.rmempty && this.inputs[0].value == this.default ? null : this.inputs[0].value;
	}
}

class DynamicList extends Option {
	input(values) {
		return [].concat(values === undefined ? [] : values, [ '' ]).map((value) => super.input(value)[0]);
	}

	chosen() {
		const values = this.inputs.map((node) => node.value).filter((value) => value);

		return values.length ? values : null;
	}
}

class TypedSection {
	constructor(kind) {
		Object.assign(this, { kind, tabs: [], options: [] });
	}

	tab(name, title) {
		this.tabs.push([ name, title ]);
	}

	taboption(tab, kind, name, title, description) {
		const made = Object.assign(new kind(name, title, description), { tab });

		this.options.push(made);

		return made;
	}

	render(section) {
		const panes = this.tabs.map(([ tab, title ], at) => E('div', { 'class': 'pane', 'data-tab': tab, 'hidden': at ? '' : null },
			this.options.filter((option) => option.tab == tab).map((option) => option.render(section))));
		const show = (tab) => panes.forEach((pane) => pane.hidden = pane.dataset.tab != tab);

		return E('div', { 'class': 'cbi-section' }, [
			E('ul', { 'class': 'cbi-tabmenu' }, this.tabs.map(([ tab, title ]) => E('li', {}, [ E('a', { 'href': '#', 'data-tab': tab, 'click': () => show(tab) }, [ title ]) ]))),
			...panes
		]);
	}
}

class FormMap {
	constructor(config, title, description) {
		Object.assign(this, { config, title, description, sections: [] });
	}

	section(kind, type) {
		this.sections.push(new kind(type));

		return this.sections[0];
	}

	async render() {
		const [ code, reply ] = await ubus('uci', 'get', { config: this.config });

		if (code)
			throw new Error('uci get: ubus code %d'.format(code));

		uci.loaded = reply.values;
		[ this.values ] = Object.values(reply.values).filter((section) => section['.type'] == this.sections[0].kind);

		const node = E('div', { 'class': 'cbi-map' }, [
			E('h2', {}, this.title), E('div', { 'class': 'cbi-map-descr' }, this.description), this.sections[0].render(this.values['.name'])
		]);

		node.map = this;

		return node;
	}

	async save() {
		const options = this.sections[0].options;

		if (!options.map((option) => option.isValid()).every((good) => good)) {
			ui.addNotification(null, E('p', {}, [ 'Some values are not valid.' ]), 'danger');
			throw new Error('not valid');
		}

		const given = { config: this.config, section: this.values['.name'] };
		const chosen = options.map((option) => [ option.name, option.chosen() ]);
		const same = ([ name, value ]) => JSON.stringify(value) == JSON.stringify(this.values[name] === undefined ? null : this.values[name]);
		const changed = chosen.filter((each) => !same(each));
		const set = Object.fromEntries(changed.filter(([ , value ]) => value !== null));
		const unset = changed.filter(([ , value ]) => value === null).map(([ name ]) => name);

		if (Object.keys(set).length)
			await ubus('uci', 'set', Object.assign({ values: set }, given));

		if (unset.length)
			await ubus('uci', 'delete', Object.assign({ options: unset }, given));
	}
}

const form = { Map: FormMap, TypedSection, Value: Option, Flag, ListValue, DynamicList };

/* L itself: loading classes by their `require` lines, each once. */
const built = { baseclass: Base, view: View, dom, rpc, uci, ui, poll, form };
const loaded = {};

const L = {
	env: window.standin,
	isObject: (value) => value !== null && typeof(value) == 'object',
	url: (...parts) => [ '/cgi-bin/luci' ].concat(parts).join('/'),
	resource: (...parts) => [ '/luci-static/resources' ].concat(parts).join('/'),
	hasViewPermission: () => window.standin.writable,

	async compile(path) {
		const text = await (await fetch('/luci-static/resources/' + path)).text();
		const needs = [ ...text.matchAll(/^'require ([\w.]+)(?: as (\w+))?';$/gm) ].map(([ , name, as ]) => [ name, as || name.split('.').pop() ]);
		const values = await Promise.all(needs.map(([ name ]) => L.require(name)));

		return new Function('window', 'document', 'L', 'E', '_', ...needs.map(([ , as ]) => as), text)(window, document, L, E, _, ...values);
	},

	require(name) {
		loaded[name] = loaded[name] || (built[name]
			? Promise.resolve(built[name])
			: name == 'uqr' ? import('/luci-static/uqr/dist/index.mjs')
			: L.compile(name.replaceAll('.', '/') + '.js').then((made) => new made()));

		return loaded[name];
	}
};

window.addEventListener('load', async () => {
	const place = document.getElementById('view');

	try {
		const made = await L.compile('view/' + window.standin.view + '.js');
		const view = new made();

		if (view.start)
			await view.start(place);
		else
			dom.content(place, [ E('h3', {}, [ view.title ]), await view.render(await view.load()) ]);
	}
	catch (error) {
		console.error(error);
		dom.content(place, E('pre', { 'class': 'alert-message danger' }, [ error.stack ]));
	}

	document.body.dataset.ready = 'yes';
});
