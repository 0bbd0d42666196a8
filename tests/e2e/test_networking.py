# SPDX-License-Identifier: Apache-2.0
"""The network: real programs with grants about names and addresses, and random rules against a model."""

import ipaddress
import itertools
import os
import random
import socket
import subprocess
import urllib.request

import harness
from harness import ACT, BASE, Started, answers_of, put, wait_for, wants
from network import A, A6, B, B6, CLIENT, DNS, PRIVATE, NetTest, at

CONNECT, LISTEN = "NETWORK_CONNECT:", "NETWORK_LISTEN:"


def told(run):
    return [wants(record) for record in run.records]


class Curl(NetTest):
    def curl(self, *words, grants, more=()):
        return self.run_it(["curl", "-q", "-sS", "--max-time", "20", *words], [CONNECT + grant for grant in grants],
                           ["-p", "tls", *self.net.dns, *more])

    def test_a_name_and_a_port(self):
        run = self.curl("http://www.example.com/", grants=["tcp://www.example.com:80"])
        self.assertEqual((run.status, told(run)), (0, []), run)
        self.assertRegex(run.stdout, f"^page of ({A}|{A6}) for www.example.com\n$")
        uses = {grant["capability"]: grant["uses"] for grant in run.result["grants"]}
        self.assertGreaterEqual(uses["NETWORK_CONNECT:tcp://www.example.com:80"], 1)

    def test_several_at_once(self):
        run = self.curl("http://v4.example.com/1", "http://v4.example.com:8080/2", f"http://[{B6}]/", "-Z",
                        grants=["v4.example.com:80", "v4.example.com:8080", f"[{B6}]:80"])
        self.assertEqual((run.status, told(run), len(run.stdout.splitlines())), (0, [], 3), run)

    def refused(self, url, status, *expected, grants=("tcp://v4.example.com:80",), options=()):
        run = self.curl(*options, url, grants=grants)
        self.assertEqual((run.status, run.stdout), (status, ""), run)
        self.assertEqual([(wants(record)[0][1], record["capability"].get("address")) for record in run.records],
                         list(expected), run)
        for record in run.records:
            self.assertEqual(harness.grants(record), harness.enough(record))

    def test_another_name_of_the_address(self):
        self.refused("http://same.example.com/", 6, ("same.example.com:*", None))

    def test_another_port(self):
        self.refused("http://v4.example.com:8080/", 7, ("tcp://v4.example.com:8080", A))

    def test_another_address(self):
        self.refused(f"http://{B}/", 7, (f"tcp://{B}:80", None))
        self.refused(f"http://{A}/", 7, (f"tcp://{A}:80", None))

    def test_another_address_by_the_granted_name(self):
        self.refused("http://v4.example.com/", 7, (f"tcp://{B}:80", None),
                     options=["--resolve", f"v4.example.com:80:{B}"])
        self.refused("http://v4.example.com/", 7, (f"tcp://{B}:80", None),
                     options=["--connect-to", f"v4.example.com:80:{B}:80"])

    def test_ipv6_where_only_ipv4_is_granted(self):
        self.refused(f"http://[{A6}]/", 7, (f"tcp://[{A6}]:80", None), grants=[f"tcp://{A}:80"])

    def test_a_proxy(self):
        self.refused("http://v4.example.com/", 7, (f"tcp://{B}:80", None), options=["--proxy", f"http://{B}:80"])

    def test_what_was_recorded_is_enough(self):
        """From nothing, run after run: each grants what the last one named, until curl has its page."""
        grants = ["v4.example.com:1"]
        for _ in range(4):
            run = self.curl("http://www.example.com:8080/x", grants=grants)
            if not run.records:
                break
            grants += [grant.removeprefix(CONNECT) for record in run.records for grant in harness.grants(record)
                       if grant]
        self.assertEqual((run.status, told(run)), (0, []), f"{grants}\n{run}")
        self.assertTrue(run.stdout.startswith("page of "))

    def test_audit(self):
        audit = self.curl("http://www.example.com:8080/x", grants=["v4.example.com:1"], more=["--mode", "audit"])
        self.assertEqual(audit.status, 0, audit)
        learned = sorted({grant for record in audit.records for grant in harness.grants(record) if grant})
        run = self.curl("http://www.example.com:8080/x", grants=[grant.removeprefix(CONNECT) for grant in learned])
        self.assertEqual((run.status, told(run)), (0, []), f"{learned}\n{run}")

    def test_as_another_user(self):
        run = self.curl("http://v4.example.com/", grants=["v4.example.com:80"], more=["--user", "nobody"])
        self.assertEqual((run.status, told(run)), (0, []), run)


