'use strict';
'require view';
'require ui';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* Who may use the relay: users with a lasting password, secrets from which time-limited credentials are minted. */

function input(id, attributes) {
	return E('input', Object.assign({ 'id': id, 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false' }, attributes));
}

function lasting(milliseconds) {
	return new Date(milliseconds).toLocaleString();
}

return view.extend({
	load() {
		return Promise.all([ calls.users(), calls.secrets() ]).catch((error) => ({ error: error.message }));
	},

	/* Only the lists: what somebody types meanwhile stays, and so does a credential that was minted. */
	refresh() {
		return this.load().then((found) => {
			if (found.error)
				return words.show(this.shown, this.page(found));

			words.show(this.listed.users, this.users(found[0]));
			words.show(this.listed.secrets, this.secrets(found[1]));
		});
	},

	/* A running relay has taken the change already, or says why not. */
	changed(text, answer) {
		words.say(answer.applied ? text : '%s %s'.format(text, answer.note || _('It takes effect when the relay is started.')));

		return this.refresh();
	},

	addUser() {
		const fields = [ 'edgeturn-user', 'edgeturn-password' ].map((id) => document.getElementById(id));
		const [ name, password ] = fields.map((field) => field.value);

		return calls.user_add(name, password || undefined)
			.then((answer) => {
				fields.forEach((field) => { field.value = ''; });

				return this.changed(_('The user %s can log in with the password %s').format(name, answer.password || password), answer);
			})
			.catch(words.complain);
	},

	removeUser(name) {
		words.confirm(_('Remove a user'), _('%s can no longer log in, and its sessions end.').format(name), _('Remove'),
			() => calls.user_remove(name, true).then((answer) => this.changed(_('The user %s is removed').format(name), answer)));
	},

	addSecret() {
		return calls.secret_add()
			.then((answer) => this.changed(_('Added the secret %s').format(answer.fingerprint), answer))
			.catch(words.complain);
	},

	rotateSecret() {
		const text = _('New credentials are made with the secret %s from now on. Give it to whatever else mints credentials; remove the old ones once the last credential of theirs has expired.');

		return calls.secret_rotate()
			.then((answer) => this.changed(text.format(answer.fingerprint), answer))
			.catch(words.complain);
	},

	removeSecret(fingerprint) {
		const text = _('What was minted with the secret %s starts no session any more. Sessions that run go on.');

		words.confirm(_('Remove a secret'), text.format(fingerprint), _('Remove'),
			() => calls.secret_remove(fingerprint).then((answer) => this.changed(_('The secret %s is removed').format(fingerprint), answer)));
	},

	showSecret(fingerprint) {
		return calls.secret_show(fingerprint)
			.then((answer) => ui.showModal(_('Secret %s').format(fingerprint), [
				E('p', {}, [ _('For applications that mint credentials themselves. Who has it can use the relay.') ]),
				E('pre', { 'id': 'edgeturn-secret' }, [ answer.secret ]),
				E('div', { 'class': 'right' }, [
					words.button('neutral', _('Copy'), () => words.copy(answer.secret).catch(words.complain)), ' ',
					words.button('neutral', _('Close'), ui.hideModal)
				])
			]))
			.catch(words.complain);
	},

	mint() {
		const user = document.getElementById('edgeturn-for').value;
		const ttl = parseInt(document.getElementById('edgeturn-ttl').value, 10);

		return calls.credentials(user || undefined, ttl)
			.then((answer) => words.show(document.getElementById('edgeturn-minted'), words.facts([
				[ _('Username'), answer.username ],
				[ _('Password'), answer.password ],
				[ _('Realm'), answer.realm ],
				[ _('Addresses'), words.lines(answer.urls) ],
				[ _('Valid until'), lasting(answer.expires * 1000) ]
			])))
			.catch(words.complain);
	},

	users(found) {
		const remove = (name) => words.button('remove', _('Remove'), ui.createHandlerFn(this, 'removeUser', name));
		const rows = found.users.map((user) => [ user.name, user.kept == 'keys' ? _('keys') : _('password'), remove(user.name) ]);

		return words.table([ _('Name'), _('Kept as'), _('Action') ], rows, _('No user.'));
	},

	secrets(found) {
		const act = (kind, title, handler, which) => words.button(kind, title, ui.createHandlerFn(this, handler, which));
		const rows = found.secrets.map((secret) => [
			secret.fingerprint,
			secret.mints ? _('mints and is accepted') : _('is accepted'),
			E('div', {}, [
				act('neutral', _('Show'), 'showSecret', secret.fingerprint), ' ', act('remove', _('Remove'), 'removeSecret', secret.fingerprint)
			])
		]);

		return words.table([ _('Fingerprint'), _('Use'), _('Action') ], rows, _('No secret.'));
	},

	accounts() {
		return words.section(_('Users'), [
			this.listed.users,
			words.field(_('Name'), input('edgeturn-user')),
			words.field(_('Password'), input('edgeturn-password'), _('Empty makes a random one.')),
			this.actions([ words.button('add', _('Add user'), ui.createHandlerFn(this, 'addUser')) ])
		]);
	},

	shared() {
		const act = (kind, title, handler) => words.button(kind, title, ui.createHandlerFn(this, handler));

		return words.section(_('Shared secrets'), [
			E('p', {}, [ _('Credentials that end by themselves are minted with the first secret, here or by an application that knows it.') ]),
			this.listed.secrets,
			this.actions([ act('action', _('Rotate'), 'rotateSecret'), ' ', act('add', _('Add secret'), 'addSecret') ])
		]);
	},

	credential() {
		return words.section(_('A credential that ends by itself'), [
			words.field(_('User'), input('edgeturn-for', { 'placeholder': 'guest' }), _('Quotas and logs go by this name.')),
			words.field(_('Seconds'), input('edgeturn-ttl', { 'value': '86400', 'inputmode': 'numeric' })),
			this.actions([ words.button('action', _('Mint'), ui.createHandlerFn(this, 'mint')) ]),
			E('div', { 'id': 'edgeturn-minted' })
		]);
	},

	actions(buttons) {
		return E('div', { 'class': 'right' }, buttons);
	},

	page(found) {
		if (found.error)
			return [ words.warning(found.error) ];

		this.listed = { users: E('div', {}, [ this.users(found[0]) ]), secrets: E('div', {}, [ this.secrets(found[1]) ]) };

		return [ this.accounts(), this.shared(), this.credential() ];
	},

	render(found) {
		this.shown = E('div', {}, this.page(found));

		return E('div', {}, [ E('h2', {}, [ _('Users and secrets') ]), this.shown ]);
	},

	handleSave: null,
	handleSaveApply: null,
	handleReset: null
});
