// What the three colour panels have in common: the samples around a pixel, and whether colour is
// shown there. The header defines COLOUR_INDEX. Velocities are in v_N.
#include "bmode.glsl"
#include "stale.glsl"

// Velocity, power in dB, corrected velocity, state; NEAREST, and clamped to the edge: beyond the
// outermost samples their values go on. The state is the status, 8 more where the fold is unsure,
// and behind the point the bandwidth, where the map in use shows it.
uniform sampler2D u_flow;
uniform vec4 u_colour_lattice;
uniform vec3 u_colour_origin;
uniform vec2 u_colour_size;         // rows, columns
uniform float u_power_db;           // colour is shown from this power on
uniform float u_priority;           // grey level above which B-mode wins
uniform float u_opacity;
uniform float u_interpolate;        // 1 or 0

vec4 tap_a, tap_b, tap_c, tap_d;    // the four samples around the pixel
vec4 weights;                       // how much each counts; 0 where it shows no colour
float grey;

vec4 flow_at(vec2 index) {
    return texture2D(u_flow, (index.yx + 0.5) / u_colour_size.yx);
}

float wrapped(float velocity) {
    return velocity - 2.0 * floor(0.5 * velocity + 0.5);
}

vec4 wrapped(vec4 velocity) {
    return velocity - 2.0 * floor(0.5 * velocity + 0.5);
}

// The value of the sample that counts most.
float strongest(vec4 values) {
    vec2 near = weights.x >= weights.y ? vec2(values.x, weights.x) : vec2(values.y, weights.y);
    vec2 far = weights.z >= weights.w ? vec2(values.z, weights.z) : vec2(values.w, weights.w);
    return near.y >= far.y ? near.x : far.x;
}

// Fetches the samples; discards the pixel where it shows no colour.
void sample_flow() {
    vec2 index = COLOUR_INDEX;
    index = mix(floor(index + 0.5), index, u_interpolate);
    vec2 first = floor(index), between = index - first;
    tap_a = flow_at(first);
    tap_b = flow_at(first + vec2(0.0, 1.0));
    tap_c = flow_at(first + vec2(1.0, 0.0));
    tap_d = flow_at(first + vec2(1.0, 1.0));
    vec2 rows = vec2(1.0 - between.x, between.x), columns = vec2(1.0 - between.y, between.y);
    weights = rows.xxyy * columns.xyxy;
    vec4 power_db = vec4(tap_a.y, tap_b.y, tap_c.y, tap_d.y);
    if (dot(weights, power_db) < u_power_db) discard;
    grey = grey_here();
    if (grey > u_priority) discard;
    weights *= step(u_power_db, power_db);
}

vec4 over_grey(vec3 colour, float share) {
    return shown(mix(vec3(grey), colour, share * u_opacity));
}