class Python(NetTest):
    def python(self, code, *grants, more=()):
        script = put(BASE + "/tool.py", code)
        return self.run_it(["python3", script], [f"FILE_READ:{script}", *grants],
                           ["-p", "python", *self.net.dns, *more])

    def test_clients(self):
        run = self.python(f"""
import asyncio, http.client, socket, urllib.request
print(urllib.request.urlopen("http://www.example.com/a").read().decode().strip())
connection = http.client.HTTPConnection("v4.example.com", 8080)
connection.request("GET", "/")
print(connection.getresponse().read().decode().strip())
with socket.create_connection(("v4.example.com", 7)) as sock:
    sock.sendall(b"tcp")
    print(sock.recv(100).decode())
async def talk():
    reader, writer = await asyncio.open_connection("v4.example.com", 7)
    writer.write(b"async")
    print((await reader.read(100)).decode())
asyncio.run(talk())
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.sendto(b"udp", ("v4.example.com", 7))
print(udp.recvfrom(100))
udp.connect(("{A}", 7))
udp.send(b"again")
print(udp.recv(100).decode())
""", f"{CONNECT}*.example.com:80", f"{CONNECT}v4.example.com:8080", f"{CONNECT}www.example.com:80",
                          f"{CONNECT}v4.example.com:7")
        self.assertEqual((run.status, told(run)), (0, []), run)
        lines = run.stdout.splitlines()
        self.assertRegex(lines[0], f"^page of ({A}|{A6}) for www.example.com$")
        self.assertEqual(lines[1:], [f"page of {A} for v4.example.com:8080", f"{A}|tcp", f"{A}|async",
                                     f"(b'{A}|udp', ('{A}', 7))", f"{A}|again"])

    def test_refusals(self):
        """As exceptions that programs know."""
        run = self.python(f"""
import socket
def attempt(call, *args):
    try:
        call(*args)
        print("done")
    except OSError as problem:
        print(type(problem).__name__)
attempt(socket.create_connection, ("{B}", 7))
attempt(socket.create_connection, ("v4.example.com", 80))
attempt(socket.create_connection, ("evil.example.com", 80))
attempt(socket.create_server, ("127.0.0.1", 5000))
attempt(socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto, b"x", ("{B}", 7))
attempt(socket.socket, socket.AF_PACKET, socket.SOCK_RAW)
attempt(socket.create_connection, ("v4.example.com", 7))
attempt(socket.getaddrinfo, "192.0.2.1", 80)
print(len(socket.if_nameindex()) > 1)
""", f"{CONNECT}v4.example.com:7")
        self.assertEqual(run.stdout.split(), ["PermissionError", "PermissionError", "gaierror", "PermissionError",
                                              "PermissionError", "PermissionError", "done", "done", "True"], run)
        self.assertEqual([wants(record)[0][1] for record in run.records],
                         [f"tcp://{B}:7", "tcp://v4.example.com:80", "evil.example.com:*", "tcp://127.0.0.1:5000",
                          f"udp://{B}:7", "socket:family=17,type=3,protocol=0"], run)

    def test_a_server(self):
        """Python's own, reached from outside; its answers need no grant of their own."""
        page = put(BASE + "/pages/index.html", "the page\n")
        script = put(BASE + "/server.py", f"""
import http.server, socketserver
class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):  # without looking its own name up
        socketserver.TCPServer.server_bind(self)
class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory="{BASE}/pages")
with Server(("{CLIENT}", 8000), Handler) as server:
    server.serve_forever()
""")
        started = self.start(["python3", script], [f"FILE_READ:{script}", f"FILE_READ:{BASE}/pages/**",
                                                   f"{LISTEN}{CLIENT}:8000"],
                             ["-p", "python", *self.net.dns])
        url = f"http://{CLIENT}:8000/index.html"

        def fetch():
            with harness.contextlib.suppress(OSError), self.net.server.inside():
                return urllib.request.urlopen(url, timeout=5).read()
        self.assertEqual(wait_for(fetch, 60, "the server"), b"the page\n", page)
        started.process.terminate()
        run = started.end()
        self.assertEqual([wants(record) for record in run.records], [], run)

    def test_a_server_for_itself(self):
        """Both ends in one run: to listen needs a grant, and so does to connect."""
        code = """
import socket, threading
with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]
    threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
    print(socket.create_connection(("127.0.0.1", port)).recv(100))
"""
        run = self.python(code, f"{LISTEN}tcp://127.0.0.1:0", f"{CONNECT}tcp://127.0.0.1:1024-65535")
        self.assertEqual((run.status, run.stdout, told(run)), (0, "b'hello'\n", []), run)

    def test_processes(self):
        """Unix sockets and pipes among the run's own processes work."""
        run = self.python("""
import asyncio, multiprocessing, multiprocessing.connection, os, socket
def worker(end, name):
    end.send("from a child")
    multiprocessing.connection.Client(name).send("and again")
if __name__ == "__main__":
    name = os.environ["TMPDIR"] + "/listener"
    with multiprocessing.connection.Listener(name) as listener:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=worker, args=(theirs, name))
        process.start()
        print(ours.recv(), listener.accept().recv())
        process.join()
    one, two = socket.socketpair()
    one.sendall(b"x")
    print(two.recv(1))
    asyncio.run(asyncio.sleep(0))
""")
        self.assertEqual((run.status, run.stdout, told(run)), (0, "from a child and again\nb'x'\n", []), run)


