'use strict';
'require baseclass';
'require rpc';

/* What the rpcd plugin can be asked, and its arguments in their order. A test compares this with the plugin and the ACL. */
const METHODS = {
	status: [],
	sessions: [],
	users: [],
	secrets: [],
	kernel: [],
	kick: [ 'session', 'user' ],
	check: [],
	user_add: [ 'name', 'password' ],
	user_remove: [ 'name', 'kick' ],
	secret_add: [ 'value' ],
	secret_rotate: [],
	secret_remove: [ 'fingerprint' ],
	secret_show: [ 'fingerprint' ],
	credentials: [ 'user', 'ttl' ],
	snippet: [ 'user', 'ttl' ]
};

/* The plugin answers what it can't do with one sentence; so does a call that fails on its way. */
function declared(method) {
	const call = rpc.declare({ object: 'edgeturn', method: method, params: METHODS[method], expect: { '': {} }, reject: true });

	return (...given) => call(...given).then((answer) => {
		if (answer.error)
			throw new Error(answer.error);

		return answer;
	});
}

return baseclass.extend(Object.fromEntries(Object.keys(METHODS).map((method) => [ method, declared(method) ])));
