'use strict';
'require baseclass';

/* What an option's value may be: the kinds of the relay's table of options, so that a wrong value is seen while it is
 * typed. The relay judges again. A test gives both the same values.
 *
 * row: { kind, and what the kind needs: least, most, words, scheme, digits }
 */

const TRUE = [ '1', 'on', 'yes', 'true', 'enabled' ];
const FALSE = [ '0', 'off', 'no', 'false', 'disabled' ];
const MULTIPLES = { k: 1024, M: 1048576, G: 1073741824 };
const LARGEST = 1073741824;
const BY_UDP = '?transport=udp';
const LABEL = /^[A-Za-z0-9_-]{1,63}$/;

const whole = (text, most, digits) => new RegExp('^[0-9]{1,%d}$'.format(digits)).test(text) && +text <= most;
const isPort = (text) => whole(text, 65535, 5);

function ip4(text) {
	const parts = text.split('.');

	return parts.length == 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && +part < 256) ? parts.map(Number) : null;
}

/* The bytes of the groups on one side of `::`, null where they are none. */
function groups(text) {
	const bytes = [];
	const parts = text ? text.split(':') : [];

	for (let at = 0; at < parts.length; at++) {
		const four = parts[at].includes('.') && at == parts.length - 1 ? ip4(parts[at]) : null;

		if (four)
			bytes.push(...four);
		else if (/^[0-9a-fA-F]{1,4}$/.test(parts[at]))
			bytes.push(parseInt(parts[at], 16) >> 8, parseInt(parts[at], 16) & 255);
		else
			return null;
	}

	return bytes;
}

function ip6(text) {
	const [ head, tail, more ] = text.split('::');
	const left = groups(head), right = groups(tail || '');

	if (more !== undefined || !left || !right || (tail !== undefined && head.includes('.')))
		return null;

	const missing = 16 - left.length - right.length;

	return missing < 0 || (missing == 0) != (tail === undefined) ? null : left.concat(Array(missing).fill(0), right);
}

const address = (text) => text.includes(':') ? ip6(text) : ip4(text);

/* ip, ip:port or [ip]:port. */
function place(text) {
	const bracketed = /^\[([^\]]*)\](:(.*))?$/.exec(text);

	if (bracketed)
		return !!address(bracketed[1]) && (bracketed[2] === undefined || isPort(bracketed[3]));

	const [ host, port ] = text.split(':');

	return text.split(':').length == 2 ? !!address(host) && isPort(port) : !text.startsWith('[') && !!address(text);
}

function prefix(text) {
	const [ host, bits, more ] = text.split('/');
	const bytes = address(host);

	if (!bytes || more !== undefined || (bits !== undefined && !isPort(bits)))
		return false;

	const length = bits === undefined ? 8 * bytes.length : +bits;

	return length <= 8 * bytes.length && bytes.every((byte, at) => !(byte & (255 >> Math.min(8, Math.max(0, length - 8 * at)))));
}

/* A host name: the last label isn't a number. */
function isName(text) {
	const labels = text.split('.');

	return text.length <= 253 && labels.every((label) => LABEL.test(label)) && /[^0-9]/.test(labels[labels.length - 1]);
}

function server(text) {
	const [ name, port, more ] = text.split(':');

	return isName(name) && more === undefined ? port === undefined || isPort(port) : place(text);
}

/* A server, or its URI by one scheme. */
function uri(text, scheme, kind) {
	if (scheme && text.toLowerCase().startsWith(scheme + ':')) {
		text = text.slice(scheme.length + 1);
		text = text.endsWith(BY_UDP) ? text.slice(0, -BY_UDP.length) : text;
	}

	return kind(text);
}

function external(text) {
	if (text == 'auto')
		return true;

	const at = text.lastIndexOf('=');
	const announced = address(text.slice(at + 1));
	const relay = at < 0 ? announced : address(text.slice(0, at));

	return !!announced && !!relay && announced.length == relay.length;
}

function ports(text) {
	const [ first, last, more ] = text.split('-');

	return more === undefined && last !== undefined && isPort(first) && isPort(last) && +first >= 1024 && +first <= +last;
}

function size(text) {
	const multiple = MULTIPLES[text.slice(-1)] || 1;
	const digits = multiple == 1 ? text : text.slice(0, -1);

	return /^[0-9]+$/.test(digits) && +digits * multiple <= LARGEST;
}

const KINDS = {
	text: (row, value) => value != '',
	absolute: (row, value) => value.startsWith('/'),
	realm: (row, value) => value.length > 0 && value.length < 128 && !value.includes('"'),
	number: (row, value) => whole(value, row.most, 9) && +value >= row.least,
	size: (row, value) => size(value),
	boolean: (row, value) => TRUE.includes(value) || FALSE.includes(value),
	choice: (row, value) => row.words.includes(value),
	place: (row, value) => uri(value, row.scheme, place),
	server: (row, value) => uri(value, row.scheme, server),
	ice_uri: (row, value) => /^(stun|turn)s?:[^ ]+$/.test(value),
	ip: (row, value) => !!address(value),
	external: (row, value) => external(value),
	prefix: (row, value) => prefix(value),
	port_range: (row, value) => ports(value)
};

return baseclass.extend({
	accepts(row, value) {
		return KINDS[row.kind](row, value);
	},

	/* The word of UCI for a flag as 1 or 0; what is none, and an absent one, stays what it is. */
	flag(value) {
		return TRUE.includes(value) ? '1' : FALSE.includes(value) ? '0' : value;
	}
});
