# SPDX-License-Identifier: Apache-2.0
"""The network: what is granted can be reached, and by no way anything else."""

import ipaddress
import os
import platform
import shutil
import socket
import struct
import threading
import time

import harness
from harness import (ACT, BASE, PLACES, Case, Sender, guard, let_through, obmon, options, plant, put,
                     refused_to_start, wait_for)
from network import (A, A6, B, B6, C, CLIENT, CLIENT6, DNS, LINK_LOCAL, METADATA, PRIVATE, ULA, NetTest, Query, Script,
                     no_listening, no_lookup, query, record, refused, steps, through, wire)

CONNECT, LISTEN = "NETWORK_CONNECT:", "NETWORK_LISTEN:"
FASTOPEN = 0x20000000
LINUX = tuple(map(int, platform.release().split(".")[:2]))


def option(level, name, value):
    """A step that sets a socket option; @value: bytes, or an int."""
    return f"option {level} {name} {(value if isinstance(value, bytes) else struct.pack('=I', value)).hex()}"


def packed(address):
    return ipaddress.ip_address(address).packed


FASTOPEN_CONNECT = option(6, 30, 1)
SMC = option(6, 31, b"smc")
TO_DEVICE = option(1, 25, b"cable\0")


class Destinations(NetTest):
    """Where to: address, port and protocol must all be granted."""

    def test_one_address(self):
        self.check([
            through(f"tcp connect {A}:7 echo hi", f"ok {A}|hi"),
            through(f"udp connect {A}:7 echo hi", f"ok {A}|hi"),
            through(f"udp sendto {A}:7"),
            refused(f"tcp connect {A}:80", f"tcp://{A}:80", hook="connect4"),
            refused(f"tcp connect {A}:9", f"tcp://{A}:9", granted="ECONNREFUSED"),
            refused(f"tcp connect {B}:7", f"tcp://{B}:7"),
            refused(f"tcp connect {C}:7", f"tcp://{C}:7"),
            refused(f"tcp connect {PRIVATE}:7", f"tcp://{PRIVATE}:7"),
            refused(f"tcp connect {METADATA}:7", f"tcp://{METADATA}:7"),
            refused("tcp connect 127.0.0.1:7", "tcp://127.0.0.1:7", granted="ECONNREFUSED"),
            refused("tcp connect 192.0.2.1:7", "tcp://192.0.2.1:7", granted="ENETUNREACH"),
            refused(f"tcp connect [{A6}]:7", f"tcp://[{A6}]:7", hook="connect6"),
            refused(f"tcp connect [{LINK_LOCAL}%cable]:9", f"tcp://[{LINK_LOCAL}]:9", granted="ECONNREFUSED"),
            refused("tcp connect [::1]:7", "tcp://[::1]:7", granted="ECONNREFUSED"),
            refused(f"udp sendto {A}:80", f"udp://{A}:80", hook="sendmsg4"),
            refused(f"udp connect {B}:7", f"udp://{B}:7", hook="connect4"),
            refused(f"udp sendto {B}:7", f"udp://{B}:7", hook="sendmsg4"),
            refused(f"udp sendto [{A6}]:7", f"udp://[{A6}]:7", hook="sendmsg6"),
            refused("udp sendto 255.255.255.255:7", "udp://255.255.255.255:7", granted="ENETUNREACH"),
            refused("udp sendto 224.0.0.1:7", "udp://224.0.0.1:7", granted=None),
        ], [f"{CONNECT}tcp://{A}:7", f"{CONNECT}udp://{A}:7"])

    def test_one_address_of_ipv6(self):
        self.check([
            through(f"tcp connect [{A6}]:7 echo hi", f"ok {A6}|hi"),
            through(f"udp connect [{A6}]:7 echo hi", f"ok {A6}|hi"),
            refused(f"tcp connect {A}:7", f"tcp://{A}:7"),
            refused(f"tcp connect [{A6}]:80", f"tcp://[{A6}]:80"),
            refused(f"tcp connect [{B6}]:7", f"tcp://[{B6}]:7"),
            refused(f"tcp connect [{ULA}]:7", f"tcp://[{ULA}]:7"),
            refused(f"udp connect [{B6}]:7", f"udp://[{B6}]:7"),
            refused(f"udp sendto [{A6}]:80", f"udp://[{A6}]:80"),
        ], [f"{CONNECT}[{A6}]:7"])

    def test_forms_of_rules(self):
        """Networks, ranges, wildcards, protocols in either spelling. What is let through has nobody to answer."""
        self.check([
            through(f"udp sendto {A}:7000"), through(f"udp sendto {A}:7010"),
            refused(f"udp sendto {A}:6999", f"udp://{A}:6999"),
            refused(f"udp sendto {A}:7011", f"udp://{A}:7011"),
            through("udp sendto 203.0.113.8:1"), through("udp sendto 203.0.113.15:65535"),
            refused("udp sendto 203.0.113.7:1", "udp://203.0.113.7:1"),
            refused("udp sendto 203.0.113.16:1", "udp://203.0.113.16:1"),
            through("udp sendto 10.9.0.2:53"), refused("udp sendto 10.9.0.2:54", "udp://10.9.0.2:54"),
            refused("tcp connect 10.9.0.10:53", "tcp://10.9.0.10:53", granted="ECONNREFUSED"),
            through("tcp connect 10.9.0.10:99", "ECONNREFUSED"),
            refused("udp sendto 10.9.0.10:99", "udp://10.9.0.10:99"),
            through("udp sendto [fd00:9::ffff]:9"), refused("udp sendto [fd00:9::1:0]:9", "udp://[fd00:9::1:0]:9"),
            through("tcp connect 127.0.0.1:5009", "ECONNREFUSED"), through("tcp connect [::1]:5009", "ECONNREFUSED"),
            refused("tcp connect 127.0.0.2:5009", "tcp://127.0.0.2:5009", granted="ECONNREFUSED"),
            refused("udp sendto [2001:db8:1::10]:9", "udp://[2001:db8:1::10]:9"),
        ], [f"{CONNECT}{A}:7000-7010", f"{CONNECT}203.0.113.8/29:*", f"{CONNECT}10.9.0.0/24:53{{proto=udp}}",
            f"{CONNECT}tcp://10.9.0.8/30:99", f"{CONNECT}[fd00:9::/112]:9", f"{CONNECT}localhost:5009"])

    def test_any_address_of_a_family(self):
        """All of IPv4 is nothing of IPv6, in whatever disguise, and the other way round."""
        self.check([
            through(f"udp sendto {A}:9"), through("udp sendto 127.0.0.1:9"), through(f"udp6 sendto [::ffff:{A}]:9"),
            through(f"udp6 connect [::ffff:{A}]:9"), through(f"udp6 sendto {A}:9"),
            through(f"tcp6 connect [::ffff:{A}]:9",
                                                                                          "ECONNREFUSED"),
            refused(f"udp sendto [{A6}]:9", f"udp://[{A6}]:9"),
            refused("udp sendto [::1]:9", "udp://[::1]:9"),
        ], [f"{CONNECT}0.0.0.0/0:9"], twice=False)
        self.check([
            through(f"udp sendto [{A6}]:9"),
            refused(f"udp sendto {A}:9", f"udp://{A}:9", hook="sendmsg4"),
            refused(f"udp6 sendto [::ffff:{A}]:9", f"udp://{A}:9", hook="sendmsg4"),
            refused(f"udp6 connect [::ffff:{A}]:9", f"udp://{A}:9", hook="connect6"),
            refused(f"tcp6 connect [::ffff:{A}]:9", f"tcp://{A}:9", hook="connect6", granted="ECONNREFUSED"),
            refused(f"udp6 sendto {A}:9", f"udp://{A}:9", hook="sendmsg4"),
            refused(f"udp6 connect {A}:9", f"udp://{A}:9", hook="connect4"),
        ], [f"{CONNECT}[::/0]:9"])

    def test_the_number_of_uses(self):
        run = self.run_it([ACT, *steps(f"udp sendto {A}:7 sendto {A}:7 connect {A}:7 send"), ",",
                           *steps(f"tcp connect {A}:7")], [f"{CONNECT}udp://{A}:7", f"{CONNECT}tcp://{A}:*"])
        self.assertLessEqual({f"udp://{A}:7", f"tcp://{A}:7"}, self.net.sent(), "the tap sees nothing")
        uses = {grant["capability"]: grant["uses"] for grant in run.result["grants"]
                if "NETWORK" in grant["capability"]}
        self.assertEqual(uses, {f"{CONNECT}udp://{A}:7": 3, f"{CONNECT}tcp://{A}:*": 1}, run)

    def test_without_grants(self):
        self.check([
            refused(f"tcp connect {A}:7", f"tcp://{A}:7"),
            refused(f"udp sendto {A}:7", f"udp://{A}:7"),
            refused(f"udp connect {A}:7", f"udp://{A}:7"),
            refused(f"udp sendto {DNS}:53", f"udp://{DNS}:53"),
            let_through("ifaddrs"),
            through("udp send", "EDESTADDRREQ"),
        ])


TCP_WAYS = {
    "connect": "connect {to}",
    "another length of address": "connect {to}#128",
    "bound": "bind {own}:0 connect {to}",
    "bound to any": "bind {any}:0 connect {to}",
    "not blocking": "nonblock connect {to}",
    "fast open": "fastopen {to}",
    "fast open by an option": FASTOPEN_CONNECT + " connect {to}",
    "io_uring": "uring_connect {to}",
    "io_uring's worker": "async uring_connect {to}",
    "fast open by io_uring": f"uring_sendmsg {FASTOPEN} {{to}}",
    "fast open by io_uring's worker": f"async uring_sendmsg {FASTOPEN} {{to}}",
    "passed": "pass connect {to}",
    "after another": "connect {granted} connect unspec connect {to}",
    "after another, fast open": "connect {granted} connect unspec fastopen {to}",
    "after a disconnect": "connect unspec connect {to}",
    "to a device": TO_DEVICE + " connect {to}",
    "smc": "try " + SMC + " connect {to}",
    "free bind": option(0, 15, 1) + " connect {to}",
    "no delay": option(6, 1, 1) + " connect {to}",
}
UDP_WAYS = {
    "connect": "connect {to}",
    "sendto": "sendto {to}",
    "another length of address": "sendto {to}#120",
    "sendmsg": "sendmsg {to}",
    "fast open": "fastopen {to}",
    "more to come": "more {to}",
    "io_uring": "uring_sendmsg 0 {to}",
    "io_uring's worker": "async uring_sendmsg 0 {to}",
    "io_uring without copies": "uring_send_zc {to}",
    "passed": "pass sendto {to}",
    "connected": "connect {granted} sendto {to}",
    "connected, io_uring": "connect {granted} uring_sendmsg 0 {to}",
    "connected twice": "connect {granted} connect {to}",
    "disconnected": "connect {granted} connect unspec sendto {to}",
    "after another": "sendto {granted} sendto {to}",
    "bound": "bind {any}:0 sendto {to}",
    "to a device": TO_DEVICE + " sendto {to}",
}


class Ways(NetTest):
    """All ways to say where to, none of which is granted; then again with what the records ask for."""

    def table(self, kind, ways, granted, to, own, any_):
        resource = f"{kind[:3]}://{to.replace('::ffff:', '').strip('[]') if 'ffff' in to else to}:7"
        grants = [f"{CONNECT}{kind[:3]}://{granted}:7"]
        if "ffff" in granted:
            grants = [f"{CONNECT}{kind[:3]}://{A}:7"]
        self.check([refused(f"{kind} " + way.format(to=to + ":7", granted=granted + ":7", own=own, any=any_), resource)
                    for way in ways.values()], grants)

    def test_tcp(self):
        self.table("tcp", TCP_WAYS, A, B, CLIENT, "0.0.0.0")

    def test_tcp_of_ipv6(self):
        self.table("tcp6", TCP_WAYS, f"[{A6}]", f"[{B6}]", f"[{CLIENT6}]", "[::]")

    def test_tcp_of_mapped_addresses(self):
        self.table("tcp6", TCP_WAYS, f"[::ffff:{A}]", f"[::ffff:{B}]", f"[::ffff:{CLIENT}]", "[::]")

    def test_udp(self):
        self.table("udp", UDP_WAYS, A, B, CLIENT, "0.0.0.0")

    def test_udp_of_ipv6(self):
        self.table("udp6", UDP_WAYS, f"[{A6}]", f"[{B6}]", f"[{CLIENT6}]", "[::]")

    def test_udp_of_mapped_addresses(self):
        self.table("udp6", UDP_WAYS, f"[::ffff:{A}]", f"[::ffff:{B}]", f"[::ffff:{CLIENT}]", "[::]")

    def test_many_messages_at_once(self):
        """What stands before a refused one is sent, and nothing from there on."""
        self.check([
            refused(f"udp sendmmsg {A}:7 {B}:7", f"udp://{B}:7", answer="ok 1", granted="ok 2"),
            refused(f"udp sendmmsg {B}:7 {A}:7", f"udp://{B}:7", granted="ok 2"),
            refused(f"udp sendmmsg [{A6}]:7 [{B6}]:7", f"udp://[{B6}]:7", answer="ok 1", granted="ok 2"),
            through(f"udp sendmmsg {A}:7 {A}:7", "ok 2"),
        ], [f"{CONNECT}udp://{A}:7", f"{CONNECT}udp://[{A6}]:7"])

    def test_the_address_of_a_message_that_has_begun(self):
        """A corked datagram goes where its first part was sent to."""
        self.check([through(f"udp more {A}:7 sendto {B}:7"), through(f"udp6 more [{A6}]:7 sendto [{B6}]:7")],
                   [f"{CONNECT}udp://{A}:7", f"{CONNECT}udp://[{A6}]:7"],
                   never=[f"udp://{B}:7", f"udp://[{B6}]:7"])

    def test_after_a_refusal(self):
        """A refused connect leaves no half of itself behind."""
        self.check([
            refused(f"udp try connect {B}:7 send", f"udp://{B}:7", answer="EDESTADDRREQ"),
            refused(f"udp connect {A}:7 try connect {B}:7 echo hi", f"udp://{B}:7", answer=f"ok {A}|hi"),
            refused(f"tcp try connect {B}:7 send", f"tcp://{B}:7", answer="EPIPE"),
            refused(f"tcp try connect {B}:7 connect {A}:7 echo hi", f"tcp://{B}:7", answer=f"ok {A}|hi"),
            refused(f"tcp try fastopen {B}:7 connect {A}:7 echo hi", f"tcp://{B}:7", answer=f"ok {A}|hi"),
            through(f"udp connect {A}:7 connect unspec send", "EDESTADDRREQ"),
            through(f"tcp connect {A}:7 connect unspec send", "ECONNRESET"),
        ], [f"{CONNECT}{A}:7"], twice=False)

    def test_a_socket_that_changes_its_family(self):
        """IPV6_ADDRFORM makes an IPv4 socket of a connected one."""
        change = option(41, 1, socket.AF_INET)
        self.check([
            refused(f"tcp6 connect [::ffff:{A}]:7 {change} connect unspec connect {B}:7", f"tcp://{B}:7",
                    hook="connect4"),
            refused(f"udp6 connect [::ffff:{A}]:7 {change} sendto {B}:7", f"udp://{B}:7", hook="sendmsg4"),
        ], [f"{CONNECT}{A}:7"])

    def test_namespaces_of_its_own(self):
        """In a network namespace that the run has made the rules are the same."""
        self.check([
            Case("ns_sock", "udp", "sendto", "127.0.0.1:9", missing=[("NETWORK_CONNECT", "udp://127.0.0.1:9")],
                 granted="ENETUNREACH"),
            Case("ns_sock", "tcp", "connect", f"{A}:7", missing=[("NETWORK_CONNECT", f"tcp://{A}:7")],
                 granted="ENETUNREACH"),
            guard("ns_socket", 2, 3, 1), guard("ns_socket", 17, 3, 768), guard("ns_socket", 16, 3, 12),
        ])

    def test_many_at_once(self):
        """16 threads, each with its own socket: every one is refused where it must be."""
        run = self.run_it([ACT, "senders", f"{A}:7", f"{B}:7", "300", "16"], [f"{CONNECT}udp://{A}:7"],
                          ["--ring-bytes", "4194304"])
        self.assert_answers(run, "ok 4800 right, 0 wrong")
        self.assertEqual(run.result["counters"]["refused"], 4800, run.result)
        self.assertNotIn(f"udp://{B}:7", self.net.sent())


