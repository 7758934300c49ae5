// Kernels of the signal chain for an NVIDIA GPU, named and laid out like those for the processor.
//
// The array code of each dsp module says what its kernel computes; the tests hold the two together,
// also without a GPU. Demodulated and beamformed samples are (..., 2, lanes) float32 with the
// ensemble as the fastest axis, padded with zeros to a multiple of 4: a thread takes four lanes at a
// time as one float4, and the threads side by side read one echo of all pulses.
//
// Every kernel has a grid of one dimension with a thread for each value (or four lanes) written.
// No thread waits for another and none shares memory with its block.

static __device__ long long thread_number() {
    return static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
}

// --- four lanes at once -------------------------------------------------------------------------

static __device__ float4 nothing() {
    return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
}

static __device__ float4 load(const float* values, long long at) {
    return *reinterpret_cast<const float4*>(values + at);
}

static __device__ void store(float* values, long long at, float4 x) {
    *reinterpret_cast<float4*>(values + at) = x;
}

// a x + y
static __device__ float4 multiply_add(float a, float4 x, float4 y) {
    return make_float4(a * x.x + y.x, a * x.y + y.y, a * x.z + y.z, a * x.w + y.w);
}

// x + share (next - x)
static __device__ float4 between(float4 x, float4 next, float share) {
    return multiply_add(
        share, make_float4(next.x - x.x, next.y - x.y, next.z - x.z, next.w - x.w), x);
}

static __device__ float dot(float4 x, float4 y) {
    return x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
}

// Write (re + i im)(turn_re + i turn_im); the imaginary part lies `lanes` further on.
static __device__ void store_turned(
    float* values, long long at, int lanes, float4 re, float4 im, float turn_re, float turn_im) {
    store(values, at, multiply_add(-turn_im, im, multiply_add(turn_re, re, nothing())));
    store(values, at + lanes, multiply_add(turn_im, re, multiply_add(turn_re, im, nothing())));
}

// --- demodulation -------------------------------------------------------------------------------

// (re, im) += tap * sample, for a real and for a complex sample.
static __device__ void add_tap(float tap_re, float tap_im, float sample, float& re, float& im) {
    re += tap_re * sample;
    im += tap_im * sample;
}

static __device__ void add_tap(float tap_re, float tap_im, float2 sample, float& re, float& im) {
    re += tap_re * sample.x - tap_im * sample.y;
    im += tap_re * sample.y + tap_im * sample.x;
}

static __device__ float value_of(short sample) { return sample; }
static __device__ float value_of(float sample) { return sample; }
static __device__ float2 value_of(float2 sample) { return sample; }

// Filter and decimate the record of one pulse around one output sample.
template <typename Sample>
static __device__ void filter_record(
    const Sample* record, int n_samples, const float* taps_re, const float* taps_im, int n_taps,
    int centre, float& re, float& im) {
    const int first = centre - n_taps / 2;
    const int begin = max(0, -first);
    const int end = min(n_taps, n_samples - first);
    re = im = 0.0f;
    for (int k = begin; k < end; ++k) {
        add_tap(taps_re[k], taps_im[k], value_of(record[first + k]), re, im);
    }
}

