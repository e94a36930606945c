'use strict';
'require view';
'require form';
'require uci';
'require edgeturn.options as options';
'require edgeturn.kinds as kinds';

/* Every option of section `relay`, from the relay's own table; secrets and users have a page of their own. */

const TABS = [
	[ 'general', _('General'), [ 'realm', 'listen', 'relay_address', 'relay_ports', 'tcp', 'log_level', 'log' ] ],
	[ 'tls', _('TLS'), [
		'certificate', 'key', 'listen_tls', 'tls_names', 'dtls',
		'https_backend', 'http_backend', 'backend_from', 'backend_proxy_protocol', 'proxy_from'
	] ],
	[ 'nat', _('Addresses and NAT'), [ 'external_address', 'stun_server', 'port_mapping', 'gateway', 'address_grace' ] ],
	[ 'peers', _('Peers'), [ 'allow_peer', 'deny_peer', 'peers_per_minute', 'tcp_relay' ] ],
	[ 'limits', _('Limits'), [
		'max_allocations', 'user_quota', 'max_permissions', 'max_channels', 'bandwidth', 'user_bandwidth', 'total_bandwidth',
		'unauthenticated_rate', 'default_lifetime', 'max_lifetime', 'nonce_lifetime',
		'max_connections', 'max_handshakes', 'max_dtls_sessions', 'max_spliced', 'stream_buffer',
		'handshake_timeout', 'unauthenticated_timeout', 'idle_timeout', 'stuck_timeout',
		'max_peer_connections', 'max_tcp_peers'
	] ],
	[ 'more', _('More'), [
		'kernel', 'kernel_gro', 'kernel_pins', 'mobility', 'discovery', 'nat_discovery', 'alternate_address', 'alternate_port',
		'alternate_server', 'alternate_domain', 'oauth_server', 'wide_channels', 'control', 'user'
	] ],
	[ 'web', _('Web page'), [ 'web_listen', 'web_public', 'web_token', 'web_certificate', 'web_key', 'ice_uri', 'forwarded_from' ] ]
];

function widget(row) {
	if (row.list)
		return form.DynamicList;

	return { boolean: form.Flag, choice: form.ListValue }[row.kind] || form.Value;
}

function about(row) {
	return row.live ? row.about : '%s %s'.format(row.about, _('Takes effect when the service is restarted.'));
}

function add(section, tab, row) {
	const option = section.taboption(tab, widget(row), row.name, row.name, about(row));

	option.rmempty = true;

	if (row.kind == 'boolean' || row.kind == 'choice')
		option.default = row.default;
	else
		option.placeholder = row.default;

	/* UCI spells flags in more ways than LuCI's widget knows; what it doesn't know, it would save as 0. */
	if (row.kind == 'boolean')
		option.load = (id) => kinds.flag(uci.get('edgeturn', id, row.name));

	for (const word of row.words || [])
		option.value(word, word);

	/* LuCI asks for each element of a list. */
	option.validate = (id, value) => value === '' || kinds.accepts(row, value) || row.wants;
}

return view.extend({
	render() {
		const map = new form.Map('edgeturn', _('Settings'), _('What is empty has its default, which is shown in grey.'));
		const section = map.section(form.TypedSection, 'relay');

		section.anonymous = true;
		section.addremove = false;

		for (const [ tab, title, names ] of TABS) {
			section.tab(tab, title);

			for (const name of names)
				add(section, tab, options.rows.find((row) => row.name == name));
		}

		return map.render();
	}
});