class ConnectedDatagrams(NetTest):
    """glibc connects UDP sockets to find out how it would get to an address. Nothing can be sent by that: the port
    becomes 0, for which the kernel says ENOTCONN when it is asked who the peer is."""

    def test_the_port_becomes_none(self):
        self.check([
            through(f"udp connect {A}:80 peer", "ENOTCONN"),
            through(f"udp connect {A}:9999 peer", "ENOTCONN"),
            through(f"udp connect [{A6}]:80 peer", "ENOTCONN"),
            through(f"udp6 connect [::ffff:{A}]:80 peer", "ENOTCONN"),
            through(f"udp6 connect {A}:80 peer", "ENOTCONN"),
            through(f"udp connect {B}:80 peer", "ENOTCONN"),
            through(f"udp connect {B}:7 peer", f"ok {B}:7"),
            through(f"udp connect {A}:0 peer", "ENOTCONN"),
            through(f"udp connect {A}:80 try send try send name"),
            refused(f"udp connect {A}:80 sendto {A}:80", f"udp://{A}:80", hook="sendmsg4"),
            refused(f"udp connect {C}:80", f"udp://{C}:80", hook="connect4"),
            refused(f"udp connect {C}:0", f"udp://{C}:0", hook="connect4", granted=None),
            refused(f"udp sendto {A}:7", f"udp://{A}:7", hook="sendmsg4"),
        ], [f"{CONNECT}tcp://{A}:7", f"{CONNECT}tcp://[{A6}]:7", f"{CONNECT}udp://{B}:7"],
                   never=[f"udp://{A}:80", f"udp://[{A6}]:80", f"udp://{B}:80"])

    def test_networks(self):
        """An address within a granted network on some port; not one beside it."""
        self.check([
            through("udp connect 203.0.113.8:80 peer", "ENOTCONN"),
            through("udp connect 203.0.113.15:80 peer", "ENOTCONN"),
            refused("udp connect 203.0.113.7:80", "udp://203.0.113.7:80"),
            refused("udp connect 203.0.113.16:80", "udp://203.0.113.16:80"),
        ], [f"{CONNECT}tcp://203.0.113.8/29:443"])


class Nowhere(NetTest):
    """0.0.0.0 and :: mean this host; by which of its addresses, is for the kernel to say."""

    PORT = 5010

    def setUp(self):
        super().setUp()
        self.got = {}
        for address in ("127.0.0.1", "::1", CLIENT, CLIENT6):
            self.got[address] = []
            self.addCleanup(self.net.udp_echo(self.net.client, address, self.PORT, self.got[address]))
            self.addCleanup(self.net.tcp_echo(self.net.client, address, self.PORT))

    def test_ipv4(self):
        p = self.PORT
        self.check([
            through(f"tcp connect 0.0.0.0:{p} echo x", "ok 127.0.0.1|x"),
            through(f"tcp6 connect [::ffff:0.0.0.0]:{p} echo x", "ok 127.0.0.1|x"),
            through(f"tcp bind 127.0.0.1:0 connect 0.0.0.0:{p} echo x", "ok 127.0.0.1|x"),
            through(f"tcp bind 0.0.0.0:0 connect 0.0.0.0:{p} echo x", "ok 127.0.0.1|x"),
            through(f"udp connect 0.0.0.0:{p} echo x", "ok 127.0.0.1|x"),
            through(f"udp sendto 0.0.0.0:{p}"),
            through(f"udp6 sendto [::ffff:0.0.0.0]:{p}"),
            refused(f"tcp connect [::]:{p} echo x", f"tcp://[::1]:{p}", granted="ok ::1|x"),
            refused(f"udp connect [::]:{p} echo x", f"udp://[::1]:{p}", granted="ok ::1|x"),
            refused(f"udp sendto [::]:{p}", f"udp://[::1]:{p}"),
            through(f"tcp bind {CLIENT}:0 connect 0.0.0.0:{p} echo x", "ok 127.0.0.1|x"),
            through(f"tcp6 bind [::ffff:{CLIENT}]:0 connect [::ffff:0.0.0.0]:{p} echo x", "ok 127.0.0.1|x"),
            through(f"udp bind {CLIENT}:0 sendto 0.0.0.0:{p}"),
        ], [f"{CONNECT}127.0.0.1:{p}", f"{LISTEN}udp://{CLIENT}:0"])
        time.sleep(0.1)
        self.assertEqual(self.got[CLIENT], [])

    def test_one_s_own_address(self):
        """It is this host's, but no other than its own grant."""
        p = self.PORT
        self.check([
            through(f"tcp connect {CLIENT}:{p} echo x", f"ok {CLIENT}|x"),
            refused(f"tcp connect 0.0.0.0:{p} echo x", f"tcp://127.0.0.1:{p}", granted="ok 127.0.0.1|x"),
            refused(f"tcp bind {CLIENT}:0 connect 0.0.0.0:{p} echo x", f"tcp://127.0.0.1:{p}",
                    granted="ok 127.0.0.1|x"),
            refused(f"udp sendto 0.0.0.0:{p}", f"udp://127.0.0.1:{p}"),
        ], [f"{CONNECT}{CLIENT}:{p}"])

    def test_ipv6(self):
        """A socket that is bound to a mapped address takes `::` for IPv4's."""
        p = self.PORT
        self.check([
            through(f"tcp connect [::]:{p} echo x", "ok ::1|x"),
            through(f"udp connect [::]:{p} echo x", "ok ::1|x"),
            through(f"udp sendto [::]:{p}"),
            refused(f"tcp connect 0.0.0.0:{p}", f"tcp://127.0.0.1:{p}"),
            refused(f"tcp6 connect [::ffff:0.0.0.0]:{p}", f"tcp://127.0.0.1:{p}"),
        ], [f"{CONNECT}[::1]:{p}"])

    def never_reached(self, grant, addresses, ways):
        """Whatever the answers are: nothing comes to one of @addresses."""
        words = [ACT]
        for way in ways:
            kind, _, rest = way.partition(" ")
            words += [*steps(f"{kind} patience 1000 {rest}"), ","]
        run = self.run_it(words[:-1], [f"{CONNECT}{grant}:{self.PORT}", f"{LISTEN}udp://127.0.0.1:0"])
        time.sleep(0.2)
        self.assertEqual({address: self.got[address] for address in addresses}, {address: [] for address in addresses},
                         run)
        for _, answer in harness.answers_of(run.stdout):
            self.assertFalse(any(answer.startswith(f"ok {address}|") for address in addresses), run)

    def test_by_another_source(self):
        """An option or a control message chooses the source address, and so where 0.0.0.0 is."""
        p = self.PORT
        source = (struct.pack("=I", 0) + packed(CLIENT) + bytes(4)).hex()
        by_index = option(0, 50, struct.pack("!I", 2))  # IP_UNICAST_IF
        self.never_reached("127.0.0.1", [CLIENT], [
            f"udp control 0 8 {source} 0.0.0.0:{p}",
            f"udp6 control 0 8 {source} [::ffff:0.0.0.0]:{p}",
            f"udp {TO_DEVICE} sendto 0.0.0.0:{p}",
            f"udp {TO_DEVICE} connect 0.0.0.0:{p} echo x",
            f"udp {by_index} sendto 0.0.0.0:{p}",
            f"udp {by_index} connect 0.0.0.0:{p} echo x",
            f"tcp {TO_DEVICE} connect 0.0.0.0:{p} echo x",
            f"tcp {by_index} connect 0.0.0.0:{p} echo x",
            f"tcp {TO_DEVICE} fastopen 0.0.0.0:{p} get",
            f"tcp6 {TO_DEVICE} connect [::ffff:0.0.0.0]:{p} echo x",
        ])

    def test_nowhere_of_ipv6_as_ipv4(self):
        p = self.PORT
        self.never_reached("[::1]", ["127.0.0.1", CLIENT], [
            f"tcp6 bind [::ffff:127.0.0.1]:0 connect [::]:{p} echo x",
            f"tcp6 bind [::ffff:{CLIENT}]:0 connect [::]:{p} echo x",
            f"udp6 bind [::ffff:127.0.0.1]:0 connect [::]:{p} echo x",
            f"udp6 bind [::ffff:127.0.0.1]:0 sendto [::]:{p}",
            f"tcp6 {TO_DEVICE} connect [::]:{p} echo x",
        ])


class Detours(NetTest):
    """A packet's header may name another way than its destination's: nothing may go to who isn't granted."""

    def check_unreached(self, ways, grants, words=()):
        command = [ACT]
        for way in ways:
            command += [*steps(way), ","]
        run = self.run_it(command[:-1], grants, words)
        sent = {place for place in self.net.sent() if B in place or B6 in place}
        self.assertEqual(sent, set(), run)

    def test_routing_headers(self):
        """IPv6: as an option, a control message, in the older forms, and kept with a flow label."""
        segments = bytes([0, 4, 4, 1, 1, 0, 0, 0]) + packed("::") + packed(B6)
        mobile = bytes([0, 2, 2, 1, 0, 0, 0, 0]) + packed(B6)

        def kept(kind):
            return struct.pack("=QII", 16 + len(mobile), 41, kind) + mobile
        label = packed(A6) + struct.pack("!I", 0x12345) + struct.pack("=BBHHHI", 0, 1, 1, 0, 30, 0) + kept(57)
        ways = [option(41, 57, segments), option(41, 57, mobile), option(41, 5, mobile), option(41, 6, kept(57)),
                option(41, 6, kept(5))]
        to = f"[{A6}]:5006"
        self.check_unreached(
            [f"udp6 try {way} {send}" for way in ways for send in (f"sendto {to}", f"connect {to} send")] +
            [f"tcp6 try {ways[0]} nonblock connect {to}", f"tcp6 try {ways[1]} fastopen {to}"] +
            [f"udp6 try control 41 {kind} {mobile.hex()} {to}" for kind in (57, 5)] +
            [f"udp6 connect {to} try control 41 {kind} {mobile.hex()} {to}" for kind in (57, 5)] +
            [f"udp6 try {option(41, 32, label)} try {option(41, 33, 1)} sendto {to}^0x12345",
             f"udp6 try {option(41, 32, label)} try {option(41, 33, 1)} connect {to}^0x12345 send"],
            [f"{CONNECT}[{A6}]:*"])

    def test_records_of_routing_headers(self):
        """The options are refused; a packet that has got one by other ways is not sent."""
        header = bytes([0, 2, 2, 1, 0, 0, 0, 0]) + packed(B6)
        kept = struct.pack("=QII", 16 + len(header), 41, 57) + header
        cases = [guard(*steps(f"{kind} {option(41, name, value)}"), resource="option:IPv6 routing header",
                       hook="socket_setsockopt")
                 for kind in ("udp6", "tcp6") for name, value in ((57, header), (6, kept))]
        if LINUX >= (6, 7):
            cases.append(guard(*steps("udp6 uring_" + option(41, 57, header)), resource="option:IPv6 routing header"))
        self.check(cases, [f"{CONNECT}[{A6}]:7"])
        run = self.run_it([ACT, *steps(f"udp6 control 41 57 {header.hex()} [{A6}]:7")], [f"{CONNECT}[{A6}]:7"])
        self.assert_answers(run, "EPERM")
        record_, = run.records
        self.assertEqual((record_["event"], record_["hook"], record_["capability"]["resource"],
                          record_["capability"]["grant"]),
                         ("guard.denied", "egress", "packet:IPv6 routing header", None), run)

    def test_from_a_listener(self):
        """A run that only listens sends as well: what it answers, and to whom it accepts."""
        header = option(41, 57, bytes([0, 2, 2, 1, 0, 0, 0, 0]) + packed(B6))
        started = self.start([ACT, *steps(f"tcp6 try {header} bind [::]:5091 listen accept try {header} send send")],
                             [f"{LISTEN}[::]:5091", f"{LISTEN}0.0.0.0:5091"])

        def connected():
            sock = self.net.server.socket(socket.AF_INET6, socket.SOCK_STREAM)
            sock.settimeout(0.5)
            with harness.contextlib.suppress(OSError), sock:
                sock.bind((A6, 0))
                sock.connect((CLIENT6, 5091))
                sock.recv(1)
                return True
            return started.process.poll() is not None
        wait_for(connected, 60)
        started.end(timeout=30)
        self.assertEqual({place for place in self.net.sent() if B6 in place}, set())

    def test_source_routes(self):
        """IPv4: which takes a Linux capability to ask for."""
        route = bytes([1, 131, 7, 4]) + packed(B)
        ways = [f"udp try {option(0, 4, route)} sendto {A}:5006", f"udp try control 0 7 {route.hex()} {A}:5006"]
        self.check_unreached(ways, [f"{CONNECT}{A}:*"])


