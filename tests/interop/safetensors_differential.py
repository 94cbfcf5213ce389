"""Holds the reader and the writer against the reference library, `safetensors` for Python.

    safetensors_differential.py <interop_probe> [--count N] [--seed N]

T61: the same verdict on damaged copies of sound files, on the table of the unit tests, and the
same header bytes for the same tensors. What differs on purpose is listed in INTENDED.
"""

import argparse
import collections
import ctypes
import json
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

# Findings with which a file is refused that the library accepts, and why.
INTENDED = [
    ("ST008", r"", "duplicate tensor names: loaders differ on which entry counts"),
    ("ST012", r"dtype of tensor .* is of type object", "dtype as an object: an accident of serde"),
    ("ST012", r"has [0-9,]+ dimensions; at most 64", "more dimensions than any framework has"),
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


def random_file(rng):
    """A sound file, in one of the many ways that writers have."""
    entries, offset = [], 0
    for name in {random_name(rng) for _ in range(rng.randrange(6))}:
        dtype = rng.choice(DTYPES)
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        elements = 1
        for dimension in shape:
            elements *= dimension
        if elements * bits_of(dtype) % 8:
            shape.append(8)
            elements *= 8
        size = elements * bits_of(dtype) // 8
        fields = [("dtype", dtype), ("shape", shape), ("data_offsets", [offset, offset + size])]
        if rng.random() < 0.3:
            rng.shuffle(fields)
        entries.append((name, dict(fields)))
        offset += size
    rng.shuffle(entries)
    if rng.random() < 0.6:
        metadata = {random_name(rng): random_name(rng) for _ in range(rng.randrange(3))}
        entries.insert(rng.randrange(len(entries) + 1), ("__metadata__", metadata))
    text = json.dumps(dict(entries), ensure_ascii=rng.random() < 0.5,
                      separators=rng.choice([(",", ":"), (", ", ": ")]),
                      indent=rng.choice([None, None, 1]))
    return text, rng.randbytes(offset), rng.random() < 0.7


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
    text, data, pad = random_file(rng)
    kind = rng.random()
    if kind < 0.75:
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            text = mutate_text(rng, text)
    blob = frame(text, data, pad)
    if kind > 0.65:
        blob = mutate_bytes(rng, blob)
    return blob


def intended(findings):
    """The reasons for which a file is refused, if every one of them is on the list."""
    reasons = []
    for check, message in findings:
        found = [why for known, pattern, why in INTENDED if known == check and re.search(pattern, message)]
        if not found:
            return None
        reasons += found
    return reasons


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
    for name in {random_name(rng) for _ in range(rng.randrange(12))}:
        dtype = rng.choice(list(WRITER_DTYPES))
        shape = [rng.randrange(4) for _ in range(rng.randrange(4))]
        size = WRITER_DTYPES[dtype]
        for dimension in shape:
            size *= dimension
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
