/*
 * The load: sends datagrams as fast as the relay takes them and counts what arrives, or measures round trips.
 *
 * One thread does both, so that generator and sink never fight for their CPU and the relay has the other one to itself.
 * The sockets are made by the bench (in their network namespaces, behind the allocations) and inherited as descriptors.
 *
 *   load flood SECONDS SIZE WINDOW COUNT     as fast as possible; ends after SECONDS or COUNT arrivals (0: no bound)
 *   load pace  SECONDS SIZE RATE             RATE datagrams a second, evenly spaced
 *   load ping  SECONDS SIZE RATE             closed loop: one datagram under way, RATE a second
 *   load blast SECONDS SIZE                  as fast as possible, filler only, nothing is received: sink.c counts it
 *
 * WINDOW bounds what is under way (0: no bound), so that queues stay short of overflowing; what has not come back for
 * 50 ms counts as lost. Standard input says which sockets, one a line:
 *
 *   send FD HEADER [HOST PORT]   HEADER in hex (a ChannelData header, without: -) precedes the SIZE bytes of payload
 *   recv FD SKIP                 arriving datagrams have SKIP bytes before the payload
 *   echo FD                      datagrams that arrive here go back to where they came from (ping)
 *
 * The answer is one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, WINDOW_BATCH = 16, MOST = 4096, ROOM = 2048, HEADER_ROOM = 64, PINGS = 1 << 16 };
static const uint32_t MAGIC = 0x65646765;
static const int64_t SECOND = 1000000000, LOST_AFTER = 50000000, LINGER = 30000000, PING_PATIENCE = 200000000;

struct sender { int fd; int header_size; unsigned char header[HEADER_ROOM]; struct sockaddr_in to; int addressed; };
struct receiver { int fd; int skip; };

static struct sender senders[MOST];
static struct receiver receivers[MOST];
static int sender_count, receiver_count, echo_fd = -1, payload_size;
static uint64_t sent, received, wrong, refused;
static uint32_t sequence;

static unsigned char out_data[BATCH][ROOM], in_data[BATCH][ROOM];
static struct iovec out_vector[BATCH], in_vector[BATCH];
static struct mmsghdr out[BATCH], in[BATCH];

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static int unhex(const char *text, unsigned char *into)
{
	int n = 0;
	unsigned value;
	for (; text[0] && text[1] && n < HEADER_ROOM && sscanf(text, "%2x", &value) == 1; text += 2)
		into[n++] = value;
	return n;
}

static void add_sender(int fd, const char *header, const char *host, int port)
{
	if (sender_count == MOST)
		fail("too many senders");
	struct sender *s = &senders[sender_count++];
	s->fd = fd;
	s->header_size = unhex(header, s->header);
	s->addressed = *host != 0;
	s->to.sin_family = AF_INET;
	s->to.sin_port = htons(port);
	inet_pton(AF_INET, host, &s->to.sin_addr);
}

static void read_plan(void)
{
	char line[512], header[160], host[64];
	int fd, number;
	while (fgets(line, sizeof line, stdin)) {
		*host = 0, number = 0;
		if (sscanf(line, "send %d %159s %63s %d", &fd, header, host, &number) >= 2)
			add_sender(fd, header, host, number);
		else if (sscanf(line, "recv %d %d", &fd, &number) == 2 && receiver_count < MOST)
			receivers[receiver_count++] = (struct receiver){fd, number};
		else if (sscanf(line, "echo %d", &fd) == 1)
			echo_fd = fd;
		else
			fail("unknown line in the plan");
	}
	if (!sender_count)
		fail("nothing to send");
}

static void make_vectors(void)
{
	for (int i = 0; i < BATCH; i++) {
		memset(out_data[i], 0xA5, ROOM);
		out_vector[i].iov_base = out_data[i];
		in_vector[i] = (struct iovec){in_data[i], ROOM};
		out[i].msg_hdr = (struct msghdr){.msg_iov = &out_vector[i], .msg_iovlen = 1};
		in[i].msg_hdr = (struct msghdr){.msg_iov = &in_vector[i], .msg_iovlen = 1};
	}
}

/* Payload: the magic number, a sequence number, filler. */
static void fill(int i, const struct sender *s)
{
	uint32_t head[2] = {MAGIC, sequence++};
	memcpy(out_data[i], s->header, s->header_size);
	if (receiver_count)
		memcpy(out_data[i] + s->header_size, head, sizeof head);
	out_vector[i].iov_len = s->header_size + payload_size;
	out[i].msg_hdr.msg_name = s->addressed ? (void *)&s->to : NULL;
	out[i].msg_hdr.msg_namelen = s->addressed ? sizeof s->to : 0;
}