class Listening(NetTest):
    def test_without_grants(self):
        self.check([
            through("tcp bind 127.0.0.1:0"), through("tcp bind 0.0.0.0:0"), through("tcp6 bind [::]:0"),
            through("tcp bind unspec"),
            no_listening("tcp bind 127.0.0.1:5020", "tcp://127.0.0.1:5020", hook="socket_bind"),
            no_listening(f"tcp bind {CLIENT}:5020", f"tcp://{CLIENT}:5020"),
            no_listening("tcp bind 0.0.0.0:5020", "tcp://0.0.0.0:5020"),
            no_listening("tcp bind unspec:5020", "tcp://0.0.0.0:5020"),
            no_listening("tcp pass bind 127.0.0.1:5021", "tcp://127.0.0.1:5021"),
            no_listening("tcp6 bind [::ffff:127.0.0.1]:5020", "tcp://127.0.0.1:5020"),
            no_listening("tcp6 bind [::1]:5020", "tcp://[::1]:5020"),
            no_listening(f"tcp6 bind [{LINK_LOCAL[:-2]}1%cable]:5020", f"tcp://[{LINK_LOCAL[:-2]}1]:5020"),
            no_listening("tcp6 bind [::]:5020", "tcp://[::]:5020", "tcp://0.0.0.0:5020"),
            no_listening(f"tcp6 {option(41, 26, 1)} bind [::]:5022", "tcp://[::]:5022"),
            no_listening(f"tcp {option(0, 15, 1)} bind 192.0.2.1:5020", "tcp://192.0.2.1:5020"),
            no_listening("tcp listen", "tcp://0.0.0.0:0", hook="socket_listen"),
            no_listening("tcp bind 127.0.0.1:0 listen", "tcp://127.0.0.1:0", hook="socket_listen"),
            no_listening(f"tcp bind {CLIENT}:0 listen", f"tcp://{CLIENT}:0"),
            no_listening("tcp6 listen", "tcp://[::]:0", "tcp://0.0.0.0:0"),
            no_listening(f"tcp6 {option(41, 26, 1)} listen", "tcp://[::]:0"),
            no_listening("tcp6 bind [::1]:0 listen", "tcp://[::1]:0"),
            no_listening("tcp6 bind [::ffff:127.0.0.1]:0 listen", "tcp://127.0.0.1:0"),
            no_listening("udp bind 0.0.0.0:0", "udp://0.0.0.0:0", hook="socket_bind"),
            no_listening("udp bind unspec", "udp://0.0.0.0:0"),
            no_listening("udp bind 127.0.0.1:0", "udp://127.0.0.1:0"),
            no_listening("udp bind 127.0.0.1:5020", "udp://127.0.0.1:5020"),
            no_listening("udp6 bind [::]:0", "udp://[::]:0", "udp://0.0.0.0:0"),
            no_listening("udp6 bind [::]:5020", "udp://[::]:5020", "udp://0.0.0.0:5020"),
            no_listening("udp bind 239.1.1.1:5020", "udp://239.1.1.1:5020"),
        ])

    def test_any_address(self):
        """0.0.0.0 in a rule covers every address of IPv4, :: every one of IPv6, and neither the other."""
        self.check([
            through("tcp bind 0.0.0.0:5021 listen"), through("tcp bind 127.0.0.1:5021 listen"),
            through(f"tcp bind {CLIENT}:5021 listen"), through("tcp6 bind [::ffff:127.0.0.1]:5021 listen"),
            through("tcp bind unspec:5021 listen name", "ok 0.0.0.0:5021"),
            through("tcp6 bind [::1]:5022 listen"), through("udp bind 0.0.0.0:5021"),
            through("tcp6 bind [::]:5023 listen name", "ok [::]:5023"),
            no_listening("tcp bind 127.0.0.1:5022", "tcp://127.0.0.1:5022"),
            no_listening("tcp6 bind [::1]:5021", "tcp://[::1]:5021"),
            no_listening("tcp6 bind [::]:5021", "tcp://[::]:5021"),
            no_listening("tcp6 bind [::]:5022", "tcp://0.0.0.0:5022"),
            through(f"tcp6 {option(41, 26, 1)} bind [::]:5022 listen"),
        ], [f"{LISTEN}0.0.0.0:5021", f"{LISTEN}[::]:5022", f"{LISTEN}0.0.0.0:5023", f"{LISTEN}[::]:5023"])

    def test_some_addresses(self):
        self.check([
            through("tcp bind 127.0.0.1:5030 listen"), through("tcp6 bind [::1]:5032 listen"),
            through("tcp bind 127.0.0.1:0 listen"), through("udp bind 127.0.0.1:5030"),
            through(f"tcp bind {CLIENT}:5040 listen"),
            no_listening("tcp bind 127.0.0.1:5033", "tcp://127.0.0.1:5033"),
            no_listening("tcp bind 127.0.0.2:5030", "tcp://127.0.0.2:5030"),
            no_listening("tcp bind 0.0.0.0:5030", "tcp://0.0.0.0:5030"),
            no_listening("tcp6 bind [::]:5030", "tcp://[::]:5030", "tcp://0.0.0.0:5030"),
            no_listening("udp bind 127.0.0.1:0", "udp://127.0.0.1:0"),
            no_listening(f"udp bind {CLIENT}:5040", f"udp://{CLIENT}:5040"),
            no_listening("tcp listen", "tcp://0.0.0.0:0"),
            refused("tcp connect 127.0.0.1:5030", "tcp://127.0.0.1:5030", granted="ECONNREFUSED"),
            refused("udp sendto 127.0.0.1:5030", "udp://127.0.0.1:5030"),
        ], [f"{LISTEN}localhost:5030-5032", f"{LISTEN}tcp://127.0.0.1:0", f"{LISTEN}198.51.100.0/24:5040{{proto=tcp}}"])

    def test_by_io_uring(self):
        """Which can bind and listen from Linux 6.11 on."""
        if LINUX >= (6, 11):
            cases = [no_listening("tcp uring_bind 127.0.0.1:5050", "tcp://127.0.0.1:5050"),
                     no_listening("tcp async uring_bind 127.0.0.1:5050", "tcp://127.0.0.1:5050"),
                     no_listening("tcp uring_listen", "tcp://0.0.0.0:0"),
                     no_listening("tcp bind 127.0.0.1:0 async uring_listen", "tcp://127.0.0.1:0")]
        else:
            cases = [through("tcp uring_bind 127.0.0.1:5050", "EINVAL"), through("tcp uring_listen", "EINVAL")]
        self.check(cases)

    def test_after_a_connection(self):
        """A socket that has been connected, and isn't any more, listens like any other."""
        self.check([
            no_listening(f"tcp connect {A}:7 connect unspec listen", "tcp://0.0.0.0:0"),
            no_listening(f"tcp bind {CLIENT}:0 connect {A}:7 connect unspec listen", f"tcp://{CLIENT}:0"),
        ], [f"{CONNECT}{A}:7"])

    def test_what_a_sender_may_bind(self):
        """A run that may send datagrams may have the port that the kernel gives to a sender anyway, and no other."""
        cases = [through("udp bind 0.0.0.0:0"), through("udp bind unspec"), through("udp6 bind [::]:0"),
                 no_listening("udp bind 127.0.0.1:0", "udp://127.0.0.1:0"),
                 no_listening("udp bind 0.0.0.0:5020", "udp://0.0.0.0:5020"),
                 no_listening("tcp listen", "tcp://0.0.0.0:0")]
        self.check(cases, [f"{CONNECT}udp://{A}:7"])
        self.check(cases, [f"{CONNECT}v4.example.com:7"], self.net.dns, twice=False)

    def test_replies_need_a_grant(self):
        """To receive a datagram doesn't allow to answer it; over a TCP connection that was accepted one may answer."""
        started = self.start([ACT, *steps(f"udp bind {CLIENT}:5060 reply"), ",",
                              *steps(f"tcp bind {CLIENT}:5060 listen accept echo hello")], [f"{LISTEN}{CLIENT}:5060"])
        port = 5061
        sock = self.net.bound(self.net.server, socket.SOCK_DGRAM, A, port)
        sock.settimeout(0.3)
        connection = self.net.server.socket(socket.AF_INET, socket.SOCK_STREAM)

        def connected():
            sock.sendto(b"hi", (CLIENT, 5060))
            with harness.contextlib.suppress(OSError):
                connection.connect((CLIENT, 5060))
                return True
        wait_for(connected, 40)
        connection.sendall(b"to you")
        self.assertEqual(connection.recv(100), b"hello")
        run = started.end()
        self.assertEqual([answer for _, answer in harness.answers_of(run.stdout)], ["EACCES", "ok to you"], run)
        self.assert_denied(run, "NETWORK_CONNECT", f"udp://{A}:{port}")
        with self.assertRaises(OSError):
            sock.recv(100)


class UnixServer:
    """Unix sockets of a process outside the run, at @names (see tests/probe/act.c); `got` is what came."""

    def __init__(self, test, **names):
        self.got, self.sockets = [], {}
        for key, name in names.items():
            kind = {"s": socket.SOCK_STREAM, "d": socket.SOCK_DGRAM, "q": socket.SOCK_SEQPACKET}[key[0]]
            sock = test.net.client.socket(socket.AF_UNIX, kind)  # a network namespace has abstract names of its own
            test.addCleanup(self.end, sock)
            sock.bind(b"\0" + name[1:].encode("latin-1") if name.startswith("@") else name)
            self.sockets[key] = sock
            if kind == socket.SOCK_DGRAM:
                threading.Thread(target=self.receive, args=(sock,), daemon=True).start()
            else:
                sock.listen(100)

    @staticmethod
    def end(sock):
        with harness.contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # whoever waits for it holds it, and the file system that its file is on
        sock.close()

    def receive(self, sock):
        with harness.contextlib.suppress(OSError):
            while data := sock.recv(100):
                self.got.append(data)


def escaped(name):
    return "".join(c if c.isalnum() or c in "/._-@" else f"\\x{ord(c):02x}" for c in name)


def shown(name):
    """As records show it."""
    return name.replace("\0", "\\x00")


class Unix(NetTest):
    def setUp(self):
        super().setUp()
        self.d = plant(PLACES["tmpfs"])
        self.serial = f"obmon-{os.getpid()}-{time.monotonic_ns()}"

    def test_paths(self):
        """The name is that of the socket's file, whatever way leads to it."""
        d = self.d
        os.makedirs(d + "/run/deep")
        server = UnixServer(self, s=d + "/run/s", d=d + "/run/d", q=d + "/run/q", s2=d + "/run/moved-from",
                            s3=d + "/run/linked", s4=d + "/run/in brackets [x]*", sg=d + "/granted")
        os.rename(d + "/run/moved-from", d + "/run/moved-to")
        os.link(d + "/run/linked", d + "/run/another")
        os.symlink(d + "/run/s", d + "/symlink")
        os.symlink("run", d + "/dir")
        s, stream = f"unix:{d}/run/s", {"hook": "unix_stream_connect"}
        dgram, datagram = f"unix:{d}/run/d", {"hook": "unix_may_send"}
        odd = d + "/run/in brackets [x]*"
        self.check([
            through(f"stream connect unix:{d}/granted"),
            through(f"stream opath {d}/granted connect unix:/proc/self/fd/%d"),
            refused(f"stream connect {s}", s, **stream),
            refused(f"stream connect unix:{d}/symlink", s, **stream),
            refused(f"stream connect unix:{d}/dir/s", s, **stream),
            refused(f"stream connect unix:{d}/run/deep/../s", s, **stream),
            refused(f"stream connect unix:/proc/self/root{d}/run/s", s, **stream),
            refused(f"stream opath {d}/run connect unix:/proc/self/fd/%d/s", s, **stream),
            refused(f"stream opath {d}/run/s connect unix:/proc/self/fd/%d", s, **stream),
            refused(f"stream uring_connect {s}", s, **stream),
            refused(f"stream async uring_connect {s}", s, **stream),
            refused(f"stream nonblock connect {s}", s, **stream),
            refused(f"stream pass connect {s}", s, **stream),
            refused(f"seqpacket connect unix:{d}/run/q", f"unix:{d}/run/q", **stream),
            refused(f"stream connect unix:{d}/run/moved-to", f"unix:{d}/run/moved-to", **stream),
            refused(f"stream connect unix:{escaped(odd)}", f"unix:{odd}", **stream),
            refused(f"dgram sendto {dgram}", dgram, **datagram),
            refused(f"dgram sendmsg {dgram}", dgram, **datagram),
            refused(f"dgram connect {dgram}", dgram, **datagram),
            refused(f"dgram sendmmsg {dgram} {dgram}", dgram, granted="ok 2", **datagram),
            refused(f"dgram uring_sendmsg 0 {dgram}", dgram, **datagram),
            refused(f"dgram async uring_sendmsg 0 {dgram}", dgram, **datagram),
            refused(f"dgram opath {d}/run/d sendto unix:/proc/self/fd/%d", dgram, **datagram),
            through(f"stream connect unix:{d}/run/nothing", "ENOENT"),
            through(f"stream connect unix:{d}/run/moved-from", "ENOENT"),
            through(f"stream connect unix:{d}/allowed.txt", "ECONNREFUSED"),
        ], [f"{CONNECT}unix:{d}/granted"])
        self.assertEqual(len(server.got), 7)  # from the run that had the grants

    def test_on_every_file_system(self):
        for place in ("tmpfs", "ext4", "overlay", "root"):
            with self.subTest(place=place):
                d = PLACES[place] + "-unix"
                shutil.rmtree(d, ignore_errors=True)
                os.makedirs(d)
                self.addCleanup(shutil.rmtree, d, ignore_errors=True)
                UnixServer(self, s=d + "/s", d=d + "/d")
                self.check([
                    refused(f"stream connect unix:{d}/s", f"unix:{d}/s"),
                    refused(f"dgram sendto unix:{d}/d", f"unix:{d}/d"),
                    refused(f"stream opath {d}/s connect unix:/proc/self/fd/%d", f"unix:{d}/s"),
                    no_listening(f"stream bind unix:{d}/new", f"unix:{d}/new"),
                ])

    def test_the_other_name_of_a_link(self):
        """A socket's file with two names: the one that it was bound to counts."""
        d = self.d
        UnixServer(self, s=d + "/bound")
        os.link(d + "/bound", d + "/linked")
        self.check([refused(f"stream connect unix:{d}/linked", f"unix:{d}/bound")], [f"{CONNECT}unix:{d}/linked"])

    def test_mounts(self):
        """Over a granted name, and beside."""
        d = self.d
        UnixServer(self, s=d + "/secret", s2=d + "/granted")
        put(d + "/file")
        wrap = ["unshare", "-m", "sh", "-c", f"mount --bind {d}/secret {d}/file && mount --bind {d} {d}/empty && "
                'exec "$@"', "sh"]
        self.check([
            through(f"stream connect unix:{d}/granted"),
            through(f"stream connect unix:{d}/empty/granted"),
            refused(f"stream connect unix:{d}/file", f"unix:{d}/secret"),
            refused(f"stream connect unix:{d}/empty/secret", f"unix:{d}/secret"),
        ], [f"{CONNECT}unix:{d}/granted"], how=lambda: {"wrap": wrap})

    def test_rights_to_the_file_are_no_right_to_connect(self):
        d = self.d
        UnixServer(self, s=d + "/secret")
        self.check([refused(f"stream connect unix:{d}/secret", f"unix:{d}/secret")], harness.EVERYTHING)
        self.check([harness.needs_read("open", d + "/other.txt", 0, path=d + "/other.txt")], [f"{CONNECT}unix:{d}/**"],
                   twice=False)

    def test_renames(self):
        """No socket comes by the name of a granted one."""
        d = self.d
        for folder in ("free", "granted", "other"):
            os.makedirs(f"{d}/{folder}/dir")
        UnixServer(self, s=d + "/free/secret", s2=d + "/free/dir/secret", s3=d + "/granted/public",
                   s4=d + "/other/dir/secret")

        def gains(*op):
            return Case(*op, answer="EXDEV", missing=[[("NETWORK_CONNECT", "unix:" + op[1])]], granted=None)
        words = [f"FILE_WRITE:{d}/**", f"{CONNECT}unix:{d}/granted/**"]
        cases = [
            gains("rename", d + "/free/secret", d + "/granted/secret"),
            gains("link", d + "/free/secret", d + "/granted/secret"),
            gains("uring_rename", d + "/free/secret", d + "/granted/secret"),
            gains("exchange", d + "/free/secret", d + "/granted/public"),
            gains("rename", d + "/free/secret", d + "/granted/public"),
            Case("rename", d + "/free/dir", d + "/granted/new", answer="EXDEV",
                 missing=[("FILE_READ", d + "/free/dir")], granted=None),
            let_through("rename", d + "/free/secret", d + "/other/secret"),
            let_through("symlink", d + "/other/secret", d + "/granted/symlink"),
            refused(f"stream connect unix:{d}/granted/symlink", f"unix:{d}/other/secret"),
            through(f"stream connect unix:{d}/granted/public"),
        ]
        self.check(cases, words, twice=False)

    def test_abstract_names(self):
        n = self.serial
        names = {"s": f"@{n}", "q": f"@{n}-q", "d": f"@{n}-d", "s2": f"@{n} *[x]?{{y}}\\", "s3": f"@{n}/with/slashes",
                 "s4": f"@{n}" + "x" * (107 - len(n)), "sg": f"@{n}-granted", "sg2": f"@{n}-granted-too"}
        nul = f"@{n}\0with\0NULs"
        server = UnixServer(self, **names, s5=nul)
        self.check([
            through(f"stream connect unix:@{n}-granted"), through(f"stream connect unix:@{n}-granted-too"),
            refused(f"stream connect unix:@{n}", f"unix:@{n}", hook="unix_stream_connect"),
            refused(f"seqpacket connect unix:@{n}-q", f"unix:@{n}-q", hook="unix_stream_connect"),
            refused(f"dgram sendto unix:@{n}-d", f"unix:@{n}-d", hook="unix_may_send"),
            refused(f"dgram connect unix:@{n}-d", f"unix:@{n}-d", hook="unix_may_send"),
            refused(f"stream uring_connect unix:@{n}", f"unix:@{n}"),
            refused(f"stream connect unix:{escaped(names['s2'])}", "unix:" + names["s2"]),
            refused(f"stream connect unix:{names['s3']}", "unix:" + names["s3"]),
            refused(f"stream connect unix:{names['s4']}", "unix:" + names["s4"]),
            refused(f"stream connect unix:{escaped(nul)}", "unix:" + shown(nul), granted=None),
            through(f"stream connect unix:@{n}\\x00", "ECONNREFUSED"),
            through(f"stream connect unix:@{n}-nothing", "ECONNREFUSED"),
        ], [f"{CONNECT}unix:@{n}-granted*"])
        self.assertEqual(server.got, [b"x"])

    def test_abstract_names_that_look_like_others(self):
        """A name is bytes: no NUL ends it, and no dots or slashes are resolved in it."""
        pairs = [("a", "a\0"), ("a", "a\0b"), ("b/c", "b//c"), ("b/c", "b/./c"), ("b/c", "b/c/"), ("c", "/c"),
                 ("d/e", "d/x/../e"),
                 ("f*", "f/g"), ("**/h", "x\0y"), ("tmp/**", "tmp"), ("{k,l}", "{k,l}"), ("m?", "m\0n"), ("o", "O")]
        pairs = [(f"{self.serial}{i}{granted}", f"@{self.serial}{i}{name}") for i, (granted, name) in enumerate(pairs)]
        UnixServer(self, **{f"s{i}": name for i, (_, name) in enumerate(pairs)})
        words = [f"{CONNECT}unix:@{granted}" for granted, _ in pairs if granted[-6:] != "tmp/**"]
        cases = [refused(f"stream connect unix:{escaped(name)}", "unix:" + shown(name)) for _, name in pairs]
        run, answers = harness.run_cases(cases, options(words), wrap=self.net.client.wrap)
        self.assertEqual({answer for _, answer in answers}, {"EACCES"}, run)
        self.assertEqual([harness.wants(record_)[0][1] for record_ in run.records],
                         [case.missing[0][0][1] for case in cases], run)
        told = [harness.grants(record_)[0] for record_ in run.records]
        again = [case for case, grant in zip(cases, told) if grant]
        self.assertGreater(len(again), 3, told)
        run, answers = harness.run_cases(again, options([*words, *filter(None, told)]), wrap=self.net.client.wrap)
        self.assertEqual({answer for _, answer in answers}, {"ok"}, f"{told}\n{run}")

    def test_an_abstract_name_is_no_path(self):
        d, n = self.d, self.serial
        UnixServer(self, s=f"@{d}/secret", s2=d + "/path", s3=f"@{n}")
        self.check([
            refused(f"stream connect unix:@{d}/secret", f"unix:@{d}/secret"),
            refused(f"stream connect unix:{d}/path", f"unix:{d}/path"),
            refused(f"stream connect unix:@{n}", f"unix:@{n}"),
        ], [f"{CONNECT}unix:{d}/secret", f"{CONNECT}unix:@{d}/path", f"{CONNECT}unix:/@{n}"])

    def test_binding(self):
        d, n = self.d, self.serial
        os.mkdir(d + "/granted")
        self.check([
            no_listening(f"stream bind unix:{d}/new", f"unix:{d}/new", hook="path_mknod"),
            no_listening(f"dgram bind unix:{d}/new2", f"unix:{d}/new2", hook="path_mknod"),
            through(f"stream bind unix:{d}/granted/s listen self"), through(f"dgram bind unix:{d}/granted/d self"),
            harness.needs_write("create", d + "/granted/file", path=d + "/granted/file"),
            no_listening(f"stream bind unix:@{n}", f"unix:@{n}", hook="socket_bind"),
            no_listening(f"dgram bind unix:@{n}", f"unix:@{n}"),
            no_listening(f"seqpacket bind unix:@{n}", f"unix:@{n}"),
            no_listening(f"stream bind unix:@{n}\\x00x", f"unix:@{n}\\x00x", granted=None),
            no_listening("stream bind unix:@", "unix:@", granted=None),
            through("stream bind unix: listen self"), through("dgram bind unix: self"),
            through("seqpacket bind unix: listen self"),
            through(f"stream bind unix:@{n}-granted listen self"), through(f"dgram bind unix:@{n}-granted self"),
            through("stream listen", "EINVAL"),
        ], [f"{LISTEN}unix:{d}/granted/?", f"{LISTEN}unix:@{n}-granted"], twice=False)
        self.check([
            no_listening(f"stream bind unix:{d}/other", f"unix:{d}/other"),
            through(f"stream bind unix:{d}/sub/written listen"),
            no_listening(f"stream bind unix:@{n}", f"unix:@{n}"),
            no_listening(f"dgram bind unix:@{n}*", f"unix:@{n}*"),
        ], [f"FILE_WRITE:{d}/sub/written"])

    def test_sockets_of_another_run(self):
        """Are outside. One's own are not, though the other has a grant for the same name."""
        n = self.serial
        started = self.start([ACT, *steps(f"stream bind unix:@{n} listen sleep 6000")], [f"{LISTEN}unix:@{n}"])

        def is_bound():
            with self.net.client.inside(), open("/proc/thread-self/net/unix", encoding="latin-1") as file:
                return n in file.read()
        wait_for(is_bound, 40)
        self.check([refused(f"stream connect unix:@{n}", f"unix:@{n}")])
        started.process.terminate()
        started.end()

    def test_answers_to_a_peer_outside(self):
        """A datagram that came from outside is answered only where that is granted; a peer without a name never."""
        d = self.d
        for name, resource in ((d + "/client", f"unix:{d}/client"), (None, None)):
            started = self.start([ACT, *steps(f"dgram bind unix:{d}/service reply")], [f"{LISTEN}unix:{d}/service"])
            wait_for(lambda: os.path.exists(d + "/service"), 40)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(sock.close)
            if name:
                sock.bind(name)
            sock.sendto(b"x", d + "/service")
            run = started.end()
            if resource:
                self.assert_answers(run, "EACCES")
                self.assertEqual([harness.wants(record) for record in run.records], [[("NETWORK_CONNECT", resource)]],
                                 run)
            else:
                self.assertNotIn("ok", run.stdout)
            os.unlink(d + "/service")


