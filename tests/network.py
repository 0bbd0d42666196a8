# SPDX-License-Identifier: Apache-2.0
"""A network for tests: a client, where obmon runs, and a server, which is the rest of the world.

Two network namespaces, joined by a cable. No packet leaves them. The server has addresses that count as public and
some that count as private, dnsmasq, Python's http.server, echoes over TCP and UDP, and a wire tap that says what the
client has really sent. Servers run as threads of the test's own process: a thread enters a namespace, makes a socket
there, and leaves again.

There is one such network for each worker of tests/guest, made at first use: net().
"""

import atexit
import contextlib
import ctypes
import functools
import http.server
import ipaddress
import os
import selectors
import socket
import struct
import subprocess
import threading
import time

from harness import ACT, Case, Started, Test, let_through, options, shell, wait_for

A, B, C = "198.51.100.10", "198.51.100.11", "203.0.113.10"  # the server's, as on the internet
A6, B6 = "2001:db8:1::10", "2001:db8:1::11"
PRIVATE, ULA, LINK_LOCAL, METADATA = "10.9.0.10", "fd00:9::10", "fe80::10", "169.254.169.254"
DNS, DNS6 = "198.51.100.53", "2001:db8:1::53"
CLIENT, CLIENT6 = "198.51.100.1", "2001:db8:1::1"
ALL4, ALL6 = (A, B, C, PRIVATE, METADATA), (A6, B6, ULA)
ECHO, HTTP, HTTP2, DEAF = 7, 80, 8080, 9  # nobody is at the last one

HOSTS = {
    "www.example.com": (A, A6), "v4.example.com": (A,), "six.example.com": (A6,), "same.example.com": (A,),
    "other.example.com": (B, B6), "far.example.com": (C,), "deep.sub.example.com": (C,),
    "private.example.com": (PRIVATE,), "ula.example.com": (ULA,), "loop.example.com": ("127.0.0.1",),
    "metadata.example.com": (METADATA,), "box.internal": (PRIVATE,), "loop.internal": ("127.0.0.1",),
    "printer.local": (PRIVATE, ULA), "printer": (PRIVATE,),
}

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    def __init__(self, name):
        self.name, self.path = name, f"/run/netns/{name}"
        shell("ip", "netns", "add", name)
        self.fd = os.open(self.path, os.O_RDONLY)
        # Not `ip netns exec`, which hides cgroups and bpffs behind a /sys of its own.
        self.wrap = ["nsenter", "--net=" + self.path]

    @contextlib.contextmanager
    def inside(self):
        """The calling thread is in this namespace, and so are the sockets and processes that it makes."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.enter(self.fd)
        try:
            yield
        finally:
            self.enter(own)
            os.close(own)

    @staticmethod
    def enter(fd):
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def socket(self, *kind):
        with self.inside():
            return socket.socket(*kind)

    def ip(self, *lines):
        shell("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def end(self):
        os.close(self.fd)
        shell("ip", "netns", "del", self.name)


class Loop(threading.Thread):
    """Calls what waits for each socket."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.start()

    def run(self):
        while True:
            for key, _ in self.selector.select(None if self.selector.get_map() else 0.05):
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)

    def add(self, sock, call):
        self.selector.register(sock, selectors.EVENT_READ, call)

    def remove(self, sock):
        self.selector.unregister(sock)
        sock.close()


def text_of(address):
    return str(getattr(ipaddress.ip_address(address), "ipv4_mapped", None) or address)


def address_family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def at(address, port):
    """198.51.100.10:80, [2001:db8::1]:80"""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"page of {text_of(self.connection.getsockname()[0])} for {self.headers['Host']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Tap(threading.Thread):
    """What comes over the cable: {"tcp://198.51.100.10:80", ...} as in records, "43://2001:db8::1" of others.

    Of TCP only what opens a connection counts: the end of an earlier one may come late.
    """

    def __init__(self, namespace, device):
        super().__init__(daemon=True)
        self.sock = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.bind((device, 0))
        self.seen = set()
        self.start()

    def run(self):
        while True:
            try:
                self.one()
            except OSError:
                return  # the cable is gone

    def one(self):
        frame, (_, _, kind, *_) = self.sock.recvfrom(2048)
        if kind != 4:  # PACKET_OUTGOING
            self.take(frame)

    def take(self, frame):
        ether, packet = struct.unpack_from("!H", frame, 12)[0], frame[14:]
        if ether == 0x800:
            protocol, to, rest = packet[9], packet[16:20], packet[4 * (packet[0] & 15):]
        elif ether == 0x86dd:
            protocol, to, rest = packet[6], packet[24:40], packet[40:]
        else:
            return
        to = socket.inet_ntop(socket.AF_INET if len(to) == 4 else socket.AF_INET6, to)
        if protocol == 6 and rest[13:14] and rest[13] & 0x12 != 2:
            return
        if protocol in (6, 17) and len(rest) >= 4:
            self.seen.add(f"{'tcp' if protocol == 6 else 'udp'}://{at(to, struct.unpack_from('!H', rest, 2)[0])}")
        elif protocol not in (1, 2, 58, 0):  # ICMP, IGMP, and multicast listening: the kernel's own
            self.seen.add(f"{protocol}://{to}")


