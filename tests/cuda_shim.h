// Enough of CUDA C++ to run the kernels on the processor, one thread after the other.
//
// It suits kernels whose threads neither wait for each other nor share memory.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#define __global__
#define __device__

using std::max;
using std::min;

struct Dimensions {
    unsigned x;
};
static thread_local Dimensions gridDim, blockDim, blockIdx, threadIdx;

struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

static inline double atomicAdd(double* address, double value) {
    const double before = *address;
    *address += value;
    return before;
}

static inline int atomicMax(int* address, int value) {
    const int before = *address;
    *address = before > value ? before : value;
    return before;
}
static inline int __float_as_int(float value) {
    int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

// Names of NumPy's number kinds; "*" marks an array that is written.
template <typename T> std::string kind_of();
template <> std::string kind_of<int>() { return "int32"; }
template <> std::string kind_of<long long>() { return "int64"; }
template <> std::string kind_of<short>() { return "int16"; }
template <> std::string kind_of<float>() { return "float32"; }
template <> std::string kind_of<double>() { return "float64"; }
template <> std::string kind_of<float2>() { return "complex64"; }

template <typename T> struct Argument {
    static std::string describe() { return kind_of<T>(); }
};
template <typename T> struct Argument<const T*> {
    static std::string describe() { return "[" + kind_of<T>() + "]"; }
};
template <typename T> struct Argument<T*> {
    static std::string describe() { return "*[" + kind_of<T>() + "]"; }
};

template <typename... T> std::string signature(void (*)(T...)) {
    std::string all;
    ((all += Argument<T>::describe() + " "), ...);
    return all;
}

// Arguments are handed over as the driver takes them: the address of each.
template <typename... T, std::size_t... I>
void run(
    void (*kernel)(T...), unsigned n_blocks, unsigned n_threads, void** arguments,
    std::index_sequence<I...>) {
    gridDim = {n_blocks};
    blockDim = {n_threads};
    for (blockIdx.x = 0; blockIdx.x < n_blocks; ++blockIdx.x) {
        for (threadIdx.x = 0; threadIdx.x < n_threads; ++threadIdx.x) {
            kernel(*static_cast<T*>(arguments[I])...);
        }
    }
}

// Entries for a kernel: how it is called, and its signature.
#define EXPORT(name)                                                                      \
    extern "C" const char* signature_##name() {                                           \
        static const std::string text = signature(name);                                  \
        return text.c_str();                                                              \
    }                                                                                     \
    template <typename... T>                                                              \
    static void run_##name(void (*kernel)(T...), unsigned b, unsigned t, void** a) {      \
        run(kernel, b, t, a, std::index_sequence_for<T...>{});                            \
    }                                                                                     \
    extern "C" void launch_##name(unsigned n_blocks, unsigned n_threads, void** args) {   \
        run_##name(name, n_blocks, n_threads, args);                                      \
    }