class Inherited(NetTest):
    """Sockets that were made outside: standard input, and what others hand over."""

    def on_stdin(self, make, cases, grants=(), **more):
        def how():
            sock = make()
            self.addCleanup(sock.close)
            return {"stdin": sock}
        return self.check(cases, grants, how=how, **more)

    def tcp(self, family=socket.AF_INET):
        return self.net.client.socket(family, socket.SOCK_STREAM)

    def connected(self):
        sock = self.tcp()
        with self.net.client.inside():
            sock.connect((A, 7))
        return sock

    def listening(self):
        sock = self.tcp()
        sock.listen(5)
        return sock

    def connecting(self):
        sock = self.tcp()
        sock.setblocking(False)
        with harness.contextlib.suppress(BlockingIOError), self.net.client.inside():
            sock.connect(("198.51.100.77", 7))  # nobody is there to say no
        return sock

    def broken_off(self):
        """It was connected, and the other end has reset it."""
        server = self.net.bound(self.net.server, socket.SOCK_STREAM, A, 5071)
        server.listen(1)
        sock = self.tcp()
        with self.net.client.inside():
            sock.connect((A, 5071))
        other, _ = server.accept()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        server.close()
        return sock

    def test_tcp_that_is_not_connected(self):
        """Fast open would connect it without asking any hook: such a socket is not handed over."""
        for make in (self.tcp, lambda: self.tcp(socket.AF_INET6), self.listening, self.connecting, self.broken_off):
            with make() as sock:
                time.sleep(0.1)
                refused_to_start(**self.how(stdin=sock, events=False))

    def test_tcp_that_is_connected(self):
        """May be used as it is, and leads nowhere else."""
        self.on_stdin(self.connected, [through("stdin echo hi", f"ok {A}|hi"), through("stdin send")])
        self.on_stdin(self.connected, [through("stdin shutdown")], twice=False)
        words = [f"{CONNECT}{A}:7"]
        ways = (f"connect {B}:7", f"fastopen {B}:7", f"uring_connect {B}:7", f"uring_sendmsg {FASTOPEN} {B}:7",
                f"sendto {B}:7", f"{FASTOPEN_CONNECT} connect {B}:7")
        for before in ("", "try connect unspec ", "try uring_connect unspec ", "shutdown sleep 300 ",
                       "shutdown sleep 300 try connect unspec ", "try connect unspec#2 ",
                       f"try connect unspec/{A}:7 ", f"try uring_connect unspec/{A}:7 "):
            command = [ACT]
            for way in ways:
                command += [*steps("stdin " + before + way), ","]
            run = self.run_it(command[:-1], words, stdin=self.connected())
            for way, (_, answer) in zip(ways, harness.answers_of(run.stdout)):
                self.assertTrue(answer != "ok" or way.startswith("sendto"), f"{before}{way}: {answer}\n{run}")
        self.assertNotIn(f"tcp://{B}:7", self.net.sent())

    def test_detours_of_a_connection(self):
        """IPv6 routing headers on a socket from outside, whose packets are not of the run's cgroup."""
        mobile = bytes([0, 2, 2, 1, 0, 0, 0, 0]) + packed(B6)
        segments = bytes([0, 4, 4, 1, 1, 0, 0, 0]) + packed("::") + packed(B6)
        kept = struct.pack("=QII", 16 + len(mobile), 41, 57) + mobile
        for way in (option(41, 57, segments), option(41, 57, mobile), option(41, 5, mobile), option(41, 6, kept),
                    option(41, 57, mobile).replace("option", "uring_option"), f"control 41 57 {mobile.hex()} unix:",
                    f"control 41 57 {mobile.hex()} [{A6}]:7"):
            sock = self.tcp(socket.AF_INET6)
            with self.net.client.inside():
                sock.bind((CLIENT6, 0))
                sock.connect((A6, 7))
            with sock:
                run = self.run_it([ACT, *steps(f"stdin try {way} try send try send")], stdin=sock)
            self.assertEqual({place for place in self.net.sent() if B6 in place}, set(), f"{way}\n{run}")

    def test_a_connection_that_breaks_off_later(self):
        """The peer ends it while the run lives: the socket doesn't become one that can be connected anew."""
        for reset in (True, False):
            server = self.net.bound(self.net.server, socket.SOCK_STREAM, A, 5072)
            server.listen(1)
            sock = self.tcp()
            with self.net.client.inside():
                sock.connect((A, 5072))
            other, _ = server.accept()
            started = self.start([ACT, *(f"sock stdin send , sock stdin try get try fastopen {B}:7 , "
                                         f"sock stdin try get connect {B}:7 , sock stdin shutdown , "
                                         f"sock stdin fastopen {B}:7 , "
                                         f"sock stdin uring_connect {B}:7 , sock stdin listen").split()], stdin=sock)
            self.assertEqual(other.recv(1), b"x")
            if reset:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            for closed in (other, server, sock):
                closed.close()
            run = started.end()
            self.assertNotIn(f"tcp://{B}:7", self.net.sent(), run)

    def test_what_is_never_inherited(self):
        """Sockets on which no hook would be asked where each packet goes."""
        kinds = [(socket.AF_INET, socket.SOCK_DGRAM, 0), (socket.AF_INET6, socket.SOCK_DGRAM, 0),
                 (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), (socket.AF_INET6, socket.SOCK_RAW, 58),
                 (socket.AF_INET, socket.SOCK_DGRAM, 136), (socket.AF_INET, socket.SOCK_STREAM, 132),
                 (socket.AF_INET, socket.SOCK_SEQPACKET, 132), (socket.AF_INET, socket.SOCK_STREAM, 262),
                 (socket.AF_PACKET, socket.SOCK_RAW, 0), (socket.AF_VSOCK, socket.SOCK_STREAM, 0)]
        for kind in kinds:
            with self.subTest(kind=kind), self.net.client.socket(*kind) as sock:
                for descriptor in ("stdin", "stdout")[:1 + (kind == kinds[0])]:
                    refused_to_start(**self.how(**{descriptor: sock, "events": False}))

    def test_unix_sockets(self):
        """A connected pair may be used; by its other end, or another way, nobody else is reached."""
        d = plant(PLACES["tmpfs"])
        UnixServer(self, s=d + "/s", d=d + "/d")

        def pair(kind):
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            self.addCleanup(ours.close)
            return theirs
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            self.on_stdin(lambda kind=kind: pair(kind), [through("stdin send"), through("stdin send")])
        datagram = f"unix:{d}/d"
        both = [refused(f"stdin sendto {datagram}", datagram), refused(f"stdin connect {datagram}", datagram)]
        self.on_stdin(lambda: pair(socket.SOCK_DGRAM), both)
        self.on_stdin(lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), both)
        self.on_stdin(lambda: socket.socket(socket.AF_UNIX), [refused(f"stdin connect unix:{d}/s", f"unix:{d}/s")])

    def test_handed_over(self):
        """Sockets of others don't come in: not one that is connected, not one that isn't."""
        others = [self.tcp(), self.connected(), self.net.client.socket(socket.AF_INET, socket.SOCK_DGRAM),
                  self.net.client.socket(socket.AF_INET6, socket.SOCK_DGRAM), socket.socket(socket.AF_UNIX),
                  self.net.client.socket(socket.AF_PACKET, socket.SOCK_RAW)]

        def how():
            sender = Sender(*(sock.fileno() for sock in others))
            self.addCleanup(sender.ours.close)
            self.addCleanup(sender.theirs.close)
            return {"stdin": sender.theirs}
        self.check([guard(*steps(f"received connect {A}:7"), hook="file_receive") for _ in others],
                   [f"{CONNECT}{A}:7"], how=how)
        for sock in others:
            sock.close()


class BadRules(NetTest):
    def test_they_are_errors(self):
        """With the place, and with what is wrong."""
        for rule, column in (("NETWORK_CONNECT:host:99999", 22), ("NETWORK_CONNECT:10.0.0.0/33:80", 26),
                             ("NETWORK_CONNECT:[::1", 17), ("NETWORK_CONNECT:*.*:80", 19), ("NETWORK_CONNECT:*", 17),
                             ("NETWORK_CONNECT:*:80", 17), ("NETWORK_CONNECT:host", 21), ("NETWORK_CONNECT:host:0", 22),
                             ("NETWORK_CONNECT:10.0.0.1/8:80", 17), ("NETWORK_CONNECT:[::ffff:1.2.3.4]:80", 18),
                             ("NETWORK_CONNECT:::1:80", 17), ("NETWORK_CONNECT:sctp://h:80", 17),
                             ("NETWORK_CONNECT:h:80-70", 19), ("NETWORK_CONNECT:unix:relative", 22),
                             ("NETWORK_CONNECT:unix:@", 22), ("NETWORK_LISTEN:host.example:80", 16),
                             ("NETWORK_LISTEN:h:-1", None), ("NETWORK_CONNECT:a_b.c:80{proto=icmp}", None),
                             ("NETWORK_CONNECT:1.2.3.4:80{private=yes}", None),
                             ("NETWORK_CONNECT:h:80{private=maybe}", None),
                             ("NETWORK_CONNECT:1.2.3:80", None), ("NETWORK_CONNECT:256.1.1.1:80", None)):
            with self.subTest(rule=rule):
                message = refused_to_start("-c", rule, events=False)
                if column:
                    self.assertIn(f":{column}:", message)
        path = put(BASE + "/bad.yaml",
                   "name: bad\ncapabilities_required:\n  - FILE_READ:/x\n  - NETWORK_CONNECT:host:99999\n")
        self.assertIn(f"{path}:4:26:", refused_to_start("-m", path, events=False))

    def test_options(self):
        for words in (["--dns", "nonsense"], ["--dns", ""], ["--dns", "1.2.3.4:0"], ["--dns", "1.2.3.4:99999"],
                      ["--dns", "host.example"], ["--dns", "[::1"], ["--dns", "1.2.3.4:"]):
            with self.subTest(words=words):
                refused_to_start(*words, events=False)


