# SPDX-License-Identifier: Apache-2.0
"""Random operations under random rules: the kernel's answers against a model of the semantics.

The model knows what the documentation says and none of obmon's code: which rights a name has (globs as nondeterministic
automata, from userspace/cap/glob.h), what each operation needs, and what the operation does to a tree of files. Only
operations whose answer the documentation fixes are done.
"""

import os
import random
import shutil

from harness import ACT, BASE, Started, Test, answers_of, options, wants

ROOT = BASE + "/diff"
NAMES = ("a", "b", "ab", "x.c", "y.c", ".h", "c")
LETTERS = b"abcxyh.*"
OTHER = ord("q")
SETS = 12
OPERATIONS = 900
TYPES = {"FILE_READ": "R", "FILE_WRITE": "W", "EXTERNAL_COMMAND": "X", "LIBRARY_LOAD": "L"}


class Glob:
    """One brace-free pattern as an automaton: a list of tokens, a state is a set of places in it."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.steps = {}
        self.start = self.closed({(0, False)})

    def closed(self, places):
        """With what can be reached without a byte. A place is (token, whether within what it matches)."""
        todo, found = list(places), set(places)
        while todo:
            i, inside = todo.pop()
            kind = self.tokens[i][0] if i < len(self.tokens) else None
            if (kind in ("star", "deep")) or (kind == "dirs" and not inside):
                further = (i + 1, False)
                if further not in found:
                    found.add(further)
                    todo.append(further)
        return frozenset(found)

    def step(self, state, byte):
        if (state, byte) not in self.steps:
            self.steps[state, byte] = self.find_step(state, byte)
        return self.steps[state, byte]

    def find_step(self, state, byte):
        places = set()
        for i, inside in state:
            if i == len(self.tokens):
                continue
            kind, what = self.tokens[i]
            if kind == "byte" and byte in what:
                places.add((i + 1, False))
            elif kind == "star" and byte != 47 or kind == "deep":
                places.add((i, inside))
            elif kind == "dirs":
                places.add((i, True))
                if byte == 47:
                    places.add((i + 1, False))
            elif kind == "tail" and (inside or byte == 47):
                places.add((i, True))
        return self.closed(places)

    def accepts(self, state):
        end = len(self.tokens)
        return any(i == end or (i == end - 1 and self.tokens[i][0] == "tail") for i, _ in state)


def literal(text):
    return [("byte", frozenset([byte])) for byte in text.encode()]


NOT_SLASH = frozenset(range(1, 256)) - {47}


def random_component(rng):
    """(text, [alternatives of tokens], has a wildcard)"""
    kind = rng.randrange(10)
    if kind < 4:
        name = rng.choice(NAMES)
        return name, [literal(name)], False
    if kind < 6:
        return "*", [[("byte", NOT_SLASH), ("star", None)]], True  # a component is never empty
    if kind == 6:
        return "*.c", [[("star", None)] + literal(".c")], True
    if kind == 7:
        return "?", [[("byte", NOT_SLASH)]], True
    if kind == 8:
        return "[!a-b]*", [[("byte", NOT_SLASH - {97, 98}), ("star", None)]], True
    one, two = rng.sample(NAMES, 2)
    return f"{{{one},{two}}}", [literal(one), literal(two)], False


def pattern(components):
    """The tokens of components; "**" stands for itself."""
    tokens, after_dirs = [], False
    for i, component in enumerate(components):
        if component == "**":
            if i == len(components) - 1:
                if after_dirs:
                    tokens.append(("deep", None))
                else:
                    tokens.append(("tail", None))
            elif not after_dirs:
                tokens += literal("/") + [("dirs", None)]
                after_dirs = True
            continue
        if not after_dirs:
            tokens += literal("/")
        tokens += component
        after_dirs = False
    return tokens


def is_wild(component):
    return component == "**" or any(kind != "byte" or len(what) != 1 for kind, what in component)


def listings(components):
    """What stands before each component with a wildcard; from a ** on, what it crosses as well."""
    found = []
    for i, component in enumerate(components):
        if is_wild(component):
            found.append(components[:i])
        if component == "**" and i < len(components) - 1:
            found.append(components[:i + 1])
    return found


class Rules:
    """A random set: what a name gives."""

    def __init__(self, rng):
        self.texts, self.globs = [], []
        for _ in range(rng.randint(2, 9)):
            self.add(rng, rng.choice(list(TYPES)) if rng.random() < 0.4 else rng.choice(["FILE_READ", "FILE_WRITE"]))
        for _ in range(2):
            self.add(rng, "FILE_WRITE")

    def add(self, rng, type_):
        parts, depth = [], rng.randint(1, 4)
        for i in range(depth):
            if rng.random() < 0.25 and not (parts and parts[-1][0] == "**"):
                parts.append(("**", ["**"], True))
            else:
                parts.append(random_component(rng))
        self.texts.append(f"{type_}:{ROOT}/" + "/".join(text for text, _, _ in parts))
        alternatives = [[]]
        for _, choices, _ in parts:
            alternatives = [done + [choice] for done in alternatives for choice in choices]
        base = [literal(name) for name in ROOT[1:].split("/")]
        for components in alternatives:
            self.globs.append((TYPES[type_], Glob(pattern(base + components))))
            if type_ == "FILE_READ":
                self.globs += [("D", Glob(pattern(folder))) for folder in listings(base + components) if folder]

    def states(self, path):
        found = [glob.start for _, glob in self.globs]
        for byte in path.encode():
            found = self.step(found, byte)
        return tuple(found)

    def step(self, states, byte):
        return tuple(glob.step(state, byte) if state else state for (_, glob), state in zip(self.globs, states))

    def given(self, states):
        return frozenset(right for (right, glob), state in zip(self.globs, states) if state and glob.accepts(state))

    def rights(self, path):
        return self.given(self.states(path))

    def in_effect(self, states, as_paths):
        """What these states give; @as_paths: FILE_READ of a folder lets it be listed, however that is written."""
        given = self.given(states)
        return given | {"D"} if as_paths and "R" in given else given

    def same_future(self, one, two, as_paths):
        """Do both names give the same to whatever may follow? @as_paths: only to what can follow the name of a
        folder, and in effect."""
        todo = [(self.states(one), self.states(two), "end")]
        seen = set(todo)
        while todo:
            a, b, phase = todo.pop()
            if phase != "slash" and self.in_effect(a, as_paths) != self.in_effect(b, as_paths):
                return False
            for byte in [47, OTHER, *LETTERS]:
                if as_paths and (byte == 47 and phase == "slash" or byte != 47 and phase == "end"):
                    continue
                state = (self.step(a, byte), self.step(b, byte),
                         ("slash" if byte == 47 else "name") if as_paths else "any")
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
        return True


class File:
    pass


class World:
    """A tree of files, and what the kernel must answer. An operation that isn't fixed gives None."""

    def __init__(self, rng):
        self.rng = rng
        self.rules = Rules(rng)
        self.top = {}
        self.done, self.answers, self.records = [], [], []
        self.memory = {}
        for _ in range(14):
            self.grow()

    def grow(self):
        """A file or folder to begin with."""
        folder, path = self.top, ROOT
        for _ in range(self.rng.randint(0, 3)):
            name = self.rng.choice(NAMES)
            path += "/" + name
            if not isinstance(folder.setdefault(name, {}), dict):
                return
            folder = folder[name]
            os.makedirs(path, exist_ok=True)
        name = self.rng.choice(NAMES)
        if name not in folder:
            folder[name] = File()
            with open(f"{path}/{name}", "wb") as file:
                file.write(b"x" * 8192)

    def rights(self, path):
        if path not in self.memory:
            self.memory[path] = self.rules.rights(path)
        return self.memory[path]

    def find(self, path):
        """(folder, name, node or None); None if the folder isn't there, and what the kernel says then."""
        parts = path[len(ROOT) + 1:].split("/")
        folder = self.top
        for part in parts[:-1]:
            if part not in folder:
                return None, "ENOENT", None
            folder = folder[part]
            if not isinstance(folder, dict):
                return None, "ENOTDIR", None
        return folder, parts[-1], folder.get(parts[-1])

    def somewhere(self, exists):
        """A path; mostly one that exists (or the other way round), sometimes any."""
        path, folder = ROOT, self.top
        while True:
            choices = list(folder) if exists and folder else list(NAMES)
            name = self.rng.choice(choices)
            path += "/" + name
            node = folder.get(name)
            if not isinstance(node, dict) or (exists and self.rng.random() < 0.35) or path.count("/") > 8:
                return path
            folder = node

    def refuse(self, *records):
        """Refused, and what is recorded: each (rights, path)."""
        return "EACCES", [(type_, path) for rights, path in records for type_ in rights]

    def need(self, path, *types):
        """The records' part about @path."""
        rights = self.rights(path)
        return [type_ for type_ in types if TYPES[type_] not in rights and
                not (type_ == "LIBRARY_LOAD" and "X" in rights)]

    def plan(self):
        """Some operation: (words, answer, what is recorded, what it does)."""
        return self.rng.choice([self.open, self.open, self.open, self.make, self.make, self.remove, self.change,
                                self.list, self.map, self.link, self.rename, self.rename, self.rename])()

    def open(self):
        flags = self.rng.choice([0, 1, 2, 0o100 | 1, 0o100 | 2, 0o1000, 0o1001, 0o301, 0o100])
        path = self.somewhere(self.rng.random() < 0.8)
        folder, name, node = self.find(path)
        words = ("open", path, str(flags))
        if folder is None:
            return words, name, [], None
        if isinstance(node, dict):
            return None
        need = ["FILE_READ"] * (flags & 3 in (0, 2)) + ["FILE_WRITE"] * (flags & 3 in (1, 2) or bool(flags & 0o1000))
        missing = self.need(path, *need)
        if node is None:
            if not flags & 0o100:
                return words, "ENOENT", [], None
            if self.need(path, "FILE_WRITE"):
                return words, *self.refuse((["FILE_WRITE"], path)), None
            # Made, and then perhaps not opened.
            answer = self.refuse((missing, path)) if missing else ("ok", [])
            return words, *answer, lambda: folder.__setitem__(name, File())
        if flags & 0o300 == 0o300:
            return words, "EEXIST", [], None
        return words, *(self.refuse((missing, path)) if missing else ("ok", [])), None

    def guarded(self, words, path, otherwise, effect):
        """What needs FILE_WRITE on @path, and comes to @otherwise if it has it."""
        if self.need(path, "FILE_WRITE"):
            return words, *self.refuse((["FILE_WRITE"], path)), None
        return words, otherwise, [], effect if otherwise == "ok" else None

    def make(self):
        op = self.rng.choice(["mkdir", "symlink", "mknod"])
        path = self.somewhere(self.rng.random() < 0.15)
        folder, name, node = self.find(path)
        words = {"mkdir": ("mkdir", path), "symlink": ("symlink", "nowhere", path),
                 "mknod": ("mknod", path, "0100000", "0", "0")}[op]
        if folder is None:
            return words, name, [], None
        if node is not None:
            return words, "EEXIST", [], None
        if op == "symlink":
            return None if not self.need(path, "FILE_WRITE") else self.guarded(words, path, "ok", None)
        return self.guarded(words, path, "ok", lambda: folder.__setitem__(name, {} if op == "mkdir" else File()))

    def remove(self):
        op = self.rng.choice(["unlink", "rmdir"])
        path = self.somewhere(True)
        folder, name, node = self.find(path)
        if folder is None or node is None:
            return (op, path), name if folder is None else "ENOENT", [], None
        is_folder = isinstance(node, dict)
        if op == "unlink":
            otherwise = "EISDIR" if is_folder else "ok"
        else:
            otherwise = "ENOTDIR" if not is_folder else "ENOTEMPTY" if node else "ok"
        return self.guarded((op, path), path, otherwise, lambda: folder.__delitem__(name))

    def change(self):
        op = self.rng.choice(["truncate", "chmod", "utimens", "lchown"])
        path = self.somewhere(True)
        folder, name, node = self.find(path)
        words = (op, path, "0755") if op == "chmod" else (op, path)
        if folder is None or node is None:
            return words, name if folder is None else "ENOENT", [], None
        if op == "truncate" and isinstance(node, dict):
            return words, "EISDIR", [], None
        return self.guarded(words, path, "ok", None)

    def list(self):
        path = self.somewhere(True)
        folder, _, node = self.find(path)
        if folder is None or not isinstance(node, dict):
            return None
        if self.rights(path) & {"R", "D"}:
            return ("list", path), "ok", [], None
        return ("list", path), *self.refuse((["FILE_READ"], path)), None

    def map(self):
        path = self.somewhere(True)
        folder, _, node = self.find(path)
        if folder is None or not isinstance(node, File):
            return None
        for type_ in ("FILE_READ", "LIBRARY_LOAD"):
            if self.need(path, type_):
                return ("mmap_exec", path), *self.refuse(([type_], path)), None
        return ("mmap_exec", path), "ok", [], None

    def moving(self, old, new, node):
        """May what is called @old be called @new? True, False, or None if the documentation leaves it open."""
        if isinstance(node, dict):
            if self.rules.same_future(old, new, False):
                return True
            return None if self.rules.same_future(old, new, True) else False
        gained = self.rights(new) - self.rights(old)
        return None if gained == {"D"} else not gained

    def link(self):
        old, new = self.somewhere(True), self.somewhere(False)
        old_folder, old_name, node = self.find(old)
        new_folder, new_name, there = self.find(new)
        if old_folder is None or not isinstance(node, File) or new_folder is None or there is not None:
            return None
        return self.two(("link", old, new), old, new, [(old, new, node)], "ok",
                        lambda: new_folder.__setitem__(new_name, node))

    def two(self, words, old, new, moves, otherwise, effect):
        missing = [(self.need(path, "FILE_WRITE"), path) for path in (old, new)]
        if missing[0][0] or missing[1][0]:
            return words, *self.refuse(*missing), None
        allowed = [self.moving(*move) for move in moves]
        if False in allowed:
            return words, "EXDEV", [None], None
        if None in allowed:
            return None
        return words, otherwise, [], effect if otherwise == "ok" else None

    def rename(self):
        op = self.rng.choice(["rename", "rename", "exchange", "noreplace"])
        old, new = self.somewhere(True), self.somewhere(op == "exchange" or self.rng.random() < 0.3)
        old_folder, old_name, node = self.find(old)
        new_folder, new_name, there = self.find(new)
        if old_folder is None or new_folder is None or node is None or old == new:
            return None
        if old.startswith(new + "/") or new.startswith(old + "/"):
            return None
        if node is there:  # two names of one file: nothing happens
            return None
        if op == "exchange":
            if there is None:
                return (op, old, new), "ENOENT", [], None

            def exchange():
                old_folder[old_name], new_folder[new_name] = there, node
            return self.two((op, old, new), old, new, [(old, new, node), (new, old, there)], "ok", exchange)
        if op == "noreplace" and there is not None:
            return (op, old, new), "EEXIST", [], None
        otherwise = "ok"
        if there is not None:
            if isinstance(node, dict) != isinstance(there, dict):
                otherwise = "ENOTDIR" if isinstance(node, dict) else "EISDIR"
            elif there and isinstance(there, dict):
                otherwise = "ENOTEMPTY"

        def move():
            del old_folder[old_name]
            new_folder[new_name] = node
        return self.two((op, old, new), old, new, [(old, new, node)], otherwise, move)

    def run(self, count):
        while len(self.done) < count:
            planned = self.plan()
            if planned is None:
                continue
            words, answer, records, effect = planned
            self.done.append(words)
            self.answers.append(answer)
            if records:
                self.records.append(records)
            if effect:
                effect()


