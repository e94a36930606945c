// Asks for iceServers as applications on Node.js do: by Twilio's library, and for Xirsys as its documentation shows.
// Arguments: base address, account SID, key. Prints what each got as a line of JSON.

import https from 'node:https';
import { createRequire } from 'node:module';

const [base, sid, key] = process.argv.slice(2);
const twilio = createRequire(process.env.NODE_FOLDER + '/')('twilio');

async function byTwilio() {
	const client = twilio(sid, key);
	client.api.baseUrl = base;
	const token = await client.tokens.create({ ttl: 1200 });
	return { username: token.username, password: token.password, ttl: token.ttl, servers: token.iceServers };
}

async function refusedByTwilio() {
	const client = twilio(sid, 'f'.repeat(32));
	client.api.baseUrl = base;
	try {
		await client.tokens.create();
	} catch (error) {
		return { status: error.status, code: error.code };
	}
}

function byXirsys() {
	const body = JSON.stringify({ format: 'urls' });
	const headers = {
		'Authorization': 'Basic ' + Buffer.from('shop:' + key).toString('base64'),
		'Content-Type': 'application/json',
		'Content-Length': body.length,
	};
	return new Promise((resolve, reject) => {
		const request = https.request(base + '/_turn/my/channel', { method: 'PUT', headers }, (response) => {
			let text = '';
			response.on('data', (data) => { text += data; });
			response.on('end', () => resolve(JSON.parse(text)));
		});
		request.on('error', reject);
		request.end(body);
	});
}

for (const ask of [byTwilio, refusedByTwilio, byXirsys])
	console.log(JSON.stringify(await ask()));