class Modes(NetTest):
    def test_audit(self):
        """All is let through and recorded, but for sockets that no grant is for."""
        cases = [f"tcp connect {A}:7 echo hi", f"udp sendto {B}:7", f"tcp connect [{A6}]:7", f"udp connect {C}:9 peer",
                 "tcp bind 127.0.0.1:5080 listen", "tcp listen", "udp bind 127.0.0.1:5081"]
        command = [ACT]
        for case in cases:
            command += [*steps(case), ","]
        run = self.run_it([*command, "socket", "2", "3", "1"], words=["--mode", "audit"])
        self.assert_answers(run, f"ok {A}|hi", "ok", "ok", f"ok {C}:9", "ok", "ok", "ok", "EACCES")
        told = [harness.wants(record) for record in run.records]
        self.assertEqual(told[:4], [[("NETWORK_CONNECT", resource)] for resource in
                                    (f"tcp://{A}:7", f"udp://{B}:7", f"tcp://[{A6}]:7", f"udp://{C}:9")], run)
        self.assertEqual(told[-1][0][0], "GUARD", run)
        self.assertEqual({record["capability"]["state"] for record in run.records[:-1]}, {"audited"})
        learned = sorted({grant for record in run.records for grant in harness.grants(record) if grant})
        run = self.run_it(command[:-1], learned)
        self.assertEqual([record for record in run.records], [], f"{learned}\n{run}")

    def test_audit_of_connected_datagrams(self):
        """What enforce mode gives no port, audit mode lets go where it wants."""
        run = self.run_it([ACT, *steps(f"udp connect {A}:80 echo hi"), ",", *steps(f"udp connect {A}:7 echo hi")],
                          [f"{CONNECT}tcp://{A}:7"], ["--mode", "audit"])
        self.assert_answers(run, f"ok {A}|hi", f"ok {A}|hi")

    def test_the_first_violation_ends_the_run(self):
        for operation in (f"tcp connect {B}:7", f"udp sendto {B}:7", "tcp bind 127.0.0.1:5080", "tcp listen"):
            run = self.run_it([ACT, *steps(f"tcp connect {A}:7"), ",", *steps(operation), ",", "sleep", "60000"],
                              [f"{CONNECT}{A}:7"], ["--on-violation", "kill"])
            self.assertEqual((run.status, run.result["status"], len(run.records)), (5, "violation", 1), run)

    def test_a_line_for_people(self):
        run = self.start([ACT, *steps(f"tcp connect [{A6}]:7"), ",", *steps("tcp bind 127.0.0.1:5080")],
                         events=False).end(check=False)
        connect, bind = run.stderr.splitlines()
        self.assertRegex(connect,
                         r"^obmon: denied NETWORK_CONNECT tcp://\[2001:db8:1::10\]:7 \(connect6 by act\[\d+\]\)$")
        self.assertRegex(bind, r"^obmon: denied NETWORK_LISTEN tcp://127.0.0.1:5080 \(socket_bind by act\[\d+\]\)$")

    def test_a_record(self):
        run = self.run_it([ACT, *steps(f"udp sendto {B}:7")])
        record, = run.records
        self.assertEqual((record["event"], record["layer"], record["hook"], record["error"]["code"],
                          record["error"]["errno"]),
                         ("capability.denied", "kernel", "sendmsg4", "OBMON_CAPABILITY_DENIED", "EACCES"))
        self.assertEqual(record["capability"], {**record["capability"], "type": "NETWORK_CONNECT",
                                                "resource": f"udp://{B}:7",
                                                "state": "denied", "grant": f"NETWORK_CONNECT:udp://{B}:7"})
        self.assertEqual(record["process"]["comm"], "act")
        self.assertEqual(run.result["denials"], {"NETWORK_CONNECT": 1})


class ManyRules(NetTest):
    def test_ten_thousand(self):
        """Addresses, networks, ports; each decides by itself."""
        rules = [f"tcp://198.18.{i // 250}.{i % 250}:{1000 + i % 7}" for i in range(8000)]
        rules += [f"[2001:db8:{i:x}::/48]:{i}" for i in range(1, 1001)]
        rules += [f"udp://203.0.113.{i % 200}:{10 + i}-{20 + i}" for i in range(900)]
        rules += [f"{A}:7"] + [f"host{i}.example.com:{1 + i}" for i in range(99)]
        path = put(BASE + "/many-rules.yaml", "name: many\ncapabilities_required:\n" +
                   "".join(f"  - '{CONNECT}{rule}'\n" for rule in rules))
        self.assertEqual(len(rules), 10_000)
        self.check([
            through(f"tcp connect {A}:7 echo hi", f"ok {A}|hi"),
            through("tcp connect 198.18.0.0:1000", "ENETUNREACH"),
            through(f"tcp connect 198.18.31.249:{1000 + 7999 % 7}", "ENETUNREACH"),
            refused(f"tcp connect 198.18.31.249:{1001 + 7999 % 7}", f"tcp://198.18.31.249:{1001 + 7999 % 7}"),
            refused("tcp connect 198.18.32.0:1000", "tcp://198.18.32.0:1000"),
            through("udp sendto [2001:db8:3e8:1::1]:1000", "ENETUNREACH"),
            refused("udp sendto [2001:db8:3e9::1]:1001", "udp://[2001:db8:3e9::1]:1001"),
            through("udp sendto 203.0.113.7:217"),
            refused("udp sendto 203.0.113.7:229", "udp://203.0.113.7:229"),
        ], words=["-m", path, *self.net.dns], twice=False)


def lookups(run):
    """The records of the resolver: [(resource, address or None)]."""
    return [(record_["capability"]["resource"], record_["capability"].get("address")) for record_ in run.records
            if record_["hook"] == "resolve"]


