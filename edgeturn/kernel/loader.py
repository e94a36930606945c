"""Loading the program: maps and constants put into its code, the kernel's verdict in words, test runs.

Rule 1: sizes of maps come from the table in maps.py, never from the object.
Rule 2: the verifier's log is asked for only when it refuses, for with a log it's slower and may fail for lack of room.
"""

import sys
from errno import EADDRINUSE
from struct import pack, pack_into, unpack_from

from edgeturn import seam
from edgeturn.kernel import bpf
from edgeturn.kernel.code import INSTRUCTION_SIZE, Code, Object, Reference
from edgeturn.kernel.maps import Maps
from edgeturn.seam import bpf as call
from edgeturn.seam import memory_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    Place = str | PathLike[str]

_LOAD, _TEST = 5, 10  # enum bpf_cmd
_KINDS = {"tc": 3, "xdp": 6, "probe": 3}  # enum bpf_prog_type, by section
# The verifier takes it that a packet begins two bytes past an even word, which it doesn't without an Ethernet header;
# where the machine can't read words at odd places it would refuse what is right.
_ANY_ALIGNMENT = 2  # BPF_F_ANY_ALIGNMENT
_MAP_FILE = 1  # BPF_PSEUDO_MAP_FD, in the source register of a reference
_LOG_SIZES = (1 << 16, 1 << 20, (1 << 24) - 1)  # the last is the most that Linux before 5.2 takes
_ROOM = 512  # what a test run may add to a packet; struct __sk_buff comes back whole, whatever of it was given
_INTERRUPTED = 5  # times that a load is tried again: a signal ends the verifier with EAGAIN
_NAME = "program.bpfel.o" if sys.byteorder == "little" else "program.bpfeb.o"
_OBJECT = __file__.rsplit("/", 1)[0] + "/program/" + _NAME

_EAGAIN, _ENOSPC = 11, 28
ENOSYS = 89 if EADDRINUSE == 125 else 38  # on MIPS the other
_REASONS = {
    bpf.EPERM: "this takes root, or the capabilities CAP_BPF and CAP_NET_ADMIN",
    ENOSYS: "this kernel is built without bpf(2)",
    7: "it's larger than this kernel's verifier takes",  # E2BIG
    12: "there's not enough memory",  # ENOMEM
}


class LoadError(Exception):
    """Why a program can't be loaded, in a sentence; log: all that the verifier said."""

    def __init__(self, message: str, log: str = "") -> None:
        """Take both."""
        super().__init__(message)
        self.log = log


class Run:
    """What came of a test run: the program's answer, the packet and the context afterwards, time of one run."""

    def __init__(self, code: int, data: bytes, nanoseconds: int, context: bytes) -> None:
        """Take the fields."""
        self.code = code
        self.data = data
        self.nanoseconds = nanoseconds
        self.context = context


class Program:
    """A loaded program, open; it lives as long as it's open, attached or pinned."""

    def __init__(self, file: int) -> None:
        """Take its file."""
        self.file = file
        self.number: int = unpack_from("II", bpf.information(file, 8))[1]

    def test(self, data: bytes, context: "bytes | None" = None, repeat: int = 1) -> Run:
        """Run the program on a packet, which isn't sent; context: beginning of struct __sk_buff or xdp_md."""
        buffers = [bytearray(data), bytearray(len(data) + _ROOM)]
        if context is not None:
            buffers += [bytearray(context), bytearray(_ROOM)]
        sizes = [len(each) for each in buffers] + [0, 0]
        addresses = [memory_address(each) for each in buffers] + [0, 0]
        attributes = bytearray(
            pack("IIIIQQ", self.file, 0, *sizes[:2], *addresses[:2])
            + pack("IIIIQQ", repeat, 0, *sizes[2:4], *addresses[2:4])
        )
        call(_TEST, attributes)
        code, _, size = unpack_from("iII", attributes, 4)
        nanoseconds, _, context_size = unpack_from("III", attributes, 36)
        return Run(code, bytes(buffers[1][:size]), nanoseconds, bytes(buffers[-1][:context_size]))

    def close(self) -> None:
        """Close the program; what it's attached to and its pins keep it."""
        if self.file >= 0:
            bpf.close(self.file)
        self.file = -1


def read_object(path: "Place" = "") -> Object:
    """Return the programs of an object, by default of the one for this machine's byte order."""
    found = None if path else _frozen()
    if found is not None:
        return found
    from edgeturn.kernel import elf  # here, for the firmware has none

    try:
        with open(path or _OBJECT, "rb") as stream:
            return elf.read(stream.read())
    except OSError as error:
        raise LoadError(f"the program can't be read: {path or _OBJECT}: {seam.reason(error)}")
    except elf.BadObject as error:
        raise LoadError(f"{path or _OBJECT}: {error}")