// samples (n_pulses, n_elements, n_samples) -> out (n_iq, n_elements + 1, 2, lanes), whose last
// element is left as it is; turn (2, n_iq). A thread makes four lanes of one IQ sample. The lanes
// of a sample are neighbours, then its successors in time: writes are whole sectors, and the reads
// of a block overlap in the cache.
template <typename Sample>
static __device__ void demodulate(
    const Sample* samples, int n_pulses, int n_elements, int n_samples, const float* taps_re,
    const float* taps_im, int n_taps, const float* turn, int decimation, int n_iq, int lanes,
    float* out) {
    const int quads = lanes / 4;
    const long long thread = thread_number();
    const int lane = 4 * static_cast<int>(thread % quads);
    const int m = static_cast<int>(thread / quads % n_iq);
    const long long element = thread / quads / n_iq;
    if (element >= n_elements) return;

    float re[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    float im[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
    for (int k = 0; k < 4; ++k) {
        if (lane + k < n_pulses) {
            const long long record = static_cast<long long>(lane + k) * n_elements + element;
            filter_record(
                samples + record * n_samples, n_samples, taps_re, taps_im, n_taps, m * decimation,
                re[k], im[k]);
        }
    }
    const long long row = static_cast<long long>(m) * (n_elements + 1) + element;
    store_turned(
        out, row * 2 * lanes + lane, lanes, make_float4(re[0], re[1], re[2], re[3]),
        make_float4(im[0], im[1], im[2], im[3]), turn[m], turn[n_iq + m]);
}

extern "C" __global__ void demodulate_rf_int16(
    const short* rf, int n_pulses, int n_elements, int n_samples, const float* taps_re,
    const float* taps_im, int n_taps, const float* turn, int decimation, int n_iq, int lanes,
    float* out) {
    demodulate(
        rf, n_pulses, n_elements, n_samples, taps_re, taps_im, n_taps, turn, decimation, n_iq,
        lanes, out);
}

extern "C" __global__ void demodulate_rf_float32(
    const float* rf, int n_pulses, int n_elements, int n_samples, const float* taps_re,
    const float* taps_im, int n_taps, const float* turn, int decimation, int n_iq, int lanes,
    float* out) {
    demodulate(
        rf, n_pulses, n_elements, n_samples, taps_re, taps_im, n_taps, turn, decimation, n_iq,
        lanes, out);
}

extern "C" __global__ void demodulate_iq(
    const float2* iq, int n_pulses, int n_elements, int n_samples, const float* taps_re,
    const float* taps_im, int n_taps, const float* turn, int decimation, int n_iq, int lanes,
    float* out) {
    demodulate(
        iq, n_pulses, n_elements, n_samples, taps_re, taps_im, n_taps, turn, decimation, n_iq,
        lanes, out);
}

// packed (n_samples, n_transmits + 1, 2, lanes), where the elements have the place of the ensemble,
// -> out (n_transmits, n_elements, n_samples) complex.
extern "C" __global__ void records(
    const float* packed, int n_transmits, int n_elements, int n_samples, int lanes, float2* out) {
    const long long thread = thread_number();
    const long long m = thread % n_samples;
    const long long element = thread / n_samples % n_elements;
    const long long transmit = thread / n_samples / n_elements;
    if (transmit >= n_transmits) return;
    const long long at = (m * (n_transmits + 1) + transmit) * 2 * lanes + element;
    out[thread] = make_float2(packed[at], packed[at + lanes]);
}

// Sum of the squares of all samples. The squares are float32, so that a sample whose power would
// overflow later shows here.
extern "C" __global__ void energy(const float* samples, long long n, double* sum) {
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    double part = 0.0;
    for (long long k = thread_number(); k < n; k += step) {
        part += samples[k] * samples[k];
    }
    atomicAdd(sum, part);
}

// --- beamforming --------------------------------------------------------------------------------

// channel (n_iq, n_rows, 2, lanes) -> out (n_pixels, 2, lanes); turn (2, n_pixels).
// Pixel p sums its entries start[p] ... start[p + 1]: index is the place of the earlier sample's
// first lane in channel, fraction the way to the next sample. An echo outside the record has the
// index of the padding element, which is zero. A thread sums four lanes of one pixel; the threads
// of a pixel read the same entry, and the lanes of a sample as one row.
extern "C" __global__ void delay_and_sum(
    const float* __restrict__ channel, int n_rows, int lanes, const long long* __restrict__ start,
    const int* __restrict__ index, const float* __restrict__ fraction,
    const float* __restrict__ weight_re, const float* __restrict__ weight_im,
    const float* __restrict__ turn, int n_pixels, float* __restrict__ out) {
    const int quads = lanes / 4;
    const long long thread = thread_number();
    const int lane = 4 * static_cast<int>(thread % quads);
    const long long p = thread / quads;
    if (p >= n_pixels) return;

    const long long row_step = 2LL * n_rows * lanes;
    float4 re = nothing();
    float4 im = nothing();
    const long long end = start[p + 1];
    for (long long k = start[p]; k < end; ++k) {
        const long long at = static_cast<long long>(index[k]) + lane;
        const float share = fraction[k];
        const float4 echo_re = between(load(channel, at), load(channel, at + row_step), share);
        const float4 echo_im =
            between(load(channel, at + lanes), load(channel, at + row_step + lanes), share);
        re = multiply_add(-weight_im[k], echo_im, multiply_add(weight_re[k], echo_re, re));
        im = multiply_add(weight_im[k], echo_re, multiply_add(weight_re[k], echo_im, im));
    }
    store_turned(out, p * 2 * lanes + lane, lanes, re, im, turn[p], turn[n_pixels + p]);
}

// channel (n_angles, n_elements, n_samples) complex -> out (n_pixels): power of the mean over the
// angles. Pixel p sees the elements from first[p] on; sent (n_angles, n_pixels) is the transmit
// delay, turn (n_angles, 2, n_pixels) its phase. A thread makes one pixel: its neighbours are on
// the same depth and read close by.
extern "C" __global__ void compound_power(
    const float2* __restrict__ channel, int n_angles, int n_elements, int n_samples,
    const int* __restrict__ first, const long long* __restrict__ start,
    const float* __restrict__ delay, const float* __restrict__ weight_re,
    const float* __restrict__ weight_im, const float* __restrict__ sent,
    const float* __restrict__ turn, int n_pixels, float* __restrict__ out) {
    const long long p = thread_number();
    if (p >= n_pixels) return;

    const float last = static_cast<float>(n_samples - 1);
    const long long begin = start[p];
    const int n = static_cast<int>(start[p + 1] - begin);
    float sum_re = 0.0f;
    float sum_im = 0.0f;
    for (int angle = 0; angle < n_angles; ++angle) {
        const float sent_at = sent[static_cast<long long>(angle) * n_pixels + p];
        const float2* record =
            channel + (static_cast<long long>(angle) * n_elements + first[p]) * n_samples;
        float re = 0.0f;
        float im = 0.0f;
        for (int k = 0; k < n; ++k, record += n_samples) {
            const float position = delay[begin + k] + sent_at;
            if (!(position >= 0.0f && position <= last)) continue;
            const int row = min(static_cast<int>(position), n_samples - 2);
            const float share = position - static_cast<float>(row);
            const float2 echo = record[row];
            const float2 next = record[row + 1];
            const float echo_re = echo.x + share * (next.x - echo.x);
            const float echo_im = echo.y + share * (next.y - echo.y);
            re += weight_re[begin + k] * echo_re - weight_im[begin + k] * echo_im;
            im += weight_re[begin + k] * echo_im + weight_im[begin + k] * echo_re;
        }
        const float turn_re = turn[2LL * angle * n_pixels + p];
        const float turn_im = turn[(2LL * angle + 1) * n_pixels + p];
        sum_re += turn_re * re - turn_im * im;
        sum_im += turn_re * im + turn_im * re;
    }
    const float mean_re = sum_re / n_angles;
    const float mean_im = sum_im / n_angles;
    out[p] = mean_re * mean_re + mean_im * mean_im;
}

// iq (n_pixels, 2, lanes) -> out (n_pixels): mean squared magnitude; lanes past n_pulses are zero.
extern "C" __global__ void mean_power(
    const float* iq, int n_pulses, int lanes, int n_pixels, float* out) {
    const long long p = thread_number();
    if (p >= n_pixels) return;
    float sum = 0.0f;
    for (int k = 0; k < 2 * lanes; k += 4) {
        const float4 x = load(iq, p * 2 * lanes + k);
        sum += dot(x, x);
    }
    out[p] = sum / n_pulses;
}

// --- what the cine keeps ------------------------------------------------------------------------

// Raise peak (1) to the largest magnitude; a number that is none is larger than all others. The
// bits of floats that are not negative are in the order of the numbers.
extern "C" __global__ void peak(const float* __restrict__ samples, long long n, float* peak) {
    const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
    float largest = 0.0f;
    for (long long k = thread_number(); k < n; k += step) {
        const float x = fabsf(samples[k]);
        if (x > largest || x != x) largest = x;
    }
    atomicMax(reinterpret_cast<int*>(peak), __float_as_int(largest));
}

// iq (n_rows, lanes) -> out (n_rows, n_pulses): int16, of which 32767 stands for peak (1).
extern "C" __global__ void quantise(
    const float* __restrict__ iq, int n_pulses, int lanes, long long n_rows,
    const float* __restrict__ peak, short* __restrict__ out) {
    const long long thread = thread_number();
    const long long row = thread / n_pulses;
    if (row >= n_rows) return;
    const float scale = peak[0] > 0.0f ? 32767.0f / peak[0] : 0.0f;
    const float x = iq[row * lanes + thread % n_pulses] * scale;
    out[thread] = static_cast<short>(rintf(fminf(fmaxf(x, -32767.0f), 32767.0f)));
}

// --- Doppler ------------------------------------------------------------------------------------

// Running sums of the lags of one pixel, pulse after pulse.
struct Lags {
    float r0 = 0.0f;
    float r1_re = 0.0f;
    float r1_im = 0.0f;
    float before_re = 0.0f;
    float before_im = 0.0f;

    __device__ void add(float re, float im, float share) {
        r0 += share * (re * re + im * im);
        r1_re += re * before_re + im * before_im;
        r1_im += im * before_re - re * before_im;
        before_re = re;
        before_im = im;
    }
};

// iq (n_pixels, 2, lanes) -> lags (3, n_pixels): R0, Re R1, Im R1 of the filtered ensemble.
// A filter is (n_pulses, lanes): row k is the weight of pulse k in every pulse made; zeros past
// n_pulses. weights_re and weights_im are its parts, null where there are none.
// A thread makes one pixel, four filtered pulses at a time, which stay in its registers.
static __device__ void filter_and_correlate(
    const float* __restrict__ iq, const float* __restrict__ weights_re,
    const float* __restrict__ weights_im, int n_pulses, int lanes, int n_pixels,
    float* __restrict__ lags) {
    const long long p = thread_number();
    if (p >= n_pixels) return;

    const float* data_re = iq + p * 2 * lanes;
    const float* data_im = data_re + lanes;
    Lags sum;
    for (int j = 0; j < n_pulses; j += 4) {
        float4 re = nothing();
        float4 im = nothing();
        if (weights_re == nullptr) {
            re = load(data_re, j);
            im = load(data_im, j);
        } else {
            for (int k = 0; k < n_pulses; ++k) {
                const float4 weight = load(weights_re, static_cast<long long>(k) * lanes + j);
                re = multiply_add(data_re[k], weight, re);
                im = multiply_add(data_im[k], weight, im);
                if (weights_im != nullptr) {
                    const float4 turned = load(weights_im, static_cast<long long>(k) * lanes + j);
                    re = multiply_add(-data_im[k], turned, re);
                    im = multiply_add(data_re[k], turned, im);
                }
            }
        }
        // The first and the last pulse belong to one pair only. Lanes past n_pulses are zero.
        const int last = n_pulses - 1;
        sum.add(re.x, im.x, j == 0 || j == last ? 0.5f : 1.0f);
        sum.add(re.y, im.y, j + 1 == last ? 0.5f : 1.0f);
        sum.add(re.z, im.z, j + 2 == last ? 0.5f : 1.0f);
        sum.add(re.w, im.w, j + 3 == last ? 0.5f : 1.0f);
    }
    const float scale = 1.0f / (n_pulses - 1);
    lags[p] = sum.r0 * scale;
    lags[n_pixels + p] = sum.r1_re * scale;
    lags[2LL * n_pixels + p] = sum.r1_im * scale;
}

// n_rows is n_pulses, or 0 for no filter.
extern "C" __global__ void autocorrelate(
    const float* __restrict__ iq, const float* __restrict__ matrix, int n_rows, int n_pulses,
    int lanes, int n_pixels, float* __restrict__ lags) {
    const float* weights = n_rows == 0 ? nullptr : matrix;
    filter_and_correlate(iq, weights, nullptr, n_pulses, lanes, n_pixels, lags);
}

// The same for a complex filter, (2, n_pulses, lanes).
extern "C" __global__ void autocorrelate_complex(
    const float* __restrict__ iq, const float* __restrict__ matrix, int n_pulses, int lanes,
    int n_pixels, float* __restrict__ lags) {
    const float* imaginary = matrix + static_cast<long long>(n_pulses) * lanes;
    filter_and_correlate(iq, matrix, imaginary, n_pulses, lanes, n_pixels, lags);
}

// Add s[j] conj(s[k]) of all pixels to sums (2, lanes, lanes). A thread takes one j and four k over
// `tile` pixels: single precision within a tile, double precision over the tiles.
extern "C" __global__ void correlation(
    const float* __restrict__ iq, int n_pulses, int lanes, int n_pixels, int tile, double* sums) {
    const int quads = lanes / 4;
    const long long thread = thread_number();
    const int lane = 4 * static_cast<int>(thread % quads);
    const int j = static_cast<int>(thread / quads % n_pulses);
    const long long begin = thread / quads / n_pulses * tile;
    if (begin >= n_pixels) return;

    float4 re = nothing();
    float4 im = nothing();
    const long long end = begin + tile < n_pixels ? begin + tile : n_pixels;
    for (long long p = begin; p < end; ++p) {
        const float* data_re = iq + p * 2 * lanes;
        const float* data_im = data_re + lanes;
        const float4 x = load(data_re, lane);
        const float4 y = load(data_im, lane);
        re = multiply_add(data_im[j], y, multiply_add(data_re[j], x, re));
        im = multiply_add(-data_re[j], y, multiply_add(data_im[j], x, im));
    }
    double* row_re = sums + static_cast<long long>(j) * lanes + lane;
    double* row_im = row_re + static_cast<long long>(lanes) * lanes;
    atomicAdd(row_re, re.x);
    atomicAdd(row_re + 1, re.y);
    atomicAdd(row_re + 2, re.z);
    atomicAdd(row_re + 3, re.w);
    atomicAdd(row_im, im.x);
    atomicAdd(row_im + 1, im.y);
    atomicAdd(row_im + 2, im.z);
    atomicAdd(row_im + 3, im.w);
}

// planes -> out, both (n_planes, n_depths, n_lines): average under the product of two windows of
// odd length. At the edges only what is inside counts.
extern "C" __global__ void smooth(
    const float* __restrict__ planes, int n_planes, int n_depths, int n_lines,
    const float* __restrict__ depth_window, int depth_size, const float* __restrict__ line_window,
    int line_size, float* __restrict__ out) {
    const long long thread = thread_number();
    const int j = static_cast<int>(thread % n_lines);
    const int i = static_cast<int>(thread / n_lines % n_depths);
    const long long plane = thread / n_lines / n_depths;
    if (plane >= n_planes) return;

    const int first_depth = i - depth_size / 2;
    const int first_line = j - line_size / 2;
    const int begin = max(0, -first_line);
    const int end = min(line_size, n_lines - first_line);
    float sum = 0.0f;
    float depth_share = 0.0f;
    for (int q = max(0, -first_depth); q < min(depth_size, n_depths - first_depth); ++q) {
        const float* row = planes + (plane * n_depths + first_depth + q) * n_lines + first_line;
        float along = 0.0f;
        for (int k = begin; k < end; ++k) {
            along += line_window[k] * row[k];
        }
        sum += depth_window[q] * along;
        depth_share += depth_window[q];
    }
    float line_share = 0.0f;
    for (int k = begin; k < end; ++k) {
        line_share += line_window[k];
    }
    out[thread] = sum / (depth_share * line_share);
}

// lags (3, n_pixels) -> velocity in v_N, [-1, 1), and bandwidth 1 - |R1| / R0, 0 without a signal.
extern "C" __global__ void maps(
    const float* __restrict__ lags, int n_pixels, float* __restrict__ velocity,
    float* __restrict__ bandwidth) {
    const long long p = thread_number();
    if (p >= n_pixels) return;
    const float r0 = lags[p];
    const float re = lags[n_pixels + p];
    const float im = lags[2LL * n_pixels + p];
    const float turn = atan2f(im, re) * 0.318309886f;  // 1 / pi
    velocity[p] = turn >= 1.0f ? -1.0f : turn;
    // hypotf: the square of a weak echo's R1 would vanish in float32.
    bandwidth[p] = r0 > 0.0f ? fminf(fmaxf(1.0f - hypotf(re, im) / r0, 0.0f), 1.0f) : 0.0f;
}