class Differential(Test):
    def one_set(self, seed):
        shutil.rmtree(ROOT, ignore_errors=True)
        os.makedirs(ROOT)
        world = World(random.Random(seed))
        world.run(OPERATIONS)
        script = "".join("\t".join(words) + "\n" for words in world.done)
        path = ROOT + "-script"
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        with open(path, "rb") as stdin:
            run = Started(options(world.rules.texts, ring_bytes=1 << 20), [ACT, "-"], stdin=stdin).end()
        told = "set %d:\n  %s\n" % (seed, "\n  ".join(world.rules.texts))
        answers = [answer for _, answer in answers_of(run.stdout)]
        for i, (words, wanted) in enumerate(zip(world.done, world.answers)):
            got = answers[i].split(" ")[0] if i < len(answers) else "nothing"
            if got != wanted:
                names = "\n".join(f"  {word}: {sorted(world.rules.rights(word))}" for word in words if "/" in word)
                self.fail(f"{told}operation {i}, {words}: the kernel says {got}, the model {wanted}\n{names}")
        self.assertEqual(len(answers), len(world.done))
        self.check_records(run, world, told)
        return world

    def check_records(self, run, world, told):
        found = run.records + run.probes
        found.sort(key=lambda record: record["seq"])
        self.assertEqual(len(found), len(world.records), told)
        for record, wanted in zip(found, world.records):
            if wanted == [None]:
                self.assertEqual(record["error"]["errno"], "EXDEV", told)
            else:
                self.assertEqual(sorted(wants(record)), sorted(wanted), told)
        self.assertEqual(run.probes, [], "all of these names were known to the kernel")

    def test_random_operations(self):
        """The answers, the records, and that there is some of everything in it."""
        seen = {}
        for seed in range(SETS):
            world = self.one_set(seed)
            for words, answer in zip(world.done, world.answers):
                key = f"{words[0]} {answer}"
                seen[key] = seen.get(key, 0) + 1
        self.assertGreaterEqual(sum(seen.values()), 10_000)
        for key in ("open ok", "open EACCES", "open ENOENT", "rename ok", "rename EACCES", "rename EXDEV",
                    "exchange ok", "exchange EXDEV", "link ok", "link EXDEV", "mkdir ok", "unlink ok", "rmdir EACCES",
                    "list ok", "list EACCES", "mmap_exec EACCES", "mmap_exec ok"):
            self.assertGreater(seen.get(key, 0), 2, seen)
        shutil.rmtree(ROOT)
