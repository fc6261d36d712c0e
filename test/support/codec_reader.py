#!/usr/bin/env python3
"""A decoder of the columnar codec, written from docs/reference/codec.md. Section numbers are those of that page.

Reads lines of `npm -s run chains` from stdin. Prints the values read from the first chain that differs, and the number
of chains read. Needs only Python 3.8. It checks the page; it is not fast, and lacks the page's limits.
"""

import json
import math
import re
import struct
import sys

M32 = 0xFFFFFFFF
LIMIT = 2**52


class Malformed(Exception):
    pass


def imul(a, b):
    return (a * b) & M32


def bit_length(n):
    return n.bit_length()


# ---- 1. The arithmetic coder


class Decoder:
    def __init__(self, codec):
        self.codec = codec
        self.contexts = Contexts(4096)
        self.weights = [[23593] * 3 for _ in range(64)]

    def begin(self, data):
        self.data = data
        self.at = 4
        self.low = 0
        self.high = 0x7FFFFFFF
        self.window = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def shift(self):
        while (self.low ^ self.high) & 0x7F800000 == 0:
            byte = self.data[self.at] if self.at < len(self.data) else 0
            self.at += 1
            self.window = (self.window << 8 | byte) & M32
            self.low = (self.low << 8) & 0x7FFFFFFF
            self.high = (self.high << 8) & 0x7FFFFFFF | 0xFF

    def split(self, chance):
        span = self.high - self.low
        middle = self.low + (span >> 16) * chance + ((span & 0xFFFF) * chance >> 16)
        if self.window >> 1 <= middle:
            bit = 1
            self.high = middle
        else:
            bit = 0
            self.low = middle + 1
        self.shift()
        return bit

    def raw(self, width):
        value = 0
        while width > 0:
            k = min(width, 8)
            width -= k
            value = value << k | self.chunk(k)
        return value

    def chunk(self, k):
        unit = (self.high - self.low) >> k
        if unit == 0:
            value = 0
            for _ in range(k):
                value = value << 1 | self.split(32768)
            return value
        last = (1 << k) - 1
        value = min(last, ((self.window >> 1) - self.low) // unit)
        if value < last:
            self.high = self.low + unit * (value + 1) - 1
        self.low += unit * value
        self.shift()
        return value

    # ---- 2. Four ways to code bits

    def at_context(self, table, place):
        bit = self.split(table.chances[place])
        table.learn(place, bit)
        return bit

    def bit(self, id, situation, place):
        return self.at_context(self.contexts, self.contexts.lookup(id, situation) + place)

    def bit_or(self, id, other_id, situation, place):
        table = self.contexts
        context = table.lookup(id, situation) + place
        if table.counts[context] >= 3:
            return self.at_context(table, context)
        return self.beside(context, table.lookup(other_id, situation) + place)

    def beside(self, context, other):
        table = self.contexts
        bit = self.split(table.chances[other])
        table.learn(context, bit)
        table.learn(other, bit)
        return bit

    def tree_or(self, width, id, other_id, situation, before):
        table = self.contexts
        slot = table.lookup(id, situation) + before
        other = None
        node = 1
        for _ in range(width):
            if table.counts[slot + node] >= 3:
                bit = self.at_context(table, slot + node)
            else:
                if other is None:
                    other = table.lookup(other_id, situation) + before
                bit = self.beside(slot + node, other + node)
            node = node << 1 | bit
        return node - (1 << width)

    def tree(self, width, id, situation):
        return self.tree_at(self.contexts, width, self.contexts.lookup(id, situation))

    def tree_at(self, table, width, slot):
        node = 1
        for _ in range(width):
            node = node << 1 | self.at_context(table, slot + node)
        return node - (1 << width)

    # ---- 3. The mixer

    def mixed_bit(self, situations, place, s):
        """If the first context is sure, the others are not looked up."""
        table = self.contexts
        slots = [table.lookup(*situations[0])]
        if not table.is_sure(slots[0] + place):
            slots += [table.lookup(*situation) for situation in situations[1:]]
        return self.mixed(table, slots, place, s)

    def mixed(self, table, slots, place, s):
        if table.is_sure(slots[0] + place):
            return self.at_context(table, slots[0] + place)
        places = [slot + place for slot in slots]
        count = table.counts[places[0]]
        age = 0 if count < 2 else 1 if count < 6 else 2 if count < 24 else 3
        weights = self.weights[4 * s + age]
        inputs = [STRETCHED[table.chances[p] >> 4] for p in places]
        total = sum(x * w for x, w in zip(inputs, weights))
        chance = SQUASHED[min(4095, max(0, (total >> 16) + 2048))]
        bit = self.split(chance)
        error = (bit * 65536 - chance) * 5
        for i, x in enumerate(inputs):
            weights[i] = min(262143, max(-262143, weights[i] + (error * x + 32768 >> 16)))
        # A context that two inputs name learns only once.
        for p in set(places):
            table.learn(p, bit)
        return bit

    def mixed_tree(self, width, table, slots, s, before=0):
        node = 1
        for _ in range(width):
            node = node << 1 | self.mixed(table, slots, before + node, s)
        return node - (1 << width)

    # ---- 4. Whole numbers

    def whole(self, id, situation):
        length = self.tree(4, id, situation)
        if length == 15:
            return self.raw(53)
        value = 1 if length > 0 else 0
        left = length - 1
        while left > 0:
            width = min(left, 4)
            left -= width
            value = value << width | self.tree(
                width, id, imul(situation, 0x9E3779B1) + (length << 14 | value) + 1
            )
        return value


RATE = [163840 // (10 * n + 16) for n in range(61)]


class Contexts:
    def __init__(self, most):
        self.most = most
        self.taken = 0
        self.make(128)

    def make(self, slots):
        self.slots = slots
        self.owners = [0] * slots
        self.chances = [32768] * (slots * 16)
        self.counts = [0] * (slots * 16)

    def lookup(self, id, situation):
        h = imul(id, 0x2C1B3C6D) ^ imul(situation + 1, 0x297A2D39)
        h ^= h >> 15
        h = imul(h, 0x85EBCA6B)
        h = (h ^ h >> 13) | 0x80000000
        home = h & self.slots - 1
        if self.owners[home] == h:
            return home * 16
        if self.owners[home ^ 1] == h:
            return (home ^ 1) * 16
        return self.take(h, home, home ^ 1)

    def take(self, h, home, other):
        place = home
        if self.owners[home] and (
            not self.owners[other] or self.counts[other * 16 + 1] < self.counts[home * 16 + 1]
        ):
            place = other
        if self.owners[place]:
            for i in range(place * 16, place * 16 + 16):
                self.chances[i] = 32768
                self.counts[i] = 0
        self.owners[place] = h
        self.taken += 1
        return place * 16

    def learn(self, context, bit):
        n = self.counts[context]
        p = self.chances[context]
        p += (bit * 65536 - p) * RATE[n] >> 14
        self.chances[context] = min(65516, max(20, p))
        self.counts[context] = min(n + 1, 60)

    def is_sure(self, context):
        return self.counts[context] >= 16 and not 4096 <= self.chances[context] <= 61440

    def grow(self):
        if self.slots >= self.most or 4 * self.taken < self.slots:
            return
        owners, chances, counts = self.owners, self.chances, self.counts
        self.make(2 * self.slots)
        for place, h in enumerate(owners):
            if h == 0:
                continue
            home = h & self.slots - 1
            start = self.take(h, home, home ^ 1)
            self.chances[start : start + 16] = chances[place * 16 : place * 16 + 16]
            self.counts[start : start + 16] = counts[place * 16 : place * 16 + 16]
        self.taken = 0


SQUASHED = [20] * 4096
odds = 2**20
for step in range(2048):
    chance = max(20, 2**36 // (2**20 + odds))
    SQUASHED[2048 - step] = chance
    SQUASHED[2048 + step] = 65536 - chance
    odds = odds * 513 // 511
SQUASHED[0] = 20
STRETCHED = []
step = 1
for j in range(4096):
    while step < 4095 and SQUASHED[step] < 16 * j + 8:
        step += 1
    STRETCHED.append(step - 2048)

LENGTH_SET, MORE_LENGTH_SET, SIGN_SET, CLASS_SET, NEW_CLASS_SET = 0, 1, 2, 3, 4
BOOLEAN_SET, KNOWN_SET, INDEX_SET, HIT_SET, UPPER_SET, LOWER_SET = 5, 6, 7, 8, 9, 10
SAME_SET, FLAG_SET, WHERE_SET, KEY_SET = 11, 12, 13, 14
COUNT, CONFLATED, AT, SPAN, TIMES, SHARED = 0, 1, 2, 11, 20, 29
NODE = 139

# ---- 5. A message


class Row:
    def __init__(self):
        self.numbers = []
        self.last_class = 0
        self.word = 0
        self.noes = 0


class Codec:
    def __init__(self, is_map=False):
        self.coder = Decoder(self)
        self.text = Text(self.coder)
        self.successors = Successors()
        # Of a map: the trends of the present key, by the id of their model (section 16).
        self.trends = None
        self.dictionary_chars = 32768
        self.nodes = 0
        self.root = Node(self, is_map)
        self.map_rows = MapRows(self, self.root) if is_map else None
        self.at = Number(self, AT, TIMES)
        self.span = Number(self, SPAN, TIMES)
        self.count = 1
        self.newest = ABSENT
        self.weight = 0

    def decode(self, data):
        coder = self.coder
        coder.begin(data)
        if coder.bit(COUNT, 0, 1) == 0:
            self.count = coder.whole(COUNT, 1)
        conflated = coder.raw(53) if coder.bit(CONFLATED, 0, 1) else 0
        row = Row()
        at = self.at.code(row)
        span = self.span.code(row)
        rows = []
        for _ in range(self.count):
            if self.map_rows:
                rows.append(self.map_rows.code())
                continue
            self.weight = 0
            rows.append(self.root.code(PLACED, self.newest, ABSENT, Row()))
            if rows[-1] is ABSENT:
                raise Malformed("a row is absent")
            self.newest = rows[-1] if self.weight <= 32768 else ABSENT
        return rows, at, span, conflated


# ---- 6. Places

ABSENT = object()
NUMBER, RESCALED, DOUBLE, TEXT, DATE, NUMERIC, BOOLEAN, NULL, BYTES, PACKED, ARRAY, OBJECT = range(12)
NO_VALUE, LIST, MAP, PATCH = range(12, 16)
PLACED, FRESH, CHANGED = range(3)


class Object(dict):
    """An object as a codec keeps it. `was` is its value before the last change, if that is known."""

    was = ABSENT


class Node:
    def __init__(self, codec, shared):
        codec.nodes += 1
        self.codec = codec
        self.id = SHARED + NODE * codec.nodes
        self.shared = shared
        self.column = Column(codec, self.id, SHARED)
        self.others = None
        self.items = []
        self.size = 0
        self.orders = []
        self.order = 0
        self.sames = 0
        self.changes = ChangedSet(codec, self.id + 118, SHARED + 118)
        self.kin = None

    def code(self, relation, old, older, row):
        column = self.column
        if relation == CHANGED:
            if self.others is None:
                self.others = Column(self.codec, self.id + 54, SHARED + 54, column)
            column = self.others
        if old is not ABSENT and (self.shared or relation == CHANGED):
            column.recall(old, older)
        value = self.value(column.code_class(row), column, relation, old, older, row)
        if relation == CHANGED and not self.shared and value is not ABSENT:
            self.column.recall(value, old)
        return value

    def value(self, kind, column, relation, old, older, row):
        codec = self.codec
        if kind == NO_VALUE:
            return ABSENT
        if kind in (ARRAY, OBJECT, LIST, MAP):
            codec.weight += 1
            form = list if kind in (ARRAY, LIST) else Object
            if not isinstance(old, form):
                old = ABSENT
            if not isinstance(older, form):
                older = ABSENT
            if kind in (ARRAY, OBJECT):
                asked = old is not ABSENT and relation == PLACED and len(old) > 1
            else:
                asked = old is not ABSENT and relation != CHANGED
            if asked and self.same(row):
                codec.weight += weigh(old) - 1
                return old
            if kind == ARRAY:
                return self.code_array(relation, old, older, row)
            if kind == OBJECT:
                return self.code_object(relation, old, older, row)
            if self.kin is None:
                self.kin = Kin(codec, self.id + 121, SHARED + 121, Node(codec, True))
            return self.kin.code_list(old, row) if kind == LIST else self.kin.code_map(old, row)
        value = patch(codec, self.id + 135, self.id, old) if kind == PATCH else column.leaf(kind, row)
        codec.weight += weigh(value)
        return value

    # ---- 13. Parts that stay as they were

    def same(self, row):
        coder = self.codec.coder
        situations = [
            (self.id + 114, 0),
            (SHARED + 114, 0),
            (self.id + 114, 1 + min(row.noes, 3)),
        ]
        same = coder.mixed_bit(situations, 1 + self.sames, SAME_SET)
        self.sames = (self.sames << 1 | same) & 3
        row.noes += 1 - same
        return same

    def changed(self, nodes, old, older):
        """The parts that changed. `old` and `older` are lists of parts; `older` may be ABSENT."""
        n = len(old)
        if n >= 16:
            return self.changes.code(n)
        coder = self.codec.coder
        found = set()
        mask = flag = 0
        for i in range(n):
            if i == n - 1 and mask == 0:
                flag = 1
            else:
                moved = 0 if older is ABSENT else 1 if same_scalar(older[i], old[i]) else 2
                situation = 3 * min(len(found), 3) + moved
                situations = [
                    (nodes[i].id + 116, situation),
                    (SHARED + 116, situation),
                    (self.id + 117, 1 << i | mask),
                ]
                flag = coder.mixed_bit(situations, 1 + flag, FLAG_SET)
            if flag:
                found.add(i)
            mask |= flag << i
        return found

    def code_array(self, relation, old, older, row):
        codec = self.codec
        coder = codec.coder
        if coder.bit(self.id + 112, 0, 1) == 0:
            self.size = coder.whole(self.id + 113, 0)
        size = self.size
        while len(self.items) < min(size, 256):
            self.items.append(Node(codec, self.shared))
        changed = None
        if relation == CHANGED and size > 0 and old is not ABSENT and len(old) == size:
            stood = older
            if stood is not ABSENT:
                stood = (stood + [ABSENT] * size)[:size]
            changed = self.changed(self.items, old, stood)
        read = []
        for i in range(size):
            before = old[i] if old is not ABSENT and i < len(old) else ABSENT
            stood = older[i] if older is not ABSENT and i < len(older) else ABSENT
            if changed is not None and i not in changed:
                codec.weight += weigh(before)
                read.append(before)
                continue
            part = CHANGED if changed is not None else PLACED if relation == PLACED else FRESH
            item = self.items[min(i, 255)].code(part, before, stood, row)
            if item is ABSENT:
                raise Malformed("an array lacks an item")
            read.append(item)
        return read

    def code_object(self, relation, old, older, row):
        codec = self.codec
        coder = codec.coder
        if coder.bit(self.id + 111, 0, 1) == 0:
            self.order = coder.tree(3, self.id + 111, 1 + self.order)
        if self.order > len(self.orders):
            raise Malformed("there is no such order")
        if self.order == len(self.orders):
            self.orders.append([])
        order = self.orders[self.order]
        i = 0
        while coder.bit(self.id + 108, min(i, 1), 1):
            behind = coder.whole(self.id + 109, 0)
            key = read_text(codec.text.read(SHARED + 110, 0))
            if behind > len(order) or len(order) >= 128 or any(key == known for known, _ in order):
                raise Malformed("a new key that cannot be")
            order.insert(len(order) - behind, (key, Node(codec, self.shared)))
            i += 1
        bases = parts_of(old, order)
        stood = parts_of(older, order)
        changed = None
        if bases is not ABSENT and order:
            if relation == CHANGED or (
                relation == PLACED and len(order) >= 32 and coder.bit(self.id + 115, 0, 1)
            ):
                changed = self.changed([node for _, node in order], bases, stood)
        read = Object()
        for i, (key, node) in enumerate(order):
            value = ABSENT if bases is ABSENT else bases[i]
            if changed is None or i in changed:
                part = CHANGED if changed is not None else PLACED if relation == PLACED else FRESH
                value = node.code(part, value, ABSENT if stood is ABSENT else stood[i], row)
            elif value is not ABSENT:
                codec.weight += weigh(value)
            if value is not ABSENT:
                read[key] = value
        if relation == CHANGED and self.shared:
            read.was = ABSENT if old is ABSENT else Object(old)
        return read


def parts_of(held, order):
    """The object's part for each key. ABSENT if the object has other keys, or another order."""
    if held is ABSENT:
        return ABSENT
    keys = list(held)
    parts = []
    n = 0
    for key, _ in order:
        known = n < len(keys) and keys[n] == key
        parts.append(held[key] if known else ABSENT)
        n += known
    return parts if n == len(keys) else ABSENT


def same_scalar(one, other):
    if isinstance(one, (list, dict, bytes)) or type(one) is not type(other):
        return False
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    return one == other


def weigh(held):
    if isinstance(held, str):
        return 1 + units(held) // 32
    if isinstance(held, bytes):
        return 1 + len(held) // 32
    if isinstance(held, list):
        return 1 + sum(map(weigh, held))
    if isinstance(held, dict):
        return 1 + sum(map(weigh, held.values())) + sum(units(key) // 32 for key in held)
    return 1


class Column:
    def __init__(self, codec, id, shared, twin=None):
        self.codec = codec
        self.id = id
        self.shared = shared
        # The place whose texts this place uses.
        self.owner = twin or self
        self.steady = 0
        self.last_class = self.class_before = NUMBER
        self.flags = 0
        self.dictionary = None
        self.numbers = None
        self.doubles = None
        self.dates = None
        self.template = None
        self.numerics = None
        self.digits = 0

    def code_class(self, row):
        coder, id, shared = self.codec.coder, self.id, self.shared
        table = coder.contexts
        table.grow()
        last = self.last_class
        if self.steady >= 12:
            same = coder.bit_or(id + 2, shared + 2, 0, 1)
        else:
            situations = [
                (id, self.class_before),
                (shared, 0),
                (id + 1, row.last_class),
            ]
            same = coder.mixed_bit(situations, 2 if last == PATCH else 1 + last, CLASS_SET)
        self.steady = self.steady + 1 if same else 0
        coded = last
        if not same:
            slots = [
                table.lookup(id + 3, last),
                table.lookup(shared + 3, last),
                table.lookup(id + 3, 16 + row.last_class),
            ]
            coded = coder.mixed_tree(4, table, slots, NEW_CLASS_SET)
        self.class_before = last
        self.last_class = NUMBER if coded == RESCALED else coded
        row.last_class = coded
        return coded

    def recall(self, old, older):
        """§13: sets the state as if `old` were the last value."""
        last = self.last_class
        if type(older) is not type(old):
            older = old
        if isinstance(old, float):
            self.last_class = DOUBLE if last == DOUBLE else NUMBER
            if self.numbers is not None:
                self.numbers.recall(old, older)
            if self.doubles is not None:
                self.doubles.recall(old)
        elif isinstance(old, str):
            self.recall_text(old, older)
        elif isinstance(old, bool):
            self.last_class = BOOLEAN
            self.flags = int(old)
        elif old is None:
            self.last_class = NULL
        elif isinstance(old, bytes):
            self.last_class = PATCH if last == PATCH else BYTES
        elif last == PACKED:
            pass
        elif isinstance(old, dict):
            self.last_class = MAP if last == MAP else OBJECT
        else:
            self.last_class = LIST if last == LIST else ARRAY

    def recall_text(self, old, older):
        if self.last_class == DATE:
            date, before = parse_date(old), parse_date(older)
            if date is not None:
                self.template = date[0]
                if self.dates is not None:
                    self.dates.recall_counts(date[1], (before or date)[1])
        elif self.last_class == NUMERIC:
            numeric, before = parse_numeric(old), parse_numeric(older)
            if numeric is not None and numeric[0] == self.digits and self.numerics is not None:
                self.numerics.recall_counts(numeric[1], (before or numeric)[1])
        else:
            self.last_class = PATCH if self.last_class == PATCH else TEXT
            if self.owner.dictionary is not None:
                self.owner.dictionary.recall(old, older)

    def leaf(self, kind, row):
        coder, codec, id, shared = self.codec.coder, self.codec, self.id, self.shared
        if kind == NUMBER:
            if self.numbers is None:
                raise Malformed("a number has no scale")
            return self.numbers.code(row)
        if kind == RESCALED:
            scale_kind = coder.raw(2)
            exponent = coder.raw(5) - 6
            if scale_kind > 2 or exponent > 12:
                raise Malformed("there is no such scale")
            if self.numbers is None:
                self.numbers = Number(codec, id + 13, shared + 13, True)
            self.numbers.set_scale(scale_kind, exponent)
            return self.numbers.code(row)
        if kind == DOUBLE:
            if self.doubles is None:
                self.doubles = Double(codec, id + 40, shared + 40)
            return self.doubles.code(row)
        if kind == TEXT:
            return self.code_text(row)
        if kind == DATE:
            return self.code_date(row)
        if kind == NUMERIC:
            return self.code_numeric(row)
        if kind == BOOLEAN:
            situations = [
                (id + 4, 0),
                (shared + 4, 0),
                (id + 5, row.word),
            ]
            bit = coder.mixed_bit(situations, 1 + self.flags, BOOLEAN_SET)
            self.flags = (self.flags << 1 | bit) & 7
            row.word = 1 + bit
            return bit == 1
        if kind == NULL:
            row.word = 3
            return None
        if kind == BYTES:
            return codec.text.read(id + 7, id)
        return Msgpack(codec.text.read(id + 7, id)).whole()

    # ---- 9. Dates

    def code_date(self, row):
        coder = self.codec.coder
        if coder.bit(self.id + 6, 0, 1) == 0:
            self.template = parse_template(read_text(self.codec.text.read(self.id + 7, self.id)))
        if self.template is None:
            raise Malformed("there is no template")
        if self.dates is None:
            self.dates = Number(self.codec, self.id + 22, self.shared + 22)
        count = int(self.dates.code(row))
        row.numbers.pop()
        return format_date(count, self.template)

    # ---- 10. Decimals as text

    def code_numeric(self, row):
        coder = self.codec.coder
        digits = coder.tree(4, self.id + 6, 1)
        if digits > 8:
            raise Malformed("a decimal has more than 8 digits")
        if self.numerics is None or digits != self.digits:
            self.numerics = Number(self.codec, self.id + 31, self.shared + 31)
        self.digits = digits
        count = int(self.numerics.code(row))
        row.numbers.pop()
        text = str(abs(count)).rjust(digits + 1, "0")
        if digits > 0:
            text = text[:-digits] + "." + text[-digits:]
        return ("-" if count < 0 else "") + text

    def code_text(self, row):
        codec, owner = self.codec, self.owner
        if owner.dictionary is None:
            owner.dictionary = Dictionary(codec, owner.id + 8, owner.shared + 8)
        text = owner.dictionary.code(row)
        if text is None:
            text = read_text(codec.text.read(owner.id + 7, owner.id))
            owner.dictionary.add(text)
        row.word = 4 + owner.dictionary.id * 4096 + owner.dictionary.last
        return text


NUMERIC_TEXT = re.compile(r"(-?)(0|[1-9]\d{0,14})(?:\.(\d{1,8}))?", re.ASCII)


def parse_numeric(text):
    match = NUMERIC_TEXT.fullmatch(text)
    if match is None or len(text) > 20:
        return None
    minus, whole, fraction = match.groups()
    count = int(whole + (fraction or ""))
    if count > LIMIT or (minus and count == 0):
        return None
    return len(fraction or ""), -count if minus else count


# ---- 7. Numbers


def rescale(i, source, target):
    if source == target:
        return i
    if target > source:
        moved = i * 10 ** (target - source)
    else:
        unit = 10 ** (source - target)
        moved = (2 * i + unit) // (2 * unit)
    return moved if abs(moved) <= LIMIT else 0


def to_value(i, kind, exponent):
    value = i / 10.0**exponent if exponent >= 0 else i * 10.0**-exponent
    if kind == 0:
        return value
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    if kind == 1:
        return single
    return math.floor(single * 1000000.0 + 0.5) / 1000000.0


def to_scaled(value, exponent):
    """The scaled whole number. None if it is beyond 2^52."""
    moved = value * 10.0**exponent if exponent >= 0 else value / 10.0**-exponent
    if not abs(moved) <= LIMIT + 1:
        return None
    floor = math.floor(moved)
    i = floor + 1 if moved - floor >= 0.5 else floor
    return i if abs(i) <= LIMIT else None


class Number:
    def __init__(self, codec, id, shared, own_place=False):
        self.codec = codec
        self.id = id
        self.shared = shared
        self.own_place = own_place
        self.kind = self.exponent = 0
        self.last = self.second_last = self.mean = self.calm = self.tens = self.best = 0
        self.costs = [0] * 9
        self.bits = self.second_bits = self.mean_bits = self.sign = self.second_sign = 0

    def resume(self):
        trend = (self.codec.trends or {}).get(self.id)
        if trend:
            bits, second_bits, mean_bits, sign, second_sign, calm, kind, exponent, tens, best, costs = trend
            self.bits, self.second_bits, self.mean_bits = bits, second_bits, mean_bits
            self.sign, self.second_sign, self.calm, self.best = sign, second_sign, calm, best
            self.costs = list(costs)
            self.set_scale(kind, exponent)
            self.tens = tens

    def leave(self):
        misses = (self.bits, self.second_bits, self.mean_bits, self.sign, self.second_sign, min(self.calm, 21))
        scale = (self.kind, self.exponent, self.tens)
        self.codec.trends[self.id] = (*misses, *scale, self.best, list(self.costs))

    def recall(self, old, older):
        self.resume()
        last = to_scaled(old, self.exponent)
        if last is not None:
            second_last = to_scaled(older, self.exponent)
            self.recall_counts(last, last if second_last is None else second_last)

    def recall_counts(self, last, second_last):
        self.resume()
        self.last = last
        self.second_last = second_last

    def set_scale(self, kind, exponent):
        self.last = rescale(self.last, self.exponent, exponent)
        self.second_last = rescale(self.second_last, self.exponent, exponent)
        self.mean = rescale(self.mean, self.exponent, exponent)
        self.kind = kind
        self.exponent = exponent
        self.tens = 0

    def predictions(self, row):
        last = self.last
        within = lambda guess: guess if abs(guess) <= LIMIT else last
        guesses = [
            last,
            within(2 * last - self.second_last),
            (self.mean + 8) // 16,
            0,
            self.codec.successors.get(self.id, last),
        ]
        for other in row.numbers[:-3:-1]:
            now = rescale(other.last, other.exponent, self.exponent)
            before = rescale(other.second_last, other.exponent, self.exponent)
            guesses += [now, within(last + now - before)]
        return guesses

    def code(self, row):
        coder = self.codec.coder
        guesses = self.predictions(row)
        prediction = guesses[self.best] if self.best < len(guesses) else self.last
        i = prediction
        still = False
        if self.calm >= 8:
            still = coder.bit_or(self.id + 8, self.shared + 8, 0, 1 + min(self.calm - 8, 13)) == 1
            if still:
                self.calm += 1
        if not still:
            i += self.miss(row)
            if abs(i) > LIMIT:
                raise Malformed("a number is beyond 2^52")
            self.calm = self.calm + 1 if i == prediction else 0
            self.judge(i, guesses)
            if i != self.last:
                self.codec.successors.set(self.id, self.last, i)
        self.second_last = self.last
        self.last = i
        self.mean += min(max(i, -(2**48)), 2**48) - self.mean // 16
        row.numbers.append(self)
        value = to_value(i, self.kind, self.exponent)
        if self.own_place and i != 0:
            self.tens = self.tens + 1 if i % 10 == 0 else 0
            if self.tens >= 24 and self.kind == 0 and self.exponent > -6:
                self.set_scale(0, self.exponent - 1)
        if self.codec.trends is not None and self.id >= SHARED:
            self.leave()
        return value

    def judge(self, i, guesses):
        for n, guess in enumerate(guesses):
            bits = 0 if guess == i else 1 + bit_length(abs(i - guess))
            self.costs[n] += 64 * bits - (self.costs[n] * 5 >> 8)
        self.best = 0
        least = self.costs[0] - (self.costs[0] >> 5) - 128
        for n in range(1, len(guesses)):
            if self.costs[n] < least:
                self.best = n
                least = self.costs[n]

    def miss(self, row):
        coder, id, shared = self.codec.coder, self.id, self.shared
        table = coder.contexts
        before = row.numbers[-1] if row.numbers else None
        g = min(self.best, 5)
        slots = [
            table.lookup(shared, self.bits),
            table.lookup(id + 1, (self.second_bits * 64 + self.bits) * 64 + self.mean_bits),
            table.lookup(id + 2, 0 if before is None else 1 + before.bits),
        ]
        length = coder.mixed_tree(3, table, slots, LENGTH_SET)
        if length == 7:
            length += coder.mixed_tree(3, table, slots, MORE_LENGTH_SET, 8)
        if length == 14:
            high = coder.tree(2, id + 3, 0)
            length += high * 16 + coder.tree(4, id + 3, 1 + high)
            if length > 54:
                raise Malformed("a number is beyond 2^52")
        sign = size = 0
        if length > 0:
            situations = [
                (id + 4, 0),
                (id + 5, self.second_sign * 64 + length),
                (id + 6, g * 4 + (3 if before is None else before.sign)),
            ]
            sign = 1 + coder.mixed_bit(situations, 1 + self.sign, SIGN_SET)
            size = 1
            if length > 1:
                width = min(3, length - 1)
                lead = coder.tree_or(width, id + 7, shared + 7, length, 8 * (sign - 1))
                left = length - 1 - width
                size = (1 << width | lead) << left | coder.raw(left)
        self.second_sign = self.sign
        self.sign = sign
        self.second_bits = self.bits
        self.mean_bits = 3 * self.mean_bits + length >> 2
        self.bits = length
        return -size if sign == 2 else size


class Successors:
    def __init__(self):
        self.entries = 64
        self.owners = [0] * 64
        self.values = [0] * 64
        self.taken = 0

    def hash(self, id, v):
        h = imul(id + 1, 0x2C1B3C6D) ^ imul(v & M32, 0x297A2D39) ^ (v >> 32) & M32
        h ^= h >> 15
        h = imul(h, 0x85EBCA6B)
        return (h ^ h >> 13) | 0x80000000

    def get(self, id, v):
        h = self.hash(id, v)
        place = h % self.entries
        return self.values[place] if self.owners[place] == h else v

    def set(self, id, v, i):
        h = self.hash(id, v)
        place = h % self.entries
        if self.owners[place] != h:
            self.owners[place] = h
            self.taken += 1
        self.values[place] = i
        if self.taken >= self.entries and self.entries < 2048:
            old = list(zip(self.owners, self.values))
            self.entries *= 2
            self.owners = [0] * self.entries
            self.values = [0] * self.entries
            self.taken = 0
            for owner, value in old:
                if owner:
                    self.owners[owner % self.entries] = owner
                    self.values[owner % self.entries] = value


# ---- 8. Doubles


class Double:
    def __init__(self, codec, id, shared):
        self.codec = codec
        self.id = id
        self.near = 0
        self.ulps = 0
        self.length = 0
        self.u = 0
        self.decimals = Number(codec, id + 5, shared + 5)
        self.decimals.exponent = 1

    def recall(self, old):
        bits = struct.unpack("<Q", struct.pack("<d", old))[0]
        self.u = bits ^ (2**64 - 1 if bits >> 63 else 1 << 63)
        self.decimals.recall(old, old)

    def code(self, row):
        coder, id = self.codec.coder, self.id
        self.near = coder.bit(id, 0, 1 + self.near)
        if self.near:
            e = coder.tree(3, id + 1, 0)
            if e != self.decimals.exponent:
                self.decimals.set_scale(0, e)
            decimal = self.decimals.code(row)
            row.numbers.pop()
            zigzag = coder.whole(id + 2, min(15, abs(self.ulps)))
            self.ulps += -(zigzag + 1) // 2 if zigzag % 2 else zigzag // 2
            if abs(self.ulps) > 64:
                raise Malformed("a double is over 64 units off")
            exponent = struct.unpack("<Q", struct.pack("<d", decimal))[0] >> 52 & 0x7FF
            unit = 0.0 if exponent <= 53 or exponent == 0x7FF else math.ldexp(1.0, exponent - 1023 - 52)
            return decimal + self.ulps * unit
        down = coder.bit(id + 3, 0, 1)
        head = coder.tree(2, id + 4, self.length >> 4)
        self.length = head << 4 | coder.tree(4, id + 4, 8 + head)
        length = self.length
        if length == 0:
            step = 1 << 63 if down else 0
        elif length > 32:
            step = (1 << length - 33 | coder.raw(length - 33)) << 32
            step |= coder.raw(32)
        else:
            step = 1 << length - 1 | coder.raw(length - 1)
        self.u = (self.u + (-step if down else step)) & 2**64 - 1
        bits = self.u ^ (1 << 63) if self.u >> 63 else self.u ^ 2**64 - 1
        return struct.unpack("<d", struct.pack("<Q", bits))[0]


DATE_TEXT = re.compile(
    r"(\d{4})([-/])(\d\d)\2(\d\d)(?:([T ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)


def parse_template(text):
    match = DATE_TEXT.fullmatch(text)
    if match is None:
        raise Malformed("there is no such template")
    year, separator, month, day, between, hours, minutes, seconds, fraction, zone = match.groups()
    if not (0 <= int(hours or 0) < 24 and 0 <= int(minutes or 0) < 60 and 0 <= int(seconds or 0) < 60):
        raise Malformed("there is no such template")
    return separator, between, seconds is not None, len(fraction or ""), zone or ""


def parse_date(text):
    try:
        template = parse_template(text)
    except Malformed:
        return None
    year, _, month, day, _, hours, minutes, seconds, fraction, _ = DATE_TEXT.fullmatch(text).groups()
    # A civil date to days, proleptic Gregorian.
    month = int(month)
    y = int(year) - (month <= 2)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + int(day) - 1
    count = 365 * y + y // 4 - y // 100 + y // 400 + of_year - 719468
    if hours is not None:
        count = (count * 24 + int(hours)) * 60 + int(minutes)
        if seconds is not None:
            count = count * 60 + int(seconds)
            count = count * 10 ** len(fraction or "") + int(fraction or 0)
    try:
        same = abs(count) <= LIMIT and 1 <= month <= 12 and format_date(count, template) == text
    except Malformed:
        return None
    return (template, count) if same else None


def format_date(count, template):
    separator, between, has_seconds, digits, zone = template
    text = ""
    if between:
        if has_seconds:
            count, fraction = divmod(count, 10**digits)
            count, seconds = divmod(count, 60)
            text = ":%02d" % seconds + (".%0*d" % (digits, fraction) if digits else "")
        count, minutes = divmod(count, 1440)
        text = "%s%02d:%02d%s%s" % (between, minutes // 60, minutes % 60, text, zone)
    # Days to a civil date, proleptic Gregorian.
    days = count + 719468
    era, day = divmod(days, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    of_year = day - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year += era * 400 + (1 if month <= 2 else 0)
    if not 0 <= year <= 9999:
        raise Malformed("a date is in no year of four digits")
    return "%04d%s%02d%s%02d%s" % (year, separator, month, separator, of_year - (153 * shifted + 2) // 5 + 1, text)


# ---- 11. Text


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class Dictionary:
    def __init__(self, codec, id, shared):
        self.codec = codec
        self.id = id
        self.shared = shared
        self.texts = []
        self.indexes = {}
        self.next = 0
        self.last = self.second_last = 0
        self.flags = 0

    def code(self, row):
        coder = self.codec.coder
        situations = [
            (self.id, 0),
            (self.shared, 0),
            (self.id, 1 + self.last),
        ]
        known = coder.mixed_bit(situations, 1 + self.flags, KNOWN_SET)
        self.flags = (self.flags << 1 | known) & 7
        if not known:
            return None
        length = self.part(4, 0, row)
        index = 1 if length > 0 else 0
        left = length - 1
        while left > 0:
            width = min(left, 4)
            left -= width
            index = index << width | self.part(width, length << 16 | index, row)
        if index >= len(self.texts):
            raise Malformed("an index that no text has")
        self.remember(index)
        return self.texts[index]

    def part(self, width, prefix, row):
        coder = self.codec.coder
        table = coder.contexts
        m = imul(prefix, 0x9E3779B1)
        slots = [
            table.lookup(self.id + 1, m + self.last),
            table.lookup(self.id + 2, prefix),
            table.lookup(self.id + 4, m ^ row.word)
            if row.word
            else table.lookup(self.id + 3, m ^ self.second_last * 4096 + self.last),
        ]
        return coder.mixed_tree(width, table, slots, INDEX_SET)

    def recall(self, old, older):
        if old in self.indexes:
            self.last = self.indexes[old]
            self.second_last = self.indexes.get(older, self.last)

    def remember(self, index):
        self.second_last = self.last
        self.last = index

    def add(self, text):
        if units(text) > 256:
            return
        full = len(self.texts) == 4096
        freed = 32 + units(self.texts[self.next]) if full else 0
        cost = 32 + units(text)
        if self.codec.dictionary_chars + freed < cost:
            return
        self.codec.dictionary_chars += freed - cost
        if full:
            self.indexes.pop(self.texts[self.next], None)
            self.texts[self.next] = text
        else:
            self.texts.append(text)
        self.indexes[text] = self.next
        self.remember(self.next)
        self.next = (self.next + 1) % 4096


class Text:
    def __init__(self, coder):
        self.coder = coder
        self.contexts = Contexts(4096)
        self.size = 1024
        self.history = bytearray(1024)
        self.places = [0] * 256
        self.width = 8
        self.at = 1

    def read(self, id, column):
        coder = self.coder
        length = coder.whole(id, 0)
        if length >= 16384:
            length = 16384 + coder.raw(32)
        if length > 131072:
            raise Malformed("too long")
        read = bytearray()
        before = column << 8 & M32
        match = matched = 0
        plain = length >= 64 and coder.at_context(self.contexts, self.contexts.lookup(55, column) + 1)
        for _ in range(length):
            known = self.visit(imul(before, 0x9E3779B1))
            if plain:
                self.contexts.grow()
                upper = self.alone(0, column)
                byte = upper << 4 | self.alone(1 + upper, column)
                self.append(byte)
                read.append(byte)
                before = (before << 8 | byte) & M32
                continue
            if match == 0 and known > 0 and (len(read) < 4 or self.word_before(known) == before):
                match = known
            self.contexts.grow()
            expected = self.history[match & self.size - 1]
            if match > 0 and self.hit(matched, expected, before):
                byte = expected
            else:
                upper = self.half(0, UPPER_SET, before, column)
                byte = upper << 4 | self.half(1 + upper, LOWER_SET, before, column)
            if match > 0 and byte == expected:
                match += 1
                matched += 1
            else:
                match = matched = 0
            self.append(byte)
            read.append(byte)
            before = (before << 8 | byte) & M32
        return bytes(read)

    def hit(self, matched, expected, before):
        coder, table = self.coder, self.contexts
        if matched >= 32:
            slot = table.lookup(3, 0)
            return coder.at_context(table, slot + min(bit_length(matched >> 5), 15))
        place = 1 + min(matched, 14)
        by_two = table.lookup(1, (before & 0xFFFF) << 8 | expected) + 1
        if table.counts[by_two] >= 8:
            return coder.at_context(table, by_two)
        slots = [table.lookup(0, expected), by_two - place, table.lookup(2, 0)]
        return coder.mixed(table, slots, place, HIT_SET)

    def half(self, part, s, before, column):
        coder, table = self.coder, self.contexts
        by_two = table.lookup(4 + 3 * part, before & 0xFFFF)
        if table.counts[by_two + 1] >= 8:
            return coder.tree_at(table, 4, by_two)
        slots = [
            by_two,
            table.lookup(5 + 3 * part, column << 8 | before & 0xFF),
            table.lookup(6 + 3 * part, column),
        ]
        return coder.mixed_tree(4, table, slots, s)

    def alone(self, part, column):
        return self.coder.tree_at(self.contexts, 4, self.contexts.lookup(6 + 3 * part, column))

    def visit(self, h):
        index = h >> 32 - self.width
        place = self.places[index]
        self.places[index] = self.at
        return place if place > 0 and self.at - place < self.size else 0

    def word_before(self, place):
        word = 0
        for i in range(place - 4, place):
            word = word << 8 | self.history[i & self.size - 1]
        return word

    def append(self, byte):
        if self.at == self.size and self.size < 32768:
            self.history += bytearray(self.size)
            self.size *= 2
            self.width += 1
            self.places = [place for place in self.places for _ in range(2)]
        self.history[self.at & self.size - 1] = byte
        self.at += 1


def read_text(data):
    text = data.decode("utf-8", "surrogatepass")
    # A pair of surrogates is one character in UTF-16. The page counts and compares in UTF-16.
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


# ---- 14. Lists and maps


class Kin:
    def __init__(self, codec, id, shared, node):
        self.codec = codec
        self.id = id
        self.node = node
        self.changes = ChangedSet(codec, id + 2, shared + 2)
        self.names = Dictionary(codec, id + 8, shared + 8)

    def code_list(self, old, row):
        return self.code(old, None, row)

    def code_map(self, old, row):
        codec = self.codec
        names = [] if old is ABSENT else list(old)
        values = self.code(ABSENT if old is ABSENT else list(old.values()), names, row)
        codec.weight += sum(units(name) // 32 for name in names)
        read = Object()
        read.update(zip(names, values))
        return read

    def code(self, old, names, row):
        """All items. `names`, for a map, is changed to the new names."""
        codec, coder = self.codec, self.codec.coder
        changed = set()
        if old is ABSENT:
            count = coder.whole(self.id, 0)
            if count > 65536:
                raise Malformed("a list is too long")
            bases = [ABSENT] * count
            if names is not None:
                names[:] = bases
        else:
            splices = read_splices(coder, self.id + 5, len(old))
            bases = spliced(old, splices)
            if names is not None:
                names[:] = spliced(names, splices)
            stayed = sum(base is not ABSENT for base in bases)
            if stayed > 0 and (not splices or coder.bit(self.id + 1, 0, 1)):
                changed = self.changes.code(stayed)
        known = set(names or [])
        items = []
        stayed = 0
        for i, base in enumerate(bases):
            item = base
            if base is ABSENT:
                if names is not None:
                    names[i] = self.name(row)
                    if names[i] in known:
                        raise Malformed("a name twice")
                    known.add(names[i])
                old = items[i - 1] if i > 0 else ABSENT
                older = items[i - 2] if i > 1 else ABSENT
                item = self.node.code(FRESH, old, older, row)
            elif stayed in changed:
                item = self.node.code(CHANGED, base, base.was if isinstance(base, Object) else ABSENT, row)
            else:
                codec.weight += weigh(base)
            stayed += base is not ABSENT
            if item is ABSENT:
                raise Malformed("an item is absent")
            items.append(item)
        return items

    def name(self, row):
        name = self.names.code(row)
        if name is None:
            name = read_text(self.codec.text.read(self.id + 13, self.id))
            self.names.add(name)
        return name


def read_splices(coder, id, n):
    """Each splice as its place, its number of items, and whether they are inserted."""
    found = []
    start = 0
    while True:
        j = min(len(found), 3)
        if coder.bit(id, j, 1) == 0:
            return found
        inserts = coder.bit(id, j, 2)
        count = 1 + coder.whole(id + 1, inserts)
        removed = 0 if inserts else count
        room = n - start - removed
        if room < 0 or count > 65536:
            raise Malformed("a list loses more than it has, or is too long")
        e = coder.bit(id, j, 3 + inserts)
        d = coder.whole(id + 2, 2 * inserts + e)
        if d > room:
            raise Malformed("a list changes behind its end")
        at = start + (room - d if e else d)
        found.append((at, count, inserts))
        start = at + removed


def spliced(items, splices):
    result = []
    start = 0
    for at, count, inserts in splices:
        result += items[start:at]
        start = at if inserts else at + count
        if inserts:
            result += [ABSENT] * count
    return result + items[start:]


class ChangedSet:
    def __init__(self, codec, id, shared):
        self.codec = codec
        self.id = id
        self.shared = shared
        self.last = 0

    def code(self, n):
        self.n = n
        self.levels = bit_length(n - 1)
        self.splits = 0
        self.found = set()
        self.walk(0, self.levels, 1)
        return self.found

    def walk(self, low, levels, t):
        if levels == 0:
            self.found.add(low)
            self.last = low
            return
        coder = self.codec.coder
        middle = low + 2 ** (levels - 1)
        if middle >= self.n:
            return self.walk(low, levels - 1, 2 * t)
        side = 0 if not low <= self.last < low + 2**levels else 1 if self.last < middle else 2
        upper = (self.levels - levels) % 2 == 0
        situations = [
            (self.id, t if upper else t >> 1),
            (self.id + 1, levels),
            (self.shared + 1, levels),
        ]
        left = coder.mixed_bit(situations, 1 + 3 * side + (0 if upper else 1 + (t & 1)), WHERE_SET)
        right = 1
        if left:
            right = coder.bit_or(self.id + 2, self.shared + 2, min(self.splits, 3), min(levels, 14))
            self.splits += right
            self.walk(low, levels - 1, 2 * t)
        if right:
            self.walk(middle, levels - 1, 2 * t + 1)


# ---- 15. Patches


def patch(codec, id, column, old):
    if not isinstance(old, (str, bytes)):
        raise Malformed("a patch of nothing")
    coder = codec.coder
    is_text = isinstance(old, str)
    # A unit of UTF-16 has two bytes.
    wide = 2 if is_text else 1
    data = old.encode("utf-16-le", "surrogatepass") if is_text else old
    length = len(data) // wide
    result = b""
    start = i = 0
    while coder.bit(id, min(i, 3), 1):
        removed = coder.whole(id + 1, 0)
        room = length - start - removed
        if room < 0:
            raise Malformed("a patch takes away more than there is")
        e = coder.bit(id, min(i, 3), 2)
        d = coder.whole(id + 2, e)
        if d > room:
            raise Malformed("a patch begins behind the end")
        kept = room - d if e else d
        inserted = codec.text.read(id + 3, column)
        if removed == 0 and not inserted:
            raise Malformed("a patch changes nothing")
        if is_text:
            inserted = read_text(inserted).encode("utf-16-le", "surrogatepass")
        result += data[start * wide : (start + kept) * wide] + inserted
        start += kept + removed
        i += 1
    result += data[start * wide :]
    return result.decode("utf-16-le", "surrogatepass") if is_text else result


# ---- 16. Updates of a map


class Key:
    def __init__(self, text, index):
        self.text = text
        self.index = index
        self.next = index + 1
        self.value = self.before = ABSENT
        self.weight = self.weight_before = 0
        self.trends = {}

    def counted(self):
        values = self.weight + self.weight_before
        return 256 + 2 * units(self.text) + 32 * values + 128 * len(self.trends)


class MapRows:
    def __init__(self, codec, place):
        self.codec = codec
        self.place = place
        # In the order of use, the key that is unused for longest first.
        self.keys = {}
        self.indexes = []
        self.free = []
        self.used = 0
        self.count = 1
        self.operation = 0
        self.known = self.hits = 0
        self.last = 0
        self.last_key = None
        self.last_value = ABSENT

    def code(self):
        coder = self.codec.coder
        if coder.bit(-1, 0, 1) == 0:
            self.count = coder.whole(-1, 1)
        changes = [self.change() for _ in range(self.count)]
        if coder.bit(-2, 0, 1):
            changes.append(None)
        return changes

    def change(self):
        coder = self.codec.coder
        coder.contexts.grow()
        self.operation = coder.tree(2, -3, self.operation)
        if self.operation > 2:
            raise Malformed("an unknown operation")
        if self.operation == 2:
            return []
        entry = self.key()
        read = [entry.text]
        if self.operation == 0:
            read.append(self.value(entry))
        self.keys[entry.text] = self.keys.pop(entry.text)
        for oldest in list(self.keys.values()):
            if self.used <= 4194304 or oldest is entry:
                break
            del self.keys[oldest.text]
            self.indexes[oldest.index] = None
            self.free.append(oldest.index)
            self.used -= oldest.counted()
        return read

    def key(self):
        coder = self.codec.coder
        known = 0
        if self.indexes:
            known = coder.bit(-4, 0, 1 + self.known)
            self.known = (self.known << 1 | known) & 7
        if known:
            expected = self.last_key.next if self.last_key else 0
            hit = coder.bit(-5, 0, 1 + self.hits)
            self.hits = (self.hits << 1 | hit) & 7
            index = expected if hit else self.index()
            entry = self.indexes[index] if index < len(self.indexes) else None
            if entry is None:
                raise Malformed("an unknown key")
        else:
            text = read_text(self.codec.text.read(-6, 1))
            if text == "" or text in self.keys or units(text) > 512:
                raise Malformed("a key that cannot be")
            entry = self.add(text)
        if self.last_key:
            self.last_key.next = entry.index
        self.last_key = entry
        self.last = entry.index
        return entry

    def add(self, text):
        if self.free:
            index = self.free.pop()
        else:
            index = len(self.indexes)
            self.indexes.append(None)
        self.keys[text] = self.indexes[index] = Key(text, index)
        self.used += self.keys[text].counted()
        return self.keys[text]

    def index(self):
        coder = self.codec.coder
        table = coder.contexts
        n, last = len(self.indexes), self.last
        low, node, top = 0, 1, 1
        levels = bit_length(n - 1)
        depth = 0
        while levels > 0:
            if depth % 4 == 0:
                top = node
            middle = low + (1 << levels - 1)
            upper = 0
            if middle < n:
                place = 1 << depth % 4 | node - (top << depth % 4)
                side = 0 if last < low else 3 if last >= low + (1 << levels) else 1 if last < middle else 2
                bits = (last - low << 2 >> levels - 1) & 3 if side in (1, 2) else 0
                slots = [
                    table.lookup(-9, top),
                    table.lookup(-8, 4 * levels + side) + 1 + bits - place,
                    table.lookup(-7, levels) + 1 + side - place,
                ]
                upper = coder.mixed(table, slots, place, KEY_SET)
            low = middle if upper else low
            node = 2 * node + upper
            levels -= 1
            depth += 1
        return low

    def value(self, entry):
        self.used -= entry.counted()
        self.codec.trends = entry.trends
        if entry.value is ABSENT:
            value = self.place.code(FRESH, self.last_value, ABSENT, Row())
        else:
            value = self.place.code(PLACED, entry.value, entry.before, Row())
        if value is ABSENT:
            raise Malformed("a change lacks its value")
        weight = weigh(value)
        if weight > 4096:
            entry.value = entry.before = ABSENT
            entry.weight = entry.weight_before = 0
        else:
            entry.before, entry.weight_before = entry.value, entry.weight
            entry.value, entry.weight = value, weight
        self.used += entry.counted()
        self.last_value = entry.value
        return value


# ---- msgpack, for packed containers (protocol.md)


class Msgpack:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Malformed("msgpack ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def unpack(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def whole(self):
        value = self.value()
        if self.at != len(self.data):
            raise Malformed("bytes follow a packed container")
        return value

    def value(self):
        tag = self.unpack("B")
        if tag < 0x80:
            return float(tag)
        if tag < 0x90:
            return self.map(tag & 15)
        if tag < 0xA0:
            return self.array(tag & 15)
        if tag < 0xC0:
            return read_text(self.take(tag & 31))
        if tag >= 0xE0:
            return float(tag - 256)
        if tag in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[tag]
        if tag in range(0xC4, 0xC7):
            return self.take(self.unpack("BHI"[tag - 0xC4]))
        if tag in range(0xCA, 0xD4):
            return float(self.unpack("fdBHIQbhiq"[tag - 0xCA]))
        if tag in range(0xD9, 0xDC):
            return read_text(self.take(self.unpack("BHI"[tag - 0xD9])))
        if tag in range(0xDC, 0xDE):
            return self.array(self.unpack("HI"[tag - 0xDC]))
        if tag in range(0xDE, 0xE0):
            return self.map(self.unpack("HI"[tag - 0xDE]))
        raise Malformed("a msgpack type that is not taken: %02x" % tag)

    def array(self, count):
        return [self.value() for _ in range(count)]

    def map(self, count):
        read = Object()
        for _ in range(count):
            key = self.value()
            read[key] = self.value()
        return read


# ---- Comparison with the values sent


def same(read, sent):
    """Compares a value with `sent`, which is JSON as in vectors/. The order of keys counts."""
    if isinstance(sent, dict):
        if list(sent) == ["$number"]:
            number = float(sent["$number"].replace("Infinity", "inf"))
            return isinstance(read, float) and struct.pack("<d", read) == struct.pack("<d", number)
        if list(sent) == ["$bytes"]:
            return isinstance(read, bytes) and read.hex() == sent["$bytes"]
        return (
            isinstance(read, dict)
            and list(read) == list(sent)
            and all(same(read[key], sent[key]) for key in sent)
        )
    if isinstance(sent, list):
        return isinstance(read, list) and len(read) == len(sent) and all(map(same, read, sent))
    if isinstance(sent, (int, float)) and not isinstance(sent, bool):
        return isinstance(read, float) and struct.pack("<d", read) == struct.pack("<d", float(sent))
    return type(read) is type(sent) and read == sent


def main():
    read = 0
    for line in sys.stdin:
        chain = json.loads(line)
        codec = Codec(chain["map"])
        for i, body in enumerate(chain["bodies"]):
            try:
                rows, at, span, conflated = codec.decode(bytes.fromhex(body))
            except Malformed as error:
                sys.exit("seed %d, body %d: %s" % (chain["seed"], i, error))
            if [at, span, conflated] != chain["times"][i]:
                sys.exit("seed %d, body %d: times are %r" % (chain["seed"], i, [at, span, conflated]))
            for k, sent in enumerate(chain["rows"][i]):
                if k >= len(rows) or not same(rows[k], sent):
                    sys.exit("seed %d, body %d, row %d: %r is %r" % (chain["seed"], i, k, sent, rows[k : k + 1]))
            if len(rows) != len(chain["rows"][i]):
                sys.exit("seed %d, body %d: %d rows" % (chain["seed"], i, len(rows)))
        read += 1
    print("%d chains read" % read)


main()
