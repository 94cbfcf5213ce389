"""Holds the reader and the writer against the reference library, `safetensors` for Python.

    safetensors_differential.py <interop_probe> [--count N] [--seed N]

T61: the same verdict on damaged copies of sound files, on the table of the unit tests, and the
same header bytes for the same tensors. What differs on purpose is listed in INTENDED.
"""

import argparse
import collections
import copy
import ctypes
import json
import math
import random
import re
import struct
import subprocess
import sys

try:
    import safetensors
except ImportError as error:
    print(f"SKIPPED: {sys.executable} has no safetensors package ({error}); "
          "configure with -DSTKIT_PYTHON=<interpreter> to run this test")
    sys.exit(77)

# Findings for which a file is refused that the library accepts, and why. Another finding beside
# them does not count when it is about an entry that a later one of the same name replaces.
DUPLICATE = "ST008"
INTENDED = [
    (DUPLICATE, r"", "duplicate tensor names: loaders differ on which entry counts"),
    ("ST012", r"dtype of tensor .* is of type object", "dtype as an object: an accident of serde"),
    ("ST012", r"has [0-9,]+ dimensions; at most 64", "more dimensions than any framework has"),
    ("ST003", r"tokens of JSON, which take .* of memory",
     "JSON that would take more memory than 48 MiB and twice the text: a forgery"),
]

DTYPES = ["BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0",
          "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "C64",
          "F64", "I64", "U64"]
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64}

NUMBERS = ["0", "1", "2", "3", "4", "8", "16", "-0", "-1", "2.0", "2e0", "1e3", "1e999", "00", "01",
           "+1", "4294967296", "2305843009213693952", "9223372036854775808",
           "18446744073709551615", "18446744073709551616", "null", "true", '"2"', "[]", "{}", "NaN"]
TOKENS = ['"', "\\", ",", ":", "{", "}", "[", "]", " ", "\n", "\t", "\0", "null", "true", "[[", "]]",
          '"dtype"', '"shape"', '"data_offsets"', '"__metadata__"', '"x":1,', '"dtype":"U8",',
          '"shape":[2],', '"data_offsets":[0,2],', '"__metadata__":{},', '"__metadata__":null,',
          "\\u0061", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\n", "\\x", "\x7f", "\xe9", "\ufeff",
          "F32", "BF16", "f32", "I4", "U8", "[0,0]", "[1,1]", "//", "[" * 130 + "]" * 130]


def bits_of(dtype):
    return BITS.get(dtype) or int(re.search(r"\d+", dtype).group())


def frame(header, data, pad=True):
    header = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    if pad:
        header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def library_accepts(blob):
    try:
        safetensors.deserialize(blob)
        return True
    except safetensors.SafetensorError:
        return False


class Blocks:
    """What the probe writes: byte strings behind their lengths."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self):
        (size,) = struct.unpack_from("<Q", self.content, self.at)
        self.at += 8 + size
        return self.content[self.at - size:self.at]

    def flag(self):
        self.at += 1
        return bool(self.content[self.at - 1])

    def at_end(self):
        return self.at == len(self.content)


class Probe:
    def __init__(self, path):
        self.path = path

    def run(self, mode, blobs=()):
        sent = b"".join(struct.pack("<Q", len(blob)) + blob for blob in blobs)
        return subprocess.run([self.path, mode], input=sent, stdout=subprocess.PIPE, check=True).stdout

    def verdicts(self, blobs):
        lines = self.run("verdicts", blobs).decode().splitlines()
        assert len(lines) == len(blobs), (len(lines), len(blobs))
        for line in lines:
            verdict, *findings = line.split("\t")
            yield verdict == "accept", [finding.split(" ", 1) for finding in findings]

    def headers(self, blobs):
        out = Blocks(self.run("headers", blobs))
        return [out.take() for _ in blobs]

    def cases(self):
        """(name, the library accepts, bytes) of each row of the unit tests' table."""
        out = Blocks(self.run("cases"))
        while not out.at_end():
            yield out.take().decode(), out.flag(), out.take()


def random_name(rng):
    plain = rng.choice(["w", "b", "a.b", "model.layers.0.weight", "", "\xe9", "\U0001f600", "x" * 40])
    return plain + rng.choice(["", "", str(rng.randrange(10)), '"', "\\", "\n", "\x01"])


class Entry:
    """A tensor's entry in a header: its fields in order, each value as JSON text."""

    def __init__(self, name, dtype, shape, begin, end):
        self.name, self.as_array = name, False
        self.fields = [["dtype", json.dumps(dtype)], ["shape", shape],
                       ["data_offsets", f"[{begin},{end}]"]]

    def mutate(self, rng):
        if not self.fields:
            return
        field = rng.choice(self.fields)
        kind = rng.randrange(7)
        if kind == 0:
            rng.shuffle(self.fields)
        elif kind == 1:
            self.fields.insert(rng.randrange(len(self.fields) + 1), list(field))
        elif kind == 2:
            self.fields.remove(field)
        elif kind == 3:
            self.fields.append([rng.choice(["x", "", "Dtype"]), random_value(rng)])
        elif kind == 4:
            self.as_array = True
        elif kind == 5:
            field[1] = re.sub(r"\d+", lambda found: random_number(rng, found[0]), field[1])
        else:
            field[1] = rng.choice([random_value(rng), '{"U8":null}', json.dumps(rng.choice(DTYPES)),
                                   "[0,0]", "[0]", "[1]", "[[0,1]]",
                                   json.dumps([1] * rng.choice([63, 64, 65]))])


