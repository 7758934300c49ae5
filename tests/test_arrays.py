import gc
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultrasound_console.dsp.arrays import (
    ALIGNMENT_BYTES,
    MOST_SIZES,
    BlockList,
    aligned_empty,
    n_lanes,
    pack_ensemble,
    unpack_ensemble,
)

LARGE = 1 << 17
# Lets go of 64 MiB of arrays that lie between small things which stay, and says what it has left.
HOLES = """
import numpy as np
from pathlib import Path
from ultrasound_console.dsp.arrays import return_freed_arrays

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 >> 20

return_freed_arrays()
np.ones(1 << 24, np.uint8)
before = resident_mib()
pairs = [(np.ones(1 << 22, np.uint8), bytearray(1 << 16)) for _ in range(16)]
full = resident_mib()
small = [stays for _, stays in pairs]
del pairs
print(full - before, resident_mib() - before)
"""


@given(st.integers(1, 256))
def test_lanes_fill_registers_with_little_to_spare(n_pulses):
    lanes = n_lanes(n_pulses)
    assert n_pulses <= lanes < n_pulses + 8
    assert lanes % (4 if n_pulses <= 16 else 8) == 0


def test_twelve_pulses_need_no_padding():
    assert n_lanes(12) == 12


@pytest.mark.parametrize("shape", [(0,), (3,), (5, 7, 2, 12), (300, 200, 2, 4)])
@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.complex64])
def test_arrays_are_aligned_and_ordered(shape, dtype):
    array = aligned_empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.size == 0 or array.ctypes.data % ALIGNMENT_BYTES == 0


def test_ensembles_are_packed_and_unpacked():
    iq = np.arange(5 * 6, dtype=float).reshape(5, 2, 3) * (1 + 2j)
    packed = pack_ensemble(iq)
    assert packed.shape == (2, 3, 2, 8)
    assert not packed[..., 5:].any()
    np.testing.assert_array_equal(unpack_ensemble(packed, 5), iq)


def test_memory_is_used_again():
    blocks = BlockList()
    array = blocks.take(LARGE)
    place = array.ctypes.data
    del array
    assert blocks.idle_bytes == LARGE
    assert blocks.take(LARGE).ctypes.data == place


def test_a_view_of_a_view_keeps_the_memory():
    blocks = BlockList()
    plane = blocks.take(LARGE).view(np.float32).reshape(-1, 64)
    view = plane[3:, ::2][1:].T[2:, ::3].view(np.int32)
    view[...] = 7
    del plane
    gc.collect()
    assert blocks.idle_bytes == 0
    other = blocks.take(LARGE)
    assert not np.shares_memory(other, view)
    other[...] = 0
    assert np.all(view == 7)
    del view
    assert blocks.idle_bytes == LARGE


def test_a_buffer_of_an_array_keeps_the_memory():
    blocks = BlockList()
    buffer = memoryview(blocks.take(LARGE)[5:])
    assert blocks.idle_bytes == 0
    del buffer
    assert blocks.idle_bytes == LARGE


def test_only_memory_of_the_same_size_is_taken():
    blocks = BlockList()
    blocks.take(LARGE)
    assert blocks.idle_bytes == LARGE
    assert blocks.take(LARGE + 4).size == LARGE + 4
    assert blocks.idle_bytes == 2 * LARGE + 4


def test_small_arrays_are_left_to_the_allocator():
    blocks = BlockList(smallest_bytes=LARGE)
    blocks.take(LARGE - 1)
    assert blocks.idle_bytes == 0


def test_idle_memory_is_bounded_and_other_sizes_go_first():
    blocks = BlockList(budget_bytes=2 * LARGE)
    kept = [blocks.take(LARGE) for _ in range(5)]
    kept.clear()
    assert blocks.idle_bytes == 2 * LARGE
    blocks.take(LARGE + 4)
    assert blocks.idle_bytes == LARGE + 4
    blocks.take(3 * LARGE)
    assert blocks.idle_bytes == LARGE + 4


def test_what_is_asked_for_is_not_pushed_out_by_what_was():
    blocks = BlockList(budget_bytes=3 * LARGE)
    old = [blocks.take(LARGE) for _ in range(5)]
    in_use = blocks.take(LARGE + 64)
    at = in_use.ctypes.data
    del in_use
    old.clear()  # more than there is room for
    assert blocks.idle_bytes == 2 * LARGE + 64
    assert blocks.take(LARGE + 64).ctypes.data == at


def test_sizes_that_come_and_go_are_forgotten():
    """As while a colour box is dragged; each size kept would cost time for each array that dies."""
    blocks = BlockList(budget_bytes=1000 * LARGE)
    for n in range(3 * MOST_SIZES):
        blocks.take(LARGE + 64 * n)
    newest = range(2 * MOST_SIZES, 3 * MOST_SIZES)
    assert blocks.idle_bytes == sum(LARGE + 64 * n for n in newest)


def test_threads_never_share_memory():
    blocks = BlockList()
    # Each thread hands its last array to the next one, which lets it die.
    handed = [blocks.take(LARGE) for _ in range(4)]
    mixed = []

    def work(number):
        for turn in range(300):
            array = blocks.take(LARGE)
            array[:] = number
            handed[(number + turn) % 4] = blocks.take(LARGE)
            if not np.all(array == number):
                mixed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mixed


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read as Linux has it")
def test_arrays_go_back_to_the_system_though_something_small_lies_between():
    told = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    full_mib, left_mib = map(int, told.stdout.split())
    assert full_mib >= 64
    assert left_mib < 16