class Names(NetTest):
    """Grants about names: what the run's resolver answers, and what can be connected to by that."""

    def test_a_name(self):
        four = {"address": A}
        self.check([
            Case("lookup", "v4.example.com", answer=f"ok {A}"),  # in both runs
            through(f"tcp connect {A}:7 echo hi", f"ok {A}|hi"),
            through(f"tcp6 connect [::ffff:{A}]:7 echo hi", f"ok {A}|hi"),
            through("tcp connect v4.example.com:7 echo hi", f"ok {A}|hi"),
            Case("lookup", "deep.sub.example.com", answer=f"ok {C}"),
            through(f"tcp connect {C}:7 echo hi", f"ok {C}|hi"),
            refused(f"tcp connect {A}:80", "tcp://v4.example.com:80", hook="connect4", **four),
            refused(f"udp sendto {A}:7", "udp://v4.example.com:7", hook="sendmsg4", **four),
            refused(f"tcp6 connect [::ffff:{A}]:80", "tcp://v4.example.com:80", hook="connect6", **four),
            refused(f"tcp connect {C}:80", "tcp://deep.sub.example.com:80", address=C),
            through(f"udp connect {A}:7 peer", "ENOTCONN"),
            refused(f"tcp connect {B}:7", f"tcp://{B}:7"),
            refused(f"tcp connect [{A6}]:7", f"tcp://[{A6}]:7"),
            no_lookup("same.example.com"), no_lookup("other.example.com"),
            no_lookup("sub.example.com", granted="ENODATA"),
            no_lookup("example.com", granted="ENODATA"), no_lookup("xv4.example.com", granted="ENOENT"),
            no_lookup("v4.example.com.evil.net", granted="ENOENT"), no_lookup("notsub.example.com", granted="ENOENT"),
            no_lookup("nothing", granted=None), no_lookup("localhost.evil.net", granted="ENOENT"),
        ], [f"{CONNECT}tcp://v4.example.com:7", f"{CONNECT}tcp://*.sub.example.com:7"], self.net.dns)

    def test_both_families(self):
        talk = self.talk([f"{CONNECT}tcp://www.example.com:7"], self.net.dns)
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "EACCES", "nobody has looked it up yet")
        self.assertEqual(set(talk.ask("lookup www.example.com").split()), {"ok", A, A6})
        self.assertEqual(talk.sock(f"tcp connect {A}:7 echo hi"), f"ok {A}|hi")
        self.assertEqual(talk.sock(f"tcp connect [{A6}]:7 echo hi"), f"ok {A6}|hi")
        self.assertEqual(talk.sock(f"tcp connect [{A6}]:80"), "EACCES")
        self.assertEqual(talk.sock(f"tcp connect [{B6}]:7"), "EACCES")
        run = talk.end()
        self.assertEqual([(harness.wants(record_)[0][1], record_["capability"].get("address"))
                          for record_ in run.records],
                         [(f"tcp://{A}:7", None), ("tcp://www.example.com:80", A6), (f"tcp://[{B6}]:7", None)], run)

    def test_only_what_was_asked_for(self):
        """An address is granted when it was the answer, not when the name has it."""
        talk = self.talk([f"{CONNECT}www.example.com:7"], self.net.dns)
        self.assertEqual(talk.lookup("www.example.com", "AAAA"), [A6])
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "EACCES")
        self.assertEqual(talk.lookup("www.example.com", "A"), [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")

    def test_two_names_of_one_address(self):
        """Each gives its own ports, once it was looked up."""
        talk = self.talk([f"{CONNECT}tcp://v4.example.com:7", f"{CONNECT}tcp://same.example.com:80"], self.net.dns)
        self.assertEqual(talk.lookup("v4.example.com"), [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:80"), "EACCES")
        self.assertEqual(talk.lookup("same.example.com"), [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:80"), "ok")
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
        self.assertEqual(talk.sock(f"tcp connect {A}:8080"), "EACCES")
        run = talk.end()
        self.assertEqual([harness.wants(record_)[0][1] for record_ in run.records],
                         ["tcp://v4.example.com:80", "tcp://same.example.com:8080"], run)

    def test_records_of_lookups(self):
        """One for each name, however often it is asked for, and whoever asks."""
        talk = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        for _ in range(5):
            for kind in ("A", "AAAA", "TXT"):
                self.assertEqual(talk.lookup("evil.example.com", kind), "REFUSED")
        self.assertEqual(talk.lookup("EVIL.Example.COM"), "REFUSED")
        self.assertEqual(talk.query(query("evil.example.com"), tcp=True).code, "REFUSED")
        self.assertEqual(talk.lookup("another.example.com"), "REFUSED")
        run = talk.end()
        self.assertEqual(lookups(run), [("evil.example.com:*", None), ("another.example.com:*", None)], run)
        self.assertEqual(run.result["counters"]["quiet"], 16, run.result["counters"])
        first = run.records[0]
        self.assertEqual((first["layer"], first["hook"], first["process"]["comm"], first["capability"]["grant"],
                          first["error"]["code"], first["capability"]["type"], first["event"]),
                         ("resolver", "resolve", "act", "NETWORK_CONNECT:evil.example.com:*", "OBMON_CAPABILITY_DENIED",
                          "NETWORK_CONNECT", "capability.denied"))

    def test_what_is_asked_for(self):
        """Addresses, and nothing else; of granted names, in any case of letters."""
        talk = self.talk([f"{CONNECT}www.example.com:7"], self.net.dns)
        reply = talk.query(query("wWw.ExAmPlE.cOm"))
        self.assertEqual((reply.code, reply.addresses), ("NOERROR", [A]))
        self.assertEqual(reply.message[12:29], wire("wWw.ExAmPlE.cOm"))
        self.assertEqual(talk.query(query("www.example.com"), tcp=True).addresses, [A])
        for kind in ("TXT", "MX", "SRV", "CNAME", "NS", "SOA", "NULL", "HTTPS", "PTR", 99, 65280):
            reply = talk.query(query("www.example.com", kind))
            self.assertEqual((reply.code, reply.records), ("NOERROR", []), kind)
        for kind in ("ANY", 252, 251, "OPT"):
            reply = talk.query(query("www.example.com", kind))
            self.assertTrue(isinstance(reply, str) or not reply.records, (kind, reply))
        self.assertEqual(talk.lookup("10.100.51.198.in-addr.arpa", "PTR"), "REFUSED")
        self.assertEqual(self.net.sent() & {f"udp://{DNS}:53"}, {f"udp://{DNS}:53"})

    def test_binary_names(self):
        """A label's bytes are no text: a dot in a label ends no label."""
        talk = self.talk([f"{CONNECT}www.example.com:7", f"{CONNECT}*.sub.example.com:7"], self.net.dns)
        for labels in ([b"www.example", b"com"], [b"www.example.com"], [b"www\0", b"example", b"com"],
                       [b"www", b"example", b"com\0"],
                       [b"www\\.example", b"com"], [b"www", b"exam\xffple", b"com"], [b"\xe4", b"xx"],
                       [b" www", b"example", b"com"],
                       [b"x.sub.example", b"com"], [b"x", b"sub.example", b"com"], [b"w" * 63] * 3 + [b"w" * 61],
                       [b"www", b"example", b"com", b"www.example.com"], [b"a\n", b"b"], []):
            reply = talk.query(query(labels))
            self.assertIn(reply.code, ("REFUSED", "FORMERR"), labels)
            self.assertEqual(reply.addresses, [], labels)
        # Odd names below a granted one go upstream, or not; addresses of others never come.
        for labels in ([b"\0", b"sub", b"example", b"com"], [b"a.b", b"sub", b"example", b"com"],
                       [b"*", b"sub", b"example", b"com"],
                       [b"\xff" * 63, b"sub", b"example", b"com"]):
            reply = talk.query(query(labels))
            self.assertTrue(isinstance(reply, str) or reply.addresses in ([], [C]), reply)
        self.assertEqual(talk.lookup("www.example.com"), [A])
        run = talk.end()
        for record_ in run.records:
            for grant in harness.grants(record_):
                if grant:
                    self.assertEqual(obmon("-c", grant, *self.net.dns, cmd=["/bin/true"], **self.how()).status, 0,
                                     grant)

    def test_names_that_look_like_rules(self):
        """A record proposes no grant of anything but the name that was asked for."""
        names = [[b"0", b"0", b"0", b"0/0"], [b"*", b"com"], [b"*"], [b"[::/0]"], [b"unix:/run/docker.sock"],
                 [b"10", b"0", b"0", b"1"],
                 [b"127.0.0.1"], [b"x:443", b"y"], [b"tcp://evil", b"com"], [b"evil", b"com:443{private=yes}"],
                 [b"{a,b}", b"com"],
                 [b"unix:@a"], [b"localhost"], [b"1"], [b"-a", b"com"], [b"a,b", b"com"], [b"..", b"com"],
                 [b"a\n- FILE_READ:", b"**"]]
        talk = self.talk([f"{CONNECT}v4.example.com:7"], [*self.net.dns, "--correlation-id", "x"])
        for labels in names:
            self.assertIn(talk.query(query(labels)).code, ("REFUSED", "FORMERR"), labels)
        run = talk.end()
        for record_ in run.records:
            grant, = harness.grants(record_)
            resource = harness.wants(record_)[0][1]
            if grant is not None:
                self.assertEqual(grant, f"{CONNECT}{resource}")
                self.assertRegex(grant, r"^NETWORK_CONNECT:[a-z][a-z0-9-]*(\.[a-z0-9-]+)*:\*$", run)

    def test_queries_that_are_none(self):
        """Whatever comes, the resolver goes on."""
        talk = self.talk([f"{CONNECT}www.example.com:7"], self.net.dns)
        good = query("www.example.com")
        head = good[:12]
        bad = [b"\0", good[:11], head, good[:-1], good[:20], good + b"\0" * 100, query("www.example.com", flags=0x8180),
               query("www.example.com", flags=0x2800), query("www.example.com", flags=0x1000),
               query("www.example.com", count=2),
               query("www.example.com", count=0), query("www.example.com", count=65535),
               head + b"\xc0\x0c" + good[-4:], head + b"\xc0\x00" + good[-4:], head + b"\xff\xff" + good[-4:],
               head + b"\x40" + good[13:], head + b"\x3f" + good[13:], head + (b"\x01a" * 200) + b"\0" + good[-4:],
               good[:-2] + b"\0\x03", good[:-2] + b"\0\xff", good[:6] + b"\xff" * 6 + good[12:],
               good + record(None, "OPT", b"\xff" * 500)[:300], b"\xff" * 512, bytes(512)]
        for message in bad:
            self.assertEqual(talk.sock(f"udp connect dns put {message.hex()} sleep 1"), "ok", message)
            self.assertEqual(talk.sock(f"tcp connect dns put {(struct.pack('!H', len(message)) + message).hex()}"),
                             "ok")
        for start in (b"", b"\0", b"\xff\xff", b"\0\x20" + good, b"\0\0\0\0\0\x1f" + good):
            self.assertEqual(talk.sock(f"tcp connect dns put {start.hex()}") if start else talk.sock("tcp connect dns"),
                             "ok")
        self.assertEqual(talk.lookup("www.example.com"), [A])
        self.assertEqual(talk.query(good, tcp=True).addresses, [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
        self.assertEqual(talk.end().status, 0)

    def test_many_clients(self):
        query_ = query("v4.example.com").hex()
        run = self.run_it([ACT, "askers", query_, "40", "16", ",", *steps(f"tcp connect {A}:7")],
                          [f"{CONNECT}v4.example.com:7"],
                          self.net.dns)
        self.assert_answers(run, "ok 640 answered, 0 not", "ok")

    def test_connections_that_say_nothing(self):
        """Many clients that connect and then are silent, in the middle of a message too, don't keep others out."""
        script = put(BASE + "/silent.py", """
import socket, sys
resolver = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")][0]
query = bytes.fromhex(sys.argv[1])
held = []
for i in range(300):
    try:
        held.append(socket.create_connection((resolver, 53), timeout=1))
        held[-1].send([b"", b"\\0", b"\\1\\0" + query][i % 3])
    except OSError as problem:
        print("after", i, problem)
        break
def ask(kind):
    client = socket.socket(socket.AF_INET, kind)
    client.settimeout(10)
    client.connect((resolver, 53))
    client.send(query if kind == socket.SOCK_DGRAM else len(query).to_bytes(2, "big") + query)
    return len(client.recv(500)) > len(query)
print(ask(socket.SOCK_DGRAM))
held = held[:5]
print(ask(socket.SOCK_STREAM))
""")
        run = self.run_it(["python3", script, query("v4.example.com").hex()],
                          [f"{CONNECT}v4.example.com:7", f"FILE_READ:{script}"],
                          [*self.net.dns, "-p", "python"])
        self.assertEqual((run.status, run.stdout.splitlines()[-2:]), (0, ["True", "True"]), run)

    def test_other_resolvers(self):
        """Only the run's own is there, and of it only port 53."""
        other = self.talk([f"{CONNECT}other.example.com:7"], self.net.dns)
        talk = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        self.assertNotEqual(talk.resolver, other.resolver)
        self.assertRegex(talk.resolver, r"^127\.83\.\d+\.\d+$")
        for way in (f"udp sendto {DNS}:53", f"tcp connect {DNS}:53", "udp sendto 8.8.8.8:53",
                    f"udp connect {other.resolver}:53",
                    f"tcp connect {other.resolver}:53", f"udp sendto {other.resolver}:53", "udp sendto 127.0.0.1:53",
                    f"udp sendto {talk.resolver}:54", f"tcp connect {talk.resolver}:80", "udp sendto 127.0.0.53:53"):
            self.assertEqual(talk.sock(way), "EACCES", way)
        run = talk.end()
        self.assertEqual(len(run.records), 10, run)
        self.assertNotIn("udp://8.8.8.8:53", self.net.sent())

    def test_others_get_no_answer(self):
        """Processes outside the run, though they may send to its resolver, from the run's own port too."""
        talk = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        message = query("v4.example.com")
        self.assertIsNone(self.net.ask(talk.resolver, message))
        self.assertIsNone(self.net.ask_tcp(talk.resolver, message))
        answer = talk.sock(f"udp connect dns put {message.hex()} try get name")
        port = int(answer.rpartition(":")[2])
        self.assertIsNone(self.net.ask(talk.resolver, message, bind=("127.0.0.1", port)))
        self.assertIsNone(self.net.ask(talk.resolver, message, bind=("0.0.0.0", port)))
        self.assertEqual(talk.lookup("v4.example.com"), [A])
        self.assertEqual(talk.end().records, [])

    def test_a_port_that_two_have(self):
        """A process outside that has taken the same port on another address isn't taken for the run."""
        talk = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        with self.net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for host in ("127.0.0.2", CLIENT):
                with self.net.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.bind((host, 0))
                    sock.settimeout(1)
                    sock.sendto(query("v4.example.com"), (talk.resolver, 53))
                    with self.assertRaises(OSError):
                        sock.recv(500)

    def test_two_runs(self):
        """What one has looked up is nothing to the other."""
        one = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        two = self.talk([f"{CONNECT}other.example.com:7"], self.net.dns)
        self.assertEqual((one.lookup("v4.example.com"), two.lookup("other.example.com")), ([A], [B]))
        self.assertEqual((one.sock(f"tcp connect {A}:7"), one.sock(f"tcp connect {B}:7")), ("ok", "EACCES"))
        self.assertEqual((two.sock(f"tcp connect {B}:7"), two.sock(f"tcp connect {A}:7")), ("ok", "EACCES"))
        self.assertEqual((one.lookup("other.example.com"), two.lookup("v4.example.com")), ("REFUSED", "REFUSED"))

    def test_the_files_of_the_run(self):
        """Its own resolv.conf and hosts; the host's stay as they are."""
        before = [open(path, encoding="ascii").read() for path in ("/etc/resolv.conf", "/etc/hosts")]
        run = self.run_it([ACT, "read", "/etc/resolv.conf", ",", "read", "/etc/hosts", ",", "write", "/etc/hosts", ",",
                           "write", "/etc/resolv.conf"],
                          [f"{CONNECT}v4.example.com:7", "FILE_WRITE:/etc/**"], self.net.dns)
        answers = [answer for _, answer in harness.answers_of(run.stdout)]
        self.assertRegex(answers[0], r"^ok (.* )?nameserver 127\.83\.")
        self.assertTrue(answers[1].startswith("ok"), run)
        self.assertEqual(before, [open(path, encoding="ascii").read() for path in ("/etc/resolv.conf", "/etc/hosts")])
        # Without a grant about a name there is no resolver, and nothing of it to read.
        run = self.run_it([ACT, "read", "/etc/resolv.conf", ",", "read", "/etc/hosts"], [f"{CONNECT}{A}:7"],
                          self.net.dns)
        self.assert_answers(run, "EACCES", "EACCES")

    def with_files(self, **files):
        """A command to start obmon by, for which /etc/NAME holds something else."""
        mounts = "".join(f"mount --bind {put(f'{BASE}/etc-{name}', text)} /etc/{name.replace('_', '.')} && "
                         for name, text in files.items())
        return [*self.net.client.wrap, "unshare", "-m", "sh", "-c", mounts + 'exec "$@"', "sh"]

    def test_the_hosts_file(self):
        """Granted names of the host's own file are known from the start, whatever addresses they have."""
        wrap = self.with_files(hosts=f"127.0.0.1 localhost\n{PRIVATE} db.example.com db\n{C} not.granted.net\n"
                               f"127.0.0.1 here.example.com\n{B} web.example.com other.example.com\n"
                               f"{ULA} db.example.com\n# {METADATA} x.example.com\n")
        self.check([
            through(f"tcp connect {PRIVATE}:7 echo hi", f"ok {PRIVATE}|hi"),
            through("tcp connect db.example.com:7 echo hi", f"ok {PRIVATE}|hi"),
            through(f"tcp connect [{ULA}]:7 echo hi", f"ok {ULA}|hi"),
            through("tcp connect 127.0.0.1:5099", "ECONNREFUSED"),
            let_through("lookup", "here.example.com", answer="ok 127.0.0.1"),
            refused(f"tcp connect {PRIVATE}:80", "tcp://db.example.com:80", address=PRIVATE),
            refused(f"tcp connect {B}:7", f"tcp://{B}:7"), refused(f"tcp connect {C}:7", f"tcp://{C}:7"),
            refused("tcp connect 127.0.0.1:7", "tcp://here.example.com:7", address="127.0.0.1", granted="ECONNREFUSED"),
            no_lookup("not.granted.net", granted=f"ok {C}"),
            no_listening("tcp bind 127.0.0.1:5098", "tcp://127.0.0.1:5098"),
        ], [f"{CONNECT}tcp://db.example.com:7", f"{CONNECT}here.example.com:5099"], self.net.dns,
                   how=lambda: {"wrap": wrap})

    def test_the_hosts_own_resolver(self):
        """Without --dns the host's resolv.conf says whom to ask."""
        wrap = self.with_files(resolv_conf=f"# here\nsearch x.example\nnameserver {DNS}\noptions ndots:1\n")
        self.check([let_through("lookup", "v4.example.com", answer=f"ok {A}"),
                    through(f"tcp connect {A}:7"), refused(f"tcp connect {DNS}:53", f"tcp://{DNS}:53")],
                   [f"{CONNECT}tcp://v4.example.com:7"], how=lambda: {"wrap": wrap})

    def test_a_host_s_files_of_other_kinds(self):
        """resolv.conf that is a link, as systemd-resolved makes it; two servers, of which one is dead; no file."""
        top = BASE + "/etc-upper"
        for change, status in (
                (f"echo nameserver {DNS} >{BASE}/stub; ln -sf {BASE}/stub /etc/resolv.conf", 0),
                (f"printf 'nameserver {B}\\nnameserver {DNS}\\noptions timeout:1\\n' >/etc/resolv.conf", 0),
                (f"rm /etc/hosts; echo nameserver {DNS} >/etc/resolv.conf", 125)):
            for folder in ("u", "w"):
                shutil.rmtree(f"{top}/{folder}", ignore_errors=True)
                os.makedirs(f"{top}/{folder}")
            wrap = [*self.net.client.wrap, "unshare", "-m", "bash", "-c", "mount -t overlay etc -o "
                    f"lowerdir=/etc,upperdir={top}/u,workdir={top}/w /etc && {{ {change}; }} && exec \"$@\"", "bash"]
            run = obmon(*options([f"{CONNECT}v4.example.com:7"]),
                        cmd=[ACT, *steps("tcp connect v4.example.com:7 echo hi")],
                        wrap=wrap, check=not status)
            self.assertEqual(run.status, status, run)
            if status:
                self.assertIn("/etc/hosts", run.stderr)
            else:
                self.assert_answers(run, f"ok {A}|hi")

    def test_upstreams_of_ipv6(self):
        for dns in ("2001:db8:1::53", "[2001:db8:1::53]", "[2001:db8:1::53]:53"):
            talk = self.talk([f"{CONNECT}v4.example.com:7"], ["--dns", dns])
            self.assertEqual(talk.lookup("v4.example.com"), [A], dns)
            talk.end()

    def test_what_goes_upstream(self):
        """Names that are granted, in lower case, for their addresses. Nothing else of a query leaves the host."""
        with Script(lambda asked: asked.address(A, A6)) as script:
            talk = self.talk([f"{CONNECT}*.sub.example.com:7"], script.words)
            for message in (query("sEcReT.SuB.example.com"), query("x.sub.example.com", "TXT"),
                            query("evil.example.com"), query("sub.example.com"),
                            query("y.sub.example.com", "ANY"), query("z.sub.example.com", flags=0x0130),
                            query("e.sub.example.com")[:10] + b"\0\1" + query("e.sub.example.com")[12:] +
                            record("", "OPT", b"\0\x0a\0\x08cookie12")):
                talk.query(message)
                talk.query(message, tcp=True)
            talk.end()
            sent = {bytes(asked.message[12:asked.name(12)[1]]) for asked in script.queries}
            self.assertEqual(sent, {wire(name + ".sub.example.com") for name in ("secret", "z", "e")})
            self.assertLessEqual({asked.kind for asked in script.queries}, {"A", "AAAA"})
            self.assertFalse([asked for asked in script.queries if b"cookie12" in asked.message])

    def test_who_has_port_53_already(self):
        """A name server of the host's own, at all addresses, is in the way of nobody, or of a clear start."""
        sock = self.net.bound(self.net.client, socket.SOCK_DGRAM, "0.0.0.0", 53)
        listener = self.net.bound(self.net.client, socket.SOCK_STREAM, "0.0.0.0", 53)
        listener.listen(1)
        try:
            run = self.start([ACT, *steps("tcp connect v4.example.com:7 echo hi")], [f"{CONNECT}v4.example.com:7"],
                             self.net.dns).end(check=False)
        finally:
            sock.close()
            listener.close()
        if run.status == 0:
            self.assert_answers(run, f"ok {A}|hi")
        else:
            self.assertEqual((run.status, run.stdout), (125, ""), run)
            self.assertIn("53", run.stderr)

    def test_more_grants_than_an_address_can_have(self):
        """70 names of one address: each is answered and can be connected to, or isn't answered, with a record."""
        count = 70
        with Script(lambda asked: asked.address(A, ttl=600)) as script:
            talk = self.talk([f"{CONNECT}tcp://h{i}.example.com:{7000 + i}" for i in range(count)], script.words)
            got = [talk.lookup(f"h{i}.example.com") for i in range(count)]
            opened = [talk.sock(f"tcp connect {A}:{7000 + i}") for i in range(count)]
            run = talk.end()
        self.assertEqual([answer == [A] for answer in got], [answer == "ECONNREFUSED" for answer in opened],
                         f"{got}\n{opened}")
        self.assertGreaterEqual(opened.count("ECONNREFUSED"), 64)
        self.assertEqual([resource for resource, _ in lookups(run)],
                         [f"h{i}.example.com:*" for i in range(count) if got[i] != [A]], run)

    def test_many_grants_of_one_name(self):
        """100 ports of one host, each a grant of its own."""
        ports = range(7000, 7100)
        talk = self.talk([f"{CONNECT}tcp://v4.example.com:{port}" for port in ports], self.net.dns)
        got = talk.lookup("v4.example.com")
        answers = {talk.sock(f"tcp connect {A}:{port}") for port in ports}
        self.assertEqual(talk.sock(f"tcp connect {A}:7100"), "EACCES")
        run = talk.end()
        if got != [A]:  # too many, which must be told
            self.assertEqual((lookups(run), answers), ([("v4.example.com:*", None)], {"EACCES"}), run)
        else:
            self.assertEqual(answers, {"ECONNREFUSED"}, run)

    def test_long_names(self):
        names = ["x" * 63 + ".sub.example.com", ".".join(["x" * 40] * 5) + ".sub.example.com",
                 "xn--mnchen-3ya.sub.example.com", "_x._tcp.sub.example.com"]
        with Script(lambda asked: asked.address(A)) as script:
            talk = self.talk([f"{CONNECT}*.sub.example.com:7", f"{CONNECT}{names[0]}:8"], script.words)
            for name in names:
                self.assertEqual(talk.lookup(name), [A], name)
                self.assertEqual(talk.sock(f"tcp connect {A}:80"), "EACCES")
            run = talk.end()
        self.assertEqual([harness.wants(record_)[0][1] for record_ in run.records],
                         [f"tcp://{name}:80" for name in names], run)

    def test_audit(self):
        """Names that nobody has granted are answered too, and recorded."""
        talk = self.talk([f"{CONNECT}v4.example.com:7"], [*self.net.dns, "--mode", "audit"])
        self.assertEqual(talk.lookup("v4.example.com"), [A])
        self.assertEqual(talk.lookup("other.example.com"), [B])
        self.assertEqual(talk.lookup("private.example.com"), [PRIVATE])
        self.assertEqual(talk.sock(f"tcp connect {B}:7 echo hi"), f"ok {B}|hi")
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
        run = talk.end()
        self.assertEqual(lookups(run)[0], ("other.example.com:*", None), run)
        self.assertEqual({record_["capability"]["state"] for record_ in run.records}, {"audited"})
        self.assertIn([("NETWORK_CONNECT", "tcp://other.example.com:7")],
                      [harness.wants(record_) for record_ in run.records], run)

    def test_audit_without_grants(self):
        """The way to a first set of grants."""
        command = [ACT, *steps("tcp connect v4.example.com:7 echo hi"), ",", *steps(f"udp sendto {B}:7")]
        run = self.run_it(command, words=[*self.net.dns, "--mode", "audit"])
        if "EACCES" in run.stdout or not run.stdout.splitlines()[0].endswith("|hi"):
            return  # without a grant about a name audit mode has no resolver either; the host's is another one here
        learned = sorted({grant for record_ in run.records for grant in harness.grants(record_) if grant})
        run = self.run_it(command, learned, self.net.dns)
        self.assertEqual(run.records, [], f"{learned}\n{run}")

    def test_the_first_refused_lookup_ends_the_run(self):
        run = self.run_it([ACT, "lookup", "v4.example.com", ",", "lookup", "evil.example.com", ",", "sleep", "60000"],
                          [f"{CONNECT}v4.example.com:7"], [*self.net.dns, "--on-violation", "kill"])
        self.assertEqual((run.status, run.result["status"], lookups(run)),
                         (5, "violation", [("evil.example.com:*", None)]), run)

    def test_a_line_for_people(self):
        run = self.start([ACT, "lookup", "v4.example.com", ",", *steps(f"tcp connect {A}:80"), ",", "lookup",
                          "evil.example.com"],
                         [f"{CONNECT}v4.example.com:7"], self.net.dns, events=False).end(check=False)
        connect, lookup = run.stderr.splitlines()
        self.assertRegex(connect,
                         rf"^obmon: denied NETWORK_CONNECT tcp://v4.example.com:80 \({A}\) \(connect4 by act\[\d+\]\)$")
        self.assertRegex(lookup, r"^obmon: denied NETWORK_CONNECT evil.example.com:\* \(resolve by act\[\d+\]\)$")


class PrivateAnswers(NetTest):
    """A public name must not lead to the host's own networks."""

    BAD = ("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.9.0.10", "172.16.0.1", "172.31.255.255", "192.168.1.1", METADATA,
           "100.64.0.1", "224.0.0.1", "255.255.255.255", "0.1.2.3",
           "::1", "::", "fe80::1", "fd00:9::10", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.9.0.10",
           f"::ffff:{METADATA}",
           "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a09:a", "2002:7f00:1::1")

    def test_every_kind(self):
        def answer(asked):
            label = asked.host.partition(".")[0]
            return asked.address(self.BAD[int(label[1:])] if label[0] == "n" else A, ttl=60)
        with Script(answer) as script:
            talk = self.talk([f"{CONNECT}*.rebind.example.com:*", f"{CONNECT}udp://{B}:9"], script.words)
            for i, address in enumerate(self.BAD):
                with self.subTest(address=address):
                    reply = talk.query(query(f"n{i}.rebind.example.com", "AAAA" if ":" in address else "A"))
                    self.assertEqual(reply.addresses, [], reply)
                    text = f"[{address}]" if ":" in address else address
                    if not address.startswith(("fe80", "ff02")):
                        self.assertEqual(talk.sock(f"udp sendto {text}:9"), "EACCES")
            self.assertEqual(talk.lookup("good.rebind.example.com"), [A])
            run = talk.end()
        self.assertEqual([resource for resource, _ in lookups(run)],
                         [f"n{i}.rebind.example.com:*" for i in range(len(self.BAD))], run)
        told = [ipaddress.ip_address(address) for _, address in lookups(run)]
        self.assertEqual(told, [ipaddress.ip_address(address) for address in self.BAD], run)

    def test_rebinding(self):
        """The same name, first with a public address, then with others; each with a TTL of 0."""
        answers = iter([A, "127.0.0.1", METADATA, PRIVATE, B])
        for address in ("127.0.0.1",):
            self.addCleanup(self.net.tcp_echo(self.net.client, address, 5011))
        with Script(lambda asked: asked.address(next(answers), ttl=0)) as script:
            talk = self.talk([f"{CONNECT}tcp://rebind.example.com:*"], script.words)
            self.assertEqual(talk.lookup("rebind.example.com"), [A])
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
            for to in ("127.0.0.1:5011", f"{METADATA}:7", f"{PRIVATE}:7"):
                self.assertNotIsInstance(talk.lookup("rebind.example.com"), list)
                self.assertEqual(talk.sock(f"tcp connect {to}"), "EACCES")
            self.assertEqual(talk.lookup("rebind.example.com"), [B])
            self.assertEqual(talk.sock(f"tcp connect {B}:7"), "ok")
            run = talk.end()
        self.assertEqual(lookups(run)[0], ("rebind.example.com:*", "127.0.0.1"), run)
        self.assertNotIn(f"tcp://{METADATA}:7", self.net.sent())

    def test_among_public_ones(self):
        for addresses in ((A, "127.0.0.1"), ("127.0.0.1", A), (A, PRIVATE, B)):
            with Script(lambda asked, addresses=addresses: asked.address(*addresses)) as script:
                talk = self.talk([f"{CONNECT}mixed.example.com:*"], script.words)
                got = talk.lookup("mixed.example.com")
                self.assertFalse({"127.0.0.1", PRIVATE} & set(got), got)
                self.assertEqual(talk.sock("tcp connect 127.0.0.1:7"), "EACCES")
                self.assertEqual(talk.sock(f"tcp connect {PRIVATE}:7"), "EACCES")
                run = talk.end()
                self.assertEqual([resource for resource, _ in lookups(run)], ["mixed.example.com:*"], run)

    def test_names_that_may_be_private(self):
        """By a condition, by their form, or since the address is granted as such. Loopback and link-local never."""
        talk = self.talk([f"{CONNECT}private.example.com:7{{private=yes}}",
                          f"{CONNECT}loop.example.com:7{{private=yes}}",
                          f"{CONNECT}metadata.example.com:7{{private=yes}}", f"{CONNECT}box.internal:7",
                          f"{CONNECT}loop.internal:7",
                          f"{CONNECT}printer.local:7", f"{CONNECT}printer:7", f"{CONNECT}ula.example.com:7",
                          f"{CONNECT}[fd00:9::/64]:80"], self.net.dns)
        for name, kind, answer in (("private.example.com", "A", [PRIVATE]), ("box.internal", "A", [PRIVATE]),
                                   ("printer.local", "A", [PRIVATE]), ("printer.local", "AAAA", [ULA]),
                                   ("printer", "A", [PRIVATE]),
                                   ("ula.example.com", "AAAA", [ULA])):
            self.assertEqual(talk.lookup(name, kind), answer, name)
        for name in ("loop.example.com", "metadata.example.com", "loop.internal"):
            got = talk.lookup(name)
            self.assertTrue(isinstance(got, str) or got == [], (name, got))
        self.assertEqual(talk.sock(f"tcp connect {PRIVATE}:7"), "ok")
        self.assertEqual(talk.sock(f"tcp connect [{ULA}]:7"), "ok")
        self.assertEqual(talk.sock("tcp connect 127.0.0.1:7"), "EACCES")
        self.assertEqual(talk.sock(f"tcp connect {METADATA}:7"), "EACCES")
        run = talk.end()
        self.assertEqual(lookups(run), [("loop.example.com:*", "127.0.0.1"), ("metadata.example.com:*", METADATA),
                                        ("loop.internal:*", "127.0.0.1")], run)

    def test_what_the_record_names_is_enough(self):
        """The private address of a public name, refused; then with the grant of its record."""
        command = [ACT, *steps("tcp connect private.example.com:7 echo hi")]
        grants = [f"{CONNECT}tcp://private.example.com:7"]
        run = self.run_it(command, grants, self.net.dns)
        self.assertNotIn("ok", run.stdout)
        self.assertEqual(lookups(run), [("private.example.com:*", PRIVATE)], run)
        grant, = harness.grants(run.records[0])
        self.assertIsNotNone(grant, run)
        run = self.run_it(command, [*grants, grant], self.net.dns)
        self.assert_answers(run, f"ok {PRIVATE}|hi")


class Lifetimes(NetTest):
    def test_expiry(self):
        """Connections that are open stay; new ones need a lookup that is fresh enough: 10 s beyond its TTL."""
        with Script(lambda asked: asked.address(A if asked.host.startswith("one") else B,
                                                ttl=0 if asked.host.startswith("one") else 300)) as script:
            grants = [f"{CONNECT}tcp://one.example.com:7", f"{CONNECT}two.example.com:7"]
            held = self.start([ACT, *steps("tcp connect one.example.com:7 sleep 13000 echo still"), ",",
                               *steps(f"tcp connect {A}:7")], grants, script.words)
            talk = self.talk(grants, script.words)
            self.assertEqual((talk.lookup("one.example.com"), talk.lookup("two.example.com")), ([A], [B]))
            began = time.monotonic()
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
            time.sleep(7)
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok", "not even a TTL of 0 expires at once")
            time.sleep(max(0, began + 12.5 - time.monotonic()))
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "EACCES")
            self.assertEqual(talk.sock(f"udp connect {A}:7"), "EACCES")
            self.assertEqual(talk.sock(f"tcp connect {B}:7"), "ok")
            self.assertEqual(talk.lookup("one.example.com"), [A])
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
            run = held.end()
            self.assert_answers(run, f"ok {A}|still", "EACCES")

    def test_odd_ttls(self):
        """What stands in an answer is no reason to fall, nor to forget the clock."""
        ttls = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff]
        with Script(lambda asked: asked.address(A, ttl=ttls[int(asked.host[1])])) as script:
            talk = self.talk([f"{CONNECT}*.ttl.example.com:{7}"], script.words)
            for i in range(len(ttls)):
                reply = talk.query(query(f"t{i}.ttl.example.com"))
                self.assertEqual(reply.addresses, [A])
                self.assertLessEqual(reply.records[0][2], 86400, reply)
                self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")

    def test_an_address_of_two_lifetimes(self):
        """The shorter life of one name doesn't end the other's, nor the other way round."""
        with Script(lambda asked: asked.address(A, ttl=0 if asked.host[0] == "s" else 600)) as script:
            talk = self.talk([f"{CONNECT}tcp://short.example.com:7", f"{CONNECT}tcp://long.example.com:80"],
                             script.words)
            self.assertEqual((talk.lookup("long.example.com"), talk.lookup("short.example.com")), ([A], [A]))
            self.assertEqual((talk.sock(f"tcp connect {A}:7"), talk.sock(f"tcp connect {A}:80")), ("ok", "ok"))
            time.sleep(12.5)
            self.assertEqual((talk.sock(f"tcp connect {A}:7"), talk.sock(f"tcp connect {A}:80")), ("EACCES", "ok"))


class HostileAnswers(NetTest):
    """An upstream that is the enemy's: it may say what it wants about the names that are its own, and no more."""

    GRANTS = [f"{CONNECT}tcp://*.evil.example.com:7", f"{CONNECT}tcp://evil.example.com:7",
              f"{CONNECT}tcp://good.example.com:80"]

    def against(self, answer):
        script = Script(answer)
        self.addCleanup(script.__exit__)
        return script, self.talk(self.GRANTS, script.words)

    def test_chains(self):
        def answer(asked):
            host = asked.host
            if host == "alias.evil.example.com":
                return asked.answer([record(None, "CNAME", "x.cdn.example.net"),
                                     record("x.cdn.example.net", "CNAME", "y.cdn.example.net"),
                                     record("y.cdn.example.net", "A", A)])
            if host.startswith("loop"):
                return asked.answer([record(None, "CNAME", "b.evil.example.com"),
                                     record("b.evil.example.com", "CNAME", host)])
            if host.startswith("self"):
                return asked.answer([record(None, "CNAME", host), record(None, "A", C)])
            if host.startswith("long"):
                return asked.answer([record(f"c{i}.example.net" if i else None, "CNAME", f"c{i + 1}.example.net")
                                     for i in range(60)] +
                                    [record("c60.example.net", "A", C)])
            if host.startswith("back"):  # in the wrong order, which is allowed
                return asked.answer([record("t.example.net", "A", B), record(None, "CNAME", "t.example.net")])
            if host.startswith("torn"):
                return asked.answer([record(None, "CNAME", "one.example.net"), record("two.example.net", "A", C)])
            if host.startswith("private"):
                return asked.answer([record(None, "CNAME", "db.internal"), record("db.internal", "A", PRIVATE)])
            return asked.answer()
        script, talk = self.against(answer)
        self.assertEqual(talk.lookup("alias.evil.example.com"), [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
        for name in ("loop", "torn", "private"):
            got = talk.lookup(name + ".evil.example.com")
            self.assertTrue(isinstance(got, str) or not got, (name, got))
        for name in ("self", "long", "back"):
            talk.lookup(name + ".evil.example.com")
        self.assertEqual(talk.sock(f"tcp connect {PRIVATE}:7"), "EACCES")
        self.assertEqual(talk.lookup("x.cdn.example.net"), "REFUSED")  # granted is the name, not what it stands for
        self.assertEqual(talk.sock(f"tcp connect {A}:80"), "EACCES")
        run = talk.end()
        self.assertEqual(harness.wants(run.records[-1]), [("NETWORK_CONNECT", "tcp://alias.evil.example.com:80")], run)
        self.assertLess(len(script.queries), 40)

    def test_records_about_others(self):
        """Additions for which nobody asked are not taken."""
        extra = [record("good.example.com", "A", C), record("other.evil.example.com", "A", C), record("", "A", C)]

        def answer(asked):
            message = asked.answer([record(None, "A", A), *extra])
            if asked.host.startswith("more"):  # the same, as authority and as additional records
                message = asked.answer([record(None, "A", A)]) + b"".join(extra)
                message = message[:8] + struct.pack("!2H", 1, 2) + message[12:]
            return message
        _, talk = self.against(answer)
        for name in ("x.evil.example.com", "more.evil.example.com"):
            reply = talk.query(query(name))
            self.assertEqual(reply.addresses, [A], reply)
            for port in (7, 80):
                self.assertEqual(talk.sock(f"tcp connect {C}:{port}"), "EACCES")
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")

    def test_the_wrong_type(self):
        """AAAA for A, an A of three bytes, other classes: no address comes of it."""
        shapes = [lambda q: [record(None, "AAAA", A6)], lambda q: [record(None, "A", b"\xc6\x33\x64")],
                  lambda q: [record(None, "A", packed(C) + b"x")], lambda q: [record(None, "A", b"")],
                  lambda q: [record(None, "A", packed(A6))],
                  lambda q: [record(None, "A", C).replace(b"\0\x01\0\x01", b"\0\x01\0\x03", 1)],
                  lambda q: [record(None, "CNAME", b"\xc0\xff")], lambda q: [record(None, "CNAME", b"\x3fabc")],
                  lambda q: [record(None, "OPT", C)], lambda q: [record(None, "TXT", b"\xff" * 20)] * 20]
        _, talk = self.against(lambda asked: asked.answer(shapes[int(asked.host[1:asked.host.index(".")])](asked)))
        for i in range(len(shapes)):
            got = talk.lookup(f"s{i}.evil.example.com")
            self.assertTrue(isinstance(got, str) or not got, (i, got))
        self.assertEqual(talk.sock(f"tcp connect {C}:7"), "EACCES")
        self.assertEqual(talk.sock(f"tcp connect [{A6}]:7"), "EACCES")

    def test_malformed(self):
        """Before the right answer comes one that is broken, or isn't to this question: it gives nothing."""
        def good(asked):
            return asked.address(A)

        def bad(asked):
            right = asked.address(C)
            end = len(right)
            question = asked.message[12:asked.name(12)[1] + 4]
            other = wire("evil.example.org") + question[-4:]
            return [b"", right[:1], right[:11], right[:12], right[:-1], right[:-4], right[:20],
                    asked.answer([record(None, "A", C)], number=asked.number ^ 1),
                    asked.answer([record(None, "A", C)], number=0),
                    asked.answer([record(None, "A", C)], question=other),
                    asked.answer([record(None, "A", C)], question=question[:-4] + b"\0\x1c\0\1"),
                    asked.answer([record(None, "A", C)], question=question[:-2] + b"\0\3"),
                    asked.answer([record(None, "A", C)], flags=0x0100),
                    asked.answer([record(None, "A", C)], flags=0xa980),
                    right[:6] + b"\xff\xff" + right[8:], right[:4] + b"\0\0" + right[6:],
                    right[:4] + b"\0\2" + right[6:],
                    right[:-16] + b"\xc0" + bytes([end - 16]) + right[-14:],
                    right[:-16] + b"\xc0\xff" + right[-14:], right[:-16] + b"\xff\xff" + right[-14:],
                    right[:-16] + b"\x7fabc" + right[-14:], right[:-6] + b"\xff\xff" + right[-4:],
                    right[:-6] + b"\0\0" + right[-4:],
                    asked.answer([record("x" * 63 + ("." + "x" * 63) * 5, "A", C)]),
                    right + b"\xff" * 1000, bytes(600), b"\xff" * 600]
        count = len(bad(Query(query("x"), False)))

        def answer(asked):
            i = int(asked.host[1:asked.host.index(".")]) if asked.host[0] == "m" else 0
            return [bad(asked)[i], good(asked)]
        _, talk = self.against(answer)
        for i in range(count):
            reply = talk.query(query(f"m{i}.evil.example.com"))
            if i in (24,):  # what follows a message is nobody's business
                continue
            self.assertFalse(not isinstance(reply, str) and C in reply.addresses, (i, reply))
            if i in range(7, 14):  # not the answer to this question: wait for the one that is
                self.assertEqual(reply.addresses, [A], (i, reply))
        self.assertEqual(talk.lookup("m0.evil.example.com"), [A])
        run = talk.end()
        self.assertEqual(run.status, 0, run)

    def test_forged_from_elsewhere(self):
        """A third party that knows all of the query can't answer it."""
        forger = self.net.bound(self.net.server, socket.SOCK_DGRAM, B, 53)
        same_host = self.net.bound(self.net.server, socket.SOCK_DGRAM, DNS, 5399)
        self.addCleanup(forger.close)
        self.addCleanup(same_host.close)

        def answer(asked):
            for sock in (forger, same_host):
                sock.sendto(asked.address(C), asked.peer)
            time.sleep(0.3)
            return asked.address(A)
        _, talk = self.against(answer)
        self.assertEqual(talk.lookup("x.evil.example.com"), [A])
        self.assertEqual(talk.sock(f"tcp connect {C}:7"), "EACCES")

    def test_queries_are_hard_to_guess(self):
        """Message ids and ports of the queries to the upstream are all over the place."""
        script, talk = self.against(lambda asked: asked.address(A))
        for i in range(40):
            talk.query(query(f"g{i}.evil.example.com", number=7))
        ids, ports = ({asked.number for asked in script.queries}, {asked.peer[1] for asked in script.queries})
        self.assertGreater(len(ids), 35)
        self.assertGreater(len(ports), 20)
        self.assertNotIn(7, list(ids)[1:5])

    def test_a_huge_answer(self):
        """64 KiB over TCP, after a truncated one."""
        addresses = [f"203.0.{113 + i // 250}.{1 + i % 250}" for i in range(4000)]

        def answer(asked):
            if not asked.tcp:
                return asked.answer(flags=0x8380)
            if asked.host.startswith("txt"):
                return asked.answer([record(None, "TXT", b"\xff" * 65400)])
            if asked.host.startswith("names"):
                return asked.answer([record(None, "CNAME", f"n{i}.example.net") for i in range(2000)])[:65535]
            return asked.answer([record(None, "A", address) for address in addresses])
        _, talk = self.against(answer)
        for name in ("huge", "txt", "names"):
            for tcp in (True, False):
                message = query(name + ".evil.example.com")
                ask = (struct.pack("!H", len(message)) + message if tcp else message).hex()
                began = time.monotonic()
                self.assertTrue(talk.sock(f"{'tcp' if tcp else 'udp'} connect dns put {ask} get").startswith("ok "),
                                name)
                self.assertLess(time.monotonic() - began, 7.5)
        self.assertEqual(talk.sock(f"tcp connect {B}:7"), "EACCES")
        self.assertEqual(talk.lookup("nothing.example.com"), "REFUSED")
        self.assertEqual(talk.end().status, 0)

    def test_truncated(self):
        """Over TCP the answer is whole; nothing of a truncated one counts."""
        def answer(asked):
            if asked.tcp:
                return asked.address(A)
            return asked.answer([record(None, "A", C)], flags=0x8380)
        script, talk = self.against(answer)
        self.assertEqual(talk.lookup("t.evil.example.com"), [A])
        self.assertTrue(any(asked.tcp for asked in script.queries))
        self.assertEqual(talk.sock(f"tcp connect {C}:7"), "EACCES")

    def test_silence(self):
        """A client gets its answer in time, SERVFAIL; and nobody else has to wait for it."""
        def answer(asked):
            return None if "silent" in asked.host else asked.address(A)
        _, talk = self.against(answer)
        for tcp in (False, True):
            began = time.monotonic()
            self.assertEqual(talk.query(query("silent.evil.example.com"), tcp).code, "SERVFAIL")
            self.assertLess(time.monotonic() - began, 7.5)
        self.assertEqual(talk.lookup("x.evil.example.com"), [A])

    def test_waiting_holds_up_nobody(self):
        """While many lookups wait for an upstream that says nothing, others are served."""
        def answer(asked):
            return None if "silent" in asked.host else asked.address(A)
        with Script(answer) as script:
            silent, quick = query("silent.evil.example.com").hex(), query("x.evil.example.com").hex()
            started = self.start([ACT, "askers", quick, "1", "1", ",",
                                  *steps("udp connect dns " + f"put {silent} " * 60 + f"put {quick} get"),
                                  ",", "askers", quick, "10", "4"], self.GRANTS, script.words)
            run = started.end()
        answers = [answer for _, answer in harness.answers_of(run.stdout)]
        self.assertEqual((answers[0], answers[2]), ("ok 1 answered, 0 not", "ok 40 answered, 0 not"), run)

    def test_nobody_is_there(self):
        """An upstream that is down, or unreachable: SERVFAIL, in bounded time."""
        for dns in (f"{DNS}:5398", f"{B}:5398", "192.0.2.1", "127.0.0.1:5398"):
            talk = self.talk(self.GRANTS, ["--dns", dns])
            began = time.monotonic()
            self.assertEqual(talk.lookup("x.evil.example.com"), "SERVFAIL", dns)
            self.assertLess(time.monotonic() - began, 7.5, dns)
            self.assertEqual(talk.lookup("granted.by.nobody"), "REFUSED")
            talk.end()

    def test_answers_that_come_late(self):
        def answer(asked):
            time.sleep(1.5)
            return asked.address(A)
        _, talk = self.against(answer)
        self.assertEqual(talk.lookup("x.evil.example.com"), [A])
        self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")

    def test_errors(self):
        """What the upstream says of a granted name is passed on; it gives no address."""
        codes = {"nx": 3, "fail": 2, "no": 5, "not": 4, "odd": 15}

        def answer(asked):
            return asked.answer([record(None, "A", C)], code=codes[asked.host.partition(".")[0]])
        _, talk = self.against(answer)
        self.assertEqual(talk.lookup("nx.evil.example.com"), "NXDOMAIN")
        for name in codes:
            self.assertNotIsInstance(talk.lookup(name + ".evil.example.com"), list)
        self.assertEqual(talk.sock(f"tcp connect {C}:7"), "EACCES")

    def test_a_full_map(self):
        """More addresses than a run can have at a time: what doesn't fit isn't answered, and what is there stays."""
        with Script(lambda asked: asked.answer([record(None, "A",
                                                       ipaddress.ip_address("1.0.0.0") + 25 *
                                                       int(asked.host[1:asked.host.index(".")]) + i)
                                                for i in range(25)]) if asked.host[0] == "f"
                    else asked.address(A)) as script:
            talk = self.talk(self.GRANTS, script.words)
            self.assertEqual(talk.lookup("a.evil.example.com"), [A])
            full = None
            for i in range(180):
                got = talk.lookup(f"f{i}.evil.example.com")
                if not isinstance(got, list) or len(got) < 25:
                    full = i
                    break
            self.assertIsNotNone(full)
            self.assertGreater(full, 150)
            self.assertEqual(talk.sock("tcp connect 1.0.0.7:7"), "ENETUNREACH")
            self.assertEqual(talk.sock("tcp connect 1.0.20.7:7"), "EACCES")
            self.assertEqual(talk.sock(f"tcp connect {A}:7"), "ok")
            self.assertEqual(talk.lookup("a.evil.example.com"), [A])
            run = talk.end()
        self.assertEqual(run.status, 0, run)
        self.assertIn(f"f{full}.evil.example.com:*", [resource for resource, _ in lookups(run)], run)


class ResolverEnds(NetTest):
    """Whoever dies: the run ends, nothing opens, nothing stays."""

    def processes(self, started):
        """obmon's children outside the run's cgroup: {name: pid}."""
        found = {}
        with open(f"/proc/{started.pid}/task/{started.pid}/children", encoding="ascii") as file:
            for pid in file.read().split():
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    found[comm.read().strip()] = int(pid)
        return found

    def running(self):
        talk = self.talk([f"{CONNECT}v4.example.com:7"], self.net.dns)
        self.assertEqual(talk.lookup("v4.example.com"), [A])
        run_id = harness.read_lines(talk.started.events_path)[0]["run_id"]
        return talk, run_id

    def nobody_listens(self, resolver):
        """Nobody is at the resolver's port any more, to send to or to take over."""
        def free():
            with harness.contextlib.suppress(OSError):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    self.net.bound(self.net.client, kind, resolver, 53).close()
                return True
        wait_for(free, 10, f"the end of the resolver at {resolver}")

    def test_after_a_run(self):
        talk, _ = self.running()
        resolver = talk.resolver
        talk.end()
        self.nobody_listens(resolver)

    def test_the_resolver_killed(self):
        talk, run_id = self.running()
        processes = self.processes(talk.started)
        victims = [pid for name, pid in processes.items() if "reaper" not in name and name != "act"]
        self.assertEqual(len(victims), 1, processes)
        harness.kill(victims[0])
        wait_for(lambda: talk.started.process.poll() is not None, 30, "the end of the run")
        talk.started.process.stdin.close()
        talk.started.process.stdin = None
        run = talk.started.end(check=False)
        self.assertEqual(run.status, 125, run)
        self.assertEqual(run.result["status"], "failed", run.result)
        self.assertIn("resolver", run.result["error"]["message"])
        self.assertFalse(harness.leftovers(run_id))
        self.nobody_listens(talk.resolver)

    def test_nothing_opens_without_the_resolver(self):
        """The command tries on, until it is ended: it reaches what it had, and nothing new."""
        started = self.start([ACT, *steps(f"tcp connect v4.example.com:7"), ",",
                              *(f"sock udp sleep 100 sendto {B}:7 ,".split() * 60)][:-1],
                             [f"{CONNECT}v4.example.com:7"], self.net.dns)
        wait_for(lambda: f"udp://{B}:7" in open(started.events_path, encoding="utf-8").read()
                 if os.path.exists(started.events_path) else False, 60)
        for name, pid in self.processes(started).items():
            if "reaper" not in name and name != "act":
                harness.kill(pid)
        run = started.end(check=False)
        self.assertEqual(run.status, 125, run)
        self.assertNotIn(f"udp://{B}:7", self.net.sent())

    def test_obmon_killed(self):
        talk, run_id = self.running()
        pids = list(self.processes(talk.started).values())
        harness.kill(talk.started.pid)
        talk.started.process.communicate(timeout=30)
        wait_for(lambda: not harness.leftovers(run_id), what="the reaper's work")
        wait_for(lambda: not any(harness.alive(pid) for pid in pids), what="the end of obmon's processes")
        self.nobody_listens(talk.resolver)

    def test_obmon_stopped(self):
        """Refusals don't wait for obmon, nor does the resolver."""
        talk, _ = self.running()
        harness.kill(talk.started.pid, harness.signal.SIGSTOP)
        self.assertEqual(talk.lookup("evil.example.com"), "REFUSED")
        self.assertEqual(talk.sock(f"tcp connect {B}:7"), "EACCES")
        self.assertEqual(talk.lookup("v4.example.com"), [A])
        harness.kill(talk.started.pid, harness.signal.SIGCONT)
        run = talk.end()
        self.assertEqual([harness.wants(record_)[0][1] for record_ in run.records],
                         ["evil.example.com:*", f"tcp://{B}:7"], run)

    def test_a_time_limit(self):
        run = self.run_it([ACT, "sleep", "60000"], [f"{CONNECT}v4.example.com:7"], [*self.net.dns, "--timeout", "1.5"])
        self.assertEqual(run.status, 124, run)

    def test_many_runs_at_once(self):
        """Each with its own resolver, and its own names."""
        names = {"v4.example.com": A, "other.example.com": B, "far.example.com": C}
        runs = [(name, self.start([ACT, *steps(f"tcp connect {name}:7 echo hi"), ",", *steps(f"tcp connect {DNS}:7")],
                                  [f"{CONNECT}tcp://{name}:7"], self.net.dns)) for name in list(names) * 4]
        for name, started in runs:
            run = started.end()
            self.assert_answers(run, f"ok {names[name]}|hi", "EACCES")