class Net:
    """The pair of namespaces, and what is served there."""

    def __init__(self):
        name = f"obmon-{os.getpid()}"
        self.client, self.server = Namespace(name + "c"), Namespace(name + "s")
        self.loop = Loop()
        self.cable()
        self.tap = Tap(self.server, "cable")
        for address in ALL4 + ALL6:
            self.tcp_echo(self.server, address, ECHO)
            self.udp_echo(self.server, address, ECHO)
            self.udp_echo(self.server, address, HTTP)
        for port in (HTTP, HTTP2):
            self.http(port)
        self.dnsmasq = self.start_dnsmasq()
        self.dns = ["--dns", DNS]

    def cable(self):
        self.client.ip(f"link add cable type veth peer name cable netns {self.server.name}")
        for space, addresses in ((self.client, (CLIENT + "/24", CLIENT6 + "/64", "203.0.113.1/24", "10.9.0.1/24",
                                                "169.254.1.1/16", "fd00:9::1/64", "fe80::1/64")),
                                 (self.server, (DNS + "/24", *(f"{address}/{'16' if address == METADATA else '24'}"
                                                               for address in ALL4),
                                                DNS6 + "/64", *(address + "/64" for address in ALL6),
                                                LINK_LOCAL + "/64"))):
            space.ip("link set lo up", "link set cable addrgenmode none", "link set cable up",
                     *(f"addr add {address} dev cable" + " nodad" * (":" in address) for address in addresses))

    def end(self):
        self.dnsmasq.kill()
        self.dnsmasq.wait()
        self.client.end()
        self.server.end()

    def bound(self, space, kind, address, port):
        sock = space.socket(address_family(address), kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        return sock

    def tcp_echo(self, space, address, port):
        """Answers what it gets, behind the address that it was reached by. @return a call that ends it."""
        listener = self.bound(space, socket.SOCK_STREAM, address, port)
        listener.listen(100)

        def serve(connection):
            data = b""
            with contextlib.suppress(OSError):
                data = connection.recv(65536)
            if data:
                connection.sendall(text_of(connection.getsockname()[0]).encode() + b"|" + data)
            else:
                self.loop.remove(connection)

        def accept(sock):
            self.loop.add(sock.accept()[0], serve)
        self.loop.add(listener, accept)
        return lambda: self.loop.remove(listener)

    def udp_echo(self, space, address, port, got=None):
        """The same over UDP. @got: a list of what came."""
        sock = self.bound(space, socket.SOCK_DGRAM, address, port)

        def serve(_):
            data, peer = sock.recvfrom(65536)
            if got is not None:
                got.append(data)
            sock.sendto(address.encode() + b"|" + data, peer)
        self.loop.add(sock, serve)
        return lambda: self.loop.remove(sock)

    def http(self, port):
        """Python's own server, at all addresses of the server."""
        server = http.server.ThreadingHTTPServer(("", port), Page, bind_and_activate=False)
        server.socket.close()
        server.socket = self.server.socket(socket.AF_INET6, socket.SOCK_STREAM)
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.socket.bind(("::", port))
        server.socket.listen(100)
        threading.Thread(target=server.serve_forever, args=(60,), daemon=True).start()

    def start_dnsmasq(self):
        words = ["dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-poll",
                 "--bind-interfaces", f"--listen-address={DNS},{DNS6}", "--except-interface=lo", "--user=root",
                 "--pid-file=",
                 "--local-ttl=300", "--cname=alias.example.com,www.example.com",
                 "--cname=two.example.com,alias.example.com", "--cname=hidden.example.com,other.example.com",
                 "--address=/wild.example.net/" + C, "--txt-record=www.example.com,text",
                 "--mx-host=www.example.com,mail.example.com", "--srv-host=_x._tcp.www.example.com,www.example.com,80",
                 "--local=/com/", "--local=/net/", "--local=/internal/", "--local=/local/", "--local=//"]
        words += [f"--host-record={name},{','.join(addresses)}" for name, addresses in HOSTS.items()]
        process = subprocess.Popen([*self.server.wrap, "setpriv", "--pdeathsig", "KILL", *words],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        wait_for(lambda: self.ask(DNS, query("www.example.com")), what="dnsmasq")
        return process

    def ask(self, server, message, space=None, timeout=1, port=53, bind=None):
        """What @server answers over UDP to a process outside all runs: a Reply, or None."""
        with (space or self.client).socket(address_family(server), socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            if bind:
                sock.bind(bind)
            with contextlib.suppress(OSError):
                sock.connect((server, port))
                sock.send(message)
                return Reply(sock.recv(65536))
        return None

    def ask_tcp(self, server, message, timeout=1, port=53):
        with self.client.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout)
            with contextlib.suppress(OSError, struct.error):
                sock.connect((server, port))
                sock.sendall(struct.pack("!H", len(message)) + message)
                file = sock.makefile("rb")
                return Reply(file.read(struct.unpack("!H", file.read(2))[0]))
        return None

    def sent(self):
        """What the client has sent since the test began."""
        time.sleep(0.1)
        return set(self.tap.seen)


@functools.cache
def net():
    made = Net()
    atexit.register(made.end)
    return made


# Tests

def steps(text):
    return ["sock", *text.split()]


def refused(text, *resources, type_="NETWORK_CONNECT", **more):
    """The steps of @text (see tests/probe/act.c), refused for want of a grant of each of @resources."""
    return Case(*steps(text), missing=[(type_, resource) for resource in resources], **more)


def through(text, answer="ok"):
    return let_through(*steps(text), answer=answer)


def no_listening(text, resource, *more_resources, **more):
    """The same of NETWORK_LISTEN: one record, of all resources."""
    return Case(*steps(text), missing=[[("NETWORK_LISTEN", one) for one in (resource, *more_resources)]], **more)


def no_lookup(name, resource=None, **more):
    """The resolver refuses to say the address of @name."""
    return Case("lookup", name, missing=[("NETWORK_CONNECT", resource or name + ":*")], hook="resolve",
                **{"answer": "EAGAIN", **more})


def places(cases):
    """Where @cases are refused to send something to."""
    for case in cases:
        for type_, resource in (want for record_ in case.missing for want in record_):
            if type_ == "NETWORK_CONNECT" and resource and "://" in resource:
                protocol, _, port = resource.partition("://")[0], None, resource.rpartition(":")[2]
                yield f"{protocol}://{at(case.address, port)}" if case.address else resource


class NetTest(Test):
    """A test case whose runs are in the client's namespace."""

    def setUp(self):
        self.net = net()
        self.net.tap.seen.clear()

    def how(self, **more):
        return {"wrap": self.net.client.wrap, **more}

    def check(self, cases, grants=(), words=(), twice=True, never=(), how=lambda: {}):
        """check_cases(), and besides: what was refused was not sent, and nothing to @never."""
        words = [*options(grants), *words]

        def in_client():
            return self.how(**how())
        self.net.tap.seen.clear()
        run = self.check_cases(cases, words, how=in_client, twice=False)
        sent = self.net.sent()
        for place in [*never, *places(cases)]:
            self.assertNotIn(place, sent, run)
        again = [case for case in cases if case.granted is not None]
        if twice and again:
            self.check_granted(again, words, run, lambda: None, (), in_client)
        return run

    def start(self, cmd, grants=(), words=(), **how):
        return Started([*options(grants), *words], cmd, **self.how(**how))

    def run_it(self, cmd, grants=(), words=(), **how):
        return self.start(cmd, grants, words, **how).end()

    def talk(self, grants=(), words=(), **how):
        talk = Talk(self, grants, words, how)
        self.addCleanup(talk.stop)
        return talk


class Talk:
    """A run that does one operation at a time, as the test says, all in one process."""

    def __init__(self, test, grants, words, how):
        self.started = test.start([ACT, "-"], grants, words, stdin=subprocess.PIPE, **how)
        self.resolver = self.ask("sock udp connect dns peer").removeprefix("ok ").rpartition(":")[0]

    def ask(self, text):
        """@return the probe's answer."""
        process = self.started.process
        process.stdin.write("\t".join(text.split(" ")) + "\n")
        process.stdin.flush()
        return process.stdout.readline().rstrip("\n").partition(" ")[2]

    def sock(self, text):
        return self.ask("sock " + text)

    def query(self, message, tcp=False):
        """The resolver's Reply to @message, or the errno's name."""
        if tcp:
            message = struct.pack("!H", len(message)) + message
        answer = self.sock(f"{'tcp' if tcp else 'udp'} connect dns put {message.hex()} get")
        return Reply(bytes.fromhex(answer[3:])[2 * tcp:]) if answer.startswith("ok ") else answer

    def lookup(self, name, kind="A"):
        """The addresses of @name: a list, or what went wrong."""
        reply = self.query(query(name, kind))
        return reply if isinstance(reply, str) else reply.addresses if reply.code == "NOERROR" else reply.code

    def end(self):
        self.started.process.stdin.close()
        self.started.process.stdin = None
        return self.started.end()

    def stop(self):
        process = self.started.process
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


# DNS messages (RFC 1035)

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
         "OPT": 41, "HTTPS": 65, "ANY": 255}
CODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def wire(name):
    """@name, text or a list of labels in bytes, as it stands in a message."""
    labels = [label.encode() for label in name.split(".") if label] if isinstance(name, str) else name
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(name, kind="A", number=0x1234, flags=0x100, count=1):
    return struct.pack("!6H", number, flags, count, 0, 0, 0) + wire(name) + struct.pack("!2H", TYPES.get(kind, kind), 1)


def data_of(kind, value):
    if isinstance(value, bytes):
        return value
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(value).packed
    return wire(value)


def record(name, kind, value, ttl=300):
    data = data_of(kind, value)
    head = b"\xc0\x0c" if name is None else wire(name)  # None: the name that was asked for
    return head + struct.pack("!2HIH", TYPES[kind], 1, ttl, len(data)) + data


class Reply:
    """A message that was received."""

    def __init__(self, message):
        self.message = message
        self.number, self.flags, questions, answers, _, _ = struct.unpack_from("!6H", message)
        self.code, self.truncated = CODES.get(self.flags & 15, self.flags & 15), bool(self.flags & 0x200)
        self.records, self.question = [], None
        where = 12
        for _ in range(questions):
            name, where = self.name(where)
            self.question = (name, *struct.unpack_from("!2H", message, where))
            where += 4
        for _ in range(answers):
            name, where = self.name(where)
            kind, _, ttl, length = struct.unpack_from("!2HIH", message, where)
            where += 10
            self.records.append((name, kind, ttl, message[where:where + length]))
            where += length

    def name(self, where):
        labels, after = [], None
        while length := self.message[where]:
            if length >= 0xc0:
                after = after or where + 2
                where = struct.unpack_from("!H", self.message, where)[0] & 0x3fff
                continue
            labels.append(self.message[where + 1:where + 1 + length].decode("latin-1"))
            where += 1 + length
        return ".".join(labels), after or where + 1

    @property
    def addresses(self):
        return [str(ipaddress.ip_address(data)) for _, kind, _, data in self.records if kind in (1, 28)]

    def __repr__(self):
        return f"<{self.code} {self.question} {self.records[:5]}>"


class Query(Reply):
    """A query that a scripted server has got."""

    def __init__(self, message, tcp, peer=None):
        super().__init__(message)
        self.tcp, self.peer, self.host = tcp, peer, self.question[0].lower()
        self.kind = {number: kind for kind, number in TYPES.items()}.get(self.question[1], self.question[1])

    def answer(self, records=(), code=0, flags=0x8180, number=None, question=None):
        asked = question or self.message[12:self.name(12)[1] + 4]
        return struct.pack("!6H", self.number if number is None else number, flags | code, 1, len(records), 0, 0) + \
            asked + b"".join(records)

    def address(self, *addresses, ttl=300):
        """An answer of those of @addresses that are of the kind that was asked for."""
        return self.answer([record(None, self.kind, address, ttl) for address in addresses
                            if self.kind == ("AAAA" if ":" in address else "A")])


class Script:
    """A DNS server at port @port of the server's address for DNS whose answers a function makes.

    @answer(query): a message; None for no answer at all; a list of messages, all of which are sent. It may sleep.
    Each query has a thread of its own. @queries: what came.
    """

    ports = iter(range(5400, 6000))

    def __init__(self, answer):
        self.answer, self.port, self.queries = answer, next(self.ports), []
        self.words = ["--dns", f"{DNS}:{self.port}"]
        network = net()
        self.udp = network.bound(network.server, socket.SOCK_DGRAM, DNS, self.port)
        self.tcp = network.bound(network.server, socket.SOCK_STREAM, DNS, self.port)
        self.tcp.listen(100)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for sock in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def asked(self, host):
        return [asked for asked in self.queries if asked.host == host]

    def answers(self, message, tcp, peer):
        asked = Query(message, tcp, peer)
        self.queries.append(asked)
        answer = self.answer(asked)
        return answer if isinstance(answer, list) else [] if answer is None else [answer]

    def serve_udp(self):
        with contextlib.suppress(OSError):
            while True:
                message, peer = self.udp.recvfrom(65536)
                if not message:
                    return  # shut down
                threading.Thread(target=self.reply_udp, args=(message, peer), daemon=True).start()

    def reply_udp(self, message, peer):
        with contextlib.suppress(OSError):
            for answer in self.answers(message, False, peer):
                self.udp.sendto(answer, peer)

    def serve_tcp(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.reply_tcp, args=self.tcp.accept(), daemon=True).start()

    def reply_tcp(self, connection, peer):
        with contextlib.suppress(OSError, struct.error), connection:
            file = connection.makefile("rb")
            while True:
                message = file.read(struct.unpack("!H", file.read(2))[0])
                for answer in self.answers(message, True, peer):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)