/* Fill the batch round robin over the senders; neighbours that share a socket leave in one system call. */
static void send_batch(int size)
{
	static int turn;
	int fds[BATCH];
	for (int i = 0; i < size; i++, turn = (turn + 1) % sender_count) {
		fill(i, &senders[turn]);
		fds[i] = senders[turn].fd;
	}
	for (int first = 0, next; first < size; first = next) {
		for (next = first + 1; next < size && fds[next] == fds[first];)
			next++;
		int done = sendmmsg(fds[first], out + first, next - first, 0);
		sent += done > 0 ? done : 0;
		refused += done > 0 ? next - first - done : next - first;
	}
}

static int intact(const unsigned char *data, int size, int skip)
{
	uint32_t magic;
	if (size < skip + payload_size || size > skip + payload_size + 3)
		return 0;
	memcpy(&magic, data + skip, sizeof magic);
	return magic == MAGIC;
}

static int receive_from(const struct receiver *r)
{
	int n = recvmmsg(r->fd, in, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		if (intact(in_data[i], in[i].msg_len, r->skip))
			received++;
		else
			wrong++;
	return n > 0 ? n : 0;
}

static int receive(int waiter)
{
	struct epoll_event events[BATCH];
	if (receiver_count == 1)
		return receive_from(&receivers[0]);
	int total = 0, ready = epoll_wait(waiter, events, BATCH, 0);
	for (int i = 0; i < ready; i++)
		total += receive_from(&receivers[events[i].data.u32]);
	return total;
}

static int make_waiter(void)
{
	int waiter = epoll_create1(0);
	for (int i = 0; i < receiver_count; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
		epoll_ctl(waiter, EPOLL_CTL_ADD, receivers[i].fd, &event);
	}
	return waiter;
}

/* What the sinks' own queues lost: it went through the relay, so it counts as delivered. */
static uint64_t overflowed(void)
{
	uint64_t total = 0;
	uint32_t info[SK_MEMINFO_VARS];
	for (int i = 0; i < receiver_count; i++) {
		socklen_t size = sizeof info;
		if (getsockopt(receivers[i].fd, SOL_SOCKET, SO_MEMINFO, info, &size) == 0)
			total += info[SK_MEMINFO_DROPS];
	}
	return total;
}

static void linger(int waiter)
{
	for (int64_t last = now(); now() - last < LINGER;)
		if (receive(waiter))
			last = now();
}

static void report(int64_t elapsed, uint64_t in_time, uint64_t overflowed_before)
{
	printf("{\"sent\": %lu, \"received\": %lu, \"in_time\": %lu, \"wrong\": %lu, \"refused\": %lu, "
	       "\"overflowed\": %lu, \"seconds\": %.6f}\n",
	       sent, received, in_time, wrong, refused, overflowed() - overflowed_before, elapsed / 1e9);
}

static void flood(double seconds, uint64_t window, uint64_t count)
{
	int waiter = make_waiter();
	uint64_t lost = 0, dropped = overflowed(), batch = window ? WINDOW_BATCH : BATCH;
	int64_t start = now(), end = start + seconds * SECOND, last = start, t = start;
	while ((t = now()) < end && !(count && received >= count)) {
		uint64_t under_way = sent - received - lost;
		if (!window || under_way + batch <= window)
			send_batch(batch);
		else if (t - last > LOST_AFTER)
			lost += under_way, last = t;
		if (receive(waiter))
			last = t;
	}
	uint64_t in_time = received + overflowed() - dropped;
	linger(waiter);
	report(t - start, in_time, dropped);
}

static void pace(double seconds, double rate)
{
	int waiter = make_waiter();
	uint64_t dropped = overflowed();
	int64_t start = now(), end = start + seconds * SECOND, gap = SECOND / rate, due = start, t;
	while ((t = now()) < end) {
		if (t >= due) {
			send_batch(1);
			due += gap;
		}
		receive(waiter);
	}
	uint64_t in_time = received + overflowed() - dropped;
	linger(waiter);
	report(t - start, in_time, dropped);
}

static void blast(double seconds)
{
	int64_t start = now(), end = start + seconds * SECOND, t;
	while ((t = now()) < end)
		send_batch(BATCH);
	report(t - start, 0, 0);
}

static void echo(void)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof from;
	int n = recvfrom(echo_fd, in_data[1], ROOM, MSG_DONTWAIT, (struct sockaddr *)&from, &size);
	if (n > 0)
		sendto(echo_fd, in_data[1], n, 0, (struct sockaddr *)&from, size);
}

