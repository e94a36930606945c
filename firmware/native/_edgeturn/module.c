// The module _edgeturn: what a relay needs of the C library and of its CPU, and MicroPython doesn't have.
//
// Rule 1: What is done for each packet allocates nothing: it hands out objects that were made before.
// Rule 2: Nothing here knows STUN, TURN or the configuration.

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>

#include "edgeturn.h"

#define NUMBER(name) { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_INT(name) }
#define FUNCTION(name) { MP_ROM_QSTR(MP_QSTR_##name), MP_ROM_PTR(&edgeturn_##name##_obj) }

static const mp_rom_map_elem_t names[] = {
	{ MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__edgeturn) },

	FUNCTION(call),
	FUNCTION(address_of),
	FUNCTION(bpf),
	FUNCTION(clock),
	FUNCTION(room),
	FUNCTION(release),

	FUNCTION(md5),
	FUNCTION(sha1),
	FUNCTION(sha256),
	FUNCTION(hmac_sha1),
	FUNCTION(hmac_sha256),
	FUNCTION(same),
#if MICROPY_SSL_MBEDTLS
	FUNCTION(open_sealed),
#endif

	FUNCTION(unpack_pair),
	FUNCTION(pack_pair),
	FUNCTION(datagram),
	FUNCTION(flush),
	FUNCTION(receive),
	FUNCTION(receive_message),
	FUNCTION(send_message),
	{ MP_ROM_QSTR(MP_QSTR_Receiver), MP_ROM_PTR(&edgeturn_receiver_type) },
	{ MP_ROM_QSTR(MP_QSTR_Sender), MP_ROM_PTR(&edgeturn_sender_type) },
	{ MP_ROM_QSTR(MP_QSTR_Poller), MP_ROM_PTR(&edgeturn_poller_type) },
	{ MP_ROM_QSTR(MP_QSTR_Table), MP_ROM_PTR(&edgeturn_table_type) },

	FUNCTION(catch_signals),
	FUNCTION(caught_signals),

	// Other numbers on some architectures.
	NUMBER(EAGAIN),
	NUMBER(EADDRINUSE),
	NUMBER(EADDRNOTAVAIL),
	NUMBER(ECONNABORTED),
	NUMBER(ECONNREFUSED),
	NUMBER(EINPROGRESS),
	NUMBER(EMSGSIZE),
	NUMBER(EPOLLERR),
	NUMBER(EPOLLHUP),
	NUMBER(EPOLLIN),
	NUMBER(EPOLLOUT),
	NUMBER(IP_PKTINFO),
	NUMBER(IP_RECVERR),
	NUMBER(IP_RECVTOS),
	NUMBER(IP_RECVTTL),
	NUMBER(IP_TOS),
	NUMBER(IP_TTL),
	NUMBER(IPPROTO_IP),
	NUMBER(IPPROTO_IPV6),
	NUMBER(IPV6_RECVERR),
	NUMBER(MSG_DONTWAIT),
	NUMBER(MSG_ERRQUEUE),
	NUMBER(MSG_TRUNC),
	NUMBER(SIGHUP),
	NUMBER(SIGINT),
	NUMBER(SIGTERM),
	NUMBER(SO_RCVBUF),
	NUMBER(SO_REUSEPORT),
	NUMBER(SO_SNDBUF),
};
static MP_DEFINE_CONST_DICT(globals, names);

const mp_obj_module_t edgeturn_module = {
	.base = { &mp_type_module },
	.globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR__edgeturn, edgeturn_module);