class Tools(NetTest):
    def test_netcat(self):
        for words, grants, status, resources in (
                (["-z", "-w", "5", "v4.example.com", "7"], ["tcp://v4.example.com:7"], 0, []),
                (["-z", "-w", "5", A, "7"], [f"tcp://{A}:7"], 0, []),
                (["-z", "-w", "5", A, "80"], [f"tcp://{A}:7"], 1, [f"tcp://{A}:80"]),
                (["-z", "-w", "5", B, "7"], [f"tcp://{A}:7"], 1, [f"tcp://{B}:7"]),
                (["-z", "-w", "5", "other.example.com", "7"], ["tcp://v4.example.com:7"], 1, ["other.example.com:*"]),
                (["-l", "127.0.0.1", "5001"], [f"tcp://{A}:7"], 1, ["tcp://127.0.0.1:5001"])):
            run = self.run_it(["nc", *words], [CONNECT + grant for grant in grants], self.net.dns)
            told = [wants(record)[0][1] for record in run.records if wants(record)[0][0].startswith("NETWORK")]
            self.assertEqual((run.status, told), (status, resources), run)

    def test_getent(self):
        run = self.run_it(["getent", "ahosts", "www.example.com"], [f"{CONNECT}tcp://www.example.com:443"],
                          self.net.dns)
        self.assertEqual((run.status, told(run)), (0, []), run)
        self.assertEqual({line.split()[0] for line in run.stdout.splitlines()}, {A, A6}, run)
        run = self.run_it(["getent", "ahosts", "other.example.com"], [f"{CONNECT}tcp://www.example.com:443"],
                          self.net.dns)
        self.assertEqual((run.status, [wants(record) for record in run.records]),
                         (2, [[("NETWORK_CONNECT", "other.example.com:*")]]), run)

    def test_the_order_of_addresses(self):
        """glibc sorts what it has found by connecting UDP sockets. The run sees what others see."""
        resolv = put(BASE + "/resolv", f"nameserver {DNS}\n")
        outside = harness.shell(*self.net.client.wrap, "unshare", "-m", "sh", "-c",
                                f"mount --bind {resolv} /etc/resolv.conf && getent ahosts www.example.com")
        run = self.run_it(["getent", "ahosts", "www.example.com"], [f"{CONNECT}tcp://www.example.com:443"],
                          self.net.dns)
        self.assertEqual(run.stdout, outside)

    @harness.alone
    def test_the_name_service_cache(self):
        """nscd's socket, which glibc tries before all else, is expected to be refused: no record of it."""
        path = "/var/run/nscd/socket"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with socket.socket(socket.AF_UNIX) as nscd:
            nscd.bind(path)
            nscd.listen(5)
            self.addCleanup(os.unlink, path)
            run = self.run_it(["getent", "ahosts", "v4.example.com"], [f"{CONNECT}v4.example.com:80"], self.net.dns)
            self.assertEqual((run.status, told(run)), (0, []), run)
            self.assertGreater(run.result["counters"]["quiet"], 0, run.result)

    def test_metadata(self):
        """The same from a tool's own metadata, with conditions."""
        tool = put(BASE + "/tool.yaml", f"""
name: fetch
capabilities_required:
  - type: NETWORK_CONNECT
    resource: v4.example.com:80
    conditions: {{proto: tcp}}
  - network.connect:private.example.com:80{{private=yes,proto=tcp}}
  - network.connect:udp://{B}:7
""")
        run = self.run_it(["curl", "-q", "-sS", "http://v4.example.com/", "http://private.example.com/"],
                          words=["-m", tool, "-p", "tls", *self.net.dns])
        self.assertEqual((run.status, run.stdout, told(run)),
                         (0, f"page of {A} for v4.example.com\npage of {PRIVATE} for private.example.com\n", []), run)