class File:
    """A sound file in one of the many ways that writers have, as its parts."""

    def __init__(self, rng):
        self.entries, self.metadata, offset = [], None, 0
        for name in sorted({random_name(rng) for _ in range(rng.randrange(6))}):
            dtype = rng.choice(DTYPES)
            shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
            bits = math.prod(shape) * bits_of(dtype)
            if bits % 8:
                shape.append(8)
                bits *= 8
            end = offset + bits // 8
            self.entries.append(Entry(name, dtype, json.dumps(shape), offset, end))
            offset = end
        rng.shuffle(self.entries)
        if rng.random() < 0.6:
            names = {random_name(rng) for _ in range(rng.randrange(3))}
            self.metadata = [(name, json.dumps(random_name(rng))) for name in sorted(names)]
        self.data = rng.randbytes(offset)

    def mutate(self, rng):
        kind = rng.randrange(10)
        if kind == 0 or not self.entries:
            pair = (random_name(rng), rng.choice([json.dumps(random_name(rng)), random_value(rng)]))
            pairs = self.metadata if isinstance(self.metadata, list) else []
            self.metadata = rng.choice([None, "null", pairs * 2, pairs + [pair], []])
        elif kind == 1:
            self.entries.insert(rng.randrange(len(self.entries)), copy.deepcopy(rng.choice(self.entries)))
        elif kind == 2:
            self.entries.remove(rng.choice(self.entries))
        elif kind == 3:
            rng.choice(self.entries).name = rng.choice(self.entries).name
        elif kind == 4:
            end = len(self.data) + rng.choice([0, 0, 0, 1])
            place = rng.choice([0, end, rng.randrange(end + 1)])
            shape = rng.choice(["[0]", "[0,7]", "[3,0]"])
            self.entries.append(Entry("empty", rng.choice(DTYPES), shape, place, place))
        else:
            rng.choice(self.entries).mutate(rng)

    def text(self, rng):
        spaced, escaped = rng.random() < 0.4, rng.random() < 0.5

        def space():
            return rng.choice(["", "", "", " ", "\n", "\t\r"]) if spaced else ""

        def character(c):
            if c < "\x80" and rng.random() < 0.05:
                return f"\\u{ord(c):04x}"
            return json.dumps(c, ensure_ascii=escaped)[1:-1]

        def members(pairs):
            texts = ['"' + "".join(map(character, key)) + '"' + space() + ":" + space() + value
                     for key, value in pairs]
            return "{" + space() + (space() + "," + space()).join(texts) + space() + "}"

        def entry(entry):
            if entry.as_array:
                return "[" + ",".join(value for _, value in entry.fields) + "]"
            return members(entry.fields)

        items = [(each.name, entry(each)) for each in self.entries]
        if self.metadata is not None:
            value = self.metadata if isinstance(self.metadata, str) else members(self.metadata)
            items.insert(rng.randrange(len(items) + 1), ("__metadata__", value))
        return members(items)


def random_number(rng, number):
    nudged = str(int(number) + rng.choice([-1, 1]))
    return rng.choice([number, number, nudged, rng.choice(NUMBERS)])


def random_value(rng):
    nested = ["[" * depth + "]" * depth for depth in (125, 126, 127)]
    return rng.choice(NUMBERS + nested + ["false", '""', '"a\\u00e9"', "[1,[2,{}]]", '{"a":{"b":null}}',
                                          '"\\ud800"', "1.5e-3"])


def mutate_text(rng, text):
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.choice([1, 1, 2, 8, 40]))
    kind = rng.randrange(7)
    if kind == 0:
        return text[:at] + text[end:]
    if kind == 1:
        return text[:at] + rng.choice(TOKENS) + text[at:]
    if kind == 2:
        return text[:at] + rng.choice(TOKENS) + text[end:]
    if kind == 3:
        to = rng.randrange(len(text) + 1)
        return text[:to] + text[at:end] + text[to:]
    if kind == 4:
        return text[:at] + chr(rng.randrange(0x250)) + text[end:]
    if kind == 5:
        pieces = re.split(r"(\w+)", text)
        if len(pieces) > 1:
            pieces[rng.randrange(1, len(pieces), 2)] = rng.choice(TOKENS)
        return "".join(pieces)
    numbers = list(re.finditer(r"(?<=[\[,: ])\d+", text))
    if not numbers:
        return text
    number = rng.choice(numbers)
    value = rng.choice(NUMBERS + [str(int(number.group()) + rng.choice([-1, 1]))])
    return text[:number.start()] + value + text[number.end():]


