/* Copyright (c) 2026, holdfast.firewall contributors
 * GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Sends IPv4 packets as fast as a CPU can, and prints the nanoseconds of CPU time that each one took.
 *
 *   packet_cost COUNT < packets        one packet a line: SOURCE DESTINATION PROTOCOL SOURCE-PORT PORT
 *
 * The packets are sent in turn. Over a cable between two network namespaces the receiver's kernel handles them in this thread, so that
 * its work is part of the time; CPU time, because other programs may want the CPU too. A tenth of COUNT is sent before, to warm up.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define SIZE 46 /* IPv4 header, UDP header and 18 bytes, or the beginning of a TCP segment */

struct packet {
    struct sockaddr_in target;
    unsigned char bytes[SIZE];
};

static uint16_t checksum(const unsigned char *bytes, int count)
{
    uint32_t sum = 0;
    for (int at = 0; at < count; at += 2)
        sum += bytes[at] << 8 | bytes[at + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static void put16(unsigned char *where, unsigned value)
{
    where[0] = value >> 8;
    where[1] = value;
}

static void build(struct packet *one, const char *source, const char *target, int protocol, int source_port, int port)
{
    unsigned char *ip = one->bytes, *rest = one->bytes + 20;
    memset(one, 0, sizeof *one);
    ip[0] = 0x45;
    put16(ip + 2, SIZE);
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = protocol;
    inet_pton(AF_INET, source, ip + 12);
    inet_pton(AF_INET, target, ip + 16);
    put16(ip + 10, checksum(ip, 20));
    put16(rest, source_port);
    put16(rest + 2, port);
    if (protocol == IPPROTO_UDP)
        put16(rest + 4, SIZE - 20);
    if (protocol == IPPROTO_TCP) {
        rest[12] = 0x50;
        rest[13] = 0x02;
    }
    one->target.sin_family = AF_INET;
    memcpy(&one->target.sin_addr, ip + 16, 4);
}

static void blast(int wire, struct packet *packets, int known, long count)
{
    struct mmsghdr batch[BATCH];
    struct iovec bodies[BATCH];
    int next = 0;
    memset(batch, 0, sizeof batch);
    while (count > 0) {
        int wanted = count < BATCH ? count : BATCH, done = 0;
        for (int at = 0; at < wanted; at++, next = (next + 1) % known) {
            bodies[at].iov_base = packets[next].bytes;
            bodies[at].iov_len = SIZE;
            batch[at].msg_hdr.msg_iov = &bodies[at];
            batch[at].msg_hdr.msg_iovlen = 1;
            batch[at].msg_hdr.msg_name = &packets[next].target;
            batch[at].msg_hdr.msg_namelen = sizeof packets[next].target;
        }
        while (done < wanted) {
            int sent = sendmmsg(wire, batch + done, wanted - done, 0);
            if (sent > 0)
                done += sent;
            else if (errno != EINTR && errno != ENOBUFS && errno != EAGAIN) {
                perror("sendmmsg");
                exit(1);
            }
        }
        count -= wanted;
    }
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return at.tv_sec * 1e9 + at.tv_nsec;
}

int main(int words, char **word)
{
    struct packet *packets = NULL;
    char source[64], target[64];
    int known = 0, protocol, source_port, port, wire = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    long count = words > 1 ? atol(word[1]) : 0;
    double start;
    while (scanf("%63s %63s %d %d %d", source, target, &protocol, &source_port, &port) == 5) {
        packets = realloc(packets, (known + 1) * sizeof *packets);
        build(&packets[known++], source, target, protocol, source_port, port);
    }
    if (wire < 0 || !known || count < 1) {
        fprintf(stderr, "packet_cost COUNT < packets, as root\n");
        return 1;
    }
    blast(wire, packets, known, count / 10);
    start = now();
    blast(wire, packets, known, count);
    printf("%.1f\n", (now() - start) / count);
    return 0;
}