# Random rules

NETWORKS4 = ["192.0.2.0/24", "10.20.0.0/16", "127.0.0.0/8", "100.64.0.0/10", "8.8.8.0/24"]
NETWORKS6 = ["2001:db8:5::/48", "fd12:3456::/32", "::1/128", "2a00:1450::/28"]


def random_network(rng, version=None):
    base = ipaddress.ip_network(rng.choice({4: NETWORKS4, 6: NETWORKS6}.get(version) or NETWORKS4 + NETWORKS6))
    bits = rng.choice([0, base.prefixlen, base.max_prefixlen, rng.randint(base.prefixlen, base.max_prefixlen),
                       rng.randint(base.prefixlen, base.max_prefixlen)])
    if bits == 0 and rng.random() < 0.8:
        bits = base.max_prefixlen
    inside = int(base.network_address) + rng.randrange(base.num_addresses)
    return ipaddress.ip_network((inside >> (base.max_prefixlen - bits) << (base.max_prefixlen - bits), bits))


class Rule:
    """One grant about addresses: its text, and what it covers."""

    def __init__(self, rng, type_, ports):
        self.network = random_network(rng)
        self.protocols = rng.choice([{"tcp"}, {"udp"}, {"tcp", "udp"}, {"tcp", "udp"}])
        self.first = rng.choice(ports)
        self.last = self.first
        kind = rng.randrange(5)
        if kind == 0:
            self.first, self.last = 0, 65535
        elif kind < 3:
            self.last = min(65535, self.first + rng.choice([1, 2, 10, 255, 256, 5000]))
        self.type = type_
        self.text = type_ + self.written(rng, kind)

    def written(self, rng, kind):
        network = self.network
        host = str(network if network.prefixlen < network.max_prefixlen or rng.random() < 0.1
                   else network.network_address)
        if network.version == 6:
            host = f"[{host}]" if rng.random() < 0.5 else "[" + host.replace("/", "]/") + ("" if "/" in host else "]")
        port = "*" if kind == 0 else str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        only = next(iter(self.protocols)) if len(self.protocols) == 1 else None
        if only and rng.random() < 0.5:
            return f"{host}:{port}{{proto={only}}}"
        return (f"{only}://" if only else "") + f"{host}:{port}"

    def covers(self, protocol, address, port):
        return protocol in self.protocols and address in self.network and self.first <= port <= self.last

    def near(self, rng):
        """An address that is in the network, or just beside it, or anywhere."""
        first, last = int(self.network.network_address), int(self.network.broadcast_address)
        most = (1 << self.network.max_prefixlen) - 1
        value = rng.choice([first, last, first - 1, last + 1, rng.randint(first, last),
                            first ^ (1 << rng.randrange(self.network.max_prefixlen))])
        kind = ipaddress.IPv4Address if self.network.version == 4 else ipaddress.IPv6Address
        return kind(min(max(value, 0), most))

    def near_port(self, rng):
        return min(max(rng.choice([self.first, self.last, self.first - 1, self.last + 1,
                                   rng.randint(self.first, self.last)]), 1), 65535)


def dull(address):
    """Is the kernel's own answer about @address another matter than that there is no way to it?"""
    return address.is_multicast or address.is_unspecified or (address.version == 4
                                                              and int(address) >> 24 in (0, 240, 255)) or \
        (address.version == 6 and (address.ipv4_mapped is not None or address.is_link_local)) or \
        address in ipaddress.ip_network("10.9.0.0/24") or str(address) in ("127.255.255.255", "255.255.255.255")


def place_of(address, port):
    """As records have it: inet_ntop() ends some addresses of IPv6 with dots, and Python's own doesn't."""
    return at(socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed), port)


