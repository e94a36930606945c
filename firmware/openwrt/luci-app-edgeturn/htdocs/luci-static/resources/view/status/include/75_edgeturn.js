'use strict';
'require baseclass';
'require edgeturn.calls as calls';
'require edgeturn.words as words';

/* The relay on LuCI's first page: how full it is, and what it carried. */

return baseclass.extend({
	title: _('TURN relay'),

	load() {
		return calls.status().catch((error) => ({ error: error.message }));
	},

	render(status) {
		if (status.error)
			return words.facts([ [ _('State'), status.error ] ]);

		const { up_bytes, down_bytes, kernel_bytes } = status.traffic;

		return words.facts([
			[ _('State'), status.draining ? _('draining: admits no new sessions') : _('running') ],
			[ _('Allocations'), words.filled(status.allocations, status.max_allocations) ],
			[ _('Relayed'), _('%s up, %s down, %s of it in the kernel').format(words.bytes(up_bytes), words.bytes(down_bytes), words.bytes(kernel_bytes)) ]
		]);
	}
});