/* One round trip in ns, or -1: busy waiting, so that only the relay has to be woken. */
static int64_t round_trip(void)
{
	uint32_t expected = sequence, got;
	int64_t start = now();
	send_batch(1);
	while (now() - start < PING_PATIENCE) {
		echo();
		int n = recv(receivers[0].fd, in_data[0], ROOM, MSG_DONTWAIT);
		if (n <= 0)
			continue;
		memcpy(&got, in_data[0] + receivers[0].skip + sizeof MAGIC, sizeof got);
		if (intact(in_data[0], n, receivers[0].skip) && got == expected)
			return now() - start;
		wrong++;
	}
	return -1;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void ping(double seconds, double rate)
{
	static int64_t times[PINGS];
	int n = 0, lost = 0;
	int64_t start = now(), gap = SECOND / rate, due = start;
	while (n < PINGS && now() < start + seconds * SECOND) {
		int64_t took = round_trip();
		if (took < 0)
			lost++;
		else
			times[n++] = took;
		for (due += gap; now() < due;)
			;
	}
	qsort(times, n, sizeof *times, ascending);
	printf("{\"pings\": %d, \"lost\": %d, \"wrong\": %lu, \"p50\": %ld, \"p99\": %ld}\n", n, lost, wrong,
	       n ? times[n / 2] : 0, n ? times[n * 99 / 100] : 0);
}

int main(int argc, char **argv)
{
	int blasting = argc > 3 && !strcmp(argv[1], "blast");
	if (argc < 5 && !blasting)
		fail("usage: load flood SECONDS SIZE WINDOW COUNT | load pace|ping SECONDS SIZE RATE | load blast SECONDS SIZE");
	double seconds = atof(argv[2]);
	payload_size = atoi(argv[3]);
	if (payload_size < 8 || payload_size > ROOM - HEADER_ROOM)
		fail("a payload has 8 to 1984 bytes");
	read_plan();
	make_vectors();
	if (!receiver_count && !blasting)
		fail("nothing to receive");
	if (blasting)
		blast(seconds);
	else if (!strcmp(argv[1], "ping"))
		ping(seconds, atof(argv[4]));
	else if (!strcmp(argv[1], "pace"))
		pace(seconds, atof(argv[4]));
	else
		flood(seconds, strtoull(argv[4], NULL, 10), argc > 5 ? strtoull(argv[5], NULL, 10) : 0);
	return 0;
}