class Differential(NetTest):
    SETS, DESTINATIONS = 6, 1500
    PORTS = [1, 7, 53, 80, 255, 256, 257, 443, 1024, 4095, 4096, 8080, 32767, 32768, 65280, 65534, 65535]

    def ask_all(self, rules, operations):
        """@return (answers, run) of @operations, each a text for the probe."""
        started = Started(["--ring-bytes", "16777216", *(word for rule in rules for word in ("-c", rule.text))],
                          [ACT, "-"], stdin=subprocess.PIPE, **self.how())
        stdout, stderr = started.process.communicate("".join(text.replace(" ", "\t") + "\n" for text in operations),
                                                     timeout=300)
        run = started.end()
        run.stdout, run.stderr = stdout, stderr
        return [answer for _, answer in answers_of(stdout)], run

    def compare(self, seed, rules, planned):
        """@planned: [(operation, resource or None if it must be let through)]."""
        answers, run = self.ask_all(rules, [text for text, _ in planned])
        self.assertEqual(len(answers), len(planned), run)
        wrong = [f"{text}: {answer}, {'refused' if resource else 'granted'} expected" for (text, resource), answer in
                 zip(planned, answers) if (answer == "EACCES") != bool(resource)]
        self.assertEqual(wrong[:20], [], f"seed {seed}: {[rule.text for rule in rules]}")
        expected = [(rules[0].type[:-1], resource) for _, resource in planned if resource]
        differ = [pair for pair in itertools.zip_longest([wants(record)[0] for record in run.records], expected)
                  if pair[0] != pair[1]]
        self.assertEqual(differ[:20], [], f"seed {seed}")
        return sum(1 for _, resource in planned if resource)

    def test_connect(self):
        """Datagrams to, and connections to, addresses about the edges of rules."""
        refused = total = 0
        for seed in range(self.SETS):
            rng = random.Random(seed)
            rules = [Rule(rng, CONNECT, self.PORTS) for _ in range(rng.choice([1, 3, 10, 40, 120]))]
            planned = []
            while len(planned) < self.DESTINATIONS:
                rule = rng.choice(rules)
                address, port = rule.near(rng), rule.near_port(rng)
                if dull(address):
                    continue
                protocol = rng.choice(["udp", "udp", "tcp"])
                way = "sendto" if protocol == "udp" else "connect"
                place = place_of(address, port)
                if address.version == 4 and rng.random() < 0.3:
                    text = f"sock {protocol}6 {way} [::ffff:{address}]:{port}"
                else:
                    text = f"sock {protocol} {way} {place}"
                granted = any(one.covers(protocol, address, port) for one in rules)
                planned.append((text, None if granted else f"{protocol}://{place}"))
            refused += self.compare(seed, rules, planned)
            total += len(planned)
        self.assertTrue(0.2 < refused / total < 0.8, f"{refused} of {total}")

    def test_connected_datagrams(self):
        """A UDP socket may be connected to an address that is granted for anything, and to no other."""
        for seed in range(100, 104):
            rng = random.Random(seed)
            rules = [Rule(rng, CONNECT, self.PORTS) for _ in range(rng.choice([2, 10, 40]))]
            planned = []
            while len(planned) < self.DESTINATIONS:
                address, port = rng.choice(rules).near(rng), rng.choice(self.PORTS)
                if dull(address):
                    continue
                granted = any(address in rule.network for rule in rules)
                planned.append((f"sock udp connect {place_of(address, port)}",
                                None if granted else f"udp://{place_of(address, port)}"))
            self.compare(seed, rules, planned)

    def test_listen(self):
        """bind() to addresses, of which most aren't this host's: the kernel says so, where obmon lets it be asked."""
        for seed in range(200, 206):
            rng = random.Random(seed)
            ports = [port for port in self.PORTS if port >= 1024]
            rules = [Rule(rng, LISTEN, ports) for _ in range(rng.choice([1, 5, 30]))]
            planned = []
            while len(planned) < self.DESTINATIONS:
                rule = rng.choice(rules)
                address, port, protocol = rule.near(rng), max(rule.near_port(rng), 1024), rng.choice(["tcp", "udp"])
                if dull(address):
                    continue
                granted = any(one.covers(protocol, address, port) for one in rules)
                place = place_of(address, port)
                planned.append((f"sock {protocol} bind {place}", None if granted else f"{protocol}://{place}"))
            self.compare(seed, rules, planned)
