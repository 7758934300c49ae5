"""Two modules of 32 channels, wired so that nothing is where one would guess."""

from types import SimpleNamespace

import numpy as np

CHANNELS, MODULES = 32, 2
# Groups of elements go to the modules in turn.
GROUP = 8
NOTE = 12345


class Layout:
    def __init__(self, ops):
        received = np.flatnonzero(ops[0].rx.aperture)
        self._n, self._elements = len(ops), received
        module = (received // GROUP) % MODULES
        # Of each module: the first 32 elements at the first firing, the next 32 at the second.
        rank = np.zeros(len(received), int)
        for m in range(MODULES):
            rank[module == m] = np.arange(np.sum(module == m))
        firing, channel = rank // CHANNELS, CHANNELS - 1 - rank % CHANNELS
        self._firings = int(firing.max()) + 1
        n_records = self._n * self._firings
        transmit = np.arange(self._n)[:, None]
        record = transmit * self._firings + firing
        # The second module stores its records the other way round.
        record = np.where(module == 1, n_records - 1 - record, record)
        shape = (self._n, len(received))
        self.mapping = SimpleNamespace(
            frames=record.astype(np.int16),
            channels=np.broadcast_to(channel, shape).astype(np.int8),
            us4oems=np.broadcast_to(module, shape).astype(np.uint8),
            frame_offsets=np.array([0, n_records], np.uint32),
            n_frames=np.array([n_records, n_records], np.uint32),
            batch_size=1,
        )

    def scattered(self, samples):
        """Samples (transmits, elements, samples) as they lie in a buffer."""
        n_samples = samples.shape[2]
        fcm = self.mapping
        records = np.zeros((int(fcm.n_frames.sum()), n_samples, CHANNELS), np.int16)
        for k in range(self._n):
            for j, element in enumerate(self._elements):
                at = int(fcm.frame_offsets[fcm.us4oems[k, j]]) + int(fcm.frames[k, j])
                records[at, :, fcm.channels[k, j]] = samples[k, element]
        records[: int(fcm.n_frames[0]), 0] = NOTE
        return records.reshape(-1, CHANNELS)
