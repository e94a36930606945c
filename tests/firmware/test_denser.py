"""What makes the frozen content smaller: nothing of it is lost, and what it doesn't know stops the build."""

import pytest

from firmware.variant.denser import denser


def _escaped(text: str) -> str:
    return text if text.isalnum() else "".join(f"\\x{byte:02x}" for byte in text.encode())


_NAMES = ("\0", "allocate", "refresh")
_CONTENT = f"""
const qstr_hash_t mp_qstr_frozen_const_hashes[] = {{
    46309,
}};

const qstr_len_t mp_qstr_frozen_const_lengths[] = {{
    1,
}};

extern const qstr_pool_t mp_qstr_const_pool;
const qstr_pool_t mp_qstr_frozen_const_pool = {{
    &mp_qstr_const_pool, // previous pool
    {{
{"".join(f'        "{_escaped(name)}",' + chr(10) for name in _NAMES)}    }},
}};

static const byte fun_data_turn_answer[2] = {{
    0x12,0x35,
}};
static const mp_obj_str_t const_obj_turn_0 = {{{{&mp_type_str}}, 21879, 7, (const byte*)"{_escaped("refresh")}"}};
static const mp_obj_str_t const_obj_turn_1 = {{{{&mp_type_bytes}}, 6533, 6, (const byte*)"{_escaped("re alm")}"}};
"""


def test_text_is_there_once_and_referred_to() -> None:
    made = denser(_CONTENT)
    assert made.count('"refresh') == made.count('"allocate') == made.count(_escaped("re alm")) == 1
    assert (
        "{{&mp_type_str}, 21879, 7, frozen_text + 11};" in made
    )  # behind zero and its end, and "allocate" and its end
    assert "{{&mp_type_bytes}, 0, 6, frozen_text + 19};" in made


def test_only_names_with_a_zero_have_their_size_written() -> None:
    made = denser(_CONTENT)
    assert "#define NAMES 3" in made
    assert "    {0, 1},\n    {NAMES, 0},\n" in made
    assert "46309" not in made


def test_bytecode_is_unchanged_and_unaligned() -> None:
    assert "__attribute__((aligned(1))) fun_data_turn_answer[2] = {\n    0x12,0x35,\n};" in denser(_CONTENT)


def test_another_form_stops_the_build() -> None:
    for lost in ("mp_qstr_frozen_const_lengths", "fun_data"):
        with pytest.raises(SystemExit, match="doesn't know this form"):
            denser(_CONTENT.replace(lost, "other"))
