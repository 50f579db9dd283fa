"""Know which bytes of a prefix file dbzero has written, without reading the file.

dbzero writes with libc's fopen64 / fseek / fwrite, bound through its own global offset table. That table's
fwrite entry is pointed at a small piece of machine code which notes (file descriptor, offset, size, count)
in a ring of memory and then jumps to the real fwrite. Machine code, not a ctypes callback: a callback needs
the interpreter lock and may run the garbage collector in the middle of dbzero, which can free dbzero
objects or deadlock on its lock.

While tracking is on, dbzero's fsync is answered at once: the primary file is never trusted after an unclean
end (it is restored from mirror and redo log), so its own two fsyncs per commit would buy nothing.

Only x86-64 Linux, the only Linux that dbzero 0.7 is built for. Anything unexpected means "not available",
and the guard compares whole files instead.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import sys
from pathlib import Path

__all__ = ["TrackedWrites", "TrackingUnavailable", "import_slots"]

_CAPACITY = 1 << 16  # notes in the ring; more between two drains means "unknown", never "missed"
_HEADER = 64  # bytes before the first note: the counter has a cache line of its own
_NOTE = 32  # bytes per note: descriptor, offset, size, count
_R_X86_64_JUMP_SLOT = 7
_R_X86_64_GLOB_DAT = 6


class TrackingUnavailable(Exception):
    """Writes cannot be tracked here; the message says why."""


def import_slots(library: Path, names: set[str]) -> dict[str, int]:
    """Offsets (from the load address) of the table entries through which a library calls these functions.

    Source: System V ABI, AMD64 supplement, chapter 4 (Elf64_Rela, Elf64_Sym).

    Raises:
        TrackingUnavailable: the file is not a 64-bit little-endian ELF file with section headers.
    """
    data = library.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise TrackingUnavailable(f"{library.name} is not a 64-bit ELF file")
    try:
        table, entry_size, count = *struct.unpack_from("<Q", data, 40), *struct.unpack_from("<HH", data, 58)
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry_size) for i in range(count)]
        slots: dict[str, int] = {}
        for _, kind, _, _, offset, size, link, _, _, _ in sections:
            if kind != 4:  # SHT_RELA
                continue
            symbols = sections[link]
            if symbols[1] != 11:  # SHT_DYNSYM
                continue
            strings = sections[symbols[6]][4]
            for at in range(offset, offset + size, 24):
                place, info, _ = struct.unpack_from("<QQq", data, at)
                if info & 0xFFFFFFFF not in (_R_X86_64_JUMP_SLOT, _R_X86_64_GLOB_DAT):
                    continue
                name_at = strings + struct.unpack_from("<I", data, symbols[4] + (info >> 32) * 24)[0]
                name = data[name_at : data.index(b"\0", name_at)].decode("ascii", "replace")
                if name in names:
                    slots[name] = place
    except (struct.error, IndexError, ValueError) as error:
        raise TrackingUnavailable(f"{library.name} has no readable relocations: {error}") from error
    return slots


def _load_address(library: Path) -> int:
    wanted = str(library.resolve())
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5] == wanted and int(fields[2], 16) == 0:
            return int(fields[0].split("-")[0], 16)
    raise TrackingUnavailable(f"{library.name} is not loaded")


def _recorder(ring: int, fwrite: int, ftell: int, fileno: int) -> bytes:
    """size_t fwrite(rdi data, rsi size, rdx count, rcx stream) that notes the call first."""
    code = bytearray()
    code += b"\xf3\x0f\x1e\xfa"  # endbr64
    code += b"\x57\x56\x52\x51"  # push rdi, rsi, rdx, rcx
    code += b"\x48\x83\xec\x08"  # sub rsp, 8            ; keep the stack aligned to 16
    code += b"\x48\x89\xcf"  # mov rdi, rcx
    code += b"\x48\xb8" + struct.pack("<Q", ftell) + b"\xff\xd0"  # call ftell
    code += b"\x48\x89\x04\x24"  # mov [rsp], rax         ; the offset
    code += b"\x48\x8b\x7c\x24\x08"  # mov rdi, [rsp + 8]     ; the stream
    code += b"\x48\xb8" + struct.pack("<Q", fileno) + b"\xff\xd0"  # call fileno
    code += b"\x41\x58"  # pop r8                 ; the offset
    code += b"\x59\x5a\x5e\x5f"  # pop rcx, rdx, rsi, rdi
    code += b"\x48\x98"  # cdqe                   ; descriptor to 64 bits
    code += b"\x49\xba" + struct.pack("<Q", ring)  # mov r10, ring
    code += b"\x41\xbb\x01\x00\x00\x00"  # mov r11d, 1
    code += b"\xf0\x4d\x0f\xc1\x1a"  # lock xadd [r10], r11   ; r11 = index of this note
    code += b"\x49\x81\xfb" + struct.pack("<I", _CAPACITY)  # cmp r11, capacity
    code += b"\x73\x18"  # jae over the note
    note = b"\x49\xc1\xe3\x05"  # shl r11, 5
    note += b"\x4f\x8d\x5c\x1a\x40"  # lea r11, [r10 + r11 + 64]
    note += b"\x49\x89\x03"  # mov [r11], rax         ; descriptor
    note += b"\x4d\x89\x43\x08"  # mov [r11 + 8], r8      ; offset
    note += b"\x49\x89\x73\x10"  # mov [r11 + 16], rsi    ; size
    note += b"\x49\x89\x53\x18"  # mov [r11 + 24], rdx    ; count
    assert len(note) == 0x18
    code += note
    code += b"\x48\xb8" + struct.pack("<Q", fwrite) + b"\xff\xe0"  # jmp fwrite
    return bytes(code)


_NO_OPERATION = b"\xf3\x0f\x1e\xfa\x31\xc0\xc3"  # endbr64; xor eax, eax; ret


class TrackedWrites:
    """The notes of every fwrite that dbzero makes, from `install` to `remove`."""

    def __init__(self, library: Path) -> None:
        self._library = library
        self._ring: mmap.mmap | None = None
        self._code: mmap.mmap | None = None
        self._patched: list[tuple[int, int]] = []

    def install(self) -> None:
        """Point dbzero's fwrite and fsync here.

        Raises:
            TrackingUnavailable: another machine, another library layout, or the system forbids it.
        """
        if sys.platform != "linux" or platform.machine() != "x86_64":
            raise TrackingUnavailable(f"not built for {sys.platform} on {platform.machine()}")
        slots = import_slots(
            self._library, {"fwrite", "fsync", "pwrite", "pwrite64", "write", "ftruncate64", "truncate64"}
        )
        others = set(slots) - {"fwrite", "fsync"}
        if others or len(slots) != 2:
            raise TrackingUnavailable(f"dbzero writes in an unknown way ({', '.join(sorted(slots)) or 'no fwrite'})")
        base = _load_address(self._library)
        libc = ctypes.CDLL(None, use_errno=True)
        addresses = [ctypes.cast(getattr(libc, name), ctypes.c_void_p).value for name in ("fwrite", "ftell", "fileno")]
        fwrite, ftell, fileno = (address or 0 for address in addresses)
        if not (fwrite and ftell and fileno):
            raise TrackingUnavailable("libc has no fwrite, ftell or fileno")
        self._ring = mmap.mmap(-1, _HEADER + _CAPACITY * _NOTE)
        ring = ctypes.addressof(ctypes.c_char.from_buffer(self._ring))
        code = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        recorder = _recorder(ring, fwrite, ftell, fileno)
        code.write(recorder.ljust(256, b"\xcc") + _NO_OPERATION)
        start = ctypes.addressof(ctypes.c_char.from_buffer(code))
        if libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_EXEC):
            raise TrackingUnavailable(f"no executable memory: {os.strerror(ctypes.get_errno())}")
        self._code = code  # stays mapped for the life of the process: dbzero's threads may be inside
        for name, target in (("fwrite", start), ("fsync", start + 256)):
            slot = base + slots[name]
            self._require_writable(slot)
            pointer = ctypes.c_uint64.from_address(slot)
            self._patched.append((slot, pointer.value))
            pointer.value = target

    def remove(self) -> None:
        """Give dbzero its own functions back."""
        for slot, original in self._patched:
            ctypes.c_uint64.from_address(slot).value = original
        self._patched.clear()

    @staticmethod
    def _require_writable(address: int) -> None:
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, permissions = line.split(maxsplit=2)[:2]
            low, high = (int(part, 16) for part in span.split("-"))
            if low <= address < high:
                if "w" in permissions:
                    return
                break
        raise TrackingUnavailable("dbzero's import table is read-only")

    def drain(self) -> list[tuple[int, int, int]] | None:
        """Take the notes since the last drain.

        Returns:
            (descriptor, offset, length in bytes) in order, or None when there were more than the ring holds.

        Preconditions:
            No dbzero call is running.
        """
        ring = self._ring
        if ring is None:
            return None
        (count,) = struct.unpack_from("<Q", ring, 0)
        struct.pack_into("<Q", ring, 0, 0)
        if count > _CAPACITY:
            return None
        notes = struct.iter_unpack("<qqqq", ring[_HEADER : _HEADER + count * _NOTE])
        return [(descriptor, offset, size * number) for descriptor, offset, size, number in notes]