def mutate_bytes(rng, blob):
    blob = bytearray(blob)
    kind = rng.randrange(5)
    if kind == 0 and blob:
        blob[rng.randrange(len(blob))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del blob[rng.randrange(len(blob) + 1):]
    elif kind == 2:
        blob += rng.randbytes(rng.randrange(1, 9))
    elif kind == 3 and len(blob) >= 8:
        (size,) = struct.unpack_from("<Q", blob)
        size = rng.choice([size + 1, size - 1, 0, 1, len(blob) - 8, len(blob) - 7, 1 << 63, size + 8])
        struct.pack_into("<Q", blob, 0, size % (1 << 64))
    elif blob:
        blob[rng.randrange(min(len(blob), 200))] = rng.randrange(256)
    return bytes(blob)


def mutant(rng):
    file = File(rng)
    kind = rng.choice(["structure", "structure", "text", "bytes", "both"])
    if kind in ("structure", "both"):
        for _ in range(rng.choice([1, 1, 2])):
            file.mutate(rng)
    text = file.text(rng)
    if kind in ("text", "both"):
        for _ in range(rng.choice([1, 1, 2])):
            text = mutate_text(rng, text)
    blob = frame(text, file.data, pad=rng.random() < 0.7)
    return mutate_bytes(rng, blob) if kind == "bytes" else blob


def intended(findings):
    """Why the file is refused, when all of that is on the list."""
    reasons = []
    for check, message in findings:
        found = [why for known, pattern, why in INTENDED if known == check and re.search(pattern, message)]
        if check == DUPLICATE:
            return found
        reasons.append(found)
    return reasons[0] if all(reasons) else None


def check_mutants(probe, count, seed):
    rng = random.Random(seed)
    blobs = [mutant(rng) for _ in range(count)]
    tally, failures = collections.Counter(), 0
    for blob, (ours, findings) in zip(blobs, probe.verdicts(blobs)):
        library = library_accepts(blob)
        reasons = intended(findings) if library and not ours else None
        if library == ours:
            tally["both accept" if ours else "both reject"] += 1
        elif reasons:
            tally[f"stricter: {reasons[0]}"] += 1
        else:
            failures += 1
            if failures <= 20:
                print(f"FAILED: the library {'accepts' if library else 'rejects'}, we "
                      f"{'accept' if ours else 'reject'} {findings}\n  {blob!r}")
    print(f"{count} mutants of seed {seed}: {dict(tally)}")
    # A mutation that always breaks the file, or never, would test nothing.
    for verdict in ("both accept", "both reject"):
        if tally[verdict] < count // 20:
            print(f"FAILED: only {tally[verdict]} of {count} {verdict}")
            failures += 1
    return failures


def check_cases(probe):
    failures = total = 0
    for name, expected, blob in probe.cases():
        total += 1
        if library_accepts(blob) != expected:
            failures += 1
            print(f"FAILED: the table says that the library {'accepts' if expected else 'rejects'} {name!r}")
    print(f"{total} rows of the verdict table hold")
    return failures


# The names that the library's writer takes.
WRITER_DTYPES = {"bool": 1, "uint8": 1, "int8": 1, "float8_e5m2": 1, "float8_e4m3fn": 1, "int16": 2,
                 "uint16": 2, "float16": 2, "bfloat16": 2, "int32": 4, "uint32": 4, "float32": 4,
                 "complex64": 8, "float64": 8, "int64": 8, "uint64": 8}


def library_file(rng):
    specs, kept = {}, []
    for name in sorted({random_name(rng) for _ in range(rng.randrange(12))}):
        dtype = rng.choice(list(WRITER_DTYPES))
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        size = WRITER_DTYPES[dtype] * math.prod(shape)
        data = rng.randbytes(size)
        if hasattr(safetensors, "TensorSpec"):
            buffer = ctypes.create_string_buffer(data, max(size, 1))
            kept.append(buffer)
            specs[name] = safetensors.TensorSpec(dtype=dtype, shape=shape,
                                                 data_ptr=ctypes.addressof(buffer), data_len=size)
        else:
            specs[name] = {"dtype": dtype, "shape": shape, "data": data}
    # Of more than one key, the library writes the order of its hash table.
    metadata = rng.choice([None, {"format": "pt"}, {random_name(rng): random_name(rng)}])
    return bytes(safetensors.serialize(specs, metadata))


def check_writer(probe, count, seed):
    rng = random.Random(seed)
    blobs = [library_file(rng) for _ in range(count)]
    failures = 0
    for blob, header in zip(blobs, probe.headers(blobs)):
        if not blob.startswith(header) or struct.unpack_from("<Q", blob)[0] + 8 != len(header):
            failures += 1
            print(f"FAILED: the library writes\n  {blob[:len(header)]!r}, we write\n  {header!r}")
    print(f"{count} headers are byte for byte the library's")
    return failures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("probe")
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    probe = Probe(options.probe)
    failures = check_cases(probe)
    failures += check_writer(probe, 500, options.seed)
    failures += check_mutants(probe, options.count, options.seed)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