def _frozen() -> "Object | None":
    """Return the programs that are in the firmware, None elsewhere."""
    try:
        from edgeturn.kernel.direct import frozen_program as frozen  # type: ignore[attr-defined]
    except ImportError:
        return None
    programs = {}
    for section, name, instructions, references in frozen.PROGRAMS:
        programs[section] = Code(name, frozen.ORDER, instructions, tuple([Reference(*row) for row in references]))
    return Object(programs, frozen.LICENSE)


def load(
    section: str, maps: Maps, constants: "dict[str, int]", path: "Place" = "", flags: int = _ANY_ALIGNMENT
) -> Program:
    """Load the program of a section, with maps and constants put in; flags: BPF_F_* of BPF_PROG_LOAD."""
    found = read_object(path)
    if section not in found.programs or section not in _KINDS:
        raise LoadError(f"{path or _OBJECT} has no program '{section}'")
    code = found.programs[section]
    files = {name: each.file for name, each in maps.by_name.items()}
    instructions = bytearray(link(code, files, constants))
    return Program(_load(section, code.name, instructions, found.license, flags))


def link(code: Code, files: "dict[str, int]", constants: "dict[str, int]") -> bytes:
    """Return the instructions with the files of maps and with constants put in."""
    word = code.order + "I"
    linked = bytearray(code.instructions)
    for reference in code.references:
        known = files if reference.is_map else constants
        if reference.name not in known:
            kind = "map" if reference.is_map else "constant"
            raise LoadError(f"{code.name}: the {kind} {reference.name} isn't there")
        value = known[reference.name]
        low, high = reference.offset + 4, reference.offset + INSTRUCTION_SIZE + 4
        if reference.is_map:
            linked[reference.offset + 1] |= _MAP_FILE << 4 if code.order == "<" else _MAP_FILE
        else:  # the compiler may have added something to it
            value += unpack_from(word, linked, low)[0] | unpack_from(word, linked, high)[0] << 32
        pack_into(word, linked, low, value & 0xFFFFFFFF)
        pack_into(word, linked, high, value >> 32 & 0xFFFFFFFF)
    return bytes(linked)


def _load(section: str, name: str, instructions: bytearray, license: bytes, flags: int) -> int:
    """Return the file of a loaded program; LoadError where the kernel refuses it."""
    count = len(instructions) // INSTRUCTION_SIZE
    text = bytearray(license + b"\0")
    named = name.encode()[: bpf.NAME_SIZE - 1]
    named += bytes(bpf.NAME_SIZE - len(named))
    begin = pack("IIQQ", _KINDS[section], count, memory_address(instructions), memory_address(text))
    end = pack("II", 0, flags) + named
    try:
        return _try(bytearray(begin + pack("IIQ", 0, 0, 0) + end))
    except OSError as error:
        log = _explain(begin, end)
        raise LoadError(_sentence(section, error, log), log)


def _try(attributes: bytearray) -> int:
    """Load; a signal may interrupt the verifier."""
    for _ in range(_INTERRUPTED):
        try:
            return bpf.charge(_LOAD, attributes)
        except OSError as error:
            if error.args[0] != _EAGAIN:
                raise
    return bpf.charge(_LOAD, attributes)


def _explain(begin: bytes, end: bytes) -> str:
    """Return what the verifier says of a program that it refuses, as far as there's memory for it."""
    log = bytearray(1)
    for size in _LOG_SIZES:
        try:
            log = bytearray(size)
            bpf.close(_try(bytearray(begin + pack("IIQ", 1, size, memory_address(log)) + end)))
        except OSError as error:
            if error.args[0] == _ENOSPC:
                continue
        except MemoryError:
            pass
        break
    return bytes(log[: bytes(log).find(b"\0")]).decode("utf-8", "replace").strip()


def _sentence(section: str, error: OSError, log: str) -> str:
    """Return why the kernel refuses a program, in words."""
    words = _REASONS.get(error.args[0]) or seam.reason(error)
    lines = [line for line in log.split("\n") if line.strip() and not any(map(line.startswith, _STATISTICS))]
    if not lines:
        return f"the kernel refuses the program '{section}': {words}"
    said = "\n".join([f"  {line}" for line in lines[-_LAST:]])
    return f"the kernel's verifier refuses the program '{section}' ({words}):\n{said}"


_STATISTICS = ("processed ", "verification time", "stack depth", "max_states", "mark_precise")
_LAST = 3  # lines of the log: the instruction, and what is wrong with it
